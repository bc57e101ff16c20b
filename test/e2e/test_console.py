"""The console: SHOW with the columns that tools expect, and the commands."""

import os
import re
import subprocess
import time

import pytest

from harness.account import popen_as
from harness.logins import ADMIN_RULE
from harness.waiting import holds_for, wait_until
from harness.wire import (Closed, Refused, Wire, bind, execute, extended, message, parse, query,
                          startup, sync)

TEXT, INT4, NUMERIC = 25, 23, 1700


def texts(*names):
    return [(name, TEXT) for name in names]


def ints(*names):
    return [(name, INT4) for name in names]


SOCKETS = (texts("type", "user", "database", "replication", "state", "addr") + ints("port")
           + texts("local_addr") + ints("local_port") + texts("connect_time", "request_time")
           + ints("wait", "wait_us", "close_needed") + texts("ptr", "link") + ints("remote_pid")
           + texts("tls", "application_name") + ints("prepared_statements", "id"))

OWN = texts("tls_alpn", "tls_subject", "tls_session")

COUNTED = ("server_assignment_count", "xact_count", "query_count")
PARSED = ("client_parse_count", "server_parse_count", "bind_count", "client_login_count")

COLUMNS = {
    "VERSION": texts("version"),
    "CLIENTS": SOCKETS + OWN,
    "SERVERS": SOCKETS + OWN,
    "SOCKETS": SOCKETS + ints("recv_pos", "pkt_pos", "pkt_remain", "send_pos", "send_remain",
                              "pkt_avail", "send_avail") + OWN,
    "HBA": ints("line") + texts("type", "database", "user", "address", "method", "options"),
    "FAILED_LOGINS": texts("user", "address")
    + ints("failures", "last_failure_s", "blocked_s"),
    "POOLS": texts("database", "user")
    + ints("cl_active", "cl_waiting", "cl_active_cancel_req", "cl_waiting_cancel_req",
           "sv_active", "sv_active_cancel", "sv_being_canceled", "sv_idle", "sv_used",
           "sv_tested", "sv_login", "maxwait", "maxwait_us")
    + texts("pool_mode", "load_balance_hosts"),
    "DATABASES": texts("name", "host") + ints("port") + texts("database", "force_user")
    + ints("pool_size", "min_pool_size", "reserve_pool_size", "server_lifetime")
    + texts("pool_mode", "load_balance_hosts")
    + ints("max_connections", "current_connections", "max_client_connections",
           "current_client_connections", "paused", "disabled"),
    "USERS": texts("name", "pool_size", "reserve_pool_size", "pool_mode")
    + ints("max_user_connections", "current_connections", "max_user_client_connections",
           "current_client_connections"),
    "LISTS": texts("list") + ints("items"),
    "STATS": texts("database") + [(name, NUMERIC) for name in (
        *(f"total_{c}" for c in COUNTED), "total_received", "total_sent", "total_xact_time",
        "total_query_time", "total_wait_time", *(f"total_{c}" for c in PARSED),
        *(f"avg_{c}" for c in COUNTED), "avg_recv", "avg_sent", "avg_xact_time",
        "avg_query_time", "avg_wait_time", *(f"avg_{c}" for c in PARSED))],
    "CONFIG": texts("key", "value", "default", "changeable"),
    "STATE": texts("key", "value"),
}

LISTS = ["databases", "users", "peers", "pools", "peer_pools", "free_clients", "used_clients",
         "login_clients", "free_servers", "used_servers", "dns_names", "dns_zones",
         "dns_queries", "dns_pending", "console_clients", "cancel_requests",
         "prepared_statements", "prepared_names", "logins_in_progress", "logins_in_line", "failed_logins", "auth_query_connections",
         "auth_query_waiting", "auth_query_cached", "auth_threads_busy", "auth_threads_waiting",
         "counted_servers"]

COMMANDS = ["PAUSE", "RESUME", "RECONNECT", "KILL", "RELOAD", "SET max_client_conn = 10",
            "SHUTDOWN", "SHUTDOWN WAIT_FOR_SERVERS", "SHUTDOWN WAIT_FOR_CLIENTS", "PAUSE app",
            "KILL app", "RECONNECT app", "RESUME app", "DISABLE app", "ENABLE app",
            "WAIT_CLOSE", "KILL_CLIENT 1", "UNBLOCK", "UNBLOCK alice"]


