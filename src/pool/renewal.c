/*
 * Whose turn it is to be replaced, and how.
 *
 * A server that others can stand in for, because some have been idle for a while, goes
 * without a successor. Where a limit that is shared with other pools has no room, or
 * somebody waits for it, the old one has to go first.
 */
#include "pool/renewal.h"

#include "base/check.h"
#include "base/clock.h"
#include "pool/demand.h"
#include "pool/pool.h"
#include "pool/upkeep.h"

/* One that nobody has needed for so long is to spare. */
#define SPARE_US (10 * USEC_PER_SEC)

void renewal_init(struct renewal *r)
{
	*r = (struct renewal){0};
	TAILQ_INIT(&r->worn);
}

/* ---- the line of the worn ---- */

void pool_note_worn(struct pool *p, struct slot *slot)
{
	CHECK(slot->pool == p);
	CHECK(slot->state == SLOT_IDLE);
	if (slot->is_worn || slot->retire || slot == p->renewal.old)
		return;
	slot->is_worn = true;
	TAILQ_INSERT_TAIL(&p->renewal.worn, slot, worn_place);
}

void renewal_note_taken(struct pool *p, struct slot *slot)
{
	if (!slot->is_worn)
		return;
	slot->is_worn = false;
	TAILQ_REMOVE(&p->renewal.worn, slot, worn_place);
}

/* Others may live by new rules. */
static struct slot *first_worn(struct pool *p, uint64_t now_us)
{
	struct slot *slot;

	while ((slot = TAILQ_FIRST(&p->renewal.worn)) &&
	       upkeep_wear(p, slot, now_us) == WEAR_NONE)
		renewal_note_taken(p, slot);
	return slot;
}

/* ---- whether it needs a successor ---- */

static bool is_spare(const struct slot *slot, uint64_t now_us)
{
	return clock_since(now_us, slot->since_us) >= SPARE_US;
}

/* The longest idle of those that stay, but for this one. */
static struct slot *longest_idle_beside(const struct pool *p, const struct slot *slot)
{
	struct slot *other = p->first_retired ? TAILQ_PREV(p->first_retired, slots, place)
					      : TAILQ_LAST(&p->slots[SLOT_IDLE], slots);

	return other == slot ? TAILQ_PREV(other, slots, place) : other;
}

static bool needs_successor(const struct pool *p, const struct slot *slot,
			    uint64_t now_us)
{
	unsigned staying = p->total - p->leaving;

	if (!upkeep_is_in_use(p) || upkeep_exceeds(p))
		return false;
	if (staying <= (unsigned)p->rules.min_pool_size)
		return true;
	/* What nobody has used in all its life is not missed. */
	if (!slot->was_used)
		return false;
	if (staying == 1)
		return true;
	if (is_spare(slot, now_us))
		return false;
	const struct slot *other = longest_idle_beside(p, slot);
	return !other || !is_spare(other, now_us);
}

/* ---- steps ---- */

static bool may_open(const struct pool *p, uint64_t now_us)
{
	return p->database && !pool_is_paused(p) &&
	       opening_room(&p->opening, p->counts[SLOT_OPENING], now_us) > 0;
}

/* One that goes leaves room, which is given to a successor if nobody else needs it. */
static enum renewal_step repay(struct pool *p, uint64_t now_us)
{
	struct renewal *r = &p->renewal;

	if (p->total >= r->owed || !upkeep_is_in_use(p) || !demand_has_spare_room(p)) {
		r->owed = 0;
		return RENEWAL_WAIT;
	}
	return may_open(p, now_us) ? RENEWAL_OPEN : RENEWAL_WAIT;
}

static enum renewal_step retire(struct pool *p, struct slot *slot, struct slot **out_old)
{
	renewal_note_taken(p, slot);
	p->renewal.old = slot;
	*out_old = slot;
	return RENEWAL_RETIRE;
}

static enum renewal_step begin(struct pool *p, uint64_t now_us, struct slot **out_old)
{
	struct renewal *r = &p->renewal;
	struct slot *slot = first_worn(p, now_us);

	if (!slot || now_us < r->not_before_us)
		return RENEWAL_WAIT;
	bool needs = needs_successor(p, slot, now_us);
	if (needs && !may_open(p, now_us))
		return RENEWAL_WAIT;
	r->not_before_us = now_us + RENEWAL_PACE_US;
	/* Where the server is full, too, one more is one too many. */
	if (needs && demand_has_spare_room(p) && p->opening.reach != REACH_FULL)
		return RENEWAL_OPEN;
	r->owed = needs ? p->total : 0;
	return retire(p, slot, out_old);
}

