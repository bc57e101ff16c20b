"""A pool that is too big for its PostgreSQL, and finds out."""

import os
import pathlib
import statistics
import sys

from stage import Tool, Trouble
from surging import Goal

SIZES = (1, 2, 4, 8, 16, 32, 100)
TOO_MANY = SIZES[-1]
CLIENTS, TURNS = 200, 3
LEARNING_S = 45  # at least; to try large steps, and then smaller ones
SERVERS_MAX = sum(SIZES) + 2 * TOO_MANY + 20  # all pools stay open between their turns
DATABASE = "bench = host=127.0.0.1 port={backend} dbname=app user=alice\n"


def start_postgresql(stage):
    """A new PostgreSQL on the processor of the load, by the harness of the end-to-end tests."""
    sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "e2e"))
    try:
        from harness.account import ordinary_user
        from harness.cluster import Cluster, find_bindir
    except ImportError as missing:
        raise Trouble(f"{missing}: psycopg (version 3) is needed") from missing
    if not find_bindir():
        raise Trouble("PostgreSQL's initdb is not installed")
    directory = stage.new_path("postgresql")
    directory.mkdir()
    cluster = Cluster(directory, ordinary_user(), f"max_connections = {SERVERS_MAX}\n")
    stage.cleanup.callback(cluster.stop)
    cluster.create()
    for pid in family(cluster.process.pid):
        os.sched_setaffinity(pid, stage.load_cpus)
    return cluster


def family(pid):
    """A process and its children; those that come later are where their parent is."""
    children = pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text()
    return [pid, *map(int, children.split())]


class GradientScene:
    name = "gradient"
    what = f"PostgreSQL on one processor, a pool of {TOO_MANY}, adaptive_pool, queries that compute"
    # Enough memory for each that a hundred of them push one another out of the caches.
    script = ("select count(*) from generate_series(1, 5000)",)

    def run(self, stage):
        cluster = start_postgresql(stage)
        self.prepare(cluster)
        contestants = self._start(stage, cluster.port)
        self.results = {name: [] for name in contestants}
        if "adaptive" in contestants:
            learning = max(LEARNING_S, stage.options.seconds)
            stage.say(f"adaptive: {learning:g} s to learn")
            self._turn(stage, contestants["adaptive"], learning)
        for turn in range(TURNS):
            stage.say(f"turn {turn + 1} of {TURNS}")
            order = list(contestants)[turn:] + list(contestants)[:turn]
            for name in order:
                self.results[name].append(
                    self._turn(stage, contestants[name], stage.options.seconds / TURNS))
        return self.results

    def prepare(self, cluster):
        pass

    def _start(self, stage, port):
        found = {}
        for middle in stage.middles:
            if middle.name == "pgbouncer":
                found[f"pgbouncer, {TOO_MANY}"] = middle.start(stage, port, TOO_MANY, databases=DATABASE)
                continue
            for size in SIZES:
                found[f"fixed, {size}"] = middle.start(stage, port, size, databases=DATABASE)
            found["adaptive"] = middle.start(stage, port, TOO_MANY, ("adaptive_pool = on",),
                                             databases=DATABASE)
        return found

    def _turn(self, stage, process, seconds):
        # With the pooler, since PostgreSQL is to have its processor for itself.
        queries = [word for query in self.script for word in ("--query", query)]
        load = Tool(stage, "load", process.port,
                    ("--wait", "--clients", CLIENTS, *queries, "--warmup", min(1, seconds / 3),
                     "--duration", seconds), cpus=stage.middle_cpus)
        try:
            figures = load.go()
        finally:
            load.stop()
        if figures["errors"] or figures["ended"]:
            raise Trouble(f"{figures['errors']:.0f} errors, {figures['ended']:.0f} ended")
        return {key: figures[key] for key in ("queries_per_s", "served_p50_us", "served_p99_us")}

    def _median(self, name, key):
        return statistics.median(turn[key] for turn in self.results[name])

    def print(self, stage):
        form = "{:<24}{:>12}{:>10}{:>10}"
        print(form.format("gradient", "queries/s", "p50 ms", "p99 ms"))
        for name in self.results:
            print(form.format(name, f"{self._median(name, 'queries_per_s'):.0f}",
                              f"{self._median(name, 'served_p50_us') / 1000:.1f}",
                              f"{self._median(name, 'served_p99_us') / 1000:.1f}"))
        fixed = [name for name in self.results if name.startswith("fixed")]
        if "adaptive" in self.results:
            best = max(self._median(name, "queries_per_s") for name in fixed)
            print(Goal("adaptive, to the best fixed size",
                       self._median("adaptive", "queries_per_s") / best, 0.95, at_least=True))


class LocksScene(GradientScene):
    name = "locks"
    what = f"the same, transactions that all update one of four rows"
    script = ("begin", "update note set body = id || 'x' where id = 1 + pg_backend_pid() % 4",
              "select count(*) from generate_series(1, 1000)", "commit")

    def prepare(self, cluster):
        with cluster.connect(user="postgres") as conn:
            conn.execute("insert into note select n, 'x' from generate_series(1, 4) n")
