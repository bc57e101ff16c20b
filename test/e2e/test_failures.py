"""Servers and clients that go away, stall or lie. Afterwards nothing may be left behind."""

import os
import signal
import socket
import struct
import threading
import time

import pytest

from harness import backend as fake
from harness.waiting import free_port, wait_until
from harness.wire import (Closed, Refused, bind, copy_data, execute, extended, message, parse,
                          query, startup)

SLEEP = "select pg_sleep(30)"


def wait_for_active(cluster, count=1):
    def active():
        found = cluster.backends("state = 'active'")
        return found if len(found) == count else None
    return wait_until(active)


def ends_with_lost_server(wire):
    """The session ends with a FATAL; the server's own error may come before it."""
    errors = wire.rest().errors
    assert errors, "closed without a word"
    assert errors[-1]["S"] == "FATAL"
    return errors


# Real servers that go away

def test_backend_terminated_in_a_query_gives_the_servers_own_error(pooler, cluster):
    wire = pooler.login()
    wire.send(query(SLEEP))
    (pid,) = wait_for_active(cluster)
    cluster.sql("select pg_terminate_backend(%s)", (pid,))
    errors = ends_with_lost_server(wire)
    assert errors[0]["C"] == "57P01"
    assert pooler.login().value("select 1") == "1"


@pytest.mark.limit(90)
@pytest.mark.parametrize("state", ["running", "in transaction", "pipeline"])
def test_backend_killed_with_sigkill_is_told_as_a_lost_server(make_pooler, cluster, state):
    pooler = make_pooler()
    wire = pooler.login()
    wire.ask("begin")
    pid = int(wire.value("select pg_backend_pid()"))
    if state == "running":
        wire.send(query(SLEEP))
        wait_for_active(cluster)
    elif state == "pipeline":
        wire.send(extended(SLEEP), extended("select 2"), extended("select 3"))
        wait_for_active(cluster)
    cluster.kill_backend(pid)
    errors = ends_with_lost_server(wire)
    assert any(e["C"].startswith(("08", "57")) for e in errors), errors
    assert errors[-1]["C"] != "08P01"
    cluster.wait_recovered()
    wait_until(lambda: works(pooler), 20)


def works(pooler):
    """True when a new client is served; PostgreSQL may still be recovering."""
    try:
        with pooler.wire() as wire:
            return not wire.login("alice", "app").ask("select 1").errors
    except (Refused, Closed):
        return False


def test_idle_server_that_is_killed_is_replaced_silently(pooler, cluster):
    wire = pooler.login()
    pid = wire.value("select pg_backend_pid()")
    cluster.sql("select pg_terminate_backend(%s)", (int(pid),))
    pooler.wait_for_pool(sv_idle=0)
    assert wire.value("select pg_backend_pid()") != pid


@pytest.mark.limit(90)
def test_postgresql_stopped_and_started_again(pooler, cluster):
    idle, active = pooler.login(), pooler.login()
    idle.value("select 1")
    active.send(query(SLEEP))
    wait_for_active(cluster)
    cluster.stop()
    ends_with_lost_server(active)
    began = time.monotonic()
    idle.send(query("select 1"))
    assert idle.read().type == "E"
    assert time.monotonic() - began < 5, "a client waited for a server that is down"
    cluster.start()
    wait_until(lambda: works(pooler), 20)


@pytest.mark.limit(90)
def test_immediate_shutdown_of_postgresql_reaches_every_client(make_pooler, cluster):
    pooler = make_pooler(default_pool_size=5)
    wires = [pooler.login() for _ in range(5)]
    for wire in wires:
        wire.ask("begin")
    cluster.stop(signal.SIGQUIT)
    for wire in wires:
        ends_with_lost_server(wire)
    pooler.check_settled()
    cluster.start()
    wait_until(lambda: works(pooler), 20)


