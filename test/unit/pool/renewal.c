/*
 * Replacing worn out servers: when, in which order, and that there is no hole meanwhile.
 */
#include "pool/renewal.h"

#include "pool/upkeep.h"
#include "unit/pool/ground.h"

#define LIFE (1000 * SECOND)
#define LATE (START + LIFE)
enum { SLOTS = 8 };

/* A pool with clients, whose servers live for LIFE; all were used. */
struct scene {
	struct ground g;
	struct pool p, other;
	struct slot s[SLOTS], next[SLOTS];
};

static void begin(struct scene *c, unsigned count)
{
	*c = (struct scene){0};
	ground_begin(&c->g);
	c->g.rules.server_lifetime = LIFE;
	c->g.rules.pool_size = (int)count;
	pool_begin(&c->p, &c->g, 0, 0);
	pool_begin(&c->other, &c->g, 0, 1);
	c->p.clients = 1;
	for (unsigned i = 0; i < count; i++)
		add_busy(&c->p, &c->s[i], START);
}

static void end(struct scene *c)
{
	pool_end(&c->p);
	pool_end(&c->other);
	ground_end(&c->g);
}

static enum renewal_step step(struct scene *c, uint64_t now_us, struct slot **out)
{
	return pool_renewal(&c->p, now_us, out);
}

#define ASSERT_STEP(c, now_us, expected)                                                 \
	assert_int_equal(step(c, now_us, &(struct slot *){NULL}), expected)

static void a_successor_is_ready_before_the_old_one_goes(void **state)
{
	struct scene c;
	struct slot *old = NULL;

	(void)state;
	begin(&c, 2);
	pool_give_back(&c.p, &c.s[0], LATE);
	assert_false(c.s[0].retire);
	assert_true(pool_is_renewing(&c.p));
	ASSERT_STEP(&c, LATE, RENEWAL_OPEN);
	pool_add_successor(&c.p, &c.next[0], LATE);
	assert_int_equal(c.p.total, 3);
	ASSERT_STEP(&c, LATE, RENEWAL_WAIT);
	/* Meanwhile it serves, and is not too many when it comes back; nor is any other.
	 */
	assert_ptr_equal(take(&c.p, LATE), &c.s[0]);
	pool_give_back(&c.p, &c.s[0], LATE);
	assert_false(c.s[0].retire);
	pool_opened(&c.p, &c.next[0], LATE + MSEC);
	assert_false(c.next[0].retire);
	assert_int_equal(step(&c, LATE + MSEC, &old), RENEWAL_RETIRE);
	assert_ptr_equal(old, &c.s[0]);
	pool_retire(&c.p, old);
	assert_int_equal(pool_judge_idle(&c.p, old, LATE + MSEC), UPKEEP_CLOSE_OLD);
	ASSERT_STEP(&c, LATE + MSEC, RENEWAL_WAIT);
	assert_int_equal(pool_usable(&c.p), 1);
	pool_remove(&c.p, old, LATE + MSEC);
	assert_int_equal(c.p.total, 2);
	assert_false(pool_is_renewing(&c.p));
	end(&c);
}

static void they_go_one_at_a_time_and_at_a_pace(void **state)
{
	struct scene c;
	uint64_t now = LATE;

	(void)state;
	begin(&c, 4);
	for (unsigned i = 0; i < 4; i++)
		pool_give_back(&c.p, &c.s[i], LATE);
	for (unsigned i = 0; i < 4; i++) {
		struct slot *old = NULL;

		assert_int_equal(step(&c, now, &old), RENEWAL_OPEN);
		pool_add_successor(&c.p, &c.next[i], now);
		assert_true(c.p.total <= 5);
		assert_int_equal(pool_next_look(&c.p, now), CLOCK_NEVER);
		pool_opened(&c.p, &c.next[i], now);
		assert_int_equal(step(&c, now, &old), RENEWAL_RETIRE);
		assert_ptr_equal(old, &c.s[i]);
		pool_retire(&c.p, old);
		pool_remove(&c.p, old, now);
		/* The next one waits a little, and the pool says for how long. */
		ASSERT_STEP(&c, now, RENEWAL_WAIT);
		if (i < 3)
			assert_int_equal(pool_next_look(&c.p, now),
					 now + RENEWAL_PACE_US);
		now += RENEWAL_PACE_US;
		assert_int_equal(pool_usable(&c.p), 4);
	}
	assert_false(pool_is_renewing(&c.p));
	end(&c);
}

