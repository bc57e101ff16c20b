/*
 * Who gets which server: asking, taking, the line, and what servers go through.
 */
#include "pool/pool.h"

#include "unit/pool/ground.h"

/* ---- asking ---- */

static void the_answer_follows_from_what_there_is(void **state)
{
	static const struct {
		const char *what;
		int pool_size, max_queue;
		unsigned idle, busy, opening, waiting;
		bool is_paused, is_failing;
		enum pool_answer answer;
	} cases[] = {
	    {"an idle server", 2, 0, 1, 1, 0, 0, false, false, POOL_TAKE},
	    {"an idle one, but others wait", 2, 5, 1, 0, 0, 1, false, false, POOL_WAIT},
	    {"an idle one, too many wait", 1, 1, 1, 0, 0, 1, false, false, POOL_REFUSE},
	    {"room to open", 2, 0, 0, 1, 0, 0, false, false, POOL_WAIT},
	    {"room to open for as many as wait", 2, 0, 0, 0, 0, 1, false, false,
	     POOL_WAIT},
	    {"room to open for those before", 2, 0, 0, 0, 0, 2, false, false,
	     POOL_REFUSE},
	    {"no limit to the size", 0, 0, 0, 0, 0, 50, false, false, POOL_WAIT},
	    {"one is being opened for it", 1, 0, 0, 0, 1, 0, false, false, POOL_WAIT},
	    {"one is being opened for another", 1, 0, 0, 0, 1, 1, false, false,
	     POOL_REFUSE},
	    {"all busy, never wait", 2, 0, 0, 2, 0, 0, false, false, POOL_REFUSE},
	    {"all busy, room in the line", 2, 3, 0, 2, 0, 2, false, false, POOL_WAIT},
	    {"all busy, line full", 2, 3, 0, 2, 0, 3, false, false, POOL_REFUSE},
	    {"all busy, endless line", 2, -1, 0, 2, 0, 50, false, false, POOL_WAIT},
	    {"paused, idle server", 2, 1, 1, 0, 0, 0, true, false, POOL_WAIT},
	    {"paused, line full", 2, 1, 1, 0, 0, 1, true, false, POOL_REFUSE},
	    {"paused, never wait", 2, 0, 1, 0, 0, 0, true, false, POOL_REFUSE},
	    {"none, just failed", 2, 5, 0, 0, 0, 0, false, true, POOL_DOWN},
	    {"none but one being opened", 2, 5, 0, 0, 1, 0, false, true, POOL_DOWN},
	    {"just failed, some wait on", 2, 5, 0, 0, 0, 1, false, true, POOL_WAIT},
	    {"just failed, another is busy", 2, 5, 0, 1, 0, 0, false, true, POOL_WAIT},
	    {"just failed, busy, never wait", 2, 0, 0, 1, 0, 0, false, true, POOL_REFUSE},
	    {"just failed, another is idle", 2, 5, 1, 0, 0, 0, false, true, POOL_TAKE},
	    {"just failed, paused", 2, 5, 0, 0, 0, 0, true, true, POOL_WAIT},
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		struct ground g;
		struct pool p;
		struct slot slots[6] = {0};
		struct waiter waiters[50] = {0};
		unsigned n = 0;

		ground_begin(&g);
		g.rules.pool_size = cases[i].pool_size;
		g.rules.max_queue = cases[i].max_queue;
		pool_begin(&p, &g, 0, 0);
		for (unsigned k = 0; k < cases[i].busy; k++)
			add_busy(&p, &slots[n++], START);
		for (unsigned k = 0; k < cases[i].idle; k++)
			add_idle(&p, &slots[n++], START);
		for (unsigned k = 0; k < cases[i].opening; k++)
			pool_add(&p, &slots[n++], START);
		join(&p, waiters, cases[i].waiting, START);
		g.database[0]->gate.is_paused = cases[i].is_paused;
		if (cases[i].is_failing)
			pool_open_failed(&p, REACH_REFUSED, START, 100 * SECOND);
		if (asked(&p, START) != cases[i].answer)
			fail_msg("%s: %d", cases[i].what, (int)asked(&p, START));
		g.database[0]->gate.is_paused = false;
		/* PAUSE of everything shuts as well. */
		g.paused_all = cases[i].is_paused;
		assert_int_equal(asked(&p, START), cases[i].answer);
		pool_end(&p);
		ground_end(&g);
	}
}

