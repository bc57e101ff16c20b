/*
 * Scenarios of run-time parameters: they follow their client from server to server.
 */
#include "scenario/world.h"

#define LINES "pool_mode = transaction\ndefault_pool_size = 1\n"

static void parameters_are_set_before_the_first_query(void **state)
{
	struct world w;

	(void)state;
	world_begin(&w, LINES);
	struct actor *a = world_client(
	    &w, "user=anna;database=app;application_name=a;client_encoding=utf8;"
		"options=-c search_path=one,two --TimeZone=CET");
	ASSERT_HEARS(a, "R S[application_name=a] S[client_encoding=utf8] "
			"S[server_version=15.0] S[TimeZone=CET] K Z[I]");
	struct actor *s = world_server(&w, 1);
	say(a, "Q[one]");
	/* It waits for the answer, since nobody knows whether these are accepted. */
	ASSERT_HEARS(s, "Q[SET \"application_name\" = 'a';SET \"client_encoding\" = "
			"'utf8';SELECT FROM pg_catalog.set_config('search_path', "
			"'one,two', false);SET \"TimeZone\" = 'CET';]");
	say(s, "S[application_name=a] C[SET] S[client_encoding=UTF8] C[SET] "
	       "T C[SELECT 1] S[TimeZone=CET] C[SET] Z[I]");
	/* The server spells one of them in its own way. */
	ASSERT_HEARS(a, "S[client_encoding=UTF8]");
	ASSERT_HEARS(s, "Q[one]");
	say(s, "I Z[I]");
	ASSERT_HEARS(a, "I Z[I]");
	/* From now on nothing differs. */
	say(a, "Q[two]");
	ASSERT_HEARS(s, "Q[two]");
	world_end(&w);
}

static void servers_spelling_is_known_from_the_first_client_on(void **state)
{
	static const char client[] = "user=anna;database=app;client_encoding=utf8;"
				     "application_name=Long;options=-c work_mem=1";
	struct world w;

	(void)state;
	world_begin(&w, LINES);
	struct actor *a = world_client(&w, client), *s = world_server(&w, 1);
	heard(a);
	say(a, "Q[one]");
	heard(s);
	say(s, "S[client_encoding=UTF8] S[application_name=long] C[SET] Z[I]");
	ASSERT_HEARS(a, "S[client_encoding=UTF8] S[application_name=long]");
	say(s, "I Z[I]");
	struct actor *b = world_client(&w, client);
	ASSERT_HEARS(b, "R S[application_name=Long] S[client_encoding=UTF8] "
			"S[server_version=15.0] S[TimeZone=UTC] K Z[I]");
	/* It may mean something else from here on. */
	ASSERT_HEARS(s, "Q[one]");
	say(s, "S[TimeZone=CET]");
	b = world_client(&w, client);
	ASSERT_HEARS(b, "R S[application_name=Long] S[client_encoding=utf8] "
			"S[server_version=15.0] S[TimeZone=UTC] K Z[I]");
	world_end(&w);
}

static void parameters_of_a_proven_client_go_with_its_query(void **state)
{
	struct world w;

	(void)state;
	world_begin(&w, LINES);
	w.answers = true;
	struct actor *a = world_client(&w, "user=anna;database=app;TimeZone=CET");
	struct actor *b = world_client(&w, "user=anna;database=app");
	struct actor *s = world_server(&w, 1);
	say(a, "Q[one]");
	say(b, "Q[two]");
	heard(a);
	heard(b);
	s->answers = false;
	unsigned writes = s->peer.writes;
	say(a, "Q[three]");
	assert_int_equal(s->peer.writes - writes, 1);
	ASSERT_HEARS(s, "Q[SET \"TimeZone\" = 'CET';] Q[three]");
	say(s, "S[TimeZone=CET] C[SET] Z[I] I Z[I]");
	ASSERT_HEARS(a, "I Z[I]");
	/* And the next one, who never mentioned it, finds what the server began with. */
	say(b, "P[four] B[four] E S");
	ASSERT_HEARS(s, "Q[SET \"TimeZone\" = 'UTC';] P[four] B[four] E S");
	say(s, "S[TimeZone=UTC] C[SET] Z[I] 1 2 D[4] C[SELECT 1] Z[I]");
	ASSERT_HEARS(b, "1 2 D[4] C[SELECT 1] Z[I]");
	world_end(&w);
}

