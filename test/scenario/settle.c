/*
 * Scenarios of settling: what a client has set is asked for, and follows it.
 */
#include "relay/settle.h"
#include "relay/pin.h"
#include "relay/session.h"
#include "scenario/telling.h"
#include "scenario/world.h"

#define ONE "pool_mode = transaction\ndefault_pool_size = 1\n"
#define TWO "pool_mode = transaction\ndefault_pool_size = 2\n"

/* A query is asked, reaches the server and is answered. */
static void serve(struct actor *client, const char *query, struct actor *server,
		  const char *answer)
{
	say(client, query);
	heard(server);
	say(server, answer);
}

static void a_value_that_was_set_is_asked_for_once_and_follows(void **state)
{
	struct world w;

	(void)state;
	world_begin(&w, TWO);
	struct actor *a = world_session(&w), *b = world_session(&w);
	struct actor *s = world_server(&w, 1);
	say(a, "Q[SET work_mem = 1]");
	ASSERT_HEARS(s, "Q[SET work_mem = 1]");
	say(s, "C[SET] Z[I]");
	ASSERT_HEARS(a, "C[SET] Z[I]");
	is_asked(s, "('work_mem')", "current_setting");
	push_row(s, "n", "role", "none");
	push_row(s, "n", "work_mem", "1kB");
	say(s, "C[SELECT 2] Z[I]");
	ASSERT_HEARS(a, "");
	/* Who has not set it does not find it, and has this server now. */
	say(b, "Q[begin]");
	ASSERT_HEARS(s, "Q[RESET \"work_mem\";]");
	say(s, "C[RESET] Z[I]");
	ASSERT_HEARS(s, "Q[begin]");
	say(s, "C[BEGIN] Z[T]");
	say(a, "Q[one]");
	struct actor *s2 = world_server(&w, 2);
	ASSERT_HEARS(s2, "Q[SET \"work_mem\" = '1kB';] Q[one]");
	say(s2, "C[SET] Z[I] I Z[I]");
	ASSERT_HEARS(a, "I Z[I]");
	ASSERT_HEARS(s2, "");
	say(a, "Q[two]");
	ASSERT_HEARS(s2, "Q[two]");
	say(s2, "I Z[I]");
	ASSERT_HEARS(s2, "");
	world_end(&w);
}

/* By its value it could be; but then others would be asked to take it back. */
static void what_could_not_be_set_is_nobodys(void **state)
{
	struct world w;
	struct slice value;

	(void)state;
	world_begin(&w, ONE);
	struct actor *a = world_session(&w), *b = world_session(&w);
	struct actor *s = world_server(&w, 1);
	say(a, "Q[SET work_mem = 1; SET max_connections = 1]");
	heard(s);
	say(s, "C[SET] E[ERROR 55P02 no] Z[I]");
	ASSERT_HEARS(a, "C[SET] E[ERROR 55P02] Z[I]");
	is_asked(s, "('max_connections')", "pg_settings");
	push_row(s, "n", "role", "none");
	push_row(s, "n", "work_mem", "1kB");
	push_row(s, "n", "max_connections", "100");
	push_row(s, "s", "work_mem", "1kB");
	say(s, "C[SELECT 3] C[SELECT 1] Z[I]");
	assert_true(params_find(client_of(a)->params, slice_of_text("work_mem"), &value));
	assert_int_equal(params_count(client_of(a)->params), 1);
	say(b, "Q[one]");
	ASSERT_HEARS(s, "Q[RESET \"work_mem\";]");
	say(s, "C[RESET] Z[I]");
	ASSERT_HEARS(s, "Q[one]");
	say(s, "I Z[I]");
	world_end(&w);
}

