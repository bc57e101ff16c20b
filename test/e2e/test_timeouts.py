"""Every timeout: it ends what it is meant to end, soon after its time, and nothing else."""

import time

import pytest

from harness.waiting import holds_for, wait_until
from harness.wire import SSL_REQUEST, query, startup

BRIEF = "0.3"
SLEEP = "select pg_sleep(20)"


def fatal_within(wire, seconds=3):
    """The error that ends this connection; fails when it takes longer."""
    began = time.monotonic()
    error = wire.rest().error
    assert time.monotonic() - began < seconds
    assert error is not None, "closed without a word"
    assert error["S"] == "FATAL"
    return error


def no_work_is_left(cluster):
    return not cluster.backends("state <> 'idle'")


def test_query_timeout_ends_query_and_session(make_pooler, cluster):
    wire = make_pooler(query_timeout=BRIEF).login()
    wire.send(query(SLEEP))
    error = fatal_within(wire)
    assert error["C"] == "57014" and "query timeout" in error["M"].replace("_", " ")


def test_query_timeout_does_not_count_the_time_between_queries(make_pooler):
    wire = make_pooler(query_timeout=BRIEF).login()
    for _ in range(4):
        assert wire.value("select pg_sleep(0.15)::text || 'ok'") == "ok"
        time.sleep(0.1)
    wire.ask("begin")
    assert holds_for(lambda: wire.value("select 1") == "1", 0.6)


def test_query_timeout_of_a_user_beats_the_global_one(make_pooler):
    pooler = make_pooler(query_timeout="20", users={"bob": f"query_timeout={BRIEF}"})
    wire = pooler.login(user="bob")
    wire.send(query(SLEEP))
    fatal_within(wire)
    assert pooler.login().value("select pg_sleep(0.5)::text || 'ok'") == "ok"


def test_transaction_timeout_ends_a_long_transaction(make_pooler, cluster):
    pooler = make_pooler(transaction_timeout="0.5")
    wire = pooler.login()
    wire.ask("begin")
    wire.value("select 1")
    error = fatal_within(wire)
    assert "transaction timeout" in error["M"].replace("_", " ")
    wait_until(lambda: no_work_is_left(cluster))


def test_transaction_timeout_leaves_short_transactions_alone(make_pooler):
    wire = make_pooler(transaction_timeout="0.5").login()

    def one():
        wire.ask("begin")
        return wire.ask("commit").status == "I"
    assert holds_for(one, 1.0)


def test_transaction_timeout_of_a_user(make_pooler):
    pooler = make_pooler(users={"bob": f"transaction_timeout={BRIEF}"})
    bob, alice = pooler.login(user="bob"), pooler.login()
    for wire in (bob, alice):
        wire.ask("begin")
    fatal_within(bob)
    assert alice.ask("commit").status == "I"


def test_idle_transaction_timeout_ends_with_25P03(make_pooler, cluster):
    wire = make_pooler(idle_transaction_timeout=BRIEF).login()
    wire.ask("begin")
    error = fatal_within(wire)
    assert error["C"] == "25P03" and "idle transaction timeout" in error["M"].replace("_", " ")
    wait_until(lambda: no_work_is_left(cluster))


def test_idle_transaction_timeout_does_not_count_work(make_pooler):
    wire = make_pooler(idle_transaction_timeout=BRIEF).login()
    wire.ask("begin")
    assert wire.value("select pg_sleep(0.7)::text || 'ok'") == "ok"
    assert wire.ask("commit").status == "I"


def test_idle_transaction_timeout_starts_anew_with_every_query(make_pooler):
    wire = make_pooler(idle_transaction_timeout="0.5").login()
    wire.ask("begin")
    for _ in range(4):
        time.sleep(0.2)
        assert wire.value("select 1") == "1"
    assert wire.ask("commit").status == "I"


def test_idle_transaction_timeout_of_a_user(make_pooler):
    pooler = make_pooler(users={"bob": f"idle_transaction_timeout={BRIEF}"})
    bob, alice = pooler.login(user="bob"), pooler.login()
    for wire in (bob, alice):
        wire.ask("begin")
    assert fatal_within(bob)["C"] == "25P03"
    assert alice.ask("commit").status == "I"


def test_client_idle_timeout_ends_with_57P05(make_pooler):
    wire = make_pooler(client_idle_timeout=BRIEF).login()
    wire.value("select 1")
    error = fatal_within(wire)
    assert error["C"] == "57P05" and "client idle timeout" in error["M"].replace("_", " ")