static void what_the_server_does_not_report_follows_and_is_reset(void **state)
{
	struct world w;

	(void)state;
	world_begin(&w, LINES);
	w.answers = true;
	struct actor *a =
	    world_client(&w, "user=anna;database=app;options=-c work_mem=1MB");
	struct actor *b = world_client(&w, "user=anna;database=app");
	struct actor *s = world_server(&w, 1);
	say(a, "Q[one]");
	s->answers = false;
	say(b, "Q[two]");
	ASSERT_HEARS(s, "Q[RESET \"work_mem\";]");
	say(s, "C[RESET] Z[I]");
	ASSERT_HEARS(s, "Q[two]");
	say(s, "I Z[I]");
	say(a, "Q[three]");
	ASSERT_HEARS(s, "Q[SET \"work_mem\" = '1MB';] Q[three]");
	world_end(&w);
}

static void a_clients_own_set_follows_it_to_another_server(void **state)
{
	struct world w;

	(void)state;
	world_begin(&w, "pool_mode = transaction\ndefault_pool_size = 2\n");
	w.answers = true;
	struct actor *a = world_session(&w), *b = world_session(&w);
	struct actor *s1 = world_server(&w, 1);
	say(a, "Q[SET \"application_name\" = 'new';]");
	ASSERT_HEARS(a, "S[application_name=new] C[SET] Z[I]");
	/* Somebody takes that server. */
	say(b, "Q[begin]");
	ASSERT_HEARS(b, "C[BEGIN] Z[T]");
	assert_int_equal(client_of(b)->server->id, s1->id);
	w.answers = false;
	say(a, "Q[one]");
	struct actor *s2 = world_server(&w, 2);
	ASSERT_HEARS(s2, "Q[SET \"application_name\" = 'new';] Q[one]");
	say(s2, "S[application_name=new] C[SET] Z[I] I Z[I]");
	ASSERT_HEARS(a, "I Z[I]");
	world_end(&w);
}

static void a_refused_parameter_ends_its_client_with_the_servers_reason(void **state)
{
	struct world w;

	(void)state;
	world_begin(&w, LINES);
	struct actor *a = world_client(&w, "user=anna;database=app;TimeZone=Nowhere");
	struct actor *b = world_session(&w), *s = world_server(&w, 1);
	heard(a);
	say(a, "Q[one]");
	ASSERT_HEARS(s, "Q[SET \"TimeZone\" = 'Nowhere';]");
	say(b, "Q[two]");
	say(s, "E[ERROR 22023 invalid value for parameter] Z[I]");
	assert_string_equal(heard_field(a, 'M'), "invalid value for parameter");
	ASSERT_HEARS(a, "E[FATAL 22023]");
	assert_true(is_gone(a));
	/* The server is none the worse for it; what else was asked may not have been
	 * done. */
	ASSERT_HEARS(s, "Q[DISCARD SEQUENCES;]");
	say(s, "C[DISCARD SEQUENCES] Z[I]");
	ASSERT_HEARS(s, "Q[two]");
	say(s, "I Z[I]");
	ASSERT_HEARS(b, "I Z[I]");
	world_end(&w);
}

static void two_refused_parameters_are_one_refusal(void **state)
{
	struct world w;

	(void)state;
	world_begin(&w, LINES);
	struct actor *a =
	    world_client(&w, "user=anna;database=app;TimeZone=x;application_name=y");
	heard(a);
	say(a, "Q[one]");
	say(world_server(&w, 1), "E[ERROR 22023] E[ERROR 22023] Z[I]");
	ASSERT_HEARS(a, "E[FATAL 22023]");
	world_has_free_servers(&w, 1);
	world_end(&w);
}

