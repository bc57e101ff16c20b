/*
 * A directory of files for the tests of config/, and the usual ways to load them.
 */
#ifndef POOLER_TEST_UNIT_CONFIG_FIXTURE_H
#define POOLER_TEST_UNIT_CONFIG_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "config/config.h"
#include "config/ini.h"

struct fixture {
	char dir[64];
	struct config_errors errors;
};

/* Each test begins in an empty directory of its own, and inih is set up. */
static inline int fixture_begin(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	assert_non_null(f);
	ini_setup();
	snprintf(f->dir, sizeof(f->dir), "/tmp/pooler-config.XXXXXX");
	assert_non_null(mkdtemp(f->dir));
	assert_int_equal(chdir(f->dir), 0);
	*state = f;
	return 0;
}

static inline int fixture_end(void **state)
{
	struct fixture *f = *state;
	char command[100];

	config_errors_fini(&f->errors);
	assert_int_equal(chdir("/"), 0);
	snprintf(command, sizeof(command), "rm -rf %s", f->dir);
	assert_int_equal(system(command), 0);
	free(f);
	return 0;
}

static inline void put_bytes(const char *path, const void *bytes, size_t len)
{
	FILE *file = fopen(path, "w");

	assert_non_null(file);
	assert_int_equal(fwrite(bytes, 1, len, file), len);
	assert_int_equal(fclose(file), 0);
}

static inline void put(const char *path, const char *text)
{
	put_bytes(path, text, strlen(text));
}

/* Line i of the list, as a person would read it; out holds 1000 bytes. */
static inline const char *error_line(const struct fixture *f, size_t i, char *out)
{
	assert_true(i < f->errors.count);
	return config_error_print(&f->errors.items[i], out, 1000);
}

/* The list is exactly these lines; the last is NULL. */
static inline void expect_lines(struct fixture *f, const char *const *lines)
{
	char line[1000];
	size_t count = 0;

	for (; lines[count]; count++) {
		if (count < f->errors.count)
			assert_string_equal(error_line(f, count, line), lines[count]);
		else
			fail_msg("missing: %s", lines[count]);
	}
	if (f->errors.count > count)
		fail_msg("unexpected: %s", error_line(f, count, line));
}

#define EXPECT_LINES(f, ...) expect_lines(f, (const char *const[]){__VA_ARGS__, NULL})

/* Loads the text, which has nothing wrong with it. */
static inline struct config *load_text(struct fixture *f, const char *text)
{
	char line[1000];

	put("good.ini", text);
	struct config *config = config_load("good.ini", &f->errors);
	if (f->errors.errors > 0)
		fail_msg("unexpected: %s", error_line(f, 0, line));
	assert_non_null(config);
	return config;
}

/* The smallest head of a file that loads. */
#define HEAD "[pooler]\nauth_type = trust\n"

#endif
