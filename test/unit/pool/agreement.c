/*
 * Random operations by the million on six pools under five shared limits, with a fake
 * clock; after each, the pools agree with the naive model about everything, are sound,
 * and nobody waits for what is there.
 */
#include "unit/pool/world.h"

#include "pool/contention.h"

#ifdef __SANITIZE_ADDRESS__
enum { STEPS = 60000 };
#else
enum { STEPS = 220000 };
#endif

/* In place of random_jitter(): what fails fails again. */
uint64_t __wrap_random_jitter(uint64_t around_us, unsigned percent);

static struct dice jitter;

uint64_t __wrap_random_jitter(uint64_t around_us, unsigned percent)
{
	uint64_t spread_us = around_us / 100 * percent;

	return around_us - spread_us + dice_roll(&jitter) % (2 * spread_us + 1);
}

/* ---- what happens ---- */

static void a_client_asks(struct world *w)
{
	int pool = (int)dice_of(&w->dice, MODEL_POOLS);
	unsigned person = dice_of(&w->dice, MODEL_PEOPLE);
	int picked = model_pick(&w->m, pool);

	if (w->m.people[person].pool >= 0)
		return;
	switch (asked(&w->pools[pool], w->now)) {
	case POOL_TAKE:
		assert_ptr_equal(take(&w->pools[pool], w->now), &w->slots[picked]);
		model_take(&w->m, picked, w->now);
		return;
	case POOL_WAIT:
		stand(&w->pools[pool], &w->people[person], w->now);
		w->m.people[person] = (struct model_person){
		    .pool = pool, .since_us = w->now, .ticket = ++w->tickets};
		world_serve(w, pool);
		return;
	case POOL_REFUSE:
	case POOL_DOWN:
		return;
	}
}

static void a_client_gives_up(struct world *w)
{
	unsigned person = dice_of(&w->dice, MODEL_PEOPLE);

	admission_leave(&w->people[person]);
	w->m.people[person].pool = MODEL_NOBODY;
}

/* Some server in that state that is not closing, or none. */
static int some_server(struct world *w, enum slot_state state)
{
	int from = (int)dice_of(&w->dice, MODEL_SLOTS);

	for (int i = 0; i < MODEL_SLOTS; i++) {
		int slot = (from + i) % MODEL_SLOTS;

		if (w->m.slots[slot].state == state && !w->is_closing[slot])
			return slot;
	}
	return MODEL_NOBODY;
}

static void look_after_free(struct world *w, int slot)
{
	int pool = w->m.slots[slot].pool;

	world_judge(w, slot);
	world_serve(w, pool);
}

static void a_server_comes_back(struct world *w)
{
	int slot = some_server(w, dice_once_in(&w->dice, 3) ? SLOT_CLEANING : SLOT_BUSY);

	if (slot < 0)
		return;
	struct pool *p = w->slots[slot].pool;
	if (w->m.slots[slot].state == SLOT_BUSY && dice_once_in(&w->dice, 3)) {
		pool_set_cleaning(p, &w->slots[slot], w->now);
		w->m.slots[slot].state = SLOT_CLEANING;
		w->m.slots[slot].since_us = w->now;
		return;
	}
	bool was_retired = w->slots[slot].retire;
	pool_give_back(p, &w->slots[slot], w->now);
	model_set_free(&w->m, slot, w->now);
	world_learn(w);
	assert_int_equal(w->slots[slot].retire, w->m.slots[slot].retire);
	w->yielded += w->slots[slot].retire && !was_retired;
	look_after_free(w, slot);
}

static void a_server_is_opened(struct world *w)
{
	int slot = some_server(w, SLOT_OPENING);

	if (slot < 0)
		return;
	struct pool *p = w->slots[slot].pool;
	pool_opened(p, &w->slots[slot], w->now);
	assert_true(w->slots[slot].retire_us >= w->now);
	w->m.pools[w->m.slots[slot].pool].took_us = p->opening.took_us;
	model_opened(&w->m, slot, w->now, w->slots[slot].retire_us);
	look_after_free(w, slot);
}

static void a_server_cannot_be_opened(struct world *w)
{
	int slot = some_server(w, SLOT_OPENING);

	if (slot < 0)
		return;
	int pool = w->m.slots[slot].pool;
	struct pool *p = &w->pools[pool];
	pool_open_failed(p, REACH_REFUSED, w->now, 15 * SECOND);
	model_failed(&w->m, pool, w->now, p->opening.not_before_us);
	assert_true(p->opening.not_before_us > w->now);
	world_close_slot(w, slot);
}

