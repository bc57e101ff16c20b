/*
 * Carrying cancel requests ("Message Flow", *Canceling Requests in Progress*).
 *
 * A server learns of a cancel by a connection of its own, and the only sign that it has
 * been delivered is the end of that connection. Until then the server is not handed on:
 * the cancel would hit the next client's query. So a request counts in its server, and
 * clean holds the server back while there are any.
 *
 * Requests are traffic that costs its sender nothing, so they are bounded: one at a time
 * for a server, which others for the same query join; max_cancels in all, a multiple of
 * which waits for its turn; what is beyond is dropped, as PostgreSQL allows.
 */
#include "relay/cancel.h"

#include <stdlib.h>

#include "base/check.h"
#include "base/clock.h"
#include "net/connector.h"
#include "net/stream.h"
#include "net/transport.h"
#include "pool/pool.h"
#include "proto/writer.h"
#include "relay/clean.h"
#include "relay/client.h"
#include "relay/dispatcher.h"
#include "relay/refusal.h"
#include "relay/server.h"

/* How long one may be on its way, waiting for its turn included. */
#define CANCEL_LIMIT_US (10 * USEC_PER_SEC)

enum {
	/* Those that wait for their turn, against those on their way. */
	CANCELS_WAITING = 10,
	/* The pooler's own, for clients that have gone, against those of clients. */
	CANCELS_OWN = 2,
};

/* A client that has brought a cancel request, and is told of its end by being closed. */
struct requester {
	TAILQ_ENTRY(requester) place;
	struct requesters *list; /* that it is in */
	struct client *client;
};
TAILQ_HEAD(requesters, requester);

enum cancel_state {
	CANCEL_WAITING, /* for its turn */
	CANCEL_CONNECTING,
	CANCEL_SENT,
	CANCEL_ENDED, /* to be freed at the end of the turn */
};

struct cancel {
	struct connector connector; /* first: callbacks come with it */
	struct stream stream;
	struct deadline deadline;
	TAILQ_ENTRY(cancel) place; /* in one of the dispatcher's lists of cancels */
	struct dispatcher *dispatcher;
	struct server *server; /* NULL when it has gone, or does not wait for this */
	struct requesters requesters; /* of this one */
	struct requesters later;      /* for a query that began after this was sent */
	struct server_key key;
	uint64_t target_id; /* the client whose query it is */
	uint64_t query_us;  /* when that query began */
	enum cancel_state state;
};

static struct cancel *cancel_of_stream(struct stream *stream)
{
	return (struct cancel *)(void *)((char *)stream -
					 offsetof(struct cancel, stream));
}

static struct cancel *cancel_of_deadline(struct deadline *due)
{
	return (struct cancel *)(void *)((char *)due - offsetof(struct cancel, deadline));
}

/* ---- requesters ---- */

/* Without memory it is not told: whoever calls closes it. */
static bool join(struct requesters *list, struct client *client)
{
	struct requester *r = calloc(1, sizeof(*r));

	if (!r)
		return false;
	*r = (struct requester){.list = list, .client = client};
	client->requester = r;
	TAILQ_INSERT_TAIL(list, r, place);
	return true;
}

void cancel_forget_requester(struct client *client)
{
	struct requester *r;

	if (!client->is_canceller || !client->requester)
		return;
	r = client->requester;
	TAILQ_REMOVE(r->list, r, place);
	client->requester = NULL;
	free(r);
}

static void dismiss(struct requesters *list)
{
	struct requester *r;

	while ((r = TAILQ_FIRST(list))) {
		struct client *client = r->client;

		cancel_forget_requester(client);
		client_close(client, CLOSE_CANCEL_DONE);
	}
}

/* ---- the end ---- */

static bool is_on_its_way(const struct cancel *x)
{
	return x->state == CANCEL_CONNECTING || x->state == CANCEL_SENT;
}

/* Its server need not wait for it any more. */
static void let_go(struct cancel *x)
{
	struct server *s = x->server;

	x->server = NULL;
	if (!s)
		return;
	s->cancel = NULL;
	if (is_on_its_way(x))
		s->cancels--;
}

/* The stream's struct must live until the turn ends, so freeing is put off. */
static void set_ended(struct cancel *x)
{
	struct dispatcher *d = x->dispatcher;

	if (x->state == CANCEL_WAITING) {
		TAILQ_REMOVE(&d->waiting_cancels, x, place);
		d->waiting_cancel_count--;
	} else {
		TAILQ_REMOVE(&d->cancel_list, x, place);
		d->cancel_count--;
	}
	TAILQ_INSERT_TAIL(&d->ended_cancels, x, place);
	x->state = CANCEL_ENDED;
	connector_stop(&x->connector);
	stream_close(&x->stream);
	loop_want_reap(d->loop);
}

