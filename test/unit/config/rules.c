/*
 * Whose word counts.
 */
#include "fixture.h"

/* Every rule that can be overridden, said in all three places. */
#define EVERYWHERE                                                                       \
	"[pooler]\nauth_type = trust\npool_mode = session\ndefault_pool_size = 1\n"      \
	"min_pool_size = 1\nreserve_pool_size = 1\nmax_queue = 1\n"                      \
	"query_wait_timeout = 1\nquery_timeout = 1\nidle_transaction_timeout = 1\n"      \
	"transaction_timeout = 1\nclient_idle_timeout = 1\nserver_lifetime = 1\n"        \
	"server_max_transactions = 1\nserver_memory_limit = 7kB\n"                       \
	"server_memory_check = 8\nhold_on_failure = 1\n"                                 \
	"max_db_connections = 1\nmax_db_client_connections = 1\n"                        \
	"max_user_connections = 1\nmax_user_client_connections = 1\n"                    \
	"reserve_pool_timeout = 4\nquery_wait_notify = 5\nserver_idle_timeout = 6\n"     \
	"server_round_robin = on\npin_timeout = 1\nmax_pinned = 1\n"                     \
	"max_queue_wait = 1\nqueue_policy = fifo\npriority = critical\n"                 \
	"max_priority = high\nadaptive_pool = off\npriority_reserve = low=7\n"           \
	"queue_prediction = log\npriority_shedding = off\nqueue_target = 8\n"            \
	"queue_interval = 9\npriority_target = 10\n"                                     \
	"client_write_timeout = 1\n"                                                     \
	"[databases]\nplain =\n"                                                         \
	"own = pool_mode=transaction pool_size=2 min_pool_size=2 reserve_pool_size=2 "   \
	"max_queue=2 query_wait_timeout=2 query_timeout=2 idle_transaction_timeout=2 "   \
	"transaction_timeout=2 client_idle_timeout=2 server_lifetime=2 "                 \
	"server_max_transactions=2 hold_on_failure=2 "                                   \
	"server_state=error pin_timeout=2 max_pinned=2 "                                 \
	"max_queue_wait=2 queue_policy=log priority=high max_priority=normal "           \
	"adaptive_pool=log "                                                             \
	"max_db_connections=2 max_db_client_connections=2 client_write_timeout=2\n"      \
	"zero = query_timeout=0 max_db_connections=0 max_queue=0\n"                      \
	"[users]\nplain =\n"                                                             \
	"own = pool_mode=statement pool_size=3 reserve_pool_size=3 "                     \
	"max_queue=3 query_wait_timeout=3 query_timeout=3 idle_transaction_timeout=3 "   \
	"transaction_timeout=3 client_idle_timeout=3 max_user_connections=3 "            \
	"server_state=allow pin_timeout=3 max_pinned=3 "                                 \
	"max_queue_wait=3 queue_policy=codel priority=normal max_priority=low "          \
	"adaptive_pool=on "                                                              \
	"max_user_client_connections=3 client_write_timeout=3\n"                         \
	"zero = query_timeout=0 max_user_connections=0\n"

static struct rules resolve(const struct config *c, const char *database,
			    const char *user)
{
	struct rules rules;

	rules_resolve(c, config_database(c, slice_of_text(database)),
		      user ? config_user(c, slice_of_text(user)) : NULL, &rules);
	return rules;
}

/* All rules have the value that was said in one place: 1 [pooler], 2 the database, 3 the
 * user; those that a user has no word in have other. */
static void expect_rules(struct rules r, int mine, int other)
{
	uint64_t mine_us = (uint64_t)mine * 1000000;

	assert_int_equal(r.pool_mode, (int)POOL_MODE_SESSION + mine - 1);
	assert_int_equal(r.pool_size, mine);
	assert_int_equal(r.min_pool_size, other);
	assert_int_equal(r.reserve_pool_size, mine);
	assert_int_equal(r.max_queue, mine);
	assert_int_equal(r.query_wait_timeout, mine_us);
	assert_int_equal(r.query_timeout, mine_us);
	assert_int_equal(r.idle_transaction_timeout, mine_us);
	assert_int_equal(r.transaction_timeout, mine_us);
	assert_int_equal(r.client_idle_timeout, mine_us);
	assert_int_equal(r.client_write_timeout, mine_us);
	assert_int_equal(r.server_state, (int)STATE_PIN + mine - 1);
	assert_int_equal(r.pin_timeout, mine_us);
	assert_int_equal(r.max_pinned, mine);
	assert_int_equal(r.max_queue_wait, mine_us);
	assert_int_equal(r.queue_policy, (int)QUEUE_FIFO + mine - 1);
	assert_int_equal(r.priority, (int)PRIORITY_CRITICAL + mine - 1);
	assert_int_equal(r.max_priority, (int)PRIORITY_HIGH + mine - 1);
	assert_int_equal(r.adaptive_pool, (int)TRIAL_OFF + mine - 1);
	assert_int_equal(r.queue_prediction, TRIAL_LOG);
	assert_int_equal(r.priority_shedding, TRIAL_OFF);
	assert_int_equal(r.priority_reserve.percent[PRIORITY_LOW], 7);
	assert_int_equal(r.queue_target, 8000000);
	assert_int_equal(r.queue_interval, 9000000);
	assert_int_equal(r.priority_target, 10000000);
	assert_int_equal(r.server_lifetime, (uint64_t)other * 1000000);
	assert_int_equal(r.server_max_transactions, other);
	assert_int_equal(r.hold_on_failure, (uint64_t)other * 1000000);
	assert_int_equal(r.server_memory_limit, 7 * 1024);
	assert_int_equal(r.server_memory_check, 8000000);
	assert_int_equal(r.reserve_pool_timeout, 4000000);
	assert_int_equal(r.query_wait_notify, 5000000);
	assert_int_equal(r.server_idle_timeout, 6000000);
	assert_true(r.server_round_robin);
}

