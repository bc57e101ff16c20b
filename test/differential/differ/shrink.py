"""Makes a failing sequence as short as it gets: first without steps, then without messages."""

import time


class Shrinker:
    """fails(steps) plays a sequence and says whether it fails in the same way."""

    def __init__(self, fails, limit_s=60.0):
        self.fails = fails
        self.deadline = time.monotonic() + limit_s
        self.tried = 0

    def is_over(self):
        return time.monotonic() > self.deadline

    def shrink(self, steps):
        before = None
        while steps != before and not self.is_over():
            before = steps
            steps = self._without_parts(steps, self.fails)
            for at in range(len(steps)):
                steps = self._shorten_step(steps, at)
        return steps

    def _try(self, fails, candidate):
        self.tried += 1
        return not self.is_over() and fails(candidate)

    def _without_parts(self, parts, fails):
        """Takes out ever smaller pieces, from behind."""
        size = max(len(parts) // 2, 1)
        while size and not self.is_over():
            at = len(parts)
            while at > 0:
                start = max(at - size, 0)
                candidate = parts[:start] + parts[at:]
                if candidate and self._try(fails, candidate):
                    parts = candidate
                at = start
            size //= 2
        return parts

    def _shorten_step(self, steps, at):
        def put(changed):
            return steps[:at] + [{**steps[at], **changed}] + steps[at + 1:]
        step = steps[at]
        if step.get("params"):
            pairs = self._without_parts(list(step["params"].items()) + [None], lambda part: (
                self.fails(put({"params": dict(p for p in part if p)}))))
            return put({"params": dict(p for p in pairs if p)})
        if len(step.get("say", ())) > 1:
            return put({"say": self._without_parts(
                step["say"], lambda part: self.fails(put({"say": part})))})
        return steps