def test_waiting_clients_are_told_when_the_server_cannot_be_reached_any_more(make_pooler, cluster):
    pooler = make_pooler(default_pool_size=1, query_wait_timeout="30")
    holder, waiter = pooler.login(), pooler.login()
    holder.ask("begin")
    waiter.send(query("select 1"))
    pooler.wait_for_pool(cl_waiting=1)
    cluster.stop(signal.SIGQUIT)
    try:
        ends_with_lost_server(holder)
        began = time.monotonic()
        error = waiter.until("E").error
        assert time.monotonic() - began < 10 and error["C"] != "08P01"
    finally:
        cluster.start()


# Databases that were never reachable

def test_refused_port_is_told_at_once(make_pooler):
    pooler = make_pooler(databases={"app": {"port": free_port()}}, server_login_retry="15")
    for _ in range(3):
        began = time.monotonic()
        error = pooler.refusal()
        assert time.monotonic() - began < 2
        assert error["S"] == "FATAL" and error["C"].startswith("08"), error


def test_wrong_database_gives_the_servers_own_3D000(make_pooler):
    pooler = make_pooler(databases={"app": {"dbname": "no_such_db"}}, server_login_retry="15")
    for _ in range(3):
        error = pooler.refusal()
        assert error["S"] == "FATAL" and error["C"] == "3D000"
        assert "no_such_db" in error["M"]


def test_all_clients_of_a_burst_are_told(make_pooler):
    pooler = make_pooler(databases={"app": {"dbname": "no_such_db"}})
    wires = [pooler.wire() for _ in range(30)]
    for wire in wires:
        wire.send(startup({"user": "alice", "database": "app"}))
    for wire in wires:
        with pytest.raises(Refused) as refused:
            wire.finish_login()
        assert refused.value.fields["C"] == "3D000"


def test_database_that_appears_is_found_after_the_retry_pause(make_pooler, cluster):
    pooler = make_pooler(databases={"app": {"dbname": "born_later"}})
    assert pooler.refusal()["C"] == "3D000"
    cluster.sql("create database born_later template template0")
    try:
        wait_until(lambda: works(pooler), 10)
        pooler.close_clients()
        pooler.stop()
    finally:
        cluster.sql("drop database born_later with (force)")


def test_sick_database_does_not_touch_the_others(make_pooler):
    pooler = make_pooler(databases={"app": {}, "sick": {"port": free_port()}})
    wire = pooler.login()
    for _ in range(20):
        pooler.refusal("sick")
        assert wire.value("select 1") == "1"


def test_too_many_connections_at_the_server_are_not_read_as_its_failure(make_pooler, cluster):
    """PostgreSQL lets carol in twice; a third server is refused, the two go on working."""
    cluster.sql("alter role carol connection limit 2")
    try:
        pooler = make_pooler(default_pool_size=10, query_wait_timeout="10")
        wires = [pooler.login(user="carol") for _ in range(2)]
        for wire in wires:
            wire.ask("begin")
        waiter = pooler.login(user="carol")
        waiter.send(query("select 'waited'"))
        assert waiter.is_silent(0.5)
        wires[0].ask("commit")
        assert waiter.until("Z").value == "waited"
        wires[1].ask("commit")
    finally:
        cluster.sql("alter role carol connection limit -1")


# Stalls

def test_stopped_backend_delays_only_its_own_client(pooler, cluster):
    stuck, other = pooler.login(), pooler.login()
    stuck.ask("begin")
    pid = int(stuck.value("select pg_backend_pid()"))
    os.kill(pid, signal.SIGSTOP)
    try:
        stuck.send(query("select 'woken'"))
        for _ in range(20):
            assert other.value("select 1") == "1"
        assert stuck.is_silent(0.2)
    finally:
        os.kill(pid, signal.SIGCONT)
    assert stuck.until("Z").value == "woken"
    stuck.ask("rollback")


