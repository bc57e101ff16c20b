/*
 * Who gets which server. The idle ones are kept with the latest used in front and the
 * retired ones at the back, so that neither taking nor asking ever searches.
 */
#include "pool/pool.h"

#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/clock.h"
#include "pool/contention.h"
#include "pool/demand.h"
#include "pool/private.h"
#include "pool/renewal.h"
#include "pool/upkeep.h"

#define TO(state) (1u << (state))

static const unsigned may_become[SLOT_STATES] = {
    [SLOT_OUTSIDE] = TO(SLOT_OPENING) | TO(SLOT_PRIVATE),
    [SLOT_OPENING] = TO(SLOT_IDLE) | TO(SLOT_OUTSIDE),
    [SLOT_IDLE] = TO(SLOT_BUSY) | TO(SLOT_CLEANING) | TO(SLOT_OUTSIDE),
    [SLOT_BUSY] = TO(SLOT_IDLE) | TO(SLOT_CLEANING) | TO(SLOT_OUTSIDE),
    [SLOT_CLEANING] = TO(SLOT_IDLE) | TO(SLOT_OUTSIDE),
    [SLOT_PRIVATE] = TO(SLOT_OUTSIDE),
};

static void count_leaving(struct pool *p, int by)
{
	p->leaving += (unsigned)by;
	for (int i = 0; i < USAGES_EACH; i++)
		p->usages[i]->leaving += (unsigned)by;
}

static void list_idle(struct pool *p, struct slot *slot)
{
	for (int i = 0; i < USAGES_EACH; i++)
		TAILQ_INSERT_TAIL(&p->usages[i]->idle, slot, idle_under[i]);
}

static void unlist_idle(struct pool *p, struct slot *slot)
{
	for (int i = 0; i < USAGES_EACH; i++)
		TAILQ_REMOVE(&p->usages[i]->idle, slot, idle_under[i]);
}

static void leave_idle(struct pool *p, struct slot *slot)
{
	renewal_note_taken(p, slot);
	if (slot == p->first_retired)
		p->first_retired = TAILQ_NEXT(slot, place);
	if (slot->retire) {
		count_leaving(p, -1);
		return;
	}
	if (!p->is_guarded)
		unlist_idle(p, slot);
}

static void enter_idle(struct pool *p, struct slot *slot)
{
	if (slot->retire) {
		TAILQ_INSERT_TAIL(&p->slots[SLOT_IDLE], slot, place);
		if (!p->first_retired)
			p->first_retired = slot;
		count_leaving(p, 1);
		return;
	}
	TAILQ_INSERT_HEAD(&p->slots[SLOT_IDLE], slot, place);
	if (!p->is_guarded)
		list_idle(p, slot);
	contention_note_idle(p);
}

static void leave_state(struct pool *p, struct slot *slot)
{
	if (slot->state == SLOT_OUTSIDE)
		return;
	if (slot->state == SLOT_IDLE)
		leave_idle(p, slot);
	TAILQ_REMOVE(&p->slots[slot->state], slot, place);
	p->counts[slot->state]--;
}

static void enter_state(struct pool *p, struct slot *slot, enum slot_state next)
{
	slot->state = next;
	if (next == SLOT_OUTSIDE)
		return;
	if (next == SLOT_IDLE)
		enter_idle(p, slot);
	else
		TAILQ_INSERT_TAIL(&p->slots[next], slot, place);
	p->counts[next]++;
}

/* The only way from state to state. */
static void slot_move(struct pool *p, struct slot *slot, enum slot_state next,
		      uint64_t now_us)
{
	CHECK(slot->pool == p);
	CHECK((may_become[slot->state] & TO(next)) != 0);
	contention_settle(p, now_us);
	leave_state(p, slot);
	slot->since_us = now_us;
	if (slot->taken_us != 0 && (next == SLOT_IDLE || next == SLOT_OUTSIDE))
		pool_end_work(p, slot, now_us);
	enter_state(p, slot, next);
	CHECK_SLOW(pool_is_sound(p));
}

/* ---- beginning and end ---- */

void pool_init(struct pool *p, const struct pool_ground *ground, uint64_t now_us)
{
	*p = (struct pool){
	    .database = ground->database,
	    .database_usage = ground->database_usage,
	    .user_usage = ground->user_usage,
	    .process_usage = ground->process_usage,
	    .paused_all = ground->paused_all,
	    .rules = *ground->rules,
	};
	for (int state = 0; state < SLOT_STATES; state++)
		TAILQ_INIT(&p->slots[state]);
	pool_line_init(p);
	opening_init(&p->opening);
	renewal_init(&p->renewal);
	share_init(&p->share, ground->rules->weight);
	tally_init(&p->tally, now_us, ground->stats_period_us);
	TAILQ_INSERT_TAIL(&p->database_usage->pools, p, in_database);
}

