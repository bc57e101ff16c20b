"""TLS with clients: how it begins, whom it lets in, and what it never confuses."""

import os
import re
import signal
import socket
import ssl
import subprocess
import time

import psycopg
import pytest

from harness import scram
from harness.logins import ADMIN_PASSWORD
from harness.waiting import holds_for, wait_until
from harness.wire import (GSS_REQUEST, SSL_REQUEST, Closed, Refused, Wire, cancel_request,
                          fields_of, password_message, query, sasl_initial, startup)

PASSWORD = "right"
SECRETS = {"alice": PASSWORD, "bob": scram.verifier(PASSWORD)}
ALICE = {"user": "alice", "database": "app"}


@pytest.fixture
def make_tls(make_login_pooler, certs):
    def make(mode="prefer", auth_type="scram-sha-256", issued=None, **settings):
        return make_login_pooler(auth_type, settings.pop("secrets", SECRETS),
                                 **{**certs.client_tls(mode, issued), **settings})
    return make


@pytest.fixture
def tls(certs):
    return certs.context()


def enter(pooler, context, user="alice", password=PASSWORD, direct=False, dbname="app"):
    wire = pooler.wire().start_tls(context, direct)
    return wire.login(user, dbname, password)


def client_rows(pooler, user="alice"):
    return [row for row in pooler.show("CLIENTS") if row["user"] == user]


def is_over(wire):
    """The peer has ended the connection, orderly or not, without a login."""
    try:
        return "R" not in wire.rest().types
    except OSError:
        return True


# ---- how it begins -------------------------------------------------------------------------

def test_ssl_request_is_answered_with_S_and_the_login_goes_on_inside(make_tls, tls):
    pooler = make_tls()
    assert enter(pooler, tls).value("select current_user") == "alice"


def test_clear_clients_are_welcome_unless_tls_is_required(make_tls):
    for mode, welcome in (("allow", True), ("prefer", True), ("require", False)):
        pooler = make_tls(mode)
        if welcome:
            assert pooler.wire().login("alice", "app", PASSWORD).value("select 1") == "1"
            continue
        with pytest.raises(Refused) as refused:
            pooler.wire().login("alice", "app", PASSWORD)
        assert refused.value.fields["C"] == "28000"
        assert re.search("SSL|TLS", refused.value.fields["M"])


def test_password_is_not_asked_for_in_clear_when_tls_is_required(make_tls):
    pooler = make_tls("require", "plain")
    with pooler.wire() as wire:
        with pytest.raises(Refused):
            wire.login("alice", "app", PASSWORD)
        assert wire.asked == []


def test_gss_request_may_come_before(make_tls, tls):
    wire = make_tls().wire()
    wire.send(GSS_REQUEST)
    assert wire.read_bytes(1) == b"N"
    assert wire.start_tls(tls).login("alice", "app", PASSWORD).value("select 1") == "1"


@pytest.mark.parametrize("behind", [b"x", startup(ALICE), startup(ALICE) + query("select 1"),
                                    SSL_REQUEST, b"\x16\x03\x01"])
def test_bytes_in_clear_behind_the_request_end_it(make_tls, behind):
    """CVE-2021-3935: what a man in the middle put there counted as said inside."""
    pooler = make_tls()
    wire = pooler.wire()
    wire.send(SSL_REQUEST + behind)
    answer = b""
    try:
        while len(answer) < 100000:
            data = wire.socket.recv(4096)
            if not data:
                break
            answer += data
    except ConnectionResetError:
        pass
    assert b"R\0\0\0" not in answer[:5] and not answer.startswith(b"S"), answer
    assert pooler.is_running()


def test_hello_that_overtakes_the_answer_is_not_taken_as_said_in_clear(make_tls, tls):
    """It was: bytes behind an SSLRequest are refused even when they look like TLS."""
    pooler = make_tls()
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    inside = tls.wrap_bio(incoming, outgoing, server_hostname="localhost")
    with pytest.raises(ssl.SSLWantReadError):
        inside.do_handshake()
    wire = pooler.wire()
    wire.send(SSL_REQUEST + outgoing.read())
    assert is_over_bytes(wire)


