/*
 * Asked for one server at a time, when it becomes free or its deadline comes: nobody
 * walks all idle servers.
 */
#include "pool/upkeep.h"

#include "base/clock.h"
#include "base/random.h"
#include "config/database.h"
#include "pool/contention.h"

enum { LIFETIME_JITTER_PERCENT = 5 };

/* One that is due to be asked for its memory, but waited for, is asked after another
 * server_memory_check. */
enum { PATIENT_CHECKS = 2 };

uint64_t upkeep_retire_time(const struct rules *rules, uint64_t opened_us)
{
	uint64_t life_us = rules->server_lifetime;

	/* 0 means a single use, which is no matter of time. */
	if (life_us == 0)
		return CLOCK_NEVER;
	life_us -= life_us / 100 * LIFETIME_JITTER_PERCENT;
	return opened_us + random_jitter(life_us, LIFETIME_JITTER_PERCENT);
}

uint32_t upkeep_transactions_max(const struct rules *rules)
{
	uint64_t most = (uint64_t)rules->server_max_transactions;

	if (most == 0)
		return 0;
	return (uint32_t)random_jitter(most - most * LIFETIME_JITTER_PERCENT / 100,
				       LIFETIME_JITTER_PERCENT);
}

enum wear upkeep_wear(const struct pool *p, const struct slot *slot, uint64_t now_us)
{
	if (now_us >= slot->retire_us)
		return WEAR_OLD;
	if (slot->transactions_max != 0 && slot->transactions >= slot->transactions_max)
		return WEAR_USED_UP;
	return slot->is_bloated && p->rules.server_memory_limit != 0 ? WEAR_BLOATED
								     : WEAR_NONE;
}

bool upkeep_is_in_use(const struct pool *p)
{
	return p->clients > 0 || (p->rules.min_pool_size > 0 && p->database &&
				  p->database->user[0] != '\0');
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
	most += p->renewal.is_extra;
	return staying(p) > most;
}

bool upkeep_exceeds(const struct pool *p)
{
	return exceeds(p, true);
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
	if (!upkeep_is_in_use(p) && upkeep_wear(p, slot, now_us) != WEAR_NONE)
		return true;
	return exceeds(p, true) || is_over_a_limit(p);
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

/* ---- memory ---- */

static uint64_t question_due(const struct pool *p, const struct slot *slot)
{
	if (p->rules.server_memory_limit == 0 || p->hides_memory ||
	    !slot->may_have_grown || slot->retire || slot->is_bloated)
		return CLOCK_NEVER;
	return clock_limit(slot->asked_us, p->rules.server_memory_check);
}

bool pool_wants_to_ask(const struct pool *p, const struct slot *slot, uint64_t now_us)
{
	uint64_t due_us = question_due(p, slot);

	if (now_us < due_us)
		return false;
	return p->line.count == 0 ||
	       clock_since(now_us, slot->asked_us) / PATIENT_CHECKS >=
		   p->rules.server_memory_check;
}

void pool_note_memory(struct pool *p, struct slot *slot, uint64_t bytes, uint64_t now_us)
{
	slot->asked_us = now_us;
	slot->may_have_grown = false;
	slot->is_bloated =
	    p->rules.server_memory_limit != 0 && bytes > p->rules.server_memory_limit;
}

void pool_note_memory_hidden(struct pool *p)
{
	p->hides_memory = true;
}

/* ---- the verdict ---- */

/* One that is worn out and will not be used again. */
static enum upkeep end_of_worn(enum wear wear)
{
	switch (wear) {
	case WEAR_NONE:
		break;
	case WEAR_OLD:
		return UPKEEP_CLOSE_OLD;
	case WEAR_USED_UP:
		return UPKEEP_CLOSE_USED_UP;
	case WEAR_BLOATED:
		return UPKEEP_CLOSE_BLOATED;
	}
	return UPKEEP_KEEP;
}

enum upkeep pool_judge_idle(const struct pool *p, const struct slot *slot,
			    uint64_t now_us)
{
	enum wear wear = upkeep_wear(p, slot, now_us);

	if (wear != WEAR_NONE && (slot->retire || !upkeep_is_in_use(p)))
		return end_of_worn(wear);
	if (slot->retire)
		return UPKEEP_CLOSE_RETIRED;
	if (exceeds(p, true) || is_over_a_limit(p))
		return UPKEEP_CLOSE_IDLE;
	if (now_us >= excess_end(p, slot) || now_us >= idle_end(p, slot))
		return UPKEEP_CLOSE_IDLE;
	if (now_us >= contention_judge_idle(p, slot, now_us))
		return UPKEEP_CLOSE_EVICTED;
	if (wear != WEAR_NONE && !renewal_has(&p->renewal, slot))
		return UPKEEP_RENEW;
	return now_us >= question_due(p, slot) ? UPKEEP_ASK_MEMORY : UPKEEP_KEEP;
}

uint64_t pool_idle_deadline(const struct pool *p, const struct slot *slot,
			    uint64_t now_us)
{
	uint64_t due_us = clock_earlier(excess_end(p, slot), idle_end(p, slot));

	due_us = clock_earlier(due_us, contention_idle_due(p, slot, now_us));
	if (!renewal_has(&p->renewal, slot))
		due_us = clock_earlier(due_us, slot->retire_us);
	return clock_earlier(due_us, question_due(p, slot));
}
