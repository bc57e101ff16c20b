/*
 * Private servers under limits: their line, and what others give up for them.
 */
#include "pool/private.h"

#include "unit/pool/ground.h"

static void one_counts_under_the_limits_but_not_in_the_size(void **state)
{
	struct slot lone = {0};
	struct ground g;
	struct pool p;

	(void)state;
	ground_begin(&g);
	pool_begin(&p, &g, 0, 1);
	pool_add_private(&p, &lone, false, START);
	assert_int_equal(g.database[0]->servers, 0);
	assert_ptr_equal(pool_next_private(g.database[0]), &lone);
	assert_null(pool_next_private(g.database[0]));
	assert_int_equal(g.database[0]->servers, 1);
	assert_int_equal(g.user[1]->servers, 1);
	assert_int_equal(p.total, 0);
	assert_false(pool_is_unused(&p));
	assert_true(pool_is_sound(&p));
	/* Nobody gets it, and no upkeep touches it. */
	assert_int_equal(pool_usable(&p), 0);
	pool_remove(&p, &lone, START);
	assert_int_equal(g.database[0]->servers, 0);
	assert_true(pool_is_unused(&p));
	pool_end(&p);
	ground_end(&g);
}

static void a_full_limit_lets_it_wait_for_that_limit(void **state)
{
	struct slot busy[2] = {0}, lone = {0};
	struct ground g;
	struct pool p;

	(void)state;
	for (int which = 0; which < USAGES_EACH; which++) {
		ground_begin(&g);
		pool_begin(&p, &g, 0, 1);
		struct usage *usage = p.usages[which];
		usage->max_servers = 2;
		add_busy(&p, &busy[0], START);
		add_busy(&p, &busy[1], START);
		pool_add_private(&p, &lone, false, START);
		for (int i = 0; i < USAGES_EACH; i++)
			assert_null(pool_next_private(p.usages[i]));
		assert_ptr_equal(lone.waits_for, usage);
		assert_true(pool_is_sound(&p));
		pool_remove(&p, &busy[0], START);
		assert_ptr_equal(pool_next_private(usage), &lone);
		assert_int_equal(usage->waiting, 0);
		assert_int_equal(usage->servers, 2);
		pool_end(&p);
		ground_end(&g);
	}
}

static void room_that_it_waits_for_is_not_given_to_pools(void **state)
{
	struct slot busy[2] = {0}, lone = {0};
	struct waiter waiters[3] = {0};
	struct ground g;
	struct pool p;

	(void)state;
	ground_begin(&g);
	pool_begin(&p, &g, 0, 0);
	g.database[0]->max_servers = 2;
	add_busy(&p, &busy[0], START);
	add_busy(&p, &busy[1], START);
	pool_add_private(&p, &lone, false, START);
	assert_null(pool_next_private(g.database[0]));
	join(&p, waiters, 3, START);
	pool_remove(&p, &busy[0], START);
	assert_int_equal(pool_demand(&p, START), 0);
	assert_ptr_equal(pool_next_private(g.database[0]), &lone);
	pool_end(&p);
	ground_end(&g);
}

static void an_idle_server_makes_room(void **state)
{
	struct slot idle = {0}, lone = {0};
	struct ground g;
	struct pool p, other;

	(void)state;
	ground_begin(&g);
	pool_begin(&p, &g, 0, 0);
	pool_begin(&other, &g, 0, 1);
	g.database[0]->max_servers = 1;
	add_idle(&other, &idle, START);
	pool_add_private(&p, &lone, false, START);
	assert_null(pool_next_private(g.database[0]));
	assert_ptr_equal(pool_eviction_for_private(g.database[0]), &idle);
	/* One is enough. */
	pool_retire(&other, &idle);
	assert_null(pool_eviction_for_private(g.database[0]));
	pool_remove(&other, &idle, START);
	assert_ptr_equal(pool_next_private(g.database[0]), &lone);
	assert_null(pool_eviction_for_private(g.database[0]));
	pool_end(&p);
	pool_end(&other);
	ground_end(&g);
}

static void a_busy_server_makes_room_when_it_is_free(void **state)
{
	struct slot busy[2] = {0}, lone = {0};
	struct waiter waiters[2] = {0};
	struct ground g;
	struct pool p;

	(void)state;
	ground_begin(&g);
	pool_begin(&p, &g, 0, 0);
	g.database[0]->max_servers = 2;
	add_busy(&p, &busy[0], START);
	add_busy(&p, &busy[1], START);
	pool_add_private(&p, &lone, false, START);
	assert_null(pool_next_private(g.database[0]));
	join(&p, waiters, 2, START);
	pool_give_back(&p, &busy[0], START);
	assert_true(busy[0].retire);
	pool_give_back(&p, &busy[1], START);
	assert_false(busy[1].retire);
	pool_end(&p);
	ground_end(&g);
}

static void lasting_ones_take_at_most_half(void **state)
{
	struct slot lasting[3] = {0}, other = {0};
	struct ground g;
	struct pool p;

	(void)state;
	ground_begin(&g);
	pool_begin(&p, &g, 0, 0);
	assert_true(pool_may_add_lasting(&p));
	g.user[0]->max_servers = 1;
	assert_false(pool_may_add_lasting(&p));
	g.user[0]->max_servers = 5;
	for (int i = 0; i < 2; i++) {
		assert_true(pool_may_add_lasting(&p));
		pool_add_private(&p, &lasting[i], true, START);
	}
	assert_false(pool_may_add_lasting(&p));
	pool_add_private(&p, &other, false, START);
	pool_remove(&p, &lasting[0], START);
	assert_true(pool_may_add_lasting(&p));
	pool_end(&p);
	assert_int_equal(g.user[0]->lasting, 0);
	ground_end(&g);
}

static void a_shut_gate_keeps_it_waiting(void **state)
{
	struct slot lone = {0}, of_other = {0};
	struct ground g;
	struct pool p, other;

	(void)state;
	ground_begin(&g);
	pool_begin(&p, &g, 0, 0);
	pool_begin(&other, &g, 1, 0);
	g.user[0]->max_servers = 1;
	g.user[0]->servers = 1;
	pool_add_private(&p, &lone, false, START);
	pool_add_private(&other, &of_other, false, START);
	assert_null(pool_next_private(g.database[0]));
	assert_null(pool_next_private(g.database[1]));
	assert_ptr_equal(lone.waits_for, g.user[0]);
	/* Its place in the user's line does not keep others back. */
	g.database[0]->gate.is_paused = true;
	g.user[0]->servers = 0;
	assert_ptr_equal(pool_next_private(g.user[0]), &of_other);
	assert_ptr_equal(lone.waits_for, g.database[0]);
	g.database[0]->gate.is_paused = false;
	pool_remove(&other, &of_other, START);
	assert_ptr_equal(pool_next_private(g.database[0]), &lone);
	pool_end(&p);
	pool_end(&other);
	ground_end(&g);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(one_counts_under_the_limits_but_not_in_the_size),
	    cmocka_unit_test(a_full_limit_lets_it_wait_for_that_limit),
	    cmocka_unit_test(room_that_it_waits_for_is_not_given_to_pools),
	    cmocka_unit_test(an_idle_server_makes_room),
	    cmocka_unit_test(a_busy_server_makes_room_when_it_is_free),
	    cmocka_unit_test(lasting_ones_take_at_most_half),
	    cmocka_unit_test(a_shut_gate_keeps_it_waiting),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