def is_over_bytes(wire):
    try:
        while wire.socket.recv(4096):
            pass
    except ConnectionResetError:
        pass
    return True


def test_request_for_tls_inside_of_tls_is_not_granted(make_tls, tls):
    for request in (SSL_REQUEST, GSS_REQUEST):
        wire = make_tls().wire().start_tls(tls)
        wire.send(request)
        try:
            assert wire.read_bytes(1) in (b"N", b"E")
        except (Closed, OSError):
            pass


def test_unix_socket_has_no_tls(make_tls):
    pooler = make_tls("require")
    wire = pooler.wire(pooler.socket_path)
    wire.send(SSL_REQUEST)
    assert wire.read_bytes(1) == b"N"
    assert wire.login("alice", "app", PASSWORD).value("select 1") == "1"


def test_request_and_hello_may_be_cut_at_every_byte(make_tls, tls):
    """The bytes of the handshake arrive one by one."""
    pooler = make_tls()
    wire = pooler.wire()
    for byte in SSL_REQUEST:
        wire.send(bytes([byte]))
    assert wire.read_bytes(1) == b"S"
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    inside = tls.wrap_bio(incoming, outgoing, server_hostname="localhost")

    def step(function):
        while True:
            try:
                result = function()
                break
            except ssl.SSLWantReadError:
                push()
                incoming.write(wire.socket.recv(1))
        push()
        return result

    def push():
        for byte in outgoing.read():
            wire.send(bytes([byte]))

    step(inside.do_handshake)
    inside.write(startup({"user": "alice", "database": "app"}))
    push()
    assert step(lambda: inside.read(1)) == b"R"


# ---- direct TLS ----------------------------------------------------------------------------

def test_direct_tls_with_alpn(make_tls, certs):
    pooler = make_tls("require")
    wire = enter(pooler, certs.context(alpn="postgresql"), direct=True)
    assert wire.value("select 1") == "1"
    assert wire.socket.selected_alpn_protocol() == "postgresql"


@pytest.mark.parametrize("alpn", [None, "http/1.1", "postgres"])
def test_direct_tls_without_the_right_alpn_is_refused(make_tls, certs, alpn):
    """Or else a browser could be made to speak to us."""
    pooler = make_tls("require")
    with pytest.raises((ssl.SSLError, OSError, Refused)):
        enter(pooler, certs.context(alpn=alpn), direct=True)
    assert client_rows(pooler) == []


def test_alpn_is_chosen_when_tls_was_asked_for_too_but_not_needed(make_tls, certs):
    pooler = make_tls()
    wire = enter(pooler, certs.context(alpn="postgresql"))
    assert wire.socket.selected_alpn_protocol() == "postgresql"
    assert enter(pooler, certs.context()).socket.selected_alpn_protocol() is None


def test_direct_tls_where_none_is_offered(make_tls, certs):
    pooler = make_tls("disable")
    with pytest.raises((ssl.SSLError, OSError, Refused)):
        enter(pooler, certs.context(alpn="postgresql"), direct=True)
    assert pooler.wire().login("alice", "app", PASSWORD).value("select 1") == "1"


# ---- versions, ciphers, groups -------------------------------------------------------------

V12, V13 = ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3


@pytest.mark.parametrize("protocols, good, bad", [
    ("secure", (V12, V13), ()), ("tlsv1.2", (V12,), (V13,)), ("tlsv1.3", (V13,), (V12,)),
    ("tlsv1.2,tlsv1.3", (V12, V13), ())])
def test_protocols(make_tls, certs, protocols, good, bad):
    pooler = make_tls(client_tls_protocols=protocols)
    for version in good:
        wire = enter(pooler, certs.context(version=version))
        assert wire.socket.version() == version.name.replace("_", ".")
    for version in bad:
        with pytest.raises((ssl.SSLError, OSError)):
            pooler.wire().start_tls(certs.context(version=version))


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion")
def test_old_versions_are_refused(make_tls, certs):
    pooler = make_tls()
    context = certs.context(ciphers="ALL:@SECLEVEL=0")
    context.minimum_version = ssl.TLSVersion.TLSv1
    context.maximum_version = ssl.TLSVersion.TLSv1_1
    with pytest.raises((ssl.SSLError, OSError)):
        pooler.wire().start_tls(context)


