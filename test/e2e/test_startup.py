"""What happens between the first byte and the first ReadyForQuery."""

import socket
import struct

import pytest

from harness.waiting import wait_until
from harness.wire import (GSS_REQUEST, PROTOCOL_3, SSL_REQUEST, Closed, Refused, Reply, Wire,
                          cstring, fields_of, message, query, startup)

ALICE = {"user": "alice", "database": "app"}


def ends_without_login(wire):
    """Everything the pooler still says; it must be an error or nothing, then the end."""
    reply = wire.rest()
    assert set(reply.types) <= {"E"}, reply.types
    return reply.error


def test_ssl_request_is_answered_with_N_and_login_goes_on(pooler):
    wire = pooler.wire()
    wire.send(SSL_REQUEST)
    assert wire.read_bytes(1) == b"N"
    assert wire.login("alice", "app").value("select 1") == "1"


def test_gss_request_is_answered_with_N_and_login_goes_on(pooler):
    wire = pooler.wire()
    wire.send(GSS_REQUEST)
    assert wire.read_bytes(1) == b"N"
    assert wire.login("alice", "app").value("select 1") == "1"


def test_gss_request_may_be_followed_by_ssl_request(pooler):
    wire = pooler.wire()
    for request in (GSS_REQUEST, SSL_REQUEST):
        wire.send(request)
        assert wire.read_bytes(1) == b"N"
    assert wire.login("alice", "app").value("select 1") == "1"


def test_endless_ssl_requests_do_not_keep_a_connection(pooler):
    wire = pooler.wire()
    try:
        for _ in range(50):
            wire.send(SSL_REQUEST)
            if wire.read_bytes(1) != b"N":
                break
        else:
            raise AssertionError("fifty requests in a row were answered")
    except (Closed, ConnectionError):
        pass


def test_ssl_request_may_be_cut_at_every_byte(pooler):
    for cut in range(1, len(SSL_REQUEST)):
        with pooler.wire() as wire:
            wire.send(SSL_REQUEST[:cut])
            assert wire.is_silent(0.005)
            wire.send(SSL_REQUEST[cut:])
            assert wire.read_bytes(1) == b"N"


def test_startup_packet_may_be_cut_at_every_byte(pooler):
    packet = startup({**ALICE, "application_name": "cut"})
    pooler.login()
    for cut in range(1, len(packet)):
        with pooler.wire() as wire:
            wire.send(packet[:cut])
            assert wire.is_silent(0.003)
            wire.send(packet[cut:])
            assert wire.finish_login().value("show application_name") == "cut"


def test_first_query_may_arrive_together_with_the_startup_packet(pooler):
    wire = pooler.wire()
    wire.send(startup(ALICE), query("select 42"))
    assert wire.finish_login().until("Z").value == "42"


def test_login_reports_the_parameters_that_the_server_reports(pooler, cluster):
    direct = Wire(("127.0.0.1", cluster.port)).login("alice", "app")
    try:
        first, second = pooler.login(), pooler.login()
        for wire in (first, second):
            assert wire.params == direct.params
            assert len(wire.key) == 8
        assert first.key != second.key != direct.key
    finally:
        direct.close()


def test_login_burst_is_in_the_order_of_postgresql(pooler):
    for _ in range(2):
        wire = pooler.wire()
        wire.send(startup(ALICE))
        types = wire.until("Z").types
        assert types[0] == "R" and types[-2:] == "KZ" and set(types[1:-2]) == {"S"}


def test_database_defaults_to_the_name_of_the_user(make_pooler):
    pooler = make_pooler(databases={"alice": {"dbname": "app"}})
    wire = pooler.wire()
    wire.send(startup({"user": "alice"}))
    assert wire.finish_login().value("select current_database()") == "app"


