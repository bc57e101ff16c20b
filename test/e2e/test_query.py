"""Queries: what comes back through the pooler is what PostgreSQL sends."""

import struct

import pytest

from harness.waiting import wait_until
from harness.wire import (Wire, bind, close, copy_data, copy_done, copy_fail, describe,
                          execute, extended, flush, function_call, message, parse, query, sync)

MODES = ("session", "transaction")

# Each is sent to PostgreSQL and to the pooler; the answers must be the same, byte by byte.
# The number says how many ReadyForQuery belong to it.
SCRIPTS = {
    "one row": (query("select 1 as one, null as nothing"), 1),
    "several rows": (query("select g, repeat('x', g) from generate_series(1, 20) g"), 1),
    "no columns": (query("select"), 1),
    "empty query": (query(""), 1),
    "only a comment": (query("-- nothing"), 1),
    "only semicolons": (query(";;"), 1),
    "several statements": (query("select 1; select 2; select 3"), 1),
    "error": (query("select 1/0"), 1),
    "error in the middle of several": (query("select 1; select 1/0; select 3"), 1),
    "error after rows": (query("select 1/(3-g) from generate_series(1, 5) g"), 1),
    "syntax error": (query("selekt 1"), 1),
    "notice": (query("do $$ begin raise notice 'hear hear'; end $$"), 1),
    "warning outside a transaction": (query("rollback"), 1),
    "transaction in one string": (query("begin; select 1; commit"), 1),
    "transaction in steps": (query("begin") + query("select 1") + query("commit"), 3),
    "failed transaction": (query("begin") + query("select 1/0") + query("select 1")
                           + query("rollback"), 4),
    "parameter changed and put back": (query("begin; set local timezone = 'Asia/Tokyo'; commit"),
                                       1),
    "unnamed statement": (extended("select 1"), 1),
    "parameters": (extended("select $1::int + 1, $2::text", ("41", None)), 1),
    "typed parameters": (parse("select $1", "", (23,)) + bind(("7",)) + describe() + execute()
                         + sync(), 1),
    "binary results": (parse("select 1::int8") + bind(binary_results=True) + execute() + sync(),
                       1),
    "describe a statement": (parse("select $1::int, $2::text") + describe("S") + sync(), 1),
    "no data": (parse("set local work_mem = '1MB'") + bind() + describe() + execute() + sync(),
                1),
    "named statement in one batch": (parse("select 5", "s5") + bind(name="s5") + execute()
                                     + close("S", "s5") + sync(), 1),
    "named portal": (parse("select generate_series(1, 9)") + bind(portal="p9") + execute("p9", 4)
                     + execute("p9", 4) + execute("p9", 4) + close("P", "p9") + sync(), 1),
    "suspended portal over two syncs": (
        query("begin") + parse("select generate_series(1, 9)") + bind(portal="p")
        + execute("p", 4) + sync() + execute("p", 4) + sync() + query("commit"), 4),
    "empty extended": (parse("") + bind() + describe() + execute() + sync(), 1),
    "lone sync": (sync(), 1),
    "three syncs": (sync() * 3, 3),
    "parse error": (parse("selekt") + bind() + execute() + sync(), 1),
    "bind error": (parse("select $1::int") + bind(("x",)) + describe() + execute() + sync(), 1),
    "execute error": (parse("select 1/0") + bind() + execute() + sync(), 1),
    "unknown statement": (bind(name="never_parsed") + execute() + sync(), 1),
    "unknown portal": (execute("never_bound") + sync(), 1),
    "close what is not there": (close("S", "nothing") + close("P", "nothing") + sync(), 1),
    "pipeline over three syncs": (extended("select 1") + extended("select 2")
                                  + extended("select 3"), 3),
    "error in the first of three": (extended("select 1/0") + extended("select 2")
                                    + extended("select 3"), 3),
    "error in the second of three": (extended("select 1") + extended("select 1/0")
                                     + extended("select 3"), 3),
    "error skips to the sync": (parse("select 1/0") + bind() + execute() + parse("select 1")
                                + bind() + execute() + close("S") + sync(), 1),
    "several statements before one sync": (
        (parse("select 1") + bind() + execute()) * 5 + sync(), 1),
    "transaction in a pipeline": (extended("begin") + extended("select 1") + extended("commit"),
                                  3),
    "failed transaction in a pipeline": (extended("begin") + extended("select 1/0")
                                         + extended("select 1") + extended("rollback"), 4),
    "simple queries in a row": (query("select 1") * 10, 10),
    "simple and extended mixed": (query("select 1") + extended("select 2") + query("select 3")
                                  + sync() + extended("select 1/0") + query("select 5"), 6),
    "function call": (function_call(177, "40", "2"), 1),
    "function call with an error": (function_call(154, "1", "0"), 1),
    "unknown function": (function_call(1, "x"), 1),
    "function calls and queries": (function_call(177, "1", "2") + query("select 1")
                                   + function_call(177, "3", "4"), 3),
    "copy out": (query("copy (select generate_series(1, 5)) to stdout"), 1),
    "copy out between queries": (query("select 1") + query("copy (select 1) to stdout")
                                 + query("select 2"), 3),
    "copy out in several statements": (query("select 1; copy (select 2) to stdout; select 3"), 1),
    "extended copy out": (extended("copy (select generate_series(1, 5)) to stdout"), 1),
    "copy in": (query("begin; create temp table t(a int) on commit drop; copy t from stdin;"
                      " select sum(a) from t; commit")
                + copy_data(b"1\n2\n") + copy_data(b"3\n") + copy_done(), 1),
    "copy fails on our wish": (query("copy note from stdin") + copy_data(b"7\tx\n")
                               + copy_fail("changed my mind"), 1),
    "copy of garbage": (query("copy note from stdin") + copy_data(b"not a number\tx\n")
                        + copy_data(b"8\tx\n") + copy_done() + query("select 'after'"), 2),
    "late copy data is ignored": (query("select 1") + copy_data(b"late\n") + copy_done()
                                  + copy_fail("late") + query("select 2"), 2),
    "extended copy fails": (parse("copy note from stdin") + bind() + execute() + sync()
                            + copy_data(b"x\n") + copy_fail("no") + sync(), 1),
}


