/*
 * Scenarios in which memory runs short: the n-th request fails, for every n of a
 * conversation with logins, queries, waiting, parameters and a cancel. The process goes
 * on, nothing leaks, and who works elsewhere is not disturbed.
 */
#include <errno.h>

#include "scenario/answering.h"
#include "scenario/world.h"

/* ---- memory that runs short ---------------------------------------------------------
 */

static size_t until_failure; /* 0: none fails */
static bool has_failed;

void *__real_malloc(size_t len);
void *__real_calloc(size_t count, size_t len);
void *__real_realloc(void *at, size_t len);
void *__wrap_malloc(size_t len);
void *__wrap_calloc(size_t count, size_t len);
void *__wrap_realloc(void *at, size_t len);

/* The n-th request of the pooler from now on fails, once. */
static void fail_at(size_t n)
{
	until_failure = n;
	has_failed = false;
}

static bool fails_now(void)
{
	if (until_failure == 0 || !world_pooler_is_at_work() || --until_failure > 0)
		return false;
	has_failed = true;
	return true;
}

void *__wrap_malloc(size_t len)
{
	return fails_now() ? NULL : __real_malloc(len);
}

void *__wrap_calloc(size_t count, size_t len)
{
	return fails_now() ? NULL : __real_calloc(count, len);
}

void *__wrap_realloc(void *at, size_t len)
{
	return fails_now() ? NULL : __real_realloc(at, len);
}

/* ---- scenarios ----------------------------------------------------------------------
 */

/* Somebody who was there before and asks for nothing meanwhile. */
static struct actor *bystander(struct world *w)
{
	struct actor *a = world_client(w, "user=otto;database=other");

	ASSERT_HEARS(a, GREETING);
	say(a, "Q[before]");
	ASSERT_HEARS(a, "T D[before] C[SELECT 1] Z[I]");
	return a;
}

enum { CLIENTS = 4 };

/* Bytes come and go in small pieces, so that buffers are needed on the way. */
static void conversation(struct world *w, struct actor *c[CLIENTS])
{
	world_settle(w);
	if (client_of(c[0]))
		actor_push(c[0], "Q[SET \"application_name\" = 'x';] Q[stall]");
	world_settle(w);
	if (client_of(c[1]))
		actor_push(c[1], "P[much] B[much] D[much] E S Q[copy out]");
	world_settle(w);
	if (client_of(c[0]))
		world_canceller(w, c[0]);
	for (unsigned i = 1; i <= w->server_count; i++)
		if (world_server(w, i) && !is_gone(world_server(w, i)))
			answering_go_on(world_server(w, i));
	world_settle(w);
	for (int i = 0; i < CLIENTS; i++)
		c[i]->peer.has_closed = true;
	world_settle(w);
}

/* One conversation in which the n-th request fails; whether so many were made. */
static bool fails_at(size_t n)
{
	static const char *const who[] = {
	    "user=anna;database=app;TimeZone=CET;application_name=a",
	    "user=anna;database=app;options=-c work_mem=1MB",
	    "user=emil;database=shared",
	    "3.2;user=anna;database=app;replication=database;application_name=r",
	};
	struct actor *c[CLIENTS];
	struct world w;

	world_begin(&w, "pool_mode = transaction\ndefault_pool_size = 1\n"
			"[databases]\nfresh = host=10.0.0.8\n");
	w.answers = true;
	struct actor *other = bystander(&w);
	fail_at(n);
	for (int i = 0; i < CLIENTS; i++) {
		c[i] = world_connect(&w);
		c[i]->peer.read_most = 9;
		c[i]->peer.write_most = 5;
		script_write_startup(&c[i]->peer.sent, who[i]);
		script_write(&c[i]->peer.sent, FROM_CLIENT, "Q[one] P[two] B[two] E S");
	}
	conversation(&w, c);
	until_failure = 0;
	world_settle(&w);
	struct actor *x;
	while ((x = world_cancel(&w)) && x->connector) {
		actor_accept(x);
		world_settle(&w);
		leave(x);
	}
	for (int i = 0; i < CLIENTS; i++)
		if (!is_gone(c[i]))
			leave(c[i]);
	world_pass(&w, 10 * USEC_PER_SEC);
	say(other, "Q[after]");
	ASSERT_HEARS(other, "T D[after] C[SELECT 1] Z[I]");
	/* And somebody new is served as if nothing had been. */
	struct actor *late = world_client(&w, "user=anna;database=app;TimeZone=CET");
	say(late, "Q[late]");
	assert_non_null(strstr(heard(late), "T D[late] C[SELECT 1] Z[I]"));
	say(late, "X");
	say(other, "X");
	assert_int_equal(w.dispatcher.client_slab.used, 0);
	assert_int_equal(w.dispatcher.cancels.count, 0);
	world_end(&w);
	return has_failed;
}

