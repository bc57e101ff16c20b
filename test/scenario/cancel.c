/*
 * Scenarios of cancel requests: whom they reach, and whom never.
 */
#include "relay/control.h"
#include "scenario/world.h"

#include <errno.h>

static void a_cancel_goes_to_the_server_of_its_client_only(void **state)
{
	struct world w;

	(void)state;
	world_begin(&w, "pool_mode = transaction\n");
	struct actor *a = world_session(&w), *b = world_session(&w);
	say(a, "Q[from a]");
	say(b, "Q[from b]");
	assert_non_null(world_server(&w, 2));
	struct actor *canceller = world_canceller(&w, b);
	struct actor *x = world_cancel(&w);
	actor_accept(x);
	world_settle(&w);
	ASSERT_HEARS(x, "cancel 2");
	assert_false(is_gone(canceller));
	leave(x);
	assert_true(is_gone(canceller));
	ASSERT_HEARS(canceller, "");
	say(world_server(&w, 2), "E[ERROR 57014] Z[I]");
	ASSERT_HEARS(b, "E[ERROR 57014] Z[I]");
	say(world_server(&w, 1), "I Z[I]");
	ASSERT_HEARS(a, "I Z[I]");
	leave(a);
	leave(b);
	world_has_free_servers(&w, 2);
	world_end(&w);
}

static void a_server_is_held_back_until_its_cancel_has_ended(void **state)
{
	struct world w;

	(void)state;
	world_begin(&w, "pool_mode = transaction\ndefault_pool_size = 1\n");
	struct actor *a = world_session(&w), *b = world_session(&w);
	struct actor *s = world_server(&w, 1);
	say(a, "Q[from a]");
	world_canceller(&w, a);
	actor_accept(world_cancel(&w));
	say(s, "I Z[I]");
	ASSERT_HEARS(a, "I Z[I]");
	say(b, "Q[from b]");
	ASSERT_HEARS(s, "Q[from a]");
	leave(world_cancel(&w));
	ASSERT_HEARS(s, "Q[from b]");
	say(s, "I Z[I]");
	ASSERT_HEARS(b, "I Z[I]");
	world_end(&w);
}

/* What ends a cancel without a sign that it has arrived. */
static void a_server_whose_cancel_is_lost_is_not_used_again(void **state)
{
	(void)state;
	for (int how = 0; how < 3; how++) {
		struct world w;
		world_begin(&w, "pool_mode = transaction\n");
		struct actor *a = world_session(&w), *s = world_server(&w, 1);
		say(a, "Q[from a]");
		struct actor *canceller = world_canceller(&w, a);
		if (how > 0)
			actor_accept(world_cancel(&w));
		say(s, "I Z[I]");
		if (how == 2)
			break_off(world_cancel(&w));
		else
			world_pass(&w, 30 * USEC_PER_SEC);
		assert_true(is_gone(s));
		assert_true(is_gone(canceller));
		leave(a);
		world_is_empty(&w);
		world_end(&w);
	}
}

static void a_cancel_that_cannot_connect_harms_nobody(void **state)
{
	struct world w;

	(void)state;
	world_begin(&w, "pool_mode = transaction\n");
	struct actor *a = world_session(&w), *s = world_server(&w, 1);
	say(a, "Q[from a]");
	struct actor *canceller = world_canceller(&w, a);
	actor_refuse(world_cancel(&w), ECONNREFUSED);
	world_settle(&w);
	assert_true(is_gone(canceller));
	say(s, "I Z[I]");
	leave(a);
	world_has_free_servers(&w, 1);
	world_end(&w);
}

static void cancelling_who_waits_takes_him_out_of_the_line(void **state)
{
	struct world w;

	(void)state;
	world_begin(&w, "pool_mode = transaction\ndefault_pool_size = 1\n");
	struct actor *a = world_session(&w), *b = world_session(&w),
		     *c = world_session(&w), *s = world_server(&w, 1);
	say(a, "Q[from a]");
	say(b, "P[from b] B[from b] E S");
	say(c, "Q[from c]");
	assert_true(is_gone(world_canceller(&w, b)));
	ASSERT_HEARS(b, "E[ERROR 57014] Z[I]");
	assert_true(is_gone(world_canceller(&w, c)));
	ASSERT_HEARS(c, "E[ERROR 57014] Z[I]");
	assert_null(world_cancel(&w));
	say(s, "I Z[I]");
	ASSERT_HEARS(s, "Q[from a]");
	say(c, "Q[again]");
	ASSERT_HEARS(s, "Q[again]");
	world_end(&w);
}

