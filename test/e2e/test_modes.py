"""The table of pooler-modes(7), line by line: each has a check here, which is carried out
in every mode with another server for each step where servers are shared."""

import pathlib
import re

import pytest

from harness.waiting import wait_until
from harness.wire import (Closed, bind, copy_data, copy_done, describe, execute, parse, query,
                          sync)

SERVERS = 6
MODES = ("session", "transaction", "statement")
PAGE = pathlib.Path(__file__).parents[2] / "doc/man/pooler-modes.7"


def table():
    """Each feature with what the page says of it in the three modes."""
    text = PAGE.read_text().split(".Bl -column", 1)[1].split(".El", 1)[0]
    rows = [line[4:].split(" Ta ") for line in text.splitlines() if line.startswith(".It ")]
    return {row[0].strip('"'): dict(zip(MODES, row[1:])) for row in rows[1:]}


class Session:
    """A client that gets another server for each step, if servers are shared at all."""

    def __init__(self, pooler, **params):
        self.pooler, self.cluster = pooler, pooler.cluster
        self.wire = pooler.login(**params)
        self.last = None  # pid of the server of the last step
        self.others = []
        self.is_alone = pooler.settings["pool_mode"] == "session"  # with its server
        self.was_held = False

    def _backends(self, where):
        """Process ids of the pooler's servers, the one that was last busy first."""
        return [pid for (pid,) in self.cluster.sql(
            "select pid from pg_stat_activity where datname = 'app' and usename = 'alice'"
            f" and {where} order by state_change desc")]

    def _is_parted(self):
        """What the pooler asks for itself behind a step is over, too."""
        linked = [row for row in self.pooler.show("servers") if row["link"]]
        return self.is_alone or len(linked) == len(self.others) + len(self.pooler.show("pins"))

    def send(self, *messages):
        """A step, on whatever server there is."""
        self.wire.send(*messages)
        reply = self.wire.until("Z")
        if reply.status == "I":
            wait_until(self._is_parted, 10, "it does not get rid of its server")
        self.last = self._backends("state <> 'active'")[0]
        self.was_held |= bool(self.pooler.show("pins"))
        return reply

    def stay(self, sql):
        return self.send(query(sql))

    def _keep_last_busy(self):
        """Others take servers until the one of the last step is among them."""
        while self.last and not self.pooler.show("pins") and len(self.others) < SERVERS - 1 and (
                self.last not in self._backends("state = 'active'")):
            self.others.append(self.pooler.login())
            self.others[-1].send(query("copy held from stdin"))
            assert self.others[-1].read().type == "G"

    def go(self, *messages):
        """A step on another server than that of the step before, unless this one is held."""
        if not self.is_alone:
            self._keep_last_busy()
        reply = self.send(*messages)
        while self.others:
            other = self.others.pop()
            other.send(copy_done())
            other.until("Z")
            other.close()
        return reply

    def ask(self, sql):
        return self.go(query(sql))


def value_of(reply):
    return reply.value if reply.rows else None


def statements(session):
    pipeline = [parse("select $1::int"), bind(["1"]), execute(), bind(["2"]), execute(), sync(),
                query("select 3"), query("select 4")]
    session.wire.send(*pipeline)
    answers = [session.wire.until("Z") for _ in range(3)]
    return [row[0] for reply in answers for row in reply.rows] == ["1", "2", "3", "4"]


def copy(session):
    session.wire.send(query("copy held from stdin"))
    assert session.wire.read().type == "G"
    session.wire.send(copy_data(b"7\n"), copy_done())
    if session.wire.until("Z").tags != ["COPY 1"]:
        return False
    return session.go(query("copy held to stdout")).bodies("d") == [b"7\n"]


def transaction(session):
    session.ask("begin")
    session.ask("insert into held values (1)")
    session.ask("insert into held values (2)")
    return session.ask("commit").tags == ["COMMIT"] and session.ask("table held").rows == [
        ("1",), ("2",)]


def in_transaction(session):
    session.ask("begin; set local work_mem = '7MB'; declare c cursor for select 5; savepoint s")
    session.ask("select 1/0")
    session.ask("rollback to s")
    seen = [value_of(session.ask("fetch c")), value_of(session.ask("show work_mem"))]
    session.ask("commit")
    return seen == ["5", "7MB"] and session.ask("show work_mem").value == "4MB"


def prepared(session):
    session.go(parse("select $1::int + 1", "s"), sync())
    run = bind(["4"], "s") + describe() + execute() + sync()
    return all(value_of(session.go(run)) == "5" for _ in range(3))


def unnamed(session):
    session.go(parse("select 6"), describe("S"), sync())
    return value_of(session.go(bind(), execute(), sync())) == "6"


def unnamed_again(session):
    session.go(parse("select 6"), bind(), execute(), sync())
    return value_of(session.go(bind(), execute(), sync())) == "6"


def sql_prepared(session):
    session.ask("prepare p as select 8")
    return value_of(session.ask("execute p")) == "8"


