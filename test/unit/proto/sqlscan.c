/*
 * Hints of SQL. What must not be hidden is tried behind comments, in all cases, between
 * blanks and after other statements; what is only quoted must not be a hint.
 */
#include "proto/sqlscan.h"

#include <ctype.h>

#include "unit/base/kit.h"

struct row {
	const char *text;
	uint32_t hints;
};

enum {
	SETS = SQL_SETS,
	RESETS = SQL_RESETS,
	CONFIGURES = SQL_CONFIGURES,
	DISCARDS = SQL_DISCARDS,
	DEALLOCATES = SQL_DEALLOCATES,
	PREPARES = SQL_PREPARES,
	EXECUTES = SQL_EXECUTES,
	TEMPS = SQL_TEMPS,
	HOLDS = SQL_HOLDS,
	LOCKS = SQL_LOCKS,
	UNLOCKS = SQL_UNLOCKS,
	LOADS = SQL_LOADS,
	STEPS = SQL_STEPS,
	CURRENTS = SQL_CURRENTS,
	LISTENS = SQL_LISTENS,
	UNLISTENS = SQL_UNLISTENS,
	DROPS = SQL_DROPS,
	RUNS_CODE = SQL_RUNS_CODE,
	MANY = SQL_IS_MANY,
	MAKES = SQL_MAKES,
};

