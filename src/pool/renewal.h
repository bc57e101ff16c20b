/*
 * Replacing the servers of a pool that are worn out: too old, used for too many
 * transactions, or too large. One at a time, so that a pool that is in use never lacks
 * servers because of it; a successor is warm before its predecessor goes, wherever the
 * limits allow one more for a moment.
 */
#ifndef POOLER_POOL_RENEWAL_H
#define POOLER_POOL_RENEWAL_H

#include <stdbool.h>
#include <stdint.h>

#include "base/clock.h"
#include "pool/slot.h"

struct pool;

/* Between the beginnings of two renewals in a pool. */
#define RENEWAL_PACE_US (20 * USEC_PER_MSEC)
/* How long a successor that is ready waits for a predecessor that is at work again. */
#define RENEWAL_PATIENCE_US USEC_PER_SEC

struct renewal {
	struct slots worn;      /* idle ones that wait for their turn, first come first */
	struct slot *old;       /* whose turn it is; NULL = nobody's */
	struct slot *successor; /* being opened in its place, or after it */
	uint64_t not_before_us; /* the next one begins */
	uint64_t patience_us;   /* end of the wait for old; set while that lasts */
	unsigned owed; /* there were so many servers when one went without a successor:
			  one is due while there are fewer; 0 = none is due */
	bool is_extra; /* both are there: one more than the pool's size is no excess, but
			  not all of them work at a time */
};

void renewal_init(struct renewal *r);

/* ---- for the relay ---- */

enum renewal_step {
	RENEWAL_WAIT,
	RENEWAL_OPEN,   /* open a server, and announce it by pool_add_successor() */
	RENEWAL_RETIRE, /* *out_old: pool_retire() it, and close it if it is idle */
};

/* The next step, to be taken at once. To be asked whenever a server has become free, was
 * opened or has left, and when pool_next_look() has come; before pool_match(). */
enum renewal_step pool_renewal(struct pool *p, uint64_t now_us, struct slot **out_old);

/* In place of pool_add(), after RENEWAL_OPEN. */
void pool_add_successor(struct pool *p, struct slot *slot, uint64_t now_us);

/* An idle one that pool_judge_idle() wants to be renewed. */
void pool_note_worn(struct pool *p, struct slot *slot);

/* Whether pool_renewal() has something to do, now or later. */
bool pool_is_renewing(const struct pool *p);

/* ---- for the room ---- */

/* One has become free: if it is worn out, its turn will come. */
void renewal_note_free(struct pool *p, struct slot *slot, uint64_t now_us);
/* One is not idle any more. */
void renewal_note_taken(struct pool *p, struct slot *slot);
/* One is open. */
void renewal_note_opened(struct pool *p, const struct slot *slot, uint64_t now_us);
/* One leaves the pool. */
void renewal_note_removed(struct pool *p, struct slot *slot, uint64_t now_us);
/* Whether its turn has come or will come. */
static inline bool renewal_has(const struct renewal *r, const struct slot *slot)
{
	return slot->is_worn || slot == r->old;
}
/* When to ask again; CLOCK_NEVER when something else has to happen first. */
uint64_t renewal_due(const struct pool *p, uint64_t now_us);

bool renewal_is_sound(const struct pool *p);

#endif
