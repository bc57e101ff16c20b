/*
 * Queries, the connections that ask them, and who waits for them.
 *
 * A query is waiting for a connection, asked, or ready. All who wait are told by one
 * task, from the list of the ready, so nobody is called from within a call of his own
 * or from within libpq's. What cannot even become a query (no memory, too many) is told
 * through three queries that are always there.
 */
#include "relay/lookup.h"

#include <stdio.h>
#include <stdlib.h>

/* Adding fails, instead of ending the program, when memory is short. */
#define HASH_NONFATAL_OOM 1
#include <uthash.h>

#include "auth/login.h"
#include "base/check.h"
#include "base/clock.h"
#include "base/hash.h"
#include "net/sqlclient.h"
#include "relay/secret_cache.h"

#define QUERY_TIMEOUT_US (10 * USEC_PER_SEC)
/* Longer than the pauses between logins of a busy pooler, short enough that a quiet one
 * keeps no server process busy. */
#define IDLE_US (60 * USEC_PER_SEC)

enum { PROBLEM_LEN = 480, TEXT_COUNT = 10 };

enum query_state {
	QUERY_WAITING, /* in its source's `waiting` */
	QUERY_ASKED,   /* its connection's */
	QUERY_READY    /* in `ready`, or being told */
};

TAILQ_HEAD(lookup_list, lookup);
TAILQ_HEAD(query_list, lookup_query);
LIST_HEAD(connection_list, connection);

struct lookup_query {
	UT_hash_handle hh; /* in its source's `joinable`, if is_joinable */
	TAILQ_ENTRY(lookup_query) place;
	struct lookup_list lookups;
	struct source *source; /* NULL when ready */
	enum query_state state;
	bool is_joinable;
	bool is_lasting; /* a refusal: part of struct lookups */
	bool is_listed;  /* of a refusal: in `ready` */
	bool is_from_cache;
	enum lookup_verdict verdict;
	uint64_t wait_until_us;
	uint8_t *secret; /* wiped with the query */
	size_t secret_len;
	const char *problem;
	char *own_problem; /* the same, where it is not static */
	char user[LOGIN_USER_MAX + 1];
};

struct connection {
	LIST_ENTRY(connection) place;
	struct source *source;
	struct sqlclient client;
	struct deadline idle;
	struct lookup_query *query; /* NULL: idle */
	bool is_old;                /* from before a reset */
};

struct source {
	UT_hash_handle hh;
	struct secret_place place;
	struct lookups *lookups;
	struct connection_list connections;
	unsigned connection_count;
	struct lookup_query *joinable; /* by user */
	struct query_list waiting;     /* in order of arrival */
	unsigned waiting_count;
	struct deadline patience; /* of the first who waits */
	struct sqlclient_target target;
	const char *query;
	uint64_t cache_ttl_us;
	size_t texts_len;
	char texts[]; /* what the target and the query point to; holds a password */
};

enum refusal { REFUSAL_NO_USER, REFUSAL_FULL, REFUSAL_MEMORY, REFUSAL_COUNT };

struct lookups {
	struct loop *loop;
	struct resolver *resolver;
	struct hash_key hash_key;
	struct source *sources;
	struct query_list ready;
	struct loop_task tell;
	struct secret_cache cache;
	struct deadline sweep;
	struct lookup_query refusals[REFUSAL_COUNT];
	size_t connection_count;
};

static const char out_of_memory[] = "out of memory";

/* ---- queries ---- */

static void query_destroy(struct lookup_query *q)
{
	if (q->secret)
		crypto_wipe(q->secret, q->secret_len);
	free(q->secret);
	free(q->own_problem);
	free(q);
}

static struct lookup_query *query_create(struct slice user)
{
	struct lookup_query *q = calloc(1, sizeof(*q));

	if (!q)
		return NULL;
	TAILQ_INIT(&q->lookups);
	memcpy(q->user, user.data, user.len);
	return q;
}

static void join(struct lookup_query *q, struct lookup *lookup)
{
	lookup->query = q;
	TAILQ_INSERT_TAIL(&q->lookups, lookup, place);
}

