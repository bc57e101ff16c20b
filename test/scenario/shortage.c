/*
 * Scenarios of a process that takes more memory than memory_high: what it takes is what a
 * file says.
 */
#include <stdlib.h>
#include <unistd.h>

#include "base/log.h"
#include "scenario/world.h"

enum { MB = 1024 * 1024 };

struct stage {
	struct world w;
	char proc[64];
};

static void take(struct stage *s, uint64_t bytes)
{
	char path[80];

	snprintf(path, sizeof(path), "%s/statm", s->proc);
	FILE *file = fopen(path, "w");
	assert_non_null(file);
	fprintf(file, "99999 %llu 0 0 0 0 0\n",
		(unsigned long long)(bytes / (uint64_t)sysconf(_SC_PAGESIZE)));
	fclose(file);
}

static void begin(struct stage *s, const char *lines)
{
	snprintf(s->proc, sizeof(s->proc), "/tmp/shortage-XXXXXX");
	assert_non_null(mkdtemp(s->proc));
	take(s, 10 * MB);
	world_begin(&s->w, lines);
	s->w.dispatcher.memory.footprint.proc = s->proc;
	s->w.answers = true;
}

static void end(struct stage *s)
{
	char path[80];

	world_end(&s->w);
	snprintf(path, sizeof(path), "%s/statm", s->proc);
	remove(path);
	rmdir(s->proc);
}

#define LIMITED "pool_mode = transaction\nmemory_high = 100MB\n"
#define ASSERT_IS_SERVED(actor)                                                          \
	do {                                                                             \
		say(actor, "Q[one]");                                                    \
		ASSERT_HEARS(actor, "T D[one] C[SELECT 1] Z[I]");                        \
	} while (0)

static void above_the_limit_new_work_is_refused_and_what_runs_goes_on(void **state)
{
	struct stage s;

	(void)state;
	begin(&s, LIMITED);
	struct actor *a = world_session(&s.w), *busy = world_session(&s.w);
	say(busy, "Q[begin]");
	ASSERT_HEARS(busy, "C[BEGIN] Z[T]");
	ASSERT_IS_SERVED(a);
	take(&s, 101 * MB);
	world_pass(&s.w, 20 * USEC_PER_SEC);
	say(a, "Q[one]");
	ASSERT_HEARS(a, "E[ERROR 53200] Z[I]");
	say(a, "P[x] B[x] E S");
	ASSERT_HEARS(a, "E[ERROR 53200] Z[I]");
	struct actor *late = world_client(&s.w, "user=anna;database=app");
	ASSERT_HEARS(late, "E[FATAL 57P03]");
	say(busy, "Q[commit]");
	ASSERT_HEARS(busy, "C[COMMIT] Z[I]");
	say(busy, "Q[begin]");
	ASSERT_HEARS(busy, "E[ERROR 53200] Z[I]");
	assert_int_equal(s.w.dispatcher.memory.login_count, 1);
	assert_int_equal(s.w.dispatcher.memory.query_count, 3);
	end(&s);
}

static void it_is_over_when_some_of_it_is_free_again(void **state)
{
	struct stage s;

	(void)state;
	begin(&s, LIMITED);
	struct actor *a = world_session(&s.w);
	take(&s, 100 * MB);
	world_pass(&s.w, 20 * USEC_PER_SEC);
	say(a, "Q[one]");
	ASSERT_HEARS(a, "E[ERROR 53200] Z[I]");
	take(&s, 96 * MB);
	world_pass(&s.w, 2 * USEC_PER_SEC);
	say(a, "Q[one]");
	ASSERT_HEARS(a, "E[ERROR 53200] Z[I]");
	take(&s, 94 * MB);
	world_pass(&s.w, 2 * USEC_PER_SEC);
	ASSERT_IS_SERVED(a);
	/* And begins at the limit again. */
	take(&s, 99 * MB);
	world_pass(&s.w, 2 * USEC_PER_SEC);
	ASSERT_IS_SERVED(a);
	end(&s);
}

static void it_is_looked_at_once_a_second_and_seldom_while_little_is_taken(void **state)
{
	struct stage s;

	(void)state;
	begin(&s, LIMITED);
	struct actor *a = world_session(&s.w);
	ASSERT_IS_SERVED(a);
	take(&s, 200 * MB);
	world_pass(&s.w, 5 * USEC_PER_SEC);
	ASSERT_IS_SERVED(a); /* far below the limit when it was looked at */
	world_pass(&s.w, 5 * USEC_PER_SEC);
	say(a, "Q[one]");
	ASSERT_HEARS(a, "E[ERROR 53200] Z[I]");
	take(&s, 60 * MB);
	world_pass(&s.w, USEC_PER_SEC / 2);
	say(a, "Q[one]");
	ASSERT_HEARS(a, "E[ERROR 53200] Z[I]");
	world_pass(&s.w, USEC_PER_SEC / 2);
	ASSERT_IS_SERVED(a);
	take(&s, 200 * MB);
	world_pass(&s.w, USEC_PER_SEC / 2);
	ASSERT_IS_SERVED(a);
	world_pass(&s.w, USEC_PER_SEC / 2);
	say(a, "Q[one]");
	ASSERT_HEARS(a, "E[ERROR 53200] Z[I]");
	end(&s);
}

