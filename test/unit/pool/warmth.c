/*
 * How long idle servers are kept, and how long their pool waits for more.
 */
#include "pool/warmth.h"

#include "unit/pool/ground.h"

static void both_times_follow_what_servers_are_held_for(void **state)
{
	static const struct {
		unsigned held, spread, took; /* milliseconds; 0: not known */
		unsigned warm, patience;
	} cases[] = {
	    {0, 0, 0, 100, 0},
	    {0, 0, 20, 500, 0},
	    {5, 4, 5, 50, 12},
	    {10, 0, 1, 80, 0},
	    {10, 8, 1, 80, 24},
	    {2, 1, 10, 100, 3},
	    {1, 1, 0, 8, 3},
	    {1000, 700, 5, 125, 125},
	    {1000, 700, 40, 1000, 1000},
	    {9000, 9000, 900, 5000, 5000},
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		struct ground g;
		struct pool p;

		ground_begin(&g);
		pool_begin(&p, &g, 0, 0);
		p.opening.took_us = cases[i].took * MSEC;
		p.forecast.held_us = cases[i].held * (double)MSEC;
		p.forecast.deviation_us = cases[i].spread * (double)MSEC;
		assert_int_equal(warmth_time(&p), cases[i].warm * MSEC);
		assert_int_equal(warmth_patience(&p), cases[i].patience * MSEC);
		pool_end(&p);
		ground_end(&g);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(both_times_follow_what_servers_are_held_for),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
