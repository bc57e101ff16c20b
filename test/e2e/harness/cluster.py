"""A throw-away PostgreSQL cluster."""

import glob
import os
import shutil
import signal
import subprocess

import psycopg

from .account import give_to, popen_as
from .waiting import free_port, wait_until

SETTINGS = """
listen_addresses = '127.0.0.1'
port = {port}
unix_socket_directories = '{directory}'
fsync = off
synchronous_commit = off
full_page_writes = off
max_connections = 150
shared_buffers = 32MB
timezone = 'UTC'
log_timezone = 'UTC'
log_line_prefix = '%m [%p] %u@%d '
client_connection_check_interval = 100ms
log_min_messages = warning
"""

OBJECTS = """
create role alice login; create role bob login; create role carol login;
create table note(id int primary key, body text);
grant all on note to public; grant all on schema public to public;
"""


def find_bindir():
    """Where initdb and postgres are, or None."""
    if os.environ.get("PG_BINDIR"):
        return os.environ["PG_BINDIR"]
    found = sorted(glob.glob("/usr/lib/postgresql/*/bin/initdb"),
                   key=lambda path: int(path.split("/")[4].split(".")[0]))
    found = found or [shutil.which("initdb")]
    return os.path.dirname(found[-1]) if found[-1] else None


class Cluster:
    """Trusts everybody. Databases app and other, roles alice, bob, carol and postgres."""

    def __init__(self, directory, account, settings=""):
        self.settings = settings
        self.directory = str(directory)
        self.account = account
        self.data = os.path.join(self.directory, "data")
        self.log_path = os.path.join(self.directory, "postgres.log")
        self.port = free_port()
        self.bindir = find_bindir()
        self.process = None
        self._starts = None  # by the time of kill_backend()
        self._admin = None
        self._opened = []
        give_to(account, self.directory)

    def create(self):
        subprocess.run([f"{self.bindir}/initdb", "-D", self.data, "-A", "trust", "-U", "postgres",
                        "--no-sync", "--no-locale", "-E", "UTF8"],
                       check=True, stdout=subprocess.DEVNULL, cwd="/", **popen_as(self.account))
        with open(os.path.join(self.data, "postgresql.conf"), "a") as conf:
            conf.write(SETTINGS.format(port=self.port, directory=self.directory))
            conf.write(self.settings)
        self.start()
        self.sql("create database app")
        self.sql("create database other")
        with psycopg.connect(self.conninfo("app", "postgres"), autocommit=True) as conn:
            conn.execute(OBJECTS)
            conn.execute("checkpoint")  # what is committed may be lost in a crash: see SETTINGS

    def start(self):
        log = open(self.log_path, "ab")
        self.process = subprocess.Popen([f"{self.bindir}/postgres", "-D", self.data], cwd="/",
                                        stdout=log, stderr=log, **popen_as(self.account))
        log.close()
        wait_until(self._is_up, 30, "PostgreSQL did not start")

    def _is_up(self):
        assert self.process.poll() is None, open(self.log_path).read()
        try:
            psycopg.connect(self.conninfo("postgres", "postgres")).close()
            return True
        except psycopg.OperationalError:
            return False

    def stop(self, how=signal.SIGINT):
        """SIGINT is a fast shutdown, SIGQUIT an immediate one."""
        self.close_connections()
        if self.process is not None:
            self.process.send_signal(how)
            self.process.wait(30)
            self.process = None

    def kill_backend(self, pid):
        """By SIGKILL, after which PostgreSQL ends all sessions and recovers: wait_recovered()."""
        self.close_connections()
        self._starts = self._count_starts()
        os.kill(pid, signal.SIGKILL)

    def wait_recovered(self):
        """Until PostgreSQL has started again after kill_backend(). That it answers is no sign:
        for a moment it does not yet know that one of its processes has gone."""
        wait_until(lambda: self._count_starts() > self._starts, 60, "PostgreSQL did not recover")

    def _count_starts(self):
        with open(self.log_path, "rb") as log:
            return log.read().count(b"database system is ready to accept connections")

    def ensure_up(self):
        if self.process is None:
            self.start()

    def conninfo(self, dbname="app", user="postgres"):
        return f"host=127.0.0.1 port={self.port} dbname={dbname} user={user} connect_timeout=10"

    def connect(self, dbname="app", user="alice", **more):
        """A direct connection, closed after the test."""
        conn = psycopg.connect(self.conninfo(dbname, user), autocommit=True, **more)
        self._opened.append(conn)
        return conn

    def close_connections(self):
        for conn in self._opened:
            conn.close()
        self._opened = []
        if self._admin is not None:
            self._admin.close()
            self._admin = None

    def sql(self, sql, params=None):
        """Runs a statement as superuser; returns the rows or None."""
        if self._admin is None or self._admin.closed:
            self._admin = psycopg.connect(self.conninfo("postgres"), autocommit=True)
        cursor = self._admin.execute(sql, params)
        return cursor.fetchall() if cursor.description else None

    def backends(self, where="true"):
        """Process ids of the sessions of clients, without our own."""
        return [pid for (pid,) in self.sql(
            "select pid from pg_stat_activity where backend_type = 'client backend'"
            f" and pid <> pg_backend_pid() and ({where}) order by backend_start, pid")]
