/* Secrets asked of a server in the same loop. */
#include "relay/lookup.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "auth/login.h"
#include "base/clock.h"
#include "harness/fake_dns.h"
#include "harness/fake_sql.h"
#include "harness/real_loop.h"
#include "net/resolver.h"

#define VERIFIER                                                                         \
	"SCRAM-SHA-256$4096:c2FsdHNhbHRzYWx0c2FsdA==$"                                   \
	"LKVxG5b1QTGU1RJyvLLJ7QFpHuYlgtPMgyYyTBkiQ18=:"                                  \
	"7MXjmlLVWXVXHPkrO6rYRQqXAbT9TCEL4Ob2NV0vRmw="

static const struct fake_name names[] = {{0}};

static const struct fake_sql_row rows[] = {
    {"plain", {"plain", "a password"}},
    {"scram", {"scram", VERIFIER}},
    {"null", {"null", NULL}},
    {"empty", {"empty", ""}},
    {"malformed", {"malformed", "SCRAM-SHA-256$4096:nonsense"}},
    {"other", {"postgres", "the superuser's"}},
    {"longer", {"longer than asked", "another's"}},
    {"nameless", {NULL, "whose?"}},
    {"nothing", {NULL, NULL}}, /* of a function with OUT parameters */
    {"twins", {"twins", "a"}},
    {"twins", {"twins", "b"}},
    {0},
};

/* ---- memory that fails when the test says so ---- */

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);

static int until_failure = -1; /* requests that are granted; -1: all */
static unsigned failures;

static bool has_failed(void)
{
	if (until_failure < 0 || until_failure-- > 0)
		return false;
	failures++;
	return true;
}

void *__wrap_malloc(size_t size)
{
	return has_failed() ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t count, size_t size)
{
	return has_failed() ? NULL : __real_calloc(count, size);
}

/* ---- the stage ---- */

enum { ASKERS = 1200 };

struct asker {
	struct lookup lookup; /* first */
	struct stage *stage;
	unsigned answers;
	enum lookup_verdict verdict;
	enum secret_kind kind;
	bool is_from_cache;
	char secret[200];
	char problem[500];
	void (*then)(struct asker *asker);
};

struct stage {
	struct loop loop;
	struct fake_dns dns;
	struct fake_sql server;
	struct resolver *resolver;
	struct lookups *lookups;
	struct lookup_source source;
	struct asker *askers; /* ASKERS of them */
	struct asker *a, *b, *c;
	unsigned answers, stop_at;
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
	s->lookups = lookups_create(&s->loop, s->resolver);
	s->askers = calloc(ASKERS, sizeof(*s->askers));
	if (!s->resolver || !s->lookups || !s->askers ||
	    resolver_set_servers(s->resolver, s->dns.servers) != 0)
		return -1;
	for (int i = 0; i < ASKERS; i++)
		s->askers[i].stage = s;
	s->a = &s->askers[0];
	s->b = &s->askers[1];
	s->c = &s->askers[2];
	s->source = (struct lookup_source){.host = "127.0.0.1",
					   .port = s->server.port,
					   .dbname = "app",
					   .user = "auth",
					   .query = "select * from secrets($1)",
					   .sslmode = "disable",
					   .connect_timeout_us = 5 * USEC_PER_SEC};
	*state = s;
	return 0;
}

static int close_stage(void **state)
{
	struct stage *s = *state;

	until_failure = -1;
	lookups_destroy(s->lookups);
	resolver_destroy(s->resolver);
	fake_sql_stop(&s->server);
	fake_dns_stop(&s->dns);
	int rc = s->loop.deadline_count == 0 ? 0 : -1;
	loop_fini(&s->loop);
	for (int i = 0; i < ASKERS; i++)
		if (s->askers[i].lookup.query)
			rc = -1;
	free(s->askers);
	free(s);
	return rc;
}