def answers(wire, data, syncs):
    wire.send(data)
    messages = []
    for _ in range(syncs):
        messages += wire.until("Z").messages
    return [(m.type, m.body) for m in messages if m.type != "S"]


@pytest.fixture(scope="module")
def expected(running_cluster):
    """What PostgreSQL itself answers to every script."""
    running_cluster.ensure_up()
    found = {}
    for name, (data, syncs) in SCRIPTS.items():
        with Wire(("127.0.0.1", running_cluster.port)) as wire:
            wire.login("alice", "app")
            found[name] = answers(wire, data, syncs)
            assert wire.is_silent(0.005), f"{name}: more than {syncs} answers"
    return found


@pytest.fixture(scope="module")
def shared(running_cluster, binary, workdir):
    """One pooler per mode for all scripts: what one leaves behind would show in the next."""
    import os
    from harness.pooler import Pooler
    running_cluster.ensure_up()
    poolers = {}
    for mode in MODES:
        directory = os.path.join(workdir, f"query-{mode}")
        os.mkdir(directory)
        poolers[mode] = Pooler(binary, directory, running_cluster, pool_mode=mode,
                               default_pool_size=3).start()
    yield poolers
    for pooler in poolers.values():
        pooler.stop()


@pytest.mark.parametrize("name", SCRIPTS)
@pytest.mark.parametrize("mode", MODES)
def test_answers_are_those_of_postgresql(shared, expected, mode, name):
    data, syncs = SCRIPTS[name]
    with Wire(shared[mode].address) as wire:
        wire.login("alice", "app")
        assert answers(wire, data, syncs) == expected[name]
        assert wire.value("select 'well'") == "well"