static void send_later(struct server *s, struct requesters *later, uint64_t target_id);
static void serve_waiting(struct dispatcher *d);

/* is_over: it has arrived, or will not. If not, it may still do so, at a time when the
 * server works for another. */
static void cancel_end(struct cancel *x, bool is_over)
{
	struct server *s = is_on_its_way(x) ? x->server : NULL;

	if (x->state == CANCEL_ENDED)
		return;
	if (s && !is_over)
		pool_retire(s->slot.pool, &s->slot);
	let_go(x);
	set_ended(x);
	dismiss(&x->requesters);
	if (s)
		send_later(s, &x->later, x->target_id);
	dismiss(&x->later);
	if (s)
		clean_cancel_ended(s);
	serve_waiting(x->dispatcher);
}

/* ---- on its way ---- */

static size_t on_data(struct stream *stream, struct slice bytes)
{
	(void)stream;
	return bytes.len; /* a server has nothing to say here */
}

static void on_end(struct stream *stream, enum stream_end how, int error)
{
	(void)error;
	cancel_end(cancel_of_stream(stream), how == STREAM_END_BY_PEER);
}

static const struct stream_ops cancel_stream_ops = {.on_data = on_data, .on_end = on_end};

static void on_due(struct deadline *due, uint64_t now_us)
{
	(void)now_us;
	cancel_end(cancel_of_deadline(due), false);
}

static void on_connected(struct connector *connector, int fd, int error,
			 const char *problem)
{
	struct cancel *x = (void *)connector;
	struct buffer message = {0};
	struct writer w = writer_of(&message);

	(void)error;
	(void)problem;
	if (fd < 0) {
		cancel_end(x, true); /* it will not arrive at all */
		return;
	}
	stream_open(&x->stream, x->dispatcher->loop, fd, &transport_plain,
		    &cancel_stream_ops);
	x->state = CANCEL_SENT;
	if (x->server)
		x->query_us = x->server->query_us;
	writer_cancel_request(&w, slice_of(x->key.bytes, x->key.len));
	if (writer_finish(&w))
		stream_write(&x->stream, buffer_bytes(&message));
	else
		cancel_end(x, true);
	buffer_fini(&message);
}

static size_t most(const struct dispatcher *d)
{
	return (size_t)d->config->settings.max_cancels;
}

/* Its turn has come. */
static void set_out(struct cancel *x)
{
	struct dispatcher *d = x->dispatcher;

	x->state = CANCEL_CONNECTING;
	x->server->cancels++;
	d->cancel_count++;
	TAILQ_INSERT_TAIL(&d->cancel_list, x, place);
	connector_start_at(&x->connector, d->loop, &x->server->at, &d->tuning,
			   on_connected);
}

/* A cancel for the server; NULL when none can be sent. It is not in a list yet. */
static struct cancel *cancel_create(struct server *s)
{
	struct dispatcher *d = s->dispatcher;
	struct cancel *x;

	if (s->cancel_key.len == 0 || s->at.len == 0)
		return NULL;
	x = calloc(1, sizeof(*x));
	if (!x)
		return NULL;
	if (!loop_reserve_deadline(d->loop)) {
		free(x);
		return NULL;
	}
	x->dispatcher = d;
	x->server = s;
	x->key = s->cancel_key;
	x->query_us = s->query_us;
	x->target_id = s->client ? s->client->id : 0;
	x->deadline.on_due = on_due;
	TAILQ_INIT(&x->requesters);
	TAILQ_INIT(&x->later);
	s->cancel = x;
	loop_arm(d->loop, &x->deadline, dispatcher_now(d) + CANCEL_LIMIT_US);
	return x;
}

/* ---- waiting for a turn ---- */

static void wait_for_turn(struct cancel *x)
{
	struct dispatcher *d = x->dispatcher;

	x->state = CANCEL_WAITING;
	TAILQ_INSERT_TAIL(&d->waiting_cancels, x, place);
	d->waiting_cancel_count++;
}

/* The query that it is meant for is still there. */
static bool is_wanted(const struct cancel *x)
{
	const struct server *s = x->server;

	return s && s->closing == CLOSE_NOT && s->client &&
	       s->client->id == x->target_id && s->query_us == x->query_us &&
	       s->task != SERVER_TASK_PREPARE;
}

static void serve_waiting(struct dispatcher *d)
{
	struct cancel *x;

	while (d->cancel_count < most(d) && (x = TAILQ_FIRST(&d->waiting_cancels))) {
		if (!is_wanted(x)) {
			let_go(x);
			set_ended(x);
			dismiss(&x->requesters);
			continue;
		}
		TAILQ_REMOVE(&d->waiting_cancels, x, place);
		d->waiting_cancel_count--;
		set_out(x);
	}
}

/* A request of a client: on its way, or waiting for that; NULL when there are too many.
 */