static void on_done(struct lookup *lookup, const struct lookup_answer *answer)
{
	struct asker *asker = (struct asker *)(void *)lookup;
	struct stage *s = asker->stage;

	assert_null(lookup->query);
	asker->answers++;
	asker->verdict = answer->verdict;
	asker->kind = answer->secret.kind;
	asker->is_from_cache = answer->is_from_cache;
	snprintf(asker->secret, sizeof(asker->secret), "%.*s",
		 (int)answer->secret.text.len, (const char *)answer->secret.text.data);
	snprintf(asker->problem, sizeof(asker->problem), "%s",
		 answer->problem ? answer->problem : "");
	if (answer->verdict == LOOKUP_FAILED || answer->verdict == LOOKUP_FULL)
		assert_non_null(answer->problem);
	if (asker->then)
		asker->then(asker);
	if (++s->answers == s->stop_at)
		loop_stop(&s->loop);
}

static void ask(struct stage *s, struct asker *asker, const char *user)
{
	unsigned before = asker->answers;

	lookup_start(s->lookups, &asker->lookup, &s->source, slice_of_text(user),
		     on_done);
	assert_int_equal(asker->answers, before);
	assert_non_null(asker->lookup.query);
}

static void await(struct stage *s, unsigned answers)
{
	s->stop_at = s->answers + answers;
	assert_true(real_loop_run(&s->loop, 5000));
}

static void ask_and_await(struct stage *s, struct asker *asker, const char *user)
{
	ask(s, asker, user);
	await(s, 1);
}

/* Lets whatever is under way go on, without an answer being due. */
static void settle(struct stage *s)
{
	s->stop_at = 0;
	real_loop_run(&s->loop, 20);
}

static void await_questions(struct stage *s, unsigned count)
{
	for (int i = 0; i < 200 && s->server.questions < count; i++)
		real_loop_run(&s->loop, 5);
	assert_int_equal(s->server.questions, count);
}

/* Lets that time be over for one turn. */
static void pass(struct stage *s, uint64_t seconds)
{
	loop_turn(&s->loop, s->loop.now_us + seconds * USEC_PER_SEC);
	ev_run(s->loop.ev, EVRUN_NOWAIT);
}

/* ---- verdicts ---- */

static void what_the_query_returns_decides(void **state)
{
	static const struct {
		const char *user;
		enum lookup_verdict verdict;
		enum secret_kind kind;
		const char *secret, *problem;
	} cases[] = {
	    {"plain", LOOKUP_FOUND, SECRET_PLAIN, "a password", ""},
	    {"scram", LOOKUP_FOUND, SECRET_SCRAM, VERIFIER, ""},
	    {"null", LOOKUP_FOUND, SECRET_NONE, "", ""},
	    {"empty", LOOKUP_FOUND, SECRET_NONE, "", ""},
	    {"nobody", LOOKUP_NO_USER, SECRET_NONE, "", ""},
	    {"nothing", LOOKUP_NO_USER, SECRET_NONE, "", ""},
	    {"malformed", LOOKUP_FOUND, SECRET_NONE, "",
	     "auth_query returned a malformed secret"},
	    {"other", LOOKUP_FAILED, SECRET_NONE, "",
	     "auth_query returned another name than that of the user it was "
	     "asked for"},
	    {"longer", LOOKUP_FAILED, SECRET_NONE, "",
	     "auth_query returned another name than that of the user it was "
	     "asked for"},
	    {"nameless", LOOKUP_FAILED, SECRET_NONE, "",
	     "auth_query returned another name than that of the user it was "
	     "asked for"},
	    {"twins", LOOKUP_FAILED, SECRET_NONE, "",
	     "auth_query must return one row of user name and secret: the query returned "
	     "more than one row"},
	};
	struct stage *s = *state;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		ask_and_await(s, s->a, cases[i].user);
		assert_int_equal(s->a->verdict, cases[i].verdict);
		assert_int_equal(s->a->kind, cases[i].kind);
		assert_string_equal(s->a->secret, cases[i].secret);
		assert_string_equal(s->a->problem, cases[i].problem);
	}
}

