"""What is said: parameters and their values, and statements about everything a server keeps.

Texts contain {s}, the number of the session, where something must be its own: tables, so
that nobody waits for another's lock, and functions. No text has a backslash in a string,
since a statement is prepared again under other settings.
"""

PARAMETERS = {
    "DateStyle": ["ISO, DMY", "SQL, MDY", "German", "Postgres, DMY"],
    "IntervalStyle": ["postgres", "iso_8601", "sql_standard", "postgres_verbose"],
    "TimeZone": ["UTC", "Asia/Tokyo", "America/New_York", "-3"],
    "application_name": ["one", "two words", "it''s", "a" * 63, ""],
    "client_encoding": ["UTF8", "LATIN1", "SQL_ASCII"],
    "standard_conforming_strings": ["on", "off"],
    "default_transaction_read_only": ["on", "off"],
    "default_transaction_isolation": ["repeatable read", "read committed"],
    "work_mem": ["1MB", "3MB", "64kB"],
    "extra_float_digits": ["0", "1", "-5"],
    "bytea_output": ["hex", "escape"],
    "search_path": ["public", "pg_catalog, public", "nowhere", '"$user", public'],
    "statement_timeout": ["30s", "1min"],
    "lock_timeout": ["20s", "0"],
    "enable_seqscan": ["on", "off"],
    "app.x": ["x1", "it''s x", "", "long " * 300],
    "app.y": ["y1", "y2"],
}
# Those whose every value may be in quotes; search_path is a list of names.
UNQUOTED = {"search_path"}
CUSTOM = {"app.x", "app.y"}

# Start-up parameters; "options" is put together from the others.
STARTUP = {
    "application_name": ["starter", "start two"],
    "DateStyle": ["ISO, YMD", "SQL, DMY"],
    "TimeZone": ["Europe/Oslo", "UTC"],
    "IntervalStyle": ["iso_8601"],
    "client_encoding": ["LATIN1", "UTF8"],
    "extra_float_digits": ["2", "0"],
    "statement_timeout": ["50s", "70s"],
    "search_path": ["public, pg_catalog"],
    "app.y": ["from the start"],
}
STARTUP_OPTIONS = {
    "work_mem": ["7MB"],
    "app.x": ["optional"],
    "enable_seqscan": ["off"],
    "bytea_output": ["escape"],
    "lock_timeout": ["21s"],
}

# Shows the effect of many parameters in one row.
WITNESS = ("select timestamptz '2020-02-03 04:05:06+00', interval '1 day 2 hours', 1.1::float8,"
           " 'ab'::bytea, current_setting('work_mem'), current_setting('search_path'),"
           " current_setting('application_name'), coalesce(current_setting('app.x', true), ''),"
           " coalesce(current_setting('app.y', true), ''), current_user")

# The answer is not compared: it shows how often a session finds itself elsewhere.
WHICH_SERVER = "select 'server ' || pg_backend_pid()"