NONSENSE = [
    "SHOW nonsense", "NONSENSE", "SHOW", "show pools; show lists", "select 1", "begin",
    "SHOW POOLS POOLS", "PAUSE app other", "SET", "SET x", "SET x =", "x" * 5000, "show '",
    'show "pools', "\u00fcbung", "PAUSE " + "d" * 200, "SET max_client_conn = '" + "9" * 5000,
    "SHUTDOWN NOW"]


def only(rows, **wanted):
    found = [r for r in rows if all(r[k] == v for k, v in wanted.items())]
    assert len(found) == 1, (wanted, rows)
    return found[0]


# SHOW

@pytest.mark.parametrize("what", COLUMNS)
def test_columns_have_the_expected_names_order_and_types(pooler, what):
    pooler.login().value("select 1")
    reply = pooler.ask_console(f"SHOW {what}")
    expected = COLUMNS[what]
    assert reply.columns[:len(expected)] == expected
    assert reply.tags == ["SHOW"]


@pytest.mark.parametrize("what", COLUMNS)
def test_numbers_are_numbers_in_every_row(pooler, what):
    wire = pooler.login()
    wire.value("select 1")
    wire.ask("begin")
    reply = pooler.ask_console(f"SHOW {what}")
    for row in reply.rows:
        for (name, oid), value in zip(reply.columns, row):
            if oid in (INT4, NUMERIC) and value is not None:
                assert value.lstrip("-").isdigit(), (name, value)


def test_help_is_a_notice_that_lists_the_commands(pooler):
    reply = pooler.ask_console("SHOW HELP")
    notice = reply.notices[0]
    text = notice["M"] + notice.get("D", "")
    for word in ("POOLS", "PAUSE", "RELOAD", "SHUTDOWN"):
        assert word in text
    assert reply.tags == ["SHOW"] and not reply.rows


def test_version_is_what_the_program_says_itself(pooler):
    (row,) = pooler.show("VERSION")
    said = subprocess.run([pooler.binary, "--version"], capture_output=True, text=True,
                          check=True).stdout
    assert row["version"] and said.startswith(row["version"])


def test_lists_has_its_rows_in_order(pooler):
    assert [row["list"] for row in pooler.show("LISTS")][:len(LISTS)] == LISTS


def test_state_has_three_rows(pooler):
    assert [(r["key"], r["value"]) for r in pooler.show("STATE")][:3] == [
        ("active", "yes"), ("paused", "no"), ("suspended", "no")]


@pytest.mark.parametrize("command", ["SHOW POOLS", "show pools", "Show Pools;", "  show   pools ; ",
                                     "SELECT pools", 'show "pools"', "show\tpools\n"])
def test_commands_are_read_as_people_write_them(pooler, command):
    reply = pooler.ask_console(command)
    assert not reply.errors and reply.columns[0][0] == "database"


@pytest.mark.parametrize("command", NONSENSE, ids=lambda command: command[:30])
def test_nonsense_is_an_error_and_the_console_goes_on(pooler, command):
    with pooler.console() as console:
        reply = console.ask(command)
        assert reply.error["S"] == "ERROR" and reply.status == "I"
        assert console.ask("SHOW VERSION").rows


def test_empty_command_is_harmless(pooler):
    with pooler.console() as console:
        for command in ("", ";", "  "):
            assert console.ask(command).types[-1] == "Z"
        assert console.ask("SHOW VERSION").rows


