/*
 * What a client's turn costs in steps, as counted by the compiler: every branch of
 * src/pool reports here. The number must not depend on how many servers or waiters there
 * are besides, and hardly on how many pools.
 */
#include "pool/pools.h"

#include "unit/pool/ground.h"

/* Called at every branch of src/pool, which is compiled for that here. */
void __sanitizer_cov_trace_pc(void);

static unsigned long steps;

void __sanitizer_cov_trace_pc(void)
{
	steps++;
}

/* Many pools on one ground: their limits are shared, their servers idle. */
struct crowd {
	struct ground g;
	unsigned count;
	struct pool *pools;
	struct slot *slots;
};

static void crowd_begin(struct crowd *c, unsigned count)
{
	*c = (struct crowd){.count = count};
	c->pools = calloc(count + 1, sizeof(*c->pools));
	c->slots = calloc(count + 1, sizeof(*c->slots));
	assert_non_null(c->pools);
	assert_non_null(c->slots);
	ground_begin(&c->g);
	c->g.rules.pool_size = 0;
	c->g.database[0]->max_servers = 100000;
	c->g.user[0]->max_servers = 100000;
	for (unsigned i = 0; i < count; i++) {
		pool_begin(&c->pools[i], &c->g, 0, 0);
		add_idle(&c->pools[i], &c->slots[i], START);
	}
}

static void crowd_end(struct crowd *c)
{
	for (unsigned i = 0; i < c->count; i++)
		pool_end(&c->pools[i]);
	ground_end(&c->g);
	free(c->pools);
	free(c->slots);
}

/* Everything a lone client and a waiting one cause, in a pool that has an idle server. */
static unsigned long steps_of_a_turn(struct pool *p, uint64_t now)
{
	struct waiter first = {0}, second = {0}, *waiter;
	struct slot *slot, *opened;
	struct slot fresh = {0};

	steps = 0;
	assert_int_equal(asked(p, now), POOL_TAKE);
	slot = take(p, now);
	stand(p, &first, now);
	stand(p, &second, now);
	assert_true(pool_demand(p, now) > 0);
	pool_next_look(p, now);
	pool_give_back(p, slot, now);
	assert_int_equal(pool_judge_idle(p, slot, now), UPKEEP_KEEP);
	pool_idle_deadline(p, slot, now);
	assert_true(matched(p, now, &slot, &waiter));
	pool_add(p, &fresh, now);
	pool_opened(p, &fresh, now);
	assert_true(matched(p, now, &opened, &waiter));
	pool_set_cleaning(p, opened, now);
	pool_retire(p, opened);
	pool_give_back(p, opened, now);
	assert_null(pool_eviction_for(p, now));
	assert_null(pool_next_blocked(p->database_usage, now));
	pool_remove(p, opened, now);
	pool_give_back(p, slot, now);
	return steps;
}

static unsigned long steps_among(unsigned others)
{
	struct crowd c;
	struct pool p;
	struct slot s = {0};

	crowd_begin(&c, others);
	pool_begin(&p, &c.g, 0, 0);
	add_idle(&p, &s, START);
	/* The first time, the histogram of waits is made. */
	steps_of_a_turn(&p, START + MSEC);
	unsigned long taken = steps_of_a_turn(&p, START + 2 * MSEC);
	pool_end(&p);
	crowd_end(&c);
	return taken;
}

static void idle_pools_cost_nothing(void **state)
{
	unsigned long alone = steps_among(0);

	(void)state;
	/* That anything is counted at all. */
	assert_true(alone > 20);
	/* The logarithm of their number, no more. */
	assert_true(steps_among(1) <= alone * 2);
	assert_true(steps_among(4000) <= alone * 2);
}