static void growth_that_we_know_of_is_looked_at_within_a_second(void **state)
{
	static uint8_t row[2 * MB] = {'D', 0, (2 * MB - 1) >> 16 & 0xff,
				      (2 * MB - 1) >> 8 & 0xff, (2 * MB - 1) & 0xff};
	struct stage s;

	(void)state;
	begin(&s, LIMITED "client_buffer = 4MB\n");
	s.w.answers = false;
	struct actor *slow = world_session(&s.w);
	say(slow, "Q[much]");
	s.w.answers = true;
	struct actor *a = world_session(&s.w);
	ASSERT_IS_SERVED(a);
	take(&s, 200 * MB);
	world_pass(&s.w, USEC_PER_SEC);
	ASSERT_IS_SERVED(a);
	slow->peer.room = 0;
	actor_push_bytes(world_server(&s.w, 1), slice_of(row, sizeof(row)));
	world_settle(&s.w);
	say(a, "Q[one]");
	ASSERT_HEARS(a, "E[ERROR 53200] Z[I]");
	end(&s);
}

static void a_reload_sets_another_limit_or_none(void **state)
{
	struct stage s;

	(void)state;
	begin(&s, LIMITED);
	struct actor *a = world_session(&s.w);
	take(&s, 150 * MB);
	world_pass(&s.w, 20 * USEC_PER_SEC);
	say(a, "Q[one]");
	ASSERT_HEARS(a, "E[ERROR 53200] Z[I]");
	world_reload(&s.w, "pool_mode = transaction\nmemory_high = 200MB\n");
	ASSERT_IS_SERVED(a);
	world_reload(&s.w, LIMITED);
	say(a, "Q[one]");
	ASSERT_HEARS(a, "E[ERROR 53200] Z[I]");
	s.w.dispatcher.memory.footprint.ceiling = 0;
	world_reload(&s.w, "pool_mode = transaction\n");
	ASSERT_IS_SERVED(a);
	s.w.dispatcher.memory.footprint.ceiling = 160 * MB;
	world_reload(&s.w, "pool_mode = transaction\n");
	say(a, "Q[one]");
	ASSERT_HEARS(a, "E[ERROR 53200] Z[I]");
	end(&s);
}

/* Puts the lines in force; whether the log says so because of it. */
static bool is_logged(struct stage *s, const char *lines, const char *words)
{
	char path[] = "/tmp/shortage-log.XXXXXX", text[4000];

	assert_true(close(mkstemp(path)) == 0);
	log_apply(&(struct log_settings){.file = path});
	world_reload(&s->w, lines);
	log_apply(&(struct log_settings){.to_stderr = false});
	FILE *file = fopen(path, "r");
	assert_non_null(file);
	text[fread(text, 1, sizeof(text) - 1, file)] = '\0';
	fclose(file);
	unlink(path);
	return strstr(text, words) != NULL;
}

static void the_log_tells_which_limit_there_is_and_why_none(void **state)
{
	struct stage s;
	struct footprint *f;

	(void)state;
	begin(&s, LIMITED);
	f = &s.w.dispatcher.memory.footprint;
	f->group = FOOTPRINT_UNKNOWN;
	f->ceiling = 0;
	assert_true(is_logged(&s, "memory_high = 0\n", "no control group tells"));
	/* Once is enough. */
	assert_false(is_logged(&s, "memory_high = 0\n", "control group"));
	f->group = FOOTPRINT_LIMITED;
	f->ceiling = 200 * MB;
	assert_true(is_logged(&s, "memory_high = 0\n",
			      "90 % of the 209715200 that the control group allows"));
	assert_false(is_logged(&s, LIMITED, "memory"));
	f->proc = "/nonexistent";
	assert_true(is_logged(&s, "memory_high = 50MB\n",
			      "memory_high does nothing: /nonexistent/statm"));
	f->proc = s.proc;
	end(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(above_the_limit_new_work_is_refused_and_what_runs_goes_on),
	    cmocka_unit_test(it_is_over_when_some_of_it_is_free_again),
	    cmocka_unit_test(
		it_is_looked_at_once_a_second_and_seldom_while_little_is_taken),
	    cmocka_unit_test(growth_that_we_know_of_is_looked_at_within_a_second),
	    cmocka_unit_test(a_reload_sets_another_limit_or_none),
	    cmocka_unit_test(the_log_tells_which_limit_there_is_and_why_none),
	};

	return cmocka_run_group_tests_name("shortage", tests, NULL, NULL);
}
