"""Session, transaction and statement pooling; what follows a client from server to server."""

import psycopg
import pytest

from harness.waiting import wait_until
from harness.wire import Closed, Refused, bind, execute, parse, query, startup, sync


def backend_of(wire):
    return wire.value("select pg_backend_pid()")


def test_session_mode_keeps_the_server_until_the_client_leaves(make_pooler):
    pooler = make_pooler(pool_mode="session", default_pool_size=1)
    one, two = pooler.login(), pooler.wire()
    first = backend_of(one)
    assert backend_of(one) == first
    two.send(startup({"user": "alice", "database": "app"}), query("select pg_backend_pid()"))
    pooler.wait_for_pool(cl_waiting=1)
    one.close()
    assert two.finish_login().until("Z").value == first


def test_transaction_mode_shares_one_server_between_clients(make_pooler):
    pooler = make_pooler(default_pool_size=1)
    wires = [pooler.login() for _ in range(5)]
    assert len({backend_of(wire) for wire in wires}) == 1


def test_transaction_mode_keeps_the_server_inside_a_transaction(make_pooler):
    pooler = make_pooler(default_pool_size=1)
    one, two = pooler.login(), pooler.login()
    one.ask("begin")
    two.send(query("select 2"))
    assert two.is_silent(0.2)
    assert one.value("select 1") == "1"
    assert two.is_silent(0.05)
    one.ask("commit")
    assert two.until("Z").value == "2"


def test_transaction_mode_keeps_the_server_inside_a_failed_transaction(make_pooler):
    pooler = make_pooler(default_pool_size=1)
    one, two = pooler.login(), pooler.login()
    one.ask("begin")
    assert one.ask("select 1/0").status == "E"
    two.send(query("select 2"))
    assert two.is_silent(0.2)
    one.ask("rollback")
    assert two.until("Z").value == "2"


def test_statement_mode_gives_the_server_back_after_every_statement(make_pooler):
    pooler = make_pooler(pool_mode="statement", default_pool_size=1)
    one, two = pooler.login(), pooler.login()
    for _ in range(3):
        assert backend_of(one) == backend_of(two)


def test_statement_mode_refuses_transaction_blocks(make_pooler):
    pooler = make_pooler(pool_mode="statement")
    wire = pooler.login()
    wire.send(query("begin"))
    error = wire.rest().error
    assert error["S"] == "FATAL"
    assert "transaction blocks not allowed in statement pooling mode" in error["M"]
    assert pooler.login().value("select 1") == "1"


def test_statement_mode_accepts_a_transaction_within_one_string(make_pooler):
    wire = make_pooler(pool_mode="statement").login()
    assert wire.ask("begin; select 1; commit").tags == ["BEGIN", "SELECT 1", "COMMIT"]


def test_pool_mode_of_the_database_beats_the_global_one(make_pooler):
    pooler = make_pooler(pool_mode="session", databases={"app": {"pool_mode": "statement"}})
    wire = pooler.login()
    wire.send(query("begin"))
    assert "statement pooling" in wire.rest().error["M"]


def test_pool_mode_of_the_user_beats_that_of_the_database(make_pooler):
    pooler = make_pooler(databases={"app": {"pool_mode": "statement"}},
                         users={"bob": "pool_mode=transaction"})
    assert pooler.login(user="bob").ask("begin").status == "T"
    alice = pooler.login()
    alice.send(query("begin"))
    assert "statement pooling" in alice.rest().error["M"]


def test_freed_server_goes_to_the_oldest_waiter(make_pooler):
    pooler = make_pooler(default_pool_size=1)
    holder = pooler.login()
    wires = [pooler.login() for _ in range(8)]
    holder.ask("begin")
    for n, wire in enumerate(wires):
        wire.send(query(f"select {n}, clock_timestamp()"))
        pooler.wait_for_pool(cl_waiting=n + 1)
    holder.ask("commit")
    served = sorted((wire.until("Z").rows[0][1], n) for n, wire in enumerate(wires))
    assert [n for _, n in served] == list(range(8))


