"""One connection of a sequence: sends messages, writes down what comes back.

Notifications and parameter statuses are kept apart, since PostgreSQL does not promise
where between the answers they stand.
"""

import re
import select
import struct
import time

from harness import wire

from .messages import Ending, encode

FIRST_OWN_OID = 16384
VARIES = re.compile(r"pg_temp_\d+|pg_toast_temp_\d+|0x[0-9A-F]+")


class TooSlow(Exception):
    """No answer within the bound."""


def known_oid(oid):
    """Objects made in a sequence have other numbers in the other database."""
    return oid if oid < FIRST_OWN_OID else "own"


def described(body):
    (count,) = struct.unpack_from("!h", body)
    columns, at = [], 2
    for _ in range(count):
        end = body.index(b"\0", at)
        table, number, kind, size, modifier, form = struct.unpack_from("!IhIhih", body, end + 1)
        columns.append((body[at:end].decode(errors="replace"), known_oid(table), number,
                        known_oid(kind), size, modifier, form))
        at = end + 19
    return tuple(columns)


def row(body):
    (count,) = struct.unpack_from("!h", body)
    values, at = [], 2
    for _ in range(count):
        (length,) = struct.unpack_from("!i", body, at)
        at += 4
        if length < 0:
            values.append(None)
            continue
        values.append(body[at:at + length].decode(errors="backslashreplace"))
        at += length
    return tuple(values)


def told(body):
    """What counts of an error or a notice."""
    fields = wire.fields_of(body)
    return (fields.get("V"), fields.get("C"), VARIES.sub("~", fields.get("M", "")))


def taken_types(body):
    (count,) = struct.unpack_from("!h", body)
    return tuple(known_oid(oid) for oid in struct.unpack_from(f"!{count}I", body, 2))


READERS = {
    "T": described, "D": row, "E": told, "N": told, "t": taken_types,
    "C": lambda body: body[:-1].decode(), "Z": lambda body: body.decode(),
    "d": lambda body: body.decode(errors="backslashreplace"),
}


class Entry:
    """The answer to one step."""

    def __init__(self, at):
        self.at = at
        self.heard = []   # (letter, content)
        self.params = {}  # as they were told when the answer had ended
        self.is_late = False  # some of them came behind it

    @property
    def status(self):
        """The last ReadyForQuery."""
        return next((c for letter, c in reversed(self.heard) if letter == "Z"), None)

    def errors(self):
        return [content for letter, content in self.heard if letter == "E"]


class Session:
    """who is its name in the script."""

    def __init__(self, who, address, bound_s):
        self.who, self.bound_s = who, bound_s
        self.wire = wire.Wire(address, bound_s)
        self.entries, self.notifications = [], []
        self.pids = []           # which servers it found itself on
        self.is_open = False     # a batch waits for its Sync
        self.owed = 0            # answers to earlier steps that nobody has waited for
        self.is_over = False
        self._entry = Entry(-1)
        self._in = bytearray()

    def login(self, user, database, params):
        self.wire.login(user, database, **params)
        self.wire.socket.setblocking(False)

    @property
    def params(self):
        return self.wire.params

    def say(self, at, messages, later=False):
        """Does one step. later: whoever comes next waits for the answer."""
        if self.is_over:
            return
        ending = Ending(messages, self.is_open)
        if later and ending.kind != "count":
            later = False
        self._begin(at)
        if self.owed and ending.kind != "count":
            self._read(lambda: self.owed <= 0)
        self._send(encode(messages + ending.tail))
        self.is_open = ending.is_open
        self.owed += ending.ready if ending.kind == "count" else 0
        if later:
            return
        seen = len(self._entry.heard)
        if ending.kind == "count":
            self._read(lambda: self.owed <= 0)
        elif ending.kind == "mark":
            self._read(lambda: self._ends_with("3333Z", seen))
            self.owed = 0
        else:
            self._read(lambda: self._ends_with("3333", seen) or self._has_failed(seen))
        self._entry.params = dict(self.params)

    def _begin(self, at):
        if not self.owed:
            self._entry = Entry(at)
            self.entries.append(self._entry)

    def _ends_with(self, letters, seen):
        tail = "".join(letter for letter, _ in self._entry.heard[seen:][-len(letters):])
        return tail == letters

    def _has_failed(self, seen):
        return any(letter == "E" for letter, _ in self._entry.heard[seen:])

    def _send(self, data):
        """Reads while it writes: neither side may wait for the other."""
        deadline = time.monotonic() + self.bound_s
        while data and not self.is_over:
            left = deadline - time.monotonic()
            if left <= 0:
                raise TooSlow(f"{self.who} cannot send")
            readable, writable, _ = select.select([self.wire.socket], [self.wire.socket], [],
                                                  left)
            if readable:
                self._receive()
            if writable:
                try:
                    data = data[self.wire.socket.send(data):]
                except OSError:
                    self._end()

    def _read(self, is_done):
        deadline = time.monotonic() + self.bound_s
        while not self.is_over and not is_done():
            if not self.poll(deadline - time.monotonic()):
                raise TooSlow(f"{self.who} waits in step {self._entry.at}")

    def poll(self, seconds):
        """Takes what comes within this time; False when it was nothing."""
        readable, _, _ = select.select([self.wire.socket], [], [], max(seconds, 0))
        if readable:
            self._receive()
        return bool(readable)

    def wait_for_parameters(self, wanted, seconds):
        """Gives those that the answer did not tell as wanted a little time."""
        deadline = time.monotonic() + seconds
        while self.params != wanted and not self.is_over:
            if not self.poll(deadline - time.monotonic()):
                return
            self._entry.is_late = True
        self._entry.params = dict(self.params)

    def _receive(self):
        try:
            data = self.wire.socket.recv(1 << 18)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self._end()
            return
        self._in += data
        at = 0
        while len(self._in) - at >= 5:
            (length,) = struct.unpack_from("!i", self._in, at + 1)
            if len(self._in) - at <= length:
                break
            self._hear(chr(self._in[at]), bytes(self._in[at + 5:at + 1 + length]))
            at += 1 + length
        del self._in[:at]

    def _hear(self, letter, body):
        if letter == "A":
            channel, payload, _ = body[4:].split(b"\0")
            self.notifications.append((channel.decode(), payload.decode()))
            return
        if letter == "S":
            name, value, _ = body.split(b"\0")
            self.params[name.decode()] = value.decode(errors="replace")
            return
        content = READERS[letter](body) if letter in READERS else body.hex()
        if letter == "D" and content and (content[0] or "").startswith("server "):
            self.pids.append(content[0])
            content = ("server",)
        elif letter == "Z":
            self.owed -= 1
        self._entry.heard.append((letter, content))

    def _end(self):
        if not self.is_over:
            self.is_over = True
            self._entry.heard.append(("end", ""))

    def leave(self, how):
        """terminate: as is proper; close: without a word; reset: with RST."""
        if self.owed:
            self.entries.pop()  # how much of it came is chance
        if how == "terminate" and not self.is_over:
            try:
                self.wire.send(wire.terminate())
            except OSError:
                pass
        if how == "reset":
            self.wire.reset()
        else:
            self.wire.close()
        self.is_over = True
