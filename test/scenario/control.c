/*
 * Scenarios of an administrator at work: pause, reconnect, kill, reload, shutdown.
 */
#include "relay/control.h"

#include <errno.h>

#include "scenario/world.h"

static struct usage *database(struct world *w, const char *name)
{
	return usages_find(&w->dispatcher.pools.databases, slice_of_text(name));
}

static void pause_waits_for_work_and_keeps_clients(void **state)
{
	struct world w;

	(void)state;
	world_begin(&w, "pool_mode = transaction\n");
	w.answers = true;
	struct actor *a = world_session(&w), *b = world_session(&w);
	struct actor *other = world_client(&w, "user=otto;database=other");
	heard(other);
	say(a, "Q[begin]");
	heard(a);
	struct dispatcher *d = &w.dispatcher;
	dispatcher_watch_progress(d, true);
	control_pause(d, database(&w, "app"));
	world_settle(&w);
	assert_false(control_is_quiet(d, database(&w, "app")));
	say(b, "Q[from b]");
	ASSERT_HEARS(b, "");
	/* The other database goes on. */
	say(other, "Q[other]");
	ASSERT_HEARS(other, "T D[other] C[SELECT 1] Z[I]");
	unsigned before = w.progress_count;
	say(a, "Q[commit]");
	ASSERT_HEARS(a, "C[COMMIT] Z[I]");
	assert_true(w.progress_count > before);
	assert_true(control_is_quiet(d, database(&w, "app")));
	/* Its servers are closed, so that PostgreSQL can be restarted. */
	assert_true(is_gone(world_server(&w, 1)));
	/* Who logs in meanwhile is greeted, and waits with his first query. */
	struct actor *c = world_session(&w);
	say(c, "Q[from c]");
	ASSERT_HEARS(c, "");
	control_resume(d, database(&w, "app"));
	world_settle(&w);
	ASSERT_HEARS(b, "T D[from b] C[SELECT 1] Z[I]");
	ASSERT_HEARS(c, "T D[from c] C[SELECT 1] Z[I]");
	world_end(&w);
}

static void pause_catches_a_server_that_is_being_opened(void **state)
{
	struct world w;

	(void)state;
	world_begin(&w, "");
	w.logs_in = false;
	struct actor *a = world_client(&w, "user=anna;database=app");
	control_pause(&w.dispatcher, NULL);
	assert_false(control_is_quiet(&w.dispatcher, NULL));
	w.logs_in = true;
	world_settle(&w);
	assert_true(control_is_quiet(&w.dispatcher, NULL));
	assert_true(is_gone(world_server(&w, 1)));
	control_resume(&w.dispatcher, NULL);
	world_settle(&w);
	ASSERT_HEARS(a, GREETING);
	world_end(&w);
}

static void reconnect_renews_servers_as_they_become_free(void **state)
{
	struct world w;

	(void)state;
	world_begin(&w, "pool_mode = transaction\n");
	w.answers = true;
	struct actor *a = world_session(&w), *b = world_session(&w);
	say(a, "Q[begin]");
	say(b, "Q[from b]");
	control_reconnect(&w.dispatcher, NULL);
	world_settle(&w);
	assert_true(is_gone(world_server(&w, 2)));
	assert_false(is_gone(world_server(&w, 1)));
	assert_false(control_is_renewed(&w.dispatcher, NULL));
	say(a, "Q[commit]");
	assert_true(is_gone(world_server(&w, 1)));
	assert_true(control_is_renewed(&w.dispatcher, NULL));
	ASSERT_HEARS(a, "C[BEGIN] Z[T] C[COMMIT] Z[I]");
	heard(b);
	say(b, "Q[again]");
	ASSERT_HEARS(b, "T D[again] C[SELECT 1] Z[I]");
	world_end(&w);
}

