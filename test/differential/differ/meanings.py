"""Makes up sequences about what texts mean. The same seed makes the same one.

What a statement says hangs on run-time parameters when it is parsed and planned. Several
sessions have different values of these, change them in every way there is, and prepare
and use the same few texts on the same servers; nobody may get what a text means to
another.

What a session has prepared under other values than it has now may be read again, by
PostgreSQL as well, whenever a table changes; what it says then is not compared ("loose"),
but it is used, since it must not harm others.
"""

import random

from . import vocabulary as words

SESSIONS = 4
NAMES = ["s1", "s2", "s3"]

PARAMETERS = {
    "DateStyle": ["SQL, DMY", "SQL, MDY", "ISO, YMD"],
    "IntervalStyle": ["postgres", "iso_8601", "sql_standard"],
    "TimeZone": ["UTC", "Asia/Tokyo", "America/New_York"],
    "client_encoding": ["UTF8", "LATIN1"],
    "standard_conforming_strings": ["on", "off"],
    "backslash_quote": ["on", "off"],
    "bytea_output": ["hex", "escape"],
    "extra_float_digits": ["1", "-10"],
    "quote_all_identifiers": ["on", "off"],
    "array_nulls": ["on", "off"],
    "xmloption": ["document", "content"],
    "transform_null_equals": ["on", "off"],
    "timezone_abbreviations": ["Default", "Australia"],
    "default_text_search_config": ["pg_catalog.simple", "pg_catalog.english"],
    "search_path": ["sa", "sb", "public", '"$user", sb'],
    "row_security": ["on", "off"],
    "role": ["bob", "none"],
    "plan_cache_mode": ["auto", "force_generic_plan", "force_custom_plan"],
    "work_mem": ["1MB", "3MB"],
    "app.x": ["x1", "x2"],
}
TOLD = ["DateStyle", "IntervalStyle", "TimeZone", "client_encoding",
        "standard_conforming_strings"]
STARTUP = ["DateStyle", "IntervalStyle", "TimeZone", "client_encoding", "search_path"]
UNQUOTED = {"search_path"}

# what it hangs on, text, values
TEXTS = [
    ("DateStyle",
     "select extract(month from '01/02/2003'::date)", []),
    ("DateStyle",
     "select extract(month from '01/02/2003'::date) + $1::int", ["1"]),
    ("TimeZone",
     "select '2020-01-01 00:00'::timestamptz = '2020-01-01 00:00 UTC'", []),
    ("timezone_abbreviations",
     "select '2020-01-01 00:00 EST'::timestamptz = '2020-01-01 05:00 UTC', $1::text", ["a"]),
    ("TimeZone search_path",
     "select count(*) from stamps where at >= '2020-01-01 00:00'", []),
    ("TimeZone",
     "select count(*) from stamps where at >= '2020-01-01 00:00' and $1 > 0", ["1"]),
    ("IntervalStyle",
     "select extract(epoch from interval '-1 2:03:04'), ('1 day -2 hours'::interval)::text", []),
    ("standard_conforming_strings",
     "select length('a\\\\b'), $1::text", ["b"]),
    ("backslash_quote standard_conforming_strings",
     "select length('it\\'s'), ' or'", []),
    ("client_encoding",
     "select length('\u00e9'), octet_length('\u00e9')", []),
    ("bytea_output",
     "select ('\\x616263'::bytea)::text", []),
    ("bytea_output",
     "select ('abc'::bytea)::text || $1", ["c"]),
    ("extra_float_digits",
     "select (1.0::float8 / 3)::text, (1.0::float4 / 3)::text || $1", ["f"]),
    ("quote_all_identifiers",
     "select quote_ident('abc'), $1::int", ["1"]),
    ("array_nulls",
     "select array_length('{a,NULL}'::text[], 1), ('{NULL}'::text[])[1] is null", []),
    ("xmloption",
     "select 'a<b/>'::xml is document", []),
    ("xmloption",
     "select xmlparse(content 'x')::text, '<a/>'::xml::text", []),
    ("transform_null_equals",
     "select null = null, $1::int = null", ["1"]),
    ("default_text_search_config",
     "select to_tsvector('the cats'), 'cats'::tsquery", []),
    ("search_path role",
     "select v from thing order by 1", []),
    ("search_path",
     "select * from thing", []),
    ("search_path",
     "select v from thing where v = $1", ["1"]),
    ("role row_security search_path",
     "select v, current_user from owned order by 1", []),
    ("role app.x",
     "select current_user, coalesce(current_setting('app.x', true), ''), $1::int", ["2"]),
    ("search_path",
     "select 'thing'::regclass::text, to_regclass('thing') is null", []),
    ("TimeZone search_path",
     "select shown(), $1::date", ["02/03/2004"]),
    ("TimeZone",
     "select $1::timestamptz = '2020-01-01 00:00'", ["2020-01-01 00:00 UTC"]),
    ("DateStyle",
     "select " + " + ".join(f"${n}::int" for n in range(1, 301))
     + " + extract(month from '01/02/2003'::date)", ["1"] * 300),
]
# Each is put behind a comment that makes it long.
LONG_S = [300_000, 400_000]

