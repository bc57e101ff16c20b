/*
 * Noticing that a file has changed, with real files and the kernel's own events.
 *
 * These are there as soon as the call that causes them returns, so that one turn of the
 * loop is enough to see that something is not told.
 */
#include "app/watch.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "harness/real_loop.h"

enum { LONG_MS = 5000, TURN_MS = 5 };

struct post {
	struct watch watch; /* first */
	struct loop loop;
	char dir[64];
	unsigned told;
	unsigned fds; /* before the test */
};

static void on_change(struct watch *watch)
{
	struct post *p = (struct post *)watch;

	p->told++;
	loop_stop(&p->loop);
}

static unsigned count_fds(void)
{
	DIR *dir = opendir("/proc/self/fd");
	unsigned count = 0;

	assert_non_null(dir);
	while (readdir(dir))
		count++;
	closedir(dir);
	return count;
}

static void write_file(const char *path, const char *text)
{
	FILE *file = fopen(path, "w");

	assert_non_null(file);
	assert_true(fputs(text, file) >= 0);
	assert_int_equal(fclose(file), 0);
}

static int begin(void **state)
{
	struct post *p = calloc(1, sizeof(*p));

	assert_non_null(p);
	snprintf(p->dir, sizeof(p->dir), "/tmp/pooler-watch.XXXXXX");
	assert_non_null(mkdtemp(p->dir));
	assert_int_equal(chdir(p->dir), 0);
	write_file("users", "one");
	p->fds = count_fds();
	assert_int_equal(loop_init(&p->loop), 0);
	assert_int_equal(watch_init(&p->watch, &p->loop, on_change), 0);
	*state = p;
	return 0;
}

static int end(void **state)
{
	struct post *p = *state;
	char command[100];

	watch_fini(&p->watch);
	watch_fini(&p->watch);
	loop_fini(&p->loop);
	assert_int_equal(count_fds(), p->fds);
	assert_int_equal(chdir("/"), 0);
	snprintf(command, sizeof(command), "rm -rf %s", p->dir);
	assert_int_equal(system(command), 0);
	free(p);
	return 0;
}

static void follow(struct post *p, const char *path)
{
	char whole[200];

	snprintf(whole, sizeof(whole), "%s/%s", p->dir, path);
	assert_int_equal(watch_follow(&p->watch, whole), 0);
}

/* Told once of what has just been done. */
static void expect_told(struct post *p)
{
	p->told = 0;
	assert_true(real_loop_run(&p->loop, LONG_MS));
	real_loop_run(&p->loop, TURN_MS);
	assert_int_equal(p->told, 1);
}

static void expect_silence(struct post *p)
{
	p->told = 0;
	assert_false(real_loop_run(&p->loop, TURN_MS));
	assert_int_equal(p->told, 0);
	/* Nor does it come again, turn after turn. */
	assert_int_equal(poll(&(struct pollfd){p->watch.fd, POLLIN, 0}, 1, 0), 0);
}

/* ---- changes ---- */

static void a_file_written_in_place_is_told(void **state)
{
	struct post *p = *state;

	follow(p, "users");
	expect_silence(p);
	write_file("users", "another");
	expect_told(p);
	write_file("users", "another."); /* and again */
	expect_told(p);
}

static void a_file_of_the_same_length_is_told(void **state)
{
	struct post *p = *state;

	follow(p, "users");
	expect_silence(p); /* clocks of file systems tick slowly */
	write_file("users", "two");
	expect_told(p);
}

static void a_file_that_is_being_written_is_told_when_it_is_closed(void **state)
{
	struct post *p = *state;

	follow(p, "users");
	FILE *file = fopen("users", "w");
	assert_non_null(file);
	assert_int_equal(fputs("half", file), 1);
	assert_int_equal(fflush(file), 0);
	expect_silence(p);
	assert_true(fputs(" and whole", file) >= 0);
	assert_int_equal(fclose(file), 0);
	expect_told(p);
}

