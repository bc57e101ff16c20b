"""LISTEN and NOTIFY where servers are shared."""

import asyncio
import itertools
import select
import struct
import time

import asyncpg
import pytest

from harness.waiting import holds_for, wait_until
from harness.wire import Closed, bind, execute, extended, fields_of, parse, query, sync

psycopg2 = pytest.importorskip("psycopg2")


def heard(body):
    """A NotificationResponse as (process id, channel, payload)."""
    (pid,) = struct.unpack_from("!i", body)
    channel, payload, _ = body[4:].split(b"\0")
    return pid, channel.decode(), payload.decode()


def next_heard(wire):
    message = wire.read()
    assert message.type == "A", message
    return heard(message.body)


def listener(pooler, *channels, **params):
    wire = pooler.login(**params)
    for channel in channels:
        assert wire.ask(f"listen {channel}").tags == ["LISTEN"]
    return wire


def listeners(pooler):
    return pooler.show("LISTENERS")


def listening_backends(cluster):
    return cluster.backends("application_name = 'pooler (listening)'")


def test_a_notification_reaches_another_client(pooler):
    wire, sender = listener(pooler, "news"), pooler.login()
    pid = int(sender.ask("select pg_backend_pid(); notify news, 'hello'").value)
    assert next_heard(wire) == (pid, "news", "hello")


def test_who_notifies_itself_hears_it(make_pooler):
    pooler = make_pooler(default_pool_size=1)
    wire = listener(pooler, "news")
    reply = wire.ask("notify news, 'me'")
    assert reply.tags == ["NOTIFY"]
    found = [heard(body) for body in reply.bodies("A")] or [next_heard(wire)]
    assert [f[1:] for f in found] == [("news", "me")]


def test_two_hundred_clients_hear_it_by_one_connection(make_pooler, cluster):
    pooler = make_pooler(default_pool_size=3, max_client_conn=300)
    wires = [listener(pooler, "news") for _ in range(200)]
    assert len(listening_backends(cluster)) == 1
    (row,) = listeners(pooler)
    assert (row["channels"], row["listening"], row["state"]) == ("1", "200", "listening")
    sender = pooler.login()
    for number in range(20):
        sender.ask(f"notify news, '{number}'")
    for wire in wires:
        assert [next_heard(wire)[2] for _ in range(20)] == [str(n) for n in range(20)]
    for wire in wires:
        wire.close()
    wait_until(lambda: listeners(pooler)[0]["channels"] == "0")


def test_only_those_who_listen_hear(pooler):
    one, two, none = listener(pooler, "a"), listener(pooler, "a", "b"), pooler.login()
    sender = pooler.login()
    sender.ask("notify b, '1'; notify a, '2'; notify c, '3'")
    assert next_heard(one)[1:] == ("a", "2")
    assert next_heard(two)[1:] == ("b", "1")
    assert next_heard(two)[1:] == ("a", "2")
    assert none.is_silent(0.2) and one.is_silent(0.05) and two.is_silent(0.05)


def test_names_are_what_postgresql_takes_them_for(pooler, cluster):
    wire = pooler.login()
    for written in ("NEWS", '"News"', '"a ""b"" c"', '"ünï"', "x" * 80):
        wire.ask(f"listen {written}")
    sender = cluster.connect()
    for channel in ("news", "News", 'a "b" c', "ünï", "x" * 63):
        sender.execute("select pg_notify(%s, 'p')", (channel,))
        assert next_heard(wire)[1] == channel


def test_payloads_come_as_they_are(pooler, cluster):
    wire, sender = listener(pooler, "news"), cluster.connect()
    for payload in ("", "ünïcödé ☃", "x" * 7999, "two\nlines"):
        sender.execute("select pg_notify('news', %s)", (payload,))
        assert next_heard(wire)[2] == payload


def test_listen_counts_from_commit_on(pooler, cluster):
    wire, sender = pooler.login(), cluster.connect()
    wire.ask("begin")
    wire.ask("listen news")
    sender.execute("notify news, 'early'")
    assert holds_for(lambda: pooler.pool()["sv_active"] == 1, 0.2)
    wire.ask("select 1")
    reply = wire.ask("commit")
    assert reply.tags == ["COMMIT"]
    assert wire.is_silent(0.2)
    sender.execute("notify news, 'late'")
    assert next_heard(wire)[2] == "late"


