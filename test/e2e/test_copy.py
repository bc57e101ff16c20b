"""COPY in both directions, and the ways it ends."""

import pytest

from harness.waiting import wait_until
from harness.wire import (bind, copy_data, copy_done, copy_fail, execute, parse, query, sync)

MODES = ("session", "transaction", "statement")


@pytest.fixture
def table(cluster):
    """A fresh table named freight that everybody may use."""
    direct = cluster.connect(user="postgres")
    direct.execute("drop table if exists freight")
    direct.execute("create unlogged table freight(n int, body text)")
    direct.execute("grant all on freight to public")
    yield direct
    direct.execute("drop table freight")


def count(table):
    return table.execute("select count(*) from freight").fetchone()[0]


@pytest.mark.parametrize("mode", MODES)
def test_twenty_megabytes_go_in_and_come_out_again(make_pooler, table, mode):
    conn = make_pooler(pool_mode=mode).connect()
    block = b"".join(b"%d\t%s\n" % (n, b"z" * 100) for n in range(1000))
    with conn.cursor().copy("copy freight from stdin") as copy:
        for _ in range(200):
            copy.write(block)
    assert count(table) == 200_000
    with conn.cursor().copy("copy (select * from freight) to stdout") as copy:
        received = sum(len(data) for data in copy)
    assert received == 200 * len(block)


def test_copy_keeps_its_server_until_it_has_ended(make_pooler, table):
    pooler = make_pooler(default_pool_size=1)
    copier, other = pooler.login(), pooler.login()
    copier.send(query("copy freight from stdin"))
    copier.until("G")
    other.send(query("select 1"))
    copier.send(copy_data(b"1\tx\n"))
    assert other.is_silent(0.2)
    copier.send(copy_done())
    assert copier.until("Z").tags == ["COPY 1"]
    assert other.until("Z").value == "1"


def test_copy_fail_aborts_with_the_reason(pooler, table):
    wire = pooler.login()
    wire.send(query("copy freight from stdin"), copy_data(b"1\tx\n"), copy_fail("enough"))
    error = wire.until("Z").error
    assert error["C"] == "57014" and "enough" in error["M"]
    assert count(table) == 0
    assert wire.value("select 1") == "1"


def test_error_in_the_middle_of_copy_in_leaves_the_session_usable(pooler, table):
    wire = pooler.login()
    wire.send(query("copy freight from stdin"), copy_data(b"1\tx\n"), copy_data(b"bad\tx\n"))
    wire.send(copy_data(b"%d\tx\n" % 5) * 20000)
    wire.send(copy_done())
    assert wire.until("Z").error["C"] == "22P02"
    assert wire.value("select 'still here'") == "still here"


def test_late_copy_data_does_not_reach_the_next_client(make_pooler, table):
    pooler = make_pooler(default_pool_size=1)
    late, next_one = pooler.login(), pooler.login()
    late.send(query("copy freight from stdin"), copy_data(b"bad\tx\n"))
    late.until("Z")
    next_one.send(query("begin"))
    next_one.until("Z")
    late.send(copy_data(b"2\tx\n") * 1000, copy_done())
    assert next_one.value("select 1") == "1"
    next_one.ask("commit")
    assert late.value("select 'fine'") == "fine"
    assert count(table) == 0


def test_late_copy_done_is_swallowed_without_an_answer(pooler):
    wire = pooler.login()
    wire.send(copy_data(b"x"), copy_done(), copy_fail("late"))
    assert wire.is_silent(0.1)
    assert wire.value("select 1") == "1"


def test_sync_inside_copy_in_gets_no_answer_of_its_own(pooler, table):
    wire = pooler.login()
    wire.send(parse("copy freight from stdin"), bind(), execute(), sync())
    assert wire.until("G").types == "12G"
    wire.send(copy_data(b"1\tx\n"), sync(), copy_data(b"2\tx\n"), copy_done(), sync())
    reply = wire.until("Z")
    assert reply.tags == ["COPY 2"] and reply.types == "CZ"
    assert wire.is_silent(0.1)
    assert wire.value("select 1") == "1"


def test_error_inside_extended_copy_skips_to_the_sync(pooler, table):
    wire = pooler.login()
    wire.send(parse("copy freight from stdin"), bind(), execute(), sync())
    wire.until("G")
    wire.send(copy_data(b"bad\tx\n"), copy_data(b"1\tx\n"), copy_done(), sync())
    reply = wire.until("Z")
    assert reply.types == "EZ" and reply.error["C"] == "22P02"
    assert wire.is_silent(0.1)
    assert wire.value("select 1") == "1"


def test_copy_after_copy_in_one_session(pooler, table):
    wire = pooler.login()
    for n in range(20):
        wire.send(query("copy freight from stdin"), copy_data(b"%d\tx\n" % n), copy_done())
        assert wire.until("Z").tags == ["COPY 1"]
    assert wire.ask("copy freight to stdout").types.count("d") == 20


def test_copy_statements_in_one_query_string(pooler, table):
    wire = pooler.login()
    wire.send(query("copy freight from stdin; select count(*) from freight;"
                    " copy freight from stdin; copy freight to stdout"))
    wire.until("G")
    wire.send(copy_data(b"1\tx\n"), copy_done())
    wire.until("G")
    wire.send(copy_data(b"2\tx\n"), copy_done())
    reply = wire.until("Z")
    assert reply.tags == ["COPY 1", "COPY 2"] and reply.types.count("d") == 2


def test_client_that_leaves_in_the_middle_of_copy_in_leaves_no_row(pooler, table, cluster):
    wire = pooler.login()
    wire.send(query("copy freight from stdin"))
    wire.until("G")
    wire.send(copy_data(b"1\tx\n"))
    wire.close()
    pooler.check_settled()
    wait_until(lambda: not cluster.backends("state = 'active'"))
    assert count(table) == 0


def test_client_that_leaves_in_the_middle_of_copy_out_frees_the_server(pooler, cluster):
    wire = pooler.login()
    wire.send(query("copy (select repeat('x', 1000) from generate_series(1, 1000000)) to stdout"))
    wire.until("H")
    wire.reset()
    pooler.check_settled()
    wait_until(lambda: not cluster.backends("state = 'active'"))


def test_copy_out_is_cancelled_on_request(pooler):
    wire = pooler.login()
    wire.send(query("copy (select repeat('x', 1000) from generate_series(1, 10000000)) to stdout"))
    wire.until("H")
    pooler.cancel(wire.key)
    assert wire.until("Z").error["C"] == "57014"
    assert wire.value("select 1") == "1"


def test_copy_in_waits_for_a_server_like_every_query(make_pooler, table):
    pooler = make_pooler(default_pool_size=1)
    holder, copier = pooler.login(), pooler.login()
    holder.ask("begin")
    copier.send(query("copy freight from stdin"), copy_data(b"1\tx\n") * 10, copy_done())
    pooler.wait_for_pool(cl_waiting=1)
    holder.ask("commit")
    assert copier.until("Z").tags == ["COPY 10"]
