/* What /proc and the control group say, from files of our own. */
#include "base/footprint.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

enum { MB = 1024 * 1024, FILES_MOST = 16 };

/* A directory that stands for both. */
struct stage {
	char root[64], proc[80], cgroups[80];
	char made[FILES_MOST][160];
	size_t count;
};

static void remember(struct stage *s, const char *path)
{
	assert_true(s->count < FILES_MOST);
	snprintf(s->made[s->count++], sizeof(s->made[0]), "%s", path);
}

static void make_directory(struct stage *s, const char *path)
{
	assert_int_equal(mkdir(path, 0700), 0);
	remember(s, path);
}

static void write_file(struct stage *s, const char *directory, const char *name,
		       const char *text)
{
	char path[160];

	snprintf(path, sizeof(path), "%s/%s", directory, name);
	FILE *file = fopen(path, "w");
	assert_non_null(file);
	fputs(text, file);
	fclose(file);
	remember(s, path);
}

static int open_stage(void **state)
{
	struct stage *s = calloc(1, sizeof(*s));

	if (!s)
		return -1;
	snprintf(s->root, sizeof(s->root), "/tmp/footprint-XXXXXX");
	if (!mkdtemp(s->root))
		return -1;
	snprintf(s->proc, sizeof(s->proc), "%s/proc", s->root);
	snprintf(s->cgroups, sizeof(s->cgroups), "%s/cgroup", s->root);
	make_directory(s, s->proc);
	make_directory(s, s->cgroups);
	*state = s;
	return 0;
}

static int close_stage(void **state)
{
	struct stage *s = *state;

	while (s->count > 0)
		remove(s->made[--s->count]);
	rmdir(s->root);
	free(s);
	return 0;
}

/* The groups /a and /a/b, in which the process is. */
static void make_groups(struct stage *s, char a[96], char b[112])
{
	snprintf(a, 96, "%s/a", s->cgroups);
	snprintf(b, 112, "%s/b", a);
	make_directory(s, a);
	make_directory(s, b);
	write_file(s, s->proc, "cgroup", "4:cpu:/old\n0::/a/b\n");
}

static void without_a_control_group_there_is_no_ceiling(void **state)
{
	struct stage *s = *state;
	struct footprint f;

	footprint_init(&f, s->proc, s->cgroups);
	assert_int_equal(f.ceiling, 0);
	assert_int_equal(f.group, FOOTPRINT_UNKNOWN);
	assert_int_equal(footprint_now(&f), 0);
	write_file(s, s->proc, "cgroup", "4:memory:/a\n3:cpuset:/\n");
	footprint_init(&f, s->proc, s->cgroups);
	assert_int_equal(f.ceiling, 0);
	assert_int_equal(f.group, FOOTPRINT_UNKNOWN);
}

static void version_1_is_asked_where_memory_is_limited_there(void **state)
{
	static const struct {
		const char *line, *top, *a;
		uint64_t ceiling;
	} cases[] = {
	    {"4:memory:/a\n0::/\n", "9223372036854771712\n", "9223372036854771712\n", 0},
	    {"4:memory:/a\n0::/\n", "9223372036854771712\n", "1048576\n", MB},
	    {"4:cpu,memory:/a\n", "2097152\n", "9223372036854771712\n", 2 * MB},
	    {"4:memory,cpu:/a\n", "2097152\n", "1048576\n", MB},
	    /* As a container sees it whose groups have no name space. */
	    {"9:cpu:/x\n4:memory:/docker/abc\n", "1048576\n", "7\n", MB},
	};
	struct stage *s = *state;
	struct footprint f;
	char top[96], a[112];

	snprintf(top, sizeof(top), "%s/memory", s->cgroups);
	snprintf(a, sizeof(a), "%s/a", top);
	make_directory(s, top);
	make_directory(s, a);
	/* Its own group says something else, but not about memory. */
	write_file(s, s->cgroups, "memory.max", "4096\n");
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		size_t before = s->count;
		write_file(s, s->proc, "cgroup", cases[i].line);
		write_file(s, top, "memory.limit_in_bytes", cases[i].top);
		write_file(s, a, "memory.limit_in_bytes", cases[i].a);
		footprint_init(&f, s->proc, s->cgroups);
		assert_int_equal(f.ceiling, cases[i].ceiling);
		assert_int_equal(f.group, cases[i].ceiling ? FOOTPRINT_LIMITED
							   : FOOTPRINT_UNLIMITED);
		while (s->count > before)
			remove(s->made[--s->count]);
	}
}

