/*
 * Under a shared limit, whoever has used least by weight is owed most and comes first,
 * and before all those who have less than they are guaranteed. Places in turn are checked
 * only when they matter: a pool may stand there for a while after its clients have gone,
 * and what it has used meanwhile is counted when it is first.
 *
 * Servers change hands slowly. One that is needed where it is goes only to a pool that
 * has fewer by weight and waits for longer than its own servers explain, so numbers
 * settle at what weights say; where that is no whole number, what was used decides who
 * has one more for the moment. One that is idle goes soon if its pool has more than its
 * share, and is kept warm for a while if not.
 */
#include "pool/contention.h"

#include <limits.h>

#include "base/check.h"
#include "base/clock.h"
#include "pool/claims.h"
#include "pool/demand.h"
#include "pool/private.h"
#include "pool/warmth.h"

/* How long a server serves its pool before it may have to yield to another: what opening
 * costs should be small against it. */
#define YIELD_AFTER_US (500 * USEC_PER_MSEC)

/* How long one stays idle that could go at once, but is younger than that. */
#define SPARE_US (50 * USEC_PER_MSEC)

/* How soon a pool looks again that other limits kept from looking. */
#define LOOK_AGAIN_US (500 * USEC_PER_MSEC)

/* How many places that are out of date are put right at a time. */
enum { PUT_RIGHT_AT_ONCE = 16 };

static struct pool *pool_of_turn(struct turn *t)
{
	return t ? (struct pool *)(void *)((char *)t - offsetof(struct pool, turn))
		 : NULL;
}

static struct pool *pool_of_offer(struct turn *t, enum usage_kind kind)
{
	size_t at = offsetof(struct pool, offers) + kind * sizeof(struct turn);

	return t ? (struct pool *)(void *)((char *)t - at) : NULL;
}

static struct pool *first_blocked(const struct usage *usage)
{
	return pool_of_turn(usage->turns.first);
}

bool contention_has_room_for_others(const struct usage *usage)
{
	return usage->turns.first && usage_has_room_for_server(usage);
}

/* ---- what was used ---- */

void contention_settle(struct pool *p, uint64_t now_us)
{
	unsigned working = p->counts[SLOT_BUSY] + p->counts[SLOT_CLEANING];

	for (unsigned i = 0; i < USAGES_EACH; i++)
		share_settle(&p->share, i, working, usage_clock(p->usages[i], now_us));
}

static bool is_privileged(const struct pool *p)
{
	return p->total < (unsigned)p->rules.guaranteed;
}

static double due_of(const struct pool *p)
{
	return share_due(&p->share, p->blocked_by->kind, p->total);
}

/* Its place is where it belongs now. False when it was already. */
static bool put_right(struct pool *p, uint64_t now_us)
{
	contention_settle(p, now_us);
	bool is_right = p->turn.is_privileged == is_privileged(p) &&
			!(p->turn.due < due_of(p)) && !(p->turn.due > due_of(p));
	if (!is_right)
		turns_change(&p->blocked_by->turns, &p->turn, is_privileged(p),
			     due_of(p));
	return !is_right;
}

/* ---- places ---- */

static void unblock(struct pool *p, uint64_t now_us)
{
	if (!p->blocked_by)
		return;
	usage_clock(p->blocked_by, now_us);
	turns_leave(&p->blocked_by->turns, &p->turn);
	p->blocked_by = NULL;
}

void contention_block(struct pool *p, struct usage *usage, uint64_t now_us)
{
	bool is_new = p->blocked_by != usage;

	unblock(p, now_us);
	contention_settle(p, now_us);
	if (!usage->turns.first)
		usage->level = share_level(&p->share, usage->kind);
	else if (is_new)
		share_meet(&p->share, &usage->level, usage->kind);
	p->blocked_by = usage;
	p->turn.is_privileged = is_privileged(p);
	p->turn.due = due_of(p);
	turns_join(&usage->turns, &p->turn);
}

static struct turn offer_terms(const struct pool *p)
{
	bool is_guarded = contention_is_guarded(p);

