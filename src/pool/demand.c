/*
 * A pool wants servers for its line and for min_pool_size. Size, reserve and back-off are
 * its own affair. A limit that it shares with other pools is not: there, pools stand in
 * turn, those without any server first, and one that holds more servers than its share
 * yields one when it becomes free. Places in turn are checked only when they matter, so a
 * pool may stand there for a while after its clients have gone.
 *
 * A pool that several full limits hold back would wait for ever if others always took
 * what becomes free under each. So it may claim room under its database's limit and keep
 * it for a moment while it waits for the user's, and under both while it waits for the
 * process's. That order is always the same, so no two pools wait for each other's claims.
 */
#include "pool/demand.h"

#include <limits.h>

#include "base/check.h"
#include "base/clock.h"
#include "config/database.h"
#include "pool/private.h"

/* How long a server serves its pool before it may have to yield to another: what opening
 * costs should be small against it. */
#define YIELD_AFTER_US (500 * USEC_PER_MSEC)

/* How long claims are kept, and how long it takes until the next: where the last limit
 * does not give way, little is lost. */
#define CLAIM_US USEC_PER_SEC
#define CLAIM_AGAIN_US (30 * USEC_PER_SEC)

/* How soon room that nobody has noticed is given to those who wait for it. */
#define ROOM_RETRY_US (10 * USEC_PER_MSEC)

/* How soon a pool with too few servers, but no waiters, tries a full limit again. */
#define MINIMUM_RETRY_US (5 * USEC_PER_SEC)

static unsigned at_most(unsigned a, unsigned b)
{
	return a < b ? a : b;
}

static unsigned minus(unsigned a, unsigned b)
{
	return a > b ? a - b : 0;
}

static bool has_claim_on(const struct pool *p, const struct usage *usage)
{
	return (p->claims >> usage->kind & 1) != 0;
}

static unsigned room_for(const struct pool *p, const struct usage *usage)
{
	if (!has_claim_on(p, usage))
		return usage_room_for_servers(usage);
	/* What was kept is gone if the limit has been lowered since. */
	return usage_holds_claims(usage) ? 1 : 0;
}

/* ---- what it wants by itself ---- */

static bool may_open(const struct pool *p)
{
	return p->database != NULL && !pool_is_paused(p);
}

static unsigned missing_for_line(const struct pool *p)
{
	return minus(p->line.count, pool_usable(p) + p->counts[SLOT_OPENING]);
}

/* min_pool_size holds while somebody uses the pool, or may at any moment because all
 * clients of the database share it. */
static unsigned missing_for_minimum(const struct pool *p)
{
	if (p->clients == 0 && p->database->user[0] == '\0')
		return 0;
	return minus((unsigned)p->rules.min_pool_size, p->total);
}

/* When the reserve may be used; CLOCK_NEVER when there is none or nobody waits. */
static uint64_t reserve_due(const struct pool *p)
{
	const struct waiter *first = admission_first(&p->line);

	if (!first || p->rules.reserve_pool_size == 0)
		return CLOCK_NEVER;
	return clock_limit(first->since_us, p->rules.reserve_pool_timeout);
}

static unsigned room_in_size(const struct pool *p)
{
	unsigned limit = pool_working_limit(p);

	if (p->rules.pool_size == 0 && limit == UINT_MAX)
		return UINT_MAX;
	if (p->rules.pool_size > 0)
		limit = at_most(limit, (unsigned)p->rules.pool_size);
	return minus(limit, p->total);
}

static unsigned room_for_line(const struct pool *p, uint64_t now_us)
{
	if (p->rules.pool_size == 0 || p->rules.adaptive_pool == TRIAL_ON ||
	    now_us < reserve_due(p))
		return room_in_size(p);
	return minus((unsigned)p->rules.pool_size + (unsigned)p->rules.reserve_pool_size,
		     p->total);
}

