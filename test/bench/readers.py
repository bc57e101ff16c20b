"""Clients that ask for a lot and take one byte of it a second."""

import socket
import struct
import threading

STEP_S = 1


def startup(user, database):
    pairs = b"".join(word.encode() + b"\0" for word in ("user", user, "database", database)) + b"\0"
    return struct.pack("!II", len(pairs) + 8, 196608) + pairs


def query(sql):
    text = sql.encode() + b"\0"
    return b"Q" + struct.pack("!I", len(text) + 4) + text


def _exactly(stream, count):
    data = b""
    while len(data) < count:
        part = stream.read(count - len(data))
        if not part:
            raise ConnectionError("the answer was not finished")
        data += part
    return data


def letters_of_answer(sock):
    """Reads up to ReadyForQuery; the letters of the messages."""
    letters = b""
    with sock.makefile("rb", buffering=0) as stream:
        while not letters.endswith(b"Z"):
            head = _exactly(stream, 5)
            letters += head[:1]
            _exactly(stream, struct.unpack("!I", head[1:])[0] - 4)
    return letters


class Readers:
    """They begin at once, and go on until stop()."""

    def __init__(self, port, count, sql, user="bench", database="bench"):
        self._stop = threading.Event()
        self.sockets = []
        try:
            for _ in range(count):
                sock = socket.create_connection(("127.0.0.1", port), timeout=30)
                self.sockets.append(sock)
                sock.sendall(startup(user, database))
                letters_of_answer(sock)
                sock.sendall(query(sql))
        except OSError:
            self._close()
            raise
        self.ended = 0
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def _read(self):
        left = list(self.sockets)
        for sock in left:
            sock.setblocking(False)
        while not self._stop.wait(STEP_S):
            for sock in list(left):
                try:
                    has_ended = not sock.recv(1)
                except BlockingIOError:
                    continue
                except OSError:
                    has_ended = True
                if has_ended:
                    self.ended += 1
                    left.remove(sock)

    def _close(self):
        for sock in self.sockets:
            sock.close()

    def stop(self):
        self._stop.set()
        self._thread.join()
        self._close()
