/*
 * Scenarios of clients that go away while their server is not done with them: the server
 * is used again, nothing of the client is committed, and nothing of it runs on.
 */
#include "relay/leave.h"
#include "relay/control.h"
#include "relay/reset.h"
#include "relay/session.h"
#include "scenario/world.h"

#include <errno.h>

/* The two ways to vanish. */
static void (*const ways[])(struct actor *) = {leave, break_off};
enum { WAYS = 2 };

static struct actor *stranger_of(struct world *w)
{
	return world_client(w, "user=anna;database=app");
}

static uint64_t saved(struct world *w)
{
	return w->dispatcher.pools.tally.now.server_saved_count;
}

static uint64_t unsaved(struct world *w)
{
	return w->dispatcher.pools.tally.now.server_unsaved_count;
}

/* The cancel under way is delivered. */
static void deliver_cancel(struct world *w)
{
	struct actor *x = world_cancel(w);

	assert_non_null(x);
	assert_non_null(x->connector);
	actor_accept(x);
	world_settle(w);
	ASSERT_HEARS(x, "cancel 1");
	leave(x);
}

static unsigned cancels_of(struct world *w)
{
	unsigned count = 0;
	struct actor *x;

	TAILQ_FOREACH (x, &w->actors, place)
		count += x->kind == ACTOR_CANCEL;
	return count;
}

/* What sequences have told the client before, by COPY too, is forgotten first. */
static void hears_the_next(struct actor *s)
{
	const char *first = heard(s);

	if (strcmp(first, "Q[DISCARD SEQUENCES;]") == 0) {
		say(s, "C[DISCARD SEQUENCES] Z[I]");
		first = heard(s);
	}
	assert_string_equal(first, "Q[next]");
}

/* Server 1 is as good as new: the next client gets it, and what it says comes first. */
static void serves_the_next(struct world *w)
{
	struct actor *s = world_server(w, 1);

	heard(s);
	assert_int_equal(actor_server(s)->state, SERVER_IDLE);
	struct actor *next = stranger_of(w);
	heard(next);
	say(next, "Q[next]");
	hears_the_next(s);
	say(s, "I Z[I]");
	ASSERT_HEARS(next, "I Z[I]");
	leave(next);
	world_pass(w, USEC_PER_SEC);
	assert_null(world_server(w, 2));
}

/* ---- what can be said in a script ---------------------------------------------------
 */

enum { STEPS_MOST = 8 };

/* How a server is left and saved. Steps: '<' the server says, '>' it is expected to have
 * heard; "cancel" is delivered, or "no cancel" is there. */
struct course {
	const char *name;
	const char *before[STEPS_MOST]; /* 'a' the client says, '<' the server */
	const char *after[STEPS_MOST];
	bool terminates;
};