def test_clients_and_servers_show_who_is_linked_to_whom(pooler):
    wire = pooler.login(application_name="linked one")
    wire.ask("begin")
    pid = wire.value("select pg_backend_pid()")
    client = only(pooler.show("CLIENTS"), database="app")
    server = only(pooler.show("SERVERS"), database="app")
    assert client["type"] == "C" and server["type"] == "S"
    assert client["user"] == server["user"] == "alice"
    assert client["state"] == server["state"] == "active"
    assert client["link"] == server["ptr"] and server["link"] == client["ptr"]
    assert client["application_name"] == "linked one"
    assert server["remote_pid"] == pid
    assert (client["addr"], client["local_port"]) == ("127.0.0.1", str(pooler.port))
    assert int(client["port"]) == wire.socket.getsockname()[1]
    wire.ask("commit")
    wait_until(lambda: only(pooler.show("SERVERS"), database="app")["state"] == "idle")
    assert only(pooler.show("CLIENTS"), database="app")["link"] == ""


def test_waiting_client_is_shown_as_waiting(make_pooler):
    pooler = make_pooler(default_pool_size=1)
    holder, waiter = pooler.login(), pooler.login(application_name="waiter")
    holder.ask("begin")
    waiter.send(query("select 1"))
    pooler.wait_for_pool(cl_waiting=1)
    row = only(pooler.show("CLIENTS"), application_name="waiter")
    assert row["state"] == "waiting"


def test_timestamps_have_the_usual_form(pooler):

    pooler.login().value("select 1")
    row = only(pooler.show("CLIENTS"), database="app")
    for column in ("connect_time", "request_time"):
        assert re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d \S+", row[column]), row[column]


def test_unix_socket_clients_are_shown_as_unix(pooler):
    wire = pooler.wire(pooler.socket_path).login("alice", "app")
    row = only(pooler.show("CLIENTS"), database="app")
    assert row["addr"] == "unix" and row["remote_pid"] == str(os.getpid())
    wire.close()


def test_pools_count_clients_and_servers(make_pooler):
    pooler = make_pooler(default_pool_size=2)
    wires = [pooler.login() for _ in range(4)]
    for wire in wires[:2]:
        wire.ask("begin")
    wires[2].send(query("select 1"))
    pooler.wait_for_pool(cl_waiting=1, sv_active=2, sv_idle=0)
    assert pooler.pool()["cl_active"] == 3 and pooler.pool()["pool_mode"] == "transaction"
    for wire in wires[:2]:
        wire.ask("commit")
    wires[2].until("Z")
    pooler.wait_for_pool(cl_active=4, cl_waiting=0, sv_active=0, sv_idle=2)


def test_databases_show_the_effective_limits(make_pooler):
    pooler = make_pooler(default_pool_size=7, max_db_connections=9, databases={
        "app": {"pool_size": 3, "pool_mode": "session", "max_db_client_connections": 11},
        "front": {"dbname": "other", "user": "carol"}})
    wire = pooler.login()
    wire.value("select 1")
    rows = pooler.show("DATABASES")
    app, front = only(rows, name="app"), only(rows, name="front")
    assert (app["pool_size"], front["pool_size"]) == ("3", "7")
    assert app["pool_mode"] == "session"
    assert (app["max_connections"], app["max_client_connections"]) == ("9", "11")
    assert (app["current_connections"], app["current_client_connections"]) == ("1", "1")
    assert (front["database"], front["force_user"]) == ("other", "carol")
    assert (app["host"], app["port"]) == ("127.0.0.1", str(pooler.cluster.port))
    assert (app["paused"], app["disabled"]) == ("0", "0")


def test_users_show_their_settings_and_connections(make_pooler):
    pooler = make_pooler(users={"bob": "pool_size=4 pool_mode=session max_user_connections=6"})
    pooler.login(user="bob").value("select 1")
    row = only(pooler.show("USERS"), name="bob")
    assert row["pool_size"].strip() == "4" and row["pool_mode"] == "session"
    assert row["max_user_connections"] == "6"
    assert (row["current_connections"], row["current_client_connections"]) == ("1", "1")


