/*
 * Cancel keys against a plain list of them.
 */
#include "pool/cancels.h"

#include "unit/base/kit.h"

static struct cancel_key *find(const struct cancels *c, uint64_t key)
{
	uint8_t bytes[8];

	memcpy(bytes, &key, sizeof(bytes));
	return cancels_find(c, slice_of(bytes, sizeof(bytes)));
}

static void a_key_reaches_whom_it_was_handed_to(void **state)
{
	struct cancels c;
	struct cancel_key a = {0}, b = {0};
	uint64_t was;

	(void)state;
	assert_int_equal(cancels_init(&c), 0);
	cancels_hand_out(&c, &a, false);
	cancels_hand_out(&c, &b, false);
	assert_ptr_equal(find(&c, a.key), &a);
	assert_ptr_equal(find(&c, b.key), &b);
	was = a.key;
	cancels_take_back(&c, &a);
	assert_int_equal(a.key, 0);
	assert_null(find(&c, was));
	assert_ptr_equal(find(&c, b.key), &b);
	cancels_take_back(&c, &b);
	assert_int_equal(c.count, 0);
	cancels_fini(&c);
}

static void taking_back_what_was_not_handed_out_is_harmless(void **state)
{
	struct cancels c;
	struct cancel_key a = {0};

	(void)state;
	assert_int_equal(cancels_init(&c), 0);
	cancels_take_back(&c, &a);
	cancels_hand_out(&c, &a, false);
	cancels_take_back(&c, &a);
	cancels_take_back(&c, &a);
	assert_int_equal(c.count, 0);
	cancels_fini(&c);
}

static void eight_zeros_reach_nobody(void **state)
{
	struct cancels c;

	(void)state;
	assert_int_equal(cancels_init(&c), 0);
	assert_null(find(&c, 0));
	cancels_fini(&c);
}

static void keys_differ_and_look_like_process_ids(void **state)
{
	enum { COUNT = 1000 };
	struct cancel_key *keys = calloc(COUNT, sizeof(*keys));
	uint64_t ones = 0, zeros = 0;
	struct cancels c;

	(void)state;
	assert_non_null(keys);
	assert_int_equal(cancels_init(&c), 0);
	for (int i = 0; i < COUNT; i++) {
		uint8_t bytes[8];

		cancels_hand_out(&c, &keys[i], i % 2);
		memcpy(bytes, &keys[i].key, sizeof(bytes));
		assert_int_equal(bytes[0] & 0x80, 0);
		ones |= keys[i].key;
		zeros |= ~keys[i].key;
		for (int j = 0; j < i; j++)
			assert_true(keys[i].key != keys[j].key);
	}
	/* All other bits were seen both ways. */
	assert_int_equal(__builtin_popcountll(ones), 63);
	assert_int_equal(__builtin_popcountll(zeros), 64);
	for (int i = 0; i < COUNT; i++)
		cancels_take_back(&c, &keys[i]);
	cancels_fini(&c);
	free(keys);
}

static void a_long_key_reaches_whom_it_was_handed_to_as_a_whole_only(void **state)
{
	struct cancel_key a = {0}, b = {0}, brief = {0};
	uint8_t bytes[CANCELS_LONG_LEN + 1] = {0}, other[CANCELS_LONG_LEN];
	struct cancels c;

	(void)state;
	assert_int_equal(cancels_init(&c), 0);
	cancels_hand_out(&c, &a, true);
	cancels_hand_out(&c, &b, true);
	cancels_hand_out(&c, &brief, false);
	assert_int_equal(cancels_spell(&c, &a, bytes), CANCELS_LONG_LEN);
	assert_ptr_equal(cancels_at(&c, a.key), &a);
	for (size_t len = 0; len <= sizeof(bytes); len++)
		assert_ptr_equal(cancels_find(&c, slice_of(bytes, len)),
				 len == CANCELS_LONG_LEN ? &a : NULL);
	for (size_t i = 0; i < CANCELS_LONG_LEN * 8; i++) {
		bytes[i / 8] ^= (uint8_t)(1 << i % 8);
		assert_null(cancels_find(&c, slice_of(bytes, CANCELS_LONG_LEN)));
		bytes[i / 8] ^= (uint8_t)(1 << i % 8);
	}
	/* The rest of another's is another. */
	assert_int_equal(cancels_spell(&c, &b, other), CANCELS_LONG_LEN);
	assert_memory_not_equal(bytes + 8, other + 8, CANCELS_LONG_LEN - 8);
	/* A short one is nothing with something behind. */
	assert_int_equal(cancels_spell(&c, &brief, other), CANCELS_SHORT_LEN);
	assert_ptr_equal(cancels_find(&c, slice_of(other, CANCELS_SHORT_LEN)), &brief);
	assert_null(cancels_find(&c, slice_of(other, CANCELS_SHORT_LEN + 1)));
	assert_null(cancels_find(&c, slice_of(other, CANCELS_LONG_LEN)));
	cancels_take_back(&c, &a);
	assert_null(cancels_find(&c, slice_of(bytes, CANCELS_LONG_LEN)));
	cancels_take_back(&c, &b);
	cancels_take_back(&c, &brief);
	cancels_fini(&c);
}

