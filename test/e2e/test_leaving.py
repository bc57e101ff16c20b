"""Clients that go away in the middle of something: their servers are used again, nothing
of theirs runs on or is committed, and nobody else notices. And cancels, which this takes,
hit nobody but those they are meant for."""

import multiprocessing
import os
import random
import signal
import time

import pytest

from harness.waiting import wait_until
from harness.wire import (Wire, bind, cancel_request, copy_data, execute, flush, message, parse,
                          query, sync, terminate)

SLEEP = "select pg_sleep(30)"
MODES = ("transaction", "session", "statement")


@pytest.fixture
def table(cluster):
    """A table with one row, emptied after the test."""
    with_table = cluster.connect("app", "postgres")
    with_table.execute("create table left_behind(id int); grant all on left_behind to public")
    with_table.execute("insert into left_behind values (0)")
    yield with_table
    with_table.execute("drop table left_behind")


def rows_of(table):
    return table.execute("select count(*) from left_behind").fetchone()[0]


def of_app(cluster, where="true"):
    return cluster.backends(f"datname = 'app' and usename = 'alice' and ({where})")


def wait_until_left(pooler, cluster, servers):
    """The servers are those they were, idle, without a transaction or a lock."""
    pooler.wait_for_pool(sv_active=0, sv_tested=0, sv_being_canceled=0, cl_waiting=0)
    assert of_app(cluster) == servers
    assert of_app(cluster, "state <> 'idle' or backend_xid is not null") == []
    assert cluster.sql("select count(*) from pg_locks l join pg_stat_activity a using (pid)"
                       " where a.usename = 'alice'")[0][0] == 0


def warm(pooler, count=1):
    """Opens so many servers."""
    wires = [pooler.login() for _ in range(count)]
    for wire in wires:
        wire.send(query("select pg_sleep(0.2)"))
    for wire in wires:
        wire.until("Z")
        wire.close()
    pooler.wait_for_pool(sv_idle=count)


def in_query(wire):
    wire.send(query(SLEEP))


def in_transaction(wire):
    wire.ask("begin; insert into left_behind values (1)")


def in_query_in_transaction(wire):
    wire.ask("begin; lock table left_behind")
    wire.send(query(SLEEP))


def in_failed_transaction(wire):
    wire.ask("begin; insert into left_behind values (1)")
    wire.ask("nonsense")


def in_batch_without_sync(wire):
    wire.send(parse("insert into left_behind values (1)"), bind(), execute(), parse(SLEEP),
              bind(), execute(), flush())


def after_batch_without_sync(wire):
    wire.send(parse("insert into left_behind values (1)"), bind(), execute(), flush())
    wire.until("C")


def in_pipeline(wire):
    wire.send((parse(SLEEP) + bind() + execute() + sync()) * 2)


def in_simple_pipeline(wire):
    wire.send(query(SLEEP), query(SLEEP))


def in_copy_in(wire):
    wire.send(query("copy left_behind from stdin"))
    wire.until("G")
    wire.send(copy_data(b"1\n2\n"))


def in_copy_in_by_extended_query(wire):
    wire.send(parse("copy left_behind from stdin"), bind(), execute(), sync())
    wire.until("G")
    wire.send(copy_data(b"1\n2\n"))


def in_copy_in_without_sync(wire):
    wire.send(parse("copy left_behind from stdin"), bind(), execute(), flush())
    wire.until("G")
    wire.send(copy_data(b"1\n2\n"))


def before_copy_in_is_answered(wire):
    wire.send(query("copy left_behind from stdin"))


def before_copy_in_by_extended_query_is_answered(wire):
    wire.send(parse("copy left_behind from stdin"), bind(), execute())


def in_copy_in_in_transaction(wire):
    wire.ask("begin; insert into left_behind values (1)")
    in_copy_in(wire)


def in_half_a_row_of_copy_in(wire):
    in_copy_in(wire)
    wire.send(message("d", b"3\n" * 10000)[:9000])


def in_half_a_query(wire):
    wire.ask("begin; insert into left_behind values (1)")
    wire.send(query("commit")[:-1])


