"""Prepared statements of the extended protocol in transaction mode: each batch of a client
goes to another server than the one before, and every answer is PostgreSQL's own."""

import re
import threading

import psycopg
import pytest

from harness.waiting import wait_until
from harness.wire import (Wire, bind, close, describe, execute, extended, flush, parse, query,
                          sync)

SERVERS = 2
LONG = "n" * 63


def run(name, *params):
    return bind(params, name) + describe() + execute()


def prepare(name, sql="select 1"):
    return parse(sql, name) + sync()


# Each is a list of what is sent up to one ReadyForQuery.
SCRIPTS = {
    "used on every server": [prepare("s", "select $1::int + 1")] + [run("s", str(n)) + sync()
                                                                      for n in range(6)],
    "described": [prepare("s", "select $1::int as a, 'x' as b")] + [describe("S", "s") + sync()] * 4,
    "unknown": [run("nobody") + sync(), describe("S", "nobody") + sync(), query("select 1"),
                query("deallocate nobody"), close("S", "nobody") + sync()],
    "prepared twice": [prepare("s"), prepare("s", "select 2"), prepare("s"), run("s") + sync()],
    "prepared with an error": [prepare("s", "selec 1"), run("s") + sync(), prepare("s"),
                               run("s") + sync()],
    "prepared behind an error": [run("nobody") + prepare("s"), run("s") + sync(),
                                 prepare("s", "select 3"), run("s") + sync()],
    "closed": [prepare("s"), close("S", "s") + sync(), run("s") + sync(),
               prepare("s", "select 2"), run("s") + sync()],
    "closed behind an error": [prepare("s"), run("nobody") + close("S", "s") + sync(),
                               run("s") + sync()],
    "closed and prepared anew in one batch": [
        prepare("s"), close("S", "s") + parse("select 2", "s") + run("s") + sync(),
        run("s") + sync()],
    "prepared, used and closed in one batch": [
        parse("select 1", "s") + run("s") + close("S", "s") + sync(), run("s") + sync()],
    "kept when its transaction rolls back": [
        query("begin"), prepare("s"), query("rollback"), run("s") + sync()],
    "not prepared in an aborted transaction": [
        query("begin"), query("select 1/0"), prepare("s"), query("rollback"), run("s") + sync()],
    "deallocated": [prepare("s"), prepare("t"), query("deallocate s"), run("s") + sync(),
                    run("t") + sync(), prepare("s", "select 2"), run("s") + sync()],
    "deallocated by the extended protocol": [prepare("s"), extended("deallocate s"),
                                             run("s") + sync()],
    "all deallocated": [prepare("s"), prepare("t"), query("deallocate all"), run("s") + sync(),
                        run("t") + sync()],
    "discarded": [prepare("s"), query("discard all"), run("s") + sync(), prepare("s"),
                  run("s") + sync()],
    "discarded in a pipeline": [prepare("s"), extended("discard all") + run("s") + sync(),
                                run("s") + sync()],
    "executed in SQL": [prepare("s", "select $1::int"), query("execute s(7)"),
                        query("execute s(8)"), query("execute nobody(8)")],
    "prepared in SQL": [query("prepare s(int) as select $1"), run("s", "5") + sync(),
                        query("execute s(6)"), query("deallocate s"), query("execute s(6)")],
    "long names": [prepare(LONG), prepare(LONG + "x", "select 2"), run(LONG + "y") + sync(),
                   run(LONG[:62]) + sync()],
    "many in a pipeline": [
        b"".join(parse(f"select {n}", f"s{n}") for n in range(30)) + sync(),
        b"".join(run(f"s{n}") for n in range(30)) + sync(),
        b"".join(run(f"s{n}") + sync() for n in range(3)),
        run("s1") + run("nobody") + run("s2") + sync(), run("s3") + sync()],
    "with an empty text": [prepare("s", ""), run("s") + sync(), describe("S", "s") + sync()],
    "with types": [parse("select $1", "s", [23]) + sync(), parse("select $1", "t", [25]) + sync(),
                   describe("S", "s") + sync(), describe("S", "t") + sync(),
                   run("s", "12") + sync(), run("t", "12") + sync(), run("s", "x") + sync()],
    "executed in a text of several": [
        prepare("s", "select $1::int"), prepare("Odd \"t\"", "select 'x'"),
        query("select 1; execute s(7)"), query("execute s(1); execute \"Odd \"\"t\"\"\";execute s(2);"),
        query("/* s */ select 's'; explain (costs off) execute s(3); select 4"),
        query("begin; execute s(4); commit; select 5; execute nobody"),
        query("select 1; execute s(1"), query("execute s(1); select 1/0; execute s(2)"),
        query("execute s('x'); select 1"), run("s", "5") + sync()],
    "executed in a transaction, in a text of several": [
        prepare("s", "select $1::int"), query("begin"), query("execute s(1); execute s(2)"),
        query("select 1; execute s('x')"), query("execute s(1); select 2"), query("rollback"),
        query("execute s(3); select 3")],
    "made into a table in a text of several": [
        prepare("s", "select $1::int as a"),
        query("begin; create temp table made on commit drop as execute s(5); select a + 0 as a from made; "
              "commit"), run("s", "5") + sync()],
    "deallocated in a text of several": [
        prepare("s"), prepare("t", "select 2"), prepare("u", "select 3"),
        query("select 1; deallocate s; select 2"), run("s") + sync(), run("t") + sync(),
        query("deallocate prepare t; select 1/0; deallocate u"), run("t") + sync(), run("u") + sync(),
        query("select 1/0; deallocate u"), run("u") + sync(),
        query("execute u; deallocate u; execute u"), run("u") + sync(),
        prepare("u", "select 4"), query("select 1; deallocate nobody; deallocate u"),
        query("execute u; deallocate u; deallocate u"), run("u") + sync(), prepare("s", "select 5"),
        query("begin; deallocate s; rollback"), run("s") + sync()],
    "all deallocated in a text of several": [
        prepare("s"), prepare("t"), query("execute s; deallocate all; execute t"), run("s") + sync(),
        run("t") + sync(), prepare("s"), query("select 1/0; deallocate all"), run("s") + sync(),
        query("deallocate s; deallocate all; execute s"), run("s") + sync()],
    "prepared in a text of several": [
        prepare("s"), query("select 1; prepare s as select 2; select 3"), run("s") + sync(),
        query("deallocate s; prepare s as select 4; execute s; deallocate s; select 5"),
        run("s") + sync(), query("execute s; select 6")],
    "deallocated and used in one write": [
        prepare("s"), prepare("t"),
        query("select 1; deallocate s") + run("s") + sync() + run("t") + sync(),
        query("execute t; deallocate t") + prepare("t", "select 7") + run("t") + sync(),
        run("t") + sync()],
    "flushed without a Sync": [prepare("s"), run("s") + flush() + run("s") + sync()],
}