@pytest.mark.parametrize("name", ["one row", "parameters", "error in the second of three",
                                  "copy of garbage", "simple and extended mixed",
                                  "function calls and queries"])
def test_messages_may_be_cut_at_every_byte(shared, expected, name):
    data, syncs = SCRIPTS[name]
    with Wire(shared["transaction"].address) as wire:
        wire.login("alice", "app")
        for cut in range(1, len(data)):
            wire.send(data[:cut])
            wire.is_silent(0.0005)
            assert answers(wire, data[cut:], syncs) == expected[name], f"cut at {cut}"


def test_messages_may_arrive_byte_by_byte(shared, expected):
    for name in ("pipeline over three syncs", "copy in"):
        data, syncs = SCRIPTS[name]
        with Wire(shared["transaction"].address) as wire:
            wire.login("alice", "app")
            for byte in data[:-1]:
                wire.send(bytes([byte]))
            assert answers(wire, data[-1:], syncs) == expected[name]


@pytest.mark.parametrize("mode", MODES)
def test_all_scripts_work_one_after_another_in_one_session(shared, expected, mode):
    with Wire(shared[mode].address) as wire:
        wire.login("alice", "app")
        for name, (data, syncs) in SCRIPTS.items():
            assert answers(wire, data, syncs) == expected[name], name


def test_flush_brings_answers_before_the_sync(pooler):
    wire = pooler.login()
    wire.send(parse("select 1"), bind(), describe(), execute(), flush())
    assert wire.until("C").types == "12TDC"
    wire.send(sync())
    assert wire.until("Z").types == "Z"


def test_flush_alone_is_harmless(pooler):
    wire = pooler.login()
    wire.send(flush())
    assert wire.value("select 1") == "1"


def test_a_batch_without_sync_keeps_its_server(make_pooler):
    pooler = make_pooler(default_pool_size=1)
    one, two = pooler.login(), pooler.login()
    one.send(parse("select 1"), bind(), execute(), flush())
    one.until("C")
    two.send(query("select 2"))
    assert two.is_silent(0.2)
    one.send(sync())
    one.until("Z")
    assert two.until("Z").value == "2"


def test_named_statements_live_as_long_as_the_session_in_session_mode(make_pooler):
    wire = make_pooler(pool_mode="session").login()
    assert wire.ask(parse("select $1::int * 2", "twice"), sync()).types == "1Z"
    for n in range(3):
        assert wire.ask(bind((str(n),), "twice"), execute(), sync()).value == str(n * 2)


def test_notifications_reach_the_listener_in_session_mode(make_pooler):
    pooler = make_pooler(pool_mode="session")
    listener, speaker = pooler.login(), pooler.login()
    listener.ask("listen news")
    speaker.ask("notify news, 'hello'")
    m = listener.read()
    assert m.type == "A" and m.body.endswith(b"news\0hello\0")


def test_long_pipeline_is_answered_in_order(pooler):
    wire = pooler.login()
    count = 2000
    wire.send(b"".join(extended("select $1::text", (str(n),)) for n in range(count)))
    assert [wire.until("Z").value for _ in range(count)] == [str(n) for n in range(count)]


def test_pipelines_of_many_clients_do_not_mix(make_pooler):
    pooler = make_pooler(default_pool_size=2)
    wires = [pooler.login() for _ in range(10)]
    for who, wire in enumerate(wires):
        wire.send(b"".join(extended(f"select '{who}-{n}'") for n in range(50)))
    for who, wire in enumerate(wires):
        assert [wire.until("Z").value for n in range(50)] == [f"{who}-{n}" for n in range(50)]


def test_notices_inside_a_pipeline_keep_their_place(pooler):
    wire = pooler.login()
    notice = "do $$ begin raise notice 'n'; end $$"
    wire.send(extended("select 1"), extended(notice), extended("select 2"))
    assert [wire.until("Z").types for _ in range(3)] == ["12TDCZ", "12nNCZ", "12TDCZ"]


