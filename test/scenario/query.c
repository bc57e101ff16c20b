/*
 * Scenarios of queries: how they get to a server and back, and who gets it next.
 */
#include "proto/writer.h"
#include "scenario/world.h"

static void a_query_goes_through_and_sets_its_server_free(void **state)
{
	struct world w;

	(void)state;
	world_begin(&w, "pool_mode = transaction\n");
	struct actor *c = world_session(&w), *s = world_server(&w, 1);
	say(c, "Q[select 1]");
	ASSERT_HEARS(s, "Q[select 1]");
	assert_int_equal(client_of(c)->state, CLIENT_LINKED);
	say(s, "T D[1] C[SELECT 1] Z[I]");
	ASSERT_HEARS(c, "T D[1] C[SELECT 1] Z[I]");
	assert_int_equal(client_of(c)->state, CLIENT_IDLE);
	assert_int_equal(actor_server(s)->state, SERVER_IDLE);
	leave(c);
	world_has_free_servers(&w, 1);
	world_end(&w);
}

/* Both directions cut at every byte; `mode` decides what is free in the end. */
static void goes_at_every_split(const char *mode, const char *asked, const char *answered)
{
	struct buffer asks = {0}, answers = {0};

	script_write(&asks, FROM_CLIENT, asked);
	script_write(&answers, FROM_SERVER, answered);
	for (size_t cut = 0; cut < buffer_len(&asks) + buffer_len(&answers); cut++) {
		size_t in = cut % buffer_len(&asks), out = cut % buffer_len(&answers);
		struct world w;
		world_begin(&w, mode);
		struct actor *c = world_session(&w), *s = world_server(&w, 1);
		actor_push_bytes(c, slice_first(buffer_bytes(&asks), in));
		world_settle(&w);
		actor_push_bytes(c, slice_after(buffer_bytes(&asks), in));
		world_settle(&w);
		ASSERT_HEARS(s, asked);
		actor_push_bytes(s, slice_first(buffer_bytes(&answers), out));
		world_settle(&w);
		actor_push_bytes(s, slice_after(buffer_bytes(&answers), out));
		world_settle(&w);
		ASSERT_HEARS(c, answered);
		say(c, "Q[more]");
		ASSERT_HEARS(s, "Q[more]");
		say(s, "I Z[I]");
		ASSERT_HEARS(c, "I Z[I]");
		world_end(&w);
	}
	buffer_fini(&asks);
	buffer_fini(&answers);
}

static void queries_and_answers_may_be_cut_anywhere(void **state)
{
	(void)state;
	goes_at_every_split("pool_mode = transaction", "Q[select 1] Q[select 2]",
			    "T D[1] C[SELECT 1] Z[I] N[NOTICE 00000] "
			    "S[TimeZone=CET] E[ERROR 22012] Z[I]");
	goes_at_every_split("pool_mode = session",
			    "P[a] B[b] D[c] E[d] S P[e] B H C[f] F[call] S",
			    "1 2 n D[1] C[SELECT 1] Z[I] A[channel] 1 2 3 V Z[T] Z[I]");
}

/* A ReadyForQuery in two pieces must not leave the stream reading bytewise. */
static void a_message_in_pieces_does_not_slow_the_stream(void **state)
{
	struct buffer answer = {0};
	struct world w;

	(void)state;
	world_begin(&w, "pool_mode = transaction\n");
	struct actor *c = world_session(&w), *s = world_server(&w, 1);
	script_write(&answer, FROM_SERVER, "I Z[I]");
	say(c, "Q[one]");
	actor_push_bytes(s, slice_first(buffer_bytes(&answer), 10));
	world_settle(&w);
	actor_push_bytes(s, slice_after(buffer_bytes(&answer), 10));
	world_settle(&w);
	ASSERT_HEARS(c, "I Z[I]");
	say(c, "Q[two]");
	unsigned before = s->peer.reads;
	say(s, "T D[some row] D[some row] D[some row] C[SELECT 3] Z[I]");
	assert_in_range(s->peer.reads - before, 1, 2);
	buffer_fini(&answer);
	world_end(&w);
}

