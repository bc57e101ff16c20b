"""Logging in by password: what is asked, what is answered, and in which order things are
checked. Spoken by hand, since drivers never do what is wrong."""

import glob
import os
import signal
import ssl
import struct
import subprocess
import time

import pytest

from harness import scram
from harness.account import popen_as
from harness.logins import change_users
from harness.waiting import TooLate, wait_until
from harness.wire import (SSL_REQUEST, Closed, Refused, Wire, cstring, fields_of, message,
                          password_message, sasl_initial, startup)

PASSWORD = "right"
SECRETS = {"alice": PASSWORD, "bob": scram.md5_secret("bob", PASSWORD),
           "carol": scram.verifier(PASSWORD)}


def login_error(pooler, user, password, dbname="app", **params):
    """The fields of the refusal, and what was asked before."""
    with pooler.wire() as wire:
        with pytest.raises(Refused) as refused:
            wire.login(user, dbname, password, **params)
        return refused.value.fields


def asked_of(pooler, user, password=PASSWORD):
    with pooler.wire() as wire:
        try:
            wire.login(user, "app", password)
        except Refused:
            pass
        return wire.asked


def begin(pooler, user, dbname="app"):
    """A wire that has sent its startup packet, and the body of the Authentication message."""
    wire = pooler.wire()
    wire.send(startup({"user": user, "database": dbname}))
    m = wire.read()
    assert m.type == "R", m
    return wire, m.body


def end_of(wire):
    """The one error with which the connection must end."""
    reply = wire.rest()
    assert reply.types == "E", reply.messages
    return reply.error


# ---- methods -------------------------------------------------------------------------------

@pytest.mark.parametrize("method, user, asked", [
    ("plain", "alice", [3]), ("plain", "bob", [3]), ("plain", "carol", [3]),
    ("md5", "alice", [5]), ("md5", "bob", [5]), ("md5", "carol", ["SCRAM-SHA-256"]),
    ("scram-sha-256", "alice", ["SCRAM-SHA-256"]), ("scram-sha-256", "carol", ["SCRAM-SHA-256"]),
    ("scram-sha-256", "bob", ["SCRAM-SHA-256"])])
def test_method_and_secret_decide_what_is_asked(make_login_pooler, method, user, asked):
    pooler = make_login_pooler(method, SECRETS)
    assert asked_of(pooler, user) == asked


def test_default_method_is_md5(make_login_pooler):
    pooler = make_login_pooler(None, SECRETS)
    assert asked_of(pooler, "alice") == [5]


def test_password_of_64_kilobytes(make_login_pooler):
    long = "x" * 65530
    pooler = make_login_pooler("plain", {"alice": long})
    assert pooler.wire().login("alice", "app", long).value("select 1") == "1"
    assert login_error(pooler, "alice", long[:-1])["C"] == "28P01"
    assert login_error(pooler, "alice", long + "x")["C"] in ("28P01", "08P01")


@pytest.mark.parametrize("method", ["plain", "scram-sha-256"])
@pytest.mark.parametrize("stored, given", [
    ("pass\u00adword", "password"),      # SOFT HYPHEN is mapped to nothing
    ("\u2168", "IX"),                     # ROMAN NUMERAL NINE, by NFKC
    ("a\u00a0b", "a b"),                  # NO-BREAK SPACE is a space
])
def test_saslprep_makes_equal_what_looks_equal(make_login_pooler, method, stored, given):
    secret = scram.verifier(given)  # as PostgreSQL stores a password that was prepared
    pooler = make_login_pooler(method, {"alice": secret})
    conn = pooler.connect(password=stored)  # libpq prepares it in SCRAM, the pooler in plain
    assert conn.execute("select 1").fetchone() == (1,)


def test_bytes_that_saslprep_forbids_are_taken_as_they_are(make_login_pooler):
    odd = "tab\tand\x7fdelete"
    pooler = make_login_pooler("scram-sha-256", {"alice": scram.verifier(odd)})
    assert pooler.connect(password=odd).execute("select 1").fetchone() == (1,)


