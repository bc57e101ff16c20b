/*
 * Scenarios of clients that replicate, each by a server of its own.
 */
#include "relay/replication.h"
#include "relay/control.h"
#include "scenario/world.h"

#include <errno.h>

#include "proto/startup.h"

static const char LOGICAL[] = "user=anna;database=app;replication=database",
		  PHYSICAL[] = "user=anna;database=app;replication=true",
		  STREAMS[] = "W d[wal] d[more wal]";

static const char *const modes[] = {"pool_mode = session\n", "pool_mode = transaction\n",
				    "pool_mode = statement\n"};

/* A client that replicates, and has been greeted. */
static struct actor *replicator(struct world *w, const char *pairs)
{
	struct actor *c = world_client(w, pairs);

	ASSERT_HEARS(c, GREETING);
	assert_int_equal(client_of(c)->state, CLIENT_LINKED);
	return c;
}

/* The same, and it streams. */
static struct actor *streaming(struct world *w, struct actor **out_server)
{
	unsigned number = w->server_count + 1;
	struct actor *c = replicator(w, PHYSICAL), *s = world_server(w, number);

	say(c, "Q[START_REPLICATION 0/0]");
	ASSERT_HEARS(s, "Q[START_REPLICATION 0/0]");
	say(s, STREAMS);
	ASSERT_HEARS(c, "W d[wal] d[more wal]");
	*out_server = s;
	return c;
}

static void its_server_is_opened_with_its_own_parameters(void **state)
{
	(void)state;
	for (size_t i = 0; i < 3; i++) {
		struct world w;

		world_begin(&w, modes[i]);
		world_client(&w,
			     "user=anna;database=app;replication=on;application_name=r;"
			     "options=-c work_mem=1MB -c search_path=a,b");
		assert_string_equal(world_server(&w, 1)->startup,
				    "user=anna;database=app;replication=true;"
				    "application_name=r;search_path=a,b;work_mem=1MB");
		world_client(&w, LOGICAL);
		assert_string_equal(world_server(&w, 2)->startup,
				    "user=anna;database=app;replication=database");
		assert_null(world_server(&w, 3));
		world_end(&w);
	}
}

static void what_it_and_its_server_say_passes_in_every_mode(void **state)
{
	(void)state;
	for (size_t i = 0; i < 3; i++) {
		struct actor *s;
		struct world w;

		world_begin(&w, modes[i]);
		struct actor *c = streaming(&w, &s);
		say(c, "d[status] d[again]");
		ASSERT_HEARS(s, "d[status] d[again]");
		say(s, "d[wal] c");
		say(c, "c");
		ASSERT_HEARS(c, "d[wal] c");
		ASSERT_HEARS(s, "c");
		/* The next timeline, then the end. */
		say(s, "T D[1] C[SELECT] C[START_STREAMING] Z[I]");
		ASSERT_HEARS(c, "T D[1] C[SELECT] C[START_STREAMING] Z[I]");
		assert_int_equal(client_of(c)->state, CLIENT_LINKED);
		say(c, "Q[BEGIN]");
		say(s, "C[BEGIN] Z[T]");
		ASSERT_HEARS(c, "C[BEGIN] Z[T]");
		say(c, "Q[BASE_BACKUP]");
		say(s, "T D[1] C[SELECT] H d[a file] c C[SELECT] Z[I]");
		ASSERT_HEARS(c, "T D[1] C[SELECT] H d[a file] c C[SELECT] Z[I]");
		ASSERT_HEARS(s, "Q[BEGIN] Q[BASE_BACKUP]");
		assert_int_equal(world_pool(&w, "app", "anna")->total, 0);
		world_end(&w);
	}
}