# They keep their server, so there is none to change to.
PINNED = {"prepared in SQL"}


def answers(wire, script, between):
    """What came back, with what names a server or a place in its source left out."""
    came = []
    for sent in script:
        wire.send(sent)
        syncs = sent.count(b"S\0\0\0\4") + sent.startswith(b"Q")
        for _ in range(syncs):
            reply = wire.until()
            came.append((reply.types, reply.rows, reply.tags,
                         [(e["C"], e["M"]) for e in reply.errors],
                         [re.sub(rb"pooler_\d+", b"", body) for body in reply.bodies("T")]))
        if reply.status == "I":
            between()
    return came


class Turns:
    """Makes the next batch of a client go to another of two servers: others use both, and
    the one that is given back first is the one that is taken next."""

    def __init__(self, pooler):
        self.others = [pooler.login() for _ in range(SERVERS)]
        self.first = None

    def change(self):
        holders = {}
        for other in self.others:
            other.ask("begin")
            holders[other.value("select pg_backend_pid()")] = other
        assert len(holders) == SERVERS
        self.first = next(pid for pid in sorted(holders) if pid != self.first)
        for pid in sorted(holders, key=lambda pid: pid != self.first):
            holders[pid].ask("commit")


@pytest.fixture
def turning(make_pooler):
    return make_pooler(default_pool_size=SERVERS, server_round_robin=1)


