/*
 * Scenarios of LISTEN and NOTIFY where servers are shared.
 */
#include "scenario/world.h"

#include <errno.h>

#include "pool/channels.h"
#include "proto/writer.h"
#include "relay/control.h"
#include "relay/known.h"
#include "relay/notifier.h"
#include "relay/notify.h"
#include "relay/session.h"

#define FIRST                                                                            \
	"Q[SELECT pg_catalog.set_config(name, '0', false) FROM pg_catalog.pg_settings "  \
	"WHERE name = 'idle_session_timeout']"
#define SETTLE "Q[SELECT pg_catalog.pg_listening_channels();UNLISTEN *]"
#define WARNED "N[WARNING 01000]"

/* The world, one client, its server, and the listening connection that is made with the
 * first LISTEN. */
struct scene {
	struct world w;
	struct actor *c, *s, *n;
};

static void begin(struct scene *at, const char *lines)
{
	char all[512];

	snprintf(all, sizeof(all), "pool_mode = transaction\n%s", lines);
	world_begin(&at->w, all);
	at->c = world_session(&at->w);
	at->s = world_server(&at->w, 1);
	heard(at->s);
	at->n = NULL;
}

/* The first LISTEN of all: the connection is made, and told. */
static void expect_listening(struct scene *at, unsigned number, const char *commands)
{
	at->n = world_server(&at->w, number);
	assert_non_null(at->n);
	assert_non_null(strstr(at->n->startup, "application_name=pooler (listening)"));
	ASSERT_HEARS(at->n, FIRST);
	say(at->n, "T C[SELECT 0] Z[I]");
	ASSERT_HEARS(at->n, commands);
}

static void confirm(struct actor *n)
{
	say(n, "C[LISTEN] Z[I]");
}

static void add_row(struct buffer *out, const char *name, size_t len)
{
	struct writer w = writer_of(out);

	writer_begin(&w, 'D');
	writer_u16(&w, 1);
	writer_u32(&w, (uint32_t)len);
	writer_bytes(&w, slice_of(name, len));
	writer_end(&w);
	assert_true(writer_finish(&w));
}

/* What the server says that it listens to: names with blanks between them. */
static void answer_settle(struct actor *s, const char *names)
{
	struct buffer answer = {0};

	script_write(&answer, FROM_SERVER, "T");
	while (*names) {
		size_t len = strcspn(names, " ");
		add_row(&answer, names, len);
		names += len + strspn(names + len, " ");
	}
	script_write(&answer, FROM_SERVER, "C[SELECT 1] C[UNLISTEN] Z[I]");
	actor_push_bytes(s, buffer_bytes(&answer));
	buffer_fini(&answer);
	world_settle(s->world);
}

/* That much is committed: the server is asked, and says what it listens to. */
static void settle(struct actor *s, const char *names)
{
	ASSERT_HEARS(s, SETTLE);
	answer_settle(s, names);
}

/* The client listens to a, from the beginning. */
static void listen_to_a(struct scene *at)
{
	say(at->c, "Q[listen a]");
	expect_listening(at, 2, "Q[LISTEN \"a\";]");
	confirm(at->n);
	ASSERT_HEARS(at->s, "Q[listen a]");
	say(at->s, "C[LISTEN] Z[I]");
	ASSERT_HEARS(at->c, "C[LISTEN] Z[I]");
	settle(at->s, "a");
	assert_int_equal(actor_server(at->s)->state, SERVER_IDLE);
}

static const struct channels *channels_of(struct scene *at)
{
	const struct notifier *n =
	    LIST_FIRST(&known_of(world_pool(&at->w, "app", "anna"))->notifiers);

	assert_non_null(n);
	assert_true(channels_are_sound(&n->channels));
	return &n->channels;
}