def in_half_a_long_query(wire):
    wire.send(query("insert into left_behind values (1)" + " " * 100000)[:50000])


def in_half_a_parse(wire):
    wire.send(parse("insert into left_behind values (1)"), bind(), execute(),
              parse("insert into left_behind values (1)")[:-3])


def in_half_an_execute(wire):
    wire.send(parse("insert into left_behind values (1)"), bind(), execute()[:-2])


def in_copy_out(wire):
    wire.send(query("copy (select repeat('x', 1000) from generate_series(1, 1000000)) to stdout"))
    wire.until("d")


def in_big_result(wire):
    wire.send(query("select repeat('x', 1000) from generate_series(1, 1000000)"))
    wire.until("D")


SITUATIONS = (in_query, in_transaction, in_query_in_transaction, in_failed_transaction,
              in_batch_without_sync, after_batch_without_sync, in_pipeline, in_simple_pipeline,
              in_copy_in, in_copy_in_by_extended_query, in_copy_in_without_sync,
              before_copy_in_is_answered, before_copy_in_by_extended_query_is_answered,
              in_copy_in_in_transaction, in_half_a_row_of_copy_in, in_half_a_query,
              in_half_a_long_query, in_half_a_parse, in_half_an_execute, in_copy_out, in_big_result)


@pytest.mark.parametrize("how", ["close", "reset"])
@pytest.mark.parametrize("situation", SITUATIONS, ids=lambda f: f.__name__)
@pytest.mark.parametrize("mode", MODES[:2])
def test_server_is_used_again(make_pooler, cluster, table, mode, situation, how):
    pooler = make_pooler(pool_mode=mode, default_pool_size=1)
    warm(pooler)
    servers = of_app(cluster)
    wire = pooler.login()
    situation(wire)
    getattr(wire, how)()
    wait_until_left(pooler, cluster, servers)
    assert rows_of(table) == 1, "something of it was committed"
    assert pooler.login().value("select pg_backend_pid()") == str(servers[0])


def test_transaction_in_statement_mode_costs_no_server(make_pooler, cluster):
    pooler = make_pooler(pool_mode="statement", default_pool_size=1)
    warm(pooler)
    servers = of_app(cluster)
    wire = pooler.login()
    wire.ask("begin")
    wire.rest()
    wait_until_left(pooler, cluster, servers)


@pytest.mark.parametrize("mode", MODES[:2])
@pytest.mark.parametrize("setting,code", [("query_timeout", "57014"),
                                          ("transaction_timeout", "57014")])
def test_timeout_costs_no_server(make_pooler, cluster, mode, setting, code):
    pooler = make_pooler(pool_mode=mode, default_pool_size=1, **{setting: "1"})
    warm(pooler)
    servers = of_app(cluster)
    wire = pooler.login()
    wire.send(query("begin"), query(SLEEP))
    assert wire.rest().errors[-1]["C"] == code
    wait_until_left(pooler, cluster, servers)


def test_what_was_asked_before_a_terminate_is_done(make_pooler, cluster, table):
    pooler = make_pooler(default_pool_size=1)
    warm(pooler)
    servers = of_app(cluster)
    wire = pooler.login()
    wire.send(query("insert into left_behind select 1 from pg_sleep(1)"), terminate())
    wire.close()
    wait_until(lambda: rows_of(table) == 2)
    wait_until_left(pooler, cluster, servers)


def test_transaction_is_rolled_back_after_a_terminate(make_pooler, cluster, table):
    pooler = make_pooler(default_pool_size=1)
    warm(pooler)
    servers = of_app(cluster)
    wire = pooler.login()
    wire.send(query("begin"), query("insert into left_behind select 1 from pg_sleep(0.3)"),
              terminate())
    wire.close()
    time.sleep(0.1)
    wait_until_left(pooler, cluster, servers)
    assert rows_of(table) == 1


