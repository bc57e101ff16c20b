/*
 * The log: its lines, its files, and what stops the process.
 */
#include "base/log.h"

#include <errno.h>
#include <regex.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/check.h"
#include "unit/base/kit.h"

struct place {
	char dir[40];
	char file[80], rotated[80];
};

static int make_place(void **state)
{
	struct place *place = calloc(1, sizeof(*place));

	snprintf(place->dir, sizeof(place->dir), "/tmp/pooler-log-XXXXXX");
	if (!mkdtemp(place->dir))
		return -1;
	snprintf(place->file, sizeof(place->file), "%s/log", place->dir);
	snprintf(place->rotated, sizeof(place->rotated), "%s/log.1", place->dir);
	*state = place;
	return 0;
}

static int drop_place(void **state)
{
	struct place *place = *state;

	log_reset();
	unlink(place->file);
	unlink(place->rotated);
	rmdir(place->dir);
	free(place);
	return 0;
}

static void log_to(const char *file, int verbose)
{
	struct log_settings settings = {.file = file, .verbose = verbose};

	assert_int_equal(log_apply(&settings), 0);
}

/* What the file holds; the caller frees it. */
static char *content(const char *path)
{
	FILE *file = fopen(path, "r");
	char *text = calloc(1, 20000);

	assert_non_null(file);
	size_t len = fread(text, 1, 19999, file);
	text[len] = '\0';
	fclose(file);
	return text;
}

static void assert_matches(const char *path, const char *pattern)
{
	char *text = content(path);
	regex_t regex;

	assert_int_equal(regcomp(&regex, pattern, REG_EXTENDED | REG_NOSUB), 0);
	if (regexec(&regex, text, 0, NULL, 0) != 0)
		fail_msg("\"%s\" is not like %s", text, pattern);
	regfree(&regex);
	free(text);
}

#define STAMP                                                                            \
	"[0-9]{4}-[0-9]{2}-[0-9]{2} [0-9]{2}:[0-9]{2}:[0-9]{2}\\.[0-9]{3} [^ ]+ "        \
	"\\[[0-9]+\\] "

static void lines_look_like_pgbouncers(void **state)
{
	struct place *place = *state;

	log_to(place->file, 0);
	log_info("up and running, %d", 1);
	log_write(LOG_LEVEL_WARNING, "C-0x1: db/user@host:1 ", "told %s", "you");
	log_error("two\nlines");
	log_fatal("%s", "over");
	assert_matches(place->file, "^" STAMP "LOG up and running, 1\n" STAMP
				    "WARNING C-0x1: db/user@host:1 told you\n" STAMP
				    "ERROR two\n\tlines\n" STAMP "FATAL over\n$");
}

static void a_level_is_asked_for(void **state)
{
	struct place *place = *state;

	log_to(place->file, 0);
	assert_true(log_wants(LOG_LEVEL_LOG));
	assert_false(log_wants(LOG_LEVEL_DEBUG));
	log_debug("not this");
	log_to(place->file, 1);
	log_debug("this");
	log_write(LOG_LEVEL_NOISE, NULL, "nor this");
	log_to(place->file, 2);
	log_write(LOG_LEVEL_NOISE, NULL, "and this");
	assert_matches(place->file, "^" STAMP "DEBUG this\n" STAMP "NOISE and this\n$");
}

static void a_rotated_file_is_let_go(void **state)
{
	struct place *place = *state;

	log_to(place->file, 0);
	log_info("old");
	assert_int_equal(rename(place->file, place->rotated), 0);
	log_info("still old");
	log_to(place->file, 0);
	log_info("new");
	assert_matches(place->rotated, "^" STAMP "LOG old\n" STAMP "LOG still old\n$");
	assert_matches(place->file, "^" STAMP "LOG new\n$");
}

static void an_existing_file_is_appended_to(void **state)
{
	struct place *place = *state;

	log_to(place->file, 0);
	log_info("one");
	log_reset();
	log_to(place->file, 0);
	log_info("two");
	assert_matches(place->file, "^" STAMP "LOG one\n" STAMP "LOG two\n$");
}

