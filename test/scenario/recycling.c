/*
 * Scenarios of servers that are replaced: too old, used for too much, or too large.
 */
#include "scenario/world.h"

#include <errno.h>

#include "config/config.h"
#include "proto/writer.h"

#define MEMORY_QUESTION                                                                  \
	"Q[SELECT pg_catalog.sum(total_bytes) FROM "                                     \
	"pg_catalog.pg_backend_memory_contexts]"

static unsigned alive(struct world *w)
{
	struct server *s;
	unsigned count = 0;

	TAILQ_FOREACH (s, &w->dispatcher.servers, place)
		count++;
	return count;
}

static unsigned free_servers(struct world *w)
{
	return pool_usable(world_pool(w, "app", "anna"));
}

/* A whole answer of one row with one value. */
static void tell(struct actor *server, const char *value)
{
	struct buffer bytes = {0};
	struct writer w = writer_of(&bytes);

	writer_begin(&w, 'D');
	writer_u16(&w, 1);
	writer_u32(&w, (uint32_t)strlen(value));
	writer_bytes(&w, slice_of_text(value));
	writer_end(&w);
	assert_true(writer_finish(&w));
	actor_push(server, "T");
	actor_push_bytes(server, buffer_bytes(&bytes));
	buffer_fini(&bytes);
	say(server, "C[SELECT 1] Z[I]");
}

static void a_successor_is_warm_before_the_old_one_goes(void **state)
{
	struct world w;

	(void)state;
	world_begin(&w, "pool_mode = transaction\nserver_lifetime = 1000\n"
			"server_idle_timeout = 0\ndefault_pool_size = 1\n");
	w.answers = true;
	struct actor *a = world_session(&w);
	say(a, "Q[one]");
	w.logs_in = false;
	world_pass(&w, 1000 * USEC_PER_SEC);
	struct actor *old = world_server(&w, 1), *next = world_server(&w, 2);
	assert_non_null(next);
	assert_false(is_gone(old));
	/* It serves until the other is ready. */
	say(a, "Q[two]");
	ASSERT_HEARS(a, "T D[one] C[SELECT 1] Z[I] T D[two] C[SELECT 1] Z[I]");
	assert_null(world_server(&w, 3));
	actor_greet(next);
	world_settle(&w);
	assert_true(is_gone(old));
	assert_int_equal(alive(&w), 1);
	say(a, "Q[three]");
	ASSERT_HEARS(a, "T D[three] C[SELECT 1] Z[I]");
	assert_null(world_server(&w, 3));
	world_end(&w);
}

static void one_that_cannot_be_replaced_goes_on(void **state)
{
	struct world w;

	(void)state;
	world_begin(&w, "pool_mode = transaction\nserver_lifetime = 1000\n"
			"server_idle_timeout = 0\nserver_login_retry = 1\n");
	w.answers = true;
	struct actor *a = world_session(&w);
	say(a, "Q[one]");
	w.accepts = false;
	world_pass(&w, 1000 * USEC_PER_SEC);
	for (unsigned i = 2; i < 12; i++) {
		struct actor *next = world_server(&w, i);
		assert_non_null(next);
		actor_refuse(next, ECONNREFUSED);
		world_settle(&w);
		world_pass(&w, 2 * USEC_PER_SEC);
	}
	say(a, "Q[two]");
	ASSERT_HEARS(a, "T D[one] C[SELECT 1] Z[I] T D[two] C[SELECT 1] Z[I]");
	assert_false(is_gone(world_server(&w, 1)));
	assert_null(world_server(&w, 13));
	actor_accept(world_server(&w, 12));
	world_settle(&w);
	assert_true(is_gone(world_server(&w, 1)));
	assert_int_equal(alive(&w), 1);
	world_end(&w);
}

/* A crowd that asks all the time; servers of the same age. */
static void a_busy_pool_is_renewed_one_by_one(void **state)
{
	enum { CLIENTS = 12, SERVERS = 4 };
	struct actor *c[CLIENTS];
	struct world w;
	unsigned before, most = 0;

	(void)state;
	world_begin(&w, "pool_mode = transaction\nserver_max_transactions = 40\n"
			"default_pool_size = 4\n");
	w.answers = true;
	for (unsigned i = 0; i < CLIENTS; i++)
		c[i] = world_session(&w);
	before = w.server_count;
	for (unsigned round = 0; round < 60; round++) {
		for (unsigned i = 0; i < CLIENTS; i++)
			actor_push(c[i], "Q[work]");
		while (world_turn(&w))
			most = alive(&w) > most ? alive(&w) : most;
		world_pass(&w, RENEWAL_PACE_US);
		for (unsigned i = 0; i < CLIENTS; i++)
			ASSERT_HEARS(c[i], "T D[work] C[SELECT 1] Z[I]");
	}
	assert_true(most <= SERVERS + 1);
	assert_true(w.server_count - before >= 60 * CLIENTS / 40 - SERVERS);
	assert_true(w.server_count - before <= 60 * CLIENTS / 36 + SERVERS);
	world_end(&w);
}