def test_ciphers(make_tls, certs):
    pooler = make_tls(client_tls_ciphers="ECDHE-ECDSA-AES128-GCM-SHA256",
                      client_tls13_ciphers="TLS_CHACHA20_POLY1305_SHA256")
    wire = enter(pooler, certs.context(version=V12))
    assert wire.socket.cipher()[0] == "ECDHE-ECDSA-AES128-GCM-SHA256"
    assert enter(pooler, certs.context()).socket.cipher()[0] == "TLS_CHACHA20_POLY1305_SHA256"
    with pytest.raises((ssl.SSLError, OSError)):
        pooler.wire().start_tls(certs.context(version=V12,
                                              ciphers="ECDHE-ECDSA-AES256-GCM-SHA384"))


def test_group_is_as_configured(make_tls, certs):
    pooler = make_tls(client_tls_ecdhcurve="secp384r1")
    done = subprocess.run(["openssl", "s_client", "-connect", f"127.0.0.1:{pooler.port}",
                           "-starttls", "postgres", "-CAfile", certs.ca_file],
                          capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=20)
    assert re.search("secp384r1|P-384|ECDH, .*384", done.stdout), done.stdout
    assert "Verify return code: 0" in done.stdout


@pytest.mark.parametrize("setting, value", [
    ("client_tls_protocols", "tlsv9"), ("client_tls_ciphers", "NO-SUCH-CIPHER"),
    ("client_tls13_ciphers", "TLS_NONSENSE"), ("client_tls_ecdhcurve", "no-such-curve"),
    ("client_tls_cert_file", "/no/such/file"), ("client_tls_key_file", "/no/such/file"),
    ("client_tls_ca_file", "/no/such/file"), ("client_tls_dheparams", "legacy")])
def test_what_tls_cannot_be_made_of_is_a_refusal_to_start(make_tls, setting, value):
    pooler = make_tls(start=False)
    pooler.change(**{setting: value})
    pooler.spawn()
    assert pooler.wait() == 1
    assert value in pooler.output() or setting in pooler.output(), pooler.output()


def test_key_of_another_certificate_is_a_refusal_to_start(make_tls, certs):
    pooler = make_tls(start=False, client_tls_key_file=certs.server_rsa.key_file)
    pooler.spawn()
    assert pooler.wait() == 1
    assert certs.server_rsa.key_file in pooler.output() or "key" in pooler.output()


def test_key_with_a_passphrase_is_a_refusal_and_not_a_prompt(make_tls, certs, write_file):
    made = subprocess.run(["openssl", "pkey", "-in", certs.server.key_file, "-aes128",
                           "-passout", "pass:x"], capture_output=True, text=True, check=True)
    key = write_file("locked.key", made.stdout)
    pooler = make_tls(start=False, client_tls_key_file=key)
    pooler.spawn()
    assert pooler.wait() == 1
    assert key in pooler.output()


# ---- certificates of clients ---------------------------------------------------------------

def test_certificates_are_checked(make_tls, certs):
    pooler = make_tls("verify-ca")
    for name in ("alice", "alice-rsa", "bob", "san", "wildcard"):
        assert enter(pooler, certs.context(name)).value("select 1") == "1"
    for name in ("expired", "revoked", "stranger", "self-signed", "server-only", None):
        with pytest.raises((ssl.SSLError, OSError, Refused)) as raised:
            enter(pooler, certs.context(name)).value("select 1")
        if raised.type is Refused:
            assert "C" not in raised.value.fields, raised.value.fields


