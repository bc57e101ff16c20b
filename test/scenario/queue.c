/*
 * Scenarios of the line: who waits, for how long, and what he is told when it is in vain.
 */
#include "relay/control.h"
#include "scenario/world.h"

/* One server, and it is taken: the transaction is a's. */
static struct actor *one_server_taken(struct world *w, const char *lines)
{
	char text[512];

	snprintf(text, sizeof(text), "pool_mode = transaction\ndefault_pool_size = 1\n%s",
		 lines);
	world_begin(w, text);
	w->answers = true;
	struct actor *a = world_session(w);
	say(a, "Q[begin]");
	ASSERT_HEARS(a, "C[BEGIN] Z[T]");
	return a;
}

static void a_full_queue_refuses_a_query_and_the_session_lives_on(void **state)
{
	struct world w;
	struct actor *a = one_server_taken(&w, "max_queue = 1\n");
	struct actor *b = world_session(&w), *c = world_session(&w);

	(void)state;
	say(b, "Q[from b]");
	world_pass(&w, 2 * USEC_PER_SEC);
	say(c, "Q[from c]");
	assert_non_null(strstr(heard_field(c, 'M'), "max_queue"));
	assert_string_equal(heard_field(c, 'D'),
			    "Clients that wait for a server of database \"app\", user "
			    "\"anna\": 1; limit: 1; the first has waited for 2.000 s; "
			    "class: normal; expected wait: 0.000 s.");
	assert_true(strlen(heard_field(c, 'H')) > 0);
	ASSERT_HEARS(c, "E[ERROR 53300] Z[I]");
	/* Each query of a pipeline is refused for itself. */
	say(c, "Q[one] Q[two]");
	ASSERT_HEARS(c, "E[ERROR 53300] Z[I] E[ERROR 53300] Z[I]");
	say(a, "Q[commit]");
	ASSERT_HEARS(b, "T D[from b] C[SELECT 1] Z[I]");
	say(c, "Q[again]");
	ASSERT_HEARS(c, "T D[again] C[SELECT 1] Z[I]");
	world_end(&w);
}

static void a_full_queue_refuses_a_batch_up_to_its_sync(void **state)
{
	struct world w;
	struct actor *a = one_server_taken(&w, "max_queue = 0\n");
	struct actor *c = world_session(&w);

	(void)state;
	say(c, "P[one]");
	ASSERT_HEARS(c, "E[ERROR 53300]");
	say(c, "B[one] D[one] E H Q[skipped too]");
	ASSERT_HEARS(c, "");
	say(c, "S");
	ASSERT_HEARS(c, "Z[I]");
	/* What stands behind the Sync is another matter, even in one write. */
	say(c, "P[one] B[one] E S Q[two] P[three] B[three] E S");
	ASSERT_HEARS(c, "E[ERROR 53300] Z[I] E[ERROR 53300] Z[I] E[ERROR 53300] Z[I]");
	say(a, "Q[commit]");
	say(c, "P[one] B[one] E S");
	ASSERT_HEARS(c, "1 2 D[one] C[SELECT 1] Z[I]");
	world_end(&w);
}

static void a_refused_message_may_come_in_any_pieces(void **state)
{
	struct buffer bytes = {0};

	(void)state;
	script_write(&bytes, FROM_CLIENT, "Q[refused] P[a] B[b] E S Q[refused]");
	for (size_t cut = 1; cut < buffer_len(&bytes); cut++) {
		struct world w;
		one_server_taken(&w, "max_queue = 0\n");
		struct actor *c = world_session(&w);
		actor_push_bytes(c, slice_first(buffer_bytes(&bytes), cut));
		world_settle(&w);
		actor_push_bytes(c, slice_after(buffer_bytes(&bytes), cut));
		world_settle(&w);
		ASSERT_HEARS(c, "E[ERROR 53300] Z[I] E[ERROR 53300] Z[I] "
				"E[ERROR 53300] Z[I]");
		world_end(&w);
	}
	buffer_fini(&bytes);
}