static void kill_ends_clients_and_servers_in_every_state(void **state)
{
	struct world w;

	(void)state;
	world_begin(&w, "pool_mode = transaction\ndefault_pool_size = 2\n");
	w.answers = true;
	struct actor *idle = world_session(&w), *busy = world_session(&w),
		     *in_transaction = world_session(&w), *waits = world_session(&w);
	struct actor *other = world_client(&w, "user=otto;database=other");
	heard(other);
	say(busy, "Q[stall]");
	say(in_transaction, "Q[begin]");
	heard(in_transaction);
	say(waits, "Q[one]");
	control_kill(&w.dispatcher, database(&w, "app"));
	world_settle(&w);
	ASSERT_HEARS(idle, "E[FATAL 57P01]");
	ASSERT_HEARS(busy, "E[FATAL 57P01]");
	ASSERT_HEARS(in_transaction, "E[FATAL 57P01]");
	ASSERT_HEARS(waits, "E[FATAL 57P01]");
	say(other, "X");
	struct actor *x;
	while ((x = world_cancel(&w)) && x->connector) {
		actor_accept(x);
		world_settle(&w);
		leave(x);
	}
	world_has_free_servers(&w, 1);
	/* It is paused, so a new client waits. */
	struct actor *late = world_session(&w);
	say(late, "Q[late]");
	ASSERT_HEARS(late, "");
	control_resume(&w.dispatcher, database(&w, "app"));
	world_settle(&w);
	ASSERT_HEARS(late, "T D[late] C[SELECT 1] Z[I]");
	world_end(&w);
}

static void a_disabled_database_lets_nobody_in(void **state)
{
	struct world w;

	(void)state;
	world_begin(&w, "pool_mode = transaction\n");
	w.answers = true;
	struct actor *a = world_session(&w);
	database(&w, "app")->gate.is_disabled = true;
	struct actor *b = world_client(&w, "user=anna;database=app");
	ASSERT_HEARS(b, "E[FATAL 57P03]");
	say(a, "Q[still there]");
	ASSERT_HEARS(a, "T D[still there] C[SELECT 1] Z[I]");
	database(&w, "app")->gate.is_disabled = false;
	world_session(&w);
	world_end(&w);
}

/* ---- reload ----------------------------------------------------------------------- */

static void reload_changes_sizes_both_ways(void **state)
{
	struct actor *c[4];
	struct world w;

	(void)state;
	world_begin(&w, "pool_mode = transaction\ndefault_pool_size = 1\n");
	w.answers = true;
	for (int i = 0; i < 4; i++)
		c[i] = world_session(&w);
	for (int i = 0; i < 4; i++)
		say(c[i], "Q[begin]");
	assert_null(world_server(&w, 2));
	world_reload(&w, "pool_mode = transaction\ndefault_pool_size = 4\n");
	for (int i = 0; i < 4; i++)
		ASSERT_HEARS(c[i], "C[BEGIN] Z[T]");
	world_reload(&w, "pool_mode = transaction\ndefault_pool_size = 1\n");
	for (int i = 0; i < 4; i++)
		say(c[i], "Q[commit]");
	for (int i = 0; i < 4; i++)
		leave(c[i]);
	world_has_free_servers(&w, 1);
	world_end(&w);
}

/* Both become known in the same turn of the loop. */
static void a_server_is_killed_just_when_it_is_connected_or_refused(void **state)
{
	(void)state;
	for (int is_refused = 0; is_refused < 2; is_refused++) {
		struct world w;
		world_begin(&w, "pool_mode = transaction\n");
		w.accepts = false;
		struct actor *c = world_client(&w, "user=anna;database=app");
		struct actor *s = world_server(&w, 1);
		assert_non_null(s->connector);
		control_kill(&w.dispatcher, database(&w, "app"));
		if (is_refused)
			actor_refuse(s, ECONNREFUSED);
		else
			actor_accept(s);
		world_settle(&w);
		ASSERT_HEARS(c, "E[FATAL 57P01]");
		world_is_empty(&w);
		world_end(&w);
	}
}

