/*
 * How many servers a pool wants, and whose turn it is when several pools want more than
 * a common limit allows. What the room needs of this besides what pool.h declares.
 */
#ifndef POOLER_POOL_DEMAND_H
#define POOLER_POOL_DEMAND_H

#include "pool/pool.h"

/* How many servers are on their way for the line: being opened, or free to be. */
unsigned demand_servers_coming(const struct pool *p, uint64_t now_us);

/* Whether a server that has become free should be closed so that a pool in greater need
 * can open one in its place. */
bool demand_must_yield(struct pool *p, const struct slot *slot, uint64_t now_us);

/* Whether its shared limits have room for one more that nobody waits for. */
bool demand_has_spare_room(const struct pool *p);

/* When those who wait for a database that is down are told; in the past without
 * hold_on_failure. */
uint64_t demand_hold_end(const struct pool *p);

/* The pool wants nothing any more. */
void demand_withdraw(struct pool *p);

/* A server was added or removed: the pool's place among the blocked may be another. */
void demand_note_total(struct pool *p);

#endif