static void what_was_rolled_back_is_nobodys(void **state)
{
	struct world w;

	(void)state;
	world_begin(&w, ONE);
	struct actor *a = world_session(&w), *s = world_server(&w, 1);
	say(a, "Q[begin; SET work_mem = 1; rollback]");
	heard(s);
	say(s, "C[BEGIN] C[SET] C[ROLLBACK] Z[I]");
	is_asked(s, "('work_mem')", "pg_settings");
	push_row(s, "n", "role", "none");
	push_row(s, "n", "work_mem", "4MB");
	say(s, "C[SELECT 2] C[SELECT 0] Z[I]");
	assert_int_equal(params_count(client_of(a)->params), 0);
	/* Of an error that is over nothing is left. */
	serve(a, "Q[fail]", s, "E[ERROR 22012 no] Z[I]");
	ASSERT_HEARS(s, "");
	serve(a, "Q[SET work_mem = 1]", s, "C[SET] Z[I]");
	is_asked(s, "('work_mem')", "isolation");
	say(s, "C[SELECT 0] Z[I]");
	world_end(&w);
}

static void a_name_is_asked_for_once(void **state)
{
	static const char local[] = "Q[begin; SET LOCAL my.var = 1; commit]";
	struct world w;
	struct slice value;

	(void)state;
	world_begin(&w, ONE);
	struct actor *a = world_session(&w), *b = world_session(&w);
	struct actor *s = world_server(&w, 1);
	say(a, local);
	ASSERT_HEARS(s, local);
	say(s, "C[BEGIN] C[SET] C[COMMIT] Z[I]");
	is_asked(s, "('my.var')", "current_setting");
	push_row(s, "n", "role", "none");
	push_row(s, "n", "my.var", "");
	say(s, "C[SELECT 2] Z[I]");
	assert_true(params_find(client_of(a)->params, slice_of_text("my.var"), &value));
	assert_true(params_is_no_value(value));
	/* Nobody is charged for it, nor gets it. */
	say(b, "Q[one]");
	ASSERT_HEARS(s, "Q[one]");
	say(s, "I Z[I]");
	assert_int_equal(params_count(client_of(b)->params), 0);
	for (int i = 0; i < 2; i++) {
		say(a, local);
		ASSERT_HEARS(s, local);
		say(s, "C[BEGIN] C[SET] C[COMMIT] Z[I]");
		ASSERT_HEARS(s, "");
	}
	world_end(&w);
}

/* It had a value before, and has it again. */
static void a_name_with_a_value_is_asked_for_once(void **state)
{
	struct world w;

	(void)state;
	world_begin(&w, ONE);
	struct actor *a = world_session(&w);
	struct actor *s = world_server(&w, 1);
	serve(a, "Q[select set_config('my.var', '1', true)]", s, "T C[SELECT 1] Z[I]");
	is_asked(s, "('my.var')", "current_setting");
	push_row(s, "n", "role", "none");
	push_row(s, "n", "my.var", "7");
	say(s, "C[SELECT 2] Z[I]");
	assert_int_equal(params_count(client_of(a)->params), 0);
	serve(a, "Q[select set_config('my.var', '1', true)]", s, "T C[SELECT 1] Z[I]");
	ASSERT_HEARS(s, "");
	world_end(&w);
}

#define LITTLE TWO "max_client_parameter_memory = 1000\n"

static void what_would_take_too_much_is_refused_beforehand(void **state)
{
	struct world w;
	char text[1200];

	(void)state;
	world_begin(&w, LITTLE);
	struct actor *a = world_session(&w), *s = world_server(&w, 1);
	snprintf(text, sizeof(text), "Q[SET my.var = '%01000d']", 1);
	say(a, text);
	/* It fails as the server's own errors do, and what comes next goes on. */
	assert_string_not_equal(heard(s), text);
	say(s, "E[ERROR 26000 x] Z[I]");
	ASSERT_HEARS(a, "E[ERROR 53400] Z[I]");
	assert_null(client_of(a)->server);
	say(a, "Q[SET my.var = '1']");
	ASSERT_HEARS(s, "Q[SET my.var = '1']");
	world_end(&w);
}

