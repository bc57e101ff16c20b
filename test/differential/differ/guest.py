"""A client of the leak hunt: does things to its session and knows what it must see of them.

Everything it says bears its number, so whatever it sees of somebody else says whose it is.
"""

import asyncio
import collections
import random
import socket
import struct

from harness import wire

from .messages import encode

ZONES = ["UTC", "Asia/Tokyo", "America/New_York", "Europe/Oslo", "Africa/Cairo"]
STYLES = ["ISO, MDY", "ISO, DMY", "SQL, DMY", "German, DMY", "Postgres, MDY"]
NAMES = ["s1", "s2", "s3"]
# In the order of the row that check() asks for.
SEEN = ["application_name", "DateStyle", "TimeZone", "work_mem", "app.owner", "app.note",
        "search_path"]
CHECK = ("select " + ", ".join(f"coalesce(current_setting('{name}', true), '')" for name in SEEN)
         + ", current_user, pg_backend_pid()")
CHECK_STATE = ("select (select count(*) from pg_locks where locktype = 'advisory'"
               " and pid = pg_backend_pid()), coalesce(to_regclass('pg_temp.tmp')::text, ''),"
               " (select count(*) from pg_cursors where is_holdable),"
               " (select count(*) from pg_prepared_statements where from_sql)")
TOLD = {"application_name", "DateStyle", "TimeZone"}  # by ParameterStatus
FULL = "53300"


class Strange(Exception):
    """Somebody saw what it must not see."""


class Refused(Exception):
    """There is no room for more pins just now."""


class Answer:
    def __init__(self):
        self.rows, self.tags, self.errors = [], [], []
        self.status = None

    @property
    def code(self):
        return self.errors[0].get("C") if self.errors else None


