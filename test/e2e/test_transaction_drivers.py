"""Applications that know nothing of a pooler, with drivers as they come, through transaction
mode with fewer servers than clients: whoever comes back gets another server.

The same programs run directly and in session mode, where they must work in any case.
"""

import threading

import psycopg
import pytest

from harness.applications import PROGRAMS, Kitchen, Missing

SERVERS = 3
DATABASE = "work"


@pytest.fixture(scope="module")
def kitchen(workdir, tmp_path_factory):
    return Kitchen(str(tmp_path_factory.mktemp("applications")))


@pytest.fixture
def database(cluster):
    """An empty one that belongs to alice. Servers of a pooler may still be in it at the end."""
    cluster.sql(f"create database {DATABASE} owner alice")
    yield DATABASE
    cluster.sql(f"drop database {DATABASE} with (force)")


class Crowd:
    """As many others as there are servers, always in short transactions: so everybody waits
    in line, and gets the server that is free next."""

    def __init__(self, pooler, dbname):
        self.is_over = threading.Event()
        self.failures = []
        self.threads = [threading.Thread(target=self.work, args=(pooler.conninfo(dbname),))
                        for _ in range(SERVERS)]
        for thread in self.threads:
            thread.start()

    def work(self, conninfo):
        try:
            with psycopg.connect(conninfo, autocommit=True) as conn:
                while not self.is_over.is_set():
                    conn.execute("begin; select pg_sleep(0.001); commit")
        except psycopg.Error as failure:
            self.failures.append(failure)

    def end(self):
        self.is_over.set()
        for thread in self.threads:
            thread.join(30)
        assert not self.failures, self.failures


@pytest.fixture
def prepare(kitchen):
    """The program of that name, ready; skips where it cannot be had."""
    def get(name):
        try:
            PROGRAMS[name].command(kitchen)
        except Missing as missing:
            pytest.skip(str(missing))
        return PROGRAMS[name]
    return get


def assert_is_well(program, outcome):
    assert not outcome.failures, (outcome.failures, outcome.stderr[-3000:])
    assert (outcome.status, len(outcome.pids)) == (0, program.steps), outcome


def assert_keeps_its_server(outcome):
    for name, pids in outcome.pids.items():
        assert name in ("pipelines", "with_asyncpg") or len(set(pids)) <= 1, (name, pids)


def assert_changes_servers(outcome):
    for name, pids in outcome.pids.items():
        assert not pids or len(set(pids)) > 1, f"{name} was on one server only"


everybody = pytest.mark.parametrize("name", PROGRAMS)


@everybody
@pytest.mark.limit(400)
def test_through_transaction_mode_on_changing_servers(name, prepare, kitchen, database,
                                                      make_pooler):
    program = prepare(name)
    pooler = make_pooler(databases={database: {}}, default_pool_size=SERVERS)
    crowd = Crowd(pooler, database)
    try:
        outcome = program.run(kitchen, pooler.port, database, "alice")
    finally:
        crowd.end()
    assert_is_well(program, outcome)
    assert_changes_servers(outcome)


@everybody
@pytest.mark.long
@pytest.mark.limit(400)
def test_through_session_mode(name, prepare, kitchen, database, make_pooler):
    program = prepare(name)
    pooler = make_pooler(databases={database: {}}, pool_mode="session", default_pool_size=30)
    outcome = program.run(kitchen, pooler.port, database, "alice")
    assert_is_well(program, outcome)
    assert_keeps_its_server(outcome)


@everybody
@pytest.mark.long
@pytest.mark.limit(400)
def test_directly_as_a_control(name, prepare, kitchen, database, cluster):
    program = prepare(name)
    outcome = program.run(kitchen, cluster.port, database, "alice")
    assert_is_well(program, outcome)
    assert_keeps_its_server(outcome)
