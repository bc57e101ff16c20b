/*
 * Scenarios of who is let into the line, who has to leave it for others, and what is
 * said.
 */
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/log.h"
#include "relay/control.h"
#include "scenario/world.h"

static void begin(struct world *w, const char *lines)
{
	char text[512];

	snprintf(text, sizeof(text), "pool_mode = transaction\n%s", lines);
	world_begin(w, text);
	w->answers = true;
}

static struct actor *session_of(struct world *w, const char *pair)
{
	char pairs[256];

	snprintf(pairs, sizeof(pairs), "user=anna;database=app;%s", pair);
	struct actor *a = world_client(w, pairs);
	heard(a);
	return a;
}

/* A server, and the transaction of a client that has it. */
static struct actor *take_server(struct world *w)
{
	struct actor *a = world_session(w);

	say(a, "Q[begin]");
	ASSERT_HEARS(a, "C[BEGIN] Z[T]");
	return a;
}

static void who_is_displaced_lives_on_and_may_ask_again(void **state)
{
	struct world w;

	(void)state;
	begin(&w, "default_pool_size = 1\nmax_queue = 1\n");
	struct actor *holder = take_server(&w);
	struct actor *low = session_of(&w, "pooler.priority=low");
	struct actor *high = session_of(&w, "pooler.priority=high");
	say(low, "P[one] B[one] E S Q[two]");
	ASSERT_HEARS(low, "");
	say(high, "Q[high]");
	/* What it has sent behind the batch asks for itself, and finds the line full. */
	assert_string_equal(heard_field(low, 'M'), "queue is full (max_queue)");
	ASSERT_HEARS(low, "E[ERROR 53300] Z[I] E[ERROR 53300] Z[I]");
	world_check(&w);
	say(holder, "Q[commit]");
	ASSERT_HEARS(high, "T D[high] C[SELECT 1] Z[I]");
	say(low, "Q[three]");
	ASSERT_HEARS(low, "T D[three] C[SELECT 1] Z[I]");
	world_end(&w);
}

static void who_is_displaced_may_have_gone_in_the_same_turn(void **state)
{
	struct world w;

	(void)state;
	begin(&w, "default_pool_size = 1\nmax_queue = 1\n");
	struct actor *holder = take_server(&w);
	struct actor *low = session_of(&w, "pooler.priority=low");
	struct actor *high = session_of(&w, "pooler.priority=high");
	say(low, "Q[low]");
	actor_push(high, "Q[high]");
	break_off(low);
	world_settle(&w);
	say(holder, "Q[commit]");
	ASSERT_HEARS(high, "T D[high] C[SELECT 1] Z[I]");
	world_end(&w);
}

static void a_login_may_be_displaced(void **state)
{
	struct world w;

	(void)state;
	begin(&w, "default_pool_size = 1\nmax_queue = 1\n");
	w.accepts = false;
	/* The first will have the server that is being opened. */
	world_client(&w, "user=anna;database=app");
	struct actor *low =
	    world_client(&w, "user=anna;database=app;pooler.priority=low");
	assert_false(is_gone(low));
	struct actor *high =
	    world_client(&w, "user=anna;database=app;pooler.priority=high");
	ASSERT_HEARS(low, "E[FATAL 57P03]");
	assert_true(is_gone(low));
	assert_false(is_gone(high));
	w.accepts = true;
	actor_accept(world_server(&w, 1));
	world_settle(&w);
	say(high, "Q[high]");
	assert_non_null(strstr(heard(high), "D[high]"));
	world_end(&w);
}

static void who_is_rejected_is_closed_where_that_is_asked_for(void **state)
{
	struct world w;

	(void)state;
	begin(&w, "default_pool_size = 1\nmax_queue = 1\nreject_action = close\n");
	struct actor *holder = take_server(&w);
	struct actor *low = session_of(&w, "pooler.priority=low");
	struct actor *high = session_of(&w, "pooler.priority=high");
	struct actor *late = session_of(&w, "pooler.priority=high");
	say(low, "Q[low] Q[more]");
	say(high, "Q[high]");
	ASSERT_HEARS(low, "E[FATAL 53300]");
	assert_true(is_gone(low));
	say(late, "P[late] B[late] E S");
	ASSERT_HEARS(late, "E[FATAL 53300]");
	assert_true(is_gone(late));
	say(holder, "Q[commit]");
	ASSERT_HEARS(high, "T D[high] C[SELECT 1] Z[I]");
	world_end(&w);
}

