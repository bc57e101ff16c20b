"""Compares what was heard on both sides. README.md explains what may differ."""

import json
from typing import NamedTuple

STALE_PLAN = "cached plan must not change result type"


class Difference(NamedTuple):
    at: int         # step, -1 for what belongs to none
    who: str
    what: str       # short, the same for the same kind of failure
    straight: object
    pooled: object
    trouble: tuple = (None, None)  # what ended each side early

    def describe(self):
        text = (f"session {self.who}, step {self.at}: {self.what}\n"
                f"  straight: {self.straight}\n  pooled:   {self.pooled}")
        for side, trouble in zip(("straight", "pooled"), self.trouble):
            if trouble:
                text += f"\n  {side} ended early: {trouble[0]}: {trouble[1]}"
        return text


class Verdict:
    def __init__(self):
        self.difference = None
        self.allowed = {}      # name of an allowed difference: how often
        self.cut_at = None     # the step behind which nothing is compared any more
        self.compared = 0      # answers

    def allow(self, name):
        self.allowed[name] = self.allowed.get(name, 0) + 1


class Sequences:
    """What a session has said of sequences: once it has asked for a value, what is stepped
    behind that keeps it at its server."""

    def __init__(self, steps):
        self.steps = steps
        self.has_asked = self.is_kept = False

    def note(self, entry):
        text = json.dumps(self.steps[entry.at].get("say", "")) if entry.at >= 0 else ""
        codes = [code for _, code, _ in entry.errors()]
        if self.has_asked and "nextval" in text and not codes and \
                any(letter == "D" for letter, _ in entry.heard):
            self.is_kept = True
        if ("currval" in text or "lastval" in text) and set(codes) <= {"55000"}:
            self.has_asked = True


class Doubts:
    """Where the values of rows are not compared: a step may say so ("loose"), and names of
    statements count for nothing after a step that failed and would have changed them."""

    def __init__(self, steps):
        self.steps = steps
        self.names = set()
        self.are_possible = any("loose" in step for step in steps)

    def note(self, entry):
        """Whether they are compared in this answer."""
        if not self.are_possible:
            return True
        step = self.steps[entry.at] if entry.at >= 0 else {}
        said = step.get("say", ())
        is_doubtful = step.get("loose", False) or any(self._uses(m) for m in said)
        made = {m[1] for m in said if m[0] == "P"} | {
            m[2] for m in said if m[0] == "C" and m[1] == "S"}
        self.names = self.names | made if entry.errors() else self.names - made
        return not is_doubtful

    def _uses(self, message):
        return message[0] in "BD" and message[2] in self.names or \
            message[0] == "Q" and any(f'"{name}"' in message[1] for name in self.names)


def is_allowed(straight, pooled, sequences):
    """The name of the reason for which these answers may differ, or None."""
    if any(text == STALE_PLAN for _, _, text in straight.errors()):
        return "a stale plan was prepared again"
    if not sequences.is_kept and any(
            code == "55000" and ("currval" in text or "lastval" in text)
            for _, code, text in pooled.errors()):
        return "the first currval of a session, for a value left in another server"
    if ("Z", "E") in straight.heard and ("Z", "E") in pooled.heard and straight.errors() and \
            any(code == "25P02" for _, code, _ in pooled.errors()):
        return "another complaint in an aborted transaction"
    return None


def without_texts(heard):
    """Errors and notices by their codes alone."""
    return [(letter, content[:2] if letter in "EN" else content) for letter, content in heard]


def short(token):
    """The kind of an answer, for telling failures apart."""
    if token is None:
        return "nothing"
    letter, content = token
    if letter in "EN":
        return f"{letter} {content[1]}"
    if letter == "Z":
        return f"Z {content}"
    return letter


def first_difference(one, other):
    for n in range(max(len(one), len(other))):
        a = one[n] if n < len(one) else None
        b = other[n] if n < len(other) else None
        if a != b:
            return n, a, b
    return None


