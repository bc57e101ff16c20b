/*
 * The level of admission: when it moves, by how much, and whom it never turns away.
 */
#include "pool/threshold.h"

#include "unit/base/kit.h"

static void everybody_is_let_in_while_waits_are_short(void **state)
{
	struct threshold t;

	(void)state;
	threshold_init(&t);
	for (unsigned i = 0; i < 10000; i++) {
		assert_true(threshold_arrive(&t, 20000, i % THRESHOLD_LEVELS, i * 1000));
		threshold_waited(&t, 20000);
	}
	assert_int_equal(threshold_floor(&t), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(everybody_is_let_in_while_waits_are_short),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
