/*
 * One millisecond at a time. After each, no limit is exceeded and no slot is lost.
 */
#include "unit/pool/simulation.h"

/* ---- a dispatcher ---- */

static struct sim_pool *sim_of(struct pool *p)
{
	return (struct sim_pool *)(void *)((char *)p - offsetof(struct sim_pool, pool));
}

static struct sim_server *server_of(struct slot *slot)
{
	return (struct sim_server *)(void *)((char *)slot -
					     offsetof(struct sim_server, slot));
}

static void open_one(struct simulation *s, struct pool *p)
{
	unsigned i = 0;

	while (i < s->server_count && s->servers[i].slot.state != SLOT_OUTSIDE)
		i++;
	assert_true(i < s->server_count);
	pool_add(p, &s->servers[i].slot, s->now);
	s->servers[i].until_us = s->now + s->opening_ms * MSEC;
	s->opened++;
	for (int k = 0; k < USAGES_EACH; k++)
		assert_true(p->usages[k]->max_servers == 0 ||
			    p->usages[k]->servers <= (unsigned)p->usages[k]->max_servers);
}

static void match(struct simulation *s, struct sim_pool *p)
{
	struct slot *slot;
	struct waiter *waiter;

	while (matched(&p->pool, s->now, &slot, &waiter)) {
		struct sim_server *server = server_of(slot);
		unsigned span = p->longest_ms - p->shortest_ms + 1;
		unsigned ms = p->shortest_ms + dice_of(&s->dice, span);
		uint64_t waited = s->now - waiter->since_us;
		uint64_t latency = waited / MSEC + ms;

		p->longest_wait_us =
		    waited > p->longest_wait_us ? waited : p->longest_wait_us;
		p->served++;
		p->used_us += ms * MSEC;
		p->latencies[latency < LATENCIES ? latency : LATENCIES - 1]++;
		server->client = (struct sim_client *)(void *)waiter;
		server->until_us = s->now + ms * MSEC;
	}
}

/* It goes at the end of the turn, and nobody gets it before. */
static void close_slot(struct slot *slot)
{
	pool_retire(slot->pool, slot);
	server_of(slot)->is_closing = true;
}

static void open_wanted(struct simulation *s, struct pool *p)
{
	for (unsigned n = pool_demand(p, s->now); n > 0; n--)
		open_one(s, p);
	struct slot *victim = pool_eviction_for(p, s->now);
	sim_of(p)->look_us = pool_next_look(p, s->now);
	if (victim)
		close_slot(victim);
}

static void serve_blocked(struct simulation *s, struct usage *usage)
{
	struct pool *p;

	while ((p = pool_next_blocked(usage, s->now)) != NULL)
		open_wanted(s, p);
}

static void serve(struct simulation *s, struct pool *p)
{
	match(s, sim_of(p));
	open_wanted(s, p);
}

static void serve_limits(struct simulation *s, struct pool *p)
{
	for (int i = 0; i < USAGES_EACH; i++)
		serve_blocked(s, p->usages[i]);
}

static struct sim_server *closing(struct simulation *s)
{
	for (unsigned i = 0; i < s->server_count; i++)
		if (s->servers[i].is_closing)
			return &s->servers[i];
	return NULL;
}

static void reap(struct simulation *s)
{
	struct sim_server *server;

	while ((server = closing(s))) {
		struct pool *p = server->slot.pool;

		server->is_closing = false;
		pool_remove(p, &server->slot, s->now);
		serve(s, p);
		serve_limits(s, p);
	}
}

static void free_slot(struct simulation *s, struct slot *slot)
{
	struct pool *p = slot->pool;

	pool_give_back(p, slot, s->now);
	if (pool_judge_idle(p, slot, s->now) != UPKEEP_KEEP) {
		close_slot(slot);
		return;
	}
	serve(s, p);
	server_of(slot)->look_us =
	    slot->state == SLOT_IDLE ? pool_idle_deadline(p, slot, s->now) : CLOCK_NEVER;
}

/* ---- time ---- */

static void come_back(struct simulation *s, struct sim_client *c)
{
	struct sim_pool *p = &s->pools[c->pool];

	c->back_us = CLOCK_NEVER;
	stand(&p->pool, &c->waiter, s->now);
	serve(s, &p->pool);
}

static void end_transaction(struct simulation *s, struct sim_server *server)
{
	struct sim_client *c = server->client;
	unsigned think_ms = s->pools[c->pool].think_ms;

	if (think_ms > 0)
		c->back_us = s->now + (1 + dice_of(&s->dice, think_ms)) * MSEC;
	else
		stand(&s->pools[c->pool].pool, &c->waiter, s->now);
}

