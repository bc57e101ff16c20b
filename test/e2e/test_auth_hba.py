"""Rules of who may come in from where (auth_hba_file), and maps of names (auth_ident_file)."""

import getpass
import os
import socket
import subprocess

import pytest

from harness import scram
from harness.account import popen_as
from harness.logins import ADMIN_RULE, change_file
from harness.waiting import free_port
from harness.wire import SSL_REQUEST, Refused, Wire, startup

PASSWORD = "right"
SECRETS = {"alice": PASSWORD, "bob": scram.md5_secret("bob", PASSWORD),
           "carol": scram.verifier(PASSWORD)}
BOTH = {"app": {}, "other": {}}


def attempt(pooler, user="alice", dbname="app", password=PASSWORD, address=None, tls=None):
    """'ok', or the SQLSTATE of the refusal; and what was asked."""
    with Wire(address or pooler.address) as wire:
        try:
            if tls:
                wire.start_tls(tls)
            wire.login(user, dbname, password)
            return "ok", wire.asked
        except Refused as refused:
            return refused.fields.get("C", "closed"), wire.asked


def may(pooler, *args, **more):
    return attempt(pooler, *args, **more)[0]


def test_first_rule_that_matches_counts(make_login_pooler):
    pooler = make_login_pooler("hba", SECRETS, databases=BOTH, hba="""
host app   alice 127.0.0.1/32 reject
host app   alice 127.0.0.1/32 trust
host other alice 127.0.0.1/32 trust
host other all   127.0.0.1/32 reject
host all   all   127.0.0.1/32 password
""")
    assert may(pooler, "alice", "app") == "28000"
    assert attempt(pooler, "alice", "other") == ("ok", [])
    assert may(pooler, "bob", "other") == "28000"
    assert attempt(pooler, "bob", "app") == ("ok", [3])


def test_no_rule_is_a_refusal_with_28000(make_login_pooler):
    pooler = make_login_pooler("hba", SECRETS, hba="host app alice 127.0.0.1/32 trust\n")
    for user, dbname in (("bob", "app"), ("alice", "nowhere"), ("nobody", "app")):
        with pytest.raises(Refused) as refused:
            pooler.wire().login(user, dbname, PASSWORD)
        fields = refused.value.fields
        assert fields["C"] == "28000"
        for word in (user, dbname, "127.0.0.1"):
            assert word in fields["M"], fields


@pytest.mark.parametrize("method, user, asked", [
    ("trust", "alice", []), ("password", "alice", [3]), ("md5", "alice", [5]),
    ("md5", "carol", ["SCRAM-SHA-256"]), ("scram-sha-256", "alice", ["SCRAM-SHA-256"]),
    ("scram-sha-256", "carol", ["SCRAM-SHA-256"])])
def test_methods(make_login_pooler, method, user, asked):
    pooler = make_login_pooler("hba", SECRETS, hba=f"host all all 127.0.0.1/32 {method}\n")
    assert attempt(pooler, user) == ("ok", asked)
    if asked:
        assert may(pooler, user, password="wrong") == "28P01"


DATABASES_AND_USERS = """
host sameuser      all                127.0.0.1/32 trust
host "all"         all                127.0.0.1/32 reject
host app,other     alice,bob          127.0.0.1/32 trust
host other         "all",carol        127.0.0.1/32 trust
host @{databases}  @{users}           127.0.0.1/32 trust
"""


def test_lists_quoted_names_words_and_files(make_login_pooler, write_file, cluster):
    databases = write_file("databases", "third\n# a comment\nfourth, fifth\n")
    users = write_file("names", "erin\n")
    cluster.sql("create role erin login")
    try:
        entries = {name: {"dbname": "app"} for name in ("app", "other", "alice", "all", "fifth",
                                                        "third")}
        pooler = make_login_pooler("hba", {**SECRETS, "erin": "x"}, databases=entries, hba=
                                   DATABASES_AND_USERS.format(databases=databases, users=users))
        expected = {("alice", "alice"): "ok", ("bob", "alice"): "28000", ("alice", "all"): "28000",
                    ("alice", "app"): "ok", ("bob", "other"): "ok", ("carol", "app"): "28000",
                    ("carol", "other"): "ok", ("erin", "other"): "28000", ("erin", "third"): "ok",
                    ("erin", "fifth"): "ok", ("alice", "third"): "28000"}
        assert {pair: may(pooler, *pair) for pair in expected} == expected
    finally:
        cluster.sql("drop role erin")