FRESH = """
set lock_timeout = '8s';
set client_min_messages = warning;
drop schema if exists sa, sb, sc cascade;
create schema sa authorization alice; create schema sb authorization alice;
grant all on schema sa, sb to public;
do $$ begin execute format('grant create on database %I to alice', current_database());
execute format('alter database %I set escape_string_warning = off', current_database()); end $$;
set role alice;
create table sa.thing(v int); insert into sa.thing values (1), (2);
create table sb.thing(v text); insert into sb.thing values ('1'), ('b');
create table public.thing(v text); insert into public.thing values ('public'), ('1');
create table public.owned(v text);
alter table public.owned enable row level security;
alter table public.owned force row level security;
create policy own on public.owned to alice, bob using (v = current_user) with check (true);
insert into public.owned values ('alice'), ('bob');
create table public.stamps(at timestamptz);
insert into public.stamps select '2019-12-31 12:00 UTC'::timestamptz + g * interval '1 hour'
from generate_series(1, 30) g;
create view sa.stamps as table public.stamps; create view sb.stamps as table public.stamps;
create view sa.owned as table public.owned; create view sb.owned as table public.owned;
create function public.put(name text, value text, is_local bool) returns text
language plpgsql as 'begin return set_config(name, value, is_local); end';
create procedure public.put_all(name text, value text, is_local bool)
language plpgsql as 'begin perform set_config(name, value, is_local); end';
create function public.shown() returns text language sql stable
as $$ select current_setting('TimeZone') $$;
create function public.shielded() returns text language plpgsql set TimeZone = 'Asia/Kolkata'
set bytea_output = 'escape' as 'begin return current_setting(''TimeZone''); end';
grant all on all tables in schema sa, sb, public to public;
reset role;
reset client_min_messages; reset lock_timeout;
"""


class Mind:
    """What the author believes of one session."""

    def __init__(self, who):
        self.who = who
        self.is_in = self.is_tempted = False  # a transaction; has a temporary table
        self.version = 0      # of its parameters
        self.began_at = 0     # which was it when the transaction began
        self.statements = {}  # name: (index in TEXTS, version)
        self.prepared = None  # by SQL: version
        self.has_long = False

    def fresh(self, name):
        return self.statements[name][1] == self.version


