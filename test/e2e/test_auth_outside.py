"""Passwords that PAM or a directory judges: on threads, so that nobody else waits."""

import re
import signal
import time

import pytest

from harness.ldap import BASE, PEOPLE, options
from harness.secure import PASSWORD
from harness.waiting import wait_until
from harness.wire import Refused, Wire


def spawn(pooler):
    """Starts a pooler whose console nobody can log in to."""
    pooler.is_checked = False
    pooler.spawn()
    wait_until(lambda: port_answers(pooler), 10)


def attempt(pooler, user="alice", password=None, dbname="app", timeout=20):
    """None, or the fields of the refusal."""
    with Wire(pooler.address, timeout) as wire:
        try:
            wire.login(user, dbname, f"{user}-pw" if password is None else password)
            return None
        except Refused as refused:
            return refused.fields


# ---- PAM -----------------------------------------------------------------------------------

@pytest.fixture
def make_pam(make_login_pooler, pam):
    def make(**settings):
        return make_login_pooler("pam", None, auth_pam_service=pam.service,
                                 auth_failure_limit=0, **settings)
    return make


def test_pam_lets_in_who_has_the_password(make_pam, pam):
    pooler = make_pam()
    assert attempt(pooler) is None
    assert pooler.wire().login("bob", "app", "bob-pw").value("select current_user") == "bob"
    for user, password in (("alice", "bob-pw"), ("alice", "x" * 500), ("nobody", "x")):
        fields = attempt(pooler, user, password)
        assert fields["C"] == "28P01", fields
    assert "auth alice 127.0.0.1" in pam.calls()


def test_pam_wrong_password_is_28P01(make_pam):
    assert attempt(make_pam(), "alice", "wrong")["C"] == "28P01"


def test_pam_account_that_has_expired_stays_outside(make_pam):
    fields = attempt(make_pam(), "expired")
    assert fields["C"] == "28P01", fields


def test_pam_never_sees_an_empty_password(make_pam, pam):
    pooler = make_pam()
    before = pam.calls()
    assert attempt(pooler, "alice", "")["C"] == "28P01"
    assert pam.calls() == before


def test_pam_service_that_does_not_exist_lets_nobody_in(make_login_pooler):
    pooler = make_login_pooler("pam", None, auth_pam_service="pooler-e2e-no-such-service",
                               start=False)
    spawn(pooler)
    # The system's service "other" speaks for it, where there is one.
    assert attempt(pooler)["C"] in ("28P01", "57P03")


def port_answers(pooler):
    try:
        Wire(pooler.address).close()
        return True
    except OSError:
        return False


def test_slow_login_by_pam_holds_up_nobody_else(make_pam, pam, later):
    pooler = make_pam()
    wire = pooler.wire().login("alice", "app", "alice-pw")
    pam.hold()
    before = len(pam.calls())
    slow = later(attempt, pooler, "slow")
    wait_until(lambda: "auth slow 127.0.0.1" in pam.calls()[before:], 5)
    began = time.monotonic()
    for _ in range(50):
        assert wire.value("select 1") == "1"
    assert attempt(pooler, "bob") is None
    assert time.monotonic() - began < 2
    assert not slow.done()
    pam.let_go()
    # There is no role slow: who comes in by the password fails at the server.
    fields = slow.result(10)
    assert fields is None or fields["C"] not in ("28P01",), fields


def test_full_line_is_53300_at_once(make_pam, pam, later):
    pooler = make_pam(auth_threads=1, auth_thread_queue=2)
    pam.hold()
    slow = [later(attempt, pooler, "slow") for _ in range(6)]
    wait_until(lambda: sum(job.done() for job in slow) >= 3, 5, "nobody is turned away")
    turned_away = [job.result() for job in slow if job.done()]
    assert [fields["C"] for fields in turned_away] == ["53300"] * 3, turned_away
    assert attempt(pooler, "bob")["C"] == "53300"
    pam.let_go()
    for job in slow:
        fields = job.result(15)
        assert fields is None or fields["C"] != "28P01", fields
    assert attempt(pooler, "bob") is None


