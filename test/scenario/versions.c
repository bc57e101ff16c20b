/*
 * Scenarios of protocol 3.2: long cancel keys on both sides, and servers that want
 * nothing of it.
 */
#include "relay/control.h"
#include "scenario/world.h"

#include "proto/startup.h"
#include "proto/writer.h"

static const char ANNA[] = "user=anna;database=app",
		  ANNA_3_2[] = "3.2;user=anna;database=app";

static void the_length_of_a_clients_key_is_a_matter_of_its_version(void **state)
{
	static const struct {
		const char *pairs;
		size_t len;
	} cases[] = {{"3.0;user=anna;database=app", 8},
		     {"3.1;user=anna;database=app", 8},
		     {"3.2;user=anna;database=app", 36}};
	struct world w;

	(void)state;
	world_begin(&w, "");
	world_session(&w);
	for (size_t i = 0; i < 3; i++) {
		struct actor *c = world_client(&w, cases[i].pairs);

		ASSERT_HEARS(c, GREETING);
		assert_int_equal(c->key.len, cases[i].len);
	}
	world_end(&w);
}

static void a_long_key_cancels_as_a_whole_only(void **state)
{
	struct world w;

	(void)state;
	world_begin(&w, "pool_mode = transaction\n");
	struct actor *a = world_client(&w, ANNA_3_2);
	ASSERT_HEARS(a, GREETING);
	say(a, "Q[from a]");
	struct actor stranger = *a;
	stranger.key.len = 8;
	assert_true(is_gone(world_canceller(&w, &stranger)));
	stranger.key.len = 35;
	assert_true(is_gone(world_canceller(&w, &stranger)));
	stranger.key.len = 37;
	assert_true(is_gone(world_canceller(&w, &stranger)));
	stranger.key.len = 36;
	stranger.key.bytes[35] ^= 1;
	assert_true(is_gone(world_canceller(&w, &stranger)));
	assert_null(world_cancel(&w));
	struct actor *canceller = world_canceller(&w, a);
	actor_accept(world_cancel(&w));
	world_settle(&w);
	ASSERT_HEARS(world_cancel(&w), "cancel 1");
	leave(world_cancel(&w));
	assert_true(is_gone(canceller));
	world_end(&w);
}

/* A server's BackendKeyData with so many bytes, each of them its place. */
static void push_key(struct actor *s, size_t len)
{
	struct buffer bytes = {0};
	struct writer w = writer_of(&bytes);
	uint8_t key[400];

	for (size_t i = 0; i < len; i++)
		key[i] = (uint8_t)i;
	writer_backend_key(&w, slice_of(key, len));
	assert_true(writer_finish(&w));
	actor_push_bytes(s, buffer_bytes(&bytes));
	buffer_fini(&bytes);
}

static void greet_with_key(struct actor *s, size_t len)
{
	s->has_greeted = true;
	actor_push(s, "R " PARAMETERS);
	push_key(s, len);
	say(s, "Z[I]");
}

static void a_servers_key_is_used_whatever_its_length(void **state)
{
	static const size_t lens[] = {8, 9, 36, 259, 260};

	(void)state;
	for (size_t i = 0; i < 5; i++) {
		struct startup_packet packet;
		struct world w;

		world_begin(&w, "pool_mode = transaction\n");
		w.logs_in = false;
		struct actor *a = world_client(&w, ANNA), *s = world_server(&w, 1);
		assert_int_equal(s->version, STARTUP_PROTOCOL_3_2);
		greet_with_key(s, lens[i]);
		ASSERT_HEARS(a, GREETING);
		say(a, "Q[from a]");
		world_canceller(&w, a);
		struct actor *x = world_cancel(&w);
		actor_accept(x);
		world_settle(&w);
		struct slice told = fake_peer_received(&x->peer);
		assert_int_equal(startup_peek(told, &packet), STARTUP_CANCEL);
		assert_int_equal(told.len, packet.total_len);
		assert_int_equal(packet.cancel_key.len, lens[i]);
		for (size_t j = 0; j < lens[i]; j++)
			assert_int_equal(packet.cancel_key.data[j], j & 255);
		leave(x);
		world_end(&w);
	}
}