/* The latest server that is there; the bystander's is the first. */
static struct actor *latest_server(struct world *w)
{
	for (unsigned i = w->server_count; i > 1; i--)
		if (world_server(w, i) && !is_gone(world_server(w, i)))
			return world_server(w, i);
	return NULL;
}

/* Clients that listen, hear, and leave; whether so many requests were made. */
static bool listening_fails_at(size_t n)
{
	struct actor *c[3];
	struct world w;

	world_begin(&w, "pool_mode = transaction\nserver_login_retry = 1\n");
	w.answers = true;
	struct actor *other = bystander(&w);
	for (int i = 0; i < 3; i++)
		c[i] = world_session(&w);
	fail_at(n);
	for (int i = 0; i < 3; i++)
		actor_push(c[i], i == 2 ? "Q[begin] Q[listen news]" : "Q[listen news]");
	world_pass(&w, 5 * USEC_PER_SEC);
	for (unsigned i = 2; i <= w.server_count; i++)
		if (world_server(&w, i) && !is_gone(world_server(&w, i)))
			actor_push(world_server(&w, i), "A[news] A[news]");
	world_settle(&w);
	if (latest_server(&w))
		break_off(latest_server(&w));
	world_pass(&w, 5 * USEC_PER_SEC);
	for (int i = 0; i < 3; i++)
		actor_push(c[i], i == 1 ? "Q[unlisten news]" : "Q[commit]");
	world_pass(&w, 5 * USEC_PER_SEC);
	until_failure = 0;
	for (int i = 0; i < 3; i++)
		if (!is_gone(c[i]))
			leave(c[i]);
	say(other, "Q[after]");
	ASSERT_HEARS(other, "T D[after] C[SELECT 1] Z[I]");
	say(other, "X");
	world_pass(&w, 5 * USEC_PER_SEC);
	assert_int_equal(w.dispatcher.client_slab.used, 0);
	world_end(&w);
	return has_failed;
}

static void any_request_for_memory_may_fail_while_clients_listen(void **state)
{
	size_t n = 1;

	(void)state;
	while (listening_fails_at(n))
		n++;
	assert_true(n > 50);
}

/* Clients that vanish in a transaction, in a query, in a batch and in a COPY, and one
 * that comes after them; whether so many requests were made. */
static bool leaving_fails_at(size_t n)
{
	static const char *const asked[] = {"Q[begin]", "Q[begin] Q[stall]",
					    "P[one] B[one] E", "Q[copy in] d[data]"};
	enum { COUNT = sizeof(asked) / sizeof(asked[0]) };
	struct actor *c[COUNT], *x;
	struct world w;

	world_begin(&w, "pool_mode = transaction\n");
	w.answers = true;
	struct actor *other = bystander(&w);
	for (int i = 0; i < COUNT; i++) {
		c[i] = world_session(&w);
		say(c[i], asked[i]);
	}
	fail_at(n);
	for (int i = 0; i < COUNT; i++)
		leave(c[i]);
	TAILQ_FOREACH (x, &w.actors, place)
		if (x->kind == ACTOR_CANCEL && x->connector) {
			actor_accept(x);
			world_settle(&w);
			leave(x);
		}
	for (unsigned i = 1; i <= w.server_count; i++)
		if (!is_gone(world_server(&w, i)))
			answering_go_on(world_server(&w, i));
	world_pass(&w, 20 * USEC_PER_SEC);
	until_failure = 0;
	struct actor *late = world_client(&w, "user=anna;database=app");
	say(late, "Q[late]");
	assert_non_null(strstr(heard(late), "T D[late] C[SELECT 1] Z[I]"));
	say(other, "Q[after]");
	ASSERT_HEARS(other, "T D[after] C[SELECT 1] Z[I]");
	assert_int_equal(w.dispatcher.pools.tally.now.server_saved_count +
			     w.dispatcher.pools.tally.now.server_unsaved_count,
			 COUNT);
	world_end(&w);
	return has_failed;
}

