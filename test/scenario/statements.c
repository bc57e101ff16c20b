/*
 * Scenarios of prepared statements whose clients share their servers.
 */
#include "scenario/world.h"

static struct actor *begin(struct world *w, const char *lines)
{
	char text[512];

	snprintf(text, sizeof(text), "pool_mode = transaction\n%s", lines);
	world_begin(w, text);
	return world_session(w);
}

/* A client of its own keeps the first server, so that the next one is used. */
static struct actor *occupy(struct world *w, unsigned number)
{
	struct actor *other = world_session(w), *s = world_server(w, number);

	say(other, "Q[begin]");
	ASSERT_HEARS(s, "Q[begin]");
	say(s, "C[BEGIN] Z[T]");
	ASSERT_HEARS(other, "C[BEGIN] Z[T]");
	return other;
}

/* A client asks, a server hears and answers, the client hears. */
static void goes(struct actor *c, const char *asks, struct actor *s, const char *hears,
		 const char *answers, const char *told)
{
	say(c, asks);
	ASSERT_HEARS(s, hears);
	say(s, answers);
	ASSERT_HEARS(c, told);
}

/* ---- names ---- */

static void a_statement_follows_its_client_to_another_server(void **state)
{
	struct world w;

	(void)state;
	struct actor *c = begin(&w, ""), *one = world_server(&w, 1);
	goes(c, "P[s:select 1] B[s] E S", one, "P[pooler_1:select 1] B[pooler_1] E S",
	     "1 2 C[SELECT 1] Z[I]", "1 2 C[SELECT 1] Z[I]");
	goes(c, "B[s] E S", one, "B[pooler_1] E S", "2 C[SELECT 1] Z[I]",
	     "2 C[SELECT 1] Z[I]");
	occupy(&w, 1);
	say(c, "B[s] E S");
	struct actor *two = world_server(&w, 2);
	ASSERT_HEARS(two, "P[pooler_1:select 1] B[pooler_1] E S");
	say(two, "1 2 C[SELECT 1] Z[I]");
	ASSERT_HEARS(c, "2 C[SELECT 1] Z[I]");
	goes(c, "D[s] S", two, "D[pooler_1] S", "t n Z[I]", "t n Z[I]");
	world_end(&w);
}

static void the_hidden_parse_leaves_in_the_same_write(void **state)
{
	struct world w;

	(void)state;
	struct actor *c = begin(&w, ""), *s = world_server(&w, 1);
	goes(c, "P[s:select 1] S", s, "P[pooler_1:select 1] S", "1 Z[I]", "1 Z[I]");
	occupy(&w, 1);
	say(c, "Q[open the other]");
	goes(c, "", world_server(&w, 2), "Q[open the other]", "I Z[I]", "I Z[I]");
	unsigned before = world_server(&w, 2)->peer.writes;
	say(c, "B[s] E S");
	ASSERT_HEARS(world_server(&w, 2), "P[pooler_1:select 1] B[pooler_1] E S");
	assert_int_equal(world_server(&w, 2)->peer.writes, before + 1);
	world_end(&w);
}

static void ten_named_binds_of_a_pipeline_leave_in_one_write(void **state)
{
	struct world w;

	(void)state;
	struct actor *c = begin(&w, ""), *s = world_server(&w, 1);
	goes(c, "P[s:select 1] S", s, "P[pooler_1:select 1] S", "1 Z[I]", "1 Z[I]");
	unsigned before = s->peer.writes;
	say(c, "B[s] E B[s] E B[s] E B[s] E B[s] E B[s] E B[s] E B[s] E B[s] E B[s] E S");
	assert_int_equal(s->peer.writes, before + 1);
	heard(s);
	before = c->peer.writes;
	say(s, "2 C[a] 2 C[a] 2 C[a] 2 C[a] 2 C[a] 2 C[a] 2 C[a] 2 C[a] 2 C[a] 2 C[a] "
	       "Z[I]");
	assert_int_equal(c->peer.writes, before + 1);
	world_end(&w);
}

static void what_a_server_has_is_not_prepared_again(void **state)
{
	struct world w;

	(void)state;
	struct actor *c = begin(&w, ""), *s = world_server(&w, 1);
	goes(c, "P[s:select 1] S", s, "P[pooler_1:select 1] S", "1 Z[I]", "1 Z[I]");
	struct actor *other = world_session(&w);
	unsigned before = other->peer.writes;
	goes(other, "P[mine:select 1] B[mine] E S", s, "B[pooler_1] E S",
	     "2 C[SELECT 1] Z[I]", "1 2 C[SELECT 1] Z[I]");
	assert_int_equal(other->peer.writes, before + 1);
	world_end(&w);
}