static void a_listen_goes_when_the_pooler_listens(void **state)
{
	struct scene at;

	(void)state;
	begin(&at, "");
	say(at.c, "Q[listen a]");
	/* Nothing may be missed: so first things first. */
	ASSERT_HEARS(at.s, "");
	expect_listening(&at, 2, "Q[LISTEN \"a\";]");
	ASSERT_HEARS(at.s, "");
	confirm(at.n);
	ASSERT_HEARS(at.s, "Q[listen a]");
	say(at.s, "C[LISTEN] Z[I]");
	settle(at.s, "a");
	heard(at.c);
	say(at.n, "A[a]");
	ASSERT_HEARS(at.c, "A[a]");
	/* Others do not hear it, nor what is said on other channels. */
	struct actor *other = world_session(&at.w);
	say(at.n, "A[a] A[b]");
	ASSERT_HEARS(at.c, "A[a]");
	ASSERT_HEARS(other, "");
	world_end(&at.w);
}

static void the_second_who_listens_hears_nothing_older(void **state)
{
	struct scene at;

	(void)state;
	begin(&at, "default_pool_size = 1\n");
	listen_to_a(&at);
	struct actor *two = world_session(&at.w);
	/* What was said before may be on its way. */
	say(two, "Q[LISTEN A]");
	ASSERT_HEARS(at.n, "Q[LISTEN \"a\";]");
	ASSERT_HEARS(at.s, "");
	say(at.n, "A[a] C[LISTEN] Z[I]");
	ASSERT_HEARS(at.s, "Q[LISTEN A]");
	ASSERT_HEARS(at.c, "A[a]");
	say(at.s, "C[LISTEN] Z[I]");
	settle(at.s, "a");
	heard(two);
	say(at.n, "A[a]");
	ASSERT_HEARS(at.c, "A[a]");
	ASSERT_HEARS(two, "A[a]");
	/* The last one who leaves takes the channel along. */
	leave(two);
	ASSERT_HEARS(at.n, "");
	leave(at.c);
	ASSERT_HEARS(at.n, "Q[UNLISTEN \"a\";]");
	say(at.n, "C[UNLISTEN] Z[I]");
	world_end(&at.w);
}

static void what_comes_in_a_transaction_waits_for_its_end(void **state)
{
	struct scene at;

	(void)state;
	begin(&at, "");
	listen_to_a(&at);
	say(at.c, "Q[begin]");
	say(at.n, "A[a]");
	ASSERT_HEARS(at.c, "");
	say(at.s, "C[BEGIN] Z[T]");
	ASSERT_HEARS(at.c, "C[BEGIN] Z[T]");
	say(at.n, "A[a]");
	ASSERT_HEARS(at.c, "");
	say(at.c, "Q[commit]");
	say(at.s, "C[COMMIT] Z[I]");
	ASSERT_HEARS(at.c, "C[COMMIT] Z[I] A[a] A[a]");
	world_end(&at.w);
}

static void nothing_comes_into_the_middle_of_a_message(void **state)
{
	struct buffer answer = {0};
	struct scene at;

	(void)state;
	begin(&at, "");
	listen_to_a(&at);
	script_write(&answer, FROM_SERVER, "T D[a row] C[SELECT 1] Z[I]");
	for (size_t cut = 0; cut < buffer_len(&answer); cut++) {
		say(at.c, "Q[one]");
		heard(at.s);
		actor_push_bytes(at.s, slice_first(buffer_bytes(&answer), cut));
		world_settle(&at.w);
		say(at.n, "A[a]");
		actor_push_bytes(at.s, slice_after(buffer_bytes(&answer), cut));
		world_settle(&at.w);
		ASSERT_HEARS(at.c, "T D[a row] C[SELECT 1] Z[I] A[a]");
	}
	buffer_fini(&answer);
	world_end(&at.w);
}

static void a_rollback_undoes_a_listen(void **state)
{
	struct scene at;

	(void)state;
	begin(&at, "");
	say(at.c, "Q[begin]");
	say(at.s, "C[BEGIN] Z[T]");
	say(at.c, "Q[listen a]");
	expect_listening(&at, 2, "Q[LISTEN \"a\";]");
	confirm(at.n);
	say(at.s, "C[LISTEN] Z[T]");
	say(at.c, "Q[rollback]");
	heard(at.s);
	say(at.n, "A[a]");
	say(at.s, "C[ROLLBACK] Z[I]");
	ASSERT_HEARS(at.c, "C[BEGIN] Z[T] C[LISTEN] Z[T] C[ROLLBACK] Z[I]");
	settle(at.s, "");
	ASSERT_HEARS(at.c, "");
	ASSERT_HEARS(at.n, "Q[UNLISTEN \"a\";]");
	say(at.n, "A[a] C[UNLISTEN] Z[I]");
	ASSERT_HEARS(at.c, "");
	assert_int_equal(channels_of(&at)->count, 0);
	world_end(&at.w);
}

