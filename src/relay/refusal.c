/*
 * Telling a client that it does not get a server.
 */
#include "relay/refusal.h"

#include <stdio.h>

#include "base/clock.h"
#include "base/log.h"
#include "config/config.h"
#include "pool/pool.h"
#include "proto/frame.h"
#include "proto/message.h"
#include "proto/notice.h"
#include "relay/client.h"
#include "relay/dispatcher.h"
#include "relay/known.h"

enum { TEXT_LEN = 256 };

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

void refusal_tell(struct client *c, const struct notice *notice)
{
	if (!c->is_logged_in) {
		struct notice fatal = *notice;
		fatal.severity = "FATAL";
		client_close_with(c, CLOSE_REFUSED, &fatal);
		return;
	}
	log_refusal(c, notice);
	client_notify(c, notice);
	if (message_of_frontend(c->asked)->kind == FRONTEND_EXTENDED)
		c->is_skipping = true;
	else
		client_send_ready(c);
	c->is_refused = true;
	/* Now rather than at the end of a turn that may be long under such a load. */
	stream_write(&c->stream, slice_of(NULL, 0));
	loop_post(c->stream.loop, &c->pump);
}

/* Which of the limits of that name it was. */
static void print_limit(const struct pool *p, char out[TEXT_LEN])
{
	switch (p->rules.max_queue_of) {
	case RULES_OF_USER:
		snprintf(out, TEXT_LEN, "queue is full (max_queue of user \"%.100s\")",
			 p->user_name);
		return;
	case RULES_OF_DATABASE:
		snprintf(out, TEXT_LEN, "queue is full (max_queue of database \"%.63s\")",
			 p->database_name);
		return;
	case RULES_OF_ALL:
		snprintf(out, TEXT_LEN, "%s", closing_row(CLOSE_QUEUE_FULL)->text);
		return;
	}
}

static void print_line(const struct pool *p, uint64_t now_us, char out[TEXT_LEN])
{
	snprintf(
	    out, TEXT_LEN,
	    "Clients that wait for a server of database \"%.63s\", user \"%.63s\": %u; "
	    "limit: %d; the first has waited for %.3f s.",
	    p->database_name, p->user_name, p->line.count, p->line.max,
	    (double)pool_longest_wait(p, now_us) / USEC_PER_SEC);
}

void refusal_queue_full(struct client *c)
{
	struct dispatcher *d = c->dispatcher;
	struct pool *p = c->pool;
	char message[TEXT_LEN], detail[TEXT_LEN];
	uint64_t now_us = dispatcher_now(d);

	print_limit(p, message);
	print_line(p, now_us, detail);
	tally_at(&p->tally, now_us)->rejected_count++;
	tally_at(&d->pools.tally, now_us)->rejected_count++;
	refusal_tell(c,
		     &(struct notice){.severity = "ERROR",
				      .sqlstate = SQLSTATE_TOO_MANY_CONNECTIONS,
				      .message = message,
				      .detail = p->line.max == 0
						    ? "No server is free, and a limit of "
						      "0 lets no client wait for one."
						    : detail,
				      .hint = "Try again later, or raise max_queue or "
					      "pool_size."});
}

void refusal_wait_timeout(struct client *c)
{
	struct dispatcher *d = c->dispatcher;
	struct pool *p = c->pool;
	char detail[TEXT_LEN];
	uint64_t now_us = dispatcher_now(d);

	snprintf(
	    detail, sizeof(detail),
	    "No server of database \"%.63s\", user \"%.63s\" became free in %.3f s; %u "
	    "clients are waiting.",
	    p->database_name, p->user_name,
	    (double)clock_since(now_us, c->waiter.since_us) / USEC_PER_SEC,
	    p->line.count);
	tally_at(&p->tally, now_us)->timeout_count++;
	tally_at(&d->pools.tally, now_us)->timeout_count++;
	dispatcher_withdraw(c);
	refusal_tell(c, &(struct notice){.severity = "ERROR",
					 .sqlstate = SQLSTATE_TOO_MANY_CONNECTIONS,
					 .message = closing_row(CLOSE_WAIT_TIMEOUT)->text,
					 .detail = detail,
					 .hint = "Try again later, or raise "
						 "query_wait_timeout or pool_size."});
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
