/*
 * Scenarios in which one side goes away, in every state: nothing of it is left, the other
 * side is told or made fit for the next, and nobody else notices.
 */
#include "relay/control.h"
#include "scenario/world.h"

#include <errno.h>

/* The two ways to go. */
static void (*const ways[])(struct actor *) = {leave, break_off};
enum { WAYS = 2 };

/* In each test somebody else works on the same pooler, before and after. */
struct bystander {
	struct actor *client;
};

static struct bystander bystander_begin(struct world *w)
{
	struct bystander b;

	w->answers = true;
	b.client = world_client(w, "user=otto;database=other");
	ASSERT_HEARS(b.client, GREETING);
	w->answers = false;
	return b;
}

static void bystander_end(struct bystander *b)
{
	say(b->client, "Q[undisturbed]");
	ASSERT_HEARS(b->client, "T D[undisturbed] C[SELECT 1] Z[I]");
	say(b->client, "X");
	assert_true(is_gone(b->client));
}

static void push_part(struct actor *a, const char *script, size_t len)
{
	struct buffer bytes = {0};

	script_write(&bytes, a->kind == ACTOR_CLIENT ? FROM_CLIENT : FROM_SERVER, script);
	actor_push_bytes(a, slice_first(buffer_bytes(&bytes), len));
	buffer_fini(&bytes);
	world_settle(a->world);
}

/* ---- clients ---- */

/* Brings a client into its state; it is gone afterwards. free: servers that remain, the
 * bystander's included. */
struct client_case {
	const char *state;
	const char *lines;
	unsigned free;
	struct actor *(*arrange)(struct world *w);
};

static struct actor *before_startup(struct world *w)
{
	return world_connect(w);
}

static struct actor *in_startup(struct world *w)
{
	struct actor *a = world_connect(w);

	actor_push_bytes(a, slice_of("\0\0\0\x30\0\3\0\0user", 12));
	world_settle(w);
	return a;
}

static struct actor *waiting_for_the_first_server(struct world *w)
{
	w->accepts = false;
	struct actor *a = world_client(w, "user=anna;database=app");
	assert_int_equal(client_of(a)->state, CLIENT_WAITING);
	return a;
}

static struct actor *idle(struct world *w)
{
	return world_session(w);
}

static struct actor *waiting(struct world *w)
{
	struct actor *a = world_session(w);

	control_pause(&w->dispatcher, world_pool(w, "app", "anna")->database_usage);
	say(a, "Q[one]");
	assert_int_equal(client_of(a)->state, CLIENT_WAITING);
	return a;
}

static struct actor *idle_in_transaction(struct world *w)
{
	struct actor *a = world_session(w);

	say(a, "Q[begin]");
	say(world_server(w, 2), "C[BEGIN] Z[T]");
	return a;
}

static struct actor *idle_in_session(struct world *w)
{
	struct actor *a = world_session(w);

	say(a, "Q[one]");
	say(world_server(w, 2), "I Z[I]");
	assert_int_equal(client_of(a)->state, CLIENT_LINKED);
	/* Its server is reset and the answer comes at once. */
	world_server(w, 2)->answers = true;
	heard(world_server(w, 2));
	return a;
}

static struct actor *in_a_query(struct world *w)
{
	struct actor *a = world_session(w);

	say(a, "Q[one]");
	say(world_server(w, 2), "T D[1]");
	return a;
}

static struct actor *in_half_a_row(struct world *w)
{
	struct actor *a = world_session(w);

	say(a, "Q[one]");
	push_part(world_server(w, 2), "D[a row of some length]", 12);
	return a;
}

static struct actor *in_half_a_message(struct world *w)
{
	struct actor *a = world_session(w);
	char script[STREAM_KEEP_MAX + 16];

	/* A shorter one would be kept until it is whole. */
	snprintf(script, sizeof(script), "Q[%0*d]", STREAM_KEEP_MAX, 1);
	push_part(a, script, 12);
	assert_int_equal(client_of(a)->state, CLIENT_LINKED);
	return a;
}

static struct actor *in_half_a_header(struct world *w)
{
	struct actor *a = world_session(w);

	push_part(a, "Q[select something]", 3);
	assert_int_equal(client_of(a)->state, CLIENT_IDLE);
	return a;
}

static struct actor *in_a_copy(struct world *w)
{
	struct actor *a = world_session(w);

