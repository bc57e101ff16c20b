/*
 * Scenarios of time: every limit on clients and servers, at its moment and not before.
 */
#include "scenario/answering.h"
#include "scenario/world.h"

/* Nothing is heard until the last microsecond of that time; then it is this. */
static void assert_ends_after(struct actor *a, uint64_t us, const char *words,
			      const char *message)
{
	world_pass(a->world, us - 1);
	ASSERT_HEARS(a, "");
	assert_false(is_gone(a));
	world_pass(a->world, 1);
	assert_string_equal(heard_field(a, 'M'), message);
	ASSERT_HEARS(a, words);
	assert_true(is_gone(a));
}

static void a_login_has_an_end(void **state)
{
	struct world w;

	(void)state;
	world_begin(&w, "client_login_timeout = 60\n");
	struct actor *a = world_connect(&w);
	assert_ends_after(a, 60 * USEC_PER_SEC, "E[FATAL 57P05]", "client_login_timeout");
	/* A byte now and then does not help. */
	a = world_connect(&w);
	world_pass(&w, 50 * USEC_PER_SEC);
	actor_push_bytes(a, slice_of("", 1));
	assert_ends_after(a, 10 * USEC_PER_SEC, "E[FATAL 57P05]", "client_login_timeout");
	world_is_empty(&w);
	world_end(&w);
}

static void an_idle_client_is_let_go(void **state)
{
	struct world w;

	(void)state;
	world_begin(&w, "pool_mode = transaction\nclient_idle_timeout = 100\n");
	w.answers = true;
	struct actor *a = world_session(&w);
	assert_ends_after(a, 100 * USEC_PER_SEC, "E[FATAL 57P05]", "client_idle_timeout");
	a = world_session(&w);
	world_pass(&w, 99 * USEC_PER_SEC);
	say(a, "Q[one]");
	heard(a);
	assert_ends_after(a, 100 * USEC_PER_SEC, "E[FATAL 57P05]", "client_idle_timeout");
	world_end(&w);
}

static void idle_after_a_refusal_is_idle_too(void **state)
{
	struct world w;

	(void)state;
	world_begin(&w, "pool_mode = transaction\nclient_idle_timeout = 100\n"
			"default_pool_size = 1\nmax_queue = 0\n");
	w.answers = true;
	struct actor *holder = world_session(&w), *a = world_session(&w);
	say(holder, "Q[begin]");
	world_pass(&w, 50 * USEC_PER_SEC);
	say(a, "Q[refused]");
	heard(a);
	assert_ends_after(a, 100 * USEC_PER_SEC, "E[FATAL 57P05]", "client_idle_timeout");
	world_end(&w);
}

/* The deadline that was armed for idling passed while it waited for hours. */
static void idle_after_a_long_wait_is_idle_too(void **state)
{
	struct world w;

	(void)state;
	world_begin(&w, "pool_mode = transaction\nclient_idle_timeout = 100\n"
			"default_pool_size = 1\nquery_wait_timeout = 0\n"
			"query_wait_notify = 0\n");
	w.answers = true;
	struct actor *holder = world_session(&w), *a = world_session(&w);
	say(holder, "Q[begin]");
	say(a, "Q[waits]");
	world_pass(&w, 3600 * USEC_PER_SEC);
	world_canceller(&w, a);
	ASSERT_HEARS(a, "E[ERROR 57014] Z[I]");
	assert_ends_after(a, 100 * USEC_PER_SEC, "E[FATAL 57P05]", "client_idle_timeout");
	world_end(&w);
}

static void a_query_has_an_end(void **state)
{
	struct world w;

	(void)state;
	world_begin(&w, "pool_mode = transaction\nquery_timeout = 30\n");
	w.answers = true;
	struct actor *a = world_session(&w);
	say(a, "Q[begin]");
	heard(a);
	/* Idle in the transaction does not count, and each query counts for itself. */
	world_pass(&w, 100 * USEC_PER_SEC);
	say(a, "Q[one]");
	heard(a);
	world_pass(&w, 20 * USEC_PER_SEC);
	say(a, "Q[stall]");
	assert_ends_after(a, 30 * USEC_PER_SEC, "E[FATAL 57014]", "query timeout");
	/* The server is told, too. */
	assert_non_null(world_cancel(&w));
	world_end(&w);
}

static void the_pause_between_queries_of_a_session_is_no_query(void **state)
{
	struct world w;

	(void)state;
	world_begin(&w, "pool_mode = session\nquery_timeout = 30\n"
			"transaction_timeout = 50\nidle_transaction_timeout = 40\n");
	w.answers = true;
	struct actor *a = world_session(&w);
	say(a, "Q[one] H");
	heard(a);
	say(a, "H d[late] c");
	world_pass(&w, 3600 * USEC_PER_SEC);
	say(a, "Q[two]");
	ASSERT_HEARS(a, "T D[two] C[SELECT 1] Z[I]");
	world_end(&w);
}

static void a_transaction_has_an_end(void **state)
{
	struct world w;

	(void)state;
	world_begin(&w, "pool_mode = transaction\ntransaction_timeout = 60\n");
	w.answers = true;
	struct actor *a = world_session(&w);
	say(a, "Q[begin]");
	world_pass(&w, 30 * USEC_PER_SEC);
	say(a, "Q[one]");
	heard(a);
	assert_ends_after(a, 30 * USEC_PER_SEC, "E[FATAL 57014]", "transaction timeout");
	world_has_free_servers(&w, 1);
	world_end(&w);
}

