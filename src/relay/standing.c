/*
 * Worked out when a client has to wait, and at no other time: most never do.
 */
#include "relay/standing.h"

#include <stdio.h>

#include "base/clock.h"
#include "base/text.h"
#include "config/config.h"
#include "pool/pool.h"
#include "proto/params.h"
#include "relay/client.h"
#include "relay/dispatcher.h"

enum {
	VALUE_LEN = 64,
	JITTER_PERCENT = 20,
	PATIENCE_PERCENT = 15,
	SPREAD_MASK = 1023,
};

/* Steps within a class are dealt anew so often: nobody is always the first to go. */
#define STEP_US (60 * 60 * USEC_PER_SEC)

/* Spreads numbers that follow each other. */
static uint64_t scatter(uint64_t n)
{
	n = (n ^ n >> 31) * 0x9e3779b97f4a7c15u;
	return n ^ n >> 29;
}

static bool find(const struct client *c, const char *name, char out[VALUE_LEN])
{
	struct slice value;

	if (!params_find(c->params, slice_of_text(name), &value) ||
	    value.len >= VALUE_LEN)
		return false;
	text_copy(out, VALUE_LEN, value);
	return true;
}

/* ---- class ---- */

static bool asks_for_class(const struct client *c, enum priority *out)
{
	const struct settings *settings = &c->dispatcher->config->settings;
	char value[VALUE_LEN];
	struct slice name;

	if (find(c, "pooler.priority", value) && priority_parse(value, out))
		return true;
	return settings->priority_applications[0] != '\0' &&
	       params_find(c->params, slice_of_text("application_name"), &name) &&
	       priorities_match(settings->priority_applications, name, out);
}

static enum priority class_of(const struct client *c, const struct rules *rules)
{
	enum priority highest =
	    rules->priority < rules->max_priority ? rules->priority : rules->max_priority;
	enum priority wanted;

	if (!asks_for_class(c, &wanted))
		return rules->priority;
	return wanted < highest ? highest : wanted;
}

/* ---- patience ---- */

/* As PostgreSQL reads a time: without a unit it is milliseconds; 0 is none. */
static uint64_t find_time(const struct client *c, const char *name)
{
	char value[VALUE_LEN];
	uint64_t time_us;

	if (!find(c, name, value) ||
	    !text_parse_duration(value, USEC_PER_MSEC, &time_us) || time_us == 0)
		return CLOCK_NEVER;
	return time_us;
}

static void limit(struct standing *s, uint64_t limit_us, enum standing_limit of)
{
	if (limit_us >= s->asker.limit_us)
		return;
	s->asker.limit_us = limit_us;
	s->limit_of = of;
}

/* So much of its wait does not count for max_queue_wait. */
static uint64_t suspended_for(const struct client *c)
{
	return c->waiter ? clock_since(c->pool->suspended_us, c->waiter->since_us) : 0;
}

static void find_limit(const struct client *c, const struct rules *rules,
		       struct standing *out)
{
	const struct settings *settings = &c->dispatcher->config->settings;

	out->asker.limit_us = CLOCK_NEVER;
	out->limit_of = STANDING_BY_WAIT_TIMEOUT;
	if (rules->query_wait_timeout > 0)
		out->asker.limit_us = rules->query_wait_timeout;
	if (rules->max_queue_wait > 0 && !pool_is_suspended(c->pool))
		limit(out, rules->max_queue_wait + suspended_for(c),
		      STANDING_BY_MAX_QUEUE_WAIT);
	limit(out, find_time(c, "pooler.deadline"), STANDING_BY_DEADLINE);
	if (settings->queue_honours_statement_timeout)
		limit(out, find_time(c, "statement_timeout"),
		      STANDING_BY_STATEMENT_TIMEOUT);
}

void standing_of(const struct client *c, struct standing *out)
{
	struct rules own;
	const struct rules *rules = client_rules(c, &own);
	uint64_t hour = dispatcher_now(c->dispatcher) / STEP_US;

	*out = (struct standing){
	    .asker = {.user = c->user,
		      .weight = c->user->weight,
		      .class = (uint8_t)class_of(c, rules),
		      .step = (uint8_t)(scatter(c->id + hour) % THRESHOLD_STEPS)},
	};
	find_limit(c, rules, out);
}

