/*
 * What databases and users may say differently.
 */
#include "fixture.h"

#include "config/overrides.h"

static void keys_are_allowed_where_people_know_them(void **state)
{
	static const struct {
		const char *name;
		bool in_databases, in_users;
	} cases[] = {
	    {"pool_mode", true, true},
	    {"pool_size", true, true},
	    {"min_pool_size", true, false},
	    {"reserve_pool_size", true, true},
	    {"reserve_pool", true, false},
	    {"max_queue", true, true},
	    {"weight", true, true},
	    {"guaranteed", true, true},
	    {"max_db_connections", true, false},
	    {"max_user_connections", false, true},
	    {"max_db_client_connections", true, false},
	    {"max_user_client_connections", false, true},
	    {"query_wait_timeout", true, true},
	    {"query_timeout", true, true},
	    {"idle_transaction_timeout", true, true},
	    {"transaction_timeout", true, true},
	    {"client_idle_timeout", true, true},
	    {"client_write_timeout", true, true},
	    {"server_lifetime", true, false},
	    {"server_max_transactions", true, false},
	    {"server_memory_limit", false, false},
	    {"hold_on_failure", true, false},
	    {"server_idle_timeout", false, false},
	    {"pool_siz", false, false},
	    {"", false, false},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		assert_int_equal(overrides_find(OVERRIDE_IN_DATABASES, cases[i].name) !=
				     OVERRIDE_COUNT,
				 cases[i].in_databases);
		assert_int_equal(overrides_find(OVERRIDE_IN_USERS, cases[i].name) !=
				     OVERRIDE_COUNT,
				 cases[i].in_users);
	}
	assert_int_equal(overrides_find(OVERRIDE_IN_DATABASES, "Reserve_Pool"),
			 OVERRIDE_reserve_pool_size);
}

static void every_key_is_found_by_its_name(void **state)
{
	(void)state;
	for (unsigned i = 0; i < OVERRIDE_COUNT; i++) {
		for (unsigned place = 0; place < 2; place++) {
			const char *name = overrides_key_name((enum override_place)place,
							      (enum override_key)i);
			if (name)
				assert_int_equal(
				    overrides_find((enum override_place)place, name), i);
		}
	}
}

static void zero_is_a_value_like_any_other(void **state)
{
	struct overrides o = {0};
	char why[200];

	(void)state;
	assert_false(overrides_has(&o, OVERRIDE_query_timeout));
	assert_true(overrides_set(&o, OVERRIDE_query_timeout, "0", why, sizeof(why)));
	assert_true(overrides_has(&o, OVERRIDE_query_timeout));
	assert_int_equal(o.query_timeout, 0);
	for (unsigned i = 0; i < OVERRIDE_COUNT; i++) {
		if (i != OVERRIDE_query_timeout)
			assert_false(overrides_has(&o, (enum override_key)i));
	}
}

static void a_bad_value_leaves_a_key_unset(void **state)
{
	struct overrides o = {0};
	char why[200];

	(void)state;
	assert_false(overrides_set(&o, OVERRIDE_pool_size, "-1", why, sizeof(why)));
	assert_string_equal(why, "\"-1\" is out of range: 0 to 2147483647 are possible");
	assert_false(overrides_has(&o, OVERRIDE_pool_size));
	assert_true(overrides_set(&o, OVERRIDE_max_queue, "-1", why, sizeof(why)));
	assert_int_equal(o.max_queue, -1);
}

static const char *a_value(enum override_key key)
{
	static const struct {
		enum override_key key;
		const char *value;
	} words[] = {
	    {OVERRIDE_pool_mode, "statement"}, {OVERRIDE_server_state, "error"},
	    {OVERRIDE_queue_policy, "codel"},  {OVERRIDE_priority, "low"},
	    {OVERRIDE_max_priority, "normal"}, {OVERRIDE_adaptive_pool, "log"},
	};

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		if (words[i].key == key)
			return words[i].value;
	return "17";
}

static void every_key_prints_what_it_was_set_to(void **state)
{
	struct overrides o = {0};
	char why[200], text[64];

	(void)state;
	for (unsigned i = 0; i < OVERRIDE_COUNT; i++) {
		enum override_key key = (enum override_key)i;
		const char *value = a_value(key);

		assert_true(overrides_set(&o, key, value, why, sizeof(why)));
		assert_string_equal(overrides_print(&o, key, text, sizeof(text)), value);
	}
	assert_int_equal(o.set, (1U << OVERRIDE_COUNT) - 1);
	assert_int_equal(o.server_lifetime, 17000000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(keys_are_allowed_where_people_know_them),
	    cmocka_unit_test(every_key_is_found_by_its_name),
	    cmocka_unit_test(zero_is_a_value_like_any_other),
	    cmocka_unit_test(a_bad_value_leaves_a_key_unset),
	    cmocka_unit_test(every_key_prints_what_it_was_set_to),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
