/*
 * The level of admission: when it moves, by how much, and whom it never turns away.
 */
#include "pool/threshold.h"

#include "unit/base/kit.h"

enum {
	TARGET_US = 20000,
	WINDOW_US = 400000,
	LOW = 0,
	NORMAL = THRESHOLD_STEPS,
	HIGH = 2 * THRESHOLD_STEPS,
	CRITICAL = 3 * THRESHOLD_STEPS,
};

/* A time at which windows are opened and closed by those who arrive. */
struct scene {
	struct threshold t;
	uint64_t now_us;
};

static struct scene scene_of(void)
{
	struct scene s = {.now_us = 1};

	threshold_init(&s.t);
	return s;
}

/* So many of each level from one on; how many of them were let in. */
static unsigned arrive(struct scene *s, unsigned from, unsigned levels, unsigned each)
{
	unsigned admitted = 0;

	for (unsigned level = from; level < from + levels; level++)
		for (unsigned i = 0; i < each; i++)
			admitted += threshold_arrive(&s->t, TARGET_US, level, s->now_us);
	return admitted;
}

/* Ends the window by time; the next one opens with one of this level. */
static bool next(struct scene *s, uint64_t wait_us, unsigned level)
{
	threshold_waited(&s->t, wait_us);
	s->now_us += WINDOW_US;
	return threshold_arrive(&s->t, TARGET_US, level, s->now_us);
}

/* Turns everybody away who may be. */
static void shut(struct scene *s)
{
	while (threshold_floor(&s->t) < CRITICAL)
		next(s, 1000000, CRITICAL);
}

static void everybody_is_let_in_while_waits_are_short(void **state)
{
	struct scene s = scene_of();

	(void)state;
	for (unsigned i = 0; i < 100; i++) {
		assert_int_equal(arrive(&s, LOW, THRESHOLD_LEVELS, 3),
				 3 * THRESHOLD_LEVELS);
		assert_true(next(&s, TARGET_US, LOW));
		assert_int_equal(threshold_floor(&s.t), 0);
	}
}

static void the_level_is_over_when_nobody_comes_for_a_while(void **state)
{
	struct scene s = scene_of();

	(void)state;
	shut(&s);
	assert_false(threshold_is_over(&s.t, s.now_us + 2 * WINDOW_US - 1));
	assert_true(threshold_is_over(&s.t, s.now_us + 2 * WINDOW_US));
	s.now_us += 2 * WINDOW_US;
	assert_int_equal(arrive(&s, LOW, 1, 1), 1);
}

static void one_step_up_turns_away_a_twentieth_of_what_was_let_in(void **state)
{
	struct scene s = scene_of();

	(void)state;
	/* Of 1800, 90 less: nine levels of ten. */
	arrive(&s, LOW, 64, 10);
	arrive(&s, NORMAL, 1, 1160);
	next(&s, TARGET_US + 1, CRITICAL);
	assert_int_equal(threshold_floor(&s.t), 9);
	/* 1711 were let in: 86 less are nine levels again. */
	assert_int_equal(arrive(&s, LOW, 64, 10), 550);
	arrive(&s, NORMAL, 1, 1160);
	next(&s, TARGET_US + 1, CRITICAL);
	assert_int_equal(threshold_floor(&s.t), 18);
}

static void levels_that_nobody_has_are_no_step(void **state)
{
	struct scene s = scene_of();

	(void)state;
	arrive(&s, LOW + 60, 1, 5);
	arrive(&s, NORMAL + 10, 1, 5);
	arrive(&s, HIGH, 1, 90);
	next(&s, TARGET_US + 1, HIGH);
	assert_int_equal(threshold_floor(&s.t), LOW + 61);
	arrive(&s, LOW + 60, 1, 5);
	arrive(&s, NORMAL + 10, 1, 5);
	arrive(&s, HIGH, 1, 89);
	next(&s, TARGET_US + 1, HIGH);
	assert_int_equal(threshold_floor(&s.t), NORMAL + 11);
}

static void one_step_down_lets_in_a_hundredth_more_of_what_came(void **state)
{
	struct scene s = scene_of();

	(void)state;
	shut(&s);
	/* 1919 with the one that opened the window: 20 more are two levels. */
	arrive(&s, HIGH, 64, 10);
	arrive(&s, CRITICAL, 1, 1278);
	next(&s, TARGET_US, CRITICAL);
	assert_int_equal(threshold_floor(&s.t), CRITICAL - 2);
}

static void steps_down_in_a_row_double_until_one_up(void **state)
{
	struct scene s = scene_of();
	unsigned floor = CRITICAL;

	(void)state;
	shut(&s);
	for (unsigned step = 1; step <= 32; step *= 2) {
		/* One in a hundred is one level. */
		arrive(&s, LOW, CRITICAL, 10);
		next(&s, TARGET_US, CRITICAL);
		assert_int_equal(threshold_floor(&s.t), floor - 2 * step);
		floor -= 2 * step;
	}
	arrive(&s, LOW, CRITICAL, 10);
	next(&s, TARGET_US + 1, CRITICAL);
	assert_true(threshold_floor(&s.t) > floor);
	floor = threshold_floor(&s.t);
	arrive(&s, LOW, CRITICAL, 10);
	next(&s, TARGET_US, CRITICAL);
	assert_int_equal(threshold_floor(&s.t), floor - 2);
}

