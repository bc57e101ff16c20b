/*
 * Scenarios of connect_query: what it sets is what sessions begin with.
 */
#include "scenario/telling.h"
#include "scenario/world.h"

#define DATABASE "[databases]\nspecial = host=10.0.0.9 connect_query='SET a.b = 1'\n"
#define ONE "pool_mode = transaction\ndefault_pool_size = 1\n" DATABASE
#define CLIENT "user=anna;database=special"

/* A server of which connect_query has set a parameter that it does not report. */
static struct actor *connected(struct world *w, const char *lines,
			       struct actor **out_client)
{
	world_begin(w, lines);
	*out_client = world_client(w, CLIENT);
	struct actor *s = world_server(w, 1);
	ASSERT_HEARS(s, "Q[SET a.b = 1]");
	say(s, "C[SET] Z[I]");
	is_asked(s, "('a.b')", "pg_settings");
	push_row(s, "n", "role", "none");
	push_row(s, "n", "a.b", "1");
	push_row(s, "s", "work_mem", "8MB");
	say(s, "C[SELECT 3] Z[I]");
	return s;
}

static bool wants(const struct actor *a, const char *name)
{
	struct slice value;

	return params_find(client_of(a)->params, slice_of_text(name), &value);
}

static void what_it_sets_is_what_clients_find(void **state)
{
	struct world w;

	(void)state;
	world_begin(&w, "pool_mode = session\n[databases]\n"
			"special = host=10.0.0.9 connect_query='SET TimeZone TO CET'\n");
	struct actor *a = world_client(&w, CLIENT);
	struct actor *s = world_server(&w, 1);
	ASSERT_HEARS(s, "Q[SET TimeZone TO CET]");
	say(s, "S[TimeZone=CET] C[SET] Z[I]");
	is_asked(s, "('timezone')", "pg_settings");
	push_row(s, "n", "role", "none");
	push_row(s, "s", "TimeZone", "CET");
	say(s, "C[SELECT 2] Z[I]");
	ASSERT_HEARS(a, "R S[application_name=] S[client_encoding=UTF8] "
			"S[server_version=15.0] S[TimeZone=CET] K Z[I]");
	say(a, "Q[one]");
	ASSERT_HEARS(s, "Q[one]");
	say(s, "I Z[I]");
	/* The reset undoes it at the server, so it is sent again. */
	say(a, "X");
	ASSERT_HEARS(s, "Q[DISCARD ALL]");
	say(s, "S[TimeZone=UTC] C[DISCARD ALL] Z[I]");
	ASSERT_HEARS(s, "Q[SET TimeZone TO CET]");
	say(s, "S[TimeZone=CET] C[SET] Z[I]");
	a = world_client(&w, CLIENT);
	say(a, "Q[two]");
	ASSERT_HEARS(s, "Q[two]");
	world_end(&w);
}

static void what_is_not_reported_is_no_word_to_clients_either(void **state)
{
	struct world w;
	struct actor *a, *s = connected(&w, ONE, &a);

	(void)state;
	ASSERT_HEARS(a, GREETING);
	say(a, "Q[one]");
	ASSERT_HEARS(s, "Q[one]");
	world_end(&w);
}

/* Whatever the server says, it is nobody's who has not set it. */
static void it_is_nobodys_own(void **state)
{
	struct world w;
	struct actor *a, *s = connected(&w, ONE, &a);

	(void)state;
	heard(a);
	say(a, "Q[do 1]");
	heard(s);
	say(s, "C[DO] Z[I]");
	is_asked(s, "('a.b')", "pg_settings");
	push_row(s, "n", "role", "none");
	push_row(s, "n", "a.b", "1");
	push_row(s, "s", "work_mem", "8MB");
	push_row(s, "s", "lock_timeout", "7");
	say(s, "C[SELECT 4] Z[I]");
	assert_false(wants(a, "a.b") || wants(a, "work_mem"));
	assert_true(wants(a, "lock_timeout"));
	world_end(&w);
}

/* Even where it sets them to what they are. */
static void what_a_client_sets_is_its_own(void **state)
{
	struct world w;
	struct actor *a, *s = connected(&w, ONE, &a);

	(void)state;
	heard(a);
	say(a, "Q[SET work_mem = 8192]");
	heard(s);
	say(s, "C[SET] Z[I]");
	is_asked(s, "('work_mem')", "current_setting");
	push_row(s, "n", "role", "none");
	push_row(s, "n", "work_mem", "8MB");
	say(s, "C[SELECT 2] Z[I]");
	assert_true(wants(a, "work_mem"));
	world_end(&w);
}

