/*
 * Scenarios of a RESET where a client has its server for itself: what it began with is
 * set again before it hears that the server is ready.
 */
#include "relay/regain.h"
#include "relay/session.h"
#include "scenario/world.h"

#define LINES "pool_mode = session\ndefault_pool_size = 1\n"
#define CLIENT "user=anna;database=app;TimeZone=CET;options=-c work_mem=1MB"

/* The server is asked one question, with these words in it. */
static void is_asked(struct actor *s, const char *first, const char *second)
{
	struct slice got = fake_peer_received(&s->peer);
	char text[4096];

	assert_true(got.len > 6 && got.len < sizeof(text));
	assert_int_equal(got.data[0], 'Q');
	memcpy(text, got.data + 5, got.len - 5);
	text[got.len - 5] = '\0';
	assert_int_equal(strlen(text) + 6, got.len);
	assert_non_null(strstr(text, "pg_settings"));
	assert_non_null(strstr(text, first));
	assert_non_null(strstr(text, second));
	heard(s);
}

/* A client that begins otherwise than its server, which it has. */
static struct actor *begin(struct world *w, struct actor **out_server)
{
	world_begin(w, LINES);
	struct actor *a = world_client(w, CLIENT);
	heard(a);
	say(a, "Q[one]");
	struct actor *s = *out_server = world_server(w, 1);
	ASSERT_HEARS(s, "Q[SET \"TimeZone\" = 'CET';SET \"work_mem\" = '1MB';]");
	say(s, "C[SET] C[SET] S[TimeZone=CET] Z[I]");
	ASSERT_HEARS(s, "Q[one]");
	say(s, "I Z[I]");
	ASSERT_HEARS(a, "I Z[I]");
	return a;
}

static void a_client_is_ready_when_its_beginning_is_back(void **state)
{
	struct world w;
	struct actor *s, *a = begin(&w, &s);

	(void)state;
	say(a, "Q[reset all]");
	ASSERT_HEARS(s, "Q[reset all]");
	say(s, "C[RESET] S[TimeZone=UTC] Z[I]");
	ASSERT_HEARS(a, "C[RESET] S[TimeZone=UTC]");
	is_asked(s, "('TimeZone', 'CET')", "('work_mem', '1MB')");
	say(s, "C[SET] D D C[SELECT 2] S[TimeZone=CET] Z[I]");
	ASSERT_HEARS(a, "S[TimeZone=CET] Z[I]");
	/* Once. */
	say(a, "Q[two]");
	say(s, "I Z[I]");
	ASSERT_HEARS(s, "Q[two]");
	ASSERT_HEARS(a, "I Z[I]");
	world_end(&w);
}

static void what_sets_no_beginning_is_not_followed(void **state)
{
	static const char *const texts[] = {"Q[set work_mem = 1]", "Q[set local a = 1]",
					    "Q[select 'reset all']"};
	struct world w;
	struct actor *s, *a = begin(&w, &s);

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		say(a, texts[i]);
		ASSERT_HEARS(s, texts[i]);
		say(s, "C[SET] Z[I]");
		ASSERT_HEARS(a, "C[SET] Z[I]");
		ASSERT_HEARS(s, "");
		assert_null(client_of(a)->session);
	}
	/* One that fails has reset nothing. */
	say(a, "Q[reset x]");
	say(s, "E[ERROR 42704] Z[I]");
	ASSERT_HEARS(a, "E[ERROR 42704] Z[I]");
	ASSERT_HEARS(s, "Q[reset x]");
	world_end(&w);
}

static void who_begins_as_the_server_is_not_looked_at(void **state)
{
	struct world w;

	(void)state;
	world_begin(&w, LINES);
	struct actor *a = world_client(&w, "user=anna;database=app;TimeZone=UTC");
	heard(a);
	say(a, "Q[set TimeZone to 'CET'] Q[reset all]");
	struct actor *s = world_server(&w, 1);
	ASSERT_HEARS(s, "Q[set TimeZone to 'CET'] Q[reset all]");
	say(s, "C[SET] S[TimeZone=CET] Z[I] C[RESET] S[TimeZone=UTC] Z[I]");
	ASSERT_HEARS(a, "C[SET] S[TimeZone=CET] Z[I] C[RESET] S[TimeZone=UTC] Z[I]");
	ASSERT_HEARS(s, "");
	assert_null(client_of(a)->session);
	world_end(&w);
}

static void what_is_behind_a_reset_waits_for_it(void **state)
{
	struct world w;
	struct actor *s, *a = begin(&w, &s);

	(void)state;
	say(a, "P[set work_mem to default] B[one] E S Q[two]");
	ASSERT_HEARS(s, "P[set work_mem to default] B[one] E S");
	say(s, "1 2 C[SET] Z[I]");
	ASSERT_HEARS(a, "1 2 C[SET]");
	struct slice got = fake_peer_received(&s->peer);
	const char two[] = {'Q', 0, 0, 0, 8, 't', 'w', 'o', 0};
	assert_true(got.len > sizeof(two));
	assert_memory_equal(got.data + got.len - sizeof(two), two, sizeof(two));
	say(s, "C[SET] C[SELECT 0] Z[I] I Z[I]");
	ASSERT_HEARS(a, "Z[I] I Z[I]");
	world_end(&w);
}

