/*
 * Crowded pools under shared limits, in simulated time: transactions end, servers open,
 * clients come back for more at once. Nobody starves.
 */
#include "unit/pool/ground.h"

enum { POOLS_MOST = 24, CLIENTS_EACH = 12, SLOTS_MOST = 64 };

struct client {
	struct waiter waiter;
	int pool;
	bool is_served;
};

struct simulation {
	struct ground g;
	unsigned pool_count;
	struct pool pools[POOLS_MOST];
	struct client clients[POOLS_MOST][CLIENTS_EACH];
	struct slot slots[SLOTS_MOST];
	struct client *client_of[SLOTS_MOST]; /* of a busy server */
	uint64_t until[SLOTS_MOST];
	uint64_t now;
	struct dice dice;
	unsigned shortest_ms, longest_ms; /* of transactions */
	uint64_t served[POOLS_MOST], longest_wait_us[POOLS_MOST];
	uint64_t opened;
};

/* ---- a dispatcher ---- */

static void open_one(struct simulation *s, struct pool *p)
{
	unsigned i = 0;

	while (i < SLOTS_MOST && s->slots[i].state != SLOT_OUTSIDE)
		i++;
	assert_true(i < SLOTS_MOST);
	pool_add(p, &s->slots[i], s->now);
	s->until[i] = s->now + 5 * MSEC;
	s->opened++;
}

static void match(struct simulation *s, struct pool *p)
{
	struct slot *slot;
	struct waiter *waiter;

	while (matched(p, s->now, &slot, &waiter)) {
		ptrdiff_t at = slot - s->slots;
		uint64_t *longest = &s->longest_wait_us[p - s->pools];
		uint64_t waited = s->now - waiter->since_us;
		unsigned span = s->longest_ms - s->shortest_ms + 1;

		*longest = waited > *longest ? waited : *longest;
		s->served[p - s->pools]++;
		s->client_of[at] = (struct client *)(void *)waiter;
		s->until[at] = s->now + (s->shortest_ms + dice_of(&s->dice, span)) * MSEC;
	}
}

static struct slot *open_wanted(struct simulation *s, struct pool *p)
{
	for (unsigned n = pool_demand(p, s->now); n > 0; n--)
		open_one(s, p);
	return pool_eviction_for(p);
}

static void serve_blocked(struct simulation *s, struct usage *usage)
{
	struct pool *p;

	while ((p = pool_next_blocked(usage, s->now)) != NULL)
		open_wanted(s, p);
}

static void serve(struct simulation *s, struct pool *p);

static void remove_slot(struct simulation *s, struct slot *slot)
{
	struct pool *p = slot->pool;

	pool_remove(p, slot, s->now);
	serve(s, p);
	for (int i = 0; i < USAGES_EACH; i++)
		serve_blocked(s, p->usages[i]);
}

static void serve(struct simulation *s, struct pool *p)
{
	match(s, p);
	struct slot *victim = open_wanted(s, p);
	if (victim)
		remove_slot(s, victim);
}

static void free_slot(struct simulation *s, struct slot *slot)
{
	struct pool *p = slot->pool;

	pool_give_back(p, slot, s->now);
	if (pool_judge_idle(p, slot, s->now) == UPKEEP_KEEP)
		serve(s, p);
	else
		remove_slot(s, slot);
}

/* ---- time ---- */

static void come_back(struct simulation *s, struct client *c)
{
	stand(&s->pools[c->pool], &c->waiter, s->now);
}

static void tick(struct simulation *s)
{
	s->now += MSEC;
	for (unsigned i = 0; i < SLOTS_MOST; i++) {
		struct slot *slot = &s->slots[i];

		if (s->now < s->until[i])
			continue;
		if (slot->state == SLOT_BUSY)
			come_back(s, s->client_of[i]);
		if (slot->state == SLOT_BUSY || slot->state == SLOT_OPENING)
			free_slot(s, slot);
	}
	/* A dispatcher would arm a deadline; looking too often does no harm. */
	for (unsigned i = 0; i < s->pool_count; i++)
		if (pool_next_look(&s->pools[i], s->now - MSEC) <= s->now) {
			serve(s, &s->pools[i]);
			for (int k = 0; k < USAGES_EACH; k++)
				serve_blocked(s, s->pools[i].usages[k]);
		}
}

static void run(struct simulation *s, unsigned seconds)
{
	for (unsigned i = 0; i < seconds * 1000; i++)
		tick(s);
}

static void forget_figures(struct simulation *s)
{
	memset(s->served, 0, sizeof(s->served));
	memset(s->longest_wait_us, 0, sizeof(s->longest_wait_us));
	s->opened = 0;
}

/* ---- beginning and end ---- */

static struct simulation *begin(unsigned shortest_ms, unsigned longest_ms)
{
	struct simulation *s = calloc(1, sizeof(*s));

	assert_non_null(s);
	ground_begin(&s->g);
	s->g.rules.pool_size = 0;
	s->now = START;
	s->dice.state = 12345;
	s->shortest_ms = shortest_ms;
	s->longest_ms = longest_ms;
	return s;
}

