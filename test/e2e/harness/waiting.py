"""Waiting for events, with a bound; choosing ports."""

import random
import socket
import time


class TooLate(AssertionError):
    """Something that had to happen did not happen in time."""


def wait_until(condition, timeout=10.0, what=None):
    """Returns the first true value of condition(); fails after timeout seconds."""
    deadline = time.monotonic() + timeout
    pause = 0.002
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise TooLate(what or f"still {value!r} after {timeout} s")
        time.sleep(pause)
        pause = min(pause * 1.5, 0.05)


def holds_for(condition, seconds):
    """True when condition() stays true for the whole time. For what must not happen."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if not condition():
            return False
        time.sleep(0.02)
    return True


def free_port(taken=()):
    """A TCP port that nobody uses and that is none of taken, outside the range of outgoing
    connections."""
    for _ in range(200):
        port = random.randrange(15000, 32000)
        if port in taken:
            continue
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise TooLate("no free TCP port found")