static void reload_changes_timeouts_of_who_waits_already(void **state)
{
	struct world w;

	(void)state;
	world_begin(&w, "pool_mode = transaction\ndefault_pool_size = 1\n"
			"query_wait_timeout = 1000\nquery_wait_notify = 0\n");
	w.answers = true;
	struct actor *a = world_session(&w), *b = world_session(&w);
	say(a, "Q[begin]");
	say(b, "Q[one]");
	world_pass(&w, 20 * USEC_PER_SEC);
	world_reload(&w, "pool_mode = transaction\ndefault_pool_size = 1\n"
			 "query_wait_timeout = 30\nquery_wait_notify = 0\n");
	world_pass(&w, 4 * USEC_PER_SEC - 1);
	ASSERT_HEARS(b, "");
	world_pass(&w, 12 * USEC_PER_SEC + 1);
	ASSERT_HEARS(b, "E[ERROR 53300] Z[I]");
	world_end(&w);
}

static void reload_of_a_moved_database_renews_its_servers(void **state)
{
	struct world w;

	(void)state;
	world_begin(&w, "pool_mode = transaction\n[databases]\nmoving = host=10.0.0.7\n");
	w.answers = true;
	struct actor *a = world_client(&w, "user=anna;database=moving");
	struct actor *b = world_client(&w, "user=anna;database=moving");
	heard(a), heard(b);
	say(a, "Q[begin]");
	say(b, "Q[one]");
	world_reload(&w,
		     "pool_mode = transaction\n[databases]\nmoving = host=10.0.0.8\n");
	assert_true(is_gone(world_server(&w, 2)));
	say(a, "Q[commit]");
	assert_true(is_gone(world_server(&w, 1)));
	heard(b);
	say(b, "Q[two]");
	ASSERT_HEARS(b, "T D[two] C[SELECT 1] Z[I]");
	assert_non_null(world_server(&w, 3));
	world_end(&w);
}

static void reload_without_a_database_ends_its_clients(void **state)
{
	struct world w;

	(void)state;
	world_begin(&w, "pool_mode = transaction\ndefault_pool_size = 1\n"
			"[databases]\nold = host=10.0.0.7\n");
	w.answers = true;
	struct actor *a = world_client(&w, "user=anna;database=old");
	struct actor *b = world_client(&w, "user=anna;database=old");
	struct actor *c = world_client(&w, "user=anna;database=old");
	heard(a), heard(b), heard(c);
	say(a, "Q[begin]");
	heard(a);
	say(b, "Q[one]");
	world_reload(&w, "pool_mode = transaction\ndefault_pool_size = 1\n");
	ASSERT_HEARS(a, "E[FATAL 57P01]");
	ASSERT_HEARS(b, "E[FATAL 57P01]");
	ASSERT_HEARS(c, "E[FATAL 57P01]");
	world_is_empty(&w);
	assert_null(world_pool(&w, "old", "anna"));
	/* And it may come back. */
	world_reload(&w, "pool_mode = transaction\n[databases]\nold = host=10.0.0.7\n");
	a = world_client(&w, "user=anna;database=old");
	ASSERT_HEARS(a, GREETING);
	world_end(&w);
}

static void reload_while_a_server_is_opened_is_no_accident(void **state)
{
	struct world w;

	(void)state;
	world_begin(&w, "[databases]\nold = host=10.0.0.7\n");
	w.accepts = false;
	struct actor *a = world_client(&w, "user=anna;database=old");
	world_reload(&w, "");
	ASSERT_HEARS(a, "E[FATAL 57P01]");
	world_is_empty(&w);
	world_end(&w);
}

/* What stands in its server by then cannot be shared. */
static void reload_leaves_who_is_there_in_its_mode(void **state)
{
	struct world w;

	(void)state;
	world_begin(&w, "pool_mode = session\n");
	w.answers = true;
	struct actor *a = world_session(&w);
	say(a, "Q[one]");
	assert_int_equal(client_of(a)->state, CLIENT_LINKED);
	world_reload(&w, "pool_mode = transaction\n");
	struct actor *b = world_session(&w);
	say(a, "Q[two]");
	say(b, "Q[two]");
	assert_int_equal(client_of(a)->state, CLIENT_LINKED);
	assert_int_equal(client_of(b)->state, CLIENT_IDLE);
	world_end(&w);
}