class Author:
    TOPICS = {"use": 5, "prepare": 4, "unnamed": 1, "describe": 1, "execute": 1, "sql": 0.5,
              "change": 3, "transaction": 2, "pipeline": 3, "touch": 0.7, "temporary": 0.3,
              "long": 0.1, "leaving": 0.2}

    def __init__(self, seed, topics=None, length=None, has_startup=True):
        self.random = random.Random(f"meanings {seed}")
        self.topics = {t: p for t, p in self.TOPICS.items() if not topics or t in topics}
        self.length = length or self.pick([15, 30, 60])
        self.has_startup = has_startup
        self.names = self.random.sample(list(PARAMETERS), self.pick([1, 2, 3, len(PARAMETERS)]))
        fitting = [n for n, (keys, *_) in enumerate(TEXTS) if {*keys.split()} & {*self.names}]
        self.texts = self.random.sample(fitting, min(len(fitting), 4)) + [
            self.random.randrange(len(TEXTS))]
        self.minds = [Mind(str(n)) for n in range(SESSIONS)]
        self.steps = []

    def write(self):
        for mind in self.minds:
            self.login(mind)
        while len(self.steps) < self.length:
            mind = self.pick(self.minds)
            what = self.random.choices(list(self.topics), list(self.topics.values()))[0]
            getattr(self, "do_" + what)(mind)
        for mind in self.minds:
            self.ask(mind, "rollback")
            self.say(mind, [["Q", words.WITNESS]])
        return self.steps

    def pick(self, options):
        return self.random.choice(options)

    def chance(self, p):
        return self.random.random() < p

    def say(self, mind, messages, loose=False):
        step = {"who": mind.who, "say": messages}
        if loose:
            step["loose"] = True
        self.steps.append(step)

    def login(self, mind):
        names = [n for n in STARTUP if self.has_startup and self.chance(0.2)]
        params = {n: self.pick(PARAMETERS[n]) for n in names}
        if self.has_startup and self.chance(0.2):
            params["options"] = f"-c bytea_output={self.pick(['hex', 'escape'])}"
        self.steps.append({"who": mind.who, "do": "login", "params": params, "loose": False})

    def extended(self, text, values=()):
        return [["P", "", text, []], ["B", "", "", list(values)], ["E", "", 0]]

    def ask(self, mind, text):
        if self.chance(0.5):
            self.say(mind, [["Q", text]])
        else:
            self.say(mind, self.extended(text) + [["S"]])

    # Statements

    def text(self, mind):
        index = self.pick(self.texts)
        return index, TEXTS[index][1]

    def parsed(self, mind):
        name = self.pick(NAMES)
        index, text = self.text(mind)
        before = [["C", "S", name]] if name in mind.statements else []
        mind.statements[name] = (index, mind.version)
        return name, before + [["P", name, text, []]]

    def bound(self, mind, name):
        messages = [["B", "", name, TEXTS[mind.statements[name][0]][2]]]
        if self.chance(0.3):
            messages.append(["D", "P", ""])
        return messages + [["E", "", 0]]

    def name_of(self, mind):
        """Of a statement that it has, mostly one that must be right."""
        fresh = [n for n in mind.statements if mind.fresh(n)]
        if fresh and self.chance(0.7):
            return self.pick(fresh)
        return self.pick(list(mind.statements)) if mind.statements else None

    def do_prepare(self, mind):
        name, messages = self.parsed(mind)
        if self.chance(0.3):
            messages.append(["D", "S", name])
        if self.chance(0.6):
            messages += self.bound(mind, name)
        self.say(mind, messages + [["S"]])

    def do_use(self, mind):
        name = self.name_of(mind)
        if name is None:
            self.do_prepare(mind)
            return
        for _ in range(self.pick([1, 1, 2, 7])):
            self.say(mind, self.bound(mind, name) + [["S"]], not mind.fresh(name))

    def do_describe(self, mind):
        name = self.name_of(mind)
        if name is not None:
            self.say(mind, [["D", "S", name], ["S"]], not mind.fresh(name))

    def do_unnamed(self, mind):
        index, text = self.text(mind)
        self.say(mind, self.extended(text, TEXTS[index][2]) + [["S"]])

    def do_execute(self, mind):
        """By SQL, what has been prepared by the protocol."""
        name = self.name_of(mind)
        if name is None:
            return
        values = ", ".join(f"'{v}'" for v in TEXTS[mind.statements[name][0]][2])
        self.say(mind, [["Q", f'execute "{name}"' + (f"({values})" if values else "")]],
                 not mind.fresh(name))

    def do_sql(self, mind):
        """Keeps the session at its server, on which others have been and will be."""
        if mind.prepared is not None and self.chance(0.7):
            self.say(mind, [["Q", "execute q"]], mind.prepared != mind.version)
        elif mind.prepared is not None:
            self.say(mind, [["Q", "deallocate q"]])
            mind.prepared = None
        else:
            index = self.pick([n for n, (_, _, values) in enumerate(TEXTS) if not values])
            self.say(mind, [["Q", f"prepare q as {TEXTS[index][1]}"]], True)
            mind.prepared = mind.version

    def do_long(self, mind):
        """A text that does not fit into anything."""
        index, text = self.text(mind)
        text = "/*" + "x" * self.pick(LONG_S) + "*/ " + text
        name = self.pick(NAMES)
        before = [["C", "S", name]] if name in mind.statements else []
        mind.statements[name] = (index, mind.version)
        self.say(mind, before + [["P", name, text, []], *self.bound(mind, name), ["S"]])
        if self.chance(0.5):
            # The name of one's own is not seen so far behind, nor listed by the server.
            change = self.changing(self.pick([n for n in self.names if "." not in n] or
                                             ["work_mem"]))
            self.say(mind, [["Q", "/*" + "y" * self.pick(LONG_S) + "*/ " + change]])
            mind.version += 1
            self.do_prepare(mind)

    # Parameters

    def changing(self, name=None, is_local=None, ways_back=True):
        """A text that changes a parameter, or says that it does. ways_back: by RESET, too."""
        name = name or self.pick(self.names)
        value = self.pick(PARAMETERS[name])
        quoted = value if name in UNQUOTED else f"'{value}'"
        if name == "role" and value == "none":
            quoted = value
        is_local = self.chance(0.5) if is_local is None else is_local
        local = "local " if is_local else ""
        flag = "true" if is_local else "false"
        ways = [
            f"set {local}{name} = {quoted}", f"set {local}{name} to {quoted}",
            f"select set_config('{name}', '{value}', {flag})",
            f"select pg_catalog.set_config('{name.upper()}', '{value}', '{flag}')",
            f"do $$ begin set {local}{name} = {quoted}; end $$",
            f"do $$ begin perform set_config('{name}', '{value}', {flag}); end $$",
            f"call public.put_all('{name}', '{value}', {flag})",
        ]
        if ways_back:
            ways += [f"reset {name}", f"set {name} to default"]
        if "." not in name:  # else no one could know what is set
            ways += [f"select set_config('{name[:3]}' || '{name[3:]}', '{value}', {flag})",
                     f"select set_config(n, '{value}', {flag}) from (values ('{name}')) v(n)"]
        if name in TOLD and not is_local:
            ways.append(f"select public.put('{name}', '{value}', false)")
        return self.pick(ways)

    def by_arguments(self):
        """The name stands in a Bind."""
        name = self.pick(self.names)
        value, flag = self.pick(PARAMETERS[name]), self.pick(["true", "false"])
        return self.pick([
            self.extended("select set_config($1, $2, $3)", [name, value, flag]),
            self.extended(f"select set_config($1, $2, {flag})", [name, value]),
            self.extended(f"select set_config('{name}', $1, {flag})", [value]),
        ])

    def do_change(self, mind):
        kind = self.random.randrange(12)
        mind.version += 1
        if kind < 6:
            self.ask(mind, self.changing(is_local=mind.is_in and self.chance(0.7)))
        elif kind < 8:
            self.say(mind, self.by_arguments() + [["S"]])
        elif kind == 8:
            self.ask(mind, self.pick(["reset all", "discard plans", "select public.shielded()"]))
        elif kind == 9 and not mind.is_in:
            self.ask(mind, "discard all")
            mind.statements.clear()
            mind.prepared, mind.is_tempted = None, False
        elif kind == 10 and not mind.is_in:
            end = self.pick(["commit", "rollback", "select 1/0", "savepoint a; rollback to a; "
                             "commit"])
            self.say(mind, [["Q", f"begin; {self.changing()}; {end}"], ["Q", "rollback"]])
        elif kind == 11 and mind.is_in:
            self.say(mind, [["Q", "savepoint a"], ["Q", self.changing()],
                            ["Q", self.pick(["rollback to a", "release a"])]])

    def do_transaction(self, mind):
        if not mind.is_in:
            self.ask(mind, "begin")
            mind.is_in, mind.began_at = True, mind.version
            if self.chance(0.7):
                self.do_change(mind)
                self.do_prepare(mind)
            return
        self.ask(mind, self.pick(["commit", "rollback", "commit"]))
        mind.is_in = False
        mind.version += mind.version != mind.began_at

    def do_pipeline(self, mind):
        """Changes and statements in one write."""
        messages, loose, changed = [], False, False
        for _ in range(self.pick([2, 4, 8])):
            kind = self.random.randrange(8)
            name = self.name_of(mind)
            if kind < 2:
                messages += self.by_arguments() if self.chance(0.3) else \
                    self.extended(self.changing(ways_back=False))
                # Others must not be harmed by what is prepared behind that.
                loose = loose or any("public.put(" in m[2] for m in messages if m[0] == "P")
                mind.version, changed = mind.version + 1, True
            elif kind < 5 or name is None:
                name, more = self.parsed(mind)
                messages += more + self.bound(mind, name)
            elif kind < 7:
                loose = loose or not mind.fresh(name)
                messages += self.bound(mind, name)
            elif self.chance(0.5) and not mind.is_in:
                messages += [["S"], ["Q", self.changing()]]
                mind.version, changed = mind.version + 1, True
            if self.chance(0.2):
                messages.append(["S"])
                mind.version += changed
        self.say(mind, messages + [["S"]], loose)
        mind.version += changed

    # Tables

    def do_touch(self, mind):
        """What is planned is planned again."""
        if any(m.is_in for m in self.minds):
            return  # it would wait
        for text in self.pick([
                ["analyze public.stamps"], ["analyze public.thing"], ["analyze sa.thing"],
                ["alter table public.stamps alter at set statistics 50"],
                ["comment on table public.thing is 'x'"],
                ["alter schema sb rename to sc", "alter schema sc rename to sb"],
                ["create or replace view sa.owned as table public.owned"]]):
            self.ask(mind, text)

    def do_temporary(self, mind):
        """A table of its own hides those of others."""
        mind.version += 1
        if mind.is_tempted:
            self.ask(mind, self.pick(["drop table if exists pg_temp.thing", "discard temp"]))
            mind.is_tempted = False
            return
        self.ask(mind, self.pick([
            "create temp table thing(v text)", "create temp table thing as select 'temp'::text v",
            "select 'into'::text v into temp thing",
            "do $$ begin create temp table thing(v text); end $$"]))
        mind.is_tempted = True
        self.do_prepare(mind)

    def do_leaving(self, mind):
        if mind.is_in:
            return
        self.steps.append({"who": mind.who, "do": "leave", "how": "terminate"})
        self.minds[self.minds.index(mind)] = mind = Mind(mind.who)
        self.login(mind)
