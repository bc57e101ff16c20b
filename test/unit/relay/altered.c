/*
 * Which parameters a text may alter.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "proto/sqlscan.h"
#include "relay/altered.h"

/* "name name! name~ ..." with ! for what goes back, ~ for what is but known; then * for
 * all, ! for all back, ? for unknown names. */
static const char *tell(const struct altered *a, char out[512])
{
	struct slice name;
	size_t at = 0, len = 0;
	enum altered_how how;

	out[0] = '\0';
	while (altered_next(a, &at, &name, &how))
		len += (size_t)snprintf(out + len, 512 - len, "%.*s%s ", (int)name.len,
					(const char *)name.data,
					how == ALTERED_RESET     ? "!"
					: how == ALTERED_LOCALLY ? "~"
								 : "");
	snprintf(out + len, 512 - len, "%s%s%s", a->all ? "*" : "",
		 a->resets_all ? "!" : "", a->is_beyond ? "?" : "");
	return out;
}

static void texts_name_what_they_alter(void **state)
{
	static const struct {
		const char *text, *expected;
	} cases[] = {
	    {"SET work_mem = 1", "work_mem "},
	    {"set a = 1; set b to 2; select 3", "a b "},
	    {"set session a = 1", "a "},
	    {"set \"My\".\"Var\" = 1", "My.Var "},
	    {"set a to default", "a! *"},
	    {"set a=DEFAULT;set b = 1", "a! b *"},
	    {"set a = 'default'", "a "},
	    {"set log_statement = none", "log_statement "},
	    {"set synchronous_commit to local", "synchronous_commit "},
	    {"set role none", "role "},
	    {"set role joe", "role "},
	    {"set time zone 'UTC'", "TimeZone "},
	    {"set time zone local", "TimeZone! *"},
	    {"SET TIME ZONE DEFAULT", "TimeZone! *"},
	    {"set session authorization joe", "session_authorization role "},
	    {"reset a", "a! *"},
	    {"reset all", "*!"},
	    {"discard all", "*!"},
	    {"discard plans", ""},
	    {"set session characteristics as transaction read only",
	     "default_transaction_isolation default_transaction_read_only "
	     "default_transaction_deferrable "},
	    {"select set_config('a.b', $1, false)", "a.b "},
	    {"select pg_catalog . SET_CONFIG ( 'a' , 'x', false), set_config('b', '', f)",
	     "a b "},
	    {"select set_config('a' || 'b', 'c', false)", "*?"},
	    {"select set_config($1, $2, false)", "*?"},
	    {"select set_config(E'\\x61', 'c', false)", "*?"},
	    {"select set_config('a''b', 'c', false)", "*?"},
	    {"select set_config('a", "*?"},
	    {"do $$begin perform set_config('a.b', 'c', false); end$$", "a.b *?"},
	    {"do $$begin set a.b = 1; SET\n local c.d.e to 2; set session f.g=1; reset "
	     "x.y;"
	     " update t set u = 1, offset v.w; set z = 2; end$$",
	     "a.b c.d.e f.g *?"},
	    {"call f()", "*?"},
	    {"call f('a.b', 'c', 'd.e f', '.g', ''h.i'', 'j.k", "a.b h.i *?"},
	    {"set h\xc3\xa4.x = 1", "*?"},
	    {"set a.b = 'c\\'", "a.b *?"},
	    {"set a.b = 'c", "a.b "},
	    /* Of a transaction, but known from then on. */
	    {"set local a = 1", ""},
	    {"begin; set local a.b = 1; SET LOCAL \"C\".d TO 2; commit", "a.b~ C.d~ "},
	    {"set local a.b = 'c\\'", "a.b~ "},
	    {"set local a.b = 1; set a.b = 2", "a.b~ a.b "},
	    {"set local a.b = 1; select set_config('c', 'd', false)", "a.b~ c "},
	    {"select set_config('a', 'b', true)", ""},
	    {"select set_config('a.b', $1, true)", "a.b~ "},
	    {"select set_config($1, $2, true)", ""},
	    {"select set_config('a.' || $1, $2, true)", ""},
	    {"select set_config('a.b', 'c', true), set_config('d', 'e', false)",
	     "a.b d "},
	};
	char out[512];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct altered a = {0};
		struct slice text = slice_of_text(cases[i].text);
		for (int twice = 0; twice < 2; twice++)
			altered_note(
			    &a, &(struct sql_text){.text = text, .hints = sqlscan(text)});
		if (strcmp(tell(&a, out), cases[i].expected) != 0)
			fail_msg("%s: \"%s\"", cases[i].text, out);
		altered_clear(&a);
	}
}

/* However short, no text is read beyond its end. */
static void texts_may_be_cut_anywhere(void **state)
{
	static const char text[] =
	    "set time zone default; reset all; set \"a\".\"b\" to default; select "
	    "set_config ( 'a' , 'b', false)";

	(void)state;
	for (size_t len = 0; len < sizeof(text); len++) {
		struct altered a = {0};
		uint8_t *copy = malloc(len + 1);
		assert_non_null(copy);
		memcpy(copy, text, len);
		struct sql_text t = {.text = slice_of(copy, len),
				     .unseen = sizeof(text) - len,
				     .hints = SQL_SETS | SQL_RESETS | SQL_CONFIGURES};
		altered_note(&a, &t);
		altered_clear(&a);
		free(copy);
	}
}

