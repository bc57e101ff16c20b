"""Fixtures of the tests of logins and TLS."""

import getpass
import os
import shutil
import tempfile

import pytest

from . import pam as pam_stack
from .account import ordinary_user
from .certs import Certs
from .drivers import Drivers
from .ldap import Ldap, find_slapd
from .pam import Pam
from .secure import SecureCluster, write_owned
from .wire import Wire

ADMIN_PASSWORD = "admin-pw"
# Our own way in, in front of the rules of a test. One line.
ADMIN_RULE = "host all admin 127.0.0.1/32 trust\n"

OUTSIDE_PASSWORDS = {"alice": "alice-pw", "bob": "bob-pw", "carol": "carol-pw",
                     "admin": ADMIN_PASSWORD, "slow": "slow-pw", "expired": "expired-pw"}


def userlist(secrets):
    def quoted(text):
        return '"' + text.replace('"', '""') + '"'
    return "".join(f"{quoted(user)} {quoted(secret)}\n" for user, secret in secrets.items())


@pytest.fixture(scope="session")
def certs(workdir):
    return Certs(os.path.join(workdir, "certs"), ordinary_user())


@pytest.fixture(scope="session")
def drivers(workdir):
    directory = os.path.join(workdir, "drivers")
    os.mkdir(directory)
    drivers = Drivers(directory)
    yield drivers
    drivers.close()


@pytest.fixture(scope="session")
def running_secure(workdir, certs):
    directory = os.path.join(workdir, "sec")
    os.mkdir(directory)
    cluster = SecureCluster(directory, ordinary_user(), certs)
    cluster.create()
    yield cluster
    cluster.stop()


@pytest.fixture
def secure(running_secure):
    """The PostgreSQL that trusts nobody."""
    running_secure.ensure_up()
    yield running_secure
    running_secure.close_connections()


@pytest.fixture(scope="session")
def running_ldap(workdir, certs):
    if not find_slapd():
        pytest.skip("slapd is not installed")
    ldap = Ldap(os.path.join(workdir, "ldap"), ordinary_user(), certs, OUTSIDE_PASSWORDS).start()
    yield ldap
    ldap.stop()


@pytest.fixture
def ldap(running_ldap):
    if running_ldap.process is None:
        running_ldap.start()
    yield running_ldap
    if running_ldap.process is not None:
        running_ldap.thaw()


@pytest.fixture(scope="session")
def running_pam(workdir):
    why = pam_stack.missing()
    if why:
        pytest.skip(why)
    pam = Pam(os.path.join(workdir, "pam"), ordinary_user(), OUTSIDE_PASSWORDS)
    yield pam
    pam.close()


@pytest.fixture
def pam(running_pam):
    yield running_pam
    running_pam.let_go()


@pytest.fixture
def write_file(workdir):
    """A factory of files that the pooler may read: write_file(name, text) gives the path."""
    directory = tempfile.mkdtemp(prefix="f", dir=workdir)
    os.chmod(directory, 0o755)
    yield lambda name, text: write_owned(ordinary_user(), os.path.join(directory, name), text)
    shutil.rmtree(directory)


@pytest.fixture
def make_login_pooler(make_pooler, write_file, certs):
    """A factory of poolers that ask who is there. secrets become the auth_file, hba and
    ident the files of those names; the console can always be reached."""
    made = []

    def make(auth_type="scram-sha-256", secrets=None, hba=None, ident=None, start=True, env=None,
             **settings):
        number = len(made)
        made.append(auth_type)
        files = {}
        if secrets is not None:
            ours = {getpass.getuser(): ""} if auth_type == "peer" else {}
            files["auth_file"] = write_file(f"users{number}", userlist(
                {"admin": ADMIN_PASSWORD, **ours, **secrets}))
        if hba is not None:
            files["auth_hba_file"] = write_file(f"hba{number}", ADMIN_RULE + hba)
        if ident is not None:
            files["auth_ident_file"] = write_file(f"ident{number}", ident)
        pooler = make_pooler(start=False, auth_type=auth_type, **files, **settings)
        pooler.admin_password = ADMIN_PASSWORD
        pooler.write_file = write_file
        pooler.extra_environment = env or {}
        choose_console(pooler, certs)
        pooler.write_config()
        return pooler.start() if start else pooler

    return make


def choose_console(pooler, certs):
    """How the test itself gets to the console."""
    auth_type = pooler.settings["auth_type"]
    needs_tls = pooler.settings.get("client_tls_sslmode") in ("require", "verify-ca",
                                                              "verify-full")

    def over_tls(user):
        wire = Wire(pooler.admin_address).start_tls(certs.context("admin"))
        return wire.login(user, "pooler", ADMIN_PASSWORD)

    def as_ourselves(_user):
        return Wire(pooler.socket_path).login(getpass.getuser(), "pooler", ADMIN_PASSWORD)

    if auth_type == "peer":
        pooler.settings["admin_users"] = f"admin, {getpass.getuser()}"
        pooler.open_console = as_ourselves
    elif needs_tls or auth_type == "cert":
        pooler.open_console = over_tls


def change_users(pooler, secrets):
    """Writes the auth_file anew."""
    path = pooler.settings["auth_file"]
    pooler.write_file(os.path.basename(path), userlist({"admin": ADMIN_PASSWORD, **secrets}))


def change_file(pooler, setting, text):
    pooler.write_file(os.path.basename(pooler.settings[setting]), text)
