"""Where sequences are played: one cluster, a database for each way, a pooler for one of them."""

import contextlib
import os
import shutil
import tempfile
import time

import psycopg

from harness.account import ordinary_user
from harness.cluster import Cluster
from harness.pooler import Pooler
from harness.waiting import wait_until

USER = "alice"
STRAIGHT, POOLED = "straight", "pooled"
SESSIONS, DISTURBERS = 3, 3
# Keys of advisory locks from here on belong to disturbers, who exist on one side only.
DISTURBING_KEYS = 1000
SETTLE_S = 10

FRESH = """
set lock_timeout = '8s';
drop schema if exists public cascade;
create schema public authorization alice;
grant all on schema public to public;
set role alice;
create sequence shared_sequence;
create sequence shared_sequence_of_strangers;
grant all on all sequences in schema public to public;
""" + "".join(f"""
create table t{n}(id int primary key, a int, b text);
insert into t{n} select g, g * 10, 'row ' || g from generate_series(1, 5) g;
grant all on t{n} to public;
create function f{n}() returns int language sql as 'select {n}';
""" for n in range(SESSIONS)) + "reset role; reset lock_timeout;"

LOCKS = f"""
select count(*) from pg_locks l join pg_database d on d.oid = l.database
where locktype = 'advisory' and datname = %s and (classid <> 0 or objid < {DISTURBING_KEYS})
"""
LEFT = """
select 'advisory lock ' || objid from pg_locks l join pg_database d on d.oid = l.database
where locktype = 'advisory' and datname = %(name)s
union all
select state || ': ' || query from pg_stat_activity
where datname = %(name)s and backend_type = 'client backend' and state <> 'idle'
and pid <> pg_backend_pid()
"""
LEFT_TABLES = """
select 'temporary ' || relname from pg_class
where relpersistence = 't' and relkind in ('r', 'v', 'S')
"""


class Target:
    """One way to PostgreSQL: where clients connect to, and the database they come to."""

    def __init__(self, cluster, database, address, is_pooled, more=""):
        """more: SQL for tables besides those that all sequences know."""
        self.cluster, self.database, self.address = cluster, database, address
        self.fresh = FRESH + more
        self.is_pooled = is_pooled
        self.admin = psycopg.connect(cluster.conninfo(database, "postgres"), autocommit=True)

    def refresh(self):
        """The same tables as ever, whatever was done to them."""
        self.admin.execute(self.fresh, prepare=False)

    def lock_count(self):
        return self.admin.execute(LOCKS, (self.database,)).fetchone()[0]

    def wait_for_locks(self, count):
        wait_until(lambda: self.lock_count() == count, SETTLE_S,
                   f"{self.lock_count()} advisory locks, not {count}")

    def wait_for_end_of(self, pid):
        """A session that has left is gone when its process is."""
        wait_until(lambda: not self.admin.execute(
            "select from pg_stat_activity where pid = %s", (pid,)).fetchall(), SETTLE_S)

    def leftovers(self):
        """What is still there when everybody has left, after a while."""
        def left():
            found = self.admin.execute(LEFT, {"name": self.database}).fetchall()
            found += self.admin.execute(LEFT_TABLES).fetchall()
            return [text for (text,) in found]
        deadline = time.monotonic() + SETTLE_S
        found = left()
        while found and time.monotonic() < deadline:
            time.sleep(0.01)
            found = left()
        return found

    def close(self):
        self.admin.close()


class Place:
    """Owns all of it. mode "none" plays both sides straight: what differs then is noise."""

    def __init__(self, binary, mode="transaction", settings=None, cluster=None, directory=None,
                 more=""):
        self.mode, self.settings = mode, settings or {}
        self._stack = contextlib.ExitStack()
        self.directory = directory or self._make_directory()
        self.binary = shutil.copy(binary, os.path.join(self.directory, "pooler-differ")) \
            if mode != "none" else None
        self.cluster = cluster or self._make_cluster()
        for name in (STRAIGHT, POOLED):
            if not self.cluster.sql("select 1 from pg_database where datname = %s", (name,)):
                self.cluster.sql(f"create database {name}")
                self.cluster.sql("grant bob to alice")
        self.pooler = None
        address = ("127.0.0.1", self.cluster.port)
        self.straight = Target(self.cluster, STRAIGHT, address, False, more)
        self._stack.callback(self.straight.close)
        self.pooled = Target(self.cluster, POOLED, address, mode != "none", more)
        self._stack.callback(self.pooled.close)

    def _make_directory(self):
        path = tempfile.mkdtemp(prefix="pooler-differ-", dir="/tmp")
        os.chmod(path, 0o755)
        self._stack.callback(shutil.rmtree, path, ignore_errors=True)
        return path

    def _make_cluster(self):
        directory = os.path.join(self.directory, "pg")
        os.mkdir(directory)
        cluster = Cluster(directory, ordinary_user())
        cluster.create()
        self._stack.callback(cluster.stop)
        return cluster

    def new_pooler(self):
        """A pooler, and servers, that have seen nobody yet."""
        if self.mode == "none":
            return
        self.end_pooler()
        directory = tempfile.mkdtemp(prefix="p", dir=self.directory)
        self.pooler = Pooler(self.binary, directory, self.cluster, {POOLED: {}}, **{
            "pool_mode": self.mode, "default_pool_size": self.servers(),
            "max_pinned": self.servers(), **self.settings})
        self.pooler.start()
        self.pooled.address = self.pooler.address

    def servers(self):
        """Enough that nobody waits for long: whoever holds a server holds one."""
        if self.mode == "session":
            return 4 * (SESSIONS + DISTURBERS)
        return SESSIONS + DISTURBERS

    def end_pooler(self):
        """Ends it; fails when it did not end well."""
        if self.pooler is None:
            return
        pooler, self.pooler = self.pooler, None
        try:
            pooler.is_checked = False
            pooler.stop()
            wait_until(lambda: not self.cluster.backends(
                f"datname = '{POOLED}' and usename = '{USER}'"), SETTLE_S)
        finally:
            pooler.kill()
            shutil.rmtree(pooler.directory, ignore_errors=True)

    def close(self):
        try:
            self.end_pooler()
        finally:
            self._stack.close()
