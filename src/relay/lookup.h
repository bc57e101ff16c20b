/*
 * Secrets by query (auth_query): over connections of the lookup's own (net/sqlclient),
 * never a pooled server, so that a full pool keeps nobody from logging in.
 *
 * Requests for the same user of the same source that are under way at the same time are
 * one query. Connections per source are few and bounded, are kept for a while, and what
 * waits for one is bounded too. Secrets that were found are kept for auth_cache_ttl; that
 * there is no such user is not, nor that a secret is no use: those ask each time.
 *
 * It takes at most connect_timeout and 10 s to get a turn, and at most the same again
 * (twice, if a kept connection turns out to be dead) to be answered. When no connection
 * can be made and none is there, all who wait for one are told so at once.
 */
#ifndef POOLER_RELAY_LOOKUP_H
#define POOLER_RELAY_LOOKUP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

#include "auth/secret.h"
#include "net/loop.h"

struct lookups;
struct lookup_query;
struct resolver;

enum {
	/* A query takes about a millisecond, so four answer thousands of logins a second;
	   more would only take connections away from the pools. */
	LOOKUP_CONNECTIONS_MOST = 4,
	/* Over all sources: with a "*" entry, strangers choose how many there are. */
	LOOKUP_CONNECTIONS_ALL = 64,
	/* Users, not logins, that wait for one of the connections of a source. */
	LOOKUP_WAITING_MOST = 1000
};

enum lookup_verdict {
	LOOKUP_FOUND,   /* the secret, perhaps SECRET_NONE (the query said NULL) */
	LOOKUP_NO_USER, /* no row */
	LOOKUP_FAILED,  /* could not be found out */
	LOOKUP_FULL     /* too many wait already */
};

struct lookup_answer {
	enum lookup_verdict verdict;
	struct secret secret; /* borrowed during the call */
	bool is_from_cache;
	const char *problem; /* of FAILED and FULL, and of FOUND when the secret was
				malformed (and is SECRET_NONE): for the log, one line;
				else NULL */
};

struct lookup;
typedef void (*lookup_done_fn)(struct lookup *lookup, const struct lookup_answer *answer);

/* Whoever asks embeds one. Zero is valid: nothing is under way. */
struct lookup {
	TAILQ_ENTRY(lookup) place;
	struct lookup_query *query; /* NULL: nothing is under way */
	lookup_done_fn on_done;
};

/* Where to ask: texts borrowed during the call. Sources that differ in anything are
 * different ones. */
struct lookup_source {
	const char *host; /* as in [databases]; "" never: filled in by the caller */
	int port;
	const char *dbname;
	const char *user;     /* auth_user */
	const char *password; /* its password in clear; "" or NULL: libpq may find one */
	const char *query;    /* auth_query */
	/* libpq's sslmode and files; "" where not set */
	const char *sslmode, *sslrootcert, *sslcert, *sslkey, *sslcrl;
	uint64_t connect_timeout_us; /* 0: no limit */
	uint64_t cache_ttl_us;       /* 0: nothing is kept */
};

/* NULL when memory is short. */
struct lookups *lookups_create(struct loop *loop, struct resolver *resolver);
/* Whatever is under way is not answered. Not to be called by an on_done. */
void lookups_destroy(struct lookups *lookups);

/* on_done comes once, never from within this call. */
void lookup_start(struct lookups *lookups, struct lookup *lookup,
		  const struct lookup_source *source, struct slice user,
		  lookup_done_fn on_done);
/* on_done will not come; harmless when nothing is under way. */
void lookup_cancel(struct lookup *lookup);

/* A secret from the cache did not let its user in: the next login asks again. */
void lookup_forget(struct lookups *lookups, const struct lookup_source *source,
		   struct slice user);
/* After a reload: what is cached is forgotten; idle connections are closed, others when
 * they have answered, and nobody joins what they are asked. */
void lookups_reset(struct lookups *lookups);

size_t lookups_connection_count(const struct lookups *lookups);
/* Users whose query has not begun. */
size_t lookups_waiting_count(const struct lookups *lookups);
size_t lookups_cached_count(const struct lookups *lookups);

#endif