@pytest.mark.parametrize("mode", MODES)
def test_result_of_one_big_row_arrives_whole(make_pooler, mode):
    wire = make_pooler(pool_mode=mode).login()
    size = 40_000_000
    assert wire.value(f"select repeat('x', {size})") == "x" * size


def test_big_query_and_big_parameter_arrive_whole(pooler):
    wire = pooler.login()
    size = 20_000_000
    text = "y" * size
    assert wire.value(f"select length('{text}')") == str(size)
    assert wire.ask(extended("select length($1::text)", (text,))).value == str(size)


def test_big_messages_are_not_gathered_in_memory(pooler):
    wire = pooler.login()
    wire.value("select 1")
    before = pooler.rss()
    size = 100_000_000
    wire.send(query(f"select repeat('x', {size})"))
    assert len(wire.until("Z").bodies("D")[0]) > size
    assert pooler.rss() - before < 30_000_000


def test_many_rows_arrive_complete_and_in_order(pooler):
    wire = pooler.login()
    rows = wire.ask("select generate_series(1, 200000)").rows
    assert rows == [(str(n),) for n in range(1, 200001)]


def test_lengths_below_four_end_the_connection_as_a_protocol_violation(pooler):
    for length in (0, 1, 3, -1, -(1 << 31)):
        wire = pooler.login()
        wire.send(b"Q" + struct.pack("!i", length) + b"xxxx")
        error = wire.rest().error
        assert error["S"] == "FATAL" and error["C"] == "08P01"


@pytest.mark.parametrize("letter", ["!", "\0", "Z", "T", "R", "k"])
def test_unknown_messages_end_the_connection_as_a_protocol_violation(pooler, letter):
    wire = pooler.login()
    wire.send(message(letter, b"whatever"))
    error = wire.rest().error
    assert error["S"] == "FATAL" and error["C"] == "08P01"


@pytest.mark.parametrize("data", [
    pytest.param(message("Q", b"select 1"), id="query without a zero"),
    pytest.param(message("Q"), id="query without a body"),
    pytest.param(message("P", b"name without end"), id="parse without a zero"),
    pytest.param(message("P", b"\0select 1\0\x7f\xff"), id="parse with too many types"),
    pytest.param(message("B", b"\0"), id="short bind"),
    pytest.param(message("B", b"\0\0\0\0\0\1\x7f\xff\xff\xff"), id="bind beyond its end"),
    pytest.param(message("D", b"X\0"), id="describe of X"),
    pytest.param(message("D"), id="describe of nothing"),
    pytest.param(message("C", b"S"), id="close without a name"),
    pytest.param(message("E", b"\0"), id="short execute"),
    pytest.param(message("F", b"\0"), id="short function call"),
    pytest.param(message("S", b"surplus"), id="sync with a body"),
])
def test_malformed_messages_never_break_the_pooler(pooler, data):
    wire = pooler.login()
    wire.send(data, sync(), query("select 1"), message("X"))
    wire.rest()
    assert pooler.login().value("select 1") == "1"


def test_terminate_ends_the_session_and_frees_the_server(make_pooler, cluster):
    pooler = make_pooler(pool_mode="session")
    wire = pooler.login()
    wire.value("select 1")
    wire.send(message("X"))
    assert wire.rest().messages == []
    wait_until(lambda: pooler.pool()["sv_idle"] == 1)


def test_a_batch_of_very_many_messages_has_all_its_answers(make_pooler, later):
    """More than the pooler lets be outstanding at a time."""
    wire, count = make_pooler().login(), 30_000
    step = parse("select 1") + bind() + execute()
    sent = later(wire.send, step * count + sync())
    reply = wire.until("Z")
    sent.result(10)
    assert not reply.errors and len(reply.rows) == count
    assert wire.value("select 2") == "2"