def set_and_show(session):
    session.ask("set work_mem = '7MB'")
    session.ask("set my.own = 'a value'")
    session.ask("set timezone = 'Asia/Tokyo'")
    return [value_of(session.ask(f"show {name}"))
            for name in ("work_mem", "my.own", "timezone")] == ["7MB", "a value", "Asia/Tokyo"]


def reset(session):
    changed = Session(session.pooler, work_mem="6MB", timezone="Asia/Tokyo")
    changed.ask("set work_mem = '7MB'")
    changed.ask("set timezone = 'UTC'")
    changed.ask("reset work_mem")
    changed.ask("reset timezone")
    seen = [value_of(changed.ask(f"show {name}")) for name in ("work_mem", "timezone")]
    changed.wire.close()
    return seen == ["6MB", "Asia/Tokyo"]


def role(session):
    session.ask("set role pg_monitor")
    return value_of(session.ask("select current_user")) == "pg_monitor"


def config_seen(session):
    session.ask("select set_config('work_mem', '7MB', false)")
    return value_of(session.ask("show work_mem")) == "7MB"


def config_hidden(session):
    session.ask("select hidden()")
    return value_of(session.ask("show work_mem")) == "7MB"


def listen(session):
    session.ask("listen news")
    heard = session.ask("notify news, 'first'").bodies("A") or session.wire.until("A").bodies("A")
    session.ask("unlisten news")
    silent = not session.ask("notify news, 'second'").bodies("A") and session.wire.is_silent(0.2)
    return b"first\0" in heard[0] and silent


def temporary(session):
    session.ask("create temporary table mine as select 9 as a")
    return value_of(session.ask("select a from mine")) == "9"


def with_hold(session):
    session.ask("declare h cursor with hold for select 3")
    return value_of(session.ask("fetch h")) == "3"


def advisory(session):
    session.ask("select pg_advisory_lock(77)")
    return value_of(session.ask("select pg_advisory_unlock(77)")) == "t"


def load(session):
    session.cluster.sql("alter role alice superuser")
    try:
        session.ask("load 'plpgsql'")
    finally:
        session.cluster.sql("alter role alice nosuperuser")
    first = session.ask("select pg_backend_pid()").value
    return session.ask("select pg_backend_pid()").value == first


def currval(session):
    session.stay("insert into counted default values")
    session.stay("select lastval()")
    last = int(session.ask("insert into counted default values returning id").value)
    seen = [value_of(session.ask("select lastval()")) for _ in range(2)]
    session.ask("select setval('counted_id_seq', 500)")
    seen.append(value_of(session.ask("select lastval()")))
    return seen == [str(last)] * 2 + ["500"]


def seed(session):
    session.ask("select setseed(0.5)")
    return (value_of(session.ask("select random()")) or "").startswith("0.985")


def pid(session):
    return session.ask("select pg_backend_pid()").value == session.ask(
        "select pg_backend_pid()").value


CHECKS = {
    "Statements, batches, pipelines": statements,
    "COPY": copy,
    "Transactions of several statements": transaction,
    "Savepoints, cursors, SET LOCAL": in_transaction,
    "Prepared statements of the protocol": prepared,
    "An unnamed statement, before its use": unnamed,
    "An unnamed statement, after its use": unnamed_again,
    "PREPARE and EXECUTE of SQL": sql_prepared,
    "SET, SHOW": set_and_show,
    "RESET to the values of the start-up": reset,
    "SET ROLE": role,
    "set_config(), seen in the text": config_seen,
    "set_config(), hidden in a function": config_hidden,
    "LISTEN, NOTIFY, UNLISTEN": listen,
    "Temporary tables": temporary,
    "Cursors WITH HOLD": with_hold,
    "Advisory locks of the session": advisory,
    "LOAD": load,
    "currval() and lastval()": currval,
    "setseed()": seed,
    "The same pg_backend_pid()": pid,
}


@pytest.fixture
def prepared_database(cluster):
    cluster.connect(user="postgres").execute(
        "drop table if exists held, counted; drop function if exists hidden();"
        "create table held (a int); create table counted (id serial);"
        "grant all on held, counted, counted_id_seq to public; grant pg_monitor to alice;"
        "create function hidden() returns text language sql as"
        " $$ select set_config('work_mem', '7MB', false) $$")


def test_every_line_of_the_table_has_a_check():
    assert list(table()) == list(CHECKS)


def test_the_table_has_no_other_words_than_it_explains():
    assert {word for row in table().values() for word in row.values()} == {"yes", "held", "no"}
    for word in ("yes", "held", "no"):
        assert re.search(rf"^\.It {word}$", PAGE.read_text(), re.MULTILINE)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("feature", CHECKS)
def test_what_the_table_says(make_pooler, prepared_database, mode, feature):
    pooler = make_pooler(pool_mode=mode, default_pool_size=SERVERS, max_client_conn=50)
    session = Session(pooler)
    try:
        works = CHECKS[feature](session)
        found = "no" if not works else "held" if session.was_held else "yes"
    except Closed:
        found = "no"
    session.wire.close()
    assert found == table()[feature][mode]