void pool_fini(struct pool *p)
{
	CHECK(pool_is_unused(p));
	pool_line_fini(p);
	TAILQ_REMOVE(&p->database_usage->pools, p, in_database);
	contention_leave(p);
	free(p->waits);
	p->waits = NULL;
}

static void renew_lives(struct pool *p, bool in_time, bool in_use)
{
	struct slot *slot;

	for (int state = SLOT_IDLE; state <= SLOT_CLEANING; state++)
		TAILQ_FOREACH (slot, &p->slots[state], place) {
			if (in_time)
				slot->retire_us =
				    upkeep_retire_time(&p->rules, slot->opened_us);
			if (in_use)
				slot->transactions_max =
				    upkeep_transactions_max(&p->rules);
		}
}

/* Servers were added or removed, or the rules have changed. What it is guaranteed is not
 * offered to others. */
static void note_change(struct pool *p, uint64_t now_us)
{
	struct slot *slot;
	bool is_guarded = contention_is_guarded(p);

	contention_note_change(p, now_us);
	if (is_guarded == p->is_guarded)
		return;
	p->is_guarded = is_guarded;
	TAILQ_FOREACH_REVERSE(slot, &p->slots[SLOT_IDLE], slots, place)
	{
		if (slot->retire)
			continue;
		if (is_guarded)
			unlist_idle(p, slot);
		else
			list_idle(p, slot);
	}
}

void pool_set_rules(struct pool *p, const struct rules *rules)
{
	bool is_other_life = rules->server_lifetime != p->rules.server_lifetime;
	bool is_other_use =
	    rules->server_max_transactions != p->rules.server_max_transactions;

	p->rules = *rules;
	share_set_weight(&p->share, rules->weight);
	note_change(p, 0);
	pool_line_set_rules(p);
	p->hides_memory = false;
	if (is_other_life || is_other_use)
		renew_lives(p, is_other_life, is_other_use);
}

/* ---- a database that is down ---- */

static bool is_down(const struct pool *p)
{
	return p->total == p->counts[SLOT_OPENING] && opening_is_down(&p->opening);
}

bool pool_is_hopeless(const struct pool *p, bool was_attempt, uint64_t now_us)
{
	if (p->total > 0 || !is_down(p) || now_us < demand_hold_end(p))
		return false;
	return was_attempt || now_us < p->opening.not_before_us;
}

struct waiter *pool_next_given_up(const struct pool *p, uint64_t now_us)
{
	struct waiter *first = admission_first(&p->line);
	uint64_t end_us = demand_hold_end(p);

	if (!first || !is_down(p) || now_us < end_us || first->since_us >= end_us)
		return NULL;
	return first;
}

/* ---- servers are handed out ---- */

static struct slot *first_usable(const struct pool *p)
{
	if (p->counts[SLOT_IDLE] == p->leaving)
		return NULL;
	if (!p->rules.server_round_robin)
		return TAILQ_FIRST(&p->slots[SLOT_IDLE]);
	return p->first_retired ? TAILQ_PREV(p->first_retired, slots, place)
				: TAILQ_LAST(&p->slots[SLOT_IDLE], slots);
}

struct slot *pool_hand_out(struct pool *p, struct slot *slot, uint64_t now_us)
{
	if (!slot)
		slot = first_usable(p);
	CHECK(slot && slot->state == SLOT_IDLE && !slot->retire);
	slot->was_used = true;
	slot->may_have_grown = true;
	slot_move(p, slot, SLOT_BUSY, now_us);
	slot->taken_us = now_us;
	forecast_taken(&p->forecast, now_us);
	tally_at(&p->tally, now_us)->server_assignment_count++;
	return slot;
}

/* ---- servers come and go ---- */

static void count_servers(struct pool *p, int by)
{
	p->total += (unsigned)by;
	for (int i = 0; i < USAGES_EACH; i++)
		p->usages[i]->servers += (unsigned)by;
}

static void begin_slot(struct pool *p, struct slot *slot)
{
	CHECK(slot->state == SLOT_OUTSIDE);
	slot->pool = p;
	slot->opened_us = 0;
	slot->retire_us = CLOCK_NEVER;
	slot->transactions = slot->transactions_max = 0;
	slot->retire = slot->was_used = false;
	slot->may_have_grown = slot->is_bloated = slot->is_worn = false;
	slot->taken_us = 0;
	slot->work = (struct work){0};
}

void pool_add(struct pool *p, struct slot *slot, uint64_t now_us)
{
	begin_slot(p, slot);
	count_servers(p, 1);
	slot_move(p, slot, SLOT_OPENING, now_us);
	note_change(p, now_us);
}

void pool_add_private(struct pool *p, struct slot *slot, bool is_lasting, uint64_t now_us)
{
	begin_slot(p, slot);
	slot->is_lasting = is_lasting;
	slot_move(p, slot, SLOT_PRIVATE, now_us);
	private_join(slot);
}

