/* One question to a server in the same loop, by way of the real libpq. */
#include "net/sqlclient.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "harness/fake_dns.h"
#include "harness/fake_sql.h"
#include "harness/real_loop.h"

static const struct fake_name names[] = {
    {"pg.test", {"127.0.0.1"}},
    {"second.test", {"127.0.0.2", "127.0.0.1"}},
    {0},
};

static const struct fake_sql_row rows[] = {
    {"alice", {"alice", "s3cret", "", "d"}},
    {"nobody's", {NULL, NULL, NULL, NULL}},
    {"twins", {"twins", "a"}},
    {"twins", {"twins", "b"}},
    {0},
};

struct stage {
	struct loop loop;
	struct fake_dns dns;
	struct fake_sql server;
	struct resolver *resolver;
	struct sqlclient_target target;
	struct sqlclient client;
	const char *asked_next; /* in the next answer */
	/* The last answer. */
	unsigned answers;
	enum sqlclient_outcome outcome;
	char first[64], second[64];
	bool is_second_null;
	char problem[SQLCLIENT_PROBLEM_LEN];
};

static int open_stage(void **state)
{
	struct stage *s = calloc(1, sizeof(*s));
	const char *problem;

	if (!s || loop_init(&s->loop) != 0)
		return -1;
	fake_dns_start(&s->dns, &s->loop, names);
	fake_sql_start(&s->server, &s->loop, NULL, rows);
	s->resolver = resolver_create(&s->loop, &problem);
	if (!s->resolver || resolver_set_servers(s->resolver, s->dns.servers) != 0)
		return -1;
	s->target = (struct sqlclient_target){.host = "127.0.0.1",
					      .port = s->server.port,
					      .dbname = "app",
					      .user = "asker",
					      .sslmode = "disable",
					      .application_name = "test",
					      .connect_timeout_us = 10 * USEC_PER_SEC,
					      .query_timeout_us = 10 * USEC_PER_SEC};
	if (!sqlclient_init(&s->client, &s->loop, s->resolver, &s->target))
		return -1;
	*state = s;
	return 0;
}

static int close_stage(void **state)
{
	struct stage *s = *state;

	sqlclient_fini(&s->client);
	resolver_destroy(s->resolver);
	fake_sql_stop(&s->server);
	fake_dns_stop(&s->dns);
	int rc = s->loop.deadline_count == 0 ? 0 : -1;
	loop_fini(&s->loop);
	free(s);
	return rc;
}

static void on_answer(struct sqlclient *client, const struct sqlclient_answer *answer);

static void ask(struct stage *s, const char *parameter)
{
	const struct sqlclient_question question = {
	    .query = "select name, secret from who where name = $1",
	    .parameter = parameter,
	    .columns = 2};

	sqlclient_ask(&s->client, &question, on_answer);
}

static void copy(char *out, size_t cap, const struct sqlclient_field *field)
{
	snprintf(out, cap, "%.*s", (int)field->text.len, (const char *)field->text.data);
}

static void on_answer(struct sqlclient *client, const struct sqlclient_answer *answer)
{
	struct stage *s =
	    (struct stage *)(void *)((char *)client - offsetof(struct stage, client));
	bool is_fine =
	    answer->outcome == SQLCLIENT_ROW || answer->outcome == SQLCLIENT_NO_ROW;

	s->answers++;
	s->outcome = answer->outcome;
	assert_true(is_fine == !answer->problem);
	snprintf(s->problem, sizeof(s->problem), "%s",
		 answer->problem ? answer->problem : "");
	assert_null(strchr(s->problem, '\n'));
	s->first[0] = s->second[0] = '\0';
	if (answer->outcome == SQLCLIENT_ROW) {
		copy(s->first, sizeof(s->first), &answer->fields[0]);
		copy(s->second, sizeof(s->second), &answer->fields[1]);
		s->is_second_null = answer->fields[1].is_null;
	}
	loop_stop(&s->loop);
	if (s->asked_next) {
		const char *next = s->asked_next;

		s->asked_next = NULL;
		ask(s, next);
	}
}

static void await(struct stage *s)
{
	unsigned before = s->answers;

	assert_true(real_loop_run(&s->loop, 5000));
	assert_int_equal(s->answers, before + 1);
}

static void ask_and_await(struct stage *s, const char *parameter)
{
	ask(s, parameter);
	await(s);
}

/* ---- answers ---- */