# Parameters

def test_application_name_follows_the_client(make_pooler):
    pooler = make_pooler(default_pool_size=1)
    one, two = pooler.login(application_name="one"), pooler.login(application_name="two")
    for _ in range(3):
        assert one.value("show application_name") == "one"
        assert two.value("show application_name") == "two"


def test_application_name_may_carry_the_clients_address(make_pooler):
    wire = make_pooler(application_name_add_host=1).login(application_name="me")
    port = wire.socket.getsockname()[1]
    assert wire.value("show application_name") == f"me - 127.0.0.1:{port}"


@pytest.mark.parametrize("name, value, other", [
    ("TimeZone", "Asia/Tokyo", "America/Lima"),
    ("DateStyle", "German, DMY", "SQL, MDY"),
    ("client_encoding", "LATIN1", "UTF8"),
    ("IntervalStyle", "iso_8601", "sql_standard"),
    ("application_name", "it's \\ quoted \"name\"", ""),
])
def test_reported_parameters_follow_the_client(make_pooler, name, value, other):
    pooler = make_pooler(default_pool_size=1)
    one, two = pooler.login(**{name: value}), pooler.login(**{name: other})
    plain = pooler.login()
    default = plain.value(f"show {name}")
    for _ in range(2):
        assert one.value(f"show {name}") == value
        assert two.value(f"show {name}") == other
        assert plain.value(f"show {name}") == default


def test_parameters_are_reported_to_the_client_as_it_asked_for_them(make_pooler):
    pooler = make_pooler(default_pool_size=1)
    pooler.login(TimeZone="Asia/Tokyo").value("select 1")
    wire = pooler.login(TimeZone="America/Lima", application_name="me")
    assert wire.params["TimeZone"] == "America/Lima"
    assert wire.params["application_name"] == "me"


def test_parameters_set_in_the_session_follow_the_client(make_pooler):
    pooler = make_pooler(default_pool_size=1)
    one, two = pooler.login(), pooler.login()
    default = two.value("show timezone")
    reply = one.ask("set timezone = 'Asia/Tokyo'")
    assert b"TimeZone\0Asia/Tokyo\0" in reply.bodies("S")
    assert two.value("show timezone") == default
    assert one.value("show timezone") == "Asia/Tokyo"


def test_rolled_back_setting_is_forgotten(make_pooler):
    pooler = make_pooler(default_pool_size=1)
    one, two = pooler.login(application_name="a"), pooler.login(application_name="b")
    one.ask("begin")
    one.ask("set application_name = 'changed'")
    one.ask("rollback")
    assert two.value("show application_name") == "b"
    assert one.value("show application_name") == "a"


def test_parameters_do_not_disturb_an_extended_pipeline(make_pooler):
    pooler = make_pooler(default_pool_size=1)
    one, two = pooler.login(application_name="one"), pooler.login(application_name="two")
    batch = parse("show application_name") + bind() + execute() + sync()
    for _ in range(3):
        assert one.ask(batch).types == "12DCZ"
        assert two.ask(batch).value == "two"


@pytest.mark.parametrize("name, value", [("search_path", "pg_catalog, public"),
                                         ("statement_timeout", "7s"), ("work_mem", "3MB")])
@pytest.mark.parametrize("mode", ["session", "transaction"])
def test_unreported_parameters_of_the_login_hold_for_this_client_only(make_pooler, mode, name,
                                                                      value):
    pooler = make_pooler(pool_mode=mode, default_pool_size=1 if mode == "transaction" else 3)
    option = value.replace(" ", "\\ ")
    one, two = pooler.login(options=f"-c {name}={option}"), pooler.login()
    default = two.value(f"show {name}")
    assert default != value
    for _ in range(3):
        assert one.value(f"show {name}") == value
        assert two.value(f"show {name}") == default