/* Statements alone; their hints must be found in all circumstances, too. */
static const struct row single[] = {
    {"select 1", 0},
    {"select * from t where a = 'x' and b in (1, 2)", 0},
    {"update t set a = 1 where b = 2", 0},
    {"delete from t", 0},
    {"insert into t values (1)", STEPS},
    {"insert into temp values (1)", STEPS},
    {"merge into temp using s on true when matched then delete", STEPS},
    {"copy t from stdin", STEPS},
    {"begin", 0},
    {"start transaction isolation level serializable", 0},
    {"commit", 0},
    {"rollback to savepoint set", 0},
    {"show all", 0},
    {"vacuum", 0},
    {"notify x, 'y'", 0},
    {"values (1), (2)", 0},
    {"table t", 0},
    {"select set_config from t", 0},
    {"select temp from t", 0},
    {"select a into t from b", MAKES},
    {"select a into template from b", MAKES},
    {"select temp.into from temp", MAKES},
    /* parameters */
    {"set a = 1", SETS},
    {"set a to default", SETS},
    {"set session a = 1", SETS},
    {"set my.var = 1", SETS},
    {"set time zone 'UTC'", SETS},
    {"set session time zone local", SETS},
    {"set names 'utf8'", SETS},
    {"set role none", SETS},
    {"set session authorization default", SETS},
    {"set session session authorization default", SETS},
    {"set session characteristics as transaction read only", SETS},
    {"set local.a = 1", SETS},
    {"set session.a = 1", SETS},
    {"set transaction.a to 1", SETS},
    {"set constraints.a = 1", SETS},
    {"set", SETS},
    {"set local a = 1", 0},
    {"set local a.b = 1", SQL_NAMES},
    {"set local \"a.b\" = 1", SQL_NAMES},
    {"set local time zone 'UTC'", SQL_READS},
    {"SET LOCAL \"DateStyle\" TO default", SQL_READS},
    {"set local names 'UTF8'", SQL_READS},
    {"set local search_path to x", SQL_READS_AGAIN},
    {"set local schema 'x'", SQL_READS_AGAIN},
    {"set local role bob", SQL_READS_AGAIN},
    {"set local session authorization bob", SQL_READS_AGAIN},
    {"set local row_security = off", SQL_READS_AGAIN},
    {"set local backslash_quote = on", SQL_READS_SILENTLY},
    {"set local array_nulls = off", SQL_READS_SILENTLY},
    {"set local xml option document", SQL_READS_SILENTLY},
    {"set local bytea_output = 'escape'", SQL_READS_SILENTLY},
    {"set local Extra_Float_Digits to 0", SQL_READS_SILENTLY},
    {"set local quote_all_identifiers = on", SQL_READS_SILENTLY},
    {"set local transaction read only", 0},
    {"set transaction isolation level serializable", 0},
    {"set transaction_isolation = serializable", 0},
    {"set \"transaction_read_only\" to off", 0},
    {"set session transaction read only", 0},
    {"set constraints all deferred", 0},
    {"reset a", RESETS},
    {"reset all", RESETS},
    {"reset my.var", RESETS},
    {"reset time zone", RESETS},
    {"reset session authorization", RESETS},
    {"reset transaction isolation level", 0},
    {"select set_config('a', 'b', false)", CONFIGURES},
    {"select set_config('a', 'b', $1)", CONFIGURES},
    {"select set_config('a', f(1, 2), not true)", CONFIGURES},
    {"select set_config(setting_name => 'a', new_value => 'b', is_local => true)",
     CONFIGURES},
    {"select set_config(a, b[1, 2], true or false)", CONFIGURES},
    {"select pg_catalog.set_config('a', 'b', null)", CONFIGURES},
    {"select \"set_config\"('a', 'b', false)", CONFIGURES},
    {"select u&\"set\\005fconfig\"('a', 'b', false)", CONFIGURES},
    {"select u&\"\\+000073et_config\" ('a', 'b', false)", CONFIGURES},
    {"select u&\"set!005fconfig\" uescape '!' ('a', 'b', false)", CONFIGURES},
    {"select set_config('a', 'b', true)", 0},
    {"select set_config('TimeZone', 'b', true)", SQL_READS},
    {"select set_config('ARRAY_NULLS', $1, 't')", SQL_READS_SILENTLY},
    {"select set_config ( /* a */ 'search_path' , $1, 'true' )", SQL_READS_AGAIN},
    {"select set_config('app.role', $1, true)", SQL_NAMES},
    {"select set_config('a', f(x, y), 'true'), set_config($1, $2, true)",
     SQL_READS_BY_ARGUMENT | SQL_NAMES_ARGUMENT},
    {"select set_config($12, f(x, y), true)", SQL_READS_BY_ARGUMENT | SQL_NAMES_ARGUMENT},
    {"select set_config($1 || 'x', 'y', true)", SQL_READS_ANYHOW | SQL_NAMES_ARGUMENT},
    {"select set_config('a' || 'b', 'y', true)", SQL_READS_ANYHOW | SQL_NAMES_ARGUMENT},
    {"select set_config('a'::text, 'y', true)", SQL_READS_ANYHOW | SQL_NAMES_ARGUMENT},
    {"select set_config(e'\\x61', 'y', true)", SQL_READS_ANYHOW},
    {"select set_config($$role$$, 'y', true)", SQL_READS_ANYHOW},
    {"select set_config(name, 'y', true)", SQL_READS_ANYHOW | SQL_NAMES_ARGUMENT},
    {"select set_config('a', set_config('b', 'c', false), true)", CONFIGURES},
    {"select set_config('xmloption', 'b', true), set_config('c', 'd', false)",
     CONFIGURES | SQL_READS_SILENTLY},
    {"select set_config('a.b', 'c', true)", SQL_NAMES},
    {"select set_limit(0.5)", CONFIGURES},
    {"select \"SET_CONFIG\"('a', 'b', false)", 0},
    {"select my_set_config('a', 'b', false)", 0},
    {"select set_configs('a', 'b', false)", 0},
    {"select 'set_config(1, 2, 3)'", 0},
    {"select $$ set_config(1, 2, 3) $$, $x$ $$ ' set_config(1, 2, 3) $x$", 0},
    /* statements */
    {"discard all", DISCARDS},
    {"discard temp", DISCARDS},
    {"deallocate a", DEALLOCATES},
    {"deallocate prepare all", DEALLOCATES},
    {"prepare a as select 1", PREPARES},
    {"prepare a (int, text) as select $1", PREPARES},
    {"prepare transaction as select 1", PREPARES},
    {"prepare transaction (int) as select 1", PREPARES},
    {"prepare transaction 'a'", 0},
    {"execute a", EXECUTES},
    {"execute a (1, 2)", EXECUTES},
    {"create table a as execute b", MAKES | EXECUTES},
    {"create temp table a as execute b (1)", MAKES | EXECUTES | TEMPS},
    {"explain execute a", EXECUTES},
    {"explain analyze verbose execute a", EXECUTES},
    {"explain (analyze, format json) execute a", EXECUTES},
    {"explain (analyze) select 1", 0},
    {"explain analyze (select set_config('a', 'b', false))", CONFIGURES},
    {"explain analyze insert into t values (1)", STEPS},
    {"create trigger a after delete on b execute function c()", MAKES},
    /* temporary things */
    {"create temp table a ()", MAKES | TEMPS},
    {"create temporary table a ()", MAKES | TEMPS},
    {"create local temp table a ()", MAKES | TEMPS},
    {"create global temporary sequence a", MAKES | TEMPS},
    {"create or replace temp view a as select 1", MAKES | TEMPS},
    {"create table pg_temp.a ()", MAKES | TEMPS},
    {"create table \"pg_temp\".a ()", MAKES | TEMPS},
    {"create table pg_temp_3.a ()", MAKES | TEMPS},
    {"create function pg_temp.f() returns int language sql return 1", MAKES | TEMPS},
    {"create table u&\"pg\\005ftemp\".a ()", MAKES | TEMPS},
    {"create table a (temp int)", MAKES},
    {"create table temp ()", MAKES},
    {"create table pg_temperature.a ()", MAKES},
    {"create table a (b text default 'pg_temp.c')", MAKES},
    {"create view a as select temp from b", MAKES},
    {"select a into temp b from c", MAKES | TEMPS},
    {"select a into temporary table b from c", MAKES | TEMPS},
    {"select a into local temp b from c", MAKES | TEMPS},
    {"select a into pg_temp.b from c", MAKES | TEMPS},
    {"select a into \"pg_temp\".b from c", MAKES | TEMPS},
    {"select a into u&\"pg_tem\\0070\".b from c", MAKES | TEMPS},
    {"with a as (select 1) select * into temp b from a", MAKES | TEMPS},
    {"(select 1 into temp b)", MAKES | TEMPS},
    {"select 'into temp a'", 0},
    {"with a as (select 1) select * from a", 0},
    {"with a as (insert into b values (1) returning c) select * from a", STEPS},
    {"with a as (select 1) merge into b using a on true when matched then delete", STEPS},
    /* cursors */
    {"declare a cursor with hold for select 1", HOLDS},
    {"declare a binary insensitive no scroll cursor with hold for select 1", HOLDS},
    {"declare a cursor for with hold as (select 1) select 2", 0},
    {"declare a cursor without hold for select 1", 0},
    {"declare a cursor for select 1", 0},
    {"declare a cursor", HOLDS},
    {"fetch all from a", 0},
    {"close a", DROPS},
    {"close all", DROPS},
    {"drop table a", DROPS},
    /* locks */
    {"select pg_advisory_lock(1)", LOCKS},
    {"select pg_advisory_lock_shared(1)", LOCKS},
    {"select pg_try_advisory_lock(1, 2)", LOCKS},
    {"select pg_try_advisory_lock_shared(1, 2)", LOCKS},
    {"select * from pg_catalog.pg_try_advisory_lock(1, 2)", LOCKS},
    {"select \"pg_catalog\" . \"pg_advisory_lock\" (1)", LOCKS},
    {"update t set a = pg_advisory_lock(b)", LOCKS},
    {"select pg_advisory_xact_lock(1), pg_try_advisory_xact_lock_shared(2)", 0},
    {"select pg_advisory_unlock(1)", UNLOCKS},
    {"select pg_advisory_unlock_shared(1)", UNLOCKS},
    {"select pg_advisory_unlock_all()", UNLOCKS},
    {"select pg_advisory_lock(1), pg_advisory_unlock(1)", LOCKS | UNLOCKS},
    {"select 'pg_advisory_lock(1)', \"pg_advisory_lock(1)\" from t", 0},
    /* sequences */
    {"select nextval('a')", STEPS},
    {"select setval('a', 1)", STEPS},
    {"select currval('a')", CURRENTS},
    {"select lastval()", CURRENTS},
    {"insert into t values (nextval('a'), currval('b'))", STEPS | CURRENTS},
    {"insert into t values ('currval(1)')", STEPS},
    {"select interval(1), firstval(2), rval(3), nextvals(4)", 0},
    /* others */
    {"load 'a'", LOADS},
    {"listen a", LISTENS},
    {"unlisten a", UNLISTENS},
    {"unlisten *", UNLISTENS},
    {"do $$ begin end $$", RUNS_CODE},
    {"call a(1)", RUNS_CODE},
    {"create function a() returns int language sql begin atomic select 1; select 2; "
     "select case when true then 1 else 2 end; end",
     MAKES},
    {"create procedure a() begin atomic insert into t values (1); end", MAKES | STEPS},
    {"create rule a as on delete to b do (select 1; select 2)", MAKES},
};