static void a_reset_leads_back_to_it(void **state)
{
	struct world w;
	struct actor *a, *s = connected(&w, ONE, &a);

	(void)state;
	heard(a);
	say(a, "Q[RESET work_mem]");
	ASSERT_HEARS(s, "Q[RESET work_mem]");
	say(s, "C[RESET] Z[I]");
	is_asked(s, "('work_mem')", "pg_settings");
	push_row(s, "n", "role", "none");
	push_row(s, "n", "work_mem", "4MB");
	push_row(s, "n", "a.b", "1");
	say(s, "C[SELECT 3] Z[I]");
	ASSERT_HEARS(s, "Q[SET a.b = 1]");
	say(s, "C[SET] Z[I]");
	/* Whatever that has done now. */
	say(a, "Q[one]");
	ASSERT_HEARS(s, "Q[SET \"a\".\"b\" = '1';SET \"work_mem\" = '8MB';] Q[one]");
	say(s, "C[SET] C[SET] Z[I] I Z[I]");
	say(a, "Q[two]");
	ASSERT_HEARS(s, "Q[two]");
	world_end(&w);
}

static void in_a_transaction_it_is_set_behind_the_reset(void **state)
{
	struct world w;
	struct actor *a, *s = connected(&w, ONE, &a);

	(void)state;
	heard(a);
	say(a, "Q[begin]");
	heard(s);
	say(s, "C[BEGIN] Z[T]");
	say(a, "Q[RESET ALL]");
	ASSERT_HEARS(s, "Q[RESET ALL]");
	say(s, "C[RESET] Z[T]");
	ASSERT_HEARS(s, "Q[SET \"a\".\"b\" = '1';SET \"work_mem\" = '8MB';]");
	world_end(&w);
}

static void a_failed_one_is_no_reason_to_give_up(void **state)
{
	struct world w;

	(void)state;
	world_begin(&w, "[databases]\nspecial = host=10.0.0.9 connect_query='bad'\n");
	struct actor *a = world_client(&w, CLIENT);
	struct actor *s = world_server(&w, 1);
	heard(s);
	say(s, "E[ERROR 42601] Z[I]");
	is_asked(s, "'role'", "pg_settings");
	say(s, "C[SELECT 0] Z[I]");
	ASSERT_HEARS(a, GREETING);
	world_end(&w);
}

/* It may have left a statement_timeout. */
static void a_question_that_fails_is_asked_once_more(void **state)
{
	struct world w;

	(void)state;
	world_begin(&w, DATABASE);
	struct actor *a = world_client(&w, CLIENT);
	struct actor *s = world_server(&w, 1);
	heard(s);
	say(s, "C[SET] Z[I]");
	is_asked(s, "('a.b')", "pg_settings");
	push_row(s, "n", "a.b", "1");
	say(s, "E[ERROR 57014] Z[I]");
	is_asked(s, "statement_timeout = 0", "pg_settings");
	ASSERT_HEARS(a, "");
	say(s, "E[ERROR 57014] Z[I]");
	ASSERT_HEARS(a, GREETING);
	say(a, "Q[one]");
	ASSERT_HEARS(s, "Q[one]");
	world_end(&w);
}

static void it_must_not_leave_a_transaction(void **state)
{
	struct world w;

	(void)state;
	world_begin(&w, "[databases]\nspecial = host=10.0.0.9 connect_query='begin'\n");
	struct actor *a = world_client(&w, CLIENT);
	say(world_server(&w, 1), "C[BEGIN] Z[T]");
	ASSERT_HEARS(a, "E[FATAL 08001]");
	world_end(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(what_it_sets_is_what_clients_find),
	    cmocka_unit_test(what_is_not_reported_is_no_word_to_clients_either),
	    cmocka_unit_test(it_is_nobodys_own),
	    cmocka_unit_test(what_a_client_sets_is_its_own),
	    cmocka_unit_test(a_reset_leads_back_to_it),
	    cmocka_unit_test(in_a_transaction_it_is_set_behind_the_reset),
	    cmocka_unit_test(a_failed_one_is_no_reason_to_give_up),
	    cmocka_unit_test(a_question_that_fails_is_asked_once_more),
	    cmocka_unit_test(it_must_not_leave_a_transaction),
	};

	return cmocka_run_group_tests_name("baseline", tests, NULL, NULL);
}
