/*
 * The limit of servers at work: how it follows the time to the first byte.
 */
#include "pool/gradient.h"

#include "base/clock.h"
#include "unit/base/kit.h"

/* A database that does so many things at a time, each in so long; more of them share. */
struct machine {
	struct gradient g;
	unsigned cores;
	unsigned work_us;
	unsigned demand; /* that many would be at work at a time if they might */
	uint64_t now_us;
};

static struct machine machine_of(unsigned cores, unsigned demand)
{
	struct machine m = {
	    .cores = cores, .work_us = 1000, .demand = demand, .now_us = 1};

	gradient_init(&m.g, 1, 100);
	return m;
}

static unsigned at_work(const struct machine *m)
{
	unsigned limit = gradient_limit(&m->g);

	return m->demand < limit ? m->demand : limit;
}

/* One answer. */
static void step(struct machine *m)
{
	unsigned n = at_work(m), done = n < m->cores ? n : m->cores;
	unsigned time_us = m->work_us * (n > m->cores ? n : m->cores) / m->cores;

	m->now_us += m->work_us / done > 0 ? m->work_us / done : 1;
	gradient_sample(&m->g, time_us, n, m->now_us);
}

static void run(struct machine *m, unsigned seconds)
{
	uint64_t end_us = m->now_us + seconds * USEC_PER_SEC;

	while (m->now_us < end_us) {
		step(m);
		assert_in_range(gradient_limit(&m->g), m->g.min, m->g.max);
	}
}

/* The mean over so long, trials included. */
static unsigned mean_limit(struct machine *m, unsigned seconds)
{
	unsigned sum = 0;

	for (unsigned i = 0; i < 10 * seconds; i++) {
		uint64_t end_us = m->now_us + USEC_PER_SEC / 10;

		while (m->now_us < end_us)
			step(m);
		sum += gradient_limit(&m->g);
	}
	return sum / (10 * seconds);
}

static void the_limit_starts_within_its_bounds(void **state)
{
	struct gradient g;

	(void)state;
	gradient_init(&g, 1, 100);
	assert_int_equal(gradient_limit(&g), 20);
	gradient_init(&g, 1, 5);
	assert_int_equal(gradient_limit(&g), 5);
	gradient_init(&g, 30, 30);
	assert_int_equal(gradient_limit(&g), 30);
}

static void other_bounds_move_only_what_is_outside_of_them(void **state)
{
	struct gradient g;

	(void)state;
	gradient_init(&g, 1, 100);
	gradient_set_bounds(&g, 10, 200);
	assert_int_equal(gradient_limit(&g), 20);
	gradient_set_bounds(&g, 50, 60);
	assert_int_equal(gradient_limit(&g), 50);
	gradient_set_bounds(&g, 2, 3);
	assert_int_equal(gradient_limit(&g), 3);
}

static void a_trial_stays_within_other_bounds_too(void **state)
{
	struct machine m = machine_of(4, 200);

	(void)state;
	for (unsigned i = 0; i < 100; i++) {
		run(&m, 1);
		gradient_set_bounds(&m.g, 1 + i % 7 * 10, 100 - i % 3 * 15);
		assert_in_range(gradient_limit(&m.g), m.g.min, m.g.max);
	}
}

static void the_limit_comes_down_to_what_the_database_can_do_at_a_time(void **state)
{
	static const struct {
		unsigned cores, from, to;
	} cases[] = {{1, 1, 3}, {2, 1, 5}, {4, 3, 8}, {8, 6, 13}};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		struct machine m = machine_of(cases[i].cores, 200);

		run(&m, 20);
		assert_in_range(mean_limit(&m, 60), cases[i].from, cases[i].to);
	}
}

