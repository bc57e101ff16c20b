"""Limits on servers and clients: PostgreSQL never sees more, clients are told which one it is."""

import re

from harness.waiting import holds_for, wait_until
from harness.wire import query


def most_backends_during(cluster, wires, where="true", rounds=3):
    most = 0
    for _ in range(rounds):
        for wire in wires:
            wire.send(query("select pg_sleep(0.05)"))
        for wire in wires:
            most = max(most, len(cluster.backends(where)))
            assert not wire.until("Z").errors
    return most


SERVERS = ("sv_active", "sv_active_cancel", "sv_being_canceled", "sv_idle", "sv_used",
           "sv_tested", "sv_login")


def most_servers_during(pooler, wires, rounds=3, **where):
    """As the pooler counts them: where pools share a limit, one that was closed for another
    may be seen in PostgreSQL for a moment more."""
    most = 0
    for _ in range(rounds):
        for wire in wires:
            wire.send(query("select pg_sleep(0.05)"))
        for wire in wires:
            most = max(most, sum(int(row[state]) for row in pooler.show("POOLS") for state in SERVERS
                                 if row.items() >= where.items() and row["database"] != "pgbouncer"))
            assert not wire.until("Z").errors
    return most


def test_default_pool_size_caps_the_servers(make_pooler, cluster):
    pooler = make_pooler(default_pool_size=3)
    wires = [pooler.login() for _ in range(20)]
    assert most_backends_during(cluster, wires) == 3


def test_pool_size_of_the_database_beats_the_default(make_pooler, cluster):
    pooler = make_pooler(default_pool_size=7, databases={"app": {"pool_size": 2}})
    wires = [pooler.login() for _ in range(10)]
    assert most_backends_during(cluster, wires) == 2


def test_pool_size_of_the_user_beats_that_of_the_database(make_pooler, cluster):
    pooler = make_pooler(databases={"app": {"pool_size": 5}}, users={"bob": "pool_size=1"})
    wires = [pooler.login(user="bob") for _ in range(6)]
    assert most_backends_during(cluster, wires) == 1


def test_every_user_of_a_database_has_a_pool_of_its_own(make_pooler, cluster):
    pooler = make_pooler(default_pool_size=2)
    wires = [pooler.login(user=user) for user in ("alice", "bob") for _ in range(5)]
    assert most_backends_during(cluster, wires) == 4
    for user in ("alice", "bob"):
        assert len(cluster.backends(f"usename = '{user}'")) == 2


def test_no_more_servers_are_opened_than_are_needed(make_pooler, cluster):
    pooler = make_pooler(default_pool_size=10)
    wire = pooler.login()
    for _ in range(50):
        wire.value("select 1")
    assert len(cluster.backends()) == 1


def test_max_db_connections_holds_over_all_users(make_pooler):
    pooler = make_pooler(max_db_connections=3)
    wires = [pooler.login(user=user) for user in ("alice", "bob", "carol") for _ in range(4)]
    assert most_servers_during(pooler, wires) <= 3


def test_max_db_connections_takes_idle_servers_of_other_users(make_pooler, cluster):
    pooler = make_pooler(max_db_connections=1)
    for user in ("alice", "bob", "alice", "carol"):
        assert pooler.login(user=user).value("select current_user") == user
        assert len(cluster.backends()) <= 1


def test_max_db_connections_of_one_entry_is_its_own(make_pooler):
    pooler = make_pooler(databases={"app": {"max_db_connections": 1}, "other": {}})
    wires = [pooler.login(user=user) for user in ("alice", "bob") for _ in range(3)]
    wires += [pooler.login("other") for _ in range(3)]
    assert most_servers_during(pooler, wires, database="app") <= 1


def test_max_user_connections_holds_over_all_databases(make_pooler):
    pooler = make_pooler(max_user_connections=2, databases={"app": {}, "other": {}})
    wires = [pooler.login(name) for name in ("app", "other") for _ in range(5)]
    assert most_servers_during(pooler, wires, user="alice") <= 2


def test_max_user_connections_of_one_user_beats_the_global_one(make_pooler, cluster):
    pooler = make_pooler(max_user_connections=5, users={"bob": "max_user_connections=1"})
    wires = [pooler.login(user="bob") for _ in range(5)]
    assert most_backends_during(cluster, wires, "usename = 'bob'") == 1