def test_file_of_names_may_stand_beside_the_rules(make_login_pooler, write_file):
    write_file("beside", "alice\n")
    pooler = make_login_pooler("hba", SECRETS, hba="host all @beside 127.0.0.1/32 trust\n")
    assert may(pooler, "alice") == "ok" and may(pooler, "bob") == "28000"


@pytest.mark.parametrize("address, matches", [
    ("127.0.0.1/32", True), ("127.0.0.0/8", True), ("0.0.0.0/0", True), ("all", True),
    ("127.0.0.2/32", False), ("10.0.0.0/8", False), ("::/0", False), ("::1/128", False),
    ("127.0.0.1 255.255.255.255", True), ("127.0.0.0 255.0.0.0", True),
    ("10.0.0.0 255.0.0.0", False), ("samehost", True), ("samenet", True),
    ("localhost", True), ("no-such-host.invalid", False)])
def test_addresses(make_login_pooler, address, matches):
    pooler = make_login_pooler("hba", SECRETS, hba=f"host all all {address} trust\n")
    assert may(pooler) == ("ok" if matches else "28000")


def allow_descriptors(pooler, count):
    """From now on; what is open stays open."""
    subprocess.run(["prlimit", f"--pid={pooler.pid}", f"--nofile={count}:"], check=True,
                   **popen_as(pooler.account))


def test_nobody_comes_in_past_a_rule_of_networks_that_cannot_be_known(make_login_pooler):
    """To list them takes a descriptor; what the rule refuses must not depend on that."""
    pooler = make_login_pooler("hba", SECRETS, hba="host all all samenet reject\n"
                                                   "host all all all trust\n")
    wire = pooler.wire()
    wire.send(SSL_REQUEST)
    assert wire.read_bytes(1) == b"N"
    allow_descriptors(pooler, 3)
    with pytest.raises(Refused) as refused:
        wire.login("alice", "app")
    allow_descriptors(pooler, 500)
    assert refused.value.fields["C"] == "57P03", refused.value.fields
    assert may(pooler, "alice") == "28000"


def test_address_of_ipv6(make_login_pooler):
    try:
        socket.create_server(("::1", free_port()), family=socket.AF_INET6).close()
    except OSError:
        pytest.skip("there is no IPv6 here")
    pooler = make_login_pooler("hba", SECRETS, hba="host all all ::1/128 trust\n",
                               listen_addr="127.0.0.1, ::1")
    conn = pooler.connect(host="::1")
    assert conn.execute("select 1").fetchone() == (1,)
    assert may(pooler) == "28000"


def test_types_of_connections(make_login_pooler, certs):
    tls = certs.context()
    expected = {"local": (False, False, True), "host": (True, True, False),
                "hostssl": (False, True, False), "hostnossl": (True, False, False)}
    for kind, outcomes in expected.items():
        address = "" if kind == "local" else "127.0.0.1/32"
        pooler = make_login_pooler("hba", SECRETS, hba=f"{kind} all all {address} trust\n",
                                   **certs.client_tls("prefer"))
        seen = (may(pooler), may(pooler, tls=tls), may(pooler, address=pooler.socket_path))
        assert tuple(s == "ok" for s in seen) == outcomes, (kind, seen)


def test_replication_is_a_word_of_its_own(make_login_pooler):
    """all does not mean it."""
    pooler = make_login_pooler("hba", SECRETS, hba="host all all 127.0.0.1/32 trust\n")
    with pytest.raises(Refused) as refused:
        wire = pooler.wire()
        wire.send(startup({"user": "alice", "database": "app", "replication": "true"}))
        wire.finish_login()
    assert refused.value.fields["C"] in ("28000", "0A000")
    pooler = make_login_pooler("hba", SECRETS, hba="host replication all 127.0.0.1/32 trust\n")
    assert may(pooler) == "28000"


