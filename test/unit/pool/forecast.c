/*
 * The wait that is foretold: from times held, from what comes free, and from what does
 * not.
 */
#include "pool/forecast.h"

#include "unit/base/kit.h"

/* Servers that come free every so often while somebody waits. */
static uint64_t awaited(struct forecast *f, unsigned count, uint64_t held_us,
			uint64_t gap_us, uint64_t now_us)
{
	for (unsigned i = 0; i < count; i++) {
		now_us += gap_us;
		forecast_freed(f, held_us, 10, true, now_us);
		forecast_taken(f, now_us);
	}
	return now_us;
}

static void nothing_is_foretold_before_a_server_has_come_free(void **state)
{
	struct forecast f;

	(void)state;
	forecast_init(&f);
	assert_int_equal(forecast_wait(&f, 10, 5, NULL, 1000), 0);
	forecast_taken(&f, 1000);
	assert_int_equal(forecast_wait(&f, 10, 5, NULL, 2000), 0);
	assert_int_equal(forecast_held(&f), 0);
	assert_int_equal(forecast_spread(&f), 0);
}

static void the_wait_is_the_time_held_times_those_ahead_by_the_servers(void **state)
{
	struct forecast f;

	(void)state;
	forecast_init(&f);
	forecast_freed(&f, 10000, 5, false, 10000);
	assert_int_equal(forecast_wait(&f, 0, 5, NULL, 10000), 2000);
	assert_int_equal(forecast_wait(&f, 9, 5, NULL, 10000), 20000);
	assert_int_equal(forecast_wait(&f, 0, 1, NULL, 10000), 10000);
	assert_int_equal(forecast_wait(&f, 9, 0, NULL, 10000), 0);
}

static void the_first_times_count_in_full(void **state)
{
	struct forecast f;

	(void)state;
	forecast_init(&f);
	forecast_freed(&f, 10000, 1, false, 10000);
	assert_int_equal(forecast_held(&f), 10000);
	forecast_freed(&f, 20000, 1, false, 40000);
	assert_int_equal(forecast_held(&f), 15000);
	forecast_freed(&f, 30000, 1, false, 80000);
	assert_int_equal(forecast_held(&f), 20000);
}

static void the_mean_follows_other_times(void **state)
{
	struct forecast f;
	uint64_t now_us = 0;

	(void)state;
	forecast_init(&f);
	for (int i = 0; i < 1000; i++)
		forecast_freed(&f, 10000, 1, false, now_us += 10000);
	assert_in_range(forecast_held(&f), 9999, 10000);
	assert_in_range(forecast_spread(&f), 0, 1);
	for (int i = 0; i < 32; i++)
		forecast_freed(&f, 20000, 1, false, now_us += 20000);
	assert_in_range(forecast_held(&f), 16000, 17000);
	for (int i = 0; i < 200; i++)
		forecast_freed(&f, 20000, 1, false, now_us += 20000);
	assert_in_range(forecast_held(&f), 19900, 20000);
}

static void the_spread_is_how_far_off_the_mean_times_are(void **state)
{
	struct forecast f;

	(void)state;
	forecast_init(&f);
	for (int i = 1; i <= 2000; i++)
		forecast_freed(&f, i % 2 ? 5000 : 15000, 1, false, (uint64_t)i * 20000);
	assert_in_range(forecast_held(&f), 9500, 10500);
	assert_in_range(forecast_spread(&f), 4500, 5500);
}

static void servers_that_somebody_sits_on_are_not_counted_on(void **state)
{
	struct forecast f;
	uint64_t now_us;

	(void)state;
	forecast_init(&f);
	/* Ten servers, but only two take part: one comes free each 5 ms, not each ms. */
	now_us = awaited(&f, 200, 10000, 5000, 1);
	assert_in_range(forecast_wait(&f, 0, 10, NULL, now_us), 4900, 5000);
	assert_in_range(forecast_wait(&f, 99, 10, NULL, now_us), 490000, 500000);
	/* Those that are added take part. */
	assert_in_range(forecast_wait(&f, 99, 20, NULL, now_us), 245000, 250000);
}