	say(a, "Q[copy in]");
	say(world_server(w, 2), "G");
	say(a, "d[data]");
	return a;
}

static struct actor *while_its_parameters_are_set(struct world *w)
{
	struct actor *a = world_client(w, "user=anna;database=app;TimeZone=CET");

	say(a, "Q[one]");
	ASSERT_HEARS(world_server(w, 2), "Q[SET \"TimeZone\" = 'CET';]");
	return a;
}

static struct actor *while_being_refused(struct world *w)
{
	struct actor *a = world_session(w);

	say(a, "P[one] B[one]");
	assert_int_equal(client_of(a)->is_skipping, true);
	return a;
}

static const struct client_case client_cases[] = {
    {"before startup", "", 1, before_startup},
    {"in startup", "", 1, in_startup},
    {"idle", "", 2, idle},
    {"idle in transaction", "", 1, idle_in_transaction},
    {"idle in session", "pool_mode = session\n", 2, idle_in_session},
    {"in a query", "", 1, in_a_query},
    {"in half a row", "", 1, in_half_a_row},
    {"in half a message", "", 1, in_half_a_message},
    {"in half a header", "", 2, in_half_a_header},
    {"in a copy", "", 1, in_a_copy},
    {"while its parameters are set", "", 1, while_its_parameters_are_set},
    {"waiting", "", 1, waiting},
};

static void no_cancel_is_left(struct world *w)
{
	struct actor *x;

	TAILQ_FOREACH (x, &w->actors, place)
		if (x->kind == ACTOR_CANCEL && x->connector) {
			actor_accept(x);
			world_settle(w);
			leave(x);
		}
}

static void a_client_may_go_in_any_state(void **state)
{
	char lines[256];

	(void)state;
	for (size_t i = 0; i < sizeof(client_cases) / sizeof(client_cases[0]); i++) {
		const struct client_case *this = &client_cases[i];
		for (int way = 0; way < WAYS; way++) {
			struct world w;
			snprintf(lines, sizeof(lines), "pool_mode = transaction\n%s",
				 this->lines);
			world_begin(&w, lines);
			struct bystander b = bystander_begin(&w);
			struct actor *a = this->arrange(&w);
			ways[way](a);
			if (!is_gone(a))
				fail_msg("%s: still there", this->state);
			/* A server that does not answer cannot be saved. */
			world_pass(&w, 10 * USEC_PER_SEC);
			no_cancel_is_left(&w);
			bystander_end(&b);
			world_has_free_servers(&w, this->free);
			world_end(&w);
		}
	}
}

static void a_login_may_go_while_its_server_is_opened(void **state)
{
	(void)state;
	for (int way = 0; way < WAYS; way++) {
		struct world w;
		world_begin(&w, "pool_mode = transaction\n");
		struct bystander b = bystander_begin(&w);
		struct actor *a = waiting_for_the_first_server(&w);
		ways[way](a);
		assert_true(is_gone(a));
		w.accepts = true;
		bystander_end(&b);
		world_has_free_servers(&w, 2);
		world_end(&w);
	}
}

static void a_client_may_go_after_a_refusal(void **state)
{
	(void)state;
	for (int way = 0; way < WAYS; way++) {
		struct world w;
		world_begin(&w, "pool_mode = transaction\nmax_queue = 0\n"
				"default_pool_size = 1\n");
		struct bystander b = bystander_begin(&w);
		struct actor *holder = idle_in_transaction(&w);
		struct actor *a = while_being_refused(&w);
		ways[way](a);
		assert_true(is_gone(a));
		say(holder, "Q[commit]");
		say(world_server(&w, 2), "C[COMMIT] Z[I]");
		leave(holder);
		bystander_end(&b);
		world_has_free_servers(&w, 2);
		world_end(&w);
	}
}

static void a_client_may_go_while_its_server_is_reset_already(void **state)
{
	struct world w;

	(void)state;
	world_begin(&w, "pool_mode = transaction\nserver_reset_query_always = 1\n");
	struct actor *a = world_session(&w), *s = world_server(&w, 1);
	say(a, "Q[one]");
	say(s, "I Z[I]");
	ASSERT_HEARS(s, "Q[one] Q[DISCARD ALL]");
	leave(a);
	say(s, "C[DISCARD ALL] Z[I]");
	world_has_free_servers(&w, 1);
	world_end(&w);
}