static void what_was_prepared_before_needs_no_server(void **state)
{
	struct world w;

	(void)state;
	struct actor *c = begin(&w, "default_pool_size = 1"), *s = world_server(&w, 1);
	goes(c, "P[s:select 1] S", s, "P[pooler_1:select 1] S", "1 Z[I]", "1 Z[I]");
	occupy(&w, 1);
	struct actor *other = world_session(&w);
	say(other, "P[mine:select 1] S C[mine] S C[never] S P[mine:select 1] S");
	ASSERT_HEARS(other, "1 Z[I] 3 Z[I] 3 Z[I] 1 Z[I]");
	say(other, "Q[DEALLOCATE mine]");
	ASSERT_HEARS(other, "C[DEALLOCATE] Z[I]");
	say(other, "P[mine:select 1] S");
	ASSERT_HEARS(other, "1 Z[I]");
	ASSERT_HEARS(s, "");
	/* what nobody has prepared does */
	say(other, "P[new:select 2] S");
	ASSERT_HEARS(other, "");
	world_end(&w);
}

static void names_of_clients_are_their_own(void **state)
{
	struct world w;

	(void)state;
	struct actor *c = begin(&w, ""), *s = world_server(&w, 1);
	goes(c, "P[s:select 1] S", s, "P[pooler_1:select 1] S", "1 Z[I]", "1 Z[I]");
	struct actor *other = world_session(&w);
	goes(other, "P[s:select 2] S", s, "P[pooler_2:select 2] S", "1 Z[I]", "1 Z[I]");
	goes(c, "B[s] E S", s, "B[pooler_1] E S", "2 C[a] Z[I]", "2 C[a] Z[I]");
	goes(other, "B[s] E S", s, "B[pooler_2] E S", "2 C[b] Z[I]", "2 C[b] Z[I]");
	/* and so are the pooler's */
	struct actor *third = world_session(&w);
	goes(third, "B[pooler_1] E S", s, "B[pooler_refused] E S",
	     "E[ERROR 26000 prepared statement \"pooler_refused\" does not exist] Z[I]",
	     "E[ERROR 26000] Z[I]");
	goes(third, "B[unknown] E S", s, "B[unknown] E S", "E[ERROR 26000 no] Z[I]",
	     "E[ERROR 26000] Z[I]");
	world_end(&w);
}

/* Its client has gone; the server that has it is still there. */
static void what_only_servers_have_is_named_again(void **state)
{
	struct world w;

	(void)state;
	struct actor *c = begin(&w, ""), *s = world_server(&w, 1);
	goes(c, "P[s:select 1] S", s, "P[pooler_1:select 1] S", "1 Z[I]", "1 Z[I]");
	leave(c);
	struct actor *other = world_session(&w);
	say(other, "P[mine:select 1] S");
	ASSERT_HEARS(other, "1 Z[I]");
	goes(other, "B[mine] E S", s, "B[pooler_1] E S", "2 C[a] Z[I]", "2 C[a] Z[I]");
	world_end(&w);
}

/* ---- errors ---- */

static void a_failed_parse_leaves_nothing_behind(void **state)
{
	struct world w;

	(void)state;
	struct actor *c = begin(&w, ""), *s = world_server(&w, 1);
	goes(c, "P[s:bad] S", s, "P[pooler_1:bad] S", "E[ERROR 42601 no] Z[I]",
	     "E[ERROR 42601] Z[I]");
	goes(c, "B[s] S", s, "B[s] S", "E[ERROR 26000 no] Z[I]", "E[ERROR 26000] Z[I]");
	goes(c, "P[s:select 1] S", s, "P[pooler_2:select 1] S", "1 Z[I]", "1 Z[I]");
	world_end(&w);
}

static void a_skipped_parse_leaves_nothing_behind(void **state)
{
	struct world w;

	(void)state;
	struct actor *c = begin(&w, ""), *s = world_server(&w, 1);
	goes(c, "B[unknown] P[s:select 1] E S", s, "B[unknown] P[pooler_1:select 1] E S",
	     "E[ERROR 26000 no] Z[I]", "E[ERROR 26000] Z[I]");
	goes(c, "B[s] S", s, "B[s] S", "E[ERROR 26000 no] Z[I]", "E[ERROR 26000] Z[I]");
	/* nobody knows that the server lacks it, so it is closed first */
	goes(c, "P[s:select 1] S", s, "C[pooler_1] P[pooler_1:select 1] S", "3 1 Z[I]",
	     "1 Z[I]");
	/* one that the pooler would have answered is skipped as well */
	goes(c, "B[unknown] P[t:select 1] S", s, "B[unknown] S", "E[ERROR 26000 no] Z[I]",
	     "E[ERROR 26000] Z[I]");
	goes(c, "B[t] S", s, "B[t] S", "E[ERROR 26000 no] Z[I]", "E[ERROR 26000] Z[I]");
	world_end(&w);
}

static void a_skipped_close_closes_nothing(void **state)
{
	struct world w;

	(void)state;
	struct actor *c = begin(&w, ""), *s = world_server(&w, 1);
	goes(c, "P[s:select 1] S", s, "P[pooler_1:select 1] S", "1 Z[I]", "1 Z[I]");
	goes(c, "B[unknown] C[s] P[s:select 2] S", s, "B[unknown] P[pooler_2:select 2] S",
	     "E[ERROR 26000 no] Z[I]", "E[ERROR 26000] Z[I]");
	goes(c, "B[s] E S", s, "B[pooler_1] E S", "2 C[a] Z[I]", "2 C[a] Z[I]");
	/* one that is not skipped does, at its place */
	goes(c, "B[s] C[s] B[s] S", s, "B[pooler_1] B[s] S", "2 E[ERROR 26000 no] Z[I]",
	     "2 3 E[ERROR 26000] Z[I]");
	world_end(&w);
}