static void the_limit_goes_up_to_what_the_database_can_do_at_a_time(void **state)
{
	static const struct {
		unsigned cores, from, to;
	} cases[] = {{32, 28, 44}, {64, 58, 84}, {1000, 90, 100}};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		struct machine m = machine_of(cases[i].cores, 200);

		run(&m, 10);
		assert_in_range(mean_limit(&m, 20), cases[i].from, cases[i].to);
	}
}

static void the_limit_does_not_creep_up_under_lasting_load(void **state)
{
	struct machine m = machine_of(2, 200);

	(void)state;
	run(&m, 3600);
	assert_in_range(mean_limit(&m, 60), 1, 5);
}

static void slower_queries_are_not_taken_for_load(void **state)
{
	struct machine m = machine_of(16, 200);

	(void)state;
	run(&m, 30);
	m.work_us *= 10;
	run(&m, 30);
	assert_in_range(mean_limit(&m, 30), 13, 25);
}

static void a_database_that_has_become_smaller_is_followed(void **state)
{
	struct machine m = machine_of(32, 200);

	(void)state;
	run(&m, 60);
	m.cores = 4;
	run(&m, 60);
	assert_in_range(mean_limit(&m, 60), 3, 9);
	m.cores = 32;
	run(&m, 120);
	assert_in_range(mean_limit(&m, 60), 27, 44);
}

static void what_is_not_used_does_not_grow(void **state)
{
	struct machine m = machine_of(64, 9);

	(void)state;
	run(&m, 600);
	assert_int_equal(gradient_limit(&m.g), 20);
}

static void thin_evidence_changes_nothing(void **state)
{
	struct gradient g;
	uint64_t now_us = 1;

	(void)state;
	gradient_init(&g, 1, 100);
	for (int i = 0; i < 29; i++)
		assert_false(gradient_sample(&g, 1000, 20, now_us += USEC_PER_SEC));
	assert_int_equal(gradient_limit(&g), 20);
	assert_false(gradient_sample(&g, 1000, 20, now_us));
	/* The thirtieth was told; with the next second it is looked at. */
	assert_true(gradient_sample(&g, 1000, 20, now_us));
}

static void the_limit_is_looked_at_each_second_or_two(void **state)
{
	struct gradient g;
	unsigned looks = 0;

	(void)state;
	gradient_init(&g, 1, 100);
	for (unsigned i = 0; i < 100000; i++)
		looks += gradient_sample(&g, 1000, 5, 1 + i * 100);
	assert_in_range(looks, 4, 10);
}

/* Some clients take part of the answers that are needed for a comparison, and pause. */
static void what_was_before_a_pause_is_not_compared(void **state)
{
	struct gradient g;
	uint64_t now_us = 1;

	(void)state;
	gradient_init(&g, 1, 100);
	for (unsigned i = 0; i < 100; i++) {
		for (unsigned k = 0; k < 900; k++)
			assert_false(gradient_sample(&g, 1000, 20, now_us += 1000));
		now_us += 5 * USEC_PER_SEC;
	}
	assert_int_equal(gradient_limit(&g), 20);
}

/* A database of one core, whose servers are held for twice as long besides: with one at
 * work it does a third of what it can, though none is as fast as that. */
static void servers_are_held_for_more_than_the_answer(void **state)
{
	struct gradient g;
	double now_us = 1;
	unsigned sum = 0;

	(void)state;
	gradient_init(&g, 1, 100);
	for (unsigned i = 0; i < 200000; i++) {
		unsigned n = gradient_limit(&g);
		double answer_us = n > 3 ? n * 1000 - 2000 : 1000;

		now_us += n > 3 ? 1000 : 3000.0 / n;
		gradient_sample(&g, (uint64_t)answer_us, n, (uint64_t)now_us);
		sum += n;
	}
	assert_in_range(sum / 200000, 3, 4);
}

