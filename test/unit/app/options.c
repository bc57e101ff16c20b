/* The command line, case by case. */
#include "app/options.h"

#include <getopt.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

enum { WORDS_MOST = 10 };

/* Splits "pooler -d file" at its blanks and parses; what is printed goes nowhere. */
static enum options_result parse(const char *line, char *copy, size_t cap,
				 struct options *out)
{
	char *argv[WORDS_MOST + 1] = {0};
	int argc = 0;
	char *rest;

	snprintf(copy, cap, "%s", line);
	for (char *word = strtok_r(copy, " ", &rest); word;
	     word = strtok_r(NULL, " ", &rest)) {
		assert_true(argc < WORDS_MOST);
		argv[argc++] = word;
	}
	optind = 0;
	return options_parse(argc, argv, out);
}

static const struct {
	const char *line;
	enum options_result result;
	struct options options;
} cases[] = {
    {"pooler x.ini", OPTIONS_RUN, {.file = "x.ini"}},
    {"pooler -d x.ini", OPTIONS_RUN, {.file = "x.ini", .is_daemon = true}},
    {"pooler --daemon x.ini", OPTIONS_RUN, {.file = "x.ini", .is_daemon = true}},
    {"pooler -q x.ini", OPTIONS_RUN, {.file = "x.ini", .is_quiet = true}},
    {"pooler -v x.ini", OPTIONS_RUN, {.file = "x.ini", .verbose = 1}},
    {"pooler -vv -v x.ini", OPTIONS_RUN, {.file = "x.ini", .verbose = 3}},
    {"pooler -u me x.ini", OPTIONS_RUN, {.file = "x.ini", .user = "me"}},
    {"pooler --user=me x.ini", OPTIONS_RUN, {.file = "x.ini", .user = "me"}},
    {"pooler --check x.ini", OPTIONS_RUN, {.file = "x.ini", .is_check = true}},
    {"pooler x.ini -d", OPTIONS_RUN, {.file = "x.ini", .is_daemon = true}},
    {"pooler -- -x.ini", OPTIONS_RUN, {.file = "-x.ini"}},
    {"pooler -V", OPTIONS_DONE, {0}},
    {"pooler --version", OPTIONS_DONE, {0}},
    {"pooler -h", OPTIONS_DONE, {0}},
    {"pooler --help x.ini", OPTIONS_DONE, {0}},
    {"pooler", OPTIONS_BAD, {0}},
    {"pooler -d", OPTIONS_BAD, {0}},
    {"pooler one.ini two.ini", OPTIONS_BAD, {0}},
    {"pooler -x x.ini", OPTIONS_BAD, {0}},
    {"pooler --unknown x.ini", OPTIONS_BAD, {0}},
    {"pooler x.ini -u", OPTIONS_BAD, {0}},
    {"pooler --check=yes x.ini", OPTIONS_BAD, {0}},
};

static void assert_same_text(const char *a, const char *b)
{
	assert_int_equal(a != NULL, b != NULL);
	if (a)
		assert_string_equal(a, b);
}

static void each_line_is_understood(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const struct options *expected = &cases[i].options;
		struct options got;
		char copy[100];

		if (parse(cases[i].line, copy, sizeof(copy), &got) != cases[i].result)
			fail_msg("%s", cases[i].line);
		if (cases[i].result != OPTIONS_RUN)
			continue;
		assert_same_text(got.file, expected->file);
		assert_same_text(got.user, expected->user);
		assert_int_equal(got.verbose, expected->verbose);
		assert_int_equal(got.is_daemon, expected->is_daemon);
		assert_int_equal(got.is_quiet, expected->is_quiet);
		assert_int_equal(got.is_check, expected->is_check);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(each_line_is_understood)};

	return cmocka_run_group_tests_name("the command line", tests, NULL, NULL);
}
