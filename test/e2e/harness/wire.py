"""PostgreSQL's protocol 3, spoken by hand.

Drivers are too polite for most of what has to be tested: they never cut a message in
two, never go away in the middle of a COPY and never send garbage. Every read here has a
bound in time.
"""

import socket
import struct
from typing import NamedTuple

from . import scram

SSL_REQUEST = struct.pack("!ii", 8, 80877103)
GSS_REQUEST = struct.pack("!ii", 8, 80877104)
PROTOCOL_3 = 3 << 16


class Closed(Exception):
    """The peer closed the connection where a message was expected."""


class Refused(Exception):
    """A login was refused; fields holds the ErrorResponse."""

    def __init__(self, fields):
        super().__init__(fields)
        self.fields = fields


class Message(NamedTuple):
    type: str
    body: bytes


def cstring(text):
    return (text.encode() if isinstance(text, str) else text) + b"\0"


def message(letter, body=b""):
    return letter.encode() + struct.pack("!i", len(body) + 4) + body


def startup(params, version=PROTOCOL_3):
    body = struct.pack("!i", version)
    for name, value in params.items():
        body += cstring(name) + cstring(value)
    body += b"\0"
    return struct.pack("!i", len(body) + 4) + body


def cancel_request(key):
    return struct.pack("!ii", 8 + len(key), 80877102) + key


def query(sql):
    return message("Q", cstring(sql))


def parse(sql, name="", types=()):
    body = cstring(name) + cstring(sql) + struct.pack("!h", len(types))
    return message("P", body + b"".join(struct.pack("!I", oid) for oid in types))


def bind(params=(), name="", portal="", binary_results=False):
    body = cstring(portal) + cstring(name) + struct.pack("!hh", 0, len(params))
    for value in params:
        if value is None:
            body += struct.pack("!i", -1)
        else:
            value = value.encode() if isinstance(value, str) else value
            body += struct.pack("!i", len(value)) + value
    body += struct.pack("!hh", 1, 1) if binary_results else struct.pack("!h", 0)
    return message("B", body)


def describe(kind="P", name=""):
    return message("D", kind.encode() + cstring(name))


def execute(portal="", rows=0):
    return message("E", cstring(portal) + struct.pack("!i", rows))


def close(kind="S", name=""):
    return message("C", kind.encode() + cstring(name))


def sync():
    return message("S")


def flush():
    return message("H")


def terminate():
    return message("X")


def copy_data(data):
    return message("d", data)


def copy_done():
    return message("c")


def copy_fail(reason):
    return message("f", cstring(reason))


def function_call(oid, *args):
    body = struct.pack("!Ihh", oid, 0, len(args))
    for value in args:
        body += struct.pack("!i", len(value)) + value.encode()
    return message("F", body + struct.pack("!h", 0))


def password_message(body):
    return message("p", body)


def sasl_initial(mechanism_name, first, length=None):
    first = first.encode() if isinstance(first, str) else first
    length = len(first) if length is None else length
    return message("p", cstring(mechanism_name) + struct.pack("!I", length) + first)


def mechanism(offered, wire):
    """Name, GS2 header and binding for the best of what is offered."""
    if "SCRAM-SHA-256-PLUS" in offered:
        return "SCRAM-SHA-256-PLUS", "p=tls-server-end-point,,", wire.binding()
    is_tls = hasattr(wire.socket, "getpeercert")
    return "SCRAM-SHA-256", "y,," if is_tls else "n,,", b""


def extended(sql, params=(), name=""):
    """The batch a driver sends for one statement."""
    return parse(sql, name) + bind(params, name) + describe() + execute() + sync()


def fields_of(body):
    """ErrorResponse or NoticeResponse as a dictionary of its fields."""
    fields = {}
    for field in body.split(b"\0"):
        if field:
            fields[chr(field[0])] = field[1:].decode(errors="replace")
    return fields


def columns_of(body):
    """RowDescription as a list of (name, type OID)."""
    (count,) = struct.unpack_from("!h", body)
    columns, at = [], 2
    for _ in range(count):
        end = body.index(b"\0", at)
        (oid,) = struct.unpack_from("!I", body, end + 7)
        columns.append((body[at:end].decode(), oid))
        at = end + 19
    return columns


def row_of(body):
    (count,) = struct.unpack_from("!h", body)
    values, at = [], 2
    for _ in range(count):
        (length,) = struct.unpack_from("!i", body, at)
        at += 4
        if length < 0:
            values.append(None)
            continue
        values.append(body[at:at + length].decode())
        at += length
    return tuple(values)


class Reply:
    """The messages of one answer, up to ReadyForQuery or the end of the connection."""

    def __init__(self, messages):
        self.messages = messages
        self.types = "".join(m.type for m in messages)

    def bodies(self, letter):
        return [m.body for m in self.messages if m.type == letter]

    @property
    def rows(self):
        return [row_of(body) for body in self.bodies("D")]

    @property
    def value(self):
        return self.rows[0][0]

    @property
    def columns(self):
        return columns_of(self.bodies("T")[0])

    @property
    def dicts(self):
        names = [name for name, _ in self.columns]
        return [dict(zip(names, row)) for row in self.rows]

    @property
    def tags(self):
        return [body[:-1].decode() for body in self.bodies("C")]

    @property
    def errors(self):
        return [fields_of(body) for body in self.bodies("E")]

    @property
    def error(self):
        return self.errors[0] if self.errors else None

    @property
    def notices(self):
        return [fields_of(body) for body in self.bodies("N")]

    @property
    def status(self):
        return self.bodies("Z")[-1].decode()


