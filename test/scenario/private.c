/*
 * Scenarios of servers that are opened for one purpose.
 */
#include "scenario/answering.h"
#include "scenario/world.h"

#include <errno.h>

#include "pool/private.h"
#include "proto/notice.h"
#include "relay/control.h"
#include "relay/keeper.h"
#include "relay/private.h"

struct owner {
	struct server *server;
	unsigned opened, failed, closed, answered, errors, notified;
	char sqlstate[6];
	char said[64];
};

static void on_opened(struct server *s, void *owner)
{
	struct owner *o = owner;

	assert_ptr_equal(o->server, s);
	o->opened++;
}

static void on_failed(struct server *s, const struct notice *notice, void *owner)
{
	struct owner *o = owner;

	(void)s;
	o->failed++;
	o->server = NULL;
	snprintf(o->sqlstate, sizeof(o->sqlstate), "%s", notice->sqlstate);
}

static void on_closed(struct server *s, void *owner)
{
	struct owner *o = owner;

	(void)s;
	o->closed++;
	o->server = NULL;
}

static void on_error(struct server *s, struct slice body, void *owner)
{
	struct owner *o = owner;

	(void)s;
	assert_true(body.len > 0);
	o->errors++;
}

static void on_answer(struct server *s, void *owner)
{
	struct owner *o = owner;

	(void)s;
	o->answered++;
}

static void on_notification(struct server *s, struct slice body, void *owner)
{
	struct owner *o = owner;

	(void)s;
	assert_true(body.len > 4);
	snprintf(o->said, sizeof(o->said), "%s", (const char *)body.data + 4);
	o->notified++;
}

static const struct private_ops ops = {.on_opened = on_opened,
				       .on_failed = on_failed,
				       .on_closed = on_closed,
				       .on_error = on_error,
				       .on_answer = on_answer,
				       .on_notification = on_notification};

static struct server *ask(struct world *w, struct owner *o, bool is_lasting)
{
	static const char more[] = "application_name\0tool\0replication\0database";
	struct pool *pool =
	    keeper_pool(&w->dispatcher, slice_of_text("app"), slice_of_text("anna"));
	struct private_wish wish = {.purpose = SERVER_FOR_NOTIFICATIONS,
				    .ops = &ops,
				    .owner = o,
				    .startup = slice_of(more, sizeof(more)),
				    .is_lasting = is_lasting};

	*o = (struct owner){0};
	o->server = private_open(&w->dispatcher, pool, &wish);
	assert_non_null(o->server);
	assert_int_equal(o->opened + o->failed, 0);
	return o->server;
}

static void one_logs_in_with_more_to_say(void **state)
{
	struct owner o;
	struct world w;

	(void)state;
	world_begin(&w, "pool_mode = transaction\n");
	struct server *s = ask(&w, &o, false);
	world_settle(&w);
	assert_int_equal(o.opened, 1);
	struct actor *a = world_server(&w, 1);
	assert_non_null(strstr(a->startup, "application_name=tool;replication=database"));
	assert_int_equal(world_pool(&w, "app", "anna")->total, 0);
	/* It stays for as long as it likes. */
	world_pass(&w, 36000 * USEC_PER_SEC);
	assert_int_equal(o.closed, 0);
	assert_string_equal(server_state_name(s), "active");
	server_close(s, CLOSE_SERVER_IDLE);
	world_settle(&w);
	assert_int_equal(o.closed, 1);
	assert_true(is_gone(a));
	world_is_empty(&w);
	world_end(&w);
}

static void its_owner_hears_answers_and_notifications(void **state)
{
	struct owner o;
	struct world w;

	(void)state;
	world_begin(&w, "pool_mode = transaction\n");
	struct server *s = ask(&w, &o, false);
	world_settle(&w);
	struct actor *a = world_server(&w, 1);
	heard(a);
	server_move(s, SERVER_CLEANING);
	server_ask(s, SERVER_TASK_PRIVATE, slice_of_text("listen a"));
	world_settle(&w);
	ASSERT_HEARS(a, "Q[listen a]");
	say(a, "A[news] C[LISTEN] Z[I]");
	assert_int_equal(o.answered, 1);
	assert_int_equal(o.notified, 1);
	assert_string_equal(o.said, "news");
	assert_false(s->task_failed);
	server_ask(s, SERVER_TASK_PRIVATE, slice_of_text("listen b"));
	world_settle(&w);
	say(a, "E[ERROR 42601 no] Z[I]");
	assert_int_equal(o.errors, 1);
	assert_int_equal(o.answered, 2);
	assert_true(s->task_failed);
	leave(a);
	assert_int_equal(o.closed, 1);
	world_end(&w);
}

