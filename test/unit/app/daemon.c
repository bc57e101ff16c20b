/* The pid file, and the limit of descriptors. */
#include "app/daemon.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

struct place {
	char directory[40];
	char path[60];
};

static int place_begin(void **state)
{
	struct place *p = calloc(1, sizeof(*p));

	assert_non_null(p);
	snprintf(p->directory, sizeof(p->directory), "/tmp/pooler-daemon.XXXXXX");
	assert_non_null(mkdtemp(p->directory));
	snprintf(p->path, sizeof(p->path), "%s/pid", p->directory);
	*state = p;
	return 0;
}

static int place_end(void **state)
{
	struct place *p = *state;

	unlink(p->path);
	assert_int_equal(rmdir(p->directory), 0);
	free(p);
	return 0;
}

static void put(const char *path, const char *text)
{
	FILE *file = fopen(path, "w");

	assert_non_null(file);
	fputs(text, file);
	assert_int_equal(fclose(file), 0);
}

static void assert_holds_our_id(const char *path)
{
	FILE *file = fopen(path, "r");
	long pid = 0;

	assert_non_null(file);
	assert_int_equal(fscanf(file, "%ld\n", &pid), 1);
	assert_int_equal(fgetc(file), EOF);
	fclose(file);
	assert_int_equal(pid, getpid());
}

static void it_holds_the_process_id(void **state)
{
	struct place *p = *state;
	struct stat st;

	assert_int_equal(daemon_write_pidfile(p->path), 0);
	assert_holds_our_id(p->path);
	assert_int_equal(stat(p->path, &st), 0);
	assert_int_equal(st.st_mode & 022, 0);
}

static pid_t dead_process(void)
{
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid == 0)
		_exit(0);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	return pid;
}

static void what_is_left_behind_is_replaced(void **state)
{
	struct place *p = *state;
	char dead[32];

	snprintf(dead, sizeof(dead), "%d\n", (int)dead_process());
	const char *const texts[] = {dead, "", "\n", "not a number\n", "-1\n", "0\n"};
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		put(p->path, texts[i]);
		assert_int_equal(daemon_write_pidfile(p->path), 0);
		assert_holds_our_id(p->path);
	}
}

static void a_running_process_keeps_its_file(void **state)
{
	struct place *p = *state;

	put(p->path, "1\n");
	assert_int_equal(daemon_write_pidfile(p->path), -EEXIST);
	FILE *file = fopen(p->path, "r");
	assert_int_equal(fgetc(file), '1');
	fclose(file);
}

/* In a container every start may have the same process id as the one before. */
static void our_own_id_is_no_other_process(void **state)
{
	struct place *p = *state;

	assert_int_equal(daemon_write_pidfile(p->path), 0);
	assert_int_equal(daemon_write_pidfile(p->path), 0);
	assert_holds_our_id(p->path);
}

static void a_link_is_not_followed(void **state)
{
	struct place *p = *state;
	char target[80];
	struct stat st;

	snprintf(target, sizeof(target), "%s.victim", p->path);
	put(target, "precious\n");
	assert_int_equal(symlink(target, p->path), 0);
	assert_int_equal(daemon_write_pidfile(p->path), 0);
	assert_int_equal(lstat(p->path, &st), 0);
	assert_true(S_ISREG(st.st_mode));
	assert_int_equal(stat(target, &st), 0);
	assert_int_equal(st.st_size, 9);
	unlink(target);
}

static void a_place_that_does_not_exist_is_an_error(void **state)
{
	(void)state;
	assert_int_equal(daemon_write_pidfile("/no/such/place/pid"), -ENOENT);
}

static void descriptors_go_up_to_the_hard_limit(void **state)
{
	struct rlimit limit, lower;

	(void)state;
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
	lower = limit;
	lower.rlim_cur = 100;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &lower), 0);
	assert_int_equal(daemon_raise_descriptors(), limit.rlim_max);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &lower), 0);
	assert_int_equal(lower.rlim_cur, limit.rlim_max);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
}

static void nobody_becomes_a_user_that_does_not_exist(void **state)
{
	(void)state;
	assert_int_equal(daemon_become("no-such-user-here"), -ENOENT);
}

/* Whoever started it waits until it is ready, and learns whether it was. */
static int status_of_daemon(bool becomes_ready)
{
	int status = 0;
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid == 0) {
		int ready_fd = -1;
		if (daemon_fork(&ready_fd) == 0 && becomes_ready)
			daemon_ready(ready_fd);
		_exit(0); /* the daemon's end */
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static void who_starts_a_daemon_learns_how_it_went(void **state)
{
	(void)state;
	assert_int_equal(status_of_daemon(true), 0);
	assert_int_equal(status_of_daemon(false), 1);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, place_begin, place_end)
	const struct CMUnitTest tests[] = {
	    TEST(it_holds_the_process_id),
	    TEST(what_is_left_behind_is_replaced),
	    TEST(a_running_process_keeps_its_file),
	    TEST(our_own_id_is_no_other_process),
	    TEST(a_link_is_not_followed),
	    cmocka_unit_test(a_place_that_does_not_exist_is_an_error),
	    cmocka_unit_test(descriptors_go_up_to_the_hard_limit),
	    cmocka_unit_test(nobody_becomes_a_user_that_does_not_exist),
	    cmocka_unit_test(who_starts_a_daemon_learns_how_it_went),
	};

	return cmocka_run_group_tests_name("the process", tests, NULL, NULL);
}
