/*
 * Bounded reading of a peer's bytes.
 */
#include "base/reader.h"

#include "unit/base/kit.h"

static const uint8_t bytes[] = {7,   0x12, 0x34, 0xfe, 0xdc, 0xba, 0x98,
				'h', 'i',  0,    0,    'a',  'b',  'c'};

struct fields {
	uint8_t u8;
	uint16_t u16;
	uint32_t u32;
	struct slice text, empty, rest;
};

static struct reader read_all(struct slice s, struct fields *f)
{
	struct reader r = reader_of(s);

	f->u8 = reader_u8(&r);
	f->u16 = reader_u16(&r);
	f->u32 = reader_u32(&r);
	f->text = reader_cstring(&r);
	f->empty = reader_cstring(&r);
	f->rest = reader_bytes(&r, 3);
	return r;
}

static void fields_are_read_in_network_order(void **state)
{
	struct fields f;
	struct reader r = read_all(slice_of(bytes, sizeof(bytes)), &f);

	(void)state;
	assert_true(reader_ok(&r));
	assert_true(reader_done(&r));
	assert_int_equal(f.u8, 7);
	assert_int_equal(f.u16, 0x1234);
	assert_int_equal(f.u32, 0xfedcba98);
	assert_slice_is(f.text, "hi");
	assert_slice_is(f.empty, "");
	assert_slice_is(f.rest, "abc");
}

static void a_cut_anywhere_fails_for_good(void **state)
{
	(void)state;
	for (size_t len = 0; len < sizeof(bytes); len++) {
		uint8_t *copy = exact_copy(slice_of(bytes, len));
		struct fields f;
		struct reader r = read_all(slice_of(copy, len), &f);

		assert_false(reader_ok(&r));
		assert_false(reader_done(&r));
		assert_int_equal(f.rest.len, 0);
		assert_int_equal(reader_u8(&r), 0);
		assert_int_equal(reader_bytes(&r, 0).len, 0);
		assert_false(reader_ok(&r));
		free(copy);
	}
}

static void what_is_left_over_is_not_done(void **state)
{
	struct reader r = reader_of(slice_of(bytes, 3));

	(void)state;
	assert_int_equal(reader_u16(&r), 0x0712);
	assert_true(reader_ok(&r));
	assert_false(reader_done(&r));
	assert_int_equal(reader_u16(&r), 0);
	assert_false(reader_ok(&r));
}

static void huge_lengths_are_refused(void **state)
{
	static const size_t lens[] = {4, UINT32_MAX, SIZE_MAX, SIZE_MAX - 1,
				      SIZE_MAX / 2};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(lens); i++) {
		struct reader r = reader_of(slice_of(bytes, 3));

		assert_int_equal(reader_bytes(&r, lens[i]).len, 0);
		assert_false(reader_ok(&r));
	}
}

static void a_text_needs_its_nul(void **state)
{
	struct reader r = reader_of(slice_of("ab", 2));
	struct reader empty = reader_of((struct slice){0});

	(void)state;
	assert_int_equal(reader_cstring(&r).len, 0);
	assert_false(reader_ok(&r));
	assert_true(reader_done(&empty));
	reader_cstring(&empty);
	assert_false(reader_ok(&empty));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(fields_are_read_in_network_order),
	    cmocka_unit_test(a_cut_anywhere_fails_for_good),
	    cmocka_unit_test(what_is_left_over_is_not_done),
	    cmocka_unit_test(huge_lengths_are_refused),
	    cmocka_unit_test(a_text_needs_its_nul),
	};

	return cmocka_run_group_tests_name("reader", tests, NULL, NULL);
}
