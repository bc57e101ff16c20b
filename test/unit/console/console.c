/*
 * Conversations with the console.
 */
#include "console/console.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/text.h"
#include "console/command.h"
#include "relay/control.h"
#include "unit/console/ground.h"

/* ---- logging in ---- */

static void a_login_is_greeted_like_by_a_server(void **state)
{
	struct ground *g = *state;
	struct fake_peer *peer = connect_peer(g);

	push_startup(peer, "stats", "pgbouncer");
	settle(g);
	assert_string_equal(letters(peer), "RSSSSSSSSKZ");
	assert_true(has(peer, "15.0 (pooler 9.8.7)"));
	assert_int_equal(peer->writes, 1);
	assert_int_equal(g->dispatcher.console_count, 1);
}

static void who_is_in_neither_list_is_not_let_in(void **state)
{
	struct ground *g = *state;
	struct fake_peer *peer = connect_peer(g);

	push_startup(peer, "alice", "pooler");
	settle(g);
	assert_string_equal(letters(peer), "E");
	assert_true(has(peer, "not allowed"));
	assert_int_equal(g->dispatcher.console_count, 0);
}

/* ---- who may do what ---- */

static const char *const commands[] = {
    "PAUSE",
    "PAUSE app",
    "RESUME",
    "RESUME app",
    "DISABLE app",
    "ENABLE app",
    "RECONNECT",
    "RECONNECT app",
    "WAIT_CLOSE",
    "WAIT_CLOSE app",
    "KILL",
    "KILL app",
    "KILL_CLIENT 1",
    "UNBLOCK",
    "UNBLOCK alice",
    "RELOAD",
    "SET max_queue = 1",
    "SHUTDOWN",
    "SHUTDOWN WAIT_FOR_SERVERS",
    "SHUTDOWN WAIT_FOR_CLIENTS",
};

static const char *const tables[] = {
    "VERSION",   "POOLS",           "PINS",           "CLIENTS",      "SERVERS",
    "DATABASES", "USERS",           "STATS",          "STATS_TOTALS", "STATS_AVERAGES",
    "TOTALS",    "CONFIG",          "STATE",          "LISTS",        "LISTENERS",
    "MEM",       "SOCKETS",         "ACTIVE_SOCKETS", "HBA",          "FAILED_LOGINS",
    "timezone",  "client_encoding", "MEMORY",         "QUEUE",        "REACH",
};

/* So that a new command is not left out below. */
static void all_commands_are_in_the_list(void **state)
{
	bool seen[COMMAND_SHUTDOWN + 1] = {[COMMAND_SHOW] = true};
	struct command command;

	(void)state;
	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
		assert_int_equal(command_parse(slice_of_text(commands[i]), &command),
				 COMMAND_OK);
		seen[command.verb] = true;
	}
	for (size_t verb = 0; verb <= COMMAND_SHUTDOWN; verb++)
		assert_true(seen[verb]);
}

static void all_tables_are_in_the_list(void **state)
{
	size_t found = 0, count = 0;

	(void)state;
	while (show_table_at(count))
		count++;
	for (size_t i = 0; i < sizeof(tables) / sizeof(tables[0]); i++)
		for (size_t k = 0; k < count; k++)
			found += text_equal_nocase(tables[i], show_table_at(k)->name);
	assert_true(count > 0);
	assert_int_equal(found, count);
}

static void nobody_gets_as_far_as_a_command(void **state)
{
	struct ground *g = *state;

	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
		struct fake_peer *peer = connect_peer(g);
		push_startup(peer, "alice", "pooler");
		push_query(peer, commands[i]);
		settle(g);
		assert_string_equal(letters(peer), "E");
		assert_true(has(peer, "FATAL"));
	}
	assert_int_equal(g->reloads + g->sets, 0);
	assert_int_equal(g->shut_down, -1);
	assert_int_equal(g->dispatcher.pools.paused_all, 0);
}

