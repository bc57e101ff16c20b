/*
 * How many servers a pool wants, and when it is to be looked at again.
 */
#include "pool/demand.h"

#include <limits.h>

#include "unit/pool/ground.h"

/* ---- a pool by itself ---- */

static void the_wanted_follow_from_line_size_reserve_and_minimum(void **state)
{
	static const struct {
		const char *what;
		int pool_size, min_pool_size, reserve_size;
		unsigned reserve_timeout, waited; /* seconds */
		unsigned idle, busy, opening, waiting, clients;
		const char *forced_user;
		unsigned demand;
	} cases[] = {
	    {"nobody waits", 9, 0, 0, 5, 0, 0, 0, 0, 0, 1, "", 0},
	    {"one waits", 9, 0, 0, 5, 0, 0, 0, 0, 1, 1, "", 1},
	    {"three wait", 9, 0, 0, 5, 0, 0, 2, 0, 3, 1, "", 3},
	    {"one is idle for three", 9, 0, 0, 5, 0, 1, 0, 0, 3, 1, "", 2},
	    {"one is opened for three", 9, 0, 0, 5, 0, 0, 0, 1, 3, 1, "", 2},
	    {"enough are opened", 9, 0, 0, 5, 0, 0, 0, 3, 3, 1, "", 0},
	    {"more are opened than wait", 9, 0, 0, 5, 0, 0, 0, 3, 1, 1, "", 0},
	    {"at most four at a time", 9, 0, 0, 5, 0, 0, 0, 0, 9, 1, "", 4},
	    {"at most four with those opened", 9, 0, 0, 5, 0, 0, 0, 3, 9, 1, "", 1},
	    {"as far as the size goes", 3, 0, 0, 5, 0, 0, 2, 0, 3, 1, "", 1},
	    {"the size is reached", 3, 0, 0, 5, 0, 0, 3, 0, 3, 1, "", 0},
	    {"beyond a size that shrank", 1, 0, 0, 5, 0, 0, 3, 0, 3, 1, "", 0},
	    {"a size without limit", 0, 0, 0, 5, 0, 0, 7, 0, 3, 1, "", 3},
	    {"reserve not due", 3, 0, 2, 5, 4, 0, 3, 0, 3, 1, "", 0},
	    {"reserve due", 3, 0, 2, 5, 5, 0, 3, 0, 3, 1, "", 2},
	    {"reserve due for one", 3, 0, 2, 5, 5, 0, 3, 0, 1, 1, "", 1},
	    {"reserve used up", 3, 0, 2, 5, 5, 0, 5, 0, 1, 1, "", 0},
	    {"reserve switched off", 3, 0, 2, 0, 99, 0, 3, 0, 3, 1, "", 0},
	    {"size first, then reserve", 3, 0, 1, 5, 5, 0, 2, 0, 4, 1, "", 2},
	    {"minimum without clients", 9, 3, 0, 5, 0, 0, 0, 0, 0, 0, "", 0},
	    {"minimum with a client", 9, 3, 0, 5, 0, 0, 0, 0, 0, 1, "", 3},
	    {"minimum of a forced user", 9, 3, 0, 5, 0, 0, 0, 0, 0, 0, "joe", 3},
	    {"minimum counts all states", 9, 4, 0, 5, 0, 1, 1, 1, 0, 1, "", 1},
	    {"the line fills the minimum", 9, 3, 0, 5, 0, 0, 0, 0, 2, 1, "", 3},
	    {"the line is longer", 9, 1, 0, 5, 0, 0, 0, 0, 2, 1, "", 2},
	    {"minimum beyond the size", 2, 5, 0, 5, 0, 0, 0, 0, 0, 1, "", 2},
	    {"minimum not from the reserve", 2, 5, 3, 5, 5, 0, 2, 0, 1, 1, "", 1},
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		struct ground g;
		struct pool p;
		struct slot s[12] = {0};
		struct waiter w[9] = {0};
		struct rules rules = plain_rules();
		unsigned n = 0;

		ground_begin(&g);
		pool_begin(&p, &g, 0, 0);
		for (unsigned k = 0; k < cases[i].busy; k++)
			add_busy(&p, &s[n++], START);
		for (unsigned k = 0; k < cases[i].idle; k++)
			add_idle(&p, &s[n++], START);
		opening_init(&p.opening);
		for (unsigned k = 0; k < cases[i].opening; k++)
			pool_add(&p, &s[n++], START);
		join(&p, w, cases[i].waiting, START);
		rules.pool_size = cases[i].pool_size;
		rules.min_pool_size = cases[i].min_pool_size;
		rules.reserve_pool_size = cases[i].reserve_size;
		rules.reserve_pool_timeout = cases[i].reserve_timeout * SECOND;
		pool_set_rules(&p, &rules);
		p.clients = cases[i].clients;
		g.entry.user = cases[i].forced_user;
		unsigned demand = pool_demand(&p, START + cases[i].waited * SECOND);
		if (demand != cases[i].demand)
			fail_msg("%s: %u", cases[i].what, demand);
		assert_null(p.blocked_by);
		g.entry.user = "";
		pool_end(&p);
		ground_end(&g);
	}
}