def test_reason_of_a_refused_certificate_is_in_the_log(make_tls, certs):
    pooler = make_tls("verify-ca")
    for name, reason in (("expired", "expired"), ("revoked", "revoked"),
                         ("stranger", "issuer|unable|self")):
        with pytest.raises((ssl.SSLError, OSError, Refused)):
            enter(pooler, certs.context(name)).value("select 1")
        wait_until(lambda: re.search(reason, pooler.output()), 5, f"{reason}: {pooler.output()}")


NAMES = {"alice": "ok", "alice-rsa": "ok", "bob": "28000", "wildcard": "28000", "nul": "28000",
         "empty": "28000"}


def test_cert_takes_the_name_and_never_a_pattern(make_tls, certs):
    """A certificate for * is nobody's: PgBouncer matched it like a host's."""
    pooler = make_tls("verify-full", "cert")
    for name, expected in NAMES.items():
        try:
            outcome = "ok" if enter(pooler, certs.context(name), password=None) else ""
        except Refused as refused:
            outcome = refused.fields.get("C")
        assert outcome == expected, name


def test_cert_takes_a_dns_name_too(make_tls, certs):
    pooler = make_tls("verify-full", "cert")
    assert enter(pooler, certs.context("san"), password=None).value("select 1") == "1"


@pytest.mark.parametrize("version", [V12, V13])
def test_resumed_session_is_still_who_it_was(make_tls, certs, version):
    pooler = make_tls("verify-full", "cert")
    context = certs.context("alice", version=version)
    first = enter(pooler, context, password=None)
    first.value("select 1")
    session = first.socket.session
    for user, expected in (("alice", "ok"), ("bob", "28000")):
        wire = pooler.wire()
        wire.send(SSL_REQUEST)
        wire.read_bytes(1)
        wire.socket = context.wrap_socket(wire.socket, server_hostname="localhost",
                                          session=session)
        try:
            wire.login(user, "app", None)
            outcome = "ok"
        except Refused as refused:
            outcome = refused.fields.get("C")
        assert outcome == expected
        if version == V12 or user == "alice":
            assert wire.socket.session_reused


# ---- channel binding -----------------------------------------------------------------------

@pytest.mark.parametrize("kind", ["server", "server_rsa"])
def test_channel_binding_may_be_required(make_tls, certs, kind):
    pooler = make_tls("require", issued=getattr(certs, kind))
    for user in SECRETS:
        with psycopg.connect(pooler.conninfo(user=user, password=PASSWORD, host="localhost",
                                             sslmode="verify-full", sslrootcert=certs.ca_file,
                                             channel_binding="require")) as conn:
            assert conn.execute("select current_user").fetchone() == (user,)


def scram_login(wire, name, gs2, data, user="alice"):
    """None, or the fields of the refusal of a login with this binding."""
    wire.send(startup({"user": user, "database": "app"}))
    wire.read()
    client = scram.Client(PASSWORD, gs2, data)
    wire.send(sasl_initial(name, client.first()))
    try:
        m = wire.read()
        if m.type == "R":
            wire.send(password_message(client.final(m.body[4:].decode()).encode()))
            wire.finish_login()
            return None
        return fields_of(m.body)
    except Refused as refused:
        return refused.fields


PLUS, BARE = "SCRAM-SHA-256-PLUS", "SCRAM-SHA-256"
END_POINT = "p=tls-server-end-point,,"


@pytest.mark.parametrize("name, gs2, binding, is_right", [
    (PLUS, END_POINT, "right", True), (BARE, "n,,", "none", True),
    (BARE, "y,,", "none", False),                # a downgrade: we did offer it
    (PLUS, END_POINT, "wrong", False), (PLUS, END_POINT, "none", False),
    (PLUS, "n,,", "none", False), (PLUS, "y,,", "none", False), (BARE, END_POINT, "right", False),
    (PLUS, "p=tls-unique,,", "right", False), (BARE, "n,,", "right", False)])
def test_bindings_that_do_not_fit(make_tls, tls, name, gs2, binding, is_right):
    pooler = make_tls()
    for user in SECRETS:
        wire = pooler.wire().start_tls(tls)
        data = {"right": wire.binding(), "wrong": b"x" * 32, "none": b""}[binding]
        fields = scram_login(wire, name, gs2, data, user)
        assert (fields is None) is is_right, fields
        if fields:
            assert fields["C"] in ("28P01", "08P01", "28000"), fields