def test_servers_do_change(turning):
    turns, wire, pids = Turns(turning), turning.login(), []
    for _ in range(6):
        turns.change()
        pids.append(wire.value("select pg_backend_pid()"))
    assert pids[:2] * 3 == pids and pids[0] != pids[1]


@pytest.mark.parametrize("name", SCRIPTS)
def test_answers_are_those_of_postgresql(name, turning, cluster):
    with Wire(("127.0.0.1", cluster.port)) as direct:
        direct.login("alice", "app")
        expected = answers(direct, SCRIPTS[name], lambda: None)
    turns, wire = Turns(turning), turning.login()
    turns.change()
    between = (lambda: None) if name in PINNED else turns.change
    assert answers(wire, SCRIPTS[name], between) == expected
    assert wire.value("select 'alive'") == "alive"


def test_what_a_text_deallocates_at_its_end_is_called_by_its_name(turning):
    """Longer than what is looked at before it goes, so that all behind it has gone, too."""
    wire = turning.login()
    wire.send(prepare("s") + prepare("t", "select 3"))
    assert not wire.until().errors and not wire.until().errors
    wire.send(query(f"select length('{'x' * 300000}'); deallocate all"),
              run("s") + sync(), describe("S", "t") + sync())
    assert wire.until().tags == ["SELECT 1", "DEALLOCATE ALL"]
    for gone in ("s", "t"):
        assert [(e["C"], e["M"]) for e in wire.until().errors] == [
            ("26000", f'prepared statement "{gone}" does not exist')]
    wire.send(prepare("s", "select 2"), run("s") + sync())
    assert not wire.until().errors
    assert wire.until().value == "2"


def cpu_of_named(pooler, wire, count, at_a_time):
    """What so many statements cost that are named, used and closed, so many at a time."""
    before = pooler.cpu_seconds()
    for first in range(0, count, at_a_time):
        sent = b"".join(parse(f"select {n}", f"s{n}") + run(f"s{n}") + close("S", f"s{n}") + sync()
                        for n in range(first, first + at_a_time))
        sender = threading.Thread(target=lambda data=sent: wire.socket.sendall(data))
        sender.start()
        assert not any(wire.until().errors for _ in range(at_a_time))
        sender.join()
    return pooler.cpu_seconds() - before


def test_ten_thousand_names_in_one_pipeline_cost_as_much_as_in_many(make_pooler):
    pooler = make_pooler()
    with pooler.login() as wire:
        few = cpu_of_named(pooler, wire, 10000, 100)
        assert cpu_of_named(pooler, wire, 10000, 10000) < 5 * few + 0.1


def figure(pooler, name, what):
    return int(next(row for row in pooler.show("MEM") if row["name"] == name)[what])


def test_what_clients_and_servers_have_is_shown(make_pooler):
    pooler = make_pooler(default_pool_size=1)
    one, other = pooler.login(), pooler.login()
    for wire, names in ((one, "abc"), (other, "ab")):
        for name in names:
            wire.send(prepare(name, f"select '{name}'"))
            assert not wire.until().errors
    shown = sorted(int(row["prepared_statements"]) for row in pooler.show("CLIENTS"))
    assert shown[-2:] == [2, 3]
    assert [row["prepared_statements"] for row in pooler.show("SERVERS")] == ["3"]
    lists = pooler.lists()
    assert (lists["prepared_statements"], lists["prepared_names"]) == (3, 5)
    assert figure(pooler, "prepared_statements", "used") == 3
    assert figure(pooler, "server_statements", "used") == 3
    one.close(), other.close()
    wait_until(lambda: pooler.lists()["prepared_names"] == 0, 10)