def test_client_of_a_stopped_backend_may_leave(pooler, cluster):
    wire = pooler.login()
    wire.ask("begin")
    pid = int(wire.value("select pg_backend_pid()"))
    os.kill(pid, signal.SIGSTOP)
    try:
        wire.send(query("select 1"))
        wire.close()
        pooler.check_settled()
    finally:
        os.kill(pid, signal.SIGCONT)


def test_query_timeout_ends_a_client_of_a_stopped_backend(make_pooler):
    pooler = make_pooler(query_timeout="0.3")
    wire = pooler.login()
    wire.ask("begin")
    pid = int(wire.value("select pg_backend_pid()"))
    os.kill(pid, signal.SIGSTOP)
    try:
        wire.send(query("select 1"))
        assert wire.rest().error["C"] == "57014"
    finally:
        os.kill(pid, signal.SIGCONT)


# Clients that go away

LEAVING = {
    "logged in": lambda wire: None,
    "with half a header": lambda wire: wire.send(b"Q\0"),
    "with half a message": lambda wire: wire.send(query("select 1")[:-4]),
    "in a query": lambda wire: wire.send(query(SLEEP)),
    "in a transaction": lambda wire: wire.ask("begin"),
    "in a failed transaction": lambda wire: (wire.ask("begin"), wire.ask("select 1/0")),
    "in a batch without sync": lambda wire: wire.send(parse("select 1"), bind(), execute()),
    "in a long pipeline": lambda wire: wire.send(*[extended("select 1")] * 500),
    "in the middle of a result": lambda wire: (
        wire.send(query("select repeat('x', 1000) from generate_series(1, 300000)")),
        wire.until("D")),
    "in copy in": lambda wire: (wire.send(query("copy note from stdin")), wire.until("G"),
                                wire.send(copy_data(b"5\tx\n"))),
    "in copy out": lambda wire: (
        wire.send(query("copy (select repeat('x', 99) from generate_series(1, 900000)) to stdout")),
        wire.until("H")),
    "after a big half query": lambda wire: wire.send(query("select '" + "x" * 300_000)[:-1000]),
}


@pytest.mark.parametrize("how", ["close", "reset"])
@pytest.mark.parametrize("mode", ["session", "transaction"])
def test_clients_may_leave_in_every_state(make_pooler, cluster, mode, how):
    pooler = make_pooler(pool_mode=mode, default_pool_size=2)
    for state, act in LEAVING.items():
        wire = pooler.login()
        act(wire)
        getattr(wire, how)()
        wait_until(lambda: pooler.lists()["used_clients"] <= 1, 10, f"left {state}: still there")
    pooler.check_settled()
    wires = [pooler.login() for _ in range(2)]
    for wire in wires:
        assert wire.ask("begin").status == "T", "a server slot was lost"
    with cluster.connect() as direct:
        assert direct.execute("select count(*) from note").fetchone() == (0,)


WAITING = {
    "a query": query("select 1"),
    "a batch": extended("select 1"),
    "a batch without sync": parse("select 1"),
    "half a second message": query("select 1") + query("select 2")[:-3],
    "a long batch": extended("select 1") * 300,
}


@pytest.mark.parametrize("how", ["close", "reset"])
@pytest.mark.parametrize("said", WAITING)
def test_clients_may_leave_the_queue_in_every_state(make_pooler, said, how):
    pooler = make_pooler(default_pool_size=1)
    holder, wire = pooler.login(), pooler.login()
    holder.ask("begin")
    wire.send(WAITING[said])
    pooler.wait_for_pool(cl_waiting=1)
    getattr(wire, how)()
    pooler.wait_for_pool(cl_waiting=0)
    holder.ask("commit")
    assert holder.value("select 1") == "1"


