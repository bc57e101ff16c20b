"""On whose account the receiving half of loopback goes.

A segment over loopback is received within the send() of its sender, so the half of the work that a
network leaves to the other machine, the waking of its program included, counts as the sender's.
Linux can hand it to another processor (receive packet steering), as a network card would.
"""

import contextlib
import pathlib

from stage import Trouble

STEERING = pathlib.Path("/sys/class/net/lo/queues/rx-0/rps_cpus")


@contextlib.contextmanager
def received_on(cpus):
    """Until the end, loopback receives on these processors; it is the whole machine's loopback."""
    mask = sum(1 << cpu for cpu in cpus)
    try:
        before = STEERING.read_text()
        STEERING.write_text(grouped(mask))
    except OSError as error:
        raise Trouble(f"{STEERING}: {error.strerror}: --steer wants root and a kernel with RPS") from error
    try:
        yield
    finally:
        STEERING.write_text(before)


def grouped(mask):
    """In groups of 32 bits, the highest first, as the kernel wants it."""
    groups = []
    while mask:
        groups.append(f"{mask & 0xffffffff:08x}")
        mask >>= 32
    return ",".join(reversed(groups))
