/*
 * Quantiles of a histogram against the exact ones of the same durations.
 */
#include "stats/histogram.h"

#include "unit/base/kit.h"

static void nothing_counted_has_quantile_zero(void **state)
{
	struct histogram h = {0};

	(void)state;
	assert_int_equal(histogram_quantile(&h, 0), 0);
	assert_int_equal(histogram_quantile(&h, 0.5), 0);
	assert_int_equal(histogram_quantile(&h, 1), 0);
}

/* Of one duration, every quantile is the end of its bucket. */
static void a_duration_counts_in_the_bucket_that_holds_it(void **state)
{
	static const struct {
		uint64_t duration_us, end_us;
	} cases[] = {
	    {0, 0},
	    {1, 1},
	    {2, 2},
	    {3, 3},
	    {4, 5},
	    {5, 5},
	    {6, 7},
	    {7, 7},
	    {8, 11},
	    {11, 11},
	    {12, 15},
	    {15, 15},
	    {16, 23},
	    {1000, 1023},
	    {1024, 1535},
	    {1000000, 1048575},
	    {(1ULL << 32) - 1, (1ULL << 32) - 1},
	    {1ULL << 32, (1ULL << 32) - 1},
	    {UINT64_MAX, (1ULL << 32) - 1},
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		struct histogram h = {0};

		histogram_add(&h, cases[i].duration_us);
		assert_int_equal(histogram_quantile(&h, 0), cases[i].end_us);
		assert_int_equal(histogram_quantile(&h, 0.5), cases[i].end_us);
		assert_int_equal(histogram_quantile(&h, 1), cases[i].end_us);
		assert_int_equal(h.count, 1);
	}
}

static int by_size(const void *a, const void *b)
{
	const uint64_t *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

/* The smallest duration so that at least the share is not longer. */
static uint64_t exact_quantile(const uint64_t *sorted, size_t count, double share)
{
	for (size_t i = 0; i < count; i++)
		if ((double)(i + 1) >= share * (double)count)
			return sorted[i];
	return sorted[count - 1];
}

static void expect_near(const struct histogram *h, const uint64_t *sorted, size_t count)
{
	static const double shares[] = {0,   0.001, 0.01, 0.1,   0.25, 0.5,
					0.9, 0.95,  0.99, 0.999, 1};

	for (size_t i = 0; i < COUNT_OF(shares); i++) {
		uint64_t exact = exact_quantile(sorted, count, shares[i]);
		uint64_t told = histogram_quantile(h, shares[i]);

		/* Never less than the truth, and at most a third of it more is said,
		 * seen from what is said. */
		assert_true(told >= exact);
		assert_true((told - exact) * 3 <= told);
	}
}

static void quantiles_are_right_within_a_third(void **state)
{
	struct dice dice = {.state = 4711};
	uint64_t durations[1000];

	(void)state;
	for (unsigned round = 0; round < 300; round++) {
		struct histogram h = {0};
		size_t count = 1 + dice_of(&dice, COUNT_OF(durations));

		for (size_t i = 0; i < count; i++) {
			durations[i] = dice_roll(&dice) >> (32 + dice_of(&dice, 32));
			histogram_add(&h, durations[i]);
		}
		qsort(durations, count, sizeof(durations[0]), by_size);
		expect_near(&h, durations, count);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(nothing_counted_has_quantile_zero),
	    cmocka_unit_test(a_duration_counts_in_the_bucket_that_holds_it),
	    cmocka_unit_test(quantiles_are_right_within_a_third),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
