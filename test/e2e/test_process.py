"""The program as a process: options, exit status, signals, files, descriptors."""

import fcntl
import os
import pwd
import re
import signal
import socket
import subprocess
import time

import pytest

from harness.account import popen_as
from harness.waiting import free_port, wait_until
from harness.wire import Closed, Refused, Wire, query

LOG_LINE = re.compile(r"^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3} \S+ \[(\d+)\] "
                      r"(FATAL|ERROR|WARNING|LOG|DEBUG|NOISE) ")


def run(pooler, *args, user=True):
    """Runs the program to its end."""
    return subprocess.run([pooler.binary, *args], capture_output=True, text=True, timeout=20,
                          cwd=pooler.directory, env=pooler.environment(),
                          **(popen_as(pooler.account) if user else {}))


@pytest.fixture
def idle(make_pooler):
    """Configured but not started."""
    return make_pooler(start=False)


# Options

@pytest.mark.parametrize("option", ["--version", "-V"])
def test_version_is_printed(idle, option):
    done = run(idle, option)
    assert done.returncode == 0 and re.match(r"pooler \d+\.\d+", done.stdout, re.IGNORECASE)
    assert done.stderr == ""


@pytest.mark.parametrize("option", ["--help", "-h"])
def test_help_names_every_option(idle, option):
    done = run(idle, option)
    assert done.returncode == 0 and done.stderr == ""
    for word in ("-d", "-q", "-v", "-u", "--check", "--version", "--help"):
        assert word in done.stdout


@pytest.mark.parametrize("args", [[], ["--nonsense"], ["-x"], ["a.ini", "b.ini"], ["-u"],
                                  ["/no/such/file.ini"], ["--check"]])
def test_wrong_usage_ends_with_status_one_and_a_reason(idle, args):
    done = run(idle, *args)
    assert done.returncode == 1 and done.stderr


def test_bad_configuration_ends_with_status_one_and_names_the_line(idle):
    idle.write_config("[pooler]\nauth_type = trust\nnonsense = 1\n")
    done = run(idle, idle.conf)
    assert done.returncode == 1 and "pooler.ini:3" in done.stderr


@pytest.mark.skipif(os.getuid() != 0, reason="only root can be refused as root")
def test_root_is_refused(idle):
    done = run(idle, idle.conf, user=False)
    assert done.returncode == 1 and "root" in done.stderr


@pytest.mark.skipif(os.getuid() != 0, reason="only root can become somebody else")
@pytest.mark.parametrize("how", ["-u", "--user=", "setting"])
def test_root_becomes_the_user_that_is_asked_for(make_pooler, how):
    pooler = make_pooler(start=False)
    name = pooler.account.pw_name
    if how == "setting":
        pooler.change(user=name)
    args = {"-u": ["-u", name], "--user=": [f"--user={name}"], "setting": []}[how]
    # Leak checking needs ptrace, which a process that has changed its user does not allow.
    env = {**pooler.environment(), "ASAN_OPTIONS": "detect_leaks=0"}
    with open(pooler.output_path, "ab") as out:
        pooler.process = subprocess.Popen(pooler.command(*args), cwd=pooler.directory,
                                          stdout=out, stderr=out, env=env)
    wait_until(pooler.answers)
    pooler.sockets_at_start = pooler.sockets()
    with open(f"/proc/{pooler.pid}/status") as status:
        lines = dict(line.split(":", 1) for line in status.read().splitlines() if ":" in line)
    uid, gid = str(pooler.account.pw_uid), str(pooler.account.pw_gid)
    assert set(lines["Uid"].split()) == {uid} and set(lines["Gid"].split()) == {gid}
    assert "0" not in lines["Groups"].split()
    assert pooler.login().value("select 1") == "1"


def test_unknown_user_is_an_error(idle):
    done = run(idle, "-u", "no_such_user_here", idle.conf, user=os.getuid() != 0)
    assert done.returncode == 1


def test_quiet_says_nothing_on_standard_error(make_pooler):
    pooler = make_pooler(args=("-q",))
    pooler.login().value("select 1")
    assert pooler.output() == ""


