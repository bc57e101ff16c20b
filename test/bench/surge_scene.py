"""Open-loop load from half of what the servers can do up to ten times that."""

from chart import Axis, Chart, Line
from stage import Trouble
from surging import LIMIT_MS, QUERY, QUERY_MS, SERVERS, Goal, Surge, bounds_of, capacity_of, starved

LOADS = (0.5, 0.9, 1, 1.2, 2, 5, 10)
CALM, CALM_S = 0.5, 5  # what follows each overload, to see when all is normal again
IN_TIME_MS = 1.3 * LIMIT_MS
NORMAL_MS = 3 * QUERY_MS
COLORS = {"pooler": "#0b6fb8", "pgbouncer": "#c4561a"}


class SurgeScene:
    name = "surge"
    what = "open loop, 0.5 to 10 times the capacity"

    def run(self, stage):
        self.capacity = capacity_of(stage)
        self.results = {}
        for middle in stage.middles:
            try:
                self.results[middle.name] = self._sample(stage, middle)
            finally:
                stage.cleanup.close()
        return {"capacity": self.capacity, "results": self.results}

    def _sample(self, stage, middle):
        process = stage.start(middle, SERVERS, (bounds_of(stage, middle),))
        surge = Surge(stage, process.port,
                      ("--watch", process.pid, "--in-time", IN_TIME_MS, "--normal", NORMAL_MS,
                       "--crowd", "all", "--clients", stage.options.clients, "--query", QUERY))
        surge.go(1, CALM * self.capacity)  # opens the servers
        samples = []
        for load in LOADS:
            stage.say(f"{middle.name}: {load:g} C for {stage.options.seconds:g} s")
            figures = surge.go(stage.options.seconds, load * self.capacity)
            figures["load"] = load
            after = surge.go(CALM_S, CALM * self.capacity)
            figures["settled_ms"] = after["all_settled_ms"]
            if process.popen.poll() is not None:
                raise Trouble(f"{middle.name} ended at {load:g} C")
            samples.append(figures)
        return samples

    # ---- report

    def goodput(self, figures, key):
        return figures[f"all_{key}"] / figures["elapsed_s"] / self.capacity

    def print(self, stage):
        print(f"capacity C = {self.capacity:.0f} queries a second: {SERVERS} servers of {QUERY_MS} ms; "
              f"{stage.options.clients} clients over loopback TCP{', steered' if stage.options.steer else ''}; "
              f"{stage.options.seconds:g} s each")
        for middle in stage.middles:
            print(f"{middle.name}: {bounds_of(stage, middle)}")
        form = "{:<11}{:>6}{:>10}{:>11}{:>9}{:>9}{:>9}{:>9}{:>9}{:>9}{:>9}{:>8}{:>11}{:>9}"
        print(form.format("", "load/C", "served/C", "in time/C", "p50 ms", "p99 ms", "refused", "p50 ms",
                          "p99 ms", "ended", "unmet", "CPU", "normal in", "starved"))
        for name, samples in self.results.items():
            for figures in samples:
                print(form.format(name, f"{figures['load']:g}", *self._cells(figures)))
        for goal in self.goals():
            print(goal)

    def _cells(self, f):
        def ms(key):
            return f"{f[key] / 1000:.1f}" if key in f else "-"

        settled = f["settled_ms"]
        return (f"{self.goodput(f, 'served'):.3f}", f"{self.goodput(f, 'in_time'):.3f}",
                ms("all_served_p50_us"), ms("all_served_p99_us"),
                f"{f.get('all_error_53300', 0):.0f}", ms("all_error_53300_p50_us"),
                ms("all_error_53300_p99_us"), f"{f['all_ended']:.0f}", f"{f['all_unmet']:.0f}",
                f"{f['watch_cpu_share']:.3f}",
                f"{settled:.0f} ms" if settled >= 0 else f"> {CALM_S - 0.7:g} s",
                f"{starved(f):.0%}")

    def goals(self):
        samples = self.results.get("pooler", [])
        above = [f for f in samples if f["load"] > 1]
        if not above:
            return
        yield Goal("goodput / C above C, at least",
                   min(self.goodput(f, "served") for f in above), 0.97, at_least=True)
        yield Goal("p99 of what is served [ms]",
                   max(f["all_served_p99_us"] for f in above) / 1000, IN_TIME_MS)
        yield Goal("p99 of rejections [ms]",
                   max(f.get("all_error_53300_p99_us", 0) for f in above) / 1000, 5)
        yield Goal("CPU at 10 C to that at 1 C", samples[-1]["watch_cpu_share"]
                   / next(f["watch_cpu_share"] for f in samples if f["load"] == 1), 2)
        yield Goal("normal again after [s]",
                   max(f["settled_ms"] if f["settled_ms"] >= 0 else 1e6 for f in above) / 1000, 1)

    # ---- pictures

    def draw(self, directory):
        self._draw_goodput().write(directory / "overload-goodput.svg")
        self._draw_p99().write(directory / "overload-p99.svg")

    def _axis(self):
        return Axis("load offered / capacity", LOADS[0], LOADS[-1], LOADS, is_log=True)

    def _draw_goodput(self):
        chart = Chart(f"Goodput: {SERVERS} servers of {QUERY_MS} ms", self._axis(),
                      Axis("answers / capacity", 0, 1.1, (0, 0.2, 0.4, 0.6, 0.8, 1)))
        for name, samples in self.results.items():
            for key, words, dashed in (("in_time", f"answered within {IN_TIME_MS:g} ms", False),
                                       ("served", "answered at all", True)):
                chart.add(Line(f"{name}, {words}", COLORS[name],
                               [(f["load"], self.goodput(f, key)) for f in samples], dashed))
        return chart

    def _draw_p99(self):
        chart = Chart(f"Latency: {SERVERS} servers of {QUERY_MS} ms", self._axis(),
                      Axis("ms", 0.1, 10000, (0.1, 1, 10, 100, 1000, 10000), is_log=True))
        chart.mark(IN_TIME_MS, f"1.3 x max_queue_wait = {IN_TIME_MS:g} ms")
        for name, samples in self.results.items():
            for key, words, dashed in (("all_served_p99_us", "p99 of what is served", False),
                                       ("all_error_53300_p99_us", "p99 of rejections", True)):
                points = [(f["load"], f[key] / 1000) for f in samples if key in f]
                if points:
                    chart.add(Line(f"{name}, {words}", COLORS[name], points, dashed))
        return chart