def test_secret_of_nothing_matches_nothing(make_login_pooler):
    pooler = make_login_pooler("plain", {"alice": ""})
    for password in ("", "x"):
        assert login_error(pooler, "alice", password)["C"] == "28P01"


def test_md5_text_is_no_password_by_itself(make_login_pooler):
    """Who has read the file of secrets has no password to send in clear."""
    pooler = make_login_pooler("plain", SECRETS)
    assert login_error(pooler, "bob", SECRETS["bob"])["C"] == "28P01"
    assert login_error(pooler, "carol", SECRETS["carol"])["C"] == "28P01"


def test_any_takes_the_forced_user_whatever_the_name(make_login_pooler):
    pooler = make_login_pooler("any", databases={"app": {"user": "alice"}})
    for name in ("alice", "bob", "whoever", "x" * 63):
        assert pooler.wire().login(name, "app").value("select current_user") == "alice"


# ---- order and SQLSTATEs -------------------------------------------------------------------

def test_wrong_password_is_28P01(make_login_pooler):
    for method in ("plain", "md5", "scram-sha-256"):
        pooler = make_login_pooler(method, SECRETS)
        for user in SECRETS:
            fields = login_error(pooler, user, "wrong")
            assert (fields["S"], fields["V"], fields["C"]) == ("FATAL", "FATAL", "28P01"), fields
            assert user in fields["M"] and "wrong" not in fields["M"]


def test_no_such_database_is_3D000_but_only_after_the_password(make_login_pooler):
    pooler = make_login_pooler("scram-sha-256", SECRETS)
    fields = login_error(pooler, "alice", PASSWORD, dbname="nowhere")
    assert fields["C"] == "3D000" and "nowhere" in fields["M"]
    assert login_error(pooler, "alice", "wrong", dbname="nowhere")["C"] == "28P01"
    assert login_error(pooler, "nobody", "wrong", dbname="nowhere")["C"] == "28P01"


def test_disabled_database_is_57P03_but_only_after_the_password(make_login_pooler):
    pooler = make_login_pooler("scram-sha-256", SECRETS)
    assert not pooler.ask_console("DISABLE app").errors
    assert login_error(pooler, "alice", PASSWORD)["C"] == "57P03"
    assert login_error(pooler, "alice", "wrong")["C"] == "28P01"


@pytest.mark.parametrize("setting", ["max_db_client_connections", "max_user_client_connections"])
def test_limits_are_53300_but_only_after_the_password(make_login_pooler, setting):
    pooler = make_login_pooler("scram-sha-256", SECRETS, **{setting: 1})
    pooler.wire().login("alice", "app", PASSWORD)
    assert login_error(pooler, "alice", PASSWORD)["C"] == "53300"
    assert login_error(pooler, "alice", "wrong")["C"] == "28P01"


def test_console_asks_for_the_password_too(make_login_pooler):
    pooler = make_login_pooler("scram-sha-256", SECRETS)
    assert login_error(pooler, "admin", "wrong", dbname="pooler")["C"] == "28P01"
    assert not pooler.ask_console("SHOW VERSION").errors
    fields = login_error(pooler, "alice", PASSWORD, dbname="pooler")
    assert fields["C"] == "28000", fields


def console_by_socket(pooler, name, **more):
    return subprocess.run(["psql", "-XAtw", "-h", pooler.directory, "-p", str(pooler.port), "-U",
                           name, "-c", "SHOW VERSION", "pooler"], cwd="/", capture_output=True,
                          text=True, timeout=20, **more)


