"""Fixtures: one PostgreSQL for the session, poolers and scripted servers for a test."""

import concurrent.futures
import os
import shutil
import signal
import tempfile

import pytest

from harness.account import ordinary_user
from harness.backend import Backend
from harness.cluster import Cluster
from harness.pooler import Pooler
from harness.tap import Tap
from harness.waiting import wait_until

pytest_plugins = ["harness.logins"]

LIMIT_S = 60


def pytest_configure(config):
    fd = os.environ.get("POOLER_TAP_FD")
    if fd:
        config.pluginmanager.register(Tap(int(fd)))
        config.option.tbstyle = "short"
        # Without a terminal nobody defines it, and assertions want it to explain themselves.
        config.option.verbose = 0


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_protocol(item):
    """No test may hang: after a minute it fails where it stands."""
    def too_long(*_):
        raise TimeoutError(f"the test took more than {LIMIT_S} s")
    before = signal.signal(signal.SIGALRM, too_long)
    marker = item.get_closest_marker("limit")
    signal.alarm(marker.args[0] if marker else LIMIT_S)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


@pytest.fixture(scope="session")
def workdir():
    """A short path (Unix sockets allow 107 bytes) that an ordinary user can enter."""
    path = tempfile.mkdtemp(prefix="pooler-e2e-", dir="/tmp")
    os.chmod(path, 0o755)
    yield path
    if os.environ.get("POOLER_KEEP"):
        print("kept", path)
    else:
        shutil.rmtree(path)


@pytest.fixture(scope="session")
def binary(workdir):
    """A copy of the program that an ordinary user may execute, wherever it was built."""
    built = os.path.abspath(os.environ.get("POOLER", "pooler"))
    if not os.access(built, os.X_OK):
        pytest.exit(f"no program at {built}: set POOLER", returncode=2)
    return shutil.copy(built, os.path.join(workdir, "pooler"))


@pytest.fixture(scope="session")
def running_cluster(workdir):
    directory = os.path.join(workdir, "pg")
    os.mkdir(directory)
    cluster = Cluster(directory, ordinary_user())
    cluster.create()
    yield cluster
    cluster.stop()


@pytest.fixture
def cluster(running_cluster):
    running_cluster.ensure_up()
    yield running_cluster
    running_cluster.close_connections()


@pytest.fixture
def make_pooler(cluster, binary, workdir):
    """A factory: make_pooler(pool_mode="session", databases={...}). Every pooler it made is
    ended after the test, with checks; PostgreSQL must see all of its connections go."""
    made, before = [], set(cluster.backends())

    def make(databases=None, users=None, start=True, args=(), nofile=None, **settings):
        directory = tempfile.mkdtemp(prefix="p", dir=workdir)
        pooler = Pooler(binary, directory, cluster, databases, users, **settings)
        made.append(pooler)
        if start:
            pooler.start(*args, nofile=nofile)
        else:
            pooler.write_config()
        return pooler

    yield make
    try:
        for pooler in made:
            pooler.stop()
    finally:
        for pooler in made:
            pooler.kill()
    cluster.close_connections()
    if cluster.process is not None:
        wait_until(lambda: set(cluster.backends()) <= before, 10, "PostgreSQL has sessions left")


@pytest.fixture
def pooler(make_pooler):
    """A pooler in transaction mode with nothing special."""
    return make_pooler()


@pytest.fixture
def make_backend():
    """A factory of scripted servers: make_backend(script)."""
    made = []

    def make(script):
        made.append(Backend(script))
        return made[-1]

    yield make
    for backend in made:
        backend.close()


@pytest.fixture
def later():
    """Calls a function in a thread: later(f, *args).result(timeout)."""
    pool = concurrent.futures.ThreadPoolExecutor(max_workers=64)
    yield pool.submit
    pool.shutdown(wait=False, cancel_futures=True)