static void a_secret_has_the_length_that_a_password_may_have(void **state)
{
	struct stage *s = *state;
	char *secret = malloc(LOGIN_PASSWORD_MAX + 2);
	const struct fake_sql_row long_rows[] = {{"plain", {"plain", secret}}, {0}};

	assert_non_null(secret);
	memset(secret, 'x', LOGIN_PASSWORD_MAX + 1);
	secret[LOGIN_PASSWORD_MAX + 1] = '\0';
	s->server.rows = long_rows;
	ask_and_await(s, s->a, "plain");
	assert_int_equal(s->a->kind, SECRET_NONE);
	assert_string_equal(s->a->problem, "auth_query returned a malformed secret");
	secret[LOGIN_PASSWORD_MAX] = '\0';
	ask_and_await(s, s->a, "plain");
	assert_int_equal(s->a->kind, SECRET_PLAIN);
	s->server.rows = rows;
	free(secret);
}

static void a_query_of_other_columns_fails(void **state)
{
	struct stage *s = *state;

	for (s->server.columns = 0; s->server.columns < 4; s->server.columns++) {
		ask_and_await(s, s->a, "plain");
		assert_int_equal(s->a->verdict,
				 s->server.columns == 2 ? LOOKUP_FOUND : LOOKUP_FAILED);
	}
	assert_non_null(strstr(s->a->problem, "auth_query must return one row"));
}

static void an_error_of_the_query_fails(void **state)
{
	struct stage *s = *state;

	s->server.manner = FAKE_SQL_ERROR;
	ask_and_await(s, s->a, "plain");
	assert_int_equal(s->a->verdict, LOOKUP_FAILED);
	assert_string_equal(s->a->problem, "auth_query failed: no; such luck (XX001)");
}

static void names_that_no_user_can_have_are_not_asked_for(void **state)
{
	struct stage *s = *state;
	char text[LOGIN_USER_MAX + 2];

	memset(text, 'u', sizeof(text));
	const struct slice users[] = {slice_of(text, LOGIN_USER_MAX + 1),
				      slice_of("postgres\0x", 10), slice_of("", 0)};
	for (int i = 0; i < 3; i++) {
		lookup_start(s->lookups, &s->a->lookup, &s->source, users[i], on_done);
		assert_int_equal(s->a->answers, i);
		await(s, 1);
		assert_int_equal(s->a->verdict, LOOKUP_NO_USER);
	}
	assert_int_equal(s->server.connections, 0);
	lookup_start(s->lookups, &s->a->lookup, &s->source,
		     slice_of(text, LOGIN_USER_MAX), on_done);
	await(s, 1);
	assert_int_equal(s->server.questions, 1);
}

/* ---- few connections for many ---- */

static void who_asks_for_one_user_at_once_asks_once(void **state)
{
	struct stage *s = *state;

	ask(s, s->a, "plain");
	ask(s, s->b, "plain");
	s->server.manner = FAKE_SQL_NOTHING;
	await_questions(s, 1);
	ask(s, s->c, "plain");
	s->server.manner = FAKE_SQL_ANSWER;
	fake_sql_release(&s->server);
	await(s, 3);
	assert_int_equal(s->server.questions, 1);
	for (int i = 0; i < 3; i++)
		assert_string_equal(s->askers[i].secret, "a password");
	ask_and_await(s, s->a, "plain");
	assert_int_equal(s->server.questions, 2);
	assert_int_equal(s->server.connections, 1);
}

static void ask_many(struct stage *s, int first, int count)
{
	char user[20];

	for (int i = first; i < first + count; i++) {
		snprintf(user, sizeof(user), "user%d", i);
		ask(s, &s->askers[i], user);
	}
}

static void there_are_four_connections_at_most(void **state)
{
	struct stage *s = *state;

	s->server.manner = FAKE_SQL_NOTHING;
	ask_many(s, 0, 20);
	await_questions(s, 4);
	settle(s);
	assert_int_equal(s->server.connections, 4);
	assert_int_equal(lookups_connection_count(s->lookups), 4);
	s->server.manner = FAKE_SQL_ANSWER;
	fake_sql_release(&s->server);
	await(s, 20);
	assert_int_equal(s->server.connections, 4);
	assert_int_equal(s->server.questions, 20);
	for (int i = 0; i < 20; i++)
		assert_int_equal(s->askers[i].verdict, LOOKUP_NO_USER);
}

