/*
 * The limit of servers at work: how it follows the time to the first byte.
 */
#include "pool/gradient.h"

#include "unit/base/kit.h"

static void the_limit_starts_within_its_bounds(void **state)
{
	struct gradient g;

	(void)state;
	gradient_init(&g, 1, 100);
	assert_in_range(gradient_limit(&g), 1, 100);
	gradient_set_bounds(&g, 50, 60);
	assert_in_range(gradient_limit(&g), 50, 60);
	gradient_set_bounds(&g, 2, 3);
	assert_in_range(gradient_limit(&g), 2, 3);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(the_limit_starts_within_its_bounds),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
