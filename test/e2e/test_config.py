"""The configuration file: what is accepted, what is refused and how that is said."""

import os
import signal
import subprocess

import pytest

from harness.waiting import wait_until
from harness.wire import query

PLAIN = "[pooler]\nauth_type = trust\n[databases]\napp = host=127.0.0.1 port=1 dbname=app\n"


@pytest.fixture
def check(make_pooler):
    """Runs --check over a text; gives exit status and all output."""
    pooler = make_pooler(start=False)

    def run(text, *args):
        if isinstance(text, bytes):
            with open(pooler.conf, "wb") as out:
                out.write(text)
        else:
            pooler.write_config(text)
        done = subprocess.run(pooler.command("--check", *args), capture_output=True, text=True,
                              errors="replace", cwd=pooler.directory, timeout=20,
                              env=pooler.environment())
        output = done.stdout + done.stderr
        assert "Sanitizer" not in output and "runtime error" not in output, output
        return done.returncode, output
    run.directory, run.conf, run.binary = pooler.directory, pooler.conf, pooler.binary
    return run


def section(*lines):
    return PLAIN.replace("[databases]", "\n".join(lines) + "\n[databases]")


# What is accepted

def test_check_accepts_a_plain_file_and_prints_what_is_in_effect(check):
    status, output = check(section("pool_mode = transaction", "default_pool_size = 7"))
    assert status == 0, output
    assert "transaction" in output and "pool_mode" in output and "default_pool_size" in output


def test_check_prints_the_worst_case_of_server_connections(check):
    text = ("[pooler]\nauth_type = trust\n[databases]\n"
            "a = host=127.0.0.1 user=alice pool_size=13\n"
            "b = host=127.0.0.1 user=bob pool_size=8\n")
    status, output = check(text)
    assert status == 0 and "21" in output


def test_output_of_check_is_a_configuration_with_the_same_meaning(check):
    text = section("pool_mode = transaction", "query_timeout = 90s", "max_queue = 17")
    done = check(text)
    assert done[0] == 0
    again = check(done[1])
    assert again[0] == 0, again[1]
    assert again[1] == done[1]


@pytest.mark.parametrize("line", [
    "query_timeout = 30", "query_timeout = 0.5", "query_timeout = 30s", "query_timeout = 5min",
    "query_timeout = 1h", "query_timeout = 1500ms", "max_packet_size = 64kB",
    "max_packet_size = 1MB", "max_client_conn = 0777", "max_client_conn = 0x10",
    "log_connections = on", "log_connections = off", "log_connections = yes",
    "log_connections = no", "log_connections = true", "log_connections = false",
    "log_connections = 1", "log_connections = TRUE", "pool_mode = TRANSACTION",
    "server_reset_query =", "server_reset_query = DISCARD ALL; SELECT 1",
    "\tpool_mode = session", "    pool_mode = session   ", "pool_mode=session",
    "; a comment", "  # another", "server_check_query = select ';' # not a comment"])
def test_accepted_lines(check, line):
    status, output = check(section(line))
    assert status == 0, output


@pytest.mark.parametrize("line", [
    "query_timeout = 5 parsecs", "query_timeout = -1", "query_timeout = abc", "query_timeout =",
    "max_client_conn = many", "max_client_conn = 1.5", "max_client_conn = 99999999999999999999",
    "max_client_conn = 12abc", "log_connections = maybe", "log_connections = 2",
    "pool_mode = sometimes", "listen_port = 0", "listen_port = 70000", "unix_socket_mode = 0999",
    "auth_type = md5x", "no_such_setting = 1", "just words", "= 5"])
def test_refused_lines_are_named_with_file_and_line(check, line):
    status, output = check(section(line))
    assert status == 1
    assert f"{check.conf}:3" in output or "pooler.ini:3" in output, output