/* Without regard to how fast servers may be opened and to shared limits. */
static unsigned wanted_at_leisure(const struct pool *p, uint64_t now_us)
{
	unsigned for_line, for_minimum;

	if (!may_open(p))
		return 0;
	for_line = at_most(missing_for_line(p), room_for_line(p, now_us));
	for_minimum = at_most(missing_for_minimum(p), room_in_size(p));
	return for_line > for_minimum ? for_line : for_minimum;
}

static unsigned wanted(const struct pool *p, uint64_t now_us)
{
	return at_most(wanted_at_leisure(p, now_us),
		       opening_room(&p->opening, p->counts[SLOT_OPENING], now_us));
}

static bool wants_for_line(const struct pool *p, uint64_t now_us)
{
	return p->line.count > 0 && missing_for_line(p) > 0 &&
	       room_for_line(p, now_us) > 0 && wanted(p, now_us) > 0;
}

/* A server that is idle elsewhere can make room, too. */
static unsigned room_soon(const struct usage *usage)
{
	unsigned room = usage_room_for_servers(usage);

	return room == 0 && !TAILQ_EMPTY(&usage->idle) ? 1 : room;
}

unsigned demand_servers_coming(const struct pool *p, uint64_t now_us)
{
	unsigned opening = p->counts[SLOT_OPENING];
	unsigned room = room_for_line(p, now_us);

	if (!may_open(p))
		return 0;
	if (opening_is_failing(&p->opening))
		room = at_most(room, opening_room(&p->opening, opening, now_us));
	for (int i = 0; i < USAGES_EACH; i++)
		room = at_most(room, room_soon(p->usages[i]));
	return room < UINT_MAX - opening ? opening + room : UINT_MAX;
}

static bool has_spare_room(const struct usage *usage)
{
	return usage_has_room_for_server(usage) && TAILQ_EMPTY(&usage->starved) &&
	       TAILQ_EMPTY(&usage->blocked) && TAILQ_EMPTY(&usage->waiting_here);
}

bool demand_has_spare_room(const struct pool *p)
{
	for (int i = 0; i < USAGES_EACH; i++)
		if (!has_spare_room(p->usages[i]))
			return false;
	return true;
}

/* ---- turns under a shared limit ---- */

static struct pool_queue *queue_of(const struct pool *p)
{
	return p->is_starved ? &p->blocked_by->starved : &p->blocked_by->blocked;
}

static void unblock(struct pool *p)
{
	if (!p->blocked_by)
		return;
	TAILQ_REMOVE(queue_of(p), p, blocked_place);
	p->blocked_by = NULL;
	p->is_starved = false;
}

/* Those it has end together, so one more may be added at any time before. */
static bool may_claim(const struct pool *p, const struct usage *usage, uint64_t now_us)
{
	if (usage->max_servers == 0 || p->total > 0 || has_claim_on(p, usage))
		return false;
	return p->claims != 0 || (now_us >= p->claim_end_us &&
				  pool_longest_wait(p, now_us) >= YIELD_AFTER_US);
}

static void claim(struct pool *p, struct usage *usage, uint64_t now_us)
{
	if (p->claims == 0)
		p->claim_end_us = now_us + CLAIM_US;
	p->claims |= (uint8_t)(1u << usage->kind);
	usage->claimed++;
}

static void drop_claims(struct pool *p)
{
	if (p->claims == 0)
		return;
	for (int i = 0; i < USAGES_EACH; i++)
		if (has_claim_on(p, p->usages[i]))
			p->usages[i]->claimed--;
	p->claims = 0;
	p->claim_end_us += CLAIM_AGAIN_US;
}

/* Whether all that is kept is still there. */
static bool claims_hold(const struct pool *p)
{
	for (int i = 0; i < USAGES_EACH; i++)
		if (has_claim_on(p, p->usages[i]) && !usage_holds_claims(p->usages[i]))
			return false;
	return true;
}

/* The room before the limit that blocks it. */
static void claim_what_there_is(struct pool *p, uint64_t now_us)
{
	for (unsigned i = 0; i < p->blocked_by->kind; i++)
		if (may_claim(p, p->usages[i], now_us))
			claim(p, p->usages[i], now_us);
}

