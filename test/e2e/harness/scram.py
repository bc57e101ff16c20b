"""SCRAM-SHA-256 by hand, both sides, so that either can be made to misbehave."""

import base64
import hashlib
import hmac
import os


def b64(data):
    return base64.b64encode(data).decode()


def unb64(text):
    return base64.b64decode(text, validate=True)


def mac(key, data):
    return hmac.digest(key, data if isinstance(data, bytes) else data.encode(), "sha256")


def xor(a, b):
    return bytes(x ^ y for x, y in zip(a, b))


class Keys:
    def __init__(self, password, salt, iterations):
        self.salted = hashlib.pbkdf2_hmac("sha256", password.encode(), salt, iterations)
        self.client = mac(self.salted, "Client Key")
        self.stored = hashlib.sha256(self.client).digest()
        self.server = mac(self.salted, "Server Key")


def verifier(password, salt=None, iterations=4096):
    """As pg_authid keeps it."""
    salt = salt or os.urandom(16)
    keys = Keys(password, salt, iterations)
    return f"SCRAM-SHA-256${iterations}:{b64(salt)}${b64(keys.stored)}:{b64(keys.server)}"


def md5_secret(user, password):
    return "md5" + hashlib.md5((password + user).encode()).hexdigest()


def md5_answer(user, password, salt):
    inner = md5_secret(user, password)[3:]
    return "md5" + hashlib.md5(inner.encode() + salt).hexdigest()


def parts(message):
    """Attributes of a SCRAM message by letter."""
    return {part[0]: part[2:] for part in message.split(",")}


class Client:
    """gs2 is what stands in front of the first message; data its channel binding."""

    def __init__(self, password, gs2="n,,", data=b"", nonce=None):
        self.password, self.gs2, self.data = password, gs2, data
        self.nonce = nonce or b64(os.urandom(18))
        self.bare = f"n=,r={self.nonce}"
        self.server_first = None

    def first(self):
        return self.gs2 + self.bare

    def final(self, server_first, proof=None):
        self.server_first = server_first
        fields = parts(server_first)
        keys = Keys(self.password, unb64(fields["s"]), int(fields["i"]))
        without = f"c={b64(self.gs2.encode() + self.data)},r={fields['r']}"
        self.signed = f"{self.bare},{server_first},{without}"
        self.keys = keys
        proof = proof or xor(keys.client, mac(keys.stored, self.signed))
        return f"{without},p={b64(proof)}"

    def is_right(self, server_final):
        return server_final == f"v={b64(mac(self.keys.server, self.signed))}"


class Server:
    """Knows the password in clear."""

    def __init__(self, password, salt=b"0123456789abcdef", iterations=4096):
        self.keys = Keys(password, salt, iterations)
        self.salt, self.iterations = salt, iterations

    def first(self, client_first):
        self.gs2, self.bare = split_gs2(client_first)
        self.nonce = parts(self.bare)["r"] + b64(os.urandom(18))
        self.said = f"r={self.nonce},s={b64(self.salt)},i={self.iterations}"
        return self.said

    def final(self, client_final, data=b""):
        """The last message, or None when the client's proof or binding is wrong."""
        without, proof = client_final.rsplit(",p=", 1)
        signed = f"{self.bare},{self.said},{without}"
        client_key = xor(unb64(proof), mac(self.keys.stored, signed))
        if hashlib.sha256(client_key).digest() != self.keys.stored:
            return None
        if unb64(parts(without)["c"]) != self.gs2.encode() + data:
            return None
        return f"v={b64(mac(self.keys.server, signed))}"


def split_gs2(client_first):
    flag, identity, bare = client_first.split(",", 2)
    return f"{flag},{identity},", bare


def end_point(certificate_der, digest="sha256"):
    """The data of tls-server-end-point."""
    return hashlib.new(digest, certificate_der).digest()