@pytest.mark.parametrize("minor", [3, 99])
def test_newer_minor_versions_are_negotiated_down(pooler, minor):
    wire = pooler.wire()
    wire.send(startup(ALICE, PROTOCOL_3 + minor))
    first = wire.read()
    assert first.type == "v"
    newest, count = struct.unpack("!ii", first.body)
    assert newest == PROTOCOL_3 + 2 and count == 0
    assert wire.finish_login().value("select 1") == "1"


@pytest.mark.parametrize("version", [PROTOCOL_3, PROTOCOL_3 + 2])
def test_unknown_protocol_options_are_named_in_the_negotiation(pooler, version):
    wire = pooler.wire()
    wire.send(startup({**ALICE, "_pq_.one": "1", "_pq_.two": "x"}, version))
    first = wire.read()
    assert first.type == "v"
    _, count = struct.unpack_from("!ii", first.body)
    assert count == 2 and first.body[8:] == b"_pq_.one\0_pq_.two\0"
    assert wire.finish_login().value("select 1") == "1"


@pytest.mark.parametrize("version", [2 << 16, 1 << 16])
def test_older_protocols_are_refused_with_a_reason(pooler, version):
    wire = pooler.wire()
    wire.send(struct.pack("!ii", 296, version) + bytes(288))
    error = ends_without_login(wire)
    assert error["S"] == "FATAL" and ("V2" in error["M"] or "protocol" in error["M"])