def test_stats_count_what_was_done(pooler):
    wire = pooler.login()

    def stats():
        row = only(pooler.show("STATS"), database="app")
        return {k: int(v) for k, v in row.items() if k != "database"}
    wire.value("select 1")
    before = stats()
    for _ in range(5):
        wire.value("select pg_sleep(0.01)::text || repeat('x', 1000)")
    wire.ask("begin")
    wire.ask("select 1")
    wire.ask("commit")

    def has_counted():
        return stats()["total_xact_count"] - before["total_xact_count"] == 6
    wait_until(has_counted)
    after = stats()
    gained = {k: after[k] - before[k] for k in after}
    assert gained["total_query_count"] == 8
    assert gained["total_server_assignment_count"] == 6
    assert gained["total_sent"] > 5000 and 100 < gained["total_received"] < 5000
    assert gained["total_query_time"] >= 50_000 <= gained["total_xact_time"]
    assert after["total_client_login_count"] >= 1


def test_config_shows_every_setting_of_the_file_with_its_value(pooler):
    rows = {row["key"]: row for row in pooler.show("CONFIG")}
    assert rows["pool_mode"]["value"] == "transaction"
    assert rows["pool_mode"]["default"] == "session"
    assert rows["pool_mode"]["changeable"] == "yes"
    assert rows["listen_port"]["value"] == str(pooler.port)
    assert rows["listen_port"]["changeable"] == "no"
    assert set(pooler.settings) <= set(rows)


def test_big_result_of_many_clients_is_complete(make_pooler):
    pooler = make_pooler(max_client_conn=1000)
    wires = [pooler.login() for _ in range(400)]
    rows = pooler.show("CLIENTS")
    assert sum(1 for row in rows if row["database"] == "app") == 400
    assert len({row["id"] for row in rows}) == len(rows)
    assert all(wire.value("select 1") == "1" for wire in wires[::50])


# Who may

@pytest.mark.parametrize("command", COMMANDS)
def test_stats_users_may_not_command(pooler, command):
    with pooler.console("stats") as console:
        reply = console.ask(command)
        assert reply.error["S"] == "ERROR" and "admin access needed" in reply.error["M"]
        assert console.ask("SHOW VERSION").rows
    assert pooler.login().value("select 1") == "1"


@pytest.mark.parametrize("what", COLUMNS)
def test_stats_users_may_look(pooler, what):
    assert not pooler.ask_console(f"SHOW {what}", "stats").errors


@pytest.mark.parametrize("dbname", ["pooler", "pgbouncer"])
def test_others_are_refused_everywhere(pooler, dbname):
    for address in (pooler.address, pooler.admin_address, pooler.socket_path):
        with pooler.wire(address) as wire, pytest.raises(Refused) as refused:
            wire.login("alice", dbname)
        assert refused.value.fields["S"] == "FATAL"


@pytest.mark.parametrize("dbname", ["pooler", "pgbouncer"])
def test_console_is_reached_by_both_names_on_all_sockets(pooler, dbname):
    for address in (pooler.address, pooler.admin_address, pooler.socket_path):
        with pooler.wire(address) as wire:
            assert wire.login("admin", dbname).ask("SHOW POOLS").tags == ["SHOW"]


@pytest.mark.parametrize("user", ["pooler", "pgbouncer"])
def test_own_user_is_admin_on_the_unix_socket_only(pooler, user):
    done = subprocess.run(
        ["psql", "-XAt", "-h", pooler.directory, "-p", str(pooler.port), "-U", user, "pooler",
         "-c", "SHOW VERSION", "-c", "RECONNECT"],
        capture_output=True, text=True, cwd="/", timeout=20, **popen_as(pooler.account))
    assert done.returncode == 0 and "RECONNECT" in done.stdout, done.stderr
    with pytest.raises(Refused):
        pooler.login("pooler", user)


def test_admin_listener_leads_to_the_console_only(pooler):
    with Wire(pooler.admin_address) as wire, pytest.raises(Refused) as refused:
        wire.login("alice", "app")
    assert refused.value.fields["S"] == "FATAL"


def test_console_login_looks_like_a_server_to_drivers(pooler):
    with pooler.console() as console:
        for name in ("server_version", "client_encoding", "server_encoding", "DateStyle",
                     "TimeZone", "standard_conforming_strings"):
            assert console.params[name]
        assert console.params["client_encoding"] == "UTF8"