def test_client_that_leaves_while_pam_looks_at_it(make_pam, pam):
    pooler = make_pam(auth_threads=1)
    pam.hold()
    for _ in range(5):
        wire = Wire(pooler.address)
        wire.socket.settimeout(0.3)
        with pytest.raises(Refused) as refused:
            wire.login("slow", "app", "slow-pw")
        assert refused.value.fields == {}  # nothing came
        wire.reset()
    pam.let_go()
    assert attempt(pooler) is None


def test_shutdown_while_pam_looks_at_a_client(make_pam, pam, later):
    pooler = make_pam()
    before = len(pam.calls())
    pam.hold()
    slow = later(attempt, pooler, "slow")
    wait_until(lambda: "auth slow 127.0.0.1" in pam.calls()[before:], 5)
    pooler.send_signal(signal.SIGQUIT)
    assert slow.result(15) is not None
    pam.let_go()
    assert pooler.wait(15) == 0
    pooler.check_output()


def test_pam_password_serves_the_login_to_the_server(make_login_pooler, pam, secure):
    """Who is alice for PAM is alice for PostgreSQL by the same password."""
    secure.sql("alter role alice password 'alice-pw'")
    try:
        pooler = make_login_pooler("pam", None, auth_pam_service=pam.service,
                                   databases={"app": secure.target()})
        conn = pooler.connect(password="alice-pw")
        assert conn.execute("select current_user").fetchone() == ("alice",)
    finally:
        secure.sql(f"alter role alice password '{PASSWORD}'")


def test_threads_and_line_may_be_changed_while_it_runs(make_pam):
    pooler = make_pam()
    assert attempt(pooler) is None
    for threads in (1, 8, 2):
        pooler.reload(auth_threads=threads, auth_thread_queue=5)
        assert attempt(pooler) is None


# ---- LDAP ----------------------------------------------------------------------------------

WAYS = ("simple", "search", "url", "StartTLS", "ldaps", "two servers")


def options_of(ldap, way):
    if way == "StartTLS":
        return ldap.simple(ldaptls=1)
    if way == "two servers":
        return options(ldapserver="127.0.0.2 127.0.0.1", ldapport=ldap.port, ldapprefix="cn=",
                       ldapsuffix="," + PEOPLE)
    return getattr(ldap, way)()


@pytest.fixture
def make_ldap(make_login_pooler, ldap, certs):
    def make(text=None, **settings):
        return make_login_pooler("ldap", None, auth_ldap_options=text or ldap.simple(),
                                 auth_failure_limit=0, env={"LDAPTLS_CACERT": certs.ca_file},
                                 **settings)
    return make


@pytest.mark.parametrize("way", WAYS)
def test_ldap_lets_in_who_has_the_password(make_ldap, ldap, way):
    pooler = make_ldap(options_of(ldap, way))
    wire = pooler.wire().login("alice", "app", "alice-pw")
    assert wire.value("select current_user") == "alice"
    for user, password in (("alice", "wrong"), ("alice", "bob-pw"), ("nobody", "x")):
        assert attempt(pooler, user, password)["C"] == "28P01"


@pytest.mark.parametrize("way", WAYS)
def test_ldap_never_takes_an_empty_password(make_ldap, ldap, way):
    """A bind without a password succeeds at any directory, and proves nothing."""
    assert attempt(make_ldap(options_of(ldap, way)), "alice", "")["C"] == "28P01"


@pytest.mark.parametrize("way", ["StartTLS", "ldaps"])
def test_ldap_by_tls_refuses_a_directory_that_nobody_knows(make_login_pooler, ldap, certs, way):
    pooler = make_login_pooler("ldap", None, auth_ldap_options=options_of(ldap, way), start=False,
                               env={"LDAPTLS_CACERT": certs.stranger.ca_file})
    spawn(pooler)
    assert attempt(pooler)["C"] == "57P03"
    assert re.search("(?i)ldap", pooler.output())