def test_our_own_user_needs_no_password_for_the_console(make_login_pooler):
    """By the Unix socket, as the user that the program runs as, and as nobody else."""
    pooler = make_login_pooler("scram-sha-256", SECRETS, admin_users="admin")
    for name in ("pooler", "pgbouncer"):
        assert console_by_socket(pooler, name, **popen_as(pooler.account)).returncode == 0
        with pooler.wire() as wire:
            with pytest.raises(Refused):
                wire.login(name, "pooler", "x")
    assert console_by_socket(pooler, "admin", **popen_as(pooler.account)).returncode != 0
    if pooler.account is not None:
        assert console_by_socket(pooler, "pooler").returncode != 0, "root is not that user"


def test_unknown_startup_parameter_is_not_told_to_strangers(make_login_pooler):
    pooler = make_login_pooler("scram-sha-256", SECRETS)
    options = "-c no-such-thing"
    assert login_error(pooler, "alice", PASSWORD, options=options)["C"] == "22023"
    assert login_error(pooler, "alice", "wrong", options=options)["C"] == "28P01"


# ---- strangers learn nothing ---------------------------------------------------------------

def transcript(pooler, user, method_password="wrong"):
    """What the pooler says during a failing login, with the random parts taken out."""
    wire, body = begin(pooler, user)
    (kind,) = struct.unpack_from("!i", body)
    said = [struct.pack("!i", kind) if kind == 5 else body]
    if kind == 3:
        wire.send(password_message(cstring(method_password)))
    elif kind == 5:
        wire.send(password_message(cstring(scram.md5_answer(user, method_password, body[4:8]))))
    else:
        client = scram.Client(method_password)
        wire.send(sasl_initial("SCRAM-SHA-256", client.first()))
        first = wire.read().body
        fields = scram.parts(first[4:].decode())
        said.append((fields["i"], len(scram.unb64(fields["s"])), len(fields["r"])
                     - len(client.nonce), sorted(fields)))
        wire.send(password_message(client.final(first[4:].decode()).encode()))
    reply = wire.rest()
    assert reply.types == "E"
    return said, {k: v.replace(user, "USER") for k, v in reply.error.items()}


@pytest.mark.parametrize("method, secrets", [
    ("plain", SECRETS), ("md5", {"alice": "a", "bob": SECRETS["bob"]}),
    ("md5", {"alice": scram.verifier("a"), "bob": scram.verifier("b")}),
    ("scram-sha-256", {"alice": "a", "bob": "b"}),
    ("scram-sha-256", {"alice": scram.verifier("a"), "bob": scram.verifier("b")}),
    ("scram-sha-256", {"alice": scram.verifier("a", iterations=8192),
                       "bob": scram.verifier("b", iterations=8192)}),
])
def test_unknown_user_gets_the_same_messages_as_a_wrong_password(make_login_pooler, method,
                                                                 secrets):
    pooler = make_login_pooler(method, secrets)
    known, unknown = transcript(pooler, "alice"), transcript(pooler, "nobody")
    assert known == unknown


def test_unknown_user_has_the_same_salt_each_time(make_login_pooler):
    def salt(user):
        wire, _ = begin(pooler, user)
        wire.send(sasl_initial("SCRAM-SHA-256", scram.Client("x").first()))
        return scram.parts(wire.read().body[4:].decode())["s"]

    pooler = make_login_pooler("scram-sha-256", SECRETS)
    assert salt("nobody") == salt("nobody") != salt("somebody")
    assert salt("alice") == salt("alice") and salt("carol") == salt("carol")


def worked_ns(pooler):
    """CPU time of all threads of the program, to the nanosecond."""
    tasks = glob.glob(f"/proc/{pooler.process.pid}/task/*/schedstat")
    return sum(int(open(path).read().split()[0]) for path in tasks)


def test_unknown_user_takes_as_long_as_a_wrong_password(make_login_pooler):
    """With plain against verifiers PBKDF2 is paid by the pooler: for strangers as well. What
    counts is the time that it was at work, whatever else the machine does."""
    secrets = {f"u{n}": scram.verifier("x", iterations=40000) for n in range(3)}
    pooler = make_login_pooler("plain", secrets, auth_failure_limit=0)

    def least_work(user):
        spans = []
        for _ in range(6):
            wire, _ = begin(pooler, user)
            began = worked_ns(pooler)
            wire.send(password_message(cstring("wrong")))
            wire.rest()
            spans.append(worked_ns(pooler) - began)
        return min(spans)

    known, unknown = least_work("u1"), least_work("nobody")
    assert 0.5 < known / unknown < 2, (known, unknown)