static void within_a_transaction_it_is_set_and_asked_for_behind_it(void **state)
{
	struct world w;
	struct actor *s, *a = begin(&w, &s);

	(void)state;
	say(a, "Q[begin]");
	say(s, "C[BEGIN] Z[T]");
	heard(s);
	say(a, "Q[reset work_mem]");
	ASSERT_HEARS(s, "Q[reset work_mem]");
	ASSERT_HEARS(a, "C[BEGIN] Z[T]");
	say(s, "C[RESET] Z[T]");
	ASSERT_HEARS(a, "C[RESET]");
	ASSERT_HEARS(s, "Q[SET \"work_mem\" = '1MB';]");
	say(s, "C[SET] Z[T]");
	ASSERT_HEARS(a, "Z[T]");
	say(a, "Q[rollback]");
	ASSERT_HEARS(s, "Q[rollback]");
	say(s, "C[ROLLBACK] Z[I]");
	ASSERT_HEARS(a, "C[ROLLBACK]");
	is_asked(s, "('TimeZone', 'CET')", "('work_mem', '1MB')");
	say(s, "C[SET] C[SELECT 0] Z[I]");
	ASSERT_HEARS(a, "Z[I]");
	world_end(&w);
}

static void a_transaction_that_fails_is_not_spoken_in(void **state)
{
	struct world w;
	struct actor *s, *a = begin(&w, &s);

	(void)state;
	say(a, "Q[begin; reset all; fail]");
	say(s, "C[BEGIN] C[RESET] E[ERROR 22012] Z[E]");
	ASSERT_HEARS(a, "C[BEGIN] C[RESET] E[ERROR 22012] Z[E]");
	ASSERT_HEARS(s, "Q[begin; reset all; fail]");
	world_end(&w);
}

static void a_question_that_fails_is_repeated_up_to_the_clients_end(void **state)
{
	struct world w;
	struct actor *s, *a = begin(&w, &s);

	(void)state;
	say(a, "Q[reset all]");
	heard(s);
	say(s, "C[RESET] Z[I]");
	ASSERT_HEARS(a, "C[RESET]");
	for (int i = 0; i < 2; i++) {
		is_asked(s, "CET", "1MB");
		say(s, "E[ERROR 57014] Z[I]");
		ASSERT_HEARS(a, "Z[I]");
		say(a, "Q[two]");
		ASSERT_HEARS(s, "Q[two]");
		say(s, "I Z[I]");
		ASSERT_HEARS(a, "I");
	}
	is_asked(s, "CET", "1MB");
	say(s, "E[ERROR 57014] Z[I]");
	ASSERT_HEARS(a, "E[FATAL 22023]");
	assert_true(is_gone(a));
	ASSERT_HEARS(s, "Q[DISCARD ALL]");
	say(s, "C[DISCARD ALL] Z[I]");
	world_has_free_servers(&w, 1);
	world_end(&w);
}

static void either_may_go_before_the_answer(void **state)
{
	struct world w;

	(void)state;
	for (int i = 0; i < 3; i++) {
		struct actor *s, *a = begin(&w, &s);
		say(a, "Q[reset all]");
		say(s, "C[RESET] Z[I]");
		ASSERT_HEARS(a, "C[RESET]");
		heard(s);
		if (i < 2) {
			(i == 0 ? leave : break_off)(a);
			world_settle(&w);
			say(s, "C[SET] C[SELECT 0] Z[I]");
			ASSERT_HEARS(s, "Q[DISCARD ALL]");
			say(s, "C[DISCARD ALL] Z[I]");
			world_has_free_servers(&w, 1);
		} else {
			break_off(s);
			ASSERT_HEARS(a, "E[FATAL 08006]");
			assert_true(is_gone(a));
		}
		world_end(&w);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_client_is_ready_when_its_beginning_is_back),
	    cmocka_unit_test(what_sets_no_beginning_is_not_followed),
	    cmocka_unit_test(who_begins_as_the_server_is_not_looked_at),
	    cmocka_unit_test(what_is_behind_a_reset_waits_for_it),
	    cmocka_unit_test(within_a_transaction_it_is_set_and_asked_for_behind_it),
	    cmocka_unit_test(a_transaction_that_fails_is_not_spoken_in),
	    cmocka_unit_test(a_question_that_fails_is_repeated_up_to_the_clients_end),
	    cmocka_unit_test(either_may_go_before_the_answer),
	};

	return cmocka_run_group_tests_name("regain", tests, NULL, NULL);
}