@pytest.mark.parametrize("user", [
    "*", "a*", "alice)(uid=*", "alice,ou=people", "cn=alice", "alice\\2c", "al\\69ce",
    "alice+uid=x", "a(b", " alice", "alice ", "#alice", 'al"ice', "alice;x",
    "<alice>", "al=ice", "ali\\ce"])
@pytest.mark.parametrize("way", ["simple", "search"])
def test_ldap_names_are_never_more_than_names(make_ldap, ldap, way, user):
    pooler = make_ldap(options_of(ldap, way))
    # For a directory blanks around a name do not count; for PostgreSQL they do.
    expected = "28000" if user.strip() == "alice" else "28P01"
    assert attempt(pooler, user, "alice-pw")["C"] == expected


def test_ldap_search_that_finds_two_lets_in_neither(make_ldap, ldap):
    pooler = make_ldap(ldap.search(ldapsearchattribute="uid"))
    assert attempt(pooler, "twin", "twin-pw")["C"] == "28P01"
    one = make_ldap(ldap.search(ldapbasedn=PEOPLE))
    fields = attempt(one, "twin", "twin-pw")  # there is no role twin
    assert fields is None or fields["C"] != "28P01"


def test_ldap_search_filter_with_the_name_in_it(make_ldap, ldap):
    text = ldap.search(ldapsearchfilter="(|(uid=$username)(mail=$username))")
    assert attempt(make_ldap(text)) is None


def test_ldap_bind_password_is_never_shown(make_ldap, ldap):
    pooler = make_ldap(ldap.search(), verbose=3)
    attempt(pooler)
    attempt(pooler, "alice", "wrong")
    told = pooler.output() + str(pooler.show("CONFIG"))
    assert "manager-pw" not in told and "alice-pw" not in told


def test_ldap_directory_that_is_down_and_comes_back(make_ldap, ldap):
    pooler = make_ldap()
    assert attempt(pooler) is None
    ldap.stop()
    began = time.monotonic()
    assert attempt(pooler, "bob")["C"] == "57P03"
    assert time.monotonic() - began < 10
    assert re.search("(?i)ldap", pooler.output())
    ldap.start()
    assert attempt(pooler, "bob") is None


@pytest.mark.long
def test_ldap_directory_that_hangs_costs_a_bounded_time_and_no_others(make_ldap, ldap, later):
    pooler = make_ldap()
    wire = pooler.wire().login("alice", "app", "alice-pw")
    ldap.freeze()
    began = time.monotonic()
    stuck = later(attempt, pooler, "bob")
    for _ in range(20):
        assert wire.value("select 1") == "1"
    assert time.monotonic() - began < 1
    assert stuck.result(20)["C"] == "57P03"
    assert time.monotonic() - began < 15
    ldap.thaw()
    assert attempt(pooler, "bob") is None


@pytest.mark.parametrize("text", [
    None, "ldapserver=x ldapprefix=a ldapbasedn=b", "nonsense=1", "ldapserver=127.0.0.1 ldapport=x",
    f'ldapurl="http://127.0.0.1/{BASE}"', 'ldapserver="open'])
def test_ldap_options_that_make_no_sense_are_a_refusal_to_start(make_login_pooler, text):
    pooler = make_login_pooler("ldap", None, auth_ldap_options=text, start=False)
    pooler.is_checked = False
    pooler.spawn()
    assert pooler.wait(3) == 1
    assert "auth_ldap_options" in pooler.output(), pooler.output()


def test_ldap_password_serves_the_login_to_the_server(make_login_pooler, ldap, secure):
    secure.sql("alter role alice password 'alice-pw'")
    try:
        pooler = make_login_pooler("ldap", None, auth_ldap_options=ldap.simple(),
                                   databases={"app": secure.target()})
        conn = pooler.connect(password="alice-pw")
        assert conn.execute("select current_user").fetchone() == ("alice",)
    finally:
        secure.sql(f"alter role alice password '{PASSWORD}'")
