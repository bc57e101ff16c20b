/*
 * Servers outside of their pool's cycle: opened, told of, closed.
 */
#include "relay/private.h"

#include <stdlib.h>

#include "base/check.h"
#include "pool/private.h"
#include "proto/notice.h"
#include "relay/dispatcher.h"

/* There may be room already, but no callback must come from within private_open(). */
static void look_for_room(struct loop_task *task)
{
	struct private *p =
	    (struct private *)(void *)((char *)task - offsetof(struct private, start));
	struct pool *pool = p->server->slot.pool;

	for (int i = 0; i < USAGES_EACH; i++)
		private_serve(p->server->dispatcher, pool->usages[i]);
}

static bool make_private(struct server *s, const struct private_wish *wish)
{
	s->private = calloc(1, sizeof(*s->private));
	if (!s->private)
		return false;
	s->purpose = (uint8_t)wish->purpose;
	s->private->ops = wish->ops;
	s->private->owner = wish->owner;
	s->private->server = s;
	s->private->start.run = look_for_room;
	return buffer_append(&s->private->startup, wish->startup);
}

static void free_private(struct server *s)
{
	if (!s->private)
		return;
	loop_unpost(s->dispatcher->loop, &s->private->start);
	buffer_fini(&s->private->startup);
	free(s->private);
	s->private = NULL;
}

struct server *private_open(struct dispatcher *d, struct pool *pool,
			    const struct private_wish *wish)
{
	CHECK(wish->purpose != SERVER_FOR_POOL);
	if (d->shutdown == SHUTDOWN_WAIT_FOR_SERVERS)
		return NULL;
	struct server *s = dispatcher_make_server(d);
	if (!s)
		return NULL;
	if (!make_private(s, wish)) {
		free_private(s);
		dispatcher_unmake_server(s);
		return NULL;
	}
	pool_add_private(pool, &s->slot, wish->is_lasting, dispatcher_now(d));
	pools_note_use(&d->pools, pool, dispatcher_now(d));
	server_arm(s);
	loop_post(d->loop, &s->private->start);
	return s;
}

void private_abandon(struct server *s, enum closing reason)
{
	s->private->ops = NULL;
	server_close(s, reason);
}

void private_serve(struct dispatcher *d, struct usage *usage)
{
	struct slot *slot;

	if (TAILQ_EMPTY(&usage->waiting_here) || d->shutdown == SHUTDOWN_WAIT_FOR_SERVERS)
		return;
	while ((slot = pool_next_private(usage)))
		d->ops->open_server(server_of_slot(slot));
	slot = pool_eviction_for_private(usage);
	if (slot)
		server_close(server_of_slot(slot), CLOSE_SERVER_EVICTED);
}

bool private_is_waiting(const struct server *s)
{
	return s->slot.waits_for != NULL;
}

void private_wait_timeout(struct server *s)
{
	static const char *const messages[USAGES_EACH] = {
	    "no more server connections allowed (max_db_connections)",
	    "no more server connections allowed (max_user_connections)",
	    "no more server connections allowed (max_server_connections)",
	};

	if (pool_is_paused(s->slot.pool)) {
		s->connect_us = dispatcher_now(s->dispatcher);
		server_arm(s);
		return;
	}
	dispatcher_server_failed(
	    s, REACH_OURS,
	    &(struct notice){.severity = "FATAL",
			     .sqlstate = SQLSTATE_TOO_MANY_CONNECTIONS,
			     .message = messages[s->slot.waits_for->kind]});
}

void private_opened(struct server *s)
{
	struct private *p = s->private;

	s->slot.opened_us = dispatcher_now(s->dispatcher);
	p->is_opened = true;
	buffer_fini(&p->startup);
	if (p->ops)
		p->ops->on_opened(s, p->owner);
}

void private_failed(struct server *s, const struct notice *notice)
{
	const struct private_ops *ops = s->private->ops;

	s->private->ops = NULL;
	if (ops)
		ops->on_failed(s, notice, s->private->owner);
}

/* One that was ended before it was open, by an administrator for example. */
static void tell_of_end(struct server *s)
{
	const struct closing_row *row = closing_row(s->closing);

	private_failed(s, &(struct notice){.severity = "FATAL",
					   .sqlstate = row->sqlstate
							   ? row->sqlstate
							   : SQLSTATE_CONNECTION_FAILURE,
					   .message = row->text});
}

void private_closed(struct server *s)
{
	struct private *p = s->private;

	if (!p->is_opened)
		tell_of_end(s);
	else if (p->ops)
		p->ops->on_closed(s, p->owner);
	free_private(s);
}

void private_error(struct server *s, struct slice body)
{
	const struct private *p = s->private;

	if (p->ops && p->ops->on_error)
		p->ops->on_error(s, body, p->owner);
}

void private_answered(struct server *s)
{
	const struct private *p = s->private;

	if (p->ops && p->ops->on_answer)
		p->ops->on_answer(s, p->owner);
}

void private_notified(struct server *s, struct slice body)
{
	const struct private *p = s->private;

	if (p->ops && p->ops->on_notification)
		p->ops->on_notification(s, body, p->owner);
}
