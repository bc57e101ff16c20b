"""The pooler logs in to servers: with which password, by which method, and what clients
hear when it may not."""

import re
import struct

import psycopg
import pytest

from harness import scram
from harness.backend import GREETING, OK, PARAMS, READY, KEY, error
from harness.logins import change_users
from harness.secure import PASSWORD
from harness.waiting import holds_for, wait_until
from harness.wire import Closed, Refused, cstring, message

METHODS = ("trusty", "passwordy", "md5y", "scramy", "tlsy")


@pytest.fixture
def make_to_secure(make_login_pooler, secure):
    """A pooler in front of the PostgreSQL that trusts nobody."""
    def make(auth_type="scram-sha-256", secrets=None, database=None, **settings):
        databases = settings.pop("databases", {"app": secure.target(**(database or {}))})
        return make_login_pooler(auth_type, secrets or {}, databases=databases,
                                 server_login_retry="0.2", **settings)
    return make


def first_error(pooler, user, password=PASSWORD, dbname="app"):
    """The fields with which a client's login, or its first query, fails."""
    with pooler.wire() as wire:
        try:
            reply = wire.login(user, dbname, password).ask("select 1")
            assert reply.errors, "it works"
            return reply.error
        except Refused as refused:
            return refused.fields
        except Closed as closed:
            return closed.args[0][0]


def who(pooler, user, password=PASSWORD, dbname="app"):
    return pooler.wire().login(user, dbname, password).value("select current_user")


# ---- where the password comes from ---------------------------------------------------------

@pytest.mark.parametrize("role", METHODS)
def test_password_of_the_entry(make_to_secure, role):
    pooler = make_to_secure(secrets={"whoever": "x"},
                            database={"user": role, "password": PASSWORD})
    assert who(pooler, "whoever", "x") == role


@pytest.mark.parametrize("role", METHODS)
def test_password_of_the_file_for_a_forced_user(make_to_secure, role):
    pooler = make_to_secure(secrets={"whoever": "x", role: PASSWORD}, database={"user": role})
    assert who(pooler, "whoever", "x") == role


@pytest.mark.parametrize("method", ["plain", "md5", "scram-sha-256", "trust"])
@pytest.mark.parametrize("role", METHODS)
def test_password_of_the_file_for_the_user_itself(make_to_secure, role, method):
    pooler = make_to_secure(method, {role: PASSWORD})
    assert who(pooler, role) == role


@pytest.mark.parametrize("role", METHODS)
def test_password_of_the_client_itself(make_to_secure, role):
    """The pooler knows a verifier only, but was told the password in clear."""
    pooler = make_to_secure("plain", {role: scram.verifier(PASSWORD)})
    assert who(pooler, role) == role


def test_password_of_the_client_is_used_again_for_the_next_server(make_to_secure, secure):
    pooler = make_to_secure("plain", {"scramy": scram.verifier(PASSWORD)})
    wire = pooler.wire().login("scramy", "app", PASSWORD)
    pid = wire.value("select pg_backend_pid()")
    secure.sql("select pg_terminate_backend(%s)", (pid,))
    wait_until(lambda: not pooler.pool("app", "scramy")["sv_idle"], 5)
    assert wire.value("select pg_backend_pid()") != pid


def test_md5_secret_serves_md5_and_nothing_else(make_to_secure):
    secret = {role: scram.md5_secret(role, PASSWORD) for role in ("md5y", "scramy", "passwordy")}
    pooler = make_to_secure("md5", secret)
    assert who(pooler, "md5y") == "md5y"
    for role in ("scramy", "passwordy"):
        fields = first_error(pooler, role)
        assert fields["C"] == "28P01" or fields["C"].startswith(("28", "08")), fields
        assert re.search("password|secret", fields["M"] + fields.get("D", ""))


def test_no_password_at_all_is_told(make_to_secure):
    pooler = make_to_secure("trust", database={"user": "scramy"}, secrets={"alice": ""})
    fields = first_error(pooler, "alice")
    assert re.search("password", fields["M"] + fields.get("D", "")), fields


# ---- SCRAM pass-through --------------------------------------------------------------------

def test_verifiers_alone_let_clients_through(make_to_secure, secure):
    secrets = {role: secure.secret(role) for role in ("scramy", "tlsy", "alice")}
    pooler = make_to_secure("scram-sha-256", secrets)
    for role in secrets:
        assert who(pooler, role) == role
        assert first_error(pooler, role, "wrong")["C"] == "28P01"