BAD_RULES = [
    "host all all 127.0.0.1/32 nonsense", "host all all 127.0.0.1/32", "host all all",
    "nonsense all all 127.0.0.1/32 trust", "host all all 127.0.0.1/33 trust",
    "host all all 127.0.0.1 trust", "host all all 127.0.0.1 255.255.255.0",
    "host all all 300.0.0.1/32 trust", 'host all "all 127.0.0.1/32 trust',
    "host all +admins 127.0.0.1/32 trust", "host samerole all 127.0.0.1/32 trust",
    "hostgssenc all all 127.0.0.1/32 trust", "host all all 127.0.0.1/32 gss",
    "host all all 127.0.0.1/32 sspi", "host all all 127.0.0.1/32 radius",
    "host all all 127.0.0.1/32 ident", "host all all 127.0.0.1/32 peer",
    "local all all cert", "hostnossl all all 127.0.0.1/32 cert",
    "host all all 127.0.0.1/32 trust map=x", "host all all 127.0.0.1/32 md5 nonsense=1",
    "host all all 127.0.0.1/32 trust nonsense", "host all @/no/such/file 127.0.0.1/32 trust",
    "host all all 127.0.0.1/32 ldap", "host all all 127.0.0.1/32 ldap ldapserver=x ldapnonsense=1",
    "host all all 127.0.0.1/32 md5 clientcert=verify-ca",  # only with hostssl
    "hostssl all all 127.0.0.1/32 md5 clientcert=perhaps",
]


@pytest.mark.parametrize("rule", BAD_RULES)
def test_rule_that_does_not_parse_refuses_the_whole_file(make_login_pooler, rule):
    """Or else a rule that was to reject somebody would be missing."""
    good = "host all alice 127.0.0.1/32 trust\n"
    pooler = make_login_pooler("hba", SECRETS, hba=good)
    where = f"{os.path.basename(pooler.settings['auth_hba_file'])}:3"
    change_file(pooler, "auth_hba_file", ADMIN_RULE + "host all bob 127.0.0.1/32 trust\n" + rule
                + "\n" + good)
    reply = pooler.ask_console("RELOAD")
    assert reply.error, "RELOAD was fine with it"
    assert where in str(reply.error), reply.error
    assert where in pooler.output()
    assert may(pooler, "alice") == "ok"
    assert may(pooler, "bob") == "28000"
    change_file(pooler, "auth_hba_file", ADMIN_RULE + "host all bob 127.0.0.1/32 trust\n")
    pooler.reload()
    assert may(pooler, "bob") == "ok" and may(pooler, "alice") == "28000"


def test_every_bad_rule_is_told_in_one_go(make_login_pooler):
    pooler = make_login_pooler("hba", SECRETS, hba="host all all 127.0.0.1/32 trust\n",
                               start=False)
    change_file(pooler, "auth_hba_file", "nonsense\nlocal all all trust\nhost all\n")
    pooler.spawn()
    assert pooler.wait() == 1
    name = os.path.basename(pooler.settings["auth_hba_file"])
    assert f"{name}:1" in pooler.output() and f"{name}:3" in pooler.output()
    assert f"{name}:2" not in pooler.output()


@pytest.mark.parametrize("file", ["auth_hba_file", "auth_ident_file"])
def test_missing_file_is_a_refusal_to_start_and_keeps_the_old_rules(make_login_pooler, file):
    pooler = make_login_pooler("hba", SECRETS, hba="host all all 127.0.0.1/32 trust\n",
                               ident="m a b\n")
    os.unlink(pooler.settings[file])
    reply = pooler.ask_console("RELOAD")
    assert reply.error and pooler.settings[file] in str(reply.error)
    assert may(pooler) == "ok"
    pooler.stop()
    pooler.spawn()
    assert pooler.wait() == 1
    assert pooler.settings[file] in pooler.output()


def test_rules_change_for_new_clients_only(make_login_pooler):
    pooler = make_login_pooler("hba", SECRETS, hba="host all all 127.0.0.1/32 trust\n")
    wire = pooler.login()
    change_file(pooler, "auth_hba_file", ADMIN_RULE + "host all all 127.0.0.1/32 reject\n")
    pooler.reload()
    assert may(pooler) == "28000"
    assert wire.value("select 1") == "1"