class Guest:
    def __init__(self, hunt, number):
        self.hunt, self.number = hunt, number
        self.random = random.Random(f"guest {hunt.seed} {number}")
        self.turn = 0
        self.reader = self.writer = None
        self.last_words = None  # of the pooler, if it says why it goes
        self.server = None
        self.doing = "nothing"
        self.said = collections.deque(maxlen=25)  # lately

    # Talking

    async def login(self):
        self.turn += 1
        self.said.append("login")
        self.start = {
            "application_name": f"guest {self.number}.{self.turn}",
            "DateStyle": self.random.choice(STYLES), "TimeZone": self.random.choice(ZONES),
            "work_mem": self.some_memory(0), "app.owner": f"{self.number}.{self.turn}",
            "app.note": "", "search_path": self.random.choice(["public", "public, pg_catalog"]),
        }
        self.server = self.last_words = None
        self.values, self.told = dict(self.start), {}
        self.statements, self.listens, self.locks, self.temporary = {}, False, 0, False
        self.reader, self.writer = await asyncio.open_connection(*self.hunt.address)
        self.writer.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP,
                                                        socket.TCP_NODELAY, 1)
        params = {name: value for name, value in self.start.items()
                  if name in TOLD or name == "search_path"}
        params["options"] = (f"-c work_mem={self.start['work_mem']}"
                             f" -c app.owner={self.start['app.owner']}")
        self.writer.write(wire.startup({"user": "alice", "database": self.hunt.database,
                                        **params}))
        answer = await self.hear(1)
        self.expect("login", answer.errors, [])
        self.hunt.logins += 1

    def vanish(self):
        """Without a word, whatever it was doing."""
        self.writer.transport.abort()
        self.hunt.vanished += 1

    async def ask(self, *messages):
        """Sends messages (texts are queries) and returns the answer up to the last one's."""
        messages = [["Q", m] if isinstance(m, str) else m for m in messages]
        self.said.append(" ".join(" ".join(str(part)[:40] for part in m) for m in messages))
        self.writer.write(encode(messages))
        answer = await self.hear(sum(m[0] in "QS" for m in messages))
        if answer.code == FULL:
            raise Refused()
        return answer

    async def hear(self, ready):
        answer = Answer()
        while ready:
            head = await self.reader.readexactly(5)
            (length,) = struct.unpack_from("!i", head, 1)
            body = await self.reader.readexactly(length - 4)
            ready -= self.take(answer, chr(head[0]), body)
        return answer

    def take(self, answer, letter, body):
        if letter == "D":
            answer.rows.append(wire.row_of(body))
        elif letter == "C":
            answer.tags.append(body[:-1].decode())
        elif letter == "E":
            self.last_words = wire.fields_of(body)
            answer.errors.append(self.last_words)
        elif letter == "S":
            name, value, _ = body.split(b"\0")
            self.told[name.decode()] = value.decode()
        elif letter == "A":
            self.take_notification(body)
        elif letter == "Z":
            answer.status = body.decode()
            return True
        return False

    def take_notification(self, body):
        channel, payload, _ = (part.decode() for part in body[4:].split(b"\0"))
        self.hunt.notified += 1
        if not self.listens or channel != f"to_{self.number}":
            self.strange("a notification", f"listening: {self.listens}", (channel, payload))

    # Judging

    def strange(self, what, expected, seen):
        raise Strange(f"guest {self.number}.{self.turn} on server {self.server}, {self.doing}:"
                      f" {what}\n  expected {expected}\n  saw      {seen}\n"
                      "  had said " + "\n           ".join(self.said))

    def expect(self, what, seen, expected):
        if seen != expected:
            self.strange(what, expected, seen)

    async def check(self):
        """Everything that can be seen of a session must be ours."""
        answer = await self.ask(CHECK)
        if answer.errors:
            self.strange("an error", None, answer.errors)
        *seen, user, server = answer.rows[0]
        self.hunt.asked_server += 1
        self.hunt.other_server += self.server is not None and server != self.server
        self.server = server
        self.expect("user", user, "alice")
        self.expect("parameters", dict(zip(SEEN, seen)), self.values)
        self.expect("parameters as they were told", {n: self.told.get(n) for n in TOLD},
                    {n: self.values[n] for n in TOLD})
        if self.hunt.keeps_state:
            state = (await self.ask(CHECK_STATE)).rows
            self.expect("locks, temporary table, cursors, SQL statements", state,
                        [(str(self.locks), "tmp" if self.temporary else "", "0", "0")])

    # Doing

    def some_memory(self, variant):
        """Nobody else's, and odd: PostgreSQL would show a round one in MB."""
        return f"{101 + 2 * self.number + 20000 * variant}kB"

    def some_value(self):
        name = self.random.choice(SEEN[:-1])
        mine = f"{self.number}.{self.turn}.{self.random.randrange(1000)}"
        return name, {"DateStyle": self.random.choice(STYLES),
                      "TimeZone": self.random.choice(ZONES),
                      "work_mem": self.some_memory(self.random.randrange(1, 5)),
                      }.get(name, mine if name != "app.note" else mine * 50)

    async def do_set(self):
        name, value = self.some_value()
        await self.ask(f"set {name} to '{value}'" if self.random.random() < 0.7 else
                       f"select set_config('{name}', '{value}', false)")
        self.values[name] = value

    async def do_set_in_vain(self):
        """In a transaction that is rolled back, or only for the transaction."""
        name, value = self.some_value()
        before, is_local = self.values[name], self.random.random() < 0.5
        await self.ask("begin", f"set {'local' if is_local else ''} {name} to '{value}'")
        self.values[name] = value
        await self.check()
        await self.ask("commit" if is_local else "rollback")
        self.values[name] = before

    async def do_set_in_transaction(self):
        name, value = self.some_value()
        await self.ask(f"begin; set {name} to '{value}'; commit")
        self.values[name] = value

    async def do_reset(self):
        name = self.random.choice(SEEN)
        await self.ask(f"reset {name}")
        self.values[name] = self.start[name]

    async def do_reset_all(self):
        if self.random.random() < 0.7:
            await self.ask("reset all")
        else:
            await self.ask("discard all")
            self.statements.clear()
            self.listens = False
        self.values = dict(self.start)

    async def do_statement(self):
        name = self.random.choice(NAMES)
        if name in self.statements and self.random.random() < 0.2:
            await self.ask(["C", "S", name], ["S"])
            del self.statements[name]
        messages = []
        if name not in self.statements:
            said = f"guest {self.number}.{self.turn} {name} {self.random.randrange(4)}"
            messages.append(["P", name, f"select '{said}', $1::text", []])
            self.statements[name] = said
        messages += [["B", "", name, [str(self.number)]], ["E", "", 0], ["S"]]
        answer = await self.ask(*messages)
        self.expect("a statement's answer", (answer.rows, answer.errors),
                    ([(self.statements[name], str(self.number))], []))

    async def do_pipeline(self):
        messages, expected = [], []
        for name in self.random.choices(list(self.statements) or [""], k=6):
            if name:
                messages += [["B", "", name, [name]], ["E", "", 0]]
                expected.append((self.statements[name], name))
        answer = await self.ask(*messages, ["S"])
        self.expect("the answers of a pipeline", (answer.rows, answer.errors), (expected, []))

    async def do_unknown_statement(self):
        answer = await self.ask(["B", "", "never", []], ["S"])
        self.expect("a statement nobody of us has", answer.code, "26000")

    async def do_sequence(self):
        answer = await self.ask("begin", "select nextval('shared_sequence')",
                                "select currval('shared_sequence')", "commit")
        self.expect("currval", answer.rows[0], answer.rows[1])

    async def do_listen(self):
        await self.ask(f"unlisten to_{self.number}" if self.listens else
                       f"listen to_{self.number}")
        self.listens = not self.listens

    async def do_notify(self):
        other = self.random.randrange(self.hunt.count)
        await self.ask(f"notify to_{other}, 'from {self.number}'")

    async def do_vanish(self):
        """In a transaction, with all that can be left behind in it."""
        name, value = self.some_value()
        await self.ask("begin", f"set {name} to '{value}'", "select pg_advisory_xact_lock_shared"
                       f"({1000 + self.number})")
        if self.hunt.keeps_state:
            await self.ask(f"create temp table tmp as select 'a ghost {self.number}' as owner",
                           f"select pg_advisory_lock({1000 + self.number})")
        if self.random.random() < 0.3:
            self.writer.write(encode([["Q", "select pg_sleep(20)"]]))
            await asyncio.sleep(0.01)
        self.vanish()
        await self.login()

    # Doing, where a server is kept for what is in it

    async def do_lock(self):
        key = 1000 + self.number
        for _ in range(30):
            # Our own ghost may hold it for a moment, until its server has been cleaned.
            if (await self.ask(f"select pg_try_advisory_lock({key})")).rows == [("t",)]:
                break
            await asyncio.sleep(0.1)
        else:
            self.strange("a lock of our own", "free", "held")
        self.locks += 1
        await self.stay_a_while()
        answer = await self.ask(f"select pg_advisory_unlock({key})")
        self.expect("unlocking", answer.rows, [("t",)])
        self.locks -= 1

    async def do_temporary(self):
        answer = await self.ask(f"create temp table tmp as select 'of {self.number}' as owner")
        self.expect("creating a temporary table", answer.errors, [])
        self.temporary = True
        await self.stay_a_while()
        answer = await self.ask("select owner from tmp", "drop table tmp")
        self.expect("a temporary table", answer.rows, [(f"of {self.number}",)])
        self.temporary = False

    async def do_prepare(self):
        answer = await self.ask(f"prepare p as select 'prepared by {self.number}'")
        self.expect("PREPARE", answer.errors, [])
        answer = await self.ask("execute p")
        self.expect("EXECUTE", answer.rows, [(f"prepared by {self.number}",)])
        await self.ask("deallocate p")

    async def do_cursor(self):
        answer = await self.ask("declare c cursor with hold for "
                                f"select {self.number} from generate_series(1, 3)")
        self.expect("DECLARE", answer.errors, [])
        answer = await self.ask("fetch all from c", "close c")
        self.expect("FETCH", answer.rows, [(str(self.number),)] * 3)

    async def stay_a_while(self):
        for _ in range(self.random.randrange(3)):
            await self.random.choice([self.check, self.do_set, self.do_statement])()

    SHARED = [("check", 8), ("do_set", 6), ("do_set_in_vain", 2), ("do_set_in_transaction", 2),
              ("do_reset", 2), ("do_reset_all", 1), ("do_statement", 8), ("do_pipeline", 3),
              ("do_unknown_statement", 1), ("do_sequence", 1), ("do_listen", 1),
              ("do_notify", 2), ("do_vanish", 0.3)]
    KEPT = [("do_lock", 1), ("do_temporary", 1), ("do_prepare", 1), ("do_cursor", 1)]

    async def live(self):
        """Until the hunt is over, or somebody has seen something strange."""
        choices = self.SHARED + (self.KEPT if self.hunt.keeps_state else [])
        names, weights = zip(*(pair for pair in choices
                               if pair[0].removeprefix("do_") not in self.hunt.without))
        await self.login()
        while not self.hunt.is_over:
            self.doing = self.random.choices(names, weights)[0].removeprefix("do_")
            try:
                await getattr(self, self.doing if self.doing == "check" else
                              "do_" + self.doing)()
            except (Refused, asyncio.IncompleteReadError) as lost:
                # Who would be kept beyond the limit is refused, or thrown out afterwards.
                if isinstance(lost, asyncio.IncompleteReadError) and not self.is_thrown_out():
                    raise
                self.hunt.refused += 1
                await self.start_again()
            self.hunt.operations += 1
        self.vanish()

    def is_thrown_out(self):
        return bool(self.last_words) and self.last_words.get("C") == FULL

    async def start_again(self):
        """After a refusal in the middle of something, from the beginning."""
        self.writer.transport.abort()
        await self.login()
