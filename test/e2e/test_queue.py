"""The line of waiting clients: bounded, in order, and honest about why it says no."""

import time

import pytest

from harness.waiting import wait_until
from harness.wire import (Refused, bind, copy_data, copy_done, execute, extended, fields_of, parse,
                          query, startup, sync)

ONE = {"default_pool_size": 1}


@pytest.fixture
def busy(make_pooler):
    """A pooler with one server, held by a transaction; further settings as asked."""
    def make(**settings):
        pooler = make_pooler(**{**ONE, **settings})
        pooler.holder = pooler.login()
        assert pooler.holder.ask("begin").status == "T"
        return pooler
    return make


def release(pooler):
    assert pooler.holder.ask("commit").status == "I"


def assert_is_limit_error(error, severity="ERROR"):
    assert error["S"] == error["V"] == severity
    assert error["C"] == ("53300" if severity == "ERROR" else "57P03")
    assert error["M"] and error["D"] and error["H"]


def test_full_queue_rejects_at_once_and_the_session_lives(busy):
    pooler = busy(max_queue=1)
    waiter, rejected = pooler.login(), pooler.login()
    waiter.send(query("select 'waited'"))
    pooler.wait_for_pool(cl_waiting=1)
    began = time.monotonic()
    reply = rejected.ask("select 'never'")
    assert time.monotonic() - began < 0.5
    assert reply.types == "EZ" and reply.status == "I"
    assert_is_limit_error(reply.error)
    assert "max_queue" in reply.error["M"] + reply.error["D"]
    release(pooler)
    assert waiter.until("Z").value == "waited"
    assert rejected.value("select 'later'") == "later"


def test_detail_gives_length_limit_and_the_time_the_head_has_waited(busy):
    pooler = busy(max_queue=2)
    wires = [pooler.login() for _ in range(3)]
    for wire in wires[:2]:
        wire.send(query("select 1"))
    pooler.wait_for_pool(cl_waiting=2)
    detail = wires[2].ask("select 1").error["D"]
    assert "2" in detail and any(c.isdigit() for c in detail.replace("2", "", 2))


def test_rejected_extended_batch_skips_to_its_sync(busy):
    pooler = busy(max_queue=0)
    wire = pooler.login()
    batch = parse("select $1::text") + bind(("x",)) + execute()
    reply = wire.ask(batch, batch, sync())
    assert reply.types == "EZ"
    assert_is_limit_error(reply.error)
    assert wire.is_silent(0.05)
    release(pooler)
    assert wire.ask(batch, sync()).value == "x"


def test_every_rejected_pipeline_part_gets_its_own_answer(busy):
    pooler = busy(max_queue=0)
    wire = pooler.login()
    wire.send(extended("select 1"), query("select 2"), extended("select 3"))
    assert [wire.until("Z").types for _ in range(3)] == ["EZ", "EZ", "EZ"]
    release(pooler)
    assert wire.value("select 4") == "4"


def test_rejection_comes_only_with_the_sync_when_the_batch_arrives_in_parts(busy):
    pooler = busy(max_queue=0)
    wire = pooler.login()
    wire.send(parse("select 1"))
    wire.send(bind(), execute())
    wire.is_silent(0.05)
    wire.send(sync())
    assert wire.until("Z").types == "EZ"


def test_data_for_a_rejected_copy_is_swallowed(busy):
    pooler = busy(max_queue=0)
    wire = pooler.login()
    wire.send(query("copy note from stdin"), copy_data(b"1\tx\n"), copy_done())
    assert wire.until("Z").types == "EZ"
    release(pooler)
    assert wire.value("select 1") == "1"


def test_big_rejected_query_does_not_cost_the_session(busy):
    pooler = busy(max_queue=0)
    wire = pooler.login()
    reply = wire.ask("select '" + "x" * 5_000_000 + "'")
    assert reply.types == "EZ"
    release(pooler)
    assert wire.value("select 1") == "1"


