"""Who is let into the line, who is served first, and who is told no at once."""

import threading
import time

import pytest

from harness.waiting import wait_until
from harness.wire import query

HELD_S = 0.1
LEARN = 30  # as many as the mean remembers
TOO_LONG_S = 1.7 * HELD_S  # for the second in line


def queue(pooler, user="alice"):
    (row,) = [r for r in pooler.show("QUEUE") if r["user"] == user]
    return {k: int(v) if v and v.lstrip("-").isdigit() else v for k, v in row.items()}


@pytest.fixture
def learned(make_pooler):
    """A pooler with one server, which knows that a client has it for a tenth of a second,
    and has given it to somebody now."""
    def make(**settings):
        pooler = make_pooler(default_pool_size=1, pool_mode="transaction", **settings)
        pooler.holder = pooler.login()
        for _ in range(LEARN):
            pooler.holder.value(f"select pg_sleep({HELD_S})")
        assert queue(pooler)["held_us"] >= 0.9 * HELD_S * 1e6
        pooler.holder.ask("begin")
        return pooler
    return make


def stand(pooler, waiting, **params):
    """A client that waits, as the so-many-th."""
    wire = pooler.login(**params)
    wire.send(query(f"select 'number {waiting}'"))
    wait_until(lambda: queue(pooler)["waiting"] == waiting, 10)
    return wire


def assert_too_long(reply, limit):
    assert reply.types == "EZ" and reply.status == "I"
    error = reply.error
    assert error["C"] == "53300" and error["S"] == "ERROR"
    assert error["M"] == f"queue is too long ({limit})"
    assert "expected wait: 0." in error["D"] and "class: normal" in error["D"]
    assert error["H"].startswith("Try again in ") and " ms" in error["H"]


def test_who_would_wait_too_long_is_told_at_once(learned):
    pooler = learned(max_queue_wait=f"{TOO_LONG_S}")
    first, second = stand(pooler, 1), pooler.login()
    began = time.monotonic()
    reply = second.ask("select 'never'")
    assert time.monotonic() - began < 5  # it would be two minutes
    assert_too_long(reply, "max_queue_wait")
    assert queue(pooler)["too_long"] == 1 and queue(pooler)["expected_us"] > 0
    pooler.holder.ask("commit")
    assert first.until("Z").value == "number 1"
    assert second.value("select 'later'") == "later"


def test_the_limit_of_the_database_and_of_the_user_count_for_more(make_pooler):
    pooler = make_pooler(default_pool_size=1, pool_mode="transaction", max_queue_wait=60,
                         databases={"app": {"max_queue_wait": 30}},
                         users={"bob": "max_queue_wait=20"})
    for user, limit in (("alice", 30), ("bob", 20)):
        pooler.login(user=user).value("select 1")
        assert queue(pooler, user)["max_wait_us"] == limit * 1e6
    pooler.reload(query_wait_timeout=25)
    for user, limit in (("alice", 25), ("bob", 20)):
        assert queue(pooler, user)["max_wait_us"] == limit * 1e6


def test_a_prediction_on_trial_lets_everybody_in_and_says_who_would_not_be(learned):
    pooler = learned(max_queue_wait=f"{TOO_LONG_S}", queue_prediction="log")
    pooler.change(max_queue_wait="60")
    first = stand(pooler, 1)
    pooler.reload(max_queue_wait=f"{TOO_LONG_S}")
    second = pooler.login()
    second.send(query("select 'second'"))
    wait_until(lambda: queue(pooler)["would_too_long"] == 1, 10)
    assert "would be rejected: queue is too long (max_queue_wait)" in pooler.output()
    assert queue(pooler)["too_long"] == 0
    pooler.holder.ask("commit")
    for wire in (first, second):
        # Served, or told after the limit that the wait was too long.
        assert wire.until("Z").types in ("TDCZ", "EZ")


@pytest.mark.parametrize("how", ["start-up", "set"])
def test_a_client_may_set_a_deadline_of_its_own(learned, how):
    pooler = learned()
    milliseconds = int(TOO_LONG_S * 1000)
    if how == "start-up":
        hurried = pooler.login(**{"pooler.deadline": str(milliseconds)})
    else:
        pooler.holder.ask("commit")
        hurried = pooler.login()
        hurried.ask(f"set pooler.deadline = '{milliseconds}ms'")
        assert hurried.value("show pooler.deadline") == f"{milliseconds}ms"
        pooler.holder.ask("begin")
    patient = stand(pooler, 1)
    assert_too_long(hurried.ask("select 1"), "pooler.deadline")
    pooler.holder.ask("commit")
    assert patient.until("Z").value == "number 1"


