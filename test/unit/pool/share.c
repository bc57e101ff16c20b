/*
 * What counts as used, and what two make of it.
 */
#include "pool/share.h"

#include "base/clock.h"
#include "unit/base/kit.h"

#define SECOND USEC_PER_SEC

/* One that has used so many seconds of one server. */
static struct share share_of(unsigned weight, double seconds)
{
	struct share s;

	share_init(&s, weight);
	share_settle(&s, USAGE_OF_USER, 1, (uint64_t)(seconds * SECOND));
	return s;
}

static double used(const struct share *s)
{
	return share_used(s, USAGE_OF_USER) / SECOND;
}

static void time_counts_for_each_server_and_by_weight(void **state)
{
	struct share s;

	(void)state;
	share_init(&s, 4);
	share_settle(&s, USAGE_OF_USER, 0, 5 * SECOND);
	assert_float_equal(used(&s), 0, 1e-9);
	share_settle(&s, USAGE_OF_USER, 6, 7 * SECOND);
	assert_float_equal(used(&s), 3, 1e-9);
	/* Under each limit by itself, and once only. */
	share_settle(&s, USAGE_OF_USER, 6, 7 * SECOND);
	assert_float_equal(used(&s), 3, 1e-9);
	assert_float_equal(share_used(&s, USAGE_OF_PROCESS), 0, 1e-9);
}

static void a_weight_of_zero_is_one(void **state)
{
	struct share s = share_of(0, 2);

	(void)state;
	assert_float_equal(used(&s), 2, 1e-9);
	share_set_weight(&s, 0);
	assert_float_equal(used(&s), 2, 1e-9);
}

static void a_new_weight_holds_from_now_on(void **state)
{
	struct share s = share_of(1, 8);

	(void)state;
	share_set_weight(&s, 4);
	assert_float_equal(used(&s), 8, 1e-9);
	share_settle(&s, USAGE_OF_USER, 1, 12 * SECOND);
	assert_float_equal(used(&s), 9, 1e-9);
}

static void servers_held_count_for_a_moment_ahead(void **state)
{
	struct share s = share_of(2, 4);

	(void)state;
	assert_float_equal(share_due(&s, USAGE_OF_USER, 0) / SECOND, 2, 1e-9);
	assert_float_equal(share_due(&s, USAGE_OF_USER, 3) / SECOND, 2.75, 1e-9);
}

static void when_two_meet_little_is_remembered(void **state)
{
	static const struct {
		const char *what;
		unsigned weight, other_weight;
		double used, others, after;
	} cases[] = {
	    {"as much", 1, 1, 7, 7, 7},
	    {"a little less", 1, 1, 6.6, 7, 6.6},
	    {"much less", 1, 1, 0, 7, 6.5},
	    {"a little more", 1, 1, 12, 7, 12},
	    {"much more", 1, 1, 99, 7, 17},
	    {"much less, of much weight", 10, 1, 0, 7, 6.5},
	    {"much less, both of much weight", 10, 5, 0, 35, 6.9},
	    {"much more, both of much weight", 5, 10, 500, 70, 9},
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		struct share s = share_of(cases[i].weight, cases[i].used);
		struct share other = share_of(cases[i].other_weight, cases[i].others);
		struct level level = share_level(&other, USAGE_OF_USER);

		share_meet(&s, &level, USAGE_OF_USER);
		if (used(&s) < cases[i].after - 1e-6 || used(&s) > cases[i].after + 1e-6)
			fail_msg("%s: %f", cases[i].what, used(&s));
	}
}

static void whoever_is_ahead_by_a_turn_has_to_give_way(void **state)
{
	static const struct {
		unsigned weight, other_weight;
		double used, others;
		bool is_ahead;
	} cases[] = {
	    {1, 1, 7, 7, false},    {1, 1, 7.2, 7, false},   {1, 1, 7.3, 7, true},
	    {1, 1, 7, 7.3, false},  {4, 4, 28.2, 28, false}, {4, 4, 28.3, 28, true},
	    {1, 3, 7.2, 21, false}, {1, 3, 7.3, 21, true},
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		struct share s = share_of(cases[i].weight, cases[i].used);
		struct share other = share_of(cases[i].other_weight, cases[i].others);

		assert_int_equal(share_is_ahead(&s, &other, USAGE_OF_USER),
				 cases[i].is_ahead);
	}
}

static void servers_are_more_or_less_by_weight(void **state)
{
	struct share one = share_of(1, 0), three = share_of(3, 0);

	(void)state;
	assert_true(share_is_more(&one, 2, &three, 5));
	assert_false(share_is_more(&one, 2, &three, 6));
	assert_false(share_is_more(&three, 6, &one, 2));
	assert_true(share_is_more(&three, 7, &one, 2));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(time_counts_for_each_server_and_by_weight),
	    cmocka_unit_test(a_weight_of_zero_is_one),
	    cmocka_unit_test(a_new_weight_holds_from_now_on),
	    cmocka_unit_test(servers_held_count_for_a_moment_ahead),
	    cmocka_unit_test(when_two_meet_little_is_remembered),
	    cmocka_unit_test(whoever_is_ahead_by_a_turn_has_to_give_way),
	    cmocka_unit_test(servers_are_more_or_less_by_weight),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