static void stop_joining(struct lookup_query *q)
{
	if (q->is_joinable)
		HASH_DELETE(hh, q->source->joinable, q);
	q->is_joinable = false;
}

static void make_ready(struct lookups *l, struct lookup_query *q)
{
	q->state = QUERY_READY;
	TAILQ_INSERT_TAIL(&l->ready, q, place);
	loop_post(l->loop, &l->tell);
}

static void note_problem(struct lookup_query *q, const char *text)
{
	free(q->own_problem);
	q->own_problem = strdup(text);
	q->problem = q->own_problem ? q->own_problem : out_of_memory;
}

static void set_secret(struct lookup_query *q, struct slice text)
{
	q->verdict = LOOKUP_FOUND;
	if (text.len == 0)
		return;
	q->secret = malloc(text.len);
	if (!q->secret) {
		q->verdict = LOOKUP_FAILED;
		q->problem = out_of_memory;
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
		query_destroy(q);
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

static void refuse(struct lookups *l, struct lookup *lookup, enum refusal why)
{
	struct lookup_query *q = &l->refusals[why];

	join(q, lookup);
	if (q->is_listed)
		return;
	q->is_listed = true;
	make_ready(l, q);
}

/* ---- the line of those that wait for a connection ---- */

static void arm_patience(struct source *s)
{
	const struct lookup_query *first = TAILQ_FIRST(&s->waiting);

	loop_arm(s->lookups->loop, &s->patience,
		 first ? first->wait_until_us : CLOCK_NEVER);
}

static void leave_line(struct lookup_query *q)
{
	struct source *s = q->source;

	CHECK(q->state == QUERY_WAITING);
	TAILQ_REMOVE(&s->waiting, q, place);
	s->waiting_count--;
	arm_patience(s);
}

static void join_line(struct source *s, struct lookup_query *q)
{
	uint64_t timeout_us = s->target.connect_timeout_us;

	q->source = s;
	q->wait_until_us = clock_limit(s->lookups->loop->now_us,
				       timeout_us ? timeout_us + QUERY_TIMEOUT_US : 0);
	TAILQ_INSERT_TAIL(&s->waiting, q, place);
	s->waiting_count++;
	arm_patience(s);
}

/* The query has its verdict and is no longer its source's business. */
static void finish(struct lookup_query *q)
{
	struct lookups *l = q->source->lookups;

	stop_joining(q);
	q->source = NULL;
	make_ready(l, q);
}

static void fail_waiting(struct lookup_query *q, const char *problem)
{
	leave_line(q);
	q->verdict = LOOKUP_FAILED;
	note_problem(q, problem);
	finish(q);
}

/* ---- sources ---- */

static void source_destroy(struct source *s)
{
	CHECK(!s->joinable && LIST_EMPTY(&s->connections));
	HASH_DELETE(hh, s->lookups->sources, s);
	loop_release_deadline(s->lookups->loop, &s->patience);
	crypto_wipe(s->texts, s->texts_len);
	free(s);
}

static void drop_if_unused(struct source *s)
{
	if (LIST_EMPTY(&s->connections) && TAILQ_EMPTY(&s->waiting))
		source_destroy(s);
}

static void connection_destroy(struct connection *c)
{
	struct source *s = c->source;

	CHECK(!c->query);
	loop_release_deadline(s->lookups->loop, &c->idle);
	sqlclient_fini(&c->client);
	LIST_REMOVE(c, place);
	s->connection_count--;
	s->lookups->connection_count--;
	free(c);
}

/* ---- answers ---- */

static void arm_sweep(struct lookups *l)
{
	loop_arm(l->loop, &l->sweep, secret_cache_next_us(&l->cache));
}

static void cache_secret(const struct connection *c, const struct lookup_query *q,
			 struct slice text)
{
	const struct source *s = c->source;
	struct lookups *l = s->lookups;

	if (s->cache_ttl_us == 0 || c->is_old)
		return;
	secret_cache_keep(&l->cache, &s->place, slice_of_text(q->user), text,
			  l->loop->now_us + s->cache_ttl_us);
	arm_sweep(l);
}

static void judge_row(const struct connection *c, struct lookup_query *q,
		      const struct sqlclient_field *fields)
{
	struct secret secret;

	/* Never let anybody in with another's secret. */
	if (fields[0].is_null || !slice_is_text(fields[0].text, q->user)) {
		q->verdict = LOOKUP_FAILED;
		q->problem =
		    "auth_query returned another user than the one it was asked for";
		return;
	}
	q->verdict = LOOKUP_FOUND;
	if (fields[1].is_null)
		return;
	if (!secret_parse(fields[1].text, &secret)) {
		q->problem = "auth_query returned a malformed secret";
		return;
	}
	set_secret(q, secret.text);
	if (secret.kind != SECRET_NONE && q->verdict == LOOKUP_FOUND)
		cache_secret(c, q, secret.text);
}

static void fail(struct lookup_query *q, const char *what, const char *problem)
{
	char text[PROBLEM_LEN];

	snprintf(text, sizeof(text), "%s: %s", what, problem);
	q->verdict = LOOKUP_FAILED;
	note_problem(q, text);
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
		fail(q, "could not connect to run auth_query", answer->problem);
		break;
	case SQLCLIENT_LOST:
		fail(q, "auth_query was not answered", answer->problem);
		break;
	}
}

/* ---- connections ---- */

static void ask(struct connection *c, struct lookup_query *q);
static void pump(struct source *s);

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

	snprintf(text, sizeof(text), "could not connect to run auth_query: %s", problem);
	while ((q = TAILQ_FIRST(&s->waiting)))
		fail_waiting(q, text);
}

