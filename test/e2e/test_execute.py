"""What EXECUTE carries out counts as if it stood there itself: it follows the client, or keeps it
at its server, and is no stranger's."""

import pytest

from harness.waiting import wait_until
from harness.wire import bind, execute, parse, sync
from test_session_state import everywhere, make, objects, ok, swap  # noqa: F401

LOCKED = "select count(*) from pg_locks where locktype = 'advisory' and pid = pg_backend_pid()"
FRONTS = ["", "select 1; "]


def reasons(pooler):
    return [row["reasons"] for row in pooler.show("PINS")]


@pytest.mark.parametrize("front", FRONTS)
@pytest.mark.parametrize("text, use, reason", [
    ("select pg_advisory_lock(42)", "execute a", "locks"),
    ("select pg_advisory_lock($1)", "execute a(42)", "locks"),
    ("select pg_advisory_lock(42)", "explain analyze execute a", "locks"),
    ("create temp table t(i int)", "execute a", "temporary"),
    ("select 1 as i", "create temp table t as execute a", "temporary"),
    ("declare held cursor with hold for select 1", "execute a", "cursors"),
])
def test_what_it_leaves_keeps_the_client_at_its_server(make, front, text, use, reason):
    pooler = make()
    wire = pooler.login()
    assert not wire.ask(parse(text, "a") + sync()).errors
    ok(wire, front + use)
    wait_until(lambda: reasons(pooler) == [reason], 5)
    wire.close()
    wait_until(lambda: pooler.show("PINS") == [], 5)
    assert everywhere(pooler, LOCKED) == "0"


@pytest.mark.parametrize("front", FRONTS)
def test_what_it_leaves_is_refused_where_that_is_asked_for(make, front):
    pooler = make(server_state="error")
    wire = pooler.login()
    wire.ask(parse("select 1 as i", "a") + sync())
    assert wire.ask(front + "create temp table t as execute a").error["C"] == "0A000"
    assert wire.ask(front + "execute a").tags[-1] == "SELECT 1"


@pytest.mark.parametrize("front", FRONTS)
def test_what_it_sets_follows_the_client(make, front):
    pooler = make()
    wire = pooler.login()
    wire.ask(parse("set lock_timeout = '7s'", "a") + sync())
    ok(wire, front + "execute a")
    swap(pooler, wire)
    assert wire.value("show lock_timeout") == "7s"
    assert everywhere(pooler, "show lock_timeout") == "0"


BY_BIND = bind((), "q") + execute() + sync()


@pytest.mark.parametrize("use", ["execute q", BY_BIND], ids=["sql", "bind"])
def test_a_lock_of_what_was_prepared_outlives_that(make, use):
    pooler = make()
    wire = pooler.login()
    ok(wire, "prepare q as select pg_advisory_lock(42)")
    assert not wire.ask(use).errors
    ok(wire, "deallocate q")
    wait_until(lambda: reasons(pooler) == ["locks"], 5)
    ok(wire, "select pg_advisory_unlock(42)")
    wait_until(lambda: reasons(pooler) == [], 5)


@pytest.mark.parametrize("use", ["execute q", BY_BIND], ids=["sql", "bind"])
def test_a_lock_of_what_was_prepared_ends_with_the_client(make, use):
    pooler = make()
    wire = pooler.login()
    ok(wire, "prepare q as select pg_advisory_lock(42)")
    assert not wire.ask(use).errors
    wire.close()
    wait_until(lambda: reasons(pooler) == [], 5)
    assert everywhere(pooler, LOCKED) == "0"


@pytest.mark.parametrize("use", ["execute q", BY_BIND], ids=["sql", "bind"])
def test_a_value_of_what_was_prepared_outlives_that(make, use):
    pooler = make()
    wire = pooler.login()
    ok(wire, "prepare q as select set_config('lock_timeout', '7s', false)")
    assert not wire.ask(use).errors
    ok(wire, "deallocate q")
    wait_until(lambda: reasons(pooler) == [], 5)
    swap(pooler, wire)
    assert wire.value("show lock_timeout") == "7s"
    assert everywhere(pooler, "show lock_timeout") == "0"


def test_a_name_in_a_query_that_is_too_long_is_the_server_s(make):
    """As the manual says; of up to 16 kB it is the client's."""
    wire = make().login()
    wire.ask(parse("select length($1::text)", "a") + sync())
    assert wire.ask("execute a('" + "x" * 16000 + "')").value == "16000"
    assert wire.ask("execute a('" + "x" * 17000 + "')").error["C"] == "26000"
    assert wire.ask(bind(("x",), "a") + execute() + sync()).value == "1"