static void what_comes_before_the_commit_is_not_for_the_client(void **state)
{
	struct scene at;

	(void)state;
	begin(&at, "");
	say(at.c, "Q[begin]");
	say(at.s, "C[BEGIN] Z[T]");
	say(at.c, "Q[listen a]");
	expect_listening(&at, 2, "Q[LISTEN \"a\";]");
	confirm(at.n);
	say(at.n, "A[a]");
	say(at.s, "C[LISTEN] Z[T]");
	say(at.c, "Q[commit]");
	heard(at.s);
	heard(at.c);
	/* This may have been said before or after; it is not lost. */
	say(at.n, "A[a]");
	say(at.s, "C[COMMIT] Z[I]");
	ASSERT_HEARS(at.c, "C[COMMIT] Z[I]");
	settle(at.s, "a");
	ASSERT_HEARS(at.c, "A[a]");
	world_end(&at.w);
}

static void commit_and_chain_commits_a_listen(void **state)
{
	struct scene at;

	(void)state;
	begin(&at, "");
	say(at.c, "Q[begin]");
	say(at.s, "C[BEGIN] Z[T]");
	say(at.c, "Q[listen a]");
	expect_listening(&at, 2, "Q[LISTEN \"a\";]");
	confirm(at.n);
	say(at.s, "C[LISTEN] Z[T]");
	say(at.c, "Q[commit and chain]");
	say(at.n, "A[a]");
	say(at.s, "C[COMMIT] Z[T]");
	say(at.c, "Q[rollback]");
	heard(at.s);
	heard(at.c);
	say(at.s, "C[ROLLBACK] Z[I]");
	ASSERT_HEARS(at.c, "C[ROLLBACK] Z[I]");
	settle(at.s, "a");
	ASSERT_HEARS(at.c, "A[a]");
	world_end(&at.w);
}

static void unlisten_counts_when_it_is_committed(void **state)
{
	struct scene at;

	(void)state;
	begin(&at, "");
	listen_to_a(&at);
	/* Undone. */
	say(at.c, "Q[begin]");
	say(at.s, "C[BEGIN] Z[T]");
	say(at.c, "Q[unlisten a]");
	say(at.s, "C[UNLISTEN] Z[T]");
	say(at.c, "Q[rollback]");
	heard(at.s);
	say(at.s, "C[ROLLBACK] Z[I]");
	ASSERT_HEARS(at.s, "");
	heard(at.c);
	say(at.n, "A[a]");
	ASSERT_HEARS(at.c, "A[a]");
	/* Failed. */
	say(at.c, "Q[unlisten a; select 1/0]");
	heard(at.s);
	say(at.s, "C[UNLISTEN] E[ERROR 22012] Z[I]");
	ASSERT_HEARS(at.s, "");
	heard(at.c);
	say(at.n, "A[a]");
	ASSERT_HEARS(at.c, "A[a]");
	/* Another channel's matter. */
	say(at.c, "Q[unlisten b]");
	heard(at.s);
	say(at.s, "C[UNLISTEN] Z[I]");
	ASSERT_HEARS(at.s, "");
	heard(at.c);
	say(at.n, "A[a]");
	ASSERT_HEARS(at.c, "A[a]");
	/* Done. */
	say(at.c, "Q[unlisten *]");
	heard(at.s);
	say(at.s, "C[UNLISTEN] Z[I]");
	heard(at.c);
	/* From here on it hears nothing, though the server is still to be asked. */
	say(at.n, "A[a]");
	settle(at.s, "");
	ASSERT_HEARS(at.c, "");
	ASSERT_HEARS(at.n, "Q[UNLISTEN \"a\";]");
	say(at.n, "A[a] C[UNLISTEN] Z[I]");
	ASSERT_HEARS(at.c, "");
	assert_null(client_of(at.c)->session->listening);
	world_end(&at.w);
}