@pytest.mark.parametrize("line, meant", [
    ("pool_mod = session", "pool_mode"), ("max_client_con = 5", "max_client_conn"),
    ("default_poolsize = 5", "default_pool_size"), ("listen_adr = *", "listen_addr"),
    ("query_wait_timout = 5", "query_wait_timeout")])
def test_unknown_names_come_with_the_nearest_one(check, line, meant):
    status, output = check(section(line))
    assert status == 1 and meant in output


def test_unknown_section_comes_with_the_nearest_one(check):
    status, output = check(PLAIN + "[databasse]\nx = host=y\n")
    assert status == 1 and "databases" in output and ":5" in output


def test_unknown_key_of_an_entry_comes_with_the_nearest_one(check):
    status, output = check(PLAIN + "b = host=127.0.0.1 prt=5432\n")
    assert status == 1 and "port" in output and ":5" in output


def test_all_errors_are_told_in_one_go(check):
    status, output = check(section("pool_mod = x", "max_client_conn = many", "listen_port = 0")
                           + "b = prt=1\n[nonsense]\n")
    assert status == 1
    for line in (3, 4, 5, 8, 9):
        assert f":{line}" in output, (line, output)


def test_missing_file_is_an_error(check):
    check(PLAIN)
    os.unlink(check.conf)
    done = subprocess.run([check.binary, "--check", check.conf], capture_output=True,
                          text=True, timeout=20)
    assert done.returncode == 1 and "pooler.ini" in done.stderr + done.stdout


def test_directory_instead_of_a_file_is_an_error(check):
    done = subprocess.run([check.binary, "--check", check.directory], capture_output=True,
                          text=True, timeout=20)
    assert done.returncode == 1 and "directory" in (done.stderr + done.stdout).lower()


def test_file_without_the_main_section_is_an_error(check):
    assert check("[databases]\napp = host=x\n")[0] == 1
    assert check("")[0] == 1


def test_keys_before_the_first_section_are_an_error(check):
    status, output = check("pool_mode = session\n" + PLAIN)
    assert status == 1 and ":1" in output


def test_pgbouncer_section_is_the_same_as_pooler(check):
    status, output = check(PLAIN.replace("[pooler]", "[pgbouncer]\npool_mode = statement"))
    assert status == 0 and "statement" in output


# Logins and TLS

@pytest.mark.parametrize("lines, complaint", [
    (["auth_type = hba"], "auth_type hba needs auth_hba_file"),
    (["auth_type = ldap"], "auth_type ldap needs auth_ldap_options"),
    (["auth_type = cert"], "auth_type cert needs TLS with clients"),
    (["client_tls_sslmode = require"], "client_tls_sslmode require needs client_tls_key_file"),
    (["server_tls_sslmode = verify-full"],
     "server_tls_sslmode verify-full needs server_tls_ca_file"),
    (["server_tls_sslnegotiation = direct"], "needs server_tls_sslmode require or more"),
    (["client_tls_dheparams = legacy"], "1024 bits"),
    (["auth_dbname = pgbouncer"], "is the console")])
def test_contradictions_of_logins_and_tls_are_named_with_their_line(check, lines, complaint):
    status, output = check(PLAIN.replace("auth_type = trust\n", "\n".join(lines) + "\n"))
    assert status == 1 and complaint in output and "pooler.ini:2" in output, output


def test_what_nobody_uses_is_a_warning(check):
    status, output = check(section("auth_hba_file = /x", "client_tls_ca_file = /y"))
    assert status == 0
    assert "pooler.ini:3: warning: auth_hba_file is not used" in output
    assert "pooler.ini:4: warning: client_tls_ca_file is not used" in output


def test_without_secrets_it_is_told_that_nobody_can_log_in(check):
    status, output = check(PLAIN.replace("auth_type = trust\n", ""))
    assert status == 0 and "nobody can log in: auth_type is md5" in output