static void what_will_pass_is_waited_for(void **state)
{
	(void)state;
	for (int why = REACH_REFUSED; why < REACH_COUNT; why++) {
		bool is_down = reach_is_down((enum reach)why);
		struct ground g;
		struct pool p;

		ground_begin(&g);
		pool_begin(&p, &g, 0, 0);
		pool_open_failed(&p, (enum reach)why, START, 15 * SECOND);
		assert_int_equal(asked(&p, START), is_down ? POOL_DOWN : POOL_WAIT);
		assert_int_equal(pool_is_hopeless(&p, true, START), is_down);
		pool_end(&p);
		ground_end(&g);
	}
}

static void those_who_are_held_are_told_in_the_end(void **state)
{
	struct ground g;
	struct pool p;
	struct slot s = {0};
	struct waiter w = {0}, late = {0};
	uint64_t end = START + 10 * SECOND;

	(void)state;
	ground_begin(&g);
	g.rules.hold_on_failure = 10 * SECOND;
	pool_begin(&p, &g, 0, 0);
	pool_open_failed(&p, REACH_REFUSED, START, 15 * SECOND);
	assert_false(pool_is_hopeless(&p, true, START));
	assert_int_equal(asked(&p, START), POOL_WAIT);
	stand(&p, &w, START);
	for (uint64_t now = START; now < end; now = p.opening.not_before_us) {
		pool_open_failed(&p, REACH_REFUSED, now, 15 * SECOND);
		assert_false(pool_is_hopeless(&p, true, now));
		assert_true(pool_next_look(&p, now) <= end);
		assert_null(pool_next_given_up(&p, now));
	}
	/* An attempt that is under way changes nothing. */
	pool_add(&p, &s, end);
	assert_ptr_equal(pool_next_given_up(&p, end), &w);
	admission_leave(&w);
	/* From then on nobody is held; who waits for an attempt of his own is not. */
	stand(&p, &late, end);
	assert_null(pool_next_given_up(&p, end));
	pool_remove(&p, &s, end);
	assert_true(pool_is_hopeless(&p, true, end));
	pool_end(&p);
	ground_end(&g);
}

static void after_the_pause_a_pool_that_failed_is_tried_by_one(void **state)
{
	struct ground g;
	struct pool p;
	struct slot s = {0};
	struct waiter w = {0};

	(void)state;
	ground_begin(&g);
	g.rules.max_queue = 0;
	pool_begin(&p, &g, 0, 0);
	pool_open_failed(&p, REACH_REFUSED, START, 15 * SECOND);
	assert_int_equal(asked(&p, START + 79 * MSEC), POOL_DOWN);
	assert_int_equal(asked(&p, START + 121 * MSEC), POOL_WAIT);
	stand(&p, &w, START + 121 * MSEC);
	assert_int_equal(asked(&p, START + 121 * MSEC), POOL_REFUSE);
	assert_int_equal(pool_demand(&p, START + 121 * MSEC), 1);
	pool_add(&p, &s, START + 121 * MSEC);
	assert_int_equal(pool_demand(&p, START + 121 * MSEC), 0);
	pool_end(&p);
	ground_end(&g);
}

static void shared_limits_count_when_servers_to_come_are_counted(void **state)
{
	static const struct {
		int database_max, user_max;
		unsigned busy_elsewhere, idle_elsewhere;
		enum pool_answer answer;
	} cases[] = {
	    {1, 0, 0, 0, POOL_WAIT},
	    {1, 0, 1, 0, POOL_REFUSE},
	    {0, 1, 1, 0, POOL_REFUSE},
	    {2, 2, 1, 0, POOL_WAIT},
	    {2, 1, 1, 0, POOL_REFUSE},
	    /* It can be evicted. */
	    {1, 0, 0, 1, POOL_WAIT},
	    {2, 0, 1, 1, POOL_WAIT},
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		struct ground g;
		struct pool p, other;
		struct slot slots[2] = {0};

		ground_begin(&g);
		g.rules.max_queue = 0;
		g.database[0]->max_servers = cases[i].database_max;
		g.user[0]->max_servers = cases[i].user_max;
		pool_begin(&p, &g, 0, 0);
		pool_begin(&other, &g, 0, 0);
		for (unsigned k = 0; k < cases[i].busy_elsewhere; k++)
			add_busy(&other, &slots[k], START);
		for (unsigned k = 0; k < cases[i].idle_elsewhere; k++)
			add_idle(&other, &slots[cases[i].busy_elsewhere + k], START);
		assert_int_equal(asked(&p, START), cases[i].answer);
		pool_end(&other);
		pool_end(&p);
		ground_end(&g);
	}
}