static void a_stats_user_may_not_command(void **state)
{
	struct ground *g = *state;
	struct fake_peer *peer = console_of(g, "stats");

	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
		print_message("# %s\n", commands[i]);
		assert_string_equal(ask(g, peer, commands[i]), "EZ");
		assert_true(has(peer, "admin access needed"));
		assert_true(has(peer, "42501"));
		drop_all(peer);
		push_extended(peer, commands[i]);
		settle(g);
		assert_string_equal(letters(peer), "12nEZ");
		assert_true(has(peer, "42501"));
	}
	assert_int_equal(g->reloads + g->sets, 0);
	assert_int_equal(g->shut_down, -1);
	assert_int_equal(g->dispatcher.pools.paused_all, 0);
	assert_int_equal(g->dispatcher.client_count, 1);
}

static void everybody_on_the_console_may_look(void **state)
{
	struct ground *g = *state;
	struct fake_peer *peer = console_of(g, "stats");
	char command[64];

	begin_work(g);
	for (size_t i = 0; i < sizeof(tables) / sizeof(tables[0]); i++) {
		snprintf(command, sizeof(command), "SHOW %s", tables[i]);
		print_message("# %s\n", command);
		const char *answer = ask(g, peer, command);
		assert_int_equal(answer[0], 'T');
		assert_string_equal(answer + strspn(answer, "TD"), "CZ");
		drop_all(peer);
		push_extended(peer, command);
		settle(g);
		answer = letters(peer);
		assert_memory_equal(answer, "12T", 3);
		assert_string_equal(answer + 3 + strspn(answer + 3, "D"), "CZ");
	}
	assert_string_equal(ask(g, peer, "SHOW HELP"), "NCZ");
	assert_string_equal(ask(g, peer, "SET client_encoding = 'x'"), "NCZ");
	assert_int_equal(g->sets, 0);
}

static void an_admin_may_command(void **state)
{
	struct ground *g = *state;
	struct fake_peer *peer = admin(g);
	static const struct {
		const char *command, *answer, *words;
	} cases[] = {
	    {"RESUME", "EZ", "pooler is not paused/suspended"},
	    {"RESUME app", "EZ", "database app is not paused"},
	    {"PAUSE nowhere", "EZ", "no such database: nowhere"},
	    {"PAUSE pgbouncer", "EZ", "cannot pause admin db: pgbouncer"},
	    {"KILL pooler", "EZ", "cannot kill admin db: pooler"},
	    {"RECONNECT pooler", "EZ", "cannot reconnect admin db: pooler"},
	    {"DISABLE pooler", "EZ", "cannot disable admin db: pooler"},
	    {"WAIT_CLOSE pooler", "EZ", "cannot wait in admin db: pooler"},
	    {"DISABLE", "EZ", "a database is required"},
	    {"PAUSE app", "CZ", "PAUSE"},
	    {"PAUSE app", "CZ", "PAUSE"},
	    {"RESUME app", "CZ", "RESUME"},
	    {"DISABLE app", "CZ", "DISABLE"},
	    {"ENABLE app", "CZ", "ENABLE"},
	    {"RECONNECT", "CZ", "RECONNECT"},
	    {"WAIT_CLOSE", "CZ", "WAIT_CLOSE"},
	    {"PAUSE", "CZ", "PAUSE"},
	    {"PAUSE", "EZ", "already suspended/paused"},
	    {"PAUSE app", "EZ", "already suspended/paused"},
	    {"KILL app", "EZ", "already suspended/paused"},
	    {"RESUME", "CZ", "RESUME"},
	    {"KILL app", "CZ", "KILL"},
	    {"RESUME app", "CZ", "RESUME"},
	    {"KILL", "CZ", "KILL"},
	    {"RESUME", "CZ", "RESUME"},
	    {"KILL_CLIENT", "EZ", "invalid client pointer supplied"},
	    {"KILL_CLIENT 0x7", "EZ", "invalid client pointer supplied"},
	    {"KILL_CLIENT 99999999999", "EZ", "invalid client pointer supplied"},
	    {"KILL_CLIENT 77", "EZ", "client not found"},
	    {"UNBLOCK", "CZ", "UNBLOCK"},
	    {"UNBLOCK nobody", "EZ", "user nobody has no failed logins"},
	    {"RELOAD", "CZ", "RELOAD"},
	    {"SET a = '1 2'", "CZ", "SET a=1 2"},
	    {"SHUTDOWN NOW", "EZ", "use SHOW HELP;"},
	    {"SHUTDOWN WAIT_FOR_CLIENTS", "CZ", "SHUTDOWN"},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		print_message("# %s\n", cases[i].command);
		assert_string_equal(ask(g, peer, cases[i].command), cases[i].answer);
		assert_true(has(peer, cases[i].words));
	}
	assert_int_equal(g->reloads, 1);
	assert_string_equal(g->last_set, "a=1 2");
	assert_int_equal(g->shut_down, SHUTDOWN_WAIT_FOR_CLIENTS);
	/* Nothing is left of databases that nobody uses. */
	assert_null(g->dispatcher.pools.databases.table);
}