static void a_reload_counts_for_those_who_wait(void **state)
{
	struct world w;

	(void)state;
	begin(&w, "default_pool_size = 1\nquery_wait_timeout = 100\n");
	struct actor *holder = take_server(&w);
	struct actor *one = world_session(&w), *two = world_session(&w),
		     *three = world_session(&w);
	say(one, "Q[one]");
	say(two, "Q[two]");
	world_pass(&w, USEC_PER_SEC);
	world_reload(&w, "pool_mode = session\ndefault_pool_size = 1\nmax_queue = 1\n"
			 "max_queue_wait = 10\npriority = low\n");
	/* They stay, but nobody comes after them. */
	say(three, "Q[three]");
	assert_string_equal(heard_field(three, 'M'), "queue is full (max_queue)");
	ASSERT_HEARS(one, "");
	world_pass(&w, 11 * USEC_PER_SEC);
	assert_string_equal(heard_field(one, 'M'), "max_queue_wait");
	ASSERT_HEARS(one, "N[NOTICE 00000] E[ERROR 53300] Z[I]");
	ASSERT_HEARS(two, "N[NOTICE 00000] E[ERROR 53300] Z[I]");
	say(one, "Q[one more]");
	world_reload(&w, "pool_mode = transaction\ndefault_pool_size = 2\n");
	ASSERT_HEARS(one, "T D[one more] C[SELECT 1] Z[I]");
	say(holder, "Q[commit]");
	world_end(&w);
}

static void a_pause_does_not_count_for_max_queue_wait(void **state)
{
	struct world w;

	(void)state;
	begin(&w, "default_pool_size = 1\nmax_queue_wait = 10\nquery_wait_notify = 0\n");
	struct actor *holder = take_server(&w);
	struct actor *early = world_session(&w), *late = world_session(&w);
	say(early, "Q[early]");
	world_pass(&w, USEC_PER_SEC);
	control_pause(&w.dispatcher, NULL);
	say(late, "Q[late]");
	world_pass(&w, 60 * USEC_PER_SEC);
	control_resume(&w.dispatcher, NULL);
	world_pass(&w, 9 * USEC_PER_SEC);
	world_reload(&w, "pool_mode = transaction\ndefault_pool_size = 1\n"
			 "max_queue_wait = 10\nquery_wait_notify = 0\n");
	ASSERT_HEARS(early, "");
	ASSERT_HEARS(late, "");
	/* From there on it does. */
	world_pass(&w, 3 * USEC_PER_SEC);
	assert_string_equal(heard_field(early, 'M'), "max_queue_wait");
	ASSERT_HEARS(early, "E[ERROR 53300] Z[I]");
	ASSERT_HEARS(late, "E[ERROR 53300] Z[I]");
	say(holder, "Q[commit]");
	world_end(&w);
}

static void a_deadline_of_its_own_counts_in_a_pause(void **state)
{
	struct world w;

	(void)state;
	begin(&w, "default_pool_size = 1\nmax_queue_wait = 10\nquery_wait_notify = 0\n");
	take_server(&w);
	struct actor *a = session_of(&w, "pooler.deadline=20s");
	say(a, "Q[one]");
	control_pause(&w.dispatcher, NULL);
	world_pass(&w, 15 * USEC_PER_SEC);
	control_resume(&w.dispatcher, NULL);
	world_pass(&w, 4 * USEC_PER_SEC);
	ASSERT_HEARS(a, "");
	world_pass(&w, 1 * USEC_PER_SEC + 1);
	assert_string_equal(heard_field(a, 'M'), "pooler.deadline");
	ASSERT_HEARS(a, "E[ERROR 53300] Z[I]");
	world_end(&w);
}

static void a_database_that_is_removed_ends_those_who_wait(void **state)
{
	struct world w;

	(void)state;
	world_begin(&w, "pool_mode = transaction\ndefault_pool_size = 1\n"
			"[databases]\nmore = host=127.0.0.1\n");
	w.answers = true;
	struct actor *holder = world_client(&w, "user=anna;database=more");
	struct actor *one = world_client(&w, "user=anna;database=more");
	heard(holder);
	heard(one);
	say(holder, "Q[begin]");
	say(one, "Q[one]");
	world_reload(&w, "pool_mode = transaction\ndefault_pool_size = 1\n");
	world_settle(&w);
	assert_true(is_gone(holder));
	assert_true(is_gone(one));
	world_end(&w);
}

static void a_server_that_is_checked_keeps_nobody_from_another(void **state)
{
	struct world w;

	(void)state;
	begin(&w, "default_pool_size = 2\nmax_queue = 0\nserver_check_delay = 30\n"
		  "server_check_query = select 42\n");
	struct actor *a = take_server(&w), *b = take_server(&w);
	say(a, "Q[commit]");
	say(b, "Q[commit]");
	ASSERT_HEARS(a, "C[COMMIT] Z[I]");
	ASSERT_HEARS(b, "C[COMMIT] Z[I]");
	world_pass(&w, 31 * USEC_PER_SEC);
	actor_push(a, "Q[one]");
	actor_push(b, "Q[two]");
	world_settle(&w);
	ASSERT_HEARS(a, "T D[one] C[SELECT 1] Z[I]");
	ASSERT_HEARS(b, "T D[two] C[SELECT 1] Z[I]");
	world_end(&w);
}

