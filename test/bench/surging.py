"""What the scenes of overload have in common: servers alike, the load, the capacity, goals."""

import dataclasses

from stage import Tool

SERVERS, QUERY_MS = 20, 10
QUERY = f"sleep_ms={QUERY_MS}"
LIMIT_MS = 100  # max_queue_wait
TRIES, ENOUGH = 3, 0.9  # of the capacity: how often, and how near to what is possible
STARVED = 0.15  # of the time, and figures mean little

# What bounds the wait. PgBouncer knows whole seconds only, and ends the connection.
BOUNDS = {"pooler": f"max_queue_wait = {LIMIT_MS}ms", "pgbouncer": "query_wait_timeout = 1"}


@dataclasses.dataclass
class Goal:
    what: str
    value: float
    limit: float
    at_least: bool = False

    def __str__(self):
        is_met = self.value >= self.limit if self.at_least else self.value <= self.limit
        sign = ">=" if self.at_least else "<="
        return f"{self.what}: {self.value:.2f} {sign} {self.limit:g} " + ("met" if is_met else "MISSED")


def starved(figures):
    """For which share of the time the load, or the process in the middle, was kept from a processor."""
    return max(figures["own_waited_share"], figures.get("watch_waited_share", 0))


class Surge(Tool):
    """The load that doesn't wait for answers. Each go() has figures of its own."""

    def __init__(self, stage, port, args):
        super().__init__(stage, "surge", port, args)
        stage.cleanup.callback(self.stop)
        self.stage = stage

    def go(self, seconds, *rates):
        self.figures = {}
        figures = super().go(" ".join(f"{number:.3f}" for number in (seconds, *rates)))
        if starved(figures) > STARVED:
            self.stage.note(f"load or pooler were kept from a processor for more than {STARVED:.0%} of the time: "
                            "the machine is too busy, and what is shown of that is partly its doing")
        return figures


def bounds_of(stage, middle):
    return (stage.options.bound or BOUNDS["pooler"]) if middle.name == "pooler" else BOUNDS[middle.name]


def _measure_capacity(stage, middle):
    """Queries a second when all servers are always busy and the line is short: the best of a few."""
    process = stage.start(middle, SERVERS, (bounds_of(stage, middle),))
    best = 0
    try:
        for _ in range(TRIES):
            load = Tool(stage, "load", process.port,
                        ("--wait", "--clients", 3 * SERVERS, "--query", QUERY, "--warmup", 0.5,
                         "--duration", min(2, stage.options.seconds / TRIES)))
            try:
                best = max(best, load.go()["queries_per_s"])
            finally:
                load.stop()
    finally:
        stage.cleanup.close()
    return best


def capacity_of(stage):
    """Of the servers, as the better of the poolers reaches it; measured once."""
    if stage.capacity is None:
        stage.capacity = max(_measure_capacity(stage, middle) for middle in stage.middles)
        stage.say(f"capacity C: {stage.capacity:.0f} queries a second")
        if stage.capacity < ENOUGH * SERVERS * 1000 / QUERY_MS:
            stage.note(f"the capacity C is only {stage.capacity:.0f}: the machine is too busy, and what is "
                       "above that is not really overload")
    return stage.capacity
