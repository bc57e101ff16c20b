/*
 * Scenarios of logins: who comes in, what he is greeted with, who is told what.
 */
#include "scenario/world.h"

#include <errno.h>

static void the_first_login_waits_for_a_server_and_gets_its_parameters(void **state)
{
	struct world w;

	(void)state;
	world_begin(&w, "");
	w.accepts = w.logs_in = false;
	struct actor *c = world_client(&w, "user=anna;database=app");
	struct actor *s = world_server(&w, 1);
	ASSERT_HEARS(c, "");
	assert_int_equal(client_of(c)->state, CLIENT_WAITING);
	actor_accept(s);
	world_settle(&w);
	assert_string_equal(s->startup, "user=anna;database=app");
	ASSERT_HEARS(c, "");
	say(s, "R S[TimeZone=Mars/Olympus] N[WARNING 01000 low on air] K[1]");
	ASSERT_HEARS(c, "");
	say(s, "Z[I]");
	ASSERT_HEARS(c, "R S[TimeZone=Mars/Olympus] K Z[I]");
	assert_int_equal(client_of(c)->state, CLIENT_IDLE);
	leave(c);
	world_has_free_servers(&w, 1);
	world_end(&w);
}

static void the_next_login_needs_no_server(void **state)
{
	struct world w;

	(void)state;
	world_begin(&w, "");
	world_session(&w);
	struct actor *c = world_client(&w, "user=anna;database=app;TimeZone=UTC+1");
	assert_string_equal(heard(c), "R S[application_name=] S[client_encoding=UTF8] "
				      "S[server_version=15.0] S[TimeZone=UTC+1] K Z[I]");
	assert_null(world_server(&w, 2));
	world_end(&w);
}

static void a_login_may_arrive_in_any_two_pieces(void **state)
{
	struct buffer bytes = {0};

	(void)state;
	script_write_startup(&bytes, "user=anna;database=app;options=-c search_path=x");
	script_write(&bytes, FROM_CLIENT, "Q[select 1]");
	for (size_t cut = 1; cut < buffer_len(&bytes); cut++) {
		struct world w;
		world_begin(&w, "pool_mode = transaction");
		w.answers = true;
		struct actor *c = world_connect(&w);
		actor_push_bytes(c, slice_first(buffer_bytes(&bytes), cut));
		world_settle(&w);
		actor_push_bytes(c, slice_after(buffer_bytes(&bytes), cut));
		world_settle(&w);
		ASSERT_HEARS(c, GREETING " T D[select 1] C[SELECT 1] Z[I]");
		leave(c);
		world_has_free_servers(&w, 1);
		world_end(&w);
	}
	buffer_fini(&bytes);
}

static void a_server_may_greet_in_any_two_pieces(void **state)
{
	struct buffer bytes = {0};

	(void)state;
	script_write(&bytes, FROM_SERVER,
		     "R " PARAMETERS " N[NOTICE 00000 hm] K[1] Z[I]");
	for (size_t cut = 1; cut < buffer_len(&bytes); cut++) {
		struct world w;
		world_begin(&w, "");
		w.logs_in = false;
		struct actor *c = world_client(&w, "user=anna;database=app");
		struct actor *s = world_server(&w, 1);
		actor_push_bytes(s, slice_first(buffer_bytes(&bytes), cut));
		world_settle(&w);
		ASSERT_HEARS(c, "");
		actor_push_bytes(s, slice_after(buffer_bytes(&bytes), cut));
		world_settle(&w);
		ASSERT_HEARS(c, GREETING);
		world_end(&w);
	}
	buffer_fini(&bytes);
}

static void encryption_is_declined_byte_by_byte(void **state)
{
	static const uint8_t ssl[] = {0, 0, 0, 8, 4, 210, 22, 47};
	static const uint8_t gss[] = {0, 0, 0, 8, 4, 210, 22, 48};
	struct world w;

	(void)state;
	world_begin(&w, "");
	struct actor *c = world_connect(&w);
	c->peer.read_most = 1;
	actor_push_bytes(c, slice_of(gss, sizeof(gss)));
	actor_push_bytes(c, slice_of(ssl, sizeof(ssl)));
	world_settle(&w);
	assert_true(slice_is_text(fake_peer_received(&c->peer), "NN"));
	fake_peer_drop(&c->peer, 2);
	script_write_startup(&c->peer.sent, "user=anna;database=app");
	world_settle(&w);
	ASSERT_HEARS(c, GREETING);
	leave(c);
	world_end(&w);
}