/* One worn out server becomes idle LATE; another has been idle for some time. */
static void whether_a_successor_is_needed(void **state)
{
	static const struct {
		const char *what;
		unsigned clients;
		int min_pool_size;
		unsigned busy;
		int idle_for; /* seconds; -1: no other is idle */
		unsigned worn_idle_for;
		bool unused;
		enum renewal_step step;
	} cases[] = {
	    {"the only one", 1, 0, 0, -1, 0, false, RENEWAL_OPEN},
	    {"the only one, long idle", 1, 0, 0, -1, 300, false, RENEWAL_OPEN},
	    {"the only one, never used", 1, 0, 0, -1, 300, true, RENEWAL_RETIRE},
	    {"never used, but a minimum", 1, 1, 0, -1, 300, true, RENEWAL_OPEN},
	    {"nobody there", 0, 0, 0, -1, 0, false, RENEWAL_RETIRE},
	    {"others are busy", 1, 0, 3, -1, 0, false, RENEWAL_OPEN},
	    {"others are busy, it is not needed", 1, 0, 3, -1, 11, false, RENEWAL_RETIRE},
	    {"another has come back just now", 1, 0, 0, 1, 0, false, RENEWAL_OPEN},
	    {"another is to spare", 1, 0, 0, 11, 0, false, RENEWAL_RETIRE},
	    {"to spare, but a minimum", 1, 2, 0, 11, 0, false, RENEWAL_OPEN},
	    {"beyond the minimum", 1, 1, 0, 11, 0, false, RENEWAL_RETIRE},
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		struct scene c;
		struct rules rules;
		uint64_t now = LATE + cases[i].worn_idle_for * SECOND;

		begin(&c, 1 + cases[i].busy + (cases[i].idle_for >= 0));
		for (unsigned k = 1; k < SLOTS; k++)
			c.s[k].retire_us = CLOCK_NEVER;
		if (cases[i].idle_for >= 0)
			pool_give_back(&c.p, &c.s[1],
				       LATE - (uint64_t)cases[i].idle_for * SECOND);
		pool_give_back(&c.p, &c.s[0], LATE);
		c.s[0].was_used = !cases[i].unused;
		c.p.clients = cases[i].clients;
		rules = c.p.rules;
		rules.min_pool_size = cases[i].min_pool_size;
		pool_set_rules(&c.p, &rules);
		struct slot *old = NULL;
		enum renewal_step got = step(&c, now, &old);
		if (got != cases[i].step)
			fail_msg("%s: %d", cases[i].what, (int)got);
		if (got == RENEWAL_RETIRE)
			assert_ptr_equal(old, &c.s[0]);
		end(&c);
	}
}

static void where_a_limit_has_no_room_the_old_one_goes_first(void **state)
{
	struct scene c;
	struct slot *old = NULL;

	(void)state;
	begin(&c, 2);
	c.g.database[0]->max_servers = 2;
	pool_give_back(&c.p, &c.s[0], LATE);
	assert_int_equal(step(&c, LATE, &old), RENEWAL_RETIRE);
	assert_ptr_equal(old, &c.s[0]);
	pool_retire(&c.p, old);
	ASSERT_STEP(&c, LATE, RENEWAL_WAIT);
	pool_remove(&c.p, old, LATE);
	/* In its place, and at once. */
	ASSERT_STEP(&c, LATE, RENEWAL_OPEN);
	pool_add_successor(&c.p, &c.next[0], LATE);
	assert_int_equal(c.p.total, 2);
	pool_opened(&c.p, &c.next[0], LATE);
	assert_false(pool_is_renewing(&c.p));
	end(&c);
}

