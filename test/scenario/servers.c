/*
 * Scenarios of how many servers there are, for whom, and for how long.
 */
#include "scenario/answering.h"
#include "scenario/world.h"

#include <errno.h>

#include "config/config.h"

static unsigned alive(struct world *w)
{
	struct server *s;
	unsigned count = 0;

	TAILQ_FOREACH (s, &w->dispatcher.servers, place)
		count++;
	return count;
}

/* So many clients of that kind, each in a query that is not answered. */
static void crowd(struct world *w, const char *pairs, unsigned count, struct actor **out)
{
	for (unsigned i = 0; i < count; i++) {
		out[i] = world_client(w, pairs);
		heard(out[i]);
	}
	for (unsigned i = 0; i < count; i++)
		say(out[i], "Q[stall]");
}

static void finish(struct world *w)
{
	struct actor *a;

	TAILQ_FOREACH (a, &w->actors, place)
		if (a->kind == ACTOR_SERVER && a->answers && !is_gone(a)) {
			answering_go_on(a);
		}
	world_settle(w);
}

static void a_pool_grows_to_its_size_and_no_further(void **state)
{
	struct actor *c[10];
	struct world w;

	(void)state;
	world_begin(&w, "pool_mode = transaction\ndefault_pool_size = 3\n");
	w.answers = true;
	crowd(&w, "user=anna;database=app", 10, c);
	assert_int_equal(alive(&w), 3);
	assert_int_equal(world_pool(&w, "app", "anna")->line.count, 7);
	for (int i = 0; i < 4; i++)
		finish(&w);
	for (int i = 0; i < 10; i++)
		ASSERT_HEARS(c[i], "C[SELECT 0] Z[I]");
	world_end(&w);
}

static void limits_hold_over_all_pools_that_share_them(void **state)
{
	static const struct {
		const char *lines, *one, *two;
	} cases[] = {
	    {"max_db_connections = 3\n", "user=anna;database=app",
	     "user=otto;database=app"},
	    {"max_user_connections = 3\n", "user=anna;database=app",
	     "user=anna;database=other"},
	    {"max_server_connections = 3\n", "user=anna;database=app",
	     "user=otto;database=other"},
	};

	(void)state;
	for (int i = 0; i < 3; i++) {
		struct actor *c[5], *d[5];
		char lines[128];
		struct world w;
		snprintf(lines, sizeof(lines), "pool_mode = transaction\n%s",
			 cases[i].lines);
		world_begin(&w, lines);
		w.answers = true;
		crowd(&w, cases[i].one, 5, c);
		assert_int_equal(alive(&w), 3);
		/* The other pool has no server at all, so it comes before more of these.
		 */
		for (int k = 0; k < 5; k++) {
			d[k] = world_connect(&w);
			script_write_startup(&d[k]->peer.sent, cases[i].two);
			script_write(&d[k]->peer.sent, FROM_CLIENT, "Q[two]");
		}
		for (int k = 0; k < 10; k++) {
			finish(&w);
			assert_true(alive(&w) <= 3);
			world_pass(&w, USEC_PER_SEC);
		}
		for (int k = 0; k < 5; k++) {
			assert_non_null(strstr(heard(c[k]), "C[SELECT 0] Z[I]"));
			assert_non_null(strstr(heard(d[k]), "D[two] C[SELECT 1] Z[I]"));
		}
		world_end(&w);
	}
}

static void an_idle_server_of_another_pool_makes_room(void **state)
{
	struct world w;

	(void)state;
	world_begin(&w, "pool_mode = transaction\nmax_db_connections = 1\n");
	w.answers = true;
	struct actor *a = world_session(&w);
	say(a, "Q[one]");
	ASSERT_HEARS(a, "T D[one] C[SELECT 1] Z[I]");
	struct actor *b = world_client(&w, "user=otto;database=app");
	/* Not at once, or two of them would do nothing but open and close. */
	ASSERT_HEARS(b, "");
	assert_false(is_gone(world_server(&w, 1)));
	world_pass(&w, 50 * USEC_PER_MSEC);
	ASSERT_HEARS(b, GREETING);
	assert_true(is_gone(world_server(&w, 1)));
	say(b, "Q[two]");
	ASSERT_HEARS(b, "T D[two] C[SELECT 1] Z[I]");
	say(a, "Q[three]");
	world_pass(&w, 50 * USEC_PER_MSEC);
	ASSERT_HEARS(a, "T D[three] C[SELECT 1] Z[I]");
	assert_int_equal(alive(&w), 1);
	world_end(&w);
}

