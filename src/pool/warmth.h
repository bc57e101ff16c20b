/*
 * Where pools compete for servers that cannot change their user: how long one stays with
 * a pool that does not use it just now, and how long those who wait there make do with
 * the servers that it has.
 *
 * Both are a trade. What is kept warm is not used; what is not has to be opened, and
 * waited for meanwhile. Where work takes now long, now short, a wait about as long as the
 * difference is not noticed, so few are kept; where it always takes the same, it is.
 */
#ifndef POOLER_POOL_WARMTH_H
#define POOLER_POOL_WARMTH_H

#include <stdint.h>

struct pool;

/* How long one of its servers stays idle, though others want it, if the pool has no more
 * than its share. */
uint64_t warmth_time(const struct pool *p);

/* How long the first in its line waits before it gets a server that others use. */
uint64_t warmth_patience(const struct pool *p);

#endif