static void on_answer(struct sqlclient *client, const struct sqlclient_answer *answer)
{
	struct connection *c =
	    (struct connection *)(void *)((char *)client -
					  offsetof(struct connection, client));
	struct lookup_query *q = c->query;
	struct source *s = c->source;

	judge(c, q, answer);
	finish(q);
	c->query = NULL;
	if (c->is_old || !sqlclient_is_open(client))
		connection_destroy(c);
	else
		loop_arm(s->lookups->loop, &c->idle, s->lookups->loop->now_us + IDLE_US);
	if (answer->outcome == SQLCLIENT_UNREACHED && !has_open(s))
		fail_line(s, answer->problem);
	pump(s);
	drop_if_unused(s);
}

static void on_idle(struct deadline *due, uint64_t now_us)
{
	struct connection *c =
	    (struct connection *)(void *)((char *)due -
					  offsetof(struct connection, idle));
	struct source *s = c->source;

	(void)now_us;
	connection_destroy(c);
	drop_if_unused(s);
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

	leave_line(q);
	q->state = QUERY_ASKED;
	c->query = q;
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

static void pump(struct source *s)
{
	struct lookup_query *q;

	while ((q = TAILQ_FIRST(&s->waiting))) {
		struct connection *c = find_idle(s);

		if (!c && s->connection_count < LOOKUP_CONNECTIONS_MOST)
			c = connection_create(s);
		if (c)
			ask(c, q);
		else if (s->connection_count == 0)
			fail_waiting(q, out_of_memory);
		else
			return;
	}
}

static void on_patience(struct deadline *due, uint64_t now_us)
{
	struct source *s =
	    (struct source *)(void *)((char *)due - offsetof(struct source, patience));
	struct lookup_query *q;

	while ((q = TAILQ_FIRST(&s->waiting)) && q->wait_until_us <= now_us)
		fail_waiting(q, "auth_query waited too long for a connection");
	arm_patience(s);
}

/* ---- finding the source ---- */

static void list_texts(const struct lookup_source *from, const char *out[TEXT_COUNT])
{
	const char *const texts[TEXT_COUNT] = {
	    from->host,   from->dbname,  from->user,        from->password,
	    from->query,  from->sslmode, from->sslrootcert, from->sslcert,
	    from->sslkey, from->sslcrl};

	for (int i = 0; i < TEXT_COUNT; i++)
		out[i] = texts[i] ? texts[i] : "";
}

/* Each text with its NUL, so that none can run into the next. */
static bool place_of(const struct lookup_source *from, struct secret_place *out)
{
	const char *texts[TEXT_COUNT];
	struct slice parts[TEXT_COUNT + 3];

	list_texts(from, texts);
	for (int i = 0; i < TEXT_COUNT; i++)
		parts[i] = slice_of(texts[i], strlen(texts[i]) + 1);
	parts[TEXT_COUNT] = slice_of(&from->port, sizeof(from->port));
	parts[TEXT_COUNT + 1] =
	    slice_of(&from->connect_timeout_us, sizeof(from->connect_timeout_us));
	parts[TEXT_COUNT + 2] = slice_of(&from->cache_ttl_us, sizeof(from->cache_ttl_us));
	return crypto_sha256(parts, TEXT_COUNT + 3, out->digest);
}

static unsigned hash_place(const struct lookups *l, const struct secret_place *place)
{
	return hash_short(&l->hash_key, slice_of(place->digest, sizeof(place->digest)));
}

static struct source *source_find(const struct lookups *l,
				  const struct secret_place *place)
{
	struct source *s;

	HASH_FIND_BYHASHVALUE(hh, l->sources, place->digest, sizeof(place->digest),
			      hash_place(l, place), s);
	return s;
}

/* Copies the texts behind the struct and points there. */
static void set_texts(struct source *s, const char *const texts[TEXT_COUNT])
{
	const char *own[TEXT_COUNT];
	char *at = s->texts;

	for (int i = 0; i < TEXT_COUNT; i++) {
		size_t len = strlen(texts[i]) + 1;

		own[i] = memcpy(at, texts[i], len);
		at += len;
	}
	s->query = own[4];
	s->target = (struct sqlclient_target){.host = own[0],
					      .dbname = own[1],
					      .user = own[2],
					      .password = own[3],
					      .sslmode = own[5],
					      .sslrootcert = own[6],
					      .sslcert = own[7],
					      .sslkey = own[8],
					      .sslcrl = own[9],
					      .application_name = "pooler",
					      .query_timeout_us = QUERY_TIMEOUT_US};
}

static struct source *source_allocate(const struct lookup_source *from)
{
	const char *texts[TEXT_COUNT];
	size_t len = 0;

	list_texts(from, texts);
	for (int i = 0; i < TEXT_COUNT; i++)
		len += strlen(texts[i]) + 1;
	struct source *s = calloc(1, sizeof(*s) + len);
	if (!s)
		return NULL;
	s->texts_len = len;
	set_texts(s, texts);
	s->target.port = from->port;
	s->target.connect_timeout_us = from->connect_timeout_us;
	s->cache_ttl_us = from->cache_ttl_us;
	TAILQ_INIT(&s->waiting);
	LIST_INIT(&s->connections);
	s->patience.on_due = on_patience;
	return s;
}

static struct source *source_create(struct lookups *l, const struct secret_place *place,
				    const struct lookup_source *from)
{
	struct source *s = source_allocate(from);

	if (!s)
		return NULL;
	s->lookups = l;
	s->place = *place;
	if (loop_reserve_deadline(l->loop)) {
		HASH_ADD_BYHASHVALUE(hh, l->sources, place.digest,
				     sizeof(s->place.digest), hash_place(l, place), s);
		if (s->hh.tbl)
			return s;
		loop_release_deadline(l->loop, &s->patience);
	}
	crypto_wipe(s->texts, s->texts_len);
	free(s);
	return NULL;
}

/* ---- asking ---- */

static bool answer_from_cache(struct lookups *l, struct lookup *lookup,
			      const struct secret_place *place, struct slice user)
{
	struct slice text;

	if (!secret_cache_find(&l->cache, place, user, l->loop->now_us, &text))
		return false;
	struct lookup_query *q = query_create(user);
	if (!q) {
		refuse(l, lookup, REFUSAL_MEMORY);
		return true;
	}
	q->is_from_cache = true;
	set_secret(q, text);
	join(q, lookup);
	make_ready(l, q);
	return true;
}

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
		join(q, lookup);
		return;
	}
	if (s->waiting_count >= LOOKUP_WAITING_MOST) {
		refuse(l, lookup, REFUSAL_FULL);
		return;
	}
	q = query_create(user);
	if (q)
		HASH_ADD_KEYPTR_BYHASHVALUE(hh, s->joinable, q->user, user.len, hash, q);
	if (!q || !q->hh.tbl) {
		free(q);
		refuse(l, lookup, REFUSAL_MEMORY);
		return;
	}
	q->is_joinable = true;
	join(q, lookup);
	join_line(s, q);
	pump(s);
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
		refuse(l, lookup, REFUSAL_NO_USER);
		return;
	}
	if (!place_of(from, &place)) {
		refuse(l, lookup, REFUSAL_MEMORY);
		return;
	}
	if (answer_from_cache(l, lookup, &place, user))
		return;
	struct source *s = source_find(l, &place);
	if (!s)
		s = source_create(l, &place, from);
	if (!s) {
		refuse(l, lookup, REFUSAL_MEMORY);
		return;
	}
	ask_source(s, lookup, user);
	drop_if_unused(s);
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
	leave_line(q);
	stop_joining(q);
	query_destroy(q);
	drop_if_unused(s);
}

