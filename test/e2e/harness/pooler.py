"""The pooler under test, as a process with a configuration of its own."""

import os
import re
import resource
import signal
import subprocess

import psycopg

from .account import give_to, popen_as
from .waiting import free_port, wait_until
from .wire import Refused, Wire, cancel_request

TROUBLE = re.compile(r"AddressSanitizer|LeakSanitizer|UndefinedBehaviorSanitizer|runtime error:|"
                     r"broken promise")

DEFAULTS = {
    "auth_type": "trust",
    "admin_users": "admin",
    "stats_users": "stats",
    "pool_mode": "transaction",
    "server_login_retry": "0.2",
    "max_client_conn": 500,
}


class Pooler:
    """Written configuration, then start() to stop(). Databases may be given as a text
    (the connection string), or as a dictionary on top of the cluster's address."""

    def __init__(self, binary, directory, cluster, databases=None, users=None, **settings):
        self.binary, self.cluster = binary, cluster
        self.account = cluster.account
        self.directory = str(directory)
        self.port = free_port()
        self.admin_port = free_port(taken=(self.port,))
        self.conf = os.path.join(self.directory, "pooler.ini")
        self.output_path = os.path.join(self.directory, "output")
        self.databases = databases if databases is not None else {"app": {}}
        self.users = users or {}
        self.settings = {
            "listen_addr": "127.0.0.1", "listen_port": self.port,
            "admin_listen_addr": "127.0.0.1", "admin_port": self.admin_port,
            "unix_socket_dir": self.directory, **DEFAULTS, **settings,
        }
        self.admin_password = None  # for the console, when it asks
        self.open_console = self._open_console
        self.extra_environment = {}
        self.sockets_for_lookups = 0  # auth_query's connections, which are kept for a while
        self.is_checked = True        # False: the console cannot be reached at the end
        self.process = None
        self.sockets_at_start = 0
        self._opened = []
        give_to(self.account, self.directory)

    # Configuration

    def _database_line(self, name, value):
        if isinstance(value, dict):
            value = {"host": "127.0.0.1", "port": self.cluster.port, **value}
            value = " ".join(f"{k}={v}" for k, v in value.items() if v is not None)
        return f"{name} = {value}"

    def config_text(self):
        lines = ["[pooler]"]
        lines += [f"{k} = {v}" for k, v in self.settings.items() if v is not None]
        lines += ["", "[databases]"]
        lines += [self._database_line(n, v) for n, v in self.databases.items()]
        lines += ["", "[users]"]
        lines += [f"{n} = " + (v if isinstance(v, str) else
                               " ".join(f"{k}={w}" for k, w in v.items()))
                  for n, v in self.users.items()]
        return "\n".join(lines) + "\n"

    def write_config(self, text=None):
        with open(self.conf, "w") as out:
            out.write(self.config_text() if text is None else text)
        give_to(self.account, self.conf)

    def change(self, **settings):
        """Writes changed settings to the file, without a reload."""
        self.settings.update(settings)
        self.write_config()

    def reload(self, **settings):
        self.change(**settings)
        reply = self.ask_console("RELOAD")
        assert not reply.errors, (reply.errors, self.output()[-2000:])

    # Process

    def command(self, *args):
        return [self.binary, *args, self.conf]

    def environment(self):
        return {**os.environ,
                "ASAN_OPTIONS": "detect_leaks=1:exitcode=99:quarantine_size_mb=8:handle_abort=1",
                "UBSAN_OPTIONS": "halt_on_error=1:print_stacktrace=1",
                **self.extra_environment}

    def spawn(self, *args, nofile=None):
        """Starts the program and returns at once."""
        def limit():
            if nofile is not None:
                resource.setrlimit(resource.RLIMIT_NOFILE, (nofile, nofile))
        with open(self.output_path, "ab") as out:
            self.process = subprocess.Popen(
                self.command(*args), cwd=self.directory, stdin=subprocess.DEVNULL,
                stdout=out, stderr=out, env=self.environment(),
                preexec_fn=limit if nofile is not None else None, **popen_as(self.account))
        return self

    def start(self, *args, nofile=None):
        self.write_config()
        self.spawn(*args, nofile=nofile)
        wait_until(self.answers, 15, "the pooler does not answer")
        self.sockets_at_start = self.sockets()
        return self

    def answers(self):
        assert self.process is None or self.process.poll() is None, \
            f"ended with {self.process.returncode}: {self.output()}"
        try:
            with self.console():
                return True
        except (OSError, Refused):
            return False

    def output(self):
        with open(self.output_path, errors="replace") as log:
            return log.read()

    def send_signal(self, number):
        self.process.send_signal(number)

    def wait(self, timeout=10):
        return self.process.wait(timeout)

    @property
    def pid(self):
        return self.process.pid

    def is_running(self):
        return self.process is not None and self.process.poll() is None

    # /proc

    def fds(self):
        found = []
        for fd in os.listdir(f"/proc/{self.pid}/fd"):
            try:
                found.append(os.readlink(f"/proc/{self.pid}/fd/{fd}"))
            except FileNotFoundError:
                pass
        return found

    def sockets(self):
        return sum(1 for target in self.fds() if target.startswith("socket:"))

    def is_sanitized(self):
        """Whether memory is watched, and more of it taken."""
        with open(self.binary, "rb") as program:
            return b"__asan_init" in program.read()

    def has_in_memory(self, data):
        """Whether these bytes are anywhere in what it may write to. For tests only: it
        takes the rights of a debugger."""
        with open(f"/proc/{self.pid}/maps") as maps, open(f"/proc/{self.pid}/mem", "rb") as mem:
            for line in maps:
                span, rights, *_ = line.split()
                if not rights.startswith("rw") or "[vvar" in line:
                    continue
                start, end = (int(part, 16) for part in span.split("-"))
                mem.seek(start)
                try:
                    found = data in mem.read(end - start)
                except OSError:
                    continue
                if found:
                    return True
        return False

    def rss(self):
        """Resident memory in bytes."""
        with open(f"/proc/{self.pid}/statm") as statm:
            return int(statm.read().split()[1]) * resource.getpagesize()

    def cpu_seconds(self):
        with open(f"/proc/{self.pid}/stat") as stat:
            fields = stat.read().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    # Clients

    @property
    def address(self):
        return ("127.0.0.1", self.port)

    @property
    def admin_address(self):
        return ("127.0.0.1", self.admin_port)

    @property
    def socket_path(self):
        return f"{self.directory}/.s.PGSQL.{self.port}"

    def conninfo(self, dbname="app", user="alice", **more):
        more = {"host": "127.0.0.1", "port": self.port, "dbname": dbname, "user": user,
                "connect_timeout": 15, **more}
        return " ".join(f"{k}='{v}'" for k, v in more.items())

    def connect(self, dbname="app", user="alice", **more):
        """A psycopg connection in autocommit mode, closed after the test."""
        conn = psycopg.connect(self.conninfo(dbname, user, **more), autocommit=True)
        conn.prepare_threshold = None
        self._opened.append(conn)
        return conn

    def wire(self, address=None, timeout=20.0):
        """A raw connection that has said nothing yet."""
        wire = Wire(address or self.address, timeout)
        self._opened.append(wire)
        return wire

    def login(self, dbname="app", user="alice", **params):
        return self.wire().login(user, dbname, **params)

    def refusal(self, dbname="app", user="alice", **params):
        """The fields of the error that a login gets; fails if it succeeds."""
        with Wire(self.address) as wire:
            try:
                wire.login(user, dbname, **params)
            except Refused as refused:
                return refused.fields
        raise AssertionError("the login was accepted")

    def cancel(self, key):
        """Sends a cancel request and waits until the pooler has closed its connection."""
        with Wire(self.address) as wire:
            wire.send(cancel_request(key))
            assert wire.rest().messages == []

    # Console

    def console(self, user="admin"):
        """A console session on the admin listener, unless open_console() says otherwise."""
        return self.open_console(user)

    def _open_console(self, user):
        wire = Wire(self.admin_address)
        try:
            return wire.login(user, "pooler", self.admin_password)
        except BaseException:
            wire.close()
            raise

    def ask_console(self, command, user="admin"):
        with self.console(user) as console:
            return console.ask(command)

    def show(self, what):
        """The rows of SHOW as dictionaries."""
        reply = self.ask_console(f"SHOW {what}")
        assert not reply.errors, reply.errors
        return reply.dicts

    def pool(self, dbname="app", user="alice"):
        """The row of SHOW POOLS with numbers as numbers; zeros when there is none."""
        for row in self.show("POOLS"):
            if row["database"] == dbname and row["user"] == user:
                return {k: int(v) if v and v.isdigit() else v for k, v in row.items()}
        return dict.fromkeys(("cl_active", "cl_waiting", "sv_active", "sv_idle", "sv_used",
                              "sv_tested", "sv_login", "maxwait", "maxwait_us"), 0)

    def wait_for_pool(self, dbname="app", user="alice", timeout=10, **counts):
        """Waits until SHOW POOLS shows these numbers."""
        def matches():
            row = self.pool(dbname, user)
            return all(row[k] == v for k, v in counts.items())
        wait_until(matches, timeout, f"pool never had {counts}: {self.pool(dbname, user)}")

    def lists(self):
        return {row["list"]: int(row["items"]) for row in self.show("LISTS")}

    # The end

    def close_clients(self):
        for conn in self._opened:
            conn.close()
        self._opened = []

    def check_settled(self, timeout=10):
        """No client is left, and descriptors are only the listeners, the servers in the
        pools and this console."""
        def excess():
            lists = self.lists()
            if lists["used_clients"] > 1 or lists["login_clients"] > 0:
                return f"clients are left: {lists}"
            busy = [p for p in self.show("POOLS") if p["database"] not in ("pooler", "pgbouncer")
                    and any(int(p[k]) for k in ("cl_active", "cl_waiting", "sv_active"))]
            if busy:
                return f"busy pools: {busy}"
            with self.console() as console:
                lists = {k: int(v) for k, v in console.ask("SHOW LISTS").rows}
                sockets = self.sockets()
            allowed = self.sockets_at_start + lists["used_servers"] + 1
            if sockets > allowed + self.sockets_for_lookups:
                return f"{sockets} sockets, {self.sockets_at_start} at the start, {lists}"
            return None
        try:
            wait_until(lambda: excess() is None, timeout)
        except AssertionError:
            raise AssertionError(f"not settled: {excess()}") from None

    def stop(self, how=signal.SIGINT):
        """Ends the pooler as its user would and checks that it ended well."""
        self.close_clients()
        try:
            if not self.is_running():
                return
            if self.is_checked:
                self.check_settled()
            self.send_signal(how)
            assert self.wait() == 0, self.output()[-3000:]
            self.check_output()
        finally:
            self.kill()

    def check_output(self):
        output = self.output()
        assert not TROUBLE.search(output), output[-5000:]

    def kill(self):
        if self.is_running():
            self.process.kill()
            self.process.wait()