static void discard_all_ends_listening(void **state)
{
	struct scene at;

	(void)state;
	begin(&at, "");
	listen_to_a(&at);
	say(at.c, "Q[discard all]");
	heard(at.s);
	say(at.s, "C[DISCARD ALL] Z[I]");
	settle(at.s, "");
	ASSERT_HEARS(at.n, "Q[UNLISTEN \"a\";]");
	world_end(&at.w);
}

static void a_connection_that_cannot_be_made_refuses_the_listen(void **state)
{
	struct scene at;

	(void)state;
	begin(&at, "");
	at.w.accepts = false;
	say(at.c, "Q[listen a]");
	actor_refuse(world_server(&at.w, 2), ECONNREFUSED);
	world_settle(&at.w);
	/* The server is made to fail, so that its transaction knows, too. */
	assert_non_null(strstr(heard(at.s), "B[" /* of a statement that is not there */));
	say(at.s, "E[ERROR 26000] Z[I]");
	assert_non_null(strstr(heard_field(at.c, 'M'), "Connection refused"));
	ASSERT_HEARS(at.c, "E[ERROR 08001] Z[I]");
	at.w.accepts = true;
	world_pass(&at.w, 10 * USEC_PER_SEC);
	assert_null(world_server(&at.w, 3));
	world_end(&at.w);
}

static void a_lost_connection_is_made_again_and_told_of(void **state)
{
	struct scene at;

	(void)state;
	begin(&at, "");
	listen_to_a(&at);
	struct actor *idle = world_session(&at.w);
	break_off(at.n);
	world_pass(&at.w, USEC_PER_SEC);
	ASSERT_HEARS(at.c, "");
	expect_listening(&at, 3, "Q[LISTEN \"a\";]");
	ASSERT_HEARS(at.c, "");
	confirm(at.n);
	ASSERT_HEARS(at.c, WARNED);
	ASSERT_HEARS(idle, "");
	say(at.n, "A[a]");
	ASSERT_HEARS(at.c, "A[a]");
	world_end(&at.w);
}

static void a_server_lost_while_it_is_asked_is_missed_by_nobody(void **state)
{
	struct scene at;

	(void)state;
	begin(&at, "");
	say(at.c, "Q[listen a]");
	expect_listening(&at, 2, "Q[LISTEN \"a\";]");
	confirm(at.n);
	say(at.s, "C[LISTEN] Z[I]");
	ASSERT_HEARS(at.c, "C[LISTEN] Z[I]");
	ASSERT_HEARS(at.s, "Q[listen a] " SETTLE);
	break_off(at.s);
	ASSERT_HEARS(at.c, "");
	assert_int_equal(client_of(at.c)->state, CLIENT_IDLE);
	say(at.n, "A[a]");
	ASSERT_HEARS(at.c, "A[a]");
	/* But one that is in the middle of something ends with its server. */
	say(at.c, "Q[listen b]");
	confirm(at.n);
	struct actor *s = world_server(&at.w, 3);
	ASSERT_HEARS(s, "Q[listen b]");
	break_off(s);
	world_settle(&at.w);
	assert_true(is_gone(at.c));
	world_end(&at.w);
}

static void it_is_tried_again_with_pauses_until_it_works(void **state)
{
	struct scene at;
	unsigned before;

	(void)state;
	begin(&at, "server_login_retry = 15\n");
	listen_to_a(&at);
	at.w.accepts = false;
	break_off(at.n);
	for (unsigned number = 3; number < 8; number++) {
		for (int i = 0; i < 30 && !world_server(&at.w, number); i++)
			world_pass(&at.w, 100 * USEC_PER_MSEC);
		actor_refuse(world_server(&at.w, number), ECONNREFUSED);
		world_settle(&at.w);
	}
	before = at.w.server_count;
	world_pass(&at.w, USEC_PER_SEC);
	assert_int_equal(at.w.server_count, before);
	at.w.accepts = true;
	world_pass(&at.w, 2 * USEC_PER_SEC);
	expect_listening(&at, before + 1, "Q[LISTEN \"a\";]");
	confirm(at.n);
	ASSERT_HEARS(at.c, WARNED);
	world_end(&at.w);
}

