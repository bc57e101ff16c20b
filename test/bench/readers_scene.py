"""Clients that hardly read, beside others that do."""

import threading

from readers import Readers
from surging import QUERY, SERVERS, Goal, Surge, bounds_of, capacity_of

READERS, NORMAL = 100, 200
RATE = 0.5  # of the capacity of the servers that are left
BIG = "rows=100 bytes=10000 times=1000"  # a gigabyte
MEMORY = 16 << 20
SAMPLE_S = 0.1


class Peak:
    """The most anonymous memory of a process while it lasts."""

    def __init__(self, process):
        self.process, self.bytes = process, process.rss_anon()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()

    def _watch(self):
        while not self._stop.wait(SAMPLE_S):
            self.bytes = max(self.bytes, self.process.rss_anon())

    def stop(self):
        self._stop.set()
        self._thread.join()
        return self.bytes


class ReadersScene:
    name = "readers"
    what = f"{READERS} clients that read a byte a second from a gigabyte, {NORMAL} normal ones"

    def run(self, stage):
        self.capacity = capacity_of(stage)
        self.results = {}
        for middle in stage.middles:
            stage.say(middle.name)
            try:
                self.results[middle.name] = self._sample(stage, middle)
            finally:
                stage.cleanup.close()
        return self.results

    def _sample(self, stage, middle):
        settings = [bounds_of(stage, middle)]
        if middle.name == "pooler":
            settings.append(f"max_buffer_memory = {MEMORY}")
        process = stage.start(middle, READERS + SERVERS, settings)
        surge = Surge(stage, process.port, ("--watch", process.pid, "--crowd", "normal", "--clients", NORMAL,
                                            "--query", QUERY))
        surge.go(1, RATE * self.capacity)
        alone = surge.go(stage.options.seconds / 2, RATE * self.capacity)
        before = process.rss_anon()
        peak = Peak(process)
        stage.cleanup.callback(peak.stop)
        readers = Readers(process.port, READERS, BIG)
        stage.cleanup.callback(readers.stop)
        surge.go(1, RATE * self.capacity)  # until the pipes are full
        beside = surge.go(stage.options.seconds, RATE * self.capacity)
        return {"alone": alone, "beside": beside, "readers_ended": readers.ended,
                "grown_bytes": peak.stop() - before}

    def print(self, stage):
        form = "{:<11}{:>12}{:>12}{:>12}{:>12}{:>10}{:>9}{:>9}{:>15}"
        print(form.format("readers", "alone p50", "p99 ms", "beside p50", "p99 ms", "served", "refused", "CPU",
                          "memory grew MB"))
        for name, result in self.results.items():
            cells = [f"{result[when][f'normal_served_{key}_us'] / 1000:.1f}"
                     for when in ("alone", "beside") for key in ("p50", "p99")]
            beside = result["beside"]
            print(form.format(name, *cells, f"{beside['normal_served']:.0f}",
                              f"{beside.get('normal_error_53300', 0):.0f}",
                              f"{beside['watch_cpu_share']:.3f}", f"{result['grown_bytes'] / 2**20:.1f}"))
            if result["readers_ended"]:
                print(f"{name}: {result['readers_ended']} readers were disconnected")
        for goal in self.goals():
            print(goal)

    def goals(self):
        result = self.results.get("pooler")
        if not result:
            return
        yield Goal("p99 of the normal ones, beside the readers to alone",
                   result["beside"]["normal_served_p99_us"] / result["alone"]["normal_served_p99_us"], 1.5)
        yield Goal("memory [MB], max_buffer_memory", result["grown_bytes"] / 2**20, MEMORY >> 20)
