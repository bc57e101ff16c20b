"""What a session sets and leaves in a shared server: parameters that follow the client from
server to server, and state that keeps it at its server.

Every client here swaps servers for certain: both servers of its pool are taken by others,
and the one that it did not have is given back first.
"""

import pytest

from harness.waiting import wait_until
from harness.wire import bind, cancel_request, execute, parse, query, sync

EVIL = """
create schema evil; grant usage on schema evil to public;
create function evil.encode(bytea, text) returns text language sql as $$select 'evil'$$;
create function evil.current_setting(text, boolean) returns text language sql as $$select 'evil'$$;
create function evil.never(text, text) returns boolean language sql as $$select false$$;
create operator evil.= (leftarg = text, rightarg = text, function = evil.never);
create view evil.pg_settings as select 'evil'::text as name, 'session'::text as source;
create domain evil.text as integer;
"""
OBJECTS = """
create extension if not exists pg_trgm;
create role owner; create role reader nologin; grant reader to alice;
drop table if exists numbered;
create table numbered(id serial, body text); grant all on numbered, numbered_id_seq to public;
create function sets_inside() returns void language sql as
    $$select set_config('work_mem', '7MB', false)$$;
create procedure sets_in_call() language plpgsql as
    $$begin perform set_config('work_mem', '9MB', false); end$$;
"""


@pytest.fixture(scope="session")
def objects(running_cluster):
    import psycopg
    with psycopg.connect(running_cluster.conninfo("app", "postgres"), autocommit=True) as conn:
        # Another file may use this fixture, too.
        if conn.execute("select to_regnamespace('evil') is null").fetchone()[0]:
            conn.execute(EVIL)
            conn.execute(OBJECTS)


@pytest.fixture
def make(make_pooler, objects):
    def make(**settings):
        return make_pooler(**{"default_pool_size": 2, "max_pinned": 2, **settings})
    return make


@pytest.fixture
def pooler(make):
    return make()


def pid_of(wire):
    return wire.value("select pg_backend_pid()")


def swap(pooler, wire, user="alice"):
    """The client's next transaction is on the server that it did not have."""
    before = pid_of(wire)
    takers = [pooler.login(user=user) for _ in range(2)]
    pids = []
    for taker in takers:
        assert not taker.ask("begin").errors
        pids.append(pid_of(taker))
    assert before in pids
    other = takers[1 - pids.index(before)]
    other.ask("commit")
    now = pid_of(wire)
    assert now != before
    takers[pids.index(before)].ask("commit")
    for taker in takers:
        taker.close()
    return now


def everywhere(pooler, sql, user="alice"):
    """What a client that has set nothing sees on each of the two servers."""
    takers = [pooler.login(user=user) for _ in range(2)]
    for taker in takers:
        taker.ask("begin")
    seen = [taker.ask(sql).rows for taker in takers]
    for taker in takers:
        taker.ask("commit")
        taker.close()
    assert seen[0] == seen[1]
    return seen[0][0][0]


def ok(wire, sql):
    reply = wire.ask(sql)
    assert not reply.errors, reply.errors
    return reply


def show(wire, name):
    return wire.value(f"select current_setting('{name}', true)")


# ---- values follow ----

@pytest.mark.parametrize("statement, name, value", [
    ("set work_mem = '3MB'", "work_mem", "3MB"),
    ("set work_mem to 3072", "work_mem", "3MB"),
    ("SET SESSION work_mem TO '3MB'", "work_mem", "3MB"),
    ("/* a */ set -- b\n work_mem /* c */ = '3MB'", "work_mem", "3MB"),
    ("set \"work_mem\" = '3MB'", "work_mem", "3MB"),
    ("set timezone = 'Asia/Tokyo'", "timezone", "Asia/Tokyo"),
    ("set time zone 'Asia/Tokyo'", "timezone", "Asia/Tokyo"),
    ("set my.var = 'a''b\\c'", "my.var", "a'b\\c"),
    ("set my.var = ''", "my.var", ""),
    ("set my.var = 'ends in \\'", "my.var", "ends in \\"),
    ("set \"My\".\"Var\" = 'x'", "my.var", "x"),
    ("set search_path = \"$user\", public, \"odd \"\"name\"\", x\", 'quoted'", "search_path",
     '"$user", public, "odd ""name"", x", quoted'),
    ("select set_config('work_mem', '3MB', false)", "work_mem", "3MB"),
    ("select set_config('my.var', 'x', false)", "my.var", "x"),
    ("select set_config('my.' || 'var', 'x', false), 'my.var'", "work_mem", "4MB"),
    ("select pg_catalog.Set_Config ( 'work_mem' , '3MB', false)", "work_mem", "3MB"),
    ("select set_config('work' || '_mem', '3MB', false)", "work_mem", "3MB"),
    ("set session characteristics as transaction read only", "default_transaction_read_only",
     "on"),
    ("set session characteristics as transaction isolation level serializable, read only, "
     "deferrable", "default_transaction_deferrable", "on"),
    ("set role reader", "role", "reader"),
    ("set names 'LATIN1'", "client_encoding", "LATIN1"),
    ("set statement_timeout = '77s'", "statement_timeout", "77s"),
    ("set lock_timeout = '77s'", "lock_timeout", "77s"),
    ("do $$ begin perform set_config('work_mem', '3MB', false); end $$", "work_mem", "3MB"),
    ("call sets_in_call()", "work_mem", "9MB"),
    ("select 1; set work_mem = '3MB'; select 2", "work_mem", "3MB"),
    ("begin; set work_mem = '3MB'; commit", "work_mem", "3MB"),
    ("set work_mem = '5MB'; set work_mem = '3MB'", "work_mem", "3MB"),
    ("set xmloption = document; set work_mem = '3MB'; set my.var = 1", "work_mem", "3MB"),
])
def test_a_value_follows_its_client_and_nobody_else(pooler, statement, name, value):
    default = everywhere(pooler, f"select current_setting('{name}', true)")
    wire = pooler.login()
    ok(wire, statement)
    assert show(wire, name) == value
    swap(pooler, wire)
    assert show(wire, name) == value
    swap(pooler, wire)
    assert show(wire, name) == value
    # What nobody has declared stays there, empty: PostgreSQL has no way to remove it.
    expected = default if default is not None or "." not in name else ""
    assert everywhere(pooler, f"select current_setting('{name}', true)") in (default, expected)
    wire.close()


