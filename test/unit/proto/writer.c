/*
 * Messages built into a buffer, and what is left when memory runs short.
 */
#include "proto/writer.h"

#include "proto/notice.h"
#include "unit/base/kit.h"
#include "unit/proto/failing_memory.h"

static const uint8_t key[8] = {1, 2, 3, 4, 5, 6, 7, 8};

static void write_query(struct writer *w)
{
	writer_begin(w, 'Q');
	writer_text(w, "select 1");
	writer_end(w);
}

static void write_ready(struct writer *w)
{
	writer_ready(w, 'T');
}

static void write_complete(struct writer *w)
{
	writer_command_complete(w, "SET");
}

static void write_status(struct writer *w)
{
	writer_parameter_status(w, slice_of_text("a"), slice_of_text(""));
}

static void write_key(struct writer *w)
{
	writer_backend_key(w, slice_of(key, sizeof(key)));
}

static void write_cancel(struct writer *w)
{
	writer_cancel_request(w, slice_of(key, sizeof(key)));
}

static void write_sync(struct writer *w)
{
	writer_empty(w, 'S');
}

static void write_numbers(struct writer *w)
{
	writer_begin(w, 0);
	writer_u8(w, 0x12);
	writer_u16(w, 0x3456);
	writer_u32(w, 0x789abcde);
	writer_end(w);
}

#define BYTES(text) text, sizeof(text) - 1

static void messages_have_the_right_bytes(void **state)
{
	static const struct {
		void (*write)(struct writer *w);
		const char *bytes;
		size_t len;
	} cases[] = {
	    {write_query, BYTES("Q\0\0\0\x0dselect 1\0")},
	    {write_ready, BYTES("Z\0\0\0\5T")},
	    {write_complete, BYTES("C\0\0\0\10SET\0")},
	    {write_status, BYTES("S\0\0\0\7a\0\0")},
	    {write_key, BYTES("K\0\0\0\14\1\2\3\4\5\6\7\10")},
	    {write_cancel, BYTES("\0\0\0\20\4\322\x16\x2e\1\2\3\4\5\6\7\10")},
	    {write_sync, BYTES("S\0\0\0\4")},
	    {write_numbers, BYTES("\0\0\0\13\x12\x34\x56\x78\x9a\xbc\xde")},
	};
	struct buffer all = {0};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		struct writer w = writer_of(&all);
		size_t before = buffer_len(&all);

		cases[i].write(&w);
		assert_true(writer_finish(&w));
		assert_int_equal(buffer_len(&all) - before, cases[i].len);
		assert_memory_equal(buffer_bytes(&all).data + before, cases[i].bytes,
				    cases[i].len);
	}
	buffer_fini(&all);
}

/* The buffer has been consumed from: offsets must not count from its memory's start. */
static void a_half_read_buffer_is_no_trouble(void **state)
{
	struct buffer b = {0};

	(void)state;
	assert_true(buffer_append(&b, slice_of_text("0123456789")));
	buffer_consume(&b, 9);
	struct writer w = writer_of(&b);
	writer_begin(&w, 'x');
	for (int i = 0; i < 100; i++)
		writer_text(&w, "growing and moving");
	writer_end(&w);
	assert_true(writer_finish(&w));
	struct slice all = buffer_bytes(&b);
	assert_int_equal(all.len, 1 + 1 + 4 + 1900);
	assert_memory_equal(all.data, "9x\0\0\7\x70", 6);
	buffer_fini(&b);
}

static void nothing_is_left_when_memory_is_short(void **state)
{
	static char text[1000];
	unsigned failures = 0;

	(void)state;
	memset(text, 'a', sizeof(text) - 1);
	for (size_t n = 1;; n++) {
		struct buffer b = {0};

		assert_true(buffer_append(&b, slice_of_text("before")));
		memory_fails_at(n);
		struct writer w = writer_of(&b);
		writer_command_complete(&w, text);
		notice_write(&w, &(struct notice){.severity = "ERROR",
						  .sqlstate = SQLSTATE_OUT_OF_MEMORY,
						  .message = text});
		bool went_well = writer_finish(&w);
		assert_int_equal(went_well, !memory_has_failed());
		memory_fails_at(0);
		if (!went_well)
			assert_slice_is(buffer_bytes(&b), "before");
		buffer_fini(&b);
		if (went_well)
			break;
		failures++;
	}
	assert_true(failures >= 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(messages_have_the_right_bytes),
	    cmocka_unit_test(a_half_read_buffer_is_no_trouble),
	    cmocka_unit_test(nothing_is_left_when_memory_is_short),
	};

	return cmocka_run_group_tests_name("writer", tests, NULL, NULL);
}