/* The hints of a copy of exactly this length, which is then of no use to anyone. */
static uint32_t hints_of(const char *text)
{
	struct slice s = slice_of_text(text);
	uint8_t *copy = exact_copy(s);
	uint32_t hints = sqlscan(slice_of(copy, s.len));

	free(copy);
	return hints;
}

static void assert_hints(const char *text, uint32_t expected)
{
	uint32_t hints = hints_of(text);

	if (hints != expected)
		print_error("hints of \"%s\" are %#x, not %#x\n", text, hints, expected);
	assert_int_equal(hints, expected);
}

static void statements_have_their_hints(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT_OF(single); i++)
		assert_hints(single[i].text, single[i].hints);
}

/* What stands around a statement without changing it. */
static const char *const fronts[] = {
    " ",
    "\t\r\n\f ",
    "/* */",
    "/* select */ /**/",
    "/* a /* nested; ' */ \" */",
    "-- it's\n",
    "--\r-- b\n\n/*/**/*/",
    ";",
    " ; ;;\n",
    "/*+ hint(a) */",
};

static const char *const backs[] = {
    " ", ";", " ; \n;", "\n-- set b = 1\n", "/* ; discard all", "-- ; listen a", "; -- b",
};

static void nothing_around_a_statement_hides_it(void **state)
{
	char text[512];

	(void)state;
	for (size_t i = 0; i < COUNT_OF(single); i++) {
		for (size_t f = 0; f < COUNT_OF(fronts); f++) {
			snprintf(text, sizeof(text), "%s%s", fronts[f], single[i].text);
			assert_hints(text, single[i].hints);
		}
		for (size_t b = 0; b < COUNT_OF(backs); b++) {
			snprintf(text, sizeof(text), "%s%s", single[i].text, backs[b]);
			assert_hints(text, single[i].hints);
		}
	}
}

