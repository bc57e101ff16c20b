/*
 * Scenarios of servers that do not keep to the protocol: only their own client suffers.
 */
#include "scenario/world.h"

struct saying {
	const char *what;
	const uint8_t *bytes;
	size_t len;
};

#define BYTES(...) (const uint8_t[]){__VA_ARGS__}, sizeof((const uint8_t[]){__VA_ARGS__})

static const struct saying sayings[] = {
    {"no length", BYTES('Z', 0, 0, 0, 3, 'I')},
    {"a negative length", BYTES('D', 0xff, 0xff, 0xff, 0xff)},
    {"zeros", BYTES(0, 0, 0, 0, 0, 0, 0, 0)},
    {"an unknown letter", BYTES('x', 0, 0, 0, 4)},
    {"a letter of clients", BYTES('Q', 0, 0, 0, 4)},
    {"a letter beyond ASCII", BYTES(0xff, 0, 0, 0, 4)},
    {"a ready message that is too long", BYTES('Z', 0, 0, 0, 6, 'I', 'I')},
    {"a ready message without a status", BYTES('Z', 0, 0, 0, 4)},
    {"a huge CommandComplete", BYTES('C', 0x10, 0, 0, 0, 'S')},
    {"a huge ParameterStatus", BYTES('S', 0x10, 0, 0, 0, 'S')},
    {"an answer to another question", BYTES('1', 0, 0, 0, 4)},
    {"copy data without a copy", BYTES('d', 0, 0, 0, 4)},
    {"a login message", BYTES('R', 0, 0, 0, 8, 0, 0, 0, 0)},
    {"a key", BYTES('K', 0, 0, 0, 12, 0, 0, 0, 0, 0, 0, 0, 0)},
    {"HTTP", (const uint8_t *)"HTTP/1.0 400 Bad request\r\n", 26},
};
enum { SAYINGS = sizeof(sayings) / sizeof(sayings[0]) };

struct situation {
	const char *lines;
	/* Returns whom it concerns, NULL for nobody; the server is number 1. */
	struct actor *(*arrange)(struct world *w);
};

static struct actor *idle(struct world *w)
{
	leave(world_session(w));
	return NULL;
}

static struct actor *in_a_query(struct world *w)
{
	struct actor *a = world_session(w);

	say(a, "Q[one]");
	return a;
}

static struct actor *in_a_transaction(struct world *w)
{
	struct actor *a = world_session(w);

	say(a, "Q[begin]");
	say(world_server(w, 1), "C[BEGIN] Z[T]");
	heard(a);
	return a;
}

static struct actor *at_its_parameters(struct world *w)
{
	struct actor *a = world_client(w, "user=anna;database=app;TimeZone=CET");

	heard(a);
	say(a, "Q[one]");
	return a;
}

static struct actor *in_its_reset(struct world *w)
{
	struct actor *a = world_session(w);

	say(a, "Q[one]");
	say(world_server(w, 1), "I Z[I]");
	leave(a);
	return NULL;
}

static const struct situation situations[] = {
    {"pool_mode = transaction\n", idle},
    {"pool_mode = transaction\n", in_a_query},
    {"pool_mode = transaction\n", in_a_transaction},
    {"pool_mode = transaction\n", at_its_parameters},
    {"pool_mode = session\n", in_its_reset},
};

static void garbage_ends_its_server_and_its_client_alone(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(situations) / sizeof(situations[0]); i++) {
		for (size_t k = 0; k < SAYINGS; k++) {
			struct world w;
			world_begin(&w, situations[i].lines);
			struct actor *a = situations[i].arrange(&w);
			struct actor *s = world_server(&w, 1);
			w.answers = true;
			struct actor *b = world_client(&w, "user=otto;database=other");
			heard(b);
			actor_push_bytes(s, slice_of(sayings[k].bytes, sayings[k].len));
			world_settle(&w);
			if (!is_gone(s))
				fail_msg("situation %zu: %s", i, sayings[k].what);
			if (a) {
				ASSERT_HEARS(a, "E[FATAL 08006]");
				assert_true(is_gone(a));
			}
			say(b, "Q[undisturbed]");
			ASSERT_HEARS(b, "T D[undisturbed] C[SELECT 1] Z[I]");
			world_end(&w);
		}
	}
}

static void garbage_at_a_login_is_a_failed_login(void **state)
{
	(void)state;
	for (size_t k = 0; k < SAYINGS; k++) {
		struct world w;
		if (sayings[k].bytes[0] == 'K' || sayings[k].bytes[0] == 'R')
			continue; /* belong there */
		world_begin(&w, "");
		w.logs_in = false;
		struct actor *a = world_client(&w, "user=anna;database=app");
		actor_push_bytes(world_server(&w, 1),
				 slice_of(sayings[k].bytes, sayings[k].len));
		world_settle(&w);
		ASSERT_HEARS(a, "E[FATAL 08P01]");
		assert_true(is_gone(world_server(&w, 1)));
		world_is_empty(&w);
		world_end(&w);
	}
}

static void garbage_at_the_connect_query_is_a_failed_login(void **state)
{
	struct world w;

	(void)state;
	world_begin(&w, "[databases]\nspecial = host=10.0.0.9 connect_query='hello'\n");
	struct actor *a = world_client(&w, "user=anna;database=special");
	say(world_server(&w, 1), "1");
	ASSERT_HEARS(a, "E[FATAL 08P01]");
	world_is_empty(&w);
	world_end(&w);
}

static void a_server_that_only_trickles_a_login_has_an_end(void **state)
{
	struct world w;

	(void)state;
	world_begin(&w, "server_connect_timeout = 15\nquery_wait_timeout = 0\n");
	w.logs_in = false;
	struct actor *a = world_client(&w, "user=anna;database=app");
	for (int i = 0; i < 20 && !is_gone(a); i++) {
		actor_push(world_server(&w, 1), "N[NOTICE 00000]");
		world_pass(&w, USEC_PER_SEC);
	}
	ASSERT_HEARS(a, "E[FATAL 08001]");
	world_is_empty(&w);
	world_end(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(garbage_ends_its_server_and_its_client_alone),
	    cmocka_unit_test(garbage_at_a_login_is_a_failed_login),
	    cmocka_unit_test(garbage_at_the_connect_query_is_a_failed_login),
	    cmocka_unit_test(a_server_that_only_trickles_a_login_has_an_end),
	};

	return cmocka_run_group_tests_name("servers that babble", tests, NULL, NULL);
}