def test_questions_of_drivers_are_answered(pooler):
    with pooler.console() as console:
        for name in ("client_encoding", "default_transaction_isolation", "datestyle",
                     "standard_conforming_strings", "timezone"):
            assert len(console.ask(f"SHOW {name}").rows) == 1
        reply = console.ask("SET client_encoding = 'UTF8'")
        assert reply.notices and reply.tags == ["SET"]


def test_extended_protocol_is_answered_too(pooler):
    with pooler.console() as console:
        reply = console.ask(extended("SHOW VERSION"))
        assert reply.types == "12TDCZ" and "pooler" in reply.value.lower()
        reply = console.ask(extended("NONSENSE"))
        assert reply.types == "EZ"
        reply = console.ask(parse("SHOW STATE", "named"), sync())
        assert reply.types == "1Z"
        for _ in range(2):
            assert len(console.ask(bind(name="named"), execute(), sync()).rows) >= 3
        assert console.ask("SHOW VERSION").rows


@pytest.mark.parametrize("data", [
    pytest.param(b"Q\0\0\0\1", id="length below four"),
    pytest.param(b"!\0\0\0\4", id="unknown message"),
    pytest.param(b"Q\x7f\xff\xff\xff" + bytes(70000), id="enormous query"),
    pytest.param(message("d"), id="copy data"),
    pytest.param(sync(), id="sync")])
def test_garbage_ends_at_most_its_own_console(pooler, data):
    with pooler.console() as console:
        console.send(data)
        console.is_silent(0.05)
    assert pooler.show("VERSION")


def test_commands_may_arrive_byte_by_byte_and_together(pooler):
    with pooler.console() as console:
        for byte in query("SHOW STATE"):
            console.send(bytes([byte]))
        assert len(console.until("Z").rows) == 3
        console.send(query("SHOW STATE") * 20)
        assert all(len(console.until("Z").rows) == 3 for _ in range(20))


# PAUSE, RESUME, RECONNECT, KILL

def test_pause_waits_for_transactions_and_resume_lets_go_on(pooler, cluster, later):
    busy, idle = pooler.login(), pooler.login()
    busy.ask("begin")
    with pooler.console() as console:
        console.send(query("PAUSE"))
        assert console.is_silent(0.2)
        assert busy.ask("commit").status == "I"
        assert console.until("Z").tags == ["PAUSE"]
    wait_until(lambda: not cluster.backends())
    assert only(pooler.show("STATE"), key="paused")["value"] == "yes"
    idle.send(query("select 1"))
    pooler.wait_for_pool(cl_waiting=1)
    assert pooler.ask_console("RESUME").tags == ["RESUME"]
    assert idle.until("Z").value == "1"
    assert only(pooler.show("STATE"), key="paused")["value"] == "no"


def test_clients_may_connect_while_paused_and_wait(pooler):
    pooler.login().value("select 1")
    pooler.ask_console("PAUSE")
    wire = pooler.wire()
    wire.send(startup({"user": "alice", "database": "app"}), query("select 1"))
    assert holds_for(lambda: pooler.pool()["sv_active"] == 0, 0.3)
    pooler.ask_console("RESUME")
    assert wire.finish_login().until("Z").value == "1"


def test_pause_of_one_database_leaves_the_others_alone(make_pooler):
    pooler = make_pooler(databases={"app": {}, "other": {}})
    app, other = pooler.login("app"), pooler.login("other")
    assert pooler.ask_console("PAUSE app").tags == ["PAUSE"]
    assert only(pooler.show("DATABASES"), name="app")["paused"] == "1"
    assert other.value("select 1") == "1"
    app.send(query("select 1"))
    assert app.is_silent(0.2)
    assert pooler.ask_console("RESUME app").tags == ["RESUME"]
    assert app.until("Z").value == "1"


@pytest.mark.parametrize("command, words", [
    ("PAUSE nowhere", "no such database"), ("RESUME", "not paused"),
    ("RESUME app", "is not paused"), ("PAUSE pgbouncer", "admin db"),
    ("KILL nowhere", "no such database"), ("RECONNECT pooler", "admin db"),
    ("RECONNECT nowhere", "no such database")])
def test_commands_that_cannot_be_carried_out_say_why(pooler, command, words):
    error = pooler.ask_console(command).error
    assert error["S"] == "ERROR" and words in error["M"]