def test_pass_through_survives_restarts_of_the_server(make_to_secure, secure):
    """The client stays, and its keys open new servers again and again."""
    pooler = make_to_secure("scram-sha-256", {"scramy": secure.secret("scramy")})
    wire = pooler.wire().login("scramy", "app", PASSWORD)
    for _ in range(2):
        before = wire.value("select pg_postmaster_start_time()")
        secure.restart()
        wait_until(lambda: not pooler.pool("app", "scramy")["sv_idle"], 5)
        assert wire.value("select pg_postmaster_start_time()") != before


def test_pass_through_works_for_more_servers_than_clients_have_come(make_to_secure, secure):
    pooler = make_to_secure("scram-sha-256", {"scramy": secure.secret("scramy")},
                            min_pool_size=4)
    pooler.wire().login("scramy", "app", PASSWORD)
    pooler.wait_for_pool("app", "scramy", sv_idle=4)


def test_verifier_with_another_salt_cannot_pass_through(make_to_secure):
    """The same password, but the server's keys are others: that is said, not hidden."""
    pooler = make_to_secure("scram-sha-256", {"scramy": scram.verifier(PASSWORD)})
    fields = first_error(pooler, "scramy")
    assert fields["C"].startswith("28") or fields["C"].startswith("08"), fields
    assert "such database" not in fields["M"]


def test_password_changed_everywhere_is_taken_up(make_to_secure, secure):
    secure.sql("create role moving login password 'one'")
    try:
        pooler = make_to_secure("scram-sha-256", {"moving": secure.secret("moving")})
        wire = pooler.wire().login("moving", "app", "one")
        secure.sql("alter role moving password 'two'")
        change_users(pooler, {"moving": secure.secret("moving")})
        pooler.reload()
        pooler.ask_console("RECONNECT")
        assert who(pooler, "moving", "two") == "moving"
        assert wire.value("select 1") == "1"
    finally:
        secure.sql("drop role moving")


def test_verifier_and_clear_password_cannot_be_mixed_up(make_to_secure, secure):
    """Whoever has stolen a verifier cannot log in with it as a password."""
    verifier = secure.secret("scramy")
    pooler = make_to_secure("plain", {"scramy": verifier})
    assert first_error(pooler, "scramy", verifier)["C"] == "28P01"


def test_reconnect_does_not_pay_for_the_password_again(make_to_secure, secure):
    secure.sql("create role costly login password '"
               + scram.verifier(PASSWORD, iterations=100000) + "'")
    try:
        pooler = make_to_secure("trust", {"costly": PASSWORD})
        wire = pooler.wire().login("costly", "app")
        before = pooler.cpu_seconds()
        for _ in range(20):
            pid = wire.value("select pg_backend_pid()")
            pooler.ask_console("RECONNECT")
            wait_until(lambda: wire.value("select pg_backend_pid()") != pid, 5)
        spent = pooler.cpu_seconds() - before
        assert spent < 0.15, f"{spent} s: PBKDF2 each time"
    finally:
        secure.close_connections()
        secure.sql("drop role costly")


# ---- what the server says reaches the client -----------------------------------------------

@pytest.mark.parametrize("database, sqlstate, text", [
    ({"user": "rejecty", "password": PASSWORD}, "28000", "pg_hba.conf rejects connection"),
    ({"user": "scramy", "password": "wrong"}, "28P01",
     'password authentication failed for user "scramy"'),
    ({"user": "nobody_at_all", "password": "x"}, "28P01", "password authentication failed"),
    ({"user": "scramy", "password": PASSWORD, "dbname": "nowhere"}, "3D000",
     'database "nowhere" does not exist'),
    ({"user": "cleary", "password": PASSWORD, "tls_sslmode": "require"}, "28000",
     "pg_hba.conf rejects connection .* SSL encryption"),
    ({"user": "tlsy", "password": PASSWORD, "tls_sslmode": "disable"}, "28000",
     "pg_hba.conf rejects connection .* no encryption"),
])
def test_refusal_of_the_server_with_its_own_words(make_to_secure, database, sqlstate, text):
    pooler = make_to_secure("trust", {"alice": ""}, database=database)
    fields = first_error(pooler, "alice")
    assert fields["C"] == sqlstate, fields
    assert re.search(text, fields["M"]), fields


