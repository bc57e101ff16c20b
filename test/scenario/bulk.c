/*
 * Scenarios of much: COPY in all its forms, long messages, and peers that do not keep up.
 */
#include "scenario/world.h"

/* ---- COPY ---- */

static void copies_go_through_and_set_their_server_free(void **state)
{
	static const struct {
		const char *asked, *begun, *sent, *ended;
	} cases[] = {
	    {"Q[copy out]", "H d[one] d[two]", "", "c C[COPY 2] Z[I]"},
	    {"Q[copy in]", "G", "d[one] d[two] c", "C[COPY 2] Z[I]"},
	    {"Q[copy in]", "G", "d[one] f[sorry]", "E[ERROR 57014] Z[I]"},
	    /* It fails while data is still sent; what comes late is ignored. */
	    {"Q[copy in]", "G E[ERROR 22P04] Z[I]", "d[late] c", ""},
	    {"P[copy] B[copy] E S", "1 2 G", "d[one] c S", "C[COPY 1] Z[I]"},
	    {"P[copy] B[copy] E H", "1 2 G", "d[one] c S", "C[COPY 1] Z[I]"},
	    {"P[copy] B[copy] E H", "1 2 G", "d[one] f[no] S", "E[ERROR 57014] Z[I]"},
	    {"Q[copy both]", "W d[from the server]", "d[from the client] c",
	     "c C[COPY] Z[I]"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char expected[256];
		struct world w;
		world_begin(&w, "pool_mode = transaction\n");
		struct actor *a = world_session(&w), *s = world_server(&w, 1);
		say(a, cases[i].asked);
		say(s, cases[i].begun);
		say(a, cases[i].sent);
		say(s, cases[i].ended);
		snprintf(expected, sizeof(expected), "%s%s%s", cases[i].begun,
			 cases[i].ended[0] ? " " : "", cases[i].ended);
		ASSERT_HEARS(a, expected);
		heard(s);
		say(a, "Q[next]");
		if (strcmp(heard(s), "Q[next]") != 0)
			fail_msg("case %zu: %s", i, s->told);
		say(s, "I Z[I]");
		if (client_of(a)->state != CLIENT_IDLE)
			fail_msg("case %zu: keeps its server", i);
		leave(a);
		world_has_free_servers(&w, 1);
		world_end(&w);
	}
}

static void a_copy_that_fails_with_a_sync_in_doubt_is_probed(void **state)
{
	struct world w;

	(void)state;
	world_begin(&w, "pool_mode = transaction\n");
	struct actor *a = world_session(&w), *s = world_server(&w, 1);
	say(a, "P[copy] B[copy] E S");
	say(s, "1 2 G");
	say(a, "d[one] c S");
	heard(s);
	/* Was the first Sync eaten by the COPY, or will it be answered? */
	say(s, "E[ERROR 22P04] Z[I]");
	ASSERT_HEARS(s, "Q");
	assert_int_equal(client_of(a)->state, CLIENT_LINKED);
	say(s, "I Z[I]");
	ASSERT_HEARS(a, "1 2 G E[ERROR 22P04] Z[I]");
	assert_int_equal(client_of(a)->state, CLIENT_IDLE);
	say(a, "Q[next]");
	ASSERT_HEARS(s, "Q[next]");
	world_end(&w);
}

/* Half a CopyData was on its way when the COPY failed. */
static void the_late_rest_of_a_message_sets_the_server_free(void **state)
{
	struct buffer bytes = {0};
	struct world w;

	(void)state;
	world_begin(&w, "pool_mode = transaction\n");
	struct actor *a = world_session(&w), *s = world_server(&w, 1);
	say(a, "Q[copy in]");
	say(s, "G");
	script_write(&bytes, FROM_CLIENT, "d[some data]");
	actor_push_bytes(a, slice_first(buffer_bytes(&bytes), 8));
	world_settle(&w);
	say(s, "E[ERROR 22P04] Z[I]");
	assert_int_equal(client_of(a)->state, CLIENT_LINKED);
	actor_push_bytes(a, slice_after(buffer_bytes(&bytes), 8));
	world_settle(&w);
	assert_int_equal(client_of(a)->state, CLIENT_IDLE);
	say(a, "c");
	ASSERT_HEARS(s, "Q[copy in] d[some data]");
	leave(a);
	world_has_free_servers(&w, 1);
	buffer_fini(&bytes);
	world_end(&w);
}

/* The same with a Sync in doubt: the probe must not land inside of the message. */
static void a_probe_waits_for_the_rest_of_a_message(void **state)
{
	struct buffer bytes = {0};
	struct world w;

	(void)state;
	world_begin(&w, "pool_mode = transaction\n");
	struct actor *a = world_session(&w), *s = world_server(&w, 1);
	say(a, "P[copy] B[copy] E S");
	say(s, "1 2 G");
	heard(s);
	script_write(&bytes, FROM_CLIENT, "d[some data]");
	say(a, "S");
	actor_push_bytes(a, slice_first(buffer_bytes(&bytes), 8));
	world_settle(&w);
	say(s, "E[ERROR 22P04] Z[I]");
	actor_push_bytes(a, slice_after(buffer_bytes(&bytes), 8));
	world_settle(&w);
	ASSERT_HEARS(s, "S d[some data] Q");
	say(s, "I Z[I]");
	assert_int_equal(client_of(a)->state, CLIENT_IDLE);
	buffer_fini(&bytes);
	world_end(&w);
}

/* ---- long messages ---- */

enum { LONG_LEN = 300 * 1000 };

/* A message of that letter with a body of LONG_LEN bytes that are not all the same. */
static void write_long(struct buffer *out, uint8_t letter)
{
	uint32_t len = LONG_LEN + 4;
	const uint8_t header[] = {letter, (uint8_t)(len >> 24), (uint8_t)(len >> 16),
				  (uint8_t)(len >> 8), (uint8_t)len};
	uint8_t *body;

	assert_true(buffer_append(out, slice_of(header, sizeof(header))));
	body = buffer_reserve(out, LONG_LEN);
	assert_non_null(body);
	for (size_t i = 0; i < LONG_LEN; i++)
		body[i] = (uint8_t)(i * 2654435761u >> 13);
	buffer_commit(out, LONG_LEN);
}

static void assert_received(struct actor *a, const struct buffer *expected)
{
	struct slice got = fake_peer_received(&a->peer);

	assert_true(got.len >= buffer_len(expected));
	assert_memory_equal(got.data, buffer_bytes(expected).data, buffer_len(expected));
	fake_peer_drop(&a->peer, buffer_len(expected));
}

/* `most`: what one read or write moves at most. */
static void long_messages_pass_by(size_t most, size_t first_piece)
{
	struct buffer query = {0}, row = {0};
	struct world w;

	world_begin(&w, "pool_mode = transaction\n");
	struct actor *a = world_session(&w), *s = world_server(&w, 1);
	a->peer.read_most = a->peer.write_most = most;
	s->peer.read_most = s->peer.write_most = most;
	write_long(&query, 'Q');
	actor_push_bytes(a, slice_first(buffer_bytes(&query), first_piece));
	world_settle(&w);
	actor_push_bytes(a, slice_after(buffer_bytes(&query), first_piece));
	world_settle(&w);
	assert_received(s, &query);
	write_long(&row, 'D');
	say(s, "T");
	ASSERT_HEARS(a, "T");
	actor_push_bytes(s, slice_first(buffer_bytes(&row), first_piece));
	world_settle(&w);
	actor_push_bytes(s, slice_after(buffer_bytes(&row), first_piece));
	say(s, "C[SELECT 1] Z[I]");
	assert_received(a, &row);
	ASSERT_HEARS(a, "C[SELECT 1] Z[I]");
	/* Nobody has read all of that text: the server is asked what it has done. */
	assert_int_equal(client_of(a)->server->task, SERVER_TASK_SETTLE);
	heard(s);
	say(s, "C[SET] C[SELECT 0] C[SELECT 0] Z[I]");
	assert_int_equal(client_of(a)->state, CLIENT_IDLE);
	assert_int_equal(buffer_len(&client_of(a)->stream.in), 0);
	buffer_fini(&query);
	buffer_fini(&row);
	world_end(&w);
}

static void long_messages_are_streamed(void **state)
{
	static const size_t mosts[] = {SIZE_MAX, 1448, 37};
	static const size_t pieces[] = {1, 4, 5, 6, 9, 4096, 20000};

	(void)state;
	for (size_t i = 0; i < sizeof(mosts) / sizeof(mosts[0]); i++)
		for (size_t k = 0; k < sizeof(pieces) / sizeof(pieces[0]); k++)
			if (mosts[i] != 37 || k == 3)
				long_messages_pass_by(mosts[i], pieces[k]);
}

static void a_long_error_or_parameter_goes_through(void **state)
{
	static const uint8_t letters[] = {'E', 'N', 'T', 't', 'A', 'd'};

	(void)state;
	for (size_t i = 0; i < sizeof(letters); i++) {
		struct buffer bytes = {0};
		struct world w;
		/* Where servers are shared a notification is not for who has it. */
		world_begin(&w, letters[i] == 'A' ? "pool_mode = session\n"
						  : "pool_mode = transaction\n");
		struct actor *a = world_session(&w), *s = world_server(&w, 1);
		a->peer.read_most = s->peer.read_most = 1000;
		say(a, letters[i] == 't' ? "P[a] D[a] S" : "Q[one]");
		if (letters[i] == 't')
			say(s, "1");
		if (letters[i] == 'd')
			say(s, "H");
		heard(a);
		write_long(&bytes, letters[i]);
		actor_push_bytes(s, buffer_bytes(&bytes));
		world_settle(&w);
		assert_received(a, &bytes);
		buffer_fini(&bytes);
		world_end(&w);
	}
}

static void a_long_message_behind_a_refusal_is_skipped(void **state)
{
	struct buffer bytes = {0};
	struct world w;

	(void)state;
	world_begin(&w, "pool_mode = transaction\nmax_queue = 0\n"
			"default_pool_size = 1\n");
	w.answers = true;
	struct actor *holder = world_session(&w), *a = world_session(&w);
	say(holder, "Q[begin]");
	write_long(&bytes, 'P');
	a->peer.read_most = 1000;
	actor_push_bytes(a, buffer_bytes(&bytes));
	say(a, "B[x] E S Q[two]");
	ASSERT_HEARS(a, "E[ERROR 53300] Z[I] E[ERROR 53300] Z[I]");
	buffer_fini(&bytes);
	world_end(&w);
}

/* ---- peers that do not keep up ---- */

/* What the pooler holds of this client and its server. */
static size_t memory_of(const struct client *c)
{
	size_t sum = c->stream.in.cap + c->stream.out.cap;

	if (c->server)
		sum += c->server->stream.in.cap + c->server->stream.out.cap;
	return sum;
}

enum { FLAT = 700 * 1024, ROWS = 200 };

static void a_client_that_does_not_read_stops_its_server(void **state)
{
	struct buffer row = {0};
	struct world w;
	size_t most = 0;

	(void)state;
	world_begin(&w, "pool_mode = transaction\n");
	struct actor *a = world_session(&w), *s = world_server(&w, 1);
	say(a, "Q[much]");
	say(s, "T");
	heard(a);
	a->peer.room = 0;
	write_long(&row, 'D');
	for (int i = 0; i < 40; i++) {
		actor_push_bytes(s, buffer_bytes(&row));
		world_settle(&w);
		if (memory_of(client_of(a)) > most)
			most = memory_of(client_of(a));
	}
	assert_in_range(most, 1, FLAT);
	/* It has not read what it cannot pass on. */
	assert_true(buffer_len(&s->peer.sent) > 38u * LONG_LEN);
	actor_push(s, "C[SELECT 40] Z[I]");
	a->peer.room = SIZE_MAX;
	world_settle(&w);
	for (int i = 0; i < 40; i++)
		assert_received(a, &row);
	ASSERT_HEARS(a, "C[SELECT 40] Z[I]");
	assert_int_equal(memory_of(client_of(a)), 0);
	buffer_fini(&row);
	world_end(&w);
}

static void a_server_that_does_not_read_stops_its_client(void **state)
{
	struct buffer data = {0};
	struct world w;
	size_t most = 0;

	(void)state;
	world_begin(&w, "pool_mode = transaction\n");
	struct actor *a = world_session(&w), *s = world_server(&w, 1);
	say(a, "Q[copy in]");
	say(s, "G");
	heard(s);
	s->peer.room = 0;
	write_long(&data, 'd');
	for (int i = 0; i < 40; i++) {
		actor_push_bytes(a, buffer_bytes(&data));
		world_settle(&w);
		if (memory_of(client_of(a)) > most)
			most = memory_of(client_of(a));
	}
	assert_in_range(most, 1, FLAT);
	assert_true(buffer_len(&a->peer.sent) > 38u * LONG_LEN);
	actor_push(a, "c");
	s->peer.room = SIZE_MAX;
	world_settle(&w);
	for (int i = 0; i < 40; i++)
		assert_received(s, &data);
	ASSERT_HEARS(s, "c");
	say(s, "C[COPY 40] Z[I]");
	assert_int_equal(memory_of(client_of(a)), 0);
	buffer_fini(&data);
	world_end(&w);
}

static void a_client_that_waits_is_not_read_without_end(void **state)
{
	struct buffer query = {0};
	struct world w;

	(void)state;
	world_begin(&w, "pool_mode = transaction\ndefault_pool_size = 1\n");
	w.answers = true;
	struct actor *holder = world_session(&w), *a = world_session(&w);
	say(holder, "Q[begin]");
	write_long(&query, 'Q');
	actor_push_bytes(a, buffer_bytes(&query));
	actor_push_bytes(a, buffer_bytes(&query));
	world_settle(&w);
	assert_int_equal(client_of(a)->state, CLIENT_WAITING);
	assert_in_range(memory_of(client_of(a)), 1, FLAT);
	say(holder, "Q[commit]");
	assert_int_equal(client_of(a)->state, CLIENT_IDLE);
	assert_int_equal(memory_of(client_of(a)), 0);
	buffer_fini(&query);
	world_end(&w);
}

/* Both write all they have and read nothing until they have written it. */
static void two_that_write_without_reading_do_not_block_each_other(void **state)
{
	struct world w;

	(void)state;
	world_begin(&w, "pool_mode = transaction\n");
	struct actor *a = world_session(&w), *s = world_server(&w, 1);
	say(a, "Q[first]");
	a->peer.room = s->peer.room = 0;
	for (int i = 0; i < ROWS; i++) {
		actor_push(a, "Q[another question]");
		actor_push(s, "D[another row]");
		world_settle(&w);
	}
	/* All of this fits into the buffers, so it was read. */
	assert_int_equal(buffer_len(&a->peer.sent), 0);
	assert_int_equal(buffer_len(&s->peer.sent), 0);
	a->peer.room = s->peer.room = SIZE_MAX;
	world_settle(&w);
	assert_int_equal(fake_peer_received(&a->peer).len, ROWS * 16);
	world_end(&w);
}

static void a_peer_that_takes_a_byte_at_a_time_gets_them_all(void **state)
{
	struct world w;

	(void)state;
	world_begin(&w, "pool_mode = transaction\n");
	w.answers = true;
	struct actor *a = world_session(&w);
	a->peer.read_most = a->peer.write_most = 1;
	say(a, "Q[one] P[two] B[two] E S Q[copy out]");
	ASSERT_HEARS(a, "T D[one] C[SELECT 1] Z[I] 1 2 D[two] C[SELECT 1] Z[I] "
			"H d[one] d[two] c C[COPY 2] Z[I]");
	world_end(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(copies_go_through_and_set_their_server_free),
	    cmocka_unit_test(a_copy_that_fails_with_a_sync_in_doubt_is_probed),
	    cmocka_unit_test(the_late_rest_of_a_message_sets_the_server_free),
	    cmocka_unit_test(a_probe_waits_for_the_rest_of_a_message),
	    cmocka_unit_test(long_messages_are_streamed),
	    cmocka_unit_test(a_long_error_or_parameter_goes_through),
	    cmocka_unit_test(a_long_message_behind_a_refusal_is_skipped),
	    cmocka_unit_test(a_client_that_does_not_read_stops_its_server),
	    cmocka_unit_test(a_server_that_does_not_read_stops_its_client),
	    cmocka_unit_test(a_client_that_waits_is_not_read_without_end),
	    cmocka_unit_test(two_that_write_without_reading_do_not_block_each_other),
	    cmocka_unit_test(a_peer_that_takes_a_byte_at_a_time_gets_them_all),
	};

	return cmocka_run_group_tests_name("much", tests, NULL, NULL);
}