def test_standard_descriptors_that_were_closed_are_not_given_to_connections(idle):
    idle.settings["logfile"] = log = f"{idle.directory}/pooler.log"
    idle.write_config()
    open(idle.output_path, "w").close()
    idle.process = subprocess.Popen(["sh", "-c", 'exec "$@" <&- >&- 2>&-', "sh", *idle.command()],
                                    env=idle.environment(), **popen_as(idle.account))
    wait_until(idle.answers)
    idle.sockets_at_start = idle.sockets()
    for fd in range(3):
        assert os.readlink(f"/proc/{idle.pid}/fd/{fd}") == "/dev/null"
    idle.login().value("select 1")
    wait_until(lambda: "login attempt" in open(log).read())


def test_nobody_waits_for_the_reader_of_standard_error(idle):
    idle.settings["logfile"] = log = f"{idle.directory}/pooler.log"
    idle.write_config()
    open(idle.output_path, "w").close()
    unread, errors = os.pipe()
    fcntl.fcntl(errors, fcntl.F_SETPIPE_SZ, 4096)
    idle.process = subprocess.Popen(idle.command("-v", "-v"), stderr=errors,
                                    env=idle.environment(), **popen_as(idle.account))
    os.close(errors)
    wait_until(idle.answers)
    idle.sockets_at_start = idle.sockets()
    for _ in range(50):
        idle.login().value("select 1")
        idle.close_clients()
    assert os.path.getsize(log) > 10000
    os.close(unread)
    idle.login().value("select 1")


def test_logfile_is_written_and_reopened_after_sighup(make_pooler):
    pooler = make_pooler(start=False)
    log = f"{pooler.directory}/pooler.log"
    pooler.settings["logfile"] = log
    pooler.start("-q")
    assert os.path.getsize(log) > 0
    os.rename(log, log + ".1")
    pooler.send_signal(signal.SIGHUP)
    wait_until(lambda: os.path.exists(log))
    pooler.login().value("select 1")
    wait_until(lambda: "login attempt" in open(log).read())


def test_verbose_logs_more(make_pooler):
    plain, loud = make_pooler(), make_pooler(args=("-v", "-v"))
    for pooler in (plain, loud):
        pooler.login().value("select 1")
        pooler.close_clients()
        pooler.check_settled()
    assert len(loud.output().splitlines()) > len(plain.output().splitlines())


def test_log_lines_have_the_form_that_tools_read(pooler):
    wire = pooler.login(application_name="logged")
    wire.value("select 1")
    wire.close()
    pooler.refusal("nowhere")
    pooler.check_settled()
    lines = [line for line in pooler.output().splitlines() if not line.startswith("\t")]
    for line in lines:
        match = LOG_LINE.match(line)
        assert match and int(match.group(1)) == pooler.pid, line
    text = "\n".join(lines)
    assert re.search(r"LOG C-0x[0-9a-f]+: app/alice@127\.0\.0\.1:\d+ login attempt: db=app "
                     r"user=alice tls=no", text)
    assert re.search(r"LOG S-0x[0-9a-f]+: app/alice@127\.0\.0\.1:\d+ new connection to server",
                     text)
    assert re.search(r"C-0x[0-9a-f]+: app/alice@127\.0\.0\.1:\d+ closing because: .* "
                     r"\(age=\d+s?\)", text)
    assert re.search(r"WARNING .*pooler error: .*nowhere", text)


def test_log_names_the_process_behind_a_unix_socket(pooler):
    pooler.wire(pooler.socket_path).login("alice", "app")
    assert f"app/alice@unix({os.getpid()}):{pooler.port} login attempt: " in pooler.output()


def keepalive_due(port):
    """Seconds until the kernel probes an accepted connection of this port."""
    with open("/proc/net/tcp") as table:
        lines = table.readlines()[1:]
    for line in lines:
        _, local, _, state, _, timer = line.split()[:6]
        kind, left = timer.split(":")
        if state == "01" and kind == "02" and int(local.split(":")[1], 16) == port:
            return int(left, 16) / os.sysconf("SC_CLK_TCK")
    return None


def test_keepalive_time_below_a_second_is_not_that_of_the_kernel(make_pooler):
    pooler = make_pooler(tcp_keepidle="0.3s", tcp_keepintvl="0.3s")
    wire = pooler.login()
    wait_until(lambda: keepalive_due(pooler.port) is not None)
    assert keepalive_due(pooler.port) <= 1.5
    wire.close()