@pytest.mark.parametrize("undo", [
    ["begin", "listen news", "rollback"],
    ["begin", "listen news", "select 1/0", "commit"],
    ["listen news; select 1/0"],
    ["begin", "savepoint s", "listen news", "rollback to s", "commit"],
    ["begin", "listen news", "unlisten news", "commit"],
])
def test_what_is_undone_is_not_heard(pooler, cluster, undo):
    wire, sender = pooler.login(), cluster.connect()
    for text in undo:
        wire.ask(text)
    sender.execute("notify news, 'x'")
    assert wire.is_silent(0.3)
    wait_until(lambda: not listeners(pooler) or listeners(pooler)[0]["channels"] == "0")


@pytest.mark.parametrize("texts", [
    ["begin", "savepoint s", "listen news", "release s", "commit"],
    ["begin", "listen news", "savepoint s", "rollback to s", "commit"],
    ["begin; listen news; commit"],
    ["unlisten *; listen news"],
    ["begin", "listen news", "unlisten *", "listen news", "commit and chain", "rollback"],
])
def test_what_is_committed_is_heard(pooler, cluster, texts):
    wire, sender = pooler.login(), cluster.connect()
    for text in texts:
        assert not wire.ask(text).errors
    sender.execute("notify news, 'x'")
    assert next_heard(wire)[1:] == ("news", "x")


def test_what_a_function_listens_to_is_found_afterwards(pooler, cluster):
    wire, sender = pooler.login(), cluster.connect()
    wire.ask("do $$ begin execute 'listen news'; end $$; listen other")
    wait_until(lambda: [(row["channels"], row["state"]) for row in listeners(pooler)] ==
               [("2", "listening")])
    sender.execute("notify news, 'x'")
    assert next_heard(wire)[1:] == ("news", "x")


@pytest.mark.parametrize("texts, is_heard", [
    (["unlisten news"], False),
    (["unlisten *"], False),
    (["discard all"], False),
    (["begin", "unlisten news", "commit"], False),
    (["begin", "unlisten news", "rollback"], True),
    (["begin", "unlisten *", "select 1/0", "rollback"], True),
    (["unlisten news; select 1/0"], True),
    (["unlisten other"], True),
    (["unlisten news; listen news"], True),
])
def test_unlisten_counts_when_it_is_committed(pooler, cluster, texts, is_heard):
    wire, sender = listener(pooler, "news"), cluster.connect()
    for text in texts:
        wire.ask(text)
    sender.execute("notify news, 'x'")
    if is_heard:
        assert next_heard(wire)[1:] == ("news", "x")
    else:
        assert wire.is_silent(0.3)


def test_the_extended_protocol_listens_too(pooler, cluster):
    wire, sender = pooler.login(), cluster.connect()
    assert wire.ask(extended("listen a")).tags == ["LISTEN"]
    assert wire.ask(parse("listen b", "named"), sync()).types == "1Z"
    assert wire.ask(bind(name="named"), execute(), sync()).tags == ["LISTEN"]
    sender.execute("notify a")
    assert next_heard(wire)[1] == "a"
    sender.execute("notify b")
    assert next_heard(wire)[1] == "b"
    wire.ask(extended("unlisten a"))
    sender.execute("notify a")
    assert wire.is_silent(0.2)


def test_an_aborted_transaction_refuses_as_postgresql_does(pooler):
    wire = pooler.login()
    wire.ask("begin")
    wire.ask("select 1/0")
    reply = wire.ask("listen news")
    assert reply.error["C"] == "25P02" and reply.status == "E"
    assert wire.ask("rollback").status == "I"


def test_nothing_is_heard_in_a_transaction_until_its_end(pooler, cluster):
    wire, sender = listener(pooler, "news"), cluster.connect()
    wire.ask("begin")
    for number in range(3):
        sender.execute(f"notify news, '{number}'")
    time.sleep(0.2)
    reply = wire.ask("select 1")
    assert reply.types == "TDCZ"
    assert wire.ask("commit").types == "CZ"
    assert [next_heard(wire)[2] for _ in range(3)] == ["0", "1", "2"]


