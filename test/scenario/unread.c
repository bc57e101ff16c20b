/*
 * Scenarios of clients that do not read what they have asked for: what becomes of their
 * servers, of memory, and of everybody else.
 */
#include "scenario/world.h"

enum { KB = 1024, ROW_LEN = 10 * KB };

/* A row of ROW_LEN bytes on the wire. */
static void push_row(struct actor *server)
{
	static uint8_t bytes[ROW_LEN] = {'D', 0, 0, (ROW_LEN - 1) >> 8,
					 (ROW_LEN - 1) & 0xff};

	actor_push_bytes(server, slice_of(bytes, sizeof(bytes)));
}

static void answer(struct actor *server, unsigned rows)
{
	actor_push(server, "T");
	for (unsigned i = 0; i < rows; i++)
		push_row(server);
	actor_push(server, "C[SELECT] Z[I]");
	world_settle(server->world);
}

/* ---- client_buffer ---- */

/* Whether the server is free after so many rows for a client that reads nothing. */
static bool sets_free(const char *lines, unsigned rows)
{
	struct world w;

	world_begin(&w, lines);
	struct actor *a = world_session(&w), *s = world_server(&w, 1);
	a->peer.room = 0;
	say(a, "Q[much]");
	answer(s, rows);
	bool is_free =
	    client_of(a)->state == CLIENT_IDLE && actor_server(s)->state == SERVER_IDLE;
	/* In the end it has all of it, and the server is free in any case. */
	a->peer.room = SIZE_MAX;
	world_settle(&w);
	assert_in_range(fake_peer_received(&a->peer).len, rows * ROW_LEN,
			rows * ROW_LEN + 100);
	assert_int_equal(w.loop.ledger.held, 0);
	assert_int_equal(actor_server(s)->state, SERVER_IDLE);
	world_end(&w);
	return is_free;
}

static void an_answer_that_fits_the_buffer_sets_its_server_free_at_once(void **state)
{
	static const struct {
		const char *lines;
		unsigned rows;
		bool is_free;
	} cases[] = {
	    {"pool_mode = transaction\n", 1, true},
	    {"pool_mode = transaction\n", 6, true},
	    {"pool_mode = transaction\n", 8, false},
	    {"pool_mode = transaction\n", 100, false},
	    {"pool_mode = transaction\nclient_buffer = 200kB\n", 20, true},
	    {"pool_mode = transaction\nclient_buffer = 200kB\n", 22, false},
	    {"pool_mode = transaction\nclient_buffer = 0\n", 4, false},
	    /* An eighth of the memory is less. */
	    {"pool_mode = transaction\nmax_buffer_memory = 256kB\n", 2, true},
	    {"pool_mode = transaction\nmax_buffer_memory = 256kB\n", 6, false},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		if (sets_free(cases[i].lines, cases[i].rows) != cases[i].is_free)
			fail_msg("case %zu", i);
}

static void a_freed_server_serves_others_while_its_answer_is_unread(void **state)
{
	struct world w;

	(void)state;
	world_begin(&w, "pool_mode = transaction\ndefault_pool_size = 1\n");
	struct actor *slow = world_session(&w), *a = world_session(&w);
	struct actor *s = world_server(&w, 1);
	slow->peer.room = 0;
	say(slow, "Q[much]");
	answer(s, 6);
	say(a, "Q[one]");
	say(s, "I Z[I]");
	ASSERT_HEARS(a, "I Z[I]");
	/* It may ask again, but what it does not read stays with its server. */
	say(slow, "Q[more]");
	answer(s, 6);
	assert_int_equal(client_of(slow)->state, CLIENT_LINKED);
	say(a, "Q[two]");
	assert_int_equal(client_of(a)->state, CLIENT_WAITING);
	slow->peer.room = SIZE_MAX;
	world_settle(&w);
	say(s, "I Z[I]");
	ASSERT_HEARS(a, "I Z[I]");
	world_end(&w);
}

/* ---- what the pooler answers itself ---- */

enum { ASKED = 2000, UNREAD_MOST = 200 * KB };

static unsigned count_ready(struct slice heard)
{
	static const uint8_t ready[] = {'Z', 0, 0, 0, 5, 'I'};
	unsigned count = 0;

	for (size_t i = 0; i + sizeof(ready) <= heard.len; i++)
		count += memcmp(heard.data + i, ready, sizeof(ready)) == 0;
	return count;
}

/* One who asks and asks, and reads nothing before the end. */
static void ask_without_reading(const char *lines, const char *message)
{
	struct world w;

	world_begin(&w, lines);
	struct actor *holder = world_session(&w), *a = world_session(&w);
	say(holder, "Q[begin]");
	say(world_server(&w, 1), "C[BEGIN] Z[T]");
	heard(a);
	a->peer.room = 0;
	for (unsigned i = 0; i < ASKED; i++)
		actor_push(a, message);
	world_settle(&w);
	assert_true(w.loop.ledger.held <= UNREAD_MOST);
	/* It has every answer when it reads, a little at a time. */
	for (unsigned i = 0; i < 5; i++) {
		a->peer.room = 10 * KB;
		world_settle(&w);
		assert_true(w.loop.ledger.held <= UNREAD_MOST);
	}
	a->peer.room = SIZE_MAX;
	world_settle(&w);
	assert_int_equal(count_ready(fake_peer_received(&a->peer)), ASKED);
	assert_int_equal(w.loop.ledger.held, 0);
	assert_int_equal(client_of(a)->state, CLIENT_IDLE);
	world_end(&w);
}

static void who_does_not_read_refusals_is_not_answered_for_ever(void **state)
{
	static const char *const lines[] = {
	    "pool_mode = transaction\ndefault_pool_size = 1\nmax_queue = 0\n",
	    "pool_mode = transaction\ndefault_pool_size = 1\nmax_queue = 0\n"
	    "client_buffer = 0\n",
	    "pool_mode = transaction\ndefault_pool_size = 1\nmax_queue = 0\n"
	    "max_buffer_memory = 64kB\n"};

	(void)state;
	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
		ask_without_reading(lines[i], "Q[one]");
		ask_without_reading(lines[i], "P[one] B[] E S");
		ask_without_reading(lines[i], "S");
	}
}