static void a_full_queue_ends_a_login(void **state)
{
	struct world w;

	(void)state;
	world_begin(&w, "max_queue = 1\ndefault_pool_size = 1\n");
	w.accepts = false;
	/* One will get the server that is being opened, one may wait. */
	world_client(&w, "user=anna;database=app");
	world_client(&w, "user=anna;database=app");
	struct actor *c = world_client(&w, "user=anna;database=app");
	ASSERT_HEARS(c, "E[FATAL 57P03]");
	assert_true(is_gone(c));
	world_end(&w);
}

static void waiting_in_vain_keeps_the_session(void **state)
{
	struct world w;
	struct actor *a = one_server_taken(&w, "query_wait_timeout = 10\n"
					       "query_wait_notify = 0\n");
	struct actor *b = world_session(&w), *c = world_session(&w);

	(void)state;
	say(b, "Q[from b]");
	world_pass(&w, 6 * USEC_PER_SEC);
	say(c, "P[from c] B[from c] E S Q[and more]");
	/* Within a fifth of ten seconds. */
	world_pass(&w, 2 * USEC_PER_SEC - 1);
	ASSERT_HEARS(b, "");
	world_pass(&w, 4 * USEC_PER_SEC + 1);
	assert_string_equal(heard_field(b, 'M'), "query_wait_timeout");
	ASSERT_HEARS(b, "E[ERROR 53300] Z[I]");
	ASSERT_HEARS(c, "");
	world_pass(&w, 6 * USEC_PER_SEC);
	/* The query behind the batch begins to wait when its turn comes. */
	ASSERT_HEARS(c, "E[ERROR 53300] Z[I]");
	world_pass(&w, 4 * USEC_PER_SEC - 1);
	ASSERT_HEARS(c, "");
	say(a, "Q[commit]");
	ASSERT_HEARS(c, "T D[and more] C[SELECT 1] Z[I]");
	say(b, "Q[again]");
	ASSERT_HEARS(b, "T D[again] C[SELECT 1] Z[I]");
	world_end(&w);
}

static void waiting_in_vain_ends_a_login(void **state)
{
	struct world w;

	(void)state;
	world_begin(&w, "query_wait_timeout = 10\nserver_connect_timeout = 100\n");
	w.accepts = false;
	struct actor *c = world_client(&w, "user=anna;database=app");
	world_pass(&w, 8 * USEC_PER_SEC - 1);
	assert_false(is_gone(c));
	world_pass(&w, 4 * USEC_PER_SEC + 1);
	assert_string_equal(heard_field(c, 'M'), "query_wait_timeout");
	ASSERT_HEARS(c, "E[FATAL 57P03]");
	world_end(&w);
}

static void a_login_waits_no_longer_than_a_login_may_take(void **state)
{
	struct world w;

	(void)state;
	world_begin(&w, "client_login_timeout = 10\nquery_wait_timeout = 0\n"
			"server_connect_timeout = 100\n");
	w.accepts = false;
	struct actor *c = world_client(&w, "user=anna;database=app");
	world_pass(&w, 10 * USEC_PER_SEC - 1);
	assert_false(is_gone(c));
	world_pass(&w, 1);
	assert_string_equal(heard_field(c, 'M'), "client_login_timeout");
	ASSERT_HEARS(c, "E[FATAL 57P05]");
	world_end(&w);
}

static void who_waits_long_is_told_once(void **state)
{
	struct world w;
	struct actor *a = one_server_taken(&w, "query_wait_notify = 5\n"
					       "query_wait_timeout = 0\n");
	struct actor *b = world_session(&w);

	(void)state;
	say(b, "Q[from b]");
	world_pass(&w, 5 * USEC_PER_SEC);
	ASSERT_HEARS(b, "N[NOTICE 00000]");
	world_pass(&w, 3600 * USEC_PER_SEC);
	ASSERT_HEARS(b, "");
	say(a, "Q[commit]");
	ASSERT_HEARS(b, "T D[from b] C[SELECT 1] Z[I]");
	/* The next wait is another. */
	say(a, "Q[begin]");
	say(b, "Q[more]");
	world_pass(&w, 5 * USEC_PER_SEC);
	ASSERT_HEARS(b, "N[NOTICE 00000]");
	world_end(&w);
}