const char *standing_limit_name(enum standing_limit limit)
{
	switch (limit) {
	case STANDING_BY_WAIT_TIMEOUT:
		return "query_wait_timeout";
	case STANDING_BY_MAX_QUEUE_WAIT:
		return "max_queue_wait";
	case STANDING_BY_DEADLINE:
		return "pooler.deadline";
	case STANDING_BY_STATEMENT_TIMEOUT:
		return "statement_timeout";
	}
	return "";
}

uint64_t standing_spread(uint64_t around_us, uint64_t seed)
{
	uint64_t width_us = around_us / 100 * JITTER_PERCENT;

	return around_us - width_us +
	       (scatter(seed) & SPREAD_MASK) * width_us * 2 / SPREAD_MASK;
}

/* Whoever was let in should be served even if his wait is a little longer than was
 * foretold: what he is rejected for then has been waited for in vain. */
static uint64_t with_patience(uint64_t limit_us, uint64_t seed)
{
	return limit_us + standing_spread(limit_us / 100 * PATIENCE_PERCENT, seed);
}

uint64_t standing_due(const struct client *c, uint64_t since_us)
{
	struct rules own;
	struct standing s = {0};

	find_limit(c, client_rules(c, &own), &s); /* its class does not matter here */
	uint64_t limit_us = s.asker.limit_us, seed = c->id ^ since_us;
	uint64_t apart_us = suspended_for(c);

	switch (s.limit_of) {
	case STANDING_BY_WAIT_TIMEOUT:
		if (limit_us == CLOCK_NEVER)
			return CLOCK_NEVER;
		return since_us + standing_spread(limit_us, seed);
	case STANDING_BY_MAX_QUEUE_WAIT:
		return since_us + apart_us + with_patience(limit_us - apart_us, seed);
	case STANDING_BY_DEADLINE:
	case STANDING_BY_STATEMENT_TIMEOUT:
		break;
	}
	return since_us + limit_us;
}

/* ---- what it may say ---- */

bool standing_accepts(struct slice name, struct slice value, char why[STANDING_WHY_LEN],
		      struct notice *out)
{
	char text[VALUE_LEN], shown[VALUE_LEN];
	enum priority class;
	uint64_t time_us;
	const char *hint;

	text_copy(text, sizeof(text), value);
	if (slice_is_text(name, "pooler.priority")) {
		if (value.len == 0 || priority_parse(text, &class))
			return true;
		hint = "Possible are critical, high, normal and low.";
	} else if (slice_is_text(name, "pooler.deadline")) {
		if (value.len == 0 || text_parse_duration(text, USEC_PER_MSEC, &time_us))
			return true;
		hint = "It is a time such as 250ms or 2s; without a unit it counts in "
		       "milliseconds.";
	} else {
		return true;
	}
	snprintf(why, STANDING_WHY_LEN, "invalid value for parameter \"%.*s\": \"%s\"",
		 (int)name.len, (const char *)name.data,
		 text_escape(shown, sizeof(shown), value));
	*out = (struct notice){.severity = "ERROR",
			       .sqlstate = SQLSTATE_INVALID_PARAMETER,
			       .message = why,
			       .hint = hint};
	return false;
}

static void warn_of(struct client *c, const struct params *had, const char *name)
{
	struct slice value, before, what = slice_of_text(name);
	char why[STANDING_WHY_LEN];
	struct notice notice;

	if (!params_find(c->params, what, &value) ||
	    (params_find(had, what, &before) && slice_equal(before, value)) ||
	    standing_accepts(what, value, why, &notice))
		return;
	notice.severity = "WARNING";
	client_notify(c, &notice);
}

void standing_warn(struct client *c, const struct params *had)
{
	warn_of(c, had, "pooler.priority");
	warn_of(c, had, "pooler.deadline");
}