def test_a_session_authorization_follows(make):
    pooler = make()
    wire = pooler.login(user="postgres")
    ok(wire, "set session authorization alice")
    for _ in range(3):
        assert wire.value("select session_user || '/' || current_user") == "alice/alice"
        swap(pooler, wire, user="postgres")
    ok(wire, "set role reader")
    swap(pooler, wire, user="postgres")
    assert wire.value("select session_user || '/' || current_user") == "alice/reader"
    ok(wire, "reset session authorization")
    swap(pooler, wire, user="postgres")
    assert wire.value("select session_user || '/' || current_user") == "postgres/postgres"
    assert everywhere(pooler, "select session_user || current_user", "postgres") == \
        "postgrespostgres"


def test_values_of_the_extended_protocol_follow(pooler):
    wire = pooler.login()
    wire.send(parse("set work_mem = '3MB'") + bind() + execute() + sync())
    assert wire.until("Z").tags == ["SET"]
    swap(pooler, wire)
    assert show(wire, "work_mem") == "3MB"
    wire.send(parse("set work_mem = '5MB'", "s1") + sync())
    wire.until("Z")
    swap(pooler, wire)
    assert show(wire, "work_mem") == "3MB"
    wire.send(bind(name="s1") + execute() + sync())
    wire.until("Z")
    swap(pooler, wire)
    assert show(wire, "work_mem") == "5MB"
    wire.send(parse("select set_config($1, $2, false)") + bind(("work_mem", "6MB")) + execute() +
              sync())
    wire.until("Z")
    swap(pooler, wire)
    assert show(wire, "work_mem") == "6MB"


def test_a_name_that_is_an_argument_follows(pooler):
    wire, call = pooler.login(), "select set_config($1, $2, false)"
    for n, name in enumerate(("", "s1")):
        assert not wire.ask(parse(call, name), bind(("My.Own", f"a{n}"), name), execute(),
                            sync()).errors
        swap(pooler, wire)
        assert show(wire, "my.own") == f"a{n}"
    assert not wire.ask(bind(("my.other", "b"), "s1"), execute(), sync()).errors
    swap(pooler, wire)
    assert (show(wire, "my.own"), show(wire, "my.other")) == ("a1", "b")
    assert everywhere(pooler, "select current_setting('my.own', true)") in (None, "")


def test_a_long_value_follows(pooler):
    wire = pooler.login()
    value = "x'\\\n" * 50000
    wire.send(parse("select set_config('my.var', $1, false)") + bind((value,)) + execute() +
              sync())
    assert not wire.until("Z").errors
    swap(pooler, wire)
    assert show(wire, "my.var") == value
    path = ", ".join(f"schema_number_{i}" for i in range(2000))
    ok(wire, f"set search_path = {path}")
    swap(pooler, wire)
    assert show(wire, "search_path") == path


def test_a_value_of_any_bytes_follows_whatever_the_client_encoding(pooler):
    wire = pooler.login(client_encoding="LATIN1")
    wire.send(query("set my.var = '\xe9\\\x01'".encode("latin1")[:-1] + b"'"))
    assert not wire.until("Z").errors
    swap(pooler, wire)
    assert wire.value("select encode(convert_to(current_setting('my.var'), 'UTF8'), 'hex')") == \
        "c3a95c01"
    ok(wire, "set client_encoding = 'UTF8'")
    swap(pooler, wire)
    assert show(wire, "my.var") == "\xe9\\\x01"


def test_what_is_rolled_back_is_gone_and_what_is_local_never_stays(pooler):
    wire = pooler.login()
    ok(wire, "set work_mem = '3MB'")
    for statements in (["begin", "set work_mem = '5MB'", "set my.gone = 'x'", "rollback"],
                       ["begin", "set local work_mem = '5MB'", "commit"],
                       ["begin", "savepoint a", "set work_mem = '5MB'", "rollback to a", "commit"],
                       ["begin; set local work_mem = '5MB'; commit"],
                       ["begin; select set_config('work_mem', '5MB', true); commit"],
                       ["begin", "do $$begin set work_mem = '5MB'; end$$", "rollback"],
                       ["set work_mem = '5MB'; select 1/0"],
                       ["begin", "reset work_mem", "rollback"],
                       ["begin", "reset all", "rollback"],
                       ["set work_mem = 'nonsense'"],
                       ["set no_such_thing = 1"]):
        for statement in statements:
            wire.ask(statement)
        assert show(wire, "work_mem") == "3MB", statements
        swap(pooler, wire)
        assert show(wire, "work_mem") == "3MB", statements
    assert everywhere(pooler, "show work_mem") == "4MB"


@pytest.mark.parametrize("statement", [
    "set max_connections = 5",
    "set log_connections = on",
    "set log_statement = 'all'",
    "set session_replication_role = replica",
    "select set_config('shared_buffers', '1MB', false)",
    "begin; set lc_collate = 'C'",
    "do $$begin begin set max_connections = 5; exception when others then null; end; end$$",
])
def test_what_cannot_be_set_harms_nobody(pooler, statement):
    """Neither who tried can be made to have it, nor anybody else to be without."""
    wire = pooler.login()
    ok(wire, "set work_mem = '3MB'")
    swap(pooler, wire)
    wire.ask(statement)
    wire.ask("rollback")
    for _ in range(2):
        swap(pooler, wire)
        assert show(wire, "work_mem") == "3MB"
    assert everywhere(pooler, "show work_mem") == "4MB"