/* Whether upper case would change what the text means: it has quotes. */
static bool has_names_in_quotes(const char *text)
{
	return strchr(text, '"') != NULL;
}

static void case_hides_nothing(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT_OF(single); i++) {
		char text[512];
		size_t len = strlen(single[i].text);

		if (has_names_in_quotes(single[i].text))
			continue;
		for (unsigned way = 0; way < 3; way++) {
			for (size_t c = 0; c <= len; c++) {
				int letter = (unsigned char)single[i].text[c];

				text[c] =
				    (char)(way == 0 || c % 2 == way % 2 ? toupper(letter)
									: letter);
			}
			assert_hints(text, single[i].hints);
		}
	}
}

/* Every blank outside of quotes is also a line's end and a comment. */
static void blanks_of_all_kinds_hide_nothing(void **state)
{
	static const char *const blanks[] = {"\n", "\t\t", " /* ' */ ", "/**/",
					     " -- \" $$ ;\n "};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(single); i++) {
		if (strpbrk(single[i].text, "'\"$"))
			continue;
		for (size_t b = 0; b < COUNT_OF(blanks); b++) {
			char text[2048];
			size_t len = 0;

			for (const char *c = single[i].text; *c; c++) {
				const char *next = *c == ' ' ? blanks[b] : c;
				int count = *c == ' ' ? (int)strlen(next) : 1;

				len += (size_t)snprintf(text + len, sizeof(text) - len,
							"%.*s", count, next);
			}
			assert_hints(text, single[i].hints);
		}
	}
}