def test_newlines_of_clients_do_not_forge_log_lines(pooler):
    from harness.wire import startup
    wire = pooler.wire()
    wire.send(startup({"user": "eve\n2026-01-31 12:00:00.123 UTC [1] LOG forged", "database":
                       "x\r\nforged"}))
    wire.rest()
    pooler.check_settled()
    for line in pooler.output().splitlines():
        assert not line.startswith(("2026-01-31 12:00:00.123", "forged")), line


def test_connections_are_not_logged_when_that_is_turned_off(make_pooler):
    pooler = make_pooler(log_connections=0, log_disconnections=0)
    pooler.login().value("select 1")
    pooler.close_clients()
    pooler.check_settled()
    assert "login attempt" not in pooler.output()
    assert "closing because" not in pooler.output()


def test_statistics_are_logged_every_period(make_pooler):
    pooler = make_pooler(stats_period=1)
    pooler.login().value("select 1")
    wait_until(lambda: "LOG stats:" in pooler.output())
    assert re.search(r"LOG stats: \d+ xacts/s, \d+ queries/s, in \d+ B/s, out \d+ B/s, "
                     r"xact \d+ us, query \d+ us, wait \d+ us", pooler.output())


# Daemon and pid file

def test_daemon_returns_when_it_is_ready_and_leaves_a_pidfile(make_pooler):
    pooler = make_pooler(start=False)
    pidfile, log = f"{pooler.directory}/pooler.pid", f"{pooler.directory}/pooler.log"
    pooler.change(pidfile=pidfile, logfile=log)
    done = run(pooler, "-d", pooler.conf)
    assert done.returncode == 0, done.stderr
    pid = int(open(pidfile).read())
    try:
        with pooler.console() as console:
            assert console.ask("SHOW VERSION").rows
        assert os.getsid(pid) != os.getsid(0)
        assert os.readlink(f"/proc/{pid}/fd/0") == "/dev/null"
        os.kill(pid, signal.SIGINT)
        wait_until(lambda: not os.path.exists(pidfile))
        wait_until(lambda: not os.path.exists(f"/proc/{pid}"))
    except BaseException:
        os.kill(pid, signal.SIGKILL)
        raise


def test_daemon_that_cannot_start_says_so(make_pooler):
    pooler = make_pooler(start=False)
    with socket.create_server(("127.0.0.1", pooler.port)):
        pooler.change(pidfile=f"{pooler.directory}/pooler.pid", unix_socket_dir="")
        done = run(pooler, "-d", pooler.conf)
    assert done.returncode == 1 and done.stderr
    assert not os.path.exists(f"{pooler.directory}/pooler.pid")


def test_daemon_without_a_pidfile_is_refused(idle):
    done = run(idle, "-d", idle.conf)
    assert done.returncode == 1 and "pidfile" in done.stderr


def test_pidfile_is_there_while_it_runs_and_gone_afterwards(make_pooler):
    pooler = make_pooler(start=False)
    pidfile = f"{pooler.directory}/pooler.pid"
    pooler.settings["pidfile"] = pidfile
    pooler.start()
    assert int(open(pidfile).read()) == pooler.pid
    pooler.stop()
    assert not os.path.exists(pidfile)


def test_stale_pidfile_is_replaced_and_a_live_one_refused(make_pooler):
    pooler = make_pooler(start=False)
    pidfile = f"{pooler.directory}/pooler.pid"
    gone = subprocess.Popen(["true"])
    gone.wait()
    with open(pidfile, "w") as out:
        out.write(f"{gone.pid}\n")
    if pooler.account:
        os.chown(pidfile, pooler.account.pw_uid, pooler.account.pw_gid)
    pooler.settings["pidfile"] = pidfile
    pooler.start()
    assert int(open(pidfile).read()) == pooler.pid
    second = make_pooler(start=False, pidfile=pidfile)
    done = run(second, second.conf)
    assert done.returncode == 1 and pidfile in done.stderr
    assert int(open(pidfile).read()) == pooler.pid


# Sockets

def test_second_process_on_the_same_unix_socket_is_refused(pooler, make_pooler):
    second = make_pooler(start=False, listen_addr="", unix_socket_dir=pooler.directory,
                         listen_port=pooler.port)
    done = run(second, second.conf)
    assert done.returncode == 1 and "in use" in done.stderr
    assert pooler.wire(pooler.socket_path).login("alice", "app").value("select 1") == "1"