def test_batch_without_a_sync_is_not_committed_by_a_terminate(make_pooler, cluster, table):
    pooler = make_pooler(default_pool_size=1)
    warm(pooler)
    servers = of_app(cluster)
    wire = pooler.login()
    wire.send(parse("insert into left_behind values (1)"), bind(), execute(), terminate())
    wire.close()
    pooler.check_settled()
    wait_until_left(pooler, cluster, servers)
    assert rows_of(table) == 1


def test_what_cannot_be_cancelled_is_closed_at_cleanup_timeout(make_pooler, cluster):
    pooler = make_pooler(default_pool_size=1, cleanup_timeout=1)
    wire = pooler.login()
    (server,) = [int(wire.value("select pg_backend_pid()"))]
    wire.send(query("select pg_sleep(0.1)"))
    os.kill(server, signal.SIGSTOP)
    try:
        wire.reset()
        begin = time.monotonic()
        assert pooler.login().value("select 1") == "1"
        assert 0.9 < time.monotonic() - begin < 5
    finally:
        os.kill(server, signal.SIGCONT)
    wait_until(lambda: server not in of_app(cluster))


@pytest.mark.parametrize("left", [
    "select pg_advisory_lock(4711)",
    "create temp table left_temp(id int)",
    "prepare left_prepared as select 1",
    "declare left_cursor cursor with hold for select 1",
    "set work_mem = '77MB'",
    "listen left_channel",
])
def test_nothing_is_left_in_the_session_of_the_server(make_pooler, cluster, left):
    """It was done, but nobody had the time to look at it."""
    pooler = make_pooler(default_pool_size=1)
    wire = pooler.login()
    server = wire.value("select pg_backend_pid()")
    wire.send(query(left), query(SLEEP))
    wait_until(lambda: of_app(cluster, "query like '%pg_sleep%' and state = 'active'"))
    wire.reset()
    pooler.wait_for_pool(sv_active=0, sv_tested=0, sv_being_canceled=0)
    other = pooler.login()
    assert other.value("select pg_backend_pid()") == server
    assert other.value("show work_mem") != "77MB"
    assert other.value("""select (select count(*) from pg_prepared_statements)
        + (select count(*) from pg_cursors where is_holdable)
        + (select count(*) from pg_class where relname = 'left_temp')
        + (select count(*) from pg_listening_channels())
        + (select count(*) from pg_locks where locktype = 'advisory')""") == "0"


# Many of them

CLIENTS = 1000
SERVERS = 20


def victims(address, seed, ready, count):
    """A process full of clients, each in the middle of something, until it is killed."""
    chance = random.Random(seed)
    wires = []
    for _ in range(count):
        wire = Wire(address).login("alice", "app")
        wire.send(query("begin; select pg_advisory_xact_lock_shared(7); select pg_sleep(60)")
                  if chance.random() < 0.5 else query("select pg_sleep(60)"))
        wires.append(wire)
    ready.release()
    signal.pause()


def watch(cluster, servers, seen):
    """The servers that are there now; none of those at the beginning may be missing."""
    now = set(of_app(cluster))
    seen.append(len(now))
    return now >= set(servers)


@pytest.mark.limit(300)
def test_a_thousand_clients_killed_in_mid_query_cost_no_server(make_pooler, cluster):
    """Processes with clients are killed by SIGKILL, as many at a time as there are servers
    and as many waiting behind them, until a thousand were in a query."""
    pooler = make_pooler(default_pool_size=SERVERS, max_client_conn=2000, max_queue=-1)
    warm(pooler, SERVERS)
    servers = of_app(cluster)
    assert len(servers) == SERVERS
    killed, began, context = 0, time.monotonic(), multiprocessing.get_context("fork")
    while killed < CLIENTS:
        ready = context.Semaphore(0)
        process = context.Process(target=victims, args=(pooler.address, killed, ready, SERVERS))
        process.start()
        assert ready.acquire(timeout=20)
        wait_until(lambda: len(of_app(cluster, "wait_event = 'PgSleep'")) == SERVERS, 20)
        os.kill(process.pid, signal.SIGKILL)
        process.join()
        killed += SERVERS
        wait_until(lambda: not of_app(cluster, "state <> 'idle'"), 20,
                   "queries of clients that are gone run on")
        assert of_app(cluster) == servers
    wait_until_left(pooler, cluster, servers)
    row = pooler.pool()
    assert (row["sv_saved"], row["sv_unsaved"]) == (killed, 0)
    print(f"{killed} clients killed in {time.monotonic() - began:.1f} s, {SERVERS} servers kept")