static void the_least_is_kept_open_while_somebody_is_there(void **state)
{
	struct world w;

	(void)state;
	world_begin(&w, "pool_mode = transaction\nmin_pool_size = 3\n"
			"server_idle_timeout = 60\nclient_idle_timeout = 0\n");
	w.answers = true;
	struct actor *a = world_session(&w);
	say(a, "Q[one]");
	world_pass(&w, USEC_PER_SEC);
	assert_int_equal(alive(&w), 3);
	world_pass(&w, 600 * USEC_PER_SEC);
	assert_int_equal(alive(&w), 3);
	/* One that dies is replaced. */
	leave(world_server(&w, 2));
	world_pass(&w, 10 * USEC_PER_SEC);
	assert_int_equal(alive(&w), 3);
	world_end(&w);
}

static void the_reserve_is_used_when_the_first_has_waited_long(void **state)
{
	struct actor *c[5];
	struct world w;

	(void)state;
	world_begin(&w, "pool_mode = transaction\ndefault_pool_size = 1\n"
			"reserve_pool_size = 2\nreserve_pool_timeout = 5\n"
			"query_wait_notify = 0\n");
	w.answers = true;
	crowd(&w, "user=anna;database=app", 5, c);
	world_pass(&w, 5 * USEC_PER_SEC - 1);
	assert_int_equal(alive(&w), 1);
	world_pass(&w, 1);
	assert_int_equal(alive(&w), 3);
	for (int i = 0; i < 5; i++)
		finish(&w);
	ASSERT_HEARS(c[4], "C[SELECT 0] Z[I]");
	/* And it is given up again. */
	world_pass(&w, 6 * USEC_PER_SEC);
	assert_int_equal(alive(&w), 1);
	world_end(&w);
}

static void an_idle_server_is_closed_after_its_time(void **state)
{
	struct world w;

	(void)state;
	world_begin(&w, "pool_mode = transaction\nserver_idle_timeout = 60\n");
	w.answers = true;
	struct actor *a = world_session(&w);
	say(a, "Q[one]");
	world_pass(&w, 60 * USEC_PER_SEC - 1);
	assert_int_equal(alive(&w), 1);
	world_pass(&w, 1);
	assert_int_equal(alive(&w), 0);
	world_end(&w);
}

static void an_old_server_is_replaced_when_it_is_free(void **state)
{
	struct world w;

	(void)state;
	world_begin(&w, "pool_mode = transaction\nserver_lifetime = 1000\n"
			"server_idle_timeout = 0\n");
	w.answers = true;
	struct actor *a = world_session(&w);
	say(a, "Q[begin]");
	world_pass(&w, 2000 * USEC_PER_SEC);
	assert_int_equal(alive(&w), 1);
	say(a, "Q[commit]");
	assert_int_equal(alive(&w), 1);
	assert_true(is_gone(world_server(&w, 1)));
	say(a, "Q[one]");
	assert_int_equal(w.server_count, 2);
	/* An idle one need not wait for anybody; and what nobody uses is not replaced. */
	world_pass(&w, 1001 * USEC_PER_SEC);
	assert_int_equal(alive(&w), 1);
	assert_int_equal(w.server_count, 3);
	world_pass(&w, 1001 * USEC_PER_SEC);
	assert_int_equal(alive(&w), 0);
	world_end(&w);
}

static void a_lifetime_of_nothing_is_one_use(void **state)
{
	struct world w;

	(void)state;
	world_begin(&w, "pool_mode = transaction\nserver_lifetime = 0\n");
	w.answers = true;
	struct actor *a = world_session(&w);
	say(a, "Q[one]");
	assert_int_equal(alive(&w), 0);
	say(a, "Q[two]");
	ASSERT_HEARS(a, "T D[one] C[SELECT 1] Z[I] T D[two] C[SELECT 1] Z[I]");
	assert_int_equal(alive(&w), 0);
	world_end(&w);
}