static void a_thousand_users_may_wait(void **state)
{
	enum { MOST = LOOKUP_CONNECTIONS_MOST + LOOKUP_WAITING_MOST };
	struct stage *s = *state;

	s->server.manner = FAKE_SQL_NOTHING;
	ask_many(s, 0, MOST + 2);
	await(s, 2);
	for (int i = 0; i < MOST + 2; i++)
		assert_int_equal(s->askers[i].answers, i >= MOST);
	assert_int_equal(s->askers[MOST].verdict, LOOKUP_FULL);
	assert_int_equal(s->askers[MOST + 1].verdict, LOOKUP_FULL);
	assert_int_equal(lookups_waiting_count(s->lookups), LOOKUP_WAITING_MOST);
	/* Who wants to know the same is welcome, and room is room. */
	ask(s, &s->askers[MOST], "user7");
	lookup_cancel(&s->askers[6].lookup);
	ask(s, &s->askers[MOST + 1], "one more");
	await_questions(s, 4);
	s->server.manner = FAKE_SQL_ANSWER;
	fake_sql_release(&s->server);
	await(s, MOST + 1);
	assert_int_equal(s->askers[MOST].verdict, LOOKUP_NO_USER);
	assert_int_equal(s->askers[MOST + 1].verdict, LOOKUP_NO_USER);
	assert_int_equal(s->askers[6].answers, 0);
	assert_int_equal(lookups_waiting_count(s->lookups), 0);
}

static void other_sources_have_other_connections(void **state)
{
	struct stage *s = *state;

	ask_and_await(s, s->a, "plain");
	s->source.password = "x";
	ask_and_await(s, s->a, "plain");
	s->source.cache_ttl_us = 1;
	ask_and_await(s, s->a, "plain");
	s->source.dbname = "ap";
	s->source.user = "pauth"; /* the same letters in a row */
	ask_and_await(s, s->a, "plain");
	assert_int_equal(s->server.connections, 4);
	assert_int_equal(lookups_connection_count(s->lookups), 4);
}

/* So many users of each of so many sources. */
static void ask_sources(struct stage *s, int count, int each)
{
	struct lookup_source first = s->source;
	char dbname[20];

	for (int i = 0; i < count; i++) {
		snprintf(dbname, sizeof(dbname), "app%d", i);
		s->source.dbname = dbname;
		ask_many(s, i * each, each);
	}
	s->source = first;
}

static void strangers_do_not_choose_how_many_connections_there_are(void **state)
{
	enum { SOURCES = LOOKUP_CONNECTIONS_ALL / LOOKUP_CONNECTIONS_MOST };
	struct stage *s = *state;
	struct asker *last = &s->askers[LOOKUP_CONNECTIONS_ALL];

	s->server.manner = FAKE_SQL_NOTHING;
	ask_sources(s, SOURCES, LOOKUP_CONNECTIONS_MOST);
	await_questions(s, LOOKUP_CONNECTIONS_ALL);
	/* All are busy. */
	ask_and_await(s, last, "plain");
	assert_int_equal(last->verdict, LOOKUP_FAILED);
	assert_non_null(strstr(last->problem, "too many connections"));
	assert_int_equal(lookups_connection_count(s->lookups), LOOKUP_CONNECTIONS_ALL);
	s->server.manner = FAKE_SQL_ANSWER;
	fake_sql_release(&s->server);
	await(s, LOOKUP_CONNECTIONS_ALL);
	/* One that rests makes room. */
	ask_and_await(s, last, "plain");
	assert_int_equal(last->verdict, LOOKUP_FOUND);
	assert_int_equal(lookups_connection_count(s->lookups), LOOKUP_CONNECTIONS_ALL);
	assert_int_equal(s->server.connections, LOOKUP_CONNECTIONS_ALL + 1);
	/* The new one is kept, and nobody lost more than one. */
	ask_and_await(s, last, "scram");
	ask_sources(s, SOURCES, LOOKUP_CONNECTIONS_MOST - 1);
	await(s, SOURCES * (LOOKUP_CONNECTIONS_MOST - 1));
	assert_int_equal(s->server.connections, LOOKUP_CONNECTIONS_ALL + 1);
}

