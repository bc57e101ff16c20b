"""Drivers and tools as people use them."""

import asyncio
import subprocess

import psycopg
import pytest

MODES = ("session", "transaction")


@pytest.fixture(params=MODES)
def any_pooler(request, make_pooler):
    return make_pooler(pool_mode=request.param, default_pool_size=3)


def psql(pooler, *args, dbname="app", user="alice", port=None, stdin=None):
    return subprocess.run(
        ["psql", "-XAt", "-h", "127.0.0.1", "-p", str(port or pooler.port), "-U", user, *args,
         dbname], capture_output=True, text=True, timeout=30, input=stdin, cwd="/")


def test_psycopg_transactions_parameters_and_errors(any_pooler):
    conn = any_pooler.connect()
    with conn.transaction():
        conn.execute("create temp table t(a int, b text) on commit drop")
        conn.cursor().executemany("insert into t values (%s, %s)", [(n, f"r{n}") for n in
                                                                    range(50)])
        assert conn.execute("select sum(a) from t where b <> %s", ("r1",)).fetchone() == (1224,)
    with pytest.raises(psycopg.errors.DivisionByZero):
        with conn.transaction():
            conn.execute("select 1/0")
    assert conn.execute("select %s::int[]", ([1, 2, 3],)).fetchone() == ([1, 2, 3],)


def test_psycopg_pipeline_mode(any_pooler):
    conn = any_pooler.connect()
    with conn.pipeline():
        cursors = [conn.execute("select %s::int", (n,)) for n in range(100)]
    assert [c.fetchone()[0] for c in cursors] == list(range(100))


def test_psycopg_pipeline_with_an_error_in_it(any_pooler):
    conn = any_pooler.connect()
    with pytest.raises(psycopg.errors.DivisionByZero):
        with conn.pipeline() as pipeline:
            conn.execute("select %s::int", (1,))
            conn.execute("select 1/%s::int", (0,))
            pipeline.sync()
    assert conn.execute("select 1").fetchone() == (1,)


def test_psycopg_server_side_cursor_in_a_transaction(any_pooler):
    conn = any_pooler.connect()
    with conn.transaction(), conn.cursor("walk") as cursor:
        cursor.itersize = 100
        cursor.execute("select generate_series(1, 1000)")
        assert sum(row[0] for row in cursor) == 500500


def test_psycopg_rejection_is_an_error_class_of_its_own(make_pooler):
    pooler = make_pooler(default_pool_size=1, max_queue=0)
    holder, conn = pooler.connect(), pooler.connect()
    holder.execute("begin")
    with pytest.raises(psycopg.errors.TooManyConnections) as raised:
        conn.execute("select 1")
    assert raised.value.diag.message_detail and raised.value.diag.message_hint
    holder.execute("commit")
    assert conn.execute("select 1").fetchone() == (1,)


def test_psycopg_over_the_unix_socket(any_pooler):
    conn = any_pooler.connect(host=any_pooler.directory)
    assert conn.execute("select 1").fetchone() == (1,)


def test_psycopg_on_the_console(pooler):
    conn = pooler.connect("pooler", "admin", port=pooler.admin_port)
    names = [c.name for c in conn.execute("SHOW POOLS").description]
    assert names[:2] == ["database", "user"]


def test_psycopg2(any_pooler):
    psycopg2 = pytest.importorskip("psycopg2")
    conn = psycopg2.connect(any_pooler.conninfo())
    try:
        for n in range(5):
            with conn, conn.cursor() as cursor:
                cursor.execute("select %s, %s", (n, "x" * n))
                assert cursor.fetchone() == (n, "x" * n)
        with pytest.raises(psycopg2.errors.UndefinedTable), conn, conn.cursor() as cursor:
            cursor.execute("select * from no_such_table")
        with conn, conn.cursor() as cursor:
            cursor.execute("select 1")
    finally:
        conn.close()


def test_psycopg2_on_the_console(pooler):
    psycopg2 = pytest.importorskip("psycopg2")
    conn = psycopg2.connect(pooler.conninfo("pgbouncer", "stats"))
    try:
        conn.autocommit = True
        with conn.cursor() as cursor:
            cursor.execute("SHOW LISTS")
            assert dict(cursor.fetchall())["databases"] >= 1
    finally:
        conn.close()


