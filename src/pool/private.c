/*
 * A line for each limit. Who could not be served when its turn came stands in the line of
 * the limit that keeps it back, so asking for the next looks at nobody twice.
 */
#include "pool/private.h"

#include "base/check.h"
#include "pool/contention.h"

static bool has_room(const struct usage *usage)
{
	return usage->max_servers == 0 ||
	       usage->servers + usage->claimed < (unsigned)usage->max_servers;
}

static bool has_room_for_lasting(const struct usage *usage)
{
	return usage->max_servers == 0 ||
	       (usage->lasting + 1) * 2 <= (unsigned)usage->max_servers;
}

bool pool_may_add_lasting(const struct pool *p)
{
	for (int i = 0; i < USAGES_EACH; i++)
		if (!has_room_for_lasting(p->usages[i]))
			return false;
	return true;
}

static void count_lasting(struct slot *slot, int by)
{
	if (!slot->is_lasting)
		return;
	for (int i = 0; i < USAGES_EACH; i++)
		slot->pool->usages[i]->lasting += (unsigned)by;
}

static void count_waiting(struct slot *slot, int by)
{
	for (int i = 0; i < USAGES_EACH; i++)
		slot->pool->usages[i]->waiting += (unsigned)by;
}

static void count_servers(struct slot *slot, int by)
{
	for (int i = 0; i < USAGES_EACH; i++)
		slot->pool->usages[i]->servers += (unsigned)by;
}

static void wait_for(struct slot *slot, struct usage *usage)
{
	if (slot->waits_for)
		TAILQ_REMOVE(&slot->waits_for->waiting_here, slot, waiting_place);
	slot->waits_for = usage;
	if (usage)
		TAILQ_INSERT_TAIL(&usage->waiting_here, slot, waiting_place);
}

void private_join(struct slot *slot)
{
	count_lasting(slot, 1);
	count_waiting(slot, 1);
	wait_for(slot, slot->pool->database_usage);
}

static void end_wait(struct slot *slot)
{
	count_waiting(slot, -1);
	wait_for(slot, NULL);
}

void private_leave(struct slot *slot)
{
	if (slot->waits_for)
		end_wait(slot);
	else
		count_servers(slot, -1);
	count_lasting(slot, -1);
}

/* What keeps it back; NULL when nothing does. A closed gate is one of its database. */
static struct usage *kept_back_by(const struct slot *slot)
{
	struct pool *p = slot->pool;

	if (pool_is_paused(p) || !p->database)
		return p->database_usage;
	for (int i = 0; i < USAGES_EACH; i++)
		if (!has_room(p->usages[i]))
			return p->usages[i];
	return NULL;
}

struct slot *pool_next_private(struct usage *usage)
{
	struct slot *slot;

	while ((slot = TAILQ_FIRST(&usage->waiting_here))) {
		struct usage *by = kept_back_by(slot);
		if (by == usage)
			return NULL;
		if (by) {
			wait_for(slot, by);
			continue;
		}
		end_wait(slot);
		count_servers(slot, 1);
		return slot;
	}
	return NULL;
}

bool private_needs_room(const struct usage *usage)
{
	struct slot *first = TAILQ_FIRST(&usage->waiting_here);

	return first && !pool_is_paused(first->pool) && usage->leaving == 0 &&
	       !has_room(usage);
}

struct slot *pool_eviction_for_private(struct usage *usage)
{
	struct slot *oldest = TAILQ_FIRST(&usage->idle);

	if (!private_needs_room(usage))
		return NULL;
	/* Where all that is left is guaranteed to pools, that has to do. */
	return oldest ? oldest : contention_best_offer(usage);
}