static void what_the_program_refuses_is_told_with_its_reason(void **state)
{
	struct ground *g = *state;
	struct fake_peer *peer = admin(g);

	g->refuses = true;
	assert_string_equal(ask(g, peer, "RELOAD"), "EZ");
	assert_true(has(peer, "F0000") && has(peer, "line 3 is bad"));
	assert_string_equal(ask(g, peer, "SET a = b"), "EZ");
	assert_true(has(peer, "SET failed") && has(peer, "no such setting"));
}

/* ---- what is shown ---- */

static void rows_tell_what_is_there(void **state)
{
	struct ground *g = *state;
	struct fake_peer *peer = admin(g);

	begin_work(g);
	assert_string_equal(ask(g, peer, "SHOW POOLS"), "TDDCZ");
	assert_true(has(peer, "alice"));
	assert_string_equal(ask(g, peer, "SHOW DATABASES"), "TDDDCZ");
	assert_true(has(peer, "elsewhere") && has(peer, "carol"));
	assert_string_equal(ask(g, peer, "SHOW USERS"), "TDDDDCZ");
	assert_true(has(peer, "        4")); /* nine wide */
	assert_string_equal(ask(g, peer, "SHOW VERSION"), "TDCZ");
	assert_true(has(peer, "pooler 9.8.7"));
	assert_string_equal(ask(g, peer, "SHOW CLIENTS"), "TDCZ");
	assert_true(has(peer, "2026-01-31 1") && has(peer, " UTC"));
	assert_string_equal(ask(g, peer, "SHOW STATE"), "TDDDCZ");
	assert_string_equal(ask(g, peer, "SHOW timezone"), "TDCZ");
	assert_true(has(peer, "GMT"));
	assert_string_equal(ask(g, peer, "SHOW STATS"), "TDDCZ");
}

static void bad_commands_are_answered_with_a_hint(void **state)
{
	struct ground *g = *state;
	struct fake_peer *peer = admin(g);

	assert_string_equal(ask(g, peer, "SHOW POOL"), "EZ");
	assert_true(has(peer, "invalid command 'SHOW POOL', use SHOW HELP;"));
	assert_true(has(peer, "Perhaps you meant SHOW POOLS."));
	assert_true(has(peer, "42601"));
	assert_string_equal(ask(g, peer, "PAUZE app"), "EZ");
	assert_true(has(peer, "Perhaps you meant PAUSE."));
	assert_string_equal(ask(g, peer, ""), "IZ");
	assert_string_equal(ask(g, peer, " ; "), "IZ");
}

/* ---- waiting ---- */

static void pause_is_answered_when_the_work_is_done(void **state)
{
	struct ground *g = *state;
	struct fake_peer *peer = admin(g), *other = admin(g);

	begin_work(g);
	assert_string_equal(ask(g, peer, "PAUSE"), "");
	push_query(peer, "SHOW STATE");
	settle(g);
	assert_string_equal(letters(peer), "");
	assert_string_equal(ask(g, other, "SHOW STATE"), "TDDDCZ");
	finish_work(g);
	settle(g);
	assert_string_equal(letters(peer), "CZTDDDCZ");
	assert_false(g->dispatcher.is_progress_watched);
	assert_int_equal(g->dispatcher.pools.paused_all, 1);
}

static void pause_of_a_database_waits_for_that_one(void **state)
{
	struct ground *g = *state;
	struct fake_peer *peer = admin(g);

	begin_work(g);
	assert_string_equal(ask(g, peer, "PAUSE other"), "CZ");
	assert_string_equal(ask(g, peer, "PAUSE app"), "");
	finish_work(g);
	settle(g);
	assert_string_equal(letters(peer), "CZ");
}

static void cancel(struct ground *g, struct fake_peer *peer)
{
	struct client *c = client_of(peer);

	g->dispatcher.console.on_cancel(c);
	settle(g);
}