@pytest.mark.limit(300)
def test_a_thousand_clients_that_all_break_off_at_once_cost_no_server(make_pooler, cluster):
    """Those who have a server are in a query, the others wait for one."""
    pooler = make_pooler(default_pool_size=SERVERS, max_client_conn=2000, max_queue=-1)
    warm(pooler, SERVERS)
    servers = of_app(cluster)
    wires = [pooler.login() for _ in range(CLIENTS)]
    for wire in wires:
        wire.send(query("begin; lock table note in share mode; select pg_sleep(60)"))
    wait_until(lambda: len(of_app(cluster, "wait_event = 'PgSleep'")) == SERVERS, 20)
    for wire in wires:
        wire.reset()
    wait_until(lambda: not of_app(cluster, "state <> 'idle'"), 60,
               "queries of clients that are gone run on")
    wait_until_left(pooler, cluster, servers)
    assert pooler.pool()["sv_unsaved"] == 0


# Cancels

CANCELS = 10000


def cancelled(address, keys, until, enough, counts):
    """A process with clients that may be cancelled: short queries, one after the other."""
    wires = [Wire(address).login("alice", "app") for _ in range(8)]
    for wire in wires:
        keys.put(wire.key)
    chance = random.Random(1)
    hits = 0
    while not until.is_set():
        for wire in wires:
            wire.send(query(f"select pg_sleep({chance.random() * 0.004})"))
        for wire in wires:
            error = wire.until("Z").error
            assert error is None or error["C"] == "57014", error
            hits += error is not None
        if hits > CANCELS / 100:
            enough.set()
    counts.put(("hits", hits))


def strangers(address, until, enough, counts):
    """A process with clients that nobody cancels."""
    wires = [Wire(address).login("alice", "app") for _ in range(8)]
    asked, chance, number = 0, random.Random(2), 0
    while not until.is_set():
        for wire in wires:
            number += 1
            wire.send(query(f"select {number}") if chance.random() < 0.7 else
                      query(f"select {number} from pg_sleep(0.001)"))
        for i, wire in enumerate(wires):
            reply = wire.until("Z")
            assert not reply.errors, ("a stranger was hit", reply.errors)
            assert reply.value == str(number - len(wires) + 1 + i)
            asked += 1
        if asked > 1000:
            enough.set()
    counts.put(("asked", asked))


def leavers(address, until, enough, counts):
    """A process with clients that go away in their query, so that the pooler cancels."""
    left, chance = 0, random.Random(3)
    while not until.is_set():
        wire = Wire(address).login("alice", "app")
        wire.send(query(f"select pg_sleep({chance.random() * 0.01})"))
        time.sleep(chance.random() * 0.01)
        wire.reset()
        left += 1
        if left > 10:
            enough.set()
    counts.put(("left", left))


def take(counts, processes):
    found = {}
    for _ in processes:
        name, count = counts.get(timeout=60)
        found[name] = count
    return found


@pytest.mark.limit(300)
def test_ten_thousand_cancels_hit_no_stranger(make_pooler, cluster):
    """Servers are few, so that each goes from one client to another all the time; cancels
    by clients and by the pooler, for those who leave, are under way all the time, too. It
    goes on until everybody has met enough of it."""
    pooler = make_pooler(default_pool_size=4, max_client_conn=2000, max_queue=-1)
    context = multiprocessing.get_context("fork")
    keys, counts, until = context.Queue(), context.Queue(), context.Event()
    enough = [context.Event() for _ in range(3)]
    arguments = [(cancelled, keys), (strangers,), (leavers,)]
    processes = [context.Process(target=target, args=(pooler.address, *more, until, met, counts))
                 for (target, *more), met in zip(arguments, enough)]
    for process in processes:
        process.start()
    mine = [keys.get(timeout=20) for _ in range(8)]
    chance, began, sent = random.Random(4), time.monotonic(), 0
    while ((sent < CANCELS or not all(met.is_set() for met in enough)) and
           all(process.is_alive() for process in processes)):
        with Wire(pooler.address) as wire:
            wire.send(cancel_request(chance.choice(mine)))
            if chance.random() < 0.5:
                wire.rest()
        sent += 1
    took = time.monotonic() - began
    until.set()
    for process in processes:
        process.join(20)
        assert process.exitcode == 0
    print(f"{sent} cancels in {took:.1f} s: {take(counts, processes)}")