/* ---- shutdown --------------------------------------------------------------------- */

static void shutdown_for_servers_ends_who_waits_and_lets_work_end(void **state)
{
	struct world w;

	(void)state;
	world_begin(&w, "pool_mode = transaction\ndefault_pool_size = 1\n");
	w.answers = true;
	struct actor *a = world_session(&w), *b = world_session(&w),
		     *c = world_session(&w);
	say(a, "Q[begin]");
	heard(a);
	say(b, "Q[one]");
	control_begin_shutdown(&w.dispatcher, SHUTDOWN_WAIT_FOR_SERVERS);
	world_settle(&w);
	ASSERT_HEARS(b, "E[FATAL 57P01]");
	assert_false(control_may_exit(&w.dispatcher));
	say(c, "Q[two]");
	ASSERT_HEARS(c, "E[FATAL 57P01]");
	struct actor *late = world_client(&w, "user=anna;database=app");
	ASSERT_HEARS(late, "E[FATAL 57P03]");
	say(a, "Q[commit]");
	ASSERT_HEARS(a, "C[COMMIT] Z[I]");
	assert_true(control_may_exit(&w.dispatcher));
	world_end(&w);
}

static void shutdown_for_clients_serves_who_is_there(void **state)
{
	struct world w;

	(void)state;
	world_begin(&w, "pool_mode = transaction\n");
	w.answers = true;
	struct actor *a = world_session(&w);
	control_begin_shutdown(&w.dispatcher, SHUTDOWN_WAIT_FOR_CLIENTS);
	struct actor *late = world_client(&w, "user=anna;database=app");
	ASSERT_HEARS(late, "E[FATAL 57P03]");
	say(a, "Q[one]");
	ASSERT_HEARS(a, "T D[one] C[SELECT 1] Z[I]");
	assert_false(control_may_exit(&w.dispatcher));
	say(a, "X");
	assert_true(control_may_exit(&w.dispatcher));
	world_end(&w);
}

static void shutdown_at_once_finds_everybody_in_any_state(void **state)
{
	struct actor *c[6];
	struct world w;

	(void)state;
	world_begin(&w, "pool_mode = transaction\ndefault_pool_size = 2\n");
	w.answers = true;
	for (int i = 0; i < 6; i++)
		c[i] = world_session(&w);
	say(c[0], "Q[stall]");
	say(c[1], "Q[begin]");
	say(c[2], "Q[one]");
	world_canceller(&w, c[0]);
	world_connect(&w);
	w.accepts = false;
	world_client(&w, "user=anna;database=other");
	world_end(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(pause_waits_for_work_and_keeps_clients),
	    cmocka_unit_test(pause_catches_a_server_that_is_being_opened),
	    cmocka_unit_test(reconnect_renews_servers_as_they_become_free),
	    cmocka_unit_test(kill_ends_clients_and_servers_in_every_state),
	    cmocka_unit_test(a_disabled_database_lets_nobody_in),
	    cmocka_unit_test(reload_changes_sizes_both_ways),
	    cmocka_unit_test(a_server_is_killed_just_when_it_is_connected_or_refused),
	    cmocka_unit_test(reload_changes_timeouts_of_who_waits_already),
	    cmocka_unit_test(reload_of_a_moved_database_renews_its_servers),
	    cmocka_unit_test(reload_without_a_database_ends_its_clients),
	    cmocka_unit_test(reload_while_a_server_is_opened_is_no_accident),
	    cmocka_unit_test(reload_leaves_who_is_there_in_its_mode),
	    cmocka_unit_test(shutdown_for_servers_ends_who_waits_and_lets_work_end),
	    cmocka_unit_test(shutdown_for_clients_serves_who_is_there),
	    cmocka_unit_test(shutdown_at_once_finds_everybody_in_any_state),
	};

	return cmocka_run_group_tests_name("control", tests, NULL, NULL);
}