static void a_name_in_use_is_an_error_at_its_place(void **state)
{
	struct world w;

	(void)state;
	struct actor *c = begin(&w, ""), *s = world_server(&w, 1);
	goes(c, "P[s:select 1] S", s, "P[pooler_1:select 1] S", "1 Z[I]", "1 Z[I]");
	goes(c, "B[s] E P[s:select 2] B[s] E S B[s] E S", s,
	     "B[pooler_1] E P[pooler_refused:select 2] C[pooler_refused] "
	     "B[pooler_refused] B[pooler_1] E S B[pooler_1] E S",
	     "2 C[a] 1 3 E[ERROR 26000 no] Z[I] 2 C[a] Z[I]",
	     "2 C[a] E[ERROR 42P05] Z[I] 2 C[a] Z[I]");
	/* unless the text itself is one */
	goes(c, "P[s:bad] S", s,
	     "P[pooler_refused:bad] C[pooler_refused] B[pooler_refused] S",
	     "E[ERROR 42601 no] Z[I]", "E[ERROR 42601] Z[I]");
	goes(c, "B[s] E S", s, "B[pooler_1] E S", "2 C[a] Z[I]", "2 C[a] Z[I]");
	world_end(&w);
}

static void a_hidden_parse_that_fails_is_the_clients_error(void **state)
{
	struct world w;

	(void)state;
	struct actor *c = begin(&w, ""), *s = world_server(&w, 1);
	goes(c, "P[s:select 1] S", s, "P[pooler_1:select 1] S", "1 Z[I]", "1 Z[I]");
	occupy(&w, 1);
	say(c, "B[s] E S");
	ASSERT_HEARS(world_server(&w, 2), "P[pooler_1:select 1] B[pooler_1] E S");
	say(world_server(&w, 2), "E[ERROR 42P01 no such table] Z[I]");
	ASSERT_HEARS(c, "E[ERROR 42P01] Z[I]");
	goes(c, "B[s] E S", world_server(&w, 2),
	     "C[pooler_1] P[pooler_1:select 1] B[pooler_1] E S", "3 1 2 C[a] Z[I]",
	     "2 C[a] Z[I]");
	world_end(&w);
}

/* ---- pipelines of several batches ---- */

static void a_name_that_hangs_on_an_earlier_batch_waits_for_it(void **state)
{
	struct world w;

	(void)state;
	struct actor *c = begin(&w, ""), *s = world_server(&w, 1);
	goes(c, "P[s:select 1] S", s, "P[pooler_1:select 1] S", "1 Z[I]", "1 Z[I]");
	/* the Close is skipped, so the name is there in the next batch */
	say(c, "B[unknown] C[s] S P[t:select 2] B[s] E S");
	ASSERT_HEARS(s, "B[unknown] S P[pooler_2:select 2]");
	say(s, "E[ERROR 26000 no] Z[I]");
	ASSERT_HEARS(s, "B[pooler_1] E S");
	say(s, "1 2 C[a] Z[I]");
	ASSERT_HEARS(c, "E[ERROR 26000] Z[I] 1 2 C[a] Z[I]");
	world_end(&w);
}

static void what_an_earlier_batch_may_not_have_prepared_is_prepared_again(void **state)
{
	struct world w;

	(void)state;
	struct actor *c = begin(&w, ""), *s = world_server(&w, 1);
	goes(c, "P[s:select 1] S", s, "P[pooler_1:select 1] S", "1 Z[I]", "1 Z[I]");
	occupy(&w, 1);
	say(c, "B[unknown] B[s] S B[s] E S");
	s = world_server(&w, 2);
	goes(c, "", s,
	     "B[unknown] P[pooler_1:select 1] B[pooler_1] S "
	     "C[pooler_1] P[pooler_1:select 1] B[pooler_1] E S",
	     "E[ERROR 26000 no] Z[I] 3 1 2 C[a] Z[I]", "E[ERROR 26000] Z[I] 2 C[a] Z[I]");
	goes(c, "B[s] E S", s, "B[pooler_1] E S", "2 C[a] Z[I]", "2 C[a] Z[I]");
	world_end(&w);
}

static void nothing_is_answered_in_advance_of_a_transaction_that_may_fail(void **state)
{
	struct world w;

	(void)state;
	struct actor *c = begin(&w, ""), *s = world_server(&w, 1);
	goes(c, "P[s:select 1] S", s, "P[pooler_1:select 1] S", "1 Z[I]", "1 Z[I]");
	goes(c, "Q[begin] Q[bad] P[t:select 1] S", s,
	     "Q[begin] Q[bad] C[pooler_1] P[pooler_1:select 1] S",
	     "C[BEGIN] Z[T] E[ERROR 42601 no] Z[E] 3 E[ERROR 25P02 aborted] Z[E]",
	     "C[BEGIN] Z[T] E[ERROR 42601] Z[E] E[ERROR 25P02] Z[E]");
	goes(c, "P[u:select 1] S", s, "C[pooler_1] P[pooler_1:select 1] S",
	     "3 E[ERROR 25P02 aborted] Z[E]", "E[ERROR 25P02] Z[E]");
	world_end(&w);
}