def test_max_queue_zero_never_waits_but_serves_when_a_server_is_free(busy):
    pooler = busy(max_queue=0)
    wire = pooler.login()
    assert wire.ask("select 1").error["C"] == "53300"
    release(pooler)
    for n in range(20):
        assert wire.value(f"select {n}") == str(n)


def test_max_queue_zero_still_opens_servers(make_pooler):
    pooler = make_pooler(max_queue=0, default_pool_size=2)
    wires = [pooler.login() for _ in range(2)]
    for wire in wires:
        assert wire.ask("begin").status == "T"


def test_max_queue_minus_one_has_no_bound(busy):
    pooler = busy(max_queue=-1)
    wires = [pooler.login() for _ in range(60)]
    for n, wire in enumerate(wires):
        wire.send(query(f"select {n}"))
    pooler.wait_for_pool(cl_waiting=60)
    release(pooler)
    assert [wire.until("Z").value for wire in wires] == [str(n) for n in range(60)]


def test_max_queue_of_the_database_beats_the_global_one(busy, cluster):
    pooler = busy(max_queue=10, databases={"app": {"max_queue": 0}})
    assert pooler.login().ask("select 1").error["C"] == "53300"


def test_max_queue_of_the_user_beats_that_of_the_database(make_pooler):
    pooler = make_pooler(databases={"app": {"max_queue": 10}}, users={"bob": "max_queue=0"}, **ONE)
    holder = pooler.login(user="bob")
    holder.ask("begin")
    assert pooler.login(user="bob").ask("select 1").error["C"] == "53300"


def test_login_that_would_have_to_queue_is_fatal_when_the_queue_is_full(make_pooler):
    """In session mode the only server is taken, so a newcomer's first query must wait; a pool
    that has had no server yet makes the login itself wait."""
    pooler = make_pooler(max_queue=0, databases={"app": {"max_db_connections": 1}})
    holder = pooler.login(user="alice")
    holder.ask("begin")
    error = pooler.refusal(user="bob")
    assert_is_limit_error(error, "FATAL")
    holder.ask("commit")
    assert pooler.login(user="bob").value("select 1") == "1"


def test_query_wait_timeout_is_an_error_and_the_session_lives(busy):
    pooler = busy(query_wait_timeout="0.3")
    wire = pooler.login()
    began = time.monotonic()
    reply = wire.ask("select 1")
    waited = time.monotonic() - began
    assert 0.25 < waited < 3
    assert reply.types == "EZ"
    assert_is_limit_error(reply.error)
    assert "query_wait_timeout" in reply.error["M"]
    pooler.wait_for_pool(cl_waiting=0)
    release(pooler)
    assert wire.value("select 1") == "1"


def test_query_wait_timeout_skips_an_extended_batch_to_its_sync(busy):
    pooler = busy(query_wait_timeout="0.2")
    wire = pooler.login()
    assert wire.ask(extended("select 1")).types == "EZ"
    release(pooler)
    assert wire.ask(extended("select 1")).value == "1"


def test_query_wait_timeout_at_login_is_fatal(make_pooler):
    pooler = make_pooler(query_wait_timeout="0.3", databases={"app": {"max_db_connections": 1}})
    holder = pooler.login(user="alice")
    holder.ask("begin")
    error = pooler.refusal(user="bob")
    assert error["S"] == "FATAL" and error["C"] == "57P03"


def test_query_wait_timeout_of_database_and_user_beat_the_global_one(make_pooler):
    pooler = make_pooler(query_wait_timeout="20", users={"bob": "query_wait_timeout=0.2"},
                         databases={"app": {"query_wait_timeout": "0.2"}, "other": {}}, **ONE)
    for dbname, user in (("app", "alice"), ("other", "bob")):
        holder, wire = pooler.login(dbname, user), pooler.login(dbname, user)
        holder.ask("begin")
        assert wire.ask("select 1").error["C"] == "53300"