static void an_idle_transaction_has_an_end(void **state)
{
	struct world w;

	(void)state;
	world_begin(&w, "pool_mode = transaction\nidle_transaction_timeout = 60\n");
	w.answers = true;
	struct actor *a = world_session(&w);
	say(a, "Q[begin]");
	world_pass(&w, 50 * USEC_PER_SEC);
	say(a, "Q[one]");
	heard(a);
	world_pass(&w, 50 * USEC_PER_SEC);
	say(a, "Q[stall]");
	world_pass(&w, 500 * USEC_PER_SEC);
	answering_go_on(world_server(&w, 1));
	world_settle(&w);
	ASSERT_HEARS(a, "C[SELECT 0] Z[T]");
	assert_ends_after(a, 60 * USEC_PER_SEC, "E[FATAL 25P03]",
			  "idle transaction timeout");
	world_end(&w);
}

static void setting_parameters_counts_as_the_query_that_needs_them(void **state)
{
	struct world w;

	(void)state;
	world_begin(&w, "pool_mode = transaction\nquery_timeout = 30\n");
	struct actor *a = world_client(&w, "user=anna;database=app;TimeZone=CET");
	heard(a);
	say(a, "Q[one]");
	ASSERT_HEARS(world_server(&w, 1), "Q[SET \"TimeZone\" = 'CET';]");
	assert_ends_after(a, 30 * USEC_PER_SEC, "E[FATAL 57014]", "query timeout");
	world_end(&w);
}

static void connecting_has_an_end(void **state)
{
	(void)state;
	for (int is_accepted = 0; is_accepted < 2; is_accepted++) {
		struct world w;
		world_begin(&w, "server_connect_timeout = 15\n");
		w.accepts = is_accepted;
		w.logs_in = false;
		struct actor *a = world_client(&w, "user=anna;database=app");
		assert_ends_after(a, 15 * USEC_PER_SEC, "E[FATAL 08001]",
				  "connect timeout (server_connect_timeout)");
		world_is_empty(&w);
		world_end(&w);
	}
}

static void a_connect_query_has_an_end(void **state)
{
	struct world w;

	(void)state;
	world_begin(&w, "[databases]\nspecial = host=10.0.0.9 connect_query='hello'\n");
	struct actor *a = world_client(&w, "user=anna;database=special");
	world_pass(&w, 40 * USEC_PER_SEC);
	ASSERT_HEARS(a, "E[FATAL 08001]");
	world_is_empty(&w);
	world_end(&w);
}

static void limits_of_databases_and_users_come_before_the_common_one(void **state)
{
	struct world w;

	(void)state;
	world_begin(&w, "pool_mode = transaction\nquery_timeout = 30\n"
			"client_idle_timeout = 50\n"
			"[users]\nanna = query_timeout=10 client_idle_timeout=5\n");
	w.answers = true;
	struct actor *a = world_session(&w);
	struct actor *b = world_client(&w, "user=otto;database=app");
	heard(b);
	say(a, "Q[stall]");
	say(b, "Q[stall]");
	assert_ends_after(a, 10 * USEC_PER_SEC, "E[FATAL 57014]", "query timeout");
	assert_ends_after(b, 20 * USEC_PER_SEC, "E[FATAL 57014]", "query timeout");
	/* With a forced user, the client's own name counts for what is the client's. */
	struct actor *c = world_client(&w, "user=anna;database=shared");
	heard(c);
	assert_ends_after(c, 5 * USEC_PER_SEC, "E[FATAL 57P05]", "client_idle_timeout");
	world_end(&w);
}

static void no_limit_is_no_limit(void **state)
{
	struct world w;

	(void)state;
	world_begin(&w, "pool_mode = transaction\nquery_wait_timeout = 0\n"
			"query_wait_notify = 0\ndefault_pool_size = 1\n"
			"server_idle_timeout = 0\nserver_lifetime = 10000000\n"
			"client_login_timeout = 0\n");
	w.answers = true;
	struct actor *a = world_session(&w), *b = world_session(&w),
		     *c = world_session(&w), *silent = world_connect(&w);
	say(a, "Q[begin]");
	say(b, "Q[one]");
	world_pass(&w, 30 * 24 * 3600 * USEC_PER_SEC);
	assert_false(is_gone(silent));
	say(a, "Q[commit]");
	ASSERT_HEARS(b, "T D[one] C[SELECT 1] Z[I]");
	say(c, "S");
	ASSERT_HEARS(c, "Z[I]");
	world_end(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_login_has_an_end),
	    cmocka_unit_test(an_idle_client_is_let_go),
	    cmocka_unit_test(idle_after_a_refusal_is_idle_too),
	    cmocka_unit_test(idle_after_a_long_wait_is_idle_too),
	    cmocka_unit_test(a_query_has_an_end),
	    cmocka_unit_test(the_pause_between_queries_of_a_session_is_no_query),
	    cmocka_unit_test(a_transaction_has_an_end),
	    cmocka_unit_test(an_idle_transaction_has_an_end),
	    cmocka_unit_test(setting_parameters_counts_as_the_query_that_needs_them),
	    cmocka_unit_test(connecting_has_an_end),
	    cmocka_unit_test(a_connect_query_has_an_end),
	    cmocka_unit_test(limits_of_databases_and_users_come_before_the_common_one),
	    cmocka_unit_test(no_limit_is_no_limit),
	};

	return cmocka_run_group_tests_name("deadlines", tests, NULL, NULL);
}
