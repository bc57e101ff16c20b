"""RESET, SET ... TO DEFAULT and DISCARD ALL in session mode lead back to what the client
began with, as PostgreSQL does it: each script is said to both."""

import pytest

from harness.waiting import wait_until
from harness.wire import Wire, bind, execute, extended, parse, query, sync

STARTUP = {"application_name": "mine", "TimeZone": "Asia/Tokyo", "DateStyle": "SQL, DMY",
           "options": "-c work_mem=2MB -c my.own=first -c search_path=misled,public"}
NAMES = ("application_name", "TimeZone", "DateStyle", "work_mem", "my.own", "search_path")
OTHERS = ("set application_name = 'other'; set timezone = 'Europe/Oslo'; set my.own = 'second';"
          "set datestyle = 'German'; set work_mem = '3MB'; set search_path = pg_temp")


def prepared(sql):
    """Carried out behind a Sync of its own, and again."""
    run = bind(name="s") + execute() + sync()
    return [parse(sql, "s") + sync(), run, OTHERS, run]


SCRIPTS = {
    "reset all": ["reset all"],
    "discard all": ["discard all"],
    "one": ["reset work_mem"],
    "some": ["reset timezone; reset my.own", "set work_mem to default"],
    "defaults": ["set datestyle = default", "SET TIME ZONE DEFAULT", "set search_path to default"],
    "to the same": ["reset all", "reset all"],
    "set again": ["reset all; set work_mem = '5MB'; set datestyle = 'ISO, MDY'"],
    "the server's own": ["set datestyle = 'ISO, MDY'; set work_mem = '4MB'",
                         "set timezone to default", "reset application_name"],
    "extended": [extended("reset all")],
    "extended default": [extended("set work_mem to default"), extended("set my.own = default")],
    "prepared": prepared("reset all"),
    "prepared default": prepared("set datestyle to default"),
    "in a string": ["select 1; reset all; select 2"],
    "string that fails": ["reset all; select 1/0"],
    "transaction": ["begin", "reset all", "commit"],
    "rolled back": ["begin", "reset all", "rollback"],
    "failed": ["begin", "reset all", "select 1/0", "rollback"],
    "savepoint": ["begin", "savepoint a", "reset all", "rollback to a", "commit"],
    "behind it": ["begin", "reset all", "savepoint a", "set work_mem = '6MB'", "rollback to a",
                  "commit"],
    "both in a string": ["begin; reset all; savepoint a", "rollback to a; commit"],
    "set in it": ["begin", "reset all", "set work_mem = '5MB'", "commit"],
    "prepared in it": ["begin", *prepared("reset datestyle"), "commit"],
    "whole in a string": ["begin; reset all; commit"],
    "local": ["begin", "set local work_mem to default; set local timezone = default", "commit"],
    "no snapshot": ["begin", "reset datestyle", "set transaction isolation level serializable",
                    "select 1", "commit"],
    "in code": ["do $$ begin reset datestyle; set work_mem to default; end $$"],
    "role": ["set role other_role", "reset all", "reset role"],
    "what is wrong": ["reset no_such_thing", "set work_mem to default"],
    "hostile": ["set search_path = misled, pg_catalog; set standard_conforming_strings = off;"
                "set default_transaction_isolation = serializable;"
                "set default_transaction_read_only = on;"
                "set default_transaction_deferrable = on; set client_encoding = 'SJIS'",
                "reset all"],
    "pipeline": [query("reset all") + query("show datestyle") + query("show work_mem")],
    "batches": [extended("reset all") + extended("show datestyle") + extended("show work_mem")],
    "batch": [parse("reset all") + bind() + execute() + parse("select 1") + bind() + execute() +
              sync()],
}
# Until the transaction is over it is the server's: nothing that is said then tells what.
AT_THE_END = ("local", "prepared in it")


class Talk:
    """What is said, and what the client has been told of parameters by then."""

    def __init__(self, wire):
        self.wire, self.heard = wire, []

    def _until_ready(self):
        reply = self.wire.until("Z")
        for body in reply.bodies("S"):
            name, value = body[:-1].split(b"\0")
            self.wire.params[name.decode()] = value.decode()
        self.heard.append((reply.tags, reply.rows, reply.status,
                           [error.get("C") for error in reply.errors],
                           [self.wire.params.get(name) for name in NAMES]))

    def say(self, step):
        data = query(step) if isinstance(step, str) else step
        count, at = 0, 0
        while at < len(data):
            count += data[at:at + 1] in b"QS"
            at += 1 + int.from_bytes(data[at + 1:at + 5], "big")
        self.wire.send(data)
        for _ in range(count):
            self._until_ready()

    def values(self):
        reply = self.wire.ask(";".join(f"show {name}" for name in NAMES))
        return reply.rows or [error.get("C") for error in reply.errors]