@pytest.mark.parametrize("hostile", [
    "set statement_timeout = '1ms'",
    "set default_transaction_read_only = on",
    "set session characteristics as transaction isolation level serializable, read only, "
    "deferrable",
    "set search_path = evil, pg_catalog",
    "set role reader",
    "set standard_conforming_strings = off; set backslash_quote = off",
    "set client_encoding = 'SJIS'",
    "set bytea_output = escape; set datestyle = 'German'; set transform_null_equals = on",
    "set jit = on; set jit_above_cost = 0; set force_parallel_mode = on",
])
def test_asking_works_whatever_the_client_has_set(pooler, hostile):
    wire = pooler.login()
    ok(wire, hostile)
    for value in ("3", "5"):
        # A timeout may hit the statement itself, too.
        wait_until(lambda: not wire.ask(f"set work_mem = '{value}MB'; set my.var = {value}").errors,
                   5)
        taken = [pooler.login() for _ in range(2)]
        for taker in taken:
            taker.ask("begin")
            taker.ask("commit")
            taker.close()
        wait_until(lambda: wire.ask("show work_mem").rows == [(f"{value}MB",)], 5)
        wait_until(lambda: wire.ask("show my.var").rows == [(value,)], 5)
    wire.close()
    assert everywhere(pooler, "show work_mem") == "4MB"
    assert everywhere(pooler, "show search_path") == '"$user", public'
    assert everywhere(pooler, "select current_user") == "alice"


# ---- RESET ----

STARTUP = {"application_name": "mine", "TimeZone": "Asia/Tokyo",
           "options": "-c work_mem=2MB -c my.own=first"}
NAMES = ("application_name", "TimeZone", "work_mem", "my.own")
FIRST = ["mine", "Asia/Tokyo", "2MB", "first"]
OTHERS = ["other", "Europe/Oslo", "3MB", "second"]


def values(wire):
    return [show(wire, name) for name in NAMES]


def set_all(wire):
    ok(wire, "set application_name = 'other'; set timezone = 'Europe/Oslo'; "
             "set work_mem = '3MB'; set my.own = 'second'")
    assert values(wire) == OTHERS


@pytest.mark.parametrize("statements, expected", [
    (["reset all"], FIRST),
    (["RESET ALL;"], FIRST),
    (["discard all"], FIRST),
    (["reset timezone"], ["other", "Asia/Tokyo", "3MB", "second"]),
    (["set time zone default"], ["other", "Asia/Tokyo", "3MB", "second"]),
    (["set timezone to default; set work_mem = default"],
     ["other", "Asia/Tokyo", "2MB", "second"]),
    (["reset work_mem", "reset my.own"], ["other", "Europe/Oslo", "2MB", "first"]),
    (["begin", "reset all", "commit"], FIRST),
    (["begin", "reset all", "set work_mem = '5MB'", "commit"],
     ["mine", "Asia/Tokyo", "5MB", "first"]),
    (["begin", "reset all", "rollback"], OTHERS),
    (["begin", "savepoint a", "reset all", "rollback to a", "commit"], OTHERS),
    (["reset all; select 1/0"], OTHERS),
    (["begin; reset all; commit"], FIRST),
])
def test_reset_returns_to_what_the_session_began_with(pooler, statements, expected):
    wire = pooler.login(**STARTUP)
    assert values(wire) == FIRST
    set_all(wire)
    swap(pooler, wire)
    assert values(wire) == OTHERS
    for statement in statements:
        wire.ask(statement)
    assert values(wire) == expected
    swap(pooler, wire)
    assert values(wire) == expected
    assert everywhere(pooler, "show application_name") == ""
    assert everywhere(pooler, "show work_mem") == "4MB"
    assert everywhere(pooler, "show timezone") == "UTC"


def test_reset_is_right_within_its_transaction(pooler):
    wire = pooler.login(**STARTUP)
    set_all(wire)
    ok(wire, "begin")
    ok(wire, "reset timezone")
    assert values(wire) == ["other", "Asia/Tokyo", "3MB", "second"]
    ok(wire, "reset all")
    assert values(wire) == FIRST
    ok(wire, "rollback")
    assert values(wire) == OTHERS


def test_the_client_is_told_what_a_reset_returns_to(pooler):
    wire = pooler.login(**STARTUP)
    set_all(wire)
    reply = ok(wire, "reset all")
    told = dict(body[:-1].split(b"\0") for body in reply.bodies("S"))
    assert told == {b"application_name": b"mine", b"TimeZone": b"Asia/Tokyo"}
    swap(pooler, wire)
    # Nothing comes later that it does not know.
    assert ok(wire, "select 1").bodies("S") == []


def test_reset_of_a_role_and_of_an_unset_startup(pooler):
    wire = pooler.login()
    ok(wire, "set role reader")
    ok(wire, "reset role")
    swap(pooler, wire)
    assert wire.value("select current_user") == "alice"
    ok(wire, "set role reader")
    ok(wire, "discard all")
    swap(pooler, wire)
    assert wire.value("select current_user") == "alice"


# ---- who leaves ----

def test_a_client_that_leaves_at_once_leaves_nothing(pooler):
    for _ in range(10):
        wire = pooler.login()
        wire.send(query("set work_mem = '3MB'") + query("set my.var = 'secret'") +
                  b"X\0\0\0\4")
        wire.rest()
        assert everywhere(pooler, "show work_mem") == "4MB"
        assert everywhere(pooler, "select coalesce(current_setting('my.var', true), '')") == ""


# ---- pins ----

STATES = [
    ("create temp table t(i int)", "drop table t", "temporary"),
    ("create temporary view v as select 1 as i", "drop view v", "temporary"),
    ("select 1 as i into temp t", "drop table t", "temporary"),
    ("create function pg_temp.f() returns int language sql as 'select 1'",
     "drop function pg_temp.f()", "temporary"),
    ("begin; declare c cursor with hold for select 1; commit", "close c", "cursors"),
    ("prepare p as select 1", "deallocate p", "prepared"),
    ("select pg_advisory_lock(1)", "select pg_advisory_unlock(1)", "locks"),
    ("do $$begin perform pg_advisory_lock(2); end$$", "select pg_advisory_unlock_all()", "locks"),
    ("do $$begin create temp table t(i int); end$$", "discard temp", "temporary"),
    ("prepare p as select 1; create temp table t(i int)", "discard all", "temporary, prepared"),
]


