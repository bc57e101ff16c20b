/*
 * What gets done with how many servers at work.
 */
#include "pool/curve.h"

#include "base/clock.h"
#include "unit/base/kit.h"

/* Answers for so long, so many at work, so many answers a second. */
static void watch(struct curve *c, uint64_t *now_us, unsigned seconds, unsigned at_work,
		  unsigned per_second)
{
	for (unsigned i = 0; i < seconds * per_second; i++)
		curve_note(c, at_work, *now_us += USEC_PER_SEC / per_second);
}

static void nothing_is_known_before_it_was_seen_for_a_while(void **state)
{
	struct curve c = {0};
	uint64_t now_us = 1;

	(void)state;
	assert_int_equal(curve_enough(&c), 0);
	watch(&c, &now_us, 5, 3, 1000);
	assert_int_equal(curve_enough(&c), 0);
	watch(&c, &now_us, 10, 3, 1000);
	assert_int_equal(curve_enough(&c), 3);
}

static void the_least_that_does_about_the_most_is_enough(void **state)
{
	static const struct {
		unsigned at_work, per_second;
	} seen[] = {{1, 500},   {2, 1000},  {4, 1800}, {8, 2000},
		    {20, 2040}, {36, 1900}, {85, 900}};
	struct curve c = {0};
	uint64_t now_us = 1;

	(void)state;
	for (size_t i = 0; i < COUNT_OF(seen); i++)
		watch(&c, &now_us, 20, seen[i].at_work, seen[i].per_second);
	assert_int_equal(curve_enough(&c), 8);
	/* What is seen for long replaces what was. */
	watch(&c, &now_us, 1000, 20, 3000);
	assert_int_equal(curve_enough(&c), 20);
}

static void what_was_asked_of_few_needs_few(void **state)
{
	struct curve c = {0};
	uint64_t now_us = 1;

	(void)state;
	for (unsigned n = 1; n <= 4; n++)
		watch(&c, &now_us, 20, n, 100 * n);
	assert_int_equal(curve_enough(&c), 4);
}

/* "As many as there are" is no number. */
static void more_than_can_be_told_apart_is_not_known(void **state)
{
	struct curve c = {0};
	uint64_t now_us = 1;

	(void)state;
	watch(&c, &now_us, 20, 1000, 500);
	assert_int_equal(curve_enough(&c), 1141);
	watch(&c, &now_us, 20, 2000, 1000);
	assert_int_equal(curve_enough(&c), 0);
}

static void silence_is_not_work(void **state)
{
	struct curve c = {0};
	uint64_t now_us = 1;

	(void)state;
	for (unsigned i = 0; i < 100; i++) {
		watch(&c, &now_us, 2, 4, 1000);
		now_us += 60 * USEC_PER_SEC;
	}
	assert_int_equal(curve_enough(&c), 4);
}

static void any_number_has_a_point(void **state)
{
	struct curve c = {0};
	uint64_t now_us = 1;

	(void)state;
	for (unsigned n = 0; n < 5000; n += 1 + n / 3)
		watch(&c, &now_us, 1, n, 100);
	watch(&c, &now_us, 20, UINT32_MAX, 100);
	assert_int_equal(curve_enough(&c), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(nothing_is_known_before_it_was_seen_for_a_while),
	    cmocka_unit_test(the_least_that_does_about_the_most_is_enough),
	    cmocka_unit_test(what_was_asked_of_few_needs_few),
	    cmocka_unit_test(more_than_can_be_told_apart_is_not_known),
	    cmocka_unit_test(silence_is_not_work),
	    cmocka_unit_test(any_number_has_a_point),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