/* ---- client_write_timeout ---- */

#define LIMIT_US (100 * USEC_PER_SEC)
#define TIMED "pool_mode = transaction\nclient_write_timeout = 100\n"

/* A client that has a long answer before it and takes nothing. */
static struct actor *stalled(struct world *w, unsigned rows)
{
	struct actor *a = world_session(w);

	a->peer.room = 0;
	say(a, "Q[much]");
	answer(world_server(w, 1), rows);
	return a;
}

static void a_client_that_takes_nothing_is_cut_and_its_server_saved(void **state)
{
	struct world w;

	(void)state;
	world_begin(&w, TIMED);
	struct actor *a = stalled(&w, 100), *s = world_server(&w, 1);
	assert_int_equal(client_of(a)->state, CLIENT_LINKED);
	world_pass(&w, LIMIT_US);
	assert_false(is_gone(a));
	world_pass(&w, LIMIT_US / CLIENT_WRITE_LOOKS);
	assert_true(is_gone(a));
	assert_int_equal(w.dispatcher.memory.unread_count, 1);
	assert_int_equal(fake_peer_received(&a->peer).len, 0);
	/* What it has asked is cancelled, and read to its end. */
	actor_accept(world_cancel(&w));
	world_settle(&w);
	leave(world_cancel(&w));
	assert_int_equal(actor_server(s)->state, SERVER_IDLE);
	assert_int_equal(w.loop.ledger.held, 0);
	world_end(&w);
}

static void so_is_one_whose_server_has_gone_to_others(void **state)
{
	struct world w;

	(void)state;
	world_begin(&w, TIMED);
	struct actor *a = stalled(&w, 5);
	assert_int_equal(client_of(a)->state, CLIENT_IDLE);
	world_pass(&w, 2 * LIMIT_US);
	assert_true(is_gone(a));
	assert_int_equal(w.dispatcher.memory.unread_count, 1);
	world_end(&w);
}

static void one_that_takes_a_little_now_and_then_is_let_be(void **state)
{
	struct world w;

	(void)state;
	world_begin(&w, TIMED);
	struct actor *a = stalled(&w, 100);
	for (int i = 0; i < 20; i++) {
		a->peer.room = 1;
		world_settle(&w);
		world_pass(&w, LIMIT_US - USEC_PER_SEC);
		assert_false(is_gone(a));
	}
	world_pass(&w, 2 * LIMIT_US);
	assert_true(is_gone(a));
	world_end(&w);
}

/* Only what it does with its answers counts. */
static void asking_more_is_not_taking(void **state)
{
	struct world w;

	(void)state;
	world_begin(&w, TIMED);
	struct actor *a = stalled(&w, 5);
	for (int i = 0; i < 13 && !is_gone(a); i++) {
		say(a, "Q[one]");
		say(world_server(&w, 1), "I Z[I]");
		world_pass(&w, LIMIT_US / 10);
	}
	assert_true(is_gone(a));
	world_end(&w);
}

static void who_reads_everything_may_be_idle_for_ever(void **state)
{
	struct world w;

	(void)state;
	world_begin(&w, TIMED);
	struct actor *a = stalled(&w, 100);
	a->peer.room = SIZE_MAX;
	world_settle(&w);
	world_pass(&w, 100 * LIMIT_US);
	assert_false(is_gone(a));
	assert_int_equal(w.dispatcher.memory.unread_count, 0);
	world_end(&w);
}

static void without_a_limit_nobody_is_cut_until_a_reload_sets_one(void **state)
{
	struct world w;

	(void)state;
	world_begin(&w, "pool_mode = transaction\nclient_write_timeout = 0\n");
	struct actor *a = stalled(&w, 5);
	world_pass(&w, 100 * LIMIT_US);
	assert_false(is_gone(a));
	world_reload(&w, TIMED);
	world_pass(&w, 2 * LIMIT_US);
	assert_true(is_gone(a));
	world_end(&w);
}