void lookup_forget(struct lookups *l, const struct lookup_source *from, struct slice user)
{
	struct secret_place place;

	if (user.len > LOGIN_USER_MAX)
		return;
	if (place_of(from, &place))
		secret_cache_forget(&l->cache, &place, user);
	else
		secret_cache_clear(&l->cache);
	arm_sweep(l);
}

/* ---- all of them ---- */

static void on_sweep(struct deadline *due, uint64_t now_us)
{
	struct lookups *l =
	    (struct lookups *)(void *)((char *)due - offsetof(struct lookups, sweep));

	secret_cache_sweep(&l->cache, now_us);
	arm_sweep(l);
}

static void init_refusals(struct lookups *l)
{
	l->refusals[REFUSAL_NO_USER].verdict = LOOKUP_NO_USER;
	l->refusals[REFUSAL_FULL].verdict = LOOKUP_FULL;
	l->refusals[REFUSAL_FULL].problem = "too many users wait for auth_query";
	l->refusals[REFUSAL_MEMORY].verdict = LOOKUP_FAILED;
	l->refusals[REFUSAL_MEMORY].problem = out_of_memory;
	for (int i = 0; i < REFUSAL_COUNT; i++) {
		l->refusals[i].is_lasting = true;
		l->refusals[i].state = QUERY_READY;
		TAILQ_INIT(&l->refusals[i].lookups);
	}
}

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
	l->tell.run = tell_all;
	l->sweep.on_due = on_sweep;
	TAILQ_INIT(&l->ready);
	secret_cache_init(&l->cache);
	init_refusals(l);
	return l;
}

static void retire(struct connection *c)
{
	if (!c->query) {
		connection_destroy(c);
		return;
	}
	c->is_old = true;
	stop_joining(c->query);
}

void lookups_reset(struct lookups *l)
{
	struct source *s, *next_source;
	struct connection *c, *next;

	secret_cache_clear(&l->cache);
	arm_sweep(l);
	HASH_ITER (hh, l->sources, s, next_source) {
		for (c = LIST_FIRST(&s->connections); c; c = next) {
			next = LIST_NEXT(c, place);
			retire(c);
		}
		pump(s);
		drop_if_unused(s);
	}
}

size_t lookups_connection_count(const struct lookups *l)
{
	return l->connection_count;
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
		query_destroy(q);
}

static void source_abandon(struct source *s)
{
	struct lookup_query *q;
	struct connection *c;

	while ((q = TAILQ_FIRST(&s->waiting))) {
		leave_line(q);
		stop_joining(q);
		abandon(q);
	}
	while ((c = LIST_FIRST(&s->connections))) {
		q = c->query;
		c->query = NULL;
		connection_destroy(c);
		if (!q)
			continue;
		stop_joining(q);
		abandon(q);
	}
	source_destroy(s);
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
