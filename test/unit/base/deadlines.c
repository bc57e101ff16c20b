/*
 * The heap of deadlines, against a list that is searched.
 */
#include "base/deadlines.h"

#include "base/clock.h"
#include "unit/base/kit.h"

struct thing {
	struct deadline due;
	uint64_t naive_us; /* CLOCK_NEVER: not armed */
	unsigned called;
	struct deadlines *all;
	struct thing *victim; /* disarmed by the call */
	uint64_t again_us;    /* armed again by the call */
};

static void on_due(struct deadline *due, uint64_t now_us)
{
	struct thing *thing =
	    (struct thing *)(void *)((char *)due - offsetof(struct thing, due));

	(void)now_us;
	assert_int_equal(due->place, 0);
	thing->called++;
	if (thing->victim)
		deadlines_disarm(thing->all, &thing->victim->due);
	if (thing->again_us)
		deadlines_arm(thing->all, due, thing->again_us);
}

static void deadlines_come_in_order(void **state)
{
	struct deadlines d = {0};
	struct thing a = {.due.on_due = on_due}, b = {.due.on_due = on_due};

	(void)state;
	assert_int_equal(deadlines_next(&d), CLOCK_NEVER);
	assert_true(deadlines_reserve(&d, 2));
	deadlines_arm(&d, &a.due, 20);
	deadlines_arm(&d, &b.due, 10);
	assert_int_equal(deadlines_next(&d), 10);
	assert_false(deadlines_expire(&d, 9, 10));
	assert_int_equal(a.called + b.called, 0);
	assert_false(deadlines_expire(&d, 10, 10));
	assert_int_equal(a.called, 0);
	assert_int_equal(b.called, 1);
	deadlines_arm(&d, &a.due, CLOCK_NEVER);
	assert_int_equal(deadlines_next(&d), CLOCK_NEVER);
	deadlines_disarm(&d, &a.due);
	deadlines_fini(&d);
	deadlines_fini(&d);
}

static void a_later_time_is_only_noted(void **state)
{
	struct deadlines d = {0};
	struct thing a = {.due.on_due = on_due};

	(void)state;
	assert_true(deadlines_reserve(&d, 1));
	deadlines_arm(&d, &a.due, 10);
	deadlines_arm(&d, &a.due, 30);
	assert_int_equal(deadlines_next(&d), 10);
	assert_false(deadlines_expire(&d, 20, 10));
	assert_int_equal(a.called, 0);
	assert_int_equal(deadlines_next(&d), 30);
	deadlines_arm(&d, &a.due, 25);
	assert_int_equal(deadlines_next(&d), 25);
	assert_false(deadlines_expire(&d, 25, 10));
	assert_int_equal(a.called, 1);
	deadlines_fini(&d);
}

static void only_so_many_are_called_at_once(void **state)
{
	struct deadlines d = {0};
	struct thing things[5] = {0};
	unsigned called = 0;

	(void)state;
	assert_true(deadlines_reserve(&d, 5));
	for (size_t i = 0; i < 5; i++) {
		things[i].due.on_due = on_due;
		deadlines_arm(&d, &things[i].due, 10 + i);
	}
	assert_true(deadlines_expire(&d, 100, 2));
	for (size_t i = 0; i < 5; i++)
		called += things[i].called;
	assert_int_equal(called, 2);
	assert_true(deadlines_expire(&d, 100, 2));
	assert_false(deadlines_expire(&d, 100, 2));
	assert_int_equal(things[4].called, 1);
	deadlines_fini(&d);
}

static void a_call_may_arm_and_disarm(void **state)
{
	struct deadlines d = {0};
	struct thing b = {.due.on_due = on_due};
	struct thing a = {.due.on_due = on_due, .all = &d, .victim = &b, .again_us = 50};

	(void)state;
	assert_true(deadlines_reserve(&d, 2));
	deadlines_arm(&d, &a.due, 10);
	deadlines_arm(&d, &b.due, 11);
	assert_false(deadlines_expire(&d, 20, 10));
	assert_int_equal(a.called, 1);
	assert_int_equal(b.called, 0);
	assert_int_equal(deadlines_next(&d), 50);
	deadlines_disarm(&d, &a.due);
	deadlines_fini(&d);
}

enum { THINGS = 300 };

static uint64_t naive_next(const struct thing *things)
{
	uint64_t next = CLOCK_NEVER;

	for (size_t i = 0; i < THINGS; i++)
		next = clock_earlier(next, things[i].naive_us);
	return next;
}

static void random_use_agrees_with_a_searched_list(void **state)
{
	struct deadlines d = {0};
	struct thing things[THINGS] = {0};
	struct dice dice = {.state = 9};
	uint64_t now = 1;

	(void)state;
	assert_true(deadlines_reserve(&d, THINGS));
	for (size_t i = 0; i < THINGS; i++)
		things[i] = (struct thing){.due.on_due = on_due, .naive_us = CLOCK_NEVER};
	for (int round = 0; round < 100000; round++) {
		struct thing *thing = &things[dice_of(&dice, THINGS)];
		uint64_t at = now + dice_of(&dice, 1000);

		if (dice_once_in(&dice, 4))
			at = CLOCK_NEVER;
		thing->naive_us = at;
		if (at == CLOCK_NEVER && dice_once_in(&dice, 2))
			deadlines_disarm(&d, &thing->due);
		else
			deadlines_arm(&d, &thing->due, at);
		/* The heap may know earlier times than the true ones, never later. */
		assert_true(deadlines_next(&d) <= naive_next(things));
		if (!dice_once_in(&dice, 8))
			continue;
		now += dice_of(&dice, 30);
		while (deadlines_expire(&d, now, 3))
			;
		for (size_t i = 0; i < THINGS; i++) {
			assert_int_equal(things[i].called, things[i].naive_us <= now);
			if (things[i].called)
				things[i].naive_us = CLOCK_NEVER;
			things[i].called = 0;
		}
		assert_true(deadlines_next(&d) > now);
	}
	deadlines_fini(&d);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(deadlines_come_in_order),
	    cmocka_unit_test(a_later_time_is_only_noted),
	    cmocka_unit_test(only_so_many_are_called_at_once),
	    cmocka_unit_test(a_call_may_arm_and_disarm),
	    cmocka_unit_test(random_use_agrees_with_a_searched_list),
	};

	return cmocka_run_group_tests_name("deadlines", tests, NULL, NULL);
}
