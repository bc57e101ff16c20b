"""What connect_query sets is what every session of the pool begins with: on every server, and
after a RESET; nobody carries it along as his own.

PostgreSQL knows such a beginning by another way, the options of the startup packet. So a direct
connection that begins with these tells what is right.
"""

import pytest

from harness.waiting import wait_until
from harness.wire import Wire, bind, execute, extended, parse, sync
from test_session_state import everywhere, make, objects, ok, pid_of, show, swap  # noqa: F401


def with_connect_query(sql):
    return {"app": {"connect_query": "'" + sql.replace("'", "''") + "'"}}


@pytest.mark.parametrize("loses", [
    "reset all", "discard all", "reset work_mem", "do $$begin reset work_mem; end$$",
    "begin; reset all; commit",
])
def test_connect_query_is_sent_again_after_a_reset(make, loses):
    pooler = make(databases=with_connect_query("set work_mem = '8MB'; set timezone = 'Asia/Tokyo'"))
    wire = pooler.login()
    assert everywhere(pooler, "show work_mem") == "8MB"
    for _ in range(2):
        ok(wire, loses)
        swap(pooler, wire)
    wire.close()
    wait_until(lambda: pooler.pool()["sv_active"] == 0, 5)
    assert everywhere(pooler, "show work_mem") == "8MB"
    assert everywhere(pooler, "show timezone") == "Asia/Tokyo"


@pytest.mark.parametrize("query", ["DISCARD ALL", "reset all; select 1", ""])
def test_connect_query_is_sent_again_after_a_reset_query(make, query):
    pooler = make(databases=with_connect_query("set work_mem = '8MB'"), default_pool_size=1,
                  pool_mode="session", server_reset_query=query)
    for _ in range(3):
        wire = pooler.login()
        assert wire.value("show work_mem") == "8MB"
        ok(wire, "set lock_timeout = '7s'")
        wire.close()


def test_a_connect_query_that_fails_when_it_is_sent_again_costs_no_server(make):
    pooler = make(databases=with_connect_query("create temp table once(i int)"),
                  default_pool_size=1)
    wire = pooler.login()
    pid = pid_of(wire)
    ok(wire, "set work_mem = '3MB'; reset work_mem")
    assert pid_of(wire) == pid
    wire.close()
    assert pooler.login().value("select pg_backend_pid()") == pid


# ---- the same as a session that begins so ----

BEGINNING = {"work_mem": "8MB", "timezone": "Asia/Tokyo", "search_path": "evil, public",
             "my.tenant": "ac me", "my.other": "x'y", "role": "reader", "lock_timeout": "0"}
SETS = ("set work_mem = '8MB'; set timezone = 'Asia/Tokyo'; set search_path = evil, public; "
        "set my.tenant = 'ac me'; select set_config('my.other', 'x''y', false); set role reader")


def all_of(wire):
    return {name: show(wire, name) for name in BEGINNING}


@pytest.fixture
def begun(make):  # noqa: F811
    def begun(sql=SETS, **settings):
        return make(databases=with_connect_query(sql), **settings)
    return begun


@pytest.fixture
def direct(cluster):
    wires = []

    def direct(**asked):
        options = " ".join(f"-c {name}=" + value.replace(" ", "\\ ")
                           for name, value in {**BEGINNING, **asked}.items())
        wires.append(Wire(("127.0.0.1", cluster.port)).login("alice", "app", options=options))
        return wires[-1]
    yield direct
    for wire in wires:
        wire.close()


CHANGES = ["set work_mem = '3MB'", "set timezone = 'UTC'", "set search_path = pg_catalog",
           "set my.tenant = 'other'", "set my.other = 'else'", "set role none", "set lock_timeout = 7"]
SCRIPTS = [
    CHANGES + ["reset all", "reset role"],
    CHANGES + ["discard all"],
    CHANGES + ["begin; reset all; commit"],
    CHANGES + ["begin", "reset all", "commit"],
    CHANGES + ["begin", "reset all", "rollback"],
    CHANGES + ["reset work_mem", "reset timezone", "reset search_path", "reset my.tenant",
               "reset my.other", "reset role"],
    CHANGES + ["begin", "reset my.tenant", "reset work_mem", "reset timezone", "commit"],
    CHANGES + ["set work_mem to default", "set time zone default", "set search_path = default",
               "set my.tenant to default", "set time zone local"],
    CHANGES + ["do $$begin reset work_mem; reset timezone; end$$"],
    CHANGES + ["do $$begin perform 1; end$$"],
    ["reset all", "discard all"],
    ["begin", "reset timezone", "set local work_mem = '5MB'", "commit"],
    ["do $$begin reset timezone; end$$", "do $$begin reset work_mem; end$$"],
    ["do $$begin perform 1; end$$", "set lock_timeout = 7", "reset lock_timeout"],
    ["set work_mem = '8MB'", "reset work_mem", "set role reader", "reset role"],
    ["set timezone = 'Europe/Berlin'", "begin; set timezone = 'UTC'; rollback", "reset timezone"],
    ["set role none", "create temp table t(i int)", "reset all", "reset role", "set role none",
     "drop table t", "discard all"],
]


def play(pooler, wire, oracle, script, is_swapped):
    for step in script:
        assert ok(wire, step).tags == ok(oracle, step).tags
        assert all_of(wire) == all_of(oracle), step
        if is_swapped and oracle.ask("show work_mem").status == "I" \
                and pooler.show("PINS") == []:
            swap(pooler, wire)
            assert all_of(wire) == all_of(oracle), step