static void the_limit_of_the_database_is_kept(void **state)
{
	struct world w;

	(void)state;
	world_begin(&w, "pool_mode = transaction\nserver_max_transactions = 1\n"
			"max_db_connections = 1\n");
	w.answers = true;
	struct actor *a = world_session(&w);
	for (unsigned i = 1; i < 10; i++) {
		say(a, "Q[one]");
		ASSERT_HEARS(a, "T D[one] C[SELECT 1] Z[I]");
		assert_int_equal(alive(&w), 1);
		world_pass(&w, RENEWAL_PACE_US);
		/* The next is there before anybody asks. */
		assert_int_equal(w.server_count, i + 1);
	}
	world_end(&w);
}

static void a_server_that_is_too_large_is_replaced(void **state)
{
	struct world w;

	(void)state;
	world_begin(&w, "pool_mode = transaction\nserver_memory_limit = 1MB\n"
			"server_memory_check = 60\nserver_idle_timeout = 0\n"
			"server_check_query =\n");
	struct actor *a = world_session(&w), *s = world_server(&w, 1);
	world_pass(&w, 100 * USEC_PER_SEC);
	/* Unused, it cannot have grown. */
	ASSERT_HEARS(s, "");
	say(a, "Q[one]");
	ASSERT_HEARS(s, "Q[one]");
	say(s, "I Z[I]");
	ASSERT_HEARS(a, "I Z[I]");
	ASSERT_HEARS(s, MEMORY_QUESTION);
	tell(s, "1048576");
	assert_int_equal(free_servers(&w), 1);
	/* Not again so soon; then while it idles. */
	say(a, "Q[two]");
	say(s, "I Z[I]");
	ASSERT_HEARS(s, "Q[two]");
	world_pass(&w, 61 * USEC_PER_SEC);
	ASSERT_HEARS(s, MEMORY_QUESTION);
	/* Who comes meanwhile has another. */
	w.answers = true;
	say(a, "Q[three]");
	ASSERT_HEARS(a, "I Z[I] T D[three] C[SELECT 1] Z[I]");
	tell(s, "1048577");
	world_pass(&w, RENEWAL_PACE_US);
	assert_true(is_gone(s));
	assert_true(alive(&w) >= 1);
	world_end(&w);
}

static void a_server_that_does_not_tell_is_asked_once(void **state)
{
	struct world w;

	(void)state;
	world_begin(&w, "pool_mode = transaction\nserver_memory_limit = 1MB\n"
			"server_memory_check = 60\nserver_idle_timeout = 0\n"
			"server_check_query =\n");
	struct actor *a = world_session(&w), *s = world_server(&w, 1);
	world_pass(&w, 60 * USEC_PER_SEC);
	say(a, "Q[one]");
	say(s, "I Z[I]");
	say(s, "E[ERROR 42501] Z[I]");
	assert_int_equal(free_servers(&w), 1);
	heard(s);
	world_pass(&w, 100 * USEC_PER_SEC);
	say(a, "Q[two]");
	say(s, "I Z[I]");
	ASSERT_HEARS(s, "Q[two]");
	/* Until a reload: it may have been allowed since. */
	world_reload(&w, "pool_mode = transaction\nserver_memory_limit = 2MB\n"
			 "server_memory_check = 60\nserver_check_query =\n");
	world_settle(&w);
	ASSERT_HEARS(s, MEMORY_QUESTION);
	/* What makes no sense is no answer. */
	tell(s, "much");
	assert_int_equal(free_servers(&w), 1);
	world_end(&w);
}

static void one_that_never_answers_is_closed(void **state)
{
	struct world w;

	(void)state;
	world_begin(&w, "pool_mode = transaction\nserver_memory_limit = 1MB\n"
			"server_memory_check = 60\nserver_check_query =\n");
	struct actor *a = world_session(&w), *s = world_server(&w, 1);
	world_pass(&w, 60 * USEC_PER_SEC);
	say(a, "Q[one]");
	say(s, "I Z[I]");
	w.answers = true;
	say(a, "Q[two]");
	ASSERT_HEARS(a, "I Z[I] T D[two] C[SELECT 1] Z[I]");
	world_pass(&w, 10 * USEC_PER_SEC);
	assert_true(is_gone(s));
	assert_int_equal(alive(&w), 1);
	world_end(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_successor_is_warm_before_the_old_one_goes),
	    cmocka_unit_test(one_that_cannot_be_replaced_goes_on),
	    cmocka_unit_test(a_busy_pool_is_renewed_one_by_one),
	    cmocka_unit_test(the_limit_of_the_database_is_kept),
	    cmocka_unit_test(a_server_that_is_too_large_is_replaced),
	    cmocka_unit_test(a_server_that_does_not_tell_is_asked_once),
	    cmocka_unit_test(one_that_never_answers_is_closed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