static void a_row_is_told(void **state)
{
	struct stage *s = *state;

	ask(s, "alice");
	assert_int_equal(s->answers, 0);
	await(s);
	assert_int_equal(s->outcome, SQLCLIENT_ROW);
	assert_string_equal(s->first, "alice");
	assert_string_equal(s->second, "s3cret");
	assert_false(s->is_second_null);
	assert_string_equal(s->server.query,
			    "select name, secret from who where name = $1");
	assert_true(sqlclient_is_open(&s->client));
}

static void no_row_is_told(void **state)
{
	struct stage *s = *state;

	ask_and_await(s, "mallory");
	assert_int_equal(s->outcome, SQLCLIENT_NO_ROW);
}

static void null_is_not_the_empty_text(void **state)
{
	struct stage *s = *state;

	ask_and_await(s, "nobody's");
	assert_int_equal(s->outcome, SQLCLIENT_ROW);
	assert_true(s->is_second_null);
}

static void an_answer_may_come_byte_by_byte(void **state)
{
	struct stage *s = *state;

	s->server.dribbles = true;
	ask_and_await(s, "alice");
	assert_string_equal(s->second, "s3cret");
	ask_and_await(s, "twins");
	assert_int_equal(s->outcome, SQLCLIENT_MISSHAPEN);
	s->server.manner = FAKE_SQL_ERROR;
	ask_and_await(s, "alice");
	assert_int_equal(s->outcome, SQLCLIENT_REFUSED);
}

static void a_second_row_is_not_waited_for(void **state)
{
	struct stage *s = *state;

	ask_and_await(s, "twins");
	assert_int_equal(s->outcome, SQLCLIENT_MISSHAPEN);
	assert_string_equal(s->problem, "the query returned more than one row");
	assert_false(sqlclient_is_open(&s->client));
	ask_and_await(s, "alice");
	assert_int_equal(s->outcome, SQLCLIENT_ROW);
}

static void other_columns_are_refused_with_and_without_rows(void **state)
{
	static const char *const parameters[] = {"alice", "mallory"};
	static const struct {
		int columns;
		const char *problem;
	} cases[] = {
	    {0, "the query returned 0 columns instead of 2"},
	    {1, "the query returned 1 column instead of 2"},
	    {3, "the query returned 3 columns instead of 2"},
	};
	struct stage *s = *state;

	for (int i = 0; i < 6; i++) {
		s->server.columns = cases[i / 2].columns;
		ask_and_await(s, parameters[i % 2]);
		assert_int_equal(s->outcome, SQLCLIENT_MISSHAPEN);
		assert_string_equal(s->problem, cases[i / 2].problem);
	}
	assert_int_equal(s->server.connections, 1);
}

static void an_error_is_told_in_one_line_and_the_connection_stays(void **state)
{
	struct stage *s = *state;

	s->server.manner = FAKE_SQL_ERROR;
	ask_and_await(s, "alice");
	assert_int_equal(s->outcome, SQLCLIENT_REFUSED);
	assert_string_equal(s->problem, "no; such luck (XX001)");
	s->server.manner = FAKE_SQL_ANSWER;
	ask_and_await(s, "alice");
	assert_int_equal(s->outcome, SQLCLIENT_ROW);
	assert_int_equal(s->server.connections, 1);
}

static void what_is_no_query_ends_the_connection(void **state)
{
	struct stage *s = *state;

	s->server.manner = FAKE_SQL_COPY;
	ask_and_await(s, "alice");
	assert_int_equal(s->outcome, SQLCLIENT_MISSHAPEN);
	assert_false(sqlclient_is_open(&s->client));
}

static void a_server_that_ends_or_babbles_is_lost(void **state)
{
	static const enum fake_sql_manner manners[] = {FAKE_SQL_FATAL, FAKE_SQL_GARBAGE,
						       FAKE_SQL_END};
	struct stage *s = *state;

	for (int i = 0; i < 3; i++) {
		s->server.manner = manners[i];
		ask_and_await(s, "alice");
		assert_int_equal(s->outcome, SQLCLIENT_LOST);
		assert_false(sqlclient_is_open(&s->client));
		assert_string_not_equal(s->problem, "");
		if (manners[i] == FAKE_SQL_FATAL)
			assert_string_equal(s->problem, "going home (57P01)");
	}
}