static void what_is_no_key_is_not_used(void **state)
{
	static const size_t lens[] = {0, 7, 261, 400};

	(void)state;
	for (size_t i = 0; i < 4; i++) {
		struct world w;

		world_begin(&w, "pool_mode = transaction\n");
		w.logs_in = false;
		struct actor *a = world_client(&w, ANNA), *s = world_server(&w, 1);
		greet_with_key(s, lens[i]);
		ASSERT_HEARS(a, GREETING);
		say(a, "Q[from a]");
		assert_true(is_gone(world_canceller(&w, a)));
		assert_null(world_cancel(&w));
		world_end(&w);
	}
}

static void push_negotiation(struct actor *s, uint32_t version, uint32_t unknown)
{
	struct buffer bytes = {0};
	struct writer w = writer_of(&bytes);

	writer_begin(&w, 'v');
	writer_u32(&w, version);
	writer_u32(&w, unknown);
	for (uint32_t i = 0; i < unknown; i++)
		writer_text(&w, "_pq_.x");
	writer_end(&w);
	assert_true(writer_finish(&w));
	actor_push_bytes(s, buffer_bytes(&bytes));
	buffer_fini(&bytes);
}

/* As PostgreSQL 15 does. */
static void a_server_may_answer_with_an_older_version_in_the_same_flight(void **state)
{
	struct world w;

	(void)state;
	world_begin(&w, "default_pool_size = 2\n");
	w.logs_in = false;
	struct actor *a = world_client(&w, ANNA);
	push_negotiation(world_server(&w, 1), STARTUP_PROTOCOL_3_0, 0);
	actor_greet(world_server(&w, 1));
	world_settle(&w);
	ASSERT_HEARS(a, GREETING);
	assert_null(world_server(&w, 2));
	/* It did not mind, so the next one is asked, too. */
	struct actor *b = world_session(&w);
	say(a, "Q[one]");
	say(b, "Q[two]");
	assert_int_equal(world_server(&w, 2)->version, STARTUP_PROTOCOL_3_2);
	world_end(&w);
}

static void a_negotiation_that_makes_no_sense_ends_the_login(void **state)
{
	(void)state;
	for (int how = 0; how < 4; how++) {
		struct world w;

		world_begin(&w, "");
		w.logs_in = false;
		struct actor *a = world_client(&w, ANNA), *s = world_server(&w, 1);
		if (how == 0)
			push_negotiation(s, STARTUP_PROTOCOL_3_2 + 1, 0);
		else if (how == 1)
			push_negotiation(s, STARTUP_PROTOCOL_3_0, 1);
		else if (how == 2)
			push_negotiation(s, 2 << 16, 0);
		else
			actor_push(s, "R");
		if (how == 3)
			push_negotiation(s, STARTUP_PROTOCOL_3_0, 0);
		world_settle(&w);
		ASSERT_HEARS(a, "E[FATAL 08P01]");
		assert_true(is_gone(s));
		assert_null(world_server(&w, 2));
		world_end(&w);
	}
}

/* How servers and proxies say that they know 3.0 only; NULL: by hanging up. */
static const char *const refusals[] = {
    NULL, "E[FATAL 0A000 unsupported frontend protocol 3.2: server supports 1.0 to 3.0]",
    "E[FATAL 08P01 bad packet header]"};

static void who_ends_a_connection_that_asks_for_3_2_is_asked_for_3_0(void **state)
{
	(void)state;
	for (size_t i = 0; i < 3; i++) {
		struct world w;

		world_begin(&w, "");
		w.logs_in = false;
		struct actor *a = world_client(&w, ANNA_3_2), *s = world_server(&w, 1);
		if (refusals[i])
			say(s, refusals[i]);
		else
			leave(s);
		assert_true(is_gone(s));
		ASSERT_HEARS(a, "");
		struct actor *second = world_server(&w, 2);
		assert_int_equal(second->version, STARTUP_PROTOCOL_3_0);
		assert_string_equal(second->startup, s->startup);
		actor_greet(second);
		world_settle(&w);
		ASSERT_HEARS(a, GREETING);
		assert_int_equal(a->key.len, CANCELS_LONG_LEN);
		/* The pool remembers. */
		w.logs_in = true;
		struct actor *b = world_session(&w);
		say(a, "Q[one]");
		say(b, "Q[two]");
		assert_int_equal(world_server(&w, 3)->version, STARTUP_PROTOCOL_3_0);
		assert_null(world_server(&w, 4));
		world_end(&w);
	}
}

