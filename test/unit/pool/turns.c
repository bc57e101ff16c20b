/*
 * The heap of turns, against sorting.
 */
#include "pool/turns.h"

#include "unit/base/kit.h"

enum { MOST = 300 };

static void the_least_due_comes_first_and_of_equals_who_came_first(void **state)
{
	static const struct {
		double due;
		bool is_privileged;
		int place;
	} cases[] = {{5, false, 4}, {-1, false, 2}, {5, false, 5}, {7, true, 1},
		     {3, true, 0},  {2, false, 3},  {9, false, 6}};
	struct turns turns = {0};
	struct turn t[COUNT_OF(cases)];

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		t[i] = (struct turn){.due = cases[i].due,
				     .is_privileged = cases[i].is_privileged};
		turns_join(&turns, &t[i]);
		assert_true(turns_are_sound(&turns));
	}
	for (int place = 0; turns.first; place++) {
		assert_int_equal(cases[turns.first - t].place, place);
		turns_leave(&turns, turns.first);
		assert_true(turns_are_sound(&turns));
	}
	for (size_t i = 0; i < COUNT_OF(cases); i++)
		assert_false(turn_is_taken(&t[i]));
}

static void new_terms_move_one_but_keep_its_ticket(void **state)
{
	struct turns turns = {0};
	struct turn a = {.due = 1}, b = {.due = 2}, c = {.due = 3};

	(void)state;
	turns_join(&turns, &a);
	turns_join(&turns, &b);
	turns_join(&turns, &c);
	turns_change(&turns, &a, false, 3);
	assert_ptr_equal(turns.first, &b);
	turns_leave(&turns, &b);
	/* Older than c, and as much due. */
	assert_ptr_equal(turns.first, &a);
	turns_change(&turns, &c, true, 99);
	assert_ptr_equal(turns.first, &c);
	assert_true(turns_are_sound(&turns));
}

static struct turn *least(struct turn *t)
{
	struct turn *first = NULL;

	for (int i = 0; i < MOST; i++)
		if (turn_is_taken(&t[i]) && (!first || turn_is_before(&t[i], first)))
			first = &t[i];
	return first;
}

static void whatever_happens_the_first_is_the_least(void **state)
{
	struct dice dice = {.state = 77};
	struct turns turns = {0};
	struct turn t[MOST] = {0};

	(void)state;
	for (int step = 0; step < 30000; step++) {
		struct turn *one = &t[dice_of(&dice, MOST)];
		double due = dice_of(&dice, 50);
		bool is_privileged = dice_once_in(&dice, 10);

		if (!turn_is_taken(one)) {
			one->due = due;
			one->is_privileged = is_privileged;
			turns_join(&turns, one);
		} else if (dice_once_in(&dice, 2)) {
			turns_leave(&turns, one);
		} else {
			turns_change(&turns, one, is_privileged, due);
		}
		assert_true(turns_are_sound(&turns));
		assert_ptr_equal(turns.first, least(t));
	}
}

static unsigned depth_to_the_right(const struct turns *turns)
{
	unsigned depth = 0;

	for (const struct turn *t = turns->first; t; t = t->right)
		depth++;
	return depth;
}

static void the_way_down_is_short_however_they_come(void **state)
{
	struct turn t[MOST] = {0};

	(void)state;
	for (int order = -1; order <= 1; order++) {
		struct turns turns = {0};

		for (int i = 0; i < MOST; i++) {
			t[i] = (struct turn){.due = i * order};
			turns_join(&turns, &t[i]);
		}
		/* 2 ^ 9 - 1 > 300 */
		assert_true(depth_to_the_right(&turns) <= 8);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(the_least_due_comes_first_and_of_equals_who_came_first),
	    cmocka_unit_test(new_terms_move_one_but_keep_its_ticket),
	    cmocka_unit_test(whatever_happens_the_first_is_the_least),
	    cmocka_unit_test(the_way_down_is_short_however_they_come),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