static void a_server_is_lost(struct world *w)
{
	int slot = some_server(w, SLOT_IDLE + dice_of(&w->dice, 3));

	if (slot >= 0)
		world_close_slot(w, slot);
}

static void a_pool_is_renewed(struct world *w)
{
	int pool = (int)dice_of(&w->dice, MODEL_POOLS);

	pool_retire_all(&w->pools[pool]);
	for (int i = 0; i < MODEL_SLOTS; i++)
		if (w->m.slots[i].pool == pool) {
			w->m.slots[i].retire = true;
			if (w->m.slots[i].state == SLOT_IDLE)
				w->is_closing[i] = true;
		}
}

static void a_gate_moves(struct world *w)
{
	int database = (int)dice_of(&w->dice, 3);

	if (database == 2) {
		w->m.is_paused = !w->m.is_paused && dice_once_in(&w->dice, 2);
		w->g.paused_all = w->m.is_paused;
	} else {
		struct model_limit *l = &w->m.limits[database];

		l->is_paused = !l->is_paused && dice_once_in(&w->dice, 2);
		w->limits[database]->gate.is_paused = l->is_paused;
	}
	world_serve_all(w);
}

static uint64_t some_time(struct world *w, uint64_t unit)
{
	return dice_of(&w->dice, 4) * unit;
}

static struct rules some_rules(struct world *w)
{
	struct dice *d = &w->dice;

	return (struct rules){
	    .pool_size = (int)dice_of(d, 6),
	    .min_pool_size = dice_once_in(d, 2) ? (int)dice_of(d, 4) : 0,
	    .reserve_pool_size = (int)dice_of(d, 3),
	    .weight = dice_once_in(d, 2) ? 1 : 1 + dice_of(d, 6),
	    .guaranteed = dice_once_in(d, 2) ? 0 : (int)dice_of(d, 4),
	    .max_queue = (int)dice_of(d, 8) - 1,
	    .server_round_robin = dice_once_in(d, 2),
	    .reserve_pool_timeout = some_time(w, SECOND),
	    .server_idle_timeout = some_time(w, 20 * SECOND),
	    .server_lifetime = some_time(w, 60 * SECOND),
	};
}

static void set_rules(struct world *w, int pool, const struct rules *rules)
{
	bool renews = rules->server_lifetime != w->m.pools[pool].rules.server_lifetime;

	contention_settle(&w->pools[pool], w->now);
	pool_set_rules(&w->pools[pool], rules);
	w->m.pools[pool].rules = *rules;
	share_set_weight(&w->m.pools[pool].share, rules->weight);
	model_note_change(&w->m, pool);
	w->m.pools[pool].clients = w->pools[pool].clients = dice_of(&w->dice, 2);
	for (int i = 0; i < MODEL_SLOTS; i++)
		if (renews && w->m.slots[i].pool == pool)
			w->m.slots[i].retire_us = w->slots[i].retire_us;
}

static void set_limit(struct world *w, int limit)
{
	int most = dice_once_in(&w->dice, 3) ? 0 : 1 + (int)dice_of(&w->dice, 6);

	w->limits[limit]->max_servers = most;
	w->m.limits[limit].most = most == 0 ? MODEL_ENDLESS : most;
}

static void the_configuration_changes(struct world *w)
{
	for (int i = 0; i < MODEL_POOLS; i++) {
		struct rules rules = some_rules(w);

		if (dice_once_in(&w->dice, 2))
			set_rules(w, i, &rules);
	}
	for (int i = 0; i < MODEL_LIMITS; i++)
		if (dice_once_in(&w->dice, 2))
			set_limit(w, i);
	world_serve_all(w);
}

static uint64_t next_look(const struct world *w)
{
	uint64_t next = CLOCK_NEVER;

	for (int i = 0; i < MODEL_POOLS; i++)
		next = clock_earlier(next, w->looks[i]);
	return next;
}

/* Whoever could have a server is looked at now or in a moment. */
static void expect_nothing_overlooked(const struct world *w)
{
	for (int i = 0; i < MODEL_POOLS; i++) {
		bool has_room = true;

		for (int k = 0; k < USAGES_EACH; k++)
			if (model_room(&w->m, i, w->m.pools[i].limits[k]) == 0)
				has_room = false;

		if (has_room && model_wanted_for_line(&w->m, i, w->now) > 0)
			assert_true(next_look(w) <= w->now + 10 * MSEC);
	}
}