static const struct course courses[] = {
    {"in a query",
     {"aQ[one]", "<T D[1]", ">Q[one]"},
     {"cancel", ">", "<D[2] E[ERROR 57014] Z[I]", ">"},
     false},
    {"in a query that ends before the cancel comes",
     {"aQ[one]", "<T D[1]", ">Q[one]"},
     {"<D[2] C[SELECT 2] Z[I]", ">", "cancel", ">"},
     false},
    {"in a transaction",
     {"aQ[begin]", "<C[BEGIN] Z[T]", ">Q[begin]"},
     {"no cancel", ">Q[ROLLBACK]", "<C[ROLLBACK] Z[I]", ">"},
     false},
    {"in a failed transaction",
     {"aQ[begin]", "<C[BEGIN] Z[T]", "aQ[fail]", "<E[ERROR 22012] Z[E]",
      ">Q[begin] Q[fail]"},
     {"no cancel", ">Q[ROLLBACK]", "<C[ROLLBACK] Z[I]", ">"},
     false},
    {"in a query in a transaction",
     {"aQ[begin]", "<C[BEGIN] Z[T]", "aQ[one]", ">Q[begin] Q[one]"},
     {"cancel", ">", "<E[ERROR 57014] Z[E]", ">Q[ROLLBACK]", "<C[ROLLBACK] Z[I]"},
     false},
    {"in its COMMIT",
     {"aQ[begin]", "<C[BEGIN] Z[T]", "aQ[commit]", ">Q[begin] Q[commit]"},
     {"cancel", ">", "<C[COMMIT] Z[I]", ">"},
     false},
    {"in a batch without a Sync",
     {"aP[one] B[one] E", ">P[one] B[one] E"},
     {"cancel", ">H", "<1 2 E[ERROR 57014]", ">S", "<Z[I]", ">"},
     false},
    {"after a batch without a Sync",
     {"aP[one] B[one] E H", "<1 2 C[INSERT 0 1]", ">P[one] B[one] E H"},
     {"no cancel", ">H E[of a client that has gone, so its batch is rolled back] S",
      "<E[ERROR 34000] Z[I]", ">"},
     false},
    {"after a batch without a Sync in a transaction",
     {"aQ[begin]", "<C[BEGIN] Z[T]", "aP[one] B[one] E", ">Q[begin] P[one] B[one] E"},
     {"cancel", ">H", "<1 2 C[INSERT 0 1]",
      ">E[of a client that has gone, so its batch is rolled back] S",
      "<E[ERROR 34000] Z[E]", ">Q[ROLLBACK]", "<C[ROLLBACK] Z[I]", ">"},
     false},
    {"in a batch that has failed and has no Sync",
     {"aP[one] B[one] E H", "<1 E[ERROR 22012]", ">P[one] B[one] E H"},
     {"no cancel", ">H S", "<Z[I]", ">"},
     false},
    {"in a batch with its Sync",
     {"aP[one] B[one] D E S", "<1 2", ">P[one] B[one] D E S"},
     {"cancel", ">", "<n E[ERROR 57014] Z[I]", ">"},
     false},
    {"in COPY IN",
     {"aQ[copy in]", "<G", "ad[data]", ">Q[copy in] d[data]"},
     {"cancel", ">f[the client has gone] S", "<E[ERROR 57014] Z[I]", ">", "<Z[I]", ">"},
     false},
    {"in COPY IN whose beginning comes late",
     {"aQ[copy in]", ">Q[copy in]"},
     {"cancel", ">", "<G", ">f[the client has gone] S", "<E[ERROR 57014] Z[I] Z[I]", ">"},
     false},
    {"in COPY IN in a transaction",
     {"aQ[begin]", "<C[BEGIN] Z[T]", "aQ[copy in]", "<G", ">Q[begin] Q[copy in]"},
     {"cancel", ">f[the client has gone] S", "<E[ERROR 57014] Z[E] Z[E]", ">Q[ROLLBACK]",
      "<C[ROLLBACK] Z[I]"},
     false},
    {"after the end of COPY IN",
     {"aQ[copy in]", "<G", "ad[data] c", ">Q[copy in] d[data] c"},
     {"cancel", ">", "<C[COPY 1] Z[I]", ">"},
     false},
    {"in COPY IN by an extended query",
     {"aP[copy] B[copy] E H", "<1 2 G", "ad[data]", ">P[copy] B[copy] E H d[data]"},
     {"cancel", ">H f[the client has gone] S", "<E[ERROR 57014] Z[I]", ">"},
     false},
    {"in COPY IN that has eaten the Sync",
     {"aP[copy] B[copy] E S", "<1 2 G", ">P[copy] B[copy] E S"},
     {"cancel", ">f[the client has gone] S", "<E[ERROR 57014] Z[I]", ">Q", "<I Z[I]",
      ">"},
     false},
    {"in COPY IN that failed before it had eaten the Sync",
     {"aP[copy] B[copy] E S", "<1 2 G", ">P[copy] B[copy] E S"},
     {"cancel", ">f[the client has gone] S", "<E[ERROR 22P04] Z[I]", ">Q", "<Z[I] I Z[I]",
      ">"},
     false},
    {"in COPY OUT",
     {"aQ[copy out]", "<H d[one]", ">Q[copy out]"},
     {"cancel", ">", "<d[two] E[ERROR 57014] Z[I]", ">"},
     false},
    {"in COPY OUT that ends before the cancel comes",
     {"aQ[copy out]", "<H d[one]", ">Q[copy out]"},
     {"<d[two] c C[COPY 2] Z[I]", ">", "cancel", ">"},
     false},
    {"in two COPYs one after the other",
     {"aQ[copy in; copy in]", "<G", "ad[one] c", "<C[COPY 1] G", "ad[two]",
      ">Q[copy in; copy in] d[one] c d[two]"},
     {"cancel", ">f[the client has gone] S", "<E[ERROR 57014] Z[I] Z[I]", ">"},
     false},
    {"in a function call",
     {"aF[call]", ">F[call]"},
     {"cancel", ">", "<E[ERROR 57014] Z[I]", ">"},
     false},
    {"by a Terminate in a query",
     {"aQ[one]", ">Q[one]"},
     {"no cancel", ">", "<T D[1] C[SELECT 1] Z[I]", ">"},
     true},
    {"by a Terminate in a query in a transaction",
     {"aQ[begin]", "<C[BEGIN] Z[T]", "aQ[one]", ">Q[begin] Q[one]"},
     {"no cancel", ">", "<T D[1] C[SELECT 1] Z[T]", ">Q[ROLLBACK]", "<C[ROLLBACK] Z[I]",
      ">"},
     true},
    {"by a Terminate in a transaction",
     {"aQ[begin]", "<C[BEGIN] Z[T]", ">Q[begin]"},
     {"no cancel", ">Q[ROLLBACK]", "<C[ROLLBACK] Z[I]", ">"},
     true},
    {"by a Terminate in a batch with its Sync",
     {"aP[one] B[one] E S", ">P[one] B[one] E S"},
     {"no cancel", ">", "<1 2 C[INSERT 0 1] Z[I]", ">"},
     true},
    {"by a Terminate in a batch without a Sync",
     {"aP[one] B[one] E", ">P[one] B[one] E"},
     {"no cancel", ">H", "<1 2 C[INSERT 0 1]",
      ">E[of a client that has gone, so its batch is rolled back] S",
      "<E[ERROR 34000] Z[I]", ">"},
     true},
    {"by a Terminate in COPY IN",
     {"aQ[copy in]", "<G", ">Q[copy in]"},
     {"no cancel", ">f[the client has gone] S", "<E[ERROR 57014] Z[I] Z[I]", ">"},
     true},
};

static void expect(struct actor *s, const struct course *this, const char *words)
{
	if (strcmp(heard(s), words) != 0)
		fail_msg("%s: \"%s\", not \"%s\"", this->name, s->told, words);
}

static void take_step(struct world *w, const struct course *this, struct actor *a,
		      const char *step)
{
	struct actor *s = world_server(w, 1);

	if (strcmp(step, "cancel") == 0)
		deliver_cancel(w);
	else if (strcmp(step, "no cancel") == 0)
		assert_null(world_cancel(w));
	else if (step[0] == 'a')
		say(a, step + 1);
	else if (step[0] == '<')
		say(s, step + 1);
	else
		expect(s, this, step + 1);
}