static void a_cancelled_pause_resumes(void **state)
{
	struct ground *g = *state;
	struct fake_peer *peer = admin(g);

	begin_work(g);
	assert_string_equal(ask(g, peer, "PAUSE app"), "");
	assert_true(g->pool->database_usage->gate.is_paused);
	cancel(g, peer);
	assert_string_equal(letters(peer), "EZ");
	assert_true(has(peer, "57014"));
	assert_false(g->pool->database_usage->gate.is_paused);
	cancel(g, peer); /* nothing to cancel: harmless */
	assert_string_equal(letters(peer), "EZ");
	assert_string_equal(ask(g, peer, "SHOW VERSION"), "TDCZ");
}

static void a_cancelled_pause_leaves_alone_what_others_paused(void **state)
{
	struct ground *g = *state;
	struct fake_peer *peer = admin(g), *other = admin(g);

	begin_work(g);
	assert_string_equal(ask(g, other, "PAUSE app"), "");
	assert_string_equal(ask(g, peer, "PAUSE app"), "");
	cancel(g, peer);
	assert_true(g->pool->database_usage->gate.is_paused);
	finish_work(g);
	settle(g);
	assert_string_equal(letters(other), "CZ");
}

static void who_leaves_while_pausing_resumes(void **state)
{
	struct ground *g = *state;
	struct fake_peer *peer = admin(g);

	begin_work(g);
	assert_string_equal(ask(g, peer, "PAUSE"), "");
	peer->has_closed = true;
	settle(g);
	assert_int_equal(g->dispatcher.pools.paused_all, 0);
	assert_int_equal(g->dispatcher.console_count, 0);
	assert_true(TAILQ_EMPTY(&g->service.waiting));
}

static void resume_by_another_ends_a_waiting_pause(void **state)
{
	struct ground *g = *state;
	struct fake_peer *peer = admin(g), *other = admin(g);

	begin_work(g);
	assert_string_equal(ask(g, peer, "PAUSE"), "");
	assert_string_equal(ask(g, other, "RESUME"), "CZ");
	settle(g);
	assert_string_equal(letters(peer), "EZ");
	assert_int_equal(g->dispatcher.pools.paused_all, 0);
}

static void wait_close_waits_for_retired_servers(void **state)
{
	struct ground *g = *state;
	struct fake_peer *peer = admin(g);
	struct server s = {.dispatcher = &g->dispatcher};

	begin_work(g);
	s.slot.pool = g->pool;
	s.slot.retire = true;
	TAILQ_INSERT_TAIL(&g->dispatcher.servers, &s, place);
	assert_string_equal(ask(g, peer, "WAIT_CLOSE other"), "CZ");
	assert_string_equal(ask(g, peer, "WAIT_CLOSE app"), "");
	TAILQ_REMOVE(&g->dispatcher.servers, &s, place);
	finish_work(g);
	settle(g);
	assert_string_equal(letters(peer), "CZ");
}

static void progress_is_passed_on_only_when_wanted(void **state)
{
	struct ground *g = *state;

	finish_work(g);
	assert_int_equal(g->progress, 0);
	console_watch_for_app(&g->service, true);
	finish_work(g);
	assert_true(g->progress > 0);
	console_watch_for_app(&g->service, false);
	assert_false(g->dispatcher.is_progress_watched);
}

/* ---- killing ---- */

static void kill_client_ends_that_client(void **state)
{
	struct ground *g = *state;
	struct fake_peer *peer = admin(g), *victim = console_of(g, "stats");
	char command[64];

	snprintf(command, sizeof(command), "KILL_CLIENT %llu",
		 (unsigned long long)client_of(victim)->id);
	assert_string_equal(ask(g, peer, command), "CZ");
	assert_string_equal(letters(victim), "E");
	assert_true(has(victim, "admin forced disconnect"));
	assert_int_equal(g->dispatcher.client_count, 1);
}

static void one_may_kill_oneself(void **state)
{
	struct ground *g = *state;
	struct fake_peer *peer = admin(g);
	char command[64];

	snprintf(command, sizeof(command), "KILL_CLIENT %llu",
		 (unsigned long long)client_of(peer)->id);
	assert_string_equal(ask(g, peer, command), "CZE");
	assert_int_equal(g->dispatcher.client_count, 0);
}

