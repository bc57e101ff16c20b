/*
 * A pool wants servers for its line and for min_pool_size. Size, reserve and back-off are
 * its own affair. A limit that it shares with other pools is not: see pool/contention.h.
 */
#include "pool/demand.h"

#include <limits.h>

#include "base/clock.h"
#include "config/database.h"
#include "pool/claims.h"
#include "pool/contention.h"

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

bool demand_wants_for_line(const struct pool *p, uint64_t now_us)
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
	return usage_has_room_for_server(usage) && !usage->turns.first &&
	       TAILQ_EMPTY(&usage->waiting_here);
}

bool demand_has_spare_room(const struct pool *p)
{
	for (int i = 0; i < USAGES_EACH; i++)
		if (!has_spare_room(p->usages[i]))
			return false;
	return true;
}

/* ---- what it gets ---- */

unsigned pool_demand(struct pool *p, uint64_t now_us)
{
	struct usage *blocked_by = NULL;
	unsigned allowed;

	/* A claim ends here only, where pool_next_look() is asked next: it sees to it
	 * that somebody else gets the room. */
	claims_review(p, now_us);
	allowed = wanted(p, now_us);
	for (int i = 0; i < USAGES_EACH && allowed > 0; i++) {
		unsigned room = contention_allows(p, p->usages[i], allowed, now_us);

		if (room < allowed)
			blocked_by = p->usages[i];
		allowed = room;
	}
	if (!blocked_by || missing_for_line(p) <= allowed) {
		contention_withdraw(p, now_us);
		return allowed;
	}
	if (allowed > 0 || p->blocked_by != blocked_by)
		contention_block(p, blocked_by, now_us);
	if (allowed == 0)
		claims_take(p, now_us);
	return allowed;
}

/* ---- when to look again ---- */

uint64_t demand_hold_end(const struct pool *p)
{
	return p->opening.down_since_us + p->rules.hold_on_failure;
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

uint64_t pool_next_look(const struct pool *p, uint64_t now_us)
{
	uint64_t due_us = CLOCK_NEVER;

	if (p->claims != 0)
		due_us = p->claim_end_us;
	due_us = clock_earlier(due_us, renewal_due(p, now_us));
	due_us = clock_earlier(due_us, hold_due(p, now_us));
	for (int i = 0; i < USAGES_EACH; i++)
		if (contention_has_room_for_others(p->usages[i]))
			due_us = clock_earlier(due_us, now_us + ROOM_RETRY_US);
	due_us = clock_earlier(due_us, contention_next_eviction(p, now_us));
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
