"""A database that is down, one that is full, one that starts, and our own limits: each is
something else, and only the first is a failure."""

import signal
import time

import psycopg
import pytest

from harness import backend as fake
from harness.waiting import free_port, wait_until
from harness.wire import Closed, Refused, query


def reach(pooler, dbname="app"):
    (row,) = [row for row in pooler.show("REACH") if row["database"] == dbname]
    return row


def is_told_within(wire, seconds):
    began = time.monotonic()
    wire.send(query("select 1"))
    error = wire.until("Z").error
    assert time.monotonic() - began < seconds
    return error


@pytest.mark.limit(90)
def test_clients_of_a_database_that_restarts_do_not_notice(make_pooler, cluster):
    pooler = make_pooler(hold_on_failure="30")
    wires = [pooler.login() for _ in range(4)]
    for wire in wires:
        wire.value("select 1")
    cluster.stop()
    try:
        for wire in wires:
            wire.send(query("select 'again'"))
        wait_until(lambda: reach(pooler)["state"] == "down", 10)
        row = reach(pooler)
        assert row["reason"] == "refused" and row["sqlstate"] == "08001", row
        assert row["waiting"] == "4" and 0 < int(row["held_ms"]) <= 30000
        assert all(wire.is_silent(0.3) for wire in wires)
    finally:
        cluster.start()
    for wire in wires:
        assert wire.until("Z").value == "again"
    assert reach(pooler)["state"] == "ok"


@pytest.mark.limit(90)
def test_a_hold_ends_with_the_error(make_pooler, cluster):
    pooler = make_pooler(databases={"app": {"hold_on_failure": "1s"}, "other": {}})
    wire = pooler.login()
    wire.value("select 1")
    cluster.stop(signal.SIGQUIT)
    try:
        began = time.monotonic()
        assert is_told_within(wire, 6)["C"] == "08001"
        assert time.monotonic() - began > 0.9
        # Those who come later are not held again.
        assert is_told_within(wire, 0.9)["C"] == "08001"
        with pytest.raises(Refused) as refused:
            pooler.login(dbname="other")
        assert refused.value.fields["C"] == "08001"
    finally:
        cluster.start()
    wait_until(lambda: not is_told_within_or_none(wire), 20)


def is_told_within_or_none(wire):
    wire.send(query("select 1"))
    errors = wire.until("Z").errors
    return errors[0] if errors else None


def test_a_server_that_is_full_is_not_down(make_pooler, cluster):
    """Its own max_connections are used up by others."""
    pooler = make_pooler(query_wait_timeout="30", hold_on_failure="0")
    wire = pooler.login()
    others = []
    wire.value("select 1")
    pooler.ask_console("RECONNECT")
    wait_until(lambda: not cluster.backends(), 5)
    try:
        while True:
            others.append(psycopg.connect(cluster.conninfo("app", "bob")))
    except psycopg.OperationalError as full:
        assert "slots" in str(full) or "many" in str(full)
    try:
        wire.send(query("select 'waited'"))
        wait_until(lambda: reach(pooler)["reason"] == "full", 5)
        assert reach(pooler)["state"] == "waiting"
        assert wire.is_silent(1)
    finally:
        for other in others:
            other.close()
    assert wire.until("Z").value == "waited"
    assert reach(pooler)["reason"] == "ok"


@pytest.mark.long
def test_a_lack_of_descriptors_is_ours(make_pooler):
    """More servers are wanted than there are descriptors: clients wait for those there are."""
    pooler = make_pooler(nofile=72, default_pool_size=100, query_wait_timeout="30",
                         query_wait_notify="0")
    wires = [pooler.login() for _ in range(40)]
    for wire in wires:
        wire.send(query("begin"))
    wait_until(lambda: "our limits" in pooler.output(), 10)
    served = [wire for wire in wires if not wire.is_silent(0.2)]
    waiting = [wire for wire in wires if wire not in served]
    assert served and waiting
    for wire in served:
        assert wire.until("Z").status == "T"
    assert pooler.show("VERSION"), "the console must go on answering"
    assert reach(pooler)["state"] == "waiting"
    for wire in served:
        wire.ask("commit")
    # In whatever order they come: who has a server keeps it until he commits.
    ends = time.monotonic() + 15
    while waiting and time.monotonic() < ends:
        for wire in list(waiting):
            if not wire.is_silent(0.02):
                assert wire.until("Z").status == "T"
                wire.ask("commit")
                waiting.remove(wire)
    assert not waiting


def test_reasons_are_told_apart(make_pooler, make_backend, cluster):
    def starting(peer):
        peer.send(fake.error(code="57P03", text="the database system is starting up"))

    def hangs_up(peer):
        peer.socket.close()
    backends = {"starting": make_backend(starting), "broken": make_backend(hangs_up)}
    databases = {name: {"port": backend.port} for name, backend in backends.items()}
    databases["refused"] = {"port": free_port()}
    databases["no database"] = {"dbname": "no_such_db"}
    databases["authentication"] = {"user": "nobody_there"}
    databases["tls"] = {"tls_sslmode": "require"}
    databases["no address"] = {"host": "nowhere.invalid"}
    databases = {name.replace(" ", "_"): entry for name, entry in databases.items()}
    pooler = make_pooler(databases=databases, client_login_timeout="2", query_wait_timeout="2")
    for name in databases:
        with pytest.raises(Refused):
            pooler.login(dbname=name)
    for name in databases:
        row = reach(pooler, name)
        assert row["reason"] == name.replace("_", " "), row
        assert row["state"] == ("waiting" if name == "starting" else "down"), row
        assert row["message"] and int(row["failures"]) > 0, row


def served(pooler):
    """A connection that PostgreSQL let in before it knew may be lost; nobody is refused."""
    try:
        with pooler.login() as wire:
            return wire.value("select 1") == "1"
    except Closed:
        return False


@pytest.mark.limit(90)
def test_a_crash_of_one_backend_makes_nobody_fail_but_its_clients(make_pooler, cluster):
    """PostgreSQL starts again, and says so to whoever comes meanwhile: they wait."""
    pooler = make_pooler(query_wait_timeout="60")
    wire = pooler.login()
    wire.ask("begin")
    pid = int(wire.value("select pg_backend_pid()"))
    cluster.kill_backend(pid)
    assert wire.rest().errors
    wait_until(lambda: served(pooler), 30)
    cluster.wait_recovered()
    wait_until(lambda: served(pooler), 30)
    assert reach(pooler)["state"] == "ok"
