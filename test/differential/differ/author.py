"""Makes up sequences. The same seed makes the same one.

It keeps a rough idea of each session (in a transaction? which names are taken?) so that
most of what is said makes sense; it may be wrong, which makes for errors in odd places.
"""

import random

from . import vocabulary as words
from .place import DISTURBERS, DISTURBING_KEYS, SESSIONS

NAMES = ["s1", "s2", "s3", "Name 4"]
PORTALS = ["", "p1", "p2"]


class Mind:
    """What the author believes of one session."""

    def __init__(self, who):
        self.who = who
        self.is_in = False   # a transaction
        self.in_for = 0      # steps
        self.statements = {} # name: index in PREPARABLE
        self.is_open = False # a batch without its Sync


class Author:
    # name of a topic: how likely it is in a sequence
    TOPICS = {
        "plain": 1.0, "writes": 0.5, "several": 0.3, "unnamed": 0.5, "named": 0.6, "portals": 0.3,
        "pipeline": 0.3, "copy": 0.25, "parameters": 0.5, "prepare": 0.25, "temporary": 0.25,
        "cursors": 0.2, "locks": 0.25, "notify": 0.3, "ddl": 0.2, "sequences": 0.2,
        "roles": 0.15, "flush": 0.2, "function": 0.1, "discard": 0.15, "leaving": 0.15,
    }

    def __init__(self, seed, topics=None, length=None, has_startup=True):
        """has_startup: logins bring parameters."""
        self.random = random.Random(f"differ {seed}")
        self.topics = topics or self.choose_topics()
        self.length = length or self.random.choice([15, 30, 60])
        self.has_startup = has_startup
        self.minds = [Mind(str(n)) for n in range(SESSIONS)]
        self.holding = set()  # disturbers that sit on a server
        self.here = set()
        self.steps = []

    def choose_topics(self):
        """Few, so that there is enough of each."""
        chosen = [t for t, p in self.TOPICS.items() if self.random.random() < p]
        return self.random.sample(chosen, min(len(chosen), 6)) or ["plain"]

    def write(self):
        """The steps of a sequence."""
        for mind in self.minds:
            self.login(mind)
            if "notify" in self.topics:
                self.ask(mind, f'listen "{self.pick(words.CHANNELS)}"')
        while len(self.steps) < self.length:
            self.disturb()
            mind = self.pick(self.minds)
            self.control_transaction(mind)
            getattr(self, "do_" + self.pick(self.topics))(mind)
            if self.chance(0.1):
                self.say(mind, [["Q", words.WHICH_SERVER]])
        for mind in self.minds:
            self.say(mind, [["Q", "rollback"]])
            self.say(mind, [["Q", words.WITNESS]])
        return self.steps

    # Chance

    def pick(self, options):
        return self.random.choice(options)

    def chance(self, p):
        return self.random.random() < p

    def fill(self, text, mind):
        for mark, value in (("{s}", mind.who.lstrip("x")), ("{n}", self.random.randrange(6, 40)),
                            ("{k}", self.random.randrange(1, 4))):
            text = text.replace(mark, str(value))
        return text

    def name_for(self, mind):
        """Of a statement, mostly of one that is there."""
        if mind.statements and self.chance(0.85):
            return self.pick(list(mind.statements))
        return self.pick(NAMES)

    # Steps

    def say(self, mind, messages, later=False):
        step = {"who": mind.who, "say": messages}
        if later:
            step["later"] = True
        self.steps.append(step)
        ends = [m[0] for m in messages if m[0] in "SQFPBDECH"]
        mind.is_open = bool(ends) and ends[-1] == "H"

    def login(self, mind):
        params = {name: self.pick(values) for name, values in words.STARTUP.items()
                  if self.chance(0.15)}
        options = " ".join(f"-c {name}={self.pick(values)}"
                           for name, values in words.STARTUP_OPTIONS.items()
                           if self.chance(0.2))
        if options:
            params["options"] = options
        if not self.has_startup:
            params = {}
        self.steps.append({"who": mind.who, "do": "login", "params": params})

    def control_transaction(self, mind):
        mind.in_for += 1
        if not mind.is_in and self.chance(0.2):
            self.ask(mind, self.pick(["begin", "start transaction", "begin isolation level "
                                      "repeatable read", "begin read only"]))
            mind.is_in, mind.in_for = True, 0
        elif mind.is_in and self.chance(0.1):
            self.ask(mind, self.pick(["savepoint a", "rollback to a", "release a"]))
        elif mind.is_in and self.chance(0.1 + 0.1 * mind.in_for):
            self.ask(mind, self.pick(["commit", "rollback", "end", "abort", "commit and chain",
                                      "commit", "rollback"]))
            mind.is_in = False

    def batch(self, mind, text, values=(), types=(), name="", portal="", rows=0):
        """Parse to Execute, with or without Describes."""
        messages = [["P", name, text, list(types)]]
        if self.chance(0.3):
            messages.append(["D", "S", name])
        messages.append(["B", portal, name, list(values)])
        if self.chance(0.6):
            messages.append(["D", "P", portal])
        messages.append(["E", portal, rows])
        return messages

    def ask(self, mind, text, later=False):
        """One statement, in either protocol."""
        text = self.fill(text, mind)
        if self.chance(0.6):
            messages = [["Q", text]]
        else:
            messages = self.batch(mind, text) + [["S"]]
        self.say(mind, messages, later)

    # Topics

    def do_plain(self, mind):
        self.ask(mind, self.pick(words.HARMLESS), later=self.chance(0.2))

    def do_writes(self, mind):
        self.ask(mind, self.pick(words.WRITING))

    def do_several(self, mind):
        parts = [self.fill(self.pick(self.pick([
            words.HARMLESS, words.WRITING, ["begin", "commit", "rollback", "savepoint a"],
            ["set local work_mem to '9MB'", "set app.y to 'several'"]])), mind)
                 for _ in range(self.random.randrange(2, 5))]
        parts = [p for p in parts if "--" not in p]
        self.say(mind, [["Q", "; ".join(parts)]])

    def do_unnamed(self, mind):
        """Parse, and one batch that uses it: the same, or a later one."""
        text, types, values = self.pick(words.PREPARABLE)
        text = self.fill(text, mind)
        kind = self.random.randrange(4)
        bind = ["B", "", "", [v and self.fill(v, mind) for v in self.pick(values)]]
        if kind > 1 and mind.is_open:
            # What is open may have failed, and the Parse would be skipped.
            self.say(mind, [["S"]])
        if kind == 0:
            self.say(mind, self.batch(mind, text, bind[3], types) + [["S"]])
        elif kind == 1:
            self.say(mind, [["P", "", text, types], ["D", "S", ""], ["S"]])
        elif kind == 2:
            self.say(mind, [["P", "", text, types], ["S"]])
            self.disturb()
            self.say(mind, [bind, ["D", "P", ""], ["E", "", 0], ["S"]])
        else:
            self.say(mind, [["P", "", text, types], ["S"], bind, ["E", "", 0], ["S"]])

    def do_named(self, mind):
        name = self.pick(NAMES)
        kind = self.random.randrange(8)
        known = mind.statements.get(name)
        if known is None or kind == 0:
            self.prepare(mind, name)
        elif kind == 1:
            self.say(mind, [["C", "S", name]] + ([["S"]] if self.chance(0.5) else
                                                 self.parsed(mind, name) + [["S"]]))
            if len(self.steps[-1]["say"]) == 2:
                mind.statements.pop(name)
        elif kind == 2:
            self.ask(mind, f'deallocate "{name}"')
            mind.statements.pop(name)
        elif kind == 3:
            self.say(mind, [["D", "S", name], ["S"]])
        elif kind == 4 and self.chance(0.3):
            self.ask(mind, "deallocate all")
            mind.statements.clear()
        else:
            self.say(mind, self.bound(mind, name) + [["S"]])

    def parsed(self, mind, name):
        index = self.random.randrange(len(words.PREPARABLE))
        text, types, _ = words.PREPARABLE[index]
        mind.statements[name] = index
        return [["P", name, self.fill(text, mind), types]]

    def prepare(self, mind, name):
        messages = self.parsed(mind, name)
        if self.chance(0.4):
            messages.append(["D", "S", name])
        if self.chance(0.4):
            messages += self.bound(mind, name)
        self.say(mind, messages + [["S"]])

    def bound(self, mind, name, portal="", rows=0):
        """Bind and Execute of a named statement; the name may be unknown."""
        index = mind.statements.get(name, 0)
        values = [v and self.fill(v, mind) for v in self.pick(words.PREPARABLE[index][2])]
        messages = [["B", portal, name, values]]
        if self.chance(0.4):
            messages.append(["D", "P", portal])
        return messages + [["E", portal, rows]]

    def do_portals(self, mind):
        """Portals with names, executed in pieces, over several Syncs."""
        portal = self.pick(PORTALS)
        messages = self.pick([
            lambda: self.batch(mind, "select generate_series(1, 9)", portal=portal, rows=4),
            lambda: [["E", portal, self.pick([0, 3])]],
            lambda: [["D", "P", portal], ["E", portal, 2], ["C", "P", portal]],
            lambda: [["C", "P", portal]],
            lambda: self.bound(mind, self.name_for(mind), portal, 2) + [["E", portal, 0]],
        ])()
        self.say(mind, messages + [["S"]])

    def do_pipeline(self, mind):
        """Many batches in one write: with and without Syncs between, errors in the middle."""
        messages = []
        for _ in range(self.pick([3, 8, 8, 40])):
            kind = self.random.randrange(10)
            name = self.name_for(mind)
            if kind < 3:
                text, types, values = self.pick(words.PREPARABLE)
                messages += self.batch(mind, self.fill(text, mind), [
                    v and self.fill(v, mind) for v in self.pick(values)], types)
            elif kind < 6:
                messages += self.bound(mind, name)
            elif kind == 6:
                messages += self.parsed(mind, name)
            elif kind == 7:
                messages.append(["C", "S", name])
            elif kind == 8:
                messages += self.batch(mind, self.pick(["begin", "commit", "rollback"]))
            else:
                messages.append(["Q", self.fill(self.pick(words.HARMLESS), mind)])
            if self.chance(0.5):
                messages.append(["S"])
            elif self.chance(0.1):
                messages.append(["H"])
        self.say(mind, messages + [["S"]])

    def do_flush(self, mind):
        """A batch whose Sync comes some steps later."""
        if mind.is_open:
            self.say(mind, self.bound(mind, self.name_for(mind)) + [["S"]])
            return
        text, types, values = self.pick(words.PREPARABLE)
        messages = self.batch(mind, self.fill(text, mind), [
            v and self.fill(v, mind) for v in self.pick(values)], types)
        if self.chance(0.3):
            messages += self.parsed(mind, self.pick(NAMES))
        self.say(mind, messages + [["H"]])
        if self.chance(0.5):
            self.disturb()
            self.say(mind, self.bound(mind, self.name_for(mind)) + [["S"]])

    def do_function(self, mind):
        """FunctionCall: int4pl, float8 division, and nothing."""
        self.say(mind, [self.pick([["F", 177, ["1", "2"]], ["F", 218, ["1", "0"]],
                                   ["F", 1, []]])])

    def do_copy(self, mind):
        start = self.pick(["copy t{s} from stdin", "copy t{s} from stdin", "copy t{s}(id, b) from"
                           " stdin with (format csv)", "copy (select * from t{s} order by 1) to"
                           " stdout", "copy nowhere from stdin", "copy t{s} to stdout"])
        start = self.fill(start, mind)
        data = self.copied(mind, "csv" in start) if "stdin" in start else []
        ending = [["c"]] if self.chance(0.7) else [["f", "enough"]]
        if "stdin" not in start:
            ending = [["c"]] if self.chance(0.1) else []
        if self.chance(0.5):
            self.say(mind, [["Q", start]] + data + ending + self.late(data))
        else:
            self.say(mind, self.batch(mind, start) + data + ending + self.late(data) + [["S"]])

    def copied(self, mind, is_csv):
        data = []
        for _ in range(self.pick([0, 1, 3, 30])):
            number = self.random.randrange(50, 2000)
            data.append(["d", f"{number},c\n" if is_csv else f"{number}\t1\tc\n"])
            if self.chance(0.05):
                data.append(["d", "not a number\n"])
            if self.chance(0.1):
                data.append([self.pick("SH")])
        return data

    def late(self, data):
        """Data that comes when the COPY is over."""
        return data[:2] + [["c"]] if self.chance(0.15) else []

    def do_parameters(self, mind):
        kind = self.random.randrange(12)
        name = self.pick(list(words.PARAMETERS))
        value = self.pick(words.PARAMETERS[name])
        if name not in words.UNQUOTED:
            value = f"'{value}'"
        read = f"select coalesce(current_setting('{name}', true), '')"
        if kind < 4:
            self.ask(mind, self.pick([f"set {name} to {value}", f"set {name} = {value}",
                                      f"SET SESSION {name} TO {value}"]))
        elif kind == 4:
            self.ask(mind, f"set local {name} to {value}")
        elif kind == 5:
            self.ask(mind, self.pick([f"reset {name}", f"set {name} to default"]))
        elif kind == 6:
            value = value if value.startswith("'") else f"'{value}'"
            is_local = self.pick(["true", "false"])
            self.ask(mind, f"select set_config('{name}', {value}, {is_local})")
        elif kind == 7:
            self.ask(mind, self.pick([
                "reset all", f"set {name} to 'no such value at all'", "set nosuch to 1",
                "set time zone 'Asia/Tokyo'", "set time zone local", "set names 'LATIN1'",
                "set session characteristics as transaction read only",
                "set session characteristics as transaction read write",
                "set transaction read only",
                "do $$ begin perform set_config('app.y', 'by do', false); end $$"]))
        elif kind == 8:
            self.say(mind, [["Q", f"begin; set {name} to {value}; "
                             f"{self.pick(['commit', 'rollback', 'select 1/0'])}"]])
        else:
            show = f"show {name}" if name not in words.CUSTOM else read
            self.ask(mind, self.pick([show, read, words.WITNESS]))

    def do_prepare(self, mind):
        self.ask(mind, self.pick(words.PREPARED))

    def do_temporary(self, mind):
        self.ask(mind, self.pick(words.TEMPORARY))

    def do_cursors(self, mind):
        self.ask(mind, self.pick(words.CURSORS))

    def do_locks(self, mind):
        self.ask(mind, self.pick(words.LOCKS))

    def do_sequences(self, mind):
        if self.chance(0.3):
            self.say(mind, [["Q", "begin"], ["Q", "select nextval('shared_sequence')"],
                            ["Q", "select currval('shared_sequence')"], ["Q", "commit"]])
            return
        self.ask(mind, self.pick(words.SEQUENCES))

    def do_ddl(self, mind):
        """Also below a statement that shows all columns."""
        name = self.name_for(mind)
        shows_all = next(n for n, (text, *_) in enumerate(words.PREPARABLE)
                         if text == words.ALL_COLUMNS)
        if self.chance(0.4):
            if mind.statements.get(name) != shows_all:
                mind.statements[name] = shows_all
                self.say(mind, [["C", "S", name], ["P", name, self.fill(words.ALL_COLUMNS, mind),
                                                   []], *self.bound(mind, name), ["S"]])
            self.ask(mind, self.pick(words.DEFINING))
            self.say(mind, self.bound(mind, name) + [["S"]])
            return
        self.ask(mind, self.pick(words.DEFINING))

    def do_roles(self, mind):
        self.ask(mind, self.pick(words.ROLES))

    def do_notify(self, mind):
        channel = self.pick(words.CHANNELS)
        kind = self.random.randrange(10)
        if mind.is_in:
            kind = 9  # LISTEN would find what was sent since the transaction began, by chance
        if kind < 3:
            self.ask(mind, f'listen "{channel}"')
        elif kind == 3:
            # What was sent before must have come, or it is a race with PostgreSQL too.
            self.settle(mind)
            how = self.pick([f'unlisten "{channel}"', "unlisten *"])
            self.say(mind, self.pick([[["Q", how]], [["Q", "begin"], ["Q", how],
                                                     ["Q", self.pick(["commit", "rollback"])]]]))
            mind.is_in = False
        elif kind == 4:
            self.say(mind, [["Q", "begin"], ["Q", f'listen "{channel}"'],
                            ["Q", self.pick(["commit", "rollback", "select 1/0; commit"])]])
            mind.is_in = False
        elif kind == 5:
            self.settle(mind)
        else:
            n = self.random.randrange(1000)
            self.ask(mind, self.pick([
                f"notify \"{channel}\", 'payload {n}'", f'notify "{channel}"',
                f"select pg_notify('{channel}', 'called {n}')"]))

    def settle(self, mind):
        self.steps.append({"who": mind.who, "do": "quiet"})

    def do_discard(self, mind):
        self.settle(mind)
        self.ask(mind, self.pick(["discard all", "discard all", "discard plans", "reset all"]))
        mind.statements.clear()

    def do_leaving(self, mind):
        """Goes away, as is proper or not, and somebody new sits down."""
        if not self.chance(0.3):
            return
        self.steps.append({"who": mind.who, "do": "leave",
                           "how": self.pick(["terminate", "close", "reset"])})
        mind.is_in, mind.is_open = False, False
        mind.statements.clear()
        self.login(mind)

    # Disturbers

    def disturb(self):
        """Servers are taken away, dirtied and given back."""
        for _ in range(self.random.randrange(1, 5)):
            mind = Mind(f"x{self.random.randrange(DISTURBERS)}")
            if mind.who not in self.here:
                self.login(mind)
                self.here.add(mind.who)
            elif mind.who in self.holding:
                self.let_go(mind)
            else:
                self.take(mind)

    def take(self, mind):
        messages = self.dirt(mind) if self.chance(0.5) else []
        messages += [["Q", "begin"]] + (self.dirt(mind) if self.chance(0.5) else
                                        [["Q", "select 1"]])
        self.say(mind, messages)
        self.holding.add(mind.who)

    def let_go(self, mind):
        self.holding.discard(mind.who)
        if self.chance(0.15):
            self.steps.append({"who": mind.who, "do": "leave",
                               "how": self.pick(["terminate", "close", "reset"])})
            self.here.discard(mind.who)
            return
        self.say(mind, [["Q", self.pick(["commit", "rollback"])]])
        if self.chance(0.3):
            self.say(mind, self.dirt(mind))

    def dirt(self, mind):
        """What must not be seen by anybody else."""
        name = self.pick(list(words.PARAMETERS))
        value = self.pick(words.PARAMETERS[name])
        value = value if name in words.UNQUOTED else f"'{value}'"
        key = DISTURBING_KEYS + int(mind.who[1:])
        kinds = {
            "parameters": [["Q", f"set {name} to {value}"]],
            "named": [["C", "S", (s := self.pick(NAMES))], ["P", s, "select 'a stranger'", []],
                      ["B", "", s, []], ["E", "", 0], ["S"]],
            "unnamed": [["P", "", "select 'a stranger', $1::int", []], ["S"]],
            "prepare": [["Q", "deallocate all"], ["Q", "prepare p as select 'a stranger'"],
                        ["Q", "execute p"]] + self.maybe(["Q", "deallocate p"]),
            "temporary": [["Q", "drop table if exists pg_temp.tmp"],
                          ["Q", "create temp table tmp(a int, stranger text)"]]
            + self.maybe(["Q", "drop table tmp"]),
            "locks": [["Q", f"select pg_try_advisory_lock({key})"]]
            + self.maybe(["Q", f"select pg_advisory_unlock({key})"]),
            "notify": [["Q", f'listen "{self.pick(words.CHANNELS)}"']],
            "sequences": [["Q", "select nextval('shared_sequence_of_strangers')"]],
            "roles": [["Q", self.pick(["set role bob", "reset role"])]],
            "discard": [["Q", self.pick(["reset all", "discard all"])]],
            "flush": [["P", "", "select 1/0", []], ["B", "", "", []], ["E", "", 0], ["S"]],
        }
        return kinds[self.pick([k for k in kinds if k in self.topics] or ["flush"])]

    def maybe(self, message):
        return [message] if self.chance(0.6) else []
