/*
 * Messages cut from a stream by their headers.
 */
#include "proto/frame.h"

#include "unit/base/kit.h"

#define ANY_LEN ((size_t)1 << 30)

static void a_header_is_enough(void **state)
{
	static const uint8_t bytes[] = {'D', 0, 0, 1, 4, 'a', 'b'};
	struct frame f;

	(void)state;
	assert_int_equal(frame_peek(slice_of(bytes, 7), ANY_LEN, &f), FRAME_OK);
	assert_int_equal(f.letter, 'D');
	assert_int_equal(f.total_len, 1 + 260);
	assert_int_equal(f.body.len, 2);
	assert_ptr_equal(f.body.data, bytes + 5);
	assert_false(frame_is_whole(&f));
}

static void what_follows_is_not_in_the_body(void **state)
{
	static const uint8_t bytes[] = {'Z', 0, 0, 0, 5, 'I', 'T', 0, 0};
	struct frame f;

	(void)state;
	assert_int_equal(frame_peek(slice_of(bytes, 9), ANY_LEN, &f), FRAME_OK);
	assert_slice_is(f.body, "I");
	assert_int_equal(f.total_len, 6);
	assert_true(frame_is_whole(&f));
}

static void lengths_have_bounds(void **state)
{
	static const struct {
		uint8_t bytes[5];
		size_t max_len;
		enum frame_result result;
	} cases[] = {
	    {{'S', 0, 0, 0, 0}, ANY_LEN, FRAME_BAD},
	    {{'S', 0, 0, 0, 3}, ANY_LEN, FRAME_BAD},
	    {{'S', 0, 0, 0, 4}, ANY_LEN, FRAME_OK},
	    {{'S', 0, 0, 0, 4}, 4, FRAME_OK},
	    {{'S', 0, 0, 0, 5}, 4, FRAME_BAD},
	    {{'d', 0x3f, 0xff, 0xff, 0xff}, ANY_LEN, FRAME_OK},
	    {{'d', 0x40, 0, 0, 1}, ANY_LEN, FRAME_BAD},
	    {{'d', 0x7f, 0xff, 0xff, 0xff}, ANY_LEN, FRAME_BAD},
	    {{'d', 0x80, 0, 0, 0}, ANY_LEN, FRAME_BAD},
	    {{'d', 0xff, 0xff, 0xff, 0xff}, ANY_LEN, FRAME_BAD},
	    {{'d', 0xff, 0xff, 0xff, 0xff}, UINT32_MAX, FRAME_OK},
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		struct frame f = {.letter = '?'};

		assert_int_equal(
		    frame_peek(slice_of(cases[i].bytes, 5), cases[i].max_len, &f),
		    cases[i].result);
		assert_int_equal(f.letter,
				 cases[i].result == FRAME_OK ? cases[i].bytes[0] : '?');
	}
}

/* Three messages, cut at every byte: what is told apart must not depend on the cut. */
static void every_split_gives_the_same_messages(void **state)
{
	static const uint8_t bytes[] = {'1', 0, 0, 0, 4, 'Z', 0, 0, 0, 5,
					'I', 0, 0, 0, 0, 7,   1, 2, 3};
	static const size_t starts[] = {0, 5, 11}, lens[] = {5, 6, 8};

	(void)state;
	for (size_t m = 0; m < COUNT_OF(starts); m++) {
		for (size_t cut = starts[m]; cut <= sizeof(bytes); cut++) {
			size_t len = cut - starts[m];
			uint8_t *copy = exact_copy(slice_of(bytes + starts[m], len));
			struct frame f = {.letter = '?'};
			enum frame_result result =
			    frame_peek(slice_of(copy, len), ANY_LEN, &f);

			assert_int_equal(result, len < 5 ? FRAME_SHORT : FRAME_OK);
			if (len < 5) {
				assert_int_equal(f.letter, '?');
			} else {
				assert_int_equal(f.total_len, lens[m]);
				assert_int_equal(frame_is_whole(&f), len >= lens[m]);
			}
			free(copy);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_header_is_enough),
	    cmocka_unit_test(what_follows_is_not_in_the_body),
	    cmocka_unit_test(lengths_have_bounds),
	    cmocka_unit_test(every_split_gives_the_same_messages),
	};

	return cmocka_run_group_tests_name("frame", tests, NULL, NULL);
}