@pytest.mark.parametrize("mode", ["transaction", "session"])
@pytest.mark.parametrize("script", SCRIPTS, ids=range(len(SCRIPTS)))
def test_a_session_begins_with_what_connect_query_has_set(begun, direct, script, mode):
    pooler = begun(pool_mode=mode)
    wire, oracle = pooler.login(), direct()
    assert all_of(wire) == BEGINNING == all_of(oracle)
    play(pooler, wire, oracle, script, mode == "transaction")
    wire.close()
    assert [BEGINNING] * 2 == [all_of(pooler.login()) for _ in range(2)]


@pytest.mark.parametrize("mode", ["transaction", "session"])
@pytest.mark.parametrize("script", [SCRIPTS[i] for i in (0, 1, 4, 7)])
def test_what_the_client_asked_for_counts_for_more(begun, direct, script, mode):
    asked = {"timezone": "Europe/Rome", "work_mem": "1MB", "my.tenant": "mine"}
    pooler = begun(pool_mode=mode)
    wire = pooler.login(options="-c work_mem=1MB -c my.tenant=mine", TimeZone="Europe/Rome")
    oracle = direct(**asked)
    assert all_of(wire) == {**BEGINNING, **asked} == all_of(oracle)
    play(pooler, wire, oracle, script, mode == "transaction")


@pytest.mark.parametrize("mode", ["transaction", "session"])
@pytest.mark.parametrize("role", ["none", "reader"])
def test_what_is_set_behind_a_reset_in_the_extended_protocol_stays(begun, direct, mode, role):
    """Then any SET may be a prepared one that resets; what says otherwise is not one."""
    pooler = begun(pool_mode=mode)
    wire, oracle = pooler.login(), direct()
    for session in (wire, oracle):
        session.send(extended("reset work_mem"))
        assert not session.until("Z").errors
    play(pooler, wire, oracle,
         [f"set role {role}", "set my.tenant = ''", "set work_mem = '3MB'", "begin; set role none; commit",
          "begin", f"set role {role}", "set my.other = ''", "commit", "reset role", "reset all"],
         mode == "transaction")


# ---- nobody's own ----

def test_what_a_client_is_asked_about_is_not_its_own(begun):
    """After a RELOAD there is another beginning."""
    pooler = begun("set work_mem = '8MB'; set my.tenant = 'one'; set timezone = 'Asia/Tokyo'")
    wires = [pooler.login() for _ in range(4)]
    ok(wires[0], "do $$begin perform 1; end$$")
    ok(wires[1], "set lock_timeout = 7")
    ok(wires[1], "reset lock_timeout")
    ok(wires[2], "discard all")
    ok(wires[3], "set work_mem = '8MB'")
    text = pooler.config_text().replace("8MB", "9MB").replace("''one''", "''two''")
    pooler.write_config(text.replace("Asia/Tokyo", "UTC"))
    pooler.ask_console("RELOAD")
    wait_until(lambda: show(wires[0], "my.tenant") == "two", 5)
    assert [show(wire, "work_mem") for wire in wires] == ["9MB", "9MB", "9MB", "8MB"]
    assert {show(wire, "my.tenant") for wire in wires} == {"two"}
    assert {show(wire, "timezone") for wire in wires} == {"UTC"}


def test_each_server_has_its_own(begun):
    pooler = begun("select set_config('my.pid', pg_backend_pid()::text, false), "
                   "set_config('work_mem', (1024 + pg_backend_pid())::text, false)")
    wire = pooler.login()
    for sql in ("select 1", "do $$begin perform 1; end$$", "reset all", "discard all",
                "reset my.pid", "reset work_mem"):
        ok(wire, sql)
        for _ in range(2):
            pid = swap(pooler, wire)
            assert show(wire, "my.pid") == pid
            assert wire.value("select setting from pg_settings where name = 'work_mem'") \
                == str(1024 + int(pid))


def test_who_stays_at_its_server_comes_back_there(begun):
    pooler = begun("set statement_timeout = 5000")
    wire = pooler.login()
    ok(wire, "create temp table t(i int)")
    for sql in ("reset statement_timeout", "reset all", "discard temp", "reset all"):
        ok(wire, sql)
        assert wire.value("show statement_timeout") == "5s"
    assert everywhere(pooler, "show statement_timeout") == "5s"


@pytest.mark.parametrize("reset_query", ["reset work_mem", "reset all", "discard all"])
def test_a_reset_query_after_each_transaction(begun, reset_query):
    pooler = begun("set work_mem = '8MB'; set my.tenant = 'acme'", server_reset_query=reset_query,
                   server_reset_query_always="1", default_pool_size=1)
    wires = [pooler.login() for _ in range(2)]
    ok(wires[1], "set work_mem = '3MB'")
    ok(wires[1], "set my.tenant = 'other'")
    for wire, values in 2 * [(wires[0], ("8MB", "acme")), (wires[1], ("3MB", "other")),
                             (wires[1], ("3MB", "other"))]:
        assert (show(wire, "work_mem"), show(wire, "my.tenant")) == values
    ok(wires[1], "reset work_mem")
    assert show(wires[1], "work_mem") == "8MB"


def test_statements_are_read_with_its_search_path(begun):
    pooler = begun("set search_path = evil, pg_catalog")
    wires = [pooler.login() for _ in range(2)]
    ok(wires[1], "set search_path = pg_catalog")
    prepares = parse("select current_setting('search_path') || encode('a', 'hex')", name="s")
    for first in (prepares, b"", b""):
        for wire, seen in zip(wires, ("evil, pg_catalogevil", "pg_catalog61")):
            assert wire.ask(first + bind((), "s") + execute() + sync()).value == seen
            swap(pooler, wire)
