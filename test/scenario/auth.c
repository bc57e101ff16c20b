/*
 * Scenarios of clients that prove who they are: who comes in by which method, who does
 * not, and what each is told.
 */
#include "auth/remembered.h"
#include "scenario/methods.h"

/* ---- who comes in ---- */

static void the_right_password_comes_in_by_every_method(void **state)
{
	(void)state;
	for (size_t i = 0; i < METHODS; i++) {
		struct world w;

		world_of_method(&w, i);
		struct actor *c = prover_client(&w, ANNA, PASSWORD);
		assert_int_equal(prover_is_content(c), methods[i].comes_in);
		if (methods[i].comes_in) {
			ASSERT_HEARS(c, GREETING);
			say(c, "X");
			world_has_free_servers(&w, 1);
		} else {
			ASSERT_HEARS(c, "E[FATAL 28P01]");
			assert_null(world_server(&w, 1));
			world_is_empty(&w);
		}
		world_end(&w);
	}
}

/* Those who are not known, or whose secret does not serve, are told nothing else. */
static void a_wrong_password_is_refused_alike_by_every_method(void **state)
{
	static const char *const users[] = {"anna", "nobody"};
	char pairs[64], message[80];

	(void)state;
	for (size_t i = 0; i < METHODS; i++) {
		struct world w;

		world_of_method(&w, i);
		for (size_t j = 0; j < 2; j++) {
			snprintf(pairs, sizeof(pairs), "user=%s;database=app", users[j]);
			struct actor *c = prover_client(&w, pairs, "looking glass");
			snprintf(message, sizeof(message),
				 "password authentication failed for user \"%s\"",
				 users[j]);
			assert_string_equal(heard_field(c, 'M'), message);
			assert_string_equal(heard_field(c, 'D'), "");
			assert_string_equal(heard_field(c, 'H'), "");
			ASSERT_HEARS(c, "E[FATAL 28P01]");
			assert_true(is_gone(c));
		}
		assert_null(world_server(&w, 1));
		world_is_empty(&w);
		world_end(&w);
	}
}

/* The first request that a client hears, as bytes. */
static size_t first_request(struct world *w, const char *user, uint8_t out[100])
{
	char pairs[64];

	snprintf(pairs, sizeof(pairs), "user=%s;database=app", user);
	struct actor *c = world_client(w, pairs);
	struct slice heard_bytes = fake_peer_received(&c->peer);
	size_t len = heard_bytes.len;

	assert_true(len > 0 && len < 100);
	memcpy(out, heard_bytes.data, len);
	leave(c);
	return len;
}

static void world_of_method_by_reload(struct world *w, size_t i)
{
	char secret[PROVING_TEXT_LEN];

	world_of_method(w, (i + 1) % METHODS);
	world_reload(w, lines_of(methods[i].type, secret_of(methods[i].stored, secret)));
}

static void who_is_not_known_is_asked_the_same(void **state)
{
	uint8_t known[100], unknown[100];

	(void)state;
	for (size_t i = 0; i < 2 * METHODS; i++) {
		struct world w;

		if (i < METHODS)
			world_of_method(&w, i);
		else
			world_of_method_by_reload(&w, i - METHODS);
		size_t len = first_request(&w, "anna", known);
		assert_int_equal(first_request(&w, "nobody", unknown), len);
		/* All but the salt of md5. */
		assert_memory_equal(known, unknown, len < 13 ? len : 9);
		world_is_empty(&w);
		world_end(&w);
	}
}

/* With every number of bytes per read, so every message is cut at each of its bytes; the
 * longest has 130. */
static void a_login_may_arrive_in_pieces_of_any_size(void **state)
{
	(void)state;
	for (size_t i = 0; i < METHODS; i++) {
		for (size_t most = 1; most <= 140 && methods[i].comes_in; most++) {
			struct world w;

			/* PBKDF2 with all its iterations takes its time. */
			if (methods[i].stored == PLAIN && methods[i].type[0] == 's' &&
			    most % 9 != 1)
				continue;
			world_of_method(&w, i);
			struct actor *c = prover_connect(&w, ANNA, PASSWORD);
			c->peer.read_most = most;
			c->peer.write_most = 1 + most % 7;
			world_settle(&w);
			assert_true(prover_is_content(c));
			ASSERT_HEARS(c, GREETING);
			say(c, "X");
			world_has_free_servers(&w, 1);
			world_end(&w);
		}
	}
}