static void what_others_wait_for_is_theirs(void **state)
{
	struct scene c;
	struct waiter w = {0};
	struct slot theirs = {0}, *old = NULL;

	(void)state;
	begin(&c, 2);
	c.g.database[0]->max_servers = 2;
	stand(&c.other, &w, LATE);
	assert_int_equal(pool_demand(&c.other, LATE), 0);
	c.g.database[0]->max_servers = 3;
	pool_give_back(&c.p, &c.s[0], LATE);
	assert_int_equal(step(&c, LATE, &old), RENEWAL_RETIRE);
	pool_retire(&c.p, old);
	pool_remove(&c.p, old, LATE);
	c.g.database[0]->max_servers = 2;
	assert_int_equal(pool_demand(&c.other, LATE), 1);
	pool_add(&c.other, &theirs, LATE);
	/* There is no room, so none is due any more. */
	ASSERT_STEP(&c, LATE, RENEWAL_WAIT);
	assert_false(pool_is_renewing(&c.p));
	end(&c);
}

static void one_that_cannot_be_replaced_works_on(void **state)
{
	struct scene c;

	(void)state;
	begin(&c, 1);
	pool_give_back(&c.p, &c.s[0], LATE);
	ASSERT_STEP(&c, LATE, RENEWAL_OPEN);
	pool_add_successor(&c.p, &c.next[0], LATE);
	pool_open_failed(&c.p, REACH_REFUSED, LATE, 15 * SECOND);
	pool_retire(&c.p, &c.next[0]);
	pool_remove(&c.p, &c.next[0], LATE);
	assert_true(pool_is_renewing(&c.p));
	ASSERT_STEP(&c, LATE + RENEWAL_PACE_US, RENEWAL_WAIT);
	assert_int_equal(pool_judge_idle(&c.p, &c.s[0], LATE), UPKEEP_KEEP);
	assert_int_equal(pool_usable(&c.p), 1);
	uint64_t again = pool_next_look(&c.p, LATE);
	assert_int_equal(again, c.p.opening.not_before_us);
	ASSERT_STEP(&c, again, RENEWAL_OPEN);
	end(&c);
}

static void a_successor_does_not_wait_for_ever(void **state)
{
	struct scene c;
	struct slot *old = NULL;
	uint64_t end_us = LATE + RENEWAL_PATIENCE_US;

	(void)state;
	begin(&c, 2);
	pool_give_back(&c.p, &c.s[0], LATE);
	ASSERT_STEP(&c, LATE, RENEWAL_OPEN);
	pool_add_successor(&c.p, &c.next[0], LATE);
	take(&c.p, LATE);
	pool_opened(&c.p, &c.next[0], LATE);
	assert_int_equal(pool_next_look(&c.p, LATE), end_us);
	ASSERT_STEP(&c, end_us - 1, RENEWAL_WAIT);
	/* Of one too many, the idle one goes. */
	assert_int_equal(step(&c, end_us, &old), RENEWAL_RETIRE);
	assert_ptr_equal(old, &c.next[0]);
	pool_retire(&c.p, old);
	pool_remove(&c.p, old, end_us);
	/* The turn of the other comes again when it is free. */
	pool_give_back(&c.p, &c.s[0], end_us);
	assert_false(c.s[0].retire);
	ASSERT_STEP(&c, end_us, RENEWAL_OPEN);
	end(&c);
}

