/*
 * All pools: by name, with the rules of a configuration, expiring, and following a new
 * one.
 */
#include "pool/pools.h"

#include <unistd.h>

#include "config/ini.h"
#include "unit/pool/ground.h"
#include "unit/proto/failing_memory.h"

#define HEAD                                                                             \
	"[pooler]\nauth_type = trust\nstats_period = 60\ndefault_pool_size = 7\n"        \
	"max_db_connections = 5\n[databases]\n"

static struct config *load(const char *text)
{
	char path[] = "/tmp/pooler-pools.XXXXXX";
	struct config_errors errors = {0};
	int fd = mkstemp(path);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	assert_int_equal(close(fd), 0);
	ini_setup();
	struct config *config = config_load(path, &errors);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(errors.errors, 0);
	assert_non_null(config);
	config_errors_fini(&errors);
	return config;
}

static void begin(struct pools *pools, const char *text)
{
	struct config *config = load(text);

	pools_init(pools, config, START);
	config_unref(config);
}

static struct pool *get(struct pools *pools, const char *database, const char *user)
{
	return pools_get(pools, slice_of_text(database), slice_of_text(user), START);
}

/* ---- by name ---- */

static void a_pool_is_made_once_for_each_database_and_user(void **state)
{
	struct pools pools;

	(void)state;
	begin(&pools, HEAD "a = host=/tmp\nb = host=/tmp\n");
	struct pool *p = get(&pools, "a", "joe");
	assert_non_null(p);
	assert_string_equal(p->database_name, "a");
	assert_string_equal(p->user_name, "joe");
	assert_int_equal(p->rules.pool_size, 7);
	assert_ptr_equal(get(&pools, "a", "joe"), p);
	assert_ptr_equal(pools_find(&pools, slice_of_text("a"), slice_of_text("joe")), p);
	assert_ptr_not_equal(get(&pools, "b", "joe"), p);
	assert_ptr_not_equal(get(&pools, "a", "ann"), p);
	assert_null(pools_find(&pools, slice_of_text("b"), slice_of_text("ann")));
	assert_int_equal(pools.count, 3);
	assert_ptr_equal(p->user_usage, get(&pools, "b", "joe")->user_usage);
	assert_ptr_equal(p->database_usage, get(&pools, "a", "ann")->database_usage);
	assert_int_equal(p->database_usage->max_servers, 5);
	assert_int_equal(p->database_usage->holders, 2);
	pools_fini(&pools);
	pools_fini(&pools);
}

static void names_are_told_apart_wherever_they_are_cut(void **state)
{
	static const char *const pairs[][2] = {
	    {"ab", "c"}, {"a", "bc"}, {"abc", ""}, {"c", "ab"}};
	struct pool *made[COUNT_OF(pairs)];
	struct pools pools;

	(void)state;
	begin(&pools, HEAD "* = host=/tmp\n");
	for (size_t i = 0; i < COUNT_OF(pairs); i++) {
		made[i] = get(&pools, pairs[i][0], pairs[i][1]);
		assert_non_null(made[i]);
		for (size_t j = 0; j < i; j++)
			assert_ptr_not_equal(made[i], made[j]);
	}
	pools_fini(&pools);
}

static void an_unknown_database_has_no_pool(void **state)
{
	struct pools pools;
	bool is_auto;

	(void)state;
	begin(&pools, HEAD "a = host=/tmp\n");
	assert_null(get(&pools, "nowhere", "joe"));
	assert_null(pools_database(&pools, slice_of_text("nowhere"), &is_auto));
	assert_non_null(pools_database(&pools, slice_of_text("a"), &is_auto));
	assert_false(is_auto);
	assert_int_equal(pools.count, 0);
	pools_fini(&pools);
}

static void the_star_entry_serves_any_other_name(void **state)
{
	struct pools pools;
	bool is_auto;

	(void)state;
	begin(&pools, HEAD "a = host=/tmp\n* = host=/tmp pool_size=3\n");
	assert_non_null(pools_database(&pools, slice_of_text("x"), &is_auto));
	assert_true(is_auto);
	assert_true(get(&pools, "x", "joe")->is_auto);
	assert_int_equal(get(&pools, "x", "joe")->rules.pool_size, 3);
	assert_false(get(&pools, "a", "joe")->is_auto);
	pools_fini(&pools);
}

