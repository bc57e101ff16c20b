"""TLS towards servers: when it is used, whom it believes, and what clients hear."""

import re
import ssl
import struct
import threading

import pytest

from harness import scram
from harness.backend import GREETING
from harness.drivers import Psql
from harness.secure import PASSWORD
from harness.waiting import wait_until
from harness.wire import Closed, Refused, Wire, cstring, message, startup

MODES = ("disable", "allow", "prefer", "require", "verify-ca", "verify-full")


@pytest.fixture
def make_to_tls(make_login_pooler, secure, certs):
    """A pooler in front of the PostgreSQL that speaks TLS, with alice let in by trust."""
    def make(mode="verify-full", database=None, **settings):
        settings = {"server_tls_sslmode": mode, "server_tls_ca_file": certs.ca_file,
                    "server_login_retry": "0.2", **settings}
        databases = settings.pop("databases", {"app": secure.target(**(database or {}))})
        return make_login_pooler("trust", {"alice": PASSWORD, "bob": PASSWORD,
                                           "certy": "", "bothy": PASSWORD},
                                 databases=databases, **settings)
    return make


def tls_of(pooler, secure, user="alice", dbname="app"):
    """What the server says of the connection that a client is served by."""
    wire = pooler.wire().login(user, dbname)
    wire.ask("begin")
    found = secure.tls_of(int(wire.value("select pg_backend_pid()")))
    wire.ask("commit")
    return found


def fields_or_none(pooler, user="alice", dbname="app"):
    """None when a query can be asked, else the error."""
    with pooler.wire() as wire:
        try:
            return wire.login(user, dbname).ask("select 1").error
        except Refused as refused:
            return refused.fields
        except Closed as closed:
            return closed.args[0][0]


@pytest.fixture
def other_certificate(secure, certs):
    """Makes the server show another certificate for a test."""
    def use(issued):
        secure.use_certificate(issued)
        wait_until(lambda: shows(secure, issued), 5, "the server keeps its certificate")
    yield use
    secure.ensure_up()
    use(certs.server)


# ---- modes ---------------------------------------------------------------------------------

@pytest.mark.parametrize("mode", MODES)
def test_each_mode_with_a_server_that_speaks_tls(make_to_tls, secure, mode):
    assert tls_of(make_to_tls(mode), secure)[0] is (mode != "disable")


@pytest.mark.parametrize("mode", MODES)
def test_each_mode_with_a_server_that_does_not(make_login_pooler, cluster, certs, mode):
    pooler = make_login_pooler("trust", {"alice": ""}, server_tls_sslmode=mode,
                               server_tls_ca_file=certs.ca_file)
    fields = fields_or_none(pooler)
    if mode in ("disable", "allow", "prefer"):
        assert fields is None
    else:
        assert re.search("TLS|SSL", fields["M"]), fields
        assert fields["C"] != "08P01"


def test_unix_sockets_have_no_tls(make_to_tls, secure):
    pooler = make_to_tls("require", database={"host": secure.directory})
    assert tls_of(pooler, secure)[0] is False


def test_entry_has_its_own_mode_and_files(make_to_tls, secure, certs):
    databases = {
        "app": secure.target(),
        "clear": secure.target(tls_sslmode="disable"),
        "strict": secure.target(tls_sslmode="verify-full", tls_ca_file=certs.ca_file),
        "wrong": secure.target(tls_sslmode="verify-full", tls_ca_file=certs.stranger.ca_file),
        "old": secure.target(tls_protocols="tlsv1.2"),
        "suite": secure.target(tls_protocols="tlsv1.3",
                               tls13_ciphers="TLS_CHACHA20_POLY1305_SHA256"),
        "cipher": secure.target(tls_protocols="tlsv1.2",
                                tls_ciphers="ECDHE-ECDSA-AES256-GCM-SHA384"),
        "who": secure.target(user="certy", tls_cert_file=certs.client["pooler"].cert_file,
                             tls_key_file=certs.client["pooler"].key_file),
    }
    pooler = make_to_tls("prefer", databases=databases)
    assert tls_of(pooler, secure)[0] is True
    assert tls_of(pooler, secure, dbname="clear")[0] is False
    assert tls_of(pooler, secure, dbname="strict")[0] is True
    assert "certificate" in fields_or_none(pooler, dbname="wrong")["M"]
    assert tls_of(pooler, secure, dbname="old")[1] == "TLSv1.2"
    assert tls_of(pooler, secure, dbname="suite")[1:3] == ("TLSv1.3",
                                                          "TLS_CHACHA20_POLY1305_SHA256")
    assert tls_of(pooler, secure, dbname="cipher")[1:3] == ("TLSv1.2",
                                                           "ECDHE-ECDSA-AES256-GCM-SHA384")
    assert "certy" in tls_of(pooler, secure, dbname="who")[3]


