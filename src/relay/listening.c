/*
 * A client that listens.
 */
#include "relay/listening.h"

#include <stdlib.h>

#include "config/config.h"
#include "relay/client.h"
#include "relay/dispatcher.h"
#include "relay/known.h"
#include "relay/notifier.h"
#include "relay/server.h"
#include "relay/session.h"

/* More than this is sent before more is gathered. */
enum { GATHER_MAX = 16 * 1024 };

struct listening *listening_of(const struct client *c)
{
	bool has_session = c->is_logged_in && c->pool && c->session;

	return has_session ? c->session->listening : NULL;
}

/* In which names and payloads come to it. */
static struct slice encoding_of(const struct client *c)
{
	struct slice name = slice_of_text("client_encoding"), value;
	const struct params *welcome = known_of(c->pool)->welcome;

	if (params_find(c->params, name, &value) ||
	    (welcome && params_find(welcome, name, &value)))
		return value;
	return slice_of_text("");
}

struct listening *listening_make(struct client *c)
{
	struct session *session = session_get(c);
	struct listening *l = session ? calloc(1, sizeof(*l)) : NULL;

	if (!l)
		return NULL;
	l->client = c;
	l->notifier = notifier_hold(c->dispatcher, c->pool, encoding_of(c));
	if (!l->notifier) {
		free(l);
		return NULL;
	}
	listener_init(&l->listener);
	session->listening = l;
	return l;
}

void listening_leave(struct listening *l, struct member *m)
{
	channels_leave(&l->notifier->channels, m);
	notifier_changed(l->notifier);
}

void listening_free(struct client *c)
{
	struct listening *l = c->session ? c->session->listening : NULL;

	if (!l)
		return;
	while (!TAILQ_EMPTY(&l->listener.channels))
		listening_leave(l, TAILQ_FIRST(&l->listener.channels));
	notifier_release(l->notifier);
	listener_fini(&l->listener);
	c->session->listening = NULL;
	free(l);
}

/* ---- passing on ---- */

/* As PostgreSQL: not in a transaction, not while a query is answered. What the socket
 * does not take now is kept here, where many share it. */
static bool may_hear(const struct client *c)
{
	const struct server *s = c->server;

	if (c->closing != CLOSE_NOT || c->stream.is_blocked)
		return false;
	return !s || (s->query_us == 0 && s->transaction_us == 0 &&
		      (s->rest == 0 || s->rest_is != REST_FORWARD));
}

static void pass_on(struct client *c, const struct notification *n)
{
	struct buffer *out = stream_cork_buffer(&c->stream);

	if (!buffer_append(out, slice_of(n->bytes, n->len))) {
		client_close(c, CLOSE_OUT_OF_MEMORY);
		return;
	}
	if (buffer_len(out) > GATHER_MAX)
		stream_write(&c->stream, slice_of(NULL, 0));
	else
		stream_corked(&c->stream);
}

void listening_pass_on(struct listening *l)
{
	const struct notification *n;

	while ((n = listener_next(&l->listener)) && may_hear(l->client)) {
		pass_on(l->client, n);
		listener_drop(&l->listener);
	}
}

void listening_deliver(struct client *c)
{
	struct listening *l = listening_of(c);

	if (l)
		listening_pass_on(l);
}

void listening_hears(struct listening *l, struct member *m, struct notification *n)
{
	struct client *c = l->client;
	uint64_t most = c->dispatcher->config->settings.max_notify_queue;

	if (c->closing != CLOSE_NOT)
		return;
	if (!listener_keep(&l->listener, m, n)) {
		client_close(c, CLOSE_OUT_OF_MEMORY);
		return;
	}
	listening_pass_on(l);
	if (most > 0 && l->listener.kept_len > most)
		client_close(c, CLOSE_NOTIFY_QUEUE);
}

void listening_wake(struct listening *l)
{
	loop_post(l->client->dispatcher->loop, &l->client->pump);
}