def first_try(pooler):
    with pooler.wire() as wire:
        try:
            return wire.login("alice", "app").ask("select 1").error
        except Refused as refused:
            return refused.fields


def test_refusal_of_the_server_reaches_all_who_wait(make_to_secure, later):
    pooler = make_to_secure("trust", {"alice": ""}, database={"user": "rejecty"})
    waiting = [later(first_error, pooler, "alice") for _ in range(8)]
    for job in waiting:
        fields = job.result(10)
        assert fields["C"] == "28000" and "rejects connection" in fields["M"], fields


def test_password_that_was_wrong_and_is_put_right(make_to_secure, secure):
    pooler = make_to_secure("trust", {"alice": ""},
                            database={"user": "scramy", "password": "wrong"})
    assert first_error(pooler, "alice")["C"] == "28P01"
    pooler.databases["app"] = secure.target(user="scramy", password=PASSWORD)
    pooler.reload()
    wait_until(lambda: first_try(pooler) is None, 5)


def test_passwords_never_reach_log_or_console(make_to_secure):
    pooler = make_to_secure("trust", {"alice": ""}, verbose=3,
                            database={"user": "scramy", "password": "sEcReT-wrong"})
    first_error(pooler, "alice")
    told = pooler.output()
    for what in ("DATABASES", "SERVERS", "CONFIG", "USERS", "POOLS"):
        told += str(pooler.show(what))
    assert "sEcReT" not in told


def test_server_that_is_full_of_others_is_waited_for(make_to_secure, secure, later):
    """Not one connection is to be had at first: the clients queue, and hear no error."""
    secure.sql("create role one login connection limit 1 password 'x'")
    try:
        other = psycopg.connect(host="127.0.0.1", port=secure.port, dbname="app", user="one",
                                password="x")
        pooler = make_to_secure("trust", {"one": "x"})
        waiting = [later(lambda: pooler.wire().login("one", "app").value("select 1"))
                   for _ in range(3)]
        wait_until(lambda: "too many connections for role" in pooler.output(), 5)
        assert holds_for(lambda: not any(job.done() for job in waiting), 0.7)
        other.close()
        assert [job.result(10) for job in waiting] == ["1"] * 3
    finally:
        secure.close_connections()


def test_too_many_connections_is_no_failure(make_to_secure, secure, later):
    """53300 of the server: the pool stops growing, its clients go on queueing."""
    secure.sql("create role few login connection limit 2 password 'x'")
    try:
        pooler = make_to_secure("trust", {"few": "x"}, default_pool_size=10)
        holders = [pooler.wire().login("few", "app") for _ in range(2)]
        for wire in holders:
            wire.ask("begin")
        waiting = [later(lambda: pooler.wire().login("few", "app").value("select 1"))
                   for _ in range(6)]
        wait_until(lambda: "53300" in pooler.output() or "too many connections" in
                   pooler.output(), 5, "the server was never full")
        assert not any(job.done() and job.exception() for job in waiting)
        for wire in holders:
            wire.ask("commit")
        assert [job.result(20) for job in waiting] == ["1"] * 6
        assert pooler.wire().login("few", "app").value("select 1") == "1"
    finally:
        secure.close_connections()


# ---- servers that misbehave ----------------------------------------------------------------

def auth(kind, data=b""):
    return message("R", struct.pack("!i", kind) + data)


SASL = auth(10, cstring("SCRAM-SHA-256") + b"\0")


@pytest.fixture
def make_to_backend(make_login_pooler, make_backend):
    """A pooler whose only server is a script."""
    def make(script, **settings):
        backend = make_backend(script)
        return make_login_pooler(
            "trust", {"alice": PASSWORD, "bob": PASSWORD}, server_tls_sslmode="disable",
            server_connect_timeout=2, query_wait_timeout=5, client_login_timeout=8,
            databases={"app": f"host=127.0.0.1 port={backend.port}"}, **settings)
    return make


def read_sasl(peer):
    """The client's first message."""
    body = peer.read().body
    name, rest = body.split(b"\0", 1)
    return name.decode(), rest[4:].decode()


def scram_server(peer, first=None, final=None, password=PASSWORD):
    """Plays SCRAM; first and final make other messages out of the right ones."""
    peer.send(SASL)
    server = scram.Server(password)
    _, client_first = read_sasl(peer)
    said = server.first(client_first)
    said = first(said) if first else said
    server.said = said
    peer.send(auth(11, said.encode()))
    last = server.final(peer.read().body.decode())
    last = final(last) if final else last
    peer.send(auth(12, last.encode()), GREETING)
    peer.serve()  # as if all were well