static void the_next_login_of_a_user_is_as_good_as_the_first(void **state)
{
	(void)state;
	for (size_t i = 0; i < METHODS; i++) {
		struct world w;

		if (!methods[i].comes_in)
			continue;
		world_of_method(&w, i);
		for (int times = 0; times < 3; times++) {
			struct actor *c = prover_client(&w, ANNA, PASSWORD);
			ASSERT_HEARS(c, GREETING);
			say(c, "X");
			c = prover_client(&w, ANNA, "looking glass");
			ASSERT_HEARS(c, "E[FATAL 28P01]");
		}
		world_has_free_servers(&w, 1);
		world_end(&w);
	}
}

static void what_follows_the_last_message_at_once_is_served(void **state)
{
	static const uint8_t password[] = {'p', 0,   0,   0,   15,  'w', 'o', 'n',
					   'd', 'e', 'r', 'l', 'a', 'n', 'd', 0};

	(void)state;
	/* A client that knows what it will be asked says all in one breath. */
	for (int has_server = 0; has_server < 2; has_server++) {
		struct world w;

		world_begin(&w, lines_of("plain", PASSWORD));
		w.answers = true;
		if (has_server)
			leave(prover_client(&w, ANNA, PASSWORD));
		struct actor *c = world_connect(&w);
		script_write_startup(&c->peer.sent, ANNA);
		actor_push_bytes(c, slice_of(password, sizeof(password)));
		say(c, "Q[one]");
		fake_peer_drop(&c->peer, 9); /* the request */
		ASSERT_HEARS(c, GREETING " T D[one] C[SELECT 1] Z[I]");
		world_end(&w);
	}
}

static void a_password_of_any_length_is_heard_to_its_end(void **state)
{
	static const size_t lens[] = {
	    1, 100, 1000, 9999, 12000, 30000, LOGIN_PASSWORD_MAX};
	static const size_t mosts[] = {1000, 8192, SIZE_MAX};
	static char password[LOGIN_PASSWORD_MAX + 1];
	char verifier[PROVING_TEXT_LEN];

	(void)state;
	for (size_t i = 0; i < sizeof(lens) / sizeof(lens[0]); i++) {
		for (size_t j = 0; j < sizeof(mosts) / sizeof(mosts[0]); j++) {
			struct world w;

			memset(password, 'w', lens[i]);
			password[lens[i]] = '\0';
			world_begin(&w, lines_of("plain", proving_verifier(password, 'a',
									   verifier)));
			struct actor *c = prover_connect(&w, ANNA, password);
			c->peer.read_most = mosts[j];
			world_settle(&w);
			ASSERT_HEARS(c, GREETING);
			password[lens[i] - 1] = 'v';
			c = prover_connect(&w, ANNA, password);
			c->peer.read_most = mosts[j];
			world_settle(&w);
			ASSERT_HEARS(c, "E[FATAL 28P01]");
			world_end(&w);
		}
	}
}

/* PBKDF2 takes milliseconds: it is not to run again for the same password. */
static void what_a_password_was_stretched_to_is_kept_once_it_was_right(void **state)
{
	struct world w;

	(void)state;
	world_begin(&w, lines_of("scram-sha-256", PASSWORD));
	struct remembered *kept = w.dispatcher.logins.remembered;
	prover_client(&w, ANNA, "looking glass");
	prover_client(&w, "user=nobody;database=app", PASSWORD);
	assert_null(remembered_find(kept, slice_of_text("anna")));
	assert_null(remembered_find(kept, slice_of_text("nobody")));
	prover_client(&w, ANNA, PASSWORD);
	assert_non_null(remembered_find(kept, slice_of_text("anna")));
	world_end(&w);
}

/* ---- order of checks ---- */

static void a_missing_database_is_told_only_to_who_has_come_in(void **state)
{
	(void)state;
	for (size_t i = 0; i < METHODS; i++) {
		struct world w;

		if (!methods[i].comes_in)
			continue;
		world_of_method(&w, i);
		struct actor *c =
		    prover_client(&w, "user=anna;database=nowhere", PASSWORD);
		ASSERT_HEARS(c, "E[FATAL 3D000]");
		c = prover_client(&w, "user=anna;database=nowhere", "looking glass");
		ASSERT_HEARS(c, "E[FATAL 28P01]");
		c = prover_client(&w, "user=nobody;database=nowhere", PASSWORD);
		ASSERT_HEARS(c, "E[FATAL 28P01]");
		world_is_empty(&w);
		world_end(&w);
	}
}

