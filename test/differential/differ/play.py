"""Plays a sequence on one of the two sides.

A sequence is a list of steps, in the order in which they are done, each a dictionary:

    {"who": "0", "do": "login", "params": {...}}
    {"who": "0", "say": [messages], "later": true}
    {"who": "0", "do": "leave", "how": "terminate" | "close" | "reset"}
    {"who": "0", "do": "quiet"}

Sessions are "0", "1" and "2". "x0" and so on are disturbers: they exist on the pooled side
only, take servers away and leave dirt in them. What follows a step does not begin before
its answer is there, unless it says "later", so both sides do the same in the same order.
"""

import struct
import time

from harness.waiting import TooLate
from harness.wire import Closed, Refused

from .session import Session, TooSlow


LATE_S = 0.5


class Played:
    """What all sessions heard: a list of sessions, in the order in which they came."""

    def __init__(self):
        self.sessions = []   # those of the sequence, also those that left
        self.trouble = None  # what ended it early
        self.quiet = []      # notifications each had heard at each quiet point
        self.locks = []      # advisory locks there were after each leaving


def is_disturber(who):
    return who.startswith("x")


class Player:
    def __init__(self, target, bound_s=20.0, model=None):
        """model: what was played on the other side, which says what to wait for."""
        self.target, self.bound_s, self.model = target, bound_s, model
        self.played, self.present = Played(), {}

    def play(self, steps):
        try:
            for at, step in enumerate(steps):
                if is_disturber(step["who"]) and not self.target.is_pooled:
                    continue
                self._do(at, step)
            self._quiet(list(self.present.values()))
        except (TooSlow, TooLate) as slow:
            self.played.trouble = ("too slow", str(slow))
        except Refused as refused:
            self.played.trouble = ("refused", str(refused))
        except (Closed, OSError) as closed:
            self.played.trouble = ("closed", repr(closed))
        finally:
            for session in self.present.values():
                session.leave("terminate")
        return self.played

    def _do(self, at, step):
        who, what = step["who"], step.get("do", "say")
        if what == "login":
            self._login(who, step["params"])
        elif who not in self.present:
            return  # a shrunk sequence may have lost the login
        elif what == "leave":
            self._leave(who, step["how"])
        elif what == "quiet":
            self._quiet([self.present[who]])
        else:
            self.present[who].say(at, step["say"], step.get("later", False))
            self._wait_for_parameters(self.present[who])

    def _login(self, who, params):
        if who in self.present:
            self._leave(who, "terminate")
        session = Session(who, self.target.address, self.bound_s)
        self.present[who] = session
        if not is_disturber(who):
            self.played.sessions.append(session)
        session.login("alice", self.target.database, params)

    def _leave(self, who, how):
        session = self.present.pop(who)
        if session.owed:
            session.notifications.clear()  # how many of them came is chance
        elif not is_disturber(who):
            self._quiet([session])
        session.leave(how)
        if is_disturber(who):
            return
        if not self.target.is_pooled:
            self.target.wait_for_end_of(struct.unpack_from("!i", session.wire.key)[0])
        elif self.model:
            # Its server is cleaned after it has gone: what it held is free a little later.
            self.target.wait_for_locks(self.model.locks[len(self.played.locks)])
        self.played.locks.append(self.target.lock_count())

    def _quiet(self, sessions):
        """Waits until all notifications are there that were sent so far."""
        for session in sessions:
            if is_disturber(session.who):
                continue
            if not session.is_open and not session.is_over:
                # PostgreSQL delivers at the latest before the next ReadyForQuery.
                session.say(-1, [["S"]])
            if self.model and len(self.played.quiet) < len(self.model.quiet):
                self._wait_for_notifications(session,
                                             self.model.quiet[len(self.played.quiet)])
            self.played.quiet.append(len(session.notifications))

    def _wait_for_parameters(self, session):
        """A value may be told a moment after the answer, if the pooler had to set it."""
        if not self.model or is_disturber(session.who) or session.owed:
            return
        model = self.model.sessions[self.played.sessions.index(session)]
        at = len(session.entries) - 1
        if at < len(model.entries):
            session.wait_for_parameters(model.entries[at].params, LATE_S)

    def _wait_for_notifications(self, session, count):
        deadline = time.monotonic() + min(self.bound_s, 5)
        while len(session.notifications) < count and not session.is_over:
            if not session.poll(deadline - time.monotonic()):
                return


def play(steps, target, bound_s=20.0, model=None):
    return Player(target, bound_s, model).play(steps)
