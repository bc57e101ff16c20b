/*
 * ErrorResponse and NoticeResponse, written and read.
 */
#include "proto/notice.h"

#include "proto/frame.h"
#include "proto/writer.h"
#include "unit/base/kit.h"

#define BYTES(text) slice_of(text, sizeof(text) - 1)

static void what_is_written_can_be_read(void **state)
{
	static const struct {
		struct notice notice;
		uint8_t letter;
	} cases[] = {
	    {{"FATAL", SQLSTATE_TOO_MANY_CONNECTIONS, "full", "by much", "go", NULL},
	     'E'},
	    {{"ERROR", SQLSTATE_QUERY_CANCELED, "", NULL, "a hint", "Routine"}, 'E'},
	    {{"NOTICE", SQLSTATE_OK, "queued", NULL, NULL, NULL}, 'N'},
	    {{"WARNING", SQLSTATE_OK, "h\xc3\xa9", "", NULL, NULL}, 'N'},
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		const struct notice *n = &cases[i].notice;
		struct buffer b = {0};
		struct writer w = writer_of(&b);
		struct frame f = {0};
		struct notice_fields fields;

		notice_write(&w, n);
		assert_true(writer_finish(&w));
		assert_int_equal(frame_peek(buffer_bytes(&b), 1000, &f), FRAME_OK);
		assert_true(frame_is_whole(&f));
		assert_int_equal(f.total_len, buffer_len(&b));
		assert_int_equal(f.letter, cases[i].letter);
		assert_true(notice_read(f.body, &fields));
		assert_slice_is(fields.severity, n->severity);
		assert_slice_is(fields.sqlstate, n->sqlstate);
		assert_slice_is(fields.message, n->message);
		assert_slice_is(fields.detail, n->detail ? n->detail : "");
		assert_slice_is(fields.hint, n->hint ? n->hint : "");
		assert_slice_is(fields.routine, n->routine ? n->routine : "");
		buffer_fini(&b);
	}
}

static void fields_stand_in_the_order_clients_know(void **state)
{
	struct buffer b = {0};
	struct writer w = writer_of(&b);
	static const char expected[] =
	    "E\0\0\0\x26SERROR\0VERROR\0C57014\0Mm\0Dd\0Hh\0Rr\0";

	(void)state;
	notice_write(&w, &(struct notice){"ERROR", "57014", "m", "d", "h", "r"});
	assert_true(writer_finish(&w));
	assert_int_equal(buffer_len(&b), sizeof(expected));
	assert_memory_equal(buffer_bytes(&b).data, expected, sizeof(expected));
	buffer_fini(&b);
}

static void bodies_are_judged(void **state)
{
	static const struct {
		struct slice body;
		bool is_good;
		const char *severity, *sqlstate, *message;
	} cases[] = {
	    {{(const uint8_t *)"", 0}, false, "", "", ""},
	    {{(const uint8_t *)"\0", 1}, true, "", "", ""},
	    {{(const uint8_t *)"SERREUR\0C42601\0Mm\0", 19},
	     true,
	     "ERREUR",
	     "42601",
	     "m"},
	    {{(const uint8_t *)"SERREUR\0VERROR\0", 16}, true, "ERROR", "", ""},
	    {{(const uint8_t *)"VERROR\0SERREUR\0", 16}, true, "ERROR", "", ""},
	    {{(const uint8_t *)"Mno code\0", 10}, true, "", "", "no code"},
	    {{(const uint8_t *)"M\0", 3}, true, "", "", ""},
	    {{(const uint8_t *)"xwhat\0ynever\0Mm\0", 17}, true, "", "", "m"},
	    {{(const uint8_t *)"Mm\0", 3}, false, "", "", ""},
	    {{(const uint8_t *)"Mm", 2}, false, "", "", ""},
	    {{(const uint8_t *)"M", 1}, false, "", "", ""},
	    {{(const uint8_t *)"Mm\0\0x", 5}, false, "", "", ""},
	    {{(const uint8_t *)"\0\0", 2}, false, "", "", ""},
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		struct notice_fields fields = {.hint = slice_of_text("left over")};
		uint8_t *copy = exact_copy(cases[i].body);
		bool is_good = notice_read(slice_of(copy, cases[i].body.len), &fields);

		if (is_good != cases[i].is_good)
			fail_msg("case %zu", i);
		assert_slice_is(fields.severity, cases[i].severity);
		assert_slice_is(fields.sqlstate, cases[i].sqlstate);
		assert_slice_is(fields.message, cases[i].message);
		assert_slice_is(fields.hint, "");
		free(copy);
	}
}

static void a_body_cut_anywhere_is_refused(void **state)
{
	struct slice body = BYTES("SERROR\0VERROR\0C57014\0Mm\0Dd\0Hh\0\0");

	(void)state;
	for (size_t len = 0; len <= body.len; len++) {
		uint8_t *copy = exact_copy(slice_first(body, len));
		struct notice_fields fields;

		assert_int_equal(notice_read(slice_of(copy, len), &fields),
				 len == body.len);
		free(copy);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(what_is_written_can_be_read),
	    cmocka_unit_test(fields_stand_in_the_order_clients_know),
	    cmocka_unit_test(bodies_are_judged),
	    cmocka_unit_test(a_body_cut_anywhere_is_refused),
	};

	return cmocka_run_group_tests_name("notice", tests, NULL, NULL);
}