	/* Who has most by weight comes first, who should keep what it has comes last. */
	return (struct turn){.due = is_guarded ? 1 : -(double)p->total / p->share.weight};
}

void contention_note_idle(struct pool *p)
{
	struct turn terms = offer_terms(p);

	for (int i = 0; i < USAGES_EACH; i++) {
		if (turn_is_taken(&p->offers[i]))
			continue;
		p->offers[i] = terms;
		turns_join(&p->usages[i]->lenders, &p->offers[i]);
	}
}

static void put_offers_right(struct pool *p)
{
	struct turn terms = offer_terms(p);

	for (int i = 0; i < USAGES_EACH; i++)
		if (turn_is_taken(&p->offers[i]))
			turns_change(&p->usages[i]->lenders, &p->offers[i], false,
				     terms.due);
}

/* ---- changes ---- */

void contention_withdraw(struct pool *p, uint64_t now_us)
{
	unblock(p, now_us);
	claims_drop(p);
}

void contention_leave(struct pool *p)
{
	contention_withdraw(p, 0);
	for (int i = 0; i < USAGES_EACH; i++)
		if (turn_is_taken(&p->offers[i]))
			turns_leave(&p->usages[i]->lenders, &p->offers[i]);
}

void contention_note_change(struct pool *p, uint64_t now_us)
{
	if (p->total > 0)
		claims_drop(p);
	if (p->blocked_by)
		put_right(p, now_us);
	put_offers_right(p);
}

/* ---- turns ---- */

/* Another limit without room for it, so that room under this one does not help; NULL when
 * there is none. Room that it could claim does help where it is to be had first. */
static struct usage *other_obstacle(const struct pool *p, const struct usage *usage,
				    uint64_t now_us)
{
	bool may_wait = claims_may(p, usage, now_us);

	for (unsigned i = 0; i < USAGES_EACH; i++) {
		if (p->usages[i] == usage || claims_room(p, p->usages[i]) > 0)
			continue;
		if (!may_wait || i < usage->kind)
			return p->usages[i];
	}
	return NULL;
}

/* Whether a blocked pool could use room under this limit; if not, it has no business to
 * stand there. */
static bool keeps_its_turn(struct pool *p, struct usage *usage, uint64_t now_us)
{
	if (!demand_wants_for_line(p, now_us)) {
		unblock(p, now_us);
		return false;
	}
	struct usage *other = other_obstacle(p, usage, now_us);
	if (!other)
		return true;
	contention_block(p, other, now_us);
	return false;
}

/* The one that is owed most. */
static struct pool *most_owed(struct usage *usage, uint64_t now_us)
{
	struct pool *p = first_blocked(usage);

	for (int i = 0; p && i < PUT_RIGHT_AT_ONCE && put_right(p, now_us); i++)
		p = first_blocked(usage);
	return p;
}

/* The first that could use room; each that could not is asked only once. */
static struct pool *whose_turn(struct usage *usage, uint64_t now_us)
{
	struct pool *p;

	while ((p = most_owed(usage, now_us)) && !keeps_its_turn(p, usage, now_us))
		;
	if (p && !p->turn.is_privileged)
		usage->level = share_level(&p->share, usage->kind);
	return p;
}

struct pool *pool_next_blocked(struct usage *usage, uint64_t now_us)
{
	return usage_has_room_for_server(usage) ? whose_turn(usage, now_us) : NULL;
}

static unsigned at_most(unsigned a, unsigned b)
{
	return a < b ? a : b;
}

unsigned contention_allows(struct pool *p, struct usage *usage, unsigned want,
			   uint64_t now_us)
{
	unsigned room = claims_room(p, usage);
	struct pool *first;

	if (claims_has(p, usage) || room == 0 || !usage->turns.first)
		return at_most(want, room);
	first = whose_turn(usage, now_us);
	if (first && first != p)
		return 0;
	/* Whoever keeps others back gets one at a time. */
	return first && first->turn.left ? at_most(want, 1) : at_most(want, room);
}

/* ---- giving up ---- */

