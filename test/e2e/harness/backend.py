"""A scripted server, for what a real PostgreSQL never does."""

import socket
import struct
import threading

from .waiting import free_port
from .wire import Closed, Message, cstring, message

CANCEL, SSL, GSS = 80877102, 80877103, 80877104

OK = message("R", struct.pack("!i", 0))
KEY = message("K", struct.pack("!ii", 4711, 815))
READY = message("Z", b"I")


def status(name, value):
    return message("S", cstring(name) + cstring(value))


PARAMS = b"".join(status(n, v) for n, v in (
    ("server_version", "15.0"), ("server_encoding", "UTF8"), ("client_encoding", "UTF8"),
    ("DateStyle", "ISO, MDY"), ("TimeZone", "UTC"), ("integer_datetimes", "on"),
    ("IntervalStyle", "postgres"), ("standard_conforming_strings", "on"),
    ("application_name", "")))

GREETING = OK + PARAMS + KEY + READY


def error(severity="FATAL", code="XX000", text="scripted failure"):
    fields = b""
    for letter, value in (("S", severity), ("V", severity), ("C", code), ("M", text)):
        if value is not None:
            fields += letter.encode() + cstring(value)
    return message("E", fields + b"\0")


def rows(*values, tag=None):
    """The answer to a query with one text column."""
    described = struct.pack("!h", 1) + cstring("v") + struct.pack("!ihihih", 0, 0, 25, -1, -1, 0)
    answer = message("T", described)
    for value in values:
        value = value.encode()
        answer += message("D", struct.pack("!hi", 1, len(value)) + value)
    return answer + message("C", cstring(tag or f"SELECT {len(values)}"))


class Peer:
    """The pooler as a scripted server sees it."""

    def __init__(self, sock, backend):
        self.socket = sock
        self.backend = backend
        self.params, self.version = {}, None
        self._in = b""

    def _take(self, count):
        while len(self._in) < count:
            data = self.socket.recv(65536)
            if not data:
                raise Closed()
            self._in += data
        data, self._in = self._in[:count], self._in[count:]
        return data

    def read_startup(self):
        """Answers requests for encryption; returns False for a cancel request."""
        while True:
            (length,) = struct.unpack("!i", self._take(4))
            body = self._take(length - 4)
            (code,) = struct.unpack_from("!i", body)
            if code == CANCEL:
                self.backend.cancel_keys.append(body[4:])
                return False
            if code == SSL:
                self._answer_ssl()
                continue
            if code == GSS:
                self.send(b"N")
                continue
            self.version = (code >> 16, code & 0xffff)
            words = body[4:].split(b"\0")
            self.params = {k.decode(): v.decode() for k, v in zip(words[::2], words[1::2]) if k}
            return True

    def _answer_ssl(self):
        backend = self.backend
        if backend.tls is None:
            self.send(backend.answer_to_ssl)
            if backend.answer_to_ssl != b"N":
                self.wait_for_end()
            return
        self.send(b"S" + backend.behind)
        self.socket = backend.tls.wrap_socket(self.socket, server_side=True)

    def send(self, *data):
        self.socket.sendall(b"".join(data))

    def read(self):
        head = self._take(5)
        (length,) = struct.unpack_from("!i", head, 1)
        return Message(chr(head[0]), self._take(length - 4))

    def read_query(self):
        """The text of the next simple query; whatever else comes is passed over."""
        while True:
            m = self.read()
            if m.type == "Q":
                return m.body[:-1].decode()

    def greet(self, greeting=GREETING):
        self.send(greeting)
        return self

    def serve(self):
        """Answers every simple query with one row until the pooler goes away."""
        while True:
            self.answer(self.read_query())

    def answer(self, sql):
        if sql.upper().startswith(("SET", "DISCARD", "RESET")):
            self.send(message("C", cstring(sql.split()[0].upper())), READY)
        elif sql.strip() in ("", ";"):
            self.send(message("I"), READY)
        else:
            self.send(rows("scripted"), READY)

    def wait_for_end(self):
        while True:
            self._take(1)


class Backend:
    """Listens on a port and plays script(peer) for every connection with a startup packet."""

    def __init__(self, script):
        self.script = script
        self.port = free_port()
        self.peers, self.cancels, self.failures = [], 0, []
        self.cancel_keys = []
        self.tls = None            # an SSLContext: SSLRequest is answered with S
        self.behind = b""          # sent in clear behind that S
        self.answer_to_ssl = b"N"  # without a context; after anything but N it says nothing
        self._listener = socket.create_server(("127.0.0.1", self.port), backlog=128)
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                sock, _ = self._listener.accept()
            except OSError:
                return
            sock.settimeout(30)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            threading.Thread(target=self._play, args=(sock,), daemon=True).start()

    def _play(self, sock):
        peer = Peer(sock, self)
        try:
            if not peer.read_startup():
                self.cancels += 1
                return
            self.peers.append(peer)
            self.script(peer)
        except (OSError, Closed):
            pass
        except Exception as failure:  # a script with a fault must not look like a pooler's
            self.failures.append(failure)
        finally:
            peer.socket.close()

    def close(self):
        self._listener.close()
        for peer in self.peers:
            try:
                peer.socket.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
        assert not self.failures, self.failures
