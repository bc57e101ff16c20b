/*
 * The buffer, against a naive one that never moves its front.
 */
#include "base/buffer.h"

#include "unit/base/kit.h"

static void an_empty_buffer_owns_no_memory(void **state)
{
	struct buffer b = {0};

	(void)state;
	assert_true(buffer_append(&b, slice_of_text("")));
	assert_null(b.data);
	assert_true(buffer_append(&b, slice_of_text("ab")));
	assert_non_null(b.data);
	buffer_consume(&b, 1);
	assert_slice_is(buffer_bytes(&b), "b");
	buffer_consume(&b, 1);
	assert_null(b.data);
	assert_true(buffer_append(&b, slice_of_text("ab")));
	buffer_truncate(&b, 0);
	assert_null(b.data);
	assert_non_null(buffer_reserve(&b, 100));
	buffer_commit(&b, 0);
	assert_null(b.data);
	buffer_fini(&b);
	buffer_fini(&b);
}

static void secrets_grow_like_other_bytes(void **state)
{
	struct buffer b = {0};
	uint8_t all[3000];
	size_t taken = 0;

	(void)state;
	for (size_t i = 0; i < sizeof(all); i++)
		all[i] = (uint8_t)(i * 7);
	for (size_t len = 1; taken + len < sizeof(all); len += 3) {
		assert_true(buffer_append_secret(&b, slice_of(all + taken, len)));
		taken += len;
		assert_true(slice_equal(buffer_bytes(&b), slice_of(all, taken)));
	}
	buffer_consume(&b, 1000);
	assert_true(buffer_append_secret(&b, slice_of(all, 2500)));
	assert_true(slice_equal(slice_first(buffer_bytes(&b), taken - 1000),
				slice_of(all + 1000, taken - 1000)));
	assert_int_equal(buffer_len(&b), taken - 1000 + 2500);
	buffer_wipe(&b);
	assert_null(b.data);
}

static void reserved_room_becomes_part_of_it(void **state)
{
	struct buffer b = {0};

	(void)state;
	assert_true(buffer_append(&b, slice_of_text("ab")));
	memcpy(buffer_reserve(&b, 5000), "cdefg", 5);
	assert_slice_is(buffer_bytes(&b), "ab");
	buffer_commit(&b, 3);
	assert_slice_is(buffer_bytes(&b), "abcde");
	buffer_truncate(&b, 4);
	assert_slice_is(buffer_bytes(&b), "abcd");
	buffer_fini(&b);
}

static void more_than_it_can_hold_is_refused(void **state)
{
	static const size_t lens[] = {(size_t)1 << 31, UINT32_MAX,   (size_t)1 << 32,
				      SIZE_MAX,        SIZE_MAX - 1, SIZE_MAX - 4};
	struct buffer b = {0};

	(void)state;
	assert_null(buffer_reserve(&b, (size_t)1 << 31));
	assert_true(buffer_append(&b, slice_of_text("abcdef")));
	buffer_consume(&b, 1);
	for (size_t i = 0; i < COUNT_OF(lens); i++) {
		assert_null(buffer_reserve(&b, lens[i]));
		assert_slice_is(buffer_bytes(&b), "bcdef");
	}
	buffer_fini(&b);
}

enum { NAIVE_LEN = 1 << 20 };

static void random_use_agrees_with_a_naive_buffer(void **state)
{
	uint8_t *naive = malloc(NAIVE_LEN), fresh[700];
	size_t start = 0, end = 0;
	struct buffer b = {0};
	struct dice dice = {.state = 5};

	(void)state;
	while (end + sizeof(fresh) < NAIVE_LEN) {
		size_t len = dice_of(&dice, sizeof(fresh)), held = end - start;
		struct slice bytes = slice_of(fresh, len);

		for (size_t i = 0; i < len; i++)
			fresh[i] = (uint8_t)dice_roll(&dice);
		switch (dice_of(&dice, 5)) {
		case 0:
		case 1:
			assert_true(buffer_append(&b, bytes));
			break;
		case 2:
			if (len > 0)
				memcpy(buffer_reserve(&b, len + 10), fresh, len);
			buffer_commit(&b, len);
			break;
		case 3:
			start += len < held ? len : held;
			buffer_consume(&b, len < held ? len : held);
			len = 0;
			break;
		default:
			end -= len < held ? len / 8 : 0;
			buffer_truncate(&b, end - start);
			len = 0;
		}
		if (len > 0)
			memcpy(naive + end, fresh, len);
		end += len;
		assert_int_equal(buffer_len(&b), end - start);
		if (end > start)
			assert_memory_equal(buffer_bytes(&b).data, naive + start,
					    end - start);
		else
			assert_null(b.data);
		if (dice_once_in(&dice, 200)) {
			buffer_consume(&b, end - start);
			start = end;
		}
	}
	buffer_fini(&b);
	free(naive);
}

/* A queue that is never empty must not grow with what has passed through it. */
static void what_passes_through_is_not_kept(void **state)
{
	struct buffer b = {0};
	uint8_t bytes[100] = {0};

	(void)state;
	assert_true(buffer_append(&b, slice_of(bytes, 100)));
	for (int i = 0; i < 100000; i++) {
		assert_true(buffer_append(&b, slice_of(bytes, 100)));
		buffer_consume(&b, 100);
	}
	assert_true(b.cap <= 1024);
	buffer_fini(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(an_empty_buffer_owns_no_memory),
	    cmocka_unit_test(reserved_room_becomes_part_of_it),
	    cmocka_unit_test(secrets_grow_like_other_bytes),
	    cmocka_unit_test(more_than_it_can_hold_is_refused),
	    cmocka_unit_test(random_use_agrees_with_a_naive_buffer),
	    cmocka_unit_test(what_passes_through_is_not_kept),
	};

	return cmocka_run_group_tests_name("buffer", tests, NULL, NULL);
}
