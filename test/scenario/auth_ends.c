/*
 * Scenarios of logins that do not go their way: who hangs up, who says nothing more, who
 * waits too long for a place, and what a reload changes for whom.
 */
#include <poll.h>

#include "relay/login.h"
#include "scenario/world.h"
#include "unit/auth/fake_pam.h"

#define ANNA "user=anna;database=app"
#define PASSWORD "swordfish" /* which the PAM of the test takes */
#define USERS "\"anna\" \"" PASSWORD "\"\n\"otto\" \"looking glass\"\n"

static const char *lines_of(const char *type, const char *more)
{
	static char lines[1000];

	snprintf(lines, sizeof(lines), "auth_type = %s\nauth_file = %s\n%s", type,
		 proving_file("users", USERS), more);
	return lines;
}

/* ---- PAM, whose answers come from threads ---- */

static void collect(struct world *w)
{
	struct logins *l = &w->dispatcher.logins;
	struct pollfd fd = {loop_io_fd(&l->workers_io), POLLIN, 0};

	assert_int_equal(poll(&fd, 1, 10000), 1);
	loop_io_tell(&w->loop, &l->workers_io, LOOP_READ);
	world_settle(w);
}

static int begin(void **state)
{
	(void)state;
	fake_pam_begin();
	return 0;
}

static int end(void **state)
{
	(void)state;
	fake_pam_end();
	return 0;
}

/* ---- how far a login has come ---- */

enum how_far {
	CONNECTED,
	IN_ITS_PACKET,
	DENIED_TLS,
	ASKED_FOR_PASSWORD,
	ASKED_FOR_DIGEST,
	ASKED_FOR_SCRAM,
	IN_ITS_PASSWORD,
	IN_SCRAM,
	WITH_PAM,
	WAITS_FOR_SERVER,
	STEPS
};

static const char *const type_of[STEPS] = {
    [CONNECTED] = "plain",       [IN_ITS_PACKET] = "plain",
    [DENIED_TLS] = "plain",      [ASKED_FOR_PASSWORD] = "plain",
    [ASKED_FOR_DIGEST] = "md5",  [ASKED_FOR_SCRAM] = "scram-sha-256",
    [IN_ITS_PASSWORD] = "plain", [IN_SCRAM] = "scram-sha-256",
    [WITH_PAM] = "pam",          [WAITS_FOR_SERVER] = "md5",
};

static void push_half(struct actor *a)
{
	struct buffer bytes = {0};

	script_write_startup(&bytes, ANNA);
	actor_push_bytes(a, slice_first(buffer_bytes(&bytes), 11));
	buffer_fini(&bytes);
}

static struct actor *come(struct world *w, enum how_far step)
{
	static const uint8_t ssl[] = {0, 0, 0, 8, 4, 210, 22, 47};
	static const uint8_t half[] = {'p', 0, 0, 0, 14, 's', 'w', 'o'};
	struct actor *a = world_connect(w);
	bool has_packet = step > DENIED_TLS;

	if (step == IN_ITS_PACKET)
		push_half(a);
	if (step == DENIED_TLS)
		actor_push_bytes(a, slice_of(ssl, sizeof(ssl)));
	if (has_packet)
		script_write_startup(&a->peer.sent, ANNA);
	if (step == IN_ITS_PASSWORD)
		actor_push_bytes(a, slice_of(half, sizeof(half)));
	if (step >= IN_SCRAM) {
		prover_prepare(a, "anna", PASSWORD);
		prover_stop_after(a, step == IN_SCRAM ? 1 : UINT_MAX);
	}
	if (step == WAITS_FOR_SERVER)
		w->accepts = false;
	world_settle(w);
	if (step == WITH_PAM)
		fake_pam_wait_for(1);
	/* What it was told so far does not matter. */
	fake_peer_drop(&a->peer, fake_peer_received(&a->peer).len);
	return a;
}

static void begin_world(struct world *w, enum how_far step, const char *more)
{
	char lines[300];

	snprintf(lines, sizeof(lines), "auth_pam_service = holds\n%s", more);
	world_begin(w, lines_of(type_of[step], lines));
}

