/*
 * Queries, and telling who waits for them: all are told by one task, from the list of the
 * ready, so that nobody is called from within a call of his own or from within libpq's.
 * What cannot even become a query (no memory, too many) is told through three that are
 * always there.
 */
#include "relay/lookup_internal.h"

#include <stdlib.h>

#include "base/crypto.h"

void lookup_query_destroy(struct lookup_query *q)
{
	if (q->secret)
		crypto_wipe(q->secret, q->secret_len);
	free(q->secret);
	free(q->own_problem);
	free(q);
}

struct lookup_query *lookup_query_create(struct slice user)
{
	struct lookup_query *q = calloc(1, sizeof(*q));

	if (!q)
		return NULL;
	TAILQ_INIT(&q->lookups);
	memcpy(q->user, user.data, user.len);
	return q;
}

void lookup_join(struct lookup_query *q, struct lookup *lookup)
{
	lookup->query = q;
	TAILQ_INSERT_TAIL(&q->lookups, lookup, place);
}

void lookup_stop_joining(struct lookup_query *q)
{
	if (q->is_joinable)
		HASH_DELETE(hh, q->source->joinable, q);
	q->is_joinable = false;
}

void lookup_make_ready(struct lookups *l, struct lookup_query *q)
{
	q->state = QUERY_READY;
	TAILQ_INSERT_TAIL(&l->ready, q, place);
	loop_post(l->loop, &l->tell);
}

void lookup_query_note(struct lookup_query *q, const char *text)
{
	free(q->own_problem);
	q->own_problem = strdup(text);
	q->problem = q->own_problem ? q->own_problem : LOOKUP_OUT_OF_MEMORY;
}

void lookup_query_set_secret(struct lookup_query *q, struct slice text)
{
	q->verdict = LOOKUP_FOUND;
	if (text.len == 0)
		return;
	q->secret = malloc(text.len);
	if (!q->secret) {
		q->verdict = LOOKUP_FAILED;
		q->problem = LOOKUP_OUT_OF_MEMORY;
		return;
	}
	memcpy(q->secret, text.data, text.len);
	q->secret_len = text.len;
}

/* ---- telling ---- */

static void tell_query(struct lookup_query *q)
{
	struct lookup_answer answer = {.verdict = q->verdict,
				       .is_from_cache = q->is_from_cache,
				       .problem = q->problem};
	struct lookup *lookup;

	/* What does not parse was sorted out when it came. */
	secret_parse(slice_of(q->secret, q->secret_len), &answer.secret);
	q->is_listed = false;
	while ((lookup = TAILQ_FIRST(&q->lookups))) {
		TAILQ_REMOVE(&q->lookups, lookup, place);
		lookup->query = NULL;
		lookup->on_done(lookup, &answer);
	}
	if (!q->is_lasting)
		lookup_query_destroy(q);
}

static void tell_all(struct loop_task *task)
{
	struct lookups *l =
	    (struct lookups *)(void *)((char *)task - offsetof(struct lookups, tell));
	struct lookup_query *q;

	while ((q = TAILQ_FIRST(&l->ready))) {
		TAILQ_REMOVE(&l->ready, q, place);
		tell_query(q);
	}
}

void lookup_refuse(struct lookups *l, struct lookup *lookup, enum refusal why)
{
	struct lookup_query *q = &l->refusals[why];

	lookup_join(q, lookup);
	if (q->is_listed)
		return;
	q->is_listed = true;
	lookup_make_ready(l, q);
}

static void init_refusals(struct lookups *l)
{
	l->refusals[REFUSAL_NO_USER].verdict = LOOKUP_NO_USER;
	l->refusals[REFUSAL_FULL].verdict = LOOKUP_FULL;
	l->refusals[REFUSAL_FULL].problem = "too many users wait for auth_query";
	l->refusals[REFUSAL_MEMORY].verdict = LOOKUP_FAILED;
	l->refusals[REFUSAL_MEMORY].problem = LOOKUP_OUT_OF_MEMORY;
	for (int i = 0; i < REFUSAL_COUNT; i++) {
		l->refusals[i].is_lasting = true;
		l->refusals[i].state = QUERY_READY;
		TAILQ_INIT(&l->refusals[i].lookups);
	}
}

void lookup_init_telling(struct lookups *l)
{
	l->tell.run = tell_all;
	TAILQ_INIT(&l->ready);
	init_refusals(l);
}