static void what_was_seen_while_waiting_is_forgotten_when_nobody_waits(void **state)
{
	struct forecast f;
	uint64_t now_us;

	(void)state;
	forecast_init(&f);
	now_us = awaited(&f, 200, 10000, 5000, 1);
	forecast_freed(&f, 10000, 10, false, now_us);
	assert_in_range(forecast_wait(&f, 9, 10, NULL, now_us), 9990, 10000);
	/* And a few do not yet count: they may have come by chance. */
	now_us = awaited(&f, 32, 10000, 5000, now_us);
	assert_in_range(forecast_wait(&f, 9, 10, NULL, now_us), 9990, 10000);
	now_us = awaited(&f, 1, 10000, 5000, now_us);
	assert_in_range(forecast_wait(&f, 9, 10, NULL, now_us), 49000, 50000);
}

static void those_who_get_some_of_what_comes_free_wait_by_their_own_pace(void **state)
{
	struct forecast f;
	struct pace own = {0};
	uint64_t now_us, theirs_us = 1;

	(void)state;
	forecast_init(&f);
	now_us = awaited(&f, 200, 10000, 1000, 1);
	/* As long as it is not known, theirs is everybody's. */
	assert_in_range(forecast_wait(&f, 9, 10, &own, now_us), 9990, 10000);
	while (!pace_is_known(&own))
		pace_note(&own, 10, true, theirs_us += 7000);
	assert_in_range(forecast_wait(&f, 9, 10, &own, now_us), 69900, 70000);
	/* It may be the faster one, too: what takes long is others'. */
	now_us = awaited(&f, 200, 50000, 10000, now_us);
	assert_in_range(forecast_wait(&f, 9, 10, &own, now_us), 69900, 70000);
}

static void a_quick_run_is_not_more_than_the_times_held_allow(void **state)
{
	struct forecast f;
	uint64_t now_us;

	(void)state;
	forecast_init(&f);
	now_us = awaited(&f, 200, 10000, 100, 1);
	assert_in_range(forecast_wait(&f, 9, 10, NULL, now_us), 9990, 10000);
}

static void no_news_for_longer_than_servers_are_held_is_bad_news(void **state)
{
	struct forecast f;
	uint64_t now_us;

	(void)state;
	forecast_init(&f);
	now_us = awaited(&f, 1000, 10000, 1000, 1);
	assert_in_range(forecast_wait(&f, 9, 10, NULL, now_us + 9000), 9990, 10000);
	assert_in_range(forecast_wait(&f, 9, 10, NULL, now_us + 30000), 200000, 220000);
	assert_in_range(forecast_wait(&f, 9, 10, NULL, now_us + 60000), 500000, 520000);
}

static void no_news_is_no_news_while_nothing_was_taken(void **state)
{
	struct forecast f;
	uint64_t now_us;

	(void)state;
	forecast_init(&f);
	now_us = awaited(&f, 1000, 10000, 1000, 1);
	now_us += 3600 * 1000000ULL;
	forecast_taken(&f, now_us);
	assert_in_range(forecast_wait(&f, 9, 10, NULL, now_us), 9990, 10000);
	assert_in_range(forecast_wait(&f, 9, 10, NULL, now_us + 5000), 9990, 10000);
}

static void times_that_spread_allow_for_more_patience(void **state)
{
	struct forecast f;
	uint64_t now_us = 0;

	(void)state;
	forecast_init(&f);
	for (int i = 1; i <= 1000; i++)
		forecast_freed(&f, i % 2 ? 2000 : 18000, 10, false, now_us += 1000);
	assert_in_range(forecast_wait(&f, 0, 10, NULL, now_us + 25000), 900, 1100);
	assert_true(forecast_wait(&f, 0, 10, NULL, now_us + 60000) > 20000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(nothing_is_foretold_before_a_server_has_come_free),
	    cmocka_unit_test(the_wait_is_the_time_held_times_those_ahead_by_the_servers),
	    cmocka_unit_test(the_first_times_count_in_full),
	    cmocka_unit_test(the_mean_follows_other_times),
	    cmocka_unit_test(the_spread_is_how_far_off_the_mean_times_are),
	    cmocka_unit_test(servers_that_somebody_sits_on_are_not_counted_on),
	    cmocka_unit_test(what_was_seen_while_waiting_is_forgotten_when_nobody_waits),
	    cmocka_unit_test(
		those_who_get_some_of_what_comes_free_wait_by_their_own_pace),
	    cmocka_unit_test(a_quick_run_is_not_more_than_the_times_held_allow),
	    cmocka_unit_test(no_news_for_longer_than_servers_are_held_is_bad_news),
	    cmocka_unit_test(no_news_is_no_news_while_nothing_was_taken),
	    cmocka_unit_test(times_that_spread_allow_for_more_patience),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