static void limits_of_a_database_are_told_only_to_who_has_come_in(void **state)
{
	char lines[700];
	struct world w;

	(void)state;
	snprintf(lines, sizeof(lines), "%smax_db_client_connections = 1\n",
		 lines_of("md5", PASSWORD));
	world_begin(&w, lines);
	struct actor *first = prover_client(&w, ANNA, PASSWORD);
	ASSERT_HEARS(first, GREETING);
	struct actor *c = prover_client(&w, ANNA, "looking glass");
	ASSERT_HEARS(c, "E[FATAL 28P01]");
	c = prover_client(&w, ANNA, PASSWORD);
	ASSERT_HEARS(c, "E[FATAL 53300]");
	leave(first);
	c = prover_client(&w, ANNA, PASSWORD);
	ASSERT_HEARS(c, GREETING);
	world_end(&w);
}

static void a_password_before_the_startup_packet_is_no_login(void **state)
{
	struct world w;

	(void)state;
	world_begin(&w, lines_of("plain", PASSWORD));
	struct actor *c = world_connect(&w);
	say(c, "p[" PASSWORD "]");
	ASSERT_HEARS(c, "E[FATAL 08P01]");
	assert_true(is_gone(c));
	world_is_empty(&w);
	world_end(&w);
}

/* Instead of a password. */
static void who_says_something_else_is_not_let_in(void **state)
{
	static const char *const words[] = {
	    "Q[select 1]", "S", "p", "p[]", "X", "P[x] B[x] E S", "d[wonderland]"};

	(void)state;
	for (size_t i = 0; i < METHODS; i++) {
		struct world w;

		world_of_method(&w, i);
		for (size_t j = 0; j < sizeof(words) / sizeof(words[0]); j++) {
			struct actor *c = world_client(&w, ANNA);
			fake_peer_drop(&c->peer, fake_peer_received(&c->peer).len);
			say(c, words[j]);
			ASSERT_HEARS(c, "E[FATAL 08P01]");
			assert_true(is_gone(c));
		}
		assert_null(world_server(&w, 1));
		world_is_empty(&w);
		world_end(&w);
	}
}

static void what_is_no_password_is_refused_at_its_first_byte(void **state)
{
	(void)state;
	for (size_t i = 0; i < METHODS; i++) {
		struct world w;

		world_of_method(&w, i);
		struct actor *c = world_client(&w, ANNA);
		fake_peer_drop(&c->peer, fake_peer_received(&c->peer).len);
		actor_push_bytes(c, slice_of_text("Q"));
		world_settle(&w);
		ASSERT_HEARS(c, "E[FATAL 08P01]");
		world_is_empty(&w);
		world_end(&w);
	}
}

static void a_password_message_without_end_is_refused_at_its_head(void **state)
{
	static const uint8_t head[] = {'p', 0, 2, 0, 0};

	(void)state;
	for (size_t i = 0; i < METHODS; i++) {
		struct world w;

		world_of_method(&w, i);
		struct actor *c = world_client(&w, ANNA);
		fake_peer_drop(&c->peer, fake_peer_received(&c->peer).len);
		actor_push_bytes(c, slice_of(head, sizeof(head)));
		world_settle(&w);
		ASSERT_HEARS(c, "E[FATAL 08P01]");
		world_is_empty(&w);
		world_end(&w);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(the_right_password_comes_in_by_every_method),
	    cmocka_unit_test(a_wrong_password_is_refused_alike_by_every_method),
	    cmocka_unit_test(who_is_not_known_is_asked_the_same),
	    cmocka_unit_test(a_login_may_arrive_in_pieces_of_any_size),
	    cmocka_unit_test(the_next_login_of_a_user_is_as_good_as_the_first),
	    cmocka_unit_test(what_follows_the_last_message_at_once_is_served),
	    cmocka_unit_test(a_password_of_any_length_is_heard_to_its_end),
	    cmocka_unit_test(what_a_password_was_stretched_to_is_kept_once_it_was_right),
	    cmocka_unit_test(a_missing_database_is_told_only_to_who_has_come_in),
	    cmocka_unit_test(limits_of_a_database_are_told_only_to_who_has_come_in),
	    cmocka_unit_test(a_password_before_the_startup_packet_is_no_login),
	    cmocka_unit_test(who_says_something_else_is_not_let_in),
	    cmocka_unit_test(what_is_no_password_is_refused_at_its_first_byte),
	    cmocka_unit_test(a_password_message_without_end_is_refused_at_its_head),
	};

	return cmocka_run_group_tests_name("clients that prove", tests, NULL, NULL);
}