static unsigned long steps_with_idle_servers(unsigned idle, bool round_robin)
{
	struct ground g;
	struct pool p;
	struct slot *s = calloc(idle, sizeof(*s));

	assert_non_null(s);
	ground_begin(&g);
	g.rules.pool_size = 0;
	g.rules.server_round_robin = round_robin;
	pool_begin(&p, &g, 0, 0);
	for (unsigned i = 0; i < idle; i++)
		add_idle(&p, &s[i], START);
	/* Half of them retired, which must not be searched through either. */
	for (unsigned i = 0; i < idle / 2; i++)
		pool_retire(&p, &s[i]);
	steps = 0;
	assert_int_equal(asked(&p, START), POOL_TAKE);
	struct slot *taken = take(&p, START);
	pool_give_back(&p, taken, START);
	pool_judge_idle(&p, taken, START);
	unsigned long count = steps;
	pool_end(&p);
	ground_end(&g);
	free(s);
	return count;
}

static void idle_servers_cost_nothing(void **state)
{
	(void)state;
	for (int turns = 0; turns < 2; turns++) {
		unsigned long few = steps_with_idle_servers(4, turns);

		assert_true(few > 5);
		assert_int_equal(steps_with_idle_servers(4000, turns), few);
	}
}

static unsigned long steps_with_waiters(unsigned waiting)
{
	struct ground g;
	struct pool p;
	struct slot s = {0}, *slot;
	struct waiter *w = calloc(waiting, sizeof(*w)), *waiter;

	assert_non_null(w);
	ground_begin(&g);
	g.rules.pool_size = 1;
	g.rules.max_queue = -1;
	pool_begin(&p, &g, 0, 0);
	add_busy(&p, &s, START);
	join(&p, w, waiting, START);
	steps = 0;
	assert_int_equal(asked(&p, START), POOL_WAIT);
	admission_leave(&w[waiting / 2]);
	pool_demand(&p, START);
	pool_next_look(&p, START);
	pool_give_back(&p, &s, START);
	assert_true(matched(&p, START, &slot, &waiter));
	unsigned long count = steps;
	pool_end(&p);
	ground_end(&g);
	free(w);
	return count;
}

static void waiters_cost_nothing(void **state)
{
	unsigned long few = steps_with_waiters(3);

	(void)state;
	assert_true(few > 10);
	assert_int_equal(steps_with_waiters(10000), few);
}

/* Who gets the turn when a limit frees up, among many that it blocks. */
static unsigned long steps_with_blocked(unsigned count)
{
	struct crowd c;
	struct pool holder;
	struct slot s = {0};
	struct waiter *w = calloc(count, sizeof(*w));

	assert_non_null(w);
	crowd_begin(&c, 0);
	c.g.database[0]->max_servers = 1;
	free(c.pools);
	c.pools = calloc(count, sizeof(*c.pools));
	assert_non_null(c.pools);
	c.count = count;
	pool_begin(&holder, &c.g, 0, 0);
	add_busy(&holder, &s, START);
	for (unsigned i = 0; i < count; i++) {
		pool_begin(&c.pools[i], &c.g, 0, 0);
		stand(&c.pools[i], &w[i], START);
		assert_int_equal(pool_demand(&c.pools[i], START), 0);
	}
	steps = 0;
	pool_give_back(&holder, &s, START);
	pool_remove(&holder, &s, START);
	assert_ptr_equal(pool_next_blocked(c.g.database[0], START), &c.pools[0]);
	assert_int_equal(pool_demand(&c.pools[0], START), 1);
	unsigned long taken = steps;
	pool_end(&holder);
	crowd_end(&c);
	free(w);
	return taken;
}

static void blocked_pools_cost_nothing(void **state)
{
	unsigned long few = steps_with_blocked(2);

	(void)state;
	assert_true(few > 10);
	assert_true(steps_with_blocked(4000) <= few * 3);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(idle_pools_cost_nothing),
	    cmocka_unit_test(idle_servers_cost_nothing),
	    cmocka_unit_test(waiters_cost_nothing),
	    cmocka_unit_test(blocked_pools_cost_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