static void the_last_words_of_a_client_that_does_not_listen_have_an_end(void **state)
{
	struct world w;

	(void)state;
	world_begin(&w, "");
	struct actor *a = world_connect(&w);
	a->stays = true;
	script_write_startup(&a->peer.sent, "user=anna;database=nowhere");
	world_settle(&w);
	assert_true(a->peer.was_shut_down);
	assert_false(is_gone(a));
	world_pass(&w, 5 * USEC_PER_SEC);
	assert_true(is_gone(a));
	world_is_empty(&w);
	world_end(&w);
}

static void a_client_that_takes_no_bytes_at_all_is_let_go(void **state)
{
	struct world w;

	(void)state;
	world_begin(&w, "");
	struct actor *a = world_connect(&w);
	a->peer.room = 0;
	script_write_startup(&a->peer.sent, "user=anna;database=nowhere");
	world_settle(&w);
	assert_false(is_gone(a));
	world_pass(&w, 5 * USEC_PER_SEC);
	assert_true(is_gone(a));
	world_is_empty(&w);
	world_end(&w);
}

/* ---- servers ---- */

struct server_case {
	const char *state;
	const char *lines;
	struct actor *(*arrange)(struct world *w); /* its client; server 2 goes */
	const char *told;
};

static const struct server_case server_cases[] = {
    {"idle", "", idle, ""},
    {"idle in transaction", "", idle_in_transaction, "C[BEGIN] Z[T] E[FATAL 08006]"},
    {"idle in session", "pool_mode = session\n", idle_in_session,
     "I Z[I] E[FATAL 08006]"},
    {"in a query", "", in_a_query, "T D[1] E[FATAL 08006]"},
    {"in half a row", "", in_half_a_row, NULL},
    {"in half a message", "", in_half_a_message, "E[FATAL 08006]"},
    {"in a copy", "", in_a_copy, "G E[FATAL 08006]"},
    {"while parameters are set", "", while_its_parameters_are_set, NULL},
};

static void a_server_may_go_in_any_state(void **state)
{
	char lines[256];

	(void)state;
	for (size_t i = 0; i < sizeof(server_cases) / sizeof(server_cases[0]); i++) {
		const struct server_case *this = &server_cases[i];
		for (int way = 0; way < WAYS; way++) {
			struct world w;
			snprintf(lines, sizeof(lines), "pool_mode = transaction\n%s",
				 this->lines);
			world_begin(&w, lines);
			struct bystander b = bystander_begin(&w);
			struct actor *a = this->arrange(&w);
			ways[way](world_server(&w, 2));
			assert_true(is_gone(world_server(&w, 2)));
			if (this->told && strcmp(heard(a), this->told) != 0)
				fail_msg("%s: %s", this->state, a->told);
			if (strcmp(this->state, "idle") == 0)
				leave(a);
			assert_true(is_gone(a));
			bystander_end(&b);
			world_has_free_servers(&w, 1);
			world_end(&w);
		}
	}
}

static void a_server_may_go_while_it_logs_in(void **state)
{
	(void)state;
	for (int way = 0; way < WAYS; way++) {
		struct world w;
		world_begin(&w, "pool_mode = transaction\n");
		struct bystander b = bystander_begin(&w);
		w.logs_in = false;
		struct actor *a = world_client(&w, "user=anna;database=app");
		say(world_server(&w, 2), "R S[TimeZone=UTC]");
		ways[way](world_server(&w, 2));
		ASSERT_HEARS(a, "E[FATAL 08006]");
		bystander_end(&b);
		world_has_free_servers(&w, 1);
		world_end(&w);
	}
}

static void a_server_may_go_while_it_is_cleaned(void **state)
{
	(void)state;
	for (int way = 0; way < WAYS; way++) {
		struct world w;
		world_begin(&w, "pool_mode = session\n");
		struct actor *a = world_session(&w), *s = world_server(&w, 1);
		say(a, "Q[one]");
		say(s, "I Z[I]");
		leave(a);
		ASSERT_HEARS(s, "Q[one] Q[DISCARD ALL]");
		ways[way](s);
		world_is_empty(&w);
		world_end(&w);
	}
}

