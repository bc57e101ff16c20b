/*
 * What a client's and a server's stream, deadline and task call: each looks at the state
 * and hands on to who knows what to do in it.
 */
#include "relay/events.h"

#include <stdio.h>
#include <unistd.h>

#include "base/clock.h"
#include "config/config.h"
#include "net/tls.h"
#include "net/transport.h"
#include "proto/notice.h"
#include "relay/cancel.h"
#include "relay/checkup.h"
#include "relay/clean.h"
#include "relay/client_entry.h"
#include "relay/client_login.h"
#include "relay/dispatcher.h"
#include "relay/inbound.h"
#include "relay/leave.h"
#include "relay/listening.h"
#include "relay/outbound.h"
#include "relay/pin.h"
#include "relay/prepare.h"
#include "relay/reaper.h"
#include "relay/refusal.h"
#include "relay/server.h"
#include "relay/server_login.h"

enum { TLS_TEXT_LEN = 256 };

/* ---- clients ---- */

static void count_received(struct client *c, size_t len)
{
	struct dispatcher *d = c->dispatcher;
	uint64_t now_us = dispatcher_now(d);

	if (!c->pool || len == 0)
		return;
	tally_at(&c->pool->tally, now_us)->received += len;
	tally_at(&d->pools.tally, now_us)->received += len;
}

static size_t client_feed(struct client *c, struct slice bytes)
{
	switch ((enum client_state)c->state) {
	case CLIENT_STARTUP:
		return client_login_feed(c, bytes);
	case CLIENT_OPENING:
		return 0;
	case CLIENT_IDLE:
	case CLIENT_WAITING:
	case CLIENT_LINKED:
		return c->is_logged_in ? outbound_pump(c, bytes) : 0;
	case CLIENT_CONSOLE:
		return c->dispatcher->console.on_data(c, bytes);
	case CLIENT_CANCELLING:
	case CLIENT_CLOSING:
		return bytes.len; /* nothing more is expected */
	}
	return bytes.len;
}

static size_t client_on_data(struct stream *stream, struct slice bytes)
{
	struct client *c = client_of_stream(stream);
	enum client_state state;
	size_t done = 0;

	/* What begins in one state may go on in the next: a login is followed by queries.
	 */
	do {
		state = c->state;
		done += client_feed(c, slice_after(bytes, done));
	} while (c->state != state && c->state != CLIENT_WAITING && done < bytes.len);
	/* What is kept comes again, so it does not count yet. */
	count_received(c, done);
	return done;
}

static void client_on_drained(struct stream *stream)
{
	struct client *c = client_of_stream(stream);

	if (c->state == CLIENT_CONSOLE) {
		c->dispatcher->console.on_drained(c);
		return;
	}
	listening_deliver(c);
	if (stream_kept(stream).len > 0)
		loop_post(stream->loop, &c->pump);
}

static void end_broken(struct client *c)
{
	char problem[TLS_TEXT_LEN], message[TLS_TEXT_LEN + 16];

	if (!tls_problem(&c->stream, problem, sizeof(problem))[0]) {
		client_close(c, CLOSE_CLIENT_BROKEN);
		return;
	}
	snprintf(message, sizeof(message), "TLS failed: %s", problem);
	client_close_saying(c, CLOSE_TLS_FAILED, message, NULL, NULL);
}

static void client_on_end(struct stream *stream, enum stream_end how, int error)
{
	struct client *c = client_of_stream(stream);

	(void)error;
	if (c->state == CLIENT_CLOSING) {
		dispatcher_end_linger(c);
		return;
	}
	switch (how) {
	case STREAM_END_BY_PEER:
		client_close(c, CLOSE_CLIENT_EOF);
		return;
	case STREAM_END_BROKEN:
		end_broken(c);
		return;
	case STREAM_END_MEMORY:
		client_close(c, CLOSE_OUT_OF_MEMORY);
		return;
	}
}

