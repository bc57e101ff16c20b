/*
 * Questions to the server, and rows of answers.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "proto/params.h"
#include "proto/writer.h"
#include "relay/altered.h"
#include "relay/pin.h"
#include "relay/question.h"

static const char *ask(const struct question *q, struct buffer *out)
{
	assert_true(question_write(q, out));
	assert_true(buffer_append(out, slice_of("", 1)));
	return (const char *)buffer_bytes(out).data;
}

static void only_what_is_of_interest_is_asked_for(void **state)
{
	struct altered by_name = {0}, none = {0}, all = {.all = true};
	struct buffer out = {0};
	struct question q = {.altered = &by_name, .extra = "x, y"};

	(void)state;
	altered_add(&by_name, slice_of_text("it's"), ALTERED_SET);
	const char *sql = ask(&q, &out);
	assert_non_null(strstr(sql, "('it''s'), ('x'), ('y'))"));
	assert_null(strstr(sql, "pg_settings"));
	assert_null(strstr(sql, "pg_locks"));
	assert_null(strstr(sql, "statement_timeout"));
	buffer_fini(&out);
	q = (struct question){.altered = &none, .extra = "x", .reasons = PIN_LOCKS};
	sql = ask(&q, &out);
	assert_null(strstr(sql, "current_setting"));
	assert_non_null(strstr(sql, "pg_catalog.pg_locks"));
	assert_null(strstr(sql, "pg_cursors"));
	buffer_fini(&out);
	q = (struct question){
	    .altered = &all, .extra = "", .longest = 4711, .is_pressed = true};
	sql = ask(&q, &out);
	assert_non_null(strstr(sql, "OPERATOR(pg_catalog.>) 4711 "));
	assert_null(strstr(strstr(sql, "pg_settings"), "4711"));
	assert_non_null(strstr(sql, "pg_catalog.pg_settings"));
	assert_int_equal(strncmp(sql, "SHOW statement_timeout;", 23), 0);
	buffer_fini(&out);
	altered_clear(&by_name);
}

static void all_means_the_parts_of_extensions_that_are_known(void **state)
{
	struct altered all = {.all = true};
	struct params_store store;
	struct buffer out = {0};

	(void)state;
	assert_int_equal(params_store_init(&store), 0);
	struct params *one =
	    params_with(&store, store.empty, slice_of_text("my.var"), slice_of_text("1"));
	struct params *two =
	    params_with(&store, one, slice_of_text("work_mem"), slice_of_text("1"));
	struct question q = {.altered = &all, .known = two, .extra = ""};
	const char *sql = ask(&q, &out);
	assert_non_null(strstr(sql, "('my.var')"));
	assert_null(strstr(sql, "('work_mem')"));
	buffer_fini(&out);
	q = (struct question){.altered = &all, .begun = two, .extra = ""};
	sql = ask(&q, &out);
	assert_non_null(strstr(sql, "('my.var')"));
	assert_null(strstr(sql, "('work_mem')"));
	buffer_fini(&out);
	params_unref(&store, one);
	params_unref(&store, two);
	params_store_fini(&store);
}

/* A DataRow's body; a column is NULL where the text is. */
static struct slice row(struct buffer *out, int count, const char *const columns[])
{
	struct writer w = writer_of(out);

	writer_u16(&w, (uint16_t)count);
	for (int i = 0; i < count; i++) {
		writer_u32(&w, columns[i] ? (uint32_t)strlen(columns[i]) : UINT32_MAX);
		if (columns[i])
			writer_bytes(&w, slice_of_text(columns[i]));
	}
	assert_true(writer_finish(&w));
	return buffer_bytes(out);
}

static void rows_are_read_at_any_length(void **state)
{
	static const struct {
		int count;
		const char *columns[3];
		enum answer_kind kind;
		const char *name, *value;
		unsigned reasons;
	} cases[] = {
	    {3, {"n", "612e62", "c3a9"}, ANSWER_NAMED, "a.b", "\xc3\xa9", 0},
	    {3, {"n", "61", NULL}, ANSWER_NAMED, "a", NULL, 0},
	    {3, {"s", "61", ""}, ANSWER_SET, "a", "", 0},
	    {3, {"d", "61", "00"}, ANSWER_DEFAULT, "a", NULL, 0},
	    {1, {"5ms"}, ANSWER_TIMEOUT, "statement_timeout", "5ms", 0},
	    {3, {"k", NULL, "ltx"}, ANSWER_STATE, NULL, NULL, PIN_LOCKS | PIN_TEMPORARY},
	    {3, {"l", "61", NULL}, ANSWER_LONG, "a", NULL, 0},
	    {3, {"k", NULL, ""}, ANSWER_STATE, NULL, NULL, 0},
	    {3, {"x", "61", "61"}, ANSWER_BAD, NULL, NULL, 0},
	    {3, {"n", "6g", "61"}, ANSWER_BAD, NULL, NULL, 0},
	    {3, {"nn", "61", "61"}, ANSWER_BAD, NULL, NULL, 0},
	    {2, {"n", "61"}, ANSWER_BAD, NULL, NULL, 0},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct buffer out = {0}, scratch = {0};
		struct slice body = row(&out, cases[i].count, cases[i].columns);
		enum answer_kind kind;
		struct answer answer;
		assert_true(answer_read(body, &scratch, &kind, &answer));
		assert_int_equal(kind, cases[i].kind);
		assert_int_equal(answer.reasons, cases[i].reasons);
		if (cases[i].name)
			assert_true(slice_is_text(answer.name, cases[i].name));
		if (cases[i].value)
			assert_true(slice_is_text(answer.value, cases[i].value));
		for (size_t len = 0; len < body.len; len++) {
			uint8_t *copy = malloc(len + 1);
			assert_non_null(copy);
			memcpy(copy, body.data, len);
			assert_true(
			    answer_read(slice_of(copy, len), &scratch, &kind, &answer));
			assert_int_equal(kind, ANSWER_BAD);
			free(copy);
		}
		buffer_fini(&out);
		buffer_fini(&scratch);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(only_what_is_of_interest_is_asked_for),
	    cmocka_unit_test(all_means_the_parts_of_extensions_that_are_known),
	    cmocka_unit_test(rows_are_read_at_any_length),
	};

	return cmocka_run_group_tests_name("question", tests, NULL, NULL);
}