static void a_pool_without_a_database_opens_nothing(void **state)
{
	struct ground g;
	struct pool p;
	struct waiter w = {0};

	(void)state;
	ground_begin(&g);
	pool_begin(&p, &g, 0, 0);
	stand(&p, &w, START);
	p.database = NULL;
	assert_int_equal(pool_demand(&p, START), 0);
	assert_int_equal(pool_next_look(&p, START), CLOCK_NEVER);
	pool_end(&p);
	ground_end(&g);
}

static void the_next_look_is_when_reserve_or_pause_is_due(void **state)
{
	struct ground g;
	struct pool p;
	struct slot s = {0};
	struct waiter w = {0};

	(void)state;
	ground_begin(&g);
	g.rules.pool_size = 1;
	g.rules.reserve_pool_size = 1;
	g.rules.reserve_pool_timeout = 5 * SECOND;
	pool_begin(&p, &g, 0, 0);
	assert_int_equal(pool_next_look(&p, START), CLOCK_NEVER);
	add_busy(&p, &s, START);
	stand(&p, &w, START + SECOND);
	assert_int_equal(pool_next_look(&p, START + SECOND), START + 6 * SECOND);
	assert_int_equal(pool_demand(&p, START + 6 * SECOND - 1), 0);
	assert_int_equal(pool_demand(&p, START + 6 * SECOND), 1);
	pool_open_failed(&p, REACH_REFUSED, START + 6 * SECOND, 15 * SECOND);
	assert_int_equal(pool_demand(&p, START + 6 * SECOND), 0);
	assert_int_equal(pool_next_look(&p, START + 6 * SECOND), p.opening.not_before_us);
	assert_int_equal(pool_demand(&p, p.opening.not_before_us), 1);
	admission_leave(&w);
	assert_int_equal(pool_next_look(&p, START + 6 * SECOND), CLOCK_NEVER);
	pool_end(&p);
	ground_end(&g);
}

static void a_minimum_that_a_limit_forbids_is_tried_again_later(void **state)
{
	struct ground g;
	struct pool p, other;
	struct slot s = {0};

	(void)state;
	ground_begin(&g);
	g.rules.min_pool_size = 1;
	g.database[0]->max_servers = 1;
	pool_begin(&p, &g, 0, 0);
	pool_begin(&other, &g, 0, 1);
	add_idle(&other, &s, START);
	p.clients = 1;
	assert_int_equal(pool_demand(&p, START), 0);
	/* Without waiters it neither stands in turn nor evicts. */
	assert_null(p.blocked_by);
	assert_null(pool_eviction_for(&p, START));
	assert_int_equal(pool_next_look(&p, START), START + 5 * SECOND);
	pool_remove(&other, &s, START);
	assert_int_equal(pool_demand(&p, START), 1);
	pool_end(&other);
	pool_end(&p);
	ground_end(&g);
}

/* ---- what comes ---- */

static void servers_to_come_are_those_opened_and_those_that_may_be(void **state)
{
	struct ground g;
	struct pool p;
	struct slot s[3] = {0};

	(void)state;
	ground_begin(&g);
	g.rules.pool_size = 5;
	pool_begin(&p, &g, 0, 0);
	assert_int_equal(demand_servers_coming(&p, START), 5);
	pool_add(&p, &s[0], START);
	add_busy(&p, &s[1], START);
	assert_int_equal(demand_servers_coming(&p, START), 4);
	g.user[0]->max_servers = 4;
	assert_int_equal(demand_servers_coming(&p, START), 3);
	g.database[0]->max_servers = 3;
	assert_int_equal(demand_servers_coming(&p, START), 2);
	pool_open_failed(&p, REACH_REFUSED, START, 15 * SECOND);
	assert_int_equal(demand_servers_coming(&p, START), 1);
	g.paused_all = 1;
	assert_int_equal(demand_servers_coming(&p, START), 0);
	g.paused_all = 0;
	g.rules.pool_size = 0;
	g.user[0]->max_servers = g.database[0]->max_servers = 0;
	opening_init(&p.opening);
	pool_set_rules(&p, &g.rules);
	assert_int_equal(demand_servers_coming(&p, START), UINT_MAX);
	pool_end(&p);
	ground_end(&g);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(the_wanted_follow_from_line_size_reserve_and_minimum),
	    cmocka_unit_test(a_pool_without_a_database_opens_nothing),
	    cmocka_unit_test(the_next_look_is_when_reserve_or_pause_is_due),
	    cmocka_unit_test(a_minimum_that_a_limit_forbids_is_tried_again_later),
	    cmocka_unit_test(servers_to_come_are_those_opened_and_those_that_may_be),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
