/*
 * Sources, found by a digest of all that makes them, and the line of queries at each.
 */
#include "relay/lookup_internal.h"

#include <stdlib.h>

#include "base/check.h"

/* ---- the line of those that wait for a connection ---- */

static void arm_patience(struct source *s)
{
	const struct lookup_query *first = TAILQ_FIRST(&s->waiting);

	loop_arm(s->lookups->loop, &s->patience,
		 first ? first->wait_until_us : CLOCK_NEVER);
}

void lookup_leave_line(struct lookup_query *q)
{
	struct source *s = q->source;

	CHECK(q->state == QUERY_WAITING);
	TAILQ_REMOVE(&s->waiting, q, place);
	s->waiting_count--;
	arm_patience(s);
}

void lookup_join_line(struct source *s, struct lookup_query *q)
{
	uint64_t timeout_us = s->target.connect_timeout_us;

	q->source = s;
	q->wait_until_us =
	    clock_limit(s->lookups->loop->now_us,
			timeout_us ? timeout_us + LOOKUP_QUERY_TIMEOUT_US : 0);
	TAILQ_INSERT_TAIL(&s->waiting, q, place);
	s->waiting_count++;
	arm_patience(s);
}

/* The query has its verdict and is no longer its source's business. */
void lookup_finish(struct lookup_query *q)
{
	struct lookups *l = q->source->lookups;

	lookup_stop_joining(q);
	q->source = NULL;
	lookup_make_ready(l, q);
}

void lookup_fail_waiting(struct lookup_query *q, const char *problem)
{
	lookup_leave_line(q);
	q->verdict = LOOKUP_FAILED;
	lookup_query_note(q, problem);
	lookup_finish(q);
}

static void on_patience(struct deadline *due, uint64_t now_us)
{
	struct source *s =
	    (struct source *)(void *)((char *)due - offsetof(struct source, patience));
	struct lookup_query *q;

	while ((q = TAILQ_FIRST(&s->waiting)) && q->wait_until_us <= now_us)
		lookup_fail_waiting(q, "auth_query waited too long for a connection");
	arm_patience(s);
}

/* ---- sources ---- */

static void list_texts(const struct lookup_source *from,
		       const char *out[LOOKUP_TEXT_COUNT])
{
	const char *const texts[LOOKUP_TEXT_COUNT] = {
	    from->host,   from->dbname,  from->user,        from->password,
	    from->query,  from->sslmode, from->sslrootcert, from->sslcert,
	    from->sslkey, from->sslcrl};

	for (int i = 0; i < LOOKUP_TEXT_COUNT; i++)
		out[i] = texts[i] ? texts[i] : "";
}

/* Each text with its NUL, so that none can run into the next. */
bool lookup_place_of(const struct lookup_source *from, struct secret_place *out)
{
	const char *texts[LOOKUP_TEXT_COUNT];
	struct slice parts[LOOKUP_TEXT_COUNT + 3];

	list_texts(from, texts);
	for (int i = 0; i < LOOKUP_TEXT_COUNT; i++)
		parts[i] = slice_of(texts[i], strlen(texts[i]) + 1);
	parts[LOOKUP_TEXT_COUNT] = slice_of(&from->port, sizeof(from->port));
	parts[LOOKUP_TEXT_COUNT + 1] =
	    slice_of(&from->connect_timeout_us, sizeof(from->connect_timeout_us));
	parts[LOOKUP_TEXT_COUNT + 2] =
	    slice_of(&from->cache_ttl_us, sizeof(from->cache_ttl_us));
	return crypto_sha256(parts, LOOKUP_TEXT_COUNT + 3, out->digest);
}

static unsigned hash_place(const struct lookups *l, const struct secret_place *place)
{
	return hash_short(&l->hash_key, slice_of(place->digest, sizeof(place->digest)));
}

struct source *lookup_source_find(const struct lookups *l,
				  const struct secret_place *place)
{
	struct source *s;

	HASH_FIND_BYHASHVALUE(hh, l->sources, place->digest, sizeof(place->digest),
			      hash_place(l, place), s);
	return s;
}

/* Copies the texts behind the struct and points there. */
static void set_texts(struct source *s, const char *const texts[LOOKUP_TEXT_COUNT])
{
	const char *own[LOOKUP_TEXT_COUNT];
	char *at = s->texts;

	for (int i = 0; i < LOOKUP_TEXT_COUNT; i++) {
		size_t len = strlen(texts[i]) + 1;

		own[i] = memcpy(at, texts[i], len);
		at += len;
	}
	s->query = own[4];
	s->target =
	    (struct sqlclient_target){.host = own[0],
				      .dbname = own[1],
				      .user = own[2],
				      .password = own[3],
				      .sslmode = own[5],
				      .sslrootcert = own[6],
				      .sslcert = own[7],
				      .sslkey = own[8],
				      .sslcrl = own[9],
				      .application_name = "pooler",
				      .query_timeout_us = LOOKUP_QUERY_TIMEOUT_US};
}

static struct source *source_allocate(const struct lookup_source *from)
{
	const char *texts[LOOKUP_TEXT_COUNT];
	size_t len = 0;

	list_texts(from, texts);
	for (int i = 0; i < LOOKUP_TEXT_COUNT; i++)
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

struct source *lookup_source_create(struct lookups *l, const struct secret_place *place,
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

void lookup_source_destroy(struct source *s)
{
	CHECK(!s->joinable && LIST_EMPTY(&s->connections));
	HASH_DELETE(hh, s->lookups->sources, s);
	loop_release_deadline(s->lookups->loop, &s->patience);
	crypto_wipe(s->texts, s->texts_len);
	free(s);
}

void lookup_source_drop_if_unused(struct source *s)
{
	if (LIST_EMPTY(&s->connections) && TAILQ_EMPTY(&s->waiting))
		lookup_source_destroy(s);
}