@pytest.mark.parametrize("method", ["plain", "md5", "scram-sha-256"])
def test_secrets_never_reach_log_or_console(make_login_pooler, method):
    secret = "sEcReT-pAsSwOrD"
    verifier = scram.verifier(secret)
    pooler = make_login_pooler(method, {"alice": secret, "carol": verifier}, verbose=3)
    pooler.wire().login("alice", "app", secret)
    pooler.wire().login("carol", "app", secret)
    login_error(pooler, "alice", secret + "-almost")
    told = pooler.output()
    for what in ("CLIENTS", "SERVERS", "USERS", "CONFIG", "DATABASES", "SOCKETS", "FAILED_LOGINS"):
        told += str(pooler.show(what))
    for part in (secret, verifier.split("$")[2], scram.md5_secret("alice", secret)[3:]):
        assert part not in told


# ---- secrets do not linger ------------------------------------------------------------------

def lingers(pooler, text):
    if os.getuid() != 0:
        pytest.skip("only root may look into the memory of another user's process")
    if pooler.is_sanitized():
        pytest.skip("a sanitizer keeps what was freed")
    assert pooler.has_in_memory(b"pooler.ini"), "nothing at all is found"
    # The client may hear of it a moment before the login's memory is wiped and given back.
    try:
        wait_until(lambda: not pooler.has_in_memory(text.encode()), 2)
    except TooLate:
        return True
    return False


# Otherwise the linker saves registers on the stack when a function is first called, and the
# end of what was copied last may be in them. (Debian's packages are bound at the start, too.)
BOUND = {"LD_BIND_NOW": "1"}


def test_wrong_password_is_nowhere_in_memory_afterwards(make_login_pooler):
    pooler = make_login_pooler("plain", SECRETS, env=BOUND)
    for user in ("alice", "bob", "carol", "nobody"):
        login_error(pooler, user, "wRoNg-sEcReT-of-" + user)
        assert not lingers(pooler, "wRoNg-sEcReT")


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
@pytest.mark.parametrize("times", [1, 250, 5000])  # in a part of a record, in one, in several
def test_wrong_password_over_tls_is_nowhere_in_memory_afterwards(make_login_pooler, certs, version,
                                                                 times):
    pooler = make_login_pooler("plain", SECRETS, env=BOUND,
                               **certs.client_tls("require"))
    wire = pooler.wire().start_tls(certs.context(version=version))
    with pytest.raises(Refused):
        wire.login("alice", "app", times * "wRoNg-sEcReT")
    assert not lingers(pooler, "wRoNg-sEcReT")


def test_password_that_no_server_can_ask_for_is_nowhere_in_memory(make_login_pooler):
    """Its user's pool logs in as another."""
    pooler = make_login_pooler("plain", {"alice": scram.verifier("pAsS-of-alice")},
                               databases={"app": {"user": "bob"}})
    wire = pooler.wire().login("alice", "app", "pAsS-of-alice")
    assert wire.value("select current_user") == "bob"
    assert not lingers(pooler, "pAsS-of-alice")


def test_secret_that_has_left_the_file_is_nowhere_in_memory(make_login_pooler):
    pooler = make_login_pooler("scram-sha-256", {"alice": "oLd-sEcReT", "bob": PASSWORD})
    pooler.wire().login("alice", "app", "oLd-sEcReT").close()
    assert lingers(pooler, "oLd-sEcReT"), "the test would never fail"
    change_users(pooler, {"bob": PASSWORD})
    pooler.reload()
    assert not lingers(pooler, "oLd-sEcReT")


# ---- messages out of place -----------------------------------------------------------------

