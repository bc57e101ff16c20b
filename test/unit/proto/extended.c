/*
 * Names in Parse, Bind, Describe and Close, and the same messages with other names.
 */
#include "proto/extended.h"

#include "unit/base/kit.h"
#include "unit/proto/failing_memory.h"

#define ANY_LEN ((size_t)1 << 30)
#define BYTES(text)                                                                      \
	{                                                                                \
		(const uint8_t *)(text), sizeof(text) - 1                                \
	}

struct row {
	uint8_t letter;
	struct slice body;
	enum extended_result result;
	uint8_t target;
	const char *statement, *portal;
	struct slice rest;
};

#define NOT_READ                                                                         \
	0, NULL, NULL,                                                                   \
	{                                                                                \
		0                                                                        \
	}

static const struct row rows[] = {
    {'P', BYTES("s\0select 1\0\0\0"), EXTENDED_OK, 'S', "s", "", BYTES("select 1\0\0\0")},
    {'P', BYTES("\0\0\0\0"), EXTENDED_OK, 'S', "", "", BYTES("\0\0\0")},
    {'P', BYTES("s\0"), EXTENDED_OK, 'S', "s", "", BYTES("")},
    {'P', BYTES("s"), EXTENDED_BAD, NOT_READ},
    {'P', BYTES(""), EXTENDED_BAD, NOT_READ},
    {'B', BYTES("p\0s\0\0\0\0\0\0\0"), EXTENDED_OK, 'S', "s", "p", BYTES("\0\0\0\0\0\0")},
    {'B', BYTES("\0long name\0x"), EXTENDED_OK, 'S', "long name", "", BYTES("x")},
    {'B', BYTES("\0\0"), EXTENDED_OK, 'S', "", "", BYTES("")},
    {'B', BYTES("\0s"), EXTENDED_BAD, NOT_READ},
    {'B', BYTES("p\0"), EXTENDED_BAD, NOT_READ},
    {'D', BYTES("Sname\0"), EXTENDED_OK, 'S', "name", "", BYTES("")},
    {'D', BYTES("S\0"), EXTENDED_OK, 'S', "", "", BYTES("")},
    {'D', BYTES("Pname\0"), EXTENDED_OK, 'P', "", "name", BYTES("")},
    {'D', BYTES("P\0"), EXTENDED_OK, 'P', "", "", BYTES("")},
    {'D', BYTES("Xname\0"), EXTENDED_BAD, NOT_READ},
    {'D', BYTES("\0name\0"), EXTENDED_BAD, NOT_READ},
    {'D', BYTES("S"), EXTENDED_BAD, NOT_READ},
    {'D', BYTES(""), EXTENDED_BAD, NOT_READ},
    {'C', BYTES("Sa\0b"), EXTENDED_OK, 'S', "a", "", BYTES("b")},
    {'C', BYTES("Pa\0"), EXTENDED_OK, 'P', "", "a", BYTES("")},
    {'C', BYTES("s\0"), EXTENDED_BAD, NOT_READ},
};

/* The message as it would be with all of its body, of which so much has arrived. */
static struct frame frame_of(const struct row *row, const uint8_t *body, size_t len)
{
	return (struct frame){.letter = row->letter,
			      .total_len = FRAME_HEADER_LEN + row->body.len,
			      .body = slice_of(body, len)};
}

static void assert_is_row(const struct extended *e, const struct row *row, size_t missing)
{
	struct slice rest = slice_first(row->rest, row->rest.len - missing);

	assert_int_equal(e->target, row->target);
	assert_slice_is(e->statement, row->statement);
	assert_slice_is(e->portal, row->portal);
	assert_true(slice_equal(e->rest, rest));
	assert_int_equal(e->names_len, row->body.len - row->rest.len);
}

static void names_are_found_or_missed(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		const struct row *row = &rows[i];
		struct frame f = frame_of(row, row->body.data, row->body.len);
		struct extended e = {.target = '?'};

		assert_int_equal(extended_read(&f, &e), row->result);
		if (row->result == EXTENDED_OK)
			assert_is_row(&e, row, 0);
		else
			assert_int_equal(e.target, '?');
	}
}