def test_statement_timeout_is_a_deadline_where_the_pooler_honours_it(learned):
    pooler = learned(queue_honours_statement_timeout=1)
    hurried = pooler.login(statement_timeout=str(int(TOO_LONG_S * 1000)))
    patient = stand(pooler, 1)
    assert_too_long(hurried.ask("select 1"), "statement_timeout")
    pooler.holder.ask("commit")
    assert patient.until("Z").value == "number 1"


@pytest.mark.parametrize("name,value", [("pooler.deadline", "soon"),
                                        ("pooler.priority", "highest")])
def test_a_bad_word_of_the_poolers_own_is_refused(make_pooler, name, value):
    pooler = make_pooler(pool_mode="transaction")
    error = pooler.refusal(**{name: value})
    assert error["C"] == "22023" and value in error["M"] and error["H"]
    wire = pooler.login()
    reply = wire.ask(f"set {name} = '{value}'")
    assert not reply.errors
    warnings = [*reply.notices, *wire.ask("select 1").notices]
    assert [(w["S"], w["C"]) for w in warnings] == [("WARNING", "22023")]


def order_of_service(pooler, wires):
    """The classes in the order in which they are answered once the server is free."""
    served, lock = [], threading.Lock()

    def listen(name, wire):
        wire.until("Z")
        with lock:
            served.append(name)
    threads = [threading.Thread(target=listen, args=item) for item in wires]
    for thread in threads:
        thread.start()
    pooler.holder.ask("commit")
    for thread in threads:
        thread.join(10)
    return served


def busy(make_pooler, **settings):
    pooler = make_pooler(default_pool_size=1, pool_mode="transaction", priority_reserve="",
                         **settings)
    pooler.holder = pooler.login()
    pooler.holder.ask("begin")
    return pooler


def line_up(pooler, clients):
    wires = []
    for number, (name, params) in enumerate(clients, 1):
        wire = pooler.login(**params)
        wire.send(query("select pg_sleep(0.1)"))
        wait_until(lambda: queue(pooler)["waiting"] == number, 10)
        wires.append((name, wire))
    return wires


def test_higher_classes_are_served_first(make_pooler):
    pooler = busy(make_pooler, max_priority="critical", priority_applications="web*=high")
    wires = line_up(pooler, [("low", {"pooler.priority": "low"}), ("normal", {}),
                             ("high", {"application_name": "web 7"}),
                             ("critical", {"pooler.priority": "critical"})])
    row = queue(pooler)
    assert [row[c] for c in ("critical", "high", "normal", "low")] == [1, 1, 1, 1]
    assert order_of_service(pooler, wires) == ["critical", "high", "normal", "low"]


def test_a_client_cannot_raise_itself_above_what_it_may_have(make_pooler):
    pooler = busy(make_pooler, max_priority="normal", priority="low")
    line_up(pooler, [("wants more", {"pooler.priority": "critical"}), ("says nothing", {})])
    row = queue(pooler)
    assert [row[c] for c in ("critical", "high", "normal", "low")] == [0, 0, 1, 1]
    pooler.close_clients()


def test_a_full_line_makes_room_for_a_higher_class(make_pooler):
    pooler = busy(make_pooler, max_queue=1)
    low, normal = pooler.login(**{"pooler.priority": "low"}), pooler.login()
    low.send(query("select 'low'"))
    wait_until(lambda: queue(pooler)["low"] == 1, 10)
    normal.send(query("select 'normal'"))
    reply = low.until("Z")
    assert reply.error["C"] == "53300" and "needed for others" in reply.error["M"]
    assert queue(pooler)["displaced"] == 1
    pooler.holder.ask("commit")
    assert normal.until("Z").value == "normal"
    assert low.value("select 'again'") == "again"


def test_rejected_clients_are_closed_where_that_is_asked_for(make_pooler):
    pooler = busy(make_pooler, max_queue=0, reject_action="close")
    wire = pooler.login()
    wire.send(query("select 1"))
    reply = wire.rest()  # up to the end of the connection
    assert reply.types == "E"
    assert reply.error["S"] == "FATAL" and reply.error["C"] == "53300"