# ---- certificates --------------------------------------------------------------------------

BAD = {  # what the server shows: the modes in which that is no problem
    "wrong_host": ("require", "verify-ca"),
    "wildcard": ("require", "verify-ca"),
    "client_only": ("require",),
    "expired": ("require",),
    "revoked": ("require",),
    "self_signed": ("require",),
    "stranger": ("require",),
    "rsa": ("require", "verify-ca", "verify-full"),
}


@pytest.mark.parametrize("what", BAD)
def test_certificates_of_servers(make_login_pooler, secure, certs, other_certificate, what):
    """With modes as entries of one pooler. The reason reaches the client."""
    other_certificate(getattr(certs, f"server_{what}"))
    modes = ("require", "verify-ca", "verify-full")
    databases = {mode: secure.target(host="localhost", tls_sslmode=mode) for mode in modes}
    pooler = make_login_pooler("trust", {"alice": PASSWORD}, databases=databases,
                               server_tls_ca_file=certs.ca_file,
                               server_tls_crl_file=certs.crl_file)
    outcomes = {mode: fields_or_none(pooler, dbname=mode) for mode in modes}
    for mode in modes:
        if mode in BAD[what]:
            assert outcomes[mode] is None, (mode, outcomes[mode])
            continue
        assert outcomes[mode], f"{mode} believed {what}"
        assert re.search("certificate|host", outcomes[mode]["M"]), outcomes[mode]
        assert outcomes[mode]["C"] not in ("08P01", "28P01", "3D000"), outcomes[mode]
        assert outcomes[mode]["M"] in pooler.output() or "certificate" in pooler.output()