def test_binding_is_offered_inside_of_tls_only(make_tls, tls):
    pooler = make_tls()
    assert PLUS in enter(pooler, tls).asked
    clear = pooler.wire().login("alice", "app", PASSWORD)
    assert clear.asked == [BARE]


def test_binding_is_to_the_certificate_that_was_shown(make_tls, certs, tls):
    """Also after another certificate has taken its place."""
    pooler = make_tls()
    wire = pooler.wire().start_tls(tls)
    pooler.reload(client_tls_cert_file=certs.server_rsa.cert_file,
                  client_tls_key_file=certs.server_rsa.key_file)
    assert wire.login("alice", "app", PASSWORD).value("select 1") == "1"
    assert PLUS in wire.asked


# ---- resumption, what the console says -----------------------------------------------------

@pytest.mark.parametrize("version", [V12, V13])
def test_session_is_resumed(make_tls, certs, version):
    pooler = make_tls()
    context = certs.context(version=version)
    first = enter(pooler, context)
    first.value("select 1")
    assert "resumed" not in str(client_rows(pooler))
    wire = pooler.wire()
    wire.send(SSL_REQUEST)
    wire.read_bytes(1)
    wire.socket = context.wrap_socket(wire.socket, server_hostname="localhost",
                                      session=first.socket.session)
    assert wire.login("alice", "app", PASSWORD).value("select 1") == "1"
    assert wire.socket.session_reused
    assert PLUS in wire.asked
    assert "resumed" in str(client_rows(pooler)), client_rows(pooler)


def test_session_is_not_resumed_where_the_authority_has_changed(make_tls, certs):
    """Whose certificate was checked against another authority must show it again."""
    pooler = make_tls("verify-ca")
    context = certs.context("alice", version=V12)
    first = enter(pooler, context)
    first.value("select 1")
    pooler.reload(client_tls_ca_file=certs.stranger.ca_file, client_tls_crl_file="")
    wire = pooler.wire()
    wire.send(SSL_REQUEST)
    wire.read_bytes(1)
    with pytest.raises((ssl.SSLError, OSError, Refused)):
        wire.socket = context.wrap_socket(wire.socket, server_hostname="localhost",
                                          session=first.socket.session)
        wire.login("alice", "app", PASSWORD)
    pooler.change(**certs.client_tls("verify-ca"))  # so that the console can be reached again
    pooler.send_signal(signal.SIGHUP)
    wait_until(lambda: can_open_console(pooler), 5)


def can_open_console(pooler):
    try:
        pooler.console().close()
        return True
    except (OSError, Refused):
        return False


def test_console_tells_protocol_cipher_alpn_and_subject(make_tls, certs):
    pooler = make_tls("verify-ca")
    wire = enter(pooler, certs.context("alice", alpn="postgresql"))
    wire.value("select 1")
    (row,) = client_rows(pooler)
    assert "TLSv1.3" in row["tls"] and wire.socket.cipher()[0] in row["tls"], row
    assert "postgresql" in str(row) and "CN=alice" in str(row), row


def test_console_tells_nothing_of_clients_in_clear(make_tls):
    pooler = make_tls()
    pooler.wire().login("alice", "app", PASSWORD)
    (row,) = client_rows(pooler)
    assert row["tls"] in (None, "")


def test_console_itself_may_be_reached_by_tls(make_tls, certs, tls):
    pooler = make_tls()
    wire = Wire(pooler.admin_address).start_tls(tls)
    assert wire.login("admin", "pooler", ADMIN_PASSWORD).ask("SHOW VERSION").rows


# ---- data ----------------------------------------------------------------------------------