def test_scripted_scram_works_when_it_is_right(make_to_backend):
    pooler = make_to_backend(scram_server)
    assert pooler.wire().login("alice", "app").value("x") == "scripted"


HUGE = "x" * 5000
BAD_FIRST = {
    "a huge nonce": lambda s: s.replace(",s=", HUGE * 20 + ",s="),
    "a nonce of 300 bytes": lambda s: s.replace(",s=", "x" * 300 + ",s="),
    "a nonce of 5 kB": lambda s: s.replace(",s=", HUGE + ",s="),
    "a huge salt": lambda s: re.sub("s=[^,]*", "s=" + scram.b64(b"s" * 60000), s),
    "another nonce": lambda s: "r=other" + s[s.index(","):],
    "no salt": lambda s: re.sub("s=[^,]*", "s=", s),
    "a salt that is no base64": lambda s: re.sub("s=[^,]*", "s=!!!!", s),
    "no iterations": lambda s: re.sub("i=.*", "i=", s),
    "zero iterations": lambda s: re.sub("i=.*", "i=0", s),
    "negative iterations": lambda s: re.sub("i=.*", "i=-1", s),
    "iterations for a week": lambda s: re.sub("i=.*", "i=2147483647", s),
    "iterations beyond numbers": lambda s: re.sub("i=.*", "i=99999999999999999999", s),
    "a mandatory extension": lambda s: "m=x," + s,
    "nothing": lambda s: "",
    "no attributes": lambda s: ",,,,",
    "an error": lambda s: "e=other-error",
    "a NUL": lambda s: s + "\0",
}
BAD_FINAL = {
    "another signature": lambda s: "v=" + scram.b64(b"x" * 32),
    "a short signature": lambda s: "v=" + scram.b64(b"x" * 31),
    "a huge signature": lambda s: "v=" + scram.b64(b"x" * 60000),
    "no signature": lambda s: "v=",
    "nothing": lambda s: "",
    "an error": lambda s: "e=invalid-proof",
}


def assert_login_fails(pooler, user="alice"):
    """The client gets an error and the pooler goes on."""
    fields = first_error(pooler, user)
    assert fields["S"] == "FATAL" and fields["C"] and fields["M"], fields
    assert pooler.is_running()
    assert not pooler.ask_console("SHOW POOLS").errors
    return fields


@pytest.mark.parametrize("how", BAD_FIRST)
def test_first_message_of_a_bad_server(make_to_backend, how):
    """CVE-2026-6665, among others."""
    pooler = make_to_backend(lambda peer: scram_server(peer, first=BAD_FIRST[how]))
    assert_login_fails(pooler)


@pytest.mark.parametrize("how", BAD_FINAL)
def test_last_message_of_a_bad_server(make_to_backend, how):
    pooler = make_to_backend(lambda peer: scram_server(peer, final=BAD_FINAL[how]))
    assert_login_fails(pooler)


def test_server_that_does_not_know_the_password_is_not_believed(make_to_backend):
    """It lets anybody in, to be told their queries."""
    def play(peer):
        peer.send(SASL)
        server = scram.Server("not the password")
        _, client_first = read_sasl(peer)
        peer.send(auth(11, server.first(client_first).encode()))
        peer.read()
        peer.send(auth(12, b"v=" + scram.b64(b"y" * 32).encode()), GREETING)
        peer.serve()
    assert_login_fails(make_to_backend(play))


def test_server_that_stops_in_the_middle_of_scram_is_not_believed(make_to_backend):
    def after_first(peer):
        peer.send(SASL)
        read_sasl(peer)
        peer.send(GREETING)
        peer.serve()
    assert_login_fails(make_to_backend(after_first))


def test_server_that_skips_its_own_proof_is_not_believed(make_to_backend):
    def play(peer):
        peer.send(SASL)
        server = scram.Server(PASSWORD)
        _, client_first = read_sasl(peer)
        peer.send(auth(11, server.first(client_first).encode()))
        peer.read()
        peer.send(GREETING)
        peer.serve()
    assert_login_fails(make_to_backend(play))