/* Nothing is left of it, at the gate neither. */
static void assert_no_trace(struct world *w, enum how_far step)
{
	const struct login_gate *gate = &w->dispatcher.logins.gate;

	assert_int_equal(gate->count, 0);
	assert_int_equal(gate->line_len, 0);
	assert_int_equal(w->dispatcher.login_count, 0);
	if (step == WITH_PAM) {
		/* The verdict that nobody waits for any more comes with the next. */
		fake_pam_let_go(2);
		struct actor *next = prover_client(w, ANNA, PASSWORD);
		while (heard(next)[0] == '\0')
			collect(w);
		assert_true(prover_is_content(next));
		say(next, "X");
		world_has_free_servers(w, 1);
		return;
	}
	if (step == WAITS_FOR_SERVER) {
		w->accepts = true;
		world_settle(w);
		world_has_free_servers(w, 1);
	} else {
		world_is_empty(w);
	}
}

/* ---- who goes ---- */

static void who_hangs_up_leaves_no_trace_wherever_it_was(void **state)
{
	(void)state;
	for (int step = 0; step < STEPS; step++) {
		for (int how = 0; how < 2; how++) {
			struct world w;

			begin_world(&w, step, "");
			struct actor *c = come(&w, step);
			if (how == 0)
				leave(c);
			else
				break_off(c);
			assert_true(is_gone(c));
			assert_no_trace(&w, step);
			world_end(&w);
		}
	}
}

static void who_says_no_more_has_its_time(void **state)
{
	(void)state;
	for (int step = 0; step < STEPS; step++) {
		struct world w;

		begin_world(&w, step, "client_login_timeout = 10s\n");
		struct actor *c = come(&w, step);
		world_pass(&w, 10 * USEC_PER_SEC - 1);
		ASSERT_HEARS(c, "");
		world_pass(&w, 1);
		assert_string_equal(heard_field(c, 'M'), "client_login_timeout");
		ASSERT_HEARS(c, "E[FATAL 57P05]");
		assert_no_trace(&w, step);
		world_end(&w);
	}
}

static void an_administrator_who_stops_all_waits_for_no_login(void **state)
{
	(void)state;
	for (int step = 0; step < STEPS; step++) {
		struct world w;

		begin_world(&w, step, "");
		struct actor *c = come(&w, step);
		client_close(client_of(c), CLOSE_KILLED);
		world_settle(&w);
		ASSERT_HEARS(c, "E[FATAL 57P01]");
		assert_no_trace(&w, step);
		world_end(&w);
	}
}

/* ---- PAM's verdicts ---- */

static void pam_judges(const char *service, const char *password, const char *expected)
{
	char more[100];
	struct world w;

	snprintf(more, sizeof(more), "auth_pam_service = %s\n", service);
	world_begin(&w, lines_of("pam", more));
	struct actor *c = prover_client(&w, ANNA, password);
	ASSERT_HEARS(c, "");
	collect(&w);
	ASSERT_HEARS(c, expected);
	say(c, "X");
	world_end(&w);
}

static void what_pam_says_counts(void **state)
{
	(void)state;
	pam_judges("right", PASSWORD, GREETING);
	pam_judges("right", "wonderland", "E[FATAL 28P01]");
	pam_judges("expired", PASSWORD, "E[FATAL 28P01]");
	pam_judges("broken", PASSWORD, "E[FATAL 57P03]");
}

/* A query in the same breath as the password waits for the verdict, and no longer. */
static void what_was_said_before_the_verdict_is_served_after_it(void **state)
{
	(void)state;
	for (int has_server = 0; has_server < 2; has_server++) {
		struct world w;

		world_begin(&w, lines_of("pam", "auth_pam_service = right\n"));
		w.answers = true;
		if (has_server) {
			struct actor *first = prover_client(&w, ANNA, PASSWORD);
			collect(&w);
			say(first, "X");
		}
		struct actor *c = prover_connect(&w, ANNA, PASSWORD);
		prover_stop_after(c, 1);
		world_settle(&w);
		say(c, "Q[one]");
		ASSERT_HEARS(c, "");
		collect(&w);
		ASSERT_HEARS(c, GREETING " T D[one] C[SELECT 1] Z[I]");
		world_end(&w);
	}
}