static void every_statement_of_many_counts(void **state)
{
	static const char *const others[] = {
	    "select ';'",
	    "select 'it''s', \"a;\"\"b\"",
	    "select E'\\';'",
	    "select e'\\\\', ';'",
	    "select e'\\\\\\';'",
	    "select e'a'\n '\\';'",
	    "select e'a' -- b\n '\\';'",
	    "select e'a'\n -- b '\n '\\';'",
	    "select $$;$$, $a$ $$; ' $b$ $a$",
	    "select $1$1$;$1$",
	    "select u&';', n';', b'0;', x'a;'",
	    "select U&\";\"\"\", U&\"a\" uescape ';'",
	    "select a$b$c from $c$;$c$",
	    "select '\\'';'",
	    "select 1 /* ; ' */ + 2 -- ; '\n + 3",
	    "select ';' /* /* ; */ ' */",
	    "(select 1)",
	    "",
	};
	char text[1024];

	(void)state;
	for (size_t i = 0; i < COUNT_OF(single); i++) {
		for (size_t o = 0; o < COUNT_OF(others); o++) {
			uint32_t many = others[o][0] ? MANY : 0;
			/* This one has two ways to be read. */
			bool is_doubtful = strstr(others[o], "\\''") != NULL;

			snprintf(text, sizeof(text), "%s;%s", others[o], single[i].text);
			uint32_t hints = hints_of(text);
			if (is_doubtful)
				assert_int_equal(hints & single[i].hints,
						 single[i].hints);
			else
				assert_hints(text, single[i].hints | many);
			snprintf(text, sizeof(text), "%s ; %s", single[i].text,
				 others[o]);
			if (!is_doubtful)
				assert_hints(text, single[i].hints | many);
		}
	}
}

static void strings_are_read_both_ways_where_they_may_be(void **state)
{
	static const struct row cases[] = {
	    /* With standard_conforming_strings off the string goes on behind \'. */
	    {"select '\\'; listen a; select '", LISTENS | MANY},
	    {"select '\\''; listen a --'", LISTENS | MANY},
	    {"select 'a\\\\'; listen a", LISTENS | MANY},
	    {"select 'a\\\\', '; listen a'", 0},
	    {"select 'it\\'s', '; listen a; '", LISTENS | MANY},
	    {"select n'\\''; listen a --'", LISTENS | MANY},
	    /* In some encodings the second byte of a character is a backslash. */
	    {"select e'\x95\\'; listen a --'", LISTENS | MANY},
	    {"select e'\x95\\' || '; listen a --'", LISTENS | MANY},
	    {"select e'\xc3\xa9\\'; listen a'", LISTENS | MANY},
	    {"select e'\xc3\xa9\\n; listen a'", 0},
	    {"select '\x95\\'; listen a --'", LISTENS | MANY},
	    {"select '\x95\\\\', '; listen a --'", LISTENS | MANY},
	    {"select '\\\\\x95\\\\', '; listen a --'", LISTENS | MANY},
	    {"select 'a\x95', '; listen a --'", 0},
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++)
		assert_hints(cases[i].text, cases[i].hints);
}

