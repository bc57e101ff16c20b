"""What a prepared text means to one client is nobody else's: parameters that it is read and
planned by, in all the ways in which they change, over one server that all share."""

import psycopg
import pytest

from harness.wire import bind, close, describe, execute, parse, query, sync

ARRAY = "select array_length('{a,NULL}'::text[], 1), ('{NULL}'::text[])[1] is null"
ZONE = "select '2020-01-01 00:00'::timestamptz = '2020-01-01 00:00 UTC'::timestamptz"


def run(name, *params):
    return bind(params, name) + execute()


def ext(text, *params):
    return parse(text) + bind(params) + execute()


def use(text):
    return parse(text, "s") + run("s") + sync()


@pytest.fixture
def single(make_pooler):
    """One server for all."""
    return make_pooler(default_pool_size=1)


@pytest.mark.parametrize("failing", ["selec 1", "call nothing()"])
def test_what_is_looked_at_behind_an_error_holds_nothing_up(failing, single):
    """The tables have changed since the client was told what rows look like."""
    wire, other = single.login(), single.login()
    wire.ask(parse("select 'x', $1::int", "s") + describe("S", "s") + sync())
    other.ask("create table if not exists looked_at(a int)")
    assert wire.ask(parse(failing) + run("s", "1") + sync()).types == "EZ"
    assert wire.ask(run("s", "1") + sync()).rows == [("x", "1")]