static void set_free(struct pool *p, struct slot *slot, uint64_t now_us)
{
	if (upkeep_must_retire(p, slot, now_us) || contention_must_yield(p, slot, now_us))
		slot->retire = true;
	slot_move(p, slot, SLOT_IDLE, now_us);
	renewal_note_free(p, slot, now_us);
}

void pool_opened(struct pool *p, struct slot *slot, uint64_t now_us)
{
	CHECK(slot->state == SLOT_OPENING);
	pool_note_suspended(p, now_us);
	opening_succeeded(&p->opening, clock_since(now_us, slot->since_us));
	p->has_been_reached = true;
	slot->opened_us = now_us;
	slot->asked_us = now_us;
	slot->retire_us = upkeep_retire_time(&p->rules, now_us);
	slot->transactions_max = upkeep_transactions_max(&p->rules);
	renewal_note_opened(p, slot, now_us);
	set_free(p, slot, now_us);
}

void pool_remove(struct pool *p, struct slot *slot, uint64_t now_us)
{
	if (slot->state == SLOT_PRIVATE) {
		private_leave(slot);
		slot_move(p, slot, SLOT_OUTSIDE, now_us);
		slot->pool = NULL;
		return;
	}
	CHECK(p->total > 0);
	renewal_note_removed(p, slot, now_us);
	count_servers(p, -1);
	slot_move(p, slot, SLOT_OUTSIDE, now_us);
	slot->pool = NULL;
	note_change(p, now_us);
}

void pool_open_failed(struct pool *p, enum reach why, uint64_t now_us,
		      uint64_t pause_max_us)
{
	pool_note_suspended(p, now_us);
	opening_failed(&p->opening, why, now_us, pause_max_us);
}

void pool_give_back(struct pool *p, struct slot *slot, uint64_t now_us)
{
	if (slot->state == SLOT_OPENING)
		pool_opened(p, slot, now_us);
	else
		set_free(p, slot, now_us);
}

void pool_set_cleaning(struct pool *p, struct slot *slot, uint64_t now_us)
{
	slot_move(p, slot, SLOT_CLEANING, now_us);
}

void pool_retire(struct pool *p, struct slot *slot)
{
	CHECK(slot->pool == p);
	if (slot->retire)
		return;
	if (slot->state != SLOT_IDLE) {
		slot->retire = true;
		return;
	}
	leave_state(p, slot);
	slot->retire = true;
	enter_state(p, slot, SLOT_IDLE);
}

void pool_retire_all(struct pool *p)
{
	struct slot *slot;

	while (p->counts[SLOT_IDLE] > p->leaving)
		pool_retire(p, TAILQ_FIRST(&p->slots[SLOT_IDLE]));
	for (int state = 0; state < SLOT_STATES; state++)
		TAILQ_FOREACH (slot, &p->slots[state], place)
			slot->retire = true;
}

bool pool_is_unused(const struct pool *p)
{
	return p->clients == 0 && p->total == 0 && p->counts[SLOT_PRIVATE] == 0;
}

/* ---- soundness ---- */

static bool is_one_of_mine(const struct pool *p, const struct usage *usage)
{
	return p->usages[usage->kind] == usage;
}

static bool slot_is_sound(const struct pool *p, const struct slot *slot, int state)
{
	if (slot->pool != p || slot->state != state)
		return false;
	if (state == SLOT_PRIVATE && slot->waits_for)
		return slot->opened_us == 0 && is_one_of_mine(p, slot->waits_for);
	return state == SLOT_OPENING || slot->retire_us >= slot->opened_us;
}

static bool state_is_sound(const struct pool *p, int state)
{
	const struct slot *slot;
	unsigned count = 0;

	TAILQ_FOREACH (slot, &p->slots[state], place) {
		if (!slot_is_sound(p, slot, state))
			return false;
		count++;
	}
	return count == p->counts[state];
}

/* The latest used first, the longest idle last; then only retired ones. */
static bool idle_are_sound(const struct pool *p)
{
	const struct slot *slot, *first_retired = NULL;
	uint64_t since_us = UINT64_MAX;
	unsigned retired = 0;

	TAILQ_FOREACH (slot, &p->slots[SLOT_IDLE], place) {
		if (slot->retire && retired++ == 0)
			first_retired = slot;
		if (slot->retire)
			continue;
		if (retired > 0 || slot->since_us > since_us)
			return false;
		since_us = slot->since_us;
	}
	return retired == p->leaving && first_retired == p->first_retired;
}

bool pool_is_sound(const struct pool *p)
{
	unsigned total = 0;

	for (int state = 0; state < SLOT_STATES; state++) {
		if (!state_is_sound(p, state))
			return false;
		total += state == SLOT_PRIVATE ? 0 : p->counts[state];
	}
	if (total != p->total || p->counts[SLOT_OUTSIDE] != 0)
		return false;
	if (!contention_is_sound(p))
		return false;
	for (int i = 0; i < USAGES_EACH; i++)
		if (p->usages[i]->servers < total)
			return false;
	return idle_are_sound(p) && renewal_is_sound(p) && admission_is_sound(&p->line);
}