static void a_server_may_go_while_it_is_checked_and_another_is_opened(void **state)
{
	(void)state;
	for (int way = 0; way < WAYS; way++) {
		struct world w;
		world_begin(&w, "pool_mode = transaction\nserver_check_delay = 30\n");
		struct actor *a = world_session(&w), *s = world_server(&w, 1);
		world_pass(&w, 31 * USEC_PER_SEC);
		say(a, "Q[one]");
		ASSERT_HEARS(s, "Q");
		assert_int_equal(client_of(a)->state, CLIENT_WAITING);
		ways[way](s);
		ASSERT_HEARS(world_server(&w, 2), "Q[one]");
		say(world_server(&w, 2), "I Z[I]");
		ASSERT_HEARS(a, "I Z[I]");
		world_end(&w);
	}
}

static void a_server_that_fails_in_its_connect_query_is_not_tried_at_once(void **state)
{
	struct world w;

	(void)state;
	world_begin(&w,
		    "[databases]\nspecial = host=10.0.0.9 connect_query='select 1'\n");
	struct actor *a = world_client(&w, "user=anna;database=special");
	ASSERT_HEARS(world_server(&w, 1), "Q[select 1]");
	leave(world_server(&w, 1));
	ASSERT_HEARS(a, "E[FATAL 08006]");
	world_client(&w, "user=anna;database=special");
	assert_null(world_server(&w, 2));
	world_end(&w);
}

static void the_last_words_of_a_server_reach_its_client(void **state)
{
	struct world w;

	(void)state;
	world_begin(&w, "pool_mode = transaction\n");
	struct actor *a = world_session(&w), *s = world_server(&w, 1);
	say(a, "Q[begin]");
	say(s, "C[BEGIN] Z[T]");
	actor_push(s, "E[FATAL 57P01 terminating connection]");
	leave(s);
	ASSERT_HEARS(a, "C[BEGIN] Z[T] E[FATAL 57P01]");
	assert_true(is_gone(a));
	world_is_empty(&w);
	world_end(&w);
}

static void a_server_that_announces_its_end_is_not_used_again(void **state)
{
	struct world w;

	(void)state;
	world_begin(&w, "pool_mode = transaction\n");
	struct actor *a = world_session(&w), *s = world_server(&w, 1);
	say(s, "E[FATAL 57P01 terminating connection]");
	say(a, "Q[one]");
	assert_non_null(world_server(&w, 2));
	ASSERT_HEARS(s, "X");
	assert_true(is_gone(s));
	world_end(&w);
}

/* A write fails first; what the server said before is still read. */
static void a_failed_write_leaves_the_servers_last_words(void **state)
{
	struct world w;

	(void)state;
	world_begin(&w, "pool_mode = session\n");
	struct actor *a = world_session(&w), *s = world_server(&w, 1);
	say(a, "Q[one]");
	say(s, "I Z[I]");
	ASSERT_HEARS(a, "I Z[I]");
	actor_push(s, "E[FATAL 57P01 terminating connection]");
	s->peer.write_error = EPIPE;
	s->peer.has_closed = true;
	actor_push(a, "Q[two]");
	fake_peer_poke(&a->peer);
	world_settle(&w);
	ASSERT_HEARS(a, "E[FATAL 57P01]");
	assert_true(is_gone(a));
	world_is_empty(&w);
	world_end(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_client_may_go_in_any_state),
	    cmocka_unit_test(a_login_may_go_while_its_server_is_opened),
	    cmocka_unit_test(a_client_may_go_after_a_refusal),
	    cmocka_unit_test(a_client_may_go_while_its_server_is_reset_already),
	    cmocka_unit_test(the_last_words_of_a_client_that_does_not_listen_have_an_end),
	    cmocka_unit_test(a_client_that_takes_no_bytes_at_all_is_let_go),
	    cmocka_unit_test(a_server_may_go_in_any_state),
	    cmocka_unit_test(a_server_may_go_while_it_logs_in),
	    cmocka_unit_test(a_server_may_go_while_it_is_cleaned),
	    cmocka_unit_test(a_server_may_go_while_it_is_checked_and_another_is_opened),
	    cmocka_unit_test(
		a_server_that_fails_in_its_connect_query_is_not_tried_at_once),
	    cmocka_unit_test(the_last_words_of_a_server_reach_its_client),
	    cmocka_unit_test(a_server_that_announces_its_end_is_not_used_again),
	    cmocka_unit_test(a_failed_write_leaves_the_servers_last_words),
	};

	return cmocka_run_group_tests_name("going away", tests, NULL, NULL);
}