static void names_too_long_have_no_pool(void **state)
{
	static uint8_t name[5000];
	struct pools pools;

	(void)state;
	memset(name, 'x', sizeof(name));
	begin(&pools, HEAD "* = host=/tmp\n");
	assert_null(pools_get(&pools, slice_of(name, 5000), slice_of_text("a"), START));
	assert_null(pools_get(&pools, slice_of_text("a"), slice_of(name, 5000), START));
	assert_null(pools_get(&pools, slice_of(name, 600), slice_of(name, 600), START));
	assert_non_null(
	    pools_get(&pools, slice_of(name, 63), slice_of(name, 127), START));
	assert_null(pools_find(&pools, slice_of(name, 5000), slice_of_text("a")));
	pools_fini(&pools);
}

static void usages_have_the_limits_in_force(void **state)
{
	struct pools pools;

	(void)state;
	begin(&pools,
	      "[pooler]\nauth_type = trust\nmax_user_connections = 4\n"
	      "max_server_connections = 7\nmax_db_client_connections = 6\n[databases]\n"
	      "a = host=/tmp max_db_connections=9\n"
	      "[users]\njoe = max_user_client_connections=2 weight=4\n");
	struct usage *a = pools_hold_database(&pools, slice_of_text("a"));
	struct usage *joe = pools_hold_user(&pools, slice_of_text("joe"));
	struct usage *ann = pools_hold_user(&pools, slice_of_text("ann"));
	assert_int_equal(a->max_servers, 9);
	assert_int_equal(a->max_clients, 6);
	assert_int_equal(joe->max_servers, 4);
	assert_int_equal(joe->max_clients, 2);
	assert_int_equal(ann->max_clients, 0);
	assert_int_equal(joe->weight, 4);
	assert_int_equal(ann->weight, 1);
	assert_int_equal(pools.process.max_servers, 7);
	usage_release(&pools.databases, a);
	usage_release(&pools.users, joe);
	usage_release(&pools.users, ann);
	pools_fini(&pools);
}

static void short_memory_makes_no_pool_and_loses_nothing(void **state)
{
	struct pools pools;
	unsigned failures = 0;

	(void)state;
	begin(&pools, HEAD "a = host=/tmp\n");
	for (size_t n = 1;; n++) {
		memory_fails_at(n);
		struct pool *p = get(&pools, "a", "joe");
		bool has_failed = memory_has_failed();
		memory_fails_at(0);
		if (!has_failed) {
			assert_non_null(p);
			break;
		}
		failures++;
		assert_null(p);
		assert_int_equal(pools.count, 0);
		assert_null(usages_find(&pools.databases, slice_of_text("a")));
		assert_null(usages_find(&pools.users, slice_of_text("joe")));
	}
	/* Pool, key, two usages with names, and three tables. */
	assert_true(failures >= 9);
	pools_fini(&pools);
}

/* ---- expiry ---- */

static void note_name(struct pool *pool, void *context)
{
	char *names = context;

	size_t len = strlen(names);

	snprintf(names + len, 100 - len, "%s", pool->database_name);
}

static void unused_automatic_pools_expire_in_order(void **state)
{
	struct pools pools;
	char expired[100] = "";
	struct slot s = {0};

	(void)state;
	begin(&pools, HEAD "own = host=/tmp\n* = host=/tmp\n");
	assert_int_equal(pools_expire(&pools, START, SECOND, NULL, NULL), CLOCK_NEVER);
	struct pool *a = get(&pools, "a", "joe"), *b = get(&pools, "b", "joe");
	struct pool *c = get(&pools, "c", "joe");
	get(&pools, "own", "joe");
	a->tally.now.query_count = 100;
	a->clients = 1;
	pools_note_use(&pools, a, START);
	add_idle(b, &s, START);
	pools_note_use(&pools, b, START);
	/* A timeout of 0 switches it off. */
	assert_int_equal(pools_expire(&pools, START + 99 * SECOND, 0, NULL, NULL),
			 CLOCK_NEVER);
	assert_int_equal(pools_expire(&pools, START + 1, SECOND, note_name, expired),
			 START + SECOND);
	assert_string_equal(expired, "");
	pools_note_use(&pools, c, START + 1);
	assert_int_equal(pools_expire(&pools, START + SECOND, SECOND, note_name, expired),
			 CLOCK_NEVER);
	assert_string_equal(expired, "c");
	/* The last to become unused expires last. */
	pool_remove(b, &s, START + 2 * SECOND);
	pools_note_use(&pools, b, START + 2 * SECOND);
	a->clients = 0;
	pools_note_use(&pools, a, START + 3 * SECOND);
	assert_int_equal(
	    pools_expire(&pools, START + 3 * SECOND, SECOND, note_name, expired),
	    START + 4 * SECOND);
	assert_string_equal(expired, "cb");
	assert_int_equal(pools.gone.query_count, 0);
	assert_int_equal(
	    pools_expire(&pools, START + 9 * SECOND, SECOND, note_name, expired),
	    CLOCK_NEVER);
	assert_string_equal(expired, "cba");
	assert_int_equal(pools.gone.query_count, 100);
	assert_int_equal(pools.count, 1);
	assert_null(pools_find(&pools, slice_of_text("a"), slice_of_text("joe")));
	assert_null(usages_find(&pools.databases, slice_of_text("a")));
	pools_fini(&pools);
}