static void a_connection_is_closed_after_a_minute_without_questions(void **state)
{
	struct stage *s = *state;

	ask_and_await(s, s->a, "plain");
	pass(s, 40);
	assert_int_equal(lookups_connection_count(s->lookups), 1);
	ask_and_await(s, s->a, "plain");
	assert_int_equal(s->server.connections, 1);
	pass(s, 59);
	assert_int_equal(lookups_connection_count(s->lookups), 1);
	pass(s, 60);
	assert_int_equal(lookups_connection_count(s->lookups), 0);
	ask_and_await(s, s->a, "plain");
	assert_int_equal(s->server.connections, 2);
}

static void a_server_that_was_restarted_is_not_noticed(void **state)
{
	struct stage *s = *state;

	ask_and_await(s, s->a, "plain");
	fake_sql_kill(&s->server);
	ask_and_await(s, s->a, "plain");
	assert_string_equal(s->a->secret, "a password");
	fake_sql_kill(&s->server);
	settle(s);
	ask_and_await(s, s->a, "plain");
	assert_string_equal(s->a->secret, "a password");
	assert_int_equal(lookups_connection_count(s->lookups), 1);
}

/* ---- trouble ---- */

static void nobody_waits_for_a_server_that_cannot_be_reached(void **state)
{
	struct stage *s = *state;

	s->source.connect_timeout_us = 50000;
	s->server.greeting = FAKE_SQL_GREET_NOTHING;
	ask_many(s, 0, 40);
	await(s, 40);
	for (int i = 0; i < 40; i++) {
		assert_int_equal(s->askers[i].verdict, LOOKUP_FAILED);
		assert_non_null(
		    strstr(s->askers[i].problem, "could not run auth_query: "));
		assert_non_null(strstr(s->askers[i].problem, "timed out"));
	}
	assert_in_range(s->server.connections, 1, 4);
	assert_int_equal(lookups_connection_count(s->lookups), 0);
}

static void who_waits_too_long_for_a_turn_is_told(void **state)
{
	struct stage *s = *state;

	s->server.manner = FAKE_SQL_NOTHING;
	ask_many(s, 0, 9);
	await_questions(s, 4);
	uint64_t start_us = s->loop.now_us;
	loop_turn(&s->loop, start_us + 9 * USEC_PER_SEC);
	assert_int_equal(s->answers, 0);
	loop_turn(&s->loop, start_us + 11 * USEC_PER_SEC); /* four more have a turn */
	assert_int_equal(s->answers, 4);
	loop_turn(&s->loop, start_us + 15 * USEC_PER_SEC);
	assert_int_equal(s->answers, 5);
	assert_int_equal(s->a->verdict, LOOKUP_FAILED);
	assert_string_equal(s->a->problem,
			    "auth_query was not answered: the query took too long");
	assert_int_equal(s->askers[8].verdict, LOOKUP_FAILED);
	assert_string_equal(s->askers[8].problem,
			    "auth_query waited too long for a connection");
}

/* ---- leaving ---- */