static void arguments_may_be_names_of_ones_own(void **state)
{
	static const char bind[] = "\0\1\0\0"
				   "\0\6"
				   "\0\0\0\4my.x"
				   "\0\0\0\5a.b_c"
				   "\377\377\377\377"
				   "\0\0\0\3"
				   "1.2"
				   "\0\0\0\2"
				   "a."
				   "\0\0\0\4"
				   "ab c"
				   "\0\0";
	char out[512];

	(void)state;
	for (size_t len = 0; len < sizeof(bind); len++) {
		struct altered a = {0};
		uint8_t *copy = malloc(len + 1);
		assert_non_null(copy);
		memcpy(copy, bind, len);
		altered_note_arguments(&a, slice_of(copy, len), ALTERED_SET);
		assert_string_equal(tell(&a, out), len < 14   ? ""
						   : len < 23 ? "my.x "
							      : "my.x a.b_c ");
		altered_clear(&a);
		free(copy);
	}
}

static void too_many_names_are_all_names(void **state)
{
	struct altered a = {0};
	char name[32];

	(void)state;
	for (int i = 0; i < 10000; i++) {
		snprintf(name, sizeof(name), "my.variable_%d", i);
		altered_add(&a, slice_of_text(name), ALTERED_SET);
	}
	assert_true(a.all && a.is_beyond);
	assert_true(buffer_len(&a.names) < 20000);
	altered_clear(&a);
}

static void what_went_back_is_forgotten_but_not_the_names(void **state)
{
	struct altered a = {0}, b = {0};
	char out[512];

	(void)state;
	altered_add(&a, slice_of_text("x"), ALTERED_RESET);
	altered_add(&a, slice_of_text("y"), ALTERED_SET);
	altered_add(&a, slice_of_text("w"), ALTERED_LOCALLY);
	assert_true(altered_has_reset(&a, slice_of_text("X")));
	assert_false(altered_has_reset(&a, slice_of_text("y")));
	altered_drop_resets(&a);
	assert_false(altered_has_reset(&a, slice_of_text("x")));
	assert_string_equal(tell(&a, out), "x y w~ *");
	altered_add(&b, slice_of_text("z"), ALTERED_SET);
	altered_move(&a, &b);
	assert_string_equal(tell(&b, out), "z x y w~ *");
	assert_true(altered_is_empty(&a));
	altered_clear(&b);
}

/* Of "x.y"; 0 also where nothing is known of it. */
static size_t longest(const struct altered *a)
{
	size_t len = 0;

	altered_has_value(a, slice_of_text("X.Y"), &len);
	return len;
}

static void texts_tell_how_long_their_values_may_be(void **state)
{
	static const struct {
		const char *text;
		size_t unseen, least, most;
	} cases[] = {
	    {"set x.y = '12345678'", 0, 8, 16},
	    {"set x.y = '12345678", 100, 108, 116},
	    {"set a = '12345678901234567890'; set x.y = '12345678'", 0, 8, 16},
	    {"set x.y = '12345678'; set a = '12345678901234567890'", 100, 8, 16},
	    {"set x.y = '1'; set x.y = '12345678'; set x.y to 2", 0, 8, 16},
	    {"set x.y to default", 0, 0, 0},
	    {"reset x.y", 0, 0, 0},
	    {"select set_config('x.y', '12345678', false)", 0, 8, 8},
	    {"select set_config('x.y', '1234''678', false)", 0, 8, 9},
	    {"select set_config('x.y', '12345678", 100, 108, 116},
	    {"select set_config('x.y', '12345678'", 100, 8, 8},
	    {"select set_config('x.y', $1, false), '12345678'", 0, 0, 0},
	    {"select set_config('x.y', repeat('12345678', 100), false)", 0, 0, 0},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct altered a = {0}, b = {0};
		struct slice text = slice_of_text(cases[i].text);
		struct sql_text t = {.text = text,
				     .unseen = cases[i].unseen,
				     .hints = sqlscan(text) | SQL_CONFIGURES};
		altered_note(&a, &t);
		size_t len = longest(&a);
		if (len < cases[i].least || len > cases[i].most)
			fail_msg("%s: %zu", cases[i].text, len);
		assert_true(a.values_len >= len);
		altered_add_value(&b, slice_of_text("x.y"), 3);
		altered_move(&a, &b);
		assert_int_equal(longest(&b), len > 3 ? len : 3);
		altered_clear(&b);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(texts_name_what_they_alter),
	    cmocka_unit_test(texts_may_be_cut_anywhere),
	    cmocka_unit_test(arguments_may_be_names_of_ones_own),
	    cmocka_unit_test(too_many_names_are_all_names),
	    cmocka_unit_test(what_went_back_is_forgotten_but_not_the_names),
	    cmocka_unit_test(texts_tell_how_long_their_values_may_be),
	};

	return cmocka_run_group_tests_name("altered", tests, NULL, NULL);
}
