"""The brake on guessing passwords."""

import pytest

from harness.waiting import wait_until
from harness.wire import Refused, Wire, cstring, password_message, startup

PASSWORD = "right"
USERS = {"alice": PASSWORD, "bob": PASSWORD}


def attempt(pooler, user="alice", password=PASSWORD, address=None):
    """None, or the fields of the refusal."""
    with Wire(address or pooler.address) as wire:
        try:
            wire.login(user, "app", password)
            return None
        except Refused as refused:
            return refused.fields


def fail(pooler, times, user="alice", **more):
    for _ in range(times):
        assert attempt(pooler, user, "wrong", **more)["C"] == "28P01"


@pytest.fixture(params=["plain", "md5", "scram-sha-256"])
def method(request):
    return request.param


def test_ten_failures_block_even_the_right_password(make_login_pooler, method):
    pooler = make_login_pooler(method, USERS)
    fail(pooler, 9)
    fail(pooler, 1)
    fields = attempt(pooler)
    assert fields and fields["C"].startswith("28"), fields


def test_blocked_user_is_not_even_asked(make_login_pooler):
    pooler = make_login_pooler("scram-sha-256", USERS, auth_failure_limit=2)
    fail(pooler, 2)
    with pooler.wire() as wire:
        with pytest.raises(Refused):
            wire.login("alice", "app", PASSWORD)
        assert wire.asked == []


def test_others_and_other_addresses_are_not_blocked(make_login_pooler):
    pooler = make_login_pooler("scram-sha-256", USERS, auth_failure_limit=2)
    fail(pooler, 2)
    assert attempt(pooler)
    assert attempt(pooler, "bob") is None
    assert attempt(pooler, address=pooler.socket_path) is None


def test_success_forgets_the_failures(make_login_pooler):
    pooler = make_login_pooler("scram-sha-256", USERS, auth_failure_limit=3)
    for _ in range(4):
        fail(pooler, 2)
        assert attempt(pooler) is None


def test_block_ends(make_login_pooler):
    pooler = make_login_pooler("plain", USERS, auth_failure_limit=2, auth_failure_block="1s")
    fail(pooler, 2)
    assert attempt(pooler)
    wait_until(lambda: attempt(pooler) is None, 5, "the block does not end")


def test_failures_of_long_ago_do_not_count(make_login_pooler):
    pooler = make_login_pooler("plain", USERS, auth_failure_limit=2, auth_failure_window="1s")
    fail(pooler, 1)
    wait_until(lambda: not pooler.show("FAILED_LOGINS") or
               pooler.show("FAILED_LOGINS")[0]["failures"] == "0" or
               int(pooler.show("FAILED_LOGINS")[0]["last_failure_s"]) >= 2, 5)
    fail(pooler, 1)
    assert attempt(pooler) is None


def test_off_is_off(make_login_pooler):
    pooler = make_login_pooler("plain", USERS, auth_failure_limit=0)
    fail(pooler, 15)
    assert attempt(pooler) is None


def test_limit_may_be_changed_while_it_runs(make_login_pooler):
    pooler = make_login_pooler("plain", USERS, auth_failure_limit=2)
    fail(pooler, 2)
    assert attempt(pooler)
    pooler.reload(auth_failure_limit=0)
    assert attempt(pooler) is None


def test_strangers_are_braked_as_users_are(make_login_pooler):
    """Or else the brake would tell who exists."""
    pooler = make_login_pooler("scram-sha-256", USERS, auth_failure_limit=3)
    fail(pooler, 3, "alice")
    fail(pooler, 3, "nobody")
    known, unknown = attempt(pooler, "alice", "wrong"), attempt(pooler, "nobody", "wrong")
    assert {k: v.replace("alice", "nobody") for k, v in known.items()} == unknown


def test_console_shows_who_failed(make_login_pooler):
    pooler = make_login_pooler("scram-sha-256", USERS, auth_failure_limit=3)
    fail(pooler, 3, "alice")
    fail(pooler, 1, "bob")
    rows = {row["user"]: row for row in pooler.show("FAILED_LOGINS")}
    assert list(rows["alice"])[:5] == ["user", "address", "failures", "last_failure_s",
                                       "blocked_s"]
    assert rows["alice"]["failures"] == "3" and rows["alice"]["address"] == "127.0.0.1"
    assert 110 <= int(rows["alice"]["blocked_s"]) <= 120
    assert rows["bob"]["failures"] == "1" and rows["bob"]["blocked_s"] in (None, "", "0")


def test_going_away_in_the_middle_is_no_failure(make_login_pooler):
    pooler = make_login_pooler("scram-sha-256", USERS, auth_failure_limit=2)
    for _ in range(10):
        with pooler.wire() as wire:
            wire.send(startup({"user": "alice", "database": "app"}))
            wire.read()
    assert attempt(pooler) is None


def test_blocked_logins_are_logged_sparingly(make_login_pooler):
    pooler = make_login_pooler("plain", USERS, auth_failure_limit=2)
    fail(pooler, 2)
    for _ in range(20):
        attempt(pooler)
    assert "alice" in pooler.output()
    assert "wrong" not in [word for line in pooler.output().splitlines()
                           for word in line.split("'")]


def test_guesses_made_at_the_same_time_count_too(make_login_pooler):
    """Who opens many logins first and guesses in all of them then gains nothing."""
    pooler = make_login_pooler("plain", USERS, auth_failure_limit=3)
    wires = [pooler.wire(timeout=5) for _ in range(10)]
    for wire in wires:
        wire.send(startup({"user": "alice", "database": "app"}))
        assert wire.read().type == "R"
    for wire in wires[:9]:
        wire.send(password_message(cstring("wrong")))
        assert wire.rest().error["C"].startswith("28")
    wires[9].send(password_message(cstring(PASSWORD)))
    reply = wires[9].rest()
    assert reply.types == "E", reply.messages
