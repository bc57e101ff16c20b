/*
 * A pool that several full limits hold back would wait for ever if others always took
 * what becomes free under each. So it may claim room under its database's limit and keep
 * it for a moment while it waits for the user's, and under both while it waits for the
 * process's. That order is always the same, so no two pools wait for each other's claims.
 */
#ifndef POOLER_POOL_CLAIMS_H
#define POOLER_POOL_CLAIMS_H

#include "pool/pool.h"

bool claims_has(const struct pool *p, const struct usage *usage);

/* How many more servers this limit has room for, what is kept for this pool included. */
unsigned claims_room(const struct pool *p, const struct usage *usage);

/* Whether it may have room kept under this limit: it has no servers, has waited for long,
 * and not had claims of late. */
bool claims_may(const struct pool *p, const struct usage *usage, uint64_t now_us);

/* Room under the limits before the one that blocks it is kept for a moment. */
void claims_take(struct pool *p, uint64_t now_us);
/* What was claimed is given up when its time is over, or it is there no more. */
void claims_review(struct pool *p, uint64_t now_us);
void claims_drop(struct pool *p);

#endif