static struct cancel *begin(struct server *s)
{
	struct dispatcher *d = s->dispatcher;
	struct cancel *x;

	if (d->waiting_cancel_count >= CANCELS_WAITING * most(d))
		return NULL;
	x = cancel_create(s);
	if (!x)
		return NULL;
	if (d->cancel_count < most(d))
		set_out(x);
	else
		wait_for_turn(x);
	return x;
}

/* Those that came when another had been sent already, for an earlier query. */
static void send_later(struct server *s, struct requesters *later, uint64_t target_id)
{
	struct requester *r;
	struct cancel *x;

	if (TAILQ_EMPTY(later) || s->closing != CLOSE_NOT || !s->client ||
	    s->client->id != target_id || s->query_us == 0)
		return;
	x = begin(s);
	if (!x)
		return;
	while ((r = TAILQ_FIRST(later))) {
		TAILQ_REMOVE(later, r, place);
		TAILQ_INSERT_TAIL(&x->requesters, r, place);
		r->list = &x->requesters;
	}
}

/* ---- requests ---- */

static struct client *client_of_key(struct cancel_key *key)
{
	return (struct client *)(void *)((char *)key - offsetof(struct client, cancel));
}

/* Which of those that wait for a cancel the requester belongs to: one that is under way
 * will do for a query that had begun before it was sent. */
static struct requesters *place_for(struct server *s)
{
	struct cancel *x = s->cancel ? s->cancel : begin(s);

	if (!x)
		return NULL;
	if (x->state == CANCEL_SENT && x->query_us != s->query_us)
		return &x->later;
	/* While it waits for its turn the server may have come to another client. */
	x->target_id = s->client->id;
	x->query_us = s->query_us;
	return &x->requesters;
}

/* Delivers it to the client's server; whether the requester is to wait for that. */
static bool deliver(struct client *target, struct client *requester)
{
	struct server *s = target->server;
	struct requesters *place;

	/* Hitting our own SET would end the client's session. */
	if (s->query_us == 0 || s->task == SERVER_TASK_PREPARE || s->closing != CLOSE_NOT)
		return false;
	place = place_for(s);
	return place && join(place, requester);
}

static void log_request(const struct client *requester, const struct client *target)
{
	char prefix[CLIENT_PREFIX_LEN];

	if (log_wants(LOG_LEVEL_DEBUG))
		log_write(LOG_LEVEL_DEBUG, client_prefix(requester, prefix),
			  "cancel request for C-0x%llx",
			  target ? (unsigned long long)target->id : 0);
}

void cancel_request(struct client *requester, struct slice key)
{
	struct dispatcher *d = requester->dispatcher;
	struct cancel_key *found = cancels_find(&d->cancels, key);
	struct client *target = found ? client_of_key(found) : NULL;

	log_request(requester, target);
	client_move(requester, CLIENT_CANCELLING);
	requester->is_canceller = true;
	if (!target) {
		client_close(requester, CLOSE_CANCEL_UNKNOWN);
		return;
	}
	if (target->state == CLIENT_LINKED && deliver(target, requester))
		return;
	if (target->state == CLIENT_WAITING)
		refusal_cancelled(target);
	else if (target->state == CLIENT_CONSOLE)
		d->console.on_cancel(target);
	client_close(requester, CLOSE_CANCEL_DONE);
}

/* One of the pooler's own; those do not wait for a turn. */
static struct cancel *begin_own(struct server *s)
{
	struct dispatcher *d = s->dispatcher;
	struct cancel *x;

	/* What waits was meant for a client that has gone. */
	if (s->cancel && s->cancel->state == CANCEL_WAITING)
		cancel_end(s->cancel, true);
	if (s->cancel || d->cancel_count >= CANCELS_OWN * most(d))
		return NULL;
	x = cancel_create(s);
	if (x)
		set_out(x);
	return x;
}

void cancel_left(struct server *s)
{
	begin_own(s);
}

void cancel_abandoned(struct server *s)
{
	struct cancel *x = begin_own(s);

	/* The server is about to be closed and must not wait for this. */
	if (x)
		let_go(x);
}

void cancel_forget_server(struct server *s)
{
	if (s->cancel)
		let_go(s->cancel);
}

void cancel_reap(struct dispatcher *d)
{
	struct cancel *x;

	while ((x = TAILQ_FIRST(&d->ended_cancels))) {
		TAILQ_REMOVE(&d->ended_cancels, x, place);
		loop_release_deadline(d->loop, &x->deadline);
		free(x);
	}
}

void cancel_end_all(struct dispatcher *d)
{
	struct cancel *x;

	while ((x = TAILQ_FIRST(&d->waiting_cancels)))
		cancel_end(x, false);
	while ((x = TAILQ_FIRST(&d->cancel_list)))
		cancel_end(x, false);
}