static void bytes_are_counted_once_however_they_come(void **state)
{
	struct world w;

	(void)state;
	world_begin(&w, "pool_mode = transaction\n");
	struct actor *c = world_session(&w), *s = world_server(&w, 1);
	struct pool *pool = world_pool(&w, "app", "anna");
	struct buffer bytes = {0};
	script_write(&bytes, FROM_CLIENT, "Q[select 1]");
	const struct counters *now = tally_at(&pool->tally, w.loop.now_us);
	uint64_t received = now->received, sent = now->sent;
	c->peer.read_most = s->peer.read_most = 1;
	say(c, "Q[select 1]");
	say(s, "Z[I]");
	now = tally_at(&pool->tally, w.loop.now_us);
	assert_int_equal(now->received - received, buffer_len(&bytes));
	assert_int_equal(now->sent - sent, 6);
	buffer_fini(&bytes);
	world_end(&w);
}

static void a_transaction_keeps_its_server_to_its_end(void **state)
{
	struct world w;

	(void)state;
	world_begin(&w, "pool_mode = transaction\ndefault_pool_size = 1\n");
	w.answers = true;
	struct actor *a = world_session(&w), *b = world_session(&w);
	say(a, "Q[begin]");
	say(b, "Q[from b]");
	say(a, "Q[from a]");
	ASSERT_HEARS(a, "C[BEGIN] Z[T] T D[from a] C[SELECT 1] Z[T]");
	ASSERT_HEARS(b, "");
	say(a, "Q[commit]");
	ASSERT_HEARS(a, "C[COMMIT] Z[I]");
	ASSERT_HEARS(b, "T D[from b] C[SELECT 1] Z[I]");
	assert_null(world_server(&w, 2));
	world_end(&w);
}

static void a_failed_transaction_keeps_its_server_too(void **state)
{
	struct world w;

	(void)state;
	world_begin(&w, "pool_mode = transaction\n");
	w.answers = true;
	struct actor *a = world_session(&w);
	say(a, "Q[begin] Q[fail]");
	ASSERT_HEARS(a, "C[BEGIN] Z[T] E[ERROR 22012] Z[E]");
	assert_int_equal(client_of(a)->state, CLIENT_LINKED);
	say(a, "Q[commit]");
	assert_int_equal(client_of(a)->state, CLIENT_IDLE);
	world_end(&w);
}

static void a_session_keeps_its_server_and_it_is_reset_for_the_next(void **state)
{
	struct world w;

	(void)state;
	world_begin(&w, "pool_mode = session\ndefault_pool_size = 1\n");
	struct actor *a = world_session(&w), *b = world_session(&w);
	struct actor *s = world_server(&w, 1);
	say(a, "Q[one]");
	say(s, "I Z[I]");
	say(b, "Q[two]");
	ASSERT_HEARS(s, "Q[one]");
	say(a, "X");
	ASSERT_HEARS(s, "Q[DISCARD ALL]");
	assert_int_equal(actor_server(s)->state, SERVER_CLEANING);
	say(s, "C[DISCARD ALL] Z[I]");
	ASSERT_HEARS(s, "Q[two]");
	ASSERT_HEARS(b, "");
	say(s, "I Z[I]");
	ASSERT_HEARS(b, "I Z[I]");
	world_end(&w);
}

static void a_statement_keeps_its_server_and_no_longer(void **state)
{
	struct world w;

	(void)state;
	world_begin(&w, "pool_mode = statement\n");
	w.answers = true;
	struct actor *a = world_session(&w), *b = world_session(&w);
	say(a, "Q[one]");
	ASSERT_HEARS(a, "T D[one] C[SELECT 1] Z[I]");
	assert_int_equal(client_of(a)->state, CLIENT_IDLE);
	say(b, "Q[begin]");
	ASSERT_HEARS(b, "C[BEGIN] Z[T] E[FATAL 0A000]");
	assert_true(is_gone(b));
	leave(a);
	world_has_free_servers(&w, 1);
	world_end(&w);
}

static void who_waits_is_served_in_order(void **state)
{
	struct world w;
	struct actor *c[5];
	char said[16], expected[64];

	(void)state;
	world_begin(&w, "pool_mode = transaction\ndefault_pool_size = 1\n");
	struct actor *s = NULL;
	for (int i = 0; i < 5; i++) {
		c[i] = world_session(&w);
		s = world_server(&w, 1);
	}
	for (int i = 0; i < 5; i++) {
		snprintf(said, sizeof(said), "Q[%d]", i);
		say(c[i], said);
	}
	/* One gives up from the middle. */
	leave(c[2]);
	for (int i = 0; i < 5; i++) {
		if (i == 2)
			continue;
		snprintf(expected, sizeof(expected), "Q[%d]", i);
		ASSERT_HEARS(s, expected);
		say(s, "I Z[I]");
		ASSERT_HEARS(c[i], "I Z[I]");
	}
	ASSERT_HEARS(s, "");
	world_end(&w);
}