/* A driver expects an answer to its startup packet, not a notice. */
static void who_logs_in_is_not_notified(void **state)
{
	struct world w;

	(void)state;
	world_begin(&w, "query_wait_notify = 5\nserver_connect_timeout = 100\n");
	w.accepts = false;
	struct actor *c = world_client(&w, "user=anna;database=app");
	world_pass(&w, 20 * USEC_PER_SEC);
	ASSERT_HEARS(c, "");
	world_end(&w);
}

static void who_leaves_and_who_is_served_may_be_seen_in_one_turn(void **state)
{
	struct world w;

	(void)state;
	world_begin(&w, "pool_mode = transaction\ndefault_pool_size = 1\n");
	struct actor *a = world_session(&w), *b = world_session(&w),
		     *c = world_session(&w), *s = world_server(&w, 1);
	say(a, "Q[from a]");
	say(b, "Q[from b]");
	say(c, "Q[from c]");
	b->peer.has_closed = true;
	fake_peer_poke(&b->peer);
	actor_push(s, "I Z[I]");
	fake_peer_poke(&s->peer);
	world_settle(&w);
	ASSERT_HEARS(s, "Q[from a] Q[from c]");
	say(s, "I Z[I]");
	ASSERT_HEARS(c, "I Z[I]");
	world_end(&w);
}

static void a_pipelining_client_does_not_overtake_those_who_wait(void **state)
{
	struct world w;

	(void)state;
	world_begin(&w, "pool_mode = transaction\ndefault_pool_size = 1\n");
	struct actor *a = world_session(&w), *b = world_session(&w),
		     *s = world_server(&w, 1);
	say(a, "Q[1]");
	say(b, "Q[from b]");
	say(s, "I Z[I]");
	say(a, "Q[2]");
	ASSERT_HEARS(s, "Q[1] Q[from b]");
	say(s, "I Z[I]");
	ASSERT_HEARS(s, "Q[2]");
	say(s, "I Z[I]");
	ASSERT_HEARS(a, "I Z[I] I Z[I]");
	world_end(&w);
}

static void nobody_waits_behind_a_closed_gate_for_ever(void **state)
{
	struct world w;

	(void)state;
	world_begin(&w, "pool_mode = transaction\nquery_wait_timeout = 10\n");
	w.answers = true;
	struct actor *a = world_session(&w), *b = world_session(&w);
	control_pause(&w.dispatcher, NULL);
	world_settle(&w);
	assert_true(control_is_quiet(&w.dispatcher, NULL));
	say(a, "Q[one]");
	ASSERT_HEARS(a, "");
	world_pass(&w, 12 * USEC_PER_SEC);
	ASSERT_HEARS(a, "N[NOTICE 00000] E[ERROR 53300] Z[I]");
	say(b, "Q[two]");
	control_resume(&w.dispatcher, NULL);
	world_settle(&w);
	ASSERT_HEARS(b, "T D[two] C[SELECT 1] Z[I]");
	world_end(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_full_queue_refuses_a_query_and_the_session_lives_on),
	    cmocka_unit_test(a_full_queue_refuses_a_batch_up_to_its_sync),
	    cmocka_unit_test(a_refused_message_may_come_in_any_pieces),
	    cmocka_unit_test(a_full_queue_ends_a_login),
	    cmocka_unit_test(waiting_in_vain_keeps_the_session),
	    cmocka_unit_test(waiting_in_vain_ends_a_login),
	    cmocka_unit_test(a_login_waits_no_longer_than_a_login_may_take),
	    cmocka_unit_test(who_waits_long_is_told_once),
	    cmocka_unit_test(who_logs_in_is_not_notified),
	    cmocka_unit_test(who_leaves_and_who_is_served_may_be_seen_in_one_turn),
	    cmocka_unit_test(a_pipelining_client_does_not_overtake_those_who_wait),
	    cmocka_unit_test(nobody_waits_behind_a_closed_gate_for_ever),
	};

	return cmocka_run_group_tests_name("the line", tests, NULL, NULL);
}