def test_pause_twice_is_an_error(pooler):
    assert not pooler.ask_console("PAUSE").errors
    assert "already" in pooler.ask_console("PAUSE").error["M"]
    assert not pooler.ask_console("RESUME").errors


def test_cancel_on_a_waiting_pause_resumes(pooler):
    busy, other = pooler.login(), pooler.login()
    busy.ask("begin")
    with pooler.console() as console:
        console.send(query("PAUSE"))
        assert console.is_silent(0.1)
        pooler.cancel(console.key)
        assert console.until("Z").status == "I"
    assert other.value("select 1") == "1"
    assert busy.ask("commit").status == "I"


def test_admin_that_leaves_while_pause_waits_leaves_no_trouble(pooler):
    busy = pooler.login()
    busy.ask("begin")
    console = pooler.console()
    console.send(query("PAUSE"))
    assert console.is_silent(0.1)
    console.close()
    assert busy.ask("commit").status == "I"
    pooler.ask_console("RESUME")
    assert busy.value("select 1") == "1"


def test_reconnect_replaces_servers_after_their_transaction(pooler):
    busy, idle = pooler.login(), pooler.login()
    busy.ask("begin")
    idle.value("select 1")
    pid = busy.value("select pg_backend_pid()")
    assert pooler.ask_console("RECONNECT").tags == ["RECONNECT"]
    assert busy.value("select pg_backend_pid()") == pid
    busy.ask("commit")
    assert busy.value("select pg_backend_pid()") != pid


def test_reconnect_of_one_database(make_pooler):
    pooler = make_pooler(databases={"app": {}, "other": {}})
    app, other = pooler.login("app"), pooler.login("other")
    pids = [wire.value("select pg_backend_pid()") for wire in (app, other)]
    pooler.ask_console("RECONNECT app")
    assert app.value("select pg_backend_pid()") != pids[0]
    assert other.value("select pg_backend_pid()") == pids[1]


def test_kill_ends_clients_with_57P01_and_pauses_until_resume(pooler, cluster):
    idle, busy = pooler.login(), pooler.login()
    busy.send(query("select pg_sleep(30)"))
    pooler.wait_for_pool(sv_active=1)
    assert pooler.ask_console("KILL app").tags == ["KILL"]
    for wire in (idle, busy):
        error = wire.rest().error
        assert error["S"] == "FATAL" and error["C"] == "57P01"
    wait_until(lambda: not pooler.show("SERVERS"))
    assert only(pooler.show("DATABASES"), name="app")["paused"] == "1"
    assert not pooler.ask_console("RESUME app").errors
    assert pooler.login().value("select 1") == "1"


def test_kill_of_everything(make_pooler):
    pooler = make_pooler(databases={"app": {}, "other": {}})
    wires = [pooler.login(name) for name in ("app", "other")]
    assert not pooler.ask_console("KILL").errors
    for wire in wires:
        assert wire.rest().error["C"] == "57P01"
    assert not pooler.ask_console("RESUME").errors
    assert pooler.login().value("select 1") == "1"


# SET and RELOAD

def test_set_changes_a_setting_until_the_next_reload(pooler):
    reply = pooler.ask_console("SET max_client_conn = 2")
    assert not reply.errors and reply.tags[0].startswith("SET")
    pooler.login()
    pooler.login()
    assert pooler.refusal()["C"] == "53300"
    assert not pooler.ask_console("RELOAD").errors
    assert pooler.login().value("select 1") == "1"


@pytest.mark.parametrize("command", ["SET query_timeout TO '30s'", "set query_timeout = 30;",
                                     "SET query_timeout='30'"])
def test_set_understands_its_forms(pooler, command):
    assert not pooler.ask_console(command).errors
    assert "30" in only(pooler.show("CONFIG"), key="query_timeout")["value"]


@pytest.mark.parametrize("command", ["SET no_such_setting = 1", "SET max_client_conn = many",
                                     "SET listen_port = 1", "SET pool_mode = sometimes",
                                     "SET max_client_conn = -7"])
