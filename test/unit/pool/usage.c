/*
 * Named usages: who holds them, and whether one more fits.
 */
#include "pool/usage.h"

#include <limits.h>

#include "unit/base/kit.h"

static void a_usage_lives_while_it_is_held(void **state)
{
	struct usages u;
	struct usage *a, *again;

	(void)state;
	usages_init(&u, USAGE_OF_USER);
	assert_null(usages_find(&u, slice_of_text("a")));
	a = usages_hold(&u, slice_of_text("a"));
	again = usages_hold(&u, slice_of_text("a"));
	assert_non_null(a);
	assert_ptr_equal(a, again);
	assert_string_equal(a->name, "a");
	usage_release(&u, a);
	assert_ptr_equal(usages_find(&u, slice_of_text("a")), a);
	usage_release(&u, a);
	assert_null(usages_find(&u, slice_of_text("a")));
	usages_fini(&u);
}

static void a_shut_gate_outlives_its_holders(void **state)
{
	struct usages u;
	struct usage *a;

	(void)state;
	usages_init(&u, USAGE_OF_USER);
	a = usages_hold(&u, slice_of_text("a"));
	a->gate.is_paused = true;
	usage_release(&u, a);
	assert_ptr_equal(usages_hold(&u, slice_of_text("a")), a);
	assert_true(a->gate.is_paused);
	a->gate = (struct gate){.is_disabled = true};
	usage_release(&u, a);
	assert_ptr_equal(usages_hold(&u, slice_of_text("a")), a);
	a->gate = (struct gate){0};
	usage_release(&u, a);
	assert_null(usages_find(&u, slice_of_text("a")));
	usages_fini(&u);
}

static void one_whose_gate_is_shut_ends_with_all(void **state)
{
	struct usages u;
	struct usage *a;

	(void)state;
	usages_init(&u, USAGE_OF_USER);
	a = usages_hold(&u, slice_of_text("a"));
	a->gate.is_paused = true;
	usage_release(&u, a);
	usages_fini(&u);
	usages_fini(&u);
}

static void names_are_bytes(void **state)
{
	static const struct slice names[] = {
	    {(const uint8_t *)"", 0},       {(const uint8_t *)"a", 1},
	    {(const uint8_t *)"a\0", 2},    {(const uint8_t *)"a\0b", 3},
	    {(const uint8_t *)"\xff\n", 2}, {(const uint8_t *)"A", 1},
	};
	struct usage *made[COUNT_OF(names)];
	struct usages u;

	(void)state;
	usages_init(&u, USAGE_OF_USER);
	for (size_t i = 0; i < COUNT_OF(names); i++) {
		made[i] = usages_hold(&u, names[i]);
		for (size_t j = 0; j < i; j++)
			assert_ptr_not_equal(made[i], made[j]);
	}
	for (size_t i = 0; i < COUNT_OF(names); i++) {
		assert_ptr_equal(usages_find(&u, names[i]), made[i]);
		assert_int_equal(made[i]->name_len, names[i].len);
		assert_memory_equal(made[i]->name, names[i].data, names[i].len);
		assert_int_equal(made[i]->name[names[i].len], 0);
	}
	for (size_t i = 0; i < COUNT_OF(names); i++)
		usage_release(&u, made[i]);
	usages_fini(&u);
}

static void a_limit_of_zero_is_none(void **state)
{
	static const struct {
		int max;
		unsigned used, claimed, room;
		bool has_room_for_client;
	} cases[] = {
	    {0, 0, 0, UINT_MAX, true},
	    {0, 1000000, 0, UINT_MAX, true},
	    {1, 0, 0, 1, true},
	    {1, 1, 0, 0, false},
	    {5, 3, 0, 2, true},
	    {5, 3, 1, 1, true},
	    {5, 3, 2, 0, true},
	    {5, 9, 0, 0, false},
	    {INT_MAX, 1, 0, INT_MAX - 1, true},
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		struct usage u = {.max_servers = cases[i].max,
				  .max_clients = cases[i].max,
				  .servers = cases[i].used,
				  .clients = cases[i].used,
				  .claimed = cases[i].claimed};

		assert_int_equal(usage_room_for_servers(&u), cases[i].room);
		assert_int_equal(usage_has_room_for_server(&u), cases[i].room > 0);
		assert_int_equal(usage_has_room_for_client(&u),
				 cases[i].has_room_for_client);
	}
}

static void too_many_are_those_beyond_the_limit_that_stay(void **state)
{
	static const struct {
		int max;
		unsigned servers, leaving;
		bool is_over;
	} cases[] = {
	    {0, 9, 0, false}, {5, 5, 0, false}, {5, 6, 0, true},
	    {5, 6, 1, false}, {5, 8, 2, true},
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		struct usage u = {.max_servers = cases[i].max,
				  .servers = cases[i].servers,
				  .leaving = cases[i].leaving};

		assert_int_equal(usage_is_over(&u), cases[i].is_over);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_usage_lives_while_it_is_held),
	    cmocka_unit_test(a_shut_gate_outlives_its_holders),
	    cmocka_unit_test(one_whose_gate_is_shut_ends_with_all),
	    cmocka_unit_test(names_are_bytes),
	    cmocka_unit_test(a_limit_of_zero_is_none),
	    cmocka_unit_test(too_many_are_those_beyond_the_limit_that_stay),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