/* What a client says first, and how it is turned away. */
static void a_bad_beginning_is_refused_with_its_reason(void **state)
{
	static const struct {
		const char *startup, *sqlstate;
	} cases[] = {
	    {"database=app", "E[FATAL 28000]"},
	    {"user=anna;database=nowhere", "E[FATAL 3D000]"},
	    {"user=anna", "E[FATAL 3D000]"}, /* no database of her name */
	    {"user=anna;database=app;replication=maybe", "E[FATAL 22023]"},
	    {"user=anna;database=app;is_superuser=on", "E[FATAL 22023]"},
	    {"user=anna;database=app;options=-x", "E[FATAL 22023]"},
	    {"user=annaannaannaannaannaannaannaannaannaannaannaannaannaannaannaannaanna"
	     "annaannaannaannaannaannaannaannaannaannaannaannaannaannaannaannaannaanna"
	     "annaannaannaannaannaannaannaannaannaannaannaannaannaannaannaannaannaanna"
	     ";database=app",
	     "E[FATAL 08P01]"},
	};
	struct world w;

	(void)state;
	world_begin(&w, "");
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct actor *c = world_client(&w, cases[i].startup);
		ASSERT_HEARS(c, cases[i].sqlstate);
		assert_true(is_gone(c));
	}
	world_is_empty(&w);
	world_end(&w);
}

static void garbage_instead_of_a_startup_packet_ends_only_who_sent_it(void **state)
{
	static const char *const garbage[] = {
	    "GET / HTTP/1.0\r\n\r\n",
	    "\x16\x03\x01\x02",
	    "\xff\xff\xff\xff\xff\xff\xff\xff",
	    "Q",
	};
	struct world w;

	(void)state;
	world_begin(&w, "");
	struct actor *other = world_session(&w);
	for (size_t i = 0; i < sizeof(garbage) / sizeof(garbage[0]); i++) {
		struct actor *c = world_connect(&w);
		actor_push_bytes(c, slice_of_text(garbage[i]));
		world_settle(&w);
		assert_true(is_gone(c));
	}
	say(other, "S");
	ASSERT_HEARS(other, "Z[I]");
	world_end(&w);
}

static void a_minor_version_above_ours_is_negotiated_down(void **state)
{
	struct world w;

	(void)state;
	world_begin(&w, "");
	world_session(&w);
	struct actor *c = world_client(&w, "3.7;user=anna;database=app");
	assert_int_equal(fake_peer_received(&c->peer).len > 13, true);
	assert_memory_equal(fake_peer_received(&c->peer).data,
			    "v\0\0\0\x0c\0\3\0\2\0\0\0\0", 13);
	fake_peer_drop(&c->peer, 13);
	ASSERT_HEARS(c, GREETING);
	assert_int_equal(c->key.len, CANCELS_LONG_LEN);
	world_end(&w);
}

