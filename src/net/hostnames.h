/*
 * The host names that were asked for, each with what is known of it and who waits for it.
 *
 * Names come from the configuration, but they need not be few; those whose answer is old
 * leave, and when there are too many the oldest leaves early. Knows nothing of name
 * servers and of time: callers say what time it is, and hostnames_next_us() says when to
 * come back.
 */
#ifndef POOLER_NET_HOSTNAMES_H
#define POOLER_NET_HOSTNAMES_H

/* Adding fails, instead of ending the program, when memory is short. */
#define HASH_NONFATAL_OOM 1
#include <uthash.h>

#include "base/hash.h"
#include "net/resolver.h"

enum { HOSTNAMES_MOST = 4096 };

TAILQ_HEAD(resolver_queries, resolver_query);
TAILQ_HEAD(resolver_names, resolver_name);

struct resolver_name {
	UT_hash_handle hh;
	TAILQ_ENTRY(resolver_name) kept;  /* in answers or failures, unless pending */
	TAILQ_ENTRY(resolver_name) ready; /* in the resolver's list, if is_ready */
	struct resolver *resolver;
	struct resolver_queries waiters;
	struct address *addresses;
	size_t count;
	uint64_t expires_us;
	int status; /* the resolver's own: why there are no addresses */
	bool is_pending;
	bool is_ready;   /* somebody is to be told, or is being told */
	bool is_passing; /* not in the table; gone once told */
	char host[];
};

struct hostnames {
	struct resolver *resolver; /* only handed on to each name */
	struct hash_key hash_key;
	struct resolver_name *table;
	/* In order of expiry, as all in one list live equally long. */
	struct resolver_names answers, failures;
};

/* A name outside of the table, for its waiters alone. NULL when memory is short. */
struct resolver_name *resolver_name_create(struct resolver *resolver, const char *host);
void resolver_name_destroy(struct resolver_name *name); /* nobody may be waiting */

void hostnames_init(struct hostnames *names, struct resolver *resolver);
/* Destroys the names; each must have been kept, and nobody may be waiting. */
void hostnames_fini(struct hostnames *names);

/* NULL when it is not there. An answer that is too old may be found. */
struct resolver_name *hostnames_find(const struct hostnames *names, const char *host);

/* Adds a name that is not there, with nothing known: hostnames_keep() must come. NULL
 * when there is no room, or memory is short. */
struct resolver_name *hostnames_add(struct hostnames *names, const char *host);

/* What was to be known is (its addresses, or that there are none), until then. */
void hostnames_keep(struct hostnames *names, struct resolver_name *name,
		    uint64_t expires_us);

/* Takes what is known out of a kept name, so that it can be asked for again. */
void hostnames_forget(struct hostnames *names, struct resolver_name *name);

/* Destroys the kept names that are too old, but those that are being told. */
void hostnames_sweep(struct hostnames *names, uint64_t now_us);
/* When the next becomes too old, or CLOCK_NEVER. */
uint64_t hostnames_next_us(const struct hostnames *names);

size_t hostnames_count(const struct hostnames *names);

#endif