static void another_refusal_is_no_matter_of_the_version(void **state)
{
	struct world w;

	(void)state;
	world_begin(&w, "");
	w.logs_in = false;
	struct actor *a = world_client(&w, ANNA);
	say(world_server(&w, 1), "E[FATAL 28000 no pg_hba.conf entry]");
	ASSERT_HEARS(a, "E[FATAL 28000]");
	assert_null(world_server(&w, 2));
	world_end(&w);
}

static void who_does_not_answer_at_all_is_asked_for_less_the_next_time(void **state)
{
	struct world w;

	(void)state;
	world_begin(&w, "server_connect_timeout = 2\nserver_login_retry = 1\n");
	w.logs_in = false;
	struct actor *a = world_client(&w, ANNA), *b = NULL;
	world_pass(&w, 2 * USEC_PER_SEC);
	ASSERT_HEARS(a, "E[FATAL 08001]");
	for (int i = 0; i < 100 && !world_server(&w, 2); i++) {
		world_pass(&w, USEC_PER_SEC / 10);
		b = world_client(&w, ANNA);
	}
	struct actor *s = world_server(&w, 2);
	assert_int_equal(s->version, STARTUP_PROTOCOL_3_0);
	actor_greet(s);
	world_settle(&w);
	ASSERT_HEARS(b, GREETING);
	world_end(&w);
}

/* The one that knew 3.0 only may have been replaced. */
static void who_fails_with_3_0_is_asked_for_more_the_next_time(void **state)
{
	struct world w;

	(void)state;
	world_begin(&w, "server_login_retry = 0\n");
	w.logs_in = false;
	struct actor *a = world_client(&w, ANNA);
	leave(world_server(&w, 1));
	actor_greet(world_server(&w, 2));
	world_settle(&w);
	ASSERT_HEARS(a, GREETING);
	leave(world_server(&w, 2));
	say(a, "Q[one]");
	assert_int_equal(world_server(&w, 3)->version, STARTUP_PROTOCOL_3_0);
	leave(world_server(&w, 3));
	ASSERT_HEARS(a, "E[ERROR 08006] Z[I]");
	world_pass(&w, USEC_PER_SEC);
	say(a, "Q[two]");
	assert_int_equal(world_server(&w, 4)->version, STARTUP_PROTOCOL_3_2);
	world_end(&w);
}

static void reconnecting_forgets_who_wanted_less(void **state)
{
	struct world w;

	(void)state;
	world_begin(&w, "");
	w.logs_in = false;
	struct actor *a = world_client(&w, ANNA);
	leave(world_server(&w, 1));
	actor_greet(world_server(&w, 2));
	world_settle(&w);
	ASSERT_HEARS(a, GREETING);
	control_reconnect(&w.dispatcher, NULL);
	world_settle(&w);
	say(a, "Q[one]");
	assert_int_equal(world_server(&w, 3)->version, STARTUP_PROTOCOL_3_2);
	world_end(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(the_length_of_a_clients_key_is_a_matter_of_its_version),
	    cmocka_unit_test(a_long_key_cancels_as_a_whole_only),
	    cmocka_unit_test(a_servers_key_is_used_whatever_its_length),
	    cmocka_unit_test(what_is_no_key_is_not_used),
	    cmocka_unit_test(
		a_server_may_answer_with_an_older_version_in_the_same_flight),
	    cmocka_unit_test(a_negotiation_that_makes_no_sense_ends_the_login),
	    cmocka_unit_test(who_ends_a_connection_that_asks_for_3_2_is_asked_for_3_0),
	    cmocka_unit_test(another_refusal_is_no_matter_of_the_version),
	    cmocka_unit_test(who_does_not_answer_at_all_is_asked_for_less_the_next_time),
	    cmocka_unit_test(who_fails_with_3_0_is_asked_for_more_the_next_time),
	    cmocka_unit_test(reconnecting_forgets_who_wanted_less),
	};

	return cmocka_run_group_tests_name("versions of the protocol", tests, NULL, NULL);
}