def test_strangers_hear_nothing_on_the_server_that_listened(make_pooler, cluster):
    pooler = make_pooler(default_pool_size=1)
    listener(pooler, "news")
    other = pooler.login()
    assert other.ask("select pg_listening_channels()").rows == []
    cluster.connect().execute("notify news, 'x'")
    assert other.ask("select 1").types == "TDCZ"
    assert other.is_silent(0.2)


def test_a_pinned_client_listens_too(pooler, cluster):
    wire, sender = pooler.login(), cluster.connect()
    wire.ask("create temp table mine ()")
    assert wire.ask("listen news").tags == ["LISTEN"]
    sender.execute("notify news, 'x'")
    assert next_heard(wire)[1:] == ("news", "x")
    wire.ask("drop table mine")
    sender.execute("notify news, 'y'")
    assert next_heard(wire)[1:] == ("news", "y")
    wire.ask("unlisten news")
    sender.execute("notify news, 'z'")
    assert wire.is_silent(0.2)


def test_no_notification_is_lost_between_many_senders(make_pooler, later):
    pooler = make_pooler(default_pool_size=5)
    wire = listener(pooler, "news")

    def send(who):
        sender = pooler.login()
        for number in range(50):
            sender.ask(f"notify news, '{who}.{number}'")
    senders = [later(send, who) for who in range(6)]
    seen = {}
    for _ in range(300):
        who, number = next_heard(wire)[2].split(".")
        assert int(number) == seen.get(who, -1) + 1
        seen[who] = int(number)
    for sender in senders:
        sender.result(10)
    assert wire.is_silent(0.1)


def warned(wire):
    message = wire.read()
    assert message.type == "N", message
    fields = fields_of(message.body)
    assert (fields["V"], fields["C"]) == ("WARNING", "01000")
    assert "notifications may have been lost" in fields["M"]


def test_a_killed_connection_is_made_again_and_told_of(pooler, cluster):
    wires = [listener(pooler, "news", "more") for _ in range(5)]
    idle = pooler.login()
    (pid,) = listening_backends(cluster)
    cluster.sql("select pg_terminate_backend(%s)", (pid,))
    for wire in wires:
        warned(wire)
    cluster.connect().execute("notify more, 'again'")
    for wire in wires:
        assert next_heard(wire)[1:] == ("more", "again")
    assert idle.is_silent(0.1)
    assert listening_backends(cluster) != [pid]


def test_a_crash_of_the_listening_backend_is_survived(pooler, cluster):
    """kill -9 restarts all of PostgreSQL; clients without a query do not even notice."""
    wire = listener(pooler, "news")
    (pid,) = listening_backends(cluster)
    cluster.kill_backend(pid)
    cluster.wait_recovered()
    warned(wire)
    cluster.connect().execute("notify news, 'again'")
    assert next_heard(wire)[1:] == ("news", "again")


def test_a_restart_of_postgresql_is_survived(pooler, cluster):
    wire = listener(pooler, "news")
    cluster.stop()
    assert wire.is_silent(0.5)
    cluster.start()
    warned(wire)
    cluster.connect().execute("notify news, 'again'")
    assert next_heard(wire)[1:] == ("news", "again")


def test_a_slow_reader_is_disconnected_and_others_are_not(make_pooler, cluster):
    pooler = make_pooler(max_notify_queue="100kB", tcp_socket_buffer="16kB")
    slow, quick = listener(pooler, "news"), listener(pooler, "news")
    sender = cluster.connect()
    payload = "x" * 7000
    count = 0
    while pooler.lists()["used_clients"] > 2 and count < 5000:
        sender.execute(f"select pg_notify('news', '{count} {payload}') from "
                       "generate_series(1, 1)")
        assert next_heard(quick)[2].startswith(f"{count} ")
        count += 1
    assert count < 5000
    assert "max_notify_queue" in pooler.output()
    with pytest.raises((Closed, ConnectionError)):
        for _ in range(count + 1):
            slow.read()