/* Both are there, and those who wait do so for the size of the pool to allow it. */
static void no_more_are_at_work_than_the_size_allows(void **state)
{
	struct scene c;
	struct slot *old = NULL, *slot;
	struct waiter w = {0}, *served;

	(void)state;
	begin(&c, 2);
	pool_give_back(&c.p, &c.s[0], LATE);
	ASSERT_STEP(&c, LATE, RENEWAL_OPEN);
	pool_add_successor(&c.p, &c.next[0], LATE);
	assert_ptr_equal(take(&c.p, LATE), &c.s[0]);
	pool_opened(&c.p, &c.next[0], LATE);
	assert_int_equal(pool_at_work(&c.p), 2);
	assert_int_equal(pool_usable(&c.p), 0);
	assert_false(pool_may_take(&c.p));
	stand(&c.p, &w, LATE);
	assert_false(matched(&c.p, LATE, &slot, &served));
	assert_int_equal(pool_demand(&c.p, LATE), 0);
	/* The old one is free: now it is the successor's turn. */
	pool_give_back(&c.p, &c.s[0], LATE + MSEC);
	assert_int_equal(step(&c, LATE + MSEC, &old), RENEWAL_RETIRE);
	assert_ptr_equal(old, &c.s[0]);
	pool_retire(&c.p, old);
	assert_true(matched(&c.p, LATE + MSEC, &slot, &served));
	assert_ptr_equal(slot, &c.next[0]);
	assert_int_equal(pool_at_work(&c.p), 2);
	end(&c);
}

/* The reserve is more than the size, and meant to be; but it is not more for this. */
static void a_reserve_at_work_is_one_too_many_for_a_successor(void **state)
{
	struct scene c;
	struct slot reserve = {0};
	struct rules rules;

	(void)state;
	begin(&c, 2);
	rules = c.p.rules;
	rules.reserve_pool_size = 1;
	rules.reserve_pool_timeout = SECOND;
	pool_set_rules(&c.p, &rules);
	add_busy(&c.p, &reserve, LATE);
	pool_give_back(&c.p, &c.s[0], LATE);
	ASSERT_STEP(&c, LATE, RENEWAL_OPEN);
	pool_add_successor(&c.p, &c.next[0], LATE);
	pool_opened(&c.p, &c.next[0], LATE);
	/* One of the two that are idle. */
	assert_int_equal(pool_usable(&c.p), 1);
	take(&c.p, LATE);
	assert_int_equal(pool_usable(&c.p), 0);
	end(&c);
}

static void servers_may_die_in_the_middle_of_it(void **state)
{
	struct scene c;

	(void)state;
	begin(&c, 2);
	pool_give_back(&c.p, &c.s[0], LATE);
	ASSERT_STEP(&c, LATE, RENEWAL_OPEN);
	pool_add_successor(&c.p, &c.next[0], LATE);
	pool_remove(&c.p, &c.s[0], LATE);
	pool_opened(&c.p, &c.next[0], LATE);
	assert_false(pool_is_renewing(&c.p));
	assert_int_equal(pool_usable(&c.p), 1);
	assert_int_equal(c.p.total, 2);
	end(&c);
}

static void a_paused_pool_opens_none(void **state)
{
	struct scene c;

	(void)state;
	begin(&c, 1);
	pool_give_back(&c.p, &c.s[0], LATE);
	c.g.paused_all = 1;
	ASSERT_STEP(&c, LATE, RENEWAL_WAIT);
	assert_int_equal(pool_next_look(&c.p, LATE), CLOCK_NEVER);
	c.g.paused_all = 0;
	ASSERT_STEP(&c, LATE, RENEWAL_OPEN);
	end(&c);
}

