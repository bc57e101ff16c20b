"""What goes on at a soak: each trouble is a thread that does its thing until it is told to stop.

A trouble that ends early by an exception of its own is a fault, of the pooler or of the soak.
"""

import contextlib
import os
import pathlib
import random
import re
import signal
import subprocess
import sys
import threading

import psycopg

sys.path.append(str(pathlib.Path(__file__).resolve().parent.parent / "bench"))

from readers import Readers  # noqa: E402

DATABASE, USER = "app", "alice"
SERVERS = 20
SLEEP_S = 0.02  # of each query of the crowd
CAPACITY = SERVERS / SLEEP_S
CROWD = 600
BIG = "select repeat('x', 1000), generate_series(1, 1000000)"


class Trouble(threading.Thread):
    """work() is called every pause_s until stop()."""

    pause_s = 1.0

    def __init__(self, soak):
        super().__init__(daemon=True, name=type(self).__name__)
        self.soak, self.count, self.fault = soak, 0, None
        self.random = random.Random(f"{soak.seed} {self.name}")
        self._stop_asked = threading.Event()

    def run(self):
        try:
            while not self._stop_asked.wait(self.pause_s):
                self.work()
                self.count += 1
        except Exception as fault:  # pylint: disable=broad-except
            self.fault = fault
        finally:
            self.end()

    def work(self):
        raise NotImplementedError

    def end(self):
        """Clears up."""

    def stop(self):
        self._stop_asked.set()
        self.join(60)
        return f"{self.name}: {self.count}" + (f", FAULT: {self.fault!r}" if self.fault else "")


def parse(text):
    return {key: float(value) for key, value in re.findall(r"^(\w+)=([-\d.]+)$", text, re.M)}


class Churn(Trouble):
    """Clients that log in, ask once and leave."""

    pause_s = 0.1

    def work(self):
        done = subprocess.run(
            [self.soak.tool("load"), "--target", f"127.0.0.1:{self.soak.pooler.port}", "--user", USER,
             "--database", DATABASE, "--mode", "reconnect", "--clients", "10", "--count", "300",
             "--limit", "120"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        if done.returncode != 0:
            raise AssertionError(f"load ended with {done.returncode}: {done.stderr}")
        self.soak.add("logins", parse(done.stdout)["transactions"])


class Overload(Trouble):
    """A crowd that asks half of what the servers can do, and then three times that."""

    pause_s = 0.1

    def __init__(self, soak):
        super().__init__(soak)
        self.popen = subprocess.Popen(
            [soak.tool("surge"), "--target", f"127.0.0.1:{soak.pooler.port}", "--crowd", "all",
             "--user", USER, "--database", DATABASE, "--clients", str(CROWD), "--limit", "120",
             "--query", f"select pg_sleep({SLEEP_S})"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self._read("ready")

    def _read(self, word):
        text = ""
        for line in self.popen.stdout:
            if line.strip() == word:
                return parse(text)
            text += line
        raise AssertionError(f"surge ended with {self.popen.wait()}")

    def work(self):
        rate = CAPACITY * self.soak.slowness * self.random.choice((0.5, 3))
        self.popen.stdin.write(f"3 {rate:.1f}\n")
        self.popen.stdin.flush()
        figures = self._read("done")
        self.soak.add("served", figures["all_served"])
        self.soak.add("refused", figures.get("all_error_53300", 0))
        self.soak.add("other errors", figures["all_errors"] - figures.get("all_error_53300", 0))

    def end(self):
        self.popen.stdin.close()
        self.popen.wait(60)
        self.popen.stdout.close()


class Kills(Trouble):
    """Backends that are terminated; now and then one is killed, and PostgreSQL restarts all."""

    pause_s = 3.0
    CRASH_EVERY = 20

    def work(self):
        self.soak.cluster.ensure_up()
        with contextlib.suppress(psycopg.Error), psycopg.connect(
                self.soak.cluster.conninfo(), autocommit=True) as conn:
            found = conn.execute("select pid from pg_stat_activity where usename = %s", (USER,)).fetchall()
            if not found:
                return
            victim = self.random.choice(found)[0]
            if self.count % self.CRASH_EVERY == self.CRASH_EVERY - 1:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(victim, signal.SIGKILL)
            else:
                conn.execute("select pg_terminate_backend(%s)", (victim,))


class SlowReaders(Trouble):
    """A few that ask for a gigabyte, read a little of it, and are gone."""

    pause_s = 1.0
    COUNT = 4

    def work(self):
        with contextlib.suppress(OSError):  # its server may be killed, or the line be full
            readers = Readers(self.soak.pooler.port, self.COUNT, BIG, USER, DATABASE)
            self._stop_asked.wait(self.random.uniform(2, 8))
            readers.stop()


class Reloads(Trouble):
    """The settings change to and fro."""

    pause_s = 2.0

    def work(self):
        self.soak.pooler.reload(
            default_pool_size=self.random.choice((SERVERS, SERVERS - 5)),
            server_lifetime=self.random.choice((5, 3600)),
            max_prepared_statements=self.random.choice((0, 200)),
            max_queue_wait=self.random.choice(("0", "100ms", "1s")))


class Vanishing(Trouble):
    """Clients that go away in a transaction, in a query, or just after a cancel request."""

    pause_s = 0.05

    def work(self):
        with contextlib.suppress(psycopg.Error):
            conn = psycopg.connect(self.soak.pooler.conninfo(DATABASE, USER))
            how = self.random.randrange(3)
            if how == 0:
                conn.execute("create temporary table gone (x int)")
            elif how == 1:
                conn.pgconn.send_query(b"select pg_sleep(1)")
                conn.cancel()
            else:
                conn.execute("select 1")
                conn.pgconn.send_query(b"select pg_sleep(1)")
            # No goodbye: the connection is taken from beneath libpq.
            null = os.open(os.devnull, os.O_RDWR)
            os.dup2(null, conn.pgconn.socket)
            os.close(null)
            conn.close()


class Notes(Trouble):
    """Rows whose COMMIT was answered, to be found again; a COMMIT in doubt is not counted."""

    pause_s = 0.02

    def __init__(self, soak):
        super().__init__(soak)
        self.conn, self.committed = None, []

    def work(self):
        number = self.count + 1
        try:
            if self.conn is None or self.conn.closed:
                self.conn = psycopg.connect(self.soak.pooler.conninfo(DATABASE, USER))
            self.conn.execute("insert into soak values (%s)", (number,))
            self.conn.commit()
        except psycopg.Error:
            if self.conn is not None:
                self.conn.close()
            self.conn = None
            return
        self.committed.append(number)

    def end(self):
        if self.conn is not None:
            self.conn.close()


ALL = (Churn, Overload, Kills, SlowReaders, Reloads, Vanishing, Notes)