@pytest.mark.parametrize("makes, ends, reason", STATES)
def test_state_keeps_its_client_until_it_is_gone(pooler, makes, ends, reason):
    wire = pooler.login()
    ok(wire, makes)
    wait_until(lambda: len(pooler.show("PINS")) == 1, 5)
    (pin,) = pooler.show("PINS")
    assert (pin["database"], pin["user"], pin["reasons"]) == ("app", "alice", reason)
    pid = pid_of(wire)
    other = pooler.login()
    for _ in range(3):
        ok(other, "begin")
        assert pid_of(other) != pid
        assert pid_of(wire) == pid
        ok(other, "commit")
    ok(wire, ends)
    wait_until(lambda: pooler.show("PINS") == [], 5)
    swap(pooler, wire)


@pytest.mark.parametrize("statement", [
    "begin; create temp table t(i int) on commit drop; commit",
    "begin; select pg_advisory_xact_lock(1); commit",
    "begin; create temp table t(i int); rollback",
    "begin; declare c cursor for select 1; commit",
    "select pg_advisory_lock(1); select pg_advisory_unlock(1)",
])
def test_what_a_transaction_ends_pins_nobody(pooler, statement):
    wire = pooler.login()
    ok(wire, statement)
    swap(pooler, wire)
    assert pooler.show("PINS") == []


def test_a_pinned_client_keeps_its_values_and_resets_them(pooler):
    wire = pooler.login(**STARTUP)
    ok(wire, "create temp table t(i int)")
    set_all(wire)
    ok(wire, "reset all")
    assert values(wire) == FIRST
    set_all(wire)
    ok(wire, "drop table t")
    swap(pooler, wire)
    assert values(wire) == OTHERS


def test_a_client_that_leaves_takes_its_state_along(pooler):
    for makes, _, _ in STATES:
        wire = pooler.login()
        ok(wire, makes)
        wire.close()
        wait_until(lambda: pooler.pool()["sv_active"] == 0, 5)
        for sql in ("select count(*) from pg_locks where locktype = 'advisory'",
                    "select count(*) from pg_prepared_statements where from_sql",
                    "select count(*) from pg_cursors where is_holdable",
                    "select count(*) from pg_class where relnamespace = pg_my_temp_schema()"):
            assert everywhere(pooler, sql) == "0", makes


def test_too_many_pins_are_refused_before_they_are_made(make):
    pooler = make(default_pool_size=3, max_pinned=1)
    one, two = pooler.login(), pooler.login()
    ok(one, "create temp table t(i int)")
    for makes, _, _ in STATES[:7]:
        if "do $$" in makes:
            continue
        error = two.ask(makes).error
        assert error["C"] == "53300" and "max_pinned" in error["M"] and error["H"], makes
    ok(two, "begin; create temp table t(i int) on commit drop; commit")
    ok(one, "insert into t values (1)")
    ok(one, "drop table t")
    wait_until(lambda: pooler.show("PINS") == [], 5)
    ok(two, "create temp table t(i int)")


def test_half_of_a_pool_may_be_pinned_by_default(make):
    pooler = make(default_pool_size=3, max_pinned=None)
    wires = [pooler.login() for _ in range(3)]
    ok(wires[0], "select pg_advisory_lock(1)")
    ok(wires[1], "select pg_advisory_lock(2)")
    assert wires[2].ask("select pg_advisory_lock(3)").error["C"] == "53300"
    ok(wires[2], "select 1")


UNFORESEEN = "do $$begin perform pg_advisory_lock(1); create temp table t(i int); end$$"


def nothing_is_left(pooler):
    return everywhere(pooler, "select (select count(*) from pg_locks where locktype = 'advisory')"
                      " + (select count(*) from pg_class where relnamespace"
                      " = pg_my_temp_schema())") == "0"


def test_a_pin_beyond_the_limit_that_nobody_could_foresee_is_undone_and_told_of(make):
    pooler = make(max_pinned=0)
    wire = pooler.login()
    ok(wire, "set work_mem = '3MB'")
    for later in (query("select 1"), query("begin"), parse("select 1") + bind() + execute() + sync()):
        ok(wire, UNFORESEEN)
        wait_until(lambda: pooler.pool()["sv_active"] == 0, 5)
        assert nothing_is_left(pooler)
        wire.send(later)
        error = wire.until().error
        assert (error["S"], error["C"]) == ("ERROR", "53300") and "max_pinned" in error["M"]
        assert "is gone" in error["D"] and error["H"]
        assert wire.value("select 1") == "1" and show(wire, "work_mem") == "3MB"
    assert wire.ask("table t").error["C"] == "42P01"
    assert pooler.show("PINS") == []


def test_it_is_undone_behind_what_was_sent_along(make):
    pooler = make(max_pinned=0)
    wire = pooler.login()
    wire.send(query(UNFORESEEN), query("begin"), query("select count(*) from t"), query("commit"),
              query("select 2"), query("select 3"))
    answers = [wire.until() for _ in range(6)]
    told = [error["C"] for reply in answers for error in reply.errors]
    assert told.count("53300") <= 1 and set(told) <= {"53300", "25P02", "42P01"}
    wait_until(lambda: pooler.pool()["sv_active"] == 0, 5)
    assert nothing_is_left(pooler)
    told += [error["C"] for error in wire.ask("select 1").errors]
    assert told.count("53300") == 1
    assert wire.value("select 1") == "1"


def test_an_idle_pinned_client_ends_at_pin_timeout(make):
    pooler = make(pin_timeout="0.3s")
    wire, busy = pooler.login(), pooler.login()
    ok(busy, "select pg_advisory_lock(1)")
    ok(busy, "begin")
    ok(wire, "create temp table t(i int)")
    error = wire.rest().error
    assert (error["S"], error["C"], error["M"]) == ("FATAL", "57P05", "pin_timeout")
    assert "temporary" in error["D"]
    # In a transaction it is another's business.
    assert ok(busy, "select 1").status == "T"
    ok(busy, "commit; select pg_advisory_unlock_all()")
    wait_until(lambda: pooler.pool()["sv_active"] == 0, 5)
    assert everywhere(pooler, "select count(*) from pg_class "
                              "where relnamespace = pg_my_temp_schema()") == "0"