def test_show_hba_prints_the_rules_as_understood(make_login_pooler, ldap):
    hba = f"""
# a comment
local   all         "all"      peer map=m
host    app,"o ther" alice,bob 10.1.2.3 255.255.0.0 md5
hostssl sameuser    all        ::1/128 scram-sha-256 clientcert=verify-full
host    replication all        .example.com reject
host    all         all        samenet trust
hostnossl all       all        127.0.0.1/32 ldap {ldap.search()}
"""
    pooler = make_login_pooler("hba", SECRETS, hba=hba, ident="m a b\n")
    rows = [{k: v or "" for k, v in row.items()} for row in pooler.show("HBA")]
    assert list(rows[0])[:7] == ["line", "type", "database", "user", "address", "method",
                                 "options"]
    seen = [tuple(row.values())[:6] for row in rows[1:]]
    # A name that is none of the words is in quotes; a network is an address and a mask.
    assert seen == [
        ("4", "local", "all", '"all"', "", "peer"),
        ("5", "host", '"app","o ther"', '"alice","bob"', "10.1.2.3 255.255.0.0", "md5"),
        ("6", "hostssl", "sameuser", "all", seen[2][4], "scram-sha-256"),
        ("7", "host", "replication", "all", ".example.com", "reject"),
        ("8", "host", "all", "all", "samenet", "trust"),
        ("9", "hostnossl", "all", "all", "127.0.0.1 255.255.255.255", "ldap")]
    assert seen[2][4].startswith("::1 ffff:")
    assert rows[1]["options"].strip('"') == "map=m"
    assert "clientcert=verify-full" in rows[3]["options"]
    assert "ldapbasedn" in rows[6]["options"] and "manager-pw" not in str(rows)


def test_console_is_one_database_however_it_is_called(make_login_pooler):
    """By whichever of its names, by any on its own port, and as if it were replicated."""
    def refused(pooler, dbname, address=None, **params):
        with pooler.wire(address) as wire:
            try:
                wire.login("stats", dbname, "stats-pw", **params)
            except Refused as refused:
                return refused.fields["C"]
            return None

    for name in ("pooler", "pgbouncer"):
        pooler = make_login_pooler("hba", {"stats": "stats-pw"},
                                   databases={"app": {"user": "alice"}},
                                   hba=f"host {name} stats all reject\n"
                                       "host app,replication stats all trust\n"
                                       "host pooler,pgbouncer stats all trust\n")
        assert refused(pooler, "app") is None
        assert refused(pooler, "pooler") == refused(pooler, "pgbouncer") == "28000"
        assert refused(pooler, "app", pooler.admin_address) == "28000"
        assert refused(pooler, "pooler", replication="true") == "28000"


def test_show_hba_is_for_admins_and_stats_users(make_login_pooler):
    pooler = make_login_pooler("hba", {**SECRETS, "stats": "x"},
                               hba="host all all 127.0.0.1/32 trust\n")
    with pooler.console("stats") as console:
        assert not console.ask("SHOW HBA").errors


# ---- names of the system and of certificates -----------------------------------------------

def test_peer_is_the_user_of_the_system(make_login_pooler, cluster):
    name = getpass.getuser()
    if not cluster.sql("select 1 from pg_roles where rolname = %s", (name,)):
        cluster.sql(f'create role "{name}" login')
    pooler = make_login_pooler("hba", {**SECRETS, name: ""}, hba="local all all peer\n")
    assert attempt(pooler, name, address=pooler.socket_path, password=None) == ("ok", [])
    assert may(pooler, "alice", address=pooler.socket_path, password=None) == "28000"


IDENT = """
# name  system user  user
plain   {name}       alice
regex   /^(.*)ot$    \\1x
whole   /^{name}$    all
"""


