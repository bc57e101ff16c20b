/*
 * Scenarios of the brake on guessing: who is refused, for how long, and that nobody
 * behind it learns anything.
 */
#include "scenario/methods.h"

static void guess(struct world *w, const char *user, unsigned times)
{
	char pairs[64];

	snprintf(pairs, sizeof(pairs), "user=%s;database=app", user);
	while (times-- > 0) {
		struct actor *c = prover_client(w, pairs, "looking glass");
		ASSERT_HEARS(c, "E[FATAL 28P01]");
	}
}

static void after_ten_failures_even_the_right_password_is_refused(void **state)
{
	(void)state;
	for (size_t i = 0; i < METHODS; i++) {
		struct world w;

		if (!methods[i].comes_in)
			continue;
		world_of_method(&w, i);
		guess(&w, "anna", 10);
		guess(&w, "otto", 10);
		struct actor *c = prover_client(&w, ANNA, PASSWORD);
		assert_string_equal(heard_field(c, 'M'), "too many failed logins");
		ASSERT_HEARS(c, "E[FATAL 28000]");
		/* Another is not concerned, but one who is not known is braked as well.
		 */
		guess(&w, "emil", 1);
		c = prover_client(&w, "user=otto;database=app", PASSWORD);
		ASSERT_HEARS(c, "E[FATAL 28000]");
		world_pass(&w, 119 * USEC_PER_SEC);
		c = prover_client(&w, ANNA, PASSWORD);
		ASSERT_HEARS(c, "E[FATAL 28000]");
		world_pass(&w, USEC_PER_SEC);
		c = prover_client(&w, ANNA, PASSWORD);
		ASSERT_HEARS(c, GREETING);
		world_end(&w);
	}
}

/* So many logins are under way when the limit is reached: what they are told must not say
 * which of them has guessed right. */
static void guesses_made_side_by_side_learn_nothing_beyond_the_limit(void **state)
{
	(void)state;
	for (size_t i = 0; i < METHODS; i++) {
		bool is_scram = methods[i].type[0] == 's' ||
				(methods[i].type[0] == 'm' && methods[i].stored == SCRAM);
		struct world w;

		if (!methods[i].comes_in)
			continue;
		world_of_method(&w, i);
		struct actor *right = prover_connect(&w, ANNA, PASSWORD);
		struct actor *wrong = prover_connect(&w, ANNA, "looking glass");
		prover_stop_after(right, is_scram);
		prover_stop_after(wrong, is_scram);
		world_settle(&w);
		guess(&w, "anna", 10);
		prover_stop_after(right, 1);
		prover_stop_after(wrong, 1);
		world_settle(&w);
		ASSERT_HEARS(right, "E[FATAL 28000]");
		ASSERT_HEARS(wrong, "E[FATAL 28000]");
		assert_null(world_server(&w, 1));
		world_end(&w);
	}
}

static void failures_long_ago_or_before_a_success_do_not_count(void **state)
{
	struct world w;

	(void)state;
	world_begin(&w, lines_of("md5", PASSWORD));
	guess(&w, "anna", 9);
	world_pass(&w, 151 * USEC_PER_SEC);
	guess(&w, "anna", 9);
	struct actor *c = prover_client(&w, ANNA, PASSWORD);
	ASSERT_HEARS(c, GREETING);
	guess(&w, "anna", 9);
	c = prover_client(&w, ANNA, PASSWORD);
	ASSERT_HEARS(c, GREETING);
	world_end(&w);
}

static void the_brake_can_be_set_and_taken_off(void **state)
{
	char lines[800];
	struct world w;

	(void)state;
	snprintf(lines, sizeof(lines), "%sauth_failure_limit = 2\n",
		 lines_of("md5", PASSWORD));
	world_begin(&w, lines);
	guess(&w, "anna", 2);
	struct actor *c = prover_client(&w, ANNA, PASSWORD);
	ASSERT_HEARS(c, "E[FATAL 28000]");
	snprintf(lines, sizeof(lines), "%sauth_failure_limit = 0\n",
		 lines_of("md5", PASSWORD));
	world_reload(&w, lines);
	guess(&w, "anna", 30);
	c = prover_client(&w, ANNA, PASSWORD);
	ASSERT_HEARS(c, GREETING);
	world_end(&w);
}

static void who_hangs_up_has_not_failed(void **state)
{
	struct world w;

	(void)state;
	world_begin(&w, lines_of("scram-sha-256", PASSWORD));
	for (int i = 0; i < 30; i++)
		leave(world_client(&w, ANNA));
	struct actor *c = prover_client(&w, ANNA, PASSWORD);
	ASSERT_HEARS(c, GREETING);
	world_end(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(after_ten_failures_even_the_right_password_is_refused),
	    cmocka_unit_test(guesses_made_side_by_side_learn_nothing_beyond_the_limit),
	    cmocka_unit_test(failures_long_ago_or_before_a_success_do_not_count),
	    cmocka_unit_test(the_brake_can_be_set_and_taken_off),
	    cmocka_unit_test(who_hangs_up_has_not_failed),
	};

	return cmocka_run_group_tests_name("the brake", tests, NULL, NULL);
}