static void a_check_that_fails_costs_nobody_his_place(void **state)
{
	struct world w;

	(void)state;
	world_begin(&w, "pool_mode = transaction\ndefault_pool_size = 2\n"
			"server_check_delay = 30\nserver_check_query = select 42\n");
	struct actor *a = world_session(&w), *b = world_session(&w);
	say(a, "Q[begin]");
	say(world_server(&w, 1), "C[BEGIN] Z[T]");
	say(b, "Q[begin]");
	say(world_server(&w, 2), "C[BEGIN] Z[T]");
	say(a, "Q[commit]");
	say(world_server(&w, 1), "C[COMMIT] Z[I]");
	say(b, "Q[commit]");
	say(world_server(&w, 2), "C[COMMIT] Z[I]");
	heard(a);
	heard(b);
	world_pass(&w, 31 * USEC_PER_SEC);
	heard(world_server(&w, 1));
	heard(world_server(&w, 2));
	say(a, "Q[one]");
	say(b, "Q[two]");
	ASSERT_HEARS(world_server(&w, 1), "Q[select 42]");
	ASSERT_HEARS(world_server(&w, 2), "Q[select 42]");
	say(world_server(&w, 1), "E[ERROR 57P01] Z[I]");
	say(world_server(&w, 2), "T D[42] C[SELECT 1] Z[I]");
	/* There is a new one in its place, before the other had its answer. */
	ASSERT_HEARS(world_server(&w, 3), "Q[one]");
	ASSERT_HEARS(world_server(&w, 2), "Q[two]");
	world_end(&w);
}

static void what_waited_in_vain_is_not_told_that_nobody_may_wait(void **state)
{
	struct world w;

	(void)state;
	world_begin(&w, "max_queue = 0\nquery_wait_timeout = 10\n"
			"server_connect_timeout = 100\n");
	w.accepts = false;
	struct actor *c = world_client(&w, "user=anna;database=app");
	world_pass(&w, 12 * USEC_PER_SEC);
	assert_non_null(strstr(heard_field(c, 'D'), "this one has waited for "));
	world_end(&w);
}

static void a_long_application_name_has_its_class_all_the_same(void **state)
{
	struct world w;

	(void)state;
	begin(&w, "default_pool_size = 1\nmax_queue = 1\n"
		  "priority_applications = batch*=low\n");
	take_server(&w);
	struct actor *low = session_of(
	    &w, "application_name=batch of a name that is longer than the sixty-three "
		"bytes that PostgreSQL keeps of it");
	struct actor *normal = world_session(&w);
	say(low, "Q[low]");
	say(normal, "Q[normal]");
	ASSERT_HEARS(low, "E[ERROR 53300] Z[I]");
	ASSERT_HEARS(normal, "");
	world_end(&w);
}

static void read_log(const char *path, char *out, size_t cap)
{
	FILE *file = fopen(path, "r");

	assert_non_null(file);
	out[fread(out, 1, cap - 1, file)] = '\0';
	fclose(file);
	unlink(path);
}

/* Servers are held for 100 ms, so that is what is foretold. */
static struct actor *learn(struct world *w)
{
	struct actor *holder = take_server(w);

	for (int i = 0; i < 10; i++) {
		world_pass(w, 100 * USEC_PER_MSEC);
		say(holder, "Q[commit]");
		say(holder, "Q[begin]");
	}
	heard(holder);
	return holder;
}

static void trials_that_are_not_logged_one_by_one_are_counted(void **state)
{
	struct world w;
	char path[] = "/tmp/pooler-trials.XXXXXX", text[4000];

	(void)state;
	assert_true(close(mkstemp(path)) == 0);
	begin(&w,
	      "default_pool_size = 1\nmax_queue_wait = 10ms\nqueue_prediction = log\n");
	learn(&w);
	log_apply(&(struct log_settings){.file = path});
	for (int i = 0; i < 3; i++)
		say(world_session(&w), "Q[one]");
	world_pass(&w, 6 * USEC_PER_SEC);
	say(world_session(&w), "Q[one]");
	world_end(&w);
	log_apply(&(struct log_settings){.to_stderr = false});
	read_log(path, text, sizeof(text));
	assert_non_null(strstr(text, "would be rejected: queue is too long"));
	assert_non_null(strstr(text, "2 more would have been rejected since the last"));
}