/* A longer text, so that the fast search has whole blocks, with something in it at every
 * place. */
static void hints_are_found_at_every_place(void **state)
{
	static const struct row pieces[] = {
	    {" pg_advisory_lock(1) ", LOCKS},
	    {" into Temp t ", MAKES | TEMPS},
	    {" nextval/**/('a') ", STEPS},
	    {" currval -- x\n\n ('a') ", CURRENTS},
	    {" set_config\n('a', 'b') ", CONFIGURES},
	    {" into temporal ", MAKES},
	    {" lastval ", 0},
	};
	char text[512];

	(void)state;
	for (size_t p = 0; p < COUNT_OF(pieces); p++) {
		for (int at = 0; at < 150; at++) {
			snprintf(text, sizeof(text), "select %0*d %s %0*d", at + 1, 0,
				 pieces[p].text, 150 - at, 0);
			assert_hints(text, pieces[p].hints);
		}
	}
}

/* As much as is here may be read, and what is complete counts. */
static void nothing_at_all_has_no_hints(void **state)
{
	(void)state;
	assert_int_equal(sqlscan(slice_of(NULL, 0)), 0);
	assert_int_equal(sqlscan(slice_of_text("")), 0);
}

static void every_cut_is_read_within_its_end(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT_OF(single); i++) {
		char text[512];

		snprintf(text, sizeof(text), "listen a; %s; /* ' */ $a$ x $a$ u&\"a\"",
			 single[i].text);
		for (size_t len = 0; len <= strlen(text); len++) {
			uint8_t *copy = exact_copy(slice_of(text, len));
			uint32_t hints = sqlscan(slice_of(copy, len));

			if (len >= 8)
				assert_true(hints & LISTENS);
			free(copy);
		}
	}
}

static void statements_come_one_by_one_with_their_names(void **state)
{
	static const struct {
		const char *text;
		struct {
			uint32_t hints;
			const char *name;
		} each[5];
		size_t count;
	} cases[] = {
	    {"", {{0}}, 0},
	    {" ;; /* */ ; -- x", {{0}}, 0},
	    {"select 1", {{0, ""}}, 1},
	    {"set TimeZone = 'UTC'; reset ALL;reset \"a b\" . c",
	     {{SETS, "TimeZone"}, {RESETS, "ALL"}, {RESETS, "\"a b\" . c"}},
	     3},
	    {"set session my.var to 1; set Time /* x */ Zone 'UTC'; set names 'x'",
	     {{SETS, "my.var"}, {SETS, "Time /* x */ Zone"}, {SETS, "names"}},
	     3},
	    {"set session characteristics as transaction read only; set time zone",
	     {{SETS, "session characteristics as transaction"}, {SETS, "time zone"}},
	     2},
	    {"set time; set xml option content; set local a = 1",
	     {{SETS, "time"}, {SETS, "xml option"}, {0, ""}},
	     3},
	    {"reset session authorization; set time.x = 1;set role to x",
	     {{RESETS, "session authorization"}, {SETS, "time.x"}, {SETS, "role"}},
	     3},
	    {"prepare A as select 1; execute a(1); deallocate prepare \"A;\"; deallocate "
	     "all",
	     {{PREPARES, "A"},
	      {EXECUTES, "a"},
	      {DEALLOCATES, "\"A;\""},
	      {DEALLOCATES, "all"}},
	     4},
	    {"deallocate prepare; prepare transaction 'x'; discard Temp",
	     {{DEALLOCATES, "prepare"}, {0, ""}, {DISCARDS, "Temp"}},
	     3},
	    {"listen \"Ch\"; unlisten *; unlisten ch; listen",
	     {{LISTENS, "\"Ch\""}, {UNLISTENS, "*"}, {UNLISTENS, "ch"}, {LISTENS, ""}},
	     4},
	    {"create table a as execute p; explain analyze execute \"q\"",
	     {{MAKES | EXECUTES, "p"}, {EXECUTES, "\"q\""}},
	     2},
	    {"listen u&\"a!0062\" uescape '!'; select 1",
	     {{LISTENS, "u&\"a!0062\" uescape '!'"}, {0, ""}},
	     2},
	    /* Nobody knows where the first ends, so the rest is one. */
	    {"begin; select 'a\\''; listen a; listen b --'", {{0, ""}, {LISTENS, ""}}, 2},
	    /* But what it sets stands before. */
	    {"begin; set a.b = 'c\\''; select 1 --'", {{0, ""}, {SETS, "a.b"}}, 2},
	    {"set local a.b = 'c\\''; set c = 1 --'", {{SETS | SQL_NAMES, "a.b"}}, 1},
	    {"set a.b = 'c", {{SETS, "a.b"}}, 1},
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		struct slice rest = slice_of_text(cases[i].text);
		struct sql_statement s;
		size_t count = 0;

		for (; sqlscan_next(&rest, &s); count++) {
			assert_true(count < cases[i].count);
			assert_int_equal(s.hints, cases[i].each[count].hints);
			assert_slice_is(s.name, cases[i].each[count].name);
			/* No other cases have such a string. */
			bool has_doubts = strstr(cases[i].text, "\\''") != NULL;
			assert_int_equal(s.is_doubtful, has_doubts && rest.len == 0);
		}
		assert_int_equal(count, cases[i].count);
		assert_false(sqlscan_next(&rest, &s));
	}
}