static void a_file_that_cannot_be_opened_leaves_the_old_one(void **state)
{
	struct place *place = *state;
	struct log_settings bad = {.file = "/nonexistent/dir/log", .verbose = 2};

	log_to(place->file, 0);
	assert_int_equal(log_apply(&bad), -ENOENT);
	assert_false(log_wants(LOG_LEVEL_DEBUG));
	log_info("kept");
	assert_matches(place->file, "^" STAMP "LOG kept\n$");
}

static void a_very_long_line_is_cut(void **state)
{
	struct place *place = *state;
	static char text[10000], feeds[6000];

	memset(text, 'x', sizeof(text) - 1);
	memset(feeds, '\n', sizeof(feeds) - 1);
	log_to(place->file, 0);
	log_write(LOG_LEVEL_LOG, text, "%s", text);
	log_write(LOG_LEVEL_LOG, text, "%s", feeds);
	char *all = content(place->file);
	size_t len = strlen(all);
	assert_in_range(len, 8000, 10000);
	assert_int_equal(all[len - 1], '\n');
	free(all);
}

static void a_full_disk_loses_the_line_and_nothing_else(void **state)
{
	struct place *place = *state;

	(void)place;
	log_to("/dev/full", 0);
	errno = EAGAIN;
	log_info("lost");
	assert_int_equal(errno, EAGAIN);
}

static void a_pipe_that_nobody_reads_is_not_waited_for(void **state)
{
	int fds[2], saved = dup(STDERR_FILENO);

	(void)state;
	assert_int_equal(pipe(fds), 0);
	dup2(fds[1], STDERR_FILENO);
	log_apply(&(struct log_settings){.to_stderr = true});
	alarm(20);
	for (int i = 0; i < 1000; i++)
		log_info("%01000d", i);
	alarm(0);
	dup2(saved, STDERR_FILENO);
	for (int i = 0; i < 2; i++)
		close(fds[i]);
	close(saved);
}

static void facilities_are_those_of_syslog(void **state)
{
	(void)state;
	assert_true(log_facility_is_known("daemon"));
	assert_true(log_facility_is_known("local7"));
	assert_false(log_facility_is_known("local8"));
	assert_false(log_facility_is_known(""));
	assert_false(log_facility_is_known(NULL));
}

static void what_repeats_is_said_now_and_then(void **state)
{
	struct log_limit limit = {0};
	unsigned skipped = 99;

	(void)state;
	assert_true(log_limit_may(&limit, 1000, &skipped));
	assert_int_equal(skipped, 0);
	for (int i = 0; i < 7; i++)
		assert_false(log_limit_may(&limit, 2000, &skipped));
	assert_int_equal(skipped, 0);
	assert_true(log_limit_may(&limit, 60000000, &skipped));
	assert_int_equal(skipped, 7);
	assert_false(log_limit_may(&limit, 60000000, &skipped));
}

static void a_broken_promise_is_reported_and_ends_the_process(void **state)
{
	struct place *place = *state;
	int status;

	log_to(place->file, 0);
	pid_t child = fork();
	if (child == 0) {
		setrlimit(RLIMIT_CORE, &(struct rlimit){0});
		signal(SIGABRT, SIG_DFL);
		CHECK(1 + 1 == 2);
		CHECK(1 + 1 == 3);
		_exit(0);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFSIGNALED(status));
	assert_int_equal(WTERMSIG(status), SIGABRT);
	assert_matches(place->file, "^" STAMP "FATAL broken promise: 1 \\+ 1 == 3, in ");
}

#define IN_A_PLACE(test) cmocka_unit_test_setup_teardown(test, make_place, drop_place)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    IN_A_PLACE(lines_look_like_pgbouncers),
	    IN_A_PLACE(a_level_is_asked_for),
	    IN_A_PLACE(a_rotated_file_is_let_go),
	    IN_A_PLACE(an_existing_file_is_appended_to),
	    IN_A_PLACE(a_file_that_cannot_be_opened_leaves_the_old_one),
	    IN_A_PLACE(a_very_long_line_is_cut),
	    IN_A_PLACE(a_full_disk_loses_the_line_and_nothing_else),
	    cmocka_unit_test(a_pipe_that_nobody_reads_is_not_waited_for),
	    cmocka_unit_test(facilities_are_those_of_syslog),
	    cmocka_unit_test(what_repeats_is_said_now_and_then),
	    IN_A_PLACE(a_broken_promise_is_reported_and_ends_the_process),
	};

	return cmocka_run_group_tests_name("log", tests, NULL, NULL);
}