static void an_answer_that_takes_too_long_is_lost(void **state)
{
	struct stage *s = *state;

	s->target.query_timeout_us = 30000;
	s->server.manner = FAKE_SQL_NOTHING;
	ask_and_await(s, "alice");
	assert_int_equal(s->outcome, SQLCLIENT_LOST);
	assert_string_equal(s->problem, "the query took too long");
	assert_false(sqlclient_is_open(&s->client));
	/* Not even when the connection was kept is it asked twice. */
	s->server.manner = FAKE_SQL_ANSWER;
	ask_and_await(s, "alice");
	s->server.manner = FAKE_SQL_NOTHING;
	unsigned connections = s->server.connections;
	ask_and_await(s, "alice");
	assert_int_equal(s->outcome, SQLCLIENT_LOST);
	assert_int_equal(s->server.connections, connections);
}

/* ---- keeping ---- */

static void a_connection_is_kept(void **state)
{
	struct stage *s = *state;

	for (int i = 0; i < 3; i++)
		ask_and_await(s, "alice");
	assert_int_equal(s->server.connections, 1);
	assert_int_equal(s->server.questions, 3);
}

static void it_may_be_asked_again_in_an_answer(void **state)
{
	struct stage *s = *state;

	s->asked_next = "mallory";
	ask_and_await(s, "alice");
	await(s);
	assert_int_equal(s->outcome, SQLCLIENT_NO_ROW);
	assert_int_equal(s->server.connections, 1);
}

static void a_kept_connection_that_is_dead_is_made_anew(void **state)
{
	struct stage *s = *state;

	ask_and_await(s, "alice");
	fake_sql_kill(&s->server);
	ask_and_await(s, "alice"); /* no turn in between: only the answer tells */
	assert_int_equal(s->outcome, SQLCLIENT_ROW);
	assert_int_equal(s->server.connections, 2);
}

static void a_server_that_leaves_meanwhile_is_noticed(void **state)
{
	struct stage *s = *state;

	ask_and_await(s, "alice");
	fake_sql_kill(&s->server);
	real_loop_run(&s->loop, 10);
	assert_false(sqlclient_is_open(&s->client));
	ask_and_await(s, "alice");
	assert_int_equal(s->outcome, SQLCLIENT_ROW);
}

static void a_question_is_put_anew_only_once(void **state)
{
	struct stage *s = *state;

	ask_and_await(s, "alice");
	s->server.manner = FAKE_SQL_END;
	ask_and_await(s, "alice");
	assert_int_equal(s->outcome, SQLCLIENT_LOST);
	assert_int_equal(s->server.connections, 2);
	assert_int_equal(s->server.questions, 3);
}

/* ---- connecting ---- */

static void a_server_that_does_not_let_in_is_unreached(void **state)
{
	static const struct {
		enum fake_sql_greeting greeting;
		const char *has;
	} cases[] = {
	    {FAKE_SQL_ASK_PASSWORD, "no password supplied"},
	    {FAKE_SQL_REFUSE, "going home"},
	    {FAKE_SQL_GREET_GARBAGE, "expected authentication request from server"},
	    {FAKE_SQL_GREET_END, "server closed the connection unexpectedly"},
	};
	struct stage *s = *state;

	for (int i = 0; i < 4; i++) {
		s->server.greeting = cases[i].greeting;
		ask_and_await(s, "alice");
		assert_int_equal(s->outcome, SQLCLIENT_UNREACHED);
		assert_non_null(strstr(s->problem, cases[i].has));
		assert_int_equal(s->client.state, SQLCLIENT_CLOSED);
	}
}

static void a_server_that_says_nothing_is_not_waited_for(void **state)
{
	struct stage *s = *state;

	s->target.connect_timeout_us = 30000;
	s->server.greeting = FAKE_SQL_GREET_NOTHING;
	ask_and_await(s, "alice");
	assert_int_equal(s->outcome, SQLCLIENT_UNREACHED);
	assert_non_null(strstr(s->problem, "timed out"));
}

static void nobody_at_the_port_is_unreached(void **state)
{
	struct stage *s = *state;

	fake_sql_stop(&s->server);
	ask_and_await(s, "alice");
	assert_int_equal(s->outcome, SQLCLIENT_UNREACHED);
	assert_non_null(strstr(s->problem, "Connection refused"));
	fake_sql_start(&s->server, &s->loop, NULL, rows);
}

static void a_password_is_given_and_never_told(void **state)
{
	struct stage *s = *state;

	s->target.password = "open sesame";
	s->server.greeting = FAKE_SQL_ASK_PASSWORD;
	ask_and_await(s, "alice");
	assert_int_equal(s->outcome, SQLCLIENT_ROW);
	assert_string_equal(s->server.password, "open sesame");
	sqlclient_close(&s->client);
	s->server.greeting = FAKE_SQL_REFUSE;
	ask_and_await(s, "alice");
	assert_null(strstr(s->problem, "sesame"));
}