static void a_server_that_cannot_be_set_back_is_nobodys(void **state)
{
	struct world w;

	(void)state;
	world_begin(&w, LINES);
	w.answers = true;
	struct actor *a =
	    world_client(&w, "user=anna;database=app;options=-c work_mem=1MB");
	struct actor *b = world_session(&w), *c = world_session(&w);
	struct actor *s = world_server(&w, 1);
	heard(a);
	say(a, "Q[one]");
	s->answers = false;
	say(b, "Q[two]");
	ASSERT_HEARS(s, "Q[RESET \"work_mem\";]");
	say(s, "E[ERROR 42501 no] Z[I]");
	ASSERT_HEARS(b, "E[FATAL 42501]");
	assert_true(is_gone(b));
	say(c, "Q[three]");
	assert_true(is_gone(s));
	ASSERT_HEARS(c, "T D[three] C[SELECT 1] Z[I]");
	world_end(&w);
}

static void notices_of_the_poolers_own_queries_are_swallowed(void **state)
{
	struct world w;

	(void)state;
	world_begin(&w, LINES);
	struct actor *a = world_client(&w, "user=anna;database=app;TimeZone=CET");
	heard(a);
	say(a, "Q[one]");
	say(world_server(&w, 1), "N[WARNING 01000] S[TimeZone=CET] C[SET] Z[I]");
	ASSERT_HEARS(a, "");
	say(world_server(&w, 1), "N[WARNING 01000] I Z[I]");
	ASSERT_HEARS(a, "N[WARNING 01000] I Z[I]");
	world_end(&w);
}

static void answers_to_a_hidden_query_may_be_cut_anywhere(void **state)
{
	struct buffer bytes = {0};

	(void)state;
	script_write(&bytes, FROM_SERVER,
		     "N[WARNING 01000] S[TimeZone=UTC] C[SET] Z[I] I Z[I]");
	for (size_t cut = 1; cut < buffer_len(&bytes); cut++) {
		struct world w;
		world_begin(&w, LINES);
		w.answers = true;
		struct actor *a = world_client(&w, "user=anna;database=app;TimeZone=CET");
		struct actor *b = world_session(&w), *s = world_server(&w, 1);
		say(a, "Q[one]");
		say(b, "Q[two]");
		say(a, "Q[three]");
		heard(b);
		s->answers = false;
		say(b, "Q[four]");
		actor_push_bytes(s, slice_first(buffer_bytes(&bytes), cut));
		world_settle(&w);
		actor_push_bytes(s, slice_after(buffer_bytes(&bytes), cut));
		world_settle(&w);
		ASSERT_HEARS(b, "I Z[I]");
		world_end(&w);
	}
	buffer_fini(&bytes);
}

static void a_session_mode_reset_takes_parameters_back(void **state)
{
	struct world w;

	(void)state;
	world_begin(&w, "pool_mode = session\ndefault_pool_size = 1\n");
	struct actor *a = world_client(&w, "user=anna;database=app;TimeZone=CET");
	struct actor *b = world_client(&w, "user=anna;database=app;TimeZone=CET");
	struct actor *s = world_server(&w, 1);
	say(a, "Q[one]");
	say(s, "S[TimeZone=CET] C[SET] Z[I]");
	say(s, "I Z[I]");
	leave(a);
	heard(s);
	say(s, "S[TimeZone=UTC] C[DISCARD ALL] Z[I]");
	say(b, "Q[two]");
	ASSERT_HEARS(s, "Q[SET \"TimeZone\" = 'CET';]");
	world_end(&w);
}

