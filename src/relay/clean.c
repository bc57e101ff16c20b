/*
 * Making a server fit for the next client: a cancel that is still under way is waited
 * for, then the reset query is sent, then the server is free.
 */
#include "relay/clean.h"

#include "base/check.h"
#include "base/log.h"
#include "base/text.h"
#include "config/config.h"
#include "pool/pool.h"
#include "proto/notice.h"
#include "relay/client.h"
#include "relay/dispatcher.h"
#include "relay/link.h"
#include "relay/prepare.h"
#include "relay/private.h"
#include "relay/rewrite.h"
#include "relay/server.h"

static struct slice reset_query_of(const struct server *s)
{
	const struct settings *settings = &s->dispatcher->config->settings;

	if (s->slot.pool->rules.pool_mode != POOL_MODE_SESSION &&
	    !settings->server_reset_query_always)
		return slice_of_text("");
	return slice_of_text(settings->server_reset_query);
}

static void set_cleaning(struct server *s)
{
	if (s->state == SERVER_CLEANING)
		return;
	pool_set_cleaning(s->slot.pool, &s->slot, dispatcher_now(s->dispatcher));
	server_move(s, SERVER_CLEANING);
	server_arm(s);
}

/* Nothing of ours is running on it and nobody uses it: free, or not to be used again. */
static void set_free(struct server *s)
{
	CHECK(!s->client && s->task == SERVER_TASK_NONE);
	if (s->slot.retire)
		server_close(s, CLOSE_SERVER_RETIRED);
	else
		dispatcher_server_free(s);
}

void clean_start(struct server *s)
{
	struct slice query = reset_query_of(s);

	/* It is of no use to anybody else. */
	if (s->private) {
		server_close(s, CLOSE_SERVER_RETIRED);
		return;
	}
	if (s->task != SERVER_TASK_NONE || !tracker_is_idle(&s->tracker) ||
	    tracker_transaction_status(&s->tracker) != 'I') {
		server_close(s, CLOSE_SERVER_UNFINISHED);
		return;
	}
	/* A cancel that is under way would hit our own query, too. */
	if (s->cancels > 0) {
		set_cleaning(s);
		return;
	}
	if (query.len == 0 || s->slot.retire) {
		set_free(s);
		return;
	}
	set_cleaning(s);
	server_ask(s, SERVER_TASK_RESET, query);
}

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
	if (!tracker_is_idle(&s->tracker) || mode == POOL_MODE_SESSION)
		return;
	if (tracker_transaction_status(&s->tracker) != 'I') {
		if (mode == POOL_MODE_STATEMENT)
			client_close(c, CLOSE_STATEMENT_MODE);
		return;
	}
	rewrite_keep_unnamed(c);
	link_detach(c);
	client_arm(c);
	if (stream_kept(&c->stream).len > 0)
		loop_post(s->dispatcher->loop, &c->pump);
	clean_start(s);
}

void clean_check(struct server *s)
{
	struct slice query =
	    slice_of_text(s->dispatcher->config->settings.server_check_query);

	set_cleaning(s);
	if (slice_is_text(query, "<empty>"))
		query = slice_of_text("");
	server_ask(s, SERVER_TASK_CHECK, query);
}

void clean_connect(struct server *s, struct slice query)
{
	server_move(s, SERVER_CLEANING);
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
	if (!notice_read(body, &fields))
		fields = (struct notice_fields){0};
	log_write(LOG_LEVEL_WARNING, server_prefix(s, prefix),
		  "server refuses a query of the pooler: %s",
		  text_escape(message, sizeof(message), fields.message));
	if (s->task == SERVER_TASK_PREPARE)
		tell_parameter_refused(s, &fields);
}

/* DISCARD ALL takes every parameter back to where the login left it. */
static void on_reset(struct server *s)
{
	if (text_equal_nocase(s->dispatcher->config->settings.server_reset_query,
			      "DISCARD ALL"))
		prepare_was_reset(s);
}

/* A connect_query that failed has been logged; the server is as good. */
static void on_connect(struct server *s)
{
	struct params *after_login = s->base;

	if (!tracker_is_idle(&s->tracker) ||
	    tracker_transaction_status(&s->tracker) != 'I') {
		dispatcher_server_failed(
		    s, &(struct notice){.severity = "FATAL",
					.sqlstate = SQLSTATE_CONNECTION_NOT_POSSIBLE,
					.message =
					    "connect_query leaves a transaction open"});
		return;
	}
	/* What it has set is what clients find who do not mention it. */
	s->base = params_ref(s->params);
	params_unref(&s->dispatcher->params, after_login);
	dispatcher_server_opened(s);
}

void clean_task_done(struct server *s)
{
	enum server_task task = s->task;

	s->task = SERVER_TASK_NONE;
	switch (task) {
	case SERVER_TASK_NONE:
		return;
	case SERVER_TASK_PREPARE:
		prepare_done(s);
		return;
	case SERVER_TASK_PROBE:
		clean_release_if_done(s);
		return;
	case SERVER_TASK_CONNECT:
		on_connect(s);
		return;
	case SERVER_TASK_PRIVATE:
		private_answered(s);
		return;
	case SERVER_TASK_RESET:
	case SERVER_TASK_CHECK:
		break;
	}
	if (s->task_failed || !tracker_is_idle(&s->tracker) ||
	    tracker_transaction_status(&s->tracker) != 'I') {
		server_close(s, CLOSE_SERVER_CLEANING);
		return;
	}
	if (task == SERVER_TASK_RESET)
		on_reset(s);
	set_free(s);
}

void clean_cancel_ended(struct server *s)
{
	if (s->state == SERVER_CLEANING && s->task == SERVER_TASK_NONE && s->cancels == 0)
		clean_start(s);
}