static void a_file_renamed_over_it_is_told(void **state)
{
	struct post *p = *state;

	follow(p, "users");
	write_file("users.new", "two");
	expect_silence(p);
	assert_int_equal(rename("users.new", "users"), 0);
	expect_told(p);
	/* From elsewhere, too. */
	assert_int_equal(mkdir("elsewhere", 0700), 0);
	write_file("elsewhere/users", "three");
	expect_silence(p);
	assert_int_equal(rename("elsewhere/users", "users"), 0);
	expect_told(p);
}

static void a_link_switched_to_another_directory_is_told(void **state)
{
	struct post *p = *state;

	/* As volumes of secrets do it. */
	assert_int_equal(unlink("users"), 0);
	assert_int_equal(mkdir("..1", 0700), 0);
	assert_int_equal(mkdir("..2", 0700), 0);
	write_file("..1/users", "one");
	write_file("..2/users", "two");
	assert_int_equal(symlink("..1", "..data"), 0);
	assert_int_equal(symlink("..data/users", "users"), 0);
	follow(p, "users");
	assert_int_equal(symlink("..2", "..data_tmp"), 0);
	expect_silence(p);
	assert_int_equal(rename("..data_tmp", "..data"), 0);
	expect_told(p);
	assert_int_equal(unlink("..1/users"), 0);
	assert_int_equal(rmdir("..1"), 0);
	expect_silence(p);
}

static void a_link_to_another_file_is_told(void **state)
{
	struct post *p = *state;

	write_file("old", "one");
	write_file("new", "two");
	assert_int_equal(unlink("users"), 0);
	assert_int_equal(symlink("old", "users"), 0);
	follow(p, "users");
	assert_int_equal(unlink("users"), 0);
	expect_silence(p);
	assert_int_equal(symlink("new", "users"), 0);
	expect_told(p);
}

/* Programs that copy files like to keep the times. */
static void a_time_that_was_put_back_hides_nothing(void **state)
{
	struct post *p = *state;
	struct stat before;

	follow(p, "users");
	assert_int_equal(stat("users", &before), 0);
	struct timespec times[2] = {before.st_atim, before.st_mtim};
	write_file("users.new", "two");
	assert_int_equal(utimensat(AT_FDCWD, "users.new", times, 0), 0);
	assert_int_equal(rename("users.new", "users"), 0);
	expect_told(p);
	FILE *file = fopen("users", "w");
	assert_non_null(file);
	assert_true(fputs("longer", file) >= 0);
	assert_int_equal(fflush(file), 0);
	assert_int_equal(futimens(fileno(file), times), 0);
	assert_int_equal(fclose(file), 0);
	expect_told(p);
}

static void a_file_that_may_be_read_now_is_told(void **state)
{
	struct post *p = *state;

	assert_int_equal(chmod("users", 0), 0);
	follow(p, "users");
	assert_int_equal(chmod("users", 0400), 0);
	expect_told(p);
}

static void a_file_is_told_when_it_is_back_not_when_it_is_gone(void **state)
{
	struct post *p = *state;

	follow(p, "users");
	assert_int_equal(unlink("users"), 0);
	expect_silence(p);
	write_file("users", "again");
	expect_told(p);
	assert_int_equal(rename("users", "away"), 0);
	expect_silence(p);
	assert_int_equal(rename("away", "users"), 0);
	expect_silence(p); /* the same as it was */
}

static void a_file_that_was_missing_is_told_when_it_comes(void **state)
{
	struct post *p = *state;

	follow(p, "late");
	expect_silence(p);
	write_file("late", "");
	expect_told(p);
}

/* ---- what is no change ---- */

static void what_happens_to_others_is_not_told(void **state)
{
	struct post *p = *state;

	follow(p, "users");
	write_file("users~", "one");
	write_file("other", "something");
	assert_int_equal(rename("other", "another"), 0);
	assert_int_equal(unlink("another"), 0);
	assert_int_equal(mkdir("users.d", 0700), 0);
	expect_silence(p);
}

static void what_leaves_the_file_as_it_was_is_not_told(void **state)
{
	struct post *p = *state;
	char text[10];

	follow(p, "users");
	FILE *file = fopen("users", "r+");
	assert_non_null(file);
	assert_non_null(fgets(text, sizeof(text), file));
	assert_int_equal(fclose(file), 0);
	assert_int_equal(link("users", "twin"), 0);
	assert_int_equal(unlink("twin"), 0);
	expect_silence(p);
}

