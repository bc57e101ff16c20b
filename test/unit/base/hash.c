/*
 * SipHash-2-4 against what others compute for the key 00 01 02 ... 0f and the input
 * 00 01 02 ...
 */
#include "base/hash.h"

#include "unit/base/kit.h"

static const struct hash_key key = {.k0 = 0x0706050403020100, .k1 = 0x0f0e0d0c0b0a0908};

static void hashes_are_the_published_ones(void **state)
{
	static const struct {
		size_t len;
		uint64_t hash;
	} vectors[] = {
	    {0, 0x726fdb47dd0e0e31},  {1, 0x74f839c593dc67fd},  {7, 0xab0200f58b01d137},
	    {8, 0x93f5f5799a932462},  {9, 0x9e0082df0ba9e4b0},  {15, 0xa129ca6149be45e5},
	    {16, 0x3f2acc7f57c29bdb}, {63, 0x958a324ceb064572},
	};
	uint8_t input[64];

	(void)state;
	for (size_t i = 0; i < sizeof(input); i++)
		input[i] = (uint8_t)i;
	for (size_t i = 0; i < COUNT_OF(vectors); i++) {
		uint8_t *copy = exact_copy(slice_of(input, vectors[i].len));

		assert_int_equal(hash_bytes(&key, slice_of(copy, vectors[i].len)),
				 vectors[i].hash);
		free(copy);
	}
	assert_int_equal(hash_bytes(&key, (struct slice){0}), vectors[0].hash);
}

static void the_short_form_uses_both_halves(void **state)
{
	struct slice one = slice_of("\0", 1);

	(void)state;
	assert_int_equal(hash_short(&key, one), 0x74f839c5 ^ 0x93dc67fd);
}

static void keys_differ(void **state)
{
	struct hash_key a = hash_key_make(), b = hash_key_make();
	struct slice text = slice_of_text("a name");

	(void)state;
	assert_true(a.k0 != b.k0 && a.k1 != b.k1);
	assert_int_not_equal(hash_bytes(&a, text), hash_bytes(&b, text));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(hashes_are_the_published_ones),
	    cmocka_unit_test(the_short_form_uses_both_halves),
	    cmocka_unit_test(keys_differ),
	};

	return cmocka_run_group_tests_name("hash", tests, NULL, NULL);
}