/* ---- few on each server ---- */

static void the_least_recently_used_makes_room(void **state)
{
	struct world w;

	(void)state;
	struct actor *c = begin(&w, "max_prepared_statements = 2"),
		     *s = world_server(&w, 1);
	goes(c, "P[a:a] P[b:b] S", s, "P[pooler_1:a] P[pooler_2:b] S", "1 1 Z[I]",
	     "1 1 Z[I]");
	goes(c, "B[a] E S", s, "B[pooler_1] E S", "2 C[x] Z[I]", "2 C[x] Z[I]");
	goes(c, "P[c:c] S", s, "C[pooler_2] P[pooler_3:c] S", "3 1 Z[I]", "1 Z[I]");
	goes(c, "B[b] E S", s, "C[pooler_1] P[pooler_2:b] B[pooler_2] E S",
	     "3 1 2 C[x] Z[I]", "2 C[x] Z[I]");
	/* a skipped Close leaves one too many, which is closed before it is prepared */
	goes(c, "B[unknown] P[d:d] S", s, "B[unknown] C[pooler_3] P[pooler_4:d] S",
	     "E[ERROR 26000 no] Z[I]", "E[ERROR 26000] Z[I]");
	goes(c, "B[c] E S", s, "C[pooler_3] P[pooler_3:c] B[pooler_3] E S",
	     "3 1 2 C[x] Z[I]", "2 C[x] Z[I]");
	world_end(&w);
}

static void without_statements_names_go_as_they_are(void **state)
{
	struct world w;

	(void)state;
	struct actor *c = begin(&w, "max_prepared_statements = 0"),
		     *s = world_server(&w, 1);
	goes(c, "P[a:a] B[a] E C[a] S", s, "P[a:a] B[a] E C[a] S", "1 2 C[x] 3 Z[I]",
	     "1 2 C[x] 3 Z[I]");
	world_end(&w);
}

/* ---- SQL that means them ---- */

static void deallocate_all_drops_what_was_prepared_before_it(void **state)
{
	struct world w;

	(void)state;
	struct actor *c = begin(&w, ""), *s = world_server(&w, 1);
	goes(c, "P[s:select 1] S", s, "P[pooler_1:select 1] S", "1 Z[I]", "1 Z[I]");
	goes(c, "Q[DEALLOCATE ALL]", s, "Q[DEALLOCATE ALL]", "C[DEALLOCATE ALL] Z[I]",
	     "C[DEALLOCATE ALL] Z[I]");
	goes(c, "B[s] S", s, "B[s] S", "E[ERROR 26000 no] Z[I]", "E[ERROR 26000] Z[I]");
	goes(c, "P[s:select 1] S", s, "P[pooler_2:select 1] S", "1 Z[I]", "1 Z[I]");
	/* what comes behind it waits to see whether it succeeds */
	say(c, "P[a:a] Q[DISCARD ALL] P[b:b] P[s:select 1] S");
	ASSERT_HEARS(s, "P[pooler_3:a] Q[DISCARD ALL]");
	say(s, "1 C[DISCARD ALL] Z[I]");
	ASSERT_HEARS(c, "1 C[DISCARD ALL] Z[I]");
	ASSERT_HEARS(s, "P[pooler_4:b] P[pooler_5:select 1] S");
	say(s, "1 1 Z[I]");
	ASSERT_HEARS(c, "1 1 Z[I]");
	goes(c, "B[b] B[s] S", s, "B[pooler_4] B[pooler_5] S", "2 2 Z[I]", "2 2 Z[I]");
	goes(c, "B[a] S", s, "B[a] S", "E[ERROR 26000 no] Z[I]", "E[ERROR 26000] Z[I]");
	world_end(&w);
}

static void a_batch_that_drops_all_goes_on_without(void **state)
{
	struct world w;

	(void)state;
	struct actor *c = begin(&w, ""), *s = world_server(&w, 1);
	goes(c, "P[s:select 1] P[t:select 2] S", s,
	     "P[pooler_1:select 1] P[pooler_2:select 2] S", "1 1 Z[I]", "1 1 Z[I]");
	goes(c, "P[deallocate all] B[] E P[s:select 1] B[s] B[t] S", s,
	     "P[deallocate all] B E C[pooler_1] P[pooler_1:select 1] B[pooler_1] B[t] S",
	     "1 2 C[DEALLOCATE ALL] 3 1 2 E[ERROR 26000 no] Z[I]",
	     "1 2 C[DEALLOCATE ALL] 1 2 E[ERROR 26000] Z[I]");
	goes(c, "B[s] E S", s, "B[pooler_1] E S", "2 C[x] Z[I]", "2 C[x] Z[I]");
	/* and is undone when it fails */
	goes(c, "B[no] P[deallocate all] B[] E P[s:select 3] S", s,
	     "B[no] P[deallocate all] B E P[pooler_3:select 3] S",
	     "E[ERROR 26000 no] Z[I]", "E[ERROR 26000] Z[I]");
	goes(c, "B[s] E S", s, "B[pooler_1] E S", "2 C[x] Z[I]", "2 C[x] Z[I]");
	world_end(&w);
}