static void sessions_have_all_the_servers_of_an_adaptive_pool(void **state)
{
	struct world w;

	(void)state;
	world_begin(&w, "pool_mode = session\ndefault_pool_size = 30\n"
			"adaptive_pool = on\n");
	w.answers = true;
	for (int i = 0; i < 30; i++) {
		struct actor *a = world_session(&w);
		say(a, "Q[one]");
		ASSERT_HEARS(a, "T D[one] C[SELECT 1] Z[I]");
	}
	world_end(&w);
}

static void a_login_that_waits_uses_no_server(void **state)
{
	struct world w;
	struct actor *logins[20];

	(void)state;
	/* Each use of a server ends it here. */
	begin(&w, "default_pool_size = 1\nserver_lifetime = 0\n");
	w.accepts = false;
	for (int i = 0; i < 20; i++)
		logins[i] = world_client(&w, "user=anna;database=app");
	w.accepts = true;
	actor_accept(world_server(&w, 1));
	world_settle(&w);
	for (int i = 0; i < 20; i++)
		ASSERT_HEARS(logins[i], GREETING);
	assert_int_equal(w.server_count, 1);
	/* Nor has anything been learnt of how long one is held. */
	assert_int_equal(world_pool(&w, "app", "anna")->forecast.samples, 0);
	world_end(&w);
}

static void a_pause_is_no_overload(void **state)
{
	struct world w;

	(void)state;
	begin(&w, "max_queue_wait = 1\nquery_wait_timeout = 100\n");
	struct actor *a = world_session(&w), *b = world_session(&w);
	say(a, "Q[begin]");
	say(a, "Q[commit]");
	heard(a);
	control_pause(&w.dispatcher, NULL);
	world_settle(&w);
	say(a, "Q[one]");
	world_pass(&w, 4 * USEC_PER_SEC);
	say(b, "Q[two]");
	ASSERT_HEARS(a, "");
	control_resume(&w.dispatcher, NULL);
	world_settle(&w);
	ASSERT_HEARS(a, "T D[one] C[SELECT 1] Z[I]");
	ASSERT_HEARS(b, "T D[two] C[SELECT 1] Z[I]");
	/* It still has an end. */
	control_pause(&w.dispatcher, NULL);
	world_settle(&w);
	say(a, "Q[three]");
	world_pass(&w, 120 * USEC_PER_SEC);
	assert_string_equal(heard_field(a, 'M'), "query_wait_timeout");
	control_resume(&w.dispatcher, NULL);
	world_end(&w);
}

static void who_is_held_while_the_database_is_down_is_held(void **state)
{
	struct world w;

	(void)state;
	begin(&w, "max_queue_wait = 1\nhold_on_failure = 20\nserver_login_retry = 1\n"
		  "query_wait_notify = 0\n");
	struct actor *a = world_session(&w);
	w.accepts = false;
	leave(world_server(&w, 1));
	say(a, "Q[one]");
	for (unsigned i = 2; i < 6; i++) {
		actor_refuse(world_server(&w, i), ECONNREFUSED);
		world_settle(&w);
		ASSERT_HEARS(a, "");
		world_pass(&w, 2 * USEC_PER_SEC);
	}
	actor_accept(world_server(&w, 6));
	world_settle(&w);
	assert_non_null(strstr(heard(a), "D[one]"));
	world_end(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(who_is_displaced_lives_on_and_may_ask_again),
	    cmocka_unit_test(who_is_displaced_may_have_gone_in_the_same_turn),
	    cmocka_unit_test(a_login_may_be_displaced),
	    cmocka_unit_test(who_is_rejected_is_closed_where_that_is_asked_for),
	    cmocka_unit_test(a_reload_counts_for_those_who_wait),
	    cmocka_unit_test(a_pause_does_not_count_for_max_queue_wait),
	    cmocka_unit_test(a_deadline_of_its_own_counts_in_a_pause),
	    cmocka_unit_test(a_database_that_is_removed_ends_those_who_wait),
	    cmocka_unit_test(a_server_that_is_checked_keeps_nobody_from_another),
	    cmocka_unit_test(a_check_that_fails_costs_nobody_his_place),
	    cmocka_unit_test(what_waited_in_vain_is_not_told_that_nobody_may_wait),
	    cmocka_unit_test(a_long_application_name_has_its_class_all_the_same),
	    cmocka_unit_test(trials_that_are_not_logged_one_by_one_are_counted),
	    cmocka_unit_test(sessions_have_all_the_servers_of_an_adaptive_pool),
	    cmocka_unit_test(a_login_that_waits_uses_no_server),
	    cmocka_unit_test(a_pause_is_no_overload),
	    cmocka_unit_test(who_is_held_while_the_database_is_down_is_held),
	};

	return cmocka_run_group_tests_name("rejection", tests, NULL, NULL);
}
