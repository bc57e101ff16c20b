/*
 * Which idle servers are closed, and when to look.
 */
#include "pool/upkeep.h"

#include "unit/pool/ground.h"

/* The longest life that jitter leaves, and the shortest. */
#define LIFE (1000 * SECOND)
#define SHORTEST_LIFE (900 * SECOND)

static void lives_end_a_little_early_and_not_together(void **state)
{
	struct rules rules = {.server_lifetime = LIFE};
	uint64_t least = CLOCK_NEVER, most = 0;

	(void)state;
	for (int i = 0; i < 1000; i++) {
		uint64_t end = upkeep_retire_time(&rules, START);

		least = end < least ? end : least;
		most = end > most ? end : most;
	}
	assert_true(least >= START + SHORTEST_LIFE);
	assert_true(most <= START + LIFE);
	assert_true(most - least > 50 * SECOND);
	rules.server_lifetime = 0;
	assert_int_equal(upkeep_retire_time(&rules, START), CLOCK_NEVER);
}

/* One server that came into the pool at START, among others that are busy. */
static void the_verdict_follows_from_age_idleness_and_numbers(void **state)
{
	static const struct {
		const char *what;
		int pool_size, min_pool_size, reserve_size, database_max;
		unsigned reserve_timeout, idle_timeout; /* seconds */
		unsigned busy, after;                   /* seconds */
		bool retire;
		enum upkeep verdict;
		unsigned again; /* seconds; 0 = at the end of its life */
	} cases[] = {
	    {"nothing ends it", 9, 0, 0, 0, 5, 0, 0, 1, false, UPKEEP_KEEP, 0},
	    {"its life is over", 9, 9, 0, 0, 5, 0, 0, 1000, false, UPKEEP_CLOSE_OLD, 0},
	    {"retired and old", 9, 0, 0, 0, 5, 0, 0, 1000, true, UPKEEP_CLOSE_OLD, 0},
	    {"retired", 9, 9, 0, 0, 5, 0, 0, 1, true, UPKEEP_CLOSE_RETIRED, 0},
	    {"idle, not for long", 9, 0, 0, 0, 5, 10, 0, 9, false, UPKEEP_KEEP, 10},
	    {"idle for long", 9, 0, 0, 0, 5, 10, 0, 10, false, UPKEEP_CLOSE_IDLE, 10},
	    {"idle, kept as minimum", 9, 1, 0, 0, 5, 10, 0, 10, false, UPKEEP_KEEP, 0},
	    {"idle, one beyond minimum", 9, 1, 0, 0, 5, 10, 1, 10, false,
	     UPKEEP_CLOSE_IDLE, 10},
	    {"as many as the size", 2, 0, 0, 0, 5, 0, 1, 1, false, UPKEEP_KEEP, 0},
	    {"beyond a size that shrank", 2, 0, 0, 0, 5, 0, 2, 0, false,
	     UPKEEP_CLOSE_IDLE, 5},
	    {"size without limit", 0, 0, 0, 0, 5, 0, 7, 1, false, UPKEEP_KEEP, 0},
	    {"from the reserve", 2, 0, 1, 0, 5, 0, 2, 4, false, UPKEEP_KEEP, 5},
	    {"reserve not needed", 2, 0, 1, 0, 5, 0, 2, 5, false, UPKEEP_CLOSE_IDLE, 5},
	    {"reserve switched off", 2, 0, 1, 0, 0, 0, 2, 0, false, UPKEEP_CLOSE_IDLE, 0},
	    {"limit reached", 9, 0, 0, 3, 5, 0, 2, 1, false, UPKEEP_KEEP, 0},
	    {"limit was lowered", 9, 9, 0, 2, 5, 0, 2, 1, false, UPKEEP_CLOSE_IDLE, 0},
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		struct ground g;
		struct pool p;
		struct slot s[8] = {0};
		struct rules rules = {
		    .pool_size = cases[i].pool_size,
		    .min_pool_size = cases[i].min_pool_size,
		    .reserve_pool_size = cases[i].reserve_size,
		    .reserve_pool_timeout = cases[i].reserve_timeout * SECOND,
		    .server_idle_timeout = cases[i].idle_timeout * SECOND,
		    .server_lifetime = LIFE,
		};
		uint64_t again = START + cases[i].again * SECOND;

		ground_begin(&g);
		g.rules.server_lifetime = LIFE;
		pool_begin(&p, &g, 0, 0);
		for (unsigned k = 0; k < cases[i].busy; k++)
			add_busy(&p, &s[k], START);
		add_idle(&p, &s[7], START);
		pool_set_rules(&p, &rules);
		g.database[0]->max_servers = cases[i].database_max;
		if (cases[i].retire)
			pool_retire(&p, &s[7]);
		enum upkeep verdict =
		    pool_judge_idle(&p, &s[7], START + cases[i].after * SECOND);
		if (verdict != cases[i].verdict)
			fail_msg("%s: %d", cases[i].what, (int)verdict);
		if (cases[i].again == 0 && cases[i].verdict == UPKEEP_KEEP)
			again = s[7].retire_us;
		if (cases[i].again != 0 || cases[i].verdict == UPKEEP_KEEP)
			assert_int_equal(pool_idle_deadline(&p, &s[7], START), again);
		pool_end(&p);
		ground_end(&g);
	}
}

