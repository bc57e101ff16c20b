/*
 * Entries of [users].
 */
#include "fixture.h"

#include <errno.h>

#include "config/arena.h"
#include "config/user.h"

static void every_key_is_taken(void **state)
{
	struct arena strings = {0};
	struct user_entry u;
	char why[512];

	(void)state;
	assert_int_equal(
	    user_parse(
		"joe",
		"pool_mode=transaction pool_size=1 reserve_pool_size=2 max_queue=-1 "
		"weight=9 guaranteed=10 max_user_connections=3 "
		"max_user_client_connections=4 "
		"query_wait_timeout=5 query_timeout=6 idle_transaction_timeout=7 "
		"transaction_timeout=8 client_idle_timeout='9min'",
		&strings, &u, why, sizeof(why)),
	    0);
	assert_string_equal(u.name, "joe");
	assert_int_equal(u.over.pool_mode, POOL_MODE_TRANSACTION);
	assert_int_equal(u.over.max_queue, -1);
	assert_int_equal(u.over.weight, 9);
	assert_int_equal(u.over.guaranteed, 10);
	assert_int_equal(u.over.max_connections, 3);
	assert_int_equal(u.over.max_client_connections, 4);
	assert_int_equal(u.over.client_idle_timeout, 540000000);
	assert_false(overrides_has(&u.over, OVERRIDE_min_pool_size));
	assert_false(overrides_has(&u.over, OVERRIDE_server_lifetime));
	arena_fini(&strings);
}

static void bad_entries_are_refused(void **state)
{
	static const struct {
		const char *name, *text, *why;
	} cases[] = {
	    {"u", "host=x", "unknown key \"host\""},
	    {"u", "password=x", "unknown key \"password\""},
	    {"u", "password=my geheim=x",
	     "a key behind the password is unknown; it is not"},
	    {"u", "max_db_connections=1", "unknown key \"max_db_connections\""},
	    {"u", "pool_size", "\"pool_size\" is followed by no '='"},
	    {"u", "pool_size=x max_queue=y",
	     "pool_size: \"x\" is not a whole number; max_queue: \"y\" is not"},
	    {"u", "pool_size=1 pool_size=1", "pool_size is given twice"},
	    {"", "", "a user's name has 1 to 127 bytes"},
	};
	struct arena strings = {0};
	struct user_entry u = {.name = "kept"};
	char why[512];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		assert_int_equal(user_parse(cases[i].name, cases[i].text, &strings, &u,
					    why, sizeof(why)),
				 -EINVAL);
		if (!strstr(why, cases[i].why))
			fail_msg("%s: %s", cases[i].text, why);
		assert_string_equal(u.name, "kept");
	}
	arena_fini(&strings);
}

static void names_have_a_limit(void **state)
{
	struct arena strings = {0};
	struct user_entry u;
	char why[512], name[USER_NAME_MAX + 2];

	(void)state;
	memset(name, 'n', sizeof(name));
	name[USER_NAME_MAX + 1] = '\0';
	assert_int_equal(user_parse(name, "", &strings, &u, why, sizeof(why)), -EINVAL);
	name[USER_NAME_MAX] = '\0';
	assert_int_equal(user_parse(name, "", &strings, &u, why, sizeof(why)), 0);
	assert_string_equal(u.name, name);
	arena_fini(&strings);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(every_key_is_taken),
	    cmocka_unit_test(bad_entries_are_refused),
	    cmocka_unit_test(names_have_a_limit),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