def talk(wire, script):
    it = Talk(wire)
    it.say(OTHERS)
    seen = [it.values()]
    for step in script:
        it.say(step)
        seen.append(it.values())
    return it.heard, seen


@pytest.fixture(scope="session")
def objects(running_cluster):
    import psycopg
    with psycopg.connect(running_cluster.conninfo("app", "postgres"), autocommit=True) as conn:
        conn.execute(
            "drop schema if exists misled cascade; create schema misled;"
            "grant usage on schema misled to public;"
            "create function misled.set_config(text, text, boolean) returns text language sql as"
            " $$select 'misled'$$;"
            "create view misled.pg_settings as"
            " select 'work_mem'::text as name, 'x'::text as source")
        if not conn.execute("select from pg_roles where rolname = 'other_role'").fetchall():
            conn.execute("create role other_role nologin; grant other_role to alice")


def direct(cluster, **params):
    return Wire(("127.0.0.1", cluster.port)).login("alice", "app", **params)


@pytest.mark.parametrize("name", SCRIPTS)
def test_a_session_comes_back_to_its_beginning(make_pooler, objects, cluster, name):
    pooler = make_pooler(pool_mode="session", default_pool_size=1)
    with direct(cluster, **STARTUP) as wire:
        expected = talk(wire, SCRIPTS[name])
    pooler.login(user="alice").close()
    with pooler.login(user="alice", **STARTUP) as wire:
        heard, seen = talk(wire, SCRIPTS[name])
    if name in AT_THE_END:
        assert seen[-1] == expected[1][-1]
    else:
        assert seen == expected[1]
        assert heard == expected[0]
    # And nothing of it stays for the next one but that there was a name.
    names = [n for n in NAMES if n != "my.own"]
    with direct(cluster) as fresh, pooler.login(user="alice") as wire:
        assert [wire.value(f"show {n}") for n in names] == [
            fresh.value(f"show {n}") for n in names]


@pytest.mark.parametrize("mode", ["transaction", "session"])
def test_parameters_are_told_as_the_server_spells_them(make_pooler, cluster, mode):
    asked = {"DateStyle": "iso, dmy", "TimeZone": "europe/berlin", "client_encoding": "utf-8"}
    pooler = make_pooler(pool_mode=mode)
    with direct(cluster, **asked) as wire:
        expected = {name: wire.params[name] for name in asked}
    # The first tells how they are spelled.
    for is_known in (False, True, True):
        with pooler.login(user="alice", **asked) as wire:
            assert ({name: wire.params[name] for name in asked} == expected) == is_known
            assert ("S" in wire.ask("select 1").types) != is_known
            assert {name: wire.value(f"show {name}") for name in asked} == expected


@pytest.mark.parametrize("query_of_reset", ["", "discard all; select 1"])
def test_a_server_that_is_not_reset_is_known(make_pooler, objects, query_of_reset):
    pooler = make_pooler(pool_mode="session", default_pool_size=1,
                         server_reset_query=query_of_reset)
    for number in range(3):
        with pooler.login(user="alice", **STARTUP) as wire:
            assert wire.value("show datestyle") == "SQL, DMY"
            wire.ask("reset all")
            assert wire.value("show datestyle") == "SQL, DMY"
            assert wire.value("show work_mem") == "2MB"
            wire.ask("set datestyle = 'German'; reset datestyle")
        with pooler.login(user="alice") as wire:
            assert wire.value("show datestyle") == "ISO, MDY"
            assert wire.value("show work_mem") == "4MB", number


def test_who_begins_as_the_server_does_costs_nothing(make_pooler, cluster):
    pooler = make_pooler(pool_mode="session", default_pool_size=1)
    with pooler.login(user="alice", DateStyle="ISO, MDY", client_encoding="utf8") as wire:
        wire.ask("select 1")
        wire.ask("set datestyle = 'German'")
        assert wire.ask("reset all").tags == ["RESET"]
        (pid,) = [row["remote_pid"] for row in pooler.show("servers")]
        assert cluster.sql(f"select query from pg_stat_activity where pid = {pid}") == [
            ("reset all",)]


def test_a_question_that_is_too_slow_is_asked_again(make_pooler, cluster, objects):
    """Its answer may come after statement_timeout, or a cancel."""
    pooler = make_pooler(pool_mode="session", default_pool_size=1)
    with pooler.login(user="alice", **STARTUP) as wire:
        wire.ask("set statement_timeout = '1ms'")
        wait_until(lambda: not wire.ask("reset all").errors, 5)
        assert wire.ask("select 1").rows == [("1",)]
        wait_until(lambda: wire.ask("show work_mem").rows == [("2MB",)], 5)