static void the_mean_of_all_waits_decides(void **state)
{
	struct scene s = scene_of();

	(void)state;
	arrive(&s, LOW, 1, 10);
	threshold_waited(&s.t, 0);
	threshold_waited(&s.t, 2 * TARGET_US);
	next(&s, TARGET_US, CRITICAL);
	assert_int_equal(threshold_floor(&s.t), 0);
	arrive(&s, LOW, 1, 10);
	threshold_waited(&s.t, 0);
	threshold_waited(&s.t, 2 * TARGET_US);
	next(&s, TARGET_US + 3, CRITICAL);
	assert_true(threshold_floor(&s.t) > 0);
}

static void the_most_important_class_that_came_is_let_in(void **state)
{
	struct scene s = scene_of();

	(void)state;
	arrive(&s, NORMAL, 64, 3);
	for (unsigned i = 0; i < 100; i++) {
		next(&s, 10 * TARGET_US, NORMAL);
		arrive(&s, LOW, 64, 3);
		assert_int_equal(arrive(&s, NORMAL, 64, 3), 64 * 3);
	}
	assert_int_equal(threshold_floor(&s.t), NORMAL);
	assert_int_equal(arrive(&s, LOW, 64, 3), 0);
}

static void who_was_not_the_most_important_may_become_so(void **state)
{
	struct scene s = scene_of();

	(void)state;
	shut(&s);
	assert_false(threshold_arrive(&s.t, TARGET_US, HIGH, s.now_us));
	next(&s, 10 * TARGET_US, HIGH);
	/* In this window nobody critical comes; so the next is open to the high. */
	arrive(&s, LOW, 128, 3);
	next(&s, 10 * TARGET_US, HIGH);
	assert_int_equal(threshold_floor(&s.t), HIGH);
	assert_int_equal(arrive(&s, HIGH, 64, 1), 64);
}

static void the_critical_are_let_in_whatever_is_waited(void **state)
{
	struct scene s = scene_of();

	(void)state;
	for (unsigned i = 0; i < 200; i++) {
		assert_int_equal(arrive(&s, CRITICAL, 64, 1), 64);
		next(&s, 100 * TARGET_US, CRITICAL);
		assert_in_range(threshold_floor(&s.t), 0, CRITICAL);
	}
}

static void a_window_ends_with_its_time(void **state)
{
	struct scene s = scene_of();

	(void)state;
	arrive(&s, LOW, 64, 2);
	arrive(&s, CRITICAL, 1, 1);
	threshold_waited(&s.t, 10 * TARGET_US);
	s.now_us += WINDOW_US - 1;
	assert_true(threshold_arrive(&s.t, TARGET_US, LOW, s.now_us));
	assert_int_equal(threshold_floor(&s.t), 0);
	s.now_us++;
	assert_false(threshold_arrive(&s.t, TARGET_US, LOW, s.now_us));
}

static void a_window_ends_with_its_two_thousandth(void **state)
{
	struct scene s = scene_of();

	(void)state;
	threshold_waited(&s.t, 10 * TARGET_US);
	assert_true(threshold_arrive(&s.t, TARGET_US, CRITICAL, s.now_us));
	threshold_waited(&s.t, 10 * TARGET_US);
	arrive(&s, LOW, 1, 1999);
	assert_int_equal(threshold_floor(&s.t), 0);
	assert_false(threshold_arrive(&s.t, TARGET_US, LOW, s.now_us));
}

static void a_window_in_which_nobody_waited_opens_the_door(void **state)
{
	struct scene s = scene_of();

	(void)state;
	shut(&s);
	assert_true(next(&s, 0, CRITICAL));
	assert_int_equal(threshold_floor(&s.t), 0);
}

static void a_silence_opens_the_door(void **state)
{
	struct scene s = scene_of();

	(void)state;
	shut(&s);
	threshold_waited(&s.t, 10 * TARGET_US);
	s.now_us += 2 * WINDOW_US;
	assert_true(threshold_arrive(&s.t, TARGET_US, LOW, s.now_us));
}

static void a_window_in_which_nobody_was_served_says_nothing(void **state)
{
	struct scene s = scene_of();

	(void)state;
	shut(&s);
	s.now_us += WINDOW_US;
	assert_false(threshold_arrive(&s.t, TARGET_US, LOW, s.now_us));
	assert_int_equal(threshold_floor(&s.t), CRITICAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(everybody_is_let_in_while_waits_are_short),
	    cmocka_unit_test(the_level_is_over_when_nobody_comes_for_a_while),
	    cmocka_unit_test(one_step_up_turns_away_a_twentieth_of_what_was_let_in),
	    cmocka_unit_test(levels_that_nobody_has_are_no_step),
	    cmocka_unit_test(one_step_down_lets_in_a_hundredth_more_of_what_came),
	    cmocka_unit_test(steps_down_in_a_row_double_until_one_up),
	    cmocka_unit_test(the_mean_of_all_waits_decides),
	    cmocka_unit_test(the_most_important_class_that_came_is_let_in),
	    cmocka_unit_test(who_was_not_the_most_important_may_become_so),
	    cmocka_unit_test(the_critical_are_let_in_whatever_is_waited),
	    cmocka_unit_test(a_window_ends_with_its_time),
	    cmocka_unit_test(a_window_ends_with_its_two_thousandth),
	    cmocka_unit_test(a_window_in_which_nobody_waited_opens_the_door),
	    cmocka_unit_test(a_silence_opens_the_door),
	    cmocka_unit_test(a_window_in_which_nobody_was_served_says_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