def on_the_server(conn):
    return [name for (name,) in conn.execute(
        "select name from pg_prepared_statements order by name").fetchall()]


def test_a_server_keeps_those_used_last(make_pooler):
    pooler = make_pooler(default_pool_size=1, max_prepared_statements=5)
    wire, conn = pooler.login(), pooler.connect()
    for n in range(20):
        wire.send(prepare(f"s{n}", f"select {n}"))
        assert not wire.until().errors
        assert len(on_the_server(conn)) <= 5
    for n in (*range(20), 3, 3, 19, 0):
        wire.send(run(f"s{n}") + sync())
        assert wire.until().value == str(n)
        assert len(on_the_server(conn)) <= 5
    wire.send(b"".join(run(f"s{n}") for n in range(20)) + sync())
    assert [row[0] for row in wire.until().rows] == [str(n) for n in range(20)]
    assert len(on_the_server(conn)) <= 5


def test_what_had_to_make_room_in_vain_is_there(make_pooler):
    """An error makes the server skip that, and what is behind the Sync is on its way."""
    pooler = make_pooler(default_pool_size=1, max_prepared_statements=1)
    wire = pooler.login()
    wire.ask(prepare("a", "select 'a'"))
    wire.send(parse("selekt") + parse("select 'b'", "b") + sync() + run("a") + sync())
    assert wire.until("Z").error["C"] == "42601"
    assert wire.until("Z").rows == [("a",)]
    assert wire.ask(prepare("b", "select 'b'")).status == "I"
    assert wire.ask(run("b") + sync()).rows == [("b",)]
    assert wire.ask(run("a") + sync()).rows == [("a",)]


def test_texts_are_shared_by_clients(make_pooler):
    pooler = make_pooler(default_pool_size=1)
    wires = [pooler.login() for _ in range(10)]
    for n, wire in enumerate(wires):
        wire.send(prepare(f"own{n}", "select 'the same'"))
        assert not wire.until().errors
    assert len(on_the_server(pooler.connect())) == 1


def test_without_the_feature_names_pass_as_they_are(make_pooler):
    pooler = make_pooler(default_pool_size=1, max_prepared_statements=0)
    wire, conn = pooler.login(), pooler.connect()
    wire.send(prepare("mine"))
    assert not wire.until().errors
    assert on_the_server(conn) == ["mine"]


def test_a_client_cannot_take_all_memory(make_pooler):
    pooler = make_pooler(max_client_statement_memory="64kB")
    wire, other, made = pooler.login(), pooler.login(), 0
    while True:
        wire.send(prepare(f"s{made}", f"select {made}, '{'x' * 2000}'"))
        error = wire.until().error
        if error:
            break
        made += 1
    assert (error["S"], error["C"]) == ("ERROR", "53400") and 20 < made < 33, (error, made)
    other.send(prepare("s", f"select '{'x' * 2000}'"))
    assert not other.until().errors
    wire.send(run("s0") + sync())
    assert wire.until().rows[0][0] == "0"
    wire.send(close("S", "s0") + sync())
    assert not wire.until().errors
    wire.send(prepare("again", f"select '{'x' * 2000}'"))
    assert not wire.until().errors