/* Statements that are prepared, found, refused, evicted, closed and dropped, on two
 * servers; whether so many requests were made. */
static bool preparing_fails_at(size_t n)
{
	static const char *const asked[] = {
	    "P[s:one] B[s] E D[s] S P[t:two] P[u:three] P[s:four] B[t] S",
	    "B[s] E S C[t] P[t:five] B[t] E S",
	    "P[unnamed] D[] S B[] E S",
	    "P[a:one] S B[a] E C[a] S Q[deallocate t] Q[execute u]",
	    "B[a] S Q[DEALLOCATE ALL] P[s:one] B[s] E S",
	};
	enum { COUNT = sizeof(asked) / sizeof(asked[0]) };
	struct actor *c[2];
	struct world w;

	world_begin(&w, "pool_mode = transaction\nmax_prepared_statements = 2\n");
	w.answers = true;
	struct actor *other = bystander(&w);
	for (int i = 0; i < 2; i++)
		c[i] = world_session(&w);
	fail_at(n);
	for (int i = 0; i < COUNT; i++)
		for (int who = 0; who < 2; who++)
			if (!is_gone(c[who]))
				say(c[who], asked[i]);
	until_failure = 0;
	for (int i = 0; i < 2; i++)
		if (!is_gone(c[i]))
			leave(c[i]);
	world_pass(&w, 20 * USEC_PER_SEC);
	struct actor *late = world_client(&w, "user=anna;database=app");
	say(late, "P[s:late] B[s] E S");
	assert_non_null(strstr(heard(late), "1 2 "));
	say(other, "Q[after]");
	ASSERT_HEARS(other, "T D[after] C[SELECT 1] Z[I]");
	say(late, "X");
	world_settle(&w);
	assert_int_equal(w.dispatcher.statements.name_count, 0);
	world_end(&w);
	return has_failed;
}

static void any_request_for_memory_may_fail_while_statements_are_prepared(void **state)
{
	size_t n = 1;

	(void)state;
	while (preparing_fails_at(n))
		n++;
	print_message("# %zu requests for memory\n", n - 1);
	assert_true(n > 50);
}

static void any_request_for_memory_may_fail_while_servers_are_left(void **state)
{
	size_t n = 1;

	(void)state;
	while (leaving_fails_at(n))
		n++;
	print_message("# %zu requests for memory\n", n - 1);
	assert_true(n > 5);
}

static void any_request_for_memory_may_fail(void **state)
{
	size_t n = 1;

	(void)state;
	while (fails_at(n))
		n++;
	print_message("# %zu requests for memory\n", n - 1);
	assert_true(n > 50);
}

static void the_beginning_may_lack_memory(void **state)
{
	size_t n = 0;

	(void)state;
	do {
		struct world w;
		fail_at(++n);
		int err = world_try_begin(&w, "");
		until_failure = 0;
		assert_int_equal(err, has_failed ? -ENOMEM : 0);
		world_end(&w);
	} while (has_failed);
	assert_true(n > 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(any_request_for_memory_may_fail),
	    cmocka_unit_test(
		any_request_for_memory_may_fail_while_statements_are_prepared),
	    cmocka_unit_test(any_request_for_memory_may_fail_while_servers_are_left),
	    cmocka_unit_test(any_request_for_memory_may_fail_while_clients_listen),
	    cmocka_unit_test(the_beginning_may_lack_memory),
	};

	return cmocka_run_group_tests_name("memory", tests, NULL, NULL);
}