def shows(secure, issued):
    """Whether the server has taken up this certificate."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with Wire(("127.0.0.1", secure.port)) as wire:
        wire.start_tls(context)
        return wire.socket.getpeercert(binary_form=True) == issued.der


def test_revoked_certificate_passes_without_a_list(make_to_tls, secure, certs, other_certificate):
    other_certificate(certs.server_revoked)
    assert fields_or_none(make_to_tls("verify-full")) is None
    strict = make_to_tls("verify-full", server_tls_crl_file=certs.crl_file)
    assert "revoked" in fields_or_none(strict)["M"]


def test_address_instead_of_a_name_must_be_in_the_certificate(make_to_tls, secure, certs,
                                                              other_certificate):
    assert fields_or_none(make_to_tls("verify-full", database={"host": "127.0.0.1"})) is None
    other_certificate(certs.server_wrong_host)
    assert fields_or_none(make_to_tls("verify-full", database={"host": "127.0.0.1"}))


def test_client_certificate_is_shown_to_the_server(make_to_tls, secure, certs):
    mine = {"server_tls_cert_file": certs.client["pooler"].cert_file,
            "server_tls_key_file": certs.client["pooler"].key_file}
    pooler = make_to_tls(**mine)
    assert "certy" in tls_of(pooler, secure, "certy")[3]
    assert tls_of(pooler, secure, "bothy")[0] is True


def test_server_that_misses_a_client_certificate_says_so(make_to_tls):
    fields = fields_or_none(make_to_tls(), "certy")
    assert fields["C"].startswith("28") and "certificate" in fields["M"], fields


def test_client_certificate_that_the_server_refuses(make_to_tls, certs):
    """The alert comes after the handshake, with TLS 1.3: it reaches the client nevertheless."""
    for name in ("expired", "revoked", "stranger"):
        pooler = make_to_tls(server_tls_cert_file=certs.client[name].cert_file,
                             server_tls_key_file=certs.client[name].key_file)
        fields = fields_or_none(pooler, "certy")
        assert re.search("certificate|unknown ca|alert", fields["M"], re.I), fields


# ---- channel binding -----------------------------------------------------------------------

def test_psql_binds_its_channel_to_us_and_we_ours_to_the_server(make_login_pooler, secure, certs):
    """verify-full and channel_binding=require on the way in, SCRAM and TLS on the way out."""
    pooler = make_login_pooler(
        "scram-sha-256", {"tlsy": secure.secret("tlsy")}, databases={"app": secure.target()},
        server_tls_sslmode="verify-full", server_tls_ca_file=certs.ca_file,
        **certs.client_tls("require"))
    outcome = Psql().try_one({
        "host": "localhost", "port": pooler.port, "dbname": "app", "user": "tlsy",
        "password": PASSWORD, "sslmode": "verify-full", "ca": certs.ca_file,
        "channel_binding": "require"})
    assert outcome.user == "tlsy", outcome


def auth(kind, data=b""):
    return message("R", struct.pack("!i", kind) + data)


class TlsServer:
    """A script that speaks TLS and SCRAM and notes which mechanism it was given."""

    def __init__(self, certs, mechanisms, issued=None):
        self.mechanisms = mechanisms
        self.issued = issued or certs.server
        self.used, self.gs2, self.failed = [], [], []

    def play(self, peer):
        peer.send(auth(10, b"".join(cstring(m) for m in self.mechanisms) + b"\0"))
        body = peer.read().body
        name, rest = body.split(b"\0", 1)
        server = scram.Server(PASSWORD)
        peer.send(auth(11, server.first(rest[4:].decode()).encode()))
        self.used.append(name.decode())
        self.gs2.append(server.gs2)
        data = b""
        if name.endswith(b"-PLUS"):
            data = scram.end_point(self.issued.der)
        final = server.final(peer.read().body.decode(), data)
        if final is None:
            self.failed.append(name)
            return
        peer.send(auth(12, final.encode()), GREETING)
        peer.serve()


@pytest.fixture
def make_tls_backend(make_backend, certs):
    """A scripted server that speaks TLS before its script runs."""
    def make(server, behind=b""):
        backend = make_backend(server.play)
        backend.tls = certs.server_context(server.issued)
        backend.behind = behind
        return backend
    return make


@pytest.mark.parametrize("mechanisms, used, gs2", [
    (["SCRAM-SHA-256-PLUS", "SCRAM-SHA-256"], "SCRAM-SHA-256-PLUS", "p=tls-server-end-point,,"),
    (["SCRAM-SHA-256-PLUS"], "SCRAM-SHA-256-PLUS", "p=tls-server-end-point,,"),
    (["SCRAM-SHA-256"], "SCRAM-SHA-256", "y,,")])
@pytest.mark.parametrize("kind", ["server", "server_rsa"])
def test_channel_binding_is_used_when_it_is_offered(make_to_tls, make_tls_backend, certs,
                                                    mechanisms, used, gs2, kind):
    server = TlsServer(certs, mechanisms, getattr(certs, kind))
    backend = make_tls_backend(server)
    pooler = make_to_tls(databases={"app": f"host=127.0.0.1 port={backend.port}"})
    assert pooler.wire().login("alice", "app").value("x") == "scripted"
    assert (server.used, server.gs2, server.failed) == ([used], [gs2], [])


def test_bytes_in_clear_behind_the_S_of_a_server(make_to_tls, make_tls_backend, certs):
    """CVE-2021-3935, the other direction: they must not count as said inside."""
    for behind in (GREETING, b"x", auth(0)):
        server = TlsServer(certs, ["SCRAM-SHA-256"])
        backend = make_tls_backend(server, behind)
        pooler = make_to_tls("require", databases={"app": f"host=127.0.0.1 port={backend.port}"},
                             query_wait_timeout=3)
        fields = fields_or_none(pooler)
        assert fields and "unencrypted data" in fields["M"], fields
        assert server.used == [] and pooler.is_running()


@pytest.mark.parametrize("answer", [b"E", b"X", b"\0", b"SS", b"NN", b"", b"EVERYTHING\0",
                                    b"E\0\0\0\x20SFATAL\0C57P03\0Mnot now\0\0"])
def test_odd_answers_to_our_request_for_tls(make_to_tls, make_backend, answer):
    backend = make_backend(lambda peer: None)
    backend.answer_to_ssl = answer
    for mode in ("prefer", "require"):
        pooler = make_to_tls(mode, databases={"app": f"host=127.0.0.1 port={backend.port}"},
                             query_wait_timeout=2, server_connect_timeout=1)
        assert fields_or_none(pooler)
        assert pooler.is_running()


@pytest.mark.parametrize("mode", MODES[2:])
def test_words_in_clear_are_not_believed_where_tls_is_required(make_to_tls, make_backend, mode):
    """Anybody in between could have written them."""
    words = b"SFATAL\0VFATAL\0C28P01\0Mwords of a stranger\0\0"
    backend = make_backend(lambda peer: None)
    backend.answer_to_ssl = message("E", words)
    pooler = make_to_tls(mode, databases={"app": f"host=127.0.0.1 port={backend.port}"},
                         query_wait_timeout=3)
    fields = fields_or_none(pooler)
    if mode == "prefer":
        assert "words of a stranger" in fields["M"]
        return
    assert "request for TLS" in fields["M"] and fields["C"] != "28P01", fields
    assert not any("stranger" in text for text in fields.values())
    assert "stranger" not in pooler.output()


def test_server_that_shakes_no_hands_costs_a_bounded_time(make_to_tls, make_backend):
    backend = make_backend(lambda peer: None)
    backend.answer_to_ssl = b"S"  # and then nothing
    pooler = make_to_tls("require", server_connect_timeout=1, query_wait_timeout=3,
                         databases={"app": f"host=127.0.0.1 port={backend.port}"})
    assert fields_or_none(pooler)


# ---- resumption, direct TLS ----------------------------------------------------------------

def server_rows(pooler):
    return [row for row in pooler.show("SERVERS") if row["database"] == "app"]


def test_console_tells_the_tls_of_servers(make_to_tls):
    pooler = make_to_tls()
    pooler.wire().login("alice", "app").value("select 1")
    (row,) = server_rows(pooler)
    assert "TLSv1.3" in row["tls"] and "AES" in row["tls"] or "CHACHA" in row["tls"], row
    assert "CN=localhost" in str(row), row


@pytest.fixture
def make_pair(make_login_pooler, certs, secure):
    """A pooler in front of a pooler, TLS all the way."""
    made = []

    def make(negotiation="postgres", inner_settings=None, **settings):
        inner = make_login_pooler("scram-sha-256", {"alice": PASSWORD},
                                  databases={"app": secure.target()},
                                  **{**certs.client_tls("require"), **(inner_settings or {})})
        outer = make_login_pooler(
            "trust", {"alice": PASSWORD}, server_tls_sslmode="verify-full",
            server_tls_ca_file=certs.ca_file, server_tls_sslnegotiation=negotiation,
            databases={"app": f"host=localhost port={inner.port}"}, **settings)
        made.append(outer)
        return outer, inner
    yield make
    for outer in made:
        outer.stop()  # before the pooler that it is a client of


@pytest.mark.parametrize("protocols", ["tlsv1.2", "tlsv1.3"])
@pytest.mark.parametrize("negotiation", ["postgres", "direct"])
def test_reconnecting_pooler_resumes_its_session(make_pair, negotiation, protocols):
    outer, inner = make_pair(negotiation, server_tls_protocols=protocols)
    wire = outer.wire().login("alice", "app")
    pid = wire.value("select 1")
    assert "resumed" not in str(server_rows(outer))
    for _ in range(3):
        outer.ask_console("RECONNECT")
        wait_until(lambda: not outer.pool()["sv_idle"], 5)
        wire.value("select 1")
        (row,) = server_rows(outer)
        assert "resumed" in str(row), row
    clients = [row for row in inner.show("CLIENTS") if row["database"] == "app"]
    assert "resumed" in str(clients[-1]), clients
    assert pid


def test_direct_tls_between_two_poolers(make_pair):
    outer, inner = make_pair("direct")
    assert outer.wire().login("alice", "app").value("select current_user") == "alice"
    (row,) = server_rows(outer)
    assert "postgresql" in str(row), row
    (client,) = [row for row in inner.show("CLIENTS") if row["database"] == "app"]
    assert "postgresql" in str(client), client


def test_direct_tls_to_a_server_that_knows_it_not(make_to_tls):
    """PostgreSQL 15 hangs up; the client hears why."""
    pooler = make_to_tls(server_tls_sslnegotiation="direct", query_wait_timeout=3,
                         server_connect_timeout=2)
    fields = fields_or_none(pooler)
    assert fields and fields["M"], fields


def test_direct_tls_per_entry(make_login_pooler, certs, secure):
    inner = make_login_pooler("trust", {"alice": PASSWORD}, databases={"app": secure.target()},
                              **certs.client_tls("require"))
    target = f"host=localhost port={inner.port} dbname=app"
    outer = make_login_pooler(
        "trust", {"alice": PASSWORD}, server_tls_sslmode="require",
        databases={"app": f"{target} tls_sslnegotiation=direct", "asked": target})
    for dbname in ("app", "asked"):
        assert outer.wire().login("alice", dbname).value("select 1") == "1"
    rows = {row["database"]: str(row) for row in outer.show("SERVERS")}
    assert "postgresql" in rows["app"]
    outer.stop()


# ---- cancel, reload ------------------------------------------------------------------------

def test_cancel_request_reaches_a_server_by_tls(make_to_tls, later):
    pooler = make_to_tls()
    wire = pooler.wire().login("alice", "app")
    asleep = later(wire.ask, "select pg_sleep(20)")
    pooler.wait_for_pool("app", "alice", sv_active=1)
    pooler.cancel(wire.key)
    assert asleep.result(10).error["C"] == "57014"


def test_changed_authority_retires_servers_but_drops_nobody(make_to_tls, certs, secure):
    pooler = make_to_tls("verify-ca")
    wire = pooler.wire().login("alice", "app")
    wire.ask("begin")
    pid = wire.value("select pg_backend_pid()")
    pooler.reload(server_tls_sslmode="verify-full")
    assert wire.value("select pg_backend_pid()") == pid
    wire.ask("commit")
    assert wire.value("select pg_backend_pid()") != pid
    stays = wire.value("select pg_backend_pid()")
    pooler.reload()
    assert wire.value("select pg_backend_pid()") == stays, "an equal configuration is no change"


def test_server_met_in_clear_before_a_reload_that_wants_tls_serves_nobody(make_to_tls,
                                                                          make_backend):
    asked, may_greet = threading.Event(), threading.Event()

    def greet_when_told(peer):
        asked.set()
        may_greet.wait(10)
        peer.greet().serve()

    backend = make_backend(greet_when_told)
    pooler = make_to_tls("prefer", databases={"app": f"host=127.0.0.1 port={backend.port}"})
    with pooler.wire() as wire:
        wire.send(startup({"user": "alice", "database": "app"}))
        assert asked.wait(10)
        pooler.reload(server_tls_sslmode="require")
        may_greet.set()
        with pytest.raises(Refused) as refused:
            wire.finish_login()
    assert "does not support TLS" in refused.value.fields["M"]
    assert pooler.show("servers") == []


def test_bad_authority_keeps_the_old_one_and_reload_says_so(make_to_tls, certs, write_file):
    pooler = make_to_tls("verify-full")
    good = pooler.settings["server_tls_ca_file"]
    for path in ("/no/such/file.crt", write_file("junk.crt", "this is no certificate\n")):
        pooler.change(server_tls_ca_file=path)
        reply = pooler.ask_console("RELOAD")
        assert reply.error and path in str(reply.error), reply.error
        assert path in pooler.output()
        pooler.ask_console("RECONNECT")
        assert fields_or_none(pooler) is None
    pooler.reload(server_tls_ca_file=good)


def test_certificate_put_right_is_believed_after_a_reload(make_to_tls, certs, secure,
                                                          other_certificate):
    other_certificate(certs.server_stranger)
    pooler = make_to_tls("verify-full")
    assert fields_or_none(pooler)
    pooler.reload(server_tls_ca_file=certs.stranger.ca_file)
    wait_until(lambda: fields_or_none(pooler) is None, 5)
