/*
 * Servers outside of a pool's cycle of idle and busy: each is opened for one purpose, is
 * never handed out, and does not count in the pool's size. It does count under the limits
 * of its database, its user and the process, so it may have to stand in line for room
 * there; it comes before pools that wait for the same, and while it waits, one of theirs
 * makes room for it as soon as it is free.
 *
 * Those that stay whether or not a client needs them just now are "lasting". They would
 * leave nothing for queries if they were let, so they take at most half of a limit.
 */
#ifndef POOLER_POOL_PRIVATE_H
#define POOLER_POOL_PRIVATE_H

#include "pool/pool.h"

/* Whether one more lasting one may be added. */
bool pool_may_add_lasting(const struct pool *p);

/* A new slot in state SLOT_PRIVATE, at the end of the line for room, even where there is
 * room. It leaves by pool_remove(), as all slots do. */
void pool_add_private(struct pool *p, struct slot *slot, bool is_lasting,
		      uint64_t now_us);

/* The next in the line of this limit whose server may be opened now: it is off the line
 * and counts as a server. NULL when there is none. To be called until NULL for each
 * usage of a pool after one was added, a server has left, a gate was opened or a limit
 * was raised. */
struct slot *pool_next_private(struct usage *usage);

/* An idle server that should be closed, for private ones that wait for this limit; NULL
 * when there is none, or enough of them are about to go. */
struct slot *pool_eviction_for_private(struct usage *usage);

/* ---- for the room ---- */

/* It stands in line from here on; it does so no more, and counts no more. */
void private_join(struct slot *slot);
void private_leave(struct slot *slot);
/* Whether a server that has become free should make room for one in this line. */
bool private_needs_room(const struct usage *usage);

#endif