/* At the end of those whose turn it is. */
static void block(struct pool *p, struct usage *usage)
{
	unblock(p);
	p->blocked_by = usage;
	p->is_starved = p->total == 0;
	TAILQ_INSERT_TAIL(queue_of(p), p, blocked_place);
}

void demand_withdraw(struct pool *p)
{
	unblock(p);
	drop_claims(p);
}

void demand_note_total(struct pool *p)
{
	if (p->total > 0)
		drop_claims(p);
	if (p->blocked_by && p->is_starved != (p->total == 0))
		block(p, p->blocked_by);
}

static struct pool *first_blocked(const struct usage *usage)
{
	struct pool *p = TAILQ_FIRST(&usage->starved);

	return p ? p : TAILQ_FIRST(&usage->blocked);
}

static struct pool *next_blocked(const struct pool *p)
{
	struct pool *next = TAILQ_NEXT(p, blocked_place);

	return !next && p->is_starved ? TAILQ_FIRST(&p->blocked_by->blocked) : next;
}

/* Another limit without room for it, so that room under this one does not help; NULL when
 * there is none. Room that it could claim does help where it is to be had first. */
static struct usage *other_obstacle(const struct pool *p, const struct usage *usage,
				    uint64_t now_us)
{
	bool may_wait = may_claim(p, usage, now_us);

	for (unsigned i = 0; i < USAGES_EACH; i++) {
		if (p->usages[i] == usage || room_for(p, p->usages[i]) > 0)
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
	if (!wants_for_line(p, now_us)) {
		unblock(p);
		return false;
	}
	struct usage *other = other_obstacle(p, usage, now_us);
	if (!other)
		return true;
	block(p, other);
	return false;
}

/* The first that could use room; each that could not is asked only once. */
static struct pool *whose_turn(struct usage *usage, uint64_t now_us)
{
	struct pool *p;

	while ((p = first_blocked(usage)) != NULL && !keeps_its_turn(p, usage, now_us))
		;
	return p;
}

struct pool *pool_next_blocked(struct usage *usage, uint64_t now_us)
{
	return usage_has_room_for_server(usage) ? whose_turn(usage, now_us) : NULL;
}

/* How many of the wanted this limit lets the pool have now. */
static unsigned allowed_by(struct usage *usage, const struct pool *p, unsigned want,
			   uint64_t now_us)
{
	unsigned room = room_for(p, usage);
	struct pool *first;

	if (has_claim_on(p, usage))
		return at_most(want, room);
	if (room == 0 || (TAILQ_EMPTY(&usage->starved) && TAILQ_EMPTY(&usage->blocked)))
		return at_most(want, room);
	first = whose_turn(usage, now_us);
	if (first && first != p)
		return 0;
	return first && next_blocked(first) ? at_most(want, 1) : at_most(want, room);
}

unsigned pool_demand(struct pool *p, uint64_t now_us)
{
	struct usage *blocked_by = NULL;
	unsigned allowed;

	/* A claim ends here only, where pool_next_look() is asked next: it sees to it
	 * that somebody else gets the room. */
	if (now_us >= p->claim_end_us || !claims_hold(p))
		drop_claims(p);
	allowed = wanted(p, now_us);
	for (int i = 0; i < USAGES_EACH && allowed > 0; i++) {
		unsigned room = allowed_by(p->usages[i], p, allowed, now_us);

		if (room < allowed)
			blocked_by = p->usages[i];
		allowed = room;
	}
	if (!blocked_by || missing_for_line(p) <= allowed) {
		demand_withdraw(p);
		return allowed;
	}
	if (allowed > 0 || p->blocked_by != blocked_by)
		block(p, blocked_by);
	if (allowed == 0)
		claim_what_there_is(p, now_us);
	return allowed;
}

struct slot *pool_eviction_for(const struct pool *p)
{
	const struct usage *usage = p->blocked_by;
	struct slot *slot;

	if (!usage || usage_has_room_for_server(usage) || usage->leaving > 0)
		return NULL;
	for (int i = 0; i < USAGES_EACH; i++)
		if (p->usages[i] != usage && room_for(p, p->usages[i]) == 0 &&
		    TAILQ_EMPTY(&p->usages[i]->idle))
			return NULL;
	slot = TAILQ_FIRST(&usage->idle);
	while (slot && slot->pool == p)
		slot = TAILQ_NEXT(slot, idle_under[usage->kind]);
	return slot;
}

/* ---- yielding ---- */

static bool is_needier(const struct pool *needy, const struct pool *p)
{
	const struct waiter *theirs = admission_first(&needy->line);
	const struct waiter *ours = admission_first(&p->line);

	if (theirs->since_us >= ours->since_us)
		return false;
	return needy->total == 0 || needy->total + 1 < p->total;
}

static bool owes_to(struct usage *usage, struct pool *p, const struct slot *slot,
		    uint64_t now_us)
{
	struct pool *needy;

	if (private_needs_room(usage))
		return true;
	if (TAILQ_EMPTY(&usage->starved) && TAILQ_EMPTY(&usage->blocked))
		return false;
	/* One that is about to go is enough for the moment. */
	if (usage->leaving > 0 || usage_has_room_for_server(usage))
		return false;
	needy = whose_turn(usage, now_us);
	if (needy == p)
		needy = next_blocked(p);
	if (!needy || !keeps_its_turn(needy, usage, now_us))
		return false;
	if (p->line.count > 0 && !pool_is_paused(p)) {
		if (clock_since(now_us, slot->opened_us) < YIELD_AFTER_US ||
		    !is_needier(needy, p))
			return false;
	}
	/* What is given up for it must go to it. */
	TAILQ_REMOVE(queue_of(needy), needy, blocked_place);
	TAILQ_INSERT_HEAD(queue_of(needy), needy, blocked_place);
	return true;
}

bool demand_must_yield(struct pool *p, const struct slot *slot, uint64_t now_us)
{
	for (int i = 0; i < USAGES_EACH; i++)
		if (owes_to(p->usages[i], p, slot, now_us))
			return true;
	return false;
}

/* ---- when to look again ---- */

uint64_t demand_hold_end(const struct pool *p)
{
	return p->opening.failing_since_us + p->rules.hold_on_failure;
}

/* Those who wait while it is down do so until then. */
static uint64_t hold_due(const struct pool *p, uint64_t now_us)
{
	uint64_t end_us = demand_hold_end(p);

	if (p->line.count == 0 || p->total != p->counts[SLOT_OPENING] ||
	    !opening_is_down(&p->opening) || end_us <= now_us)
		return CLOCK_NEVER;
	return end_us;
}

static bool has_room_for_others(const struct usage *usage)
{
	return usage_has_room_for_server(usage) && first_blocked(usage) != NULL;
}

uint64_t pool_next_look(const struct pool *p, uint64_t now_us)
{
	uint64_t due_us = CLOCK_NEVER;

	if (p->claims != 0)
		due_us = p->claim_end_us;
	due_us = clock_earlier(due_us, renewal_due(p, now_us));
	due_us = clock_earlier(due_us, hold_due(p, now_us));
	for (int i = 0; i < USAGES_EACH; i++)
		if (has_room_for_others(p->usages[i]))
			due_us = clock_earlier(due_us, now_us + ROOM_RETRY_US);
	if (!may_open(p))
		return due_us;
	if (reserve_due(p) > now_us)
		due_us = clock_earlier(due_us, reserve_due(p));
	if (wanted_at_leisure(p, now_us) == 0)
		return due_us;
	if (now_us < p->opening.not_before_us)
		return clock_earlier(due_us, p->opening.not_before_us);
	if (!p->blocked_by && wanted(p, now_us) > 0)
		return clock_earlier(due_us, now_us + MINIMUM_RETRY_US);
	return due_us;
}