@pytest.mark.parametrize("how", ["close", "reset"])
def test_client_that_leaves_with_more_said_than_is_kept_gives_its_turn_back(make_pooler, how):
    """Its end stands behind bytes that are not read while it waits: it may be noticed late."""
    pooler = make_pooler(default_pool_size=1)
    holder, wire = pooler.login(), pooler.login()
    holder.ask("begin")
    wire.send(query("select '" + "x" * 200_000 + "'"))
    pooler.wait_for_pool(cl_waiting=1)
    getattr(wire, how)()
    holder.ask("commit")
    pooler.wait_for_pool(cl_waiting=0, cl_active=1, sv_active=0)
    assert holder.value("select 1") == "1"


def test_half_closed_client_in_the_queue_is_let_go(make_pooler):
    pooler = make_pooler(default_pool_size=1)
    holder, waiter = pooler.login(), pooler.login()
    holder.ask("begin")
    waiter.send(query("select 1"))
    pooler.wait_for_pool(cl_waiting=1)
    waiter.socket.shutdown(socket.SHUT_WR)
    pooler.wait_for_pool(cl_waiting=0)


def test_thousands_of_short_connections_leave_nothing(pooler, later):
    def come_and_go():
        for n in range(150):
            with pooler.wire() as wire:
                wire.login("alice", "app")
                if n % 3:
                    assert wire.value("select 1") == "1"
    before = len(pooler.fds())
    for done in [later(come_and_go) for _ in range(4)]:
        done.result(50)
    pooler._opened.clear()
    pooler.check_settled()
    assert len(pooler.fds()) <= before + 20


# Servers that lie

@pytest.fixture
def scripted(make_pooler, make_backend):
    """A pooler in front of a scripted server; one entry for each database name given."""
    def make(script, names=("app",), **settings):
        server = make_backend(script)
        entry = {"port": server.port}
        settings.setdefault("server_connect_timeout", "2")
        pooler = make_pooler(databases={name: entry for name in names}, **settings)
        pooler.server = server
        return pooler
    return make


def is_refused(pooler, dbname="app", seconds=4):
    began = time.monotonic()
    fields = pooler.refusal(dbname)
    assert time.monotonic() - began < seconds
    assert fields.get("S") == "FATAL", fields
    return fields


def test_scripted_server_serves(scripted):
    pooler = scripted(lambda peer: peer.greet().serve())
    assert pooler.login().value("select anything") == "scripted"


BAD_GREETINGS = {
    "error without fields": message("E", b"\0"),
    "error without a body": message("E"),
    "error without a code": fake.error(code=None),
    "error without a message": fake.error(text=None),
    "error without a terminator": message("E", b"SFATAL\0CXX000"),
    "authentication type 7": message("R", struct.pack("!i", 7)),
    "authentication type 8": message("R", struct.pack("!i", 8)),
    "authentication type 9": message("R", struct.pack("!i", 9)),
    "authentication type 99": message("R", struct.pack("!i", 99)),
    "cleartext password wanted": message("R", struct.pack("!i", 3)),
    "short authentication": message("R", b"\0\0"),
    "unknown message": message("!", b"what"),
    "data before login": fake.rows("x"),
    "parameter without a value": fake.OK + message("S", b"name\0"),
    "parameter without an end": fake.OK + message("S", b"name\0value"),
    "ready with a strange state": fake.OK + fake.PARAMS + fake.KEY + message("Z", b"?"),
    "ready without a state": fake.OK + fake.PARAMS + fake.KEY + message("Z"),
    "length below four": b"R\0\0\0\3",
    "negative length": b"R\xff\xff\xff\xff",
    "enormous length": b"R\x7f\xff\xff\xff" + bytes(100),
    "garbage": b"HTTP/1.1 400 Bad Request\r\n\r\n",
    "S as if SSL were wanted": b"S",
    "nothing": b"",
}


def test_bad_greetings_are_told_to_the_client_and_break_nothing(scripted):
    names = {f"bad{n}": greeting for n, greeting in enumerate(BAD_GREETINGS.values())}
    pooler = scripted(lambda peer: peer.send(names[peer.params["database"]]), names)
    for name in names:
        is_refused(pooler, name)
    pooler.check_settled()


