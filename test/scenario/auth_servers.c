/*
 * Scenarios of servers that ask who the pooler is: what it has to show, and who is told
 * when that does not do.
 */
#include "scenario/world.h"

#include <errno.h>

#include "relay/encryption.h"
#include "relay/keyring.h"

#define ANNA "user=anna;database=app"
#define PASSWORD "wonderland"

static const char *lines_of(const char *type, const char *list, const char *more)
{
	static char lines[1500];

	snprintf(lines, sizeof(lines), "auth_type = %s\nauth_file = %s\n%s", type,
		 proving_file("users", list), more);
	return lines;
}

static const char *list_of(const char *user, const char *secret)
{
	static char list[500];

	snprintf(list, sizeof(list), "\"%s\" \"%s\"\n", user, secret);
	return list;
}

/* ---- what a server may ask for ---- */

static const enum exchange_method asked[] = {EXCHANGE_PLAIN, EXCHANGE_MD5,
					     EXCHANGE_SCRAM};

enum { ASKED = 3 };

/* One login, by a client that is logged in with type, list and password, to a server that
 * asks for this. What the client heard in the end. */
struct attempt {
	const char *type, *list, *more; /* configuration */
	const char *pairs, *password;   /* the client */
	enum exchange_method method;
	const char *secret; /* as the server has it */
};

static void attempt(const struct attempt *t, size_t most, const char *expected)
{
	struct world w;

	world_begin(&w, lines_of(t->type, t->list, t->more));
	w.examination = (struct examination){t->method, t->secret};
	w.accepts = false;
	struct actor *c = prover_client(&w, t->pairs, t->password);
	struct actor *s = world_server(&w, 1);
	assert_non_null(s);
	w.accepts = true;
	s->peer.read_most = most;
	s->peer.write_most = 1 + most % 11;
	world_settle(&w);
	ASSERT_HEARS(c, expected);
	if (strcmp(expected, GREETING) == 0) {
		say(c, "X");
		world_has_free_servers(&w, 1);
	} else {
		assert_true(is_gone(c));
		assert_true(is_gone(s));
		world_is_empty(&w);
	}
	world_end(&w);
}

static const char forced[] = "[databases]\n"
			     "keyed = host=10.0.0.9 user=keeper password=" PASSWORD "\n"
			     "forced = host=10.0.0.9 user=keeper\n";

static void a_password_serves_every_method_wherever_it_comes_from(void **state)
{
	char md5[PROVING_TEXT_LEN], list[600];
	static const char *const users[] = {"keeper", "keeper", "anna", "anna"};

	(void)state;
	snprintf(list, sizeof(list), "\"anna\" \"%s\"\n",
		 proving_md5(PASSWORD, "anna", md5));
	const struct attempt trials[] = {
	    /* of the database */
	    {"trust", "\"otto\" \"\"\n", forced, "user=otto;database=keyed", "", 0, NULL},
	    /* of the list, for the forced user */
	    {"trust", "\"otto\" \"\"\n\"keeper\" \"" PASSWORD "\"\n", forced,
	     "user=otto;database=forced", "", 0, NULL},
	    /* of the list, for the client */
	    {"scram-sha-256", "\"anna\" \"" PASSWORD "\"\n", "", ANNA, PASSWORD, 0, NULL},
	    /* the client's own */
	    {"plain", list, "", ANNA, PASSWORD, 0, NULL},
	};
	for (size_t i = 0; i < 4; i++) {
		for (size_t j = 0; j < ASKED; j++) {
			char verifier[PROVING_TEXT_LEN], hash[PROVING_TEXT_LEN];
			struct attempt t = trials[i];
			const char *const kinds[] = {
			    PASSWORD, proving_md5(PASSWORD, users[i], hash),
			    proving_verifier(PASSWORD, 's', verifier)};

			t.method = asked[j];
			t.secret = kinds[j];
			attempt(&t, SIZE_MAX, GREETING);
			t.secret = "looking glass";
			attempt(&t, SIZE_MAX, "E[FATAL 28P01]");
		}
	}
}