class Wire:
    """One connection. address is (host, port) or the path of a Unix socket."""

    def __init__(self, address, timeout=20.0):
        family = socket.AF_UNIX if isinstance(address, str) else socket.AF_INET
        self.socket = socket.socket(family, socket.SOCK_STREAM)
        self.socket.settimeout(timeout)
        self.socket.connect(address)
        if family == socket.AF_INET:
            self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.params, self.key, self.login_notices = {}, b"", []
        self.asked = []  # the methods that the login was asked for, as numbers or mechanisms
        self._in = bytearray()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.socket.close()

    def reset(self):
        """Closes with RST instead of FIN."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.close()

    def send(self, *data):
        self.socket.sendall(b"".join(data))

    def _need(self, count):
        while len(self._in) < count:
            try:
                data = self.socket.recv(max(65536, count - len(self._in)))
            except ConnectionResetError:
                data = b""
            if not data:
                raise Closed(bytes(self._in))
            self._in += data

    def read_bytes(self, count):
        self._need(count)
        data = bytes(self._in[:count])
        del self._in[:count]
        return data

    def read(self):
        self._need(5)
        (length,) = struct.unpack_from("!i", self._in, 1)
        assert length >= 4, f"message with length {length}"
        data = self.read_bytes(length + 1)
        return Message(chr(data[0]), data[5:])

    def until(self, letter="Z"):
        """All messages up to and with the first of this type."""
        messages = []
        while True:
            try:
                messages.append(self.read())
            except Closed as closed:
                raise Closed(Reply(messages).errors or messages) from closed
            if messages[-1].type == letter:
                return Reply(messages)

    def rest(self):
        """All messages until the peer closes, then closes too; fails if it does not."""
        messages = []
        while True:
            try:
                messages.append(self.read())
            except Closed:
                assert not self._in, f"half a message at the end: {bytes(self._in)!r}"
                self.close()
                return Reply(messages)

    def is_silent(self, seconds):
        """True when nothing arrives for this long."""
        if self._in:
            return False
        before = self.socket.gettimeout()
        self.socket.settimeout(seconds)
        try:
            self._in += self.socket.recv(65536)
            return False
        except TimeoutError:
            return True
        finally:
            self.socket.settimeout(before)

    def start_tls(self, context, direct=False, host="localhost"):
        """Asks for TLS, or begins with it, and shakes hands."""
        if not direct:
            self.send(SSL_REQUEST)
            answer = self.read_bytes(1)
            assert answer == b"S", answer
        assert not self._in
        self.socket = context.wrap_socket(self.socket, server_hostname=host)
        return self

    def binding(self):
        """The data of channel binding: our server's certificates are signed with SHA-256."""
        return scram.end_point(self.socket.getpeercert(binary_form=True))

    def finish_login(self, user=None, password=None):
        """Answers whatever the login asks for; without a password that is a failure."""
        while True:
            try:
                m = self.read()
            except (Closed, OSError) as closed:
                raise Refused({}) from closed
            if m.type == "E":
                raise Refused(fields_of(m.body))
            if m.type == "R":
                self.answer(m.body, user, password)
            if m.type == "S":
                name, value = m.body[:-1].split(b"\0")
                self.params[name.decode()] = value.decode()
            elif m.type == "K":
                self.key = m.body
            elif m.type == "N":
                self.login_notices.append(fields_of(m.body))
            elif m.type == "Z":
                return self

    def answer(self, body, user, password):
        """One Authentication message."""
        (kind,) = struct.unpack_from("!i", body)
        if kind in (0, 12):
            return
        if kind == 11:
            self.send(password_message(self._scram.final(body[4:].decode()).encode()))
            return
        assert password is not None, f"asked for a password (Authentication {kind})"
        if kind == 3:
            self.asked.append(3)
            self.send(password_message(cstring(password)))
        elif kind == 5:
            self.asked.append(5)
            self.send(password_message(cstring(scram.md5_answer(user, password, body[4:8]))))
        else:
            self.asked += [name.decode() for name in body[4:].split(b"\0") if name]
            self._start_scram(password, *mechanism(self.asked, self))

    def _start_scram(self, password, name, gs2, data):
        self._scram = scram.Client(password, gs2, data)
        self.send(sasl_initial(name, self._scram.first()))

    def login(self, user, database, password=None, **params):
        self.send(startup({"user": user, "database": database, **params}))
        return self.finish_login(user, password)

    def ask(self, *data):
        """Sends SQL text or ready-made messages and reads up to ReadyForQuery."""
        self.send(*(query(d) if isinstance(d, str) else d for d in data))
        return self.until("Z")

    def value(self, sql):
        reply = self.ask(sql)
        assert not reply.errors, reply.errors
        return reply.value
