/*
 * Gives back what the closed held, and frees them, at the end of the turn.
 *
 * One that goes may end another: a server its client, a client a server that cannot be
 * saved. So it goes on until nobody is left among the closing. A client whose last words
 * are not out yet has given back everything by then and lingers.
 */
#include "relay/reaper.h"

#include "base/clock.h"
#include "config/config.h"
#include "relay/cancel.h"
#include "relay/client_login.h"
#include "relay/dispatcher.h"
#include "relay/keeper.h"
#include "relay/known.h"
#include "relay/leave.h"
#include "relay/link.h"
#include "relay/listening.h"
#include "relay/notify.h"
#include "relay/private.h"
#include "relay/replication.h"
#include "relay/rewrite.h"
#include "relay/server_login.h"
#include "relay/session.h"
#include "relay/settle.h"

static void leave_pool(struct client *c)
{
	struct dispatcher *d = c->dispatcher;

	if (c->server)
		leave_start(c);
	if (c->pool) {
		struct pool *pool = c->pool;
		c->pool = NULL;
		d->pooled_count--;
		pool->clients--;
		pool->database_usage->clients--;
		c->user->clients--;
		keeper_let_go(d, pool);
	}
	if (c->user)
		usage_release(&d->pools.users, c->user);
	c->user = NULL;
}

static void release_client(struct client *c)
{
	struct dispatcher *d = c->dispatcher;
	bool has_entered = c->pool != NULL; /* so that its login is over */

	if (c->is_released)
		return;
	c->is_released = true;
	loop_unpost(d->loop, &c->pump);
	replication_give_up(c);
	if (has_entered)
		listening_free(c);
	leave_pool(c);
	cancel_forget_requester(c);
	link_forget_client(c);
	if (has_entered)
		session_free(c);
	else if (!c->is_logged_in)
		client_login_end(c);
	else if (c->console)
		d->console.on_close(c);
	cancels_take_back(&d->cancels, &c->cancel);
	params_unref(&d->params, c->params);
	c->params = NULL;
	dispatcher_note_progress(d);
}

static void free_client(struct client *c)
{
	struct dispatcher *d = c->dispatcher;

	stream_close(&c->stream);
	loop_release_deadline(d->loop, &c->deadline);
	slab_give_back(&d->client_slab, c);
}

static void reap_clients(struct dispatcher *d)
{
	struct client *c;

	while ((c = TAILQ_FIRST(&d->closing_clients))) {
		release_client(c);
		TAILQ_REMOVE(&d->closing_clients, c, place);
		if (c->is_lingering)
			TAILQ_INSERT_TAIL(&d->lingering_clients, c, place);
		else
			free_client(c);
	}
}

/* It had its last answer, and nothing of it was left in the server. */
static void go_on_without(struct client *c)
{
	rewrite_keep_unnamed(c);
	link_detach(c);
	client_arm(c);
	if (stream_kept(&c->stream).len > 0)
		loop_post(c->dispatcher->loop, &c->pump);
}

/* A client that was linked to a server that has gone. */
static void bereave(struct server *s)
{
	struct client *c = s->client;

	if (!c)
		return;
	if (notify_settle_lost(s)) {
		go_on_without(c);
		return;
	}
	link_detach(c);
	if (closing_row(s->closing)->severity)
		client_close(c, s->closing); /* a reason that ends both */
	else
		client_close(c,
			     s->said_fatal ? CLOSE_SERVER_SAID_WHY : CLOSE_SERVER_LOST);
}

static void free_server(struct server *s)
{
	struct dispatcher *d = s->dispatcher;

	server_login_free(s);
	cancel_forget_server(s);
	link_forget_server(s);
	params_unref(&d->params, s->params);
	params_unref(&d->params, s->origin);
	params_unref(&d->params, s->base);
	params_unref(&d->params, s->suits);
	params_unref(&d->params, s->wanted);
	tracker_fini(&s->tracker);
	journal_fini(s);
	server_statements_clear(&d->statements, &s->statements);
	stream_close(&s->stream);
	loop_release_deadline(d->loop, &s->deadline);
	TAILQ_REMOVE(&d->closing_servers, s, place);
	slab_give_back(&d->server_slab, s);
}

static void count_unsaved(const struct server *s)
{
	struct dispatcher *d = s->dispatcher;
	uint64_t now_us = dispatcher_now(d);

	tally_at(&s->slot.pool->tally, now_us)->server_unsaved_count++;
	tally_at(&d->pools.tally, now_us)->server_unsaved_count++;
}

static void reap_server(struct server *s)
{
	struct dispatcher *d = s->dispatcher;
	struct pool *pool = s->slot.pool;
	bool was_attempt = !s->private && s->closing == CLOSE_LOGIN_FAILED;

	bereave(s);
	if (s->leaving != LEAVING_NOT && s->closing != CLOSE_SERVER_RETIRED)
		count_unsaved(s);
	pool_remove(pool, &s->slot, dispatcher_now(d));
	if (s->private)
		private_closed(s);
	free_server(s);
	if (pool_is_hopeless(pool, was_attempt, dispatcher_now(d)))
		dispatcher_refuse_line(pool);
	dispatcher_serve(d, pool);
	for (int i = 0; i < USAGES_EACH; i++)
		dispatcher_serve_blocked(d, pool->usages[i]);
	dispatcher_note_progress(d);
	keeper_let_go(d, pool);
}

static void watch_expiry(struct dispatcher *d)
{
	const struct pool *first = TAILQ_FIRST(&d->pools.unused);
	uint64_t timeout_us = d->config->settings.autodb_idle_timeout;

	if (first && d->expiry.place == 0)
		loop_arm(d->loop, &d->expiry,
			 clock_limit(first->unused_since_us, timeout_us));
}

void reaper_run(void *context)
{
	struct dispatcher *d = context;
	struct server *s;

	while (!TAILQ_EMPTY(&d->closing_servers) || !TAILQ_EMPTY(&d->closing_clients)) {
		while ((s = TAILQ_FIRST(&d->closing_servers)))
			reap_server(s);
		reap_clients(d);
	}
	cancel_reap(d);
	watch_expiry(d);
	if (d->is_progress_watched && d->has_progressed) {
		d->has_progressed = false;
		d->console.on_progress(d->console.context);
	}
}

void reaper_pools_due(struct deadline *due, uint64_t now_us)
{
	struct dispatcher *d =
	    (struct dispatcher *)(void *)((char *)due -
					  offsetof(struct dispatcher, expiry));
	uint64_t next_us = pools_expire(
	    &d->pools, now_us, d->config->settings.autodb_idle_timeout, keeper_forget, d);

	loop_arm(d->loop, &d->expiry, next_us);
}
