"""Replication through the pooler, with PostgreSQL's own tools."""

import os
import shutil
import signal
import struct
import subprocess
import tempfile

import psycopg
import pytest

from harness.account import give_to, ordinary_user, popen_as
from harness.cluster import Cluster
from harness.waiting import free_port, holds_for, wait_until
from harness.wire import Closed, Refused, copy_data, copy_done, query, startup

SETTINGS = """
wal_level = logical
max_wal_senders = 30
max_replication_slots = 30
wal_keep_size = 512MB
wal_sender_timeout = 20s
"""
MODES = ["session", "transaction", "statement"]
EVERYWHERE = {"app": {}, "other": {}, "replication": {}}
OWN = {"user": "postgres", "database": "app"}


@pytest.fixture(scope="module")
def running_cluster(workdir):
    """A cluster that may be replicated in every way."""
    directory = os.path.join(workdir, "pgr")
    os.mkdir(directory)
    cluster = Cluster(directory, ordinary_user(), SETTINGS)
    cluster.create()
    yield cluster
    cluster.stop()


@pytest.fixture
def replicating(make_pooler, cluster):
    made = []

    def make(**settings):
        made.append(make_pooler(EVERYWHERE, **settings))
        return made[-1]
    yield make
    for pooler in made:
        pooler.close_clients()
    wait_until(lambda: not senders(cluster), 10, "walsenders are left")
    for (slot,) in cluster.sql("select slot_name from pg_replication_slots"):
        cluster.sql("select pg_drop_replication_slot(%s)", [slot])


@pytest.fixture
def scratch(workdir, cluster):
    path = tempfile.mkdtemp(prefix="r", dir=workdir)
    give_to(cluster.account, path)
    yield path
    shutil.rmtree(path)


def senders(cluster):
    return [pid for (pid,) in cluster.sql(
        "select pid from pg_stat_activity where backend_type = 'walsender'")]


def tool(cluster, pooler, name, *args, **more):
    """One of PostgreSQL's programs, started; it connects to the pooler as postgres."""
    return subprocess.Popen(
        [f"{cluster.bindir}/{name}", "-h", "127.0.0.1", "-p", str(pooler.port), "-U", "postgres",
         "-w", *args], cwd="/", stdin=subprocess.DEVNULL, text=True,
        **{"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT,
           **popen_as(cluster.account), **more})


def finish(process, timeout=40):
    output, _ = process.communicate(timeout=timeout)
    assert process.returncode == 0, output
    return output


def replicate(pooler, kind="database", version=3 << 16, **params):
    """A wire that is logged in for replication."""
    wire = pooler.wire()
    wire.send(startup({**OWN, "replication": kind, **params}, version))
    return wire.finish_login()


def stream(cluster, wire, start=None):
    """Begins to stream WAL from here, or from there."""
    start = start or cluster.sql("select pg_current_wal_flush_lsn()")[0][0]
    wire.send(query(f"START_REPLICATION PHYSICAL {start}"))
    assert wire.read().type == "W"
    return start


def status_update(lsn=0):
    return copy_data(b"r" + struct.pack("!QQQqB", lsn, lsn, lsn, 0, 1))


# PostgreSQL's tools


@pytest.mark.parametrize("mode", MODES)
def test_pg_basebackup_copies_a_cluster(cluster, replicating, scratch, mode):
    """With a second connection that streams the WAL meanwhile."""
    pooler = replicating(pool_mode=mode, query_timeout=1, transaction_timeout=1)
    finish(tool(cluster, pooler, "pg_basebackup", "-D", f"{scratch}/copy", "-X", "stream",
                "-c", "fast", "--no-sync", "-r", "20M"))
    subprocess.run([f"{cluster.bindir}/pg_verifybackup", f"{scratch}/copy"], check=True,
                   stdout=subprocess.DEVNULL, **popen_as(cluster.account))
    log = pooler.output()
    assert log.count("login attempt: db=replication user=postgres tls=no replication=yes") == 2


def test_a_standby_streams(cluster, replicating, scratch):
    pooler = replicating()
    copy = f"{scratch}/standby"
    finish(tool(cluster, pooler, "pg_basebackup", "-D", copy, "-R", "-C", "-S", "standby",
                "-c", "fast", "--no-sync"))
    port = free_port()
    with open(f"{copy}/postgresql.conf", "a") as conf:
        conf.write(f"port = {port}\nunix_socket_directories = ''\nhot_standby = on\n")
    with open(f"{scratch}/log", "w") as log:
        standby = subprocess.Popen([f"{cluster.bindir}/postgres", "-D", copy], cwd="/",
                                   stdout=log, stderr=log, **popen_as(cluster.account))
    try:
        cluster.sql("create table if not exists followed(a int)")
        cluster.sql("insert into followed values (42)")

        def has_followed():
            try:
                with psycopg.connect(f"host=127.0.0.1 port={port} dbname=postgres user=postgres",
                                     connect_timeout=5) as conn:
                    return conn.execute("select a from followed").fetchall() == [(42,)]
            except psycopg.Error:
                return False
        wait_until(has_followed, 30, "the standby does not follow")
        (client,) = [c for c in pooler.show("CLIENTS") if c["replication"] == "physical"]
        assert (client["database"], client["state"]) == ("replication", "active")
    finally:
        standby.send_signal(signal.SIGINT)
        standby.wait(20)