def test_password_before_the_startup_packet(make_login_pooler):
    pooler = make_login_pooler("md5", SECRETS)
    wire = pooler.wire()
    wire.send(password_message(cstring("x" * 40)))
    reply = wire.rest()
    assert set(reply.types) <= {"E"}
    assert pooler.wire().login("alice", "app", PASSWORD)


@pytest.mark.parametrize("method", ["plain", "md5", "scram-sha-256", "trust"])
def test_second_startup_packet_instead_of_a_password(make_login_pooler, method):
    pooler = make_login_pooler(method, SECRETS)
    wire = pooler.wire()
    packet = startup({"user": "alice", "database": "app"})
    wire.send(packet)
    wire.read()
    wire.send(packet)
    assert "E" in wire.rest().types or method == "trust"
    assert pooler.is_running()


@pytest.mark.parametrize("method", ["plain", "md5", "scram-sha-256"])
@pytest.mark.parametrize("data", [
    message("Q", cstring("select 1")), message("X"), message("S"), SSL_REQUEST,
    b"p\0\0\0\3", b"p\xff\xff\xff\xff", b"p\x7f\xff\xff\xff", b"p\0\0\0\4",
    b"\0" * 100])
def test_anything_else_than_a_password_ends_the_login(make_login_pooler, method, data):
    pooler = make_login_pooler(method, SECRETS)
    wire, _ = begin(pooler, "alice")
    wire.send(data)
    wire.socket.shutdown(1)
    reply = wire.rest()
    assert set(reply.types) <= {"E"}, reply.messages
    if reply.error:
        assert reply.error["C"] in ("08P01", "28P01"), reply.error
    assert pooler.is_running()


@pytest.mark.parametrize("body", [
    b"", b"\0", b"SCRAM-SHA-256", b"SCRAM-SHA-256\0", b"SCRAM-SHA-256\0\0\0\0",
    cstring("SCRAM-SHA-256") + struct.pack("!i", -1),
    cstring("SCRAM-SHA-256") + struct.pack("!i", -1) + b"n,,n=,r=abc",
    cstring("SCRAM-SHA-256") + struct.pack("!i", -2) + b"n,,n=,r=abc",
    cstring("SCRAM-SHA-256") + b"\xff\xff\xff\xf0" + b"n,,n=,r=abc",
    cstring("SCRAM-SHA-256") + b"\x7f\xff\xff\xff" + b"n,,n=,r=abc",
    cstring("SCRAM-SHA-256") + struct.pack("!i", 12) + b"n,,n=,r=abc",
    cstring("SCRAM-SHA-256") + struct.pack("!i", 10) + b"n,,n=,r=abc",
    cstring("SCRAM-SHA-1") + struct.pack("!i", 11) + b"n,,n=,r=abc",
    cstring("SCRAM-SHA-256-PLUS") + struct.pack("!i", 11) + b"n,,n=,r=abc",
    cstring("scram-sha-256") + struct.pack("!i", 11) + b"n,,n=,r=abc",
    cstring("X" * 1000) + struct.pack("!i", 11) + b"n,,n=,r=abc",
])
def test_sasl_initial_responses_with_wrong_lengths_and_names(make_login_pooler, body):
    """CVE-2026-6664, and its neighbourhood."""
    pooler = make_login_pooler("scram-sha-256", SECRETS)
    for user in ("alice", "carol", "nobody"):
        wire, _ = begin(pooler, user)
        wire.send(password_message(body))
        if body.endswith(b"\xff\xff\xff\xff"):
            assert wire.read().body[:4] == struct.pack("!i", 11)  # "no initial response" is legal
            continue
        assert end_of(wire)["C"] in ("08P01", "28P01")
    assert pooler.wire().login("alice", "app", PASSWORD)