static void take_course(const struct course *this, int way)
{
	struct world w;

	world_begin(&w, "pool_mode = transaction\ndefault_pool_size = 1\n");
	struct actor *a = world_session(&w), *s = world_server(&w, 1);
	for (int i = 0; i < STEPS_MOST && this->before[i]; i++)
		take_step(&w, this, a, this->before[i]);
	if (this->terminates)
		say(a, "X");
	else
		ways[way](a);
	assert_true(is_gone(a));
	for (int i = 0; i < STEPS_MOST && this->after[i]; i++)
		take_step(&w, this, a, this->after[i]);
	if (actor_server(s)->state != SERVER_IDLE || saved(&w) != 1 || unsaved(&w) != 0)
		fail_msg("%s: not saved", this->name);
	serves_the_next(&w);
	world_has_free_servers(&w, 1);
	world_end(&w);
}

static void a_server_is_saved_from_whatever_it_is_left_in(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(courses) / sizeof(courses[0]); i++)
		for (int way = 0; way < (courses[i].terminates ? 1 : WAYS); way++)
			take_course(&courses[i], way);
}

/* ---- cancels ------------------------------------------------------------------------
 */

static void nobody_gets_the_server_before_the_cancel_has_ended(void **state)
{
	struct world w;

	(void)state;
	world_begin(&w, "pool_mode = transaction\ndefault_pool_size = 1\n");
	struct actor *a = world_session(&w), *b = world_session(&w);
	struct actor *s = world_server(&w, 1);
	say(a, "Q[from a]");
	say(b, "Q[from b]");
	leave(a);
	say(s, "C[done] Z[I]");
	actor_accept(world_cancel(&w));
	world_settle(&w);
	ASSERT_HEARS(s, "Q[from a]");
	assert_string_equal(server_state_name(actor_server(s)), "being_canceled");
	leave(world_cancel(&w));
	ASSERT_HEARS(s, "Q[from b]");
	say(s, "I Z[I]");
	ASSERT_HEARS(b, "I Z[I]");
	assert_int_equal(cancels_of(&w), 1);
	world_end(&w);
}

/* Also the pooler's own ROLLBACK would be hit by one. */
static void nothing_is_rolled_back_before_the_cancel_has_ended(void **state)
{
	struct world w;

	(void)state;
	world_begin(&w, "pool_mode = transaction\n");
	struct actor *a = world_session(&w), *s = world_server(&w, 1);
	say(a, "Q[begin]");
	say(s, "C[BEGIN] Z[T]");
	say(a, "Q[one]");
	heard(s);
	leave(a);
	say(s, "I Z[T]");
	actor_accept(world_cancel(&w));
	world_settle(&w);
	ASSERT_HEARS(s, "");
	leave(world_cancel(&w));
	ASSERT_HEARS(s, "Q[ROLLBACK]");
	say(s, "C[ROLLBACK] Z[I]");
	world_has_free_servers(&w, 1);
	world_end(&w);
}

static void a_cancel_that_came_too_early_is_repeated(void **state)
{
	struct world w;

	(void)state;
	world_begin(&w, "pool_mode = transaction\n");
	struct actor *a = world_session(&w), *s = world_server(&w, 1);
	say(a, "Q[one]");
	leave(a);
	deliver_cancel(&w);
	world_pass(&w, 49 * USEC_PER_MSEC);
	assert_int_equal(cancels_of(&w), 1);
	world_pass(&w, USEC_PER_MSEC);
	assert_int_equal(cancels_of(&w), 2);
	deliver_cancel(&w);
	say(s, "E[ERROR 57014] Z[I]");
	world_pass(&w, USEC_PER_SEC);
	assert_int_equal(cancels_of(&w), 2);
	serves_the_next(&w);
	world_end(&w);
}

static void each_query_of_a_pipeline_is_cancelled(void **state)
{
	struct world w;

	(void)state;
	world_begin(&w, "pool_mode = transaction\n");
	struct actor *a = world_session(&w), *s = world_server(&w, 1);
	say(a, "P[one] B[one] E S Q[two] Q[three]");
	leave(a);
	for (unsigned i = 0; i < 2; i++) {
		world_pass(&w, USEC_PER_SEC - 1);
		assert_int_equal(cancels_of(&w), i);
		world_pass(&w, 1);
		deliver_cancel(&w);
		say(s, i == 0 ? "1 2 E[ERROR 57014] Z[I]" : "E[ERROR 57014] Z[I]");
	}
	/* The last one has nothing behind it. */
	deliver_cancel(&w);
	say(s, "E[ERROR 57014] Z[I]");
	assert_int_equal(cancels_of(&w), 3);
	serves_the_next(&w);
	assert_int_equal(saved(&w), 1);
	world_end(&w);
}

/* Its transaction would not begin, and what comes behind would be committed. */
static void a_begin_with_more_behind_it_is_not_cancelled(void **state)
{
	static const char *const said[] = {
	    "Q[begin] Q[insert]",
	    "P[begin] B[begin] E S P[insert] B[insert] E S",
	    "Q[begin] P[insert] B[insert] E",
	};
	static const char *const answers[] = {"C[BEGIN] Z[T]", "1 2 C[BEGIN] Z[T]",
					      "C[BEGIN] Z[T]"};
	static const char *const cancelled[] = {
	    "E[ERROR 57014] Z[E]", "1 2 E[ERROR 57014] Z[E]", "1 2 E[ERROR 57014]"};

	(void)state;
	for (int i = 0; i < 3; i++) {
		struct world w;
		world_begin(&w, "pool_mode = session\nserver_reset_query =\n");
		struct actor *a = world_session(&w), *s = world_server(&w, 1);
		say(a, said[i]);
		leave(a);
		world_pass(&w, USEC_PER_SEC / 2);
		assert_null(world_cancel(&w));
		say(s, answers[i]);
		deliver_cancel(&w);
		say(s, cancelled[i]);
		if (i == 2)
			say(s, "Z[E]");
		say(s, "C[ROLLBACK] Z[I]");
		assert_int_equal(saved(&w), 1);
		world_has_free_servers(&w, 1);
		world_end(&w);
	}
}