def test_client_idle_timeout_spares_those_who_work(make_pooler):
    wire = make_pooler(client_idle_timeout="0.5").login()
    assert holds_for(lambda: wire.value("select 1") == "1", 1.0)
    assert wire.value("select pg_sleep(1)::text || 'ok'") == "ok"


def test_client_idle_timeout_of_one_user_leaves_the_others_alone(make_pooler):
    pooler = make_pooler(users={"bob": f"client_idle_timeout={BRIEF}"})
    bob, alice = pooler.login(user="bob"), pooler.login()
    assert fatal_within(bob)["C"] == "57P05"
    assert alice.is_silent(0.7)
    assert alice.value("select 1") == "1"


@pytest.mark.parametrize("said", [
    pytest.param(b"", id="nothing"),
    pytest.param(SSL_REQUEST, id="SSLRequest"),
    pytest.param(startup({"user": "alice", "database": "app"})[:12], id="half a startup packet"),
])
def test_client_login_timeout_ends_a_connection_that_does_not_log_in(make_pooler, said):
    wire = make_pooler(client_login_timeout=BRIEF).wire()
    wire.send(said)
    if said == SSL_REQUEST:
        assert wire.read_bytes(1) == b"N"
    began = time.monotonic()
    assert set(wire.rest().types) <= {"E"}
    assert 0.2 < time.monotonic() - began < 3


def test_client_login_timeout_does_not_end_logged_in_clients(make_pooler):
    wire = make_pooler(client_login_timeout=BRIEF).login()
    assert wire.is_silent(0.7)
    assert wire.value("select 1") == "1"


def test_server_idle_timeout_closes_idle_servers(make_pooler, cluster):
    pooler = make_pooler(server_idle_timeout=BRIEF)
    wire = pooler.login()
    wire.value("select 1")
    assert len(cluster.backends()) == 1
    wait_until(lambda: not cluster.backends(), 3)
    assert wire.value("select 1") == "1"


def test_server_idle_timeout_respects_min_pool_size(make_pooler, cluster):
    pooler = make_pooler(server_idle_timeout=BRIEF, min_pool_size=2, default_pool_size=5)
    wires = [pooler.login() for _ in range(5)]
    for wire in wires:
        wire.ask("begin")
    for wire in wires:
        wire.ask("commit")
    assert len(cluster.backends()) == 5
    wait_until(lambda: len(cluster.backends()) == 2, 5)
    assert holds_for(lambda: len(cluster.backends()) == 2, 0.7)


def test_server_lifetime_replaces_old_servers_without_hurting_clients(make_pooler):
    pooler = make_pooler(server_lifetime="0.5", default_pool_size=1)
    wire = pooler.login()
    seen = set()
    deadline = time.monotonic() + 4
    while len(seen) < 3 and time.monotonic() < deadline:
        seen.add(wire.value("select pg_backend_pid()"))
        time.sleep(0.02)
    assert len(seen) >= 3


def test_server_lifetime_of_the_database_beats_the_global_one(make_pooler, cluster):
    pooler = make_pooler(databases={"app": {"server_lifetime": "0.4"}})
    pooler.login().value("select 1")
    wait_until(lambda: not cluster.backends(), 4)


def test_server_lifetime_zero_uses_a_server_once(make_pooler):
    pooler = make_pooler(server_lifetime="0")
    wire = pooler.login()
    assert len({wire.value("select pg_backend_pid()") for _ in range(3)}) == 3


def test_server_lifetime_does_not_break_a_transaction(make_pooler):
    wire = make_pooler(server_lifetime="0.2").login()
    wire.ask("begin")
    pid = wire.value("select pg_backend_pid()")
    assert holds_for(lambda: wire.value("select pg_backend_pid()") == pid, 0.8)
    assert wire.ask("commit").status == "I"


def test_durations_may_carry_units(make_pooler):
    wire = make_pooler(client_idle_timeout="300ms").login()
    assert fatal_within(wire)["C"] == "57P05"


def test_server_connect_timeout_is_told_to_the_client(make_pooler, make_backend):
    backend = make_backend(lambda peer: peer.wait_for_end())
    pooler = make_pooler(server_connect_timeout=BRIEF,
                         databases={"app": {"port": backend.port}})
    wire = pooler.wire()
    wire.send(startup({"user": "alice", "database": "app"}))
    fatal_within(wire, 5)