static void add_pool(struct simulation *s, int database, int user, unsigned clients)
{
	unsigned n = s->pool_count++;

	assert_true(n < POOLS_MOST && clients <= CLIENTS_EACH);
	pool_begin(&s->pools[n], &s->g, database, user);
	for (unsigned i = 0; i < clients; i++) {
		s->clients[n][i].pool = (int)n;
		come_back(s, &s->clients[n][i]);
	}
	serve(s, &s->pools[n]);
}

static void end(struct simulation *s)
{
	for (unsigned i = 0; i < s->pool_count; i++)
		pool_end(&s->pools[i]);
	ground_end(&s->g);
	free(s);
}

/* ---- who gets what ---- */

static void a_pool_that_came_late_gets_its_share(void **state)
{
	struct simulation *s = begin(1, 3);

	(void)state;
	s->g.database[0]->max_servers = 8;
	add_pool(s, 0, 0, CLIENTS_EACH);
	run(s, 2);
	assert_int_equal(s->pools[0].total, 8);
	add_pool(s, 0, 1, CLIENTS_EACH);
	run(s, 1);
	assert_int_equal(s->pools[0].total, 4);
	assert_int_equal(s->pools[1].total, 4);
	forget_figures(s);
	run(s, 5);
	/* With equal shares, nothing changes hands any more. */
	assert_int_equal(s->opened, 0);
	assert_true(s->served[0] * 10 > s->served[1] * 9);
	assert_true(s->served[1] * 10 > s->served[0] * 9);
	end(s);
}

static void a_pool_of_few_clients_is_not_pushed_aside(void **state)
{
	struct simulation *s = begin(1, 3);

	(void)state;
	s->g.database[0]->max_servers = 4;
	for (int i = 0; i < 3; i++)
		add_pool(s, 0, 0, CLIENTS_EACH);
	add_pool(s, 0, 1, 1);
	run(s, 3);
	forget_figures(s);
	run(s, 20);
	for (int i = 0; i < 4; i++)
		assert_true(s->served[i] > 2000);
	assert_true(s->longest_wait_us[3] <= 2 * SECOND);
	end(s);
}

static void more_pools_than_servers_take_turns(void **state)
{
	struct simulation *s = begin(1, 3);

	(void)state;
	s->g.database[0]->max_servers = 5;
	for (int i = 0; i < 20; i++)
		add_pool(s, 0, i % 2, 3);
	run(s, 5);
	forget_figures(s);
	run(s, 60);
	for (int i = 0; i < 20; i++) {
		/* Four rounds of half a second, and what comes on top. */
		assert_true(s->longest_wait_us[i] <= 4 * SECOND);
		assert_true(s->served[i] > 1000);
	}
	/* What changing hands costs stays small: each server lasts half a second. */
	assert_true(s->opened <= 60 * 2 * 5);
	end(s);
}

static void long_transactions_take_turns_too(void **state)
{
	struct simulation *s = begin(700, 1500);

	(void)state;
	s->g.database[0]->max_servers = 3;
	for (int i = 0; i < 9; i++)
		add_pool(s, 0, i % 2, 2);
	run(s, 120);
	for (int i = 0; i < 9; i++) {
		assert_true(s->served[i] >= 20);
		assert_true(s->longest_wait_us[i] <= 15 * SECOND);
	}
	end(s);
}

static void a_pool_squeezed_by_two_limits_is_served(void **state)
{
	struct simulation *s = begin(1, 3);

	(void)state;
	s->g.database[0]->max_servers = 2;
	s->g.user[0]->max_servers = 2;
	add_pool(s, 0, 1, CLIENTS_EACH);
	add_pool(s, 1, 0, CLIENTS_EACH);
	run(s, 2);
	add_pool(s, 0, 0, 3);
	forget_figures(s);
	run(s, 60);
	for (int i = 0; i < 3; i++) {
		assert_true(s->served[i] > 5000);
		assert_true(s->longest_wait_us[i] <= 3 * SECOND);
	}
	end(s);
}

static void a_server_that_idles_goes_to_whoever_waits(void **state)
{
	struct simulation *s = begin(1, 3);

	(void)state;
	s->g.database[0]->max_servers = 3;
	add_pool(s, 0, 0, 3);
	run(s, 1);
	/* Its clients are content. */
	for (int i = 0; i < 3; i++)
		admission_leave(&s->clients[0][i].waiter);
	while (s->pools[0].counts[SLOT_IDLE] < 3) {
		run(s, 1);
		for (int i = 0; i < 3; i++)
			admission_leave(&s->clients[0][i].waiter);
		for (int i = 0; i < SLOTS_MOST; i++)
			if (s->slots[i].state == SLOT_BUSY)
				free_slot(s, &s->slots[i]);
	}
	add_pool(s, 0, 1, 3);
	run(s, 1);
	assert_int_equal(s->pools[1].total, 3);
	assert_true(s->longest_wait_us[1] <= 20 * MSEC);
	end(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_pool_that_came_late_gets_its_share),
	    cmocka_unit_test(a_pool_of_few_clients_is_not_pushed_aside),
	    cmocka_unit_test(more_pools_than_servers_take_turns),
	    cmocka_unit_test(long_transactions_take_turns_too),
	    cmocka_unit_test(a_pool_squeezed_by_two_limits_is_served),
	    cmocka_unit_test(a_server_that_idles_goes_to_whoever_waits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