static void transactions_and_memory_wear_out_as_time_does(void **state)
{
	struct scene c;
	struct rules rules;

	(void)state;
	begin(&c, 1);
	rules = c.p.rules;
	rules.server_max_transactions = 100;
	rules.server_memory_limit = 1000;
	pool_set_rules(&c.p, &rules);
	assert_in_range(c.s[0].transactions_max, 90, 100);
	c.s[0].transactions = c.s[0].transactions_max - 1;
	assert_int_equal(upkeep_wear(&c.p, &c.s[0], START), WEAR_NONE);
	c.s[0].transactions++;
	assert_int_equal(upkeep_wear(&c.p, &c.s[0], START), WEAR_USED_UP);
	pool_give_back(&c.p, &c.s[0], START);
	ASSERT_STEP(&c, START, RENEWAL_OPEN);
	/* Without the limit there is nothing to do. */
	rules.server_max_transactions = 0;
	pool_set_rules(&c.p, &rules);
	ASSERT_STEP(&c, START + SECOND, RENEWAL_WAIT);
	assert_false(pool_is_renewing(&c.p));
	pool_note_memory(&c.p, &c.s[0], 1000, START);
	assert_int_equal(upkeep_wear(&c.p, &c.s[0], START), WEAR_NONE);
	pool_note_memory(&c.p, &c.s[0], 1001, START);
	assert_int_equal(upkeep_wear(&c.p, &c.s[0], START), WEAR_BLOATED);
	assert_int_equal(pool_judge_idle(&c.p, &c.s[0], START), UPKEEP_RENEW);
	c.p.clients = 0;
	assert_int_equal(pool_judge_idle(&c.p, &c.s[0], START), UPKEEP_CLOSE_BLOATED);
	end(&c);
}

static void servers_that_were_used_are_asked_now_and_then(void **state)
{
	struct scene c;
	struct rules rules;
	struct waiter w = {0};
	uint64_t due = START + 60 * SECOND;

	(void)state;
	begin(&c, 1);
	assert_false(pool_wants_to_ask(&c.p, &c.s[0], due));
	rules = c.p.rules;
	rules.server_memory_limit = 1000;
	rules.server_memory_check = 60 * SECOND;
	pool_set_rules(&c.p, &rules);
	assert_false(pool_wants_to_ask(&c.p, &c.s[0], due - 1));
	assert_true(pool_wants_to_ask(&c.p, &c.s[0], due));
	/* Those who wait come first, but not for ever. */
	stand(&c.p, &w, START);
	assert_false(pool_wants_to_ask(&c.p, &c.s[0], due));
	assert_true(pool_wants_to_ask(&c.p, &c.s[0], due + 60 * SECOND));
	admission_leave(&w);
	/* One that idles is asked once. */
	pool_give_back(&c.p, &c.s[0], START);
	assert_int_equal(pool_idle_deadline(&c.p, &c.s[0], START), due);
	assert_int_equal(pool_judge_idle(&c.p, &c.s[0], due - 1), UPKEEP_KEEP);
	assert_int_equal(pool_judge_idle(&c.p, &c.s[0], due), UPKEEP_ASK_MEMORY);
	pool_note_memory(&c.p, &c.s[0], 10, due);
	assert_int_equal(pool_idle_deadline(&c.p, &c.s[0], due), c.s[0].retire_us);
	/* Used again, it is asked again; unless servers of the pool do not tell. */
	take(&c.p, due);
	assert_true(pool_wants_to_ask(&c.p, &c.s[0], due + 60 * SECOND));
	pool_note_memory_hidden(&c.p);
	assert_false(pool_wants_to_ask(&c.p, &c.s[0], due + 60 * SECOND));
	pool_set_rules(&c.p, &rules);
	assert_true(pool_wants_to_ask(&c.p, &c.s[0], due + 60 * SECOND));
	end(&c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_successor_is_ready_before_the_old_one_goes),
	    cmocka_unit_test(they_go_one_at_a_time_and_at_a_pace),
	    cmocka_unit_test(whether_a_successor_is_needed),
	    cmocka_unit_test(where_a_limit_has_no_room_the_old_one_goes_first),
	    cmocka_unit_test(what_others_wait_for_is_theirs),
	    cmocka_unit_test(one_that_cannot_be_replaced_works_on),
	    cmocka_unit_test(a_successor_does_not_wait_for_ever),
	    cmocka_unit_test(no_more_are_at_work_than_the_size_allows),
	    cmocka_unit_test(a_reserve_at_work_is_one_too_many_for_a_successor),
	    cmocka_unit_test(servers_may_die_in_the_middle_of_it),
	    cmocka_unit_test(a_paused_pool_opens_none),
	    cmocka_unit_test(transactions_and_memory_wear_out_as_time_does),
	    cmocka_unit_test(servers_that_were_used_are_asked_now_and_then),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