static void a_failure_is_told_once(void **state)
{
	struct owner o;
	struct world w;

	(void)state;
	world_begin(&w, "pool_mode = transaction\n");
	world_session(&w);
	w.logs_in = false;
	ask(&w, &o, false);
	world_settle(&w);
	say(world_server(&w, 2), "E[FATAL 42501 you may not]");
	assert_int_equal(o.failed, 1);
	assert_int_equal(o.opened + o.closed, 0);
	assert_string_equal(o.sqlstate, "42501");
	/* That says nothing about servers for queries. */
	assert_false(opening_is_failing(&world_pool(&w, "app", "anna")->opening));
	world_end(&w);
}

static void a_full_limit_is_waited_for_within_the_time_for_connecting(void **state)
{
	struct owner o;
	struct world w;

	(void)state;
	world_begin(&w, "pool_mode = transaction\nmax_db_connections = 1\n"
			"server_connect_timeout = 10\n");
	w.answers = true;
	struct actor *c = world_session(&w);
	say(c, "Q[stall]");
	ask(&w, &o, false);
	world_settle(&w);
	assert_int_equal(w.server_count, 1);
	world_pass(&w, 9 * USEC_PER_SEC);
	assert_int_equal(o.failed, 0);
	world_pass(&w, 2 * USEC_PER_SEC);
	assert_int_equal(o.failed, 1);
	assert_string_equal(o.sqlstate, "53300");
	/* Who works makes room as soon as the work is done. */
	ask(&w, &o, false);
	world_settle(&w);
	answering_go_on(world_server(&w, 1));
	world_settle(&w);
	assert_int_equal(o.opened, 1);
	assert_true(is_gone(world_server(&w, 1)));
	heard(c);
	say(c, "Q[one]");
	server_close(o.server, CLOSE_SERVER_IDLE);
	world_settle(&w);
	ASSERT_HEARS(c, "T D[one] C[SELECT 1] Z[I]");
	world_end(&w);
}

static void an_idle_server_makes_room(void **state)
{
	struct owner o;
	struct world w;

	(void)state;
	world_begin(&w, "pool_mode = transaction\nmax_db_connections = 1\n");
	w.answers = true;
	struct actor *c = world_session(&w);
	say(c, "Q[one]");
	ask(&w, &o, false);
	world_settle(&w);
	assert_int_equal(o.opened, 1);
	assert_true(is_gone(world_server(&w, 1)));
	server_close(o.server, CLOSE_SERVER_IDLE);
	world_settle(&w);
	assert_int_equal(o.closed, 1);
	world_end(&w);
}

static void administrators_end_lasting_ones_by_pause_and_all_by_kill(void **state)
{
	struct owner lasting, other;
	struct world w;

	(void)state;
	world_begin(&w, "pool_mode = transaction\n");
	ask(&w, &lasting, true);
	ask(&w, &other, false);
	world_settle(&w);
	control_pause(&w.dispatcher, NULL);
	world_settle(&w);
	assert_int_equal(lasting.closed, 1);
	assert_int_equal(other.closed, 0);
	assert_false(control_is_quiet(&w.dispatcher, NULL));
	/* While it is paused none is opened. */
	ask(&w, &lasting, true);
	world_settle(&w);
	assert_int_equal(lasting.opened, 0);
	control_resume(&w.dispatcher, NULL);
	world_settle(&w);
	assert_int_equal(lasting.opened, 1);
	control_reconnect(&w.dispatcher, NULL);
	world_settle(&w);
	assert_int_equal(lasting.closed, 1);
	assert_int_equal(other.closed, 0);
	control_kill(&w.dispatcher, NULL);
	world_settle(&w);
	assert_int_equal(other.closed, 1);
	assert_true(control_is_quiet(&w.dispatcher, NULL));
	world_end(&w);
}

static void one_that_is_abandoned_tells_nothing(void **state)
{
	struct owner o;
	struct world w;

	(void)state;
	world_begin(&w, "pool_mode = transaction\n");
	struct server *s = ask(&w, &o, false);
	private_abandon(s, CLOSE_SERVER_IDLE);
	world_settle(&w);
	s = ask(&w, &o, false);
	world_settle(&w);
	assert_int_equal(o.opened, 1);
	private_abandon(s, CLOSE_SERVER_IDLE);
	world_settle(&w);
	assert_int_equal(o.failed + o.closed, 0);
	world_is_empty(&w);
	world_end(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(one_logs_in_with_more_to_say),
	    cmocka_unit_test(its_owner_hears_answers_and_notifications),
	    cmocka_unit_test(a_failure_is_told_once),
	    cmocka_unit_test(a_full_limit_is_waited_for_within_the_time_for_connecting),
	    cmocka_unit_test(an_idle_server_makes_room),
	    cmocka_unit_test(administrators_end_lasting_ones_by_pause_and_all_by_kill),
	    cmocka_unit_test(one_that_is_abandoned_tells_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