/* Every message of the server is cut at each of its bytes. */
static void a_server_may_ask_in_pieces_of_any_size(void **state)
{
	char verifier[PROVING_TEXT_LEN];
	struct attempt t = {.type = "trust",
			    .list = "\"otto\" \"\"\n",
			    .more = forced,
			    .pairs = "user=otto;database=keyed",
			    .password = "",
			    .secret = proving_verifier(PASSWORD, 's', verifier)};

	(void)state;
	for (size_t most = 1; most <= 120; most++) {
		for (size_t j = 0; j < ASKED; j++) {
			t.method = asked[j];
			if (t.method == EXCHANGE_PLAIN || t.method == EXCHANGE_SCRAM)
				attempt(&t, most, GREETING);
		}
		t.method = EXCHANGE_MD5;
		struct attempt plain = t;
		plain.secret = PASSWORD;
		attempt(&plain, most, GREETING);
	}
}

static void a_hash_serves_only_the_method_it_is_of(void **state)
{
	char md5[PROVING_TEXT_LEN], verifier[PROVING_TEXT_LEN], other[PROVING_TEXT_LEN];

	(void)state;
	proving_md5(PASSWORD, "anna", md5);
	proving_verifier(PASSWORD, 'a', verifier);
	proving_verifier(PASSWORD, 'b', other);
	const struct {
		const char *type, *stored;
		enum exchange_method method;
		const char *secret, *expected;
	} cases[] = {
	    {"md5", md5, EXCHANGE_MD5, PASSWORD, GREETING},
	    {"md5", md5, EXCHANGE_PLAIN, PASSWORD, "E[FATAL 28000]"},
	    {"md5", md5, EXCHANGE_SCRAM, verifier, "E[FATAL 28000]"},
	    {"scram-sha-256", verifier, EXCHANGE_SCRAM, verifier, GREETING},
	    {"scram-sha-256", verifier, EXCHANGE_PLAIN, PASSWORD, "E[FATAL 28000]"},
	    {"scram-sha-256", verifier, EXCHANGE_MD5, PASSWORD, "E[FATAL 28000]"},
	    {"scram-sha-256", verifier, EXCHANGE_SCRAM, other, "E[FATAL 28000]"},
	    /* what a client only said to be let in serves for nothing else */
	    {"trust", verifier, EXCHANGE_SCRAM, verifier, "E[FATAL 28000]"},
	    {"trust", "", EXCHANGE_PLAIN, PASSWORD, "E[FATAL 28000]"},
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct attempt t = {.type = cases[i].type,
				    .list = list_of("anna", cases[i].stored),
				    .more = "",
				    .pairs = ANNA,
				    .password = PASSWORD,
				    .method = cases[i].method,
				    .secret = cases[i].secret};

		attempt(&t, SIZE_MAX, cases[i].expected);
	}
}

/* Who stands for a forced user has shown nothing of that user. */
static void a_clients_password_is_not_the_forced_users(void **state)
{
	struct attempt t = {.type = "plain",
			    .list = "\"otto\" \"" PASSWORD "\"\n",
			    .more = forced,
			    .pairs = "user=otto;database=forced",
			    .password = PASSWORD,
			    .method = EXCHANGE_PLAIN,
			    .secret = PASSWORD};

	(void)state;
	attempt(&t, SIZE_MAX, "E[FATAL 28000]");
}

/* ---- SCRAM passed through ---- */

static void keys_of_a_login_open_one_server_after_the_other(void **state)
{
	char verifier[PROVING_TEXT_LEN];
	struct world w;

	(void)state;
	proving_verifier(PASSWORD, 'a', verifier);
	world_begin(&w, lines_of("scram-sha-256", list_of("anna", verifier),
				 "pool_mode = transaction\n"));
	w.examination = (struct examination){EXCHANGE_SCRAM, verifier};
	w.answers = true;
	struct actor *c = prover_client(&w, ANNA, PASSWORD);
	ASSERT_HEARS(c, GREETING);
	for (unsigned number = 1; number <= 3; number++) {
		say(c, "Q[one]");
		ASSERT_HEARS(c, "T D[one] C[SELECT 1] Z[I]");
		assert_non_null(world_server(&w, number));
		leave(world_server(&w, number));
	}
	/* Nobody is there to show them anew, and they still serve. */
	say(c, "X");
	struct actor *again = prover_client(&w, ANNA, PASSWORD);
	say(again, "Q[begin]");
	struct actor *other = prover_client(&w, ANNA, PASSWORD);
	say(other, "Q[two]");
	heard(again);
	assert_non_null(strstr(heard(other), "D[two]"));
	assert_non_null(world_server(&w, 5));
	world_end(&w);
}