static void nobody_else_gets_its_server(void **state)
{
	struct actor *s;
	struct world w;

	(void)state;
	world_begin(&w, "pool_mode = transaction\ndefault_pool_size = 1\n");
	struct actor *c = replicator(&w, LOGICAL);
	s = world_server(&w, 1);
	struct actor *a = world_session(&w);
	say(a, "Q[one]");
	ASSERT_HEARS(world_server(&w, 2), "Q[one]");
	leave(c);
	assert_true(is_gone(s));
	ASSERT_HEARS(s, "X");
	/* And hers is another every time. */
	replicator(&w, LOGICAL);
	assert_non_null(world_server(&w, 3));
	say(world_server(&w, 2), "I Z[I]");
	world_end(&w);
}

static void who_goes_takes_the_server_along(void **state)
{
	(void)state;
	for (int how = 0; how < 3; how++) {
		struct actor *s;
		struct world w;

		world_begin(&w, "pool_mode = transaction\n");
		struct actor *c = streaming(&w, &s);
		if (how == 0)
			leave(c);
		else if (how == 1)
			break_off(c);
		else
			say(c, "X");
		assert_true(is_gone(s));
		if (world_cancel(&w)) {
			actor_refuse(world_cancel(&w), ECONNREFUSED);
			world_settle(&w);
		}
		world_is_empty(&w);
		world_end(&w);
	}
}

static void a_server_that_goes_takes_its_client_along(void **state)
{
	struct actor *s;
	struct world w;

	(void)state;
	world_begin(&w, "pool_mode = transaction\n");
	struct actor *c = streaming(&w, &s);
	leave(s);
	ASSERT_HEARS(c, "E[FATAL 08006]");
	assert_true(is_gone(c));
	c = streaming(&w, &s);
	say(s, "E[FATAL 57P01 terminating connection due to administrator command]");
	leave(s);
	ASSERT_HEARS(c, "E[FATAL 57P01]");
	assert_true(is_gone(c));
	world_is_empty(&w);
	world_end(&w);
}

static void an_error_of_its_server_is_its_own_affair(void **state)
{
	struct world w;

	(void)state;
	world_begin(&w, "pool_mode = transaction\n");
	w.logs_in = false;
	struct actor *a = world_client(&w, "user=anna;database=app");
	struct actor *c = world_client(&w, PHYSICAL);
	say(world_server(&w, 2), "E[FATAL 42501 must be superuser or replication role]");
	ASSERT_HEARS(c, "E[FATAL 42501]");
	assert_true(is_gone(c));
	/* The other still waits, and nothing is remembered. */
	ASSERT_HEARS(a, "");
	actor_greet(world_server(&w, 1));
	world_settle(&w);
	ASSERT_HEARS(a, GREETING);
	w.logs_in = true;
	replicator(&w, PHYSICAL);
	world_end(&w);
}

static void a_client_may_go_before_its_server_is_there(void **state)
{
	(void)state;
	for (int how = 0; how < 3; how++) {
		struct world w;

		world_begin(&w, "pool_mode = transaction\n");
		w.accepts = how > 0;
		w.logs_in = false;
		struct actor *c = world_client(&w, PHYSICAL);
		assert_int_equal(client_of(c)->state, CLIENT_OPENING);
		if (how == 2) {
			actor_push(world_server(&w, 1), "R");
			world_settle(&w);
		}
		leave(c);
		assert_true(how == 0 || is_gone(world_server(&w, 1)));
		world_is_empty(&w);
		world_end(&w);
	}
}

static void a_client_may_go_in_the_turn_in_which_its_server_comes(void **state)
{
	(void)state;
	for (int comes = 0; comes < 2; comes++) {
		struct world w;

		world_begin(&w, "pool_mode = transaction\n");
		w.logs_in = false;
		struct actor *c = world_client(&w, PHYSICAL);
		c->peer.has_closed = true;
		if (comes)
			actor_greet(world_server(&w, 1));
		else
			actor_push(world_server(&w, 1), "E[FATAL 53300 too many]");
		world_settle(&w);
		assert_true(is_gone(c) && is_gone(world_server(&w, 1)));
		world_is_empty(&w);
		world_end(&w);
	}
}