static void look_at_server(struct simulation *s, struct sim_server *server)
{
	struct slot *slot = &server->slot;

	if (server->is_closing)
		return;
	if (slot->state == SLOT_IDLE && s->now >= server->look_us) {
		if (pool_judge_idle(slot->pool, slot, s->now) != UPKEEP_KEEP) {
			close_slot(slot);
			return;
		}
		server->look_us = pool_idle_deadline(slot->pool, slot, s->now);
		assert_true(server->look_us > s->now);
	}
	if (s->now < server->until_us)
		return;
	if (slot->state == SLOT_BUSY)
		end_transaction(s, server);
	if (slot->state == SLOT_BUSY || slot->state == SLOT_OPENING)
		free_slot(s, slot);
}

/* Each server is in one pool and counted once under each of its limits. */
static void expect_nothing_lost(const struct simulation *s)
{
	unsigned total = 0, in_use = 0;

	for (unsigned i = 0; i < s->pool_count; i++)
		total += s->pools[i].pool.total;
	for (unsigned i = 0; i < s->server_count; i++)
		in_use += s->servers[i].slot.state != SLOT_OUTSIDE;
	assert_int_equal(total, in_use);
	assert_int_equal(s->g.process.servers, in_use);
	assert_int_equal(s->g.database[0]->servers + s->g.database[1]->servers, in_use);
	assert_int_equal(s->g.user[0]->servers + s->g.user[1]->servers, in_use);
}

/* Whoever could have a server that is idle elsewhere soon has it. */
static void expect_nobody_overlooked(struct simulation *s)
{
	for (unsigned i = 0; i < s->pool_count; i++) {
		struct sim_pool *p = &s->pools[i];

		if (!p->pool.blocked_by || !pool_eviction_for(&p->pool, s->now))
			p->overlooked_us = 0;
		else if (p->overlooked_us == 0)
			p->overlooked_us = s->now;
		else if (s->now - p->overlooked_us > 250 * MSEC)
			fail_msg("pool %u is overlooked", i);
	}
}

static void tick(struct simulation *s)
{
	s->now += MSEC;
	for (unsigned i = 0; i < s->server_count; i++)
		look_at_server(s, &s->servers[i]);
	for (unsigned i = 0; i < s->client_count; i++)
		if (s->now >= s->clients[i].back_us)
			come_back(s, &s->clients[i]);
	for (unsigned i = 0; i < s->pool_count; i++)
		if (s->now >= s->pools[i].look_us) {
			s->pools[i].look_us = CLOCK_NEVER;
			serve(s, &s->pools[i].pool);
			serve_limits(s, &s->pools[i].pool);
		}
	reap(s);
	expect_nothing_lost(s);
	expect_nobody_overlooked(s);
}

void sim_run(struct simulation *s, unsigned ms)
{
	while (ms-- > 0)
		tick(s);
}

void sim_serve_all(struct simulation *s)
{
	for (unsigned i = 0; i < s->pool_count; i++)
		serve(s, &s->pools[i].pool);
}

void sim_forget(struct simulation *s)
{
	for (unsigned i = 0; i < s->pool_count; i++) {
		struct sim_pool *p = &s->pools[i];

		p->served = p->longest_wait_us = p->used_us = 0;
		memset(p->latencies, 0, sizeof(p->latencies));
	}
	s->opened = 0;
}

unsigned sim_percentile(const struct sim_pool *p, unsigned percent)
{
	uint64_t below = 0;
	unsigned ms = 0;

	while (ms < LATENCIES && below * 100 < p->served * percent)
		below += p->latencies[ms++];
	return ms;
}

/* ---- beginning and end ---- */

struct simulation *sim_begin(unsigned pools_most, unsigned clients_most,
			     unsigned servers_most)
{
	struct simulation *s = calloc(1, sizeof(*s));

	assert_non_null(s);
	s->pools = calloc(pools_most, sizeof(*s->pools));
	s->clients = calloc(clients_most, sizeof(*s->clients));
	s->servers = calloc(servers_most, sizeof(*s->servers));
	assert_true(s->pools && s->clients && s->servers);
	s->pools_most = pools_most;
	s->clients_most = clients_most;
	s->server_count = servers_most;
	ground_begin(&s->g);
	s->g.rules.pool_size = 0;
	s->now = START;
	s->dice.state = 12345;
	s->opening_ms = 5;
	return s;
}

void sim_end(struct simulation *s)
{
	for (unsigned i = 0; i < s->pool_count; i++)
		pool_end(&s->pools[i].pool);
	ground_end(&s->g);
	free(s->pools);
	free(s->clients);
	free(s->servers);
	free(s);
}

struct sim_pool *sim_add_pool(struct simulation *s, int database, int user)
{
	assert_true(s->pool_count < s->pools_most);
	struct sim_pool *p = &s->pools[s->pool_count++];

	pool_begin(&p->pool, &s->g, database, user);
	p->look_us = CLOCK_NEVER;
	p->shortest_ms = 1;
	p->longest_ms = 3;
	return p;
}

void sim_add_clients(struct simulation *s, struct sim_pool *p, unsigned count)
{
	assert_true(s->client_count + count <= s->clients_most);
	while (count-- > 0) {
		struct sim_client *c = &s->clients[s->client_count++];

		c->pool = (int)(p - s->pools);
		come_back(s, c);
	}
}