static void a_new_verifier_takes_over_with_the_next_login(void **state)
{
	char old[PROVING_TEXT_LEN], new[PROVING_TEXT_LEN];
	struct world w;

	(void)state;
	proving_verifier(PASSWORD, 'a', old);
	proving_verifier("looking glass", 'b', new);
	world_begin(&w, lines_of("scram-sha-256", list_of("anna", old), ""));
	w.examination = (struct examination){EXCHANGE_SCRAM, old};
	struct actor *c = prover_client(&w, ANNA, PASSWORD);
	ASSERT_HEARS(c, GREETING);
	leave(c);
	leave(world_server(&w, 1));
	world_reload(&w, lines_of("scram-sha-256", list_of("anna", new), ""));
	w.examination.secret = new;
	w.answers = true;
	c = prover_client(&w, ANNA, PASSWORD);
	ASSERT_HEARS(c, "E[FATAL 28P01]");
	c = prover_client(&w, ANNA, "looking glass");
	say(c, "Q[one]");
	ASSERT_HEARS(c, GREETING " T D[one] C[SELECT 1] Z[I]");
	world_end(&w);
}

/* The pause after a refusal is for those who come again with the same. */
static void a_new_proof_need_not_wait_for_the_old_ones_pause(void **state)
{
	char old[PROVING_TEXT_LEN], new[PROVING_TEXT_LEN];
	struct world w;

	(void)state;
	proving_verifier(PASSWORD, 'a', old);
	proving_verifier("looking glass", 'b', new);
	world_begin(&w, lines_of("scram-sha-256", list_of("anna", old),
				 "server_login_retry = 1000\n"));
	w.examination = (struct examination){EXCHANGE_SCRAM, new};
	w.answers = true;
	struct actor *c = prover_client(&w, ANNA, PASSWORD);
	ASSERT_HEARS(c, "E[FATAL 28000]");
	c = prover_client(&w, ANNA, PASSWORD);
	ASSERT_HEARS(c, "E[FATAL 28000]");
	assert_null(world_server(&w, 2));
	world_reload(&w, lines_of("scram-sha-256", list_of("anna", new),
				  "server_login_retry = 1000\n"));
	c = prover_client(&w, ANNA, "looking glass");
	say(c, "Q[one]");
	ASSERT_HEARS(c, GREETING " T D[one] C[SELECT 1] Z[I]");
	world_end(&w);
}

static void a_password_in_the_list_that_has_changed_is_used_at_once(void **state)
{
	struct world w;

	(void)state;
	world_begin(&w, lines_of("scram-sha-256", list_of("anna", PASSWORD), ""));
	w.examination = (struct examination){EXCHANGE_SCRAM, PASSWORD};
	struct actor *c = prover_client(&w, ANNA, PASSWORD);
	ASSERT_HEARS(c, GREETING);
	leave(c);
	leave(world_server(&w, 1));
	world_reload(&w, lines_of("scram-sha-256", list_of("anna", "new"), ""));
	w.examination.secret = "new";
	w.answers = true;
	c = prover_client(&w, ANNA, "new");
	say(c, "Q[one]");
	ASSERT_HEARS(c, GREETING " T D[one] C[SELECT 1] Z[I]");
	world_end(&w);
}

/* Such as when memory is short. */
static void where_tls_is_required_nothing_is_said_without_it(void **state)
{
	struct world w;

	(void)state;
	world_begin(&w, lines_of("trust", list_of("anna", PASSWORD),
				 "server_tls_sslmode = require\n"));
	encryption_free(w.dispatcher.logins.keyring->encryption);
	w.dispatcher.logins.keyring->encryption = NULL;
	struct actor *c = prover_client(&w, ANNA, PASSWORD);
	ASSERT_HEARS(c, "");
	assert_int_equal(client_of(c)->state, CLIENT_WAITING);
	world_end(&w);
}

/* ---- servers that do not let us in ---- */

static void what_the_server_says_of_the_login_is_what_clients_hear(void **state)
{
	static const char *const errors[] = {"28000", "28P01", "3D000", "42501",
					     "53200", "XX000", "0A000"};
	char script[100], expected[100];

	(void)state;
	for (size_t i = 0; i < sizeof(errors) / sizeof(errors[0]); i++) {
		struct world w;

		world_begin(&w, lines_of("md5", list_of("anna", PASSWORD),
					 "default_pool_size = 1\n"));
		w.logs_in = false;
		struct actor *c = prover_client(&w, ANNA, PASSWORD);
		struct actor *other = prover_client(&w, ANNA, PASSWORD);
		/* After the password was asked for and given. */
		say(world_server(&w, 1), "R[3]");
		ASSERT_HEARS(world_server(&w, 1), "p[" PASSWORD "]");
		snprintf(script, sizeof(script), "E[FATAL %s just so]", errors[i]);
		say(world_server(&w, 1), script);
		snprintf(expected, sizeof(expected), "E[FATAL %s]", errors[i]);
		assert_string_equal(heard_field(c, 'M'), "just so");
		ASSERT_HEARS(c, expected);
		assert_string_equal(heard_field(other, 'M'), "just so");
		ASSERT_HEARS(other, expected);
		world_is_empty(&w);
		world_end(&w);
	}
}