#define TEN "0123456789"
#define SIXTY TEN TEN TEN TEN TEN TEN

static void texts_that_read_the_clock_are_found(void **state)
{
	static const struct {
		const char *text;
		bool reads;
	} rows[] = {
	    {"select 'now'::timestamptz", true},
	    {"select timestamptz '  Now '", true},
	    {"select $$now$$::timestamptz", true},
	    {"select date 'TODAY', 1", true},
	    {"select 'tomorrow 12:00'::timestamp", true},
	    {"select 'yesterday'", true},
	    {"select '12:00'::timetz", true},
	    {"select now()", false},
	    {"select now ()", true}, /* rather too often */
	    {"select pg_catalog.now() - $1::interval, knows from things", false},
	    {"select automobile, time from t where a = 'known'", false},
	    {"", false},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		assert_int_equal(sqlscan_reads_clock(slice_of_text(rows[i].text)),
				 rows[i].reads);
}

static void identifiers_are_those_of_postgresql(void **state)
{
	static const struct {
		const char *written, *name;
	} cases[] = {
	    {"Name", "name"},
	    {"a$1_\xc3\x84", "a$1_\xc3\x84"},
	    {"\"Name\"", "Name"},
	    {"\"a\"\"b;'\"", "a\"b;'"},
	    {"\"\"", ""},
	    {"\"never", ""},
	    {"\"a\"b", ""},
	    {"", ""},
	    {"*", ""},
	    {"'a'", ""},
	    {"U&\"\\0061\\+000062\\\\c\"", "ab\\c"},
	    {"u&\"\\00e9\\20ac\\+01f600\"", "\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80"},
	    {"u&\"a!0062\" uescape '!'", "ab"},
	    {"u&\"a!0062!!\"\nUESCAPE/**/'!'", "ab!"},
	    {"u&\"\\00zz\"", ""},
	    {"u&\"\\00", ""},
	    {"u&\"\\", ""},
	    {"u&\"\\+110000\"", ""},
	    {"u&\"\\0000\"", ""},
	    {"A" SIXTY "bcd", "a" SIXTY "bc"},
	    {"\"A" SIXTY "b\xc3\xa9\"", "A" SIXTY "b"},
	    {"\"" SIXTY "\xe2\x82\xac"
	     "c\"",
	     SIXTY "\xe2\x82\xac"},
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		struct slice written = slice_of_text(cases[i].written);
		uint8_t *copy = exact_copy(written);
		char out[64] = "untouched";
		size_t len = sqlscan_identifier(slice_of(copy, written.len), out);

		assert_int_equal(len, strlen(cases[i].name));
		if (len > 0)
			assert_string_equal(out, cases[i].name);
		free(copy);
	}
}

static void keywords_are_told_from_names(void **state)
{
	(void)state;
	assert_true(sqlscan_is(slice_of_text("ALL"), "all"));
	assert_true(sqlscan_is(slice_of_text("all"), "all"));
	assert_false(sqlscan_is(slice_of_text("\"all\""), "all"));
	assert_false(sqlscan_is(slice_of_text("al"), "all"));
	assert_false(sqlscan_is(slice_of_text("alls"), "all"));
	assert_false(sqlscan_is(slice_of_text(""), ""));
}

static void parameters_have_their_names(void **state)
{
	static const struct {
		const char *written, *names[3];
	} cases[] = {
	    {"DateStyle", {"datestyle"}},
	    {"\"TimeZone\"", {"TimeZone"}},
	    {"My /* x */ . \"Var\"", {"my.Var"}},
	    {"a.b.c", {"a.b.c"}},
	    {"all", {NULL}},
	    {"\"all\"", {"all"}},
	    {"Time  ZONE", {"TimeZone"}},
	    {"time", {"time"}},
	    {"NAMES", {"client_encoding"}},
	    {"schema", {"search_path"}},
	    {"role", {"role"}},
	    {"xml option", {"xmloption"}},
	    {"session authorization", {"session_authorization", "role"}},
	    {"session_authorization", {"session_authorization", "role"}},
	    {"session characteristics as\ntransaction",
	     {"default_transaction_isolation", "default_transaction_read_only",
	      "default_transaction_deferrable"}},
	    {"sort_mem", {"work_mem"}},
	    {"", {NULL}},
	    {"a.", {NULL}},
	    {"a b", {NULL}},
	    {".a", {NULL}},
	    {SIXTY "." SIXTY, {NULL}}, /* a digit is no start */
	    {"a" SIXTY ".b" SIXTY, {"a" SIXTY ".b" SIXTY}},
	    {"a" SIXTY ".b" SIXTY ".c", {"a" SIXTY ".b" SIXTY ".c"}},
	    {"a" SIXTY ".b" SIXTY ".c12345", {NULL}},
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		for (unsigned n = 0; n < 4; n++) {
			const char *expected = n < 3 ? cases[i].names[n] : NULL;
			char out[SQL_NAME_LEN];
			const char *name =
			    sqlscan_parameter(slice_of_text(cases[i].written), n, out);

			if (expected && name)
				assert_string_equal(name, expected);
			else
				assert_true(!expected && !name);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(statements_have_their_hints),
	    cmocka_unit_test(nothing_around_a_statement_hides_it),
	    cmocka_unit_test(case_hides_nothing),
	    cmocka_unit_test(blanks_of_all_kinds_hide_nothing),
	    cmocka_unit_test(every_statement_of_many_counts),
	    cmocka_unit_test(strings_are_read_both_ways_where_they_may_be),
	    cmocka_unit_test(hints_are_found_at_every_place),
	    cmocka_unit_test(nothing_at_all_has_no_hints),
	    cmocka_unit_test(every_cut_is_read_within_its_end),
	    cmocka_unit_test(statements_come_one_by_one_with_their_names),
	    cmocka_unit_test(texts_that_read_the_clock_are_found),
	    cmocka_unit_test(identifiers_are_those_of_postgresql),
	    cmocka_unit_test(keywords_are_told_from_names),
	    cmocka_unit_test(parameters_have_their_names),
	};

	return cmocka_run_group_tests_name("sqlscan", tests, NULL, NULL);
}
