/*
 * A server connection: life cycle and names. What it says is the business of server_login
 * and inbound; what it is told that of outbound, prepare and clean.
 */
#include "relay/server.h"

#include <stdio.h>

#include "base/check.h"
#include "base/clock.h"
#include "base/log.h"
#include "config/config.h"
#include "pool/pool.h"
#include "proto/writer.h"
#include "relay/client.h"
#include "relay/dispatcher.h"
#include "relay/leave.h"
#include "relay/pin.h"

#define TO(state) (1u << SERVER_##state)

static const struct {
	const char *name;
	unsigned may_become;
} states[] = {
    [SERVER_CONNECTING] = {"connecting", TO(LOGIN) | TO(CLOSING)},
    [SERVER_LOGIN] = {"login", TO(CONNECTING) | TO(IDLE) | TO(CLEANING) | TO(CLOSING)},
    [SERVER_IDLE] = {"idle", TO(LINKED) | TO(CLEANING) | TO(CLOSING)},
    [SERVER_LINKED] = {"linked", TO(IDLE) | TO(CLEANING) | TO(CLOSING)},
    [SERVER_CLEANING] = {"cleaning", TO(IDLE) | TO(CLOSING)},
    [SERVER_CLOSING] = {"closing", 0},
};

bool server_is_sound(const struct server *s)
{
	if (s->state == SERVER_CLOSING)
		return s->closing != CLOSE_NOT;
	return (s->client != NULL) == (s->state == SERVER_LINKED) &&
	       (s->login != NULL) ==
		   ((s->state == SERVER_CONNECTING || s->state == SERVER_LOGIN) &&
		    !s->slot.waits_for) &&
	       (s->private != NULL) == (s->purpose != SERVER_FOR_POOL) &&
	       (s->state != SERVER_IDLE || tracker_is_idle(&s->tracker));
}

bool server_is_opening(const struct server *s)
{
	return s->state == SERVER_CONNECTING || s->state == SERVER_LOGIN ||
	       (s->state == SERVER_CLEANING &&
		(s->task == SERVER_TASK_CONNECT || s->task == SERVER_TASK_BASELINE));
}

static void log_move(const struct server *s, enum server_state next)
{
	char prefix[256];

	log_write(LOG_LEVEL_NOISE, server_prefix(s, prefix), "%s -> %s",
		  states[s->state].name, states[next].name);
}

void server_move(struct server *s, enum server_state next)
{
	CHECK(states[s->state].may_become & 1u << next);
	if (s->dispatcher->logs_moves)
		log_move(s, next);
	s->state = (uint8_t)next;
	s->since_us = dispatcher_now(s->dispatcher);
}

const char *server_state_name(const struct server *s)
{
	switch ((enum server_state)s->state) {
	case SERVER_CONNECTING:
	case SERVER_LOGIN:
		return "new";
	case SERVER_IDLE:
		/* Nobody can have a private one: it is at its own work. */
		if (s->private)
			return "active";
		return s->is_checked ? "idle" : "used";
	case SERVER_LINKED:
		return "active";
	case SERVER_CLEANING:
		if (s->leaving == LEAVING_FINISHING)
			return "active";
		return s->task == SERVER_TASK_NONE ? "being_canceled" : "tested";
	case SERVER_CLOSING:
		return "closing";
	}
	return "closing";
}

char *server_prefix(const struct server *s, char out[256])
{
	struct address at = address_of_endpoint(&s->at);
	char address[ADDRESS_TEXT_LEN];
	const struct pool *pool = s->slot.pool;

	snprintf(out, 256, "S-0x%llx: %.63s/%.100s@%s ", (unsigned long long)s->id,
		 pool ? pool->database_name : "(nodb)",
		 pool ? pool->user_name : "(nouser)",
		 address_print_with_port(&at, address));
	return out;
}

uint32_t server_process_id(const struct server *s)
{
	const uint8_t *id = s->cancel_key.bytes;

	return (uint32_t)id[0] << 24 | (uint32_t)id[1] << 16 | (uint32_t)id[2] << 8 |
	       id[3];
}

