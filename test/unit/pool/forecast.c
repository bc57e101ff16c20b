/*
 * The wait that is foretold: from times held, from what comes free, and from what does
 * not.
 */
#include "pool/forecast.h"

#include "unit/base/kit.h"

static void nothing_is_foretold_before_a_server_has_come_free(void **state)
{
	struct forecast f;

	(void)state;
	forecast_init(&f);
	assert_int_equal(forecast_wait(&f, 10, 5, 1000), 0);
	forecast_taken(&f, 1000);
	assert_int_equal(forecast_wait(&f, 10, 5, 2000), 0);
	assert_int_equal(forecast_held(&f), 0);
}

static void the_wait_is_the_time_held_times_those_ahead_by_the_servers(void **state)
{
	struct forecast f;

	(void)state;
	forecast_init(&f);
	forecast_freed(&f, 10000, 5, false, 10000);
	assert_int_equal(forecast_wait(&f, 0, 5, 10000), 2000);
	assert_int_equal(forecast_wait(&f, 9, 5, 10000), 20000);
	assert_int_equal(forecast_wait(&f, 9, 0, 10000), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(nothing_is_foretold_before_a_server_has_come_free),
	    cmocka_unit_test(the_wait_is_the_time_held_times_those_ahead_by_the_servers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