def test_greeting_may_end_at_every_byte(scripted):
    names = {f"cut{n}": n for n in range(len(fake.GREETING))}
    pooler = scripted(lambda peer: peer.send(fake.GREETING[:names[peer.params["database"]]]),
                      names)
    for name in names:
        is_refused(pooler, name)
    pooler.check_settled()


def test_greeting_may_be_cut_at_every_byte(scripted):
    names = {f"cut{n}": n for n in range(1, len(fake.GREETING), 3)}

    def script(peer):
        cut = names[peer.params["database"]]
        peer.send(fake.GREETING[:cut])
        time.sleep(0.002)  # lets the first part arrive on its own
        peer.send(fake.GREETING[cut:])
        peer.serve()
    pooler = scripted(script, names)
    for name in names:
        with pooler.wire() as wire:
            assert wire.login("alice", name).value("select 1") == "scripted"


GOOD_GREETINGS = {
    "no key": fake.OK + fake.PARAMS + fake.READY,
    "key of 4 bytes": fake.OK + fake.PARAMS + message("K", bytes(4)) + fake.READY,
    "key of 32 bytes": fake.OK + fake.PARAMS + message("K", bytes(36)) + fake.READY,
    "key of 256 bytes": fake.OK + fake.PARAMS + message("K", bytes(260)) + fake.READY,
    "no parameters": fake.OK + fake.KEY + fake.READY,
    "parameter of 6 kB": fake.OK + fake.PARAMS + fake.status("big", "v" * 6000) + fake.KEY
                         + fake.READY,
    "parameter of 60 kB": fake.OK + fake.PARAMS + fake.status("big", "v" * 60000) + fake.KEY
                          + fake.READY,
    "notice": fake.OK + message("N", b"SNOTICE\0C00000\0Mhello\0\0") + fake.PARAMS + fake.KEY
              + fake.READY,
    "version negotiation": message("v", struct.pack("!ii", 3 << 16, 0)) + fake.GREETING,
}


def test_odd_greetings_are_served_or_refused_at_once(scripted):
    names = {f"odd{n}": greeting for n, greeting in enumerate(GOOD_GREETINGS.values())}
    pooler = scripted(lambda peer: peer.greet(names[peer.params["database"]]).serve(), names)
    for name in names:
        with pooler.wire() as wire:
            try:
                assert wire.login("alice", name).value("select 1") == "scripted"
                assert len(wire.key) == 8
            except Refused as refused:
                assert refused.fields["S"] == "FATAL"


def test_server_without_a_cancel_key_is_served_and_cancels_are_harmless(scripted):
    pooler = scripted(lambda peer: peer.greet(GOOD_GREETINGS["no key"]).serve())
    wire = pooler.login()
    wire.value("select 1")
    pooler.cancel(wire.key)
    assert wire.value("select 1") == "scripted"


@pytest.mark.parametrize("size", [300, 5000, 70_000, 1_000_000])
def test_big_parameter_status_in_a_session_passes_without_spinning(scripted, size):
    def script(peer):
        peer.greet()
        while True:
            peer.read_query()
            peer.send(fake.status("application_name" if size < 1000 else "big", "v" * size))
            peer.send(fake.rows("after"), fake.READY)
    pooler = scripted(script, pool_mode="session")
    wire = pooler.login()
    assert wire.value("select 1") == "after"
    before = pooler.cpu_seconds()
    time.sleep(0.3)
    assert pooler.cpu_seconds() - before < 0.2


BAD_ANSWERS = {
    "unknown message": message("!", b"what"),
    "length below four": b"D\0\0\0\1",
    "negative length": b"D\x80\0\0\0",
    "strange ready": message("Z", b"?"),
    "long ready": message("Z", b"II"),
    "half a message, then the end": fake.rows("x")[:15],
    "authentication in mid-session": message("R", struct.pack("!i", 0)),
    "nothing, then the end": b"",
}