def test_large_results_and_copies_pass_unharmed(make_tls, certs):
    pooler = make_tls()
    with psycopg.connect(pooler.conninfo(password=PASSWORD, sslmode="verify-full",
                                         sslrootcert=certs.ca_file)) as conn:
        row = conn.execute("select string_agg(md5(n::text), '') from generate_series(1, 400000) n")
        (text,) = row.fetchone()
        assert len(text) == 32 * 400000
        conn.execute("create temp table t(a text) on commit drop")
        with conn.cursor().copy("copy t from stdin") as copy:
            for n in range(2000):
                copy.write(f"{text[n:n + 5000]}\n")
        assert conn.execute("select count(*), sum(length(a)) from t").fetchone() == (2000, 10 ** 7)
        with conn.cursor().copy("copy t to stdout") as copy:
            assert sum(len(data) for data in copy) == 10 ** 7 + 2000


def test_client_that_reads_slowly_gets_it_all(make_tls, tls):
    pooler = make_tls()
    wire = enter(pooler, tls)
    wire.send(query("select repeat('x', 1000) from generate_series(1, 20000)"))
    time.sleep(0.3)
    before = pooler.rss()
    reply = wire.until("Z")
    assert len(reply.rows) == 20000
    assert before < 60e6


def test_many_small_queries_in_one_record(make_tls, tls):
    wire = enter(make_tls(), tls)
    wire.send(*(query(f"select {n}") for n in range(500)))
    assert [wire.until("Z").value for _ in range(500)] == [str(n) for n in range(500)]


def test_message_in_records_of_one_byte(make_tls, tls):
    wire = enter(make_tls(), tls)
    for byte in query("select 4711"):
        wire.send(bytes([byte]))
    assert wire.until("Z").value == "4711"


def test_first_query_in_the_same_record_as_the_startup_packet(make_tls, tls):
    pooler = make_tls(auth_type="trust")
    wire = pooler.wire().start_tls(tls)
    wire.send(startup(ALICE) + query("select 42"))
    assert wire.finish_login().until("Z").value == "42"


# ---- cancel --------------------------------------------------------------------------------

def test_cancel_by_tls_and_in_clear(make_tls, tls, later, certs):
    """In clear too, even where TLS is required: libpq 15 knows no other way."""
    pooler = make_tls("require")
    wire = enter(pooler, tls)
    for by_tls in (True, False):
        asleep = later(wire.ask, "select pg_sleep(20)")
        wait_until(lambda: pooler.cluster.backends("state = 'active' and query like '%pg_sleep%'"))
        with Wire(pooler.address) as canceller:
            if by_tls:
                canceller.start_tls(certs.context())
            canceller.send(cancel_request(wire.key))
            is_over_bytes(canceller)
        assert asleep.result(10).error["C"] == "57014"


# ---- clients that go wrong -----------------------------------------------------------------

GARBAGE = {
    "a hello and then nothing": b"\x16\x03\x01\x00\x05\x01\x00\x00\x01\x00",
    "zeros": b"\0" * 500,
    "text": b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
    "an alert": b"\x15\x03\x03\x00\x02\x02\x28",
    "a record of 64 kB": b"\x16\x03\x01\xff\xff" + b"x" * 70000,
    "data first": b"\x17\x03\x03\x00\x10" + b"x" * 16,
    "SSL 2": b"\x80\x2e\x01\x00\x02" + b"x" * 44,
    "a startup packet in clear": startup(ALICE),
}


@pytest.mark.parametrize("what", GARBAGE)
@pytest.mark.parametrize("direct", [True, False])
def test_garbage_instead_of_a_handshake(make_tls, what, direct):
    pooler = make_tls("require")
    wire = pooler.wire()
    if not direct:
        wire.send(SSL_REQUEST)
        assert wire.read_bytes(1) == b"S"
    try:
        wire.send(GARBAGE[what])
        wire.socket.shutdown(socket.SHUT_WR)
    except OSError:
        pass
    is_over_bytes(wire)
    assert pooler.is_running()
    assert not pooler.ask_console("SHOW POOLS").errors


