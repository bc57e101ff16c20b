/*
 * A pool before a database that does only so much at a time, and less when more is asked
 * of it: the pool finds out how many servers do most.
 */
#include "simulation/simulation.h"

enum {
	POOL_SIZE = 100,
	CLIENTS = 200,
	PER_SECOND = 2000, /* at best */
	LEARNING = 30,     /* seconds until it is measured, */
	SECONDS = 60,      /* and for how long */
};

static const double slowdown =
    0.1; /* with twice as many at work as it can do at a time */
static const unsigned sizes[] = {1, 2, 4, 8, 16, 32, 64};

static struct simulation *begin(unsigned cores, enum trial adaptive, int pool_size)
{
	struct simulation *s = simulation_begin();

	s->machine.cores = cores;
	s->machine.slowdown = slowdown;
	s->rules.pool_size = pool_size;
	s->rules.adaptive_pool = adaptive;
	simulation_add_pool(s, 0, 0);
	simulation_add_crowd(s, &(struct crowd){.class = PRIORITY_NORMAL,
						.clients = CLIENTS,
						.held_us = cores * SECOND / PER_SECOND});
	return s;
}

static double served_per_second(struct simulation *s, unsigned seconds)
{
	simulation_forget(s);
	simulation_run(s, seconds * SECOND);
	return (double)s->crowds[0].served / seconds;
}

static double with_fixed_size(unsigned cores, int size)
{
	struct simulation *s = begin(cores, TRIAL_OFF, size);
	double found;

	simulation_run(s, SECOND);
	found = served_per_second(s, 10);
	simulation_end(s);
	return found;
}

/* Of those around the best, so that luck is on its side. */
static double with_best_size(unsigned cores)
{
	double best = 0;

	for (unsigned size = cores; size <= cores + cores / 4 + 2; size++) {
		double found = with_fixed_size(cores, (int)size);

		best = found > best ? found : best;
	}
	return best;
}

static uint64_t away_of(unsigned cores, double away)
{
	return (uint64_t)(away * cores * SECOND / PER_SECOND);
}

static double done_with(unsigned cores, double away, unsigned size)
{
	struct simulation *s = begin(cores, TRIAL_OFF, (int)size);
	double found;

	s->machine.away_us = away_of(cores, away);
	simulation_run(s, SECOND);
	found = served_per_second(s, 10);
	simulation_end(s);
	return found;
}

static double best_with(unsigned cores, double away, unsigned *out_size)
{
	double best = 0;

	*out_size = 0;
	for (unsigned size = 1; size <= POOL_SIZE; size += 1 + size / 8) {
		double found = done_with(cores, away, size);

		if (found > best) {
			best = found;
			*out_size = size;
		}
	}
	return best;
}

static void a_pool_of_a_hundred_does_what_the_best_size_does(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT_OF(sizes); i++) {
		struct simulation *s = begin(sizes[i], TRIAL_ON, POOL_SIZE);
		double best = with_best_size(sizes[i]), found;

		simulation_run(s, LEARNING * SECOND);
		found = served_per_second(s, SECONDS);
		print_message("# %2u at a time: best %.0f, all %d %.0f, adaptive %.0f "
			      "(%.3f), limit %u\n",
			      sizes[i], best, POOL_SIZE,
			      with_fixed_size(sizes[i], POOL_SIZE), found, found / best,
			      pool_working_limit(&s->pools[0]));
		assert_true(found >= 0.95 * best);
		simulation_end(s);
	}
}

static void a_trial_run_only_looks(void **state)
{
	struct simulation *s = begin(4, TRIAL_LOG, POOL_SIZE);

	(void)state;
	simulation_run(s, LEARNING * SECOND);
	assert_int_equal(pool_at_work(&s->pools[0]), POOL_SIZE);
	/* And has seen nothing else. */
	assert_int_equal(pool_enough_at_work(&s->pools[0]), POOL_SIZE);
	simulation_end(s);
}

