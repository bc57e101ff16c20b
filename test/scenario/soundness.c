/*
 * What must hold after every turn: all is sound, and every counter is what a recount
 * gives.
 */
#include "scenario/world.h"

static void check_clients(const struct dispatcher *d)
{
	const struct client *c;
	size_t count = 0, logging_in = 0, on_console = 0;

	TAILQ_FOREACH (c, &d->clients, place) {
		assert_true(client_is_sound(c));
		count++;
		logging_in += !c->is_logged_in;
		on_console += c->state == CLIENT_CONSOLE;
		assert_true(!c->server || c->server->client == c);
	}
	assert_int_equal(d->client_count, count);
	assert_int_equal(d->login_count, logging_in);
	assert_int_equal(d->console_count, on_console);
	assert_true(TAILQ_EMPTY(&d->closing_clients));
}

static enum slot_state slot_state_of(const struct server *s)
{
	if (s->private)
		return SLOT_PRIVATE;
	switch ((enum server_state)s->state) {
	case SERVER_CONNECTING:
	case SERVER_LOGIN:
		return SLOT_OPENING;
	case SERVER_IDLE:
		return SLOT_IDLE;
	case SERVER_LINKED:
		return SLOT_BUSY;
	case SERVER_CLEANING:
		/* connect_query is part of opening. */
		return s->task == SERVER_TASK_CONNECT || s->task == SERVER_TASK_BASELINE
			   ? SLOT_OPENING
			   : SLOT_CLEANING;
	case SERVER_CLOSING:
		break;
	}
	fail_msg("a closing server was not reaped");
	return SLOT_OUTSIDE;
}

static void check_servers(const struct dispatcher *d)
{
	const struct server *s;

	TAILQ_FOREACH (s, &d->servers, place) {
		assert_true(server_is_sound(s));
		assert_int_equal(s->slot.state, slot_state_of(s));
		assert_true(!s->client || s->client->server == s);
	}
	assert_true(TAILQ_EMPTY(&d->closing_servers));
}

static unsigned clients_of(const struct dispatcher *d, const struct pool *pool,
			   const struct usage *user)
{
	const struct client *c;
	unsigned count = 0;

	TAILQ_FOREACH (c, &d->clients, place)
		count += c->pool && (pool ? c->pool == pool : c->user == user);
	return count;
}

static void check_usage(const struct dispatcher *d, const struct usage *u, bool is_user)
{
	const struct pool *pool;
	const struct slot *slot;
	unsigned servers = 0, clients = 0, waiting = 0;

	TAILQ_FOREACH (pool, &d->pools.all, all) {
		if (pool->database_usage == u)
			clients += pool->clients;
		if (pool->database_usage != u && pool->user_usage != u)
			continue;
		servers += pool->total;
		TAILQ_FOREACH (slot, &pool->slots[SLOT_PRIVATE], place) {
			servers += slot->waits_for == NULL;
			waiting += slot->waits_for != NULL;
		}
	}
	if (is_user)
		clients = clients_of(d, NULL, u);
	assert_int_equal(u->servers, servers);
	assert_int_equal(u->waiting, waiting);
	assert_int_equal(u->clients, clients);
}

static void check_pools(const struct dispatcher *d)
{
	const struct pool *pool;
	const struct usage *u;

	TAILQ_FOREACH (pool, &d->pools.all, all) {
		assert_true(pool_is_sound(pool));
		assert_int_equal(pool->clients, clients_of(d, pool, NULL));
	}
	for (u = d->pools.databases.table; u; u = u->hh.next)
		check_usage(d, u, false);
	for (u = d->pools.users.table; u; u = u->hh.next)
		check_usage(d, u, true);
}

static size_t count_lingering(const struct dispatcher *d)
{
	const struct client *c;
	size_t count = 0;

	TAILQ_FOREACH (c, &d->lingering_clients, place)
		count++;
	return count;
}

struct sum {
	uint64_t held;
	size_t holders, stopped;
};

static void add_stream(struct sum *sum, const struct stream *s)
{
	uint64_t held = (uint64_t)s->in.cap + s->out.cap;

	sum->held += held;
	sum->holders += held > 0;
	sum->stopped += s->is_throttled;
}

static void check_ledger(const struct dispatcher *d)
{
	const struct client *c;
	const struct server *s;
	struct sum sum = {0};

	if (d->cancel_count > 0)
		return; /* nobody but relay/cancel knows their streams */
	TAILQ_FOREACH (c, &d->clients, place)
		add_stream(&sum, &c->stream);
	TAILQ_FOREACH (c, &d->lingering_clients, place)
		add_stream(&sum, &c->stream);
	TAILQ_FOREACH (s, &d->servers, place)
		add_stream(&sum, &s->stream);
	assert_int_equal(d->loop->ledger.held, sum.held);
	assert_int_equal(d->loop->ledger.holders, sum.holders);
	assert_int_equal(d->loop->ledger.stopped, sum.stopped);
}

/* Unused pools, and of logins the gate (two), the lookups and the names of peers. */
enum { OWN_DEADLINES = 5 };

void world_check(struct world *w)
{
	const struct dispatcher *d = &w->dispatcher;

	check_clients(d);
	check_servers(d);
	check_pools(d);
	check_ledger(d);
	assert_int_equal(d->client_slab.used, d->client_count + count_lingering(d));
	assert_int_equal(w->loop.deadline_count,
			 d->client_slab.used + d->server_slab.used + d->cancel_count +
			     d->waiting_cancel_count + d->pools.count +
			     d->notifier_count + OWN_DEADLINES);
}

void world_is_empty(struct world *w)
{
	world_has_free_servers(w, 0);
}

void world_has_free_servers(struct world *w, unsigned count)
{
	struct dispatcher *d = &w->dispatcher;
	const struct pool *pool;
	unsigned idle = 0, total = 0;

	world_settle(w);
	TAILQ_FOREACH (pool, &d->pools.all, all) {
		idle += pool_usable(pool);
		total += pool->total;
		assert_int_equal(pool->line.count, 0);
	}
	assert_int_equal(idle, count);
	assert_int_equal(total, count);
	assert_int_equal(d->client_slab.used, 0);
	assert_int_equal(d->server_slab.used, count);
	assert_int_equal(d->cancel_count, 0);
	assert_int_equal(d->waiting_cancel_count, 0);
	assert_int_equal(d->cancels.count, 0);
}
