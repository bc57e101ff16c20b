"""Processes and where they are: what the benches have in common.

A stage knows the poolers to be compared, pins the one in the middle on one processor and all
else on another, and ends whatever was started on it.
"""

import contextlib
import ctypes
import os
import pathlib
import re
import resource
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

DESCRIPTORS = 40000
START_S = 10  # for a process to listen
LIMIT_S = 120  # for one load

DATABASES = """\
bench = host=127.0.0.1 port={backend} dbname=bench user=bench
* = host=127.0.0.1 port={backend} user=bench
"""

INI = """\
[databases]
{databases}
[{section}]
listen_addr = 127.0.0.1
listen_port = {port}
listen_backlog = 4096
unix_socket_dir =
auth_type = {auth_type}
pool_mode = transaction
default_pool_size = {servers}
max_client_conn = 20000
log_connections = 0
log_disconnections = 0
log_stats = 0
{more}"""


class Trouble(Exception):
    """Something is missing or went wrong; the text says what."""


# ---- processes ---------------------------------------------------------------


def in_child(cpus, is_meek=False):
    """What each process does before it becomes the program: pin, and die with us.

    A meek one gets the processor only when nobody else wants it.
    """

    def prepare():
        os.sched_setaffinity(0, cpus)
        if is_meek:
            os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))
        ctypes.CDLL(None).prctl(1, signal.SIGKILL)

    return prepare


def put_first(pid):
    """Gives a process its processor the moment it wants it. False if we may not.

    A wake-up from another processor takes effect only with the next tick where Linux preempts lazily,
    even against a meek one: milliseconds that are none of the pooler's.
    """
    try:
        os.sched_setscheduler(pid, os.SCHED_FIFO, os.sched_param(1))
    except PermissionError:
        return False
    return True


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def tail(path, lines=8):
    return "\n".join(path.read_text(errors="replace").splitlines()[-lines:])


class Process:
    """A started program with its output in a file, ended by stop()."""

    def __init__(self, argv, cpus, log):
        self.name, self.log = pathlib.Path(argv[0]).name, log
        with open(log, "wb") as out:
            self.popen = subprocess.Popen(
                argv, stdin=subprocess.DEVNULL, stdout=out, stderr=out,
                preexec_fn=in_child(cpus))
        self.pid = self.popen.pid

    def wait_until(self, is_ready, what):
        give_up = time.monotonic() + START_S
        while not is_ready():
            if self.popen.poll() is not None:
                raise Trouble(f"{self.name} ended with {self.popen.returncode}:\n{tail(self.log)}")
            if time.monotonic() > give_up:
                raise Trouble(f"{self.name}: no {what} in {START_S} s:\n{tail(self.log)}")
            time.sleep(0.01)

    def wait_for_port(self, port):
        def answers():
            with socket.socket() as s:
                return s.connect_ex(("127.0.0.1", port)) == 0

        self.wait_until(answers, f"answer at port {port}")

    def rss_anon(self):
        status = pathlib.Path(f"/proc/{self.pid}/status").read_text()
        return int(re.search(r"RssAnon:\s*(\d+) kB", status)[1]) * 1024

    def stop(self):
        if self.popen.poll() is None:
            self.popen.send_signal(signal.SIGTERM)
        try:
            self.popen.wait(timeout=5)
        except subprocess.TimeoutExpired:
            self.popen.kill()
            self.popen.wait()


class Tool:
    """A program that says `ready`, and for each line it is given prints figures, then `done`."""

    def __init__(self, stage, name, port, args, is_meek=False, cpus=None):
        argv = [stage.tool(name), "--target", f"127.0.0.1:{port}", "--sources", "50",
                "--limit", str(LIMIT_S), *map(str, args)]
        self.name = name
        self.popen = subprocess.Popen(
            argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
            preexec_fn=in_child(cpus or stage.load_cpus, is_meek))
        self.figures = {}
        self._read_until("ready")

    def _read_until(self, word):
        # The program itself gives up after --limit, so this ends.
        for line in self.popen.stdout:
            if line.strip() == word:
                return
            key, _, value = line.strip().partition("=")
            self.figures[key] = float(value)
        raise Trouble(f"{self.name} ended with {self.popen.wait()} before `{word}`")

    def go(self, line=""):
        self.popen.stdin.write(line + "\n")
        self.popen.stdin.flush()
        self._read_until("done")
        return self.figures

    def stop(self):
        with contextlib.suppress(BrokenPipeError):
            self.popen.stdin.close()
        try:
            self.popen.wait(timeout=10)
        except subprocess.TimeoutExpired:
            self.popen.kill()
            self.popen.wait()
        self.popen.stdout.close()


