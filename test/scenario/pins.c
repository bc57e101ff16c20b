/*
 * Scenarios of pins: clients that stay at their servers, for how long, and who comes back
 * to his own.
 */
#include "pool/pool.h"
#include "proto/writer.h"
#include "relay/known.h"
#include "relay/pin.h"
#include "relay/session.h"
#include "scenario/world.h"

#define ONE "pool_mode = transaction\ndefault_pool_size = 1\npin_timeout = 10\n"
#define TWO "pool_mode = transaction\ndefault_pool_size = 2\npin_timeout = 10\n"

/* What the server says of the state in it, in letters. */
static void answer_state(struct actor *s, const char *letters)
{
	struct buffer out = {0};
	struct writer w = writer_of(&out);
	size_t len = strlen(letters);

	writer_begin(&w, 'D');
	writer_u16(&w, 3);
	writer_u32(&w, 1);
	writer_bytes(&w, slice_of("k", 1));
	writer_u32(&w, UINT32_MAX);
	writer_u32(&w, (uint32_t)len);
	writer_bytes(&w, slice_of(letters, len));
	writer_end(&w);
	assert_true(writer_finish(&w));
	actor_push_bytes(s, buffer_bytes(&out));
	buffer_fini(&out);
	say(s, "C[SELECT 1] Z[I]");
}

static unsigned pinned(struct world *w)
{
	return world_pool(w, "app", "anna")->pinned;
}

/* Asks for what leaves state, and the server says what there is. */
static void pin(struct actor *a, struct actor *s, const char *text, const char *letters)
{
	say(a, text);
	ASSERT_HEARS(s, text);
	say(s, "C[CREATE TABLE] Z[I]");
	ASSERT_HEARS(a, "C[CREATE TABLE] Z[I]");
	assert_string_not_equal(heard(s), "");
	answer_state(s, letters);
}

static void state_keeps_a_client_and_the_next_waits(void **state)
{
	struct world w;

	(void)state;
	world_begin(&w, ONE);
	struct actor *a = world_session(&w), *b = world_session(&w);
	struct actor *s = world_server(&w, 1);
	pin(a, s, "Q[create temp table t(i int)]", "t");
	assert_int_equal(client_of(a)->session->pins, PIN_TEMPORARY);
	assert_int_equal(pinned(&w), 1);
	say(b, "Q[one]");
	ASSERT_HEARS(s, "");
	/* An ordinary query asks nothing, and changes nothing. */
	say(a, "Q[two]");
	ASSERT_HEARS(s, "Q[two]");
	say(s, "I Z[I]");
	ASSERT_HEARS(s, "");
	say(a, "Q[drop table t]");
	ASSERT_HEARS(s, "Q[drop table t]");
	say(s, "C[DROP TABLE] Z[I]");
	assert_string_not_equal(heard(s), "");
	answer_state(s, "");
	assert_int_equal(pinned(&w), 0);
	ASSERT_HEARS(s, "Q[one]");
	world_end(&w);
}

static void nothing_is_set_again_behind_what_a_pinned_client_has_said(void **state)
{
	struct world w;
	struct slice value;

	(void)state;
	world_begin(&w, TWO);
	struct actor *a = world_client(&w, "user=anna;database=app;application_name=x");
	struct actor *s = world_server(&w, 1);
	say(a, "Q[one]");
	ASSERT_HEARS(s, "Q[SET \"application_name\" = 'x';]");
	say(s, "S[application_name=x] C[SET] Z[I]");
	ASSERT_HEARS(s, "Q[one]");
	say(s, "I Z[I]");
	heard(a);
	pin(a, s, "Q[create temp table t(i int)]", "t");
	/* What the server began with. */
	say(a, "Q[SET application_name = '']");
	ASSERT_HEARS(s, "Q[SET application_name = '']");
	say(s, "S[application_name=] C[SET] Z[I]");
	say(a, "Q[drop table u]");
	ASSERT_HEARS(s, "Q[drop table u]");
	say(s, "C[DROP TABLE] Z[I]");
	assert_string_not_equal(heard(s), "");
	say(a, "Q[SET application_name = 'mine']");
	ASSERT_HEARS(s, "Q[SET application_name = 'mine']");
	answer_state(s, "t");
	ASSERT_HEARS(s, "");
	say(s, "S[application_name=mine] C[SET] Z[I]");
	assert_true(
	    params_find(client_of(a)->params, slice_of_text("application_name"), &value));
	assert_true(slice_is_text(value, "mine"));
	world_end(&w);
}