/* The old one works on, for how long nobody knows; its turn will come again. What is too
 * many now is whoever has been idle for longest. */
static enum renewal_step abandon(struct pool *p, struct slot **out_old)
{
	struct renewal *r = &p->renewal;
	struct slot *idle = longest_idle_beside(p, r->old);

	r->old = NULL;
	r->is_extra = false;
	if (!idle || !upkeep_exceeds(p))
		return RENEWAL_WAIT;
	*out_old = idle;
	return RENEWAL_RETIRE;
}

/* The successor is there. */
static enum renewal_step finish(struct pool *p, uint64_t now_us, struct slot **out_old)
{
	struct renewal *r = &p->renewal;

	if (r->old->state == SLOT_IDLE) {
		*out_old = r->old;
		return r->old->retire ? RENEWAL_WAIT : RENEWAL_RETIRE;
	}
	return now_us < r->patience_us ? RENEWAL_WAIT : abandon(p, out_old);
}

enum renewal_step pool_renewal(struct pool *p, uint64_t now_us, struct slot **out_old)
{
	struct renewal *r = &p->renewal;

	if (r->successor)
		return RENEWAL_WAIT;
	if (r->old)
		return finish(p, now_us, out_old);
	if (r->owed > 0 && repay(p, now_us) == RENEWAL_OPEN)
		return RENEWAL_OPEN;
	return r->owed > 0 ? RENEWAL_WAIT : begin(p, now_us, out_old);
}

void pool_add_successor(struct pool *p, struct slot *slot, uint64_t now_us)
{
	struct renewal *r = &p->renewal;

	CHECK(!r->successor && !r->old);
	r->successor = slot;
	r->is_extra = r->owed == 0;
	if (r->is_extra) {
		r->old = TAILQ_FIRST(&r->worn);
		CHECK(r->old);
		renewal_note_taken(p, r->old);
	}
	r->owed = 0;
	pool_add(p, slot, now_us);
}

bool pool_is_renewing(const struct pool *p)
{
	return p->renewal.old || p->renewal.owed > 0 || !TAILQ_EMPTY(&p->renewal.worn);
}

/* ---- what happens to servers ---- */

void renewal_note_free(struct pool *p, struct slot *slot, uint64_t now_us)
{
	if (upkeep_wear(p, slot, now_us) != WEAR_NONE)
		pool_note_worn(p, slot);
}

void renewal_note_opened(struct pool *p, const struct slot *slot, uint64_t now_us)
{
	struct renewal *r = &p->renewal;

	if (slot != r->successor)
		return;
	r->successor = NULL;
	r->patience_us = now_us + RENEWAL_PATIENCE_US;
}

/* It could not be opened: the old one goes on, and is the next to be replaced. */
static void give_up(struct pool *p)
{
	struct renewal *r = &p->renewal;
	struct slot *old = r->old;

	r->successor = r->old = NULL;
	r->is_extra = false;
	if (!old || old->retire || old->state != SLOT_IDLE)
		return;
	old->is_worn = true;
	TAILQ_INSERT_HEAD(&r->worn, old, worn_place);
}

void renewal_note_removed(struct pool *p, struct slot *slot, uint64_t now_us)
{
	struct renewal *r = &p->renewal;

	if (slot == r->successor) {
		give_up(p);
	} else if (slot == r->old) {
		r->old = NULL;
		r->is_extra = false;
		r->not_before_us = now_us + RENEWAL_PACE_US;
	}
}

uint64_t renewal_due(const struct pool *p, uint64_t now_us)
{
	const struct renewal *r = &p->renewal;
	uint64_t due_us = r->not_before_us;

	if (r->old && !r->successor && r->old->state != SLOT_IDLE)
		return r->patience_us;
	if (r->old || r->successor || pool_is_paused(p) ||
	    (r->owed == 0 && TAILQ_EMPTY(&r->worn)))
		return CLOCK_NEVER;
	if (p->opening.not_before_us > due_us)
		due_us = p->opening.not_before_us;
	return due_us > now_us ? due_us : now_us + RENEWAL_PACE_US;
}

bool renewal_is_sound(const struct pool *p)
{
	const struct renewal *r = &p->renewal;
	const struct slot *slot;

	TAILQ_FOREACH (slot, &r->worn, worn_place)
		if (slot->pool != p || !slot->is_worn || slot == r->old ||
		    slot->state != SLOT_IDLE || slot->retire)
			return false;
	if (r->old && (r->old->pool != p || r->old->is_worn))
		return false;
	if (r->is_extra && !r->old)
		return false;
	return !r->successor ||
	       (r->successor->pool == p && r->successor->state == SLOT_OPENING);
}
