"""auth_file: read, read again, refused as a whole; and what it costs."""

import os
import re

import pytest

from harness import scram
from harness.logins import change_file, change_users
from harness.waiting import holds_for, wait_until
from harness.wire import Refused

PASSWORD = "right"
USERS = {"alice": PASSWORD, "bob": PASSWORD}


def may_come(pooler, user, password=PASSWORD, dbname="app"):
    with pooler.wire() as wire:
        try:
            wire.login(user, dbname, password)
            return True
        except Refused:
            return False


def test_quotes_comments_and_what_follows_are_understood(make_login_pooler, cluster):
    cluster.sql('create role "o""dd" login')
    try:
        pooler = make_login_pooler("plain", {})
        change_file(pooler, "auth_file", '; a comment\n\n"admin" "admin-pw"\n'
                    '"alice" "with ""quotes"" and ; # = \\ in it" whatever "follows" is ignored\n'
                    '"o""dd" "x"\n')
        pooler.reload()
        assert may_come(pooler, "alice", 'with "quotes" and ; # = \\ in it')
        assert may_come(pooler, 'o"dd', "x")
    finally:
        cluster.sql('drop role "o""dd"')


def test_change_counts_without_a_reload(make_login_pooler):
    pooler = make_login_pooler("scram-sha-256", {"bob": PASSWORD})
    assert not may_come(pooler, "alice")
    change_users(pooler, USERS)
    wait_until(lambda: may_come(pooler, "alice"), 5, "the change of auth_file was not noticed")


def test_file_written_in_place_counts_without_a_reload(make_login_pooler):
    pooler = make_login_pooler("scram-sha-256", {"bob": PASSWORD})
    assert not may_come(pooler, "alice")
    with open(pooler.settings["auth_file"], "a") as out:
        out.write(f'"alice" "{PASSWORD}"\n')
    wait_until(lambda: may_come(pooler, "alice"), 5, "the change of auth_file was not noticed")


@pytest.mark.parametrize("method", ["scram-sha-256", "trust", "plain"])
def test_user_who_is_removed_is_gone_at_once(make_login_pooler, method):
    """With trust, too, and for those that [users] names."""
    pooler = make_login_pooler(method, USERS, users={"bob": "pool_mode=session"})
    assert may_come(pooler, "bob") and may_come(pooler, "alice")
    change_users(pooler, {"alice": PASSWORD})
    pooler.reload()
    assert not may_come(pooler, "bob")
    assert may_come(pooler, "alice")


def test_user_who_is_removed_without_a_reload_is_gone_soon(make_login_pooler):
    pooler = make_login_pooler("trust", USERS)
    assert may_come(pooler, "bob")
    change_users(pooler, {"alice": PASSWORD})
    wait_until(lambda: not may_come(pooler, "bob"), 5)


BROKEN = {
    "no second word": '"bob"\n',
    "an open quote": '"bob" "x\n',
    "no quotes": "bob x\n",
    "a broken verifier": '"bob" "SCRAM-SHA-256$4096:notbase64!$a:b"\n',
    "too long a name": '"' + "b" * 200 + '" "x"\n',
    "too long a password": '"bob" "' + "x" * 70000 + '"\n',
}


@pytest.mark.parametrize("how", BROKEN)
def test_broken_line_keeps_the_old_list_and_is_named(make_login_pooler, how):
    pooler = make_login_pooler("scram-sha-256", USERS)
    change_file(pooler, "auth_file", '"admin" "admin-pw"\n"alice" "new"\n' + BROKEN[how]
                + '"carol" "x"\n')
    reply = pooler.ask_console("RELOAD")
    assert reply.error, "RELOAD was fine with it"
    told = str(reply.error)
    where = os.path.basename(pooler.settings["auth_file"]) + ":3"
    assert where in told, told
    assert where in pooler.output()
    assert may_come(pooler, "alice") and may_come(pooler, "bob")
    assert not may_come(pooler, "alice", "new")
    assert not may_come(pooler, "carol", "x")