def test_very_long_value_is_carried_whole(make_pooler):
    pooler = make_pooler(default_pool_size=1)
    zone = "<" + "A" * 200 + ">3"
    other = pooler.login()
    other.value("select 1")
    wire = pooler.login(TimeZone=zone)
    assert wire.value("show timezone").startswith("<AAAAA")
    other.value("select 1")
    assert wire.value("show timezone").startswith("<AAAAA")


def test_invalid_parameter_value_is_an_error_of_this_client_only(make_pooler):
    pooler = make_pooler(default_pool_size=1)
    good = pooler.login()
    good.value("select 1")
    try:
        bad = pooler.login(TimeZone="Mars/Olympus")
        bad.send(query("select 1"))
        assert bad.until("E").error["S"] in ("ERROR", "FATAL")
    except Refused as refused:
        assert refused.fields["S"] == "FATAL"
    except Closed:
        raise AssertionError("closed without an error")
    assert good.value("select 1") == "1"


def test_parameters_of_the_database_entry_are_set_at_the_servers_login(make_pooler):
    pooler = make_pooler(databases={"app": {"timezone": "'Asia/Tokyo'", "datestyle": "German"}})
    wire = pooler.login()
    assert wire.value("show timezone") == "Asia/Tokyo"
    assert wire.value("show datestyle").startswith("German")


# Cleaning

def test_reset_query_runs_between_sessions(make_pooler):
    pooler = make_pooler(pool_mode="session", default_pool_size=1)
    one = pooler.login()
    first = backend_of(one)
    one.ask("create temp table mine(a int)")
    one.ask("set work_mem = '2MB'")
    one.ask(parse("select 1", "kept"), sync())
    one.close()
    two = pooler.login()
    assert backend_of(two) == first
    assert two.value("select to_regclass('pg_temp.mine') is null") == "t"
    assert two.value("show work_mem") != "2MB"
    assert two.value("select count(*) from pg_prepared_statements") == "0"


def test_empty_reset_query_leaves_the_session_as_it_is(make_pooler):
    pooler = make_pooler(pool_mode="session", default_pool_size=1, server_reset_query="")
    one = pooler.login()
    one.ask("set work_mem = '2MB'")
    one.close()
    pooler.wait_for_pool(sv_idle=1)
    assert pooler.login().value("show work_mem") == "2MB"


@pytest.fixture
def resets(cluster):
    """A sequence that a reset query may count with."""
    with psycopg.connect(cluster.conninfo("app", "postgres"), autocommit=True) as admin:
        admin.execute("create sequence resets; grant all on resets to public")
        yield lambda: admin.execute("select is_called from resets").fetchone()[0]
        admin.execute("drop sequence resets")


def test_reset_query_does_not_run_in_transaction_mode(make_pooler, resets):
    pooler = make_pooler(default_pool_size=1, server_reset_query="select nextval('resets')")
    one = pooler.login()
    one.ask("select 1")
    one.close()
    assert pooler.login().value("select 1") == "1"
    assert not resets()


def test_reset_query_always_runs_in_transaction_mode_too(make_pooler, resets):
    pooler = make_pooler(default_pool_size=1, server_reset_query_always=1,
                         server_reset_query="select nextval('resets')")
    one, two = pooler.login(), pooler.login()
    one.ask("select 1")
    assert two.value("select 1") == "1"
    assert resets()


def test_failing_reset_query_closes_the_server_and_nobody_notices(make_pooler):
    pooler = make_pooler(pool_mode="session", default_pool_size=1,
                         server_reset_query="select 1/0")
    first = None
    for _ in range(3):
        wire = pooler.login()
        assert backend_of(wire) != first
        first = backend_of(wire)
        wire.close()