static void many_expire_in_portions(void **state)
{
	struct pools pools;
	unsigned rounds = 0;

	(void)state;
	begin(&pools, HEAD "* = host=/tmp\n");
	for (unsigned i = 0; i < 1000; i++) {
		char name[20];

		snprintf(name, sizeof(name), "db%u", i);
		assert_non_null(get(&pools, name, "joe"));
	}
	while (pools_expire(&pools, START + SECOND, SECOND, NULL, NULL) != CLOCK_NEVER) {
		assert_true(pools.count > 0);
		rounds++;
	}
	assert_int_equal(rounds, 3);
	assert_int_equal(pools.count, 0);
	pools_fini(&pools);
}

static void a_pause_outlives_the_pools_of_its_database(void **state)
{
	struct pools pools;

	(void)state;
	begin(&pools, HEAD "* = host=/tmp\n");
	get(&pools, "a", "joe")->database_usage->gate.is_paused = true;
	pools_expire(&pools, START + SECOND, SECOND, NULL, NULL);
	assert_int_equal(pools.count, 0);
	assert_true(pool_is_paused(get(&pools, "a", "ann")));
	assert_false(pool_is_paused(get(&pools, "b", "ann")));
	pools.paused_all = 1;
	assert_true(pool_is_paused(get(&pools, "b", "ann")));
	pools_fini(&pools);
}

/* ---- a new configuration ---- */

struct changes {
	struct pools *pools;
	char seen[100];
	bool drops_removed;
};

static void on_change(struct pool *pool, enum pool_change change, void *context)
{
	static const char *const words[] = {
	    [POOL_SAME] = "same", [POOL_RETARGETED] = "moved", [POOL_REMOVED] = "gone"};
	struct changes *c = context;
	size_t len = strlen(c->seen);

	snprintf(c->seen + len, sizeof(c->seen) - len, "%s:%s ", pool->database_name,
		 words[change]);
	if (change == POOL_REMOVED && c->drops_removed)
		pools_drop(c->pools, pool);
}

static void expect_change(const char *before, const char *after, const char *changes)
{
	struct pools pools;
	struct changes c = {.pools = &pools};
	struct config *config = load(after);

	begin(&pools, before);
	get(&pools, "a", "joe");
	pools_apply(&pools, config, on_change, &c);
	config_unref(config);
	if (strcmp(c.seen, changes) != 0)
		fail_msg("\"%s\" to \"%s\" is %s", before, after, c.seen);
	pools_fini(&pools);
}

static void each_pool_learns_what_became_of_its_database(void **state)
{
	static const struct {
		const char *before, *after, *changes;
	} cases[] = {
	    {HEAD "a = host=/tmp\n", HEAD "a = host=/tmp\n", "a:same "},
	    {HEAD "a = host=/tmp\n", HEAD "a = host=/tmp pool_size=3\n", "a:same "},
	    {HEAD "a = host=/tmp\n", HEAD "a = host=/run\n", "a:moved "},
	    {HEAD "a = host=/tmp\n", HEAD "a = host=/tmp user=ann\n", "a:moved "},
	    {HEAD "a = host=/tmp\n", HEAD "b = host=/tmp\n", "a:gone "},
	    {HEAD "* = host=/tmp\n", HEAD "* = host=/tmp\n", "a:same "},
	    {HEAD "* = host=/tmp\n", HEAD "* = host=/run\n", "a:moved "},
	    {HEAD "* = host=/tmp\n", HEAD "a = host=/tmp\n", "a:same "},
	    {HEAD "* = host=/tmp\n", HEAD "a = host=/tmp dbname=b\n", "a:moved "},
	    {HEAD "a = host=/tmp\n", HEAD "* = host=/tmp\n", "a:same "},
	    {HEAD "* = host=/tmp\n", HEAD "b = host=/tmp\n", "a:gone "},
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++)
		expect_change(cases[i].before, cases[i].after, cases[i].changes);
}