static void a_change_at_the_server_itself_is_the_new_beginning(void **state)
{
	struct world w;

	(void)state;
	world_begin(&w, LINES);
	struct actor *a = world_session(&w), *s = world_server(&w, 1);
	say(s, "S[TimeZone=CET]");
	say(a, "Q[one]");
	/* Nobody asked for another, so nothing is set back. */
	ASSERT_HEARS(s, "Q[one]");
	world_end(&w);
}

static void a_malformed_parameter_ends_the_server(void **state)
{
	static const uint8_t bad[] = {'S', 0, 0, 0, 6, 'x', 'y'};
	struct world w;

	(void)state;
	world_begin(&w, LINES);
	struct actor *a = world_session(&w), *s = world_server(&w, 1);
	say(a, "Q[one]");
	actor_push_bytes(s, slice_of(bad, sizeof(bad)));
	world_settle(&w);
	assert_true(is_gone(s));
	ASSERT_HEARS(a, "E[FATAL 08006]");
	world_end(&w);
}

static void a_host_may_be_added_to_the_name(void **state)
{
	struct world w;

	(void)state;
	world_begin(&w, LINES "application_name_add_host = 1\n");
	struct actor *a =
	    world_client(&w, "user=anna;database=app;application_name=mine");
	struct slice value;
	assert_true(
	    params_find(client_of(a)->params, slice_of_text("application_name"), &value));
	assert_memory_equal(value.data, "mine - ", 7);
	world_end(&w);
}

static void ignored_parameters_are_dropped(void **state)
{
	struct world w;

	(void)state;
	world_begin(&w,
		    LINES "ignore_startup_parameters = extra_float_digits, options\n");
	struct actor *a = world_client(
	    &w, "user=anna;database=app;extra_float_digits=3;options=-x -c TimeZone=CET");
	heard(a);
	say(a, "Q[one]");
	ASSERT_HEARS(world_server(&w, 1), "Q[one]");
	world_end(&w);
}

/* As with PostgreSQL, wherever they stand. */
static void parameters_count_for_more_than_options(void **state)
{
	static const char *const pairs[] = {
	    "user=anna;database=app;TimeZone=CET;options=-c TimeZone=EST",
	    "user=anna;database=app;options=-c TimeZone=EST;TimeZone=CET",
	    "user=anna;database=app;options=-c a=b;options=-c TimeZone=EST;TimeZone=CET"};

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		struct world w;

		world_begin(&w, LINES);
		struct actor *a = world_client(&w, pairs[i]);
		heard(a);
		say(a, "Q[one]");
		ASSERT_HEARS(world_server(&w, 1), "Q[SET \"TimeZone\" = 'CET';]");
		world_end(&w);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(parameters_are_set_before_the_first_query),
	    cmocka_unit_test(servers_spelling_is_known_from_the_first_client_on),
	    cmocka_unit_test(parameters_of_a_proven_client_go_with_its_query),
	    cmocka_unit_test(what_the_server_does_not_report_follows_and_is_reset),
	    cmocka_unit_test(a_clients_own_set_follows_it_to_another_server),
	    cmocka_unit_test(a_refused_parameter_ends_its_client_with_the_servers_reason),
	    cmocka_unit_test(two_refused_parameters_are_one_refusal),
	    cmocka_unit_test(a_server_that_cannot_be_set_back_is_nobodys),
	    cmocka_unit_test(notices_of_the_poolers_own_queries_are_swallowed),
	    cmocka_unit_test(answers_to_a_hidden_query_may_be_cut_anywhere),
	    cmocka_unit_test(a_session_mode_reset_takes_parameters_back),
	    cmocka_unit_test(a_change_at_the_server_itself_is_the_new_beginning),
	    cmocka_unit_test(a_malformed_parameter_ends_the_server),
	    cmocka_unit_test(a_host_may_be_added_to_the_name),
	    cmocka_unit_test(ignored_parameters_are_dropped),
	    cmocka_unit_test(parameters_count_for_more_than_options),
	};

	return cmocka_run_group_tests_name("parameters", tests, NULL, NULL);
}
