"""auth_query: secrets that are asked of PostgreSQL when somebody logs in."""

import os
import re
import signal

import psycopg
import pytest

from harness.backend import READY, error, rows
from harness.logins import change_users
from harness.secure import PASSWORD
from harness.waiting import wait_until
from harness.wire import Refused, startup

QUERY = "select usename, passwd from public.lookup($1)"
ALIVE = {"auth_user": "looker", "auth_query": QUERY}


@pytest.fixture
def make_asking(make_login_pooler, secure):
    """A pooler whose only secret of its own is that of the one who asks."""
    def make(auth_type="scram-sha-256", database=None, secrets=None, **settings):
        target = secure.target(**(database or {}))
        databases = settings.pop("databases", {"app": target})
        settings = {**ALIVE, **settings}
        pooler = make_login_pooler(auth_type, {"looker": PASSWORD, **(secrets or {})},
                                   databases=databases, **settings)
        pooler.sockets_for_lookups = 4 * len(databases)
        return pooler
    return make


@pytest.fixture
def role(secure):
    """A factory of roles that live for a test: role('erin', 'valid until ...')."""
    made = []

    def make(name, more="", password=PASSWORD):
        secure.sql(f"create role {name} login password '{password}' {more}")
        made.append(name)
        return name

    yield make
    secure.close_connections()
    for name in made:
        secure.sql("select pg_terminate_backend(pid) from pg_stat_activity where usename = %s",
                   (name,))
        secure.sql(f"drop role if exists {name}")


def refusal(pooler, user, password=PASSWORD, dbname="app", **params):
    with pooler.wire() as wire:
        with pytest.raises(Refused) as refused:
            wire.login(user, dbname, password, **params)
        return refused.value.fields


def login(pooler, user, password=PASSWORD, dbname="app", **params):
    return pooler.wire().login(user, dbname, password, **params)


@pytest.mark.parametrize("method", ["plain", "md5", "scram-sha-256"])
def test_user_who_is_only_in_postgres_comes_in(make_asking, method):
    """auth_user itself has to log in by SCRAM."""
    pooler = make_asking(method)
    assert login(pooler, "alice").value("select current_user") == "alice"
    assert refusal(pooler, "alice", "wrong")["C"] == "28P01"
    assert refusal(pooler, "nobody", "wrong")["C"] == "28P01"


def test_default_query_works_for_a_superuser(make_asking, secure):
    pooler = make_asking(auth_user="postgres", auth_query=None)
    assert login(pooler, "alice").value("select current_user") == "alice"


def test_auth_file_comes_first(make_asking):
    pooler = make_asking("plain", secrets={"alice": "of the file"})
    assert refusal(pooler, "alice", PASSWORD)["C"] == "28P01"


def test_user_of_section_users_is_still_asked_for(make_asking):
    pooler = make_asking(users={"alice": "pool_mode=session"})
    assert login(pooler, "alice").value("select 1") == "1"


def test_secret_that_was_found_serves_the_login_to_the_server_too(make_asking, role, secure):
    role("erin")
    pooler = make_asking("scram-sha-256")
    for _ in range(3):
        assert login(pooler, "erin").value("select current_user") == "erin"


def test_valid_until_is_honoured(make_asking, role):
    """CVE-2025-2291, with the default query and with one of one's own."""
    role("late", "valid until '2020-01-01'")
    role("early", "valid until '2100-01-01'")
    # The server is told another user: it would notice by itself.
    own = make_asking("plain", {"user": "trusty"})
    default = make_asking("plain", {"user": "trusty"}, auth_user="postgres", auth_query=None)
    for pooler in (own, default):
        assert refusal(pooler, "late")["C"] == "28P01"
        assert login(pooler, "early").value("select 1") == "1"


def test_user_without_a_password_does_not_come_in(make_asking, role, secure):
    role("bare")
    secure.sql("alter role bare password null")
    pooler = make_asking("plain")
    for password in ("", "x", PASSWORD):
        assert refusal(pooler, "bare", password)["C"] == "28P01"


