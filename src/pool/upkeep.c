/*
 * Asked for one server at a time, when it becomes free or its deadline comes: nobody
 * walks all idle servers.
 */
#include "pool/upkeep.h"

#include "base/clock.h"
#include "base/random.h"

enum { LIFETIME_JITTER_PERCENT = 5 };

uint64_t upkeep_retire_time(const struct rules *rules, uint64_t opened_us)
{
	uint64_t life_us = rules->server_lifetime;

	/* 0 means a single use, which is no matter of time. */
	if (life_us == 0)
		return CLOCK_NEVER;
	life_us -= life_us / 100 * LIFETIME_JITTER_PERCENT;
	return opened_us + random_jitter(life_us, LIFETIME_JITTER_PERCENT);
}

/* The servers that stay when those retired are gone. */
static unsigned staying(const struct pool *p)
{
	return p->total - p->leaving;
}

static bool exceeds(const struct pool *p, bool with_reserve)
{
	const struct rules *rules = &p->rules;
	unsigned most = (unsigned)rules->pool_size;

	if (rules->pool_size == 0)
		return false;
	if (with_reserve && rules->reserve_pool_timeout > 0)
		most += (unsigned)rules->reserve_pool_size;
	return staying(p) > most;
}

static bool is_over_a_limit(const struct pool *p)
{
	for (int i = 0; i < USAGES_EACH; i++)
		if (usage_is_over(p->usages[i]))
			return true;
	return false;
}

bool upkeep_must_retire(const struct pool *p, const struct slot *slot, uint64_t now_us)
{
	if (slot->was_used && p->rules.server_lifetime == 0)
		return true;
	return now_us >= slot->retire_us || exceeds(p, true) || is_over_a_limit(p);
}

/* What is beyond the size was opened from the reserve; it is kept for as long as a client
 * must wait before another is. */
static uint64_t excess_end(const struct pool *p, const struct slot *slot)
{
	if (!exceeds(p, false))
		return CLOCK_NEVER;
	return slot->since_us + p->rules.reserve_pool_timeout;
}

static uint64_t idle_end(const struct pool *p, const struct slot *slot)
{
	if (staying(p) <= (unsigned)p->rules.min_pool_size)
		return CLOCK_NEVER;
	return clock_limit(slot->since_us, p->rules.server_idle_timeout);
}

enum upkeep pool_judge_idle(const struct pool *p, const struct slot *slot,
			    uint64_t now_us)
{
	if (now_us >= slot->retire_us)
		return UPKEEP_CLOSE_OLD;
	if (slot->retire)
		return UPKEEP_CLOSE_RETIRED;
	if (exceeds(p, true) || is_over_a_limit(p))
		return UPKEEP_CLOSE_IDLE;
	if (now_us >= excess_end(p, slot) || now_us >= idle_end(p, slot))
		return UPKEEP_CLOSE_IDLE;
	return UPKEEP_KEEP;
}

uint64_t pool_idle_deadline(const struct pool *p, const struct slot *slot)
{
	return clock_earlier(slot->retire_us,
			     clock_earlier(excess_end(p, slot), idle_end(p, slot)));
}
