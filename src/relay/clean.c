/*
 * Making a server fit for the next client: a cancel that is still under way is waited
 * for, then what is marked as left in it is undone, then the reset query is sent, then
 * the server is free.
 */
#include "relay/clean.h"

#include <assert.h>

#include "base/buffer.h"
#include "base/check.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/text.h"
#include "config/config.h"
#include "pool/pool.h"
#include "proto/notice.h"
#include "proto/sqlscan.h"
#include "relay/baseline.h"
#include "relay/checkup.h"
#include "relay/client.h"
#include "relay/dispatcher.h"
#include "relay/leave.h"
#include "relay/link.h"
#include "relay/listening.h"
#include "relay/notify.h"
#include "relay/prepare.h"
#include "relay/private.h"
#include "relay/regain.h"
#include "relay/reset.h"
#include "relay/rewrite.h"
#include "relay/server.h"
#include "relay/settle.h"

/* A check must not keep a server for ever; nor a connect_query. */
#define CHECK_LIMIT_US (30 * USEC_PER_SEC)

static const char *reset_query_of(const struct server *s)
{
	const struct settings *settings = &s->dispatcher->config->settings;

	if (!s->is_kept && !settings->server_reset_query_always)
		return "";
	return settings->server_reset_query;
}

static const char *connect_query_of(const struct server *s)
{
	const struct database *database = s->slot.pool->database;

	return database && !s->private ? database->connect_query : "";
}

static bool is_discard_all(const char *query)
{
	return text_equal_nocase(query, "DISCARD ALL");
}

/* Nothing runs on it and nothing is open. */
static bool is_at_rest(const struct server *s)
{
	return tracker_is_idle(&s->tracker) &&
	       tracker_transaction_status(&s->tracker) == 'I';
}

void clean_enter(struct server *s, uint64_t end_us)
{
	pool_set_cleaning(s->slot.pool, &s->slot, dispatcher_now(s->dispatcher));
	server_move(s, SERVER_CLEANING);
	s->end_us = end_us;
	server_arm(s);
}

static void set_cleaning(struct server *s, uint64_t limit_us)
{
	if (s->state != SERVER_CLEANING)
		clean_enter(s, dispatcher_now(s->dispatcher) + limit_us);
}

/* ---- those whose client went away in the middle of something ---- */

static void log_saved(const struct server *s)
{
	char prefix[256];

	log_write(
	    LOG_LEVEL_LOG, server_prefix(s, prefix),
	    "saved from a client that left it unfinished (%llums)",
	    (unsigned long long)(clock_since(dispatcher_now(s->dispatcher), s->since_us) /
				 USEC_PER_MSEC));
}

static void note_saved(struct server *s)
{
	struct dispatcher *d = s->dispatcher;
	uint64_t now_us = dispatcher_now(d);

	s->leaving = LEAVING_NOT;
	tally_at(&s->slot.pool->tally, now_us)->server_saved_count++;
	tally_at(&d->pools.tally, now_us)->server_saved_count++;
	if (d->config->settings.log_disconnections)
		log_saved(s);
}

/* ---- the way to the next client ---- */

/* Nothing of ours is running on it and nobody uses it: free, or not to be used again. */
static void set_free(struct server *s)
{
	CHECK(!s->client && s->task == SERVER_TASK_NONE);
	if (s->slot.retire) {
		server_close(s, CLOSE_SERVER_RETIRED);
		return;
	}
	if (s->leaving != LEAVING_NOT)
		note_saved(s);
	if (pool_wants_to_ask(s->slot.pool, &s->slot, dispatcher_now(s->dispatcher)))
		checkup_start(s);
	else
		dispatcher_server_free(s);
}

/* Undoes what is marked. */
static void discard(struct server *s)
{
	struct buffer sql = {0};

	if (reset_write(s->must_reset & ~(unsigned)RESET_CONNECT, &sql))
		server_ask(s, SERVER_TASK_DISCARD, buffer_bytes(&sql));
	else
		server_close(s, CLOSE_OUT_OF_MEMORY);
	buffer_fini(&sql);
}

/* All is undone; the last thing is what is to be there for everybody. */
static void finish(struct server *s)
{
	const char *query = connect_query_of(s);
	bool is_lost = s->must_reset & RESET_CONNECT;

	s->must_reset &= (uint16_t)~RESET_CONNECT;
	if (!is_lost || !query[0] || s->slot.retire) {
		set_free(s);
		return;
	}
	set_cleaning(s, s->dispatcher->config->settings.cleanup_timeout);
	server_ask(s, SERVER_TASK_CONNECT_AGAIN, slice_of_text(query));
}