def test_what_a_database_says_of_tls_is_printed_and_loads_again(check, certs, write_file):
    ca_file = write_file("a b", open(certs.ca_file).read())
    done = check(PLAIN + f"b = host=db.example tls_sslmode=verify-full tls_ca_file='{ca_file}'\n")
    assert done[0] == 0, done[1]
    assert f"tls_sslmode=verify-full tls_ca_file='{ca_file}'" in done[1]
    assert check(done[1]) == done


def test_passwords_are_printed_nowhere_and_what_stands_for_them_is_refused(check):
    status, output = check(
        section("auth_ldap_options = ldapserver=h ldapbindpasswd=geheim1")
        + "b = host=h user=u password=geheim2\nc = host=h user=u password='ge heim3'\n")
    assert status == 0 and "heim" not in output
    assert "ldapbindpasswd=********" in output and output.count("password=********") == 2
    status, again = check(output)
    assert status == 1 and again.count("stands for a password that was not printed") == 3


@pytest.mark.parametrize("entry", [
    "password=my geheim", "password=my geheim=1", "password=my x=1 geheim=2",
    "password='geheim", "password=geheim'x", "password=1 password=geheim"])
def test_errors_do_not_tell_passwords(check, entry):
    status, output = check(PLAIN + "b = host=h user=u " + entry + "\n")
    assert status == 1 and "pooler.ini:5" in output and "geheim" not in output, output


def test_show_config_does_not_tell_passwords(make_pooler):
    pooler = make_pooler(auth_ldap_options="ldapserver=h ldapbindpasswd=\"ge heim\" ldaptls=1")
    values = {row["key"]: row["value"] for row in pooler.show("CONFIG")}
    assert values["auth_ldap_options"] == "ldapserver=h ldapbindpasswd=\"********\" ldaptls=1"
    assert "heim" not in pooler.output()


def test_a_changed_password_does_not_close_servers(make_pooler):
    pooler = make_pooler(databases={"app": {"user": "carol", "password": "old"}})
    wire = pooler.login()
    pid = wire.value("select pg_backend_pid()")
    pooler.databases["app"]["password"] = "new"
    pooler.reload()
    assert wire.value("select pg_backend_pid()") == pid


# inih's traps

@pytest.mark.parametrize("length", [198, 199, 200, 201, 500, 5000, 60000])
def test_long_lines_are_read_whole(check, length):
    start = "app2 = host=127.0.0.1 connect_query='select "
    line = start + "x" * (length - len(start) - 1) + "'"
    status, output = check(PLAIN + line + "\n")
    assert status == 0, output
    assert "x" * (length - len(start) - 1) in output


def test_over_long_lines_are_an_error_not_two_lines(check):
    line = "app2 = host=127.0.0.1 connect_query='select " + "x" * 70000 + " port = 5'"
    status, output = check(PLAIN + line + "\n")
    assert status == 1 and ":5" in output


def test_indented_keys_are_keys(check):
    status, output = check("[pooler]\nauth_type = trust\nlisten_addr = 127.0.0.1\n"
                           "    listen_port = 7777\n[databases]\n  app = host=127.0.0.1\n")
    assert status == 0 and "7777" in output


def test_nul_bytes_are_an_error(check):
    status, output = check(section("pool_mode = session").encode().replace(b"session",
                                                                           b"ses\0sion"))
    assert status == 1 and ":3" in output


def test_colon_in_a_database_name_is_part_of_it(make_pooler):
    pooler = make_pooler(databases={"'a:b'": {"dbname": "app"}, "c:d": {"dbname": "app"}})
    for name in ("a:b", "c:d"):
        assert pooler.login(name).value("select 1") == "1"


@pytest.mark.parametrize("written, name", [
    ("'my db'", "my db"), ('"your db"', "your db"), ("'it''s'", "it's"), ("'a=b'", "a=b"),
    ("plain.name-x_1", "plain.name-x_1"), ("'semi;colon'", "semi;colon"), ("'#1'", "#1")])
