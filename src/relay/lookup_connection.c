/*
 * A source's connections: opened when they are needed, a few, and closed when they have
 * had nothing to do for a while.
 */
#include "relay/lookup_internal.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/check.h"

/* Longer than the pauses between logins of a busy pooler, short enough that a quiet one
 * keeps no server process busy. */
#define IDLE_US (60 * USEC_PER_SEC)

enum { PROBLEM_LEN = 480 };

static const char cannot_run[] = "could not run auth_query";

/* ---- answers ---- */

static void cache_secret(const struct connection *c, const struct lookup_query *q,
			 struct slice text)
{
	const struct source *s = c->source;
	struct lookups *l = s->lookups;

	if (s->cache_ttl_us == 0 || c->is_old)
		return;
	secret_cache_keep(&l->cache, &s->place, slice_of_text(q->user), text,
			  l->loop->now_us + s->cache_ttl_us);
	lookup_arm_sweep(l);
}

static void judge_row(const struct connection *c, struct lookup_query *q,
		      const struct sqlclient_field *fields)
{
	struct secret secret;

	/* What a function with OUT parameters returns of nobody. */
	if (fields[0].is_null && fields[1].is_null) {
		q->verdict = LOOKUP_NO_USER;
		return;
	}
	/* Never let anybody in with another's secret. */
	if (fields[0].is_null || !slice_is_text(fields[0].text, q->user)) {
		q->verdict = LOOKUP_FAILED;
		q->problem =
		    "auth_query returned another name than that of the user it was asked "
		    "for";
		return;
	}
	q->verdict = LOOKUP_FOUND;
	if (fields[1].is_null)
		return;
	if (!secret_parse(fields[1].text, &secret)) {
		q->problem = "auth_query returned a malformed secret";
		return;
	}
	lookup_query_set_secret(q, secret.text);
	if (secret.kind != SECRET_NONE && q->verdict == LOOKUP_FOUND)
		cache_secret(c, q, secret.text);
}

static void fail(struct lookup_query *q, const char *what, const char *problem)
{
	char text[PROBLEM_LEN];

	snprintf(text, sizeof(text), "%s: %s", what, problem);
	q->verdict = LOOKUP_FAILED;
	lookup_query_note(q, text);
}

static void judge(const struct connection *c, struct lookup_query *q,
		  const struct sqlclient_answer *answer)
{
	switch (answer->outcome) {
	case SQLCLIENT_ROW:
		judge_row(c, q, answer->fields);
		break;
	case SQLCLIENT_NO_ROW:
		q->verdict = LOOKUP_NO_USER;
		break;
	case SQLCLIENT_MISSHAPEN:
		fail(q, "auth_query must return one row of user name and secret",
		     answer->problem);
		break;
	case SQLCLIENT_REFUSED:
		fail(q, "auth_query failed", answer->problem);
		break;
	case SQLCLIENT_UNREACHED:
		fail(q, cannot_run, answer->problem);
		break;
	case SQLCLIENT_LOST:
		fail(q, "auth_query was not answered", answer->problem);
		break;
	}
}

/* ---- connections ---- */

static void set_resting(struct connection *c, bool rests)
{
	struct idle_list *resting = &c->source->lookups->resting;

	if (c->is_resting)
		TAILQ_REMOVE(resting, c, rest);
	if (rests)
		TAILQ_INSERT_TAIL(resting, c, rest);
	c->is_resting = rests;
}

void lookup_connection_destroy(struct connection *c)
{
	struct source *s = c->source;

	CHECK(!c->query);
	set_resting(c, false);
	loop_release_deadline(s->lookups->loop, &c->idle);
	sqlclient_fini(&c->client);
	LIST_REMOVE(c, place);
	s->connection_count--;
	s->lookups->connection_count--;
	free(c);
}

static bool has_open(const struct source *s)
{
	const struct connection *c;

	LIST_FOREACH(c, &s->connections, place)
	if (sqlclient_is_open(&c->client))
		return true;
	return false;
}