static void cancelling_who_does_nothing_does_nothing(void **state)
{
	struct world w;

	(void)state;
	world_begin(&w, "pool_mode = session\n");
	struct actor *a = world_session(&w), *s = world_server(&w, 1);
	assert_true(is_gone(world_canceller(&w, a)));
	say(a, "Q[one]");
	say(s, "I Z[I]");
	/* Linked, but the server is idle. */
	assert_true(is_gone(world_canceller(&w, a)));
	assert_null(world_cancel(&w));
	say(a, "Q[two]");
	ASSERT_HEARS(s, "Q[one] Q[two]");
	world_end(&w);
}

/* The pooler's own SET is nothing that a client could want to cancel. */
static void a_cancel_does_not_hit_the_poolers_own_query(void **state)
{
	struct world w;

	(void)state;
	world_begin(&w, "pool_mode = transaction\n");
	struct actor *a = world_client(&w, "user=anna;database=app;TimeZone=CET");
	heard(a);
	say(a, "Q[one]");
	assert_true(is_gone(world_canceller(&w, a)));
	assert_null(world_cancel(&w));
	say(world_server(&w, 1), "S[TimeZone=CET] C[SET] Z[I]");
	say(world_server(&w, 1), "I Z[I]");
	ASSERT_HEARS(a, "I Z[I]");
	world_end(&w);
}

static void an_unknown_key_reaches_nobody(void **state)
{
	struct world w;

	(void)state;
	world_begin(&w, "pool_mode = session\n");
	struct actor *a = world_session(&w);
	struct actor stranger = *a;
	say(a, "Q[one]");
	stranger.key.bytes[7] ^= 1;
	assert_true(is_gone(world_canceller(&w, &stranger)));
	memset(stranger.key.bytes, 0, sizeof(stranger.key.bytes));
	assert_true(is_gone(world_canceller(&w, &stranger)));
	assert_null(world_cancel(&w));
	/* The key of one who has left is unknown, too. */
	leave(a);
	world_canceller(&w, a);
	world_end(&w);
}

static void who_cancels_may_leave_before_it_is_done(void **state)
{
	struct world w;

	(void)state;
	world_begin(&w, "pool_mode = transaction\n");
	struct actor *a = world_session(&w), *s = world_server(&w, 1);
	say(a, "Q[from a]");
	leave(world_canceller(&w, a));
	actor_accept(world_cancel(&w));
	world_settle(&w);
	ASSERT_HEARS(world_cancel(&w), "cancel 1");
	leave(world_cancel(&w));
	say(s, "E[ERROR 57014] Z[I]");
	leave(a);
	world_has_free_servers(&w, 1);
	world_end(&w);
}

static void a_server_may_end_before_its_cancel(void **state)
{
	struct world w;

	(void)state;
	world_begin(&w, "pool_mode = transaction\n");
	struct actor *a = world_session(&w), *s = world_server(&w, 1);
	say(a, "Q[from a]");
	struct actor *canceller = world_canceller(&w, a);
	leave(s);
	ASSERT_HEARS(a, "E[FATAL 08006]");
	actor_accept(world_cancel(&w));
	world_settle(&w);
	leave(world_cancel(&w));
	assert_true(is_gone(canceller));
	world_is_empty(&w);
	world_end(&w);
}

static unsigned count_cancels(struct world *w)
{
	struct actor *x;
	unsigned count = 0;

	TAILQ_FOREACH (x, &w->actors, place)
		count += x->kind == ACTOR_CANCEL;
	return count;
}

static void many_cancels_for_one_query_are_one(void **state)
{
	enum { MANY = 50 };
	struct actor *c[MANY];
	struct world w;

	(void)state;
	world_begin(&w, "pool_mode = transaction\n");
	struct actor *a = world_session(&w);
	say(a, "Q[from a]");
	for (int i = 0; i < MANY; i++) {
		c[i] = world_canceller(&w, a);
		/* Some come before it is sent, some after. */
		if (i == MANY / 2)
			actor_accept(world_cancel(&w));
		world_settle(&w);
	}
	assert_int_equal(count_cancels(&w), 1);
	assert_int_equal(actor_server(world_server(&w, 1))->cancels, 1);
	for (int i = 0; i < MANY; i++)
		assert_false(is_gone(c[i]));
	leave(c[7]);
	leave(world_cancel(&w));
	for (int i = 0; i < MANY; i++)
		assert_true(is_gone(c[i]));
	/* Another one later is another one. */
	world_canceller(&w, a);
	assert_int_equal(count_cancels(&w), 2);
	leave(a);
	world_end(&w);
}