@pytest.mark.parametrize("makes", [s[0] for s in STATES[:7]] + ["load 'plpgsql'"])
def test_server_state_error_refuses_beforehand(make, makes):
    pooler = make(server_state="error")
    wire = pooler.login(user="postgres")
    error = wire.ask(makes).error
    assert error["C"] == "0A000" and error["H"]
    assert wire.value("select 1") == "1"
    ok(wire, "begin; create temp table t(i int) on commit drop; commit")
    ok(wire, "set work_mem = '3MB'")
    swap(pooler, wire, user="postgres")
    assert show(wire, "work_mem") == "3MB"


def test_server_state_error_cleans_what_nobody_could_foresee(make):
    pooler = make(server_state="error")
    wire = pooler.login()
    ok(wire, "do $$begin perform pg_advisory_lock(1); create temp table t(i int); end$$")
    wait_until(lambda: pooler.pool()["sv_active"] == 0, 5)
    assert everywhere(pooler, "select count(*) from pg_locks where locktype = 'advisory'") == "0"
    assert everywhere(pooler, "select count(*) from pg_class "
                              "where relnamespace = pg_my_temp_schema()") == "0"


def test_server_state_may_differ_by_database(make):
    pooler = make(databases={"app": {}, "strict": {"dbname": "app", "server_state": "error"}})
    assert pooler.login(dbname="strict").ask("create temp table t(i int)").error["C"] == "0A000"
    ok(pooler.login(), "create temp table t(i int)")


def test_server_state_allow_leaves_it_behind(make):
    pooler = make(server_state="allow")
    wire = pooler.login()
    ok(wire, "create temp table t(i int)")
    swap(pooler, wire)
    assert pooler.show("PINS") == []
    assert wire.ask("select * from t").error["C"] == "42P01"
    ok(wire, "set work_mem = '3MB'")
    swap(pooler, wire)
    assert show(wire, "work_mem") == "3MB"


def test_a_library_pins_for_good_and_retires_the_server(make):
    pooler = make()
    wire = pooler.login(user="postgres")
    ok(wire, "load 'plpgsql'")
    pid = pid_of(wire)
    wait_until(lambda: [p["reasons"] for p in pooler.show("PINS")] == ["loaded"], 5)
    wire.close()
    wait_until(lambda: pooler.pool(user="postgres")["sv_active"] == 0, 5)
    other = pooler.login(user="postgres")
    assert pid_of(other) != pid


# ---- sequences ----

def test_currval_after_an_insert_of_its_own_works(pooler):
    wire = pooler.login()
    for _ in range(5):
        ok(wire, "insert into numbered(body) values ('x')")
        one = wire.value("select currval('numbered_id_seq')")
        assert wire.value("select lastval()") == one
        assert wire.value("select max(id) from numbered") == one


def test_currval_after_a_strangers_insert_is_refused(pooler):
    wire, stranger = pooler.login(), pooler.login()
    pid_of(wire)
    ok(stranger, "begin; insert into numbered(body) values ('x')")
    ok(stranger, "commit")
    for sql in ("select currval('numbered_id_seq')", "select lastval()"):
        for taker in (pooler.login(), pooler.login()):
            ok(taker, "begin")
            assert taker.ask(sql).error["C"] == "55000"
            ok(taker, "rollback")
            assert taker.ask(sql).error["C"] == "55000"
            taker.close()


def reasons(pooler):
    return [pin["reasons"] for pin in pooler.show("PINS")]


def step(wire, body="x"):
    """Steps a sequence as applications do, and returns the number."""
    return wire.value(f"insert into numbered(body) values ('{body}') returning id")


def test_who_never_asks_for_currval_is_kept_nowhere(pooler):
    wire = pooler.login()
    for sql in ("insert into numbered(body) values ('x')", "select nextval('numbered_id_seq')",
                "select setval('numbered_id_seq', 100)"):
        ok(wire, sql)
        wait_until(lambda: pooler.pool()["sv_active"] == 0, 5)
        assert reasons(pooler) == []


def test_a_client_that_has_asked_for_currval_stays_while_it_may_ask_again(pooler):
    wire, other = pooler.login(), pooler.login()
    ok(wire, "insert into numbered(body) values ('x')")
    ok(wire, "select lastval()")
    wait_until(lambda: reasons(pooler) == ["sequences"], 5)
    mine, pid = step(wire, "y"), pid_of(wire)
    ok(other, "begin; insert into numbered(body) values ('z')")
    for sql in ("select lastval()", "select currval('numbered_id_seq')", "select lastval()"):
        assert wire.value(sql) == mine
    ok(wire, "select setval('numbered_id_seq', 5000, false)")
    ok(other, "insert into numbered(body) values ('z'); commit")
    assert wire.value("select lastval()") == mine
    assert pid_of(wire) == pid and reasons(pooler) == ["sequences"]


@pytest.mark.parametrize("sql", ["discard sequences", "discard all"])
def test_discard_ends_what_keeps_a_client_for_its_sequences(pooler, sql):
    wire = pooler.login()
    step(wire)
    ok(wire, "select lastval()")
    wait_until(lambda: reasons(pooler) == ["sequences"], 5)
    ok(wire, sql)
    wait_until(lambda: pooler.pool()["sv_active"] == 0, 5)
    assert reasons(pooler) == []
    assert wire.ask("select lastval()").error["M"] == "lastval is not yet defined in this session"


def test_what_keeps_a_client_for_its_sequences_ends_without_a_word(make):
    pooler = make(pin_timeout="0.3s")
    wire = pooler.login()
    step(wire)
    ok(wire, "select lastval()")
    wait_until(lambda: reasons(pooler) == ["sequences"], 5)
    pid = pid_of(wire)
    wait_until(lambda: reasons(pooler) == [], 5)
    takers = {}
    for _ in range(2):
        taker = pooler.login()
        ok(taker, "begin")
        takers[pid_of(taker)] = taker
    ok(takers.pop(next(other for other in takers if other != pid)), "commit")
    error = wire.ask("select lastval()").error
    assert (error["S"], error["C"]) == ("ERROR", "55000") and error["D"] and error["H"]
    mine = step(wire)
    assert wire.value("select lastval()") == mine


