"""Memory is a limit: slow readers cost neither servers nor anybody else's room."""

import select
import threading
import time

import pytest

from harness.waiting import wait_until
from harness.wire import Closed, query

KB, MIB = 1 << 10, 1 << 20
HUGE = "select repeat('x', 1000) from generate_series(1, 400000)"  # 400 MB
SLOW = NORMAL = 20


def memory(pooler):
    return {row["name"]: int(row["value"]) for row in pooler.show("MEMORY")}


def local_login(pooler):
    """One that can stop and go on at will: TCP would wait ever longer between its tries."""
    return pooler.wire(pooler.socket_path).login("alice", "app")


def servers_in(pooler, state):
    return sum(1 for row in pooler.show("SERVERS") if row["state"] == state)


# client_buffer

def test_an_unread_answer_that_fits_sets_its_server_free(make_pooler):
    """Asks until the kernel holds no more: then the pooler has an answer in its hands, and
    the server is free all the same."""
    pooler = make_pooler(default_pool_size=1)
    slow, other = local_login(pooler), pooler.login()
    count = 0
    while memory(pooler)["buffer_memory"] < 32 * KB:
        slow.send(query("select repeat('x', 20000)"))
        count += 1
        wait_until(lambda: servers_in(pooler, "idle") == 1, 10, "its server is held")
        assert count < 100
    assert other.value("select 1") == "1"
    for _ in range(count):
        assert len(slow.until("Z").value) == 20000


def test_an_unread_answer_that_is_longer_keeps_its_server(make_pooler):
    pooler = make_pooler(default_pool_size=1)
    slow, other = local_login(pooler), pooler.login()
    slow.send(query("select repeat('x', 10000) from generate_series(1, 200)"))
    wait_until(lambda: memory(pooler)["stopped_connections"] == 1, 10, "it is not stopped")
    other.send(query("select 1"))
    pooler.wait_for_pool(cl_waiting=1, sv_active=1, sv_idle=0)
    assert slow.until("Z").tags == ["SELECT 200"]
    assert other.until("Z").value == "1"
    assert memory(pooler)["stopped_connections"] == 0


# max_buffer_memory

def read_some(wire, count):
    while count > 0:
        data = wire.socket.recv(64 * KB)
        assert data
        count -= len(data)


class Load:
    """Slow clients, which read a byte a second, and normal ones, which ask all the time."""

    def __init__(self, pooler):
        self.pooler = pooler
        self.slow = [local_login(pooler) for _ in range(SLOW)]
        self.normal = [pooler.login() for _ in range(NORMAL)]
        self.is_over = threading.Event()
        self.answers = [0] * NORMAL
        self.failures = []

    def read_slowly(self):
        while not self.is_over.wait(1):
            for wire in self.slow:
                wire.socket.recv(1)

    def ask(self, i):
        try:
            while not self.is_over.is_set():
                assert len(self.normal[i].value("select repeat('y', 30000)")) == 30000
                self.answers[i] += 1
        except Exception as failure:  # whatever it is, it counts
            self.failures.append(failure)

    def run(self, seconds, look):
        for wire in self.slow:
            wire.send(query(HUGE))
        threads = [threading.Thread(target=self.read_slowly)]
        threads += [threading.Thread(target=self.ask, args=(i,)) for i in range(NORMAL)]
        for thread in threads:
            thread.start()
        try:
            end = time.monotonic() + seconds
            while time.monotonic() < end:
                look()
                time.sleep(0.2)
        finally:
            self.is_over.set()
            for thread in threads:
                thread.join(30)
        assert not self.failures
        assert min(self.answers) > 0

    def close(self):
        for wire in self.slow:
            wire.reset()
        self.pooler.close_clients()


