/*
 * Time, and random numbers around it.
 */
#include "base/clock.h"

#include "base/random.h"
#include "unit/base/kit.h"

static void time_goes_on(void **state)
{
	uint64_t first = clock_monotonic_now();

	(void)state;
	while (clock_monotonic_now() == first)
		;
	assert_true(clock_monotonic_now() > first);
	/* Later than 2020. */
	assert_true(clock_wall_now() > 1577836800ULL * USEC_PER_SEC);
}

static void no_limit_is_never(void **state)
{
	(void)state;
	assert_int_equal(clock_limit(5, 0), CLOCK_NEVER);
	assert_int_equal(clock_limit(5, 7), 12);
	assert_int_equal(clock_earlier(CLOCK_NEVER, 7), 7);
	assert_int_equal(clock_earlier(3, 7), 3);
	assert_int_equal(clock_since(10, 4), 6);
	assert_int_equal(clock_since(4, 10), 0);
}

static void jitter_stays_in_its_bounds_and_uses_them(void **state)
{
	bool was_below = false, was_above = false;

	(void)state;
	for (int i = 0; i < 10000; i++) {
		uint64_t spread = random_jitter(1000, 10);

		assert_in_range(spread, 900, 1100);
		was_below = was_below || spread < 920;
		was_above = was_above || spread > 1080;
	}
	assert_true(was_below && was_above);
	assert_int_equal(random_jitter(1000, 0), 1000);
	assert_int_equal(random_jitter(0, 10), 0);
}

static void random_bytes_fill_all_they_should(void **state)
{
	uint8_t bytes[1002] = {0}, seen[1000] = {0};

	(void)state;
	for (int round = 0; round < 20; round++) {
		random_bytes(bytes + 1, 1000);
		for (int i = 0; i < 1000; i++)
			seen[i] |= bytes[1 + i];
	}
	assert_int_equal(bytes[0], 0);
	assert_int_equal(bytes[1001], 0);
	for (int i = 0; i < 1000; i++)
		assert_int_not_equal(seen[i], 0);
	assert_int_not_equal(random_u64(), random_u64());
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(time_goes_on),
	    cmocka_unit_test(no_limit_is_never),
	    cmocka_unit_test(jitter_stays_in_its_bounds_and_uses_them),
	    cmocka_unit_test(random_bytes_fill_all_they_should),
	};

	return cmocka_run_group_tests_name("clock", tests, NULL, NULL);
}
