/*
 * Which servers are too old, idle for too long or too many. What the room needs of this
 * besides what pool.h declares.
 */
#ifndef POOLER_POOL_UPKEEP_H
#define POOLER_POOL_UPKEEP_H

#include "pool/pool.h"

/* The end of the life of a server opened at that time: a little before server_lifetime,
 * not the same for all, so that those opened together do not end together. */
uint64_t upkeep_retire_time(const struct rules *rules, uint64_t opened_us);

/* Whether a server that has become free should not be used again. */
bool upkeep_must_retire(const struct pool *p, const struct slot *slot, uint64_t now_us);

#endif