static void what_is_not_there_keeps_nobody(void **state)
{
	struct world w;

	(void)state;
	world_begin(&w, ONE);
	struct actor *a = world_session(&w), *s = world_server(&w, 1);
	pin(a, s, "Q[create temp table t(i int)]", "");
	assert_null(client_of(a)->server);
	assert_int_equal(pinned(&w), 0);
	world_end(&w);
}

static void who_is_pinned_and_silent_for_too_long_goes(void **state)
{
	struct world w;

	(void)state;
	world_begin(&w, ONE);
	struct actor *a = world_session(&w), *s = world_server(&w, 1);
	pin(a, s, "Q[create temp table t(i int)]", "tl");
	world_pass(&w, 6 * USEC_PER_SEC);
	say(a, "Q[one]");
	say(s, "I Z[I]");
	heard(a);
	heard(s);
	world_pass(&w, 9 * USEC_PER_SEC);
	ASSERT_HEARS(a, "");
	/* In a transaction it is another's business. */
	say(a, "Q[begin]");
	say(s, "C[BEGIN] Z[T]");
	world_pass(&w, 60 * USEC_PER_SEC);
	say(a, "Q[commit]");
	say(s, "C[COMMIT] Z[I]");
	ASSERT_HEARS(a, "C[BEGIN] Z[T] C[COMMIT] Z[I]");
	heard(s);
	world_pass(&w, 11 * USEC_PER_SEC);
	assert_string_equal(heard_field(a, 'M'), "pin_timeout");
	ASSERT_HEARS(a, "E[FATAL 57P05]");
	assert_true(is_gone(a));
	assert_int_equal(pinned(&w), 0);
	ASSERT_HEARS(s, "Q[DISCARD TEMP;SELECT pg_catalog.pg_advisory_unlock_all();]");
	say(s, "C[DISCARD TEMP] C[SELECT 1] Z[I]");
	world_has_free_servers(&w, 1);
	world_end(&w);
}

static void a_pin_ends_with_its_client_or_server(void **state)
{
	struct world w;

	(void)state;
	for (int i = 0; i < 3; i++) {
		world_begin(&w, ONE);
		struct actor *a = world_session(&w), *s = world_server(&w, 1);
		pin(a, s, "Q[create temp table t(i int)]", "t");
		assert_int_equal(pinned(&w), 1);
		if (i == 0)
			leave(a);
		else if (i == 1)
			break_off(a);
		else
			break_off(s);
		assert_int_equal(pinned(&w), 0);
		world_end(&w);
	}
}

static void a_library_is_left_to_nobody(void **state)
{
	struct world w;

	(void)state;
	world_begin(&w, ONE);
	struct actor *a = world_session(&w), *s = world_server(&w, 1);
	say(a, "Q[load 'x']");
	ASSERT_HEARS(s, "Q[load 'x']");
	say(s, "C[LOAD] Z[I]");
	heard(s);
	say(s, "C[SET] Z[I]");
	assert_int_equal(client_of(a)->session->pins, PIN_LOADED);
	leave(a);
	assert_true(is_gone(s));
	world_end(&w);
}

/* Two servers, and who had which. */
static void serve(struct actor *a, struct actor *s)
{
	say(a, "Q[one]");
	ASSERT_HEARS(s, "Q[one]");
	say(s, "I Z[I]");
	ASSERT_HEARS(a, "I Z[I]");
}