/* ---- long results ---- */

enum { MANY = 2000, ID_COLUMN = 20 };

static void add_clients(struct ground *g, size_t count)
{
	size_t first = g->peer_count;

	for (size_t i = 0; i < count; i++)
		push_startup(connect_peer(g), "stats", "pooler");
	settle(g);
	for (size_t i = first; i < g->peer_count; i++)
		drop_all(g->peers[i]);
}

static void a_slow_reader_makes_for_small_queues(void **state)
{
	struct ground *g = *state;
	struct fake_peer *peer = admin(g), *other = admin(g);

	add_clients(g, MANY);
	peer->room = 1000;
	push_query(peer, "SHOW CLIENTS");
	settle(g);
	size_t queued = buffer_len(&peer->stream->out);
	assert_true(queued > SESSION_QUEUE_MOST / 2);
	assert_true(queued < 2 * SESSION_QUEUE_MOST);
	assert_string_equal(ask(g, other, "SHOW VERSION"), "TDCZ");
	read_on(g, peer, 50000);
	assert_int_equal(count_letter(peer, 'D'), MANY + 2);
	assert_int_equal(count_letter(peer, 'C'), 1);
}

static void a_quick_reader_gets_slices_in_many_turns(void **state)
{
	struct ground *g = *state;
	struct fake_peer *peer = admin(g);

	add_clients(g, MANY);
	unsigned writes = peer->writes;
	push_query(peer, "SHOW CLIENTS");
	fake_peer_poke(peer);
	loop_turn(&g->loop, g->loop.now_us);
	assert_true(fake_peer_received(peer).len < 2 * SESSION_QUEUE_MOST);
	assert_true(count_letter(peer, 'D') < MANY);
	read_on(g, peer, SIZE_MAX);
	assert_int_equal(count_letter(peer, 'D'), MANY + 1);
	assert_true(peer->writes - writes > 2);
}

/* Ids in the rows, as they come: each of those that stay exactly once. */
static void clients_may_come_and_go_while_they_are_shown(void **state)
{
	struct ground *g = *state;
	struct fake_peer *peer = admin(g);
	uint64_t last = 0;
	size_t rows = 0, kept = 0;

	add_clients(g, MANY);
	peer->room = 0;
	push_query(peer, "SHOW CLIENTS");
	settle(g);
	/* Every second client leaves, among them the one that was shown last, and new
	 * ones come. */
	for (size_t i = 1; i < g->peer_count; i++)
		if (i % 2 == 1)
			g->peers[i]->has_closed = true;
	for (size_t i = 0; i < g->peer_count; i++)
		if (g->peers[i] != peer)
			fake_peer_poke(g->peers[i]);
	loop_turn(&g->loop, g->loop.now_us + 1);
	add_clients(g, 100);
	read_on(g, peer, 70000);

	struct slice rest = fake_peer_received(peer);
	char id[16];
	while (next_row(&rest, ID_COLUMN, id, sizeof(id))) {
		uint64_t value = strtoull(id, NULL, 10);
		assert_true(value > last);
		last = value;
		rows++;
		kept += value % 2; /* the admin is 1, those that stay are odd */
	}
	assert_int_equal(kept, 1 + MANY / 2 + 50);
	assert_true(rows < MANY);
}

static void a_cancelled_result_ends(void **state)
{
	struct ground *g = *state;
	struct fake_peer *peer = admin(g);

	add_clients(g, MANY);
	peer->room = 0;
	push_query(peer, "SHOW CLIENTS");
	settle(g);
	cancel(g, peer);
	read_on(g, peer, SIZE_MAX);
	assert_int_equal(count_letter(peer, 'E'), 1);
	assert_true(count_letter(peer, 'D') < MANY);
	assert_string_equal(ask(g, peer, "SHOW VERSION"), "TDCZ");
}

static void who_leaves_in_the_middle_leaves_nothing(void **state)
{
	struct ground *g = *state;
	struct fake_peer *peer = admin(g);

	add_clients(g, MANY);
	peer->room = 0;
	push_query(peer, "SHOW CLIENTS");
	settle(g);
	peer->write_error = 104;
	peer->room = SIZE_MAX;
	settle(g);
	assert_int_equal(g->dispatcher.console_count, MANY);
}