static void the_user_comes_before_the_database_and_that_before_all(void **state)
{
	const struct config *c = load_text(*state, EVERYWHERE);

	expect_rules(resolve(c, "plain", NULL), 1, 1);
	expect_rules(resolve(c, "plain", "plain"), 1, 1);
	expect_rules(resolve(c, "own", NULL), 2, 2);
	expect_rules(resolve(c, "own", "plain"), 2, 2);
	expect_rules(resolve(c, "plain", "own"), 3, 1);
	expect_rules(resolve(c, "own", "own"), 3, 2);
	config_unref(c);
}

static void zero_said_by_a_user_or_database_counts(void **state)
{
	const struct config *c = load_text(*state, EVERYWHERE);

	assert_int_equal(resolve(c, "zero", NULL).query_timeout, 0);
	assert_int_equal(resolve(c, "zero", NULL).max_queue, 0);
	assert_int_equal(resolve(c, "own", "zero").query_timeout, 0);
	assert_int_equal(resolve(c, "zero", "own").query_timeout, 3000000);
	config_unref(c);
}

static void limits_over_pools_are_the_entrys_own_or_the_common_ones(void **state)
{
	static const struct {
		const char *name;
		int database, user;
	} cases[] = {{"plain", 1, 1}, {"own", 2, 3}, {"zero", 0, 0}};
	const struct config *c = load_text(*state, EVERYWHERE);

	for (size_t i = 0; i < 3; i++) {
		struct slice name = slice_of_text(cases[i].name);

		assert_int_equal(rules_max_db_connections(c, config_database(c, name)),
				 cases[i].database);
		assert_int_equal(rules_max_user_connections(c, config_user(c, name)),
				 cases[i].user);
	}
	struct slice own = slice_of_text("own"), plain = slice_of_text("plain");
	assert_int_equal(rules_max_db_client_connections(c, config_database(c, own)), 2);
	assert_int_equal(rules_max_db_client_connections(c, config_database(c, plain)),
			 1);
	assert_int_equal(rules_max_user_client_connections(c, config_user(c, own)), 3);
	assert_int_equal(rules_max_user_client_connections(c, NULL), 1);
	assert_int_equal(rules_max_user_connections(c, NULL), 1);
	config_unref(c);
}

static void half_of_the_pool_may_be_pinned_unless_said_otherwise(void **state)
{
	static const struct {
		int pool_size, max_pinned, expected;
	} cases[] = {{20, -1, 10},
		     {3, -1, 2},
		     {1, -1, 1},
		     {0, -1, INT_MAX},
		     {20, 0, 0},
		     {20, 7, 7},
		     {INT_MAX, -1, INT_MAX / 2 + 1}};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct rules r = {.pool_size = cases[i].pool_size,
				  .max_pinned = cases[i].max_pinned};
		assert_int_equal(rules_max_pinned(&r), cases[i].expected);
	}
}

static void weights_multiply_and_guarantees_override(void **state)
{
	static const struct {
		const char *database, *user;
		unsigned weight;
		int guaranteed;
	} cases[] = {
	    {"none", NULL, 1, 0},   {"none", "none", 1, 0}, {"both", NULL, 5, 2},
	    {"both", "none", 5, 2}, {"none", "both", 7, 3}, {"both", "both", 35, 3},
	    {"both", "zero", 5, 0},
	};
	const struct config *c = load_text(
	    *state, "[pooler]\nauth_type = trust\n[databases]\nnone =\n"
		    "both = weight=5 guaranteed=2\n"
		    "[users]\nboth = weight=7 guaranteed=3\nzero = guaranteed=0\n");

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct rules r = resolve(c, cases[i].database, cases[i].user);

		assert_int_equal(r.weight, cases[i].weight);
		assert_int_equal(r.guaranteed, cases[i].guaranteed);
	}
	config_unref(c);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_begin, fixture_end)
	const struct CMUnitTest tests[] = {
	    TEST(the_user_comes_before_the_database_and_that_before_all),
	    TEST(zero_said_by_a_user_or_database_counts),
	    TEST(half_of_the_pool_may_be_pinned_unless_said_otherwise),
	    TEST(weights_multiply_and_guarantees_override),
	    TEST(limits_over_pools_are_the_entrys_own_or_the_common_ones),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