def test_bad_set_is_an_error_and_changes_nothing(pooler, command):
    before = pooler.show("CONFIG")
    error = pooler.ask_console(command).error
    assert error["S"] == "ERROR"
    assert pooler.show("CONFIG") == before


def test_set_takes_effect_on_timeouts_of_clients_that_are_connected(pooler):
    wire = pooler.login()
    wire.value("select 1")
    pooler.ask_console("SET query_timeout = '300ms'")
    wire.send(query("select pg_sleep(20)"))
    assert wire.rest().error["C"] == "57014"


BROKEN = {
    "auth_file": ('"admin" "x"\n"bob" "sEcReT\n"carol"\n', ":2: "),
    "auth_hba_file": (ADMIN_RULE + "host all all all ldap ldapserver=x ldapbindpasswd=sEcReT "
                      "what=1\nnonsense\n", ":2: "),
    "auth_ident_file": ("m a b\nm a\nm\n", ":2: "),
    "client_tls_cert_file": ("sEcReT", '" holds no certificate'),
    "client_tls_ca_file": ("sEcReT", '" holds no certificate'),
}


@pytest.mark.parametrize("file", BROKEN)
def test_reload_tells_the_first_error_with_its_place_and_how_many_more(
        make_login_pooler, write_file, certs, file):
    pooler = make_login_pooler("hba", {"alice": "x"}, hba="host all all all scram-sha-256\n",
                               ident="m a b\n", **certs.client_tls("allow"))
    text, place = BROKEN[file]
    path = write_file("broken", text)
    pooler.change(**{file: path})
    error = pooler.ask_console("RELOAD").error
    assert error["C"] == "F0000" and path + place in error["D"], error
    several = text.count("\n") > 1
    assert ("(and 1 more, see the log)" in error["D"]) == several, error
    assert "sEcReT" not in str(error) + pooler.output()
    assert pooler.wire().login("alice", "app", "x").value("select 1") == "1"


def test_reload_tells_how_many_errors_of_the_configuration_there_are(pooler):
    pooler.write_config(pooler.config_text().replace("[databases]", "a = 1\nb = 2\n[databases]")
                        + "[nonsense]\n")
    error = pooler.ask_console("RELOAD").error
    assert "(and 2 more, see the log)" in error["D"], error
    assert error["D"].startswith(pooler.conf + ":"), error


# Logins

def test_unblock_lets_in_again(make_login_pooler):
    pooler = make_login_pooler("scram-sha-256", {"alice": "x", "bob": "y"},
                               auth_failure_limit=2)

    def fail(user):
        for _ in range(2):
            with pooler.wire() as wire, pytest.raises(Refused) as refused:
                wire.login(user, "app", "wrong")
            assert refused.value.fields["C"] == "28P01"

    def may(user, password):
        try:
            return pooler.wire().login(user, "app", password).value("select 1") == "1"
        except Refused as refused:
            assert refused.fields["C"] == "28000"
            return False
    for user in ("alice", "bob"):
        fail(user)
    assert not may("alice", "x") and not may("bob", "y")
    assert pooler.ask_console("UNBLOCK alice").tags == ["UNBLOCK"]
    assert may("alice", "x") and not may("bob", "y")
    assert "has no failed logins" in pooler.ask_console("UNBLOCK alice").error["M"]
    fail("alice")
    assert pooler.ask_console("UNBLOCK").tags == ["UNBLOCK"]
    assert may("alice", "x") and may("bob", "y")
    assert not pooler.show("FAILED_LOGINS")


def test_users_of_the_list_are_shown_before_they_come(make_login_pooler):
    pooler = make_login_pooler("scram-sha-256", {f"u{n:04d}": "x" for n in range(3000)})
    names = [row["name"] for row in pooler.show("USERS")]
    assert names == sorted(names)
    assert set(names) >= {f"u{n:04d}" for n in range(3000)} | {"admin"}
    assert only(pooler.show("LISTS"), list="users")["items"] == str(len(names))


SECRET_OPTIONS = ("ldapserver=localhost ldapbasedn=dc=x ldapbinddn=cn=x "
                  "ldapbindpasswd=sEcReT")