static void a_verdict_on_who_has_just_been_closed_counts_for_nothing(void **state)
{
	static const char *const services[] = {"right", "expired", "broken"};
	char more[100];

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		struct world w;

		snprintf(more, sizeof(more), "auth_pam_service = %s\n", services[i]);
		world_begin(&w, lines_of("pam", more));
		struct actor *c = prover_client(&w, ANNA, PASSWORD);
		client_close(client_of(c), CLOSE_KILLED);
		collect(&w); /* before the end of the turn */
		ASSERT_HEARS(c, "E[FATAL 57P01]");
		world_is_empty(&w);
		world_end(&w);
	}
}

/* The verdict on a guess that was made before the limit was reached. */
static void a_verdict_beyond_the_limit_of_failures_tells_nothing(void **state)
{
	static const char *const guesses[] = {PASSWORD, "wonderland"};
	struct world w;

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		world_begin(&w, lines_of("pam", "auth_pam_service = right\n"
						"auth_failure_limit = 1\n"));
		struct actor *wrong = prover_client(&w, ANNA, "looking glass");
		struct actor *c = prover_connect(&w, ANNA, guesses[i]);
		prover_stop_after(c, 0);
		world_settle(&w);
		collect(&w);
		ASSERT_HEARS(wrong, "E[FATAL 28P01]");
		prover_stop_after(c, 1);
		world_settle(&w);
		ASSERT_HEARS(c, "E[FATAL 28000]");
		world_end(&w);
		/* The same when PAM has both already. */
		world_begin(&w, lines_of("pam", "auth_pam_service = holds\n"
						"auth_threads = 1\n"
						"auth_failure_limit = 1\n"));
		wrong = prover_client(&w, ANNA, "looking glass");
		c = prover_client(&w, ANNA, guesses[i]);
		fake_pam_let_go(2);
		while (heard(c)[0] == '\0')
			collect(&w);
		assert_string_equal(c->told, "E[FATAL 28000]");
		world_end(&w);
	}
}

static void when_all_threads_are_busy_more_are_refused(void **state)
{
	struct world w;

	(void)state;
	world_begin(&w, lines_of("pam", "auth_pam_service = holds\nauth_threads = 1\n"
					"auth_thread_queue = 1\n"));
	struct actor *first = prover_client(&w, ANNA, PASSWORD);
	fake_pam_wait_for(1);
	struct actor *second = prover_client(&w, ANNA, PASSWORD);
	struct actor *third = prover_client(&w, ANNA, PASSWORD);
	ASSERT_HEARS(third, "E[FATAL 53300]");
	fake_pam_let_go(2);
	while (heard(second)[0] == '\0')
		collect(&w);
	assert_true(prover_is_content(first) && prover_is_content(second));
	world_end(&w);
}

/* ---- places ---- */

static void those_who_stall_make_room_for_those_who_go_on(void **state)
{
	struct world w;

	(void)state;
	world_begin(&w, lines_of("scram-sha-256", "max_logins = 2\n"));
	w.answers = true;
	struct actor *session = prover_client(&w, ANNA, PASSWORD);
	ASSERT_HEARS(session, GREETING);
	struct actor *stalled = come(&w, ASKED_FOR_SCRAM);
	struct actor *other = come(&w, IN_ITS_PACKET);
	struct actor *c = prover_client(&w, ANNA, PASSWORD);
	/* It is not even read. */
	assert_int_equal(c->peer.reads, 0);
	assert_int_equal(w.dispatcher.logins.gate.line_len, 1);
	say(session, "S");
	ASSERT_HEARS(session, "Z[I]");
	world_pass(&w, LOGIN_GATE_PATIENCE - 1);
	ASSERT_HEARS(stalled, "");
	ASSERT_HEARS(c, "");
	world_pass(&w, 1);
	ASSERT_HEARS(stalled, "E[FATAL 53300]");
	assert_true(is_gone(stalled));
	ASSERT_HEARS(c, GREETING);
	/* Nobody else waits, so the other may take its time. */
	assert_false(is_gone(other));
	for (int i = 0; i < 3; i++) {
		c = prover_client(&w, ANNA, PASSWORD);
		ASSERT_HEARS(c, GREETING);
	}
	assert_int_equal(w.dispatcher.logins.gate.count, 1);
	world_end(&w);
}

