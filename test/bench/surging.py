"""What the scenes of overload have in common: servers alike, the load, the capacity, goals."""

import dataclasses

from stage import Tool

SERVERS, QUERY_MS = 20, 10
QUERY = f"sleep_ms={QUERY_MS}"
LIMIT_MS = 100  # max_queue_wait
LATE_US = 5000  # the load keeps its schedule no better than that

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


class Surge(Tool):
    """The load that doesn't wait for answers. Each go() has figures of its own."""

    def __init__(self, stage, port, args):
        super().__init__(stage, "surge", port, args)
        stage.cleanup.callback(self.stop)
        self.stage = stage

    def go(self, seconds, *rates):
        self.figures = {}
        figures = super().go(" ".join(f"{number:.3f}" for number in (seconds, *rates)))
        for key, value in figures.items():
            if key.endswith("_lag_p99_us") and value > LATE_US:
                self.stage.note(
                    f"the load itself was late, by {value / 1000:.1f} ms (p99) at {sum(rates):.0f} a "
                    f"second, with {figures['own_cpu_share']:.0%} of a processor: what is shown of "
                    "that is partly its own doing")
        return figures


def bounds_of(stage, middle):
    return (stage.options.bound or BOUNDS["pooler"]) if middle.name == "pooler" else BOUNDS[middle.name]


def _measure_capacity(stage, middle):
    """Queries a second when all servers are always busy and the line is short."""
    process = stage.start(middle, SERVERS, (bounds_of(stage, middle),))
    load = Tool(stage, "load", process.port,
                ("--wait", "--clients", 3 * SERVERS, "--query", QUERY, "--warmup", 1,
                 "--duration", min(5, stage.options.seconds)))
    try:
        return load.go()["queries_per_s"]
    finally:
        load.stop()
        stage.cleanup.close()


def capacity_of(stage):
    """Of the servers, as the better of the poolers reaches it; measured once."""
    if stage.capacity is None:
        stage.capacity = max(_measure_capacity(stage, middle) for middle in stage.middles)
        stage.say(f"capacity C: {stage.capacity:.0f} queries a second")
    return stage.capacity