def test_all_clients_cannot_take_more_than_is_allowed(make_pooler):
    pooler = make_pooler(max_statement_memory="64kB")
    wires, made = [pooler.login() for _ in range(5)], 0
    errors = []
    for n in range(60):
        wires[n % 5].send(prepare(f"s{n}", f"select {n}, '{'x' * 2000}'"))
        reply = wires[n % 5].until()
        errors += [error["C"] for error in reply.errors]
        made += not reply.errors
    assert set(errors) == {"53400"} and 20 < made < 33
    assert figure(pooler, "prepared_statements", "memtotal") <= 65536
    for wire in wires:
        wire.close()
    # What only servers have gives way.
    last = pooler.login()
    wait_until(lambda: pooler.lists()["prepared_names"] == 0, 10)
    for n in range(20):
        last.send(prepare(f"t{n}", f"select -{n}, '{'y' * 2000}'"))
        assert not last.until().errors
    for n in range(20):
        last.send(run(f"t{n}") + sync())
        assert last.until().rows[0][0] == str(-n)


def test_bounds_change_at_a_reload(make_pooler):
    pooler = make_pooler()
    wire = pooler.login()
    wire.send(prepare("before"))
    assert not wire.until().errors
    pooler.reload(max_client_statement_memory="1kB")
    wire.send(prepare("after", f"select '{'x' * 2000}'"))
    assert wire.until().error["C"] == "53400"
    pooler.reload(max_client_statement_memory=0)
    wire.send(prepare("after", f"select '{'x' * 2000}'"))
    assert not wire.until().errors


@pytest.fixture
def shifting(cluster):
    """A table whose columns become more: call it."""
    conn, columns = cluster.connect(), ["a"]
    conn.execute("create table shifting(a int default 0); insert into shifting values (0)")

    def shift():
        columns.append(f"c{len(columns)}")
        conn.execute(f"alter table shifting add column {columns[-1]} text default "
                     f"'{len(columns) - 1}'")
        return tuple(str(n) for n in range(len(columns)))
    yield shift
    conn.execute("drop table if exists shifting")


def test_a_result_that_has_changed_is_prepared_anew(turning, shifting, cluster):
    turns, wire = Turns(turning), turning.login()
    wire.send(prepare("s", "select * from shifting"))
    assert not wire.until().errors
    row = ("0",)
    for _ in range(3):
        for _ in range(4):
            turns.change()
            wire.send(run("s") + sync())
            reply = wire.until()
            assert (reply.types, reply.rows) == ("2TDCZ", [row]), reply.errors
            assert len(reply.columns) == len(row)
        row = shifting()
    cluster.connect().execute("drop table shifting")
    wire.send(run("s") + sync())
    assert wire.until().error["C"] == "42P01"


def test_what_a_result_looks_like_is_never_told_as_it_was(turning, shifting):
    turns, wire = Turns(turning), turning.login()
    wire.send(prepare("s", "select * from shifting"))
    assert not wire.until().errors
    row = ("0",)
    for _ in range(3):
        for _ in range(4):
            turns.change()
            wire.send(describe("S", "s") + sync())
            reply = wire.until()
            # PostgreSQL's own answer to a change is that error.
            assert (reply.types == "tTZ" and len(reply.columns) == len(row)) or \
                [error["C"] for error in reply.errors] == ["0A000"], reply.types
        row = shifting()


def test_what_is_prepared_after_a_change_is_fresh_on_every_server(turning, shifting):
    """Although the servers have the same text, from before."""
    turns, row = Turns(turning), ("0",)
    for n in range(3):
        for wire in (turning.login(), turning.login()):
            for name in ("s", "t"):
                turns.change()
                wire.send(parse("select * from shifting", name) + describe("S", name) + sync())
                reply = wire.until()
                assert reply.types == "1tTZ", (n, reply.errors)
                assert len(reply.columns) == len(row)
                turns.change()
                wire.send(bind((), name) + execute() + sync())
                reply = wire.until()
                assert (reply.types, reply.rows) == ("2DCZ", [row]), reply.errors
        row = shifting()


def test_psycopg_prepares_what_it_runs_often(turning):
    with psycopg.connect(turning.conninfo(), autocommit=True) as conn:
        turns = Turns(turning)
        for n in range(20):
            assert conn.execute("select %s::int * 3", (n,)).fetchone() == (3 * n,)
            turns.change()