/* A busy server comes back at a time, with some others in the pool. */
static void a_server_is_retired_when_it_comes_back_too_late_or_too_many(void **state)
{
	static const struct {
		const char *what;
		uint64_t life;
		int pool_size, reserve_size, user_max;
		unsigned others, after; /* seconds */
		bool retire;
	} cases[] = {
	    {"in good time", LIFE, 2, 0, 0, 1, 899, false},
	    {"its life is over", LIFE, 2, 0, 0, 1, 1000, true},
	    {"for a single use", 0, 2, 0, 0, 1, 0, true},
	    {"too many", LIFE, 2, 0, 0, 2, 0, true},
	    {"too many but for the reserve", LIFE, 2, 1, 0, 2, 0, false},
	    {"beyond the reserve", LIFE, 2, 1, 0, 3, 0, true},
	    {"over a lowered limit", LIFE, 9, 0, 2, 2, 0, true},
	    {"just under a limit", LIFE, 9, 0, 3, 2, 0, false},
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		struct ground g;
		struct pool p;
		struct slot s[8] = {0};
		struct rules rules = plain_rules();

		ground_begin(&g);
		g.rules.server_lifetime = LIFE;
		pool_begin(&p, &g, 0, 0);
		for (unsigned k = 0; k <= cases[i].others; k++)
			add_busy(&p, &s[k], START);
		rules.server_lifetime = cases[i].life;
		rules.pool_size = cases[i].pool_size;
		rules.reserve_pool_size = cases[i].reserve_size;
		rules.reserve_pool_timeout = 5 * SECOND;
		pool_set_rules(&p, &rules);
		g.user[0]->max_servers = cases[i].user_max;
		pool_give_back(&p, &s[0], START + cases[i].after * SECOND);
		if (s[0].retire != cases[i].retire)
			fail_msg("%s", cases[i].what);
		pool_end(&p);
		ground_end(&g);
	}
}

static void no_more_are_retired_than_are_too_many(void **state)
{
	struct ground g;
	struct pool p;
	struct slot s[6] = {0};
	struct rules rules = plain_rules();

	(void)state;
	ground_begin(&g);
	pool_begin(&p, &g, 0, 0);
	for (unsigned k = 0; k < 6; k++)
		add_busy(&p, &s[k], START);
	rules.pool_size = 4;
	pool_set_rules(&p, &rules);
	for (unsigned k = 0; k < 6; k++)
		pool_give_back(&p, &s[k], START);
	assert_int_equal(p.leaving, 2);
	assert_int_equal(pool_judge_idle(&p, &s[5], START), UPKEEP_KEEP);
	pool_end(&p);
	ground_end(&g);
}

static void a_server_for_a_single_use_is_kept_until_it_is_used(void **state)
{
	struct ground g;
	struct pool p;
	struct slot s = {0};

	(void)state;
	ground_begin(&g);
	g.rules.server_lifetime = 0;
	pool_begin(&p, &g, 0, 0);
	add_idle(&p, &s, START);
	assert_false(s.retire);
	assert_int_equal(pool_judge_idle(&p, &s, START + LIFE), UPKEEP_KEEP);
	assert_int_equal(pool_idle_deadline(&p, &s, START), CLOCK_NEVER);
	/* Looking after an idle one is no use. */
	pool_set_cleaning(&p, &s, START);
	pool_give_back(&p, &s, START);
	assert_false(s.retire);
	take(&p, START);
	pool_set_cleaning(&p, &s, START);
	pool_give_back(&p, &s, START);
	assert_int_equal(pool_judge_idle(&p, &s, START), UPKEEP_CLOSE_RETIRED);
	pool_end(&p);
	ground_end(&g);
}

static void a_new_lifetime_holds_for_servers_that_are_there(void **state)
{
	struct ground g;
	struct pool p;
	struct slot s[2] = {0};
	struct rules rules = plain_rules();

	(void)state;
	ground_begin(&g);
	pool_begin(&p, &g, 0, 0);
	add_busy(&p, &s[0], START);
	add_idle(&p, &s[1], START);
	uint64_t before = s[1].retire_us;
	pool_set_rules(&p, &rules);
	assert_int_equal(s[1].retire_us, before);
	rules.server_lifetime = 10 * SECOND;
	pool_set_rules(&p, &rules);
	for (int i = 0; i < 2; i++)
		assert_true(s[i].retire_us >= START + 9 * SECOND &&
			    s[i].retire_us <= START + 10 * SECOND);
	pool_end(&p);
	ground_end(&g);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(lives_end_a_little_early_and_not_together),
	    cmocka_unit_test(the_verdict_follows_from_age_idleness_and_numbers),
	    cmocka_unit_test(a_server_is_retired_when_it_comes_back_too_late_or_too_many),
	    cmocka_unit_test(no_more_are_retired_than_are_too_many),
	    cmocka_unit_test(a_server_for_a_single_use_is_kept_until_it_is_used),
	    cmocka_unit_test(a_new_lifetime_holds_for_servers_that_are_there),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