def crowd(pooler, clients, seconds, sql):
    """Clients that ask again and again; how many of each name were served and refused."""
    served, refused, messages = {}, {}, set()
    end = time.monotonic() + seconds

    def work(name, params):
        wire = pooler.login(**params)
        while time.monotonic() < end:
            reply = wire.ask(sql)
            if reply.errors:
                refused[name] = refused.get(name, 0) + 1
                messages.add(reply.error["M"])
                time.sleep(0.01)
            else:
                served[name] = served.get(name, 0) + 1
    threads = [threading.Thread(target=work, args=c) for c in clients]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(seconds + 20)
        assert not thread.is_alive()
    return served, refused, messages


@pytest.mark.long
def test_lower_classes_are_turned_away_while_the_line_is_slow(make_pooler):
    pooler = make_pooler(default_pool_size=1, pool_mode="transaction", priority_target="0.001")
    clients = [("low", {"pooler.priority": "low"})] * 8 + [("normal", {})] * 2
    served, refused, messages = crowd(pooler, clients, 4, "select pg_sleep(0.02)")
    assert served["normal"] > 0 and "normal" not in refused
    assert refused["low"] > 0 and served["low"] > 0
    assert messages == {"queue is too slow for class low (priority_target)"}
    assert queue(pooler)["shed"] == refused["low"]
    # And it shows when that is over, though nobody comes.
    wait_until(lambda: queue(pooler)["lets_in"] == "low", 10)
    row = queue(pooler)
    assert (row["shed_percent"], row["expected_us"], row["standing"]) == (0, 0, 0)


def test_a_line_that_does_not_get_shorter_is_cut(make_pooler):
    pooler = make_pooler(default_pool_size=1, pool_mode="transaction", queue_policy="codel",
                         queue_target="0.001", queue_interval="0.05")
    served, refused, messages = crowd(pooler, [("all", {})] * 12, 2, "select pg_sleep(0.02)")
    assert served["all"] > 0 and refused["all"] > 0
    assert messages == {"queue does not get shorter (queue_policy)"}
    assert queue(pooler)["late"] == refused["all"]


def test_a_policy_on_trial_serves_everybody(make_pooler):
    pooler = make_pooler(default_pool_size=1, pool_mode="transaction", queue_policy="log",
                         queue_target="0.001", queue_interval="0.05")
    served, refused, _ = crowd(pooler, [("all", {})] * 12, 2, "select pg_sleep(0.02)")
    assert served["all"] > 0 and not refused
    row = queue(pooler)
    assert row["late"] == 0 and row["would_late"] > 0
    assert "would be rejected: queue does not get shorter" in pooler.output()


@pytest.mark.parametrize("state", ["log", "on"])
def test_an_adaptive_pool_shows_what_it_has_found(make_pooler, state):
    pooler = make_pooler(default_pool_size=40, pool_mode="transaction", adaptive_pool=state)
    served, refused, _ = crowd(pooler, [("all", {})] * 8, 2, "select 1")
    assert served["all"] > 0 and not refused
    assert 1 <= queue(pooler)["working_limit"] <= 40


def test_who_waits_is_not_served_after_it_left(make_pooler):
    pooler = busy(make_pooler)
    for number, wire in enumerate([pooler.login() for _ in range(3)], 1):
        wire.send(query("insert into left_behind values (1)"))
        wait_until(lambda: queue(pooler)["waiting"] == number, 10)
        if number == 3:
            wire.close()
    wait_until(lambda: queue(pooler)["waiting"] == 2, 10)
    pooler.holder.ask("rollback")
    wait_until(lambda: queue(pooler)["waiting"] == 0, 10)


def test_users_who_share_a_pool_take_turns(make_pooler):
    """Twelve clients of one user, one of another, all as the same user at the server."""
    pooler = make_pooler(default_pool_size=1, pool_mode="transaction",
                         databases={"app": {"user": "alice"}})
    clients = [("greedy", {"user": "alice"})] * 12 + [("modest", {"user": "bob"})]
    served, refused, _ = crowd(pooler, clients, 3, "select pg_sleep(0.01)")
    assert not refused
    # In order of arrival it would be one in thirteen.
    assert served["modest"] > served["greedy"] / 4
