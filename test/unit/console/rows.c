/* Result sets on the wire. */
#include "console/rows.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "proto/writer.h"

static const struct column columns[] = {
    {"t", COLUMN_TEXT}, {"i", COLUMN_INT4}, {"b", COLUMN_INT8}, {"n", COLUMN_NUMERIC}};

static void assert_bytes(const struct buffer *b, const char *bytes, size_t len)
{
	struct slice got = buffer_bytes(b);

	assert_int_equal(got.len, len);
	assert_memory_equal(got.data, bytes, len);
}
#define ASSERT_BYTES(b, text) assert_bytes(b, text, sizeof(text) - 1)

static void columns_are_described_with_their_types(void **state)
{
	struct buffer b = {0};
	struct writer w = writer_of(&b);
	struct rows rows = {columns, 4, 0x4};

	(void)state;
	rows_describe(&rows, &w);
	assert_true(writer_finish(&w));
	ASSERT_BYTES(&b, "T\0\0\0\x56\0\4"
			 "t\0\0\0\0\0\0\0\0\0\0\x19\xff\xff\xff\xff\xff\xff\0\0"
			 "i\0\0\0\0\0\0\0\0\0\0\x17\0\4\xff\xff\xff\xff\0\0"
			 "b\0\0\0\0\0\0\0\0\0\0\x14\0\x8\xff\xff\xff\xff\0\1"
			 "n\0\0\0\0\0\0\0\0\0\6\xa4\xff\xff\xff\xff\xff\xff\0\0");
	buffer_fini(&b);
}

static void no_columns_are_no_data(void **state)
{
	struct buffer b = {0};
	struct writer w = writer_of(&b);

	(void)state;
	rows_describe(&(struct rows){0}, &w);
	assert_true(writer_finish(&w));
	ASSERT_BYTES(&b, "n\0\0\0\4");
	buffer_fini(&b);
}

static void write_row(struct buffer *b, uint64_t binary, int64_t i, int64_t big,
		      uint64_t numeric)
{
	struct writer w = writer_of(b);
	struct rows rows = {columns, 4, binary};
	struct row row = row_of(&rows, &w);

	row_begin(&row);
	row_text(&row, "ab");
	row_int(&row, i);
	row_int(&row, big);
	row_count(&row, numeric);
	row_end(&row);
	assert_int_equal(row.written, 1);
	assert_true(writer_finish(&w));
}

static void names_that_are_not_utf8_are_shown_with_question_marks(void **state)
{
	static const struct {
		const char *name, *shown;
	} cases[] = {
	    {"caf\xc3\xa9 \xe2\x82\xac \xf0\x9f\x90\x98",
	     "caf\xc3\xa9 \xe2\x82\xac \xf0\x9f\x90\x98"},
	    {"caf\xe9", "caf?"},
	    {"\xe9t\xe9", "?t?"},
	    {"\xc3", "?"},
	    {"\xe2\x82", "??"},
	    {"\x80\xbf", "??"},
	    {"\xc0\xaf", "??"},
	    {"\xe0\x80\xaf", "???"},
	    {"\xed\xa0\x80", "???"},
	    {"\xf0\x8f\xbf\xbf", "????"},
	    {"\xf4\x90\x80\x80", "????"},
	    {"\xf8\xff", "??"},
	    {"", ""},
	};
	struct rows rows = {columns, 1, 0};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct buffer b = {0};
		struct writer w = writer_of(&b);
		struct row row = row_of(&rows, &w);
		row_begin(&row);
		row_text(&row, cases[i].name);
		row_end(&row);
		assert_true(writer_finish(&w));
		struct slice got = slice_after(buffer_bytes(&b), 11);
		assert_int_equal(buffer_bytes(&b).data[10], got.len);
		assert_true(slice_is_text(got, cases[i].shown));
		buffer_fini(&b);
	}
}

static void values_are_text_unless_binary_is_asked_for(void **state)
{
	struct buffer b = {0};

	(void)state;
	write_row(&b, 0, -7, 12, 345);
	ASSERT_BYTES(&b, "D\0\0\0\x1f\0\4\0\0\0\2ab\0\0\0\2-7\0\0\0\2"
			 "12\0\0\0\3"
			 "345");
	buffer_fini(&b);
	write_row(&b, 0xf, -7, 12, 123456789);
	ASSERT_BYTES(&b, "D\0\0\0\x32\0\4\0\0\0\2ab\0\0\0\4\xff\xff\xff\xf9"
			 "\0\0\0\x8\0\0\0\0\0\0\0\x0c"
			 "\0\0\0\xe\0\3\0\2\0\0\0\0\0\1\x09\x29\x1a\x85");
	buffer_fini(&b);
}

static void binary_zero_is_a_numeric_without_digits(void **state)
{
	struct buffer b = {0};

	(void)state;
	write_row(&b, 0x8, 0, 0, 0);
	ASSERT_BYTES(&b, "D\0\0\0\x22\0\4\0\0\0\2ab\0\0\0\1"
			 "0\0\0\0\1"
			 "0\0\0\0\x8\0\0\0\0\0\0\0\0");
	buffer_fini(&b);
}

static void numbers_end_where_their_column_ends(void **state)
{
	struct buffer b = {0};

	(void)state;
	write_row(&b, 0, INT64_MAX, INT64_MIN, UINT64_MAX);
	ASSERT_BYTES(&b, "D\0\0\0\x4a\0\4\0\0\0\2ab\0\0\0\xa"
			 "2147483647\0\0\0\x14"
			 "-9223372036854775807\0\0\0\x14"
			 "18446744073709551615");
	buffer_fini(&b);
}

static void nulls_and_pointers_are_written(void **state)
{
	static const struct column texts[] = {
	    {"a", COLUMN_TEXT}, {"b", COLUMN_TEXT}, {"c", COLUMN_TEXT}};
	struct buffer b = {0};
	struct writer w = writer_of(&b);
	struct rows rows = {texts, 3, 0};
	struct row row = row_of(&rows, &w);

	(void)state;
	row_begin(&row);
	row_text(&row, NULL);
	row_pointer(&row, 255);
	row_pointer(&row, 0);
	row_end(&row);
	assert_true(writer_finish(&w));
	ASSERT_BYTES(&b, "D\0\0\0\x16\0\3\xff\xff\xff\xff\0\0\0\4"
			 "0xff\0\0\0\0");
	buffer_fini(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(columns_are_described_with_their_types),
	    cmocka_unit_test(no_columns_are_no_data),
	    cmocka_unit_test(names_that_are_not_utf8_are_shown_with_question_marks),
	    cmocka_unit_test(values_are_text_unless_binary_is_asked_for),
	    cmocka_unit_test(binary_zero_is_a_numeric_without_digits),
	    cmocka_unit_test(numbers_end_where_their_column_ends),
	    cmocka_unit_test(nulls_and_pointers_are_written),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