def test_pg_receivewal_keeps_what_is_written(cluster, replicating, scratch):
    pooler = replicating()
    finish(tool(cluster, pooler, "pg_receivewal", "--slot", "keeper", "--create-slot"))
    receiver = tool(cluster, pooler, "pg_receivewal", "-D", scratch, "--slot", "keeper",
                    "--no-sync", "-s", "1")
    wait_until(lambda: [c for c in pooler.show("CLIENTS") if c["replication"] == "physical"])
    segment = cluster.sql("select pg_walfile_name(pg_current_wal_lsn())")[0][0]
    cluster.sql("create table if not exists written(a text)")
    cluster.sql("insert into written select repeat('x', 1000) from generate_series(1, 3000)")
    cluster.sql("select pg_switch_wal()")
    wait_until(lambda: os.path.exists(f"{scratch}/{segment}"), 20, "no segment arrives")
    with open(f"{scratch}/{segment}", "rb") as got, \
            open(f"{cluster.data}/pg_wal/{segment}", "rb") as original:
        assert got.read() == original.read()
    receiver.send_signal(signal.SIGINT)
    finish(receiver)


@pytest.mark.parametrize("mode", MODES)
def test_pg_recvlogical_sees_the_changes(cluster, replicating, mode):
    pooler = replicating(pool_mode=mode)
    finish(tool(cluster, pooler, "pg_recvlogical", "-d", "app", "--slot", "changes",
                "-P", "test_decoding", "--create-slot"))
    with cluster.connect("app") as conn:
        conn.execute("delete from note")
        conn.execute("insert into note select i, 'body ' || i from generate_series(1, 2000) i")
    (end,) = cluster.sql("select pg_current_wal_insert_lsn()")[0]
    with cluster.connect("app", "postgres") as conn:
        conn.execute("select pg_logical_emit_message(false, 'end', '')")
    output = finish(tool(cluster, pooler, "pg_recvlogical", "-d", "app", "--slot", "changes",
                         "--start", "-f", "-", "--endpos", end, "--no-loop"))
    assert output.count("table public.note: INSERT:") == 2000
    assert "body[text]:'body 2000'" in output
    finish(tool(cluster, pooler, "pg_recvlogical", "-d", "app", "--slot", "changes",
                "--drop-slot"))
    assert "db=app user=postgres tls=no replication=database" in pooler.output()


@pytest.mark.long
@pytest.mark.parametrize("mode", MODES)
def test_a_subscription_follows(cluster, replicating, mode):
    """The first copy of the table, by a worker of its own, and what comes then."""
    pooler = replicating(pool_mode=mode, query_timeout=1, idle_transaction_timeout=0.2)
    app, other = cluster.connect("app", "postgres"), cluster.connect("other", "postgres")
    app.execute("drop table if exists followed cascade")
    app.execute("create table followed(id int primary key, body text)")
    app.execute("insert into followed select i, repeat('y', 500) from generate_series(1, 20000) i")
    app.execute("drop publication if exists p")
    app.execute("create publication p for table followed")
    other.execute("drop table if exists followed")
    other.execute("create table followed(id int primary key, body text)")
    # In one cluster CREATE SUBSCRIPTION would wait for itself if it made the slot.
    wire = replicate(pooler)
    assert not wire.ask("CREATE_REPLICATION_SLOT s LOGICAL pgoutput").errors
    wire.close()
    address = pooler.conninfo("app", "postgres").replace("'", "''")
    other.execute(f"create subscription s connection '{address}'"
                  " publication p with (create_slot = false, slot_name = 's')")
    try:
        def count():
            return other.execute("select count(*) from followed").fetchone()[0]
        wait_until(lambda: count() == 20000, 30, "the table is not copied")
        app.execute("insert into followed values (0, 'late')")
        wait_until(lambda: count() == 20001, 20, "what comes later does not")
        assert {c["replication"] for c in pooler.show("CLIENTS") if c["database"] == "app"} == \
            {"logical"}
        # It comes again after its server has gone.
        cluster.sql("select pg_terminate_backend(pid) from pg_stat_activity"
                    " where backend_type = 'walsender'")
        app.execute("insert into followed values (-1, 'later')")
        wait_until(lambda: count() == 20002, 30, "it does not come again")
    finally:
        other.execute("drop subscription s")
        wait_until(lambda: not senders(cluster))


