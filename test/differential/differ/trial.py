"""Plays sequences on both sides, counts, and shrinks what differs."""

import json
import time

from harness.waiting import TooLate

from .author import Author
from .play import play
from .shrink import Shrinker
from .verdict import Difference, compare

FRESH_EVERY = 25     # sequences for which the same pooler and servers are kept
SHRINKING_BOUND_S = 2.0


class Failure:
    """A sequence that differed. is_alone: it does with a fresh pooler, too."""

    def __init__(self, seed, steps, difference):
        self.seed, self.steps, self.difference = seed, steps, difference
        self.is_alone = True
        self.tried = 0

    def script(self):
        """One step in a line, to be read and to be replayed."""
        return "[\n" + ",\n".join(json.dumps(step) for step in self.steps) + "\n]\n"


class Tally:
    def __init__(self):
        self.sequences = self.steps = self.answers = self.cut = 0
        self.asked_pid = self.other_pid = 0
        self.allowed = {}
        self.began = time.monotonic()

    def add(self, steps, verdict, pooled):
        self.sequences += 1
        self.steps += len(steps)
        self.answers += verdict.compared
        self.cut += verdict.cut_at is not None
        for name, count in verdict.allowed.items():
            self.allowed[name] = self.allowed.get(name, 0) + count
        for session in pooled.sessions:
            for a, b in zip(session.pids, session.pids[1:]):
                self.asked_pid += 1
                self.other_pid += a != b

    def lines(self):
        seconds = time.monotonic() - self.began
        yield (f"{self.sequences} sequences, {self.steps} steps, {self.answers} answers compared"
               f" in {seconds:.0f} s")
        if self.asked_pid:
            yield (f"another server than when last asked: {self.other_pid} of {self.asked_pid}"
                   " times")
        for name, count in sorted(self.allowed.items()):
            yield f"allowed, {name}: {count}"
        if self.cut:
            yield f"compared only up to an allowed difference: {self.cut} sequences"


class Trial:
    def __init__(self, place, bound_s=20.0, is_loose=False, author=Author, **choices):
        """choices: those of the author, besides the seed."""
        self.author = author
        self.place, self.bound_s, self.choices = place, bound_s, choices
        self.is_loose = is_loose  # texts of errors do not count
        self.tally = Tally()
        self._until_fresh = 0

    def write(self, seed):
        return self.author(seed, **self.choices).write()

    def try_seed(self, seed):
        """A Failure, or None."""
        if self._until_fresh <= 0:
            self.place.new_pooler()
            self._until_fresh = FRESH_EVERY
        self._until_fresh -= 1
        steps = self.write(seed)
        verdict, pooled = self.judge(steps, self.bound_s)
        self.tally.add(steps, verdict, pooled)
        if verdict.difference is None:
            return None
        self._until_fresh = 0
        return Failure(seed, steps, verdict.difference)

    def judge(self, steps, bound_s):
        """Plays on both sides and compares."""
        self.place.straight.refresh()
        self.place.pooled.refresh()
        straight = play(steps, self.place.straight, bound_s)
        pooled = play(steps, self.place.pooled, bound_s, straight)
        verdict = compare(steps, straight, pooled, self.is_loose)
        pooler = self.place.pooler
        if pooler and not pooler.is_running():
            verdict.difference = Difference(-1, "-", "the pooler ended", None,
                                            pooler.output()[-800:])
        elif verdict.difference is None:
            verdict.difference = self.check_left()
        return verdict, pooled

    def check_left(self):
        left = self.place.pooled.leftovers()
        if not left:
            return None
        return Difference(-1, "-", f"left behind: {left[0].split()[0]}", None, left)

    def replay(self, steps, bound_s=None):
        """The difference, with a pooler that has seen nothing before."""
        try:
            self.place.new_pooler()
        except (AssertionError, TooLate):
            self.place.new_pooler()  # the last one ended badly; that was told already
        return self.judge(steps, bound_s or self.bound_s)[0].difference

    def shrink(self, failure, limit_s=60.0):
        """Changes the failure to the shortest that fails in the same way."""
        what = failure.difference.what
        found = self.replay(failure.steps, self.bound_s)
        if found is None or found.what != what:
            failure.is_alone = False
            return
        failure.difference = found

        def fails(steps):
            difference = self.replay(steps, SHRINKING_BOUND_S)
            if difference is None or difference.what != what:
                return False
            failure.difference = difference
            return True
        shrinker = Shrinker(fails, limit_s)
        failure.steps = shrinker.shrink(failure.steps)
        failure.tried = shrinker.tried
