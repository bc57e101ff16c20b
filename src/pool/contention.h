/*
 * Pools that want more than a common limit allows: whose turn it is, and who gives up
 * what. What the room needs of this besides what pool.h declares.
 */
#ifndef POOLER_POOL_CONTENTION_H
#define POOLER_POOL_CONTENTION_H

#include "pool/pool.h"

/* ---- for pool_demand() ---- */

/* How many of the wanted this limit lets the pool have now. */
unsigned contention_allows(struct pool *p, struct usage *usage, unsigned want,
			   uint64_t now_us);
/* It waits for this limit from here on; it has just got something, or waited for another
 * one or none. */
void contention_block(struct pool *p, struct usage *usage, uint64_t now_us);
/* The pool wants nothing any more. */
void contention_withdraw(struct pool *p, uint64_t now_us);

/* ---- what changes places ---- */

/* Servers are about to begin or cease to be at work: counts their time so far. */
void contention_settle(struct pool *p, uint64_t now_us);
/* Servers were added or removed, or the rules have changed. */
void contention_note_change(struct pool *p, uint64_t now_us);
/* It has an idle server to give away. */
void contention_note_idle(struct pool *p);
/* The pool ends. */
void contention_leave(struct pool *p);

/* Whether its servers are no more than it is guaranteed. */
static inline bool contention_is_guarded(const struct pool *p)
{
	return p->rules.guaranteed > 0 && p->total <= (unsigned)p->rules.guaranteed;
}

/* ---- giving up ---- */

/* Whether a server that becomes free should be closed so that a pool that is owed more
 * can open one in its place. */
bool contention_must_yield(struct pool *p, const struct slot *slot, uint64_t now_us);

/* When an idle server has to go because a pool waits that is owed more, or is to be
 * judged again; CLOCK_NEVER when none waits. */
uint64_t contention_idle_due(const struct pool *p, const struct slot *slot,
			     uint64_t now_us);
/* The same, after those who want nothing any more have lost their turns. */
uint64_t contention_judge_idle(const struct pool *p, const struct slot *slot,
			       uint64_t now_us);

/* When pool_eviction_for() may find one that it does not find now; CLOCK_NEVER when only
 * a server that becomes idle can change that. */
uint64_t contention_next_eviction(const struct pool *p, uint64_t now_us);

/* The longest idle of the pool that has most by weight, for whoever comes before pools;
 * NULL when there is none. */
struct slot *contention_best_offer(struct usage *usage);

/* Pools wait although there is room. */
bool contention_has_room_for_others(const struct usage *usage);

bool contention_is_sound(const struct pool *p);

#endif
