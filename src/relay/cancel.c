/*
 * Carrying cancel requests ("Message Flow", *Canceling Requests in Progress*).
 *
 * A server learns of a cancel by a connection of its own, and the only sign that it has
 * been delivered is the end of that connection. Until then the server is not handed on:
 * the cancel would hit the next client's query. So a request counts in its server, and
 * clean holds the server back while there are any.
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

/* More at a time for one server add nothing: the first one will do. */
enum { CANCELS_PER_SERVER = 4, CANCELS_MOST = 1000 };
#define CANCEL_LIMIT_US (10 * USEC_PER_SEC)

struct cancel {
	struct connector connector; /* first: callbacks come with it */
	struct stream stream;
	struct deadline deadline;
	TAILQ_ENTRY(cancel) place;
	struct dispatcher *dispatcher;
	struct client *requester; /* NULL when it has gone */
	struct server *server;    /* NULL when it has gone */
	struct server_key key;
	bool is_ended; /* to be freed at the end of the turn */
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

/* Ends it: the stream's struct must live until the turn ends, so freeing is put off. */
static void cancel_end(struct cancel *x, bool is_delivered)
{
	struct dispatcher *d = x->dispatcher;
	struct server *s = x->server;

	if (x->is_ended)
		return;
	x->is_ended = true;
	connector_stop(&x->connector);
	stream_close(&x->stream);
	if (x->requester)
		client_close(x->requester, CLOSE_CANCEL_DONE);
	if (s) {
		s->cancels--;
		x->server = NULL;
		/* It may still arrive, at a time when the server works for another. */
		if (!is_delivered)
			pool_retire(s->slot.pool, &s->slot);
		clean_cancel_ended(s);
	}
	loop_want_reap(d->loop);
}

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
	writer_cancel_request(&w, slice_of(x->key.bytes, x->key.len));
	if (writer_finish(&w))
		stream_write(&x->stream, buffer_bytes(&message));
	else
		cancel_end(x, true);
	buffer_fini(&message);
}

static bool may_start(const struct server *s)
{
	return s->cancel_key.len > 0 && s->at.len > 0 &&
	       s->cancels < CANCELS_PER_SERVER &&
	       s->dispatcher->cancel_count < CANCELS_MOST;
}

/* A cancel on its way to the server; NULL when it cannot be sent. */
static struct cancel *cancel_start(struct server *s)
{
	struct dispatcher *d = s->dispatcher;
	struct cancel *x = may_start(s) ? calloc(1, sizeof(*x)) : NULL;

	if (!x)
		return NULL;
	if (!loop_reserve_deadline(d->loop)) {
		free(x);
		return NULL;
	}
	x->dispatcher = d;
	x->server = s;
	x->key = s->cancel_key;
	x->deadline.on_due = on_due;
	s->cancels++;
	d->cancel_count++;
	TAILQ_INSERT_TAIL(&d->cancel_list, x, place);
	loop_arm(d->loop, &x->deadline, dispatcher_now(d) + CANCEL_LIMIT_US);
	connector_start_at(&x->connector, d->loop, &s->at, &d->tuning, on_connected);
	return x;
}

static struct client *client_of_key(struct cancel_key *key)
{
	return (struct client *)(void *)((char *)key - offsetof(struct client, cancel));
}

/* Delivers it to the client's server; whether one is on its way. */
static bool deliver(struct client *target, struct client *requester)
{
	struct server *s = target->server;

	/* Hitting our own SET would end the client's session. */
	if (s->query_us == 0 || s->task == SERVER_TASK_PREPARE || s->closing != CLOSE_NOT)
		return false;
	struct cancel *x = cancel_start(s);
	if (!x)
		return false;
	x->requester = requester;
	return true;
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

void cancel_left(struct server *s)
{
	cancel_start(s);
}

void cancel_abandoned(struct server *s)
{
	struct cancel *x = cancel_start(s);

	/* The server is about to be closed and must not wait for this. */
	if (x) {
		x->server = NULL;
		s->cancels--;
	}
}

void cancel_forget_requester(struct client *requester)
{
	struct cancel *x;

	if (!requester->is_canceller)
		return;
	TAILQ_FOREACH (x, &requester->dispatcher->cancel_list, place)
		if (x->requester == requester)
			x->requester = NULL;
}

void cancel_forget_server(struct server *s)
{
	struct cancel *x;

	if (s->cancels == 0)
		return;
	TAILQ_FOREACH (x, &s->dispatcher->cancel_list, place)
		if (x->server == s)
			x->server = NULL;
	s->cancels = 0;
}

void cancel_reap(struct dispatcher *d)
{
	struct cancel *x = TAILQ_FIRST(&d->cancel_list);

	while (x) {
		struct cancel *next = TAILQ_NEXT(x, place);
		if (x->is_ended) {
			TAILQ_REMOVE(&d->cancel_list, x, place);
			loop_release_deadline(d->loop, &x->deadline);
			d->cancel_count--;
			free(x);
		}
		x = next;
	}
}

void cancel_end_all(struct dispatcher *d)
{
	struct cancel *x;

	TAILQ_FOREACH (x, &d->cancel_list, place)
		cancel_end(x, false);
}