/* Neither when the server is given up. */
static void a_begin_is_not_cancelled_in_the_end_either(void **state)
{
	struct world w;

	(void)state;
	world_begin(&w, "pool_mode = session\n");
	struct actor *a = world_session(&w), *s = world_server(&w, 1);
	say(a, "Q[begin] Q[insert]");
	actor_push_bytes(a, slice_of("F\0\0\1\0call", 9));
	world_settle(&w);
	leave(a);
	assert_true(is_gone(s));
	assert_null(world_cancel(&w));
	world_is_empty(&w);
	world_end(&w);
}

static void a_cancel_that_is_refused_is_tried_again(void **state)
{
	struct world w;

	(void)state;
	world_begin(&w, "pool_mode = transaction\n");
	struct actor *a = world_session(&w), *s = world_server(&w, 1);
	say(a, "Q[one]");
	leave(a);
	for (int i = 0; i < 3; i++) {
		actor_refuse(world_cancel(&w), ECONNREFUSED);
		world_pass(&w, USEC_PER_SEC);
	}
	assert_int_equal(cancels_of(&w), 4);
	deliver_cancel(&w);
	say(s, "E[ERROR 57014] Z[I]");
	serves_the_next(&w);
	world_end(&w);
}

/* It may still arrive when the server works for somebody else. */
static void a_server_whose_cancel_is_lost_is_not_used_again(void **state)
{
	struct world w;

	(void)state;
	world_begin(&w, "pool_mode = transaction\n");
	struct actor *a = world_session(&w), *s = world_server(&w, 1);
	say(a, "Q[one]");
	leave(a);
	actor_accept(world_cancel(&w));
	world_settle(&w);
	break_off(world_cancel(&w));
	say(s, "E[ERROR 57014] Z[I]");
	world_pass(&w, USEC_PER_SEC);
	assert_true(is_gone(s));
	assert_int_equal(saved(&w), 0);
	world_is_empty(&w);
	world_end(&w);
}

/* ---- the end of patience ------------------------------------------------------------
 */

static void accept_all_cancels(struct world *w)
{
	struct actor *x;

	TAILQ_FOREACH (x, &w->actors, place)
		if (x->kind == ACTOR_CANCEL && x->connector) {
			actor_accept(x);
			world_settle(w);
			leave(x);
		}
}

static void a_server_that_never_answers_is_closed_at_cleanup_timeout(void **state)
{
	struct world w;

	(void)state;
	world_begin(&w, "pool_mode = transaction\ncleanup_timeout = 7\n");
	struct actor *a = world_session(&w), *s = world_server(&w, 1);
	say(a, "Q[one]");
	leave(a);
	for (int i = 0; i < 7; i++) {
		accept_all_cancels(&w);
		world_pass(&w, USEC_PER_SEC - 1);
	}
	world_pass(&w, 6);
	assert_false(is_gone(s));
	world_pass(&w, 1);
	assert_true(is_gone(s));
	/* So that it does not run on, once more. */
	accept_all_cancels(&w);
	assert_in_range(cancels_of(&w), 4, 20);
	assert_int_equal(unsaved(&w), 1);
	world_is_empty(&w);
	world_end(&w);
}

static void all_of_it_together_takes_no_longer(void **state)
{
	(void)state;
	for (int stage = 0; stage < 2; stage++) {
		struct world w;
		world_begin(&w, "pool_mode = session\ncleanup_timeout = 7\n");
		struct actor *a = world_session(&w), *s = world_server(&w, 1);
		say(a, "Q[begin]");
		say(s, "C[BEGIN] Z[T]");
		say(a, "Q[one]");
		leave(a);
		deliver_cancel(&w);
		say(s, "E[ERROR 57014] Z[E]");
		world_pass(&w, 3 * USEC_PER_SEC);
		if (stage > 0)
			say(s, "C[ROLLBACK] Z[I]");
		ASSERT_HEARS(s, stage == 0
				    ? "Q[begin] Q[one] Q[ROLLBACK]"
				    : "Q[begin] Q[one] Q[ROLLBACK] Q[DISCARD ALL]");
		world_pass(&w, 4 * USEC_PER_SEC - 1);
		assert_false(is_gone(s));
		world_pass(&w, 1);
		assert_true(is_gone(s));
		assert_int_equal(unsaved(&w), 1);
		accept_all_cancels(&w);
		world_is_empty(&w);
		world_end(&w);
	}
}

/* What a server must not do. */
static const char *const failures[] = {
    "E[ERROR 25P01] Z[T]", "C[ROLLBACK] Z[T]", "C[ROLLBACK] Z[E]", "E[FATAL 57P01]", "1",
};

static void a_server_that_fails_in_its_rollback_is_closed(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(failures) / sizeof(failures[0]); i++) {
		struct world w;
		world_begin(&w, "pool_mode = transaction\n");
		struct actor *a = world_session(&w), *s = world_server(&w, 1);
		say(a, "Q[begin]");
		say(s, "C[BEGIN] Z[T]");
		leave(a);
		say(s, failures[i]);
		if (strncmp(failures[i], "E[FATAL", 7) == 0)
			leave(s);
		assert_true(is_gone(s));
		assert_int_equal(unsaved(&w), 1);
		world_is_empty(&w);
		world_end(&w);
	}
}

