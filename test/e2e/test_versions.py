"""Protocol 3.2: longer cancel keys on both sides, where the other side offers them."""

import os
import shutil
import struct
import subprocess

import pytest

from harness.account import give_to, popen_as
from harness.backend import OK, PARAMS, READY, error
from harness.waiting import free_port, wait_until
from harness.wire import Closed, Refused, Wire, cstring, message, query, startup

ALICE = {"user": "alice", "database": "app"}
V3_0, V3_2 = 3 << 16, 3 << 16 | 2
LONG_KEY = bytes(range(256)) + b"last"


def login(pooler, version=V3_2, **params):
    wire = pooler.wire()
    wire.send(startup({**ALICE, **params}, version))
    return wire.finish_login()


def negotiation_of(pooler, version, **params):
    """The version and the names in the NegotiateProtocolVersion, or None."""
    wire = pooler.wire()
    wire.send(startup({**ALICE, **params}, version))
    m = wire.read()
    if m.type != "v":
        return None
    asked, count = struct.unpack_from("!ii", m.body)
    names = m.body[8:].split(b"\0")[:-1]
    assert len(names) == count
    wire.finish_login()
    assert wire.value("select 1") == "1"
    return asked, [name.decode() for name in names]


def test_what_a_client_asks_for_is_negotiated_only_where_there_is_less(pooler):
    assert negotiation_of(pooler, V3_0) is None
    assert negotiation_of(pooler, V3_2) is None
    assert negotiation_of(pooler, 3 << 16 | 9999) == (V3_2, [])
    assert negotiation_of(pooler, V3_0, **{"_pq_.x": "1"}) == (V3_0, ["_pq_.x"])
    assert negotiation_of(pooler, V3_2, **{"_pq_.x": "1", "_pq_.y": ""}) == \
        (V3_2, ["_pq_.x", "_pq_.y"])


@pytest.mark.parametrize("version, length", [(V3_0, 8), (V3_2, 36)])
def test_a_key_is_as_long_as_its_version_says_and_cancels(pooler, version, length):
    wire = login(pooler, version)
    assert len(wire.key) == length
    wire.send(query("select pg_sleep(30)"))
    pooler.wait_for_pool(sv_active=1)
    for wrong in (wire.key[:8] + b"x" * (length - 7), wire.key + b"\0",
                  wire.key[:-1] + bytes([wire.key[-1] ^ 1])):
        pooler.cancel(wrong)
    assert wire.is_silent(0.3)
    pooler.cancel(wire.key)
    assert wire.until("Z").error["C"] == "57014"


def test_the_console_has_long_keys_too(pooler):
    wire = pooler.wire(pooler.admin_address)
    wire.send(startup({"user": "admin", "database": "pooler"}, V3_2))
    assert len(wire.finish_login().key) == 36


def test_a_server_is_asked_for_3_2_and_cancelled_with_its_long_key(make_pooler, make_backend):
    def script(peer):
        peer.greet(OK + PARAMS + message("K", LONG_KEY) + READY)
        peer.read_query()
        wait_until(lambda: peer.backend.cancel_keys)
        peer.send(error("ERROR", "57014"), READY)
        peer.serve()

    backend = make_backend(script)
    pooler = make_pooler({"app": f"host=127.0.0.1 port={backend.port}"})
    wire = login(pooler)
    wire.send(query("select pg_sleep(30)"))
    pooler.wait_for_pool(sv_active=1)
    pooler.cancel(wire.key)
    assert wire.until("Z").error["C"] == "57014"
    assert backend.cancel_keys == [LONG_KEY]
    assert [peer.version for peer in backend.peers] == [(3, 2)]


def refuse_with(code):
    def refuse(peer):
        peer.send(error("FATAL", code, "unsupported frontend protocol 3.2"))
    return refuse


