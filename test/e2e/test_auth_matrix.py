"""Every method, kind of secret, mode of TLS and driver, each cell with what must come of it.

One test is one configuration of the pooler; its cells are generated, and every driver goes
through all of them. A failure lists the cells that came out otherwise.
"""

import getpass
import re
from typing import NamedTuple

import pytest

from harness import scram
from harness.drivers import Outcome

METHODS = ("any", "trust", "plain", "md5", "scram-sha-256", "cert", "peer", "hba", "pam", "ldap")
MODES = ("disable", "allow", "prefer", "require", "verify-ca", "verify-full")
DRIVERS = ("psql", "psycopg", "asyncpg", "node-pg", "jdbc")

PASSWORDS = {"alice": "alice-pw", "bob": "bob-pw", "carol": "carol-pw"}
SECRETS = {"alice": PASSWORDS["alice"],
           "bob": scram.md5_secret("bob", PASSWORDS["bob"]),
           "carol": scram.verifier(PASSWORDS["carol"])}
KIND = {"alice": "plain", "bob": "md5", "carol": "verifier", "stranger": "unknown"}

RULES = """
hostssl   all alice 127.0.0.1/32 scram-sha-256
hostnossl all alice 127.0.0.1/32 md5
host      all bob   127.0.0.1/32 md5
host      all carol 127.0.0.1/32 password
local     all {ourselves} peer
local     all all md5
"""


class Cell(NamedTuple):
    """How somebody comes: over what, with which certificate, with which password."""
    user: str
    is_right: bool
    face: str          # clear, tls, socket
    certificate: str | None = None
    binding: str | None = None

    def __str__(self):
        words = [KIND.get(self.user, "ourselves"), "right" if self.is_right else "wrong",
                 self.face]
        words += [f"cert={self.certificate}"] if self.certificate else []
        words += [f"channel_binding={self.binding}"] if self.binding else []
        return " ".join(words)


class Expected(NamedTuple):
    what: str               # ok, refused (by an ErrorResponse), broken (by TLS), unoffered
    user: str | None = None
    sqlstate: str | None = None
    text: str = ""

    def met_by(self, outcome: Outcome):
        if self.what == "ok":
            return outcome.user == self.user
        if outcome.is_ok:
            return False
        if self.what == "unoffered":
            return re.search("SSL", outcome.text) is not None
        if self.what == "broken":
            return not outcome.sqlstate or not outcome.sqlstate.startswith(("28", "3D"))
        if outcome.sqlstate and outcome.sqlstate != self.sqlstate:
            return False
        return re.search(self.text, outcome.text) is not None


def refused(sqlstate, text):
    return Expected("refused", None, sqlstate, text)


WRONG = refused("28P01", "authentication failed")
BAD_CERTIFICATES = ("expired", "revoked", "stranger", "self-signed")


def asks_for_certificates(mode):
    """In the mode require the tests name an authority, too."""
    return mode in ("require", "verify-ca", "verify-full")


def expected_of(method, mode, cell):
    if cell.face == "socket":
        return expected_of_login(method, cell)
    if cell.face == "clear" and mode in ("require", "verify-ca", "verify-full"):
        return refused("28000", "SSL|TLS")
    if cell.face == "tls" and mode == "disable":
        return Expected("unoffered")
    if cell.face == "tls" and asks_for_certificates(mode):
        if cell.certificate in BAD_CERTIFICATES:
            return Expected("broken")
        if cell.certificate is None and mode != "require":
            return Expected("broken")
    return expected_of_login(method, cell)


def expected_of_login(method, cell):
    if method == "any":
        return Expected("ok", "alice")
    welcome = Expected("ok", cell.user)
    if method == "trust":
        return welcome if cell.user in PASSWORDS else refused("28000", "no such user")
    if method == "cert":
        is_named = cell.certificate in (cell.user, f"{cell.user}-rsa")
        return welcome if is_named else refused("28000", "certificate")
    if method == "peer":
        is_us = cell.face == "socket" and cell.user == getpass.getuser()
        return welcome if is_us else refused("28000", "(?i)peer")
    if method == "hba" and cell.user == "stranger" and cell.face != "socket":
        return refused("28000", "no .*(rule|entry|authentication method)")
    if not cell.is_right:
        return WRONG
    if cell.user == getpass.getuser():
        return welcome
    if method == "scram-sha-256" and KIND[cell.user] == "md5":
        return WRONG
    return welcome


def uses_scram(method, cell):
    if cell.face != "tls":
        return False
    if method == "hba":
        return cell.user == "alice"
    return method == "scram-sha-256" or (method == "md5" and KIND[cell.user] == "verifier")


def cells_of(method, mode):
    """The combinations that say something about this configuration."""
    usual = "alice" if asks_for_certificates(mode) else None
    faces = [("clear", None), ("tls", usual)]
    if mode in ("disable", "verify-full"):
        faces.append(("socket", None))
    for face, certificate in faces:
        for user in PASSWORDS:
            yield Cell(user, True, face, certificate)
            yield Cell(user, False, face, certificate)
        yield Cell("stranger", False, face, certificate)
    if "socket" in [face for face, _ in faces] and method in ("peer", "hba"):
        yield Cell(getpass.getuser(), True, "socket")
    if mode == "disable":
        return
    for certificate in (None, "alice", "alice-rsa", "bob", *BAD_CERTIFICATES):
        if certificate != usual:
            yield Cell("alice", True, "tls", certificate)
    for user in PASSWORDS:
        cell = Cell(user, True, "tls", usual, "require")
        if uses_scram(method, cell):
            yield cell
            yield cell._replace(is_right=False)


def as_sent(driver, cell):
    """Java does not show a certificate to whom its issuer says nothing."""
    if driver == "jdbc" and cell.certificate in ("stranger", "self-signed"):
        return cell._replace(certificate=None)
    return cell


