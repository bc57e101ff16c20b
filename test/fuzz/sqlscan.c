/*
 * Fuzzes the look at SQL: what is read word by word must have all the hints that the
 * quick look gives, statements and their names must lie within the text, and a statement
 * in front or behind must not make another disappear.
 */
#include "proto/sqlscan.h"

#include <stdlib.h>

#include "base/check.h"
#include "fuzz/fuzz.h"
#include "proto/sqlread.h"

/* Common hints may be guesses, and INTO matters where the first word is SELECT or WITH
 * only. */
static const uint32_t MAY_DIFFER = SQL_COMMON | SQL_TEMPS | SQL_MAKES;

static void check_inside(struct slice s, struct slice text)
{
	if (s.len > 0)
		CHECK(s.data >= text.data && s.data + s.len <= text.data + text.len);
}

static void check_name(struct slice name)
{
	char identifier[64], out[SQL_NAME_LEN];
	size_t len = sqlscan_identifier(name, identifier);

	CHECK(len < sizeof(identifier) && (len == 0 || identifier[len] == '\0'));
	for (unsigned i = 0; i < 4; i++) {
		const char *parameter = sqlscan_parameter(name, i, out);

		CHECK(!parameter || strlen(parameter) < SQL_NAME_LEN);
		CHECK(i < 3 || !parameter);
	}
}

static void check_statements(struct slice text, uint32_t all)
{
	struct slice rest = text;
	struct sql_statement s;
	uint32_t hints = 0;
	size_t count = 0;

	while (sqlscan_next(&rest, &s)) {
		check_inside(s.name, text);
		check_inside(rest, text);
		check_name(s.name);
		hints |= s.hints;
		count++;
	}
	CHECK((hints & ~(all | MAY_DIFFER)) == 0);
	CHECK(count < 2 || (all & SQL_IS_MANY));
}

/* What is behind a semicolon counts whatever it stands behind, if that is complete; and
 * in front nothing can take it away. */
static void check_neighbours(struct slice text, uint32_t all)
{
	static const char front[] = "/* ' */ listen a -- $$\n;";
	size_t len = sizeof(front) - 1 + text.len;
	uint8_t *both = malloc(len);

	if (!both)
		abort();
	memcpy(both, front, sizeof(front) - 1);
	if (text.len > 0)
		memcpy(both + sizeof(front) - 1, text.data, text.len);
	uint32_t hints = sqlscan(slice_of(both, len));
	CHECK(hints & SQL_LISTENS);
	CHECK((all & ~(hints | MAY_DIFFER)) == 0);
	free(both);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
	struct slice text = slice_of(data, len);
	uint32_t all = sqlscan(text);

	CHECK(((all ^ sqlread_all_ways(text)) & ~MAY_DIFFER) == 0);
	check_statements(text, all);
	check_neighbours(text, all);
	return 0;
}

#define BYTES(text) slice_of(text, sizeof(text) - 1)

void fuzz_corpus(fuzz_run_fn run)
{
	run(BYTES("select set_config('a', f(1, 2), false), nextval('s') into temp t"));
	run(BYTES("select f($a$x$a$set_config('a', 'b', false))"));
	run(BYTES(
	    "with a as (insert into b values ($1)) select u&\"\\005f!\" uescape '!'"));
	run(BYTES("set session my . \"Var\" = 1; reset time zone;set local x to y"));
	run(BYTES(
	    "/* a /* b */ ; */ -- c\n(select e'\\'' \n 'b', $a$ ; $a$, 'it''s\\')"));
	run(BYTES("create or replace temp table pg_temp.a as execute \"p\"(1)"));
	run(BYTES(
	    "create function f() begin atomic select case 1 when 1 then 2 end; end;"));
	run(BYTES("prepare a as select 1; deallocate prepare a; discard all; listen a"));
	run(BYTES("declare c cursor with hold for select pg_advisory_lock /**/ (1)"));
	run(BYTES("explain (analyze) execute a; do $$ x $$; call p(); unlisten *"));
	run(BYTES("'\xf3\\\\';'\x8e\\''$$\\''set_config("));
	run(BYTES("set session characteristics as transaction read only; load 'x'"));
}
