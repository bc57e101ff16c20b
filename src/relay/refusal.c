/*
 * Telling a client that it does not get a server.
 */
#include "relay/refusal.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/phrase.h"
#include "config/config.h"
#include "pool/pool.h"
#include "proto/frame.h"
#include "proto/message.h"
#include "proto/notice.h"
#include "relay/client.h"
#include "relay/dispatcher.h"
#include "relay/known.h"
#include "relay/standing.h"

enum {
	TEXT_LEN = 512,
	NAME_SHOWN = 63, /* of a name, in bytes */
	ANSWER_LEN = 600 /* what a rejection takes at most, or nearly so */
};

/* Refusals that are not further apart come in numbers. */
#define REFUSALS_APART_US USEC_PER_MSEC

#define RETRY_LEAST_US (10 * USEC_PER_MSEC)
#define RETRY_MOST_US (60 * USEC_PER_SEC)

static void log_refusal(const struct client *c, const struct notice *notice)
{
	struct dispatcher *d = c->dispatcher;
	char prefix[CLIENT_PREFIX_LEN];
	unsigned skipped;

	/* Thousands a second may be refused: the log is not where they are counted. */
	if (!d->config->settings.log_pooler_errors ||
	    !log_limit_may(&d->refusal_log, dispatcher_now(d), &skipped))
		return;
	log_write(LOG_LEVEL_WARNING, client_prefix(c, prefix), "pooler error: %s",
		  notice->message);
	if (skipped > 0)
		log_warning("%u more clients were refused since the last line like this",
			    skipped);
}

static bool is_of_limit(const struct notice *notice)
{
	return strcmp(notice->sqlstate, SQLSTATE_TOO_MANY_CONNECTIONS) == 0;
}

/* Whether reject_action ends the session of who is rejected. */
static bool closes(const struct client *c, const struct notice *notice)
{
	return c->dispatcher->config->settings.reject_action == REJECT_CLOSE &&
	       is_of_limit(notice);
}

void refusal_tell(struct client *c, const struct notice *notice)
{
	if (!c->is_logged_in || closes(c, notice)) {
		struct notice fatal = *notice;
		fatal.severity = "FATAL";
		/* Clients that know several hosts try the next one on this. */
		if (!c->is_logged_in && is_of_limit(notice))
			fatal.sqlstate = SQLSTATE_CANNOT_CONNECT_NOW;
		client_close_with(c, CLOSE_REFUSED, &fatal);
		return;
	}
	log_refusal(c, notice);
	/* In one piece. That there is no room for it is found out by who needs it. */
	(void)buffer_reserve(stream_cork_buffer(&c->stream), ANSWER_LEN);
	client_notify(c, notice);
	if (message_of_frontend(c->asked)->kind == FRONTEND_EXTENDED)
		c->is_skipping = true;
	else
		client_send_ready(c);
	c->is_refused = true;
	loop_post(c->stream.loop, &c->pump);
}

/* ---- what is said of each reason ---- */

/* Which of the limits of that name it was. */
static void say_full(struct phrase *out, const struct pool *p)
{
	switch (p->rules.max_queue_of) {
	case RULES_OF_USER:
		phrase_add(out, "queue is full (max_queue of user \"");
		phrase_add_some(out, p->user_name, NAME_SHOWN);
		phrase_add(out, "\")");
		return;
	case RULES_OF_DATABASE:
		phrase_add(out, "queue is full (max_queue of database \"");
		phrase_add_some(out, p->database_name, NAME_SHOWN);
		phrase_add(out, "\")");
		return;
	case RULES_OF_ALL:
		phrase_add(out, closing_row(CLOSE_QUEUE_FULL)->text);
		return;
	}
}

/* What is known of a wait that is not to be, or has ended. */
struct wait {
	enum refusal_reason reason;
	enum standing_limit limit_of;
	uint64_t limit_us, expected_us, waited_us;
	uint8_t class;
};

static void print_message(const struct pool *p, const struct wait *w, char text[TEXT_LEN])
{
	struct phrase out = phrase_at(text, TEXT_LEN);

	switch (w->reason) {
	case REFUSAL_FULL:
		say_full(&out, p);
		return;
	case REFUSAL_TOO_LONG:
		phrase_add(&out, "queue is too long (");
		phrase_add(&out, standing_limit_name(w->limit_of));
		phrase_add(&out, ")");
		return;
	case REFUSAL_SHED:
		phrase_add(&out, "queue is too slow for class ");
		phrase_add(&out, priority_name((enum priority)w->class));
		phrase_add(&out, " (priority_target)");
		return;
	case REFUSAL_DISPLACED:
		phrase_add(&out, "place in the queue was needed for others");
		return;
	case REFUSAL_LATE:
		phrase_add(&out, "queue does not get shorter (queue_policy)");
		return;
	case REFUSAL_TIMEOUT:
		phrase_add(&out, standing_limit_name(w->limit_of));
		return;
	}
}