def test_names_may_be_quoted(make_pooler, written, name):
    pooler = make_pooler(databases={written: {"dbname": "app"}})
    assert pooler.login(name).value("select current_database()") == "app"


def test_semicolon_in_a_value_does_not_start_a_comment(make_pooler):
    pooler = make_pooler(pool_mode="session", default_pool_size=1,
                         server_reset_query="RESET ALL ; set work_mem = '3MB'")
    pooler.login().close()
    pooler.check_settled()
    wire = pooler.login()
    wire.value("select 1")
    wire.close()
    pooler.wait_for_pool(sv_idle=1)
    assert pooler.login().value("show work_mem") == "3MB"


def test_byte_order_mark_and_crlf_are_accepted(check):
    status, output = check(b"\xef\xbb\xbf" + PLAIN.replace("\n", "\r\n").encode())
    assert status == 0, output


def test_file_without_a_last_newline_is_accepted(check):
    assert check(PLAIN.rstrip("\n"))[0] == 0


@pytest.mark.parametrize("text", ["[pooler", "[pooler]x", "[]", "[ pooler ] junk"])
def test_broken_section_headers_are_errors(check, text):
    assert check(PLAIN + text + "\n")[0] == 1


def test_section_names_longer_than_inih_keeps_are_errors(check):
    assert check(PLAIN + "[" + "p" * 60 + "]\n")[0] == 1


@pytest.mark.parametrize("entry", [
    "b = port=abc", "b = port=5432x", "b = port=70000", "b = host='unclosed", "b = host",
    "b = =x", "b = pool_size=-2", "b = pool_mode=no", "d" * 64 + " = host=x",
    "pooler = host=x", "pgbouncer = host=x"])
def test_bad_database_entries_are_errors(check, entry):
    status, output = check(PLAIN + entry + "\n")
    assert status == 1 and ":5" in output, output


def test_an_entry_given_twice_is_told_and_the_last_one_counts(check):
    status, output = check(PLAIN + "app = host=twice\n")
    assert status == 0 and ":5" in output and "host=twice" in output
    assert "port=1 " not in output


def test_values_in_connection_strings_may_be_quoted(check):
    status, output = check(PLAIN + "b = host=127.0.0.1 dbname='with blank' "
                           "connect_query='select ''x'''\n")
    assert status == 0, output
    assert "with blank" in output


# %include

def test_include_is_read_in_its_place(check):
    with open(f"{check.directory}/more.ini", "w") as more:
        more.write("[databases]\nincluded = host=127.0.0.1 dbname=app\n")
    status, output = check(PLAIN + f"%include {check.directory}/more.ini\n")
    assert status == 0 and "included" in output


def test_error_in_an_included_file_names_that_file(check):
    with open(f"{check.directory}/more.ini", "w") as more:
        more.write("\n\nnonsense = 1\n")
    status, output = check(section(f"%include {check.directory}/more.ini"))
    assert status == 1 and "more.ini:3" in output


def test_missing_include_and_endless_includes_are_errors(check):
    status, output = check(section("%include /no/such/file.ini"))
    assert status == 1 and "/no/such/file.ini" in output and ":3" in output
    status, output = check(section(f"%include {check.conf}"))
    assert status == 1


# RELOAD and SIGHUP

def test_reload_adds_changes_and_removes_databases(pooler):
    kept, gone = pooler.login(), None
    pooler.databases["extra"] = {"dbname": "other"}
    pooler.reload()
    gone = pooler.login("extra")
    assert gone.value("select current_database()") == "other"
    assert kept.value("select 1") == "1"
    pooler.databases["extra"] = {"dbname": "postgres"}
    pooler.reload()
    assert gone.value("select current_database()") == "postgres"
    del pooler.databases["extra"]
    pooler.reload()
    error = gone.rest().error
    assert error["C"] == "57P01" and "database removed" in error["M"]
    assert pooler.refusal("extra")["C"] == "3D000"
    assert kept.value("select 1") == "1"


