"""Servers that are replaced: after some transactions, for their memory, at the end of their
lives; and nobody notices."""

import threading
import time

import psycopg
import pytest

from harness.waiting import wait_until
from harness.wire import query

PID = "select pg_backend_pid()"
SERVERS = ("sv_active", "sv_idle", "sv_used", "sv_tested", "sv_login")


def test_a_server_is_replaced_after_so_many_transactions(make_pooler, cluster):
    pooler = make_pooler(server_max_transactions=20, default_pool_size=1)
    wire = pooler.login()
    pids = []
    for _ in range(100):
        pids.append(wire.value(PID))
        time.sleep(0.002)
    each = [pids.count(pid) for pid in dict.fromkeys(pids)]
    assert len(each) >= 3, each
    assert min(each[:-1]) >= 18, each
    wait_until(lambda: len(cluster.backends()) == 1, 5)


def test_a_database_may_say_how_many(make_pooler):
    pooler = make_pooler(databases={"app": {"server_max_transactions": "5"}})
    wire = pooler.login()
    pids = set()
    wait_until(lambda: pids.add(wire.value(PID)) or len(pids) > 2, 10)


def test_a_busy_pool_is_renewed_without_anybody_waiting(make_pooler):
    """Never more than one server beyond the size, and no client sees an error."""
    size, ends, most, failures = 3, time.monotonic() + 3, 0, []
    pooler = make_pooler(server_lifetime="0.4", default_pool_size=size)
    pids = set()

    def work():
        try:
            with pooler.login() as wire:
                while time.monotonic() < ends:
                    pids.add(wire.value(PID))
        except Exception as failure:
            failures.append(failure)
    threads = [threading.Thread(target=work) for _ in range(6)]
    for thread in threads:
        thread.start()
    while time.monotonic() < ends:
        now = pooler.pool()
        most = max(most, sum(now[state] for state in SERVERS))
        time.sleep(0.01)
    for thread in threads:
        thread.join()
    assert not failures
    assert len(pids) > 2 * size
    assert most <= size + 1


VIEW, FUNCTION = "pg_backend_memory_contexts", "function pg_get_backend_memory_contexts()"
GROW = "select count(pg_get_viewdef(oid)) from pg_class where relkind = 'v'"


@pytest.fixture
def telling(cluster):
    """PostgreSQL tells alice how much memory her servers use."""
    with psycopg.connect(cluster.conninfo("app", "postgres"), autocommit=True) as conn:
        conn.execute(f"grant select on {VIEW} to alice")
        conn.execute(f"grant execute on {FUNCTION} to alice")
        yield cluster
        conn.execute(f"revoke select on {VIEW} from alice")
        conn.execute(f"revoke execute on {FUNCTION} from alice")


def test_a_server_that_has_grown_is_replaced(make_pooler, telling):
    """Descriptions of tables that it has looked at once stay in its memory."""
    wire = make_pooler().login()
    used = int(wire.value(f"select sum(total_bytes) from {VIEW}"))
    pooler = make_pooler(server_memory_limit=used + 500000, server_memory_check="1",
                         default_pool_size=1)
    wire = pooler.login()
    pid = wire.value(PID)
    time.sleep(1.2)
    assert wire.value(PID) == pid
    wire.ask(GROW)
    wait_until(lambda: wire.value(PID) != pid, 10)
    assert "server_memory_limit" in pooler.output()


def test_a_server_that_does_not_tell_is_not_asked_again(make_pooler):
    """Bob may not know, whatever other tests have let alice know."""
    pooler = make_pooler(server_memory_limit="1MB", server_memory_check="1",
                         default_pool_size=1)
    wire = pooler.login(user="bob")
    pid, ends = wire.value(PID), time.monotonic() + 3.5
    while time.monotonic() < ends:
        wire.send(query(PID))
        assert wire.until("Z").value == pid
        time.sleep(0.1)
    assert pooler.output().count("server_memory_limit has no effect here") == 1