/* ---- whom it follows ---- */

static void another_file_is_followed_instead(void **state)
{
	struct post *p = *state;

	write_file("others", "one");
	follow(p, "users");
	follow(p, "others");
	write_file("users", "changed");
	expect_silence(p);
	write_file("others", "changed");
	expect_told(p);
	/* In another directory. */
	assert_int_equal(mkdir("elsewhere", 0700), 0);
	write_file("elsewhere/users", "one");
	follow(p, "elsewhere/users");
	write_file("others", "changed again");
	write_file("users", "changed again");
	expect_silence(p);
	write_file("elsewhere/users", "changed");
	expect_told(p);
}

static void what_happened_before_is_not_told(void **state)
{
	struct post *p = *state;

	follow(p, "users");
	write_file("users", "changed");
	follow(p, "users");
	expect_silence(p);
}

static void no_file_at_all_can_be_followed(void **state)
{
	struct post *p = *state;

	follow(p, "users");
	assert_int_equal(watch_follow(&p->watch, ""), 0);
	write_file("users", "changed");
	expect_silence(p);
	follow(p, "users");
	write_file("users", "changed again");
	expect_told(p);
}

static void a_relative_path_is_one_from_here(void **state)
{
	struct post *p = *state;

	assert_int_equal(watch_follow(&p->watch, "users"), 0);
	write_file("users", "changed");
	expect_told(p);
}

static void a_directory_that_goes_away_takes_nothing_with_it(void **state)
{
	struct post *p = *state;

	assert_int_equal(mkdir("elsewhere", 0700), 0);
	write_file("elsewhere/users", "one");
	follow(p, "elsewhere/users");
	assert_int_equal(unlink("elsewhere/users"), 0);
	assert_int_equal(rmdir("elsewhere"), 0);
	expect_silence(p);
	/* Another that took its name is followed when that is said. */
	assert_int_equal(mkdir("elsewhere", 0700), 0);
	write_file("elsewhere/users", "one");
	follow(p, "elsewhere/users");
	write_file("elsewhere/users", "two");
	expect_told(p);
}

static void a_directory_that_is_not_there_is_said_so(void **state)
{
	struct post *p = *state;

	assert_int_equal(watch_follow(&p->watch, "nowhere/users"), -ENOENT);
	expect_silence(p);
	follow(p, "users");
	write_file("users", "changed");
	expect_told(p);
}

static void one_that_was_never_begun_watches_nothing(void **state)
{
	struct watch watch = {0};

	(void)state;
	assert_int_equal(watch_follow(&watch, ""), 0);
	assert_int_equal(watch_follow(&watch, "users"), -EBADF);
	watch_fini(&watch);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)
	const struct CMUnitTest tests[] = {
	    TEST(a_file_written_in_place_is_told),
	    TEST(a_file_of_the_same_length_is_told),
	    TEST(a_file_that_is_being_written_is_told_when_it_is_closed),
	    TEST(a_file_renamed_over_it_is_told),
	    TEST(a_link_switched_to_another_directory_is_told),
	    TEST(a_link_to_another_file_is_told),
	    TEST(a_time_that_was_put_back_hides_nothing),
	    TEST(a_file_that_may_be_read_now_is_told),
	    TEST(a_file_is_told_when_it_is_back_not_when_it_is_gone),
	    TEST(a_file_that_was_missing_is_told_when_it_comes),
	    TEST(what_happens_to_others_is_not_told),
	    TEST(what_leaves_the_file_as_it_was_is_not_told),
	    TEST(another_file_is_followed_instead),
	    TEST(what_happened_before_is_not_told),
	    TEST(no_file_at_all_can_be_followed),
	    TEST(a_relative_path_is_one_from_here),
	    TEST(a_directory_that_goes_away_takes_nothing_with_it),
	    TEST(a_directory_that_is_not_there_is_said_so),
	    TEST(one_that_was_never_begun_watches_nothing),
	};

	return cmocka_run_group_tests_name("watching a file", tests, NULL, NULL);
}