static uint64_t linked_due(const struct server *s, const struct rules *rules)
{
	uint64_t due_us = CLOCK_NEVER;

	/* What it is asked for is to go on. */
	if (s->purpose == SERVER_FOR_REPLICATION)
		return CLOCK_NEVER;
	if (s->query_us != 0)
		due_us = clock_limit(s->query_us, rules->query_timeout);
	if (s->transaction_us != 0)
		due_us = clock_earlier(
		    due_us, clock_limit(s->transaction_us, rules->transaction_timeout));
	if (s->query_us == 0 && s->transaction_us != 0)
		due_us = clock_earlier(
		    due_us, clock_limit(s->heard_us, rules->idle_transaction_timeout));
	return clock_earlier(due_us, pin_due(s));
}

uint64_t server_due(const struct server *s)
{
	const struct settings *settings = &s->dispatcher->config->settings;

	switch ((enum server_state)s->state) {
	case SERVER_CONNECTING:
	case SERVER_LOGIN:
		return clock_limit(s->connect_us, settings->server_connect_timeout);
	case SERVER_IDLE:
		if (s->private)
			return CLOCK_NEVER;
		return pool_idle_deadline(s->slot.pool, &s->slot,
					  dispatcher_now(s->dispatcher));
	case SERVER_LINKED:
		return linked_due(s, &s->slot.pool->rules);
	case SERVER_CLEANING:
		return s->again_us ? clock_earlier(s->again_us, s->end_us) : s->end_us;
	case SERVER_CLOSING:
		return CLOCK_NEVER;
	}
	return CLOCK_NEVER;
}

void server_arm(struct server *s)
{
	uint64_t due_us = server_due(s);

	if (due_us != CLOCK_NEVER)
		loop_arm(s->dispatcher->loop, &s->deadline, due_us);
}

void server_begin_query(struct server *s)
{
	uint64_t now_us = dispatcher_now(s->dispatcher);

	s->query_us = now_us;
	/* What is asked behind it in a pipeline is met with it. */
	if (!s->is_silent)
		pacer_expect(&s->dispatcher->logins.gate.pacer);
	s->is_silent = true;
	s->client->request_us = now_us;
	if (s->transaction_us == 0)
		s->transaction_us = now_us;
	server_arm(s);
}

void server_ask(struct server *s, enum server_task task, struct slice sql)
{
	struct writer w = writer_of(stream_cork_buffer(&s->stream));

	CHECK(s->task == SERVER_TASK_NONE);
	writer_begin(&w, 'Q');
	writer_cstring(&w, sql);
	writer_end(&w);
	bool is_written = writer_finish(&w);
	stream_corked(&s->stream);
	bool is_tracked = task == SERVER_TASK_PROBE
			      ? tracker_probe_sent(&s->tracker)
			      : tracker_sent(&s->tracker, 'Q', ASKED_BY_POOLER);
	if (!is_written || !is_tracked) {
		server_close(s, CLOSE_OUT_OF_MEMORY);
		return;
	}
	s->task = (uint8_t)task;
	s->task_failed = false;
}

static void log_end(const struct server *s, enum closing reason)
{
	const struct settings *settings = &s->dispatcher->config->settings;
	char prefix[256];
	uint64_t age_us = clock_since(dispatcher_now(s->dispatcher), s->connect_us);

	if (settings->log_disconnections)
		log_write(LOG_LEVEL_LOG, server_prefix(s, prefix),
			  "closing because: %s (age=%llus)", closing_row(reason)->text,
			  (unsigned long long)(age_us / USEC_PER_SEC));
}

/* Terminate spares the server a line in its log about a lost client; where bytes are
 * still queued it would arrive in the middle of a message, so nothing is said. */
static void say_goodbye(struct server *s)
{
	static const uint8_t terminate[] = {'X', 0, 0, 0, 4};

	if (s->state == SERVER_CONNECTING || s->state == SERVER_LOGIN)
		return;
	if (stream_has_queued(&s->stream) || (s->client && s->client->rest > 0))
		return;
	stream_write(&s->stream, slice_of(terminate, sizeof(terminate)));
}

void server_close(struct server *s, enum closing reason)
{
	struct dispatcher *d = s->dispatcher;

	if (s->closing != CLOSE_NOT)
		return;
	log_end(s, reason);
	s->closing = (uint8_t)reason;
	say_goodbye(s);
	/* Its slot stays until the end of the turn, and nobody must get it. */
	pool_retire(s->slot.pool, &s->slot);
	server_move(s, SERVER_CLOSING);
	stream_close(&s->stream);
	TAILQ_REMOVE(&d->servers, s, place);
	TAILQ_INSERT_TAIL(&d->closing_servers, s, place);
	loop_want_reap(d->loop);
}