static bool has_bad_target(const struct row *row)
{
	return strchr("DC", row->letter) && row->body.len > 0 &&
	       row->body.data[0] != 'S' && row->body.data[0] != 'P';
}

/* With the names the message can be judged; without one of them it cannot; and an unknown
 * target is one at once. */
static void every_split_is_short_until_the_names_are_there(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		const struct row *row = &rows[i];
		size_t names_len = row->body.len - row->rest.len;

		for (size_t len = 0; len < row->body.len; len++) {
			uint8_t *copy = exact_copy(slice_first(row->body, len));
			struct frame f = frame_of(row, copy, len);
			struct extended e = {.target = '?'};
			enum extended_result result = extended_read(&f, &e);

			if (has_bad_target(row)) {
				assert_int_equal(result,
						 len ? EXTENDED_BAD : EXTENDED_SHORT);
			} else if (row->result == EXTENDED_BAD || len < names_len) {
				assert_int_equal(result, EXTENDED_SHORT);
				assert_int_equal(e.target, '?');
			} else {
				assert_int_equal(result, EXTENDED_OK);
				assert_is_row(&e, row, row->body.len - len);
			}
			free(copy);
		}
	}
}

static void the_text_ends_with_its_nul_or_with_what_is_here(void **state)
{
	static const struct {
		struct slice rest;
		const char *text;
		bool is_whole;
	} cases[] = {
	    {BYTES("select 1\0\0\0"), "select 1", true},
	    {BYTES("\0\0\0"), "", true},
	    {BYTES("a\0\0\2\0\0\0\x17\0\0\0\x19"), "a", true},
	    {BYTES("a\0\0\2\0\0\0\x17\0\0\0"), "a", false},
	    {BYTES("a\0\0\2\0\0\0\x17\0\0\0\x19x"), "a", false},
	    {BYTES("a\0\xff\xff\0\0\0\x17"), "a", false},
	    {BYTES("a\0\0"), "a", false},
	    {BYTES("a\0"), "a", false},
	    {BYTES("sele"), "sele", false},
	    {BYTES(""), "", false},
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		struct extended e = {.target = 'S', .rest = cases[i].rest};

		assert_slice_is(extended_text(&e), cases[i].text);
		assert_int_equal(extended_is_whole_parse(&e), cases[i].is_whole);
	}
	struct extended nothing = {.target = 'S'};
	assert_int_equal(extended_text(&nothing).len, 0);
	assert_false(extended_is_whole_parse(&nothing));
}

/* Reads the message in `out` back, of which the tail is still to come. */
static void assert_is_renamed(struct buffer *out, const struct row *row, const char *name,
			      size_t total)
{
	struct frame f;
	struct extended e;

	assert_true(buffer_append(out, row->rest));
	assert_int_equal(frame_peek(buffer_bytes(out), ANY_LEN, &f), FRAME_OK);
	assert_int_equal(f.letter, row->letter);
	assert_int_equal(f.total_len, total);
	assert_int_equal(buffer_len(out), total);
	assert_int_equal(extended_read(&f, &e), EXTENDED_OK);
	assert_slice_is(e.statement, name);
	assert_slice_is(e.portal, row->portal);
	assert_int_equal(e.target, row->target);
	assert_true(slice_equal(e.rest, row->rest));
}

static void a_renamed_message_is_the_same_but_for_the_name(void **state)
{
	static const char *const names[] = {"", "n", "pooler_18446744073709551615"};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		const struct row *row = &rows[i];

		if (row->result != EXTENDED_OK || row->target != 'S')
			continue;
		for (size_t n = 0; n < COUNT_OF(names); n++) {
			struct frame f = frame_of(row, row->body.data, row->body.len);
			struct buffer out = {0};
			struct extended e;
			size_t total;

			assert_int_equal(extended_read(&f, &e), EXTENDED_OK);
			assert_true(extended_rename(&f, &e, slice_of_text(names[n]), &out,
						    &total));
			assert_is_renamed(&out, row, names[n], total);
			buffer_fini(&out);
		}
	}
}

