/*
 * The lanes of one user in a pool's line, and the table of those who have any. Most pools
 * have one user, and no table.
 */
#ifndef POOLER_POOL_FLOW_H
#define POOLER_POOL_FLOW_H

#ifndef HASH_NONFATAL_OOM
#define HASH_NONFATAL_OOM 1
#endif
#include <uthash.h>

#include "config/settings.h"
#include "pool/lane.h"

struct flow {
	UT_hash_handle hh;
	const struct usage *user;
	struct lane lanes[PRIORITY_CLASSES];
	unsigned weight;
	unsigned held; /* by waiters, and by servers at work that owe for their time */
};

struct flows {
	struct flow *table; /* of all but the first */
	struct flow first;  /* of whoever came first */
};

void flows_init(struct flows *flows);
void flows_fini(struct flows *flows); /* nothing may be held */

/* The user's, held until flow_release(). When memory is short it is the first one's:
 * then two take turns together. */
struct flow *flows_hold(struct flows *flows, const struct usage *user, unsigned weight);
void flow_release(struct flows *flows, struct flow *flow);

/* NULL when the user has none. */
struct flow *flows_find(struct flows *flows, const struct usage *user);

#endif