/* ---- taking ---- */

static void the_latest_used_is_taken_first_or_the_longest_idle_in_turns(void **state)
{
	static const struct {
		bool round_robin;
		int order[3];
	} cases[] = {{false, {0, 2, 1}}, {true, {1, 2, 0}}};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		struct ground g;
		struct pool p;
		struct slot s[3] = {0};

		ground_begin(&g);
		g.rules.server_round_robin = cases[i].round_robin;
		pool_begin(&p, &g, 0, 0);
		add_busy(&p, &s[0], START);
		add_busy(&p, &s[1], START);
		add_busy(&p, &s[2], START);
		pool_give_back(&p, &s[1], START + 1);
		pool_give_back(&p, &s[2], START + 2);
		pool_give_back(&p, &s[0], START + 3);
		for (int k = 0; k < 3; k++)
			assert_ptr_equal(take(&p, START + 4), &s[cases[i].order[k]]);
		assert_int_equal(p.tally.now.server_assignment_count, 6);
		pool_end(&p);
		ground_end(&g);
	}
}

static void retired_servers_are_never_handed_out(void **state)
{
	(void)state;
	for (int round_robin = 0; round_robin < 2; round_robin++) {
		struct ground g;
		struct pool p;
		struct slot s[4] = {0};

		ground_begin(&g);
		g.rules.server_round_robin = round_robin;
		pool_begin(&p, &g, 0, 0);
		for (unsigned k = 0; k < 4; k++)
			add_busy(&p, &s[k], START);
		/* Two retire while busy, one while idle. */
		pool_retire(&p, &s[0]);
		pool_retire(&p, &s[1]);
		for (unsigned k = 0; k < 4; k++)
			pool_give_back(&p, &s[k], START + k);
		pool_retire(&p, &s[2]);
		pool_retire(&p, &s[2]);
		assert_true(pool_is_sound(&p));
		assert_int_equal(pool_usable(&p), 1);
		assert_int_equal(g.database[0]->leaving, 3);
		assert_int_equal(asked(&p, START + 9), POOL_TAKE);
		assert_ptr_equal(take(&p, START + 9), &s[3]);
		assert_int_equal(asked(&p, START + 9), POOL_WAIT);
		for (int k = 0; k < 3; k++) {
			struct slot *retired = p.first_retired;

			assert_non_null(retired);
			assert_int_equal(pool_judge_idle(&p, retired, START + 9),
					 UPKEEP_CLOSE_RETIRED);
			pool_remove(&p, retired, START + 9);
		}
		assert_null(p.first_retired);
		assert_int_equal(g.user[0]->leaving, 0);
		pool_end(&p);
		ground_end(&g);
	}
}

static void all_are_retired_at_once_whatever_they_do(void **state)
{
	struct ground g;
	struct pool p;
	struct slot s[5] = {0};

	(void)state;
	ground_begin(&g);
	pool_begin(&p, &g, 0, 0);
	add_busy(&p, &s[0], START);
	add_busy(&p, &s[1], START);
	pool_set_cleaning(&p, &s[1], START);
	add_idle(&p, &s[2], START);
	add_idle(&p, &s[3], START);
	pool_add(&p, &s[4], START);
	pool_retire_all(&p);
	assert_true(pool_is_sound(&p));
	assert_int_equal(pool_usable(&p), 0);
	pool_give_back(&p, &s[0], START);
	pool_give_back(&p, &s[1], START);
	pool_opened(&p, &s[4], START);
	assert_int_equal(p.leaving, 5);
	assert_int_equal(pool_usable(&p), 0);
	pool_end(&p);
	ground_end(&g);
}

/* ---- the line ---- */