/* Answers do not pile up for who asks without reading. */
static void many_questions_wait_until_answers_are_read(void **state)
{
	static const char *const questions[] = {"SHOW CONFIG", "SHOW HELP", "nonsense"};
	enum { TIMES = 500 };
	struct ground *g = *state;

	for (size_t q = 0; q < sizeof(questions) / sizeof(questions[0]); q++) {
		struct fake_peer *peer = admin(g);

		peer->room = 0;
		for (int i = 0; i < TIMES; i++)
			push_query(peer, questions[q]);
		settle(g);
		assert_true(buffer_len(&peer->stream->out) < 2 * SESSION_QUEUE_MOST);
		peer->room = SIZE_MAX;
		for (int i = 0; i < TIMES; i++)
			settle(g);
		assert_int_equal(count_letter(peer, 'Z'), TIMES);
	}
}

/* Between its end and the end of the turn a client is in another list. */
static void a_client_that_is_closing_is_no_landmark(void **state)
{
	struct ground *g = *state;
	struct fake_peer *peer = admin(g);

	add_clients(g, MANY);
	peer->room = 0;
	push_query(peer, "SHOW CLIENTS");
	settle(g);
	uint64_t last = client_of(peer)->console->show.clients.last_id;
	for (size_t i = 0; i < g->peer_count; i++)
		if (client_of(g->peers[i])->id == last)
			client_close(client_of(g->peers[i]), CLOSE_TERMINATE);
	peer->room = SIZE_MAX;
	fake_peer_poke(peer);
	loop_turn(&g->loop, g->loop.now_us + 1);
	read_on(g, peer, SIZE_MAX);
	assert_int_equal(count_letter(peer, 'D'), MANY + 1);
}

/* ---- the extended protocol ---- */

static void commands_are_prepared_bound_and_executed(void **state)
{
	struct ground *g = *state;
	struct fake_peer *peer = admin(g);

	PUSH(peer, 'P', "s1\0SHOW STATE\0\0\0");
	PUSH(peer, 'D', "Ss1\0");
	PUSH(peer, 'H', "");
	settle(g);
	assert_string_equal(letters(peer), "1tT");
	drop_all(peer);
	for (int i = 0; i < 2; i++) {
		PUSH(peer, 'B', "\0s1\0\0\0\0\0\0\0");
		PUSH(peer, 'E', "\0\0\0\0\0");
		PUSH(peer, 'S', "");
	}
	PUSH(peer, 'C', "Ss1\0");
	PUSH(peer, 'B', "\0s1\0\0\0\0\0\0\0");
	PUSH(peer, 'E', "\0\0\0\0\0");
	PUSH(peer, 'S', "");
	settle(g);
	assert_string_equal(letters(peer), "2DDDCZ2DDDCZ3EZ");
	assert_true(has(peer, "26000"));
}

static void errors_skip_to_sync(void **state)
{
	struct ground *g = *state;
	struct fake_peer *peer = admin(g);

	PUSH(peer, 'P', "\0SHOW NONSENSE\0\0\0");
	PUSH(peer, 'B', "\0\0\0\0\0\0\0\0");
	PUSH(peer, 'E', "\0\0\0\0\0");
	push_query(peer, "SHOW STATE");
	PUSH(peer, 'S', "");
	push_query(peer, "SHOW STATE");
	settle(g);
	assert_string_equal(letters(peer), "EZTDDDCZ");
}

static void a_portal_gives_as_many_rows_as_asked_for(void **state)
{
	struct ground *g = *state;
	struct fake_peer *peer = admin(g);

	PUSH(peer, 'P', "\0SHOW LISTS\0\0\0");
	PUSH(peer, 'B', "p\0\0\0\0\0\0\0\0");
	PUSH(peer, 'E', "p\0\0\0\0\5");
	PUSH(peer, 'E', "p\0\0\0\0\5");
	PUSH(peer, 'E', "p\0\0\0\0\0");
	PUSH(peer, 'E', "p\0\0\0\0\0");
	PUSH(peer, 'S', "");
	PUSH(peer, 'E', "p\0\0\0\0\0");
	PUSH(peer, 'S', "");
	settle(g);
	assert_string_equal(letters(peer), "12DDDDDsDDDDDsDDDDDDDDDDDDDDDDDCCZEZ");
	assert_true(has(peer, "34000"));
}