def test_ident_maps_names_of_the_system(make_login_pooler, cluster):
    name = getpass.getuser()
    cluster.sql("create role rox login")
    try:
        for map_name, expected in (("plain", {"alice": "ok", "bob": "28000", name: "28000"}),
                                   ("whole", {"alice": "ok", "bob": "ok"}),
                                   ("regex", {"rox": "ok" if name == "root" else "28000",
                                              "alice": "28000"}),
                                   ("none", {"alice": "28000", name: "28000"})):
            pooler = make_login_pooler("hba", {**SECRETS, "rox": ""},
                                       hba=f"local all all peer map={map_name}\n",
                                       ident=IDENT.format(name=name))
            seen = {user: may(pooler, user, address=pooler.socket_path, password=None)
                    for user in expected}
            assert seen == expected, map_name
    finally:
        cluster.sql("drop role rox")


@pytest.mark.parametrize("line", ["one two", "one", "m /( x", 'm "open x', "m a b c"])
def test_bad_line_of_ident_refuses_the_file(make_login_pooler, line):
    pooler = make_login_pooler("hba", SECRETS, hba="host all all 127.0.0.1/32 trust\n",
                               ident="m a b\n")
    where = f"{os.path.basename(pooler.settings['auth_ident_file'])}:2"
    change_file(pooler, "auth_ident_file", f"m a b\n{line}\n")
    reply = pooler.ask_console("RELOAD")
    assert reply.error and where in str(reply.error), reply.error
    assert may(pooler) == "ok"


CERT = {"alice": "ok", "bob": "28000"}


def test_cert_takes_the_common_name(make_login_pooler, certs):
    pooler = make_login_pooler("hba", SECRETS, hba="hostssl all all 127.0.0.1/32 cert\n",
                               **certs.client_tls("prefer", client_tls_ca_file=certs.ca_file,
                                                  client_tls_crl_file=certs.crl_file))
    tls = certs.context("alice")
    assert {user: may(pooler, user, tls=tls, password=None) for user in CERT} == CERT
    assert may(pooler, "alice", tls=certs.context(), password=None) == "28000"
    assert may(pooler, "alice") == "28000"


def test_cert_may_be_mapped_and_taken_by_its_subject(make_login_pooler, certs):
    settings = certs.client_tls("prefer", client_tls_ca_file=certs.ca_file)
    tls = certs.context("alice")
    pooler = make_login_pooler("hba", SECRETS, ident="m alice bob\n",
                               hba="hostssl all all 127.0.0.1/32 cert map=m\n", **settings)
    assert may(pooler, "bob", tls=tls, password=None) == "ok"
    assert may(pooler, "alice", tls=tls, password=None) == "28000"
    subject = '"/^(CN=alice,O=Test|O=Test,CN=alice)$"'
    pooler = make_login_pooler("hba", SECRETS, ident=f"m {subject} bob\n",
                               hba="hostssl all all 127.0.0.1/32 cert clientname=DN map=m\n",
                               **settings)
    assert may(pooler, "bob", tls=tls, password=None) == "ok"


def test_clientcert_asks_for_a_certificate_beside_the_password(make_login_pooler, certs):
    settings = certs.client_tls("prefer", client_tls_ca_file=certs.ca_file)
    for level, expected in (("verify-ca", {"alice": "ok", "bob": "ok", None: "28000"}),
                            ("verify-full", {"alice": "ok", "bob": "28000", None: "28000"})):
        pooler = make_login_pooler(
            "hba", SECRETS, **settings,
            hba=f"hostssl all all 127.0.0.1/32 scram-sha-256 clientcert={level}\n")
        seen = {name: may(pooler, "alice", tls=certs.context(name)) for name in expected}
        assert seen == expected, level
        assert may(pooler, "alice", password="wrong", tls=certs.context("alice")) == "28P01"


def test_hba_rules_for_pam_and_ldap(make_login_pooler, pam, ldap):
    pooler = make_login_pooler("hba", SECRETS, hba=f"""
host all alice 127.0.0.1/32 pam pamservice={pam.service}
host all bob   127.0.0.1/32 ldap {ldap.simple()}
host all carol 127.0.0.1/32 ldap {ldap.search()}
""")
    for user in SECRETS:
        assert attempt(pooler, user, password=f"{user}-pw") == ("ok", [3])
        assert may(pooler, user, password="wrong") == "28P01"