def test_expired_role_stops_coming_in_at_once(make_asking, role, secure):
    role("brief")
    pooler = make_asking("plain")
    login(pooler, "brief").close()
    secure.sql("alter role brief valid until '2020-01-01'")
    assert refusal(pooler, "brief")["C"] == "28P01"


def test_changed_password_counts_at_once_without_a_cache(make_asking, role, secure):
    role("dave")
    pooler = make_asking("plain")
    login(pooler, "dave").close()
    secure.sql("alter role dave password 'changed'")
    assert refusal(pooler, "dave")["C"] == "28P01"
    assert login(pooler, "dave", "changed").value("select 1") == "1"


def test_cache_saves_the_query_and_a_failure_asks_again(make_asking, role, secure):
    """What is counted is a sequence that moves with each look-up."""
    role("dave")
    with psycopg.connect(secure.conninfo("app"), autocommit=True) as conn:
        conn.execute("create sequence asked; grant all on sequence asked to looker")
    try:
        pooler = make_asking("plain", auth_cache_ttl=60, auth_query=
                             "select usename, passwd from public.lookup($1), nextval('asked')")

        def asked():
            with psycopg.connect(secure.conninfo("app")) as conn:
                return conn.execute("select last_value from asked where is_called").fetchone()

        for _ in range(5):
            login(pooler, "dave").close()
        assert asked() == (1,)
        secure.sql("alter role dave password 'changed'")
        # The old secret is still known; one wrong password, and it is asked for again.
        with pooler.wire() as wire:
            try:
                wire.login("dave", "app", "changed")
            except Refused:
                pass
        assert login(pooler, "dave", "changed").value("select 1") == "1"
        assert refusal(pooler, "dave", PASSWORD)["C"] == "28P01"
    finally:
        with psycopg.connect(secure.conninfo("app"), autocommit=True) as conn:
            conn.execute("drop sequence asked")


def test_reload_forgets_what_was_cached(make_asking, role, secure):
    role("dave")
    pooler = make_asking("plain", auth_cache_ttl=600)
    login(pooler, "dave").close()
    secure.sql("drop role dave")
    pooler.reload()
    assert refusal(pooler, "dave")["C"] == "28P01"


def test_concurrent_logins_of_one_user_are_one_query(make_asking, role, secure, later):
    role("dave")
    with psycopg.connect(secure.conninfo("app"), autocommit=True) as conn:
        conn.execute("create sequence asked; grant all on sequence asked to looker")
    try:
        pooler = make_asking("plain", auth_query="select usename, passwd from "
                             "public.lookup($1), nextval('asked'), pg_sleep(0.5)")
        jobs = [later(login, pooler, "dave") for _ in range(20)]
        assert all(job.result(20).value("select 1") == "1" for job in jobs)
        with psycopg.connect(secure.conninfo("app")) as conn:
            (asked,) = conn.execute("select last_value from asked").fetchone()
        assert asked <= 3, f"{asked} queries for one user"
    finally:
        secure.close_connections()
        with psycopg.connect(secure.conninfo("app"), autocommit=True) as conn:
            conn.execute("drop sequence asked")


def test_look_ups_are_not_starved_by_a_full_pool(make_asking):
    pooler = make_asking("scram-sha-256", default_pool_size=1, max_db_connections=1,
                         max_user_connections=1)
    holder = login(pooler, "alice")
    holder.ask("begin")
    other = login(pooler, "alice")  # welcome: the pool has had a server
    assert holder.value("select 1") == "1"
    holder.ask("commit")
    assert other.value("select 1") == "1"


def test_look_ups_do_not_appear_in_the_pools(make_asking):
    pooler = make_asking()
    login(pooler, "alice").close()
    assert [p for p in pooler.show("POOLS") if p["user"] == "looker"] == []
    assert [s for s in pooler.show("SERVERS") if s["user"] == "looker"] == []