static void a_slow_reader_is_disconnected_at_the_bound(void **state)
{
	struct scene at;
	struct actor *slow;

	(void)state;
	begin(&at, "max_notify_queue = 2000\n");
	listen_to_a(&at);
	slow = at.c;
	slow->peer.room = 0;
	unsigned count = 0;
	while (count < 100 && client_of(slow) && !client_of(slow)->closing) {
		say(at.n, "A[a]");
		count++;
	}
	/* More than a few, and less than the bound divided by the payload. */
	assert_in_range(count, 20, 60);
	slow->peer.room = SIZE_MAX;
	world_settle(&at.w);
	world_pass(&at.w, 10 * USEC_PER_SEC);
	assert_true(is_gone(slow));
	ASSERT_HEARS(at.n, "Q[UNLISTEN \"a\";]");
	world_end(&at.w);
}

static void who_reads_late_gets_all_of_it_in_order(void **state)
{
	struct scene at;

	(void)state;
	begin(&at, "");
	listen_to_a(&at);
	at.c->peer.room = 0;
	for (int i = 0; i < 5; i++)
		say(at.n, "A[a]");
	at.c->peer.room = SIZE_MAX;
	stream_on_ready(&client_of(at.c)->stream, LOOP_WRITE);
	world_settle(&at.w);
	ASSERT_HEARS(at.c, "A[a] A[a] A[a] A[a] A[a]");
	world_end(&at.w);
}

static void channels_of_a_client_are_bounded(void **state)
{
	struct scene at;

	(void)state;
	begin(&at, "max_listen_channels = 1\n");
	listen_to_a(&at);
	say(at.c, "Q[listen b]");
	heard(at.s);
	say(at.s, "E[ERROR 26000] Z[I]");
	assert_non_null(strstr(heard_field(at.c, 'M'), "max_listen_channels"));
	ASSERT_HEARS(at.c, "E[ERROR 54000] Z[I]");
	ASSERT_HEARS(at.n, "");
	world_end(&at.w);
}

static void a_connection_without_channels_is_closed_in_time(void **state)
{
	struct scene at;

	(void)state;
	begin(&at, "server_idle_timeout = 60\nclient_idle_timeout = 0\n");
	listen_to_a(&at);
	say(at.c, "Q[unlisten a]");
	say(at.s, "C[UNLISTEN] Z[I]");
	heard(at.s);
	answer_settle(at.s, "");
	say(at.n, "C[UNLISTEN] Z[I]");
	world_pass(&at.w, 50 * USEC_PER_SEC);
	assert_false(is_gone(at.n));
	world_pass(&at.w, 20 * USEC_PER_SEC);
	assert_true(is_gone(at.n));
	assert_int_equal(at.w.dispatcher.notifier_count, 0);
	world_end(&at.w);
}

static void pause_ends_it_and_resume_makes_it_again(void **state)
{
	struct scene at;

	(void)state;
	begin(&at, "");
	listen_to_a(&at);
	control_pause(&at.w.dispatcher, NULL);
	world_pass(&at.w, 40 * USEC_PER_SEC);
	assert_true(is_gone(at.n));
	assert_true(control_is_quiet(&at.w.dispatcher, NULL));
	control_resume(&at.w.dispatcher, NULL);
	world_pass(&at.w, 3 * USEC_PER_SEC);
	expect_listening(&at, 3, "Q[LISTEN \"a\";]");
	confirm(at.n);
	ASSERT_HEARS(at.c, WARNED);
	world_end(&at.w);
}