static void time_passes(struct world *w)
{
	static const uint64_t steps[] = {MSEC, 50 * MSEC, 300 * MSEC, 2 * SECOND,
					 30 * SECOND};
	unsigned kind = dice_of(&w->dice, 40);

	/* Whatever is closing is gone before the turn ends. */
	world_reap(w);
	uint64_t time_us = 1 + dice_of(&w->dice, (unsigned)steps[kind < 5 ? kind : 1]);
	w->now += time_us;
	model_pass(&w->m, time_us);
	if (!w->is_short)
		expect_nothing_overlooked(w);
	for (int i = 0; i < MODEL_SLOTS; i++)
		if (w->m.slots[i].state == SLOT_IDLE && !w->is_closing[i])
			world_judge(w, i);
	for (int i = 0; i < MODEL_POOLS; i++)
		if (w->now >= w->looks[i]) {
			world_serve(w, i);
			for (int k = 0; k < USAGES_EACH; k++)
				world_serve_blocked(w, w->m.pools[i].limits[k]);
		}
}

static void something_happens(struct world *w)
{
	unsigned what = dice_of(&w->dice, 1000);

	if (what < 350)
		a_client_asks(w);
	else if (what < 370)
		a_client_gives_up(w);
	else if (what < 650)
		a_server_comes_back(w);
	else if (what < 750)
		a_server_is_opened(w);
	else if (what < 760)
		a_server_cannot_be_opened(w);
	else if (what < 770)
		a_server_is_lost(w);
	else if (what < 772)
		a_pool_is_renewed(w);
	else if (what < 780)
		a_gate_moves(w);
	else if (what < 784)
		the_configuration_changes(w);
	else
		time_passes(w);
}

/* ---- beginning and end ---- */

static struct world *world_begin(uint64_t seed)
{
	static const int places[MODEL_POOLS][2] = {{0, 0}, {0, 1}, {1, 0},
						   {1, 1}, {0, 0}, {1, 1}};
	struct world *w = calloc(1, sizeof(*w));

	assert_non_null(w);
	w->dice.state = jitter.state = seed;
	w->now = START;
	ground_begin(&w->g);
	model_init(&w->m);
	for (int i = 0; i < 2; i++) {
		w->limits[i] = w->g.database[i];
		w->limits[2 + i] = w->g.user[i];
	}
	w->limits[4] = &w->g.process;
	for (int i = 0; i < MODEL_POOLS; i++) {
		struct model_pool *p = &w->m.pools[i];

		pool_begin(&w->pools[i], &w->g, places[i][0], places[i][1]);
		p->rules = w->g.rules;
		p->limits[0] = places[i][0];
		p->limits[1] = 2 + places[i][1];
		p->limits[2] = 4;
		w->looks[i] = CLOCK_NEVER;
	}
	return w;
}

static void world_end(struct world *w)
{
	for (int i = 0; i < MODEL_POOLS; i++)
		pool_end(&w->pools[i]);
	for (int i = 0; i < 2; i++)
		w->limits[i]->gate.is_paused = false;
	ground_end(&w->g);
	free(w);
}

static void live(struct world *w)
{
	the_configuration_changes(w);
	for (unsigned step = 0; step < STEPS; step++) {
		w->is_short = false;
		something_happens(w);
		if (dice_once_in(&w->dice, 4))
			world_reap(w);
		world_agrees(w);
	}
	/* Each of the rarer things has happened often enough to mean something. */
	assert_true(w->granted > STEPS / 100);
	assert_true(w->opened > STEPS / 100);
	assert_true(w->closed > STEPS / 100);
	assert_true(w->yielded > STEPS / 1000);
	assert_true(w->evicted > STEPS / 1000);
	assert_true(w->turned > STEPS / 1000);
}

static void pools_and_model_agree_on_who_gets_what(void **state)
{
	static const uint64_t seeds[] = {1, 20, 300, 4000, 50000};

	uint64_t renewed = 0;

	(void)state;
	for (size_t i = 0; i < COUNT_OF(seeds); i++) {
		struct world *w = world_begin(seeds[i]);

		live(w);
		renewed += w->renewed;
		world_end(w);
	}
	/* Few servers live so long. */
	assert_true(renewed >= 5);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(pools_and_model_agree_on_who_gets_what),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
