"""What pools share by limits: who gets how much of it, and what RELOAD changes."""

import threading

import pytest

from harness.waiting import holds_for, wait_until
from harness.wire import query

PAIRS = [("app", "alice"), ("other", "bob")]


class Crowd:
    """Clients of one pool that ask again and again, and count what was answered."""

    def __init__(self, pooler, database, user, clients, sql="select pg_sleep(0.01)"):
        self.wires = [pooler.login(database, user=user) for _ in range(clients)]
        self.query, self.answered, self.is_over = query(sql), 0, False
        self.threads = [threading.Thread(target=self._ask, args=(wire,)) for wire in self.wires]
        for thread in self.threads:
            thread.start()

    def _ask(self, wire):
        while not self.is_over:
            wire.send(self.query)
            assert not wire.until("Z").errors
            self.answered += 1

    def stop(self):
        self.is_over = True
        for thread in self.threads:
            thread.join(30)


@pytest.fixture
def crowds():
    made = []

    def make(*args, **kwargs):
        made.append(Crowd(*args, **kwargs))
        return made[-1]
    yield make
    for crowd in made:
        crowd.stop()


def servers(pooler):
    return {row["user"]: int(row["sv_active"]) + int(row["sv_idle"]) + int(row["sv_login"])
            for row in pooler.show("POOLS") if row["user"] in ("alice", "bob")}


def settles_at(pooler, alice, bob):
    wait_until(lambda: servers(pooler) == {"alice": alice, "bob": bob}, 20)
    # And stays so: nobody takes from the other what it has to give back.
    assert holds_for(lambda: servers(pooler) == {"alice": alice, "bob": bob}, 1)


def two(make_pooler, **settings):
    databases = {"app": {"dbname": "app"}, "other": {"dbname": "other"}}
    return make_pooler(databases=settings.pop("databases", databases), max_server_connections=8,
                       default_pool_size=20, **settings)


def test_two_that_want_all_have_half_each(make_pooler, crowds):
    pooler = two(make_pooler)
    crowds(pooler, *PAIRS[0], clients=12)
    wait_until(lambda: servers(pooler).get("alice") == 8, 10)
    crowds(pooler, *PAIRS[1], clients=12)
    settles_at(pooler, 4, 4)


@pytest.mark.long
def test_weights_decide_and_reload_changes_them(make_pooler, crowds):
    pooler = two(make_pooler, users={"alice": "weight=3"})
    for pair in PAIRS:
        crowds(pooler, *pair, clients=12)
    settles_at(pooler, 6, 2)
    pooler.users = {"bob": "weight=7"}
    pooler.reload()
    settles_at(pooler, 1, 7)
    pooler.users = {}
    pooler.databases["app"]["weight"] = 3
    pooler.reload(max_server_connections=4)
    settles_at(pooler, 3, 1)


def test_what_is_guaranteed_is_had_beside_any_weight(make_pooler, crowds):
    pooler = two(make_pooler, users={"alice": "weight=1000", "bob": "guaranteed=3"})
    crowds(pooler, *PAIRS[0], clients=12)
    wait_until(lambda: servers(pooler).get("alice") == 8, 10)
    crowds(pooler, *PAIRS[1], clients=12)
    settles_at(pooler, 5, 3)


@pytest.mark.long
def test_settled_shares_reopen_nothing(make_pooler, crowds):
    pooler = two(make_pooler)
    for pair in PAIRS:
        crowds(pooler, *pair, clients=12)
    settles_at(pooler, 4, 4)

    def processes():
        return {server["remote_pid"] for server in pooler.show("SERVERS")}
    before = processes()
    assert len(before) == 8
    assert holds_for(lambda: processes() == before, 2)


def test_what_one_does_not_use_goes_to_the_other(make_pooler, crowds):
    pooler = two(make_pooler)
    crowds(pooler, *PAIRS[0], clients=12)
    few = crowds(pooler, *PAIRS[1], clients=2)
    settles_at(pooler, 6, 2)
    few.stop()
    settles_at(pooler, 8, 0)


def test_the_console_shows_weights_guarantees_and_who_is_held_back(make_pooler, crowds):
    pooler = two(make_pooler, users={"alice": "weight=3 guaranteed=2"},
                 databases={"app": {"weight": 5}, "other": {}})
    for pair in PAIRS:
        crowds(pooler, *pair, clients=12)
    wait_until(lambda: sum(servers(pooler).values()) == 8, 10)

    def only(table, **wanted):
        [row] = [row for row in pooler.show(table)
                 if all(row[key] == value for key, value in wanted.items())]
        return row
    shown = only("DATABASES", name="app")
    assert (shown["weight"], shown["guaranteed"]) == ("5", "0")
    shown = only("USERS", name="alice")
    assert (shown["weight"], shown["guaranteed"]) == ("3", "2")
    shown = only("QUEUE", user="alice")
    assert (shown["weight"], shown["guaranteed"]) == ("15", "2")
    assert only("QUEUE", user="bob")["weight"] == "1"
    wait_until(lambda: only("QUEUE", user="bob")["held_back_by"] == "max_server_connections", 5)
    assert int(only("LISTS", list="counted_servers")["items"]) <= 8
