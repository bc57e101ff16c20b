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

static struct listening *create(struct client *c)
{
	struct listening *l = calloc(1, sizeof(*l));

	if (!l)
		return NULL;
	l->client = c;
	l->notifier = notifier_hold(c->dispatcher, c->pool, encoding_of(c));
	if (!l->notifier) {
		free(l);
		return NULL;
	}
	listener_init(&l->listener);
	return l;
}

struct listening *listening_make(struct client *c)
{
	struct session *session = session_get(c);

	if (session)
		session->listening = create(c);
	return session ? session->listening : NULL;
}

static struct slice name_of(const struct member *m)
{
	return slice_of(m->channel->name, m->channel->name_len);
}

static void leave(struct listening *l, struct member *m)
{
	channels_leave(&l->notifier->channels, m);
	notifier_changed(l->notifier);
}

void listening_leave(struct listening *l, struct member *m)
{
	struct member *same =
	    l->old ? listener_find(&l->old->listener, name_of(m)) : NULL;

	if (same)
		leave(l->old, same);
	leave(l, m);
}

static void destroy(struct listening *l)
{
	while (!TAILQ_EMPTY(&l->listener.channels))
		leave(l, TAILQ_FIRST(&l->listener.channels));
	notifier_release(l->notifier);
	listener_fini(&l->listener);
	free(l);
}

void listening_free(struct client *c)
{
	struct listening *l = c->session ? c->session->listening : NULL;

	if (!l)
		return;
	if (l->old)
		destroy(l->old);
	destroy(l);
	c->session->listening = NULL;
}

/* ---- another encoding ---- */

static bool is_ascii(struct slice name)
{
	for (size_t i = 0; i < name.len; i++)
		if (name.data[i] >= 0x80)
			return false;
	return true;
}

static bool has_plain_names(const struct listening *l)
{
	const struct member *m;

	TAILQ_FOREACH (m, &l->listener.channels, in_listener)
		if (!is_ascii(name_of(m)))
			return false;
	return true;
}

/* False when memory is short. */
static bool join_all(struct listening *next, const struct listening *l)
{
	struct channels *channels = &next->notifier->channels;
	const struct member *m;

	TAILQ_FOREACH (m, &l->listener.channels, in_listener) {
		struct member *own = channels_join(channels, &next->listener, name_of(m));
		if (!own)
			return false;
		own->is_certain = true;
		own->is_moved = true;
		channels_touch(channels, own->channel);
	}
	notifier_changed(next->notifier);
	return true;
}

void listening_follow(struct client *c)
{
	struct listening *l = listening_of(c), *next;

	if (!l || l->old || l->has_uncertain || l->listener.count == 0 ||
	    notifier_is_in(l->notifier, encoding_of(c)) || !has_plain_names(l))
		return;
	/* Without memory it goes on as before, and the next time is another try. */
	next = create(c);
	if (!next)
		return;
	if (!join_all(next, l)) {
		destroy(next);
		return;
	}
	next->old = l;
	c->session->listening = next;
}

/* What has come by the old connection goes first. */
static bool may_part(const struct listening *l)
{
	const struct member *m;

	TAILQ_FOREACH (m, &l->listener.channels, in_listener)
		if (m->is_moved && !m->is_admitted)
			return false;
	return l->old->listener.kept_len == 0;
}

static void part_if_done(struct listening *l)
{
	struct member *m;

	if (!l->old || !may_part(l))
		return;
	TAILQ_FOREACH (m, &l->listener.channels, in_listener)
		m->is_moved = false;
	l->has_missed = l->has_missed || l->old->has_missed;
	destroy(l->old);
	l->old = NULL;
}

void listening_admitted(struct listening *l)
{
	part_if_done(l);
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

	if (l->old) {
		listening_pass_on(l->old);
		part_if_done(l);
	}
	while ((n = listener_next(&l->listener)) && may_hear(l->client)) {
		pass_on(l->client, n);
		listener_drop(&l->listener);
	}
}

void listening_deliver(struct client *c)
{
	struct listening *l;

	if (may_hear(c))
		listening_follow(c);
	l = listening_of(c);
	if (l)
		listening_pass_on(l);
}

void listening_hears(struct listening *l, struct member *m, struct notification *n)
{
	struct client *c = l->client;
	uint64_t most = c->dispatcher->config->settings.max_notify_queue;

	if (c->closing != CLOSE_NOT || (m && m->is_moved))
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