def test_changed_database_is_left_when_the_transaction_ends(pooler):
    wire = pooler.login()
    wire.ask("begin")
    pooler.databases["app"] = {"dbname": "other"}
    pooler.reload()
    assert wire.value("select current_database()") == "app"
    wire.ask("commit")
    assert wire.value("select current_database()") == "other"


def test_reload_changes_limits_for_those_who_are_connected(make_pooler, cluster):
    pooler = make_pooler(default_pool_size=1)
    wires = [pooler.login() for _ in range(3)]
    wires[0].ask("begin")
    wires[1].send(query("select 1"))
    pooler.wait_for_pool(cl_waiting=1)
    pooler.reload(default_pool_size=3)
    assert wires[1].until("Z").value == "1"
    pooler.reload(default_pool_size=1)
    wires[0].ask("commit")
    wait_until(lambda: len(cluster.backends()) <= 1)
    assert all(wire.value("select 1") == "1" for wire in wires)


def test_reload_of_a_bad_file_changes_nothing_at_all(pooler):
    wire = pooler.login()
    before = pooler.show("CONFIG"), pooler.show("DATABASES")
    good = pooler.config_text()
    for bad in (good.replace("[pooler]", "[pooler]\nnonsense = 1"), "",
                "[databases]\n", "[pooler]\nauth_type = hba\n",
                good.replace("pool_mode = transaction", "pool_mode = session\nmax_client_conn = x"),
                good + "[users]\nbob = nonsense=1\n"):
        pooler.write_config(bad)
        error = pooler.ask_console("RELOAD").error
        assert error["S"] == "ERROR" and error["C"] == "F0000"
        assert (pooler.show("CONFIG"), pooler.show("DATABASES")) == before
    pooler.write_config()
    assert not pooler.ask_console("RELOAD").errors
    assert wire.value("select 1") == "1"


def test_reload_of_a_missing_file_changes_nothing(pooler):
    os.unlink(pooler.conf)
    assert pooler.ask_console("RELOAD").error["C"] == "F0000"
    assert pooler.login().value("select 1") == "1"


def test_sighup_reloads(pooler):
    pooler.databases["fresh"] = {"dbname": "app"}
    pooler.write_config()
    pooler.send_signal(signal.SIGHUP)
    wait_until(lambda: any(r["name"] == "fresh" for r in pooler.show("DATABASES")))
    assert pooler.login("fresh").value("select 1") == "1"


def test_sighup_with_a_bad_file_is_logged_with_its_line_and_harmless(pooler):
    pooler.write_config("[pooler]\nnonsense = 1\n")
    pooler.send_signal(signal.SIGHUP)
    wait_until(lambda: "nonsense" in pooler.output())
    assert "pooler.ini:2" in pooler.output()
    assert pooler.login().value("select 1") == "1"


def test_settings_fixed_at_start_keep_their_value_on_reload(pooler):
    pooler.change(listen_backlog=64)
    assert not pooler.ask_console("RELOAD").errors
    values = {row["key"]: row["value"] for row in pooler.show("CONFIG")}
    assert values["listen_backlog"] == "128"
    assert "listen_backlog" in pooler.output()


def test_removed_user_entry_loses_its_settings(make_pooler):
    pooler = make_pooler(users={"bob": "pool_mode=statement"})
    wire = pooler.login(user="bob")
    wire.send(query("begin"))
    assert wire.rest().error["S"] == "FATAL"
    pooler.users = {}
    pooler.reload()
    assert pooler.login(user="bob").ask("begin").status == "T"


def test_many_reloads_do_not_leak(pooler):
    wire = pooler.login()
    for _ in range(10):
        pooler.reload()
    fds, memory = len(pooler.fds()), pooler.rss()
    for _ in range(100):
        assert not pooler.ask_console("RELOAD").errors
    assert len(pooler.fds()) <= fds + 1
    assert pooler.rss() - memory < 20 << 20
    assert wire.value("select 1") == "1"
