"""Who gets what when some ask for more than there is: shares, weights, classes."""

import dataclasses

from stage import Trouble
from surging import LIMIT_MS, QUERY, SERVERS, Goal, Surge, bounds_of, capacity_of, starved

# Queries that all take the same keep servers in step, and whoever comes waits for a step.
VARYING = f"{QUERY} spread=50"

SMALL, TIMES = 0.1, 20  # of the capacity; and how much more the big one asks
EACH, WEIGHT = 2, 3  # times the capacity; of the heavier one
CRITICAL, LOW = 0.2, 5
CLIENTS = 2000  # of each crowd that asks too much

# Each user has a pool of its own, and the database's limit is what they share.
OWN_POOLS = "bench = host=127.0.0.1 port={backend} dbname=bench\n"
# All are the same user at the server, and so in one pool.
ONE_POOL = "bench = host=127.0.0.1 port={backend} dbname=bench user=bench\n"


@dataclasses.dataclass
class Case:
    """Two users: their rates as parts of the capacity, and what pooler is told of them."""

    name: str
    databases: str
    rates: dict
    users: str = ""
    goal: callable = None  # of the figures: alone, beside

    def settings(self, stage, middle):
        names = stage.new_path("userlist.txt")
        names.write_text("".join(f'"{name}" ""\n' for name in self.rates))
        settings = [bounds_of(stage, middle), f"max_db_connections = {SERVERS}",
                    f"auth_file = {names}"]
        if middle.name == "pooler" and self.users:
            settings += ["[users]", self.users]
        return settings


def growth_goal(alone, beside):
    return Goal("p99 of the small one, beside the big one to alone",
                beside["small_served_p99_us"] / alone["small_served_p99_us"], 1.5)


def weight_goal(_, beside):
    off = beside["heavy_served"] / max(1, beside["light_served"]) / WEIGHT - 1
    return Goal(f"off 1:{WEIGHT} by [%]", abs(off) * 100, 10)


def critical_goal(_, beside):
    return Goal("p99 of the critical ones [ms]", beside["critical_served_p99_us"] / 1000, LIMIT_MS)


def cases():
    for words, databases in (("own pools", OWN_POOLS), ("one pool", ONE_POOL)):
        yield Case(f"20 times as much, {words}", databases,
                   {"small": SMALL, "big": SMALL * TIMES}, goal=growth_goal)
        yield Case(f"weights 1:{WEIGHT}, {words}", databases, {"light": EACH, "heavy": EACH},
                   f"light = weight=1\nheavy = weight={WEIGHT}", weight_goal)
    yield Case("critical beside low, one pool", ONE_POOL, {"critical": CRITICAL, "low": LOW},
               "critical = priority=critical\nlow = priority=low", critical_goal)


class FairScene:
    name = "fair"
    what = "two users, one of whom asks too much, is heavier, or matters more"

    def run(self, stage):
        self.capacity = capacity_of(stage)
        self.results = []
        for case in cases():
            for middle in stage.middles:
                stage.say(f"{case.name}: {middle.name}")
                try:
                    self.results.append((case, middle.name, *self._sample(stage, middle, case)))
                except (Trouble, KeyError) as trouble:  # the other cases can do without
                    stage.fail(f"{case.name}, {middle.name}: {trouble!r}")
                finally:
                    stage.cleanup.close()
        return [{"case": case.name, "middle": name, "alone": alone, "beside": beside}
                for case, name, alone, beside in self.results]

    def _sample(self, stage, middle, case):
        process = stage.start(middle, SERVERS, case.settings(stage, middle), "trust", case.databases)
        args = []
        for name in case.rates:
            args += ["--crowd", name, "--user", name, "--clients", CLIENTS, "--query", VARYING]
        surge = Surge(stage, process.port, args)
        first, second = (rate * self.capacity for rate in case.rates.values())
        alone = surge.go(stage.options.seconds / 2, min(first, 0.8 * self.capacity), 0)
        surge.go(2, first, second)  # until the line is as long as it will be
        return alone, surge.go(stage.options.seconds, first, second)

    def print(self, stage):
        form = "{:<34}{:<11}{:<10}{:>8}{:>10}{:>9}{:>9}{:>9}{:>9}{:>10}{:>9}"
        print(form.format("fair", "", "user", "asks/C", "served/C", "p50 ms", "p99 ms", "alone", "refused",
                          "ended", "starved"))
        goals = []
        for case, middle, alone, beside in self.results:
            for name, rate in case.rates.items():
                print(form.format(case.name, middle, name, f"{rate:g}", *self._cells(name, alone, beside)))
            if middle == "pooler":
                goals.append((case, case.goal(alone, beside)))
        for case, goal in goals:
            print(f"{case.name}: {goal}")

    def _cells(self, name, alone, beside):
        def ms(figures, key):
            return f"{figures[key] / 1000:.1f}" if key in figures else "-"

        return (f"{beside[f'{name}_served'] / beside['elapsed_s'] / self.capacity:.3f}",
                ms(beside, f"{name}_served_p50_us"), ms(beside, f"{name}_served_p99_us"),
                ms(alone, f"{name}_served_p99_us"), f"{beside.get(f'{name}_error_53300', 0):.0f}",
                f"{beside[f'{name}_ended']:.0f}", f"{starved(beside):.0%}")