static void a_server_that_is_full_keeps_its_clients_waiting(void **state)
{
	static const char *const moments[] = {"", "R[3] ", "R "};
	char script[100];

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		struct world w;

		world_begin(&w, lines_of("md5", list_of("anna", PASSWORD),
					 "default_pool_size = 1\n"));
		w.logs_in = false;
		struct actor *c = prover_client(&w, ANNA, PASSWORD);
		struct actor *other = prover_client(&w, ANNA, PASSWORD);
		snprintf(script, sizeof(script), "%sE[FATAL 53300 too many clients]",
			 moments[i]);
		say(world_server(&w, 1), script);
		ASSERT_HEARS(c, "");
		ASSERT_HEARS(other, "");
		assert_int_equal(client_of(c)->state, CLIENT_WAITING);
		w.logs_in = true;
		w.examination = (struct examination){EXCHANGE_SCRAM, PASSWORD};
		world_pass(&w, 20 * USEC_PER_SEC);
		ASSERT_HEARS(c, GREETING);
		ASSERT_HEARS(other, GREETING);
		world_end(&w);
	}
}

static void a_server_that_breaks_the_rules_of_a_login_is_left(void **state)
{
	static const struct {
		const char *says, *told;
	} cases[] = {
	    {"R[3] R[3]", "E[FATAL 08P01]"}, /* asks twice */
	    {"R[11]", "E[FATAL 28000]"},     /* goes on with what was not begun */
	    {"R[12]", "E[FATAL 28000]"},     /* ends it */
	    {"R[7]", "E[FATAL 28000]"},      /* GSS */
	    {"R[99]", "E[FATAL 28000]"},     /* nobody knows what */
	    {"R[5]", "E[FATAL 08P01]"},      /* md5 without a salt */
	    {"R[10]", "E[FATAL 08P01]"},     /* a list without an end */
	    {"R[3] Z[I]", "E[FATAL 08P01]"}, /* ready, without having said yes */
	    {"R R[3]", "E[FATAL 08P01]"},    /* asks when all is said */
	    {"R R Z[I]", "E[FATAL 08P01]"},  /* says it twice */
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct world w;

		world_begin(&w, lines_of("md5", list_of("anna", PASSWORD), ""));
		w.logs_in = false;
		struct actor *c = prover_client(&w, ANNA, PASSWORD);
		say(world_server(&w, 1), cases[i].says);
		if (strcmp(heard(c), cases[i].told) != 0)
			fail_msg("%s: %s", cases[i].says, c->told);
		assert_true(is_gone(world_server(&w, 1)));
		world_is_empty(&w);
		world_end(&w);
	}
}

static void a_server_may_say_much_but_not_when_it_asks(void **state)
{
	static const uint8_t head[] = {'R', 0, 0, 0x10, 0};
	static char script[20000];

	(void)state;
	for (int asks = 0; asks < 2; asks++) {
		struct world w;

		world_begin(&w, lines_of("md5", list_of("anna", PASSWORD), ""));
		w.logs_in = false;
		struct actor *c = prover_client(&w, ANNA, PASSWORD);
		struct actor *s = world_server(&w, 1);
		s->peer.read_most = 1000;
		size_t len = (size_t)snprintf(script, sizeof(script), "N[NOTICE 00000 ");
		memset(script + len, 'x', sizeof(script) - len);
		memcpy(script + sizeof(script) - 2, "]", 2);
		say(s, script);
		ASSERT_HEARS(c, "");
		if (asks)
			actor_push_bytes(s, slice_of(head, sizeof(head)));
		memset(script, 'x', 4092);
		actor_push_bytes(s, slice_of(script, asks ? 4092 : 0));
		say(s, "R " PARAMETERS " K[1] Z[I]");
		ASSERT_HEARS(c, asks ? "E[FATAL 08P01]" : GREETING);
		if (asks)
			assert_true(is_gone(s));
		world_end(&w);
	}
}

