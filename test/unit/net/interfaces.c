/*
 * The machine's own networks.
 */
#include "net/interfaces.h"

#include "unit/base/kit.h"

static void loopback_is_among_them(void **state)
{
	static const uint8_t local[4] = {127, 0, 0, 1}, mask[4] = {255, 0, 0, 0};
	struct interface_network *all = NULL;
	size_t count = 0, found = 0;

	(void)state;
	assert_int_equal(interfaces_list(&all, &count), 0);
	for (size_t i = 0; i < count; i++) {
		bool is_ipv4 = all[i].family == 4;

		assert_true(is_ipv4 || all[i].family == 6);
		found += is_ipv4 && memcmp(all[i].address, local, 4) == 0 &&
			 memcmp(all[i].mask, mask, 4) == 0;
	}
	assert_int_equal(found, 1);
	free(all);
}

/* Ones first, zeros behind: so far no kernel gave another. */
static void masks_are_runs_of_ones(void **state)
{
	struct interface_network *all = NULL;
	size_t count = 0;

	(void)state;
	assert_int_equal(interfaces_list(&all, &count), 0);
	assert_true(count > 0);
	for (size_t i = 0; i < count; i++) {
		bool has_ended = false;

		for (unsigned bit = 0; bit < 128; bit++) {
			bool is_one = all[i].mask[bit / 8] & 0x80 >> bit % 8;

			assert_false(is_one && has_ended);
			has_ended |= !is_one;
			assert_false(is_one && all[i].family == 4 && bit >= 32);
		}
	}
	free(all);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(loopback_is_among_them),
	    cmocka_unit_test(masks_are_runs_of_ones),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
