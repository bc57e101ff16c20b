"""Cancel requests: they reach the query they are meant for, and no other."""

import random
import time

import pytest

from harness.waiting import wait_until
from harness.wire import Wire, bind, cancel_request, execute, parse, query, sync

SLEEP = "select pg_sleep(30)"


def wait_for_sleepers(cluster, count=1):
    """Asleep, not merely parsing: a cancel that comes before has another answer."""
    wait_until(lambda: len(cluster.backends("wait_event = 'PgSleep'")) == count)


@pytest.mark.parametrize("mode", ["session", "transaction", "statement"])
def test_running_query_is_cancelled_and_the_session_lives(make_pooler, cluster, mode):
    pooler = make_pooler(pool_mode=mode)
    wire = pooler.login()
    wire.send(query(SLEEP))
    wait_for_sleepers(cluster)
    pooler.cancel(wire.key)
    error = wire.until("Z").error
    assert error["S"] == "ERROR" and error["C"] == "57014"
    assert wire.value("select 1") == "1"


def test_extended_query_is_cancelled_and_skips_to_its_sync(pooler, cluster):
    wire = pooler.login()
    wire.send(parse(SLEEP), bind(), execute(), parse("select 1"), bind(), execute(), sync())
    wait_for_sleepers(cluster)
    pooler.cancel(wire.key)
    reply = wire.until("Z")
    assert reply.types == "12EZ" and reply.error["C"] == "57014"
    assert wire.value("select 1") == "1"


def test_query_in_a_transaction_is_cancelled_and_the_transaction_fails(pooler, cluster):
    wire = pooler.login()
    wire.ask("begin")
    wire.send(query(SLEEP))
    wait_for_sleepers(cluster)
    pooler.cancel(wire.key)
    assert wire.until("Z").status == "E"
    assert wire.ask("rollback").status == "I"


def test_client_waiting_in_the_queue_leaves_it_and_keeps_its_session(make_pooler):
    pooler = make_pooler(default_pool_size=1)
    holder, waiter = pooler.login(), pooler.login()
    holder.ask("begin")
    waiter.send(query("select 1"))
    pooler.wait_for_pool(cl_waiting=1)
    pooler.cancel(waiter.key)
    reply = waiter.until("Z")
    assert reply.types == "EZ" and reply.status == "I"
    assert reply.error["S"] == "ERROR" and reply.error["C"] == "57014"
    pooler.wait_for_pool(cl_waiting=0)
    assert holder.ask("select 'untouched'").value == "untouched"
    holder.ask("commit")
    assert waiter.value("select 2") == "2"


def test_extended_batch_waiting_in_the_queue_is_cancelled_up_to_its_sync(make_pooler):
    pooler = make_pooler(default_pool_size=1)
    holder, waiter = pooler.login(), pooler.login()
    holder.ask("begin")
    batch = parse("select 1") + bind() + execute()
    waiter.send(batch * 3, sync())
    pooler.wait_for_pool(cl_waiting=1)
    pooler.cancel(waiter.key)
    assert waiter.until("Z").types == "EZ"
    assert waiter.is_silent(0.1)
    holder.ask("commit")
    assert waiter.ask(batch, sync()).value == "1"


def test_idle_client_is_not_affected_and_neither_is_its_next_query(pooler, cluster):
    wire = pooler.login()
    wire.value("select 1")
    pooler.cancel(wire.key)
    assert wire.is_silent(0.1)
    assert wire.value("select pg_sleep(0.05)::text || 'done'") == "done"


def test_client_idle_in_a_transaction_is_not_affected(pooler):
    wire = pooler.login()
    wire.ask("begin")
    pooler.cancel(wire.key)
    assert wire.is_silent(0.1)
    assert wire.ask("select 1").status == "T"
    assert wire.ask("commit").status == "I"


def test_wrong_keys_have_no_effect(pooler, cluster):
    wire = pooler.login()
    wire.send(query("select pg_sleep(0.5)::text || 'slept'"))
    wait_for_sleepers(cluster)
    pid, secret = wire.key[:4], wire.key[4:]
    for key in (bytes(8), b"\xff" * 8, pid + bytes(4), secret + pid,
                pid + bytes([secret[0] ^ 1]) + secret[1:]):
        pooler.cancel(key)
    assert wire.until("Z").value == "slept"


def test_the_servers_own_key_is_not_accepted(pooler, cluster):
    wire = pooler.login()
    wire.send(query("select pg_sleep(0.3)::text || 'slept'"))
    wait_for_sleepers(cluster)
    (pid,) = cluster.backends("query like '%pg_sleep%' and state = 'active'")
    for secret in (bytes(4), wire.key[4:]):
        pooler.cancel(pid.to_bytes(4, "big") + secret)
    assert wire.until("Z").value == "slept"