/* Whether p keeps at least as much, by weight, when it gives q one. */
static bool has_more_than_its_share(const struct pool *p, const struct pool *q)
{
	return !share_is_more(&q->share, q->total + 1, &p->share, p->total);
}

/* When q may have this one, which is idle since then; CLOCK_NEVER for never. */
static uint64_t lending_due(const struct slot *slot, uint64_t idle_us,
			    const struct pool *q)
{
	const struct pool *p = slot->pool;
	bool is_guarded = contention_is_guarded(p);

	if (is_guarded && !is_privileged(q))
		return CLOCK_NEVER;
	if (has_more_than_its_share(p, q) || (!is_guarded && is_privileged(q)))
		return clock_earlier(slot->opened_us + YIELD_AFTER_US,
				     idle_us + SPARE_US);
	return idle_us + warmth_time(p);
}

/* What it gave away is not asked for again before it has gone. */
static bool is_sought(const struct usage *usage)
{
	return usage->turns.first && usage->leaving == 0 &&
	       !usage_has_room_for_server(usage);
}

/* Whether p gives up to q a server that it could use. Only if q would then come first:
 * what is given up must not come back. */
static bool gives_way(const struct pool *p, const struct pool *q, const struct slot *slot,
		      const struct usage *usage, uint64_t now_us)
{
	bool is_guarded = contention_is_guarded(p);

	if (is_guarded != is_privileged(q))
		return !is_guarded;
	return clock_since(now_us, slot->opened_us) >= YIELD_AFTER_US &&
	       (q->total == 0 || pool_longest_wait(q, now_us) >= warmth_patience(q)) &&
	       share_is_more(&p->share, p->total, &q->share, q->total) &&
	       share_is_ahead(&p->share, &q->share, usage->kind) &&
	       q->turn.due < share_due(&p->share, usage->kind, p->total - 1);
}

/* Whether its own clients have a use for a server that is free. */
static bool needs_it_itself(const struct pool *p)
{
	return p->line.count > 0 && !pool_is_paused(p);
}

static bool owes_to(struct pool *p, struct usage *usage, const struct slot *slot,
		    uint64_t now_us)
{
	if (private_needs_room(usage))
		return true;
	if (!is_sought(usage))
		return false;
	struct pool *q = whose_turn(usage, now_us);
	if (!q || q == p)
		return false;
	if (!needs_it_itself(p))
		return lending_due(slot, now_us, q) <= now_us;
	if (p->blocked_by != usage && !q->turn.is_privileged)
		share_meet(&p->share, &usage->level, usage->kind);
	return gives_way(p, q, slot, usage, now_us);
}

bool contention_must_yield(struct pool *p, const struct slot *slot, uint64_t now_us)
{
	contention_settle(p, now_us);
	for (int i = 0; i < USAGES_EACH; i++)
		if (owes_to(p, p->usages[i], slot, now_us))
			return true;
	return false;
}

/* When it has to go for this limit, or when to look again: that may be earlier if it is
 * the turn of another pool then. The longer it has been idle, the later. */
static uint64_t sought_due(const struct pool *p, const struct slot *slot,
			   const struct usage *usage, uint64_t now_us)
{
	const struct pool *q = first_blocked(usage);

	if (!q || q == p)
		return CLOCK_NEVER;
	uint64_t idle_us = clock_since(now_us, slot->since_us);
	uint64_t again_us = now_us + (idle_us > SPARE_US ? idle_us : SPARE_US);
	if (!is_sought(usage) || !demand_wants_for_line(q, now_us) ||
	    other_obstacle(q, usage, now_us))
		return again_us;
	return clock_earlier(lending_due(slot, slot->since_us, q), again_us);
}

uint64_t contention_idle_due(const struct pool *p, const struct slot *slot,
			     uint64_t now_us)
{
	uint64_t due_us = CLOCK_NEVER;

	if (needs_it_itself(p))
		return due_us;
	for (int i = 0; i < USAGES_EACH; i++)
		due_us = clock_earlier(due_us, sought_due(p, slot, p->usages[i], now_us));
	return due_us;
}