static void who_comes_back_soon_gets_the_server_that_he_had(void **state)
{
	struct world w;

	(void)state;
	world_begin(&w, TWO);
	struct actor *a = world_session(&w), *b = world_session(&w);
	struct actor *s1 = world_server(&w, 1);
	say(a, "Q[begin]");
	heard(s1);
	say(s1, "C[BEGIN] Z[T]");
	say(b, "Q[one]");
	struct actor *s2 = world_server(&w, 2);
	ASSERT_HEARS(s2, "Q[one]");
	say(s2, "I Z[I]");
	say(a, "Q[commit]");
	heard(s1);
	say(s1, "C[COMMIT] Z[I]");
	heard(a);
	heard(b);
	for (int i = 0; i < 3; i++) {
		serve(b, s2);
		serve(a, s1);
	}
	/* After a while the one used last is as good. */
	world_pass(&w, 6 * USEC_PER_SEC);
	serve(a, s1);
	serve(b, s1);
	/* And now that is nobody's but b's. */
	serve(a, s1);
	world_end(&w);
}

/* ---- sequences ---- */

static void answer(struct actor *a, struct actor *s, const char *question)
{
	say(a, question);
	heard(s);
	say(s, "C[SELECT 1] Z[I]");
	ASSERT_HEARS(a, "C[SELECT 1] Z[I]");
}

/* One that is kept, and has its answer. */
static void stay(struct actor *a, struct actor *s)
{
	answer(a, s, "Q[select nextval('s')]");
	assert_null(client_of(a)->server);
	answer(a, s, "Q[select lastval()]");
	assert_int_equal(client_of(a)->session->pins, PIN_SEQUENCES);
}

/* Steps a sequence, for all that anybody knows. */
static void insert(struct actor *a, struct actor *s, bool forgets)
{
	static const char forget[] = "Q[DISCARD SEQUENCES;]";

	say(a, "Q[insert into t values (1)]");
	assert_int_equal(strncmp(heard(s), forget, strlen(forget)) == 0, forgets);
	if (forgets) {
		say(s, "C[DISCARD SEQUENCES] Z[I]");
		heard(s); /* the first time it waits until its parameters are right */
	}
	say(s, "C[INSERT 0 1] Z[I]");
	ASSERT_HEARS(a, "C[INSERT 0 1] Z[I]");
}

static void the_first_who_asks_is_not_told_what_a_stranger_has_left(void **state)
{
	struct world w;

	(void)state;
	world_begin(&w, ONE);
	struct actor *a = world_session(&w), *b = world_session(&w);
	struct actor *s = world_server(&w, 1);
	insert(a, s, false);
	insert(b, s, true);
	answer(b, s, "Q[select lastval()]");
	world_end(&w);
}

static void where_nobody_asks_for_long_nothing_is_forgotten(void **state)
{
	struct world w;
	unsigned count = 0;

	(void)state;
	world_begin(&w, ONE);
	struct actor *a = world_session(&w), *b = world_session(&w);
	struct actor *s = world_server(&w, 1);
	insert(a, s, false);
	for (; count < 500; count++) {
		insert(b, s, true);
		insert(a, s, true);
	}
	insert(b, s, false);
	insert(a, s, false);
	/* Whose it would be is no longer known, and from here on it is. */
	say(a, "Q[select lastval()]");
	ASSERT_HEARS(s, "B[pooler_refused] S");
	say(s, "E[ERROR 34000] Z[I]");
	ASSERT_HEARS(a, "E[ERROR 55000] Z[I]");
	insert(a, s, true);
	answer(a, s, "Q[select lastval()]");
	world_end(&w);
}

static void a_step_and_a_question_in_one_text_are_among_themselves(void **state)
{
	struct world w;

	(void)state;
	world_begin(&w, ONE);
	struct actor *a = world_session(&w), *b = world_session(&w);
	struct actor *s = world_server(&w, 1);
	insert(a, s, false);
	known_of(world_pool(&w, "app", "anna"))->sequences_forgotten = UINT16_MAX;
	say(b, "Q[insert into t values (1); select lastval()]");
	ASSERT_HEARS(s, "Q[DISCARD SEQUENCES] "
			"Q[insert into t values (1); select lastval()]");
	world_end(&w);
}