@pytest.mark.parametrize("begin", [[], ["begin"]])
def test_a_name_that_prepare_has_taken_is_taken(begin, make_pooler):
    wire = make_pooler(default_pool_size=2).login()
    for sql in begin + ["prepare q as select 7"]:
        wire.ask(sql)
    assert wire.ask(prepare("other", "select 9")).types == "1Z"
    assert wire.ask(run("other") + sync()).rows == [("9",)]
    assert wire.ask(parse("select 8", "q") + run("other") + sync()).error["C"] == "42P05"
    assert wire.ask("rollback" if begin else "select 1").status == "I"
    assert wire.ask(run("q") + sync()).rows == [("7",)]
    wire.ask("deallocate q")
    assert wire.ask(run("q") + sync()).error["C"] == "26000"
    assert wire.ask(parse("select 8", "q") + run("q") + sync()).rows == [("8",)]


# What a text means when it is prepared, or planned: the parameter, two of its values, the text.
MEANINGS = {
    "dates": ("DateStyle", "SQL, DMY", "SQL, MDY", "select extract(month from '01/02/2020'::date)"),
    "zones": ("TimeZone", "UTC", "Asia/Tokyo", "select '2020-01-01 00:00'::timestamptz = "
                                               "'2020-01-01 00:00 UTC'::timestamptz"),
    "strings": ("standard_conforming_strings", "on", "off", r"select length('a\\b')"),
    "bytes": ("client_encoding", "UTF8", "LATIN1", "select length('\u00e9')"),
    "comparisons": ("transform_null_equals", "on", "off", "select null = null"),
    # These are worked out when the text is planned.
    "bytea": ("bytea_output", "hex", "escape", r"select '\x616263'::bytea::text"),
    "floats": ("extra_float_digits", "1", "-10", "select (1.0::float8 / 3)::text"),
    "identifiers": ("quote_all_identifiers", "on", "off", "select quote_ident('abc')"),
}


@pytest.mark.parametrize("name", MEANINGS)
def test_nobody_gets_what_his_text_means_to_others(name, make_pooler):
    pooler = make_pooler(default_pool_size=1)
    parameter, one, other, text = MEANINGS[name]
    sent = prepare("s", text) + run("s") + sync()
    replies = []
    for value in (one, other, one):
        wire = pooler.login(**{parameter: value})
        wire.send(sent)
        wire.until()
        replies.append(wire.until().rows)
    assert replies[0] != replies[1] and replies[0] == replies[2]


@pytest.mark.parametrize("before", [["set bytea_output = escape"],
                                    ["begin", "set local bytea_output = escape"],
                                    ["begin", "set bytea_output = escape"],
                                    ["begin", "select set_config('bytea_output', 'escape', false)"],
                                    ["begin", "do $$ begin set bytea_output = escape; end $$"]])
def test_nobody_gets_what_was_planned_for_others(before, make_pooler):
    """It was prepared under the same parameters as theirs, and planned under others."""
    pooler = make_pooler(default_pool_size=1)
    wire, stranger = pooler.login(), pooler.login()
    text = MEANINGS["bytea"][3]
    wire.ask(prepare("s", text))
    for sql in before:
        wire.ask(sql)
    if len(before) == 1:
        assert wire.ask("show bytea_output").rows == [("escape",)]
    assert wire.ask(run("s") + sync()).rows == [("abc",)]
    wire.ask("commit")
    assert stranger.ask(parse(text, "s") + run("s") + sync()).rows == [(r"\x616263",)]


def test_nobody_gets_what_was_planned_behind_a_set_in_the_same_write(make_pooler):
    pooler = make_pooler(default_pool_size=1)
    wire, stranger = pooler.login(), pooler.login()
    text = MEANINGS["bytea"][3]
    wire.ask(prepare("s", text))
    wire.send(query("set bytea_output = escape"), run("s") + sync())
    wire.until("Z")
    assert wire.until("Z").rows == [("abc",)]
    assert stranger.ask(parse(text, "s") + run("s") + sync()).rows == [(r"\x616263",)]