/* A Bind of which the names are here and the megabytes behind are not. */
static void a_head_is_renamed_before_the_tail_is_there(void **state)
{
	static const uint8_t bytes[] = "B\x3f\xff\xff\xff\0old\0\0";
	static const uint8_t expected[] = "B\x3f\xff\xff\xfd\0n";
	struct buffer out = {0};
	struct extended e;
	struct frame f;
	size_t total;

	(void)state;
	assert_int_equal(frame_peek(slice_of(bytes, 11), ANY_LEN, &f), FRAME_OK);
	assert_int_equal(extended_read(&f, &e), EXTENDED_OK);
	assert_true(extended_rename(&f, &e, slice_of_text("n"), &out, &total));
	assert_true(
	    slice_equal(buffer_bytes(&out), slice_of(expected, sizeof(expected))));
	assert_int_equal(total, 0x3ffffffe);
	buffer_fini(&out);
}

static void written_messages_have_the_right_bytes(void **state)
{
	static const uint8_t expected[] = "P\0\0\0\x0bn1\0t\0\0\0"
					  "C\0\0\0\x08Sn1\0"
					  "B\0\0\0\x0e\0n1\0\0\0\0\0\0";
	struct slice name = slice_of_text("n1");
	struct buffer out = {0};

	(void)state;
	assert_true(extended_write_parse(&out, name, slice_of("t\0\0", 4)));
	assert_true(extended_write_close(&out, name));
	assert_true(extended_write_bind(&out, name));
	assert_true(
	    slice_equal(buffer_bytes(&out), slice_of(expected, sizeof(expected))));
	buffer_fini(&out);
}

static bool write_one(unsigned which, struct buffer *out)
{
	static const uint8_t bind[] = "B\0\0\0\x0c\0s\0\0\0\0\0\0";
	struct slice name = slice_of_text("a name");
	struct extended e;
	struct frame f;
	size_t total;

	if (which == 0)
		return extended_write_parse(out, name, slice_of("t\0\0", 4));
	if (which == 1)
		return extended_write_close(out, name);
	if (which == 2)
		return extended_write_bind(out, name);
	assert_int_equal(frame_peek(slice_of(bind, sizeof(bind)), ANY_LEN, &f), FRAME_OK);
	assert_int_equal(extended_read(&f, &e), EXTENDED_OK);
	return extended_rename(&f, &e, name, out, &total);
}

static void without_memory_nothing_is_appended(void **state)
{
	static uint8_t much[4096];

	(void)state;
	for (unsigned which = 0; which < 4; which++) {
		struct buffer out = {0};

		/* Full, so that the next byte needs memory. */
		assert_true(buffer_append(&out, slice_of(much, sizeof(much))));
		size_t full = out.cap - buffer_len(&out);
		assert_true(buffer_append(&out, slice_of(much, full)));
		size_t len = buffer_len(&out);
		memory_fails_at(1);
		assert_false(write_one(which, &out));
		assert_true(memory_has_failed());
		assert_int_equal(buffer_len(&out), len);
		memory_fails_at(0);
		assert_true(write_one(which, &out));
		assert_true(buffer_len(&out) > len);
		buffer_fini(&out);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(names_are_found_or_missed),
	    cmocka_unit_test(every_split_is_short_until_the_names_are_there),
	    cmocka_unit_test(the_text_ends_with_its_nul_or_with_what_is_here),
	    cmocka_unit_test(a_renamed_message_is_the_same_but_for_the_name),
	    cmocka_unit_test(a_head_is_renamed_before_the_tail_is_there),
	    cmocka_unit_test(written_messages_have_the_right_bytes),
	    cmocka_unit_test(without_memory_nothing_is_appended),
	};

	return cmocka_run_group_tests_name("extended", tests, NULL, NULL);
}
