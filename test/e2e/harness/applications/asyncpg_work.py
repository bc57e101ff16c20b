"""asyncpg: binary, everything prepared, a cache of statements, SQL of its own at the end of
a pool's session. Once as it comes, once without the cache."""

import asyncio

import asyncpg
import steps

AT = steps.arguments()
WAIT_S = 20


def connect(**more):
    return asyncpg.connect(host=AT["host"], port=AT["port"], database=AT["dbname"],
                           user=AT["user"], ssl=False, timeout=WAIT_S, **more)


def step(function):
    """Makes one of a coroutine that takes a connection."""
    async def with_connection():
        conn = await connect()
        try:
            return await asyncio.wait_for(function(conn), WAIT_S)
        finally:
            await conn.close(timeout=WAIT_S)

    def called():
        return asyncio.run(with_connection())
    called.__name__ = function.__name__
    return called


@step
async def prepared(conn):
    pids = []
    for n in range(40):
        pid, twice = await conn.fetchrow("select pg_backend_pid(), $1::int * 2", n)
        assert twice == 2 * n
        pids.append(pid)
    statement = await conn.prepare("select $1::int + $2::int")
    for n in range(20):
        assert await statement.fetchval(n, 1) == n + 1
        assert await conn.fetchval("select $1::text", str(n)) == str(n)
    return pids


@step
async def more_than_the_cache_holds(conn):
    own = await connect(statement_cache_size=5)
    for n in range(6):
        for i in range(12):
            assert await own.fetchval(f"select $1::int + {i}", n) == n + i
    await own.close()


@step
async def without_the_cache(conn):
    own = await connect(statement_cache_size=0)
    pids = []
    for n in range(30):
        pid, same = await own.fetchrow("select pg_backend_pid(), $1::int", n)
        assert same == n
        pids.append(pid)
        async with own.transaction():
            assert await own.fetchval("select $1::int", n) == n
    await own.close()
    return pids


@step
async def types_of_ones_own(conn):
    """Looked up in the catalogue by prepared statements of its own."""
    await conn.execute("create type mood as enum ('sad', 'glad')")
    await conn.execute("create table felt(m mood, n int[])")
    for n in range(10):
        await conn.execute("insert into felt values ($1, $2)", "glad", [n, n])
    rows = await conn.fetch("select m, n from felt order by n[1]")
    assert [(row["m"], row["n"]) for row in rows] == [("glad", [n, n]) for n in range(10)]


@step
async def transactions(conn):
    await conn.execute("create table account(id int primary key, sum int)")
    for n in range(15):
        async with conn.transaction():
            first = await conn.fetchval("select pg_backend_pid()")
            await conn.execute("insert into account values ($1, $2)", n, n)
            inner = conn.transaction()
            await inner.start()
            await conn.execute("update account set sum = -1 where id = $1", n)
            await inner.rollback()
            assert await conn.fetchval("select pg_backend_pid()") == first
    assert tuple(await conn.fetchrow("select count(*), sum(sum) from account")) == (15, 105)


@step
async def errors(conn):
    for n in range(15):
        try:
            await conn.execute("insert into account values ($1, 0)", n)
        except asyncpg.UniqueViolationError:
            pass
        else:
            raise AssertionError("a duplicate was taken")
        try:
            await conn.fetchval("select 1 / $1::int", 0)
        except asyncpg.DivisionByZeroError:
            pass
        assert await conn.fetchval("select 10 / $1::int", 2) == 5


@step
async def definitions_change(conn):
    await conn.execute("create table changing(a int)")
    await conn.execute("insert into changing values (1)")
    for _ in range(8):
        assert tuple(await conn.fetchrow("select * from changing where a = $1", 1)) == (1,)
    await conn.execute("alter table changing add column b int default 7")
    for _ in range(8):
        assert tuple(await conn.fetchrow("select * from changing where a = $1", 1)) == (1, 7)


@step
async def many_at_once(conn):
    await conn.executemany("insert into account values ($1, $2)",
                           [(n, 0) for n in range(1000, 1500)])
    await conn.copy_records_to_table("account", records=[(n, 0) for n in range(5000, 5500)])
    assert await conn.fetchval("select count(*) from account where id >= $1", 1000) == 1000


@step
async def settings(conn):
    own = await connect(server_settings={"statement_timeout": "12345", "search_path": "public"})
    for _ in range(15):
        assert await own.fetchval("show statement_timeout") == "12345ms"
    await own.execute("set time zone 'Asia/Tokyo'")
    for _ in range(15):
        assert await own.fetchval("show timezone") == "Asia/Tokyo"
        assert own.get_settings().TimeZone == "Asia/Tokyo"
    await own.execute("reset all")
    for _ in range(15):
        assert await own.fetchval("show timezone") == "UTC"
        assert await own.fetchval("show statement_timeout") == "12345ms"
    await own.close()
    assert await conn.fetchval("show statement_timeout") == "0"


@step
async def cursors(conn):
    async with conn.transaction():
        total = 0
        async for row in conn.cursor("select generate_series(1, $1::int)", 300, prefetch=50):
            total += row[0]
        assert total == 45150


@step
async def a_pool(conn):
    """Which resets each connection that comes back."""
    async with asyncpg.create_pool(host=AT["host"], port=AT["port"], database=AT["dbname"],
                                   user=AT["user"], ssl=False, min_size=3,
                                   max_size=6) as pool:
        async def work(n):
            async with pool.acquire() as own:
                await own.execute("set my.tenant = 'x'")
                async with own.transaction():
                    return await own.fetchval("select $1::int * 2", n)
        assert await asyncio.gather(*(work(n) for n in range(60))) == [
            n * 2 for n in range(60)]
        async with pool.acquire() as own:
            assert not await own.fetchval("select current_setting('my.tenant', true)")


@step
async def a_timeout_cancels(conn):
    for _ in range(3):
        try:
            await conn.fetchval("select pg_sleep($1)", 20, timeout=0.2)
        except asyncio.TimeoutError:
            pass
        else:
            raise AssertionError("it was not cancelled")
        assert await conn.fetchval("select $1::int", 1) == 1


@step
async def advisory_locks(conn):
    other = await connect()
    await conn.execute("select pg_advisory_lock($1)", 42)
    for _ in range(10):
        assert await conn.fetchval("select 1") == 1
        assert await other.fetchval("select pg_try_advisory_lock($1)", 42) is False
    assert await conn.fetchval("select pg_advisory_unlock($1)", 42) is True
    assert await other.fetchval("select pg_try_advisory_lock($1)", 42) is True
    await other.close()


@step
async def notifications(conn):
    heard, enough = [], asyncio.Event()

    def on_news(_conn, _pid, channel, payload):
        heard.append((channel, payload))
        if len(heard) == 10:
            enough.set()
    listener = await connect()
    await listener.add_listener("news", on_news)
    for n in range(10):
        await conn.execute("select pg_notify('news', $1)", f"item {n}")
    await asyncio.wait_for(enough.wait(), WAIT_S)
    assert heard == [("news", f"item {n}") for n in range(10)], heard
    await listener.remove_listener("news", on_news)
    assert await listener.fetchval("select $1::int", 1) == 1
    await listener.close()


steps.run([prepared, more_than_the_cache_holds, without_the_cache, types_of_ones_own,
           transactions, errors, definitions_change, many_at_once, settings, cursors, a_pool,
           a_timeout_cancels, advisory_locks, notifications])