# ---- who is measured -----------------------------------------------------------


class Middle:
    """One kind of process in the middle."""

    def __init__(self, name, path, section=None):
        self.name, self.path, self.section = name, path, section

    def start(self, stage, backend_port, servers, more=(), auth_type="any",
              databases=DATABASES):
        port = free_port()
        log = stage.new_path(f"{self.name}.log")
        if self.section:
            ini = stage.new_path(f"{self.name}.ini")
            ini.write_text(INI.format(
                databases=databases.format(backend=backend_port), section=self.section,
                port=port, servers=servers, auth_type=auth_type, more="\n".join(more)))
            # Both refuse to run as root.
            as_user = ["-u", "nobody"] if os.geteuid() == 0 else []
            argv = [self.path, *as_user, str(ini)]
        else:
            argv = [self.path, f"127.0.0.1:{port}", f"127.0.0.1:{backend_port}", str(servers)]
        process = Process(argv, stage.middle_cpus, log)
        process.port = port
        stage.cleanup.callback(process.stop)
        process.wait_for_port(port)
        return process


class Stage:
    """Where things are and what has been started in the sample under way."""

    def __init__(self, options, tools):
        self.options = options
        cpus = sorted(os.sched_getaffinity(0))
        self.middle_cpus = {cpus[0]}
        self.load_cpus = {cpus[1]} if len(cpus) > 1 else {cpus[0]}
        self.notes, self.has_failed = [], False
        if len(cpus) < 2:
            self.note("only one processor: the load disturbs what it measures")
        for name in tools:
            self.tool(name)
        self.middles = self._find_middles()
        self.cleanup = contextlib.ExitStack()
        self.paths = 0
        self.directory = pathlib.Path(tempfile.mkdtemp(prefix="pooler-bench-"))
        self.directory.chmod(0o755)  # for `nobody`

    def note(self, text):
        if text not in self.notes:
            self.notes.append(text)
            print(f"note: {text}", file=sys.stderr)

    def tool(self, name):
        path = self.options.tools / name
        if not os.access(path, os.X_OK):
            raise Trouble(f"{path} is missing: run `make bench`, or name its directory "
                          "with --tools or BENCH_TOOLS")
        return str(path.absolute())

    def _find_middles(self):
        found = []
        for name, section in (("pooler", "pooler"), ("pgbouncer", "pgbouncer")):
            asked = getattr(self.options, name)
            path = shutil.which(asked)
            if path:
                found.append(Middle(name, os.path.abspath(path), section))
            else:
                self.note(f"{name}: {asked} is not there, so its column says `absent`")
        return found

    def new_path(self, name):
        self.paths += 1
        return self.directory / f"{self.paths}-{name}"

    def start_backend(self):
        log = self.new_path("backend.log")
        backend = Process([self.tool("fake_backend"), "127.0.0.1:0"], self.load_cpus, log)
        self.cleanup.callback(backend.stop)
        backend.wait_until(lambda: "ready" in log.read_text(), "readiness")
        backend.port = int(re.search(r"port=(\d+)", log.read_text())[1])
        return backend

    def start(self, middle, servers, more=(), auth_type="any", databases=DATABASES):
        backend = self.start_backend()
        process = middle.start(self, backend.port, servers, more, auth_type, databases)
        process.backend = backend
        return process

    def open_servers(self, process):
        """How many connections the backend behind a process has at the moment."""
        lines = process.backend.log.read_text().count("\n")
        process.backend.popen.send_signal(signal.SIGUSR1)
        process.backend.wait_until(
            lambda: process.backend.log.read_text().count("\n") > lines, "figures")
        return int(re.findall(r"connections_open=(\d+)", process.backend.log.read_text())[-1])

    def close(self):
        self.cleanup.close()
        shutil.rmtree(self.directory, ignore_errors=True)


def raise_descriptors():
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard < DESCRIPTORS:
        with contextlib.suppress(ValueError, PermissionError):  # only root may
            resource.setrlimit(resource.RLIMIT_NOFILE, (DESCRIPTORS, DESCRIPTORS))
            return
    if soft < hard:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