static void what_it_says_too_early_waits(void **state)
{
	struct world w;

	(void)state;
	world_begin(&w, "pool_mode = transaction\n");
	w.logs_in = false;
	struct actor *c = world_client(&w, LOGICAL);
	say(c, "Q[IDENTIFY_SYSTEM]");
	ASSERT_HEARS(world_server(&w, 1), "");
	actor_greet(world_server(&w, 1));
	world_settle(&w);
	ASSERT_HEARS(c, GREETING);
	ASSERT_HEARS(world_server(&w, 1), "Q[IDENTIFY_SYSTEM]");
	world_end(&w);
}

static void it_waits_no_longer_than_a_login_or_a_connect_may_take(void **state)
{
	struct world w;

	(void)state;
	world_begin(&w, "client_login_timeout = 5\nserver_connect_timeout = 10\n");
	w.logs_in = false;
	struct actor *c = world_client(&w, PHYSICAL);
	world_pass(&w, 6 * USEC_PER_SEC);
	ASSERT_HEARS(c, "E[FATAL 57P05]");
	world_is_empty(&w);
	world_end(&w);
	world_begin(&w, "client_login_timeout = 10\nserver_connect_timeout = 5\n");
	w.logs_in = false;
	c = world_client(&w, PHYSICAL);
	world_pass(&w, 6 * USEC_PER_SEC);
	ASSERT_HEARS(c, "E[FATAL 08001]");
	world_is_empty(&w);
	world_end(&w);
}

static void limits_on_queries_and_idlers_do_not_end_it(void **state)
{
	struct actor *s;
	struct world w;

	(void)state;
	world_begin(&w, "pool_mode = transaction\nquery_timeout = 2\n"
			"transaction_timeout = 3\nidle_transaction_timeout = 1\n"
			"client_idle_timeout = 2\nserver_lifetime = 5\n"
			"server_idle_timeout = 2\nquery_wait_timeout = 2\n"
			"client_login_timeout = 2\n");
	struct actor *streams = streaming(&w, &s);
	struct actor *idle = replicator(&w, LOGICAL),
		     *in_transaction = replicator(&w, LOGICAL);
	say(in_transaction, "Q[BEGIN]");
	say(world_server(&w, 3), "C[BEGIN] Z[T]");
	ASSERT_HEARS(in_transaction, "C[BEGIN] Z[T]");
	world_pass(&w, 7200 * USEC_PER_SEC);
	assert_false(is_gone(streams) || is_gone(idle) || is_gone(in_transaction));
	say(s, "d[late wal]");
	ASSERT_HEARS(streams, "d[late wal]");
	world_end(&w);
}

static void a_cancel_reaches_its_server(void **state)
{
	struct actor *s;
	struct world w;

	(void)state;
	world_begin(&w, "pool_mode = transaction\n");
	struct actor *c = streaming(&w, &s);
	struct actor *canceller = world_canceller(&w, c);
	actor_accept(world_cancel(&w));
	world_settle(&w);
	ASSERT_HEARS(world_cancel(&w), "cancel 1");
	leave(world_cancel(&w));
	assert_true(is_gone(canceller));
	say(s, "E[ERROR 57014 canceling] Z[I]");
	ASSERT_HEARS(c, "E[ERROR 57014] Z[I]");
	say(c, "Q[IDENTIFY_SYSTEM]");
	ASSERT_HEARS(s, "Q[IDENTIFY_SYSTEM]");
	world_end(&w);
}

static void it_counts_under_the_limits_of_servers_and_clients(void **state)
{
	struct world w;

	(void)state;
	world_begin(&w, "pool_mode = transaction\nmax_db_connections = 2\n"
			"server_connect_timeout = 3\nmax_client_conn = 3\n");
	/* An idle one makes room. */
	struct actor *a = world_session(&w);
	say(a, "Q[one]");
	say(world_server(&w, 1), "I Z[I]");
	heard(a);
	replicator(&w, LOGICAL);
	replicator(&w, LOGICAL);
	assert_true(is_gone(world_server(&w, 1)));
	struct actor *c = world_client(&w, LOGICAL);
	ASSERT_HEARS(c, "E[FATAL 53300]");
	leave(a);
	c = world_client(&w, LOGICAL);
	ASSERT_HEARS(c, "");
	world_pass(&w, 4 * USEC_PER_SEC);
	ASSERT_HEARS(c, "E[FATAL 53300]");
	world_end(&w);
}