static void a_value_too_long_to_be_kept_pins_until_it_is_gone(void **state)
{
	struct world w;
	struct slice value;

	(void)state;
	world_begin(&w, LITTLE);
	struct actor *a = world_session(&w), *s = world_server(&w, 1);
	serve(a, "Q[select set_config('my.var', repeat('x', 2000), false)]", s,
	      "D[x] Z[I]");
	is_asked(s, "('my.var')", "1000");
	push_row(s, "l", "my.var", NULL);
	say(s, "C[SELECT 1] Z[I]");
	heard(a);
	assert_int_equal(client_of(a)->session->pins, PIN_PARAMETERS);
	/* What alters nothing asks nothing. */
	say(a, "Q[one]");
	ASSERT_HEARS(s, "Q[one]");
	say(s, "I Z[I]");
	ASSERT_HEARS(s, "");
	/* Others may have made it shorter: it is asked for by its name. */
	say(a, "Q[SET work_mem = 1]");
	ASSERT_HEARS(s, "Q[SET work_mem = 1]");
	say(s, "C[SET] Z[I]");
	is_asked(s, "('my.var')", "('work_mem')");
	push_row(s, "l", "my.var", NULL);
	push_row(s, "n", "work_mem", "1kB");
	say(s, "C[SELECT 1] Z[I]");
	assert_int_equal(client_of(a)->session->pins, PIN_PARAMETERS);
	serve(a, "Q[call f()]", s, "C[CALL] Z[I]");
	is_asked(s, "('my.var')", "pg_settings");
	push_row(s, "n", "my.var", "short");
	push_row(s, "s", "work_mem", "1kB");
	say(s, "C[SELECT 1] Z[I]");
	assert_non_null(strstr(heard(s), "RESET ALL"));
	assert_null(client_of(a)->server);
	assert_true(params_find(client_of(a)->params, slice_of_text("my.var"), &value));
	assert_true(slice_is_text(value, "short"));
	world_end(&w);
}

static void who_sets_nothing_is_not_asked_for(void **state)
{
	static const char *const texts[] = {
	    "select 1", "insert into t values (1)", "update t set a = 1",
	    "set local work_mem = 1", "select set_config('work_mem', '1', true)"};
	struct world w;
	char text[128];

	(void)state;
	world_begin(&w, ONE);
	struct actor *a = world_session(&w), *s = world_server(&w, 1);
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		snprintf(text, sizeof(text), "Q[%s]", texts[i]);
		say(a, text);
		ASSERT_HEARS(s, text);
		say(s, "C[SELECT 1] Z[I]");
		ASSERT_HEARS(s, "");
		assert_null(client_of(a)->server);
		/* The last may change what literals mean, which is remembered. */
		if (i + 1 < sizeof(texts) / sizeof(texts[0]))
			assert_null(client_of(a)->session);
	}
	world_end(&w);
}

static void what_is_said_meanwhile_goes_behind_the_question(void **state)
{
	struct world w;

	(void)state;
	world_begin(&w, ONE);
	struct actor *a = world_session(&w), *s = world_server(&w, 1);
	serve(a, "Q[SET work_mem = 1]", s, "C[SET] Z[I]");
	is_asked(s, "('work_mem')", "");
	say(a, "Q[one]");
	ASSERT_HEARS(s, "Q[one]");
	push_row(s, "n", "work_mem", "1kB");
	say(s, "Z[I] I Z[I]");
	ASSERT_HEARS(a, "C[SET] Z[I] I Z[I]");
	/* That was the answer; there is no other question. */
	ASSERT_HEARS(s, "");
	assert_null(client_of(a)->server);
	world_end(&w);
}

