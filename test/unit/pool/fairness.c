/*
 * Who gets what under shared limits, in simulated time: by weight, whoever asks for how
 * much; nobody starves, and servers change hands only as often as that takes.
 */
#include "unit/pool/simulation.h"

enum { CLIENTS_EACH = 12 };

static struct sim_pool *add(struct simulation *s, int database, int user,
			    unsigned clients)
{
	struct sim_pool *p = sim_add_pool(s, database, user);

	sim_add_clients(s, p, clients);
	return p;
}

static struct sim_pool *add_slow(struct simulation *s, int database, int user,
				 unsigned clients, unsigned shortest_ms,
				 unsigned longest_ms)
{
	struct sim_pool *p = sim_add_pool(s, database, user);

	p->shortest_ms = shortest_ms;
	p->longest_ms = longest_ms;
	sim_add_clients(s, p, clients);
	return p;
}

static void set_rules(struct simulation *s, struct sim_pool *p, unsigned weight,
		      int guaranteed)
{
	struct rules rules = s->g.rules;

	rules.weight = weight;
	rules.guaranteed = guaranteed;
	pool_set_rules(&p->pool, &rules);
}

/* ---- equal shares ---- */

static void a_pool_that_came_late_gets_its_share(void **state)
{
	struct simulation *s = sim_begin(2, 2 * CLIENTS_EACH, 8);

	(void)state;
	s->g.database[0]->max_servers = 8;
	struct sim_pool *first = add(s, 0, 0, CLIENTS_EACH);
	sim_run(s, 2000);
	assert_int_equal(first->pool.total, 8);
	struct sim_pool *late = add(s, 0, 1, CLIENTS_EACH);
	sim_run(s, 1000);
	assert_int_equal(first->pool.total, 4);
	assert_int_equal(late->pool.total, 4);
	sim_forget(s);
	sim_run(s, 5000);
	/* With equal shares, nothing changes hands any more. */
	assert_int_equal(s->opened, 0);
	assert_true(first->served * 10 > late->served * 9);
	assert_true(late->served * 10 > first->served * 9);
	sim_end(s);
}

static void a_pool_of_few_clients_is_not_pushed_aside(void **state)
{
	struct simulation *s = sim_begin(4, 3 * CLIENTS_EACH + 1, 4);

	(void)state;
	s->g.database[0]->max_servers = 4;
	for (int i = 0; i < 3; i++)
		add(s, 0, 0, CLIENTS_EACH);
	struct sim_pool *few = add(s, 0, 1, 1);
	sim_run(s, 3000);
	sim_forget(s);
	sim_run(s, 20000);
	for (int i = 0; i < 4; i++)
		assert_true(s->pools[i].served > 2000);
	assert_true(few->longest_wait_us <= 2 * SECOND);
	sim_end(s);
}

static void more_pools_than_servers_take_turns(void **state)
{
	struct simulation *s = sim_begin(20, 60, 5);

	(void)state;
	s->g.database[0]->max_servers = 5;
	for (int i = 0; i < 20; i++)
		add(s, 0, i % 2, 3);
	/* What the first used before the last came is made up for by then. */
	sim_run(s, 8000);
	sim_forget(s);
	sim_run(s, 60000);
	for (int i = 0; i < 20; i++) {
		/* Four rounds of half a second, and what comes on top. */
		assert_true(s->pools[i].longest_wait_us <= 4 * SECOND);
		assert_true(s->pools[i].served > 1000);
	}
	/* What changing hands costs stays small: each server lasts half a second. */
	assert_true(s->opened <= 60 * 2 * 5);
	sim_end(s);
}

static void long_transactions_take_turns_too(void **state)
{
	struct simulation *s = sim_begin(9, 18, 3);

	(void)state;
	s->g.database[0]->max_servers = 3;
	for (int i = 0; i < 9; i++)
		add_slow(s, 0, i % 2, 2, 700, 1500);
	sim_run(s, 120000);
	for (int i = 0; i < 9; i++) {
		assert_true(s->pools[i].served >= 20);
		assert_true(s->pools[i].longest_wait_us <= 15 * SECOND);
	}
	sim_end(s);
}

static void a_server_that_idles_goes_to_whoever_waits(void **state)
{
	struct simulation *s = sim_begin(2, 6, 3);

	(void)state;
	s->g.database[0]->max_servers = 3;
	struct sim_pool *content = add(s, 0, 0, 3);
	sim_run(s, 1000);
	content->think_ms = 1000000;
	sim_run(s, 10);
	assert_int_equal(content->pool.counts[SLOT_IDLE], 3);
	struct sim_pool *p = add(s, 0, 1, 3);
	sim_run(s, 20);
	/* One is kept warm for who has no more. */
	assert_int_equal(p->pool.total, 2);
	sim_run(s, 200);
	assert_int_equal(p->pool.total, 3);
	assert_true(p->longest_wait_us <= 20 * MSEC);
	sim_end(s);
}

/* ---- weights ---- */