/* An hour of a load that comes and goes, and is too much now and then. */
static unsigned enough_as_watched(unsigned cores, double away)
{
	struct simulation *s = simulation_begin();
	unsigned enough;

	s->machine.cores = cores;
	s->machine.slowdown = slowdown;
	s->machine.away_us = away_of(cores, away);
	s->rules.pool_size = POOL_SIZE;
	s->rules.adaptive_pool = TRIAL_LOG;
	simulation_add_pool(s, 0, 0);
	simulation_add_crowd(s, &(struct crowd){.class = PRIORITY_NORMAL,
						.per_second = 100,
						.limit_us = 300 * MSEC,
						.held_us = cores * SECOND / PER_SECOND});
	for (unsigned i = 0; i < 360; i++) {
		simulation_set_rate(s, 0, PER_SECOND * 1.2 * simulation_chance(s));
		simulation_run(s, 10 * SECOND);
	}
	enough = pool_enough_at_work(&s->pools[0]);
	simulation_end(s);
	return enough;
}

static void what_would_be_enough_is_seen_by_watching(void **state)
{
	static const struct {
		unsigned cores;
		double away;
	} cases[] = {{1, 0}, {1, 1.7}, {4, 0}, {4, 1.7}, {16, 0}, {8, 3}};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		unsigned enough = enough_as_watched(cases[i].cores, cases[i].away);

		unsigned size;
		double best = best_with(cases[i].cores, cases[i].away, &size);
		double found = done_with(cases[i].cores, cases[i].away, enough);

		print_message("# %u at a time, %g times as long away: best %.0f with %u, "
			      "watched %.0f (%.3f) with %u\n",
			      cases[i].cores, cases[i].away, best, size, found,
			      found / best, enough);
		assert_true(found >= 0.75 * best);
	}
}

static void a_database_that_loses_its_neighbours_is_noticed(void **state)
{
	struct simulation *s = begin(4, TRIAL_ON, POOL_SIZE);
	double found;

	(void)state;
	simulation_run(s, LEARNING * SECOND);
	s->machine.cores = 16;
	simulation_run(s, 2 * LEARNING * SECOND);
	found = served_per_second(s, SECONDS);
	print_message("# four times as much at a time: %.0f of %u, limit %u\n", found,
		      4 * PER_SECOND, pool_working_limit(&s->pools[0]));
	assert_true(found >= 0.9 * 4 * PER_SECOND);
	s->machine.cores = 2;
	simulation_run(s, LEARNING * SECOND);
	found = served_per_second(s, SECONDS);
	print_message("# an eighth of that: %.0f of %u, limit %u\n", found,
		      PER_SECOND / 2, pool_working_limit(&s->pools[0]));
	assert_true(found >= 0.9 * PER_SECOND / 2);
	simulation_end(s);
}

/* The way there and back, or a transaction's client that thinks. */
static void what_is_not_spent_in_the_database_takes_servers_too(void **state)
{
	static const struct {
		unsigned cores;
		double away; /* times the work */
	} cases[] = {{1, 0.5}, {1, 1.7}, {1, 5}, {1, 20},
		     {2, 1.7}, {4, 1.7}, {8, 3}, {4, 12}};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		unsigned size;
		double best = best_with(cases[i].cores, cases[i].away, &size), found;
		struct simulation *s = begin(cases[i].cores, TRIAL_ON, POOL_SIZE);
		s->machine.away_us = away_of(cases[i].cores, cases[i].away);
		simulation_run(s, LEARNING * SECOND);
		found = served_per_second(s, SECONDS);
		print_message(
		    "# %u at a time, %g times as long away: best %.0f with %u, adaptive "
		    "%.0f (%.3f), limit %u\n",
		    cases[i].cores, cases[i].away, best, size, found, found / best,
		    pool_working_limit(&s->pools[0]));
		/* That one was the luckiest of many. */
		assert_true(found >= 0.92 * best);
		simulation_end(s);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_pool_of_a_hundred_does_what_the_best_size_does),
	    cmocka_unit_test(what_is_not_spent_in_the_database_takes_servers_too),
	    cmocka_unit_test(a_trial_run_only_looks),
	    cmocka_unit_test(what_would_be_enough_is_seen_by_watching),
	    cmocka_unit_test(a_database_that_loses_its_neighbours_is_noticed),
	};

	return cmocka_run_group_tests(tests, simulation_tell_seed, NULL);
}
