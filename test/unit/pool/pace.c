/*
 * How fast servers come to those who wait: what counts, what is forgotten.
 */
#include "pool/pace.h"

#include "unit/base/kit.h"

enum { ENOUGH = 33 }; /* so many of them have 32 gaps between */

static uint64_t run(struct pace *p, unsigned count, unsigned servers, uint64_t gap_us,
		    uint64_t now_us)
{
	for (unsigned i = 0; i < count; i++)
		pace_note(p, servers, true, now_us += gap_us);
	return now_us;
}

static void nothing_is_known_before_there_were_enough(void **state)
{
	struct pace p = {0};
	uint64_t now_us;

	(void)state;
	assert_false(pace_is_known(&p));
	now_us = run(&p, ENOUGH - 1, 1, 1000, 1);
	assert_false(pace_is_known(&p));
	run(&p, 1, 1, 1000, now_us);
	assert_true(pace_is_known(&p));
	assert_int_equal(pace_gap_us(&p, 1), 1000);
}

static void more_servers_come_as_much_faster(void **state)
{
	struct pace p = {0};

	(void)state;
	run(&p, ENOUGH, 10, 1000, 1);
	assert_int_equal(pace_gap_us(&p, 10), 1000);
	assert_int_equal(pace_gap_us(&p, 20), 500);
	assert_int_equal(pace_gap_us(&p, 1), 10000);
}

static void a_break_ends_what_was_known(void **state)
{
	struct pace p = {0};
	uint64_t now_us;

	(void)state;
	now_us = run(&p, ENOUGH, 1, 1000, 1);
	pace_note(&p, 1, false, now_us += 1000);
	assert_false(pace_is_known(&p));
	/* The time in which nobody waited is no gap. */
	now_us = run(&p, ENOUGH, 1, 2000, now_us + 1000000);
	assert_int_equal(pace_gap_us(&p, 1), 2000);
	pace_stop(&p);
	assert_false(pace_is_known(&p));
	run(&p, ENOUGH, 1, 3000, now_us + 1000000);
	assert_int_equal(pace_gap_us(&p, 1), 3000);
}

static void the_mean_follows(void **state)
{
	struct pace p = {0};
	uint64_t now_us = run(&p, 1000, 1, 1000, 1);

	(void)state;
	now_us = run(&p, 32, 1, 2000, now_us);
	assert_in_range(pace_gap_us(&p, 1), 1600, 1700);
	run(&p, 200, 1, 2000, now_us);
	assert_in_range(pace_gap_us(&p, 1), 1990, 2000);
}

static void many_servers_remember_more_gaps(void **state)
{
	struct pace few = {0}, many = {0}, most = {0};

	(void)state;
	run(&few, 32, 1, 2000, run(&few, 5000, 1, 1000, 1));
	run(&many, 160, 20, 2000, run(&many, 5000, 20, 1000, 1));
	run(&most, 512, 5000, 2000, run(&most, 5000, 5000, 1000, 1));
	assert_in_range(pace_gap_us(&few, 1), 1600, 1700);
	assert_in_range(pace_gap_us(&many, 20), 1600, 1700);
	assert_in_range(pace_gap_us(&most, 5000), 1600, 1700);
}

static void a_sample_weighs_less_the_more_there_are(void **state)
{
	unsigned samples = 0;

	(void)state;
	assert_true(pace_weight(&samples, 1) == 1.0);
	assert_true(pace_weight(&samples, 1) == 0.5);
	for (int i = 0; i < 100; i++)
		pace_weight(&samples, 20);
	assert_int_equal(samples, 102);
	/* With fewer servers what is remembered is less. */
	assert_true(pace_weight(&samples, 1) == 1.0 / 32);
	assert_int_equal(samples, 32);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(nothing_is_known_before_there_were_enough),
	    cmocka_unit_test(more_servers_come_as_much_faster),
	    cmocka_unit_test(a_break_ends_what_was_known),
	    cmocka_unit_test(the_mean_follows),
	    cmocka_unit_test(many_servers_remember_more_gaps),
	    cmocka_unit_test(a_sample_weighs_less_the_more_there_are),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