/* A text that nobody saw coming, for it was too long to be looked at. */
static void an_answer_may_come_behind_the_end_of_its_name(void **state)
{
	struct world w;

	(void)state;
	struct actor *c = begin(&w, ""), *one = world_server(&w, 1);
	goes(c, "P[s:select 1] S", one, "P[pooler_1:select 1] S", "1 Z[I]", "1 Z[I]");
	occupy(&w, 1);
	say(c, "Q[long] D[s] S");
	struct actor *two = world_server(&w, 2);
	ASSERT_HEARS(two, "Q[long] P[pooler_1:select 1] D[pooler_1] S");
	say(two, "C[DEALLOCATE ALL] Z[I] 1 t n Z[I]");
	ASSERT_HEARS(c, "C[DEALLOCATE ALL] Z[I] t n Z[I]");
	world_end(&w);
}

static void deallocate_knows_the_names_of_the_protocol(void **state)
{
	struct world w;

	(void)state;
	struct actor *c = begin(&w, ""), *s = world_server(&w, 1);
	goes(c, "P[s:select 1] S", s, "P[pooler_1:select 1] S", "1 Z[I]", "1 Z[I]");
	goes(c, "Q[begin]", s, "Q[begin]", "C[BEGIN] Z[T]", "C[BEGIN] Z[T]");
	goes(c, "Q[deallocate S]", s,
	     "Q[PREPARE pooler_dropped AS SELECT 1; DEALLOCATE pooler_dropped]",
	     "C[PREPARE] C[DEALLOCATE] Z[T]", "C[DEALLOCATE] Z[T]");
	goes(c, "B[s] S", s, "B[s] S", "E[ERROR 26000 no] Z[E]", "E[ERROR 26000] Z[E]");
	goes(c, "Q[rollback]", s, "Q[rollback]", "C[ROLLBACK] Z[I]", "C[ROLLBACK] Z[I]");
	world_end(&w);
}

static void a_deallocate_that_fails_drops_nothing(void **state)
{
	struct world w;

	(void)state;
	struct actor *c = begin(&w, ""), *s = world_server(&w, 1);
	goes(c, "P[s:select 1] Q[begin] Q[bad]", s,
	     "P[pooler_1:select 1] Q[begin] Q[bad]",
	     "1 C[BEGIN] Z[T] E[ERROR 42601 no] Z[E]",
	     "1 C[BEGIN] Z[T] E[ERROR 42601] Z[E]");
	goes(c, "Q[deallocate s]", s,
	     "Q[PREPARE pooler_dropped AS SELECT 1; DEALLOCATE pooler_dropped]",
	     "E[ERROR 25P02 aborted] Z[E]", "E[ERROR 25P02] Z[E]");
	goes(c, "Q[rollback]", s, "Q[rollback]", "C[ROLLBACK] Z[I]", "C[ROLLBACK] Z[I]");
	goes(c, "B[s] E S", s, "B[pooler_1] E S", "2 C[x] Z[I]", "2 C[x] Z[I]");
	world_end(&w);
}

static void execute_knows_the_names_of_the_protocol(void **state)
{
	struct world w;

	(void)state;
	struct actor *c = begin(&w, ""), *s = world_server(&w, 1);
	goes(c, "P[s:select 1] S", s, "P[pooler_1:select 1] S", "1 Z[I]", "1 Z[I]");
	goes(c, "Q[execute s(1)]", s, "Q[execute pooler_1(1)]", "C[SELECT 1] Z[I]",
	     "C[SELECT 1] Z[I]");
	occupy(&w, 1);
	say(c, "Q[execute s]");
	ASSERT_HEARS(world_server(&w, 2), "P[pooler_1:select 1] S Q[execute pooler_1]");
	say(world_server(&w, 2), "1 Z[I] C[SELECT 1] Z[I]");
	ASSERT_HEARS(c, "C[SELECT 1] Z[I]");
	world_end(&w);
}

/* ---- unnamed ones ---- */

