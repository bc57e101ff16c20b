/*
 * The line of waiters: order, bounds, leaving early.
 */
#include "pool/admission.h"

#include <limits.h>

#include "unit/base/kit.h"

static void whoever_came_first_is_first(void **state)
{
	struct admission a;
	struct waiter w[3] = {0};

	(void)state;
	admission_init(&a, ADMISSION_UNBOUNDED);
	assert_null(admission_first(&a));
	for (int i = 0; i < 3; i++)
		admission_join(&a, &w[i], 10);
	for (int i = 0; i < 3; i++) {
		assert_ptr_equal(admission_first(&a), &w[i]);
		admission_leave(&w[i]);
		assert_true(admission_is_sound(&a));
	}
	assert_null(admission_first(&a));
	assert_int_equal(a.count, 0);
}

static void leaving_early_frees_the_place(void **state)
{
	struct admission a;
	struct waiter w[3] = {0};

	(void)state;
	admission_init(&a, 3);
	for (int i = 0; i < 3; i++)
		admission_join(&a, &w[i], 10);
	assert_true(admission_is_full(&a, 0));
	admission_leave(&w[1]);
	assert_false(admission_is_full(&a, 0));
	assert_int_equal(a.count, 2);
	admission_leave(&w[0]);
	assert_ptr_equal(admission_first(&a), &w[2]);
	assert_true(admission_is_sound(&a));
}

static void leaving_without_waiting_is_harmless(void **state)
{
	struct admission a;
	struct waiter w = {0};

	(void)state;
	admission_leave(&w);
	admission_init(&a, 1);
	admission_join(&a, &w, 10);
	admission_leave(&w);
	admission_leave(&w);
	assert_int_equal(a.count, 0);
	admission_join(&a, &w, 20);
	assert_ptr_equal(admission_first(&a), &w);
}

static void a_line_is_full_when_no_server_is_coming_for_one_more(void **state)
{
	static const struct {
		int max;
		unsigned waiting, coming;
		bool is_full;
	} cases[] = {
	    {-1, 0, 0, false},       {-1, 9, 0, false},
	    {0, 0, 0, true},         {0, 0, 1, false},
	    {0, 1, 1, true},         {0, 1, 2, false},
	    {1, 0, 0, false},        {1, 1, 0, true},
	    {1, 1, 1, false},        {1, 2, 1, true},
	    {3, 2, 0, false},        {3, 3, 0, true},
	    {3, 9, UINT_MAX, false}, {INT_MAX, 9, UINT_MAX, false},
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		struct admission a;
		struct waiter w[9] = {0};

		admission_init(&a, cases[i].max);
		for (unsigned n = 0; n < cases[i].waiting; n++)
			admission_join(&a, &w[n], 10);
		assert_int_equal(admission_is_full(&a, cases[i].coming),
				 cases[i].is_full);
	}
}

static void the_longest_wait_is_the_first_ones(void **state)
{
	struct admission a;
	struct waiter w[2] = {0};

	(void)state;
	admission_init(&a, ADMISSION_UNBOUNDED);
	assert_int_equal(admission_longest_wait(&a, 500), 0);
	admission_join(&a, &w[0], 100);
	admission_join(&a, &w[1], 250);
	assert_int_equal(admission_longest_wait(&a, 300), 200);
	admission_leave(&w[0]);
	assert_int_equal(admission_longest_wait(&a, 300), 50);
	assert_int_equal(admission_longest_wait(&a, 200), 0);
}

/* The model is a list of tickets. */
static void any_order_of_joining_and_leaving_keeps_the_order_of_arrival(void **state)
{
	enum { PEOPLE = 50 };
	struct dice dice = {.state = 7};
	struct waiter w[PEOPLE] = {0};
	unsigned line[PEOPLE], count = 0;
	struct admission a;

	(void)state;
	admission_init(&a, ADMISSION_UNBOUNDED);
	for (unsigned step = 0; step < 200000; step++) {
		unsigned who = dice_of(&dice, PEOPLE), at = 0;

		while (at < count && line[at] != who)
			at++;
		if (at == count) {
			admission_join(&a, &w[who], step);
			line[count++] = who;
		} else {
			admission_leave(&w[who]);
			memmove(&line[at], &line[at + 1],
				(--count - at) * sizeof(line[0]));
		}
		assert_int_equal(a.count, count);
		assert_ptr_equal(admission_first(&a), count ? &w[line[0]] : NULL);
		if (step % 64 == 0)
			assert_true(admission_is_sound(&a));
	}
}

static void an_unsound_line_is_noticed(void **state)
{
	struct admission a;
	struct waiter w[2] = {0};

	(void)state;
	admission_init(&a, ADMISSION_UNBOUNDED);
	admission_join(&a, &w[0], 10);
	admission_join(&a, &w[1], 20);
	assert_true(admission_is_sound(&a));
	a.count = 1;
	assert_false(admission_is_sound(&a));
	a.count = 2;
	w[1].since_us = 5;
	assert_false(admission_is_sound(&a));
	w[1].since_us = 20;
	w[0].line = NULL;
	assert_false(admission_is_sound(&a));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(whoever_came_first_is_first),
	    cmocka_unit_test(leaving_early_frees_the_place),
	    cmocka_unit_test(leaving_without_waiting_is_harmless),
	    cmocka_unit_test(a_line_is_full_when_no_server_is_coming_for_one_more),
	    cmocka_unit_test(the_longest_wait_is_the_first_ones),
	    cmocka_unit_test(any_order_of_joining_and_leaving_keeps_the_order_of_arrival),
	    cmocka_unit_test(an_unsound_line_is_noticed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