@pytest.mark.parametrize("first", [
    "", ",", "n", "n,", "n,,", "n,,n=", "n,,n=,", "n,,n=,r=", "n,,r=abc", "n,,n=alice",
    "x,,n=,r=abc", "n,a=bob,n=,r=abc", "p=tls-unique,,n=,r=abc",
    "p=tls-server-end-point,,n=,r=abc", "n,,m=x,n=,r=abc", "n,,n=,r=a\x01c", "n,,n=,r=\x7f",
    "n,,n=,r=" + "x" * 60000, "n,,n=" + "x" * 60000 + ",r=abc", "n,,n=,r=abc\0def"])
def test_broken_first_messages_of_scram(make_login_pooler, first):
    pooler = make_login_pooler("scram-sha-256", SECRETS)
    wire, _ = begin(pooler, "alice")
    wire.send(sasl_initial("SCRAM-SHA-256", first))
    try:
        assert end_of(wire)["C"] in ("08P01", "28P01", "28000", "0A000")
    except (ConnectionError, Closed):
        pass
    assert pooler.wire().login("alice", "app", PASSWORD)


FINALS = {
    "without a proof": lambda text: text.rsplit(",p=", 1)[0],
    "with an empty proof": lambda text: text.rsplit(",p=", 1)[0] + ",p=",
    "with a short proof": lambda text: text[:-8],
    "with a long proof": lambda text: text.rsplit(",p=", 1)[0] + ",p=" + scram.b64(b"x" * 33),
    "with a proof that is no base64": lambda text: text[:-2] + "!!",
    "with another nonce": lambda text: text.replace(",r=", ",r=x"),
    "with a shorter nonce": lambda text: text.replace(",r=", ",r=", 1).replace(
        text.split(",r=")[1].split(",")[0], text.split(",r=")[1].split(",")[0][:-1]),
    "with another channel binding": lambda text: text.replace("c=biws", "c=eSws"),
    "with no channel binding": lambda text: text[len("c=biws,"):],
    "with something behind": lambda text: text + ",x=y",
    "with nothing at all": lambda text: "",
    "of sixty kilobytes": lambda text: text + "x" * 60000,
}


@pytest.mark.parametrize("how", FINALS)
@pytest.mark.parametrize("user", ["alice", "carol", "nobody"])
def test_broken_last_messages_of_scram(make_login_pooler, how, user):
    pooler = make_login_pooler("scram-sha-256", SECRETS)
    wire, _ = begin(pooler, user)
    client = scram.Client(PASSWORD)
    wire.send(sasl_initial("SCRAM-SHA-256", client.first()))
    final = FINALS[how](client.final(wire.read().body[4:].decode()))
    wire.send(password_message(final.encode()))
    try:
        assert end_of(wire)["C"] in ("08P01", "28P01", "28000")
    except (ConnectionError, Closed):
        pass
    assert pooler.is_running()


def test_server_proves_itself_in_scram(make_login_pooler):
    pooler = make_login_pooler("scram-sha-256", SECRETS)
    for user in ("alice", "carol"):
        wire, _ = begin(pooler, user)
        client = scram.Client(PASSWORD)
        wire.send(sasl_initial("SCRAM-SHA-256", client.first()))
        wire.send(password_message(client.final(wire.read().body[4:].decode()).encode()))
        final = wire.read().body
        assert final[:4] == struct.pack("!i", 12) and client.is_right(final[4:].decode())
        assert wire.finish_login().value("select current_user") == user


def test_replayed_proof_is_worth_nothing(make_login_pooler):
    pooler = make_login_pooler("scram-sha-256", SECRETS)
    wire, _ = begin(pooler, "carol")
    client = scram.Client(PASSWORD)
    wire.send(sasl_initial("SCRAM-SHA-256", client.first()))
    final = client.final(wire.read().body[4:].decode())
    wire.send(password_message(final.encode()))
    wire.finish_login()
    again, _ = begin(pooler, "carol")
    again.send(sasl_initial("SCRAM-SHA-256", client.first()))
    again.read()
    again.send(password_message(final.encode()))
    assert end_of(again)["C"] in ("28P01", "08P01")