# Chance

TEXTS = ("insert into left_behind values (1)", "select 1", "nonsense",
         "select pg_sleep(0.005)", "select repeat('x', 100) from generate_series(1, 5000)")
COPY = "copy left_behind from stdin"


def batch(chance, text):
    if chance.random() < 0.3:
        return query(text)
    name = chance.choice(["", "s1", "s2"])
    said = parse(text, name) + bind(name=name) + execute()
    return said + sync() if chance.random() < 0.5 else said


def sequence(chance):
    """What a client says that could go on; none of it counts before it does."""
    if chance.random() < 0.3:
        return parse(TEXTS[0]) + bind() + execute() + chance.choice([b"", flush()])
    said = query("begin") + b"".join(batch(chance, chance.choice(TEXTS))
                                     for _ in range(chance.randrange(4)))
    if chance.random() < 0.3:
        said += batch(chance, COPY) + copy_data(b"5\n" * chance.randrange(10000))
    return said


def leave_by_chance(address, seed, until, counts):
    chance, left = random.Random(seed), 0
    while not until.is_set():
        wire = Wire(address).login("alice", "app")
        said = sequence(chance)
        if chance.random() < 0.3:
            said = said[:chance.randrange(len(said))]
        elif chance.random() < 0.2:
            said += terminate()
        wire.send(said)
        if chance.random() < 0.5:
            time.sleep(chance.random() * 0.01)
        wire.close() if chance.random() < 0.5 else wire.reset()
        left += 1
    counts.put((f"left {seed}", left))


def stay(address, seed, until, counts):
    """A client with statements of its own, under the names that others use, too."""
    wire, chance, asked = Wire(address).login("alice", "app"), random.Random(seed), 0
    for name in ("s1", "s2"):
        assert wire.ask(parse(f"select '{name} of {seed}'", name), sync()).types == "1Z"
    while not until.is_set():
        name = chance.choice(["s1", "s2"])
        reply = wire.ask(bind(name=name), execute(), sync())
        assert not reply.errors, ("somebody who stays was hit", reply.errors)
        assert reply.value == f"{name} of {seed}"
        reply = wire.ask(parse("select 1"), bind(), execute(), sync())
        assert reply.value == "1"
        asked += 1
    counts.put((f"asked {seed}", asked))


@pytest.mark.long
@pytest.mark.limit(120)
def test_whatever_chance_leaves_is_neither_committed_nor_found(make_pooler, cluster, table):
    pooler = make_pooler(default_pool_size=4, max_client_conn=2000, max_queue=-1)
    warm(pooler, 4)
    context = multiprocessing.get_context("fork")
    counts, until = context.Queue(), context.Event()
    processes = [context.Process(target=stay, args=(pooler.address, seed, until, counts))
                 for seed in range(2)]
    processes += [context.Process(target=leave_by_chance,
                                  args=(pooler.address, seed, until, counts))
                  for seed in range(2, 5)]
    for process in processes:
        process.start()
    time.sleep(float(os.environ.get("POOLER_CHANCE_S", 10)))
    until.set()
    found = take(counts, processes)
    for process in processes:
        process.join(20)
        assert process.exitcode == 0
    pooler.wait_for_pool(sv_active=0, sv_tested=0, sv_being_canceled=0, cl_waiting=0)
    assert rows_of(table) == 1, "something of those who left was committed"
    row = pooler.pool()
    print(found, row["sv_saved"], row["sv_unsaved"])
    assert row["sv_saved"] > 100 and row["sv_unsaved"] == 0