void clean_start(struct server *s)
{
	const char *query = reset_query_of(s);
	bool is_marked =
	    (s->must_reset & ~(unsigned)RESET_CONNECT) != 0 && !is_discard_all(query);

	/* It is of no use to anybody else. */
	if (s->private) {
		server_close(s, CLOSE_SERVER_RETIRED);
		return;
	}
	if (s->task != SERVER_TASK_NONE || !is_at_rest(s)) {
		server_close(s, CLOSE_SERVER_UNFINISHED);
		return;
	}
	/* A cancel that is under way would hit our own query, too. */
	if (s->cancels > 0) {
		set_cleaning(s, s->dispatcher->config->settings.cleanup_timeout);
		return;
	}
	if ((!query[0] && !is_marked) || s->slot.retire) {
		finish(s);
		return;
	}
	set_cleaning(s, s->dispatcher->config->settings.cleanup_timeout);
	if (is_marked)
		discard(s);
	else
		server_ask(s, SERVER_TASK_RESET, slice_of_text(query));
}

static void stay_in_transaction(struct server *s)
{
	stream_urgent_once(&s->client->stream);
	settle_in_transaction(s);
}

/* Whenever the two stay together, the client's next question is urgent: the server has
 * nothing else to do. */
void clean_release_if_done(struct server *s)
{
	struct client *c = s->client;
	enum pool_mode mode = s->slot.pool->rules.pool_mode;

	if (!c || c->closing != CLOSE_NOT || s->closing != CLOSE_NOT || s->private)
		return;
	/* In the middle of a message for it nothing else can be said. */
	if (c->rest > 0 && c->rest_is == REST_FORWARD)
		return;
	if (tracker_needs_probe(&s->tracker) && s->task == SERVER_TASK_NONE) {
		server_ask(s, SERVER_TASK_PROBE, slice_of_text(""));
		return;
	}
	if (!tracker_is_idle(&s->tracker))
		return;
	if (s->is_kept) {
		stream_urgent_once(&c->stream);
		return;
	}
	if (tracker_transaction_status(&s->tracker) != 'I') {
		if (mode == POOL_MODE_STATEMENT)
			client_close(c, CLOSE_STATEMENT_MODE);
		else
			stay_in_transaction(s);
		return;
	}
	if (notify_settle_begin(s) || settle_begin(s)) {
		stream_urgent_once(&c->stream);
		return;
	}
	rewrite_keep_unnamed(c);
	link_detach(c);
	listening_deliver(c);
	client_arm(c);
	if (stream_kept(&c->stream).len > 0)
		loop_post(s->dispatcher->loop, &c->pump);
	clean_start(s);
}

void clean_check(struct server *s)
{
	struct slice query =
	    slice_of_text(s->dispatcher->config->settings.server_check_query);

	set_cleaning(s, CHECK_LIMIT_US);
	if (slice_is_text(query, "<empty>"))
		query = slice_of_text("");
	server_ask(s, SERVER_TASK_CHECK, query);
}

void clean_connect(struct server *s, struct slice query)
{
	server_move(s, SERVER_CLEANING);
	s->end_us = dispatcher_now(s->dispatcher) + CHECK_LIMIT_US;
	server_ask(s, SERVER_TASK_CONNECT, query);
	server_arm(s);
}

static void tell_parameter_refused(struct server *s, const struct notice_fields *fields)
{
	char sqlstate[6] = SQLSTATE_INVALID_PARAMETER, message[256];

	if (!s->client)
		return;
	if (fields->sqlstate.len == 5)
		memcpy(sqlstate, fields->sqlstate.data, 5);
	text_copy(message, sizeof(message), fields->message);
	client_close_with(s->client, CLOSE_PARAMETER_REFUSED,
			  &(struct notice){.severity = "FATAL",
					   .sqlstate = sqlstate,
					   .message = message,
					   .detail =
					       "A parameter of this session could not "
					       "be set on the server."});
}

void clean_task_error(struct server *s, struct slice body)
{
	struct notice_fields fields;
	char prefix[256], message[256];

	s->task_failed = true;
	if (s->task == SERVER_TASK_PRIVATE) {
		private_error(s, body);
		return;
	}
	if (s->task == SERVER_TASK_MEMORY) {
		checkup_error(s, body);
		return;
	}
	if (!notice_read(body, &fields))
		fields = (struct notice_fields){0};
	log_write(LOG_LEVEL_WARNING, server_prefix(s, prefix),
		  "server refuses a query of the pooler: %s",
		  text_escape(message, sizeof(message), fields.message));
	if (s->task == SERVER_TASK_PREPARE || s->task == SERVER_TASK_RESTORE)
		tell_parameter_refused(s, &fields);
}