static void users_may_have_a_limit_of_their_own(void **state)
{
	struct world w;

	(void)state;
	world_begin(&w, TIMED "[users]\nanna = client_write_timeout=10\n");
	struct actor *a = stalled(&w, 5);
	world_pass(&w, 13 * USEC_PER_SEC);
	assert_true(is_gone(a));
	world_end(&w);
}

/* ---- max_buffer_memory ---- */

enum { SLOW = 30, LIMIT = 400 * KB };
#define LIMITED                                                                          \
	"pool_mode = transaction\ndefault_pool_size = 40\nmax_buffer_memory = 400kB\n"

static void slow_readers_share_the_memory_and_others_do_not_notice(void **state)
{
	struct actor *slow[SLOW];
	struct world w;

	(void)state;
	world_begin(&w, LIMITED);
	struct actor *normal = world_session(&w);
	for (unsigned i = 0; i < SLOW; i++) {
		slow[i] = world_session(&w);
		slow[i]->peer.room = 0;
		say(slow[i], "Q[much]");
	}
	for (unsigned i = 0; i < SLOW; i++)
		answer(world_server(&w, i + 1), 100);
	assert_true(w.loop.ledger.peak > LIMIT / 2);
	assert_true(w.loop.ledger.peak <= LIMIT + SLOW * 2 * LEDGER_LEAST);
	assert_int_equal(w.loop.ledger.stopped, SLOW);
	assert_true(w.loop.ledger.short_count > 0);
	for (int i = 0; i < 10; i++) {
		say(normal, "Q[one]");
		answer(world_server(&w, SLOW + 1), 20);
		assert_in_range(fake_peer_received(&normal->peer).len, 20 * ROW_LEN,
				20 * ROW_LEN + 100);
		fake_peer_drop(&normal->peer, fake_peer_received(&normal->peer).len);
	}
	/* Each gets all in the end, one after the other. */
	for (unsigned i = 0; i < SLOW; i++) {
		slow[i]->peer.room = SIZE_MAX;
		world_settle(&w);
		assert_in_range(fake_peer_received(&slow[i]->peer).len, 100 * ROW_LEN,
				100 * ROW_LEN + 100);
	}
	assert_int_equal(w.loop.ledger.held, 0);
	world_end(&w);
}

/* As if all of it were in the hands of those who do not read. */
static void without_any_memory_left_everything_goes_on_by_small_steps(void **state)
{
	struct world w;

	(void)state;
	world_begin(&w, "pool_mode = transaction\nmax_buffer_memory = 1\n");
	struct actor *a = world_session(&w), *s = world_server(&w, 1);
	a->peer.write_most = s->peer.write_most = 1000;
	say(a, "Q[copy in]");
	say(s, "G");
	for (int i = 0; i < 500; i++)
		actor_push(a, "d[a line of no great length, but there are many of it]");
	say(a, "c");
	world_settle(&w);
	assert_in_range(fake_peer_received(&s->peer).len, 500 * 50, 500 * 60);
	say(s, "C[COPY 500] Z[I]");
	ASSERT_HEARS(a, "G C[COPY 500] Z[I]");
	say(a, "Q[much]");
	answer(s, 30);
	assert_in_range(fake_peer_received(&a->peer).len, 30 * ROW_LEN,
			30 * ROW_LEN + 100);
	assert_int_equal(client_of(a)->state, CLIENT_IDLE);
	world_end(&w);
}

static void a_reload_changes_both_limits(void **state)
{
	struct world w;

	(void)state;
	world_begin(&w, "pool_mode = transaction\n");
	assert_int_equal(w.loop.ledger.limit, 256 * KB * KB);
	assert_int_equal(w.loop.ledger.client_share, 64 * KB);
	world_reload(&w, "max_buffer_memory = 0\nclient_buffer = 1kB\n");
	assert_int_equal(w.loop.ledger.limit, 0);
	assert_int_equal(w.loop.ledger.client_share, KB);
	world_end(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(an_answer_that_fits_the_buffer_sets_its_server_free_at_once),
	    cmocka_unit_test(who_does_not_read_refusals_is_not_answered_for_ever),
	    cmocka_unit_test(a_freed_server_serves_others_while_its_answer_is_unread),
	    cmocka_unit_test(a_client_that_takes_nothing_is_cut_and_its_server_saved),
	    cmocka_unit_test(so_is_one_whose_server_has_gone_to_others),
	    cmocka_unit_test(one_that_takes_a_little_now_and_then_is_let_be),
	    cmocka_unit_test(asking_more_is_not_taking),
	    cmocka_unit_test(who_reads_everything_may_be_idle_for_ever),
	    cmocka_unit_test(without_a_limit_nobody_is_cut_until_a_reload_sets_one),
	    cmocka_unit_test(users_may_have_a_limit_of_their_own),
	    cmocka_unit_test(slow_readers_share_the_memory_and_others_do_not_notice),
	    cmocka_unit_test(without_any_memory_left_everything_goes_on_by_small_steps),
	    cmocka_unit_test(a_reload_changes_both_limits),
	};

	return cmocka_run_group_tests_name("unread", tests, NULL, NULL);
}
