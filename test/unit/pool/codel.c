/*
 * Standing lines: when one is seen, who is sent away, and when it is over.
 */
#include "pool/codel.h"

#include "unit/base/kit.h"

static const struct codel_config config = {.target_us = 5000, .interval_us = 100000};

static void a_standing_line_is_seen_when_the_interval_is_over(void **state)
{
	struct codel c;

	(void)state;
	codel_init(&c);
	assert_int_equal(codel_dequeue(&c, &config, 20000, 1), CODEL_SERVE);
	assert_int_equal(codel_dequeue(&c, &config, 20000, 50000), CODEL_SERVE);
	assert_false(codel_is_overloaded(&c));
	assert_int_equal(codel_dequeue(&c, &config, 20000, 100001), CODEL_SERVE);
	assert_true(codel_is_overloaded(&c));
	assert_int_equal(codel_dequeue(&c, &config, 10001, 100002), CODEL_REJECT);
	assert_int_equal(codel_dequeue(&c, &config, 10000, 100002), CODEL_SERVE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_standing_line_is_seen_when_the_interval_is_over),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