static void several_statements_know_the_names_of_the_protocol(void **state)
{
	struct world w;

	(void)state;
	struct actor *c = begin(&w, ""), *one = world_server(&w, 1);
	goes(c, "P[s:select 1] P[t:select 2] S", one,
	     "P[pooler_1:select 1] P[pooler_2:select 2] S", "1 1 Z[I]", "1 1 Z[I]");
	goes(c, "Q[a; execute s; EXECUTE nobody]", one,
	     "Q[a; execute pooler_1; EXECUTE nobody]", "C[x] C[y] E[ERROR 26000 no] Z[I]",
	     "C[x] C[y] E[ERROR 26000] Z[I]");
	occupy(&w, 1);
	say(c, "Q[execute s; deallocate \"s\"; execute s; deallocate x; deallocate t]");
	struct actor *two = world_server(&w, 2);
	ASSERT_HEARS(two, "P[pooler_1:select 1] C[pooler_dropped] "
			  "P[pooler_dropped:SELECT 1] C[pooler_dropped_1] "
			  "P[pooler_dropped_1:SELECT 1] S "
			  "Q[execute pooler_1; deallocate pooler_dropped; execute s; "
			  "deallocate x; deallocate pooler_dropped_1]");
	/* What is said meanwhile waits for what becomes of the names. */
	say(c, "B[t] E S");
	ASSERT_HEARS(two, "");
	say(two, "1 3 1 3 1 Z[I] C[x] C[DEALLOCATE] E[ERROR 26000 no] Z[I]");
	ASSERT_HEARS(c, "C[x] C[DEALLOCATE] E[ERROR 26000] Z[I]");
	ASSERT_HEARS(two, "P[pooler_2:select 2] B[pooler_2] E S");
	say(two, "1 2 C[x] Z[I]");
	ASSERT_HEARS(c, "2 C[x] Z[I]");
	goes(c, "B[s] S", two, "B[s] S", "E[ERROR 26000 no] Z[I]", "E[ERROR 26000] Z[I]");
	world_end(&w);
}

static void an_unnamed_statement_is_there_for_its_client_only(void **state)
{
	struct world w;

	(void)state;
	struct actor *c = begin(&w, ""), *one = world_server(&w, 1);
	goes(c, "P[select 1] D[] S", one, "P[select 1] D S", "1 t n Z[I]", "1 t n Z[I]");
	struct actor *other = world_session(&w);
	goes(other, "B[] E S", one, "B[pooler_refused] E S", "E[ERROR 26000 no] Z[I]",
	     "E[ERROR 26000] Z[I]");
	occupy(&w, 1);
	say(c, "B[] E S");
	ASSERT_HEARS(world_server(&w, 2), "P[select 1] B E S");
	say(world_server(&w, 2), "1 2 C[SELECT 1] Z[I]");
	ASSERT_HEARS(c, "2 C[SELECT 1] Z[I]");
	/* a Query drops it, as PostgreSQL does */
	goes(c, "Q[select 2] B[] S", world_server(&w, 2),
	     "Q[select 2] B[pooler_refused] S", "C[SELECT 1] Z[I] E[ERROR 26000 no] Z[I]",
	     "C[SELECT 1] Z[I] E[ERROR 26000] Z[I]");
	world_end(&w);
}

/* ---- stale ones ---- */

#define STALE                                                                            \
	"E[ERROR 0A000 cached plan must not change result type@RevalidateCachedQuery]"

static void a_stale_statement_is_prepared_again_and_the_batch_repeated(void **state)
{
	struct world w;

	(void)state;
	struct actor *c = begin(&w, ""), *s = world_server(&w, 1);
	goes(c, "P[s:select 1] S", s, "P[pooler_1:select 1] S", "1 Z[I]", "1 Z[I]");
	goes(c, "B[s] D[s] E S", s, "B[pooler_1] D[pooler_1] E S", STALE " Z[I]", "");
	ASSERT_HEARS(s, "C[pooler_1] P[pooler_1:select 1] B[pooler_1] D[pooler_1] E S");
	say(s, "3 1 2 t n C[SELECT 1] Z[I]");
	ASSERT_HEARS(c, "2 t n C[SELECT 1] Z[I]");
	/* once, not for ever */
	goes(c, "D[s] B[s] E S", s, "D[pooler_1] B[pooler_1] E S", STALE " Z[I]", "");
	ASSERT_HEARS(s, "C[pooler_1] P[pooler_1:select 1] D[pooler_1] B[pooler_1] E S");
	say(s, "3 1 " STALE " Z[I]");
	ASSERT_HEARS(c, "E[ERROR 0A000] Z[I]");
	goes(c, "Q[select 2]", s, "Q[select 2]", "C[SELECT 1] Z[I]", "C[SELECT 1] Z[I]");
	world_end(&w);
}

/* PostgreSQL describes the parameters before it looks at the tables; and the Parse in
 * front was answered by the pooler. */
static void a_stale_description_is_asked_for_again(void **state)
{
	struct world w;

	(void)state;
	struct actor *c = begin(&w, ""), *s = world_server(&w, 1);
	goes(c, "P[s:select 1] S", s, "P[pooler_1:select 1] S", "1 Z[I]", "1 Z[I]");
	struct actor *other = world_session(&w);
	goes(other, "P[x:select 1] D[x] S", s, "D[pooler_1] S", "t " STALE " Z[I]", "1");
	ASSERT_HEARS(s, "C[pooler_1] P[pooler_1:select 1] D[pooler_1] S");
	say(s, "3 1 t T Z[I]");
	ASSERT_HEARS(other, "t T Z[I]");
	/* one that is not stale loses nothing */
	goes(c, "D[s] B[s] E S", s, "D[pooler_1] B[pooler_1] E S", "t T 2 C[a] Z[I]",
	     "t T 2 C[a] Z[I]");
	goes(c, "D[s] S", s, "D[pooler_1] S", "t E[ERROR 42P01 no table] Z[I]",
	     "t E[ERROR 42P01] Z[I]");
	world_end(&w);
}