static void new_rules_and_limits_hold_at_once(void **state)
{
	struct pools pools;
	struct config *config =
	    load("[pooler]\nauth_type = trust\nstats_period = 5\n"
		 "max_db_connections = 8\nmax_user_connections = 3\n"
		 "max_server_connections = 9\n[databases]\n"
		 "a = host=/tmp pool_size=2 max_queue=4\n[users]\njoe = pool_size=1\n");

	(void)state;
	begin(&pools, HEAD "a = host=/tmp\n");
	struct pool *joe = get(&pools, "a", "joe"), *ann = get(&pools, "a", "ann");
	pools_apply(&pools, config, NULL, NULL);
	assert_ptr_equal(pools.config, config);
	config_unref(config);
	assert_int_equal(joe->rules.pool_size, 1);
	assert_int_equal(ann->rules.pool_size, 2);
	assert_int_equal(ann->line.max, 4);
	assert_int_equal(ann->database_usage->max_servers, 8);
	assert_int_equal(ann->user_usage->max_servers, 3);
	assert_ptr_equal(ann->process_usage, joe->process_usage);
	assert_int_equal(ann->process_usage->max_servers, 9);
	assert_int_equal(ann->tally.next_period_us, 5 * SECOND);
	assert_int_equal(pools.tally.next_period_us, 5 * SECOND);
	pools_fini(&pools);
}

static void a_removed_pool_may_be_dropped_or_come_back(void **state)
{
	struct pools pools;
	struct changes c = {.pools = &pools};
	struct config *without = load(HEAD "b = host=/tmp\n");
	struct config *with = load(HEAD "a = host=/tmp\n");

	(void)state;
	begin(&pools, HEAD "a = host=/tmp\nb = host=/tmp\n");
	struct pool *a = get(&pools, "a", "joe");
	get(&pools, "b", "joe");
	pools_apply(&pools, without, on_change, &c);
	assert_string_equal(c.seen, "a:gone b:same ");
	assert_null(a->database);
	c.seen[0] = '\0';
	c.drops_removed = true;
	pools_apply(&pools, with, on_change, &c);
	/* Nobody knows where its servers led. */
	assert_string_equal(c.seen, "a:moved b:gone ");
	assert_non_null(a->database);
	assert_int_equal(pools.count, 1);
	config_unref(with);
	config_unref(without);
	pools_fini(&pools);
}

static void a_pool_that_gets_an_entry_of_its_own_does_not_expire(void **state)
{
	struct pools pools;
	struct config *config = load(HEAD "a = host=/tmp\n* = host=/tmp\n");

	(void)state;
	begin(&pools, HEAD "* = host=/tmp\n");
	get(&pools, "a", "joe");
	get(&pools, "b", "joe");
	pools_apply(&pools, config, NULL, NULL);
	config_unref(config);
	assert_int_equal(pools_expire(&pools, START + SECOND, SECOND, NULL, NULL),
			 CLOCK_NEVER);
	assert_int_equal(pools.count, 1);
	assert_non_null(pools_find(&pools, slice_of_text("a"), slice_of_text("joe")));
	pools_fini(&pools);
}

static void ten_thousand_pools_follow_at_once(void **state)
{
	struct pools pools;
	struct config *config = load(HEAD "* = host=/tmp pool_size=4\n");

	(void)state;
	begin(&pools, HEAD "* = host=/tmp\n");
	for (unsigned i = 0; i < 10000; i++) {
		char name[20];

		snprintf(name, sizeof(name), "db%u", i);
		assert_non_null(get(&pools, name, i % 2 ? "joe" : "ann"));
	}
	pools_apply(&pools, config, NULL, NULL);
	config_unref(config);
	struct pool *p;
	TAILQ_FOREACH (p, &pools.all, all)
		assert_int_equal(p->rules.pool_size, 4);
	pools_fini(&pools);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_pool_is_made_once_for_each_database_and_user),
	    cmocka_unit_test(names_are_told_apart_wherever_they_are_cut),
	    cmocka_unit_test(an_unknown_database_has_no_pool),
	    cmocka_unit_test(the_star_entry_serves_any_other_name),
	    cmocka_unit_test(names_too_long_have_no_pool),
	    cmocka_unit_test(usages_have_the_limits_in_force),
	    cmocka_unit_test(short_memory_makes_no_pool_and_loses_nothing),
	    cmocka_unit_test(unused_automatic_pools_expire_in_order),
	    cmocka_unit_test(many_expire_in_portions),
	    cmocka_unit_test(a_pause_outlives_the_pools_of_its_database),
	    cmocka_unit_test(each_pool_learns_what_became_of_its_database),
	    cmocka_unit_test(new_rules_and_limits_hold_at_once),
	    cmocka_unit_test(a_removed_pool_may_be_dropped_or_come_back),
	    cmocka_unit_test(a_pool_that_gets_an_entry_of_its_own_does_not_expire),
	    cmocka_unit_test(ten_thousand_pools_follow_at_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