def test_query_wait_timeout_zero_waits_on(busy):
    pooler = busy(query_wait_timeout="0")
    wire = pooler.login()
    wire.send(query("select 1"))
    assert wire.is_silent(1.0)
    release(pooler)
    assert wire.until("Z").value == "1"


def test_waiting_is_shown_from_when_waiting_starts(busy):
    pooler = busy()
    wire = pooler.login()
    time.sleep(0.5)  # idle time that must not count as waiting
    wire.send(query("select 1"))
    pooler.wait_for_pool(cl_waiting=1)
    row = pooler.pool()
    assert row["maxwait"] == 0 and row["maxwait_us"] < 450_000
    wait_until(lambda: pooler.pool()["maxwait"] >= 1, 5)
    release(pooler)
    wire.until("Z")
    assert pooler.pool()["maxwait"] == 0


def test_notice_tells_a_client_that_it_is_queued_once(busy):
    pooler = busy(query_wait_notify=1)
    wire = pooler.login()
    wire.send(query("select 1"))
    m = wire.read()
    assert m.type == "N"
    assert "queued" in fields_of(m.body)["M"]
    assert wire.is_silent(1.3)
    release(pooler)
    assert wire.until("Z").types == "TDCZ"


def test_no_notice_when_it_is_turned_off(busy):
    pooler = busy(query_wait_notify=0)
    wire = pooler.login()
    wire.send(query("select 1"))
    assert wire.is_silent(1.3)
    release(pooler)
    assert wire.until("Z").types == "TDCZ"


def test_client_that_hangs_up_leaves_the_line_at_once(busy):
    pooler = busy()
    gone, next_one = pooler.login(), pooler.login()
    gone.send(query("insert into note values (1, 'must not happen')"))
    pooler.wait_for_pool(cl_waiting=1)
    gone.close()
    pooler.wait_for_pool(cl_waiting=0)
    next_one.send(query("select count(*) from note"))
    release(pooler)
    assert next_one.until("Z").value == "0"


def test_client_that_hangs_up_makes_room_in_a_full_queue(busy):
    pooler = busy(max_queue=1)
    gone, other = pooler.login(), pooler.login()
    gone.send(query("select 1"))
    pooler.wait_for_pool(cl_waiting=1)
    assert other.ask("select 1").error["C"] == "53300"
    gone.close()
    pooler.wait_for_pool(cl_waiting=0)
    other.send(query("select 'served'"))
    pooler.wait_for_pool(cl_waiting=1)
    release(pooler)
    assert other.until("Z").value == "served"


def test_everyone_is_served_or_rejected_when_many_come_at_once(make_pooler):
    pooler = make_pooler(default_pool_size=2, max_queue=5)
    wires = [pooler.login() for _ in range(40)]
    for wire in wires:
        wire.send(query("select pg_sleep(0.05)::text || 'served'"))
    replies = [wire.until("Z") for wire in wires]
    served = sum(1 for r in replies if not r.errors)
    assert served >= 7
    assert all(r.error["C"] == "53300" for r in replies if r.errors)
    assert all(wire.value("select 1") == "1" for wire in wires)


def test_queue_of_one_pool_does_not_stop_another(busy):
    pooler = busy(max_queue=0)
    assert pooler.login(user="bob").value("select 1") == "1"


def test_burst_of_startups_is_served_or_told(make_pooler):
    pooler = make_pooler(default_pool_size=1, max_queue=3)
    wires = [pooler.wire() for _ in range(30)]
    for wire in wires:
        wire.send(startup({"user": "alice", "database": "app"}))
    served = 0
    for wire in wires:
        try:
            wire.finish_login()
            served += 1
        except Refused as refused:
            assert refused.fields["S"] == "FATAL" and refused.fields["C"] == "57P03"
    assert served >= 1
    assert pooler.login().value("select 1") == "1"
