/*
 * Any crowds before any pools, watched by a naive model: order, reserves, limits, and
 * that nobody and nothing is lost.
 */
#include "simulation/desk.h"
#include "simulation/naive.h"

enum { ROUNDS = 100, CHANGES = 40, ROUND_MS = 4000 };

static unsigned roll(struct simulation *s, unsigned sides)
{
	return dice_of(&s->dice, sides);
}

/* ---- a world ---- */

static struct rules any_rules(struct simulation *s, bool has_guarantees)
{
	struct rules r = s->rules;
	unsigned left = 60;

	r.pool_size = (int)(1 + roll(s, 20));
	r.weight = 1 + roll(s, 5);
	r.guaranteed = has_guarantees ? (int)roll(s, 2) : 0;
	r.reserve_pool_size = (int)roll(s, 3);
	r.reserve_pool_timeout = 20 * MSEC;
	r.max_queue = roll(s, 3) == 0 ? -1 : (int)roll(s, 200);
	r.server_round_robin = roll(s, 2);
	r.server_lifetime = roll(s, 3) == 0 ? SECOND : 3600 * SECOND;
	r.queue_policy = roll(s, 2) ? QUEUE_FIFO : QUEUE_CODEL;
	r.queue_prediction = roll(s, 4) == 0 ? TRIAL_OFF : TRIAL_ON;
	r.priority_shedding = roll(s, 4) == 0 ? TRIAL_OFF : TRIAL_ON;
	for (int class = 0; class < PRIORITY_CLASSES; class ++) {
		uint8_t percent = (uint8_t)roll(s, left / 2);

		r.priority_reserve.percent[class] = percent;
		left -= percent;
	}
	return r;
}

static int any_limit(struct simulation *s, int least)
{
	return roll(s, 2) ? 0 : least + (int)roll(s, 20);
}

/* Who guarantees all that there is leaves nothing to the others: so not here. */
static void add_any_pools(struct simulation *s)
{
	unsigned count = 1 + roll(s, 6);
	bool has_guarantees = roll(s, 3) == 0;
	int least = has_guarantees ? (int)count + 2 : 2;

	for (unsigned i = 0; i < 3; i++) {
		s->database[i]->max_servers = any_limit(s, least);
		s->user[i]->max_servers = any_limit(s, least);
	}
	s->process.max_servers = any_limit(s, least);
	for (unsigned i = 0; i < count; i++) {
		s->rules = any_rules(s, has_guarantees);
		simulation_add_pool(s, roll(s, 3), roll(s, 3));
	}
}

static void add_any_crowd(struct simulation *s)
{
	struct crowd c = {
	    .pool = roll(s, s->pool_count),
	    .user = roll(s, 5),
	    .class = (enum priority)roll(s, PRIORITY_CLASSES),
	    .weight = 1 + roll(s, 5),
	    .held_us = (1 + roll(s, 20)) * MSEC,
	    .spread = (enum spread)roll(s, 3),
	    .limit_us = roll(s, 3) == 0 ? 0 : (20 + roll(s, 300)) * MSEC,
	    .patience_us = roll(s, 3) == 0 ? (20 + roll(s, 300)) * MSEC : 0,
	};

	/* Without a limit a crowd that never stops would never be served. */
	if (c.limit_us == 0 || roll(s, 3) == 0)
		c.clients = 1 + roll(s, 60);
	else
		c.per_second = 10 + roll(s, 2000);
	simulation_add_crowd(s, &c);
}

/* ---- what may happen to it ---- */

static void resume(struct simulation *s, struct usage *database)
{
	database->gate.is_paused = false;
	for (unsigned i = 0; i < s->pool_count; i++)
		if (s->pools[i].database_usage == database)
			desk_resumes(s, i);
}

static void change_a_crowd(struct simulation *s)
{
	unsigned i = roll(s, s->crowd_count);

	if (s->crowds[i].clients == 0)
		simulation_set_rate(s, i, roll(s, 3000) + 1);
	else
		s->crowds[i].held_us = (1 + roll(s, 40)) * MSEC;
}

static void change_something(struct simulation *s)
{
	unsigned pool = roll(s, s->pool_count);
	struct usage *database = s->database[roll(s, 3)];
	struct rules rules;

	switch (roll(s, 6)) {
	case 0:
		rules = any_rules(s, false);
		rules.guaranteed = s->pools[pool].rules.guaranteed;
		/* What is reserved is counted from the beginning. */
		rules.priority_reserve = s->pools[pool].rules.priority_reserve;
		rules.queue_policy = s->pools[pool].rules.queue_policy;
		desk_obeys(s, pool, &rules);
		break;
	case 1:
		database->gate.is_paused = true;
		break;
	case 2:
		resume(s, database);
		break;
	default:
		change_a_crowd(s);
		break;
	}
}

/* Nobody comes any more; all who wait are served, or leave. */
static void wind_down(struct simulation *s)
{
	for (unsigned i = 0; i < s->crowd_count; i++) {
		s->crowds[i].per_second = 0;
		s->crowds[i].clients = 0;
	}
	for (unsigned i = 0; i < 3; i++)
		resume(s, s->database[i]);
	s->is_closed = true;
	simulation_run(s, 60 * SECOND);
	for (unsigned i = 0; i < s->pool_count; i++) {
		assert_int_equal(s->pools[i].line.count, 0);
		assert_int_equal(pool_at_work(&s->pools[i]), 0);
	}
	for (unsigned i = 0; i < s->crowd_count; i++) {
		const struct crowd *c = &s->crowds[i];

		assert_int_equal(c->asked, c->served + c->left + crowd_refused(c));
	}
}

/* What all rounds come to. */
struct sums {
	uint64_t events, renewed, passed;
};

static void play_round(unsigned number, struct sums *sums)
{
	struct simulation *s = simulation_begin();
	struct naive naive;

	for (unsigned i = 0; i < number * 7; i++)
		dice_roll(&s->dice);
	naive_begin(&naive, s);
	add_any_pools(s);
	for (unsigned i = 0, count = 1 + roll(s, 8); i < count; i++)
		add_any_crowd(s);
	for (unsigned i = 0; i < CHANGES; i++) {
		simulation_run(s, ROUND_MS / CHANGES * MSEC);
		change_something(s);
	}
	wind_down(s);
	sums->events += s->events;
	sums->renewed += s->renewed;
	if (naive.most_passed > sums->passed)
		sums->passed = naive.most_passed;
	naive_end(&naive);
	simulation_end(s);
}

static void whatever_happens_is_what_was_meant(void **state)
{
	struct sums sums = {0};

	(void)state;
	for (unsigned i = 0; i < ROUNDS; i++)
		play_round(i, &sums);
	print_message("# %llu events, %llu servers replaced; a user was passed over %llu "
		      "times at most\n",
		      (unsigned long long)sums.events, (unsigned long long)sums.renewed,
		      (unsigned long long)sums.passed);
	assert_true(sums.events > 100000);
	assert_true(sums.renewed > 100);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(whatever_happens_is_what_was_meant),
	};

	return cmocka_run_group_tests(tests, simulation_tell_seed, NULL);
}