uint64_t contention_judge_idle(const struct pool *p, const struct slot *slot,
			       uint64_t now_us)
{
	for (int i = 0; i < USAGES_EACH; i++)
		if (is_sought(p->usages[i]))
			whose_turn(p->usages[i], now_us);
	return contention_idle_due(p, slot, now_us);
}

/* ---- eviction ---- */

/* Whether or not its own clients could have it just now. */
static bool has_idle(const struct pool *p)
{
	return p->counts[SLOT_IDLE] > p->leaving;
}

static struct slot *longest_idle(const struct pool *p)
{
	return p->first_retired ? TAILQ_PREV(p->first_retired, slots, place)
				: TAILQ_LAST(&p->slots[SLOT_IDLE], slots);
}

/* Those that have none any more lose their places here, only some at a time. */
struct slot *contention_best_offer(struct usage *usage)
{
	struct pool *p;

	for (int i = 0; i < PUT_RIGHT_AT_ONCE; i++) {
		p = pool_of_offer(usage->lenders.first, usage->kind);
		if (!p || has_idle(p))
			return p ? longest_idle(p) : NULL;
		turns_leave(&usage->lenders, &p->offers[usage->kind]);
	}
	return NULL;
}

static bool have_the_same(const struct pool *a, const struct pool *b)
{
	return !share_is_more(&a->share, a->total, &b->share, b->total) &&
	       !share_is_more(&b->share, b->total, &a->share, a->total);
}

/* The one to be given to p, and from when on; NULL when there is none. */
static struct slot *find_offer(const struct pool *p, uint64_t now_us,
			       uint64_t *out_due_us)
{
	struct usage *usage = p->blocked_by;
	struct slot *best = contention_best_offer(usage),
		    *oldest = TAILQ_FIRST(&usage->idle);
	uint64_t best_us = CLOCK_NEVER, oldest_us = CLOCK_NEVER;

	if (best && oldest && have_the_same(best->pool, oldest->pool))
		best = oldest;
	if (best && best->pool != p)
		best_us = lending_due(best, best->since_us, p);
	if (oldest && oldest->pool != p)
		oldest_us = lending_due(oldest, oldest->since_us, p);
	if (best_us <= now_us || best_us <= oldest_us)
		oldest = best;
	*out_due_us = oldest == best ? best_us : oldest_us;
	return *out_due_us == CLOCK_NEVER ? NULL : oldest;
}

/* Whether giving up one under the limit that blocks it would help. */
static bool is_worth_evicting(const struct pool *p)
{
	for (int i = 0; i < USAGES_EACH; i++)
		if (p->usages[i] != p->blocked_by && claims_room(p, p->usages[i]) == 0 &&
		    TAILQ_EMPTY(&p->usages[i]->idle))
			return false;
	return true;
}

struct slot *pool_eviction_for(const struct pool *p, uint64_t now_us)
{
	uint64_t due_us;
	struct slot *slot;

	if (!p->blocked_by || !is_sought(p->blocked_by) || !is_worth_evicting(p))
		return NULL;
	slot = find_offer(p, now_us, &due_us);
	return slot && due_us <= now_us ? slot : NULL;
}

uint64_t contention_next_eviction(const struct pool *p, uint64_t now_us)
{
	uint64_t due_us;

	if (!p->blocked_by)
		return CLOCK_NEVER;
	if (!is_sought(p->blocked_by))
		return now_us + SPARE_US;
	if (!is_worth_evicting(p))
		return now_us + LOOK_AGAIN_US;
	if (!find_offer(p, now_us, &due_us))
		return CLOCK_NEVER;
	/* One that is due goes now, but another pool may get what it leaves. */
	return due_us > now_us ? due_us : now_us + SPARE_US;
}

/* ---- soundness ---- */

bool contention_is_sound(const struct pool *p)
{
	const struct usage *usage = p->blocked_by;

	if (turn_is_taken(&p->turn) != (usage != NULL))
		return false;
	if (usage && p->usages[usage->kind] != usage)
		return false;
	for (int i = 0; i < USAGES_EACH; i++)
		if (has_idle(p) && !turn_is_taken(&p->offers[i]))
			return false;
	return true;
}