static void who_waits_for_his_answer_gives_way_after_a_second(void **state)
{
	struct world w;

	(void)state;
	world_begin(&w, ONE);
	struct actor *a = world_session(&w), *b = world_session(&w);
	struct actor *c = world_session(&w), *s = world_server(&w, 1);
	stay(a, s);
	for (int i = 0; i < 5; i++) {
		world_pass(&w, USEC_PER_SEC / 2);
		answer(a, s, "Q[select nextval('s')]");
		assert_int_equal(pinned(&w), 1);
	}
	say(b, "Q[one]");
	say(c, "Q[two]");
	world_pass(&w, USEC_PER_SEC * 9 / 10);
	ASSERT_HEARS(s, "");
	world_pass(&w, USEC_PER_SEC / 10);
	assert_int_equal(pinned(&w), 0);
	/* Its values are forgotten first, since here somebody asks for such. */
	ASSERT_HEARS(s, "Q[DISCARD SEQUENCES;]");
	say(s, "C[DISCARD SEQUENCES] Z[I]");
	ASSERT_HEARS(s, "Q[one]");
	say(s, "I Z[I]");
	ASSERT_HEARS(b, "I Z[I]");
	say(s, "I Z[I]");
	/* And then it is told what has become of them. */
	heard(s);
	heard(c);
	say(a, "Q[select lastval()]");
	ASSERT_HEARS(s, "B[pooler_refused] S");
	say(s, "E[ERROR 34000] Z[I]");
	ASSERT_HEARS(a, "E[ERROR 55000] Z[I]");
	world_end(&w);
}

static void who_has_his_answer_gives_way_at_once(void **state)
{
	struct world w;

	(void)state;
	world_begin(&w, ONE);
	struct actor *a = world_session(&w), *b = world_session(&w);
	struct actor *s = world_server(&w, 1);
	stay(a, s);
	say(b, "Q[one]");
	world_pass(&w, 0);
	ASSERT_HEARS(s, "Q[DISCARD SEQUENCES;]");
	assert_int_equal(pinned(&w), 0);
	say(s, "C[DISCARD SEQUENCES] Z[I]");
	ASSERT_HEARS(s, "Q[one]");
	/* Who waits already need not wait for a moment more. */
	say(a, "Q[select nextval('s'); select lastval()]");
	say(s, "I Z[I]");
	heard(s);
	say(s, "C[DISCARD SEQUENCES] Z[I]");
	heard(s);
	say(b, "Q[two]");
	say(s, "C[SELECT 1] C[SELECT 1] Z[I]");
	assert_int_equal(pinned(&w), 0);
	assert_non_null(client_of(b)->server);
	world_end(&w);
}

static void who_stays_for_a_sequence_is_let_go_by_the_timeout(void **state)
{
	struct world w;

	(void)state;
	world_begin(&w, ONE);
	struct actor *a = world_session(&w), *s = world_server(&w, 1);
	stay(a, s);
	world_pass(&w, 9 * USEC_PER_SEC);
	assert_int_equal(pinned(&w), 1);
	world_pass(&w, 2 * USEC_PER_SEC);
	assert_int_equal(pinned(&w), 0);
	assert_null(client_of(a)->server);
	ASSERT_HEARS(a, "");
	world_end(&w);
}