static void what_has_no_meaning_here_is_refused(void **state)
{
	struct ground *g = *state;
	static const struct {
		char letter;
		const char *body;
		size_t len;
		const char *answer;
	} cases[] = {
	    {'P', "\0SHOW STATE\0\0\1\0\0\0\x17", 18, "E"}, /* a parameter's type */
	    {'B', "\0nothing\0\0\0\0\0\0\0", 15, "E"},      /* no such statement */
	    {'B', "\0\0\0\0\0\1\0\0\0\1x\0\0", 13, "E"},    /* a parameter */
	    {'D', "Pnothing\0", 9, "E"},
	    {'D', "Snothing\0", 9, "E"},
	    {'E', "nothing\0\0\0\0\0", 12, "E"},
	    {'C', "Snothing\0", 9, "3"},
	    {'F', "\0\0\0\1\0\0\0\0\0\0", 10, "EZ"},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct fake_peer *peer = admin(g);
		push_message(peer, cases[i].letter, cases[i].body, cases[i].len);
		settle(g);
		assert_string_equal(letters(peer), cases[i].answer);
		drop_all(peer);
		PUSH(peer, 'S', "");
		settle(g);
		assert_string_equal(letters(peer), "Z");
		assert_string_equal(ask(g, peer, "SHOW VERSION"), "TDCZ");
	}
}

static void an_empty_command_is_empty_here_too(void **state)
{
	struct ground *g = *state;
	struct fake_peer *peer = admin(g);

	push_extended(peer, "");
	settle(g);
	assert_string_equal(letters(peer), "12nIZ");
}

/* ---- bytes ---- */

static void push_conversation(struct fake_peer *peer)
{
	push_query(peer, "SHOW STATE");
	PUSH(peer, 'P', "s\0show version\0\0\0");
	PUSH(peer, 'B', "\0s\0\0\0\0\0\0\1\0\1");
	PUSH(peer, 'E', "\0\0\0\0\0");
	PUSH(peer, 'C', "Ss\0");
	PUSH(peer, 'S', "");
	push_query(peer, "nonsense");
	push_query(peer, "RELOAD");
}

static void a_conversation_may_be_cut_anywhere(void **state)
{
	struct ground *g = *state;

	for (size_t cut = 1; cut < 150; cut++) {
		struct fake_peer *peer = admin(g);
		struct buffer rest = {0};

		push_conversation(peer);
		struct slice all = buffer_bytes(&peer->sent);
		if (cut >= all.len) {
			peer->has_closed = true;
			settle(g);
			return;
		}
		assert_true(buffer_append(&rest, slice_after(all, cut)));
		buffer_truncate(&peer->sent, cut);
		settle(g);
		fake_peer_push(peer, buffer_bytes(&rest));
		settle(g);
		assert_string_equal(letters(peer), "TDDDCZ12DC3ZEZCZ");
		buffer_fini(&rest);
		drop_all(peer);
		PUSH(peer, 'X', "");
		settle(g);
	}
	fail_msg("the conversation is longer than was thought");
}

static void a_conversation_may_come_byte_by_byte(void **state)
{
	struct ground *g = *state;
	struct fake_peer *peer = admin(g);

	peer->read_most = peer->write_most = 1;
	push_conversation(peer);
	settle(g);
	assert_string_equal(letters(peer), "TDDDCZ12DC3ZEZCZ");
}

static void malformed_messages_end_their_connection(void **state)
{
	struct ground *g = *state;
	static const struct {
		const char *bytes;
		size_t len;
	} cases[] = {
	    {"Q\0\0\0\1", 5},         /* shorter than itself */
	    {"Q\x7f\xff\xff\xff", 5}, /* longer than anything */
	    {"Q\0\0\0\4", 5},         /* no NUL */
	    {"Q\0\0\0\6ab", 7},       /* no NUL */
	    {"Q\0\0\0\x8"
	     "a\0b\0",
	     9},                          /* two of them */
	    {"!\0\0\0\4", 5},             /* no such message */
	    {"p\0\0\0\5\0", 6},           /* the login is over */
	    {"P\0\0\0\6\0\0", 7},         /* without its types */
	    {"P\0\0\0\x9\0\0\0\1\0", 10}, /* one type, cut */
	    {"B\0\0\0\5\0", 6},
	    {"D\0\0\0\6X\0", 7},
	    {"C\0\0\0\5S", 6},
	    {"E\0\0\0\5\0", 6},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct fake_peer *peer = admin(g);
		fake_peer_push(peer, slice_of(cases[i].bytes, cases[i].len));
		settle(g);
		assert_string_equal(letters(peer), "E");
		assert_true(has(peer, "08P01") && has(peer, "FATAL"));
		assert_int_equal(g->dispatcher.client_count, 0);
	}
}