/* Who starts the pooler again must not find old keys good. */
static void every_table_makes_its_own_long_keys(void **state)
{
	struct cancel_key a = {0}, b = {0};
	uint8_t ours[CANCELS_LONG_LEN], theirs[CANCELS_LONG_LEN];
	struct cancels c, d;

	(void)state;
	assert_int_equal(cancels_init(&c), 0);
	assert_int_equal(cancels_init(&d), 0);
	cancels_hand_out(&c, &a, true);
	b.key = a.key;
	assert_int_equal(cancels_spell(&c, &a, ours), CANCELS_LONG_LEN);
	assert_int_equal(cancels_spell(&d, &b, theirs), CANCELS_LONG_LEN);
	assert_memory_equal(ours, theirs, 8);
	assert_memory_not_equal(ours + 8, theirs + 8, CANCELS_LONG_LEN - 8);
	cancels_take_back(&c, &a);
	cancels_fini(&c);
	cancels_fini(&d);
}

static size_t longest_chain(const struct cancels *c)
{
	size_t longest = 0;

	for (size_t i = 0; i < c->bucket_count; i++) {
		size_t len = 0;

		for (const struct cancel_key *k = c->buckets[i]; k; k = k->next)
			len++;
		if (len > longest)
			longest = len;
	}
	return longest;
}

static size_t used_buckets(const struct cancels *c)
{
	size_t used = 0;

	for (size_t i = 0; i < c->bucket_count; i++)
		used += c->buckets[i] != NULL;
	return used;
}

static void tens_of_thousands_are_found_as_fast_as_one(void **state)
{
	enum { COUNT = 50000 };
	struct cancel_key *keys = calloc(COUNT, sizeof(*keys));
	struct cancels c;

	(void)state;
	assert_non_null(keys);
	assert_int_equal(cancels_init(&c), 0);
	size_t least = c.bucket_count;
	for (int i = 0; i < COUNT; i++)
		cancels_hand_out(&c, &keys[i], false);
	assert_true(c.bucket_count >= COUNT);
	/* Random keys: more in one, or more empty ones, is all but impossible. */
	assert_true(longest_chain(&c) <= 16);
	assert_true(used_buckets(&c) * 2 > c.bucket_count);
	for (int i = 0; i < COUNT; i++)
		assert_ptr_equal(find(&c, keys[i].key), &keys[i]);
	for (int i = 0; i < COUNT; i++) {
		cancels_take_back(&c, &keys[i]);
		assert_true(c.bucket_count <= least || c.bucket_count <= 16 * c.count);
	}
	assert_int_equal(c.bucket_count, least);
	cancels_fini(&c);
	free(keys);
}

/* Old keys stay on a list too, and must reach nobody. */
static void any_order_of_handing_out_and_taking_back_agrees_with_a_list(void **state)
{
	enum { COUNT = 300 };
	struct dice dice = {.state = 31337};
	struct cancel_key keys[COUNT] = {0};
	uint64_t known[COUNT] = {0}, old[COUNT] = {0};
	struct cancels c;
	size_t count = 0;

	(void)state;
	assert_int_equal(cancels_init(&c), 0);
	for (unsigned step = 0; step < 300000; step++) {
		unsigned i = dice_of(&dice, COUNT), j = dice_of(&dice, COUNT);
		/* Tides, so that the table grows and shrinks. */
		bool is_flood = step / 5000 % 2 == 0;

		if (keys[i].key == 0 && (is_flood || dice_once_in(&dice, 4))) {
			cancels_hand_out(&c, &keys[i], false);
			known[i] = keys[i].key;
			count++;
		} else if (keys[i].key != 0 && (!is_flood || dice_once_in(&dice, 4))) {
			old[i] = known[i];
			known[i] = 0;
			cancels_take_back(&c, &keys[i]);
			count--;
		}
		assert_int_equal(c.count, count);
		assert_int_equal(keys[j].key, known[j]);
		assert_ptr_equal(find(&c, known[j]), known[j] ? &keys[j] : NULL);
		assert_null(find(&c, old[j]));
	}
	for (unsigned i = 0; i < COUNT; i++)
		cancels_take_back(&c, &keys[i]);
	cancels_fini(&c);
}

static void fini_may_be_called_twice(void **state)
{
	struct cancels c;

	(void)state;
	assert_int_equal(cancels_init(&c), 0);
	cancels_fini(&c);
	cancels_fini(&c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_key_reaches_whom_it_was_handed_to),
	    cmocka_unit_test(taking_back_what_was_not_handed_out_is_harmless),
	    cmocka_unit_test(eight_zeros_reach_nobody),
	    cmocka_unit_test(keys_differ_and_look_like_process_ids),
	    cmocka_unit_test(a_long_key_reaches_whom_it_was_handed_to_as_a_whole_only),
	    cmocka_unit_test(every_table_makes_its_own_long_keys),
	    cmocka_unit_test(tens_of_thousands_are_found_as_fast_as_one),
	    cmocka_unit_test(any_order_of_handing_out_and_taking_back_agrees_with_a_list),
	    cmocka_unit_test(fini_may_be_called_twice),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