static void other_servers_for_the_pool_end_it_at_once(void **state)
{
	struct actor *s;
	struct world w;

	(void)state;
	world_begin(&w, "pool_mode = transaction\n");
	struct actor *c = streaming(&w, &s);
	control_reconnect(&w.dispatcher, NULL);
	world_settle(&w);
	assert_true(is_gone(s));
	ASSERT_HEARS(c, "E[FATAL 57P01]");
	w.logs_in = false;
	c = world_client(&w, PHYSICAL);
	control_reconnect(&w.dispatcher, NULL);
	world_settle(&w);
	ASSERT_HEARS(c, "E[FATAL 57P01]");
	assert_true(control_is_renewed(&w.dispatcher, NULL));
	world_end(&w);
}

static void killing_its_database_ends_it(void **state)
{
	struct actor *s;
	struct world w;

	(void)state;
	world_begin(&w, "pool_mode = transaction\n");
	struct actor *c = streaming(&w, &s);
	w.logs_in = false;
	struct actor *later = world_client(&w, PHYSICAL);
	control_kill(&w.dispatcher, NULL);
	world_settle(&w);
	ASSERT_HEARS(c, "E[FATAL 57P01]");
	ASSERT_HEARS(later, "E[FATAL 57P01]");
	assert_true(is_gone(s) && is_gone(world_server(&w, 2)));
	assert_true(control_is_quiet(&w.dispatcher, NULL));
	world_end(&w);
}

static void a_reload_that_changes_nothing_of_it_leaves_it(void **state)
{
	struct actor *s;
	struct world w;

	(void)state;
	world_begin(&w, "pool_mode = transaction\n");
	struct actor *c = streaming(&w, &s);
	world_reload(&w, "pool_mode = statement\nserver_lifetime = 1\nquery_timeout = 1\n"
			 "default_pool_size = 1\nmax_db_connections = 1\n");
	world_pass(&w, 60 * USEC_PER_SEC);
	say(s, "d[wal]");
	ASSERT_HEARS(c, "d[wal]");
	world_end(&w);
}

static void a_pause_and_a_shutdown_wait_for_it_as_for_a_session(void **state)
{
	struct actor *s;
	struct world w;

	(void)state;
	world_begin(&w, "pool_mode = transaction\n");
	struct actor *c = streaming(&w, &s);
	control_pause(&w.dispatcher, NULL);
	world_settle(&w);
	assert_false(control_is_quiet(&w.dispatcher, NULL));
	say(s, "d[wal]");
	ASSERT_HEARS(c, "d[wal]");
	/* Who comes meanwhile waits. */
	struct actor *later = world_client(&w, PHYSICAL);
	ASSERT_HEARS(later, "");
	assert_null(world_server(&w, 2));
	control_resume(&w.dispatcher, NULL);
	world_settle(&w);
	ASSERT_HEARS(later, GREETING);
	leave(later);
	w.logs_in = false;
	later = world_client(&w, PHYSICAL);
	control_begin_shutdown(&w.dispatcher, SHUTDOWN_WAIT_FOR_SERVERS);
	world_settle(&w);
	ASSERT_HEARS(later, "E[FATAL 57P01]");
	assert_false(control_may_exit(&w.dispatcher));
	say(s, "d[wal]");
	ASSERT_HEARS(c, "d[wal]");
	leave(c);
	assert_true(control_may_exit(&w.dispatcher));
	world_end(&w);
}

