/*
 * Scenarios of logins while another configuration is loaded: whom it concerns, and whom
 * not any more.
 */
#include "scenario/world.h"

#define ANNA "user=anna;database=app"
#define PASSWORD "wonderland"
#define USERS "\"anna\" \"" PASSWORD "\"\n\"otto\" \"looking glass\"\n"

static const char *lines_of(const char *type)
{
	static char lines[300];

	snprintf(lines, sizeof(lines), "auth_type = %s\nauth_file = %s\n", type,
		 proving_file("users", USERS));
	return lines;
}

static void who_was_removed_is_gone_at_once(void **state)
{
	static const char *const types[] = {"plain", "md5", "scram-sha-256", "trust"};
	char lines[200];

	(void)state;
	for (size_t i = 0; i < 4; i++) {
		struct world w;

		world_begin(&w, lines_of(types[i]));
		struct actor *c = prover_client(&w, ANNA, PASSWORD);
		ASSERT_HEARS(c, GREETING);
		snprintf(lines, sizeof(lines), "auth_type = %s\nauth_file = %s\n",
			 types[i], proving_file("users", "\"otto\" \"o\"\n"));
		world_reload(&w, lines);
		c = prover_client(&w, ANNA, PASSWORD);
		assert_memory_equal(heard(c), "E[FATAL 28", 10);
		world_end(&w);
	}
}

/* How far a login is: by which method, and after how many answers. */
static const struct {
	const char *type;
	unsigned answers;
} beginnings[] = {{"plain", 0}, {"md5", 0}, {"scram-sha-256", 0}, {"scram-sha-256", 1}};

enum { BEGINNINGS = sizeof(beginnings) / sizeof(beginnings[0]) };

/* The method of a login is that of its beginning, and so is what was found for it. */
static void a_login_ends_as_it_began_whatever_is_loaded_meanwhile(void **state)
{
	static const char *const others[] = {"trust", "plain", "md5", "scram-sha-256"};
	char lines[200];

	(void)state;
	for (size_t began = 0; began < BEGINNINGS; began++) {
		for (size_t i = 0; i < 4; i++) {
			struct world w;

			world_begin(&w, lines_of(beginnings[began].type));
			struct actor *c = prover_connect(&w, ANNA, PASSWORD);
			struct actor *wrong = prover_connect(&w, ANNA, "wrong");
			prover_stop_after(c, beginnings[began].answers);
			prover_stop_after(wrong, beginnings[began].answers);
			world_settle(&w);
			snprintf(lines, sizeof(lines), "auth_type = %s\nauth_file = %s\n",
				 others[i], proving_file("users", "\"anna\" \"new\"\n"));
			world_reload(&w, lines);
			prover_stop_after(c, UINT_MAX);
			prover_stop_after(wrong, UINT_MAX);
			world_settle(&w);
			assert_true(prover_is_content(c));
			ASSERT_HEARS(c, GREETING);
			ASSERT_HEARS(wrong, "E[FATAL 28P01]");
			/* The next is met by what is in force. */
			struct actor *late = prover_client(&w, ANNA, "new");
			ASSERT_HEARS(late, GREETING);
			world_end(&w);
		}
	}
}

static const char *rules_of(const char *rules)
{
	static char lines[300];

	snprintf(lines, sizeof(lines),
		 "auth_type = hba\nauth_file = %s\nauth_hba_file = %s\n",
		 proving_file("users", USERS), proving_file("rules", rules));
	return lines;
}

static void rules_count_from_the_next_login_on(void **state)
{
	struct world w;

	(void)state;
	world_begin(&w, rules_of("host app anna all md5\nhost all all all reject\n"));
	struct actor *c = prover_connect(&w, ANNA, PASSWORD);
	prover_stop_after(c, 0);
	world_settle(&w);
	struct actor *otto = prover_client(&w, "user=otto;database=app", "o");
	ASSERT_HEARS(otto, "E[FATAL 28000]");
	world_reload(&w, rules_of("host all otto all scram-sha-256\n"));
	prover_stop_after(c, UINT_MAX);
	world_settle(&w);
	ASSERT_HEARS(c, GREETING);
	c = prover_client(&w, ANNA, PASSWORD);
	ASSERT_HEARS(c, "E[FATAL 28000]");
	otto = prover_client(&w, "user=otto;database=app", "looking glass");
	ASSERT_HEARS(otto, GREETING);
	world_end(&w);
}

static void a_login_under_rules_outlives_the_rules(void **state)
{
	struct world w;

	(void)state;
	world_begin(&w, rules_of("host all all all scram-sha-256\n"));
	struct actor *c = prover_connect(&w, ANNA, PASSWORD);
	prover_stop_after(c, 1);
	world_settle(&w);
	world_reload(&w, lines_of("md5"));
	world_reload(&w, rules_of("host all all all reject\n"));
	prover_stop_after(c, UINT_MAX);
	world_settle(&w);
	ASSERT_HEARS(c, GREETING);
	world_end(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(who_was_removed_is_gone_at_once),
	    cmocka_unit_test(a_login_ends_as_it_began_whatever_is_loaded_meanwhile),
	    cmocka_unit_test(rules_count_from_the_next_login_on),
	    cmocka_unit_test(a_login_under_rules_outlives_the_rules),
	};

	return cmocka_run_group_tests_name("logins and reload", tests, NULL, NULL);
}