static void waiters_are_served_in_order_of_arrival(void **state)
{
	struct ground g;
	struct pool p;
	struct slot s[2] = {0}, *slot;
	struct waiter w[3] = {0}, *waiter;

	(void)state;
	ground_begin(&g);
	pool_begin(&p, &g, 0, 0);
	assert_false(matched(&p, START, &slot, &waiter));
	join(&p, w, 3, START);
	assert_false(matched(&p, START, &slot, &waiter));
	add_idle(&p, &s[0], START + 5 * MSEC);
	add_idle(&p, &s[1], START + 5 * MSEC);
	for (int i = 0; i < 2; i++) {
		assert_true(matched(&p, START + 5 * MSEC, &slot, &waiter));
		assert_ptr_equal(waiter, &w[i]);
		assert_null(waiter->line);
		assert_int_equal(slot->state, SLOT_BUSY);
	}
	assert_false(matched(&p, START + 5 * MSEC, &slot, &waiter));
	pool_give_back(&p, &s[0], START + 9 * MSEC);
	assert_true(matched(&p, START + 9 * MSEC, &slot, &waiter));
	assert_ptr_equal(waiter, &w[2]);
	assert_int_equal(p.tally.now.wait_time_us, 19 * MSEC);
	assert_int_equal(p.tally.now.server_assignment_count, 3);
	assert_int_equal(p.waits->count, 3);
	pool_end(&p);
	ground_end(&g);
}

static void a_pause_keeps_servers_and_waiters_apart(void **state)
{
	struct ground g;
	struct pool p;
	struct slot s = {0}, *slot;
	struct waiter w = {0}, *waiter;

	(void)state;
	ground_begin(&g);
	pool_begin(&p, &g, 0, 0);
	stand(&p, &w, START);
	g.database[0]->gate.is_paused = true;
	assert_int_equal(pool_demand(&p, START), 0);
	assert_int_equal(pool_next_look(&p, START), CLOCK_NEVER);
	add_idle(&p, &s, START);
	assert_false(matched(&p, START, &slot, &waiter));
	g.database[0]->gate.is_paused = false;
	g.paused_all = 1;
	assert_false(matched(&p, START, &slot, &waiter));
	g.paused_all = 0;
	assert_true(matched(&p, START, &slot, &waiter));
	pool_end(&p);
	ground_end(&g);
}

static void no_wait_is_expected_while_a_server_is_free(void **state)
{
	struct ground g;
	struct pool p;
	struct slot s = {0};
	const struct asker asker = {.weight = 1, .class = PRIORITY_NORMAL};
	uint64_t now = START;

	(void)state;
	ground_begin(&g);
	g.rules.pool_size = 1;
	pool_begin(&p, &g, 0, 0);
	add_idle(&p, &s, now);
	for (int i = 0; i < 10; i++) {
		pool_take(&p, now);
		pool_give_back(&p, &s, now += 10 * MSEC);
	}
	now += 60 * SECOND;
	assert_int_equal(pool_expected_wait(&p, &asker, now), 0);
	pool_take(&p, now);
	assert_int_equal(pool_expected_wait(&p, &asker, now), 10 * MSEC);
	pool_give_back(&p, &s, now);
	pool_end(&p);
	ground_end(&g);
}

/* Ten in line for a minute, then one every 5 ms. */
static unsigned served_after(struct pool *p, struct ground *g, bool is_paused)
{
	struct slot s = {0}, *slot = &s;
	struct waiter w[10] = {0}, *waiter;
	uint64_t now = START;
	unsigned served = 0;
	enum pool_match match;

	g->rules.queue_policy = QUEUE_CODEL;
	g->rules.queue_target = 5 * MSEC;
	g->rules.queue_interval = 40 * MSEC;
	pool_begin(p, g, 0, 0);
	add_idle(p, &s, now);
	g->paused_all = 1;
	for (size_t i = 0; i < COUNT_OF(w); i++)
		stand(p, &w[i], now);
	now += 60 * SECOND;
	if (is_paused)
		pool_note_suspended(p, now);
	g->paused_all = 0;
	while ((match = pool_match(p, now, &slot, &waiter)) != POOL_NO_MATCH) {
		served += match == POOL_MATCHED;
		if (match == POOL_MATCHED)
			pool_give_back(p, slot, now += 5 * MSEC);
	}
	pool_end(p);
	return served;
}

static void time_in_which_nobody_was_served_is_no_wait_for_codel(void **state)
{
	struct ground g;
	struct pool p;

	(void)state;
	ground_begin(&g);
	assert_int_equal(served_after(&p, &g, true), 10);
	assert_true(served_after(&p, &g, false) < 10);
	ground_end(&g);
}

/* ---- servers ---- */