def test_second_process_on_the_same_port_is_refused(pooler, make_pooler):
    second = make_pooler(start=False, listen_port=pooler.port, unix_socket_dir="")
    done = run(second, second.conf)
    assert done.returncode == 1 and str(pooler.port) in done.stderr
    assert pooler.login().value("select 1") == "1"


def test_stale_unix_socket_is_replaced(make_pooler):
    pooler = make_pooler(start=False)
    stale = socket.socket(socket.AF_UNIX)
    stale.bind(pooler.socket_path)
    stale.close()
    if pooler.account:
        os.chown(pooler.socket_path, pooler.account.pw_uid, pooler.account.pw_gid)
    pooler.start()
    assert pooler.wire(pooler.socket_path).login("alice", "app").value("select 1") == "1"


def test_unix_socket_is_removed_at_the_end(make_pooler):
    pooler = make_pooler()
    assert os.path.exists(pooler.socket_path)
    pooler.stop()
    assert not os.path.exists(pooler.socket_path)


def test_abstract_unix_socket_is_listened_on(make_pooler):
    pooler = make_pooler(unix_socket_dir=f"@pooler-e2e-{os.getpid()}-{free_port()}")
    address = "\0" + pooler.settings["unix_socket_dir"][1:] + f"/.s.PGSQL.{pooler.port}"
    assert pooler.wire(address).login("alice", "app").value("select 1") == "1"


def test_unix_socket_group_is_applied(make_pooler):
    import grp
    pooler = make_pooler(start=False)
    account = pooler.account or pwd.getpwuid(os.getuid())
    pooler.settings["unix_socket_group"] = grp.getgrgid(account.pw_gid).gr_name
    pooler.start()
    assert os.stat(pooler.socket_path).st_gid == account.pw_gid


# Signals

def gone_quickly(pooler):
    try:
        return pooler.wait(5) == 0
    except subprocess.TimeoutExpired:
        return False


def test_sigterm_waits_for_clients(pooler):
    wire = pooler.login()
    pooler.send_signal(signal.SIGTERM)
    wait_until(lambda: refuses_connections(pooler))
    assert wire.value("select 1") == "1" and pooler.is_running()
    wire.close()
    assert gone_quickly(pooler)
    pooler.check_output()


def refuses_connections(pooler):
    try:
        with Wire(pooler.address) as wire:
            wire.login("alice", "app")
        return False
    except (OSError, Refused):
        return True


def test_second_sigterm_ends_at_once(pooler):
    wire = pooler.login()
    wire.ask("begin")
    pooler.send_signal(signal.SIGTERM)
    wait_until(lambda: refuses_connections(pooler))
    pooler.send_signal(signal.SIGTERM)
    assert gone_quickly(pooler)
    pooler.check_output()


def test_sigint_waits_for_transactions(pooler):
    busy, idle_one = pooler.login(), pooler.login()
    busy.ask("begin")
    pooler.send_signal(signal.SIGINT)
    wait_until(lambda: refuses_connections(pooler))
    assert busy.value("select 1") == "1" and pooler.is_running()
    busy.ask("commit")
    assert gone_quickly(pooler)
    try:
        error = idle_one.rest().error
        assert error is None or error["C"] == "57P01"
    except ConnectionError:
        pass
    pooler.check_output()


def test_second_sigint_ends_at_once(pooler):
    wire = pooler.login()
    wire.ask("begin")
    pooler.send_signal(signal.SIGINT)
    wait_until(lambda: refuses_connections(pooler))
    pooler.send_signal(signal.SIGINT)
    assert gone_quickly(pooler)


def test_sigquit_ends_at_once_and_leaves_no_server(pooler, cluster):
    wire = pooler.login()
    wire.ask("begin")
    pooler.send_signal(signal.SIGQUIT)
    assert gone_quickly(pooler)
    wait_until(lambda: not cluster.backends())
    pooler.check_output()


def test_signals_that_arrive_during_the_end_do_not_cut_it_short(make_pooler):
    pooler = make_pooler(start=False)
    pooler.settings["pidfile"] = pidfile = f"{pooler.directory}/pid"
    pooler.start()
    for _ in range(200):
        pooler.login()
    pooler.send_signal(signal.SIGQUIT)
    while pooler.is_running():
        pooler.send_signal(signal.SIGTERM)
    assert pooler.wait() == 0
    assert not os.path.exists(pidfile)