def test_max_server_connections_holds_over_all_databases_and_users(make_pooler):
    pooler = make_pooler(max_server_connections=3, databases={"app": {}, "other": {}})
    wires = [pooler.login(name, user=user) for name in ("app", "other")
             for user in ("alice", "bob") for _ in range(3)]
    assert most_servers_during(pooler, wires) <= 3


def test_max_server_connections_can_be_raised_and_lowered_at_any_time(make_pooler, cluster):
    pooler = make_pooler(max_server_connections=2, databases={"app": {}, "other": {}})
    wires = [pooler.login(name) for name in ("app", "other") for _ in range(4)]
    assert most_servers_during(pooler, wires) == 2
    pooler.reload(max_server_connections=5)
    assert most_servers_during(pooler, wires) == 5
    pooler.reload(max_server_connections=1)
    wait_until(lambda: len(cluster.backends()) <= 1, 5)
    assert most_servers_during(pooler, wires) == 1


def test_min_pool_size_keeps_servers_ready(make_pooler, cluster):
    pooler = make_pooler(min_pool_size=4)
    pooler.login().value("select 1")
    wait_until(lambda: len(cluster.backends()) == 4, 5)
    assert holds_for(lambda: len(cluster.backends()) == 4, 0.3)


def test_min_pool_size_with_a_forced_user_needs_no_client(make_pooler, cluster):
    make_pooler(databases={"app": {"user": "carol", "min_pool_size": 3}})
    wait_until(lambda: len(cluster.backends("usename = 'carol'")) == 3, 5)


def test_min_pool_size_is_filled_in_parallel_not_by_a_tick(make_pooler, cluster):
    make_pooler(databases={"app": {"user": "carol", "min_pool_size": 15}})
    wait_until(lambda: len(cluster.backends("usename = 'carol'")) == 15, 4)


def test_reserve_pool_is_used_when_the_oldest_has_waited_long_enough(make_pooler, cluster):
    pooler = make_pooler(default_pool_size=1, reserve_pool_size=2, reserve_pool_timeout="0.3")
    holder = pooler.login()
    holder.ask("begin")
    waiter = pooler.login()
    waiter.send(query("select 1"))
    assert waiter.is_silent(0.15)
    assert waiter.until("Z").value == "1"
    assert len(cluster.backends()) == 2
    others = [pooler.login() for _ in range(6)]
    assert most_backends_during(cluster, others) <= 3


def test_taking_from_the_reserve_is_logged_with_who_waited(make_pooler):
    pooler = make_pooler(default_pool_size=1, reserve_pool_size=1, reserve_pool_timeout="0.2")
    pooler.login().ask(query("begin"))
    assert "reserve_pool" not in pooler.output()
    assert pooler.login(user="alice").value("select 1") == "1"
    assert re.search(r" WARNING C-0x[0-9a-f]+: app/alice@127\.0\.0\.1:\d+ "
                     r"taking connection from reserve_pool$", pooler.output(), re.M)


def test_max_client_conn_refuses_with_53300_and_names_itself(make_pooler):
    pooler = make_pooler(max_client_conn=3)
    wires = [pooler.login() for _ in range(3)]
    error = pooler.refusal()
    assert error["S"] == error["V"] == "FATAL" and error["C"] == "53300"
    assert "max_client_conn" in error["M"]
    wires[0].close()
    wait_until(lambda: pooler.lists()["used_clients"] < 4)
    assert pooler.login().value("select 1") == "1"


def test_admin_listener_answers_when_max_client_conn_is_reached(make_pooler):
    pooler = make_pooler(max_client_conn=1)
    pooler.login()
    assert pooler.refusal()["C"] == "53300"
    assert pooler.show("VERSION")


def test_max_db_client_connections_refuses_by_name(make_pooler):
    pooler = make_pooler(databases={"app": {"max_db_client_connections": 2}, "other": {}})
    wires = [pooler.login() for _ in range(2)]
    error = pooler.refusal()
    assert error["C"] == "53300" and "max_db_client_connections" in error["M"]
    assert pooler.login("other").value("select 1") == "1"
    wires[0].close()
    wait_until(lambda: pooler.lists()["used_clients"] < 4)
    assert pooler.login().value("select 1") == "1"


