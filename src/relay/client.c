/*
 * A client connection: life cycle, last words, names. What it says and hears is the
 * business of client_login, outbound and inbound.
 */
#include "relay/client.h"

#include <assert.h>
#include <stdio.h>
#include <sys/socket.h>

#include "base/check.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/text.h"
#include "config/config.h"
#include "net/tls.h"
#include "pool/pool.h"
#include "pool/usage.h"
#include "proto/notice.h"
#include "proto/writer.h"
#include "relay/dispatcher.h"
#include "relay/server.h"
#include "relay/standing.h"

/* Last words may take so long to be read; then the connection is cut. */
#define LINGER_US (5 * USEC_PER_SEC)

/* So much of a name of the client's own choice is repeated to it. */
enum { NAME_SHOWN_LEN = 128 };

/* Ten thousand idle ones are the point of it all. */
static_assert(sizeof(struct client) <= 448, "an idle client costs its struct");

#define TO(state) (1u << CLIENT_##state)

static const struct {
	const char *name;
	unsigned may_become;
} states[] = {
    [CLIENT_STARTUP] = {"login", TO(IDLE) | TO(WAITING) | TO(OPENING) | TO(CONSOLE) |
				     TO(CANCELLING) | TO(CLOSING)},
    [CLIENT_OPENING] = {"waiting", TO(LINKED) | TO(CLOSING)},
    [CLIENT_IDLE] = {"idle", TO(WAITING) | TO(LINKED) | TO(CLOSING)},
    [CLIENT_WAITING] = {"waiting", TO(IDLE) | TO(LINKED) | TO(CLOSING)},
    [CLIENT_LINKED] = {"active", TO(IDLE) | TO(CLOSING)},
    [CLIENT_CONSOLE] = {"active", TO(CLOSING)},
    [CLIENT_CANCELLING] = {"active_cancel_req", TO(CLOSING)},
    [CLIENT_CLOSING] = {"closing", 0},
};

const char *client_state_name(enum client_state state)
{
	return states[state].name;
}

bool client_is_sound(const struct client *c)
{
	/* A closing one keeps what it holds until the end of the turn. */
	if (c->state == CLIENT_CLOSING)
		return c->closing != CLOSE_NOT;
	return c->closing == CLOSE_NOT &&
	       (c->server != NULL) == (c->state == CLIENT_LINKED) &&
	       (c->waiter != NULL) == (c->state == CLIENT_WAITING) &&
	       (c->state != CLIENT_OPENING || (c->replication && !c->is_logged_in)) &&
	       (!c->is_logged_in || c->pool != NULL || c->state == CLIENT_CONSOLE);
}

static void log_move(const struct client *c, enum client_state next)
{
	char prefix[CLIENT_PREFIX_LEN];

	log_write(LOG_LEVEL_NOISE, client_prefix(c, prefix), "%s -> %s",
		  states[c->state].name, states[next].name);
}

void client_move(struct client *c, enum client_state next)
{
	CHECK(states[c->state].may_become & 1u << next);
	if (c->dispatcher->logs_moves)
		log_move(c, next);
	c->state = (uint8_t)next;
	c->since_us = dispatcher_now(c->dispatcher);
}

const char *client_database_name(const struct client *c)
{
	if (c->pool)
		return c->pool->database_name;
	return c->state == CLIENT_CONSOLE ? "pooler" : "(nodb)";
}

const char *client_user_name(const struct client *c)
{
	return c->user ? c->user->name : "(nouser)";
}

int client_process_id(const struct client *c)
{
	struct ucred peer = {0};
	socklen_t len = sizeof(peer);

	if (c->peer.family != ADDRESS_UNIX || !stream_is_open(&c->stream) ||
	    getsockopt(loop_io_fd(&c->stream.io), SOL_SOCKET, SO_PEERCRED, &peer, &len) <
		0)
		return 0;
	return peer.pid;
}

char *client_prefix(const struct client *c, char out[CLIENT_PREFIX_LEN])
{
	char address[ADDRESS_TEXT_LEN];
	int pid = client_process_id(c);

	address_print_with_port(&c->peer, address);
	if (pid != 0)
		snprintf(address, sizeof(address), "unix(%d):%u", pid, c->peer.port);
	snprintf(out, CLIENT_PREFIX_LEN, "C-0x%llx: %.63s/%.100s@%s ",
		 (unsigned long long)c->id, client_database_name(c), client_user_name(c),
		 address);
	return out;
}

/* With a forced user the pool's rules are those of another user than the one who logged
 * in; then its own are worked out in *own. */
const struct rules *client_rules(const struct client *c, struct rules *own)
{
	if (c->user == c->pool->user_usage || !c->pool->database)
		return &c->pool->rules;
	const struct config *config = c->dispatcher->config;
	struct slice name = slice_of(c->user->name, c->user->name_len);
	if (config_user_count(config) == 0)
		return &c->pool->rules;
	rules_resolve(config, c->pool->database, config_user(config, name), own);
	return own;
}

uint64_t client_wait_due(const struct client *c)
{
	return standing_due(c, c->waiter->since_us);
}

/* A login waits no longer than a login may take, and is not spoken to meanwhile. */
static uint64_t waiting_due(const struct client *c)
{
	const struct settings *settings = &c->dispatcher->config->settings;
	uint64_t due_us = client_wait_due(c);

	if (!c->is_logged_in)
		return clock_earlier(
		    due_us, clock_limit(c->connected_us, settings->client_login_timeout));
	if (c->was_notified)
		return due_us;
	return clock_earlier(
	    due_us, clock_limit(c->waiter->since_us, settings->query_wait_notify));
}