def test_who_waits_in_a_transaction_is_bounded_too(make_pooler, cluster):
    pooler = make_pooler(max_notify_queue="50kB")
    wire, sender = listener(pooler, "news"), cluster.connect()
    wire.ask("begin")
    for _ in range(10):
        sender.execute("select pg_notify('news', %s)", ("x" * 7000,))
    assert wire.until("E").error["C"] == "53400"


def test_channels_per_client_are_bounded(make_pooler):
    pooler = make_pooler(max_listen_channels=2)
    wire = listener(pooler, "a", "b", "a")
    reply = wire.ask("listen c")
    assert reply.error["C"] == "54000" and reply.status == "I"
    wire.ask("unlisten a")
    assert wire.ask("listen c").tags == ["LISTEN"]


def test_they_take_half_of_a_limit_at_most(make_pooler):
    pooler = make_pooler(max_db_connections=1)
    wire = pooler.login()
    reply = wire.ask("listen news")
    assert reply.error["C"] == "53300"
    assert wire.ask("select 1").value == "1"
    pooler.reload(max_db_connections=2)
    assert wire.ask("listen news").tags == ["LISTEN"]
    assert wire.ask("select 1").value == "1"


def test_a_refused_listen_aborts_the_transaction(make_pooler):
    pooler = make_pooler(max_listen_channels=1)
    wire = listener(pooler, "a")
    wire.ask("begin")
    assert wire.ask("listen b").status == "E"
    assert wire.ask("select 1").error["C"] == "25P02"
    wire.ask("rollback")


def test_pause_closes_the_connection_and_resume_makes_it_again(pooler, cluster):
    wire = listener(pooler, "news")
    assert pooler.ask_console("PAUSE").tags == ["PAUSE"]
    wait_until(lambda: not listening_backends(cluster))
    pooler.ask_console("RESUME")
    warned(wire)
    cluster.connect().execute("notify news, 'x'")
    assert next_heard(wire)[1:] == ("news", "x")


def test_reconnect_makes_it_again(pooler, cluster):
    wire = listener(pooler, "news")
    before = listening_backends(cluster)
    pooler.ask_console("RECONNECT")
    warned(wire)
    assert set(listening_backends(cluster)).isdisjoint(before)


def test_encodings_are_kept_apart(pooler, cluster):
    one = listener(pooler, "news")
    two = listener(pooler, "news", client_encoding="LATIN1")
    assert len(listening_backends(cluster)) == 2
    cluster.connect().execute("notify news, 'ü'")
    assert "ü".encode() in one.read().body
    assert "ü".encode("latin-1") + b"\0" in two.read().body


def comes_in(wire, cluster, encoding, numbers=itertools.count(1)):
    """Whether a notification comes in this encoding by now. One that is sent while that changes
    may come twice, or not at all."""
    text = f"ü{next(numbers)}"
    cluster.connect().execute(f"notify news, '{text}'")
    while not wire.is_silent(1):
        body = wire.read().body
        if body.endswith(text[1:].encode() + b"\0"):
            return body.endswith(text.encode(encoding) + b"\0")
    return False


@pytest.mark.parametrize("sql", ["set client_encoding = 'LATIN1'",
                                 "begin; set client_encoding = 'LATIN1'; commit"])
def test_an_encoding_set_later_is_that_of_notifications_too(pooler, cluster, sql):
    wire, other = listener(pooler, "news"), listener(pooler, "news")
    assert comes_in(wire, cluster, "utf-8")
    assert not wire.ask(sql).errors
    wait_until(lambda: comes_in(wire, cluster, "latin-1"), 10)
    assert not wire.ask("listen more; unlisten news").errors
    cluster.connect().execute("notify news, 'x'")
    cluster.connect().execute("notify more, 'ü'")
    assert wire.read().body.endswith(b"more\0\xfc\0")
    assert not wire.ask("reset client_encoding; listen news").errors
    wait_until(lambda: comes_in(wire, cluster, "utf-8"), 10)
    # Nothing comes twice, and the other has heard all of it as it was.
    cluster.connect().execute("notify more, 'last'")
    assert next_heard(wire)[1:] == ("more", "last")
    heard = [other.read().body for _ in range(2)]
    assert all(b"news\0\xc3\xbc" in body for body in heard)