static void say_wait(struct phrase *out, const struct wait *w)
{
	switch (w->reason) {
	case REFUSAL_FULL:
	case REFUSAL_SHED:
		phrase_add(out, "expected wait: ");
		phrase_add_seconds(out, w->expected_us);
		return;
	case REFUSAL_TOO_LONG:
		phrase_add(out, "expected wait: ");
		phrase_add_seconds(out, w->expected_us);
		phrase_add(out, ", limit: ");
		phrase_add_seconds(out, w->limit_us);
		return;
	case REFUSAL_DISPLACED:
	case REFUSAL_LATE:
	case REFUSAL_TIMEOUT:
		phrase_add(out, "this one has waited for ");
		phrase_add_seconds(out, w->waited_us);
		return;
	}
}

static void print_line(const struct pool *p, const struct wait *w, uint64_t now_us,
		       char text[TEXT_LEN])
{
	struct phrase out = phrase_at(text, TEXT_LEN);

	if (p->line.max == 0 && w->reason == REFUSAL_FULL) {
		phrase_add(&out, "No server is free, and a limit of 0 lets no "
				 "client wait for one.");
		return;
	}
	phrase_add(&out, "Clients that wait for a server of database \"");
	phrase_add_some(&out, p->database_name, NAME_SHOWN);
	phrase_add(&out, "\", user \"");
	phrase_add_some(&out, p->user_name, NAME_SHOWN);
	phrase_add(&out, "\": ");
	phrase_add_number(&out, p->line.count);
	phrase_add(&out, "; limit: ");
	if (p->line.max > 0)
		phrase_add_number(&out, (uint64_t)p->line.max);
	else
		phrase_add(&out, "none");
	phrase_add(&out, "; the first has waited for ");
	phrase_add_seconds(&out, pool_longest_wait(p, now_us));
	phrase_add(&out, "; class: ");
	phrase_add(&out, priority_name((enum priority)w->class));
	phrase_add(&out, "; ");
	say_wait(&out, w);
	phrase_add(&out, ".");
}

/* When it is worth trying again: when the line that is there now has been served, but not
 * for all at the same time. */
static uint64_t retry_ms(const struct client *c, const struct wait *w)
{
	uint64_t now_us = dispatcher_now(c->dispatcher);
	uint64_t after_us =
	    w->expected_us > RETRY_LEAST_US ? w->expected_us : RETRY_LEAST_US;

	if (after_us > RETRY_MOST_US)
		after_us = RETRY_MOST_US;
	return standing_spread(after_us, c->id ^ now_us) / USEC_PER_MSEC;
}

static const char *remedy(const struct wait *w)
{
	switch (w->reason) {
	case REFUSAL_FULL:
	case REFUSAL_DISPLACED:
		return "max_queue or pool_size";
	case REFUSAL_TOO_LONG:
	case REFUSAL_TIMEOUT:
		return w->limit_of == STANDING_BY_WAIT_TIMEOUT
			   ? "query_wait_timeout or pool_size"
			   : "the limit or pool_size";
	case REFUSAL_SHED:
		return "the client's priority or pool_size";
	case REFUSAL_LATE:
		return "queue_target or pool_size";
	}
	return "";
}

static void print_hint(const struct client *c, const struct wait *w, char text[TEXT_LEN])
{
	struct phrase out = phrase_at(text, TEXT_LEN);

	phrase_add(&out, "Try again in ");
	phrase_add_number(&out, retry_ms(c, w));
	phrase_add(&out, " ms, or raise ");
	phrase_add(&out, remedy(w));
	phrase_add(&out, ".");
}

/* ---- telling ---- */

static void count(struct client *c, enum refusal_reason reason)
{
	uint64_t now_us = dispatcher_now(c->dispatcher);
	struct counters *of_pool = tally_at(&c->pool->tally, now_us);
	struct counters *of_all = tally_at(&c->dispatcher->pools.tally, now_us);

	if (reason == REFUSAL_TIMEOUT) {
		of_pool->timeout_count++;
		of_all->timeout_count++;
	} else {
		of_pool->rejected_count++;
		of_all->rejected_count++;
	}
}