def test_parameters_survive_the_reset_query(make_pooler):
    pooler = make_pooler(pool_mode="session", default_pool_size=1)
    for name in ("one", "two", "three"):
        wire = pooler.login(application_name=name)
        assert wire.value("show application_name") == name
        wire.close()


def test_connect_query_runs_on_every_new_server(make_pooler):
    pooler = make_pooler(databases={"app": {"connect_query": "'set work_mem to ''3MB'''"}})
    assert pooler.login().value("show work_mem") == "3MB"
    pooler.ask_console("RECONNECT")
    assert pooler.login().value("show work_mem") == "3MB"


def test_connect_query_that_fails_does_not_stop_the_server(make_pooler):
    pooler = make_pooler(databases={"app": {"connect_query": "'select 1/0'"}})
    assert pooler.login().value("select 1") == "1"


def test_server_check_query_runs_after_the_delay(make_pooler, cluster):
    pooler = make_pooler(default_pool_size=1, server_check_delay="0",
                         server_check_query="select 'are you there'")
    wire = pooler.login()
    for _ in range(3):
        assert wire.value("select 1") == "1"


def test_dead_idle_server_is_found_by_the_check(make_pooler, cluster):
    pooler = make_pooler(default_pool_size=1, server_check_delay="0",
                         server_check_query="select 1")
    wire = pooler.login()
    (pid,) = {int(backend_of(wire))}
    cluster.sql("select pg_terminate_backend(%s)", (pid,))
    wait_until(lambda: not cluster.backends())
    assert int(backend_of(wire)) != pid


def test_round_robin_uses_the_servers_in_turn(make_pooler):
    pooler = make_pooler(default_pool_size=3, server_round_robin=1)
    wires = [pooler.login() for _ in range(3)]
    for wire in wires:
        wire.ask("begin")
    for wire in wires:
        wire.ask("commit")
    assert len({backend_of(wires[0]) for _ in range(3)}) == 3


def test_without_round_robin_the_server_used_last_is_taken(make_pooler):
    pooler = make_pooler(default_pool_size=3)
    wires = [pooler.login() for _ in range(3)]
    for wire in wires:
        wire.ask("begin")
    for wire in wires:
        wire.ask("commit")
    assert len({backend_of(wires[0]) for _ in range(5)}) == 1


STATES = {"temporary table": "create temp table state (a int)",
          "lock": "select pg_advisory_lock(77)",
          "parameter": "set search_path = secret",
          "prepared": "prepare state as select 1",
          "channel": "listen state"}

LEFT = ("select (select count(*) from pg_class where relpersistence = 't'),"
        " (select count(*) from pg_locks where locktype = 'advisory'"
        " and pid = pg_backend_pid()), current_setting('search_path'),"
        " (select count(*) from pg_prepared_statements where from_sql),"
        " (select count(*) from pg_listening_channels())")


@pytest.mark.parametrize("state", STATES)
def test_a_session_stays_one_when_its_pool_begins_to_share(state, make_pooler):
    pooler = make_pooler(pool_mode="session", default_pool_size=1)
    one = pooler.login()
    pid = backend_of(one)
    one.ask(STATES[state])
    pooler.reload(pool_mode="transaction")
    two = pooler.login()
    two.send(query(LEFT))
    assert backend_of(one) == pid
    pooler.wait_for_pool(cl_waiting=1)
    one.close()
    assert two.until("Z").rows == [("0", "0", '"$user", public', "0", "0")]


def test_who_shares_goes_on_sharing_when_its_pool_begins_to_keep(make_pooler):
    pooler = make_pooler(default_pool_size=1)
    one = pooler.login()
    one.ask(parse("select 42", "s"), sync())
    one.ask("set search_path = secret")
    pooler.reload(pool_mode="session")
    assert one.ask(bind((), "s") + execute() + sync()).rows == [("42",)]
    two = pooler.login()
    assert two.value("show search_path") == '"$user", public'
    two.close()
    assert one.value("show search_path") == "secret"