static void a_server_may_go_while_it_is_left(void **state)
{
	(void)state;
	for (int way = 0; way < WAYS; way++) {
		struct world w;
		world_begin(&w, "pool_mode = transaction\n");
		struct actor *a = world_session(&w), *s = world_server(&w, 1);
		say(a, "Q[one]");
		leave(a);
		ways[way](s);
		assert_true(is_gone(s));
		accept_all_cancels(&w);
		world_is_empty(&w);
		world_end(&w);
	}
}

static void who_waits_is_served_when_it_cannot_be_saved(void **state)
{
	struct world w;

	(void)state;
	world_begin(&w, "pool_mode = transaction\ndefault_pool_size = 1\n"
			"query_wait_notify = 0\n");
	struct actor *a = world_session(&w), *b = world_session(&w);
	say(a, "Q[one]");
	say(b, "Q[two]");
	leave(a);
	assert_null(world_server(&w, 2));
	world_pass(&w, 10 * USEC_PER_SEC);
	ASSERT_HEARS(world_server(&w, 2), "Q[two]");
	say(world_server(&w, 2), "I Z[I]");
	ASSERT_HEARS(b, "I Z[I]");
	world_end(&w);
}

static void a_server_that_is_not_to_be_used_again_is_left_all_the_same(void **state)
{
	struct world w;

	(void)state;
	world_begin(&w, "pool_mode = transaction\n");
	struct actor *a = world_session(&w), *s = world_server(&w, 1);
	say(a, "Q[one]");
	control_reconnect(&w.dispatcher, NULL);
	leave(a);
	assert_false(is_gone(s));
	deliver_cancel(&w);
	say(s, "E[ERROR 57014] Z[I]");
	assert_true(is_gone(s));
	assert_int_equal(unsaved(&w), 0);
	world_is_empty(&w);
	world_end(&w);
}

/* ---- half a message -----------------------------------------------------------------
 */

static void push_part(struct actor *a, const char *script, size_t len)
{
	struct buffer bytes = {0};

	script_write(&bytes, a->kind == ACTOR_CLIENT ? FROM_CLIENT : FROM_SERVER, script);
	actor_push_bytes(a, slice_first(buffer_bytes(&bytes), len));
	buffer_fini(&bytes);
	world_settle(a->world);
}

static void half_a_row_for_a_copy_is_completed_and_not_committed(void **state)
{
	(void)state;
	/* Each split; 5 is the header, which is not passed on alone. */
	for (size_t len = 6; len < 14; len++) {
		struct world w;
		world_begin(&w, "pool_mode = transaction\n");
		struct actor *a = world_session(&w), *s = world_server(&w, 1);
		say(a, "Q[copy in]");
		say(s, "G");
		heard(s);
		push_part(a, "d[123456789]", len);
		leave(a);
		struct slice got = fake_peer_received(&s->peer);
		assert_true(got.len > 14);
		assert_memory_equal(got.data,
				    "d\0\0\0\x0d"
				    "123456789",
				    len);
		for (size_t i = len; i < 14; i++)
			assert_int_equal(got.data[i], 0);
		fake_peer_drop(&s->peer, 14);
		ASSERT_HEARS(s, "f[the client has gone] S");
		deliver_cancel(&w);
		say(s, "E[ERROR 57014] Z[I] Z[I]");
		serves_the_next(&w);
		world_end(&w);
	}
}

