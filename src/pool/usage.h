/*
 * What one database, one user, or the whole process uses: servers and clients, over all
 * pools, and the limits they are under. Every limit on servers or clients is read here
 * and nowhere else.
 */
#ifndef POOLER_POOL_USAGE_H
#define POOLER_POOL_USAGE_H

#include <stdbool.h>

/* Adding to a table may fail; then hh.tbl is NULL. */
#ifndef HASH_NONFATAL_OOM
#define HASH_NONFATAL_OOM 1
#endif
#include <uthash.h>

#include "base/hash.h"
#include "pool/gate.h"
#include "pool/share.h"
#include "pool/slot.h"
#include "pool/turns.h"

TAILQ_HEAD(pool_queue, pool);

struct usage {
	UT_hash_handle hh;
	char *name; /* NULL: of the process */
	size_t name_len;
	enum usage_kind kind;
	unsigned holders;      /* pools and clients that point here */
	unsigned servers;      /* opening included */
	unsigned leaving;      /* of these: free, retired, to be closed any moment */
	unsigned claimed;      /* room kept for pools that lack room elsewhere, too */
	unsigned lasting;      /* of the servers: private ones that stay */
	unsigned waiting;      /* private ones that wait for this or another limit */
	unsigned clients;      /* logging in included */
	unsigned weight;       /* of a user: of its clients beside those of others */
	unsigned schema_epoch; /* of a database: changes of its schema that were seen */
	int max_servers;       /* 0 = no limit */
	int max_clients;       /* 0 = no limit */
	struct slots idle; /* that may be given up for others, the longest idle first */
	struct pool_queue pools; /* of a database: its pools */
	struct turns turns;   /* pools with waiters that this limit keeps from opening */
	struct turns lenders; /* pools that may have idle servers, who has most first */
	struct level level;   /* of the pool whose turn was last, while there are any */
	uint64_t clock_us;    /* runs while pools wait; until ticked_us */
	uint64_t ticked_us;
	struct slots waiting_here; /* private servers that this limit keeps waiting */
	struct gate gate;          /* of a database */
};

/* A named set of usages of one kind, by keyed hash. */
struct usages {
	enum usage_kind kind;
	struct hash_key key;
	struct usage *table;
};

void usages_init(struct usages *u, enum usage_kind kind);
void usages_fini(struct usages *u); /* nothing may be held */

/* One that stands alone, without a name. */
void usage_init(struct usage *usage, enum usage_kind kind);
void usage_fini(struct usage *usage); /* no pool may hold it */

/* The one of that name, made if need be; NULL when memory is short. Held until
 * usage_release(). */
struct usage *usages_hold(struct usages *u, struct slice name);
/* NULL when there is none; not held. */
struct usage *usages_find(const struct usages *u, struct slice name);
/* Frees it when nobody holds it and its gate is open. */
void usage_release(struct usages *u, struct usage *usage);

/* For how long pools have waited for this limit, in all. To be called before the first
 * comes and the last goes. */
static inline uint64_t usage_clock(struct usage *usage, uint64_t now_us)
{
	if (now_us <= usage->ticked_us)
		return usage->clock_us;
	if (usage->turns.first)
		usage->clock_us += now_us - usage->ticked_us;
	usage->ticked_us = now_us;
	return usage->clock_us;
}

/* How many more servers fit under the limit; UINT_MAX when there is none. */
unsigned usage_room_for_servers(const struct usage *usage);
/* Whether one more fits under the limit. */
bool usage_has_room_for_server(const struct usage *usage);
bool usage_has_room_for_client(const struct usage *usage);
/* Whether the room that is kept for pools is still there. */
bool usage_holds_claims(const struct usage *usage);
/* Whether there are more servers than the limit allows, after it was lowered. */
bool usage_is_over(const struct usage *usage);

#endif