static void an_overlong_command_is_an_error_and_passed_over(void **state)
{
	struct ground *g = *state;
	struct fake_peer *peer = admin(g);
	enum { LEN = 60000 };
	char *text = malloc(LEN);

	memset(text, 'x', LEN);
	text[LEN - 1] = '\0';
	push_message(peer, 'Q', text, LEN);
	push_query(peer, "SHOW VERSION");
	settle(g);
	assert_string_equal(letters(peer), "EZTDCZ");
	free(text);
}

/* Sanitizers watch; nobody else is harmed. */
static void random_bytes_do_no_harm(void **state)
{
	static const char letters_sent[] = "QPBDECSHFdcf";
	struct ground *g = *state;
	struct fake_peer *witness = console_of(g, "stats");

	srandom(7);
	for (int round = 0; round < 300; round++) {
		struct fake_peer *peer = console_of(g, "stats");
		for (int i = 0; i < 8; i++) {
			uint8_t body[40];
			size_t len = (size_t)random() % sizeof(body);
			for (size_t k = 0; k < len; k++)
				body[k] = random() % 3 ? (uint8_t)random() : 0;
			push_message(peer, letters_sent[random() % 12], body, len);
		}
		peer->has_closed = true;
		settle(g);
	}
	assert_string_equal(ask(g, witness, "SHOW VERSION"), "TDCZ");
	assert_int_equal(g->dispatcher.client_count, 1);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, ground_begin, ground_end)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    CASE(a_login_is_greeted_like_by_a_server),
	    CASE(who_is_in_neither_list_is_not_let_in),
	    CASE(all_commands_are_in_the_list),
	    CASE(all_tables_are_in_the_list),
	    CASE(nobody_gets_as_far_as_a_command),
	    CASE(a_stats_user_may_not_command),
	    CASE(everybody_on_the_console_may_look),
	    CASE(an_admin_may_command),
	    CASE(what_the_program_refuses_is_told_with_its_reason),
	    CASE(rows_tell_what_is_there),
	    CASE(bad_commands_are_answered_with_a_hint),
	    CASE(pause_is_answered_when_the_work_is_done),
	    CASE(pause_of_a_database_waits_for_that_one),
	    CASE(a_cancelled_pause_resumes),
	    CASE(a_cancelled_pause_leaves_alone_what_others_paused),
	    CASE(who_leaves_while_pausing_resumes),
	    CASE(resume_by_another_ends_a_waiting_pause),
	    CASE(wait_close_waits_for_retired_servers),
	    CASE(progress_is_passed_on_only_when_wanted),
	    CASE(kill_client_ends_that_client),
	    CASE(one_may_kill_oneself),
	    CASE(a_slow_reader_makes_for_small_queues),
	    CASE(a_quick_reader_gets_slices_in_many_turns),
	    CASE(clients_may_come_and_go_while_they_are_shown),
	    CASE(a_cancelled_result_ends),
	    CASE(who_leaves_in_the_middle_leaves_nothing),
	    CASE(a_client_that_is_closing_is_no_landmark),
	    CASE(many_questions_wait_until_answers_are_read),
	    CASE(commands_are_prepared_bound_and_executed),
	    CASE(errors_skip_to_sync),
	    CASE(a_portal_gives_as_many_rows_as_asked_for),
	    CASE(what_has_no_meaning_here_is_refused),
	    CASE(an_empty_command_is_empty_here_too),
	    CASE(a_conversation_may_be_cut_anywhere),
	    CASE(a_conversation_may_come_byte_by_byte),
	    CASE(malformed_messages_end_their_connection),
	    CASE(an_overlong_command_is_an_error_and_passed_over),
	    CASE(random_bytes_do_no_harm),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
