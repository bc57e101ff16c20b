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


@pytest.mark.parametrize("change", [
    query("set local array_nulls = off"),
    query("select set_config('array_nulls', 'off', true)"),
    query("select set_config('ARRAY_' || 'NULLS', 'off', true)"),
    query("select pg_catalog.set_config(n, 'off', true) from (values ('array_nulls')) v(n)"),
    ext("select set_config('array_nulls', $1, true)", "off") + sync(),
    ext("select set_config($1, $2, true)", "array_nulls", "off") + sync(),
    ext("select set_config($1, $2, $3)", "Array_Nulls", "off", "t") + sync(),
    query("prepare q as select set_config('array_nulls', 'off', true)") + query("execute q"),
])
def test_what_is_local_stays_so_for_what_is_prepared_then(change, single):
    wire, stranger = single.login(), single.login()
    wire.ask("begin")
    wire.send(change)
    for _ in range(change.count(b"prepare q") + 1):
        assert not wire.until().errors
    assert wire.value("show array_nulls") == "off"
    own = wire.ask(use(ARRAY)).rows
    wire.ask("commit")
    wire.ask("deallocate q")
    assert stranger.ask(use(ARRAY)).rows != own


def test_a_harmless_local_value_keeps_a_statement_shared(single):
    wire, stranger = single.login(), single.login()
    for change in (ext("select set_config('app.tenant', $1, true)", "5"),
                   ext("select set_config($1, $2, true)", "app.tenant", "5"),
                   ext("select set_config('statement_timeout', '5s', true)"),
                   ext("set statement_timeout = '6s'")):
        wire.ask("begin")
        wire.ask(change + sync())
        wire.ask(use(ARRAY))
        wire.ask(close("S", "s") + sync())
        wire.ask("commit")
        stranger.ask(use(ARRAY))
        stranger.ask(close("S", "s") + sync())
    count = "select count(*) from pg_prepared_statements where statement like '%array_length%'"
    assert wire.value(count + " and name <> ''") == "1"


def test_what_is_read_again_is_not_read_for_strangers(single, cluster):
    """PostgreSQL does, when a table has changed."""
    with psycopg.connect(cluster.conninfo("app", "postgres"), autocommit=True) as admin:
        admin.execute("drop table if exists read_again; create table read_again(at timestamptz)")
        admin.execute("insert into read_again values ('2020-01-01 00:00 UTC')")
        admin.execute("grant all on read_again to public")
    text = "select count(*) from read_again where at = '2020-01-01 00:00'"
    wire, stranger = single.login(TimeZone="UTC"), single.login(TimeZone="UTC")
    assert stranger.ask(use(text)).rows == [("1",)]
    assert wire.ask(use(text)).rows == [("1",)]
    for change in ("begin", "set timezone = 'Asia/Tokyo'"):
        wire.ask(change)
    with psycopg.connect(cluster.conninfo("app", "postgres"), autocommit=True) as admin:
        admin.execute("analyze read_again")
    wire.ask(run("s") + sync())
    wire.ask("commit")
    assert stranger.ask(run("s") + sync()).rows == [("1",)]
    with psycopg.connect(cluster.conninfo("app", "postgres"), autocommit=True) as admin:
        admin.execute("analyze read_again")
    wire.ask(run("s") + sync())
    assert stranger.ask(run("s") + sync()).rows == [("1",)]


@pytest.mark.parametrize("parameter, value, text", [
    ("role", "bob", "select * from whose"),
    ("row_security", "off", "select v from guarded"),
    ("backslash_quote", "off", "select length(e'it\\'s')"),
])
def test_other_values_mean_other_statements(parameter, value, text, single, cluster):
    with psycopg.connect(cluster.conninfo("app", "postgres"), autocommit=True) as admin:
        for sql in ("drop schema if exists bob cascade", "create schema bob authorization bob",
                    "create table bob.whose as select 'bob' as v",
                    "drop table if exists public.whose", "grant bob to alice",
                    "create table public.whose as select 5 as v",
                    "grant all on public.whose, bob.whose to public",
                    "drop table if exists guarded", "create table guarded(v int)",
                    "alter table guarded enable row level security",
                    "grant all on guarded to public"):
            admin.execute(sql)
    wire, stranger = single.login(), single.login()
    stranger.ask("set client_encoding = 'UTF8'")

    def both(sent):
        reply = wire.ask(sent)
        return [(e["C"], e["M"]) for e in reply.errors], reply.rows
    plain = both(use(text))
    wire.ask(close("S", "s") + sync())
    wire.ask(f"set {parameter} = '{value}'")
    other = both(use(text))
    assert other != plain and not any(code == "0A000" for code, _ in other[0])
    wire.ask(f"reset {parameter}")
    wire.ask(close("S", "s") + sync())
    assert both(use(text)) == plain