@pytest.mark.parametrize("kind", [2, 6, 7, 8, 9, 13, 99, -1])
def test_methods_that_are_not_spoken_are_named(make_to_backend, kind):
    def play(peer):
        peer.send(auth(kind, b"\0" * 8))
        peer.wait_for_end()
    fields = assert_login_fails(make_to_backend(play))
    assert re.search("auth", fields["M"], re.I), fields


@pytest.mark.parametrize("mechanisms", [
    b"", b"\0", cstring("SCRAM-SHA-1") + b"\0", cstring("SCRAM-SHA-256-PLUS") + b"\0",
    b"SCRAM-SHA-256", cstring("X" * 10000) + b"\0"])
def test_mechanisms_that_cannot_be_used(make_to_backend, mechanisms):
    def play(peer):
        peer.send(auth(10, mechanisms))
        peer.wait_for_end()
    assert_login_fails(make_to_backend(play))


ERRORS = {
    "without an SQLSTATE": error(code=None, text="no code here"),
    "without a text": error(text=None),
    "without a severity": error(severity=None),
    "without any field": message("E", b"\0"),
    "without even an end": message("E", b""),
    "with half a field": message("E", b"CXX"),
    "with a short SQLSTATE": error(code="X"),
    "with a long SQLSTATE": error(code="X" * 200),
    "with an empty SQLSTATE": error(code=""),
    "with a huge text": error(text="x" * 100000),
}


@pytest.mark.parametrize("how", ERRORS)
@pytest.mark.parametrize("when", ["at once", "after the password", "after AuthenticationOk"])
def test_odd_errors_in_a_login(make_to_backend, how, when):
    """CVE-2026-6666."""
    def play(peer):
        if when == "after the password":
            peer.send(auth(3))
            peer.read()
        elif when == "after AuthenticationOk":
            peer.send(OK, PARAMS)
        peer.send(ERRORS[how])
    fields = assert_login_fails(make_to_backend(play))
    assert len(fields["C"]) == 5, fields


@pytest.mark.parametrize("data", [
    auth(0)[:-1], b"R\0\0\0\3", b"R\0\0\0\4", b"R\xff\xff\xff\xff", b"R\x7f\xff\xff\xff",
    message("R", b"\0\0"), auth(5), auth(5, b"ab"), auth(5, b"abcdefgh"), auth(11, b"x"),
    auth(12, b"v=x"), message("Z", b"I"), message("K", b"\0" * 8), b"HTTP/1.1 400 Bad Request\r\n",
    message("D", b"\0\0"), OK + READY + READY, OK + message("R", b"\0\0\0\3"),
    OK + PARAMS + message("K", b"abcd") + READY, OK + PARAMS + KEY + message("Z", b"E")])
def test_nonsense_in_a_login(make_to_backend, data):
    def play(peer):
        peer.send(data)
        peer.serve()
    pooler = make_to_backend(play)
    with pooler.wire() as wire:
        try:
            wire.login("alice", "app").ask("select 1")
        except (Refused, Closed):
            pass
    assert pooler.is_running() and not pooler.ask_console("SHOW POOLS").errors


def test_clear_password_goes_to_no_server_that_asks_only_after_scram(make_to_backend):
    told = []

    def play(peer):
        peer.send(SASL)
        read_sasl(peer)
        peer.send(auth(3))
        told.append(peer.read().body)
    pooler = make_to_backend(play)
    assert_login_fails(pooler)
    assert PASSWORD.encode() not in b"".join(told)


def test_keys_are_not_shown_to_a_server_that_asks_in_clear(make_login_pooler, make_backend):
    """Pass-through has no password to give."""
    told = []

    def play(peer):
        peer.send(auth(3))
        told.append(peer.read().body)
    backend = make_backend(play)
    pooler = make_login_pooler("scram-sha-256", {"alice": scram.verifier(PASSWORD)},
                               server_tls_sslmode="disable", query_wait_timeout=3,
                               databases={"app": f"host=127.0.0.1 port={backend.port}"})
    assert_login_fails(pooler)
    assert told == []


def test_notices_and_parameters_before_the_end_of_a_login_are_no_harm(make_to_backend):
    def play(peer):
        notice = message("N", b"SNOTICE\0C00000\0Mhello\0\0")
        peer.send(notice, auth(3))
        peer.read()
        peer.send(notice, OK, notice, PARAMS, notice, KEY, notice, READY)
        peer.serve()
    pooler = make_to_backend(play)
    assert pooler.wire().login("alice", "app").value("x") == "scripted"