static void tell(struct client *c, const struct wait *w)
{
	char message[TEXT_LEN], detail[TEXT_LEN], hint[TEXT_LEN];

	count(c, w->reason);
	print_message(c->pool, w, message);
	print_line(c->pool, w, dispatcher_now(c->dispatcher), detail);
	print_hint(c, w, hint);
	refusal_tell(c, &(struct notice){.severity = "ERROR",
					 .sqlstate = SQLSTATE_TOO_MANY_CONNECTIONS,
					 .message = message,
					 .detail = detail,
					 .hint = hint});
}

static struct wait wait_at_arrival(const struct standing *standing,
				   const struct pool_ruling *ruling)
{
	return (struct wait){.reason = ruling->reason,
			     .limit_of = standing->limit_of,
			     .limit_us = standing->asker.limit_us,
			     .expected_us = ruling->expected_us,
			     .class = standing->asker.class};
}

void refusal_at_arrival(struct client *c, const struct standing *standing,
			const struct pool_ruling *ruling)
{
	struct wait w = wait_at_arrival(standing, ruling);
	struct dispatcher *d = c->dispatcher;
	uint64_t now_us = dispatcher_now(d);

	/* To say no must cost next to nothing: where it is said all the time, several at
	 * a time. */
	if (now_us - d->last_refusal_us < REFUSALS_APART_US)
		loop_gather(d->loop);
	d->last_refusal_us = now_us;
	tell(c, &w);
}

static void log_trial(const struct client *c, const struct wait *w)
{
	struct dispatcher *d = c->dispatcher;
	char prefix[CLIENT_PREFIX_LEN], message[TEXT_LEN], detail[TEXT_LEN];
	unsigned skipped;

	if (!log_limit_may(&d->trial_log, dispatcher_now(d), &skipped))
		return;
	print_message(c->pool, w, message);
	print_line(c->pool, w, dispatcher_now(d), detail);
	log_write(LOG_LEVEL_LOG, client_prefix(c, prefix), "would be rejected: %s; %s",
		  message, detail);
	if (skipped > 0)
		log_info("%u more would have been rejected since the last line like this",
			 skipped);
}

void refusal_log_trial(struct client *c, const struct standing *standing,
		       const struct pool_ruling *ruling)
{
	struct wait w = wait_at_arrival(standing, ruling);

	log_trial(c, &w);
}

void refusal_log_late(struct client *c)
{
	uint64_t now_us = dispatcher_now(c->dispatcher);
	struct wait w = {.reason = REFUSAL_LATE,
			 .waited_us = clock_since(now_us, c->waiter->since_us),
			 .class = c->waiter->asker.class};

	log_trial(c, &w);
}

void refusal_from_line(struct client *c, enum refusal_reason reason)
{
	struct dispatcher *d = c->dispatcher;
	struct standing standing;
	struct wait w = {.reason = reason};

	standing_of(c, &standing);
	w.limit_of = standing.limit_of;
	w.class = c->waiter->asker.class;
	w.waited_us = clock_since(dispatcher_now(d), c->waiter->since_us);
	if (c->waiter->line)
		pool_refuse(c->pool, c->waiter, reason);
	dispatcher_withdraw(c);
	w.expected_us = pool_expected_wait(c->pool, &standing.asker, dispatcher_now(d));
	tell(c, &w);
}

void refusal_no_memory(struct client *c)
{
	refusal_tell(c, &(struct notice){.severity = "ERROR",
					 .sqlstate = SQLSTATE_OUT_OF_MEMORY,
					 .message = "out of memory"});
}

void refusal_server_down(struct client *c)
{
	const struct known *known = known_of(c->pool);
	struct notice notice = {.severity = "ERROR",
				.sqlstate = SQLSTATE_CONNECTION_NOT_POSSIBLE,
				.message = "no server can be reached"};

	if (known->failure.is_set)
		notice = known_failure_notice(known, "ERROR");
	dispatcher_withdraw(c);
	refusal_tell(c, &notice);
}

void refusal_cancelled(struct client *c)
{
	dispatcher_withdraw(c);
	refusal_tell(
	    c, &(struct notice){.severity = "ERROR",
				.sqlstate = SQLSTATE_QUERY_CANCELED,
				.message = "canceling statement due to user request",
				.detail = "The statement was waiting for a server."});
}
