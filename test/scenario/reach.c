/*
 * Scenarios of servers that cannot be reached: who waits, who is told, and what is not
 * mistaken for a failure.
 */
#include "scenario/world.h"

#include <errno.h>

#include "config/config.h"
#include "pool/reach.h"

#define PLAIN "pool_mode = transaction\nquery_wait_notify = 0\n"
#define HOLD "hold_on_failure = 10\nserver_login_retry = 2\n"

static enum reach reach_of(struct world *w)
{
	return (enum reach)world_pool(w, "app", "anna")->opening.reach;
}

/* Refuses every attempt to open a server until then. */
static void refuse_until(struct world *w, unsigned *next, uint64_t end_us, int error)
{
	while (w->loop.now_us < end_us) {
		struct actor *s = world_server(w, *next);
		if (s) {
			actor_refuse(s, error);
			world_settle(w);
			++*next;
		}
		world_pass(w, 10 * USEC_PER_MSEC);
	}
}

static void clients_of_a_database_that_is_down_are_held(void **state)
{
	struct world w;
	unsigned next = 2;

	(void)state;
	world_begin(&w, PLAIN HOLD);
	struct actor *a = world_session(&w), *b = world_session(&w);
	w.accepts = false;
	leave(world_server(&w, 1));
	say(a, "Q[one]");
	uint64_t start_us = w.loop.now_us;
	refuse_until(&w, &next, start_us + 5 * USEC_PER_SEC, ECONNREFUSED);
	say(b, "Q[two]");
	ASSERT_HEARS(a, "");
	ASSERT_HEARS(b, "");
	/* It comes back in time. */
	w.accepts = w.answers = true;
	world_pass(&w, 3 * USEC_PER_SEC);
	ASSERT_HEARS(a, "T D[one] C[SELECT 1] Z[I]");
	ASSERT_HEARS(b, "T D[two] C[SELECT 1] Z[I]");
	assert_int_equal(reach_of(&w), REACH_OK);
	world_end(&w);
}

static void they_are_told_when_that_is_over(void **state)
{
	struct world w;
	unsigned next = 2;

	(void)state;
	world_begin(&w, PLAIN HOLD);
	struct actor *a = world_session(&w), *b = world_session(&w);
	w.accepts = false;
	leave(world_server(&w, 1));
	say(a, "Q[one]");
	uint64_t start_us = w.loop.now_us;
	refuse_until(&w, &next, start_us + 9900 * USEC_PER_MSEC, ECONNREFUSED);
	ASSERT_HEARS(a, "");
	refuse_until(&w, &next, start_us + 10100 * USEC_PER_MSEC, ECONNREFUSED);
	ASSERT_HEARS(a, "E[ERROR 08001] Z[I]");
	/* Nobody is held any more; whoever comes between attempts is told at once. */
	while (world_pool(&w, "app", "anna")->opening.not_before_us <= w.loop.now_us)
		refuse_until(&w, &next, w.loop.now_us + 1, ECONNREFUSED);
	say(b, "Q[two]");
	ASSERT_HEARS(b, "E[ERROR 08001] Z[I]");
	world_end(&w);
}

static void an_attempt_that_hangs_holds_nobody_longer(void **state)
{
	struct world w;

	(void)state;
	world_begin(&w, PLAIN HOLD "server_connect_timeout = 60\n");
	struct actor *a = world_session(&w);
	w.accepts = false;
	leave(world_server(&w, 1));
	say(a, "Q[one]");
	actor_refuse(world_server(&w, 2), ECONNREFUSED);
	world_pass(&w, USEC_PER_SEC);
	assert_non_null(world_server(&w, 3));
	world_pass(&w, 8 * USEC_PER_SEC);
	ASSERT_HEARS(a, "");
	world_pass(&w, 1 * USEC_PER_SEC);
	ASSERT_HEARS(a, "E[ERROR 08001] Z[I]");
	world_end(&w);
}