@pytest.mark.parametrize("packet", [
    pytest.param(struct.pack("!i", 0), id="length 0"),
    pytest.param(struct.pack("!i", -1), id="length -1"),
    pytest.param(struct.pack("!ii", 7, PROTOCOL_3), id="length 7"),
    pytest.param(struct.pack("!ii", 8, PROTOCOL_3), id="length 8"),
    pytest.param(struct.pack("!ii", 0x7FFFFFFF, PROTOCOL_3), id="length 2 GiB"),
    pytest.param(struct.pack("!ii", 1 << 24, PROTOCOL_3), id="length 16 MiB"),
    pytest.param(struct.pack("!ii", 9, 4 << 16) + b"\0", id="protocol 4"),
    pytest.param(struct.pack("!ii", 8, 80877999), id="unknown request code"),
    pytest.param(struct.pack("!ii", 18, PROTOCOL_3) + b"user\0alice", id="no terminator"),
    pytest.param(struct.pack("!ii", 21, PROTOCOL_3) + b"user\0alice\0\0\0",
                 id="two terminators"),
    pytest.param(struct.pack("!ii", 14, PROTOCOL_3) + b"user\0\0", id="name without value"),
    pytest.param(struct.pack("!ii", 9, PROTOCOL_3) + b"\0", id="no user"),
    pytest.param(startup({"user": "", "database": "app"}), id="empty user"),
    pytest.param(startup({"database": "app"}), id="database but no user"),
    pytest.param(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n", id="HTTP"),
    pytest.param(bytes.fromhex("16030100c8010000c40303") + bytes(200), id="TLS hello"),
    pytest.param(query("select 1"), id="a query first"),
    pytest.param(message("p", cstring("secret")), id="a password first"),
    pytest.param(bytes(64), id="zeros"),
    pytest.param(b"\xff" * 64, id="ones"),
])
def test_bad_startup_packets_end_the_connection(pooler, packet):
    wire = pooler.wire()
    wire.send(packet)
    ends_without_login(wire)
    assert pooler.login().value("select 1") == "1"


def test_missing_user_is_named_as_the_reason(pooler):
    wire = pooler.wire()
    wire.send(startup({"database": "app"}))
    error = ends_without_login(wire)
    assert error["S"] == error["V"] == "FATAL" and "user" in error["M"]


@pytest.mark.parametrize("params", [
    {"user": "alice", "database": "d" * 64},
    {"user": "alice", "database": "d" * 5000},
    {"user": "u" * 128, "database": "app"},
    {"user": "u" * 60000, "database": "app"},
    {"user": "alice", "database": "app", "options": "-c application_name=" + "x" * 60000},
    {"user": "alice", "database": "app", "o" * 60000: "x"},
], ids=["database 64", "database 5000", "user 128", "user 60000", "options 60000",
        "parameter name 60000"])
def test_over_long_names_are_refused_or_cut_and_never_crash(pooler, params):
    wire = pooler.wire()
    wire.send(startup(params))
    try:
        wire.finish_login()
    except Refused as refused:
        assert refused.fields.get("S", "FATAL") == "FATAL"
    assert pooler.login().value("select 1") == "1"


def test_startup_packet_of_more_than_64_kilobytes_is_refused(pooler):
    wire = pooler.wire()
    try:
        wire.send(startup({**ALICE, "options": "-c x=" + "y" * 100_000}))
        ends_without_login(wire)
    except ConnectionError:
        pass
    assert pooler.login().value("select 1") == "1"


def error_of_parameters(pooler, **params):
    """The error a client gets for its parameters: at login, or with its first query, since
    only the server knows them all."""
    wire = pooler.wire()
    try:
        wire.login("alice", "app", **params)
    except Refused as refused:
        return refused.fields
    wire.send(query("select 1"))
    return wire.rest().error


def test_unknown_parameters_are_refused_by_name(pooler):
    for name in ("no_such_parameter", "server_version"):
        error = error_of_parameters(pooler, **{name: "1"})
        assert error["S"] == "FATAL" and name in error["M"]
    assert pooler.login().value("select 1") == "1"


def test_ignored_parameters_are_dropped(make_pooler):
    pooler = make_pooler(ignore_startup_parameters="extra_float_digits, no_such_parameter")
    wire = pooler.login(extra_float_digits="2", no_such_parameter="1")
    assert wire.value("select 1") == "1"


@pytest.mark.parametrize("options, expected", [
    ("-c application_name=dash", "dash"),
    ("--application_name=long", "long"),
    ("-capplication_name=tight", "tight"),
    (r"-c application_name=two\ words", "two words"),
    ("-c application_name=first -c application_name=second", "second"),
    ("  -c   application_name=blanks  --timezone=UTC ", "blanks"),
    ("--application-name=minus", "minus"),
])
def test_options_set_parameters(pooler, options, expected):
    assert pooler.login(options=options).value("show application_name") == expected


@pytest.mark.parametrize("options", ["-x", "-c", "-c name", "--", "word", "-c =1"])
def test_bad_options_are_refused(pooler, options):
    error = pooler.refusal(options=options)
    assert error["S"] == "FATAL" and "options" in error["M"] + error.get("D", "")


def test_unknown_names_in_options_are_refused(pooler):
    error = error_of_parameters(pooler, options="-c no_such_thing=1")
    assert error["S"] == "FATAL" and "no_such_thing" in error["M"]


def test_unknown_database_is_refused_with_3D000(pooler):
    error = pooler.refusal("nowhere")
    assert error["S"] == "FATAL" and error["C"] == "3D000" and "nowhere" in error["M"]


def test_errors_of_the_pooler_carry_severity_code_and_message(pooler):
    error = pooler.refusal("nowhere")
    assert error["S"] == error["V"] == "FATAL" and len(error["C"]) == 5 and error["M"]


def test_unknown_role_gets_the_error_of_postgresql(pooler):
    error = pooler.refusal(user="nobody_of_this_name")
    assert error["S"] == "FATAL" and error["C"] == "28000"
    assert "nobody_of_this_name" in error["M"]


def test_auth_type_any_maps_everybody_to_the_forced_user(make_pooler):
    pooler = make_pooler(auth_type="any", databases={"app": {"user": "carol"}})
    assert pooler.login(user="whoever").value("select current_user") == "carol"


def test_cancel_request_of_the_wrong_length_is_dropped_in_silence(pooler):
    for length in (8, 12, 15, 17, 20, 300):
        wire = pooler.wire()
        wire.send(struct.pack("!ii", length, 80877102) + bytes(length - 8))
        ends_without_login(wire)
    assert pooler.login().value("select 1") == "1"


def test_cancel_request_followed_by_more_bytes_ends_quietly(pooler):
    wire = pooler.wire()
    wire.send(struct.pack("!iiii", 16, 80877102, 1, 2) + b"and more" * 100)
    ends_without_login(wire)
    assert pooler.login().value("select 1") == "1"


def test_a_second_startup_packet_is_a_protocol_violation(pooler):
    wire = pooler.login()
    wire.send(startup(ALICE))
    error = ends_without_login(wire)
    assert error is None or error["S"] == "FATAL"


def test_clients_that_leave_at_every_byte_of_the_startup_leave_nothing(pooler):
    packet = startup(ALICE)
    for cut in range(len(packet) + 1):
        wire = Wire(pooler.address)
        wire.send(packet[:cut])
        wire.reset() if cut % 2 else wire.close()
    pooler.check_settled()


def test_half_closed_client_is_let_go(pooler):
    wire = pooler.wire()
    wire.send(startup(ALICE)[:10])
    wire.socket.shutdown(socket.SHUT_WR)
    assert wire.rest().types in ("", "E")


def test_login_over_the_unix_socket_works(pooler):
    wire = pooler.wire(pooler.socket_path).login("alice", "app")
    assert wire.value("select 1") == "1"


def test_unix_socket_has_the_configured_mode(make_pooler):
    import os
    pooler = make_pooler(unix_socket_mode="0700")
    assert os.stat(pooler.socket_path).st_mode & 0o777 == 0o700


def test_servers_are_reached_over_their_unix_socket(make_pooler, cluster):
    pooler = make_pooler(databases={"app": {"host": cluster.directory}})
    assert pooler.login().value("select inet_server_addr() is null") == "t"


def test_servers_are_reached_by_name(make_pooler):
    pooler = make_pooler(databases={"app": {"host": "localhost"}})
    assert pooler.login().value("select host(inet_server_addr())") == "127.0.0.1"


def test_a_host_name_that_does_not_exist_is_an_error_at_once(make_pooler):
    pooler = make_pooler(databases={"app": {"host": "no-such-host.invalid"}},
                         query_wait_timeout="30")
    with pooler.wire(timeout=15) as wire, pytest.raises(Refused) as refused:
        wire.login("alice", "app")
    assert refused.value.fields["S"] == "FATAL"


def test_many_addresses_may_be_listened_on(make_pooler):
    pooler = make_pooler(listen_addr="127.0.0.1, 127.0.0.2")
    for host in ("127.0.0.1", "127.0.0.2"):
        wire = pooler.wire((host, pooler.port)).login("alice", "app")
        assert wire.value("select 1") == "1"


def test_star_listens_on_every_address(make_pooler):
    pooler = make_pooler(listen_addr="*")
    wire = pooler.wire(("127.0.0.3", pooler.port)).login("alice", "app")
    assert wire.value("select 1") == "1"


def test_burst_of_logins_into_an_empty_pool_is_served(make_pooler):
    pooler = make_pooler(default_pool_size=5)
    wires = [pooler.wire() for _ in range(60)]
    for wire in wires:
        wire.send(startup(ALICE))
    for wire in wires:
        assert wire.finish_login().value("select 1") == "1"
    wait_until(lambda: pooler.pool()["sv_active"] == 0)
    assert 1 <= pooler.pool()["sv_idle"] <= 5


def test_who_may_not_replicate_is_refused_by_the_server(pooler):
    wire = pooler.wire()
    wire.send(startup({**ALICE, "replication": "database"}))
    m = wire.read()
    assert m.type == "E", Reply([m])
    assert (fields_of(m.body)["S"], fields_of(m.body)["C"]) == ("FATAL", "42501")
