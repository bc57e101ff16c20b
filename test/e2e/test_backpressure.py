"""Slow readers stop their writers; memory stays flat; nobody deadlocks."""

import select
import time

import pytest

from harness.waiting import wait_until
from harness.wire import bind, copy_data, copy_done, execute, parse, query, sync

HUGE = "select repeat('x', 1000) from generate_series(1, 400000)"  # 400 MB
MIB = 1 << 20


def wait_until_steady(pooler, seconds=1.0):
    """Waits until the pooler has stopped working; returns its resident memory."""
    def idle():
        before = pooler.cpu_seconds()
        time.sleep(seconds / 4)
        return pooler.cpu_seconds() - before < 0.02
    wait_until(idle, 20, "the pooler does not come to rest")
    return pooler.rss()


@pytest.mark.long
def test_stalled_readers_of_huge_results_keep_memory_flat(make_pooler):
    pooler = make_pooler(default_pool_size=20)
    warm = [pooler.login() for _ in range(20)]
    for wire in warm:
        wire.value("select 1")
    before = pooler.rss()
    for wire in warm:
        wire.send(query(HUGE))
    after = wait_until_steady(pooler)
    assert after - before < 40 * MIB
    for wire in warm:
        wire.reset()
    pooler.check_settled()


@pytest.mark.long
def test_many_stalled_clients_keep_memory_flat(make_pooler):
    pooler = make_pooler(default_pool_size=1, max_client_conn=1100, max_queue=-1)
    holder = pooler.login()
    holder.ask("begin")
    wires = [pooler.login() for _ in range(1000)]
    before = pooler.rss()
    big = query("select '" + "x" * 500_000 + "'")
    for wire in wires:
        wire.socket.setblocking(False)
        try:
            wire.socket.send(big)
        except BlockingIOError:
            pass
    after = wait_until_steady(pooler)
    assert after - before < 150 * MIB
    for wire in wires:
        wire.close()
    holder.ask("commit")
    holder.close()
    pooler.check_settled()


def test_slow_reader_gets_everything_in_the_end(pooler):
    wire = pooler.login()
    wire.send(query("select repeat('x', 1000) from generate_series(1, 30000)"))
    wait_until_steady(pooler, 0.4)
    reply = wire.until("Z")
    assert reply.types.count("D") == 30000 and reply.tags == ["SELECT 30000"]


def test_stalled_reader_does_not_slow_the_others(pooler):
    stalled, other = pooler.login(), pooler.login()
    stalled.send(query(HUGE))
    for _ in range(100):
        assert other.value("select 1") == "1"
    stalled.reset()


def test_stalled_reader_can_still_be_cancelled(pooler):
    wire = pooler.login()
    wire.send(query(HUGE))
    wait_until_steady(pooler, 0.4)
    pooler.cancel(wire.key)
    assert wire.until("Z").error["C"] == "57014"
    assert wire.value("select 1") == "1"


def test_both_sides_write_without_reading_and_do_not_deadlock(pooler):
    """The client writes a long pipeline of which every answer is big, and reads only when it
    cannot write any more, as PostgreSQL and libpq's pipeline mode do."""
    wire = pooler.login()
    one = parse("select repeat('y', 20000), length($1::text)") + bind(("z" * 20000,)) \
        + execute() + sync()
    count = 500
    data, sent, answers = one * count, 0, 0
    wire.socket.setblocking(False)
    received, deadline = bytearray(), time.monotonic() + 50
    ready = b"Z\0\0\0\5I"
    while answers < count:
        assert time.monotonic() < deadline, f"stuck after {sent} bytes and {answers} answers"
        readable, writable, _ = select.select(
            [wire.socket], [wire.socket] if sent < len(data) else [], [], 5)
        assert readable or writable, f"deadlock after {sent} bytes and {answers} answers"
        if writable:
            sent += wire.socket.send(data[sent:sent + 65536])
        if readable:
            received += wire.socket.recv(1 << 20)
            answers += received.count(ready)
            del received[:-5]


@pytest.mark.long
def test_writer_that_never_reads_is_stopped(pooler):
    """A client that only writes is held up by TCP; memory stays bounded and others work."""
    wire = pooler.login()
    other = pooler.login()
    other.value("select 1")
    before = pooler.rss()
    one = (parse("select repeat('y', 100000)") + bind() + execute() + sync()) * 100
    wire.socket.settimeout(0.5)
    with pytest.raises(TimeoutError):
        for _ in range(2000):
            wire.socket.sendall(one)
    assert other.value("select 1") == "1"
    assert pooler.rss() - before < 20 * MIB
    wire.reset()


def test_copy_in_to_a_slow_server_is_held_up_and_completes(pooler, cluster):
    direct = cluster.connect(user="postgres")
    direct.execute("create unlogged table slow(a text); grant all on slow to public")
    direct.execute("begin; lock table slow")
    wire = pooler.login()
    before = pooler.rss()
    row = copy_data(b"x" * 1000 + b"\n")
    wire.send(query("copy slow from stdin"))
    wire.socket.settimeout(0.5)
    sent = 0
    with pytest.raises(TimeoutError):
        for _ in range(100_000):
            wire.socket.sendall(row)
            sent += 1
    assert pooler.rss() - before < 20 * MIB
    wire.reset()
    direct.execute("rollback")
    direct.execute("drop table slow")
    pooler.check_settled()


def test_copy_in_of_much_data_flows(pooler, cluster):
    direct = cluster.connect(user="postgres")
    direct.execute("create unlogged table flow(a text); grant all on flow to public")
    try:
        wire = pooler.login()
        wire.send(query("copy flow from stdin"))
        wire.until("G")
        block = copy_data(b"x" * 999 + b"\n") * 1000
        for _ in range(50):
            wire.send(block)
        wire.send(copy_done())
        assert wire.until("Z").tags == ["COPY 50000"]
    finally:
        direct.execute("drop table flow")