static void a_listen_in_a_paused_database_is_made_up_for(void **state)
{
	struct scene at;

	(void)state;
	begin(&at, "");
	say(at.c, "Q[begin]");
	say(at.s, "C[BEGIN] Z[T]");
	control_pause(&at.w.dispatcher, NULL);
	/* The transaction must be able to end. */
	say(at.c, "Q[listen a]");
	say(at.s, "C[LISTEN] Z[T]");
	say(at.c, "Q[commit]");
	heard(at.s);
	say(at.s, "C[COMMIT] Z[I]");
	settle(at.s, "a");
	ASSERT_HEARS(at.c, "C[BEGIN] Z[T] C[LISTEN] Z[T] C[COMMIT] Z[I]");
	world_pass(&at.w, 60 * USEC_PER_SEC);
	assert_true(control_is_quiet(&at.w.dispatcher, NULL));
	control_resume(&at.w.dispatcher, NULL);
	world_settle(&at.w);
	expect_listening(&at, 2, "Q[LISTEN \"a\";]");
	confirm(at.n);
	ASSERT_HEARS(at.c, WARNED);
	world_end(&at.w);
}

static void one_bad_name_does_not_spoil_others(void **state)
{
	struct scene at;

	(void)state;
	begin(&at, "");
	struct actor *good = world_session(&at.w);
	say(at.c, "Q[listen \"b\xff\"]");
	say(good, "Q[listen c]");
	expect_listening(&at, 2, "Q[LISTEN \"b\xff\";LISTEN \"c\";]");
	struct actor *s = world_server(&at.w, 3);
	heard(at.s);
	heard(s);
	say(at.n, "E[ERROR 22021 bad bytes] Z[I]");
	ASSERT_HEARS(at.n, "Q[LISTEN \"b\xff\";]");
	say(at.n, "E[ERROR 22021 bad bytes] Z[I]");
	say(at.s, "E[ERROR 26000] Z[I]");
	ASSERT_HEARS(at.c, "E[ERROR 22021] Z[I]");
	world_pass(&at.w, USEC_PER_SEC);
	ASSERT_HEARS(at.n, "Q[LISTEN \"c\";]");
	ASSERT_HEARS(s, "");
	confirm(at.n);
	ASSERT_HEARS(s, "Q[listen c]");
	assert_int_equal(channels_of(&at)->count, 1);
	world_end(&at.w);
}

static void leaving_while_it_waits_leaves_nothing_behind(void **state)
{
	struct scene at;

	(void)state;
	begin(&at, "");
	say(at.c, "Q[listen a]");
	leave(at.c);
	world_pass(&at.w, USEC_PER_SEC);
	at.n = world_server(&at.w, 2);
	ASSERT_HEARS(at.n, FIRST);
	say(at.n, "T C[SELECT 0] Z[I]");
	ASSERT_HEARS(at.n, "");
	assert_int_equal(channels_of(&at)->count, 0);
	world_end(&at.w);
}

static void more_texts_behind_a_listen_are_settled_with_the_next(void **state)
{
	struct scene at;

	(void)state;
	begin(&at, "");
	listen_to_a(&at);
	say(at.c, "Q[listen b]");
	ASSERT_HEARS(at.n, "Q[LISTEN \"b\";]");
	confirm(at.n);
	say(at.s, "C[LISTEN] Z[I]");
	heard(at.c);
	ASSERT_HEARS(at.s, "Q[listen b] " SETTLE);
	/* While that is asked, the client goes on. */
	say(at.c, "Q[unlisten a; listen c]");
	ASSERT_HEARS(at.n, "Q[LISTEN \"c\";]");
	confirm(at.n);
	answer_settle(at.s, "b");
	for (struct actor *s = at.s; s;) {
		/* On this server or on another. */
		if (strstr(heard(s), "unlisten a")) {
			say(s, "C[UNLISTEN] C[LISTEN] Z[I]");
			settle(s, "c");
			break;
		}
		s = s == at.s ? world_server(&at.w, 3) : NULL;
		assert_non_null(s);
	}
	heard(at.c);
	ASSERT_HEARS(at.n, "Q[UNLISTEN \"a\";]");
	say(at.n, "C[UNLISTEN] Z[I] A[a] A[b] A[c]");
	ASSERT_HEARS(at.c, "A[b] A[c]");
	world_end(&at.w);
}