def test_no_parameter_of_the_client_reaches_the_look_up(make_asking, secure):
    """CVE-2025-12819: a search_path of one's own decided what auth_query meant."""
    with psycopg.connect(secure.conninfo("app"), autocommit=True) as conn:
        conn.execute("""create schema evil; grant usage on schema evil to public;
            create function evil.lookup(name text, out usename name, out passwd text)
            language sql as $$ select $1::name, 'hacked'::text $$""")
    try:
        pooler = make_asking("plain", auth_query="select usename, passwd from lookup($1)",
                             ignore_startup_parameters="search_path, options",
                             track_extra_parameters="search_path, IntervalStyle")
        for params in ({"search_path": "evil"}, {"options": "-c search_path=evil"},
                       {"options": "--search_path=evil"}, {"role": "postgres"}):
            assert refusal(pooler, "alice", "hacked", **params)["C"] in ("28P01", "22023")
            assert refusal(pooler, "nobody", "hacked", **params)["C"] in ("28P01", "22023")
        assert login(pooler, "alice", search_path="evil").value("select 1") == "1"
    finally:
        with psycopg.connect(secure.conninfo("app"), autocommit=True) as conn:
            conn.execute("drop schema evil cascade")


@pytest.mark.parametrize("query, problem", [
    ("select $1::text", "column"),
    ("select usename, passwd, 1 from public.lookup($1)", "column"),
    ("select 'bob'::name, passwd from public.lookup($1)", "bob|name"),
    ("select usename, passwd from public.lookup($1), generate_series(1, 2)", "row"),
    ("select no_such_column from public.lookup($1)", "no_such_column"),
    ("this is no SQL $1", "syntax"),
    ("select usename, 'SCRAM-SHA-256$nonsense' from public.lookup($1)", ""),
    ("select usename, null::text from public.lookup($1)", ""),
    ("select usename, '' from public.lookup($1)", ""),
])
def test_query_that_is_wrong_lets_nobody_in(make_asking, query, problem):
    """CVE-2015-6817: after a failed look-up the client was the user who looks up."""
    pooler = make_asking("plain", auth_query=query)
    for user, password in (("alice", PASSWORD), ("alice", ""), ("looker2", PASSWORD)):
        with pooler.wire() as wire:
            with pytest.raises(Refused) as refused:
                wire.login(user, "app", password)
        fields = refused.value.fields
        # The reason is for the log only.
        assert fields["C"] in ("28P01", "57P03"), fields
        assert not problem or not re.search("no_such_column|syntax", fields["M"])
    if problem:
        assert fields["C"] == "57P03", fields
        wait_until(lambda: re.search(problem, pooler.output()), 5, "the reason is not in the log")


def test_secret_that_is_malformed_is_an_error_for_the_log(make_asking):
    pooler = make_asking("plain", auth_query=
                         "select usename, 'SCRAM-SHA-256$' || passwd from public.lookup($1)")
    assert refusal(pooler, "alice")["C"] == "28P01"
    wait_until(lambda: "auth_query returned a malformed secret" in pooler.output(), 5,
               "the reason is not in the log")
    assert "SCRAM-SHA-256$" not in pooler.output()


def test_auth_user_who_may_not_log_in_is_an_error_for_the_log(make_asking):
    pooler = make_asking("plain", secrets={"looker": "not the right one"})
    fields = refusal(pooler, "alice")
    assert fields["C"] == "57P03" and "looker" not in fields["M"], fields
    assert re.search("password authentication failed for user .*looker", pooler.output())


def test_secret_of_auth_user_never_reaches_the_log(make_asking):
    pooler = make_asking("plain", secrets={"looker": "a-wrong-secret"}, verbose=3)
    refusal(pooler, "alice")
    assert "a-wrong-secret" not in pooler.output()