def test_no_command_shows_or_logs_a_secret(make_login_pooler):
    pooler = make_login_pooler(
        "hba", {"alice": "sEcReT-too"}, hba=f"host all bob all ldap {SECRET_OPTIONS}\n"
        "host all all all scram-sha-256\n", verbose=3, auth_ldap_options=SECRET_OPTIONS,
        databases={"app": {"user": "alice", "password": "sEcReT-db"}})
    said = []
    with pooler.console() as console:
        for what in COLUMNS:
            said.append(console.ask(f"SHOW {what}"))
            said.append(console.ask(extended(f"SHOW {what}")))
        for value in (SECRET_OPTIONS, SECRET_OPTIONS + " what=1", "ldapbindpasswd=sEcReT",
                      "ldapbindpasswd = sEcReT", '"ldapbindpasswd=a sEcReT"'):
            said.append(console.ask(f"SET auth_ldap_options = '{value}'"))
        said.append(console.ask("RELOAD"))
        pooler.write_config(pooler.config_text()
                            + "[databases]\nx = password=sEcReT-x what=1\n"
                              "y = host=z password='sEcReT-y\n[pooler]\n"
                              f"auth_ldap_options = {SECRET_OPTIONS} what=1\n")
        said.append(console.ask("RELOAD"))
    assert said[-1].error and not said[-2].error, said[-2:]
    told = str([(reply.rows, reply.tags, reply.errors, reply.notices) for reply in said])
    assert "ldapbindpasswd" in told and "sEcReT" not in told
    assert "SET auth_ldap_options command issued" in pooler.output()
    assert "sEcReT" not in pooler.output()


# SHUTDOWN

def test_shutdown_ends_at_once_with_status_zero(pooler):
    wire = pooler.login()
    wire.ask("begin")
    with pooler.console() as console:
        console.send(query("SHUTDOWN"))
        assert pooler.wait() == 0
    try:
        error = wire.rest().error
        assert error is None or error["C"] == "57P01"
    except ConnectionError:
        pass
    pooler.check_output()


def test_shutdown_wait_for_clients_serves_until_the_last_has_left(pooler):
    wire = pooler.login()
    with pooler.console() as console:
        assert not console.ask("SHUTDOWN WAIT_FOR_CLIENTS").errors
        assert wire.value("select 1") == "1"
        with pytest.raises((Refused, ConnectionError, Closed)):
            pooler.login()
        assert wire.value("select 2") == "2"
    wire.close()
    assert pooler.wait() == 0
    pooler.check_output()


def test_shutdown_wait_for_servers_ends_after_the_transactions(pooler):
    busy, idle, waiting = pooler.login(), pooler.login(), pooler.login()
    busy.ask("begin")
    with pooler.console() as console:
        console.send(query("SHUTDOWN WAIT_FOR_SERVERS"))
        waiting.send(query("select 1"))
        error = waiting.rest().error
        assert error["S"] == "FATAL" and error["C"] == "57P01"
        assert busy.value("select 1") == "1"
        assert pooler.is_running()
        busy.ask("commit")
        assert pooler.wait() == 0
    pooler.check_output()


def test_console_shows_what_is_going_on_during_shutdown(pooler):
    wire = pooler.login()
    with pooler.console() as console:
        console.ask("SHUTDOWN WAIT_FOR_CLIENTS")
        assert console.ask("SHOW POOLS").rows
    wire.close()
    assert pooler.wait() == 0


# The admin listener under load

def test_admin_listener_answers_quickly_while_thousands_wait(make_pooler):
    pooler = make_pooler(default_pool_size=1, max_client_conn=600, max_queue=-1)
    holder = pooler.login()
    holder.ask("begin")
    wires = [pooler.login() for _ in range(500)]
    for wire in wires:
        wire.send(query("select 1"))
    pooler.wait_for_pool(cl_waiting=500)
    began = time.monotonic()
    assert len(pooler.show("CLIENTS")) >= 500
    assert time.monotonic() - began < 2
    holder.ask("commit")
    assert {wire.until("Z").value for wire in wires} == {"1"}