static void an_answer_may_come_in_any_pieces(void **state)
{
	(void)state;
	for (size_t most = 1; most < 40; most++) {
		struct world w;
		struct slice value;
		world_begin(&w, ONE);
		struct actor *a = world_session(&w), *s = world_server(&w, 1);
		say(a, "Q[SET work_mem = 1]");
		s->peer.read_most = most;
		say(s, "C[SET] Z[I]");
		heard(s);
		push_row(s, "n", "role", "none");
		push_row(s, "n", "work_mem", "1kB");
		say(s, "C[SELECT 2] Z[I]");
		assert_true(
		    params_find(client_of(a)->params, slice_of_text("work_mem"), &value));
		assert_true(slice_is_text(value, "1kB"));
		assert_null(client_of(a)->server);
		world_end(&w);
	}
}

static void a_question_that_fails_is_repeated_and_then_the_client_stays(void **state)
{
	struct world w;

	(void)state;
	world_begin(&w, ONE);
	struct actor *a = world_session(&w), *s = world_server(&w, 1);
	serve(a, "Q[SET statement_timeout = 1]", s, "C[SET] Z[I]");
	is_asked(s, "('statement_timeout')", "");
	say(s, "E[ERROR 57014 too slow] Z[I]");
	for (int i = 0; i < 2; i++) {
		is_asked(s, "SHOW statement_timeout", "('statement_timeout')");
		if (i == 0)
			push_row(s, "x", "what", "is this");
		else
			actor_push(s, "E[ERROR 57014 too slow]");
		say(s, "Z[I]");
	}
	ASSERT_HEARS(s, "");
	ASSERT_HEARS(a, "C[SET] Z[I]");
	assert_int_equal(world_pool(&w, "app", "anna")->pinned, 1);
	/* When it says something, the server is asked again. */
	say(a, "Q[one]");
	ASSERT_HEARS(s, "Q[one]");
	say(s, "I Z[I]");
	is_asked(s, "SHOW statement_timeout", "('statement_timeout')");
	push_row(s, "n", "statement_timeout", "1ms");
	say(s, "Z[I]");
	assert_null(client_of(a)->server);
	assert_int_equal(world_pool(&w, "app", "anna")->pinned, 0);
	world_end(&w);
}

static void a_reset_goes_back_to_the_beginning_of_the_session(void **state)
{
	struct world w;

	(void)state;
	world_begin(&w, ONE);
	w.answers = true;
	struct actor *a = world_client(&w, "user=anna;database=app;TimeZone=CET");
	struct actor *s = world_server(&w, 1);
	say(a, "Q[one]");
	heard(a);
	s->answers = false;
	say(a, "Q[SET TimeZone = 'EST']");
	say(s, "C[SET] S[TimeZone=EST] Z[I]");
	ASSERT_HEARS(a, "C[SET] S[TimeZone=EST] Z[I]");
	heard(s);
	say(s, "Z[I]");
	say(a, "Q[RESET ALL] Q[one]");
	/* What comes next has to wait. */
	ASSERT_HEARS(s, "Q[RESET ALL]");
	say(s, "C[RESET] S[TimeZone=UTC] Z[I]");
	ASSERT_HEARS(a, "C[RESET] S[TimeZone=CET] Z[I]");
	is_asked(s, "pg_settings", "current_setting");
	say(s, "C[SELECT 0] Z[I]");
	ASSERT_HEARS(s, "Q[SET \"TimeZone\" = 'CET';] Q[one]");
	say(s, "C[SET] S[TimeZone=CET] Z[I] I Z[I]");
	ASSERT_HEARS(a, "I Z[I]");
	world_end(&w);
}

