/*
 * How many servers are opened at a time, and the pauses after failures.
 */
#include "pool/opening.h"

#include "base/clock.h"
#include "unit/base/kit.h"

#define MSEC USEC_PER_MSEC
#define LONG_PAUSE (3600 * USEC_PER_SEC)

static void it_begins_with_a_few_at_a_time(void **state)
{
	struct opening o;

	(void)state;
	opening_init(&o);
	assert_false(opening_is_failing(&o));
	assert_int_equal(opening_room(&o, 0, 0), OPENING_INITIAL);
	assert_int_equal(opening_room(&o, 1, 0), OPENING_INITIAL - 1);
	assert_int_equal(opening_room(&o, OPENING_INITIAL, 0), 0);
	assert_int_equal(opening_room(&o, OPENING_INITIAL + 5, 0), 0);
}

static void quick_handshakes_double_and_slow_ones_halve(void **state)
{
	static const struct {
		uint64_t took_us;
		unsigned allowed;
	} steps[] = {
	    {1, 8},          {249 * MSEC, 16}, {5 * MSEC, 32},     {5 * MSEC, 64},
	    {5 * MSEC, 64},  {250 * MSEC, 32}, {10000 * MSEC, 16}, {300 * MSEC, 8},
	    {300 * MSEC, 4}, {300 * MSEC, 2},  {300 * MSEC, 1},    {300 * MSEC, 1},
	    {249 * MSEC, 2},
	};
	struct opening o;

	(void)state;
	opening_init(&o);
	for (size_t i = 0; i < COUNT_OF(steps); i++) {
		opening_succeeded(&o, steps[i].took_us);
		assert_int_equal(o.allowed, steps[i].allowed);
		assert_int_equal(opening_room(&o, 0, 0), steps[i].allowed);
	}
}

static void what_opening_takes_follows_the_latest(void **state)
{
	struct opening o;

	(void)state;
	opening_init(&o);
	assert_int_equal(o.took_us, 0);
	opening_succeeded(&o, 80 * MSEC);
	assert_int_equal(o.took_us, 80 * MSEC);
	opening_succeeded(&o, 40 * MSEC);
	assert_int_equal(o.took_us, 70 * MSEC);
	for (int i = 0; i < 20; i++)
		opening_succeeded(&o, 4 * MSEC);
	assert_true(o.took_us < 5 * MSEC);
}

/* Fails again and again, each time as soon as it may be tried. */
static void pauses_double_up_to_the_longest_with_a_spread(void **state)
{
	static const struct {
		uint64_t most_us;
		uint64_t pauses_us[6];
	} cases[] = {
	    {LONG_PAUSE,
	     {100 * MSEC, 200 * MSEC, 400 * MSEC, 800 * MSEC, 1600 * MSEC, 3200 * MSEC}},
	    {350 * MSEC,
	     {100 * MSEC, 200 * MSEC, 350 * MSEC, 350 * MSEC, 350 * MSEC, 350 * MSEC}},
	    {1 * MSEC, {1 * MSEC, 1 * MSEC, 1 * MSEC, 1 * MSEC, 1 * MSEC, 1 * MSEC}},
	    {0, {0, 0, 0, 0, 0, 0}},
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		struct opening o;
		uint64_t now = 5000;

		opening_init(&o);
		for (size_t n = 0; n < COUNT_OF(cases[i].pauses_us); n++) {
			uint64_t pause = cases[i].pauses_us[n];

			opening_failed(&o, REACH_REFUSED, now, cases[i].most_us);
			assert_true(opening_is_failing(&o));
			assert_true(o.not_before_us >= now + pause * 80 / 100);
			assert_true(o.not_before_us <= now + pause * 120 / 100);
			if (pause > 0)
				assert_int_equal(opening_room(&o, 0, o.not_before_us - 1),
						 0);
			now = o.not_before_us;
			assert_int_equal(opening_room(&o, 0, now), 1);
			assert_int_equal(opening_room(&o, 1, now), 0);
		}
	}
}

static void pauses_of_many_pools_are_spread(void **state)
{
	unsigned different = 0;
	uint64_t first = 0;

	(void)state;
	for (int i = 0; i < 50; i++) {
		struct opening o;

		opening_init(&o);
		opening_failed(&o, REACH_REFUSED, 1, LONG_PAUSE);
		if (i == 0)
			first = o.not_before_us;
		different += o.not_before_us != first;
	}
	assert_true(different > 25);
}

static void failures_of_one_moment_count_once(void **state)
{
	struct opening o;

	(void)state;
	opening_init(&o);
	for (int i = 0; i < OPENING_INITIAL; i++)
		opening_failed(&o, REACH_REFUSED, 1000 + (uint64_t)i, LONG_PAUSE);
	assert_int_equal(o.failures, 1);
	assert_true(o.not_before_us <= 1000 + 120 * MSEC);
}

static void a_success_ends_the_pause_at_once(void **state)
{
	struct opening o;

	(void)state;
	opening_init(&o);
	opening_failed(&o, REACH_REFUSED, 1000, LONG_PAUSE);
	opening_succeeded(&o, 1);
	assert_false(opening_is_failing(&o));
	assert_int_equal(opening_room(&o, 0, 1001), 2);
	opening_failed(&o, REACH_REFUSED, 1002, LONG_PAUSE);
	assert_int_equal(o.failures, 1);
	assert_true(o.not_before_us <= 1002 + 120 * MSEC);
}

static void thousands_of_failures_do_no_harm(void **state)
{
	struct opening o;
	uint64_t now = 0;

	(void)state;
	opening_init(&o);
	for (int i = 0; i < 5000; i++) {
		opening_failed(&o, REACH_REFUSED, now, 15 * USEC_PER_SEC);
		assert_true(o.not_before_us > now);
		assert_true(o.not_before_us <= now + 18 * USEC_PER_SEC);
		now = o.not_before_us;
	}
	assert_int_equal(o.failures, 5000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(it_begins_with_a_few_at_a_time),
	    cmocka_unit_test(quick_handshakes_double_and_slow_ones_halve),
	    cmocka_unit_test(what_opening_takes_follows_the_latest),
	    cmocka_unit_test(pauses_double_up_to_the_longest_with_a_spread),
	    cmocka_unit_test(pauses_of_many_pools_are_spread),
	    cmocka_unit_test(failures_of_one_moment_count_once),
	    cmocka_unit_test(a_success_ends_the_pause_at_once),
	    cmocka_unit_test(thousands_of_failures_do_no_harm),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