static void
a_text_that_comes_again_is_not_settled_by_the_answer_to_the_first(void **state)
{
	struct scene at;

	(void)state;
	begin(&at, "");
	/* Prepared, but not carried out. */
	say(at.c, "P[listen a] S");
	expect_listening(&at, 2, "Q[LISTEN \"a\";]");
	confirm(at.n);
	heard(at.s);
	say(at.s, "1 Z[I]");
	ASSERT_HEARS(at.s, SETTLE);
	say(at.c, "Q[listen a]");
	ASSERT_HEARS(at.s, "Q[listen a]");
	answer_settle(at.s, "");
	ASSERT_HEARS(at.n, "");
	say(at.s, "C[LISTEN] Z[I]");
	say(at.n, "A[a]");
	settle(at.s, "a");
	ASSERT_HEARS(at.c, "1 Z[I] C[LISTEN] Z[I] A[a]");
	world_end(&at.w);
}

static void what_nobody_saw_in_a_text_is_heard_all_the_same(void **state)
{
	struct scene at;

	(void)state;
	begin(&at, "");
	say(at.c, "Q[select '\\'; listen a; --']");
	ASSERT_HEARS(at.s, "Q[select '\\'; listen a; --']");
	say(at.s, "C[LISTEN] Z[I]");
	settle(at.s, "a");
	heard(at.c);
	expect_listening(&at, 2, "Q[LISTEN \"a\";]");
	confirm(at.n);
	say(at.n, "A[a]");
	ASSERT_HEARS(at.c, "A[a]");
	world_end(&at.w);
}

static void each_encoding_has_a_connection_of_its_own(void **state)
{
	struct scene at;

	(void)state;
	begin(&at, "");
	listen_to_a(&at);
	assert_non_null(strstr(at.n->startup, "client_encoding=UTF8"));
	struct actor *other =
	    world_client(&at.w, "user=anna;database=app;client_encoding=LATIN1");
	say(at.s, "S[client_encoding=LATIN1]");
	say(other, "Q[listen a]");
	struct actor *second = world_server(&at.w, 3);
	assert_non_null(second);
	assert_non_null(strstr(second->startup, "client_encoding=LATIN1"));
	world_end(&at.w);
}

/* An encoding is set; the server reports it. */
static struct actor *set_latin1(struct scene *at)
{
	say(at->c, "Q[set client_encoding = 'LATIN1']");
	ASSERT_HEARS(at->s, "Q[set client_encoding = 'LATIN1']");
	say(at->s, "S[client_encoding=LATIN1] C[SET] Z[I]");
	assert_string_not_equal(heard(at->s), "");
	say(at->s, "C[SELECT 0] Z[I]");
	assert_non_null(strstr(heard(at->c), "C[SET] Z[I]"));
	struct actor *n = world_server(&at->w, 3);
	assert_non_null(n);
	assert_non_null(strstr(n->startup, "client_encoding=LATIN1"));
	return n;
}

static void who_sets_an_encoding_is_moved_when_the_other_connection_listens(void **state)
{
	struct scene at;

	(void)state;
	begin(&at, "");
	listen_to_a(&at);
	struct actor *second = set_latin1(&at);
	/* Until then the old one counts, and the new one not. */
	say(at.n, "A[a]");
	ASSERT_HEARS(at.c, "A[a]");
	assert_string_not_equal(heard(second), "");
	say(second, "C[SELECT 1] Z[I]");
	ASSERT_HEARS(second, "Q[LISTEN \"a\";]");
	say(second, "A[a]");
	ASSERT_HEARS(at.c, "");
	say(second, "C[LISTEN] Z[I]");
	say(second, "A[a]");
	ASSERT_HEARS(at.c, "A[a]");
	/* Nobody is left on the old one. */
	ASSERT_HEARS(at.n, "Q[UNLISTEN \"a\";]");
	say(at.n, "A[a] C[UNLISTEN] Z[I]");
	ASSERT_HEARS(at.c, "");
	world_end(&at.w);
}