static void who_waits_for_his_answer_stays_when_others_have_theirs(void **state)
{
	struct world w;

	(void)state;
	world_begin(&w,
		    "pool_mode = transaction\ndefault_pool_size = 3\nmax_pinned = 2\n");
	struct actor *a = world_session(&w), *b = world_session(&w);
	struct actor *c = world_session(&w), *s1 = world_server(&w, 1);
	stay(a, s1);
	answer(a, s1, "Q[select nextval('s')]");
	say(b, "Q[begin]");
	struct actor *s2 = world_server(&w, 2);
	heard(s2);
	say(s2, "C[BEGIN] Z[T]");
	say(b, "Q[select nextval('s'); select lastval(); commit]");
	heard(s2);
	say(s2, "C[SELECT 1] C[SELECT 1] C[COMMIT] Z[I]");
	heard(b);
	assert_int_equal(pinned(&w), 2);
	/* Of two that are idle for a short time only one has its answer. */
	say(c, "Q[select pg_advisory_lock(1)]");
	struct actor *s3 = world_server(&w, 3);
	ASSERT_HEARS(s3, "Q[select pg_advisory_lock(1)]");
	assert_int_equal(pinned(&w), 2);
	assert_null(client_of(b)->server);
	answer(a, s1, "Q[select lastval()]");
	/* That one may go now. */
	say(b, "Q[select pg_advisory_lock(2)]");
	heard(s2);
	assert_int_equal(pinned(&w), 2);
	assert_null(client_of(a)->server);
	assert_int_equal(client_of(a)->session->pins, 0);
	world_end(&w);
}

static void a_sequence_ends_nobody_whom_there_is_no_room_for(void **state)
{
	struct world w;

	(void)state;
	world_begin(&w, TWO "max_pinned = 1\n");
	struct actor *a = world_session(&w), *b = world_session(&w);
	struct actor *s1 = world_server(&w, 1);
	pin(a, s1, "Q[create temp table t(i int)]", "t");
	say(b, "Q[select nextval('s')]");
	struct actor *s2 = world_server(&w, 2);
	heard(s2);
	say(s2, "C[SELECT 1] Z[I]");
	heard(b);
	answer(b, s2, "Q[select lastval()]");
	answer(b, s2, "Q[select nextval('s')]");
	assert_null(client_of(b)->server);
	assert_int_equal(pinned(&w), 1);
	world_end(&w);
}

static void discarding_sequences_lets_a_client_go(void **state)
{
	struct world w;

	(void)state;
	world_begin(&w, ONE);
	struct actor *a = world_session(&w), *s = world_server(&w, 1);
	stay(a, s);
	say(a, "Q[discard sequences] Q[select nextval('s')]");
	heard(s);
	say(s, "C[DISCARD SEQUENCES] Z[I] C[SELECT 1] Z[I]");
	heard(a);
	/* What was asked behind it counts. */
	heard(s);
	say(s, "C[SELECT 0] Z[I]");
	assert_int_equal(client_of(a)->session->pins, PIN_SEQUENCES);
	say(a, "Q[discard sequences]");
	heard(s);
	say(s, "C[DISCARD SEQUENCES] Z[I]");
	heard(s);
	say(s, "C[SELECT 0] Z[I]");
	assert_int_equal(pinned(&w), 0);
	assert_null(client_of(a)->server);
	world_end(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(state_keeps_a_client_and_the_next_waits),
	    cmocka_unit_test(nothing_is_set_again_behind_what_a_pinned_client_has_said),
	    cmocka_unit_test(what_is_not_there_keeps_nobody),
	    cmocka_unit_test(who_is_pinned_and_silent_for_too_long_goes),
	    cmocka_unit_test(a_pin_ends_with_its_client_or_server),
	    cmocka_unit_test(a_library_is_left_to_nobody),
	    cmocka_unit_test(who_comes_back_soon_gets_the_server_that_he_had),
	    cmocka_unit_test(the_first_who_asks_is_not_told_what_a_stranger_has_left),
	    cmocka_unit_test(where_nobody_asks_for_long_nothing_is_forgotten),
	    cmocka_unit_test(a_step_and_a_question_in_one_text_are_among_themselves),
	    cmocka_unit_test(who_waits_for_his_answer_gives_way_after_a_second),
	    cmocka_unit_test(who_has_his_answer_gives_way_at_once),
	    cmocka_unit_test(who_stays_for_a_sequence_is_let_go_by_the_timeout),
	    cmocka_unit_test(who_waits_for_his_answer_stays_when_others_have_theirs),
	    cmocka_unit_test(a_sequence_ends_nobody_whom_there_is_no_room_for),
	    cmocka_unit_test(discarding_sequences_lets_a_client_go),
	};

	return cmocka_run_group_tests_name("pins", tests, NULL, NULL);
}
