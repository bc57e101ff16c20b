/*
 * Each decision of src/pool is asked for, compared with the model's, and carried out.
 */
#include "unit/pool/world.h"

#include "pool/contention.h"

/* ---- agreement ---- */

static void slot_agrees(const struct world *w, int i)
{
	const struct slot *s = &w->slots[i];
	const struct model_slot *m = &w->m.slots[i];

	assert_ptr_equal(s->pool, m->pool < 0 ? NULL : &w->pools[m->pool]);
	assert_int_equal(s->state, m->state);
	if (m->pool < 0)
		return;
	assert_int_equal(s->retire, m->retire);
	assert_int_equal(s->since_us, m->since_us);
	assert_int_equal(s->retire_us, m->retire_us);
}

static void pool_agrees(struct world *w, int i)
{
	struct pool *p = &w->pools[i];
	const struct model_pool *m = &w->m.pools[i];
	int first = model_first_person(&w->m, i);
	int limit = model_blocked_by(&w->m, i);

	assert_true(pool_is_sound(p));
	for (int state = SLOT_OPENING; state < SLOT_STATES; state++)
		assert_int_equal(p->counts[state], model_count(&w->m, i, state));
	assert_int_equal(p->total, model_total(&w->m, i));
	assert_int_equal(pool_usable(p), model_usable(&w->m, i));
	assert_int_equal(p->line.count, model_line(&w->m, i));
	assert_ptr_equal(admission_first(&p->line), first < 0 ? NULL : &w->people[first]);
	assert_ptr_equal(p->blocked_by, limit < 0 ? NULL : w->limits[limit]);
	assert_int_equal(p->claims, m->claims);
	contention_settle(&w->pools[i], w->now);
	for (int k = 0; k < USAGES_EACH; k++)
		if (!(share_used(&p->share, k) <= share_used(&m->share, k)) ||
		    !(share_used(&p->share, k) >= share_used(&m->share, k)))
			fail_msg("pool %d has used %f, not %f", i,
				 share_used(&p->share, k), share_used(&m->share, k));
	assert_int_equal(p->opening.allowed, m->allowed);
	assert_int_equal(p->opening.failures, m->failures);
	assert_int_equal(p->waits ? p->waits->count : 0, m->served);
	assert_int_equal(p->tally.now.wait_time_us, m->waited_us);
	assert_int_equal(asked(p, w->now), model_ask(&w->m, i, w->now));
}

static void limit_agrees(struct world *w, int i)
{
	const struct usage *u = w->limits[i];

	assert_int_equal(u->servers, model_limit_servers(&w->m, i));
	assert_int_equal(u->leaving, model_limit_leaving(&w->m, i));
	assert_int_equal(u->claimed, model_limit_claimed(&w->m, i));
	assert_true(turns_are_sound(&u->turns) && turns_are_sound(&u->lenders));
	assert_int_equal(!u->turns.first, w->m.limits[i].line_len == 0);
}

void world_agrees(struct world *w)
{
	for (int i = 0; i < MODEL_SLOTS; i++)
		slot_agrees(w, i);
	for (int i = 0; i < MODEL_POOLS; i++)
		pool_agrees(w, i);
	for (int i = 0; i < MODEL_LIMITS; i++)
		limit_agrees(w, i);
}

void world_learn(struct world *w)
{
	for (int i = 0; i < MODEL_POOLS; i++) {
		w->m.pools[i].held_us = forecast_held(&w->pools[i].forecast);
		w->m.pools[i].spread_us = forecast_spread(&w->pools[i].forecast);
	}
}

/* ---- what a dispatcher does ---- */

static int free_slot(const struct world *w)
{
	for (int i = 0; i < MODEL_SLOTS; i++)
		if (w->m.slots[i].pool < 0)
			return i;
	return MODEL_NOBODY;
}

static void expect_within_limits(const struct pool *p)
{
	if (p->rules.pool_size > 0)
		assert_true(p->total <= (unsigned)p->rules.pool_size +
					    (unsigned)p->rules.reserve_pool_size +
					    p->renewal.is_extra);
	for (int i = 0; i < USAGES_EACH; i++)
		if (p->usages[i]->max_servers > 0)
			assert_true(p->usages[i]->servers <=
				    (unsigned)p->usages[i]->max_servers);
}

static void open_one(struct world *w, int pool)
{
	int slot = free_slot(w);

	if (slot < 0) {
		w->is_short = true;
		return;
	}
	pool_add(&w->pools[pool], &w->slots[slot], w->now);
	model_add(&w->m, pool, slot, w->now);
	expect_within_limits(&w->pools[pool]);
	w->opened++;
}

/* It is over, but its slot stays for a while. */
void world_close_slot(struct world *w, int slot)
{
	pool_retire(w->slots[slot].pool, &w->slots[slot]);
	w->m.slots[slot].retire = true;
	w->is_closing[slot] = true;
}

enum upkeep world_expect_verdict(struct world *w, int slot)
{
	w->m.slots[slot].is_noted =
	    renewal_has(&w->slots[slot].pool->renewal, &w->slots[slot]);
	return model_judge(&w->m, slot, w->now);
}