static void what_has_begun_is_not_repeated(void **state)
{
	struct world w;

	(void)state;
	struct actor *c = begin(&w, ""), *s = world_server(&w, 1);
	goes(c, "P[s:select 1] P[t:select 2] S", s,
	     "P[pooler_1:select 1] P[pooler_2:select 2] S", "1 1 Z[I]", "1 1 Z[I]");
	/* the client goes by what it was told before */
	goes(c, "B[s] E S", s, "B[pooler_1] E S", STALE " Z[I]", "E[ERROR 0A000] Z[I]");
	goes(c, "B[s] B[t] E S", s,
	     "C[pooler_1] P[pooler_1:select 1] B[pooler_1] C[pooler_2] "
	     "P[pooler_2:select 2] B[pooler_2] E S",
	     "3 1 2 3 1 2 C[a] Z[I]", "2 2 C[a] Z[I]");
	/* something was answered */
	goes(c, "B[t] E B[s] E S", s, "B[pooler_2] E B[pooler_1] E S",
	     "2 C[a] " STALE " Z[I]", "2 C[a] E[ERROR 0A000] Z[I]");
	/* but it is prepared anew the next time */
	goes(c, "B[s] E S", s, "C[pooler_1] P[pooler_1:select 1] B[pooler_1] E S",
	     "3 1 2 C[a] Z[I]", "2 C[a] Z[I]");
	/* more was asked behind it */
	goes(c, "B[s] D[s] E S Q[insert]", s, "B[pooler_1] D[pooler_1] E S Q[insert]",
	     STALE " Z[I] C[INSERT 0 1] Z[I]", "E[ERROR 0A000] Z[I] C[INSERT 0 1] Z[I]");
	/* in a transaction */
	goes(c, "Q[begin]", s, "Q[begin]", "C[BEGIN] Z[T]", "C[BEGIN] Z[T]");
	goes(c, "B[s] E S", s, "C[pooler_1] P[pooler_1:select 1] B[pooler_1] E S",
	     "3 1 " STALE " Z[E]", "E[ERROR 0A000] Z[E]");
	world_end(&w);
}

static void a_change_of_the_schema_makes_parse_ask_the_server(void **state)
{
	struct world w;

	(void)state;
	struct actor *c = begin(&w, ""), *s = world_server(&w, 1);
	goes(c, "P[s:select 1] S", s, "P[pooler_1:select 1] S", "1 Z[I]", "1 Z[I]");
	goes(c, "Q[alter]", s, "Q[alter]", "C[ALTER TABLE] Z[I]", "C[ALTER TABLE] Z[I]");
	goes(c, "P[t:select 1] S", s, "C[pooler_1] P[pooler_1:select 1] S", "3 1 Z[I]",
	     "1 Z[I]");
	world_end(&w);
}

/* The tables have changed, and the next server prepares the text as they are now; the
 * client still goes by what it was told. */
static void rows_look_as_the_client_was_told(void **state)
{
	struct world w;

	(void)state;
	struct actor *c = begin(&w, ""), *one = world_server(&w, 1);
	goes(c, "P[s:select 1] D[s] S", one, "P[pooler_1:select 1] D[pooler_1] S",
	     "1 t T Z[I]", "1 t T Z[I]");
	occupy(&w, 1);
	/* nothing has changed: no question */
	say(c, "B[s] E S");
	struct actor *two = world_server(&w, 2);
	goes(c, "", two, "P[pooler_1:select 1] B[pooler_1] E S", "1 2 C[a] Z[I]",
	     "2 C[a] Z[I]");
	goes(c, "Q[alter]", two, "Q[alter]", "C[ALTER TABLE] Z[I]",
	     "C[ALTER TABLE] Z[I]");
	occupy(&w, 2);
	/* now there is one, and the same answer */
	say(c, "B[s] E S");
	struct actor *three = world_server(&w, 3);
	ASSERT_HEARS(three, "P[pooler_1:select 1] D[pooler_1] H");
	goes(c, "", three, "", "1 t T", "");
	goes(c, "", three, "B[pooler_1] E S", "2 C[a] Z[I]", "2 C[a] Z[I]");
	goes(c, "B[s] E S", three, "B[pooler_1] E S", "2 C[a] Z[I]", "2 C[a] Z[I]");
	occupy(&w, 3);
	/* and another answer */
	say(c, "B[s] E S");
	struct actor *four = world_server(&w, 4);
	ASSERT_HEARS(four, "P[pooler_1:select 1] D[pooler_1] H");
	goes(c, "", four, "", "1 t n", "");
	goes(c, "", four, "B[pooler_refused] E S", "E[ERROR 26000 no] Z[I]",
	     "E[ERROR 0A000] Z[I]");
	/* until the client asks anew */
	goes(c, "D[s] S", four, "D[pooler_1] S", "t n Z[I]", "t n Z[I]");
	goes(c, "B[s] E S", four, "B[pooler_1] E S", "2 C[a] Z[I]", "2 C[a] Z[I]");
	world_end(&w);
}

