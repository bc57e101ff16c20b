/*
 * More than the servers can do: as much as they can is done, in time, and the rest is
 * told so at once.
 */
#include "simulation/simulation.h"

enum { SERVERS = 20, HELD_MS = 10, CAPACITY = SERVERS * 1000 / HELD_MS, LIMIT_MS = 100 };

static const double loads[] = {0.5, 0.9, 1.2, 2, 5, 10};

static const struct {
	enum queue_policy policy;
	enum spread spread;
	const char *name;
} kinds[] = {
    {QUEUE_FIFO, SPREAD_NONE, "fifo, constant"},
    {QUEUE_FIFO, SPREAD_EXPONENTIAL, "fifo, exponential"},
    {QUEUE_FIFO, SPREAD_HEAVY, "fifo, heavy"},
    {QUEUE_CODEL, SPREAD_NONE, "codel, constant"},
    {QUEUE_CODEL, SPREAD_EXPONENTIAL, "codel, exponential"},
    {QUEUE_CODEL, SPREAD_HEAVY, "codel, heavy"},
};

/* A pool, and a crowd that asks for so much of what it has; none if 0. */
static struct simulation *begin(size_t kind, double load)
{
	struct simulation *s = simulation_begin();

	s->rules.pool_size = SERVERS;
	s->rules.queue_policy = kinds[kind].policy;
	simulation_add_pool(s, 0, 0);
	simulation_add_crowd(s, &(struct crowd){.class = PRIORITY_NORMAL,
						.per_second = load * CAPACITY,
						.held_us = HELD_MS * MSEC,
						.spread = kinds[kind].spread,
						.limit_us = LIMIT_MS * MSEC});
	return s;
}

static void print(const char *name, double load, const struct crowd *c, unsigned seconds)
{
	double work = (double)c->server_us / ((double)SERVERS * seconds * SECOND);

	print_message("# %-18s x%-4.1f goodput %.3f, waits p50 %5.1f p99 %5.1f longest "
		      "%6.1f ms; full %llu long %llu late %llu out %llu (p99 %.1f ms)\n",
		      name, load, work, record_part(&c->waits, .5) / 1e3,
		      record_part(&c->waits, .99) / 1e3, c->waits.longest_us / 1e3,
		      (unsigned long long)c->refused[REFUSAL_FULL],
		      (unsigned long long)c->refused[REFUSAL_TOO_LONG],
		      (unsigned long long)c->refused[REFUSAL_LATE],
		      (unsigned long long)c->refused[REFUSAL_TIMEOUT],
		      record_part(&c->turned, .99) / 1e3);
}

static void expect(const struct crowd *c, double load, unsigned seconds)
{
	double all = (double)SERVERS * seconds * SECOND;

	if (load < 0.8)
		assert_int_equal(crowd_refused(c), 0);
	if (load > 1)
		assert_true((double)c->server_us >= 0.97 * all);
	assert_true(record_part(&c->waits, .99) <= LIMIT_MS * MSEC * 13 / 10);
	/* Nearly all who are refused are told so as they come. */
	if (load > 1)
		assert_true(c->refused[REFUSAL_TIMEOUT] <= c->asked / 20);
}

static void the_servers_are_never_idle_and_nobody_waits_for_too_long(void **state)
{
	enum { SECONDS = 10 };

	(void)state;
	for (size_t kind = 0; kind < COUNT_OF(kinds); kind++)
		for (size_t i = 0; i < COUNT_OF(loads); i++) {
			struct simulation *s = begin(kind, loads[i]);
			const struct crowd *c = &s->crowds[0];

			simulation_run(s, 2 * SECOND);
			simulation_forget(s);
			simulation_run(s, SECONDS * SECOND);
			print(kinds[kind].name, loads[i], c, SECONDS);
			expect(c, loads[i], SECONDS);
			simulation_end(s);
		}
}

/* Without a prediction, a line that grows for ever is bounded by time alone: everybody is
 * served when it is too late, or nearly. */
static void without_prediction_everybody_waits_in_vain(void **state)
{
	struct simulation *s = begin(1, 2);
	const struct crowd *c = &s->crowds[0];

	(void)state;
	s->pools[0].rules.queue_prediction = TRIAL_OFF;
	simulation_run(s, 2 * SECOND);
	simulation_forget(s);
	simulation_run(s, 10 * SECOND);
	print("no prediction", 2, c, 10);
	assert_int_equal(c->refused[REFUSAL_TOO_LONG], 0);
	assert_true(c->refused[REFUSAL_TIMEOUT] > c->asked / 3);
	assert_true(record_part(&c->waits, .5) >= LIMIT_MS * MSEC);
	simulation_end(s);
}

/* Servers that somebody sits on are not counted on: the rest serve whom they can in time.
 */
static void what_is_foretold_knows_of_servers_that_never_come_back(void **state)
{
	struct simulation *s = begin(1, 0);
	struct crowd *c = &s->crowds[0];
	struct crowd sitters = {.class = PRIORITY_NORMAL, .clients = SERVERS / 2};

	(void)state;
	sitters.held_us = 3600 * SECOND;
	simulation_run(s, SECOND);
	simulation_add_crowd(s, &sitters);
	simulation_run(s, SECOND);
	simulation_set_rate(s, 0, 2 * CAPACITY);
	simulation_run(s, 2 * SECOND);
	simulation_forget(s);
	simulation_run(s, 10 * SECOND);
	print("half is held", 4, c, 10);
	assert_true((double)c->server_us >= 0.97 * 10 * SECOND * SERVERS / 2);
	assert_true(record_part(&c->waits, .99) <= LIMIT_MS * MSEC * 13 / 10);
	assert_true(c->refused[REFUSAL_TIMEOUT] <= c->asked / 20);
	simulation_end(s);
}

/* A database that becomes slower or faster is followed within a moment. */
static void other_times_are_learnt_in_a_moment(void **state)
{
	struct simulation *s = begin(1, 2);
	struct crowd *c = &s->crowds[0];

	(void)state;
	for (unsigned i = 0; i < 6; i++) {
		c->held_us = i % 2 ? HELD_MS * MSEC : 5 * HELD_MS * MSEC;
		simulation_run(s, SECOND / 2);
		simulation_forget(s);
		simulation_run(s, 3 * SECOND);
		print(i % 2 ? "fast again" : "five times slower", 2, c, 3);
		assert_true((double)c->server_us >= 0.95 * 3 * SECOND * SERVERS);
		assert_true(record_part(&c->waits, .99) <= LIMIT_MS * MSEC * 13 / 10);
	}
	simulation_end(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(the_servers_are_never_idle_and_nobody_waits_for_too_long),
	    cmocka_unit_test(without_prediction_everybody_waits_in_vain),
	    cmocka_unit_test(what_is_foretold_knows_of_servers_that_never_come_back),
	    cmocka_unit_test(other_times_are_learnt_in_a_moment),
	};

	return cmocka_run_group_tests(tests, simulation_tell_seed, NULL);
}