static void what_the_old_connection_has_said_comes_first(void **state)
{
	struct scene at;

	(void)state;
	begin(&at, "");
	listen_to_a(&at);
	struct actor *second = set_latin1(&at);
	heard(second);
	say(second, "C[SELECT 1] Z[I]");
	heard(second);
	say(at.c, "Q[begin]");
	heard(at.s);
	say(at.s, "C[BEGIN] Z[T]");
	heard(at.c);
	say(at.n, "A[a]");
	say(second, "C[LISTEN] Z[I]");
	say(second, "A[a]");
	say(at.n, "A[a]");
	ASSERT_HEARS(at.c, "");
	say(at.c, "Q[commit]");
	heard(at.s);
	say(at.s, "C[COMMIT] Z[I]");
	ASSERT_HEARS(at.c, "C[COMMIT] Z[I] A[a] A[a]");
	say(at.n, "A[a]");
	ASSERT_HEARS(at.c, "");
	say(second, "A[a]");
	ASSERT_HEARS(at.c, "A[a]");
	world_end(&at.w);
}

static void who_moves_may_go_at_any_time(void **state)
{
	(void)state;
	for (int i = 0; i < 3; i++) {
		struct scene at;
		begin(&at, "");
		listen_to_a(&at);
		struct actor *second = set_latin1(&at);
		if (i == 0)
			leave(at.c);
		else if (i == 1)
			break_off(second);
		else
			break_off(at.n);
		world_pass(&at.w, USEC_PER_SEC / 10);
		world_end(&at.w);
	}
}

static void in_session_mode_all_passes_through(void **state)
{
	struct world w;

	(void)state;
	world_begin(&w, "pool_mode = session\n");
	struct actor *c = world_session(&w), *s = world_server(&w, 1);
	say(c, "Q[listen a]");
	ASSERT_HEARS(s, "Q[listen a]");
	say(s, "C[LISTEN] Z[I] A[a]");
	ASSERT_HEARS(c, "C[LISTEN] Z[I] A[a]");
	assert_int_equal(w.server_count, 1);
	world_end(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_listen_goes_when_the_pooler_listens),
	    cmocka_unit_test(the_second_who_listens_hears_nothing_older),
	    cmocka_unit_test(what_comes_in_a_transaction_waits_for_its_end),
	    cmocka_unit_test(nothing_comes_into_the_middle_of_a_message),
	    cmocka_unit_test(a_rollback_undoes_a_listen),
	    cmocka_unit_test(
		who_sets_an_encoding_is_moved_when_the_other_connection_listens),
	    cmocka_unit_test(what_the_old_connection_has_said_comes_first),
	    cmocka_unit_test(who_moves_may_go_at_any_time),
	    cmocka_unit_test(what_comes_before_the_commit_is_not_for_the_client),
	    cmocka_unit_test(commit_and_chain_commits_a_listen),
	    cmocka_unit_test(unlisten_counts_when_it_is_committed),
	    cmocka_unit_test(discard_all_ends_listening),
	    cmocka_unit_test(a_connection_that_cannot_be_made_refuses_the_listen),
	    cmocka_unit_test(a_lost_connection_is_made_again_and_told_of),
	    cmocka_unit_test(a_server_lost_while_it_is_asked_is_missed_by_nobody),
	    cmocka_unit_test(it_is_tried_again_with_pauses_until_it_works),
	    cmocka_unit_test(a_slow_reader_is_disconnected_at_the_bound),
	    cmocka_unit_test(who_reads_late_gets_all_of_it_in_order),
	    cmocka_unit_test(channels_of_a_client_are_bounded),
	    cmocka_unit_test(a_connection_without_channels_is_closed_in_time),
	    cmocka_unit_test(pause_ends_it_and_resume_makes_it_again),
	    cmocka_unit_test(a_listen_in_a_paused_database_is_made_up_for),
	    cmocka_unit_test(one_bad_name_does_not_spoil_others),
	    cmocka_unit_test(leaving_while_it_waits_leaves_nothing_behind),
	    cmocka_unit_test(more_texts_behind_a_listen_are_settled_with_the_next),
	    cmocka_unit_test(
		a_text_that_comes_again_is_not_settled_by_the_answer_to_the_first),
	    cmocka_unit_test(what_nobody_saw_in_a_text_is_heard_all_the_same),
	    cmocka_unit_test(each_encoding_has_a_connection_of_its_own),
	    cmocka_unit_test(in_session_mode_all_passes_through),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