/* From here on it is looked now and then whether it reads. */
static void client_on_blocked(struct stream *stream)
{
	client_arm(client_of_stream(stream));
}

static const struct stream_ops client_stream_ops = {
    .on_data = client_on_data,
    .on_drained = client_on_drained,
    .on_blocked = client_on_blocked,
    .on_end = client_on_end,
    .is_client = true,
};

/* Logins take turns, so that a rush of them leaves time for everybody else. */
static const struct stream_ops login_stream_ops = {
    .on_data = client_on_data,
    .on_drained = client_on_drained,
    .on_end = client_on_end,
    .may_read = client_login_may_read,
    .is_secret = true, /* there may be a password in it */
};

static void pump_client(struct loop_task *task)
{
	struct client *c =
	    (struct client *)(void *)((char *)task - offsetof(struct client, pump));

	if (c->state != CLIENT_CLOSING)
		stream_pump(&c->stream);
}

/* query_wait_notify: the wait is long, and the client may want to know. */
static void notify_of_wait(struct client *c)
{
	c->was_notified = true;
	client_notify(
	    c, &(struct notice){.severity = "NOTICE",
				.sqlstate = SQLSTATE_OK,
				.message = "No server connection available in postgres "
					   "backend, client being queued"});
}

static void waiting_due(struct client *c, uint64_t now_us)
{
	if (now_us >= client_wait_due(c)) {
		refusal_from_line(c, REFUSAL_TIMEOUT);
		return;
	}
	if (!c->is_logged_in) {
		client_close(c, CLOSE_LOGIN_TIMEOUT);
		return;
	}
	notify_of_wait(c);
	client_arm(c);
}

/* Whether it was sent away because it does not read. */
static bool end_stalled(struct client *c)
{
	uint64_t limit_us = client_write_limit(c);

	if (limit_us == 0 || c->state == CLIENT_CLOSING ||
	    stream_stalled_us(&c->stream) < limit_us)
		return false;
	c->dispatcher->memory.unread_count++;
	client_close(c, CLOSE_WRITE_TIMEOUT);
	return true;
}

static void client_on_due(struct deadline *due, uint64_t now_us)
{
	struct client *c =
	    (struct client *)(void *)((char *)due - offsetof(struct client, deadline));

	if (end_stalled(c))
		return;
	/* It may have been armed for an earlier state: what counts is this one. */
	if (client_due(c) > now_us) {
		client_arm(c);
		return;
	}
	switch ((enum client_state)c->state) {
	case CLIENT_STARTUP:
	case CLIENT_OPENING:
	case CLIENT_CANCELLING:
		client_close(c, CLOSE_LOGIN_TIMEOUT);
		return;
	case CLIENT_WAITING:
		waiting_due(c, now_us);
		return;
	case CLIENT_IDLE:
		client_close(c, CLOSE_IDLE_TIMEOUT);
		return;
	case CLIENT_CLOSING:
		dispatcher_end_linger(c);
		return;
	case CLIENT_LINKED:
	case CLIENT_CONSOLE:
		return;
	}
}

static void log_accepted(const struct client *c)
{
	char prefix[CLIENT_PREFIX_LEN];

	if (log_wants(LOG_LEVEL_DEBUG))
		log_write(LOG_LEVEL_DEBUG, client_prefix(c, prefix), "connected");
}

struct client *events_accept(struct dispatcher *d, int fd,
			     const struct transport *transport, enum client_origin origin)
{
	struct client *c = dispatcher_add_client(d, origin);

	if (!c) {
		if (fd >= 0)
			close(fd);
		return NULL;
	}
	stream_open(&c->stream, d->loop, fd, transport, &login_stream_ops);
	c->peer = address_of_peer(fd);
	if (c->peer.family == ADDRESS_UNIX)
		c->peer.port = (uint16_t)d->config->settings.listen_port;
	client_arm(c);
	log_accepted(c);
	if (!client_login_begin(c))
		client_close(c, CLOSE_OUT_OF_MEMORY);
	return c;
}