static void a_password_file_goes_by_the_name_of_the_host(void **state)
{
	struct stage *s = *state;
	char path[] = "/tmp/pooler-pass-XXXXXX";
	int fd = mkstemp(path);

	assert_true(fd >= 0);
	dprintf(fd, "pg.test:%d:app:asker:from the file\n", s->server.port);
	close(fd);
	setenv("PGPASSFILE", path, 1);
	s->target.host = "pg.test";
	s->server.greeting = FAKE_SQL_ASK_PASSWORD;
	ask_and_await(s, "alice");
	unsetenv("PGPASSFILE");
	unlink(path);
	assert_int_equal(s->outcome, SQLCLIENT_ROW);
	assert_string_equal(s->server.password, "from the file");
}

static void tls_that_is_declined_may_be_preferred_but_not_required(void **state)
{
	struct stage *s = *state;

	s->target.sslmode = ""; /* prefer */
	ask_and_await(s, "alice");
	assert_int_equal(s->outcome, SQLCLIENT_ROW);
	sqlclient_close(&s->client);
	s->target.sslmode = "require";
	ask_and_await(s, "alice");
	assert_int_equal(s->outcome, SQLCLIENT_UNREACHED);
	assert_non_null(strstr(s->problem, "SSL was required"));
}

static void a_name_that_is_none_is_unreached(void **state)
{
	struct stage *s = *state;

	s->target.host = "nobody.test";
	ask_and_await(s, "alice");
	assert_int_equal(s->outcome, SQLCLIENT_UNREACHED);
	assert_non_null(strstr(s->problem, "nobody.test"));
}

static void the_next_address_is_tried_when_one_refuses(void **state)
{
	struct stage *s = *state;

	s->target.host = "second.test";
	ask_and_await(s, "alice");
	assert_int_equal(s->outcome, SQLCLIENT_ROW);
}