/* With bytes that no message can end with, so that nothing is carried out by halves. */
static void half_of_another_message_is_completed_by_nonsense(void **state)
{
	static const struct {
		const char *script;
		size_t shortest, len;
		const char *after; /* what the server hears behind it */
		const char *answer;
	} cases[] = {
	    {"Q[commit]", 6, 12, "", "E[ERROR 08P01] Z[E]"},
	    {"P[one]", 6, 12, "H", "E[ERROR 08P01]"},
	    {"E[one]", 6, 13, "H", "E[ERROR 34000]"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		for (size_t len = cases[i].shortest; len < cases[i].len; len++) {
			struct world w;
			world_begin(&w, "pool_mode = session\nserver_reset_query =\n");
			struct actor *a = world_session(&w), *s = world_server(&w, 1);
			say(a, "Q[begin]");
			say(s, "C[BEGIN] Z[T]");
			heard(s);
			push_part(a, cases[i].script, len);
			leave(a);
			struct slice got = fake_peer_received(&s->peer);
			assert_true(got.len >= cases[i].len);
			for (size_t at = len; at < cases[i].len; at++)
				assert_int_equal(got.data[at], 0xff);
			fake_peer_drop(&s->peer, cases[i].len);
			ASSERT_HEARS(s, cases[i].after);
			deliver_cancel(&w);
			say(s, cases[i].answer);
			if (cases[i].after[0]) {
				ASSERT_HEARS(s, "S");
				say(s, "Z[E]");
			}
			ASSERT_HEARS(s, "Q[ROLLBACK]");
			say(s, "C[ROLLBACK] Z[I]");
			assert_int_equal(saved(&w), 1);
			world_has_free_servers(&w, 1);
			world_end(&w);
		}
}

/* The arguments that are missing would be NULLs, and it would be called. */
static void half_of_a_function_call_closes_the_server(void **state)
{
	struct world w;

	(void)state;
	world_begin(&w, "pool_mode = session\n");
	struct actor *a = world_session(&w), *s = world_server(&w, 1);
	say(a, "Q[begin]");
	say(s, "C[BEGIN] Z[T]");
	push_part(a, "F[a call]", 8);
	leave(a);
	assert_true(is_gone(s));
	assert_int_equal(unsaved(&w), 1);
	accept_all_cancels(&w);
	world_is_empty(&w);
	world_end(&w);
}

static void a_row_of_which_too_much_is_missing_closes_the_server(void **state)
{
	struct world w;

	(void)state;
	world_begin(&w, "pool_mode = transaction\n");
	struct actor *a = world_session(&w), *s = world_server(&w, 1);
	say(a, "Q[copy in]");
	say(s, "G");
	actor_push_bytes(a, slice_of("d\0\x20\0\0begin", 10));
	world_settle(&w);
	leave(a);
	assert_true(is_gone(s));
	accept_all_cancels(&w);
	world_is_empty(&w);
	world_end(&w);
}

static void half_an_answer_is_awaited(void **state)
{
	struct world w;

	(void)state;
	world_begin(&w, "pool_mode = transaction\n");
	struct actor *a = world_session(&w), *s = world_server(&w, 1);
	say(a, "Q[one]");
	push_part(s, "D[a row of some length]", 12);
	leave(a);
	deliver_cancel(&w);
	struct buffer bytes = {0};
	script_write(&bytes, FROM_SERVER, "D[a row of some length] E[ERROR 57014] Z[I]");
	actor_push_bytes(s, slice_after(buffer_bytes(&bytes), 12));
	buffer_fini(&bytes);
	world_settle(&w);
	serves_the_next(&w);
	world_end(&w);
}

/* ---- what no saving helps -----------------------------------------------------------
 */

static void copying_both_ways_ends_with_the_server(void **state)
{
	struct world w;

	(void)state;
	world_begin(&w, "pool_mode = session\n");
	struct actor *a = world_session(&w), *s = world_server(&w, 1);
	say(a, "Q[start]");
	say(s, "W");
	leave(a);
	assert_true(is_gone(s));
	accept_all_cancels(&w);
	world_is_empty(&w);
	world_end(&w);
}

static void a_pipeline_into_a_copy_ends_with_the_server(void **state)
{
	struct world w;

	(void)state;
	world_begin(&w, "pool_mode = transaction\n");
	struct actor *a = world_session(&w), *s = world_server(&w, 1);
	say(a, "Q[copy in] Q[one]");
	say(s, "G");
	leave(a);
	/* What has become of the second query nobody can know. */
	say(s, "E[ERROR 08P01]");
	assert_true(is_gone(s));
	accept_all_cancels(&w);
	world_is_empty(&w);
	world_end(&w);
}

/* ---- Terminate ----------------------------------------------------------------------
 */

static void what_was_asked_before_a_terminate_has_all_the_time(void **state)
{
	struct world w;

	(void)state;
	world_begin(&w, "pool_mode = transaction\n");
	struct actor *a = world_session(&w), *s = world_server(&w, 1);
	say(a, "Q[one] X");
	world_pass(&w, 1000 * USEC_PER_SEC);
	assert_string_equal(server_state_name(actor_server(s)), "active");
	assert_null(world_cancel(&w));
	say(s, "I Z[I]");
	serves_the_next(&w);
	world_end(&w);
}

static void rolling_back_after_a_terminate_has_an_end(void **state)
{
	struct world w;

	(void)state;
	world_begin(&w, "pool_mode = transaction\ncleanup_timeout = 7\n");
	struct actor *a = world_session(&w), *s = world_server(&w, 1);
	say(a, "Q[begin]");
	say(s, "C[BEGIN] Z[T]");
	say(a, "Q[one] X");
	world_pass(&w, 1000 * USEC_PER_SEC);
	say(s, "I Z[T]");
	ASSERT_HEARS(s, "Q[begin] Q[one] Q[ROLLBACK]");
	world_pass(&w, 7 * USEC_PER_SEC - 1);
	assert_false(is_gone(s));
	world_pass(&w, 1);
	assert_true(is_gone(s));
	accept_all_cancels(&w);
	world_is_empty(&w);
	world_end(&w);
}

static void what_was_asked_before_a_terminate_is_cancelled_at_query_timeout(void **state)
{
	struct world w;

	(void)state;
	world_begin(&w, "pool_mode = transaction\nquery_timeout = 60\n");
	struct actor *a = world_session(&w), *s = world_server(&w, 1);
	say(a, "Q[one]");
	world_pass(&w, 20 * USEC_PER_SEC);
	say(a, "X");
	world_pass(&w, 40 * USEC_PER_SEC - 1);
	assert_null(world_cancel(&w));
	world_pass(&w, 1);
	deliver_cancel(&w);
	say(s, "E[ERROR 57014] Z[I]");
	serves_the_next(&w);
	world_end(&w);
}

/* ---- who is made to leave -----------------------------------------------------------
 */

static void a_server_is_saved_from_a_query_that_took_too_long(void **state)
{
	struct world w;

	(void)state;
	world_begin(&w, "pool_mode = transaction\nquery_timeout = 60\n");
	struct actor *a = world_session(&w), *s = world_server(&w, 1);
	say(a, "Q[one]");
	world_pass(&w, 60 * USEC_PER_SEC);
	ASSERT_HEARS(a, "E[FATAL 57014]");
	assert_true(is_gone(a));
	deliver_cancel(&w);
	say(s, "E[ERROR 57014] Z[I]");
	serves_the_next(&w);
	world_end(&w);
}

static void a_server_is_saved_from_a_transaction_that_took_too_long(void **state)
{
	static const char *const limits[] = {"transaction_timeout = 60\n",
					     "idle_transaction_timeout = 60\n"};
	static const char *const told[] = {"C[BEGIN] Z[T] E[FATAL 57014]",
					   "C[BEGIN] Z[T] E[FATAL 25P03]"};

	(void)state;
	for (int i = 0; i < 2; i++) {
		struct world w;
		char lines[100];
		snprintf(lines, sizeof(lines), "pool_mode = transaction\n%s", limits[i]);
		world_begin(&w, lines);
		struct actor *a = world_session(&w), *s = world_server(&w, 1);
		say(a, "Q[begin]");
		say(s, "C[BEGIN] Z[T]");
		world_pass(&w, 60 * USEC_PER_SEC);
		ASSERT_HEARS(a, told[i]);
		ASSERT_HEARS(s, "Q[begin] Q[ROLLBACK]");
		say(s, "C[ROLLBACK] Z[I]");
		serves_the_next(&w);
		world_end(&w);
	}
}

static void a_server_is_saved_from_a_transaction_in_statement_mode(void **state)
{
	struct world w;

	(void)state;
	world_begin(&w, "pool_mode = statement\n");
	struct actor *a = world_session(&w), *s = world_server(&w, 1);
	say(a, "Q[begin]");
	say(s, "C[BEGIN] Z[T]");
	ASSERT_HEARS(a, "C[BEGIN] Z[T] E[FATAL 0A000]");
	ASSERT_HEARS(s, "Q[begin] Q[ROLLBACK]");
	say(s, "C[ROLLBACK] Z[I]");
	serves_the_next(&w);
	world_end(&w);
}

/* ---- what is left in the server -----------------------------------------------------
 */

static void the_reset_query_follows_in_session_mode(void **state)
{
	struct world w;

	(void)state;
	world_begin(&w, "pool_mode = session\n");
	struct actor *a = world_session(&w), *s = world_server(&w, 1);
	say(a, "Q[begin]");
	say(s, "C[BEGIN] Z[T]");
	leave(a);
	say(s, "C[ROLLBACK] Z[I]");
	ASSERT_HEARS(s, "Q[begin] Q[ROLLBACK] Q[DISCARD ALL]");
	assert_int_equal(saved(&w), 0);
	say(s, "C[DISCARD ALL] Z[I]");
	assert_int_equal(saved(&w), 1);
	world_has_free_servers(&w, 1);
	world_end(&w);
}

struct marks {
	const char *lines;
	unsigned what;
	const char *sent;
};

static const struct marks marks[] = {
    {"", 0, ""},
    {"", RESET_ALL, " Q[DISCARD ALL]"},
    {"", RESET_ALL | RESET_LOCKS, " Q[DISCARD ALL]"},
    {"", RESET_LISTEN, " Q[UNLISTEN *;]"},
    {"", RESET_LOCKS | RESET_TEMP,
     " Q[DISCARD TEMP;SELECT pg_catalog.pg_advisory_unlock_all();]"},
    {"", RESET_PARAMS, " Q[SET SESSION AUTHORIZATION DEFAULT; RESET ALL;]"},
    {"", RESET_CURSORS | RESET_PREPARED | RESET_SEQUENCES,
     " Q[CLOSE ALL;DEALLOCATE ALL;DISCARD SEQUENCES;]"},
    {"server_reset_query_always = 1\n", RESET_LOCKS, " Q[DISCARD ALL]"},
    {"server_reset_query_always = 1\nserver_reset_query = clean\n", RESET_LISTEN,
     " Q[UNLISTEN *;] Q[clean]"},
};

static void what_is_marked_is_undone_once(void **state)
{
	char lines[200], all[200];

	(void)state;
	for (size_t i = 0; i < sizeof(marks) / sizeof(marks[0]); i++) {
		struct world w;
		const char *reset =
		    strstr(marks[i].lines, "always") ? marks[i].lines : "";
		snprintf(lines, sizeof(lines), "pool_mode = transaction\n%s", reset);
		world_begin(&w, lines);
		w.answers = true;
		struct actor *a = world_session(&w), *s = world_server(&w, 1);
		say(a, "Q[begin]");
		s->answers = false;
		heard(s);
		reset_mark(actor_server(s), marks[i].what);
		leave(a);
		say(s, "C[ROLLBACK] Z[I]");
		for (const char *q = marks[i].sent; (q = strstr(q, "Q[")); q++)
			say(s, "C[DONE] Z[I]");
		snprintf(all, sizeof(all), "Q[ROLLBACK]%s", marks[i].sent);
		ASSERT_HEARS(s, all);
		if (!reset[0])
			serves_the_next(&w);
		assert_int_equal(saved(&w), 1);
		world_end(&w);
	}
}

static void a_server_is_marked_by_what_its_client_may_have_done(void **state)
{
	struct world w;

	(void)state;
	world_begin(&w, "pool_mode = transaction\n");
	struct actor *a = world_session(&w), *s = world_server(&w, 1);
	say(a, "Q[select pg_advisory_lock(1)]");
	session_get(client_of(a))->hints = 1;
	leave(a);
	deliver_cancel(&w);
	heard(s);
	say(s, "E[ERROR 57014] Z[I]");
	ASSERT_HEARS(s, "Q[DISCARD ALL]");
	say(s, "C[DISCARD ALL] Z[I]");
	serves_the_next(&w);
	world_end(&w);
}

static void a_reset_that_fails_closes_the_server(void **state)
{
	struct world w;

	(void)state;
	world_begin(&w, "pool_mode = transaction\n");
	struct actor *a = world_session(&w), *s = world_server(&w, 1);
	say(a, "Q[begin]");
	say(s, "C[BEGIN] Z[T]");
	reset_mark(actor_server(s), RESET_TEMP);
	leave(a);
	say(s, "C[ROLLBACK] Z[I]");
	say(s, "E[ERROR 42501] Z[I]");
	assert_true(is_gone(s));
	assert_int_equal(unsaved(&w), 1);
	world_is_empty(&w);
	world_end(&w);
}

/* Hit by a cancel, nobody would know what is set; so it is waited for, and undone. */
static void parameters_that_are_being_set_are_undone(void **state)
{
	struct world w;

	(void)state;
	world_begin(&w, "pool_mode = transaction\ndefault_pool_size = 1\n");
	struct actor *a = world_client(&w, "user=anna;database=app;TimeZone=CET");
	struct actor *s = world_server(&w, 1);
	say(a, "Q[one]");
	leave(a);
	heard(s);
	assert_null(world_cancel(&w));
	say(s, "S[TimeZone=CET] C[SET] Z[I]");
	ASSERT_HEARS(s, "Q[SET SESSION AUTHORIZATION DEFAULT; RESET ALL;]");
	say(s, "C[SET] S[TimeZone=UTC] C[RESET] Z[I]");
	serves_the_next(&w);
	world_end(&w);
}

static void what_comes_with_parameters_that_are_being_set_is_cancelled(void **state)
{
	struct world w;

	(void)state;
	world_begin(&w, "pool_mode = transaction\ndefault_pool_size = 1\n");
	w.answers = true;
	struct actor *a = world_client(&w, "user=anna;database=app;TimeZone=CET");
	struct actor *b = stranger_of(&w), *s = world_server(&w, 1);
	/* Its parameters have been accepted once, so it needs not wait for that again. */
	say(a, "Q[one]");
	say(b, "Q[two]");
	s->answers = false;
	heard(s);
	say(a, "P[one] B[one] E S");
	ASSERT_HEARS(s, "Q[SET \"TimeZone\" = 'CET';] P[one] B[one] E S");
	leave(a);
	assert_null(world_cancel(&w));
	say(s, "S[TimeZone=CET] C[SET] Z[I]");
	deliver_cancel(&w);
	ASSERT_HEARS(s, "");
	say(s, "1 2 E[ERROR 57014] Z[I]");
	ASSERT_HEARS(s, "Q[SET SESSION AUTHORIZATION DEFAULT; RESET ALL;]");
	say(s, "C[SET] S[TimeZone=UTC] C[RESET] Z[I]");
	serves_the_next(&w);
	world_end(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_server_is_saved_from_whatever_it_is_left_in),
	    cmocka_unit_test(nobody_gets_the_server_before_the_cancel_has_ended),
	    cmocka_unit_test(nothing_is_rolled_back_before_the_cancel_has_ended),
	    cmocka_unit_test(a_cancel_that_came_too_early_is_repeated),
	    cmocka_unit_test(each_query_of_a_pipeline_is_cancelled),
	    cmocka_unit_test(a_begin_with_more_behind_it_is_not_cancelled),
	    cmocka_unit_test(a_begin_is_not_cancelled_in_the_end_either),
	    cmocka_unit_test(a_cancel_that_is_refused_is_tried_again),
	    cmocka_unit_test(a_server_whose_cancel_is_lost_is_not_used_again),
	    cmocka_unit_test(a_server_that_never_answers_is_closed_at_cleanup_timeout),
	    cmocka_unit_test(all_of_it_together_takes_no_longer),
	    cmocka_unit_test(a_server_that_fails_in_its_rollback_is_closed),
	    cmocka_unit_test(a_server_may_go_while_it_is_left),
	    cmocka_unit_test(who_waits_is_served_when_it_cannot_be_saved),
	    cmocka_unit_test(a_server_that_is_not_to_be_used_again_is_left_all_the_same),
	    cmocka_unit_test(half_a_row_for_a_copy_is_completed_and_not_committed),
	    cmocka_unit_test(half_of_another_message_is_completed_by_nonsense),
	    cmocka_unit_test(half_of_a_function_call_closes_the_server),
	    cmocka_unit_test(a_row_of_which_too_much_is_missing_closes_the_server),
	    cmocka_unit_test(half_an_answer_is_awaited),
	    cmocka_unit_test(copying_both_ways_ends_with_the_server),
	    cmocka_unit_test(a_pipeline_into_a_copy_ends_with_the_server),
	    cmocka_unit_test(what_was_asked_before_a_terminate_has_all_the_time),
	    cmocka_unit_test(rolling_back_after_a_terminate_has_an_end),
	    cmocka_unit_test(
		what_was_asked_before_a_terminate_is_cancelled_at_query_timeout),
	    cmocka_unit_test(a_server_is_saved_from_a_query_that_took_too_long),
	    cmocka_unit_test(a_server_is_saved_from_a_transaction_that_took_too_long),
	    cmocka_unit_test(a_server_is_saved_from_a_transaction_in_statement_mode),
	    cmocka_unit_test(the_reset_query_follows_in_session_mode),
	    cmocka_unit_test(what_is_marked_is_undone_once),
	    cmocka_unit_test(a_server_is_marked_by_what_its_client_may_have_done),
	    cmocka_unit_test(a_reset_that_fails_closes_the_server),
	    cmocka_unit_test(parameters_that_are_being_set_are_undone),
	    cmocka_unit_test(what_comes_with_parameters_that_are_being_set_is_cancelled),
	};

	return cmocka_run_group_tests_name("leaving", tests, NULL, NULL);
}