/* Names of controllers are whole words. */
static void other_controllers_are_not_asked(void **state)
{
	struct stage *s = *state;
	struct footprint f;
	char memory[96];

	snprintf(memory, sizeof(memory), "%s/memory", s->cgroups);
	make_directory(s, memory);
	write_file(s, memory, "memory.limit_in_bytes", "1048576\n");
	write_file(s, s->proc, "cgroup", "4:memory2,mymemory:/\n5:memor:/\nmemory\n::\n");
	footprint_init(&f, s->proc, s->cgroups);
	assert_int_equal(f.group, FOOTPRINT_UNKNOWN);
}

static void the_root_of_all_has_no_ceiling(void **state)
{
	struct stage *s = *state;
	struct footprint f;

	write_file(s, s->proc, "cgroup", "0::/\n");
	write_file(s, s->cgroups, "memory.stat", "anon 7\nsock 8\n");
	footprint_init(&f, s->proc, s->cgroups);
	assert_int_equal(f.group, FOOTPRINT_UNLIMITED);
}

static void the_lowest_ceiling_on_the_way_up_counts(void **state)
{
	static const struct {
		const char *root, *a, *b;
		uint64_t ceiling;
	} cases[] = {
	    {"max\n", "max\n", "max\n", 0},
	    {"max\n", "max\n", "1048576\n", MB},
	    {"max\n", "2097152\n", "max\n", 2 * MB},
	    {"max\n", "2097152\n", "3145728\n", 2 * MB},
	    {"4096\n", "2097152\n", "3145728\n", 4096},
	};
	struct stage *s = *state;
	struct footprint f;
	char a[96], b[112];

	make_groups(s, a, b);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		size_t before = s->count;
		write_file(s, s->cgroups, "memory.max", cases[i].root);
		write_file(s, a, "memory.max", cases[i].a);
		write_file(s, b, "memory.max", cases[i].b);
		footprint_init(&f, s->proc, s->cgroups);
		assert_int_equal(f.ceiling, cases[i].ceiling);
		assert_int_equal(f.group, cases[i].ceiling ? FOOTPRINT_LIMITED
							   : FOOTPRINT_UNLIMITED);
		while (s->count > before)
			remove(s->made[--s->count]);
	}
}

/* As a container with a name space of its own sees it. */
static void the_group_may_be_the_root(void **state)
{
	struct stage *s = *state;
	struct footprint f;

	write_file(s, s->proc, "cgroup", "0::/\n");
	write_file(s, s->cgroups, "memory.max", "1048576\n");
	footprint_init(&f, s->proc, s->cgroups);
	assert_int_equal(f.ceiling, MB);
}

static void what_is_taken_is_resident_memory_and_that_of_sockets(void **state)
{
	struct stage *s = *state;
	struct footprint f;
	char a[96], b[112];
	uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);

	write_file(s, s->proc, "statm", "5000 1000 300 20 0 700 0\n");
	footprint_init(&f, s->proc, s->cgroups);
	assert_int_equal(footprint_now(&f), 1000 * page);
	make_groups(s, a, b);
	write_file(s, b, "memory.stat", "anon 7\nkernel 9\nsock 12345\nshmem 1\n");
	footprint_init(&f, s->proc, s->cgroups);
	assert_int_equal(footprint_now(&f), 1000 * page + 12345);
}

static void this_process_takes_something(void **state)
{
	struct footprint f;

	(void)state;
	footprint_init(&f, "/proc/self", "/sys/fs/cgroup");
	assert_true(footprint_now(&f) > 100 * 1024);
	footprint_trim();
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, open_stage, close_stage)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    CASE(without_a_control_group_there_is_no_ceiling),
	    CASE(version_1_is_asked_where_memory_is_limited_there),
	    CASE(other_controllers_are_not_asked),
	    CASE(the_root_of_all_has_no_ceiling),
	    CASE(the_lowest_ceiling_on_the_way_up_counts),
	    CASE(the_group_may_be_the_root),
	    CASE(what_is_taken_is_resident_memory_and_that_of_sockets),
	    cmocka_unit_test(this_process_takes_something),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