uint64_t client_write_limit(const struct client *c)
{
	struct rules own;

	if (c->replication != STARTUP_REPLICATION_NONE)
		return 0;
	return c->pool ? client_rules(c, &own)->client_write_timeout
		       : c->dispatcher->config->settings.client_write_timeout;
}

static uint64_t state_due(const struct client *c)
{
	const struct settings *settings = &c->dispatcher->config->settings;
	struct rules own;
	uint64_t last_us;

	switch ((enum client_state)c->state) {
	case CLIENT_STARTUP:
	case CLIENT_OPENING:
	case CLIENT_CANCELLING:
		return clock_limit(c->connected_us, settings->client_login_timeout);
	case CLIENT_WAITING:
		return waiting_due(c);
	case CLIENT_IDLE:
		/* It may have asked for something and have been refused. */
		last_us = c->since_us > c->request_us ? c->since_us : c->request_us;
		return clock_limit(last_us, client_rules(c, &own)->client_idle_timeout);
	case CLIENT_CLOSING:
		return c->since_us + LINGER_US;
	case CLIENT_LINKED:
	case CLIENT_CONSOLE:
		return CLOCK_NEVER;
	}
	return CLOCK_NEVER;
}

uint64_t client_due(const struct client *c)
{
	uint64_t due_us = state_due(c);

	if (!c->stream.is_blocked || c->state == CLIENT_CLOSING)
		return due_us;
	return clock_earlier(
	    due_us,
	    stream_next_look(&c->stream, client_write_limit(c) / CLIENT_WRITE_LOOKS));
}

void client_arm(struct client *c)
{
	uint64_t due_us = client_due(c);

	/* One that needs no deadline now keeps an old one: it will find out by itself,
	 * and the next query spares the heap two moves. */
	if (due_us != CLOCK_NEVER)
		loop_arm(c->dispatcher->loop, &c->deadline, due_us);
}

void client_notify(struct client *c, const struct notice *notice)
{
	struct writer w = writer_of(stream_cork_buffer(&c->stream));

	/* Nobody can read it before the handshake is done. */
	if (tls_is_on(&c->stream) && !tls_is_done(&c->stream))
		return;
	notice_write(&w, notice);
	writer_finish(&w); /* without memory it goes without a word */
	stream_corked(&c->stream);
}

void client_send_ready(struct client *c)
{
	struct writer w = writer_of(stream_cork_buffer(&c->stream));

	writer_ready(&w, 'I');
	if (!writer_finish(&w))
		client_close(c, CLOSE_OUT_OF_MEMORY);
	stream_corked(&c->stream);
}

static void log_end(const struct client *c, enum closing reason, const char *message)
{
	const struct settings *settings = &c->dispatcher->config->settings;
	const struct closing_row *row = closing_row(reason);
	char prefix[CLIENT_PREFIX_LEN];
	uint64_t age_us = clock_since(dispatcher_now(c->dispatcher), c->connected_us);

	if (row->severity && settings->log_pooler_errors)
		log_write(LOG_LEVEL_WARNING, client_prefix(c, prefix), "pooler error: %s",
			  message);
	if (settings->log_disconnections)
		log_write(LOG_LEVEL_LOG, client_prefix(c, prefix),
			  "closing because: %s (age=%llus)", message,
			  (unsigned long long)(age_us / USEC_PER_SEC));
}

static void end(struct client *c, enum closing reason, const char *message)
{
	struct dispatcher *d = c->dispatcher;

	log_end(c, reason, message);
	c->closing = (uint8_t)reason;
	if (!c->is_logged_in)
		d->login_count--;
	if (c->state == CLIENT_CONSOLE)
		d->console_count--;
	d->client_count--;
	/* At once, or a server that becomes free in this turn would be given to it. */
	dispatcher_leave_line(c);
	client_move(c, CLIENT_CLOSING);
	TAILQ_REMOVE(&d->clients, c, place);
	TAILQ_INSERT_TAIL(&d->closing_clients, c, place);
	/* A client that has gone, or has said goodbye, waits for no last words; one that
	 * does not read would never hear them. */
	c->is_lingering = !c->stream.has_ended && reason != CLOSE_TERMINATE &&
			  reason != CLOSE_WRITE_TIMEOUT && stream_has_queued(&c->stream);
	if (c->is_lingering)
		stream_finish(&c->stream);
	client_arm(c);
	loop_want_reap(d->loop);
}

void client_close_with(struct client *c, enum closing reason, const struct notice *notice)
{
	if (c->closing != CLOSE_NOT)
		return;
	client_notify(c, notice);
	end(c, reason, notice->message);
}

void client_close_saying(struct client *c, enum closing reason, const char *message,
			 const char *detail, const char *hint)
{
	const struct closing_row *row = closing_row(reason);

	if (c->closing != CLOSE_NOT)
		return;
	if (!message)
		message = row->text;
	if (row->severity) {
		struct notice notice = {.severity = row->severity,
					.sqlstate = row->sqlstate,
					.message = message,
					.detail = detail,
					.hint = hint};
		client_notify(c, &notice);
	}
	end(c, reason, message);
}

void client_close_naming(struct client *c, enum closing reason, const char *what,
			 struct slice name, const char *hint)
{
	char shown[NAME_SHOWN_LEN], message[NAME_SHOWN_LEN + 128];

	snprintf(message, sizeof(message), "%s: %s", what,
		 text_escape(shown, sizeof(shown), name));
	client_close_saying(c, reason, message, NULL, hint);
}

void client_close(struct client *c, enum closing reason)
{
	client_close_saying(c, reason, NULL, NULL, NULL);
}