# What a connection is


@pytest.mark.parametrize("mode", MODES)
def test_each_has_a_server_of_its_own(cluster, replicating, mode):
    pooler = replicating(pool_mode=mode, default_pool_size=1)
    wires = [replicate(pooler, "database", application_name=f"r{i}",
                       options="-c work_mem=77kB -c datestyle=German") for i in range(3)]
    pids = {wire.value("select pg_backend_pid()") for wire in wires}
    assert len(pids) == 3
    assert wires[0].ask("IDENTIFY_SYSTEM").columns[0][0] == "systemid"
    assert wires[1].params["application_name"] == "r1"
    assert wires[1].value("show work_mem") == "77kB"
    assert wires[1].params["DateStyle"] == "German, DMY"
    assert wires[2].ask("begin").status == "T"
    # An ordinary client gets the pool's only server meanwhile.
    with pooler.connect(user="postgres") as conn:
        assert str(conn.execute("select pg_backend_pid()").fetchone()[0]) not in pids
    assert wires[2].ask("rollback").status == "I"
    rows = [s for s in pooler.show("SERVERS") if s["replication"] == "logical"]
    assert {s["remote_pid"] for s in rows} == pids
    assert {s["state"] for s in rows} == {"active"}
    assert {c["replication"] for c in pooler.show("CLIENTS") if c["user"] == "postgres"} == \
        {"logical"}
    for wire in wires:
        wire.close()
    wait_until(lambda: not senders(cluster), 10, "a server was kept")


def test_a_client_that_goes_takes_its_server_along(cluster, replicating):
    pooler = replicating()
    for end in (lambda w: w.close(), lambda w: w.reset()):
        wire = replicate(pooler, "true")
        stream(cluster, wire)
        assert len(senders(cluster)) == 1
        end(wire)
        wait_until(lambda: not senders(cluster), 10, "its server is left")


def test_a_server_that_goes_takes_its_client_along(cluster, replicating):
    pooler = replicating()
    wire = replicate(pooler, "true")
    stream(cluster, wire)
    cluster.sql("select pg_terminate_backend(%s)", senders(cluster))
    errors = wire.rest().errors
    assert errors and errors[-1]["C"] == "57P01"


def test_a_login_that_the_server_refuses_is_the_clients_own(cluster, replicating):
    pooler = replicating(server_login_retry=10)
    with pytest.raises(Refused) as refused:
        wire = pooler.wire()
        wire.send(startup({"user": "alice", "database": "app", "replication": "true"}))
        wire.finish_login()
    assert refused.value.fields["C"] == "42501", refused.value.fields
    assert pooler.login().value("select 1") == "1"


def test_a_value_that_is_no_value_is_refused_as_postgresql_does(cluster, replicating):
    pooler = replicating()
    seen = []
    for port in (pooler.port, cluster.port):
        with pytest.raises(Refused) as refused:
            wire = pooler.wire(("127.0.0.1", port))
            wire.send(startup({**OWN, "replication": "maybe"}))
            wire.finish_login()
        fields = refused.value.fields
        seen.append((fields["C"], fields["H"]))
    assert seen[0] == seen[1]


def test_the_rule_for_replication_is_of_physical_ones(make_login_pooler, cluster):
    pooler = make_login_pooler("hba", {"postgres": "secret"}, databases={"app": {}}, hba="""
host replication postgres 127.0.0.1/32 trust
host app         postgres 127.0.0.1/32 password
""")
    assert replicate(pooler, "true").value("SHOW port") == str(cluster.port)
    wire = pooler.wire()
    wire.send(startup({**OWN, "replication": "database"}))
    wire.finish_login("postgres", "secret")
    assert wire.asked == [3]
    wire.close()


@pytest.mark.parametrize("version", [3 << 16, 3 << 16 | 2])
def test_a_cancel_reaches_its_server(cluster, replicating, version):
    pooler = replicating()
    wire = replicate(pooler, version=version)
    wire.send(query("select pg_sleep(30)"))
    wait_until(lambda: cluster.sql(
        "select 1 from pg_stat_activity where query like 'select pg_sleep%' and state = 'active'"
        " and backend_type = 'walsender'"))
    pooler.cancel(wire.key)
    assert wire.until("Z").error["C"] == "57014"
    assert wire.value("select 1") == "1"


# Limits and administration