def test_auth_user_may_show_a_certificate(make_asking, certs):
    """As which the server knows certy."""
    pooler = make_asking("plain", auth_user="certy", server_tls_sslmode="verify-full",
                         server_tls_ca_file=certs.ca_file,
                         server_tls_cert_file=certs.client["pooler"].cert_file,
                         server_tls_key_file=certs.client["pooler"].key_file)
    assert login(pooler, "alice").value("select current_user") == "alice"


def test_auth_user_may_use_a_pgpass(make_login_pooler, secure, write_file):
    pgpass = write_file("pgpass", f"*:*:*:looker:{PASSWORD}\n")
    pooler = make_login_pooler("plain", {}, databases={"app": secure.target()}, **ALIVE,
                               env={"PGPASSFILE": pgpass})
    pooler.sockets_for_lookups = 4
    assert login(pooler, "alice").value("select current_user") == "alice"


@pytest.mark.skipif(os.getuid() != 0, reason="only root can become somebody else")
def test_look_ups_do_not_look_into_the_home_of_root(make_login_pooler, secure, tmp_path):
    """Where libpq would stop at a certificate that it may not read."""
    home = tmp_path / "home"
    home.mkdir(mode=0o700)
    name = secure.account.pw_name
    pooler = make_login_pooler("plain", {"looker": PASSWORD}, start=False, user=name,
                               databases={"app": secure.target()}, **ALIVE,
                               server_tls_sslmode="require", env={"HOME": str(home)})
    pooler.sockets_for_lookups = 4
    pooler.account = None
    # A process that has changed its user may not be traced, as looking for leaks takes.
    pooler.extra_environment["ASAN_OPTIONS"] = "detect_leaks=0"
    pooler.start()
    assert login(pooler, "alice").value("select current_user") == "alice"


def test_look_up_checks_the_certificate_as_the_pools_do(make_asking, certs, secure):
    pooler = make_asking("plain", server_tls_sslmode="verify-full",
                         server_tls_ca_file=certs.stranger.ca_file)
    assert refusal(pooler, "alice")["C"] == "57P03"
    assert re.search("certificate", pooler.output())


def test_look_ups_may_be_made_in_another_database(make_asking, secure):
    databases = {"app": secure.target(), "elsewhere": secure.target("other")}
    with psycopg.connect(secure.conninfo("app"), autocommit=True) as conn:
        conn.execute("alter function public.lookup(text) rename to hidden")
    try:
        pooler = make_asking("plain", databases=databases, auth_dbname="elsewhere")
        assert login(pooler, "alice").value("select current_database()") == "app"
        pooler = make_asking("plain", databases=databases)
        refusal(pooler, "alice")
    finally:
        with psycopg.connect(secure.conninfo("app"), autocommit=True) as conn:
            conn.execute("alter function public.hidden(text) rename to lookup")


def test_database_may_have_its_own_query_user_and_place(make_asking, secure):
    databases = {
        "app": secure.target(),
        "closed": secure.target(auth_query="select 'x'::name, 'y' where $1::text is null"),
        "asks": secure.target(auth_user="trusty"),
        "there": secure.target(auth_dbname="app"),
    }
    pooler = make_asking("plain", databases=databases)
    assert refusal(pooler, "alice", dbname="closed")["C"] == "28P01"
    for dbname in ("app", "asks", "there"):
        assert login(pooler, "alice", dbname=dbname).value("select 1") == "1"


def test_unknown_database_tells_strangers_nothing(make_asking):
    pooler = make_asking("plain", auth_dbname="app")
    assert refusal(pooler, "nobody", "x", dbname="nowhere")["C"] == "28P01"
    assert refusal(pooler, "alice", dbname="nowhere")["C"] == "3D000"