def test_asyncpg_without_its_statement_cache(any_pooler):
    asyncpg = pytest.importorskip("asyncpg")

    async def work():
        conn = await asyncpg.connect(host="127.0.0.1", port=any_pooler.port, user="alice",
                                     database="app", statement_cache_size=0, ssl=False)
        try:
            for n in range(10):
                async with conn.transaction():
                    assert await conn.fetchval("select $1::int * 2", n) == n * 2
            rows = await conn.fetch("select generate_series(1, 1000) as n")
            return sum(row["n"] for row in rows)
        finally:
            await conn.close()
    assert asyncio.run(asyncio.wait_for(work(), 30)) == 500500


def test_asyncpg_many_at_once(make_pooler):
    asyncpg = pytest.importorskip("asyncpg")
    pooler = make_pooler(default_pool_size=4)

    async def one(n):
        conn = await asyncpg.connect(host="127.0.0.1", port=pooler.port, user="alice",
                                     database="app", statement_cache_size=0, ssl=False)
        try:
            async with conn.transaction():
                return await conn.fetchval("select $1::int", n)
        finally:
            await conn.close()

    async def everybody():
        return await asyncio.gather(*(one(n) for n in range(50)))
    assert asyncio.run(asyncio.wait_for(everybody(), 40)) == list(range(50))


def test_asyncpg_timeout_cancels_and_the_connection_lives(any_pooler):
    asyncpg = pytest.importorskip("asyncpg")

    async def work():
        conn = await asyncpg.connect(host="127.0.0.1", port=any_pooler.port, user="alice",
                                     database="app", statement_cache_size=0, ssl=False)
        try:
            with pytest.raises(asyncio.TimeoutError):
                await conn.execute("select pg_sleep(20)", timeout=0.3)
            return await conn.fetchval("select 1")
        finally:
            await conn.close()
    assert asyncio.run(asyncio.wait_for(work(), 30)) == 1


def test_psql_scripts(any_pooler):
    done = psql(any_pooler, "-v", "ON_ERROR_STOP=1", "-f", "-", stdin="""
        begin;
        create temp table t(a int) on commit drop;
        \\copy t from pstdin
1
2
3
\\.
        select sum(a) from t;
        commit;
        \\d note
        select 'done';
    """.replace("        ", ""))
    assert done.returncode == 0, done.stderr
    assert "6" in done.stdout and "done" in done.stdout and "body" in done.stdout


def test_psql_sees_the_servers_errors(any_pooler):
    done = psql(any_pooler, "-c", "select 1/0")
    assert done.returncode == 1 and "division by zero" in done.stderr


def test_psql_on_the_console(pooler):
    done = psql(pooler, "-c", "SHOW POOLS", "-c", "SHOW VERSION", dbname="pooler", user="admin",
                port=pooler.admin_port)
    assert done.returncode == 0 and "pooler" in done.stdout.lower(), done.stderr


def test_psql_tries_encryption_and_does_without(pooler):
    done = subprocess.run(["psql", "-XAt", f"host=127.0.0.1 port={pooler.port} dbname=app "
                           "user=alice sslmode=prefer gssencmode=prefer", "-c", "select 1"],
                          capture_output=True, text=True, timeout=20, cwd="/")
    assert (done.returncode, done.stdout) == (0, "1\n"), done.stderr


def test_pg_dump_through_session_pooling(make_pooler, cluster):
    pooler = make_pooler(pool_mode="session")
    done = subprocess.run([f"{cluster.bindir}/pg_dump", "-h", "127.0.0.1", "-p", str(pooler.port),
                           "-U", "alice", "-s", "-t", "note", "app"], capture_output=True,
                          text=True, timeout=30, cwd="/")
    assert done.returncode == 0 and "CREATE TABLE public.note" in done.stdout, done.stderr


def test_pg_isready(pooler, cluster):
    done = subprocess.run([f"{cluster.bindir}/pg_isready", "-h", "127.0.0.1", "-p",
                           str(pooler.port)], capture_output=True, text=True, timeout=20)
    assert done.returncode == 0, done.stdout