/* The change went past the pooler. */
static void who_prepares_anew_meets_nothing_old_anywhere(void **state)
{
	struct world w;

	(void)state;
	struct actor *c = begin(&w, ""), *one = world_server(&w, 1);
	goes(c, "P[s:select 1] D[s] S", one, "P[pooler_1:select 1] D[pooler_1] S",
	     "1 t T Z[I]", "1 t T Z[I]");
	struct actor *other = occupy(&w, 1);
	say(c, "B[s] E S");
	struct actor *two = world_server(&w, 2);
	goes(c, "", two, "P[pooler_1:select 1] B[pooler_1] E S", "1 2 C[a] Z[I]",
	     "2 C[a] Z[I]");
	goes(c, "B[s] E S", two, "B[pooler_1] E S", STALE " Z[I]", "E[ERROR 0A000] Z[I]");
	goes(c, "C[s] P[s:select 1] D[s] S", two,
	     "C[pooler_1] P[pooler_1:select 1] D[pooler_1] S", "3 1 t n Z[I]",
	     "3 1 t n Z[I]");
	/* the first server has the old one still */
	occupy(&w, 2);
	goes(other, "Q[commit]", one, "Q[commit]", "C[COMMIT] Z[I]", "C[COMMIT] Z[I]");
	goes(c, "B[s] E S", one, "C[pooler_1] P[pooler_1:select 1] B[pooler_1] E S",
	     "3 1 2 C[a] Z[I]", "2 C[a] Z[I]");
	world_end(&w);
}

/* ---- leaving ---- */

static void a_client_may_leave_in_the_middle_of_preparing(void **state)
{
	struct world w;

	(void)state;
	struct actor *c = begin(&w, ""), *s = world_server(&w, 1);
	goes(c, "P[s:select 1] S", s, "P[pooler_1:select 1] S", "1 Z[I]", "1 Z[I]");
	say(c, "C[s] P[s:select 2] P[t:select 3] S");
	heard(s);
	leave(c);
	say(s, "1 E[ERROR 42601 no] Z[I]");
	/* the cancel that went after it */
	struct actor *x = world_cancel(&w);
	actor_accept(x);
	world_settle(&w);
	leave(x);
	world_has_free_servers(&w, 1);
	struct actor *other = world_session(&w);
	goes(other, "P[a:select 2] B[a] S", s, "B[pooler_2] S", "2 Z[I]", "1 2 Z[I]");
	world_end(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_statement_follows_its_client_to_another_server),
	    cmocka_unit_test(the_hidden_parse_leaves_in_the_same_write),
	    cmocka_unit_test(ten_named_binds_of_a_pipeline_leave_in_one_write),
	    cmocka_unit_test(what_a_server_has_is_not_prepared_again),
	    cmocka_unit_test(what_was_prepared_before_needs_no_server),
	    cmocka_unit_test(what_only_servers_have_is_named_again),
	    cmocka_unit_test(names_of_clients_are_their_own),
	    cmocka_unit_test(a_failed_parse_leaves_nothing_behind),
	    cmocka_unit_test(a_skipped_parse_leaves_nothing_behind),
	    cmocka_unit_test(a_skipped_close_closes_nothing),
	    cmocka_unit_test(a_name_in_use_is_an_error_at_its_place),
	    cmocka_unit_test(a_hidden_parse_that_fails_is_the_clients_error),
	    cmocka_unit_test(a_name_that_hangs_on_an_earlier_batch_waits_for_it),
	    cmocka_unit_test(
		what_an_earlier_batch_may_not_have_prepared_is_prepared_again),
	    cmocka_unit_test(
		nothing_is_answered_in_advance_of_a_transaction_that_may_fail),
	    cmocka_unit_test(the_least_recently_used_makes_room),
	    cmocka_unit_test(without_statements_names_go_as_they_are),
	    cmocka_unit_test(deallocate_all_drops_what_was_prepared_before_it),
	    cmocka_unit_test(a_batch_that_drops_all_goes_on_without),
	    cmocka_unit_test(an_answer_may_come_behind_the_end_of_its_name),
	    cmocka_unit_test(deallocate_knows_the_names_of_the_protocol),
	    cmocka_unit_test(a_deallocate_that_fails_drops_nothing),
	    cmocka_unit_test(execute_knows_the_names_of_the_protocol),
	    cmocka_unit_test(several_statements_know_the_names_of_the_protocol),
	    cmocka_unit_test(an_unnamed_statement_is_there_for_its_client_only),
	    cmocka_unit_test(a_stale_statement_is_prepared_again_and_the_batch_repeated),
	    cmocka_unit_test(a_stale_description_is_asked_for_again),
	    cmocka_unit_test(what_has_begun_is_not_repeated),
	    cmocka_unit_test(a_change_of_the_schema_makes_parse_ask_the_server),
	    cmocka_unit_test(rows_look_as_the_client_was_told),
	    cmocka_unit_test(who_prepares_anew_meets_nothing_old_anywhere),
	    cmocka_unit_test(a_client_may_leave_in_the_middle_of_preparing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