static void who_leaves_is_not_told(void **state)
{
	struct stage *s = *state;

	s->server.manner = FAKE_SQL_NOTHING;
	ask_many(s, 0, 4);
	ask(s, &s->askers[10], "user0");
	await_questions(s, 4);
	ask(s, &s->askers[11], "waits");
	ask(s, &s->askers[12], "waits");
	ask(s, &s->askers[13], "leaves");
	lookup_cancel(&s->askers[0].lookup);  /* asked, with company */
	lookup_cancel(&s->askers[1].lookup);  /* asked, alone */
	lookup_cancel(&s->askers[11].lookup); /* waiting, with company */
	lookup_cancel(&s->askers[13].lookup); /* waiting, alone */
	lookup_cancel(&s->askers[13].lookup);
	s->server.manner = FAKE_SQL_ANSWER;
	fake_sql_release(&s->server);
	await(s, 4);
	settle(s);
	static const int left[] = {0, 1, 11, 13}, stayed[] = {2, 3, 10, 12};
	for (int i = 0; i < 4; i++) {
		assert_int_equal(s->askers[left[i]].answers, 0);
		assert_int_equal(s->askers[stayed[i]].answers, 1);
	}
	assert_int_equal(s->server.questions, 5);
}

static void who_leaves_between_the_answer_and_its_telling_is_not_told(void **state)
{
	struct stage *s = *state;

	s->source.cache_ttl_us = 10 * USEC_PER_SEC;
	ask_and_await(s, s->a, "plain");
	ask(s, s->a, "plain");
	ask(s, s->b, "plain");
	lookup_cancel(&s->a->lookup);
	await(s, 1);
	assert_int_equal(s->a->answers, 1);
	assert_int_equal(s->b->answers, 1);
	lookup_start(s->lookups, &s->a->lookup, &s->source, slice_of("", 0), on_done);
	lookup_cancel(&s->a->lookup);
	settle(s);
	assert_int_equal(s->a->answers, 1);
}

static void cancel_others(struct asker *asker)
{
	lookup_cancel(&asker->stage->b->lookup);
	lookup_cancel(&asker->stage->c->lookup);
}

static void leaving_while_others_are_told_is_fine(void **state)
{
	struct stage *s = *state;

	s->a->then = cancel_others;
	ask(s, s->a, "plain");
	ask(s, s->b, "plain");
	ask(s, s->c, "scram");
	await(s, 1);
	settle(s);
	assert_int_equal(s->b->answers, 0);
}

static void ask_again(struct asker *asker)
{
	asker->then = NULL;
	ask(asker->stage, asker, "plain");
}

static void asking_again_when_told_is_fine(void **state)
{
	static const char *const users[] = {"scram", "plain", "nobody"};
	struct stage *s = *state;

	for (int i = 0; i < 6; i++) {
		s->source.cache_ttl_us = i < 3 ? 0 : 10 * USEC_PER_SEC;
		s->a->then = ask_again;
		ask(s, s->a, users[i % 3]);
		await(s, 2);
		assert_string_equal(s->a->secret, "a password");
	}
}

static void reset_all(struct asker *asker)
{
	asker->then = NULL;
	lookups_reset(asker->stage->lookups);
}

static void resetting_when_told_is_fine(void **state)
{
	struct stage *s = *state;

	s->a->then = reset_all;
	ask_many(s, 0, 20);
	await(s, 20);
}

static void all_can_end_with_everything_under_way(void **state)
{
	struct stage *s = *state;

	s->source.cache_ttl_us = 10 * USEC_PER_SEC;
	ask_and_await(s, s->a, "plain");
	s->server.manner = FAKE_SQL_NOTHING;
	ask_many(s, 10, 20);
	await_questions(s, 5);
	ask(s, s->a, "plain"); /* to be told from the cache */
	lookup_start(s->lookups, &s->b->lookup, &s->source, slice_of("", 0), on_done);
	s->source.port = 1;
	ask(s, s->c, "plain"); /* to be connected */
	unsigned answers = s->answers;
	lookups_destroy(s->lookups);
	s->lookups = NULL;
	settle(s);
	assert_int_equal(s->answers, answers);
	/* The teardown sees that nobody points to what is gone. */
}

static void all_can_end_at_any_time(void **state)
{
	struct stage *s = *state;

	for (int turns = 0; turns < 25; turns++) {
		ask_many(s, 0, 8);
		for (int i = 0; i < turns; i++)
			ev_run(s->loop.ev, EVRUN_NOWAIT);
		lookups_destroy(s->lookups);
		s->lookups = lookups_create(&s->loop, s->resolver);
		assert_non_null(s->lookups);
	}
}