/* What two used, where one should have `times` as much as the other. */
static void expect_ratio(const struct sim_pool *one, const struct sim_pool *other,
			 double times)
{
	double measured = (double)one->used_us / (double)other->used_us;

	if (measured < times * 0.9 || measured > times * 1.1)
		fail_msg("%f instead of %f", measured, times);
}

static void servers_are_shared_by_weight(void **state)
{
	static const struct {
		int limit;
		unsigned weights[2];
		unsigned ms[2];  /* of transactions */
		unsigned opened; /* in a minute, at most */
	} cases[] = {
	    {8, {3, 1}, {2, 2}, 2},  /* six and two */
	    {8, {3, 1}, {20, 2}, 2}, /* it is time that counts, not how often */
	    {8, {3, 1}, {2, 20}, 2},
	    {7, {3, 1}, {2, 2}, 180}, /* no whole numbers: one changes hands */
	    {1, {3, 1}, {2, 2}, 150}, /* one for both */
	    {1, {1, 1}, {2, 2}, 150},
	    {3, {1, 1}, {2, 2}, 150},
	    {1, {3, 1}, {700, 90}, 150},
	    {2, {20, 1}, {2, 2}, 150}, /* less than one of two */
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		struct simulation *s = sim_begin(2, 80, 8);

		s->g.process.max_servers = cases[i].limit;
		for (int k = 0; k < 2; k++) {
			struct sim_pool *p = sim_add_pool(s, k, k);

			p->shortest_ms = p->longest_ms = cases[i].ms[k];
			set_rules(s, p, cases[i].weights[k], 0);
			sim_add_clients(s, p, k == 0 ? 20 : 60);
		}
		sim_run(s, 5000);
		sim_forget(s);
		sim_run(s, 60000);
		expect_ratio(&s->pools[0], &s->pools[1],
			     (double)cases[i].weights[0] / cases[i].weights[1]);
		if (s->opened > cases[i].opened)
			fail_msg("case %zu: %llu opened", i,
				 (unsigned long long)s->opened);
		sim_end(s);
	}
}

static void new_weights_and_limits_hold_soon(void **state)
{
	struct simulation *s = sim_begin(2, 40, 16);

	(void)state;
	s->g.process.max_servers = 8;
	struct sim_pool *one = add(s, 0, 0, 20), *other = add(s, 1, 1, 20);
	sim_run(s, 2000);
	assert_int_equal(one->pool.total, 4);
	set_rules(s, one, 3, 0);
	sim_serve_all(s);
	sim_run(s, 3000);
	assert_int_equal(one->pool.total, 6);
	assert_int_equal(other->pool.total, 2);
	s->g.process.max_servers = 16;
	sim_serve_all(s);
	sim_run(s, 3000);
	assert_int_equal(one->pool.total, 12);
	assert_int_equal(other->pool.total, 4);
	s->g.process.max_servers = 4;
	sim_serve_all(s);
	sim_run(s, 3000);
	assert_int_equal(one->pool.total, 3);
	assert_int_equal(other->pool.total, 1);
	sim_end(s);
}

static void what_is_guaranteed_is_had_at_once_and_kept(void **state)
{
	struct simulation *s = sim_begin(2, 80, 10);

	(void)state;
	s->g.process.max_servers = 10;
	struct sim_pool *heavy = sim_add_pool(s, 0, 0), *light = sim_add_pool(s, 1, 1);
	set_rules(s, heavy, 100, 0);
	set_rules(s, light, 1, 4);
	sim_add_clients(s, heavy, 60);
	sim_run(s, 1000);
	assert_int_equal(heavy->pool.total, 10);
	sim_add_clients(s, light, 20);
	sim_run(s, 60);
	assert_int_equal(light->pool.total, 4);
	for (int i = 0; i < 100; i++) {
		sim_run(s, 100);
		assert_int_equal(light->pool.total, 4);
	}
	sim_end(s);
}

/* ---- one beside another that asks for far more ---- */

/* A small pool that uses two servers on the average, alone or beside a greedy one that
 * asks for 20 times as much. */
static struct simulation *begin_small(bool has_neighbour)
{
	struct simulation *s = sim_begin(2, 260, 20);

	s->g.process.max_servers = 20;
	s->opening_ms = 8;
	for (int i = 0; i < 2; i++) {
		struct sim_pool *p = sim_add_pool(s, i, i);

		p->shortest_ms = 5;
		p->longest_ms = 15;
		p->think_ms = 80;
	}
	sim_add_clients(s, &s->pools[0], 10);
	if (has_neighbour)
		sim_add_clients(s, &s->pools[1], 200);
	sim_run(s, 5000);
	sim_forget(s);
	sim_run(s, 60000);
	assert_true(s->pools[0].served > 9000);
	return s;
}