def test_max_db_client_connections_has_a_global_default(make_pooler):
    pooler = make_pooler(max_db_client_connections=1)
    pooler.login()
    assert "max_db_client_connections" in pooler.refusal()["M"]


def test_max_user_client_connections_refuses_by_name(make_pooler):
    pooler = make_pooler(max_user_client_connections=5,
                         users={"bob": "max_user_client_connections=1"})
    pooler.login(user="bob")
    error = pooler.refusal(user="bob")
    assert error["C"] == "53300" and "max_user_client_connections" in error["M"]
    wires = [pooler.login() for _ in range(5)]
    assert pooler.refusal()["C"] == "53300"
    assert wires[0].value("select 1") == "1"


def test_refused_clients_do_not_count(make_pooler):
    pooler = make_pooler(max_client_conn=2)
    wires = [pooler.login() for _ in range(2)]
    for _ in range(20):
        assert pooler.refusal()["C"] == "53300"
    for wire in wires:
        wire.close()
    wait_until(lambda: pooler.lists()["used_clients"] <= 1)
    for _ in range(2):
        pooler.login()


def test_forced_user_makes_one_pool_for_everybody(make_pooler, cluster):
    pooler = make_pooler(databases={"app": {"user": "carol", "pool_size": 2}})
    wires = [pooler.login(user=user) for user in ("alice", "bob", "whoever") for _ in range(4)]
    assert {wire.value("select current_user") for wire in wires} == {"carol"}
    assert most_backends_during(cluster, wires) == 2
    assert pooler.pool("app", "carol")["sv_idle"] == 2


def test_entry_name_and_database_name_may_differ(make_pooler):
    pooler = make_pooler(databases={"front": {"dbname": "app"}, "back": {"dbname": "other"}})
    assert pooler.login("front").value("select current_database()") == "app"
    assert pooler.login("back").value("select current_database()") == "other"


def test_star_entry_takes_every_name_that_has_no_entry(make_pooler):
    pooler = make_pooler(databases={"app": {}, "*": {"pool_size": 1}})
    for name in ("other", "postgres", "app"):
        assert pooler.login(name).value("select current_database()") == name
    names = {row["name"] for row in pooler.show("DATABASES")}
    assert {"other", "postgres", "app"} <= names


def test_star_entry_passes_on_the_servers_error_for_a_wrong_name(make_pooler):
    pooler = make_pooler(databases={"*": {}})
    error = pooler.refusal("no_such_database")
    assert error["S"] == "FATAL" and error["C"] == "3D000"
    assert 'database "no_such_database" does not exist' in error["M"]


def test_star_entry_with_a_dbname_sends_all_names_there(make_pooler):
    pooler = make_pooler(databases={"*": {"dbname": "app"}})
    assert pooler.login("anything").value("select current_database()") == "app"


def test_an_entry_made_by_the_star_is_logged_once(make_pooler):
    pooler = make_pooler(databases={"app": {}, "*": {"dbname": "app"}})
    for name, user in (("app", "alice"), ("other", "alice"), ("other", "alice"), ("other", "bob")):
        pooler.login(name, user)
    registered = re.findall(r"@127\.0\.0\.1:\d+ registered new auto-database: db=(.*)",
                            pooler.output())
    assert registered == ["other"]


def test_entries_made_by_the_star_expire_when_idle(make_pooler):
    pooler = make_pooler(databases={"*": {}}, autodb_idle_timeout="0.5",
                         server_idle_timeout="0.2")
    wire = pooler.login("other")
    wire.value("select 1")

    def is_known():
        return any(row["name"] == "other" for row in pooler.show("DATABASES"))
    assert is_known()
    wire.close()
    wait_until(lambda: not is_known(), 10)
    assert pooler.login("other").value("select 1") == "1"


def test_entries_made_by_the_star_stay_while_they_have_clients(make_pooler):
    pooler = make_pooler(databases={"*": {}}, autodb_idle_timeout="0.2")
    wire = pooler.login("other")
    assert holds_for(lambda: wire.value("select 1") == "1", 1.0)


def test_pool_size_zero_means_no_limit(make_pooler, cluster):
    pooler = make_pooler(default_pool_size=0)
    wires = [pooler.login() for _ in range(30)]
    for wire in wires:
        assert wire.ask("begin").status == "T"
    assert len(cluster.backends()) == 30