/* ---- the cache ---- */

static void a_secret_is_kept_for_its_time(void **state)
{
	struct stage *s = *state;

	s->source.cache_ttl_us = 30 * USEC_PER_SEC;
	ask_and_await(s, s->a, "plain");
	assert_false(s->a->is_from_cache);
	ask_and_await(s, s->a, "plain");
	assert_true(s->a->is_from_cache);
	assert_int_equal(s->a->kind, SECRET_PLAIN);
	assert_string_equal(s->a->secret, "a password");
	assert_int_equal(s->server.questions, 1);
	assert_int_equal(lookups_cached_count(s->lookups), 1);
	pass(s, 31);
	assert_int_equal(lookups_cached_count(s->lookups), 0);
	ask_and_await(s, s->a, "plain");
	assert_false(s->a->is_from_cache);
	assert_int_equal(s->server.questions, 2);
}

static void without_a_time_nothing_is_kept(void **state)
{
	struct stage *s = *state;

	ask_and_await(s, s->a, "plain");
	ask_and_await(s, s->a, "plain");
	assert_int_equal(s->server.questions, 2);
	assert_int_equal(lookups_cached_count(s->lookups), 0);
}

static void what_lets_nobody_in_is_not_kept(void **state)
{
	static const char *const users[] = {"null",  "empty",  "malformed", "nobody",
					    "other", "longer", "nameless",  "twins"};
	struct stage *s = *state;

	s->source.cache_ttl_us = 30 * USEC_PER_SEC;
	for (size_t i = 0; i < sizeof(users) / sizeof(users[0]); i++) {
		ask_and_await(s, s->a, users[i]);
		assert_int_equal(lookups_cached_count(s->lookups), 0);
	}
}

static void a_secret_that_did_not_let_in_is_asked_for_again(void **state)
{
	struct stage *s = *state;

	s->source.cache_ttl_us = 30 * USEC_PER_SEC;
	ask_and_await(s, s->a, "plain");
	ask_and_await(s, s->a, "scram");
	lookup_forget(s->lookups, &s->source, slice_of_text("plain"));
	lookup_forget(s->lookups, &s->source, slice_of_text("nobody"));
	ask_and_await(s, s->a, "plain");
	assert_false(s->a->is_from_cache);
	ask_and_await(s, s->a, "scram");
	assert_true(s->a->is_from_cache);
}

static void secrets_of_one_source_are_not_told_for_another(void **state)
{
	struct stage *s = *state;

	s->source.cache_ttl_us = 30 * USEC_PER_SEC;
	ask_and_await(s, s->a, "plain");
	s->source.dbname = "other";
	ask_and_await(s, s->a, "plain");
	assert_false(s->a->is_from_cache);
	lookup_forget(s->lookups, &s->source, slice_of_text("plain"));
	s->source.dbname = "app";
	ask_and_await(s, s->a, "plain");
	assert_true(s->a->is_from_cache);
}

static void a_reset_forgets_and_closes(void **state)
{
	struct stage *s = *state;

	s->source.cache_ttl_us = 30 * USEC_PER_SEC;
	ask_and_await(s, s->a, "plain");
	lookups_reset(s->lookups);
	assert_int_equal(lookups_cached_count(s->lookups), 0);
	assert_int_equal(lookups_connection_count(s->lookups), 0);
	ask_and_await(s, s->a, "plain");
	assert_false(s->a->is_from_cache);
	assert_int_equal(s->server.connections, 2);
}

static void a_question_from_before_a_reset_is_answered_but_not_kept(void **state)
{
	struct stage *s = *state;

	s->source.cache_ttl_us = 30 * USEC_PER_SEC;
	s->server.manner = FAKE_SQL_NOTHING;
	ask(s, s->a, "plain");
	await_questions(s, 1);
	lookups_reset(s->lookups);
	lookups_reset(s->lookups);
	s->server.manner = FAKE_SQL_ANSWER;
	fake_sql_release(&s->server);
	await(s, 1);
	assert_string_equal(s->a->secret, "a password");
	assert_int_equal(lookups_cached_count(s->lookups), 0);
	assert_int_equal(lookups_connection_count(s->lookups), 0);
}