def test_it_counts_under_max_db_connections(cluster, replicating):
    pooler = replicating(max_db_connections=2, server_connect_timeout=1)
    with pooler.connect(user="postgres") as conn:
        conn.execute("select 1")
    wires = [replicate(pooler), replicate(pooler)]
    with pytest.raises(Refused) as refused:
        replicate(pooler)
    assert refused.value.fields["C"] == "53300"
    wires.pop().close()
    assert replicate(pooler).value("select 1") == "1"


def test_no_limit_on_queries_or_idlers_ends_it(cluster, replicating):
    pooler = replicating(query_timeout=0.2, transaction_timeout=0.2, client_idle_timeout=0.2,
                         idle_transaction_timeout=0.2, server_lifetime=1, server_idle_timeout=0.2,
                         client_login_timeout=1, query_wait_timeout=0.2)
    streams, idle, busy = replicate(pooler, "true"), replicate(pooler), replicate(pooler)
    stream(cluster, streams)
    assert busy.ask("begin").status == "T"
    pids = set(senders(cluster))
    assert len(pids) == 3
    assert holds_for(lambda: set(senders(cluster)) == pids, 2.5)
    assert busy.ask("select 1").status == "T"
    assert idle.value("select 1") == "1"
    streams.send(status_update())
    assert streams.until("d").types.endswith("d")


def test_reconnect_ends_it_and_reload_does_not(cluster, replicating):
    pooler = replicating()
    wire = replicate(pooler, "true")
    stream(cluster, wire)
    pooler.reload(pool_mode="session", default_pool_size=3, query_timeout=1)
    wire.send(status_update())
    wire.until("d")
    assert not pooler.ask_console("RECONNECT").errors
    assert wire.rest().errors[-1]["C"] == "57P01"
    wait_until(lambda: not senders(cluster))


def test_pause_waits_for_it(cluster, replicating, later):
    pooler = replicating()
    wire = replicate(pooler, "true")
    stream(cluster, wire)
    paused = later(pooler.ask_console, "PAUSE")
    wire.send(status_update())
    wire.until("d")
    assert not paused.done()
    wire.close()
    assert not paused.result(10).errors
    assert not pooler.ask_console("RESUME").errors


def test_a_streaming_client_that_does_not_read_costs_little(cluster, replicating):
    """Back-pressure reaches the server; nothing is lost."""
    pooler = replicating()
    (start,) = cluster.sql("select pg_current_wal_insert_lsn()")[0]
    cluster.sql("create table if not exists bulk(a text)")
    cluster.sql("insert into bulk select repeat('z', 1000) from generate_series(1, 50000)")
    (end, length), = cluster.sql(
        "select l - '0/0', l - %s::pg_lsn from pg_current_wal_insert_lsn() l", [start])
    assert length > 40_000_000
    wire = replicate(pooler, "true")
    before = pooler.rss()
    stream(cluster, wire, start)
    sent = "select sent_lsn - '0/0' from pg_stat_replication"
    stands_at = [0, 0]

    def stands_still():
        stands_at[:] = [stands_at[1], cluster.sql(sent)[0][0]]
        return stands_at[0] == stands_at[1]
    wait_until(lambda: not holds_for(lambda: not stands_still(), 0.5), 20)
    assert stands_at[1] < end
    assert pooler.is_sanitized() or pooler.rss() - before < 8_000_000
    received = 0
    while received < end:
        body = wire.until("d").messages[-1].body
        if body[:1] == b"w":
            received = struct.unpack_from("!Q", body, 1)[0] + len(body) - 25
    wire.send(copy_done())
    reply = wire.until("Z")
    assert "c" in reply.types and reply.status == "I"


def test_wal_is_the_same_as_directly(cluster, replicating):
    pooler = replicating()
    (start,) = cluster.sql("select pg_current_wal_insert_lsn()")[0]
    cluster.sql("create table if not exists bulk(a text)")
    cluster.sql("insert into bulk select repeat('z', 1000) from generate_series(1, 2000)")
    end = int(cluster.sql("select pg_current_wal_insert_lsn() - '0/0'")[0][0])
    seen = []
    for port in (pooler.port, cluster.port):
        wire = pooler.wire(("127.0.0.1", port))
        wire.send(startup({**OWN, "replication": "true"}))
        wire.finish_login()
        stream(cluster, wire, start)
        wal, at = b"", 0
        while at < end:
            body = wire.until("d").messages[-1].body
            if body[:1] == b"w":
                wal += body[25:]
                at = struct.unpack_from("!Q", body, 1)[0] + len(body) - 25
        seen.append(wal[:len(wal) - (at - end)])
        wire.close()
    assert seen[0] == seen[1] and len(seen[0]) > 2_000_000