/* Within a transaction the next query may begin while the cancel of the last is under
 * way. */
static void a_cancel_for_the_next_query_is_sent_behind_the_other(void **state)
{
	struct world w;

	(void)state;
	world_begin(&w, "pool_mode = transaction\n");
	struct actor *a = world_session(&w), *s = world_server(&w, 1);
	say(a, "Q[begin]");
	say(s, "C[BEGIN] Z[T]");
	world_pass(&w, 1000);
	say(a, "Q[one]");
	struct actor *first = world_canceller(&w, a), *x = world_cancel(&w);
	actor_accept(x);
	world_settle(&w);
	say(s, "I Z[T]");
	world_pass(&w, 1000);
	say(a, "Q[two]");
	struct actor *second = world_canceller(&w, a);
	assert_int_equal(count_cancels(&w), 1);
	leave(x);
	assert_true(is_gone(first));
	assert_false(is_gone(second));
	assert_int_equal(count_cancels(&w), 2);
	actor_accept(world_cancel(&w));
	world_settle(&w);
	ASSERT_HEARS(world_cancel(&w), "cancel 1");
	leave(world_cancel(&w));
	assert_true(is_gone(second));
	/* Of a query that has ended meanwhile nothing is to be cancelled. */
	actor_accept((world_canceller(&w, a), world_cancel(&w)));
	world_settle(&w);
	say(s, "E[ERROR 57014] Z[E]");
	world_pass(&w, 1000);
	say(a, "Q[three]");
	struct actor *third = world_canceller(&w, a);
	say(s, "E[ERROR 25P02] Z[E]");
	leave(world_cancel(&w));
	assert_true(is_gone(third));
	assert_int_equal(count_cancels(&w), 3);
	leave(a);
	world_end(&w);
}

static void cancels_beyond_the_most_take_turns(void **state)
{
	enum { SERVERS = 30 };
	struct actor *a[SERVERS], *c[SERVERS], *x;
	struct world w;
	unsigned done = 0;

	(void)state;
	world_begin(&w,
		    "pool_mode = transaction\ndefault_pool_size = 30\nmax_cancels = 2\n");
	for (int i = 0; i < SERVERS; i++) {
		a[i] = world_session(&w);
		say(a[i], "Q[work]");
	}
	for (int i = 0; i < SERVERS; i++)
		c[i] = world_canceller(&w, a[i]);
	/* Ten times as many wait; the others are dropped. */
	assert_int_equal(count_cancels(&w), 2);
	assert_int_equal(w.dispatcher.waiting_cancel_count, 20);
	for (int i = 0; i < SERVERS; i++)
		assert_int_equal(is_gone(c[i]), i >= 22);
	/* Whose query is over has no use for his turn, and keeps no server. */
	say(world_server(&w, 4), "I Z[I]");
	ASSERT_HEARS(a[3], "I Z[I]");
	while (w.dispatcher.cancel_count > 0) {
		TAILQ_FOREACH (x, &w.actors, place)
			if (x->kind == ACTOR_CANCEL && !is_gone(x))
				break;
		assert_non_null(x);
		actor_accept(x);
		world_settle(&w);
		assert_true(w.dispatcher.cancel_count <= 2);
		leave(x);
		done++;
	}
	assert_int_equal(done, 21);
	for (int i = 0; i < SERVERS; i++)
		assert_true(is_gone(c[i]));
	world_end(&w);
}

/* The latest cancel does. */
static void arrive(struct world *w)
{
	struct actor *x = world_cancel(w);

	actor_accept(x);
	world_settle(w);
	leave(x);
}

static void a_cancel_that_waits_is_of_who_has_the_server_now(void **state)
{
	struct world w;

	(void)state;
	world_begin(&w,
		    "pool_mode = transaction\ndefault_pool_size = 2\nmax_cancels = 1\n");
	struct actor *a = world_session(&w), *b = world_session(&w);
	struct actor *c = world_session(&w);
	say(a, "Q[one]");
	say(b, "Q[two]");
	struct actor *first = world_canceller(&w, a), *second = world_canceller(&w, b);
	say(world_server(&w, 2), "I Z[I]");
	ASSERT_HEARS(b, "I Z[I]");
	say(c, "Q[three]");
	struct actor *third = world_canceller(&w, c);
	assert_int_equal(count_cancels(&w), 1);
	arrive(&w);
	assert_true(is_gone(first));
	assert_int_equal(count_cancels(&w), 2);
	arrive(&w);
	assert_true(is_gone(second) && is_gone(third));
	world_end(&w);
}