static void nobody_joins_a_question_from_before_a_reset(void **state)
{
	struct stage *s = *state;

	s->source.cache_ttl_us = 30 * USEC_PER_SEC;
	s->server.manner = FAKE_SQL_NOTHING;
	ask(s, s->a, "plain");
	await_questions(s, 1);
	lookups_reset(s->lookups);
	ask(s, s->b, "plain");
	await_questions(s, 2);
	assert_int_equal(s->server.connections, 2);
	s->server.manner = FAKE_SQL_ANSWER;
	fake_sql_release(&s->server);
	await(s, 2);
	assert_string_equal(s->b->secret, "a password");
	assert_int_equal(lookups_connection_count(s->lookups), 1);
	ask_and_await(s, s->a, "plain");
	assert_true(s->a->is_from_cache);
}

/* ---- memory ---- */

static void every_request_for_memory_may_fail(void **state)
{
	struct stage *s = *state;
	int n = 0;

	s->source.cache_ttl_us = 30 * USEC_PER_SEC;
	do {
		failures = 0;
		lookups_reset(s->lookups);
		until_failure = n++;
		ask(s, s->a, "plain");
		ask(s, s->b, "plain");
		ask(s, s->c, "scram");
		await(s, 3);
		ask_and_await(s, s->a, "plain"); /* perhaps from the cache */
		until_failure = -1;
		for (int i = 0; i < 3; i++) {
			struct asker *asker = &s->askers[i];
			bool is_told = asker->verdict == LOOKUP_FOUND ||
				       asker->verdict == LOOKUP_FAILED;

			assert_true(is_told);
			if (asker->verdict == LOOKUP_FOUND)
				assert_string_equal(asker->secret,
						    i < 2 ? "a password" : VERIFIER);
		}
	} while (failures > 0);
	assert_true(n > 10);
	assert_true(s->a->is_from_cache);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, open_stage, close_stage)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    CASE(what_the_query_returns_decides),
	    CASE(a_secret_has_the_length_that_a_password_may_have),
	    CASE(a_query_of_other_columns_fails),
	    CASE(an_error_of_the_query_fails),
	    CASE(names_that_no_user_can_have_are_not_asked_for),
	    CASE(who_asks_for_one_user_at_once_asks_once),
	    CASE(there_are_four_connections_at_most),
	    CASE(a_thousand_users_may_wait),
	    CASE(other_sources_have_other_connections),
	    CASE(strangers_do_not_choose_how_many_connections_there_are),
	    CASE(a_connection_is_closed_after_a_minute_without_questions),
	    CASE(a_server_that_was_restarted_is_not_noticed),
	    CASE(nobody_waits_for_a_server_that_cannot_be_reached),
	    CASE(who_waits_too_long_for_a_turn_is_told),
	    CASE(who_leaves_is_not_told),
	    CASE(who_leaves_between_the_answer_and_its_telling_is_not_told),
	    CASE(leaving_while_others_are_told_is_fine),
	    CASE(asking_again_when_told_is_fine),
	    CASE(resetting_when_told_is_fine),
	    CASE(all_can_end_with_everything_under_way),
	    CASE(all_can_end_at_any_time),
	    CASE(a_secret_is_kept_for_its_time),
	    CASE(without_a_time_nothing_is_kept),
	    CASE(what_lets_nobody_in_is_not_kept),
	    CASE(a_secret_that_did_not_let_in_is_asked_for_again),
	    CASE(secrets_of_one_source_are_not_told_for_another),
	    CASE(a_reset_forgets_and_closes),
	    CASE(a_question_from_before_a_reset_is_answered_but_not_kept),
	    CASE(nobody_joins_a_question_from_before_a_reset),
	    CASE(every_request_for_memory_may_fail),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