/* What the first server says, and what the client that waits for it is told. */
static void a_server_that_refuses_speaks_for_itself(void **state)
{
	static const struct {
		const char *says, *told;
	} cases[] = {
	    {"E[FATAL 28000 no pg_hba.conf entry]", "E[FATAL 28000]"},
	    {"E[FATAL 3D000 no such database]", "E[FATAL 3D000]"},
	    {"R[3]", "E[FATAL 28000]"}, /* asks for a password */
	    {"Z[I]", "E[FATAL 08P01]"}, /* ready without a login */
	    {"R Z[T]", "E[FATAL 08P01]"},
	    {"R D[a row]", "E[FATAL 08P01]"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct world w;
		world_begin(&w, "");
		w.logs_in = false;
		struct actor *c = world_client(&w, "user=anna;database=app");
		say(world_server(&w, 1), cases[i].says);
		ASSERT_HEARS(c, cases[i].told);
		assert_true(is_gone(c));
		assert_true(is_gone(world_server(&w, 1)));
		world_is_empty(&w);
		/* The next hears the same at once, without another attempt. */
		c = world_client(&w, "user=anna;database=app");
		ASSERT_HEARS(c, cases[i].told);
		assert_null(world_server(&w, 2));
		world_end(&w);
	}
}

static void a_server_that_cannot_be_reached_is_told_as_08001(void **state)
{
	struct world w;

	(void)state;
	world_begin(&w, "");
	w.accepts = false;
	struct actor *c = world_client(&w, "user=anna;database=app");
	actor_refuse(world_server(&w, 1), ECONNREFUSED);
	world_settle(&w);
	assert_string_equal(heard_field(c, 'M'), "Connection refused");
	ASSERT_HEARS(c, "E[FATAL 08001]");
	world_is_empty(&w);
	world_end(&w);
}

static void a_server_that_hangs_up_during_its_login_is_told_as_08006(void **state)
{
	struct world w;

	(void)state;
	world_begin(&w, "");
	w.logs_in = false;
	struct actor *c = world_client(&w, "user=anna;database=app");
	leave(world_server(&w, 1));
	/* The first may have minded what it was asked for. */
	ASSERT_HEARS(c, "");
	leave(world_server(&w, 2));
	ASSERT_HEARS(c, "E[FATAL 08006]");
	world_is_empty(&w);
	world_end(&w);
}

static void attempts_grow_rarer_while_the_server_is_full(void **state)
{
	struct world w;
	uint64_t last_us = 0;
	unsigned seen = 0;

	(void)state;
	world_begin(&w, "server_login_retry = 15s\nquery_wait_timeout = 0\n"
			"client_login_timeout = 0\nquery_wait_notify = 0\n");
	w.logs_in = false;
	struct actor *c = world_client(&w, "user=anna;database=app");
	uint64_t start_us = w.loop.now_us;
	/* Too many connections, starting up: worth waiting for, and worth asking again
	 * soon.
	 */
	while (w.loop.now_us < start_us + 120 * USEC_PER_SEC) {
		struct actor *s = world_server(&w, seen + 1);
		if (s) {
			seen++;
			last_us = w.loop.now_us;
			say(s, seen % 2 ? "E[FATAL 53300 too many clients]"
					: "E[FATAL 57P03 starting up]");
		}
		world_pass(&w, 10 * USEC_PER_MSEC);
		assert_true(w.loop.now_us - last_us < 2500 * USEC_PER_MSEC);
	}
	assert_true(seen >= 50 && seen <= 150);
	ASSERT_HEARS(c, "");
	w.logs_in = true;
	world_pass(&w, 20 * USEC_PER_SEC);
	ASSERT_HEARS(c, GREETING);
	world_end(&w);
}

static void a_database_that_was_reached_once_still_fails_fast(void **state)
{
	struct world w;

	(void)state;
	world_begin(&w, "pool_mode = transaction\nserver_login_retry = 15s\n");
	struct actor *c = world_session(&w);
	w.logs_in = false;
	leave(world_server(&w, 1));
	say(c, "Q[one]");
	say(world_server(&w, 2), "E[FATAL 57P02 crashed]");
	ASSERT_HEARS(c, "E[ERROR 57P02] Z[I]");
	say(c, "P[two] B[two] E S");
	ASSERT_HEARS(c, "E[ERROR 57P02] Z[I]");
	assert_null(world_server(&w, 3));
	/* And it goes on when the server is back. */
	w.logs_in = w.answers = true;
	world_pass(&w, 20 * USEC_PER_SEC);
	say(c, "Q[three]");
	ASSERT_HEARS(c, "T D[three] C[SELECT 1] Z[I]");
	world_end(&w);
}

static struct client *console_client;

static void on_console_login(struct client *c, void *context)
{
	(void)context;
	console_client = c;
	c->console = (struct console *)(void *)c; /* any pointer: it is closed below */
	client_send_ready(c);
}

static size_t on_console_data(struct client *c, struct slice bytes)
{
	(void)c;
	return bytes.len;
}

static void on_console_close(struct client *c)
{
	c->console = NULL;
	console_client = NULL;
}

static void the_console_takes_its_clients(void **state)
{
	static const char *const names[] = {"pooler", "pgbouncer"};
	char startup[64];
	struct world w;

	(void)state;
	world_begin(&w, "stats_users = statistician\n");
	w.dispatcher.console.on_login = on_console_login;
	w.dispatcher.console.on_data = on_console_data;
	w.dispatcher.console.on_close = on_console_close;
	for (int i = 0; i < 2; i++) {
		snprintf(startup, sizeof(startup), "user=admin;database=%s", names[i]);
		struct actor *c = world_client(&w, startup);
		ASSERT_HEARS(c, "Z[I]");
		assert_true(console_client->is_admin);
		leave(c);
		assert_null(console_client);
	}
	struct actor *c = world_client(&w, "user=statistician;database=pooler");
	assert_false(console_client->is_admin);
	leave(c);
	c = world_client(&w, "user=anna;database=pooler");
	ASSERT_HEARS(c, "E[FATAL 28000]");
	world_is_empty(&w);
	world_end(&w);
}

static void clients_beyond_a_limit_are_told_which(void **state)
{
	static const struct {
		const char *lines, *word;
	} cases[] = {
	    {"max_client_conn = 1", "max_client_conn"},
	    {"max_db_client_connections = 1", "max_db_client_connections"},
	    {"max_user_client_connections = 1", "max_user_client_connections"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct world w;
		world_begin(&w, cases[i].lines);
		struct actor *c = world_session(&w);
		struct actor *more = world_client(&w, "user=anna;database=app");
		assert_non_null(strstr(heard_field(more, 'M'), cases[i].word));
		ASSERT_HEARS(more, "E[FATAL 53300]");
		leave(c);
		world_session(&w);
		world_end(&w);
	}
}

static void a_server_that_goes_away_idle_is_not_handed_out(void **state)
{
	struct world w;

	(void)state;
	world_begin(&w, "pool_mode = transaction\n");
	w.answers = true;
	struct actor *c = world_session(&w);
	/* Both events in one turn: the server's end is seen first. */
	world_server(&w, 1)->peer.has_closed = true;
	fake_peer_poke(&world_server(&w, 1)->peer);
	actor_push(c, "Q[one]");
	fake_peer_poke(&c->peer);
	world_settle(&w);
	ASSERT_HEARS(c, "T D[one] C[SELECT 1] Z[I]");
	assert_non_null(world_server(&w, 2));
	world_end(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(the_first_login_waits_for_a_server_and_gets_its_parameters),
	    cmocka_unit_test(the_next_login_needs_no_server),
	    cmocka_unit_test(a_login_may_arrive_in_any_two_pieces),
	    cmocka_unit_test(a_server_may_greet_in_any_two_pieces),
	    cmocka_unit_test(encryption_is_declined_byte_by_byte),
	    cmocka_unit_test(a_bad_beginning_is_refused_with_its_reason),
	    cmocka_unit_test(garbage_instead_of_a_startup_packet_ends_only_who_sent_it),
	    cmocka_unit_test(a_minor_version_above_ours_is_negotiated_down),
	    cmocka_unit_test(a_server_that_refuses_speaks_for_itself),
	    cmocka_unit_test(a_server_that_cannot_be_reached_is_told_as_08001),
	    cmocka_unit_test(a_server_that_hangs_up_during_its_login_is_told_as_08006),
	    cmocka_unit_test(attempts_grow_rarer_while_the_server_is_full),
	    cmocka_unit_test(a_database_that_was_reached_once_still_fails_fast),
	    cmocka_unit_test(the_console_takes_its_clients),
	    cmocka_unit_test(clients_beyond_a_limit_are_told_which),
	    cmocka_unit_test(a_server_that_goes_away_idle_is_not_handed_out),
	};

	return cmocka_run_group_tests_name("logins", tests, NULL, NULL);
}
