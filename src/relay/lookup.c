/*
 * The public part: from the cache, by joining, or by a query of one's own.
 */
#include "relay/lookup_internal.h"

#include <stdlib.h>

#include "base/check.h"

/* ---- the cache ---- */

void lookup_arm_sweep(struct lookups *l)
{
	loop_arm(l->loop, &l->sweep, secret_cache_next_us(&l->cache));
}

static void on_sweep(struct deadline *due, uint64_t now_us)
{
	struct lookups *l =
	    (struct lookups *)(void *)((char *)due - offsetof(struct lookups, sweep));

	secret_cache_sweep(&l->cache, now_us);
	lookup_arm_sweep(l);
}

static bool answer_from_cache(struct lookups *l, struct lookup *lookup,
			      const struct secret_place *place, struct slice user)
{
	struct slice text;

	if (!secret_cache_find(&l->cache, place, user, l->loop->now_us, &text))
		return false;
	struct lookup_query *q = lookup_query_create(user);
	if (!q) {
		lookup_refuse(l, lookup, REFUSAL_MEMORY);
		return true;
	}
	q->is_from_cache = true;
	lookup_query_set_secret(q, text);
	lookup_join(q, lookup);
	lookup_make_ready(l, q);
	return true;
}

/* ---- asking ---- */

static struct lookup_query *find_joinable(const struct source *s, struct slice user,
					  unsigned hash)
{
	struct lookup_query *q;

	HASH_FIND_BYHASHVALUE(hh, s->joinable, user.data, user.len, hash, q);
	return q;
}

static void ask_source(struct source *s, struct lookup *lookup, struct slice user)
{
	struct lookups *l = s->lookups;
	unsigned hash = hash_short(&l->hash_key, user);
	struct lookup_query *q = find_joinable(s, user, hash);

	if (q) {
		lookup_join(q, lookup);
		return;
	}
	if (s->waiting_count >= LOOKUP_WAITING_MOST) {
		lookup_refuse(l, lookup, REFUSAL_FULL);
		return;
	}
	q = lookup_query_create(user);
	if (q)
		HASH_ADD_KEYPTR_BYHASHVALUE(hh, s->joinable, q->user, user.len, hash, q);
	if (!q || !q->hh.tbl) {
		free(q);
		lookup_refuse(l, lookup, REFUSAL_MEMORY);
		return;
	}
	q->is_joinable = true;
	lookup_join(q, lookup);
	lookup_join_line(s, q);
	lookup_pump(s);
}

void lookup_start(struct lookups *l, struct lookup *lookup,
		  const struct lookup_source *from, struct slice user,
		  lookup_done_fn on_done)
{
	struct secret_place place;

	CHECK(!lookup->query);
	lookup->on_done = on_done;
	if (user.len == 0 || user.len > LOGIN_USER_MAX ||
	    memchr(user.data, '\0', user.len)) {
		lookup_refuse(l, lookup, REFUSAL_NO_USER);
		return;
	}
	if (!lookup_place_of(from, &place)) {
		lookup_refuse(l, lookup, REFUSAL_MEMORY);
		return;
	}
	if (answer_from_cache(l, lookup, &place, user))
		return;
	struct source *s = lookup_source_find(l, &place);
	if (!s)
		s = lookup_source_create(l, &place, from);
	if (!s) {
		lookup_refuse(l, lookup, REFUSAL_MEMORY);
		return;
	}
	ask_source(s, lookup, user);
	lookup_source_drop_if_unused(s);
}

void lookup_cancel(struct lookup *lookup)
{
	struct lookup_query *q = lookup->query;

	if (!q)
		return;
	TAILQ_REMOVE(&q->lookups, lookup, place);
	lookup->query = NULL;
	/* What is asked already is worth its answer: the cache may want it, and to cut
	 * the connection would cost more. */
	if (q->state != QUERY_WAITING || !TAILQ_EMPTY(&q->lookups))
		return;
	struct source *s = q->source;
	lookup_leave_line(q);
	lookup_stop_joining(q);
	lookup_query_destroy(q);
	lookup_source_drop_if_unused(s);
}

void lookup_forget(struct lookups *l, const struct lookup_source *from, struct slice user)
{
	struct secret_place place;

	if (user.len > LOGIN_USER_MAX)
		return;
	if (lookup_place_of(from, &place))
		secret_cache_forget(&l->cache, &place, user);
	else
		secret_cache_clear(&l->cache);
	lookup_arm_sweep(l);
}

/* ---- all of them ---- */

struct lookups *lookups_create(struct loop *loop, struct resolver *resolver)
{
	struct lookups *l = calloc(1, sizeof(*l));

	if (!l)
		return NULL;
	if (!loop_reserve_deadline(loop)) {
		free(l);
		return NULL;
	}
	l->loop = loop;
	l->resolver = resolver;
	l->hash_key = hash_key_make();
	l->sweep.on_due = on_sweep;
	TAILQ_INIT(&l->resting);
	secret_cache_init(&l->cache);
	lookup_init_telling(l);
	return l;
}

static void retire(struct connection *c)
{
	if (!c->query) {
		lookup_connection_destroy(c);
		return;
	}
	c->is_old = true;
	lookup_stop_joining(c->query);
}

void lookups_reset(struct lookups *l)
{
	struct source *s, *next_source;
	struct connection *c, *next;

	secret_cache_clear(&l->cache);
	lookup_arm_sweep(l);
	HASH_ITER (hh, l->sources, s, next_source) {
		for (c = LIST_FIRST(&s->connections); c; c = next) {
			next = LIST_NEXT(c, place);
			retire(c);
		}
		lookup_source_drop_if_unused(s);
	}
}

size_t lookups_connection_count(const struct lookups *l)
{
	return l->connection_count;
}

size_t lookups_waiting_count(const struct lookups *l)
{
	const struct source *s;
	size_t count = 0;

	for (s = l->sources; s; s = s->hh.next)
		count += s->waiting_count;
	return count;
}

size_t lookups_cached_count(const struct lookups *l)
{
	return secret_cache_count(&l->cache);
}

/* Whoever still waits is not told. */
static void abandon(struct lookup_query *q)
{
	struct lookup *lookup;

	while ((lookup = TAILQ_FIRST(&q->lookups))) {
		TAILQ_REMOVE(&q->lookups, lookup, place);
		lookup->query = NULL;
	}
	if (!q->is_lasting)
		lookup_query_destroy(q);
}

static void source_abandon(struct source *s)
{
	struct lookup_query *q;
	struct connection *c;

	while ((q = TAILQ_FIRST(&s->waiting))) {
		lookup_leave_line(q);
		lookup_stop_joining(q);
		abandon(q);
	}
	while ((c = LIST_FIRST(&s->connections))) {
		q = c->query;
		c->query = NULL;
		lookup_connection_destroy(c);
		if (!q)
			continue;
		lookup_stop_joining(q);
		abandon(q);
	}
	lookup_source_destroy(s);
}

void lookups_destroy(struct lookups *l)
{
	struct source *s, *next;
	struct lookup_query *q;

	if (!l)
		return;
	HASH_ITER (hh, l->sources, s, next)
		source_abandon(s);
	while ((q = TAILQ_FIRST(&l->ready))) {
		TAILQ_REMOVE(&l->ready, q, place);
		abandon(q);
	}
	loop_unpost(l->loop, &l->tell);
	loop_release_deadline(l->loop, &l->sweep);
	secret_cache_fini(&l->cache);
	free(l);
}