@pytest.mark.parametrize("auth_dbname", [None, "postgres"])
def test_users_of_databases_without_an_entry_are_asked_for(make_asking, secure, auth_dbname):
    """In the database that they want, unless another is named."""
    everywhere = secure.target(dbname=None)
    pooler = make_asking("scram-sha-256", databases={"*": everywhere}, auth_user="postgres",
                         auth_query=None, auth_dbname=auth_dbname)
    for dbname in ("app", "other"):
        assert login(pooler, "alice", dbname=dbname).value("select current_database()") == dbname
        assert refusal(pooler, "alice", "wrong", dbname=dbname)["C"] == "28P01"
    fields = refusal(pooler, "alice", dbname="nowhere")
    # Where nobody can be asked for his secret, nobody is told what there is.
    assert fields["C"] == ("3D000" if auth_dbname else "57P03"), fields


def test_unknown_user_gets_the_same_error_as_a_wrong_password(make_asking):
    pooler = make_asking("scram-sha-256")
    wrong, unknown = refusal(pooler, "alice", "x"), refusal(pooler, "nobody", "x")
    assert {k: v.replace("alice", "nobody") for k, v in wrong.items()} == unknown


@pytest.mark.parametrize("method", ["md5", "scram-sha-256", "plain"])
def test_unknown_user_is_asked_what_the_users_of_the_server_are(make_asking, method):
    """And not what the one user in the file is, who has a password in clear."""
    pooler = make_asking(method)

    def asked_of(user):
        with pooler.wire() as wire:
            with pytest.raises(Refused):
                wire.login(user, "app", "wrong")
            return wire.asked

    assert asked_of("nobody") == asked_of("alice") == asked_of("nobody"), "before and after"
    for _ in range(3):
        of_md5 = asked_of("md5y")
    assert asked_of("nobody") == of_md5, "most that were found are of that kind"
    for _ in range(5):
        of_scram = asked_of("alice")
    assert asked_of("nobody") == of_scram


def test_server_that_is_gone_is_a_clear_end_and_comes_back(make_asking, secure):
    pooler = make_asking("plain", server_connect_timeout=2)
    login(pooler, "alice").close()
    secure.stop()
    fields = refusal(pooler, "bob")
    assert fields["C"] == "57P03", fields
    secure.start()
    wait_until(lambda: "C" not in login_or_fields(pooler, "bob"), 10)


def login_or_fields(pooler, user):
    with pooler.wire() as wire:
        try:
            wire.login(user, "app", PASSWORD)
            return {}
        except Refused as refused:
            return {"C": refused.fields.get("C", "")}


def test_look_up_survives_a_connection_that_died_idle(make_asking, secure):
    pooler = make_asking("plain")
    login(pooler, "alice").close()
    secure.sql("select pg_terminate_backend(pid) from pg_stat_activity where usename = 'looker'")
    assert login(pooler, "bob").value("select 1") == "1"


def test_server_that_never_answers_the_look_up(make_login_pooler, make_backend, pooler):
    """The login ends in its time, others are not held up."""
    backend = make_backend(lambda peer: peer.greet().wait_for_end())
    asking = make_login_pooler(
        "plain", {"bob": "x"}, auth_user="bob", client_login_timeout=1,
        server_tls_sslmode="disable",
        databases={"app": f"host=127.0.0.1 port={backend.port}", "real": {"dbname": "app"}})
    stuck = asking.wire()
    with pytest.raises(Refused) as refused:
        stuck.login("alice", "app", "x")
    assert refused.value.fields.get("C") in ("57P05", "28000", "08006", "57014"), refused.value
    assert asking.wire().login("bob", "real", "x").value("select 1") == "1"


def test_rows_that_no_server_would_send(make_login_pooler, make_backend):
    def play(peer):
        peer.greet()
        while peer.read().type != "S":
            pass
        peer.send(rows("x"), error("ERROR", "XX000", "and then this"), READY)
        peer.wait_for_end()
    backend = make_backend(play)
    pooler = make_login_pooler("plain", {"bob": "x"}, auth_user="bob", auth_query="select $1",
                               server_tls_sslmode="disable",
                               databases={"app": f"host=127.0.0.1 port={backend.port}"})
    with pooler.wire() as wire, pytest.raises(Refused):
        wire.login("alice", "app", "x")
    assert pooler.is_running()


