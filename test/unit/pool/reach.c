/*
 * What failures mean: which are the end, and which will pass.
 */
#include "pool/reach.h"

#include <errno.h>

#include "base/clock.h"
#include "pool/opening.h"
#include "unit/base/kit.h"

static void errors_of_servers_have_their_classes(void **state)
{
	static const struct {
		const char *sqlstate;
		enum reach reach;
		bool is_down;
	} cases[] = {
	    {"53300", REACH_FULL, false},       {"57P03", REACH_STARTING, false},
	    {"28000", REACH_AUTH, true},        {"28P01", REACH_AUTH, true},
	    {"3D000", REACH_NO_DATABASE, true}, {"XX000", REACH_FAILED, true},
	    {"53200", REACH_FAILED, true},      {"", REACH_FAILED, true},
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		assert_int_equal(reach_of_sqlstate(cases[i].sqlstate), cases[i].reach);
		assert_int_equal(reach_is_down(cases[i].reach), cases[i].is_down);
	}
}

static void errors_of_connects_have_their_classes(void **state)
{
	static const struct {
		int error;
		enum reach reach;
	} cases[] = {
	    {0, REACH_NO_ADDRESS},           {ECONNREFUSED, REACH_REFUSED},
	    {ENOENT, REACH_REFUSED},         {ETIMEDOUT, REACH_TIMED_OUT},
	    {EHOSTUNREACH, REACH_TIMED_OUT}, {ENETUNREACH, REACH_TIMED_OUT},
	    {ECONNRESET, REACH_BROKEN},      {EAGAIN, REACH_FULL},
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++)
		assert_int_equal(reach_of_errno(cases[i].error), cases[i].reach);
	assert_false(reach_is_down(REACH_OURS));
}

static void every_class_has_a_name_and_sensible_pauses(void **state)
{
	(void)state;
	for (int i = 0; i < REACH_COUNT; i++) {
		assert_true(reach_name((enum reach)i)[0] != '\0');
		for (int k = 0; k < i; k++)
			assert_string_not_equal(reach_name((enum reach)i),
						reach_name((enum reach)k));
		assert_true(reach_first_pause((enum reach)i) > 0);
		assert_true(reach_first_pause((enum reach)i) <=
			    reach_longest_pause((enum reach)i));
	}
}

/* What will pass is tried again soon, however often it failed; what is down grows rare.
 */
static void pauses_grow_to_what_the_class_allows(void **state)
{
	(void)state;
	for (int why = REACH_REFUSED; why < REACH_COUNT; why++) {
		struct opening o;
		uint64_t now = 1000, longest = reach_longest_pause((enum reach)why);

		opening_init(&o);
		longest = clock_earlier(longest, 15 * USEC_PER_SEC);
		for (int i = 0; i < 20; i++) {
			opening_failed(&o, (enum reach)why, now, 15 * USEC_PER_SEC);
			assert_int_equal(opening_is_down(&o),
					 reach_is_down((enum reach)why));
			assert_true(o.not_before_us <= now + longest * 12 / 10);
			if (i > 10)
				assert_true(o.not_before_us >= now + longest * 8 / 10);
			now = o.not_before_us;
		}
		assert_int_equal(o.failing_since_us, 1000);
		opening_succeeded(&o, 1);
		assert_int_equal(o.reach, REACH_OK);
		assert_false(opening_is_down(&o));
	}
}

/* It may have been full, or about to stop, for long before. */
static void being_down_counts_from_the_first_failure_that_means_it(void **state)
{
	struct opening o;

	(void)state;
	opening_init(&o);
	opening_failed(&o, REACH_STARTING, 1 * USEC_PER_SEC, USEC_PER_SEC);
	assert_int_equal(o.down_since_us, 0);
	opening_failed(&o, REACH_REFUSED, 60 * USEC_PER_SEC, USEC_PER_SEC);
	opening_failed(&o, REACH_STARTING, 70 * USEC_PER_SEC, USEC_PER_SEC);
	opening_failed(&o, REACH_REFUSED, 80 * USEC_PER_SEC, USEC_PER_SEC);
	assert_int_equal(o.down_since_us, 60 * USEC_PER_SEC);
	assert_int_equal(o.failing_since_us, 1 * USEC_PER_SEC);
	opening_succeeded(&o, 1);
	opening_failed(&o, REACH_REFUSED, 90 * USEC_PER_SEC, USEC_PER_SEC);
	assert_int_equal(o.down_since_us, 90 * USEC_PER_SEC);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(errors_of_servers_have_their_classes),
	    cmocka_unit_test(errors_of_connects_have_their_classes),
	    cmocka_unit_test(every_class_has_a_name_and_sensible_pauses),
	    cmocka_unit_test(pauses_grow_to_what_the_class_allows),
	    cmocka_unit_test(being_down_counts_from_the_first_failure_that_means_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