/* Many more are let work, and others at work are no more in it. */
static void those_of_a_trial_are_gone_before_its_end_is_measured(void **state)
{
	struct gradient g;
	uint64_t now_us = 1;

	(void)state;
	gradient_init(&g, 1, 100);
	while (gradient_limit(&g) <= 20)
		gradient_sample(&g, 20000 / gradient_limit(&g), gradient_limit(&g),
				now_us += gradient_limit(&g) >= 20 ? 1000 : 2000);
	assert_int_equal(gradient_limit(&g), 40);
	/* They do less. */
	while (gradient_limit(&g) == 40)
		gradient_sample(&g, 1000, 40, now_us += 2000);
	for (unsigned i = 0; i < 10000; i++)
		gradient_sample(&g, 1000, 30, now_us += 2000);
	assert_int_equal(g.phase, GRADIENT_RETURNING);
	gradient_sample(&g, 1000, 20, now_us += 2000);
	assert_int_equal(g.phase, GRADIENT_STEADY);
	assert_int_equal(g.window.samples, 1);
}

static void silence_under_pressure_lets_some_more(void **state)
{
	struct gradient g;

	(void)state;
	gradient_init(&g, 1, 100);
	unsigned before = gradient_limit(&g);
	gradient_press(&g, 1);
	gradient_press(&g, 2 * USEC_PER_SEC);
	assert_int_equal(gradient_limit(&g), before);
	for (unsigned i = 1; i < 200; i++)
		gradient_press(&g, 1 + i * 2 * USEC_PER_SEC);
	assert_int_equal(gradient_limit(&g), 100);
	gradient_sample(&g, 1000, 100, 500 * USEC_PER_SEC);
	before = gradient_limit(&g);
	gradient_press(&g, 600 * USEC_PER_SEC);
	assert_int_equal(gradient_limit(&g), before);
}

/* Half as many as before are let work, and more wait. */
static struct machine in_a_trial(void)
{
	struct machine m = machine_of(64, 200);

	while (m.g.phase != GRADIENT_TRYING)
		step(&m);
	assert_int_equal(gradient_limit(&m.g), 10);
	return m;
}

/* Reports come after short queries: each trial hears too little to be judged by. */
static void a_trial_that_hears_hardly_anything_is_given_up(void **state)
{
	static const unsigned apart_ms[] = {900, 1100, 1500, 1900, 2100, 5000, 60000};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(apart_ms); i++) {
		struct machine m = in_a_trial();

		for (unsigned k = 0; k < 40 && gradient_limit(&m.g) < 20; k++) {
			m.now_us += apart_ms[i] * USEC_PER_MSEC;
			gradient_sample(&m.g, 10 * USEC_PER_SEC, gradient_limit(&m.g),
					m.now_us);
		}
		assert_in_range(gradient_limit(&m.g), 20, 40);
	}
}

static void silence_in_a_trial_ends_it(void **state)
{
	struct machine m = in_a_trial();

	(void)state;
	gradient_press(&m.g, m.now_us + 2 * USEC_PER_SEC - 1);
	assert_int_equal(gradient_limit(&m.g), 10);
	gradient_press(&m.g, m.now_us + 2 * USEC_PER_SEC);
	assert_in_range(gradient_limit(&m.g), 20, 23);
}

/* Long ones only: no second passes with more than one answer, or hardly. */
static void seldom_answers_are_evidence_too(void **state)
{
	static const unsigned work_ms[] = {10000, 25000, 30000, 38000, 50000, 200000};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(work_ms); i++) {
		struct machine m = machine_of(1000, 200);

		m.work_us = work_ms[i] * 1000;
		while (gradient_limit(&m.g) < 80 && m.now_us < 4000 * USEC_PER_SEC) {
			uint64_t next_us = m.now_us + m.work_us / at_work(&m);

			for (uint64_t us = m.now_us; us < next_us; us += USEC_PER_SEC)
				gradient_press(&m.g, us);
			step(&m);
		}
		assert_in_range(gradient_limit(&m.g), 80, 100);
	}
}

