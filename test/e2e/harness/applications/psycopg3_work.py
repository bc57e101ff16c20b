"""psycopg 3: transactions by default, prepared on the server after five executions, and a
DEALLOCATE for those that its cache has no room for."""

import psycopg
import steps

AT = steps.arguments()


def connect(**more):
    return psycopg.connect(**AT, **more)


conn = connect()


def prepared():
    pids = []
    for n in range(40):
        pid, twice = conn.execute("select pg_backend_pid(), %s::int * 2", (n,)).fetchone()
        conn.commit()
        assert twice == 2 * n
        pids.append(pid)
    return pids


def prepared_in_autocommit():
    pids = []
    with connect(autocommit=True) as own:
        for n in range(40):
            for text in ("select pg_backend_pid(), %s::int", "select pg_backend_pid(), %s::text"):
                pid, same = own.execute(text, (n,)).fetchone()
                assert int(same) == n
                pids.append(pid)
    return pids


def forgotten():
    with connect(autocommit=True) as own:
        own.prepared_max = 3
        for n in range(6):
            for i in range(8):
                row = own.execute(f"select %s::int + {i}", (n,), prepare=True).fetchone()
                assert row == (n + i,)


def definitions_change():
    """At a DROP the driver forgets what it has prepared, by DEALLOCATE ALL."""
    with connect(autocommit=True) as own:
        for columns in ("a int", "a int, b int default 7", "a int, c text"):
            own.execute(f"create table changing({columns})")
            for n in range(12):
                own.execute("insert into changing(a) values (%s)", (n,))
                row = own.execute("select * from changing where a = %s", (n,)).fetchone()
                assert row == (n, *{"b": [7], "c": [None]}.get(columns[7:8], [])), row
            own.execute("drop table changing")


def transactions():
    conn.execute("create table account(id int primary key, sum int)")
    conn.commit()
    for n in range(15):
        with conn.transaction():
            first = conn.execute("select pg_backend_pid()").fetchone()
            conn.execute("insert into account values (%s, %s)", (n, n))
            with conn.transaction(force_rollback=True):
                conn.execute("update account set sum = -1 where id = %s", (n,))
            assert conn.execute("select pg_backend_pid()").fetchone() == first
    conn.execute("insert into account values (100, 100)")
    conn.rollback()
    assert conn.execute("select count(*), sum(sum) from account").fetchone() == (15, 105)
    conn.commit()


def errors():
    for n in range(15):
        try:
            conn.execute("insert into account values (%s, 0)", (n,))
        except psycopg.errors.UniqueViolation:
            pass
        else:
            raise AssertionError("a duplicate was taken")
        try:
            conn.execute("select 1")
        except psycopg.errors.InFailedSqlTransaction:
            pass
        else:
            raise AssertionError("the transaction was not aborted")
        conn.rollback()
        try:
            conn.execute("select 1 / %s::int", (0,))
        except psycopg.errors.DivisionByZero:
            conn.rollback()
        assert conn.execute("select 10 / %s::int", (2,)).fetchone() == (5,)
        conn.commit()


def pipelines():
    pids = set()
    with connect(autocommit=True) as own:
        for _ in range(8):
            with own.pipeline():
                cursors = [own.execute("select %s::int, pg_backend_pid()", (n,))
                           for n in range(30)]
            rows = [cursor.fetchone() for cursor in cursors]
            assert [row[0] for row in rows] == list(range(30))
            pids |= {row[1] for row in rows}
        for _ in range(8):
            try:
                with own.pipeline() as pipeline:
                    before = own.execute("select %s::int", (1,))
                    pipeline.sync()
                    own.execute("select 1 / %s::int", (0,))
                    own.execute("select %s::int", (2,))
                    pipeline.sync()
            except psycopg.errors.DivisionByZero:
                pass
            assert before.fetchone() == (1,)
            assert own.execute("select %s::int", (3,)).fetchone() == (3,)
    return sorted(pids)