def test_md5_salt_is_another_each_time(make_login_pooler):
    pooler = make_login_pooler("md5", SECRETS)
    salts = {begin(pooler, "alice")[1][4:8] for _ in range(20)}
    assert len(salts) == 20


def test_password_message_may_be_cut_at_every_byte(make_login_pooler):
    pooler = make_login_pooler("plain", SECRETS)
    data = password_message(cstring(PASSWORD))
    for cut in range(1, len(data)):
        wire, _ = begin(pooler, "alice")
        wire.send(data[:cut])
        assert wire.is_silent(0.003)
        wire.send(data[cut:])
        assert wire.finish_login().value("select 1") == "1"
        wire.close()


def test_first_query_may_come_together_with_the_password(make_login_pooler):
    pooler = make_login_pooler("plain", SECRETS)
    wire, _ = begin(pooler, "alice")
    wire.send(password_message(cstring(PASSWORD)), message("Q", cstring("select 42")))
    assert wire.finish_login().until("Z").value == "42"


def test_query_behind_a_wrong_password_is_never_run(make_login_pooler, cluster):
    pooler = make_login_pooler("plain", SECRETS)
    wire, _ = begin(pooler, "alice")
    wire.send(password_message(cstring("wrong")),
              message("Q", cstring("insert into note values (4711, 'stranger')")))
    try:
        assert fields_of(wire.read().body)["C"] == "28P01"
    except (Closed, ConnectionError):
        pass
    assert pooler.wire().login("alice", "app", PASSWORD).value(
        "select count(*) from note where id = 4711") == "0"


# ---- over-long names -----------------------------------------------------------------------

@pytest.mark.parametrize("method", ["plain", "scram-sha-256", "trust"])
@pytest.mark.parametrize("user, dbname", [
    ("alice", "d" * 64), ("alice", "d" * 5000), ("u" * 128, "app"), ("u" * 5000, "app"),
    ("u" * 20000, "d" * 20000)])
def test_over_long_names_end_one_login_and_nothing_else(make_login_pooler, method, user, dbname):
    """CVE-2012-4575."""
    pooler = make_login_pooler(method, SECRETS)
    fields = login_error(pooler, user, PASSWORD, dbname=dbname)
    assert fields["C"] == "08P01" and "too long" in fields["M"], fields
    assert pooler.wire().login("alice", "app", PASSWORD)


# ---- the list of users ---------------------------------------------------------------------

def test_password_changed_in_the_file_counts_at_once(make_login_pooler):
    pooler = make_login_pooler("scram-sha-256", SECRETS)
    pooler.wire().login("alice", "app", PASSWORD)
    change_users(pooler, {**SECRETS, "alice": "another"})
    wait_until(lambda: login_error_or_none(pooler, "alice", "another") is None, 5)
    assert login_error(pooler, "alice", PASSWORD)["C"] == "28P01"


def login_error_or_none(pooler, user, password):
    with pooler.wire() as wire:
        try:
            wire.login(user, "app", password)
            return None
        except Refused as refused:
            return refused.fields


# ---- time and number -----------------------------------------------------------------------

@pytest.mark.parametrize("method", ["plain", "scram-sha-256"])
def test_silence_in_the_middle_of_a_login_has_an_end(make_login_pooler, method):
    pooler = make_login_pooler(method, SECRETS, client_login_timeout=0.5)
    wire, _ = begin(pooler, "alice")
    assert end_of(wire)["C"] in ("57P05", "08P01")


def test_more_logins_than_max_logins_wait_and_get_in(make_login_pooler, later):
    pooler = make_login_pooler("scram-sha-256", SECRETS, max_logins=2)
    jobs = [later(lambda: pooler.connect(password=PASSWORD).execute("select 1").fetchone())
            for _ in range(30)]
    assert [job.result(20) for job in jobs] == [(1,)] * 30