def can_try(driver, cell):
    if cell.binding:
        return driver in ("psql", "psycopg")
    return not (driver == "jdbc" and cell.face == "socket")


def case_of(cell, pooler, certs):
    password = PASSWORDS.get(cell.user, "stranger-pw") if cell.is_right else "wrong"
    case = {"host": pooler.directory if cell.face == "socket" else "127.0.0.1",
            "port": pooler.port, "dbname": "app", "user": cell.user, "password": password}
    if cell.face == "tls":
        case.update(sslmode="verify-full", ca=certs.ca_file)
    if cell.certificate:
        case.update(client=certs.client[cell.certificate])
    if cell.binding:
        case.update(channel_binding=cell.binding)
    return case


def configurations():
    for method in METHODS:
        for mode in MODES:
            if method != "cert" or asks_for_certificates(mode):
                yield pytest.param(method, mode, id=f"{method} with {mode}")


@pytest.fixture(scope="session")
def ourselves(running_cluster):
    """A role named like the user who runs the tests, for peer."""
    name = getpass.getuser()
    if not running_cluster.sql("select 1 from pg_roles where rolname = %s", (name,)):
        running_cluster.sql(f'create role "{name}" login')
    return name


@pytest.fixture
def make_configuration(request, make_login_pooler, certs, ourselves):
    def make(method, mode):
        settings = {} if mode == "disable" else certs.client_tls(mode)
        if mode == "require":
            settings.update(client_tls_ca_file=certs.ca_file, client_tls_crl_file=certs.crl_file)
        if method == "hba":
            settings["hba"] = RULES.format(ourselves=ourselves)
        if method == "pam":
            settings["auth_pam_service"] = request.getfixturevalue("pam").service
        if method == "ldap":
            settings["auth_ldap_options"] = request.getfixturevalue("ldap").simple()
        database = {"user": "alice"} if method == "any" else {}
        return make_login_pooler(method, {**SECRETS, ourselves: ""}, databases={"app": database},
                                 auth_failure_limit=0, default_pool_size=5, **settings)
    return make


@pytest.mark.long
@pytest.mark.parametrize("method, mode", configurations())
def test_every_cell_has_its_outcome(method, mode, make_configuration, drivers, certs):
    pooler = make_configuration(method, mode)
    by_driver = {name: [(cell, expected_of(method, mode, as_sent(name, cell)))
                        for cell in cells_of(method, mode) if can_try(name, cell)]
                 for name in drivers.all}
    outcomes = drivers.try_all({name: [case_of(cell, pooler, certs) for cell, _ in pairs]
                                for name, pairs in by_driver.items()})
    wrong = [f"{name}: {cell}: {expected}, but {outcome}"
             for name, pairs in by_driver.items()
             for (cell, expected), outcome in zip(pairs, outcomes[name])
             if not expected.met_by(outcome)]
    assert not wrong, "\n" + "\n".join(wrong)


SHOWN = {"server_wrong_host": "host", "server_expired": "expired", "server_self_signed": "self",
         "server_stranger": "issuer|unable|path|self"}


@pytest.mark.parametrize("shown", SHOWN)
def test_drivers_refuse_a_pooler_that_is_not_the_right_one(shown, make_login_pooler, drivers,
                                                           certs):
    """And the pooler bears it: with verify-full nobody is in, with require everybody."""
    pooler = make_login_pooler("scram-sha-256", SECRETS, auth_failure_limit=0,
                               **certs.client_tls("prefer", getattr(certs, shown)))
    case = case_of(Cell("alice", True, "tls"), pooler, certs)
    for sslmode, welcome in (("verify-full", False), ("require", True)):
        case.update(sslmode=sslmode, ca=None if welcome else certs.ca_file)
        outcomes = drivers.try_all({name: [case] for name in drivers.all})
        for name, (outcome,) in outcomes.items():
            assert outcome.is_ok is welcome, (name, sslmode, outcome)


def test_no_driver_is_missing(drivers):
    if drivers.missing:
        pytest.skip("; ".join(drivers.missing.values()))
    assert set(drivers.all) == set(DRIVERS)


SELF = {
    "scramy over TLS": ({"user": "scramy", "password": "p4ss word"}, "ok"),
    "scramy with a wrong password": ({"user": "scramy", "password": "wrong"}, "28P01"),
    "certy with a certificate": ({"user": "certy", "certificate": "pooler"}, "ok"),
    "certy with another's": ({"user": "certy", "certificate": "alice"}, "28000"),
    "certy with a revoked one": ({"user": "certy", "certificate": "revoked"}, "broken"),
    "rejecty": ({"user": "rejecty", "password": "p4ss word"}, "28000"),
    "no such database": ({"user": "scramy", "password": "p4ss word", "dbname": "none"}, "3D000"),
}


@pytest.mark.parametrize("what", SELF)
def test_drivers_tell_the_same_of_postgres_itself(what, drivers, secure, certs):
    """The control: what the drivers say of a server that is beyond doubt."""
    words, expected = SELF[what]
    case = {"host": "127.0.0.1", "port": secure.port, "dbname": "app", "sslmode": "verify-full",
            "ca": certs.ca_file, **words}
    case["client"] = certs.client.get(case.pop("certificate", None))
    outcomes = drivers.try_all({name: [case] for name in drivers.all})
    for name, (outcome,) in outcomes.items():
        if expected == "ok":
            assert outcome.user == words["user"], (name, outcome)
        elif expected == "broken":
            assert Expected("broken").met_by(outcome), (name, outcome)
        else:
            assert not outcome.is_ok, (name, outcome)
            assert outcome.sqlstate in (expected, None), (name, outcome)