def context(heard, n):
    """What was heard around the n-th answer."""
    return heard[max(0, n - 2):n + 2]


def shown(straight, pooled, n):
    """Both sides around the n-th answer; of two rows only the columns that differ."""
    a, b = context(straight, n), context(pooled, n)
    if n < len(straight) and n < len(pooled):
        (one, x), (other, y) = straight[n], pooled[n]
        if one == other == "D" and len(x) == len(y):
            differs = [at for at in range(len(x)) if x[at] != y[at]]
            return ([("D", {at: x[at] for at in differs})],
                    [("D", {at: y[at] for at in differs})])
    return a, b


def compare_entry(who, straight, pooled, is_loose):
    if straight.at != pooled.at:
        return Difference(min(straight.at, pooled.at), who, "steps", straight.at, pooled.at)
    view = without_texts if is_loose else list
    found = first_difference(view(straight.heard), view(pooled.heard))
    if found:
        n, a, b = found
        return Difference(straight.at, who, f"{short(a)} / {short(b)}",
                          *shown(straight.heard, pooled.heard, n))
    if straight.params != pooled.params:
        names = sorted(k for k in {*straight.params, *pooled.params}
                       if straight.params.get(k) != pooled.params.get(k))
        return Difference(straight.at, who, "parameters " + " ".join(names),
                          {k: straight.params.get(k) for k in names},
                          {k: pooled.params.get(k) for k in names})
    return None


def compare_session(verdict, steps, straight, pooled, is_loose):
    """All differences, since only the earliest of all sessions counts."""
    sequences, doubts = Sequences(steps), Doubts(steps)
    for a, b in zip(straight.entries, pooled.entries):
        sequences.note(a)
        is_certain = doubts.note(a)
        difference = compare_entry(straight.who, a, b, is_loose)
        verdict.compared += 1
        if b.is_late:
            verdict.allow("a parameter was told behind the answer")
        if difference is None:
            continue
        reason = is_allowed(a, b, sequences) if is_certain else \
            "what was prepared under other parameters"
        if reason is None:
            return difference
        verdict.allow(reason)
        if {a.status, b.status} not in ({"I"}, {"E"}) and (
                is_certain or a.status != b.status) or not is_certain and (
                    a.errors() or b.errors()):
            verdict.cut_at = min(a.at, a.at if verdict.cut_at is None else verdict.cut_at)
            return None
    return None


def compare_notifications(straight, pooled):
    found = first_difference(straight.notifications, pooled.notifications)
    if found is None:
        return None
    n, a, b = found
    what = "a notification is missing" if b is None else \
        "a notification too many" if a is None else "another notification"
    return Difference(-1, straight.who, what, straight.notifications[max(0, n - 3):n + 3],
                      pooled.notifications[max(0, n - 3):n + 3])


def compare(steps, straight, pooled, is_loose=False):
    """What came of the steps; straight and pooled: Played. The earliest difference counts.
    is_loose: texts of errors and notices do not."""
    verdict = Verdict()
    found = [d for d in (compare_session(verdict, steps, a, b, is_loose)
                         for a, b in zip(straight.sessions, pooled.sessions)) if d]
    if verdict.cut_at is not None:
        found = [d for d in found if d.at < verdict.cut_at]
    if found:
        first = min(found, key=lambda d: d.at)
        verdict.difference = first._replace(trouble=(straight.trouble, pooled.trouble))
    elif verdict.cut_at is not None:
        return verdict
    elif straight.trouble != pooled.trouble:
        a, b = straight.trouble, pooled.trouble
        verdict.difference = Difference(-1, "-", f"trouble {b and b[0]}", a, b)
    else:
        verdict.difference = next((d for d in (
            compare_notifications(a, b)
            for a, b in zip(straight.sessions, pooled.sessions)) if d), None)
    return verdict