def test_who_is_kept_for_its_sequences_gives_way_to_who_waits(make):
    pooler = make(default_pool_size=1)
    wire, other = pooler.login(), pooler.login()
    step(wire)
    ok(wire, "select lastval()")
    wait_until(lambda: reasons(pooler) == ["sequences"], 5)
    step(other)
    assert reasons(pooler) == []
    assert wire.ask("select lastval()").error["C"] == "55000"
    mine = step(wire)
    assert wire.value("select lastval()") == mine


def test_who_is_kept_for_its_sequences_gives_way_to_other_pins(make):
    pooler = make(default_pool_size=3, max_pinned=1)
    first, second, third = (pooler.login() for _ in range(3))
    for wire in (first, second):
        mine = step(wire)
        for _ in range(2):
            assert wire.value("select lastval()") == mine
    wait_until(lambda: reasons(pooler) == ["sequences"], 5)
    ok(third, "create temp table t(i int)")
    wait_until(lambda: reasons(pooler) == ["temporary"], 5)
    # Nobody is ended who could not be counted.
    step(first)
    reply = first.ask("select lastval()")
    assert [error["C"] for error in reply.errors] in ([], ["55000"])
    assert first.value("select 1") == "1"


def test_who_is_kept_for_its_sequences_gives_way_to_an_administrator(pooler):
    wire = pooler.login()
    step(wire)
    ok(wire, "select lastval()")
    wait_until(lambda: reasons(pooler) == ["sequences"], 5)
    pooler.ask_console("reconnect")
    wait_until(lambda: reasons(pooler) == [], 5)
    step(wire)
    ok(wire, "select lastval()")
    wait_until(lambda: reasons(pooler) == ["sequences"], 5)
    pooler.ask_console("pause")
    pooler.ask_console("resume")
    assert wire.ask("select lastval()").error["C"] == "55000"


def test_a_strangers_sequence_is_not_seen_by_who_asks_for_its_own(make):
    pooler = make(default_pool_size=1)
    wire, other = pooler.login(), pooler.login()
    ok(wire, "create temp sequence s; select nextval('s'); select lastval(); drop sequence s")
    ok(other, "insert into numbered(body) values ('z')")
    assert wire.ask("select lastval()").error["C"] == "55000"


def test_an_insert_without_a_sequence_does_not_show_a_strangers(make):
    pooler = make(default_pool_size=1)
    wire, other, asker = (pooler.login() for _ in range(3))
    ok(wire, "create table plain(i int)")
    assert asker.ask("select lastval()").error["C"] == "55000"
    for _ in range(2):
        step(other)
        ok(wire, "insert into plain values (1)")
        assert wire.ask("select lastval()").error["C"] == "55000"
    ok(wire, "drop table plain")


# ---- costs ----

def test_who_never_sets_anything_is_never_asked_for(make, cluster):
    pooler = make(databases={"app": {}})
    cluster.sql("alter system set log_statement = 'all'")
    cluster.sql("select pg_reload_conf()")
    try:
        wire = pooler.login()
        start = len(open(cluster.log_path, errors="replace").read())
        for _ in range(3):
            ok(wire, "select 1")
            ok(wire, "begin; insert into numbered(body) values ('x'); commit")
        ok(wire, "set work_mem = '3MB'")
        for _ in range(3):
            ok(wire, "select 2")
        wait_until(lambda: open(cluster.log_path, errors="replace").read()[start:]
                   .count("select 2") == 3, 5)
        log = open(cluster.log_path, errors="replace").read()[start:]
        assert log.count("current_setting") == 1
    finally:
        cluster.sql("alter system reset log_statement")
        cluster.sql("select pg_reload_conf()")


# ---- how much a client's values may take ----

def long_set(n=0, length=40000):
    return f"set my.long{n} = '{'x' * length}'"


def test_a_client_cannot_set_more_than_is_kept_for_it(make):
    pooler = make(max_client_parameter_memory="100kB")
    wire, other = pooler.login(), pooler.login()
    ok(wire, long_set(1))
    ok(wire, long_set(2))
    error = wire.ask(long_set(3)).error
    assert (error["S"], error["C"]) == ("ERROR", "53400") and "RESET" in error["H"], error
    assert wire.ask(f"select set_config('my.long3', '{'x' * 40000}', false)").error["C"] == "53400"
    wire.send(parse(long_set(3)) + bind(()) + execute() + sync())
    assert wire.until("Z").error["C"] == "53400"
    wire.send(parse(long_set(3), name="named") + bind((), "named") + execute() + sync())
    assert wire.until("Z").error["C"] == "53400"
    # What makes nothing longer goes, and others have their own.
    ok(wire, long_set(2))
    ok(wire, "set work_mem = '3MB'")
    ok(other, long_set(1))
    # As PostgreSQL's own errors do it ends the transaction.
    ok(wire, "begin; set my.long2 = 'short'")
    assert wire.ask(long_set(3)).error["C"] == "53400"
    assert wire.ask("select 1").error["C"] == "25P02"
    ok(wire, "rollback")
    ok(wire, f"begin; set local my.long3 = '{'x' * 40000}'; commit")
    ok(wire, "reset my.long2")
    ok(wire, long_set(3))
    for _ in range(2):
        swap(pooler, wire)
        assert len(show(wire, "my.long1")) == len(show(wire, "my.long3")) == 40000
        assert show(wire, "work_mem") == "3MB"


def test_setting_one_value_again_and_again_takes_the_room_of_one(make):
    wire = make(max_client_parameter_memory="100kB").login()
    ok(wire, "begin")
    for n in range(10):
        ok(wire, f"set my.var = '{str(n) * 40000}'")
    ok(wire, "commit")
    assert show(wire, "my.var") == "9" * 40000