static void a_server_that_was_idle_for_long_is_checked_first(void **state)
{
	struct world w;

	(void)state;
	world_begin(&w, "pool_mode = transaction\nserver_check_delay = 30\n"
			"server_check_query = select 42\n");
	struct actor *a = world_session(&w), *s = world_server(&w, 1);
	world_pass(&w, 30 * USEC_PER_SEC + 1);
	say(a, "Q[one]");
	ASSERT_HEARS(s, "Q[select 42]");
	say(s, "T D[42] C[SELECT 1] Z[I]");
	ASSERT_HEARS(s, "Q[one]");
	say(s, "I Z[I]");
	ASSERT_HEARS(a, "I Z[I]");
	/* It was used a moment ago. */
	say(a, "Q[two]");
	ASSERT_HEARS(s, "Q[two]");
	assert_null(world_server(&w, 2));
	world_end(&w);
}

static void a_server_that_fails_its_check_is_replaced(void **state)
{
	struct world w;

	(void)state;
	world_begin(&w, "pool_mode = transaction\nserver_check_delay = 30\n");
	struct actor *a = world_session(&w), *s = world_server(&w, 1);
	world_pass(&w, 31 * USEC_PER_SEC);
	w.answers = true;
	say(a, "Q[one]");
	say(s, "E[ERROR 57P01] Z[I]");
	assert_true(is_gone(s));
	ASSERT_HEARS(a, "T D[one] C[SELECT 1] Z[I]");
	world_end(&w);
}

static void without_a_check_query_there_is_no_check(void **state)
{
	struct world w;

	(void)state;
	world_begin(&w, "pool_mode = transaction\nserver_check_query =\n");
	struct actor *a = world_session(&w), *s = world_server(&w, 1);
	world_pass(&w, 300 * USEC_PER_SEC);
	say(a, "Q[one]");
	ASSERT_HEARS(s, "Q[one]");
	world_end(&w);
}

static void a_reset_that_fails_ends_the_server(void **state)
{
	struct world w;

	(void)state;
	world_begin(&w, "pool_mode = session\n");
	struct actor *a = world_session(&w), *s = world_server(&w, 1);
	say(a, "Q[one]");
	say(s, "I Z[I]");
	leave(a);
	say(s, "E[ERROR 25001] Z[I]");
	assert_true(is_gone(s));
	world_is_empty(&w);
	world_end(&w);
}

static void a_reset_that_never_ends_ends_the_server(void **state)
{
	struct world w;

	(void)state;
	world_begin(&w, "pool_mode = session\n");
	struct actor *a = world_session(&w), *s = world_server(&w, 1);
	say(a, "Q[one]");
	say(s, "I Z[I]");
	leave(a);
	world_pass(&w, 30 * USEC_PER_SEC);
	assert_true(is_gone(s));
	world_is_empty(&w);
	world_end(&w);
}

static void all_clients_of_a_forced_user_share_a_pool(void **state)
{
	struct world w;

	(void)state;
	world_begin(&w, "pool_mode = transaction\ndefault_pool_size = 1\n");
	w.answers = true;
	struct actor *a = world_client(&w, "user=anna;database=shared");
	struct actor *b = world_client(&w, "user=otto;database=shared");
	assert_string_equal(world_server(&w, 1)->startup, "user=pool;database=shared");
	say(a, "Q[one]");
	say(b, "Q[two]");
	assert_null(world_server(&w, 2));
	world_end(&w);
}

static void a_database_without_an_entry_is_made_and_forgotten(void **state)
{
	struct world w;

	(void)state;
	world_begin(&w, "pool_mode = transaction\nautodb_idle_timeout = 100\n"
			"server_idle_timeout = 10\n[databases]\n* = host=10.0.0.7\n");
	w.answers = true;
	struct actor *a = world_client(&w, "user=anna;database=whatever");
	ASSERT_HEARS(a, GREETING);
	assert_string_equal(world_server(&w, 1)->startup, "user=anna;database=whatever");
	leave(a);
	assert_non_null(world_pool(&w, "whatever", "anna"));
	world_pass(&w, 10 * USEC_PER_SEC + 100 * USEC_PER_SEC);
	assert_null(world_pool(&w, "whatever", "anna"));
	world_end(&w);
}

static void settings_of_the_entry_go_into_the_startup_packet(void **state)
{
	struct world w;

	(void)state;
	world_begin(&w, "[databases]\nspecial = host=10.0.0.7 dbname=real user=me "
			"client_encoding=LATIN1 timezone=CET datestyle=ISO "
			"application_name=pool\n");
	world_client(&w, "user=anna;database=special");
	assert_string_equal(world_server(&w, 1)->startup,
			    "user=me;database=real;client_encoding=LATIN1;datestyle=ISO;"
			    "timezone=CET;application_name=pool");
	world_end(&w);
}