static void a_reset_within_a_transaction_is_made_right_there(void **state)
{
	struct world w;

	(void)state;
	world_begin(&w, ONE);
	w.answers = true;
	struct actor *a = world_client(&w, "user=anna;database=app;TimeZone=CET;"
					   "options=-c work_mem=1MB");
	struct actor *s = world_server(&w, 1);
	say(a, "Q[begin]");
	heard(a);
	s->answers = false;
	say(a, "Q[RESET ALL] Q[one]");
	ASSERT_HEARS(s, "Q[RESET ALL]");
	say(s, "C[RESET] S[TimeZone=UTC] Z[T]");
	/* To the client it has not changed. */
	ASSERT_HEARS(a, "C[RESET] Z[T]");
	ASSERT_HEARS(s, "Q[SET \"TimeZone\" = 'CET';SET \"work_mem\" = '1MB';]");
	say(s, "C[SET] C[SET] S[TimeZone=CET] Z[T]");
	ASSERT_HEARS(s, "Q[one]");
	say(s, "I Z[T]");
	ASSERT_HEARS(a, "I Z[T]");
	/* After an error there is nothing to make right. */
	say(a, "Q[RESET ALL; fail]");
	ASSERT_HEARS(s, "Q[RESET ALL; fail]");
	say(s, "C[RESET] E[ERROR 22012 no] Z[E]");
	ASSERT_HEARS(a, "C[RESET] E[ERROR 22012] Z[E]");
	ASSERT_HEARS(s, "");
	say(a, "Q[rollback]");
	ASSERT_HEARS(s, "Q[rollback]");
	say(s, "C[ROLLBACK] Z[I]");
	is_asked(s, "pg_settings", "");
	world_end(&w);
}

static void discard_all_needs_no_question(void **state)
{
	struct world w;

	(void)state;
	world_begin(&w, ONE);
	w.answers = true;
	struct actor *a = world_client(
	    &w, "user=anna;database=app;TimeZone=CET;options=-c work_mem=1MB");
	struct actor *s = world_server(&w, 1);
	say(a, "Q[one]");
	heard(a);
	s->answers = false;
	say(a, "Q[DISCARD ALL]");
	ASSERT_HEARS(s, "Q[DISCARD ALL]");
	say(s, "C[DISCARD ALL] S[TimeZone=UTC] Z[I]");
	ASSERT_HEARS(a, "C[DISCARD ALL] Z[I]");
	ASSERT_HEARS(s, "");
	say(a, "Q[two]");
	ASSERT_HEARS(s, "Q[SET \"TimeZone\" = 'CET';SET \"work_mem\" = '1MB';] Q[two]");
	world_end(&w);
}

static void who_leaves_before_the_answer_leaves_nothing(void **state)
{
	struct world w;

	(void)state;
	world_begin(&w, ONE);
	struct actor *a = world_session(&w), *s = world_server(&w, 1);
	serve(a, "Q[SET work_mem = 1]", s, "C[SET] Z[I]");
	is_asked(s, "('work_mem')", "");
	leave(a);
	push_row(s, "n", "work_mem", "1kB");
	say(s, "Z[I]");
	ASSERT_HEARS(s, "Q[DISCARD ALL]");
	say(s, "C[DISCARD ALL] Z[I]");
	world_has_free_servers(&w, 1);
	world_end(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_value_that_was_set_is_asked_for_once_and_follows),
	    cmocka_unit_test(what_could_not_be_set_is_nobodys),
	    cmocka_unit_test(what_was_rolled_back_is_nobodys),
	    cmocka_unit_test(a_name_is_asked_for_once),
	    cmocka_unit_test(a_name_with_a_value_is_asked_for_once),
	    cmocka_unit_test(what_would_take_too_much_is_refused_beforehand),
	    cmocka_unit_test(a_value_too_long_to_be_kept_pins_until_it_is_gone),
	    cmocka_unit_test(who_sets_nothing_is_not_asked_for),
	    cmocka_unit_test(what_is_said_meanwhile_goes_behind_the_question),
	    cmocka_unit_test(an_answer_may_come_in_any_pieces),
	    cmocka_unit_test(a_question_that_fails_is_repeated_and_then_the_client_stays),
	    cmocka_unit_test(a_reset_goes_back_to_the_beginning_of_the_session),
	    cmocka_unit_test(a_reset_within_a_transaction_is_made_right_there),
	    cmocka_unit_test(discard_all_needs_no_question),
	    cmocka_unit_test(who_leaves_before_the_answer_leaves_nothing),
	};

	return cmocka_run_group_tests_name("settle", tests, NULL, NULL);
}