@pytest.mark.parametrize("sql", [
    "select set_config('my.var', repeat('x', 200000), false)",
    "select set_config('my.var', repeat('x', 40000), false), "
    "set_config('my.var2', repeat('x', 40000), false), set_config('my.var3', repeat('x', 40000), false)",
    "do $$begin perform set_config('my.var', repeat('x', 200000), false); end$$",
])
@pytest.mark.parametrize("server_state", ["pin", "allow"])
def test_what_nobody_could_foresee_keeps_its_client(make, sql, server_state):
    pooler = make(max_client_parameter_memory="100kB", server_state=server_state)
    wire, other = pooler.login(), pooler.login()
    ok(wire, "set my.var = 'before'")
    ok(wire, sql)
    wait_until(lambda: [pin["reasons"] for pin in pooler.show("PINS")] == ["parameters"], 5)
    pid, length = pid_of(wire), len(show(wire, "my.var"))
    assert length >= 40000
    for _ in range(3):
        ok(other, "begin")
        assert pid_of(other) != pid == pid_of(wire)
        ok(other, "commit")
    ok(wire, "set work_mem = '3MB'")
    ok(wire, "begin; set my.var = 'short'; rollback")
    assert len(show(wire, "my.var")) == length
    ok(wire, "set my.var = 'short'")
    for name in ("my.var2", "my.var3"):
        ok(wire, f"reset {name}")
    wait_until(lambda: pooler.show("PINS") == [], 5)
    swap(pooler, wire)
    assert show(wire, "my.var") == "short" and show(wire, "work_mem") == "3MB"
    ok(wire, sql)
    wire.close()
    wait_until(lambda: pooler.pool()["sv_active"] == 0, 5)
    assert everywhere(pooler, "select coalesce(current_setting('my.var', true), '')") == ""


def test_what_nobody_could_foresee_is_reset_like_anything_else(make):
    pooler = make(max_client_parameter_memory="100kB")
    for resets in ("reset all", "discard all", "reset my.var",
                   "do $$begin reset my.var; end$$"):
        wire = pooler.login()
        ok(wire, "select set_config('my.var', repeat('x', 200000), false)")
        wait_until(lambda: len(pooler.show("PINS")) == 1, 5)
        ok(wire, resets)
        wait_until(lambda: pooler.show("PINS") == [], 5)
        swap(pooler, wire)
        assert not show(wire, "my.var")
        wire.close()


def test_values_of_all_clients_are_bounded(make):
    pooler = make(max_parameter_memory="210kB")
    wires = [pooler.login() for _ in range(6)]
    errors = []
    for n, wire in enumerate(wires):
        errors.append(wire.ask(long_set(n)).errors)
        ok(wire, "select 1")  # by now the value is known
    assert not errors[0] and errors[5]
    assert {error["C"] for listed in errors for error in listed} == {"53400"}
    assert "max_parameter_memory" in errors[5][0]["H"]
    (row,) = (row for row in pooler.show("MEM") if row["name"] == "parameters")
    assert 40000 < int(row["memtotal"]) < 220000
    # Who has little is not refused for what others have.
    ok(wires[5], "set my.var = 'little'")
    wires[0].close()
    wait_until(lambda: pooler.pool()["cl_active"] == 5, 5)
    everywhere(pooler, "select 1")  # nor do servers have the value of who is gone
    ok(wires[5], long_set(5))


def test_bounds_of_values_change_at_a_reload(make):
    pooler = make()
    wire = pooler.login()
    ok(wire, long_set())
    ok(wire, "select 1")  # by now the value is known
    pooler.reload(max_client_parameter_memory="10kB")
    # What it has it keeps.
    ok(wire, "do $$begin perform 1; end$$")
    swap(pooler, wire)
    assert len(show(wire, "my.long0")) == 40000
    assert wire.ask(long_set(1)).error["C"] == "53400"
    pooler.reload(max_client_parameter_memory=0)
    ok(wire, long_set(1))


def test_a_startup_packet_cannot_ask_for_more_than_is_kept(make):
    pooler = make(max_client_parameter_memory="10kB")
    with pytest.raises(Exception, match="startup parameters would take too much memory"):
        pooler.connect(options="-c my.var=" + "x" * 20000)
    pooler.connect(options="-c my.var=" + "x" * 2000).close()


@pytest.mark.parametrize("asked", ["iso", "dmy", "SQL", "Postgres, YMD", "iso,dmy"])
def test_half_a_datestyle_is_not_completed_by_a_stranger(make, cluster, asked):
    pooler = make(default_pool_size=1)
    stranger = pooler.login()
    ok(stranger, "set datestyle = 'German, YMD'")
    expected = cluster.connect(options=f"-c datestyle={asked.replace(' ', '')}")
    with pooler.login(DateStyle=asked) as wire:
        assert wire.value("show datestyle") == expected.execute("show datestyle").fetchone()[0]
    assert stranger.value("show datestyle") == "German, YMD"


# ---- parameters of a client's own, without a value ----

@pytest.mark.parametrize("statements", [
    ("set my.var = 'a'", "reset my.var"),
    ("set my.var = 'a'", "set my.var to default"),
    ("set my.var = 'a'", "reset all"),
    ("set my.var = 'a'", "discard all"),
    ("set my.var = 'a'; reset my.var",),
    ("reset my.var",),
    ("begin; set my.var = 'a'; rollback",),
    ("begin; reset my.var; rollback",),
    ("set my.var = 'a'", "begin; reset all; commit"),
    ("set my.var = 'a'", "do $$begin reset my.var; end$$"),
    ("select set_config('my.var', null, false)",),
    ("set my.var = 'a'", "reset my.var", "discard all", "set work_mem = '3MB'", "reset all"),
    ("set my.var = 'a'", "reset my.var", "do $$begin perform 1; end$$"),
    ("set local my.var = 'a'",),
    ("begin", "set local my.var = 'a'", "commit"),
    ("begin", "set local \"My\".var = 'a'", "rollback"),
    ("begin; set local my.var = 'a'; commit",),
    ("begin; savepoint s; set local my.var = 'a'; rollback to s; rollback",),
    ("select set_config('my.var', 'a', true)",),
    ("begin; select set_config('my.var', 'a', true), set_config('work_mem', '3MB', false); commit",),
    ("begin; set local my.var = 'a'; reset all; commit", "discard all"),
])
def test_a_parameter_of_ones_own_that_was_reset_is_known_and_empty(pooler, cluster, statements):
    wire, direct = pooler.login(), cluster.connect()
    for statement in statements:
        ok(wire, statement)
        direct.execute(statement)
    assert direct.execute("show my.var").fetchone()[0] == ""
    for _ in range(3):
        swap(pooler, wire)
        assert wire.value("show my.var") == ""
    ok(wire, "set my.var = 'b'")
    swap(pooler, wire)
    assert wire.value("show my.var") == "b"