@pytest.mark.parametrize("make", [
    "create temp table hidden as select 'new'::text as v",
    "select 'new'::text as v into temp hidden",
    "do $$ begin create temp table hidden as select 'new'::text as v; end $$",
    "create table early.hidden as select 'new'::text as v",
    "create table early.hidden as execute q",
    "select 'new'::text as v into early.hidden",
    "create view early.hidden as select 'new'::text as v",
])
@pytest.mark.parametrize("is_piped", [False, True])
def test_a_table_that_hides_another_is_seen_by_what_is_prepared_then(make, is_piped, single,
                                                                     cluster):
    """PostgreSQL does not read again what it has, for the other table is as it was."""
    with psycopg.connect(cluster.conninfo("app", "postgres"), autocommit=True) as admin:
        admin.execute("drop schema if exists early cascade")
        admin.execute("create schema early authorization alice")
        admin.execute("drop table if exists hidden; create table hidden(v text)")
        admin.execute("grant all on hidden to public")
    wire = single.login(search_path="early, public")
    stranger = single.login(search_path="early, public")
    for sql in ("create temp table another(a int)", "drop table another"):
        wire.ask(sql)
    for _ in range(2):  # what has changed before is known by then
        assert stranger.ask(use("select v from hidden")).rows == []
        stranger.ask(close("S", "s") + sync())
    if "execute" in make:
        wire.ask("prepare q as select 'new'::text as v")
    if is_piped:
        wire.send(query(make), use("select v from hidden"))
        assert not wire.until().errors
        assert wire.until().rows == [("new",)]
    else:
        wire.ask(make)
        assert wire.ask(use("select v from hidden")).rows == [("new",)]


def test_a_table_counts_from_its_commit_on(make_pooler, cluster):
    pooler = make_pooler(default_pool_size=2, server_round_robin=0)
    with psycopg.connect(cluster.conninfo("app", "postgres"), autocommit=True) as admin:
        admin.execute("drop schema if exists early cascade")
        admin.execute("create schema early authorization alice")
        admin.execute("drop table if exists hidden; create table hidden(v text)")
        admin.execute("grant all on hidden to public")
    wire, stranger = (pooler.login(search_path="early, public") for _ in range(2))
    for sql in ("begin", "create table early.hidden as select 'new'::text as v"):
        wire.ask(sql)
    for _ in range(2):
        assert stranger.ask(use("select v from hidden")).rows == []
        stranger.ask(close("S", "s") + sync())
    wire.ask("commit")
    for name in ("begin", "commit"):  # one sits on the server on which it was made
        assert stranger.ask(use("select v from hidden")).rows == [("new",)]
        stranger.ask(close("S", "s") + sync())
        wire.ask(name)


@pytest.mark.parametrize("text", ["select 'now'::timestamptz", "select timestamptz ' Now '",
                                  "select $$now$$::timestamptz"])
def test_now_is_when_it_is_prepared(text, single):
    wire, stranger = single.login(), single.login()
    before = wire.ask(use(text)).rows
    assert stranger.ask(use(text)).rows > before


def test_a_table_made_again_looks_as_it_did(single, cluster):
    with psycopg.connect(cluster.conninfo("app", "postgres"), autocommit=True) as admin:
        admin.execute("drop table if exists remade; create table remade(v int)")
        admin.execute("alter table remade owner to alice")
        admin.execute("grant all on schema public to public")
    wire = single.login()
    assert wire.ask(parse("select * from remade", "s") + describe("S", "s") + sync()).columns
    wire.ask("drop table remade; create table remade(v int)")
    assert not wire.ask(run("s") + sync()).errors


@pytest.mark.parametrize("failing", ["selec 1", "call nothing()"])
def test_what_is_looked_at_behind_an_error_holds_nothing_up(failing, single):
    """The tables have changed since the client was told what rows look like."""
    wire, other = single.login(), single.login()
    wire.ask(parse("select 'x', $1::int", "s") + describe("S", "s") + sync())
    other.ask("create table if not exists looked_at(a int)")
    assert wire.ask(parse(failing) + run("s", "1") + sync()).types == "EZ"
    assert wire.ask(run("s", "1") + sync()).rows == [("x", "1")]


@pytest.mark.parametrize("said", [
    query("do $$ begin set app.own = 'mine'; end $$"),
    query("do $$ begin set session /**/ app.own to 'mine'; end $$"),
    query("call put_own('app.own', 'mine')"),
    ext("call put_own('app.own', 'mine')") + sync(),
    ext("call put_own($1, $2)", "app.own", "mine") + sync(),
])
def test_what_code_sets_by_name_is_carried_along(said, make_pooler, cluster):
    with psycopg.connect(cluster.conninfo("app", "postgres"), autocommit=True) as admin:
        admin.execute("create or replace procedure put_own(name text, value text) language plpgsql"
                      " as 'begin perform set_config(name, value, false); end'")
    pooler = make_pooler(default_pool_size=2)
    wire, stranger = pooler.login(), pooler.login()
    assert not wire.ask(said).errors
    stranger.ask("begin")
    assert wire.value("select current_setting('app.own')") == "mine"
    stranger.ask("commit")
    assert not stranger.value("select current_setting('app.own', true)")