def test_sigusr1_pauses_and_sigusr2_resumes(pooler):
    wire = pooler.login()
    wire.value("select 1")
    pooler.send_signal(signal.SIGUSR1)
    wait_until(lambda: ("paused", "yes") in [tuple(r.values())[:2] for r in pooler.show("STATE")])
    wire.send(query("select 1"))
    assert wire.is_silent(0.2)
    pooler.send_signal(signal.SIGUSR2)
    assert wire.until("Z").value == "1"


def test_sigpipe_and_a_storm_of_signals_do_no_harm(pooler):
    wire = pooler.login()
    for _ in range(20):
        for number in (signal.SIGPIPE, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2):
            pooler.send_signal(number)
    pooler.ask_console("RESUME")
    assert wire.value("select 1") == "1"


@pytest.mark.parametrize("flags", ["128", "1", "2", "64"])
def test_the_environment_does_not_choose_the_event_backend(make_pooler, monkeypatch, flags):
    monkeypatch.setenv("LIBEV_FLAGS", flags)
    pooler = make_pooler()
    assert pooler.login().value("select 1") == "1"
    assert any("eventpoll" in target for target in pooler.fds())


# Descriptors

def test_descriptor_limit_is_raised_to_the_hard_limit(pooler):
    with open(f"/proc/{pooler.pid}/limits") as limits:
        line = next(line for line in limits if line.startswith("Max open files"))
    soft, hard = line.split()[3:5]
    assert soft == hard


def test_running_out_of_descriptors_refuses_clients_at_once_and_spares_the_rest(make_pooler):
    pooler = make_pooler(nofile=100, max_client_conn=10_000, default_pool_size=2)
    first = pooler.login()
    first.value("select 1")
    refused = None
    for _ in range(150):
        wire = pooler.wire(timeout=5)
        try:
            wire.login("alice", "app")
        except Refused as error:
            refused = error.fields
            break
        except (Closed, ConnectionError):
            continue
    assert refused and refused["S"] == "FATAL" and refused["C"] == "53300", refused
    began = time.monotonic()
    assert pooler.refusal()["C"] == "53300"
    assert time.monotonic() - began < 1
    assert pooler.show("VERSION"), "the console must go on answering"
    assert first.ask("begin").status == "T"
    before = pooler.cpu_seconds()
    hanging = [pooler.wire() for _ in range(30)]
    time.sleep(1)
    assert pooler.cpu_seconds() - before < 0.5, "the pooler spins"
    for wire in hanging:
        wire.close()
    first.ask("commit")
    pooler.close_clients()
    pooler.check_settled()
    assert pooler.login().value("select 1") == "1"


@pytest.mark.parametrize("nofile", [64, 128, 256])
def test_those_who_say_nothing_more_leave_the_console_a_descriptor(make_pooler, nofile):
    """Half a startup packet is not yet one that can be refused."""
    pooler = make_pooler(nofile=nofile, max_client_conn=10_000, default_pool_size=2)
    first = pooler.login()
    first.value("select 1")
    for _ in range(nofile + 50):
        pooler.wire().send(b"\0")
    assert pooler.show("VERSION")
    assert first.value("select 2") == "2"


def test_idle_pooler_uses_no_processor_time(pooler):
    wires = [pooler.login() for _ in range(20)]
    for wire in wires:
        wire.value("select 1")
    time.sleep(0.2)
    before = pooler.cpu_seconds()
    time.sleep(1)
    assert pooler.cpu_seconds() - before <= 0.03


# systemd

def test_readiness_is_told_to_the_service_manager(make_pooler, monkeypatch):
    pooler = make_pooler(start=False)
    path = f"{pooler.directory}/notify"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notify:
        notify.bind(path)
        os.chmod(path, 0o777)
        notify.settimeout(10)
        monkeypatch.setenv("NOTIFY_SOCKET", path)
        pooler.start()
        told = ""
        while "READY=1" not in told:
            told += notify.recv(4096).decode() + "\n"
        pooler.stop()
        while "STOPPING=1" not in told:
            told += notify.recv(4096).decode() + "\n"
