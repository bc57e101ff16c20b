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

/* server_max_transactions with such a spread; 0 for no limit. */
uint32_t upkeep_transactions_max(const struct rules *rules);

/* Whether it should be replaced, and why. */
enum wear { WEAR_NONE, WEAR_OLD, WEAR_USED_UP, WEAR_BLOATED };
enum wear upkeep_wear(const struct pool *p, const struct slot *slot, uint64_t now_us);

/* Whether somebody would miss a server: there are clients, or all share the pool and it
 * is to be kept warm. */
bool upkeep_is_in_use(const struct pool *p);
/* Whether there are more servers than size and reserve allow. */
bool upkeep_exceeds(const struct pool *p);

/* Whether a server that has become free should not be used again. */
bool upkeep_must_retire(const struct pool *p, const struct slot *slot, uint64_t now_us);

#endif