@pytest.mark.parametrize("refuse", [
    lambda peer: None, refuse_with("0A000"), refuse_with("08P01")],
    ids=["hangs up", "0A000", "08P01"])
def test_a_server_that_ends_3_2_is_asked_for_3_0_from_then_on(make_pooler, make_backend, refuse):
    def script(peer):
        if peer.version != (3, 0):
            return refuse(peer)
        peer.greet().serve()

    backend = make_backend(script)
    pooler = make_pooler({"app": f"host=127.0.0.1 port={backend.port}"}, pool_mode="session")
    clients = [login(pooler) for _ in range(3)]
    for client in clients:
        assert client.value("select 1") == "scripted"
    assert [peer.version for peer in backend.peers] == [(3, 2)] + [(3, 0)] * 3


def test_a_server_may_answer_with_3_0(make_pooler, make_backend):
    """As PostgreSQL 11 to 17 do, in the same flight."""
    def script(peer):
        peer.send(message("v", struct.pack("!ii", V3_0, 0)))
        peer.greet().serve()

    backend = make_backend(script)
    pooler = make_pooler({"app": f"host=127.0.0.1 port={backend.port}"}, pool_mode="session")
    for _ in range(2):
        assert login(pooler).value("select 1") == "scripted"
    assert {peer.version for peer in backend.peers} == {(3, 2)}


@pytest.mark.parametrize("answer", [
    struct.pack("!ii", V3_2 + 1, 0), struct.pack("!ii", V3_0, 1) + cstring("_pq_.x"),
    struct.pack("!ii", 2 << 16, 0), b"\0"])
def test_an_answer_to_what_was_not_asked_ends_the_login(make_pooler, make_backend, answer):
    def script(peer):
        peer.send(message("v", answer))
        peer.wait_for_end()

    backend = make_backend(script)
    pooler = make_pooler({"app": f"host=127.0.0.1 port={backend.port}"})
    with pytest.raises((Refused, Closed)) as refused:
        login(pooler)
    assert refused.value.fields["C"] == "08P01"


def test_postgresql_is_reached_at_the_first_attempt(cluster, make_pooler):
    pooler = make_pooler()
    assert login(pooler).value("select 1") == "1"
    assert pooler.output().count("new connection to server") == 1


@pytest.fixture
def bouncer(cluster, workdir):
    """A PgBouncer in front of PostgreSQL; the one in Debian 12 takes nothing above 3.1."""
    program = shutil.which("pgbouncer") or "/usr/sbin/pgbouncer"
    if not os.access(program, os.X_OK):
        pytest.skip("no pgbouncer")
    directory = os.path.join(workdir, "bouncer")
    os.mkdir(directory)
    give_to(cluster.account, directory)
    port = free_port()
    with open(f"{directory}/users", "w") as users:
        users.write('"alice" ""\n')
    with open(f"{directory}/ini", "w") as ini:
        ini.write(f"[databases]\napp = host=127.0.0.1 port={cluster.port}\n[pgbouncer]\n"
                  f"listen_addr = 127.0.0.1\nlisten_port = {port}\nunix_socket_dir =\n"
                  f"auth_type = trust\nauth_file = {directory}/users\n")
    with open(f"{directory}/log", "wb") as log:
        process = subprocess.Popen([program, f"{directory}/ini"], cwd="/", stdout=log, stderr=log,
                                   **popen_as(cluster.account))

    def answers():
        assert process.poll() is None, open(f"{directory}/log").read()
        try:
            with Wire(("127.0.0.1", port)):
                return True
        except OSError:
            return False
    wait_until(answers)
    yield port
    process.terminate()
    process.wait(10)


def test_a_proxy_in_front_of_postgresql_is_no_trouble(make_pooler, bouncer):
    pooler = make_pooler({"app": {"port": bouncer}}, pool_mode="session")
    for _ in range(3):
        wire = login(pooler)
        assert len(wire.key) == 36
        assert wire.value("select 1") == "1"