static void who_comes_in_a_pause_waits_for_its_end_as_long_as_a_login_may(void **state)
{
	struct world w;

	(void)state;
	world_begin(&w, "server_connect_timeout = 3\nclient_login_timeout = 20\n");
	control_pause(&w.dispatcher, NULL);
	struct actor *c = world_client(&w, PHYSICAL);
	world_pass(&w, 15 * USEC_PER_SEC);
	ASSERT_HEARS(c, "");
	struct actor *later = world_client(&w, PHYSICAL);
	world_pass(&w, 6 * USEC_PER_SEC);
	ASSERT_HEARS(c, "E[FATAL 57P05]");
	control_resume(&w.dispatcher, NULL);
	world_settle(&w);
	ASSERT_HEARS(later, GREETING);
	world_end(&w);
}

static void what_kind_it_is_is_told(void **state)
{
	static const struct {
		const char *pairs, *name;
	} cases[] = {{PHYSICAL, "physical"}, {LOGICAL, "logical"}};
	struct world w;

	(void)state;
	world_begin(&w, "");
	for (unsigned i = 0; i < 2; i++) {
		w.logs_in = false;
		struct actor *c = world_client(&w, cases[i].pairs);
		struct actor *s = world_server(&w, i + 1);
		assert_string_equal(
		    replication_name(replication_of_server(actor_server(s))),
		    cases[i].name);
		actor_greet(s);
		world_settle(&w);
		assert_string_equal(replication_name(client_of(c)->replication),
				    cases[i].name);
		assert_string_equal(
		    replication_name(replication_of_server(actor_server(s))),
		    cases[i].name);
	}
	w.logs_in = true;
	struct actor *a = world_session(&w);
	say(a, "Q[one]");
	assert_string_equal(replication_name(client_of(a)->replication), "none");
	assert_string_equal(
	    replication_name(replication_of_server(actor_server(world_server(&w, 3)))),
	    "none");
	world_end(&w);
}

static void a_value_that_means_no_is_an_ordinary_session(void **state)
{
	struct world w;

	(void)state;
	world_begin(&w, "pool_mode = transaction\n");
	struct actor *c = world_client(&w, "user=anna;database=app;replication=off");
	ASSERT_HEARS(c, GREETING);
	assert_int_equal(client_of(c)->state, CLIENT_IDLE);
	assert_string_equal(world_server(&w, 1)->startup, "user=anna;database=app");
	c = world_client(&w, "user=anna;database=app;replication=maybe");
	ASSERT_HEARS(c, "E[FATAL 22023]");
	world_end(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(its_server_is_opened_with_its_own_parameters),
	    cmocka_unit_test(what_it_and_its_server_say_passes_in_every_mode),
	    cmocka_unit_test(nobody_else_gets_its_server),
	    cmocka_unit_test(who_goes_takes_the_server_along),
	    cmocka_unit_test(a_server_that_goes_takes_its_client_along),
	    cmocka_unit_test(an_error_of_its_server_is_its_own_affair),
	    cmocka_unit_test(a_client_may_go_before_its_server_is_there),
	    cmocka_unit_test(a_client_may_go_in_the_turn_in_which_its_server_comes),
	    cmocka_unit_test(what_it_says_too_early_waits),
	    cmocka_unit_test(it_waits_no_longer_than_a_login_or_a_connect_may_take),
	    cmocka_unit_test(limits_on_queries_and_idlers_do_not_end_it),
	    cmocka_unit_test(a_cancel_reaches_its_server),
	    cmocka_unit_test(it_counts_under_the_limits_of_servers_and_clients),
	    cmocka_unit_test(other_servers_for_the_pool_end_it_at_once),
	    cmocka_unit_test(killing_its_database_ends_it),
	    cmocka_unit_test(a_reload_that_changes_nothing_of_it_leaves_it),
	    cmocka_unit_test(a_pause_and_a_shutdown_wait_for_it_as_for_a_session),
	    cmocka_unit_test(
		who_comes_in_a_pause_waits_for_its_end_as_long_as_a_login_may),
	    cmocka_unit_test(what_kind_it_is_is_told),
	    cmocka_unit_test(a_value_that_means_no_is_an_ordinary_session),
	};

	return cmocka_run_group_tests_name("replication", tests, NULL, NULL);
}