@pytest.mark.parametrize("name", ["s", ""])
@pytest.mark.parametrize("text, values", [
    ("select set_config($1, $2, true)", ("my.var", "a")),
    ("select set_config('my.var', $1, true)", ("b.c",)),
    ("select $1::text, pg_catalog.set_config($2, $1, 't')", ("b.c", "My.Var")),
])
def test_a_name_in_an_argument_is_known_behind_its_transaction(pooler, name, text, values):
    wire = pooler.login()
    for _ in range(2):
        reply = wire.ask(parse(text, name) + bind(values, name) + execute() + sync())
        assert not reply.errors
        ok(wire, "deallocate all")
    for _ in range(3):
        swap(pooler, wire)
        assert wire.value("show my.var") == ""
    assert wire.ask("show b.c").error["C"] == "42704" or "$2" in text


def test_who_has_a_value_keeps_it_behind_set_local(pooler, cluster):
    wire, direct = pooler.login(options="-c my.first=a"), cluster.connect(options="-c my.first=a")
    statements = ["set my.second = 'b'", "begin", "set local my.first = 'x'",
                  "set local my.second = 'y'", "set local my.third = 'z'", "commit",
                  "begin; set local my.second = 'q'; set my.second = 'r'; commit",
                  "begin; set my.third = 't'; set local my.third = 'u'; rollback",
                  "set my.third = 'v'", "begin; set local my.third = 'w'; commit", "reset all"]
    for statement in statements:
        ok(wire, statement)
        direct.execute(statement)
        if wire.ask("show work_mem").status == "I":
            swap(pooler, wire)
        for name in ("my.first", "my.second", "my.third"):
            expected = direct.execute(f"select current_setting('{name}', true)").fetchone()[0]
            assert show(wire, name) == expected, (statement, name)


def test_names_that_are_made_up_without_end_end(pooler):
    wire = pooler.login()
    for i in range(200):
        ok(wire, f"begin; set local my.n{i} = 'a'; commit")
    swap(pooler, wire)
    assert wire.value("show my.n1") == ""
    assert wire.ask("show my.n199").error["C"] == "42704"


def test_a_library_s_parameter_that_was_reset_is_the_library_s(pooler):
    """RESET where the library is not loaded, then a server where it is, which takes no ''."""
    for back in ("reset pg_trgm.similarity_threshold", "reset all", "discard all"):
        wire = pooler.login()
        ok(wire, "set pg_trgm.similarity_threshold = 0.5")
        ok(wire, back)
        takers = [pooler.login() for _ in range(2)]
        for taker in takers:
            ok(taker, "begin; select show_limit()")
        for taker in takers:
            ok(taker, "commit")
            taker.close()
        swap(pooler, wire)
        assert wire.value("show pg_trgm.similarity_threshold") == "0.3"
        wire.close()


# ---- a RESET that nobody sees, of what is as the server begins ----

RESETS_INSIDE = "do $$begin reset datestyle; end$$"


@pytest.mark.parametrize("swaps", [False, True])
@pytest.mark.parametrize("resets, expected", [
    (RESETS_INSIDE, "ISO, YMD"),
    ("do $$begin reset all; end$$", "ISO, YMD"),
    (f"begin; {RESETS_INSIDE}; commit", "ISO, YMD"),
    ("begin; set datestyle = 'SQL, DMY'; commit; " + RESETS_INSIDE, "ISO, YMD"),
    (f"begin; {RESETS_INSIDE}; rollback", "ISO, MDY"),
    ("begin; set datestyle = 'SQL, DMY'; rollback; do $$begin end$$", "ISO, MDY"),
    ("do $$begin perform 1; end$$", "ISO, MDY"),
    ("set work_mem = '3MB'; reset work_mem", "ISO, MDY"),
])
def test_a_reset_in_a_function_is_seen_where_it_changes_nothing(pooler, swaps, resets, expected):
    wire = pooler.login(DateStyle="ISO, YMD")
    ok(wire, "set datestyle = 'ISO, MDY'")
    if swaps:
        swap(pooler, wire)
        everywhere(pooler, "select 1")
    ok(wire, resets)
    for _ in range(2):
        swap(pooler, wire)
        assert wire.value("show datestyle") == expected
    ok(wire, "reset datestyle")
    swap(pooler, wire)
    assert wire.value("show datestyle") == "ISO, YMD"


# ---- what SET LOCAL makes of texts that are prepared meanwhile ----

NULLS = "select count(*) from (values (null::int)) v(x) where x = null"
MOMENT = "select (timestamptz '2020-01-01 00:00' at time zone 'UTC')::text"


@pytest.mark.parametrize("local, text, there, elsewhere", [
    ("transform_null_equals = on", NULLS, "1", "0"),
    ("timezone = 'Asia/Tokyo'", MOMENT, "2019-12-31 15:00:00", "2020-01-01 00:00:00"),
    ("search_path = pg_temp", "select to_regtype('numbered') is null", "t", "f"),
])
@pytest.mark.parametrize("is_pipeline", [False, True])
def test_a_text_prepared_under_set_local_is_not_shared(make, local, text, there, elsewhere,
                                                        is_pipeline):
    pooler = make(default_pool_size=1)
    wires = [pooler.login(TimeZone="UTC") for _ in range(2)]
    begins = query(f"begin; set local {local}")
    prepares = parse(text, name="s") + bind((), "s") + execute() + sync()
    wires[0].send(begins + prepares if is_pipeline else begins)
    wires[0].until("Z")
    if not is_pipeline:
        wires[0].send(prepares)
    assert wires[0].until("Z").rows == [(there,)]
    ok(wires[0], "commit")
    for wire in [wires[1], pooler.login(TimeZone="UTC")]:
        wire.send(prepares)
        assert wire.until("Z").rows == [(elsewhere,)]