@pytest.mark.long
def test_slow_readers_stay_within_the_memory_and_nobody_else_notices(make_pooler):
    limit = 16 * MIB
    pooler = make_pooler(default_pool_size=SLOW + NORMAL, max_buffer_memory=limit)
    load = Load(pooler)
    before, most = pooler.rss(), [0]

    def look():
        most[0] = max(most[0], pooler.rss())
    load.run(8, look)
    figures = memory(pooler)
    assert figures["buffer_memory_peak"] <= limit
    assert figures["stopped_connections"] == SLOW
    assert figures["write_timeout_count"] == 0
    if not pooler.is_sanitized():
        assert most[0] - before < limit
    load.close()
    pooler.check_settled()
    # The console's own answer counts, too.
    wait_until(lambda: memory(pooler)["buffer_memory"] < 16 * KB, 5, "something is held")


@pytest.mark.long
def test_a_small_limit_is_shared_and_nobody_deadlocks(make_pooler):
    limit = 256 * KB
    pooler = make_pooler(default_pool_size=SLOW + NORMAL, max_buffer_memory=limit)
    load = Load(pooler)
    load.run(4, lambda: None)
    figures = memory(pooler)
    # Eight kilobytes may come on top for each, in buffers of twice the size.
    assert figures["buffer_memory_peak"] <= limit + (SLOW + NORMAL) * 16 * KB
    assert figures["stop_for_memory_count"] > 0
    for wire in load.slow:
        read_some(wire, 5 * MIB)
    load.close()


# client_write_timeout

def read_for(wire, seconds, rate):
    """Reads so many bytes a second; the reader's system acknowledges them in steps."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if not select.select([wire.socket], [], [], 1)[0]:
            continue
        if not wire.socket.recv(rate // 10):
            return False
        time.sleep(0.1)
    return True


@pytest.mark.long
def test_who_does_not_read_is_disconnected_and_his_server_saved(make_pooler):
    pooler = make_pooler(default_pool_size=2, client_write_timeout="3s")
    stalled, slow, normal = local_login(pooler), local_login(pooler), pooler.login()
    stalled.send(query(HUGE))
    slow.send(query(HUGE))
    started = time.monotonic()
    wait_until(lambda: servers_in(pooler, "active") == 2, 10)
    assert read_for(slow, 8, rate=400 * KB)
    wait_until(lambda: memory(pooler)["write_timeout_count"] == 1, 10, "it is still there")
    assert time.monotonic() - started > 3
    assert "client_write_timeout" in pooler.output()
    assert normal.value("select 1") == "1"
    assert memory(pooler)["write_timeout_count"] == 1
    with pytest.raises((Closed, ConnectionError)):
        stalled.until("Z")
    slow.reset()
    pooler.close_clients()
    pooler.check_settled()
    assert len(pooler.show("SERVERS")) == 2  # nobody's server was closed


def test_a_reload_turns_it_on_for_those_who_are_there(make_pooler):
    pooler = make_pooler(client_write_timeout=0)
    stalled = local_login(pooler)
    stalled.send(query(HUGE))
    wait_until(lambda: memory(pooler)["stopped_connections"] == 1)
    pooler.reload(client_write_timeout="500ms")
    wait_until(lambda: memory(pooler)["write_timeout_count"] == 1, 10, "it is still there")
    pooler.check_settled()


# memory_high

def test_above_the_limit_new_work_is_refused_and_the_console_answers(make_pooler):
    pooler = make_pooler(default_pool_size=5)
    idle, busy = pooler.login(), pooler.login()
    busy.ask("begin")
    pooler.reload(memory_high="1MB")
    fields = pooler.refusal()
    assert fields["C"] == "57P03" and "memory_high" in fields["M"]
    error = idle.ask("select 1").error
    assert error["C"] == "53200" and error["S"] == "ERROR"
    assert busy.value("select 1") == "1"
    assert busy.ask("commit").tags == ["COMMIT"]
    figures = memory(pooler)
    assert figures["is_high"] == 1 and figures["memory_high"] == MIB
    assert figures["refused_login_count"] == figures["refused_query_count"] == 1
    assert figures["memory"] > MIB
    pooler.reload(memory_high="10GB")
    assert idle.value("select 1") == "1"
    assert pooler.login().value("select 1") == "1"
    assert pooler.output().count("memory is short") == 1
    assert pooler.output().count("memory is no longer short") == 1