/* No cancel connects at all: those who ask, and those who wait, do so for a while only.
 */
static void nobody_waits_long_for_his_turn(void **state)
{
	struct world w;

	(void)state;
	world_begin(&w, "pool_mode = transaction\nmax_cancels = 1\n");
	struct actor *a = world_session(&w), *b = world_session(&w);
	say(a, "Q[one]");
	say(b, "Q[two]");
	struct actor *first = world_canceller(&w, a), *second = world_canceller(&w, b);
	world_pass(&w, 9 * USEC_PER_SEC);
	assert_false(is_gone(first) || is_gone(second));
	world_pass(&w, 1 * USEC_PER_SEC);
	assert_true(is_gone(first));
	world_pass(&w, 10 * USEC_PER_SEC);
	assert_true(is_gone(second));
	assert_int_equal(w.dispatcher.cancel_count + w.dispatcher.waiting_cancel_count,
			 0);
	/* What was sent may still arrive. */
	assert_true(actor_server(world_server(&w, 1))->slot.retire);
	world_end(&w);
}

static void whoever_cancels_is_no_client(void **state)
{
	struct world w;

	(void)state;
	world_begin(&w, "pool_mode = transaction\nmax_client_conn = 1\n");
	struct actor *a = world_session(&w);
	say(a, "Q[one]");
	struct actor *c = world_canceller(&w, a), *half = world_connect(&w);
	assert_false(is_gone(c) || is_gone(half));
	assert_int_equal(w.dispatcher.pooled_count, 1);
	/* Nor is its login in progress any more. */
	assert_int_equal(w.dispatcher.logins.gate.count, 0);
	actor_accept(world_cancel(&w));
	world_settle(&w);
	leave(world_cancel(&w));
	assert_true(is_gone(c));
	leave(half);
	assert_int_equal(w.dispatcher.client_count, 1);
	world_end(&w);
}

static void a_client_that_leaves_in_a_query_has_it_cancelled(void **state)
{
	struct world w;

	(void)state;
	world_begin(&w, "pool_mode = transaction\n");
	struct actor *a = world_session(&w);
	say(a, "Q[a long one]");
	leave(a);
	actor_accept(world_cancel(&w));
	world_settle(&w);
	ASSERT_HEARS(world_cancel(&w), "cancel 1");
	leave(world_cancel(&w));
	say(world_server(&w, 1), "E[ERROR 57014] Z[I]");
	world_has_free_servers(&w, 1);
	world_end(&w);
}

static void the_end_of_all_ends_cancels_too(void **state)
{
	struct world w;

	(void)state;
	world_begin(&w, "pool_mode = transaction\n");
	struct actor *a = world_session(&w), *b = world_session(&w);
	say(a, "Q[from a]");
	say(b, "Q[from b]");
	world_canceller(&w, a);
	world_canceller(&w, b);
	actor_accept(world_cancel(&w));
	world_end(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_cancel_goes_to_the_server_of_its_client_only),
	    cmocka_unit_test(a_server_is_held_back_until_its_cancel_has_ended),
	    cmocka_unit_test(a_server_whose_cancel_is_lost_is_not_used_again),
	    cmocka_unit_test(a_cancel_that_cannot_connect_harms_nobody),
	    cmocka_unit_test(cancelling_who_waits_takes_him_out_of_the_line),
	    cmocka_unit_test(cancelling_who_does_nothing_does_nothing),
	    cmocka_unit_test(a_cancel_does_not_hit_the_poolers_own_query),
	    cmocka_unit_test(an_unknown_key_reaches_nobody),
	    cmocka_unit_test(who_cancels_may_leave_before_it_is_done),
	    cmocka_unit_test(a_server_may_end_before_its_cancel),
	    cmocka_unit_test(many_cancels_for_one_query_are_one),
	    cmocka_unit_test(a_cancel_for_the_next_query_is_sent_behind_the_other),
	    cmocka_unit_test(cancels_beyond_the_most_take_turns),
	    cmocka_unit_test(a_cancel_that_waits_is_of_who_has_the_server_now),
	    cmocka_unit_test(nobody_waits_long_for_his_turn),
	    cmocka_unit_test(whoever_cancels_is_no_client),
	    cmocka_unit_test(a_client_that_leaves_in_a_query_has_it_cancelled),
	    cmocka_unit_test(the_end_of_all_ends_cancels_too),
	};

	return cmocka_run_group_tests_name("cancel requests", tests, NULL, NULL);
}