def test_a_local_set_config_on_its_way_counts_for_what_is_prepared_behind_it(make_pooler):
    pooler = make_pooler(default_pool_size=1)
    wire, stranger = pooler.login(TimeZone="UTC"), pooler.login(TimeZone="UTC")
    text = MEANINGS["zones"][3]
    local = parse("select set_config('TimeZone', 'Asia/Tokyo', true)") + bind() + execute()
    assert wire.ask(local, parse(text, "s"), run("s"), sync()).rows[-1] == ("f",)
    assert stranger.ask(parse(text, "s") + run("s") + sync()).rows == [("t",)]


def test_nobody_gets_what_was_prepared_behind_a_function_that_sets(make_pooler):
    """Of which nothing is known before the server reports it, behind the batch."""
    pooler = make_pooler(default_pool_size=1)
    wire, stranger = pooler.login(TimeZone="UTC"), pooler.login(TimeZone="UTC")
    text = MEANINGS["zones"][3]
    assert not wire.ask("create or replace function goes_east() returns text language sql as "
                        "$$select set_config('TimeZone', 'Asia/Tokyo', false)$$").errors
    hidden = parse("select goes_east()") + bind() + execute()
    assert wire.ask(hidden, parse(text, "s"), run("s"), sync()).rows[-1] == ("f",)
    for _ in range(2):
        assert stranger.ask(parse(text, "s") + run("s") + close("S", "s") + sync()).rows == \
            [("t",)]
    assert wire.ask(run("s") + sync()).rows == [("f",)]


def test_what_is_prepared_again_for_one_is_what_others_meant(turning):
    turns, wire = Turns(turning), turning.login(TimeZone="UTC")
    text = MEANINGS["zones"][3]
    turns.change()
    assert wire.ask(parse(text, "s") + run("s") + sync()).rows == [("t",)]
    wire.ask("set timezone = 'Asia/Tokyo'")
    for _ in range(2):
        turns.change()
        wire.ask(run("s") + sync())
    for _ in range(4):
        turns.change()
        stranger = turning.login(TimeZone="UTC")
        assert stranger.ask(parse(text, "s") + run("s") + sync()).rows == [("t",)]


def test_a_set_on_its_way_counts_for_what_is_prepared_behind_it(make_pooler):
    pooler = make_pooler(default_pool_size=1)
    wire, stranger = pooler.login(TimeZone="UTC"), pooler.login(TimeZone="UTC")
    use = parse(MEANINGS["zones"][3], "s") + run("s") + sync()
    wire.send(query("set timezone = 'Asia/Tokyo'"), use)
    assert wire.until().tags == ["SET"] and wire.until().rows == [("f",)]
    assert stranger.ask(use).rows == [("t",)]
    assert wire.ask(run("s") + sync()).rows == [("f",)]


@pytest.mark.parametrize("make", [query, lambda text: parse(text) + bind() + execute() + sync()])
def test_what_others_prepared_is_not_there_for_sql(make, make_pooler):
    pooler = make_pooler(default_pool_size=1)
    wire, stranger = pooler.login(), pooler.login()
    wire.ask(parse("select 42", "s") + run("s") + sync())
    name = stranger.value("select name from pg_prepared_statements")
    assert stranger.ask(make(f"deallocate {name}")).error["C"] == "26000"
    assert stranger.ask(make(f"execute {name}")).error["C"] == "26000"
    assert stranger.ask(make(f"prepare {name} as select 1")).error["C"] == "42P05"
    for text in (f"execute {name}", f"deallocate {name}", f"prepare {name} as select 1"):
        assert stranger.ask(query(f"select 1; {text}")).errors
    assert wire.ask(bind((), "s") + execute() + sync()).rows == [("42",)]