static void a_pipeline_over_several_syncs_stays_together(void **state)
{
	struct world w;

	(void)state;
	world_begin(&w, "pool_mode = transaction\n");
	struct actor *a = world_session(&w), *s = world_server(&w, 1);
	say(a, "P[a] B[a] E S P[b] B[b] E S Q[c]");
	ASSERT_HEARS(s, "P[a] B[a] E S P[b] B[b] E S Q[c]");
	say(s, "1 2 D[1] C[SELECT 1] Z[I]");
	assert_int_equal(client_of(a)->state, CLIENT_LINKED);
	say(s, "E[ERROR 42601] Z[I]");
	assert_int_equal(client_of(a)->state, CLIENT_LINKED);
	say(s, "I Z[I]");
	assert_int_equal(client_of(a)->state, CLIENT_IDLE);
	ASSERT_HEARS(a, "1 2 D[1] C[SELECT 1] Z[I] E[ERROR 42601] Z[I] I Z[I]");
	world_end(&w);
}

/* The query arrives in two halves and the only server is wanted by another in between. */
static void half_a_query_keeps_no_server_from_others(void **state)
{
	struct buffer bytes = {0};

	(void)state;
	script_write(&bytes, FROM_CLIENT, "Q[a long question]");
	for (size_t cut = 1; cut < buffer_len(&bytes); cut++) {
		struct world w;
		world_begin(&w, "pool_mode = transaction\ndefault_pool_size = 1\n");
		w.answers = true;
		struct actor *a = world_session(&w), *b = world_session(&w);
		actor_push_bytes(a, slice_first(buffer_bytes(&bytes), cut));
		world_settle(&w);
		assert_int_equal(client_of(a)->state, CLIENT_IDLE);
		say(b, "Q[from b]");
		ASSERT_HEARS(b, "T D[from b] C[SELECT 1] Z[I]");
		actor_push_bytes(a, slice_after(buffer_bytes(&bytes), cut));
		world_settle(&w);
		ASSERT_HEARS(a, "T D[a long question] C[SELECT 1] Z[I]");
		world_end(&w);
	}
	buffer_fini(&bytes);
}

/* It could not be kept until it is whole. */
static void half_a_query_that_is_too_long_to_keep_has_a_server(void **state)
{
	static char text[STREAM_KEEP_MAX + 1];
	struct buffer bytes = {0};
	struct world w;

	(void)state;
	memset(text, 'x', sizeof(text) - 1);
	for (size_t more = 0; more < 2; more++) {
		/* With its header and the NUL it is just short enough, or not. */
		text[STREAM_KEEP_MAX - 6 + more] = '\0';
		struct writer writer = writer_of(&bytes);
		writer_begin(&writer, 'Q');
		writer_text(&writer, text);
		writer_end(&writer);
		assert_true(writer_finish(&writer));
		assert_int_equal(buffer_len(&bytes), STREAM_KEEP_MAX + more);
		world_begin(&w, "pool_mode = transaction\n");
		struct actor *a = world_session(&w), *s = world_server(&w, 1);
		actor_push_bytes(a,
				 slice_first(buffer_bytes(&bytes), STREAM_KEEP_MAX - 1));
		world_settle(&w);
		assert_int_equal(client_of(a)->state, more ? CLIENT_LINKED : CLIENT_IDLE);
		actor_push_bytes(a,
				 slice_after(buffer_bytes(&bytes), STREAM_KEEP_MAX - 1));
		world_settle(&w);
		assert_int_equal(client_of(a)->state, CLIENT_LINKED);
		say(s, "C[SELECT 1] Z[I]");
		ASSERT_HEARS(a, "C[SELECT 1] Z[I]");
		world_end(&w);
		buffer_fini(&bytes);
		text[STREAM_KEEP_MAX - 6 + more] = 'x';
	}
}

static void what_needs_no_server_gets_none(void **state)
{
	struct world w;

	(void)state;
	world_begin(&w, "pool_mode = transaction\n");
	struct actor *a = world_session(&w), *s = world_server(&w, 1);
	say(a, "S H d[late] c f[late] S");
	ASSERT_HEARS(a, "Z[I] Z[I]");
	ASSERT_HEARS(s, "");
	world_end(&w);
}

