"""psycopg2: everything by simple queries, transactions by default."""

import io
import select

import psycopg2
import psycopg2.errors
import psycopg2.extras
import steps

AT = steps.arguments()


def connect(autocommit=False):
    conn = psycopg2.connect(**AT)
    conn.autocommit = autocommit
    return conn


conn = connect()


def one(own, text, values=None):
    with own.cursor() as cursor:
        cursor.execute(text, values)
        return cursor.fetchone()


def do(own, text, values=None):
    with own.cursor() as cursor:
        cursor.execute(text, values)


def prepared():
    """In SQL, since it has nothing else."""
    own = connect(autocommit=True)
    do(own, "prepare doubled(int) as select pg_backend_pid(), $1 * 2")
    for n in range(20):
        assert one(own, "execute doubled(%s)", (n,))[1] == 2 * n
    do(own, "deallocate doubled")
    pids = [one(own, "select pg_backend_pid(), %s", (n,))[0] for n in range(40)]
    own.close()
    return pids


def transactions():
    with conn:
        do(conn, "create table account(id int primary key, sum int)")
    for n in range(15):
        with conn:
            first = one(conn, "select pg_backend_pid()")
            do(conn, "insert into account values (%s, %s)", (n, n))
            do(conn, "savepoint s")
            do(conn, "update account set sum = -1")
            do(conn, "rollback to s")
            assert one(conn, "select pg_backend_pid()") == first
    do(conn, "insert into account values (100, 100)")
    conn.rollback()
    with conn:
        assert one(conn, "select count(*), sum(sum) from account") == (15, 105)


def errors():
    for n in range(15):
        try:
            with conn:
                do(conn, "insert into account values (%s, 0)", (n,))
        except psycopg2.errors.UniqueViolation:
            pass
        else:
            raise AssertionError("a duplicate was taken")
        with conn:
            assert one(conn, "select 10 / %s", (2,)) == (5,)


def many_at_once():
    with conn, conn.cursor() as cursor:
        psycopg2.extras.execute_values(cursor, "insert into account values %s",
                                       [(n, 0) for n in range(1000, 1500)])
    with conn, conn.cursor() as cursor:
        psycopg2.extras.execute_batch(cursor, "update account set sum = 1 where id = %s",
                                      [(n,) for n in range(1000, 1200)])
    with conn:
        assert one(conn, "select count(*) from account where id >= 1000 and sum = 1") == (200,)


def settings():
    own = connect()
    own.set_session(isolation_level="SERIALIZABLE", readonly=True)
    for _ in range(15):
        assert one(own, "show transaction_isolation") == ("serializable",)
        assert one(own, "show transaction_read_only") == ("on",)
        own.commit()
    own.set_client_encoding("LATIN1")
    for _ in range(15):
        assert one(own, "select %s, current_setting('client_encoding')", ("\u00e9",)) == (
            "\u00e9", "LATIN1")
        own.commit()
    own.reset()
    assert one(own, "show transaction_read_only") == ("off",)
    own.close()
    with conn:
        assert one(conn, "show client_encoding") == ("UTF8",)


def copies():
    with conn, conn.cursor() as cursor:
        lines = "".join(f"{n}\t{n}\n" for n in range(5000, 5500))
        cursor.copy_from(io.StringIO(lines), "account")
    with conn, conn.cursor() as cursor:
        out = io.StringIO()
        cursor.copy_expert("copy (select id from account where id >= 5000) to stdout", out)
        assert len(out.getvalue().splitlines()) == 500


def cursors():
    with conn, conn.cursor("walk") as cursor:
        cursor.itersize = 50
        cursor.execute("select generate_series(1, 300)")
        assert sum(row[0] for row in cursor) == 45150
    cursor = conn.cursor("held", withhold=True)
    cursor.execute("select generate_series(1, 100)")
    conn.commit()
    assert sum(row[0] for row in cursor.fetchmany(50)) == 1275
    conn.commit()
    assert sum(row[0] for row in cursor.fetchall()) == 3775
    cursor.close()
    conn.commit()


def temporary_tables():
    own = connect(autocommit=True)
    do(own, "create temp table mine(n int)")
    for n in range(20):
        do(own, "insert into mine values (%s)", (n,))
    assert one(own, "select sum(n) from mine") == (190,)
    do(own, "drop table mine")
    own.close()


def notifications():
    listener = connect(autocommit=True)
    do(listener, "listen news")
    for n in range(10):
        with conn:
            do(conn, "select pg_notify('news', %s)", (f"item {n}",))
    while len(listener.notifies) < 10:
        assert select.select([listener], [], [], 20)[0], f"only {len(listener.notifies)} came"
        listener.poll()
    assert [n.payload for n in listener.notifies] == [f"item {n}" for n in range(10)]
    listener.close()


def ends():
    conn.close()


steps.run([prepared, transactions, errors, many_at_once, settings, copies, cursors,
           temporary_tables, notifications, ends])