static void who_waits_for_a_server_takes_no_place(void **state)
{
	struct world w;

	(void)state;
	world_begin(&w, lines_of("md5", "max_logins = 1\n"));
	w.accepts = false;
	struct actor *c[4];
	for (int i = 0; i < 4; i++) {
		c[i] = prover_client(&w, ANNA, PASSWORD);
		assert_int_equal(client_of(c[i])->state, CLIENT_WAITING);
	}
	w.accepts = true;
	world_settle(&w);
	for (int i = 0; i < 4; i++)
		ASSERT_HEARS(c[i], GREETING);
	world_end(&w);
}

static void who_waits_for_pam_keeps_nobody_out_and_is_not_displaced(void **state)
{
	struct world w;

	(void)state;
	world_begin(&w, lines_of("pam", "auth_pam_service = holds\nmax_logins = 1\n"));
	struct actor *c = come(&w, WITH_PAM);
	struct actor *other = come(&w, ASKED_FOR_PASSWORD);
	struct actor *third = come(&w, CONNECTED);
	script_write_startup(&third->peer.sent, ANNA);
	world_settle(&w);
	assert_int_equal(w.dispatcher.logins.gate.line_len, 1);
	world_pass(&w, 10 * LOGIN_GATE_PATIENCE);
	assert_true(is_gone(other));
	ASSERT_HEARS(c, "");
	fake_pam_let_go(1);
	collect(&w);
	ASSERT_HEARS(c, GREETING);
	world_end(&w);
}

static void who_goes_from_the_line_leaves_no_trace(void **state)
{
	struct world w;

	(void)state;
	world_begin(&w, lines_of("md5", "max_logins = 1\n"));
	struct actor *stalled = come(&w, ASKED_FOR_DIGEST);
	struct actor *gone = come(&w, CONNECTED);
	script_write_startup(&gone->peer.sent, ANNA);
	world_settle(&w);
	assert_int_equal(w.dispatcher.logins.gate.line_len, 1);
	/* It is not read, so only a limit of time or a broken line ends it. */
	client_close(client_of(gone), CLOSE_KILLED);
	world_settle(&w);
	assert_int_equal(w.dispatcher.logins.gate.line_len, 0);
	leave(stalled);
	assert_no_trace(&w, CONNECTED);
	world_end(&w);
}

static void a_higher_bound_by_reload_lets_in_who_waits(void **state)
{
	struct world w;

	(void)state;
	world_begin(&w, lines_of("md5", "max_logins = 1\n"));
	come(&w, ASKED_FOR_DIGEST);
	struct actor *c = prover_client(&w, ANNA, PASSWORD);
	ASSERT_HEARS(c, "");
	world_reload(&w, lines_of("md5", "max_logins = 2\n"));
	ASSERT_HEARS(c, GREETING);
	world_end(&w);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)
	const struct CMUnitTest tests[] = {
	    TEST(who_hangs_up_leaves_no_trace_wherever_it_was),
	    TEST(who_says_no_more_has_its_time),
	    TEST(an_administrator_who_stops_all_waits_for_no_login),
	    TEST(what_pam_says_counts),
	    TEST(what_was_said_before_the_verdict_is_served_after_it),
	    TEST(a_verdict_on_who_has_just_been_closed_counts_for_nothing),
	    TEST(a_verdict_beyond_the_limit_of_failures_tells_nothing),
	    TEST(when_all_threads_are_busy_more_are_refused),
	    TEST(those_who_stall_make_room_for_those_who_go_on),
	    TEST(who_waits_for_a_server_takes_no_place),
	    TEST(who_waits_for_pam_keeps_nobody_out_and_is_not_displaced),
	    TEST(who_goes_from_the_line_leaves_no_trace),
	    TEST(a_higher_bound_by_reload_lets_in_who_waits),
	};

	return cmocka_run_group_tests_name("logins that end", tests, NULL, NULL);
}
