/*
 * All pools, by (database, user), and what databases and users use in all. Unused pools
 * of databases that came from the "*" entry expire.
 */
#ifndef POOLER_POOL_POOLS_H
#define POOLER_POOL_POOLS_H

#include "config/config.h"
#include "pool/pool.h"
#include "pool/usage.h"

struct pools {
	const struct config *config; /* the snapshot in force, counted */
	struct hash_key key;
	struct pool *table;
	struct pool_queue all;    /* in order of creation */
	struct pool_queue unused; /* auto pools nobody uses, the longest unused first */
	size_t count;
	struct usages databases, users;
	struct usage process;
	struct counters gone; /* of pools that expired: totals never drop */
	struct tally tally;   /* of the whole process */
	unsigned paused_all;  /* PAUSE without a database */
};

/* Takes a reference of its own to the snapshot. */
void pools_init(struct pools *pools, const struct config *config, uint64_t now_us);
void pools_fini(struct pools *pools); /* no pool may have clients or servers */

/* The database that clients call by this name: its own entry, or the "*" entry
 * (*out_is_auto); NULL when there is neither. */
const struct database *pools_database(const struct pools *pools, struct slice name,
				      bool *out_is_auto);

/* The pool, or NULL. The user is the one at the server: the forced one where there is
 * one. */
struct pool *pools_find(const struct pools *pools, struct slice database,
			struct slice user);
/* The pool, made if need be with the rules of the configuration in force; NULL when
 * memory is short or there is no such database. */
struct pool *pools_get(struct pools *pools, struct slice database, struct slice user,
		       uint64_t now_us);

/* What a database or a user uses, with the limits in force; NULL when memory is short.
 * Held until usage_release() from pools.databases or pools.users. */
struct usage *pools_hold_database(struct pools *pools, struct slice name);
struct usage *pools_hold_user(struct pools *pools, struct slice name);

/* To be called when a pool may have become used or unused. */
void pools_note_use(struct pools *pools, struct pool *pool, uint64_t now_us);
/* Frees auto pools that have been unused for timeout_us; says when to come back
 * (CLOCK_NEVER for never; at once when there were many). A timeout of 0 is none.
 * on_expire, if given, is called before each is freed. */
uint64_t pools_expire(struct pools *pools, uint64_t now_us, uint64_t timeout_us,
		      void (*on_expire)(struct pool *pool, void *context), void *context);

/* What became of a pool when a new configuration was put in force. */
enum pool_change {
	POOL_SAME,       /* perhaps with other sizes and timeouts */
	POOL_RETARGETED, /* its servers lead to the wrong place now */
	POOL_REMOVED,    /* its database is gone */
};
/* Puts a snapshot in force (takes a reference of its own): every pool gets its new rules
 * and database, every usage its new limits; on_change is told of each pool, and may drop
 * that one. Sizes may have changed: its idle servers are to be judged again, its demand
 * looked at, and its use noted. */
void pools_apply(struct pools *pools, const struct config *config,
		 void (*on_change)(struct pool *pool, enum pool_change change,
				   void *context),
		 void *context);
/* Frees one pool that has no clients and no servers (after POOL_REMOVED or KILL), and
 * whose deadline is not armed. */
void pools_drop(struct pools *pools, struct pool *pool);

#endif