def test_stalled_handshake_costs_a_bounded_time(make_tls, tls):
    pooler = make_tls(client_login_timeout=1)
    wire = pooler.wire()
    wire.send(SSL_REQUEST)
    assert wire.read_bytes(1) == b"S"
    wire.send(b"\x16\x03\x01\x02\x00\x01")
    began = time.monotonic()
    is_over_bytes(wire)
    assert time.monotonic() - began < 5


@pytest.mark.long
def test_stalled_handshakes_take_the_place_of_nobody(make_tls, tls):
    pooler = make_tls(max_logins=3)
    stalled = []
    for _ in range(6):
        wire = pooler.wire()
        wire.send(SSL_REQUEST)
        stalled.append(wire)
    began = time.monotonic()
    assert enter(pooler, tls).value("select 1") == "1"
    assert time.monotonic() - began < 12
    for wire in stalled:
        wire.close()


def test_going_away_at_any_point_of_the_handshake(make_tls, tls):
    pooler = make_tls()
    for reads in range(4):
        for reset in (True, False):
            wire = pooler.wire()
            wire.send(SSL_REQUEST)
            wire.read_bytes(1)
            incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
            inside = tls.wrap_bio(incoming, outgoing, server_hostname="localhost")
            for _ in range(reads):
                is_done = True
                try:
                    inside.do_handshake()
                except ssl.SSLWantReadError:
                    is_done = False
                data = outgoing.read()
                if data:
                    wire.send(data)
                    if reads < 3 and not is_done:
                        incoming.write(wire.socket.recv(65536))
            wire.reset() if reset else wire.close()
    wait_until(lambda: pooler.lists()["login_clients"] == 0, 5)
    assert enter(pooler, tls).value("select 1") == "1"


def test_end_without_a_close_notify_is_an_end_like_any_other(make_tls, tls):
    pooler = make_tls()
    wire = enter(pooler, tls)
    os.close(wire.socket.detach())
    wait_until(lambda: client_rows(pooler) == [], 5)
    assert "ERROR" not in pooler.output()


def test_client_that_wants_to_shake_hands_again(make_tls, certs):
    """TLS 1.2 knows renegotiation; here nobody gets it."""
    pooler = make_tls()
    done = subprocess.run(["openssl", "s_client", "-connect", f"127.0.0.1:{pooler.port}",
                           "-starttls", "postgres", "-tls1_2", "-CAfile", certs.ca_file],
                          capture_output=True, text=True, input="R\n", timeout=20)
    assert "RENEGOTIATING" in done.stdout + done.stderr
    assert re.search("no renegotiation|errno|error", done.stderr), done.stderr
    assert pooler.is_running()
    assert enter(pooler, certs.context()).value("select 1") == "1"


def test_orderly_end(make_tls, tls):
    pooler = make_tls()
    wire = enter(pooler, tls)
    wire.send(b"X\0\0\0\4")
    assert wire.rest().messages == []
    wait_until(lambda: client_rows(pooler) == [], 5)


def test_shutdown_says_why_inside_of_tls(make_tls, tls):
    pooler = make_tls()
    wire = enter(pooler, tls)
    pooler.send_signal(signal.SIGQUIT)
    assert wire.rest().error["C"] == "57P01"
    assert pooler.wait() == 0


# ---- reload --------------------------------------------------------------------------------

def shown(pooler, tls):
    with Wire(pooler.address) as wire:
        return wire.start_tls(tls).socket.getpeercert(binary_form=True)


def test_new_certificate_for_new_clients_and_the_old_ones_stay(make_tls, certs, tls):
    pooler = make_tls()
    old = enter(pooler, tls)
    assert shown(pooler, tls) == certs.server.der
    pooler.reload(client_tls_cert_file=certs.server_rsa.cert_file,
                  client_tls_key_file=certs.server_rsa.key_file)
    assert shown(pooler, tls) == certs.server_rsa.der
    assert old.value("select 1") == "1"