/* ---- servers ---- */

static void count_sent(struct server *s, size_t len)
{
	struct dispatcher *d = s->dispatcher;
	uint64_t now_us = dispatcher_now(d);

	tally_at(&s->slot.pool->tally, now_us)->sent += len;
	tally_at(&d->pools.tally, now_us)->sent += len;
}

static size_t server_on_data(struct stream *stream, struct slice bytes)
{
	struct server *s = server_of_stream(stream);
	bool is_for_client = s->client != NULL;
	size_t done;

	switch ((enum server_state)s->state) {
	case SERVER_CONNECTING:
	case SERVER_LOGIN:
		return server_login_feed(s, bytes);
	case SERVER_IDLE:
	case SERVER_LINKED:
	case SERVER_CLEANING:
		done = inbound_pump(s, bytes);
		if (is_for_client)
			count_sent(s, done);
		leave_go_on(s);
		return done;
	case SERVER_CLOSING:
		return bytes.len;
	}
	return bytes.len;
}

static void server_on_end(struct stream *stream, enum stream_end how, int error)
{
	struct server *s = server_of_stream(stream);

	if (server_is_opening(s))
		server_login_broken(s, error);
	else
		server_close(s, how == STREAM_END_BY_PEER ? CLOSE_SERVER_EOF
							  : CLOSE_SERVER_BROKEN);
}

static const struct stream_ops server_stream_ops = {
    .on_data = server_on_data,
    .on_end = server_on_end,
};

static enum closing linked_limit(const struct server *s, uint64_t now_us)
{
	const struct rules *rules = &s->slot.pool->rules;

	if (s->query_us != 0 && now_us >= clock_limit(s->query_us, rules->query_timeout))
		return CLOSE_QUERY_TIMEOUT;
	if (s->transaction_us != 0 &&
	    now_us >= clock_limit(s->transaction_us, rules->transaction_timeout))
		return CLOSE_TRANSACTION_TIMEOUT;
	return CLOSE_IDLE_TRANSACTION;
}

/* Its client has to go; the server is saved as after any that has gone. */
static void linked_due(struct server *s, uint64_t now_us)
{
	if (pin_due(s) <= now_us)
		pin_expired(s);
	else
		client_close(s->client, linked_limit(s, now_us));
}

static void server_on_due(struct deadline *due, uint64_t now_us)
{
	struct server *s =
	    (struct server *)(void *)((char *)due - offsetof(struct server, deadline));

	if (server_due(s) > now_us) {
		server_arm(s);
		return;
	}
	switch ((enum server_state)s->state) {
	case SERVER_CONNECTING:
	case SERVER_LOGIN:
		server_login_timeout(s);
		return;
	case SERVER_IDLE:
		if (dispatcher_judge_idle(s))
			server_arm(s);
		return;
	case SERVER_LINKED:
		linked_due(s, now_us);
		return;
	case SERVER_CLEANING:
		if (server_is_opening(s))
			server_login_timeout(s);
		else
			leave_due(s);
		return;
	case SERVER_CLOSING:
		return;
	}
}

/* ---- what the dispatcher needs ---- */

const struct relay_ops events_relay_ops = {
    .client_stream = &client_stream_ops,
    .server_stream = &server_stream_ops,
    .displace_login = client_login_displaced,
    .pump_client = pump_client,
    .client_due = client_on_due,
    .server_due = server_on_due,
    .pool_due = dispatcher_pool_due,
    .pools_due = reaper_pools_due,
    .reap = reaper_run,
    .open_server = server_login_start,
    .welcome = client_entry_welcome,
    .prepare = prepare_start,
    .check = clean_check,
    .ask_memory = checkup_start,
    .end_cancels = cancel_end_all,
};