def test_broken_line_never_shows_the_secret_of_it(make_login_pooler):
    pooler = make_login_pooler("scram-sha-256", USERS)
    change_file(pooler, "auth_file", '"bob" "tell-nobody\n')
    reply = pooler.ask_console("RELOAD")
    assert reply.error and "tell-nobody" not in str(reply.error)
    assert "tell-nobody" not in pooler.output()


def test_broken_line_without_a_reload_is_logged_and_keeps_the_old_list(make_login_pooler):
    pooler = make_login_pooler("scram-sha-256", USERS)
    change_file(pooler, "auth_file", '"admin" "admin-pw"\nbroken\n')
    where = os.path.basename(pooler.settings["auth_file"]) + ":2"
    wait_until(lambda: where in pooler.output(), 5, "nothing was logged")
    assert may_come(pooler, "alice")
    change_users(pooler, {"alice": "healed"})
    wait_until(lambda: may_come(pooler, "alice", "healed"), 5, "it stayed broken")


def test_file_that_vanishes_keeps_the_old_list(make_login_pooler):
    pooler = make_login_pooler("scram-sha-256", USERS)
    os.unlink(pooler.settings["auth_file"])
    reply = pooler.ask_console("RELOAD")
    assert reply.error and pooler.settings["auth_file"] in str(reply.error)
    assert may_come(pooler, "alice")
    assert holds_for(lambda: may_come(pooler, "alice"), 0.3)
    change_users(pooler, {"alice": "back"})
    wait_until(lambda: may_come(pooler, "alice", "back"), 5)


def test_broken_file_is_a_refusal_to_start(make_login_pooler):
    pooler = make_login_pooler("scram-sha-256", USERS, start=False)
    change_file(pooler, "auth_file", '"alice" "x"\n\nbroken\n')
    pooler.spawn()
    assert pooler.wait() == 1
    assert os.path.basename(pooler.settings["auth_file"]) + ":3" in pooler.output()


def test_missing_file_is_a_refusal_to_start(make_login_pooler):
    pooler = make_login_pooler("scram-sha-256", USERS, start=False)
    os.unlink(pooler.settings["auth_file"])
    pooler.spawn()
    assert pooler.wait() == 1
    assert pooler.settings["auth_file"] in pooler.output()


def test_name_that_occurs_twice_is_a_warning_and_the_later_counts(make_login_pooler):
    pooler = make_login_pooler("scram-sha-256", USERS)
    change_file(pooler, "auth_file", '"admin" "admin-pw"\n"alice" "first"\n"alice" "second"\n')
    pooler.reload()
    assert may_come(pooler, "alice", "second") and not may_come(pooler, "alice", "first")
    assert re.search(r"WARNING.*users0:3", pooler.output()), pooler.output()


@pytest.mark.parametrize("kind", ["plain", "verifier"])
def test_ten_thousand_users_cost_less_than_ten_megabytes(make_login_pooler, kind):
    one = scram.verifier("x")
    secret = one if kind == "verifier" else "a password of some length"
    pooler = make_login_pooler("scram-sha-256", {"alice": PASSWORD})
    if pooler.is_sanitized():
        pytest.skip("a sanitizer takes memory of its own")
    pooler.reload()
    before = pooler.rss()
    change_users(pooler, {"alice": PASSWORD, **{f"user{n}": secret for n in range(10000)}})
    pooler.reload()
    assert may_come(pooler, "alice")
    grown = pooler.rss() - before
    assert grown < 10e6, f"{grown / 1e6:.1f} MB"
    for _ in range(5):
        change_users(pooler, {"alice": PASSWORD, **{f"user{n}": secret for n in range(10000)}})
        pooler.reload()
    assert pooler.rss() - before < 12e6, "each reload keeps something"


def test_established_clients_stay_when_the_file_changes(make_login_pooler):
    pooler = make_login_pooler("scram-sha-256", USERS)
    wire = pooler.wire().login("bob", "app", PASSWORD)
    change_users(pooler, {"alice": PASSWORD})
    pooler.reload()
    assert wire.value("select 1") == "1"