def test_users_change_between_the_file_and_the_query(make_asking):
    pooler = make_asking("plain", secrets={"alice": "of the file"})
    assert login_or_fields(pooler, "alice") == {"C": "28P01"}
    change_users(pooler, {"looker": PASSWORD})
    pooler.reload()
    assert login_or_fields(pooler, "alice") == {}


def test_console_is_open_to_admins_whom_the_query_finds(make_asking, role):
    """Where auth_dbname says in which database to ask."""
    role("boss")
    pooler = make_asking("plain", auth_dbname="app", admin_users="admin, boss")
    assert not login(pooler, "boss", dbname="pooler").ask("SHOW POOLS").errors
    assert refusal(pooler, "boss", "wrong", dbname="pooler")["C"] == "28P01"
    assert refusal(pooler, "alice", dbname="pooler")["C"] == "28000"


def test_password_changed_in_postgres_is_taken_up_for_servers_too(make_asking, role, secure):
    """The new secret takes the old one's place for the servers to come."""
    role("dave")
    pooler = make_asking("scram-sha-256")
    old = login(pooler, "dave")
    secure.sql("alter role dave password 'changed'")
    pooler.ask_console("RECONNECT")
    new = login(pooler, "dave", "changed")
    assert new.value("select current_user") == "dave"
    pid = new.value("select pg_backend_pid()")
    secure.sql("select pg_terminate_backend(%s)", (int(pid),))
    wait_until(lambda: not pooler.pool("app", "dave")["sv_idle"], 5)
    assert new.value("select 1") == old.value("select 1") == "1"


def slow_query(make_asking, **settings):
    return make_asking("plain", auth_query="select usename, passwd from public.lookup($1), "
                       "pg_sleep(0.6)", **settings)


def begin(pooler, user, dbname="app"):
    """A wire whose login waits for its secret."""
    wire = pooler.wire()
    wire.send(startup({"user": user, "database": dbname}))
    return wire


def asleep(secure):
    return secure.sql("select count(*) from pg_stat_activity where usename = 'looker' "
                      "and state = 'active'")[0][0]


def test_client_that_leaves_while_its_secret_is_looked_up(make_asking, secure):
    pooler = slow_query(make_asking)
    wires = [begin(pooler, user) for user in ("alice", "alice", "bob", "nobody")]
    wait_until(lambda: asleep(secure), 5)
    for n, wire in enumerate(wires):
        wire.reset() if n % 2 else wire.close()
    assert login(pooler, "alice").value("select 1") == "1"


def test_reload_while_a_secret_is_looked_up(make_asking, secure):
    pooler = slow_query(make_asking)
    wire = begin(pooler, "alice")
    wait_until(lambda: asleep(secure), 5)
    pooler.reload(auth_query=QUERY, auth_cache_ttl=5)
    wire.finish_login("alice", PASSWORD)
    assert wire.value("select current_user") == "alice"


def test_shutdown_while_a_secret_is_looked_up(make_asking, secure):
    pooler = slow_query(make_asking)
    wires = [begin(pooler, user) for user in ("alice", "bob")]
    wait_until(lambda: asleep(secure), 5)
    pooler.send_signal(signal.SIGQUIT)
    for wire in wires:
        assert "R" not in wire.rest().types
    assert pooler.wait() == 0
    pooler.check_output()


def test_server_that_is_killed_while_a_secret_is_looked_up(make_asking, secure):
    pooler = slow_query(make_asking)
    wire = begin(pooler, "alice")
    wait_until(lambda: asleep(secure), 5)
    secure.sql("select pg_terminate_backend(pid) from pg_stat_activity where usename = 'looker'")
    try:
        wire.finish_login("alice", PASSWORD)  # it was asked once more
    except Refused as refused:
        assert refused.fields["C"] == "57P03", refused.fields
    assert login(pooler, "bob").value("select 1") == "1"