static void notices_and_notifications_go_to_who_is_linked(void **state)
{
	struct world w;

	(void)state;
	world_begin(&w, "pool_mode = session\n");
	struct actor *a = world_session(&w), *s = world_server(&w, 1);
	say(s, "N[WARNING 01000 nobody hears] A[nobody]");
	ASSERT_HEARS(a, "");
	say(a, "Q[one]");
	say(s, "N[NOTICE 00000 to a] I Z[I] A[to a] N[NOTICE 00000 to a]");
	ASSERT_HEARS(a, "N[NOTICE 00000] I Z[I] A[to a] N[NOTICE 00000]");
	leave(a);
	say(s, "N[NOTICE 00000 of the reset] C[DISCARD ALL] Z[I]");
	world_has_free_servers(&w, 1);
	world_end(&w);
}

/* The rest of a message to a client that has gone is nobody else's. */
static void half_a_notification_does_not_reach_the_next_client(void **state)
{
	struct buffer bytes = {0};
	struct world w;

	(void)state;
	world_begin(&w, "pool_mode = session\nserver_reset_query =\n");
	struct actor *a = world_session(&w), *b = world_session(&w);
	struct actor *s = world_server(&w, 1);
	say(a, "Q[one]");
	say(s, "I Z[I]");
	script_write(&bytes, FROM_SERVER, "A[for a alone]");
	actor_push_bytes(s, slice_first(buffer_bytes(&bytes), 12));
	world_settle(&w);
	leave(a);
	say(b, "Q[two]");
	ASSERT_HEARS(s, "Q[one] Q[two]");
	actor_push_bytes(s, slice_after(buffer_bytes(&bytes), 12));
	say(s, "I Z[I]");
	ASSERT_HEARS(b, "I Z[I]");
	buffer_fini(&bytes);
	world_end(&w);
}

static void a_bad_message_ends_the_client_and_saves_its_server(void **state)
{
	static const char *const bad[] = {"!", "p[secret]", "Z[I]"};

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct world w;
		world_begin(&w, "pool_mode = transaction\n");
		struct actor *a = world_session(&w);
		say(a, bad[i]);
		ASSERT_HEARS(a, "E[FATAL 08P01]");
		assert_true(is_gone(a));
		world_has_free_servers(&w, 1);
		world_end(&w);
	}
}

static void a_message_that_is_too_long_ends_its_client(void **state)
{
	static const uint8_t long_query[] = {'Q', 0, 0, 4, 1},
			     no_length[] = {'Q', 0, 0, 0, 3};
	struct world w;

	(void)state;
	world_begin(&w, "max_packet_size = 1024\n");
	struct actor *a = world_session(&w);
	actor_push_bytes(a, slice_of(long_query, sizeof(long_query)));
	world_settle(&w);
	ASSERT_HEARS(a, "E[FATAL 08P01]");
	a = world_session(&w);
	actor_push_bytes(a, slice_of(no_length, sizeof(no_length)));
	world_settle(&w);
	ASSERT_HEARS(a, "E[FATAL 08P01]");
	world_has_free_servers(&w, 1);
	world_end(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_query_goes_through_and_sets_its_server_free),
	    cmocka_unit_test(queries_and_answers_may_be_cut_anywhere),
	    cmocka_unit_test(a_message_in_pieces_does_not_slow_the_stream),
	    cmocka_unit_test(bytes_are_counted_once_however_they_come),
	    cmocka_unit_test(a_transaction_keeps_its_server_to_its_end),
	    cmocka_unit_test(a_failed_transaction_keeps_its_server_too),
	    cmocka_unit_test(a_session_keeps_its_server_and_it_is_reset_for_the_next),
	    cmocka_unit_test(a_statement_keeps_its_server_and_no_longer),
	    cmocka_unit_test(who_waits_is_served_in_order),
	    cmocka_unit_test(a_pipeline_over_several_syncs_stays_together),
	    cmocka_unit_test(half_a_query_keeps_no_server_from_others),
	    cmocka_unit_test(half_a_query_that_is_too_long_to_keep_has_a_server),
	    cmocka_unit_test(what_needs_no_server_gets_none),
	    cmocka_unit_test(notices_and_notifications_go_to_who_is_linked),
	    cmocka_unit_test(half_a_notification_does_not_reach_the_next_client),
	    cmocka_unit_test(a_bad_message_ends_the_client_and_saves_its_server),
	    cmocka_unit_test(a_message_that_is_too_long_ends_its_client),
	};

	return cmocka_run_group_tests_name("queries", tests, NULL, NULL);
}