/* Answers of which so many in a hundred take ten thousand times as long. */
static unsigned looks_with_long_ones(unsigned percent, unsigned *out_limit)
{
	struct gradient g;
	struct dice dice = {42};
	unsigned looks = 0;
	uint64_t now_us = 1;

	gradient_init(&g, 1, 100);
	for (unsigned i = 0; i < 600000; i++) {
		bool is_long = dice_of(&dice, 100) < percent;

		now_us += 20000 / gradient_limit(&g);
		looks += gradient_sample(&g, is_long ? 10000000 : 1000,
					 gradient_limit(&g), now_us);
	}
	*out_limit = (unsigned)g.limit;
	return looks;
}

static void many_that_take_far_longer_freeze_the_window(void **state)
{
	unsigned limit;

	(void)state;
	assert_true(looks_with_long_ones(5, &limit) > 100);
	assert_int_equal(limit, 100);
	assert_true(looks_with_long_ones(20, &limit) > 100);
	assert_int_equal(limit, 20);
}

static void a_few_long_queries_are_no_load(void **state)
{
	struct gradient g;
	struct dice dice = {42};
	unsigned long sum = 0, looks = 0;
	uint64_t now_us = 1;

	(void)state;
	gradient_init(&g, 1, 100);
	for (unsigned i = 0; i < 600000; i++) {
		bool is_long = dice_of(&dice, 100) < 2;
		unsigned time_us = 500 + dice_of(&dice, 1000) + is_long * 5000000;

		now_us += 20000 / gradient_limit(&g);
		if (gradient_sample(&g, time_us, gradient_limit(&g), now_us)) {
			sum += gradient_limit(&g);
			looks++;
		}
	}
	assert_true(looks > 100);
	assert_in_range(sum / looks, 85, 100);
}

static void times_of_nothing_and_of_ages_are_times(void **state)
{
	struct gradient g;

	(void)state;
	gradient_init(&g, 1, 100);
	for (uint64_t i = 0; i < 100000; i++) {
		uint64_t time_us = i % 3 == 0 ? 0 : i % 3 == 1 ? 1 : 1ULL << 62;

		gradient_sample(&g, time_us, 20, 1 + i * 1000);
		assert_in_range(gradient_limit(&g), 1, 100);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(the_limit_starts_within_its_bounds),
	    cmocka_unit_test(other_bounds_move_only_what_is_outside_of_them),
	    cmocka_unit_test(a_trial_stays_within_other_bounds_too),
	    cmocka_unit_test(the_limit_comes_down_to_what_the_database_can_do_at_a_time),
	    cmocka_unit_test(the_limit_goes_up_to_what_the_database_can_do_at_a_time),
	    cmocka_unit_test(the_limit_does_not_creep_up_under_lasting_load),
	    cmocka_unit_test(slower_queries_are_not_taken_for_load),
	    cmocka_unit_test(a_database_that_has_become_smaller_is_followed),
	    cmocka_unit_test(what_is_not_used_does_not_grow),
	    cmocka_unit_test(thin_evidence_changes_nothing),
	    cmocka_unit_test(the_limit_is_looked_at_each_second_or_two),
	    cmocka_unit_test(what_was_before_a_pause_is_not_compared),
	    cmocka_unit_test(servers_are_held_for_more_than_the_answer),
	    cmocka_unit_test(those_of_a_trial_are_gone_before_its_end_is_measured),
	    cmocka_unit_test(silence_under_pressure_lets_some_more),
	    cmocka_unit_test(a_trial_that_hears_hardly_anything_is_given_up),
	    cmocka_unit_test(silence_in_a_trial_ends_it),
	    cmocka_unit_test(seldom_answers_are_evidence_too),
	    cmocka_unit_test(many_that_take_far_longer_freeze_the_window),
	    cmocka_unit_test(a_few_long_queries_are_no_load),
	    cmocka_unit_test(times_of_nothing_and_of_ages_are_times),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