static void without_it_they_are_told_at_once(void **state)
{
	static const struct {
		int error;
		enum reach reach;
	} cases[] = {{ECONNREFUSED, REACH_REFUSED},
		     {ETIMEDOUT, REACH_TIMED_OUT},
		     {EHOSTUNREACH, REACH_TIMED_OUT},
		     {0, REACH_NO_ADDRESS}};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct world w;

		world_begin(&w, PLAIN);
		struct actor *a = world_session(&w);
		w.accepts = false;
		leave(world_server(&w, 1));
		say(a, "Q[one]");
		actor_refuse(world_server(&w, 2), cases[i].error);
		world_settle(&w);
		ASSERT_HEARS(a, "E[ERROR 08001] Z[I]");
		assert_int_equal(reach_of(&w), cases[i].reach);
		/* The next is told without an attempt. */
		say(a, "Q[two]");
		ASSERT_HEARS(a, "E[ERROR 08001] Z[I]");
		assert_null(world_server(&w, 3));
		world_end(&w);
	}
}

/* Descriptors, memory, ports: that says nothing about the server. */
static void what_we_lack_ourselves_is_waited_for(void **state)
{
	static const int errors[] = {EMFILE, ENFILE, ENOMEM, ENOBUFS, EADDRNOTAVAIL};

	(void)state;
	for (size_t i = 0; i < sizeof(errors) / sizeof(errors[0]); i++) {
		struct world w;
		unsigned next = 2;

		world_begin(&w, PLAIN);
		struct actor *a = world_session(&w);
		w.accepts = false;
		leave(world_server(&w, 1));
		say(a, "Q[one]");
		refuse_until(&w, &next, w.loop.now_us + 30 * USEC_PER_SEC, errors[i]);
		/* It is tried again soon, and not in a loop. */
		assert_in_range(next, 25, 60);
		ASSERT_HEARS(a, "");
		assert_int_equal(reach_of(&w), REACH_OURS);
		w.accepts = w.answers = true;
		world_pass(&w, 2 * USEC_PER_SEC);
		ASSERT_HEARS(a, "T D[one] C[SELECT 1] Z[I]");
		world_end(&w);
	}
}

/* Some servers are open, no other can be: busy, but not down. */
static void a_pool_that_still_has_servers_is_waited_for(void **state)
{
	struct world w;
	unsigned next = 2;

	(void)state;
	world_begin(&w, PLAIN);
	struct actor *a = world_session(&w), *b = world_session(&w);
	say(a, "Q[one]");
	w.accepts = false;
	say(b, "Q[two]");
	refuse_until(&w, &next, w.loop.now_us + 5 * USEC_PER_SEC, ECONNREFUSED);
	ASSERT_HEARS(b, "");
	say(world_server(&w, 1), "I Z[I]");
	ASSERT_HEARS(world_server(&w, 1), "Q[one] Q[two]");
	/* When the last one is gone as well, it is down. */
	say(a, "Q[three]");
	leave(world_server(&w, 1));
	refuse_until(&w, &next, w.loop.now_us + 20 * USEC_PER_SEC, ECONNREFUSED);
	ASSERT_HEARS(a, "I Z[I] E[ERROR 08001] Z[I]");
	world_end(&w);
}

static void the_end_of_the_last_server_tells_those_who_wait(void **state)
{
	struct world w;
	unsigned next = 2;

	(void)state;
	world_begin(&w, PLAIN "server_login_retry = 15\n");
	struct actor *a = world_session(&w), *b = world_session(&w);
	say(a, "Q[one]");
	w.accepts = false;
	say(b, "Q[two]");
	refuse_until(&w, &next, w.loop.now_us + 60 * USEC_PER_SEC, ECONNREFUSED);
	assert_null(world_server(&w, next));
	ASSERT_HEARS(b, "");
	/* No need to wait for the next attempt, which is seconds away. */
	leave(world_server(&w, 1));
	ASSERT_HEARS(b, "E[ERROR 08001] Z[I]");
	world_end(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(clients_of_a_database_that_is_down_are_held),
	    cmocka_unit_test(they_are_told_when_that_is_over),
	    cmocka_unit_test(an_attempt_that_hangs_holds_nobody_longer),
	    cmocka_unit_test(without_it_they_are_told_at_once),
	    cmocka_unit_test(what_we_lack_ourselves_is_waited_for),
	    cmocka_unit_test(a_pool_that_still_has_servers_is_waited_for),
	    cmocka_unit_test(the_end_of_the_last_server_tells_those_who_wait),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
