/*
 * What the files of the lookup share: queries, connections, sources, and who may call
 * whom. From low to high: lookup_query, lookup_source, lookup_connection, lookup.
 */
#ifndef POOLER_RELAY_LOOKUP_INTERNAL_H
#define POOLER_RELAY_LOOKUP_INTERNAL_H

/* Adding fails, instead of ending the program, when memory is short. */
#define HASH_NONFATAL_OOM 1
#include <uthash.h>

#include "auth/login.h"
#include "base/clock.h"
#include "base/hash.h"
#include "net/sqlclient.h"
#include "relay/lookup.h"
#include "relay/secret_cache.h"

#define LOOKUP_QUERY_TIMEOUT_US (10 * USEC_PER_SEC)
#define LOOKUP_OUT_OF_MEMORY "out of memory"

enum { LOOKUP_TEXT_COUNT = 10 };

enum query_state {
	QUERY_WAITING, /* in its source's `waiting` */
	QUERY_ASKED,   /* its connection's */
	QUERY_READY    /* in `ready`, or being told */
};

TAILQ_HEAD(lookup_list, lookup);
TAILQ_HEAD(query_list, lookup_query);
LIST_HEAD(connection_list, connection);
TAILQ_HEAD(idle_list, connection);

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
	TAILQ_ENTRY(connection) rest; /* in `resting`, if is_resting */
	bool is_resting;
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
	struct idle_list resting; /* open and idle, for longest first */
};

/* ---- queries ---- */

/* NULL when memory is short. The user must not be too long. */
struct lookup_query *lookup_query_create(struct slice user);
void lookup_query_destroy(struct lookup_query *query);

void lookup_join(struct lookup_query *query, struct lookup *lookup);
/* From now on nobody finds it by its user. */
void lookup_stop_joining(struct lookup_query *query);

void lookup_query_note(struct lookup_query *query, const char *problem); /* copies */
/* It is FOUND, with a copy of this secret, or FAILED when memory is short. */
void lookup_query_set_secret(struct lookup_query *query, struct slice text);
/* It has its verdict; all who wait are told before the turn ends. */
void lookup_make_ready(struct lookups *lookups, struct lookup_query *query);

/* Tells without a query. */
void lookup_refuse(struct lookups *lookups, struct lookup *lookup, enum refusal why);
void lookup_init_telling(struct lookups *lookups);

/* ---- sources ---- */

/* What tells a source from others. False when memory is short. */
bool lookup_place_of(const struct lookup_source *from, struct secret_place *out);

struct source *lookup_source_find(const struct lookups *lookups,
				  const struct secret_place *place);
/* NULL when memory is short. */
struct source *lookup_source_create(struct lookups *lookups,
				    const struct secret_place *place,
				    const struct lookup_source *from);
/* It must have neither connections nor queries. */
void lookup_source_destroy(struct source *source);
void lookup_source_drop_if_unused(struct source *source);

void lookup_join_line(struct source *source, struct lookup_query *query);
void lookup_leave_line(struct lookup_query *query);

/* A query that has its verdict leaves its source. */
void lookup_finish(struct lookup_query *query);
void lookup_fail_waiting(struct lookup_query *query, const char *problem);

/* ---- connections ---- */

/* Gives those who wait to connections that are idle, or to new ones. */
void lookup_pump(struct source *source);
/* Nothing may be asked there. */
void lookup_connection_destroy(struct connection *connection);

void lookup_arm_sweep(struct lookups *lookups);

#endif