void world_judge(struct world *w, int slot)
{
	const struct pool *p = w->slots[slot].pool;
	enum upkeep verdict = pool_judge_idle(p, &w->slots[slot], w->now);

	assert_int_equal(verdict, world_expect_verdict(w, slot));
	uint64_t due_us = pool_idle_deadline(p, &w->slots[slot], w->now);
	/* What is kept is not due at once again. */
	if (verdict == UPKEEP_KEEP)
		assert_true(due_us > w->now);
	if (verdict == UPKEEP_CLOSE_EVICTED)
		assert_true(due_us <= w->now);
	if (verdict == UPKEEP_RENEW) {
		pool_note_worn(w->slots[slot].pool, &w->slots[slot]);
		w->looks[w->m.slots[slot].pool] = w->now;
	} else if (verdict != UPKEEP_KEEP) {
		world_close_slot(w, slot);
	}
}

/* ---- renewal: the model says what must hold, whose turn it is is the pool's affair ----
 */

static void open_successor(struct world *w, int pool)
{
	struct pool *p = &w->pools[pool];
	bool is_owed = p->renewal.owed > 0;
	int slot = free_slot(w);

	assert_false(model_is_paused(&w->m, pool));
	assert_null(p->renewal.old);
	for (int i = 0; i < USAGES_EACH; i++)
		assert_true(model_room_of_limit(&w->m, w->m.pools[pool].limits[i]) > 0);
	if (slot < 0)
		return;
	pool_add_successor(p, &w->slots[slot], w->now);
	model_add(&w->m, pool, slot, w->now);
	w->m.pools[pool].has_extra = !is_owed;
	assert_int_equal(p->renewal.is_extra, !is_owed);
	if (p->renewal.old) {
		int old = (int)(p->renewal.old - w->slots);

		assert_true(w->m.slots[old].state == SLOT_IDLE &&
			    w->now >= w->m.slots[old].retire_us);
	}
	expect_within_limits(p);
	w->renewed++;
}

static void renew(struct world *w, int pool)
{
	struct slot *old;

	switch (pool_renewal(&w->pools[pool], w->now, &old)) {
	case RENEWAL_WAIT:
		break;
	case RENEWAL_OPEN:
		open_successor(w, pool);
		break;
	case RENEWAL_RETIRE:
		assert_int_equal(old->state, SLOT_IDLE);
		world_close_slot(w, (int)(old - w->slots));
		break;
	}
	w->m.pools[pool].has_extra = w->pools[pool].renewal.is_extra;
}

static void match(struct world *w, int pool)
{
	struct slot *slot;
	struct waiter *waiter;

	while (matched(&w->pools[pool], w->now, &slot, &waiter)) {
		int person = model_first_person(&w->m, pool);
		int picked = model_pick(&w->m, pool);

		assert_false(model_is_paused(&w->m, pool));
		assert_int_equal(waiter - w->people, person);
		assert_int_equal(slot - w->slots, picked);
		model_take(&w->m, picked, w->now);
		w->m.pools[pool].served++;
		w->m.pools[pool].waited_us += w->now - w->m.people[person].since_us;
		w->m.people[person].pool = MODEL_NOBODY;
		w->granted++;
	}
	/* Nobody waits for what is there. */
	assert_true(model_is_paused(&w->m, pool) || model_line(&w->m, pool) == 0 ||
		    model_usable(&w->m, pool) == 0);
}

static void open_wanted(struct world *w, int pool)
{
	struct pool *p = &w->pools[pool];
	unsigned demand = pool_demand(p, w->now);

	assert_int_equal(demand, model_demand(&w->m, pool, w->now));
	while (demand-- > 0)
		open_one(w, pool);
	struct slot *victim = pool_eviction_for(p, w->now);
	int index = victim ? (int)(victim - w->slots) : MODEL_NOBODY;
	assert_true(model_may_evict(&w->m, pool, index, w->now));
	if (victim) {
		world_close_slot(w, index);
		w->evicted++;
	}
	w->looks[pool] = pool_next_look(p, w->now);
	assert_true(w->looks[pool] > w->now);
}

void world_serve(struct world *w, int pool)
{
	renew(w, pool);
	match(w, pool);
	open_wanted(w, pool);
}

void world_serve_blocked(struct world *w, int limit)
{
	for (;;) {
		struct pool *p = pool_next_blocked(w->limits[limit], w->now);
		int expected = model_next_blocked(&w->m, limit, w->now);

		assert_ptr_equal(p, expected < 0 ? NULL : &w->pools[expected]);
		if (!p || w->is_short)
			return;
		open_wanted(w, expected);
		w->turned++;
	}
}

static void reap_slot(struct world *w, int slot)
{
	int pool = w->m.slots[slot].pool;

	bool ends_renewal = &w->slots[slot] == w->pools[pool].renewal.old ||
			    &w->slots[slot] == w->pools[pool].renewal.successor;
	pool_remove(&w->pools[pool], &w->slots[slot], w->now);
	model_remove(&w->m, slot);
	world_learn(w);
	if (ends_renewal)
		w->m.pools[pool].has_extra = false;
	w->is_closing[slot] = false;
	w->closed++;
	world_serve(w, pool);
	for (int i = 0; i < USAGES_EACH; i++)
		world_serve_blocked(w, w->m.pools[pool].limits[i]);
}

void world_reap(struct world *w)
{
	for (int slot = 0; slot < MODEL_SLOTS; slot++)
		if (w->is_closing[slot]) {
			reap_slot(w, slot);
			slot = -1;
		}
}

void world_serve_all(struct world *w)
{
	for (int slot = 0; slot < MODEL_SLOTS; slot++)
		if (w->m.slots[slot].state == SLOT_IDLE && !w->is_closing[slot])
			world_judge(w, slot);
	for (int i = 0; i < MODEL_POOLS; i++)
		world_serve(w, i);
	for (int i = 0; i < MODEL_LIMITS; i++)
		world_serve_blocked(w, i);
}