def test_certificate_renewed_in_place_is_taken_up_by_reload(make_tls, certs, tls, write_file):
    """The names stay, the files are others."""
    cert = write_file("in-place.crt", certs.server.pem.decode())
    key = write_file("in-place.key", certs.server.key_pem.decode())
    pooler = make_tls(client_tls_cert_file=cert, client_tls_key_file=key)
    assert shown(pooler, tls) == certs.server.der
    write_file("in-place.crt", certs.server_rsa.pem.decode())
    write_file("in-place.key", certs.server_rsa.key_pem.decode())
    pooler.reload()
    assert shown(pooler, tls) == certs.server_rsa.der


def test_bad_new_certificate_keeps_the_old_one_and_reload_says_so(make_tls, certs, tls,
                                                                 write_file):
    pooler = make_tls()
    junk = write_file("junk.crt", "-----BEGIN CERTIFICATE-----\nnonsense\n")
    for change in ({"client_tls_cert_file": junk}, {"client_tls_cert_file": "/no/such/file"},
                   {"client_tls_key_file": certs.server_rsa.key_file},
                   {"client_tls_ca_file": junk}):
        before = dict(pooler.settings)
        pooler.change(**change)
        reply = pooler.ask_console("RELOAD")
        assert reply.error, f"RELOAD took {change}"
        (path,) = change.values()
        assert path in str(reply.error) or "key" in str(reply.error), reply.error
        assert shown(pooler, tls) == certs.server.der
        pooler.settings = before
    pooler.reload()


def test_nothing_of_a_reload_counts_when_its_certificate_is_bad(make_tls):
    pooler = make_tls(max_client_conn=77)
    pooler.change(client_tls_cert_file="/no/such/file", max_client_conn=88)
    assert pooler.ask_console("RELOAD").error
    values = {row["key"]: row["value"] for row in pooler.show("CONFIG")}
    assert values["max_client_conn"] == "77"


def test_certificate_that_is_revoked_meanwhile(make_tls, certs, write_file):
    crl = write_file("list.crl", open(certs.crl_file).read())
    pooler = make_tls("verify-ca", client_tls_crl_file=crl)
    brief = certs.authority.issue("brief", "alice")
    certs.client["brief"] = brief
    wire = enter(pooler, certs.context("brief"))
    certs.authority.revoked.append(brief.cert.serial_number)
    certs.authority.write_crl()
    write_file("list.crl", open(certs.crl_file).read())
    pooler.reload()
    with pytest.raises((ssl.SSLError, OSError, Refused)):
        enter(pooler, certs.context("brief")).value("select 1")
    assert wire.value("select 1") == "1", "who is in stays in"
    assert enter(pooler, certs.context("alice")).value("select 1") == "1"


def test_reload_under_load_drops_nobody(make_tls, certs, tls, later):
    pooler = make_tls(default_pool_size=4)
    stop = []

    def established():
        wire = enter(pooler, certs.context())
        count = 0
        while not stop:
            assert wire.value(f"select {count}") == str(count)
            count += 1
        return count

    def coming():
        count = 0
        while not stop:
            with Wire(pooler.address) as wire:
                wire.start_tls(certs.context()).login("alice", "app", PASSWORD)
                count += 1
        return count

    jobs = [later(established) for _ in range(4)] + [later(coming) for _ in range(2)]
    for n in range(10):
        issued = (certs.server, certs.server_rsa)[n % 2]
        pooler.reload(client_tls_cert_file=issued.cert_file, client_tls_key_file=issued.key_file)
        assert holds_for(lambda: not any(job.done() for job in jobs), 0.1)
    stop.append(True)
    assert all(job.result(20) > 0 for job in jobs)


def test_turning_tls_on_and_off_while_it_runs(make_login_pooler, certs, tls):
    pooler = make_login_pooler("scram-sha-256", SECRETS)

    def answer():
        with Wire(pooler.address) as wire:
            wire.send(SSL_REQUEST)
            return wire.read_bytes(1)

    assert answer() == b"N"
    clear = pooler.wire().login("alice", "app", PASSWORD)
    pooler.reload(**certs.client_tls("prefer"))
    inside = enter(pooler, tls)
    assert answer() == b"S"
    pooler.reload(client_tls_sslmode="disable")
    assert answer() == b"N"
    assert clear.value("select 1") == inside.value("select 1") == "1"