static void many_waiters_have_servers_opened_in_parallel(void **state)
{
	struct actor *a;
	struct world w;
	unsigned asked = 0;

	(void)state;
	world_begin(&w, "pool_mode = transaction\ndefault_pool_size = 50\n");
	w.accepts = false;
	for (int i = 0; i < 50; i++)
		world_client(&w, "user=anna;database=app");
	TAILQ_FOREACH (a, &w.actors, place)
		asked += a->kind == ACTOR_SERVER;
	assert_in_range(asked, 2, 8);
	/* And more at a time while that goes well. */
	w.accepts = true;
	world_settle(&w);
	assert_true(alive(&w) > asked || w.dispatcher.login_count == 0);
	assert_int_equal(w.dispatcher.login_count, 0);
	world_end(&w);
}

static void servers_are_used_in_turns_if_so_asked(void **state)
{
	(void)state;
	for (int in_turns = 0; in_turns < 2; in_turns++) {
		struct actor *c[3];
		struct world w;
		uint64_t ids[3];
		world_begin(&w, in_turns ? "pool_mode = transaction\n"
					   "server_round_robin = 1\n"
					 : "pool_mode = transaction\n");
		w.answers = true;
		crowd(&w, "user=anna;database=app", 3, c);
		finish(&w);
		assert_int_equal(alive(&w), 3);
		for (int i = 0; i < 3; i++) {
			say(c[0], "Q[begin]");
			ids[i] = client_of(c[0])->server->id;
			world_pass(&w, 1000);
			say(c[0], "Q[commit]");
		}
		assert_int_equal(ids[0] != ids[1] && ids[1] != ids[2] && ids[0] != ids[2],
				 in_turns);
		world_end(&w);
	}
}

/* Another pool's last server goes, and the line of this one is served at once. */
static void room_under_a_limit_goes_to_who_waits_for_it(void **state)
{
	struct world w;

	(void)state;
	world_begin(&w, "pool_mode = transaction\nmax_db_connections = 1\n");
	w.answers = true;
	struct actor *a = world_session(&w);
	say(a, "Q[begin]");
	struct actor *b = world_client(&w, "user=otto;database=app");
	struct actor *c = world_client(&w, "user=emil;database=app");
	ASSERT_HEARS(b, "");
	/* Whoever waits first may leave; the next one's turn has come. */
	leave(b);
	leave(a);
	world_pass(&w, USEC_PER_SEC);
	ASSERT_HEARS(c, GREETING);
	world_end(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_pool_grows_to_its_size_and_no_further),
	    cmocka_unit_test(limits_hold_over_all_pools_that_share_them),
	    cmocka_unit_test(an_idle_server_of_another_pool_makes_room),
	    cmocka_unit_test(the_least_is_kept_open_while_somebody_is_there),
	    cmocka_unit_test(the_reserve_is_used_when_the_first_has_waited_long),
	    cmocka_unit_test(an_idle_server_is_closed_after_its_time),
	    cmocka_unit_test(an_old_server_is_replaced_when_it_is_free),
	    cmocka_unit_test(a_lifetime_of_nothing_is_one_use),
	    cmocka_unit_test(a_server_that_was_idle_for_long_is_checked_first),
	    cmocka_unit_test(a_server_that_fails_its_check_is_replaced),
	    cmocka_unit_test(without_a_check_query_there_is_no_check),
	    cmocka_unit_test(a_reset_that_fails_ends_the_server),
	    cmocka_unit_test(a_reset_that_never_ends_ends_the_server),
	    cmocka_unit_test(all_clients_of_a_forced_user_share_a_pool),
	    cmocka_unit_test(a_database_without_an_entry_is_made_and_forgotten),
	    cmocka_unit_test(settings_of_the_entry_go_into_the_startup_packet),
	    cmocka_unit_test(many_waiters_have_servers_opened_in_parallel),
	    cmocka_unit_test(servers_are_used_in_turns_if_so_asked),
	    cmocka_unit_test(room_under_a_limit_goes_to_who_waits_for_it),
	};

	return cmocka_run_group_tests_name("servers", tests, NULL, NULL);
}