/* Nobody can be reached: waiting for one more failure would only take longer. */
static void fail_line(struct source *s, const char *problem)
{
	struct lookup_query *q;
	char text[PROBLEM_LEN];

	snprintf(text, sizeof(text), "%s: %s", cannot_run, problem);
	while ((q = TAILQ_FIRST(&s->waiting)))
		lookup_fail_waiting(q, text);
}

static void on_answer(struct sqlclient *client, const struct sqlclient_answer *answer)
{
	struct connection *c =
	    (struct connection *)(void *)((char *)client -
					  offsetof(struct connection, client));
	struct lookup_query *q = c->query;
	struct source *s = c->source;

	judge(c, q, answer);
	lookup_finish(q);
	c->query = NULL;
	if (c->is_old || !sqlclient_is_open(client)) {
		lookup_connection_destroy(c);
	} else {
		set_resting(c, true);
		loop_arm(s->lookups->loop, &c->idle, s->lookups->loop->now_us + IDLE_US);
	}
	if (answer->outcome == SQLCLIENT_UNREACHED && !has_open(s))
		fail_line(s, answer->problem);
	lookup_pump(s);
	lookup_source_drop_if_unused(s);
}

static void on_idle(struct deadline *due, uint64_t now_us)
{
	struct connection *c =
	    (struct connection *)(void *)((char *)due -
					  offsetof(struct connection, idle));
	struct source *s = c->source;

	(void)now_us;
	lookup_connection_destroy(c);
	lookup_source_drop_if_unused(s);
}

static struct connection *connection_create(struct source *s)
{
	struct connection *c = calloc(1, sizeof(*c));
	struct lookups *l = s->lookups;

	if (!c)
		return NULL;
	if (!loop_reserve_deadline(l->loop)) {
		free(c);
		return NULL;
	}
	if (!sqlclient_init(&c->client, l->loop, l->resolver, &s->target)) {
		loop_release_deadline(l->loop, &c->idle);
		free(c);
		return NULL;
	}
	c->source = s;
	c->idle.on_due = on_idle;
	LIST_INSERT_HEAD(&s->connections, c, place);
	s->connection_count++;
	l->connection_count++;
	return c;
}

static void ask(struct connection *c, struct lookup_query *q)
{
	const struct sqlclient_question question = {
	    .query = c->source->query, .parameter = q->user, .columns = 2};

	lookup_leave_line(q);
	q->state = QUERY_ASKED;
	c->query = q;
	set_resting(c, false);
	loop_arm(c->source->lookups->loop, &c->idle, CLOCK_NEVER);
	sqlclient_ask(&c->client, &question, on_answer);
}

/* One that is open, or else one whose server has gone; NULL when all are busy. */
static struct connection *find_idle(const struct source *s)
{
	struct connection *c, *closed = NULL;

	LIST_FOREACH(c, &s->connections, place)
	{
		if (c->query || c->is_old)
			continue;
		if (sqlclient_is_open(&c->client))
			return c;
		closed = c;
	}
	return closed;
}

/* Whether there may be one more; one of another source that rests makes room for it. */
static bool has_room(struct lookups *l)
{
	struct connection *resting = TAILQ_FIRST(&l->resting);

	if (l->connection_count < LOOKUP_CONNECTIONS_ALL)
		return true;
	if (!resting)
		return false;
	struct source *other = resting->source;
	lookup_connection_destroy(resting);
	lookup_source_drop_if_unused(other);
	return true;
}

/* One that is free to ask, or a new one; NULL when there may be none now. */
static struct connection *find_connection(struct source *s)
{
	struct connection *c = find_idle(s);

	if (c || s->connection_count == LOOKUP_CONNECTIONS_MOST || !has_room(s->lookups))
		return c;
	return connection_create(s);
}

static const char *why_none(const struct lookups *l)
{
	return l->connection_count < LOOKUP_CONNECTIONS_ALL
		   ? LOOKUP_OUT_OF_MEMORY
		   : "too many connections for auth_query are busy";
}

void lookup_pump(struct source *s)
{
	struct lookup_query *q;

	while ((q = TAILQ_FIRST(&s->waiting))) {
		struct connection *c = find_connection(s);

		if (c)
			ask(c, q);
		else if (s->connection_count == 0)
			lookup_fail_waiting(q, why_none(s->lookups));
		else
			return;
	}
}