def many_at_once():
    conn.cursor().executemany("insert into account values (%s, %s)",
                              [(n, 0) for n in range(1000, 1200)])
    conn.commit()
    row = conn.execute("select count(*) from account where id >= 1000").fetchone()
    conn.commit()
    assert row == (200,)


def settings():
    with connect(autocommit=True) as own:
        own.execute("set time zone 'Asia/Tokyo'")
        own.execute("set statement_timeout = '54321ms'")
        own.execute("set my.tenant = 'T-%'")
        for _ in range(20):
            row = own.execute("select current_setting('TimeZone'), "
                              "current_setting('statement_timeout'), "
                              "current_setting('my.tenant', true)").fetchone()
            assert row == ("Asia/Tokyo", "54321ms", "T-%"), row
        own.execute("reset all")
        for _ in range(20):
            row = own.execute("select current_setting('TimeZone'), "
                              "current_setting('statement_timeout'), "
                              "coalesce(current_setting('my.tenant', true), '')").fetchone()
            assert row == ("UTC", "0", ""), row


def settings_of_a_transaction():
    for n in range(10):
        conn.execute("set local statement_timeout = '9s'")
        conn.execute("set time zone 'Asia/Tokyo'")
        conn.rollback()
        row = conn.execute("select current_setting('statement_timeout'), "
                           "current_setting('TimeZone')").fetchone()
        conn.commit()
        assert row == ("0", "UTC"), row


def copies():
    with conn.cursor().copy("copy account from stdin") as copy:
        for n in range(5000, 5500):
            copy.write_row((n, n))
    conn.commit()
    with conn.cursor().copy("copy (select id from account where id >= 5000) to stdout") as copy:
        assert sum(1 for _ in copy.rows()) == 500
    conn.commit()


def cursors():
    with conn.cursor("walk") as cursor:
        cursor.itersize = 50
        cursor.execute("select generate_series(1, 300)")
        assert sum(row[0] for row in cursor) == 45150
    conn.commit()
    with conn.cursor("held", withhold=True) as cursor:
        cursor.execute("select generate_series(1, 100)")
        conn.commit()
        assert sum(row[0] for row in cursor.fetchmany(50)) == 1275
        conn.commit()
        assert sum(row[0] for row in cursor.fetchall()) == 3775
    conn.commit()


def temporary_tables():
    with connect(autocommit=True) as own:
        own.execute("create temp table mine(n int)")
        for n in range(20):
            own.execute("insert into mine values (%s)", (n,))
        assert own.execute("select sum(n) from mine").fetchone() == (190,)
        own.execute("drop table mine")


def advisory_locks():
    with connect(autocommit=True) as one, connect(autocommit=True) as other:
        one.execute("select pg_advisory_lock(%s)", (42,))
        for _ in range(10):
            one.execute("select 1")
            row = other.execute("select pg_try_advisory_lock(%s)", (42,)).fetchone()
            assert row == (False,)
        assert one.execute("select pg_advisory_unlock(%s)", (42,)).fetchone() == (True,)
        assert other.execute("select pg_try_advisory_lock(%s)", (42,)).fetchone() == (True,)
        assert other.execute("select pg_advisory_unlock(%s)", (42,)).fetchone() == (True,)


def notifications():
    with connect(autocommit=True) as listener:
        listener.execute("listen news")
        for n in range(10):
            conn.execute("select pg_notify('news', %s)", (f"item {n}",))
            conn.commit()
        heard = []
        for notify in listener.notifies():
            heard.append(notify.payload)
            if len(heard) == 10:
                break
        assert heard == [f"item {n}" for n in range(10)], heard
        listener.execute("unlisten news")
        assert listener.execute("select 1").fetchone() == (1,)


def ends():
    conn.close()


steps.run([prepared, prepared_in_autocommit, forgotten, definitions_change, transactions, errors,
           pipelines, many_at_once, settings, settings_of_a_transaction, copies, cursors,
           temporary_tables, advisory_locks, notifications, ends])