def test_no_more_logins_than_max_logins_are_in_progress(make_login_pooler):
    pooler = make_login_pooler("scram-sha-256", SECRETS, max_logins=2)
    first, second = (begin(pooler, "alice")[0] for _ in range(2))
    third = pooler.wire()
    third.send(startup({"user": "alice", "database": "app"}))
    assert third.is_silent(0.5), "it was read although there was no place"
    first.close()
    assert third.read().type == "R"
    second.close()


def test_login_that_stalls_gives_way_to_one_that_waits(make_login_pooler):
    pooler = make_login_pooler("scram-sha-256", SECRETS, max_logins=1)
    stalled, _ = begin(pooler, "alice")
    waiting = pooler.wire()
    waiting.send(startup({"user": "alice", "database": "app"}))
    assert waiting.read().type == "R"
    assert end_of(stalled)["C"] == "53300"


def test_stalled_logins_take_the_place_of_nobody(make_login_pooler):
    """As many as may be in progress sit there and say nothing more."""
    pooler = make_login_pooler("scram-sha-256", SECRETS, max_logins=3)
    stalled = [begin(pooler, "alice")[0] for _ in range(3)]
    began = time.monotonic()
    assert pooler.wire(timeout=30).login("alice", "app", PASSWORD).value("select 1") == "1"
    assert time.monotonic() - began < 10
    for wire in stalled:
        wire.close()


def test_connections_without_a_word_take_no_place(make_login_pooler):
    pooler = make_login_pooler("scram-sha-256", SECRETS, max_logins=2, tcp_defer_accept=0)
    silent = [pooler.wire() for _ in range(20)]
    began = time.monotonic()
    assert pooler.wire().login("alice", "app", PASSWORD).value("select 1") == "1"
    assert time.monotonic() - began < 2
    for wire in silent:
        wire.close()


def test_logins_go_on_while_everything_is_read_again(make_login_pooler, certs, later):
    """Each login ends with the list and the certificates that it began with."""
    pooler = make_login_pooler("scram-sha-256", SECRETS, **certs.client_tls("prefer"))
    stop = []

    def come(user, context):
        count = 0
        while not stop:
            with Wire(pooler.address) as wire:
                if context:
                    wire.start_tls(context)
                wire.login(user, "app", PASSWORD)
                count += 1
        return count

    jobs = [later(come, user, context) for user in ("alice", "carol")
            for context in (None, certs.context())]
    for n in range(25):
        change_users(pooler, {**SECRETS, **{f"user{m}": "x" for m in range(n * 50)}})
        issued = (certs.server, certs.server_rsa)[n % 2]
        pooler.reload(client_tls_cert_file=issued.cert_file, client_tls_key_file=issued.key_file)
        assert not any(job.done() for job in jobs), [job for job in jobs if job.done()]
    stop.append(True)
    assert all(job.result(20) > 0 for job in jobs)


@pytest.mark.parametrize("method", ["plain", "md5", "scram-sha-256"])
def test_list_is_read_again_between_question_and_answer(make_login_pooler, method):
    """The secret that was asked about is the one that counts; then it is gone."""
    pooler = make_login_pooler(method, {"alice": PASSWORD})
    wire, body = begin(pooler, "alice")
    change_users(pooler, {"bob": PASSWORD})
    pooler.reload()
    wire.answer(body, "alice", PASSWORD)
    try:
        wire.finish_login("alice", PASSWORD)
    except Refused as refused:
        assert refused.fields["C"] in ("28P01", "28000")
    assert login_error(pooler, "alice", PASSWORD)["C"] == "28P01"


def test_shutdown_in_the_middle_of_logins(make_login_pooler):
    pooler = make_login_pooler("scram-sha-256", SECRETS, tcp_defer_accept=0)
    wires = [begin(pooler, user)[0] for user in ("alice", "carol", "nobody")] + [pooler.wire()]
    pooler.send_signal(signal.SIGQUIT)
    for wire in wires:
        wire.rest()
    assert pooler.wait() == 0
    pooler.check_output()
