"""pgbench through the pooler: many clients, few servers, no errors, balances equal."""

import re
import subprocess

import pytest

from harness.waiting import TooLate, wait_until

CAP = 10


@pytest.fixture(scope="module")
def bench_database(running_cluster):
    """A database filled by pgbench -i, through nothing."""
    running_cluster.ensure_up()
    running_cluster.sql("drop database if exists bench")
    running_cluster.sql("create database bench owner alice")
    pgbench(running_cluster, running_cluster.port, "-i", "-s", "2", "-q")
    yield "bench"
    running_cluster.ensure_up()
    running_cluster.sql("drop database bench with (force)")


def pgbench(cluster, port, *args):
    done = subprocess.run([f"{cluster.bindir}/pgbench", "-h", "127.0.0.1", "-p", str(port), "-U",
                           "alice", *args, "bench"], capture_output=True, text=True, timeout=100)
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout


def start_pgbench(cluster, port, *args):
    return subprocess.Popen([f"{cluster.bindir}/pgbench", "-h", "127.0.0.1", "-p", str(port),
                             "-U", "alice", *args, "bench"], stdout=subprocess.PIPE,
                            stderr=subprocess.STDOUT, text=True)


def balances(cluster):
    with cluster.connect("bench") as direct:
        return direct.execute(
            "select (select sum(abalance) from pgbench_accounts),"
            " (select sum(bbalance) from pgbench_branches),"
            " (select sum(tbalance) from pgbench_tellers),"
            " (select coalesce(sum(delta), 0) from pgbench_history)").fetchone()


def run_and_watch(pooler, cluster, transactions, *args):
    """Runs pgbench; returns the most servers PostgreSQL saw. Every transaction must count."""
    process = start_pgbench(cluster, pooler.port, *args)
    most = 0
    try:
        while process.poll() is None:
            most = max(most, len(cluster.backends("datname = 'bench'")))
            try:
                wait_until(lambda: process.poll() is not None, 0.05)
            except TooLate:
                pass
        output = process.stdout.read()
    finally:
        process.kill()
        process.wait()
    assert process.returncode == 0, output[-3000:]
    found = re.search(r"transactions actually processed: (\d+)", output)
    assert found and int(found.group(1)) == transactions, output
    failed = re.search(r"number of failed transactions: (\d+)", output)
    assert not failed or failed.group(1) == "0"
    return most


@pytest.fixture
def bench(make_pooler, bench_database):
    def make(mode, **settings):
        return make_pooler(pool_mode=mode, databases={"bench": {"pool_size": CAP}},
                           max_queue=-1, **settings)
    return make


@pytest.mark.long
def test_pgbench_fills_its_tables_through_the_pooler(bench, cluster):
    for mode in ("session", "transaction"):
        pooler = bench(mode)
        pgbench(cluster, pooler.port, "-i", "-s", "1", "-q")
    pgbench(cluster, cluster.port, "-i", "-s", "2", "-q")


@pytest.mark.long
@pytest.mark.parametrize("mode, protocol", [
    ("session", "simple"), ("session", "extended"), ("session", "prepared"),
    ("transaction", "simple"), ("transaction", "extended")])
def test_balances_are_equal_and_the_cap_holds(bench, cluster, mode, protocol):
    pooler = bench(mode)
    clients = CAP if mode == "session" else 40
    each = 1000 // clients
    most = run_and_watch(pooler, cluster, clients * each, "-n", "-M", protocol, "-c", str(clients),
                         "-j", "2", "-t", str(each))
    assert 1 <= most <= CAP
    assert len(set(balances(cluster))) == 1


@pytest.mark.long
def test_two_hundred_clients_share_ten_servers(bench, cluster):
    pooler = bench("transaction")
    most = run_and_watch(pooler, cluster, 200 * 10, "-n", "-c", "200", "-j", "2", "-t", "10")
    assert most <= CAP
    assert len(set(balances(cluster))) == 1
    assert pooler.pool("bench")["cl_active"] == 0


@pytest.mark.long
@pytest.mark.parametrize("mode", ["session", "transaction"])
def test_a_connection_for_every_transaction(bench, cluster, mode):
    pooler = bench(mode)
    most = run_and_watch(pooler, cluster, 20 * 20, "-n", "-C", "-S", "-c", "20", "-j", "2",
                         "-t", "20")
    assert most <= CAP


@pytest.mark.long
def test_pipelines_of_pgbench(bench, cluster, tmp_path):
    script = tmp_path / "pipeline.sql"
    script.write_text("\\startpipeline\nselect 1;\nselect 2;\nselect 3;\n\\endpipeline\n")
    pooler = bench("transaction")
    most = run_and_watch(pooler, cluster, 30 * 20, "-n", "-M", "extended", "-f", str(script), "-c",
                         "30", "-j", "2", "-t", "20")
    assert most <= CAP