/* Half way through SCRAM, where the server has not proved itself yet. */
static void a_server_that_says_yes_without_its_proof_is_not_believed(void **state)
{
	static const uint8_t offer[] = "R\0\0\0\x17\0\0\0\x0aSCRAM-SHA-256\0";
	struct world w;

	(void)state;
	world_begin(&w, lines_of("md5", list_of("anna", PASSWORD), ""));
	w.logs_in = false;
	struct actor *c = prover_client(&w, ANNA, PASSWORD);
	struct actor *s = world_server(&w, 1);
	actor_push_bytes(s, slice_of(offer, sizeof(offer)));
	world_settle(&w);
	assert_int_equal(heard(s)[0], 'p');
	say(s, "R Z[I]");
	ASSERT_HEARS(c, "E[FATAL 08P01]");
	world_is_empty(&w);
	world_end(&w);
}

static void a_server_that_is_gone_in_its_login_is_told_wherever_it_was(void **state)
{
	(void)state;
	for (int turns = 0; turns < 12; turns++) {
		for (int how = 0; how < 2; how++) {
			struct world w;

			world_begin(&w, lines_of("md5", list_of("anna", PASSWORD), ""));
			w.examination = (struct examination){EXCHANGE_SCRAM, PASSWORD};
			w.accepts = false;
			struct actor *c = prover_client(&w, ANNA, PASSWORD);
			struct actor *s = world_server(&w, 1);
			w.accepts = true;
			for (int i = 0; i <= turns && !s->has_greeted; i++)
				world_turn(&w);
			if (s->has_greeted) {
				assert_true(turns > 3);
				world_end(&w);
				continue;
			}
			w.logs_in = false;
			if (how == 0)
				leave(s);
			else
				break_off(s);
			/* The first may have minded what it was asked for. */
			struct actor *second = world_server(&w, 2);
			assert_int_equal(second != NULL, s->has_startup && !s->examiner);
			if (second)
				leave(second);
			ASSERT_HEARS(c, "E[FATAL 08006]");
			world_is_empty(&w);
			world_end(&w);
		}
	}
}

static void a_server_that_says_nothing_in_its_login_has_its_time(void **state)
{
	static const char *const words[] = {"", "R[3]", "R"};

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		struct world w;

		world_begin(&w, lines_of("md5", list_of("anna", PASSWORD),
					 "server_connect_timeout = 5s\n"));
		w.logs_in = false;
		struct actor *c = prover_client(&w, ANNA, PASSWORD);
		say(world_server(&w, 1), words[i]);
		world_pass(&w, 5 * USEC_PER_SEC - 1);
		ASSERT_HEARS(c, "");
		world_pass(&w, 1);
		ASSERT_HEARS(c, "E[FATAL 08001]");
		assert_true(is_gone(world_server(&w, 1)));
		world_is_empty(&w);
		world_end(&w);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_password_serves_every_method_wherever_it_comes_from),
	    cmocka_unit_test(a_server_may_ask_in_pieces_of_any_size),
	    cmocka_unit_test(a_hash_serves_only_the_method_it_is_of),
	    cmocka_unit_test(a_clients_password_is_not_the_forced_users),
	    cmocka_unit_test(keys_of_a_login_open_one_server_after_the_other),
	    cmocka_unit_test(a_new_verifier_takes_over_with_the_next_login),
	    cmocka_unit_test(a_new_proof_need_not_wait_for_the_old_ones_pause),
	    cmocka_unit_test(a_password_in_the_list_that_has_changed_is_used_at_once),
	    cmocka_unit_test(where_tls_is_required_nothing_is_said_without_it),
	    cmocka_unit_test(what_the_server_says_of_the_login_is_what_clients_hear),
	    cmocka_unit_test(a_server_that_is_full_keeps_its_clients_waiting),
	    cmocka_unit_test(a_server_that_breaks_the_rules_of_a_login_is_left),
	    cmocka_unit_test(a_server_may_say_much_but_not_when_it_asks),
	    cmocka_unit_test(a_server_that_says_yes_without_its_proof_is_not_believed),
	    cmocka_unit_test(a_server_that_is_gone_in_its_login_is_told_wherever_it_was),
	    cmocka_unit_test(a_server_that_says_nothing_in_its_login_has_its_time),
	};

	return cmocka_run_group_tests_name("servers that ask", tests, NULL, NULL);
}
