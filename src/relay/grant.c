/*
 * Who gets a server: what pool/ decides, told to clients.
 *
 * Granting only queues: a client that gets a server is put on the loop's run queue, and
 * goes on there with what is in its buffer.
 */
#include "base/check.h"
#include "base/clock.h"
#include "config/config.h"
#include "relay/client.h"
#include "relay/dispatcher.h"
#include "relay/link.h"
#include "relay/memory.h"
#include "relay/pin.h"
#include "relay/private.h"
#include "relay/refusal.h"
#include "relay/renew.h"
#include "relay/server.h"
#include "relay/standing.h"

/* Within this time a client goes back to the server that it used last. */
#define AFFINITY_US (5 * USEC_PER_SEC)

static void link_up(struct client *c, struct server *s)
{
	struct dispatcher *d = c->dispatcher;

	link_attach(c, s);
	tally_at(&d->pools.tally, dispatcher_now(d))->server_assignment_count++;
	d->ops->prepare(c, s);
}

static bool needs_check(const struct server *s)
{
	const struct settings *settings = &s->dispatcher->config->settings;

	return settings->server_check_query[0] &&
	       clock_since(dispatcher_now(s->dispatcher), s->since_us) >
		   settings->server_check_delay;
}

/* A client came to the head of the line and this server is for it. */
static void grant(struct dispatcher *d, struct server *s, struct client *c)
{
	uint64_t now_us = dispatcher_now(d);

	tally_at(&d->pools.tally, now_us)->wait_time_us +=
	    clock_since(now_us, c->waiter->since_us);
	CHECK(c->is_logged_in);
	dispatcher_leave_line(c);
	c->was_notified = false;
	link_up(c, s);
	loop_post(d->loop, &c->pump);
}

static bool serve_next(struct dispatcher *d, struct pool *pool)
{
	uint64_t spared = pool->spared[REFUSAL_LATE];
	struct slot *slot;
	struct waiter *waiter;

	switch (pool_match(pool, dispatcher_now(d), &slot, &waiter)) {
	case POOL_NO_MATCH:
		return false;
	case POOL_MATCHED:
		if (pool->spared[REFUSAL_LATE] != spared)
			refusal_log_late(waiter->owner);
		grant(d, server_of_slot(slot), waiter->owner);
		return true;
	case POOL_REJECTED:
		refusal_from_line(waiter->owner, REFUSAL_LATE);
		return true;
	}
	return false;
}

void dispatcher_serve(struct dispatcher *d, struct pool *pool)
{
	renew_step(d, pool);
	while (serve_next(d, pool))
		;
	for (int i = 0; i < USAGES_EACH; i++)
		private_serve(d, pool->usages[i]);
	dispatcher_open_wanted(d, pool);
}

/* ---- the line ---- */

/* They need no server, so it counts neither as a use of one nor as a wait for one. */
void dispatcher_greet_line(struct dispatcher *d, struct pool *pool)
{
	struct waiter *w;

	while ((w = admission_first(&pool->line))) {
		struct client *c = w->owner;
		dispatcher_leave_line(c);
		d->ops->welcome(c);
		loop_post(d->loop, &c->pump);
	}
}

void dispatcher_leave_line(struct client *c)
{
	if (!c->waiter)
		return;
	admission_leave(c->waiter);
	slab_give_back(&c->dispatcher->waiter_slab, c->waiter);
	c->waiter = NULL;
}

void dispatcher_arm_line(struct pool *pool)
{
	struct waiter *w;

	TAILQ_FOREACH (w, &pool->line.all, arrival)
		client_arm(w->owner);
}

static bool join_line(struct client *c, const struct asker *asker, uint64_t expected_us)
{
	struct dispatcher *d = c->dispatcher;

	c->waiter = slab_take(&d->waiter_slab);
	if (!c->waiter) {
		refusal_no_memory(c);
		return false;
	}
	c->waiter->owner = c;
	pool_join(c->pool, c->waiter, asker, expected_us, dispatcher_now(d));
	client_move(c, CLIENT_WAITING);
	client_arm(c);
	return true;
}

static enum dispatch wait_in_line(struct client *c, const struct asker *asker,
				  uint64_t expected_us)
{
	if (!join_line(c, asker, expected_us))
		return DISPATCH_REFUSED;
	dispatcher_open_wanted(c->dispatcher, c->pool);
	pin_give_way(c->pool);
	return c->state == CLIENT_WAITING ? DISPATCH_WAITING : DISPATCH_REFUSED;
}

void dispatcher_withdraw(struct client *c)
{
	if (c->state != CLIENT_WAITING)
		return;
	dispatcher_leave_line(c);
	c->was_notified = false;
	client_move(c, CLIENT_IDLE);
	client_arm(c);
}

/* ---- clients ask ---- */

/* The server that the client has just used, if nobody has since: what it has left there
 * without being told apart (the latest values of sequences) is still its own. After a
 * while the one used last is the better choice, so that the others may be closed. */
static struct server *take_last(struct client *c)
{
	struct server *s = c->last_server;
	uint64_t now_us = dispatcher_now(c->dispatcher);

	if (!s || s->state != SERVER_IDLE || s->slot.retire || s->private ||
	    s->slot.pool != c->pool || c->pool->rules.server_round_robin ||
	    clock_since(now_us, s->since_us) > AFFINITY_US)
		return NULL;
	pool_take_slot(c->pool, &s->slot, now_us);
	return s;
}

static enum dispatch take(struct client *c)
{
	struct dispatcher *d = c->dispatcher;
	struct server *s = take_last(c);
	struct standing standing;

	if (!s)
		s = server_of_slot(pool_take(c->pool, dispatcher_now(d)));

	if (needs_check(s)) {
		/* It waits for this one: a server that is only checked is no reason to
		 * open another. If the check fails, the reaper does. */
		standing_of(c, &standing);
		bool waits = join_line(c, &standing.asker, 0);
		d->ops->check(s);
		return waits ? DISPATCH_WAITING : DISPATCH_REFUSED;
	}
	link_up(c, s);
	return DISPATCH_LINKED;
}

/* Somebody of less importance has to go for it. */
static void displace(const struct pool_ruling *ruling)
{
	if (ruling->displaced)
		refusal_from_line(ruling->displaced->owner, REFUSAL_DISPLACED);
}

static enum dispatch ask_in_line(struct client *c)
{
	struct standing standing;
	struct pool_ruling ruling;

	if (c->dispatcher->shutdown == SHUTDOWN_WAIT_FOR_SERVERS) {
		client_close(c, CLOSE_SHUTDOWN);
		return DISPATCH_REFUSED;
	}
	standing_of(c, &standing);
	ruling = pool_ask(c->pool, &standing.asker, dispatcher_now(c->dispatcher));
	switch (ruling.answer) {
	case POOL_TAKE:
		return take(c);
	case POOL_WAIT:
		displace(&ruling);
		if (ruling.is_on_trial)
			refusal_log_trial(c, &standing, &ruling);
		return wait_in_line(c, &standing.asker, ruling.expected_us);
	case POOL_REFUSE:
		refusal_at_arrival(c, &standing, &ruling);
		return DISPATCH_REFUSED;
	case POOL_DOWN:
		refusal_server_down(c);
		return DISPATCH_REFUSED;
	}
	return DISPATCH_REFUSED;
}

enum dispatch dispatcher_ask(struct client *c)
{
	if (c->is_logged_in && memory_refuses(c->dispatcher)) {
		memory_refuse_query(c);
		return DISPATCH_REFUSED;
	}
	return pool_may_take(c->pool) ? take(c) : ask_in_line(c);
}