def test_an_encoding_of_one_transaction_is_not_that_of_notifications(pooler, cluster):
    wire = listener(pooler, "news")
    for sql in ("begin; set client_encoding = 'LATIN1'; rollback",
                "begin; set local client_encoding = 'LATIN1'; commit"):
        assert not wire.ask(sql).errors
        assert comes_in(wire, cluster, "utf-8")
    assert len(listening_backends(cluster)) == 1


def test_statement_mode_listens_too(make_pooler, cluster):
    wire = listener(make_pooler(pool_mode="statement"), "news")
    cluster.connect().execute("notify news, 'x'")
    assert next_heard(wire)[1:] == ("news", "x")


def test_session_mode_listens_on_its_own_server(make_pooler, cluster):
    wire = listener(make_pooler(pool_mode="session"), "news")
    assert listening_backends(cluster) == []
    assert wire.ask("select pg_listening_channels()").rows == [("news",)]
    cluster.connect().execute("notify news, 'x'")
    assert next_heard(wire)[1:] == ("news", "x")


def test_clients_come_and_go(pooler, cluster, later):
    """Many at once, and in the end nothing is left."""
    def stay(number):
        for turn in range(15):
            wire = pooler.login()
            wire.ask(f"listen c{(number + turn) % 4}")
            if turn % 3 == 0:
                wire.ask(f"unlisten c{(number + turn) % 4}")
            if turn % 3 == 1:
                wire.send(query("listen other"))
            wire.close()
    for job in [later(stay, number) for number in range(8)]:
        job.result(40)
    wait_until(lambda: listeners(pooler)[0]["channels"] == "0", 10)


def test_psycopg_listens(pooler):
    conn = pooler.connect()
    conn.execute("listen news")
    sender = pooler.connect()
    for number in range(3):
        sender.execute(f"notify news, '{number}'")
    found = []
    for notify in conn.notifies():
        found.append((notify.channel, notify.payload))
        if len(found) == 3:
            break
    assert found == [("news", "0"), ("news", "1"), ("news", "2")]


def test_psycopg2_listens(pooler):
    conn = psycopg2.connect(pooler.conninfo())
    try:
        conn.autocommit = True
        cursor = conn.cursor()
        cursor.execute("listen news")
        pooler.connect().execute("notify news, 'x'")
        assert select.select([conn], [], [], 10)[0]
        conn.poll()
        assert [(n.channel, n.payload) for n in conn.notifies] == [("news", "x")]
    finally:
        conn.close()


def test_asyncpg_listens(pooler):
    async def run():
        found = asyncio.Queue()
        conn = await asyncpg.connect(host="127.0.0.1", port=pooler.port, user="alice",
                                     database="app")
        sender = await asyncpg.connect(host="127.0.0.1", port=pooler.port, user="alice",
                                       database="app")
        listen = lambda _, pid, channel, payload: found.put_nowait((pid, channel, payload))
        await conn.add_listener("news", listen)
        async with sender.transaction():
            pid = await sender.fetchval("select pg_backend_pid()")
            await sender.execute("select pg_notify('news', $1)", "x")
        assert await asyncio.wait_for(found.get(), 10) == (pid, "news", "x")
        await conn.remove_listener("news", listen)
        await sender.execute("notify news, 'y'")
        await asyncio.sleep(0.2)
        assert found.empty()
        await conn.close()
        await sender.close()
    asyncio.run(run())


def test_the_console_shows_the_connection(pooler, cluster):
    wire = listener(pooler, "a", "b")
    (row,) = listeners(pooler)
    (pid,) = listening_backends(cluster)
    assert (row["database"], row["user"], row["channels"], row["listening"]) == \
        ("app", "alice", "2", "2")
    assert int(row["remote_pid"]) == pid
    (server,) = [s for s in pooler.show("SERVERS") if int(s["remote_pid"]) == pid]
    assert server["state"] == "active" and server["application_name"] == "pooler (listening)"
    pooler.wait_for_pool(sv_active=0)
    wire.close()
    assert holds_for(lambda: listening_backends(cluster) == [pid], 0.3)