@pytest.mark.parametrize("name", BAD_ANSWERS)
def test_bad_answers_end_the_session_with_a_reason(scripted, name):
    def script(peer):
        peer.greet()
        peer.read_query()
        peer.send(BAD_ANSWERS[name])
    pooler = scripted(script)
    wire = pooler.login()
    wire.send(query("select 1"))
    try:
        while True:
            last = wire.read()
    except Closed:
        pass
    assert last.type == "E" or name.startswith("half")


def test_answer_cut_at_every_byte_arrives_whole(scripted):
    answer = fake.status("TimeZone", "UTC") + fake.rows("one", "two") + fake.READY

    def script(peer):
        peer.greet()
        while True:
            cut = int(peer.read_query().split()[1])
            peer.send(answer[:cut])
            time.sleep(0.001)  # lets the first part arrive on its own
            peer.send(answer[cut:])
    pooler = scripted(script)
    wire = pooler.login()
    for cut in range(1, len(answer)):
        assert wire.ask(f"select {cut}").rows == [("one",), ("two",)]


@pytest.mark.long
def test_stall_in_the_middle_of_a_message_ends_by_query_timeout(scripted):
    def script(peer):
        peer.greet()
        peer.read_query()
        peer.send(fake.rows("x" * 1000)[:200])
        peer.wait_for_end()
    pooler = scripted(script, query_timeout="0.4")
    wire = pooler.login()
    wire.send(query("select 1"))
    with pytest.raises(Closed):
        while True:
            wire.read()
    pooler.check_settled()


def test_server_that_never_answers_the_startup_is_given_up(scripted):
    pooler = scripted(lambda peer: peer.wait_for_end(), server_connect_timeout="0.4")
    is_refused(pooler)


def test_idle_server_that_talks_is_not_handed_out_with_its_words(scripted):
    def script(peer):
        peer.greet()
        if len(pooler.server.peers) == 1:
            peer.answer(peer.read_query())
            peer.send(fake.error(text="bye"))
            said.set()
            peer.wait_for_end()
        peer.serve()
    said = threading.Event()
    pooler = scripted(script, default_pool_size=1)
    wire = pooler.login()
    assert wire.value("select 1") == "scripted"
    assert said.wait(10)
    pooler.show("POOLS")  # by now the pooler has read what was said
    assert wire.ask("select 2").types == "TDCZ"


def test_surplus_ready_for_query_does_not_shift_answers(scripted):
    def script(peer):
        peer.greet()
        if len(pooler.server.peers) == 1:
            peer.answer(peer.read_query())
            peer.send(fake.READY, fake.rows("surplus"), fake.READY)
        peer.serve()
    pooler = scripted(script, default_pool_size=1)
    one, two = pooler.login(), pooler.login()
    assert one.value("select 1") == "scripted"
    wait_until(lambda: pooler.pool()["sv_idle"] == 0)
    for wire in (two, one, two):
        assert wire.value("select 2") == "scripted"


def test_failing_server_is_not_hammered(scripted):
    pooler = scripted(lambda peer: peer.send(fake.error(code="28000", text="go away")),
                      server_login_retry="1")
    deadline = time.monotonic() + 1.5
    while time.monotonic() < deadline:
        is_refused(pooler)
    assert len(pooler.server.peers) <= 10


def test_server_that_is_starting_up_is_waited_for(scripted):
    def script(peer):
        if len(pooler.server.peers) <= 3:
            peer.send(fake.error(code="57P03", text="the database system is starting up"))
        else:
            peer.greet().serve()
    pooler = scripted(script)
    assert pooler.login().value("select 1") == "scripted"


def test_server_that_never_comes_up_is_waited_for_no_longer_than_allowed(scripted):
    pooler = scripted(lambda peer: peer.send(fake.error(code="57P03", text="starting up")),
                      query_wait_timeout="0.5")
    assert is_refused(pooler)["C"] in ("57P03", "53300")