def test_key_of_a_client_that_is_gone_has_no_effect(make_pooler):
    pooler = make_pooler(default_pool_size=1)
    gone = pooler.login()
    gone.value("select 1")
    gone.close()
    pooler.check_settled()
    other = pooler.login()
    other.send(query("select pg_sleep(0.3)::text || 'slept'"))
    pooler.wait_for_pool(sv_active=1)
    pooler.cancel(gone.key)
    assert other.until("Z").value == "slept"


def test_cancel_before_login_has_finished_is_harmless(pooler):
    with Wire(pooler.address) as wire:
        wire.send(cancel_request(bytes(8)))
        assert wire.rest().messages == []
    pooler.check_settled()


def test_cancels_work_when_every_client_slot_is_taken(make_pooler, cluster):
    pooler = make_pooler(max_client_conn=2)
    one, two = pooler.login(), pooler.login()
    one.send(query(SLEEP))
    wait_for_sleepers(cluster)
    pooler.cancel(one.key)
    assert one.until("Z").error["C"] == "57014"
    assert two.value("select 1") == "1"


def test_psycopg_cancels_from_another_thread(pooler, cluster, later):
    conn = pooler.connect()
    running = later(conn.execute, SLEEP)
    wait_for_sleepers(cluster)
    conn.cancel()
    assert getattr(running.exception(10), "sqlstate", None) == "57014"
    assert conn.execute("select 1").fetchone() == (1,)


def test_a_cancel_never_hits_the_query_of_another_client(make_pooler):
    """One server, two clients. The first cancels at about the time when its short query
    ends and the second one's begins; only the first may ever see 57014."""
    pooler = make_pooler(default_pool_size=1)
    first, second = pooler.login(), pooler.login()
    chance, hits = random.Random(7), 0
    for _ in range(150):
        first.send(query("select pg_sleep(0.002)"))
        second.send(query("select pg_sleep(0.002)::text || 'mine'"))
        time.sleep(chance.random() * 0.004)
        pooler.cancel(first.key)
        error = first.until("Z").error
        hits += error is not None
        assert error is None or error["C"] == "57014"
        assert second.until("Z").value == "mine"
    assert hits > 0, "no cancel ever arrived in time: the test does not test"


def test_flood_of_cancels_does_not_stop_the_work(make_pooler, later):
    pooler = make_pooler(default_pool_size=2)
    wire = pooler.login()
    wire.value("select 1")

    def flood():
        for n in range(300):
            with Wire(pooler.address) as cancel:
                cancel.send(cancel_request(n.to_bytes(8, "big")))
    floods = [later(flood) for _ in range(2)]
    while not all(f.done() for f in floods):
        assert wire.value("select 1") == "1"
    assert [f.result() for f in floods] == [None, None]


def test_many_own_cancels_while_working_leave_the_limits_intact(make_pooler, cluster):
    pooler = make_pooler(default_pool_size=2)
    wires = [pooler.login() for _ in range(4)]
    for _ in range(15):
        for wire in wires:
            wire.send(query("select pg_sleep(0.02)"))
        for wire in wires:
            pooler.cancel(wire.key)
        for wire in wires:
            wire.until("Z")
    assert len(cluster.backends("datname = 'app'")) <= 2
    for wire in wires:
        assert wire.value("select 1") == "1"


@pytest.mark.long
def test_forty_clients_that_start_and_cancel_all_the_time(make_pooler, cluster, later):
    """Nothing is lost, nobody is counted who is no client, and all can work afterwards."""
    pooler = make_pooler(default_pool_size=10, max_client_conn=40, max_cancels=5)
    wires, ends = [pooler.login() for _ in range(40)], time.monotonic() + 5

    def play(wire):
        cancelled = 0
        while time.monotonic() < ends:
            wire.send(query("select pg_sleep(0.1)"))
            for _ in range(2):
                with Wire(pooler.address) as cancel:
                    cancel.send(cancel_request(wire.key))
            errors = wire.until("Z").errors
            assert not errors or errors[0]["C"] == "57014", errors
            cancelled += bool(errors)
        return cancelled
    assert sum(played.result(30) for played in [later(play, wire) for wire in wires]) > 40
    for wire in wires:
        assert wire.value("select 1") == "1"
    wait_until(lambda: pooler.lists()["cancel_requests"] == 0, 15)
    wait_until(lambda: pooler.lists()["login_clients"] <= 1, 5)
    assert pooler.refusal()["C"] == "53300"  # there are forty, not more and not less
    wires.pop().close()
    wait_until(lambda: pooler.pool()["cl_active"] + pooler.pool()["cl_waiting"] < 40, 5)
    assert pooler.login().value("select 1") == "1"
    assert len(cluster.backends("datname = 'app'")) <= 10
