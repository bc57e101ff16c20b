/*
 * How many servers a pool wants. What the room needs of this besides what pool.h
 * declares.
 */
#ifndef POOLER_POOL_DEMAND_H
#define POOLER_POOL_DEMAND_H

#include "pool/pool.h"

/* How many servers are on their way for the line: being opened, or free to be. */
unsigned demand_servers_coming(const struct pool *p, uint64_t now_us);

/* Whether clients wait for whom it would open one now if shared limits let it. */
bool demand_wants_for_line(const struct pool *p, uint64_t now_us);

/* Whether its shared limits have room for one more that nobody waits for. */
bool demand_has_spare_room(const struct pool *p);

/* When those who wait for a database that is down are told; in the past without
 * hold_on_failure. */
uint64_t demand_hold_end(const struct pool *p);

#endif