/* The kernel drops what comes to a socket whose line is full. */
static void an_address_that_does_not_answer_has_its_share_of_time_only(void **state)
{
	struct stage *s = *state;
	struct endpoint at;
	int fds[4];

	assert_true(endpoint_from_ip("127.0.0.2", (uint16_t)s->server.port, &at));
	fds[0] = socket(AF_INET, SOCK_STREAM, 0);
	assert_int_equal(bind(fds[0], (struct sockaddr *)&at.storage, at.len), 0);
	assert_int_equal(listen(fds[0], 0), 0);
	for (int i = 1; i < 4; i++) {
		fds[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
		(void)!connect(fds[i], (struct sockaddr *)&at.storage, at.len);
	}
	s->target.host = "second.test";
	s->target.connect_timeout_us = 200000;
	ask_and_await(s, "alice");
	for (int i = 0; i < 4; i++)
		close(fds[i]);
	assert_int_equal(s->outcome, SQLCLIENT_ROW);
}

static void a_unix_socket_needs_no_names(void **state)
{
	struct stage *s = *state;
	char directory[] = "/tmp/pooler-sql-XXXXXX";
	struct fake_sql local;
	struct endpoint at;

	assert_non_null(mkdtemp(directory));
	assert_true(endpoint_from_unix(directory, 5432, &at));
	fake_sql_start(&local, &s->loop, &at, rows);
	s->target.host = directory;
	s->target.port = 5432;
	ask_and_await(s, "alice");
	fake_sql_stop(&local);
	unlink(endpoint_unix_path(&at));
	rmdir(directory);
	assert_int_equal(s->outcome, SQLCLIENT_ROW);
	ask_and_await(s, "alice");
	assert_int_equal(s->outcome, SQLCLIENT_UNREACHED);
	assert_non_null(strstr(s->problem, directory));
}

/* ---- what the server is told ---- */

static const char *startup_value(const struct stage *s, const char *key)
{
	const char *at = s->server.startup_bytes;
	const char *end = at + s->server.startup.len;

	while (at < end && *at) {
		const char *value = at + strlen(at) + 1;

		if (strcmp(at, key) == 0)
			return value;
		at = value + strlen(value) + 1;
	}
	return NULL;
}

static size_t startup_count(const struct stage *s)
{
	size_t nuls = 0;

	for (size_t i = 0; i < s->server.startup.len; i++)
		nuls += s->server.startup_bytes[i] == '\0';
	return nuls / 2;
}

static void the_server_is_told_four_things(void **state)
{
	struct stage *s = *state;

	setenv("PGOPTIONS", "-c search_path=evil", 1);
	setenv("PGTZ", "Mars/Phobos", 1);
	setenv("PGDATESTYLE", "German", 1);
	setenv("PGSERVICE", "elsewhere", 1);
	setenv("PGHOSTADDR", "192.0.2.1", 1);
	sqlclient_clean_environment();
	ask_and_await(s, "alice");
	assert_int_equal(s->outcome, SQLCLIENT_ROW);
	assert_string_equal(startup_value(s, "user"), "asker");
	assert_string_equal(startup_value(s, "database"), "app");
	assert_string_equal(startup_value(s, "application_name"), "test");
	assert_string_equal(startup_value(s, "client_encoding"), "UTF8");
	assert_int_equal(startup_count(s), 4);
}

static void a_database_may_be_called_like_a_connection_string(void **state)
{
	struct stage *s = *state;

	s->target.dbname = "host=192.0.2.1 user=evil";
	ask_and_await(s, "alice");
	assert_int_equal(s->outcome, SQLCLIENT_ROW);
	assert_string_equal(startup_value(s, "database"), s->target.dbname);
	assert_string_equal(startup_value(s, "user"), "asker");
}

/* ---- ending it early ---- */

static void run_turns(struct stage *s, int turns)
{
	for (int i = 0; i < turns; i++)
		ev_run(s->loop.ev, EVRUN_NOWAIT);
}

static void it_can_be_closed_after_any_number_of_turns(void **state)
{
	static const char *const hosts[] = {"127.0.0.1", "pg.test", "/nowhere"};
	struct stage *s = *state;
	bool seen[SQLCLIENT_IDLE + 1] = {false};

	s->server.dribbles = true;
	for (int i = 0; i < 3 * 60; i++) {
		unsigned answers = s->answers;

		s->target.host = hosts[i / 60];
		ask(s, "alice");
		run_turns(s, i % 60 < 20 ? i % 60 : i % 60 * 5);
		seen[s->client.state] = true;
		sqlclient_close(&s->client);
		sqlclient_close(&s->client);
		assert_int_equal(s->client.state, SQLCLIENT_CLOSED);
		bool has_answered = s->answers != answers;
		run_turns(s, 3);
		assert_int_equal(s->answers, answers + has_answered);
		fake_sql_kill(&s->server);
	}
	for (int state_number = 0; state_number < SQLCLIENT_IDLE; state_number++)
		assert_true(seen[state_number]);
}

static void it_can_end_while_asking(void **state)
{
	struct stage *s = *state;

	s->server.manner = FAKE_SQL_NOTHING;
	ask(s, "alice");
	run_turns(s, 40);
	assert_int_equal(s->client.state, SQLCLIENT_ASKING);
	sqlclient_fini(&s->client);
	sqlclient_fini(&s->client);
	run_turns(s, 5);
	assert_int_equal(s->answers, 0);
	assert_int_equal(fake_sql_open_count(&s->server), 0);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, open_stage, close_stage)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    CASE(a_row_is_told),
	    CASE(no_row_is_told),
	    CASE(null_is_not_the_empty_text),
	    CASE(an_answer_may_come_byte_by_byte),
	    CASE(a_second_row_is_not_waited_for),
	    CASE(other_columns_are_refused_with_and_without_rows),
	    CASE(an_error_is_told_in_one_line_and_the_connection_stays),
	    CASE(what_is_no_query_ends_the_connection),
	    CASE(a_server_that_ends_or_babbles_is_lost),
	    CASE(an_answer_that_takes_too_long_is_lost),
	    CASE(a_connection_is_kept),
	    CASE(it_may_be_asked_again_in_an_answer),
	    CASE(a_kept_connection_that_is_dead_is_made_anew),
	    CASE(a_server_that_leaves_meanwhile_is_noticed),
	    CASE(a_question_is_put_anew_only_once),
	    CASE(a_server_that_does_not_let_in_is_unreached),
	    CASE(a_server_that_says_nothing_is_not_waited_for),
	    CASE(nobody_at_the_port_is_unreached),
	    CASE(a_password_is_given_and_never_told),
	    CASE(a_password_file_goes_by_the_name_of_the_host),
	    CASE(tls_that_is_declined_may_be_preferred_but_not_required),
	    CASE(a_name_that_is_none_is_unreached),
	    CASE(the_next_address_is_tried_when_one_refuses),
	    CASE(an_address_that_does_not_answer_has_its_share_of_time_only),
	    CASE(a_unix_socket_needs_no_names),
	    CASE(the_server_is_told_four_things),
	    CASE(a_database_may_be_called_like_a_connection_string),
	    CASE(it_can_be_closed_after_any_number_of_turns),
	    CASE(it_can_end_while_asking),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