HARMLESS = [
    "select 1", "select 'text' as t, null as n", "select", "", "values (1, 'a'), (2, null)",
    "select id, b from t{s} order by id", "select count(*) from t{s}", "select f{s}()",
    "select generate_series(1, 30)", "select 1/0", "select * from nowhere", "selekt 1",
    "select 10 / (3 - g) from generate_series(1, 5) g", "-- only a comment", ";",
    "select repeat('long ', 2000)", WITNESS, "table t{s}", "show transaction_isolation",
    "do $$ begin raise notice 'said {s}'; end $$", "explain (costs off) select 1",
    "/* a comment */ select 2 -- and one behind", "select 'set x to y', 'listen to me'",
    "with w as (select 3 as x) select x from w", WHICH_SERVER,
]
WRITING = [
    "insert into t{s} values ({n}, 1, 'new') ", "update t{s} set a = a + 1 where id < 3",
    "delete from t{s} where id = {n}", "insert into t{s} values (1, 1, 'twice')",
    "update t{s} set b = b || '!' where id = 2 returning b", "truncate t{s}",
    "insert into t{s} select g, g, 'g' from generate_series({n}, {n} + 3) g returning id",
    "select * from t{s} where id = 1 for update", "lock table t{s}",
]
ALL_COLUMNS = "select * from t{s} order by 1"
# text, types of parameters, values that fit and values that do not
PREPARABLE = [
    ("select $1::int + 1", [], [["41"], [None], ["x"]]),
    ("select $1::text, $2::int", [], [["a", "2"], ["b", "two"]]),
    ("select $1", [23], [["7"], ["seven"]]),
    ("select 10 / $1::int", [], [["5"], ["0"]]),
    ("select b from t{s} where id = $1", [], [["1"], ["2"], ["99"]]),
    ("insert into t{s} values ($1, $2, $3)", [], [["{n}", "1", "p"], ["1", "1", "twice"]]),
    ("update t{s} set a = a + $1 where id = $2 returning a", [], [["1", "1"], ["5", "3"]]),
    (ALL_COLUMNS, [], [[]]),
    ("select generate_series(1, $1::int)", [], [["9"], ["0"]]),
    ("select current_setting($1)", [], [["work_mem"], ["DateStyle"], ["no.such"]]),
    ("select 'variant {n} of {s}'", [], [[]]),
    ("select f{s}(), $1::text", [], [["f"]]),
    (WITNESS, [], [[]]), ("", [], [[]]), ("selekt", [], [[]]), ("select * from u{s}", [], [[]]),
    ("begin", [], [[]]), ("commit", [], [[]]), ("set local work_mem to '4MB'", [], [[]]),
    ("set app.y to 'extended'", [], [[]]), ("show DateStyle", [], [[]]),
]
TEMPORARY = [
    "create temp table tmp(a int, who text)", "insert into tmp values (1, 'session {s}')",
    "select * from tmp", "drop table tmp", "drop table if exists tmp",
    "create temp table gone on commit drop as select 1 as a", "select * from gone",
    "create temp table emptied(a int) on commit delete rows", "insert into emptied values (1)",
    "select count(*) from emptied", "drop table emptied", "create temp view seen as select {s} v",
    "select * from seen", "drop view seen", "create temp sequence counted",
    "select nextval('counted')", "drop sequence counted", "discard temp",
    "select 1 as a into temp selected", "drop table selected", "select to_regclass('tmp')",
]
PREPARED = [
    "prepare p as select 'prepared by {s}'", "prepare p(int) as select $1 + {s}", "execute p",
    "execute p(5)", "deallocate p", "prepare q as table t{s}", "execute q", "deallocate q",
    "deallocate all", "deallocate prepare all", "deallocate nothing",
    "select name from pg_prepared_statements where from_sql order by 1",
]
CURSORS = [
    "declare c cursor with hold for select g, {s} from generate_series(1, 9) g", "fetch 2 from c",
    "fetch all from c", "close c", "close all", "declare d cursor for select g from "
    "generate_series(1, 9) g", "fetch 3 from d", "move 2 in d", "close d",
    "select name, is_holdable from pg_cursors where name in ('c', 'd') order by 1",
]
LOCKS = [
    "select pg_try_advisory_lock({k})", "select pg_try_advisory_lock({k})",
    "select pg_advisory_unlock({k})", "select pg_advisory_unlock({k})",
    "select pg_advisory_unlock_all()", "select pg_try_advisory_xact_lock({k})",
    "select pg_try_advisory_lock_shared({k})", "select pg_advisory_unlock_shared({k})",
    "select pg_advisory_lock(50 + {s})", "select pg_advisory_unlock(50 + {s})",
    "select pg_try_advisory_lock(1, {k})", "select pg_advisory_unlock(1, {k})",
    "select count(*) from pg_locks where locktype = 'advisory' and pid = pg_backend_pid()",
]
SEQUENCES = [
    "select nextval('shared_sequence')", "select nextval('shared_sequence')",
    "select setval('shared_sequence', 100)", "select currval('shared_sequence')",
    "select lastval()", "discard sequences",
]
DEFINING = [
    "alter table t{s} add column c{n} int default {n}", "alter table t{s} alter column b type "
    "varchar(50)", "alter table t{s} alter column b type text", "alter table t{s} drop column a",
    "create table u{s}(v int)", "drop table u{s}", "drop table if exists u{s}",
    "create or replace function f{s}() returns int language sql as 'select {n}'",
    "create index on t{s}(b)", "analyze t{s}", "comment on table t{s} is 'number {n}'",
    "alter table t{s} rename column b to b{n}", "vacuum t{s}",
]
ROLES = [
    "set role bob", "reset role", "set local role bob", "select current_user, session_user",
    "set role none", "set role nobody_at_all", "set session authorization bob",
    "reset session authorization",
]
CHANNELS = ["news", "Odd Name"]