static void the_small_one_hardly_notices_the_greedy_one(void **state)
{
	static const unsigned percents[] = {50, 90, 99};
	struct simulation *alone = begin_small(false), *beside = begin_small(true);

	(void)state;
	for (size_t i = 0; i < COUNT_OF(percents); i++) {
		unsigned before = sim_percentile(&alone->pools[0], percents[i]);
		unsigned now = sim_percentile(&beside->pools[0], percents[i]);

		if (now * 2 > before * 3)
			fail_msg("%u ms, not %u at %u %%", now, before, percents[i]);
	}
	/* What it needs now and then stays with it, and not too much of it. */
	uint64_t used = beside->pools[0].used_us + beside->pools[1].used_us;
	if (used < 20 * 60 * SECOND / 100 * 86)
		fail_msg("%llu us at work", (unsigned long long)used);
	if (beside->opened > 60 * 10)
		fail_msg("%llu opened", (unsigned long long)beside->opened);
	sim_end(alone);
	sim_end(beside);
}

/* ---- several limits ---- */

static void a_pool_squeezed_by_limits_is_served(void **state)
{
	(void)state;
	for (int limits = 2; limits <= 3; limits++) {
		struct simulation *s = sim_begin(4, 3 * CLIENTS_EACH + 3, 16);

		s->g.database[0]->max_servers = 2;
		s->g.user[0]->max_servers = 2;
		if (limits == 3)
			s->g.process.max_servers = 5;
		add(s, 0, 1, CLIENTS_EACH);
		add(s, 1, 0, CLIENTS_EACH);
		if (limits == 3)
			add(s, 1, 1, CLIENTS_EACH);
		sim_run(s, 2000);
		add(s, 0, 0, 3);
		sim_forget(s);
		sim_run(s, 60000);
		for (unsigned i = 0; i < s->pool_count; i++) {
			assert_true(s->pools[i].served > 5000);
			assert_true(s->pools[i].longest_wait_us <= 3 * SECOND);
		}
		sim_end(s);
	}
}

/* The simulation sees that nobody waits beside what it could have. */
static void bursts_under_three_limits_overlook_nobody(void **state)
{
	enum { POOLS = 40 };

	(void)state;
	for (unsigned seed = 1; seed <= 5; seed++) {
		struct simulation *s = sim_begin(POOLS, POOLS * 3, 24);

		s->dice.state = seed;
		for (int i = 0; i < 2; i++)
			s->g.database[i]->max_servers = s->g.user[i]->max_servers = 8;
		s->g.process.max_servers = 12;
		for (int i = 0; i < POOLS; i++) {
			struct sim_pool *p = sim_add_pool(s, i % 2, i / 2 % 2);

			p->longest_ms = i % 10 == 0 ? 300 : 20;
			p->think_ms = i % 4 == 0 ? 3000 : 200;
			set_rules(s, p, 1 + (unsigned)i % 5, i % 8 == 1);
			sim_add_clients(s, p, 1 + (unsigned)i % 3);
		}
		sim_run(s, 60000);
		for (int i = 0; i < POOLS; i++)
			if (s->pools[i].longest_wait_us > 30 * SECOND)
				fail_msg("%d waited for %llu us", i,
					 (unsigned long long)s->pools[i].longest_wait_us);
		sim_end(s);
	}
}

/* ---- very many ---- */

static void a_thousand_pools_have_one_server_in_turn(void **state)
{
	enum { POOLS = 1000 };
	struct simulation *s = sim_begin(POOLS, POOLS, 50);

	(void)state;
	s->g.process.max_servers = 50;
	for (int i = 0; i < POOLS; i++)
		add(s, i % 2, i / 2 % 2, 1);
	sim_run(s, 20000);
	sim_forget(s);
	sim_run(s, 60000);
	/* A round is of ten seconds, and nobody misses a whole one. */
	for (int i = 0; i < POOLS; i++) {
		if (s->pools[i].longest_wait_us > 20 * SECOND)
			fail_msg("%d waited for %llu us", i,
				 (unsigned long long)s->pools[i].longest_wait_us);
		assert_true(s->pools[i].used_us >= 2 * SECOND);
		assert_true(s->pools[i].used_us <= 4 * SECOND);
	}
	sim_end(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_pool_that_came_late_gets_its_share),
	    cmocka_unit_test(a_pool_of_few_clients_is_not_pushed_aside),
	    cmocka_unit_test(more_pools_than_servers_take_turns),
	    cmocka_unit_test(long_transactions_take_turns_too),
	    cmocka_unit_test(a_server_that_idles_goes_to_whoever_waits),
	    cmocka_unit_test(servers_are_shared_by_weight),
	    cmocka_unit_test(new_weights_and_limits_hold_soon),
	    cmocka_unit_test(what_is_guaranteed_is_had_at_once_and_kept),
	    cmocka_unit_test(the_small_one_hardly_notices_the_greedy_one),
	    cmocka_unit_test(a_pool_squeezed_by_limits_is_served),
	    cmocka_unit_test(bursts_under_three_limits_overlook_nobody),
	    cmocka_unit_test(a_thousand_pools_have_one_server_in_turn),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