/* It has been undone: parameters are back to where the login left them. */
static void on_discarded(struct server *s, unsigned what)
{
	if (what & (RESET_ALL | RESET_SEQUENCES))
		s->has_stepped = s->has_foreign_steps = false;
	if (what & (RESET_ALL | RESET_PARAMS))
		prepare_was_reset(s);
	if (what & (RESET_ALL | RESET_PREPARED))
		server_statements_clear(&s->dispatcher->statements, &s->statements);
	s->must_reset &= (uint16_t)(what & RESET_ALL ? 0 : ~what);
	if (what & (RESET_ALL | RESET_PARAMS))
		reset_mark(s, RESET_CONNECT);
}

/* Whether the pooler's own query has been carried out, and nothing is left of it. */
static bool has_succeeded(const struct server *s)
{
	return !s->task_failed && is_at_rest(s);
}

/* What of its parameters, nobody knows. */
static void on_partly_reset(struct server *s)
{
	prepare_doubt(s);
	reset_mark(s, RESET_CONNECT);
}

static void on_reset(struct server *s)
{
	const char *query = reset_query_of(s);

	if (!has_succeeded(s)) {
		server_close(s, CLOSE_SERVER_CLEANING);
		return;
	}
	if (is_discard_all(query))
		on_discarded(s, RESET_ALL);
	else if (sqlscan(slice_of_text(query)) & (SQL_RESETS | SQL_DISCARDS))
		on_partly_reset(s);
	finish(s);
}

static void on_discard(struct server *s)
{
	if (!has_succeeded(s)) {
		server_close(s, CLOSE_SERVER_CLEANING);
		return;
	}
	on_discarded(s, s->must_reset);
	clean_start(s);
}

static void on_check(struct server *s)
{
	if (has_succeeded(s))
		set_free(s);
	else
		server_close(s, CLOSE_SERVER_CLEANING);
}

/* It may have refused: that has been logged, and it is as good. */
static void on_told(struct server *s)
{
	if (is_at_rest(s))
		set_free(s);
	else
		server_close(s, CLOSE_SERVER_CLEANING);
}

/* It may find other things than in a new server, and is held to what it has set there. */
static void on_connected_again(struct server *s)
{
	prepare_doubt(s);
	on_told(s);
}

/* What comes next is a matter of leaving. */
static void on_rollback(struct server *s)
{
	if (!has_succeeded(s))
		server_close(s, CLOSE_SERVER_UNFINISHED);
}

/* A connect_query that failed has been logged; the server is as good. */
static void on_connect(struct server *s)
{
	if (!is_at_rest(s)) {
		dispatcher_server_failed(
		    s, REACH_FAILED,
		    &(struct notice){.severity = "FATAL",
				     .sqlstate = SQLSTATE_CONNECTION_NOT_POSSIBLE,
				     .message =
					 "connect_query leaves a transaction open"});
		return;
	}
	/* What it has set is what clients find who do not mention it. */
	prepare_began(s);
	baseline_ask(s);
}

static void on_baseline(struct server *s)
{
	if (baseline_done(s))
		dispatcher_server_opened(s);
}

/* Its server has no task any more. */
static void (*const on_done[])(struct server *s) = {
    [SERVER_TASK_PREPARE] = prepare_done,
    [SERVER_TASK_CONNECT] = on_connect,
    [SERVER_TASK_BASELINE] = on_baseline,
    [SERVER_TASK_CONNECT_AGAIN] = on_connected_again,
    [SERVER_TASK_RESET] = on_reset,
    [SERVER_TASK_CHECK] = on_check,
    [SERVER_TASK_PROBE] = clean_release_if_done,
    [SERVER_TASK_PRIVATE] = private_answered,
    [SERVER_TASK_LISTENING] = notify_settled,
    [SERVER_TASK_ROLLBACK] = on_rollback,
    [SERVER_TASK_DISCARD] = on_discard,
    [SERVER_TASK_SETTLE] = settle_done,
    [SERVER_TASK_RESTORE] = settle_restored,
    [SERVER_TASK_REGAIN] = regain_done,
    [SERVER_TASK_MEMORY] = on_told,
};
static_assert(sizeof(on_done) / sizeof(on_done[0]) == SERVER_TASKS, "one for each");

void clean_task_done(struct server *s)
{
	enum server_task task = s->task;

	s->task = SERVER_TASK_NONE;
	if (task != SERVER_TASK_NONE)
		on_done[task](s);
}

/* One that is being left goes on when it answers, unless it has nothing to answer. */
static void look_again(struct server *s)
{
	s->again_us = dispatcher_now(s->dispatcher);
	server_arm(s);
}

void clean_cancel_ended(struct server *s)
{
	if (s->state != SERVER_CLEANING || s->task != SERVER_TASK_NONE || s->cancels > 0)
		return;
	if (s->leaving == LEAVING_NOT || s->leaving == LEAVING_OVER)
		clean_start(s);
	else if (tracker_is_idle(&s->tracker) || tracker_needs_probe(&s->tracker))
		look_again(s);
}