static void servers_are_counted_in_every_state_wherever_there_is_a_limit(void **state)
{
	struct ground g;
	struct pool p, other;
	struct slot s[3] = {0};

	(void)state;
	ground_begin(&g);
	pool_begin(&p, &g, 0, 0);
	pool_begin(&other, &g, 0, 1);
	pool_add(&p, &s[0], START);
	add_idle(&p, &s[1], START);
	add_busy(&other, &s[2], START);
	assert_int_equal(p.total, 2);
	assert_int_equal(g.database[0]->servers, 3);
	assert_int_equal(g.user[0]->servers, 2);
	assert_int_equal(g.user[1]->servers, 1);
	pool_remove(&p, &s[0], START);
	pool_remove(&p, &s[1], START);
	assert_int_equal(s[1].state, SLOT_OUTSIDE);
	assert_null(s[1].pool);
	pool_set_cleaning(&other, &s[2], START);
	assert_int_equal(other.counts[SLOT_CLEANING], 1);
	pool_give_back(&other, &s[2], START + 7);
	assert_int_equal(other.counts[SLOT_IDLE], 1);
	assert_ptr_equal(TAILQ_FIRST(&g.database[0]->idle), &s[2]);
	assert_true(TAILQ_EMPTY(&g.user[0]->idle));
	pool_end(&other);
	assert_int_equal(g.database[0]->servers, 0);
	pool_end(&p);
	ground_end(&g);
}

static void giving_back_one_that_opens_means_it_is_opened(void **state)
{
	struct ground g;
	struct pool p;
	struct slot s = {0};

	(void)state;
	ground_begin(&g);
	pool_begin(&p, &g, 0, 0);
	assert_false(p.has_been_reached);
	pool_add(&p, &s, START);
	pool_give_back(&p, &s, START + 5);
	assert_true(p.has_been_reached);
	assert_int_equal(s.opened_us, START + 5);
	assert_int_equal(p.opening.allowed, 2 * OPENING_INITIAL);
	pool_end(&p);
	ground_end(&g);
}

static void a_slot_can_be_used_again(void **state)
{
	struct ground g;
	struct pool p;
	struct slot s = {0};

	(void)state;
	ground_begin(&g);
	pool_begin(&p, &g, 0, 0);
	add_busy(&p, &s, START);
	pool_retire(&p, &s);
	pool_remove(&p, &s, START);
	add_idle(&p, &s, START + 1);
	assert_int_equal(pool_usable(&p), 1);
	assert_ptr_equal(take(&p, START + 2), &s);
	pool_end(&p);
	ground_end(&g);
}

static void an_unsound_pool_is_noticed(void **state)
{
	struct ground g;
	struct pool p;
	struct slot s[2] = {0};

	(void)state;
	ground_begin(&g);
	pool_begin(&p, &g, 0, 0);
	add_idle(&p, &s[0], START);
	add_idle(&p, &s[1], START);
	assert_true(pool_is_sound(&p));
	p.total++;
	assert_false(pool_is_sound(&p));
	p.total--;
	p.counts[SLOT_IDLE]--;
	assert_false(pool_is_sound(&p));
	p.counts[SLOT_IDLE]++;
	s[0].retire = true;
	assert_false(pool_is_sound(&p));
	s[0].retire = false;
	s[0].state = SLOT_BUSY;
	assert_false(pool_is_sound(&p));
	s[0].state = SLOT_IDLE;
	p.leaving = 1;
	assert_false(pool_is_sound(&p));
	p.leaving = 0;
	assert_true(pool_is_sound(&p));
	pool_end(&p);
	ground_end(&g);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(the_answer_follows_from_what_there_is),
	    cmocka_unit_test(what_will_pass_is_waited_for),
	    cmocka_unit_test(those_who_are_held_are_told_in_the_end),
	    cmocka_unit_test(after_the_pause_a_pool_that_failed_is_tried_by_one),
	    cmocka_unit_test(shared_limits_count_when_servers_to_come_are_counted),
	    cmocka_unit_test(the_latest_used_is_taken_first_or_the_longest_idle_in_turns),
	    cmocka_unit_test(retired_servers_are_never_handed_out),
	    cmocka_unit_test(all_are_retired_at_once_whatever_they_do),
	    cmocka_unit_test(waiters_are_served_in_order_of_arrival),
	    cmocka_unit_test(a_pause_keeps_servers_and_waiters_apart),
	    cmocka_unit_test(no_wait_is_expected_while_a_server_is_free),
	    cmocka_unit_test(time_in_which_nobody_was_served_is_no_wait_for_codel),
	    cmocka_unit_test(
		servers_are_counted_in_every_state_wherever_there_is_a_limit),
	    cmocka_unit_test(giving_back_one_that_opens_means_it_is_opened),
	    cmocka_unit_test(a_slot_can_be_used_again),
	    cmocka_unit_test(an_unsound_pool_is_noticed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
