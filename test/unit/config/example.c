/*
 * The example files and the manual say what the table of settings says: the same
 * defaults, and in the example the same sentences.
 */
#include "fixture.h"

#include <ctype.h>

#include "config/arena.h"

/* A file of the source as one text; free it. */
static char *source_text(const char *name)
{
	const char *top = getenv("abs_top_srcdir");
	char path[1000], *text = NULL;
	size_t cap = 0;

	snprintf(path, sizeof(path), "%s/%s", top ? top : ".", name);
	FILE *file = fopen(path, "r");
	if (!file)
		fail_msg("%s cannot be opened; is abs_top_srcdir set?", path);
	ssize_t len = getdelim(&text, &cap, '\0', file);
	assert_true(len > 0);
	assert_int_equal(fclose(file), 0);
	return text;
}

/* The line of the text that begins with the two words and then one of the bytes in stop,
 * or NULL. */
static const char *find_line(const char *text, const char *first, const char *word,
			     const char *stop)
{
	for (const char *line = text; line; line = strchr(line, '\n')) {
		line += *line == '\n';
		if (strncmp(line, first, strlen(first)) != 0)
			continue;
		const char *at = line + strlen(first);
		size_t len = strlen(word);
		if (strncmp(at, word, len) == 0 && strchr(stop, at[len]))
			return line;
	}
	return NULL;
}

/* Whether the text from start to end, written as a value, is the default of row i. */
static void expect_default(size_t i, const char *start, const char *end)
{
	struct arena strings = {0};
	struct settings defaults, written;
	char value[500], why[500];

	settings_init(&defaults);
	settings_init(&written);
	snprintf(value, sizeof(value), "%.*s", (int)(end - start), start);
	if (settings_set(&written, i, value, &strings, why, sizeof(why)) != 0)
		fail_msg("%s: %s", settings_info(i).name, why);
	if (!settings_same(&defaults, &written, i))
		fail_msg("%s: %s is not the default", settings_info(i).name, value);
	arena_fini(&strings);
}

/* The comment above the line, as one line of words in out. */
static void comment_above(const char *text, const char *line, char *out, size_t cap)
{
	const char *start = line;
	size_t len = 0;

	/* Back over all lines that begin with "; ". */
	for (;;) {
		const char *before = start - 1;
		while (before > text && before[-1] != '\n')
			before--;
		if (start == text || strncmp(before, "; ", 2) != 0)
			break;
		start = before;
	}
	for (const char *at = start; at < line && len + 1 < cap; at++) {
		if (at[0] == ';' && (at == start || at[-1] == '\n'))
			at++;
		else if (*at == '\n')
			out[len++] = ' ';
		else
			out[len++] = *at;
		/* The blank behind a ';' goes with it. */
	}
	out[len] = '\0';
}

static void the_example_shows_each_default_under_its_sentence(void **state)
{
	char *text = source_text("etc/pooler.ini");
	char comment[2000];

	(void)state;
	for (size_t i = 0; i < settings_count(); i++) {
		struct settings_info info = settings_info(i);
		const char *line = find_line(text, ";", info.name, " ");
		const char *active = find_line(text, "", info.name, " ");

		if (!line == !active)
			fail_msg("%s must stand there once", info.name);
		comment_above(text, line ? line : active, comment, sizeof(comment));
		if (!strstr(comment, info.sentence))
			fail_msg("%s: \"%s\" is not in \"%s\"", info.name, info.sentence,
				 comment);
		if (!info.changeable != (strstr(comment, " At start.") != NULL))
			fail_msg("%s: when it takes effect is not told", info.name);
		if (line && info.default_text)
			expect_default(i, strchr(line, '=') + 1, strchr(line, '\n'));
	}
	free(text);
}

static void the_example_loads_and_so_does_the_least_one(void **state)
{
	static const char *const names[] = {"etc/pooler.ini", "etc/pooler.minimal.ini"};
	struct fixture *f = *state;

	for (size_t i = 0; i < 2; i++) {
		char *text = source_text(names[i]);
		const struct config *c = load_text(f, text);

		assert_int_equal(f->errors.count, 0);
		assert_string_equal(c->settings.listen_addr, "127.0.0.1");
		assert_int_equal(c->settings.listen_port, 6432);
		assert_non_null(config_fallback(c));
		config_unref(c);
		free(text);
	}
}

/* With every comment sign taken away it is still what the settings say. */
static void the_example_loads_with_all_its_settings(void **state)
{
	struct fixture *f = *state;
	char *text = source_text("etc/pooler.ini");

	for (char *at = text; at; at = strchr(at, '\n')) {
		at += *at == '\n';
		if (at[0] == ';' && islower((unsigned char)at[1]))
			at[0] = ' ';
	}
	const struct config *c = load_text(f, text);
	assert_int_equal(f->errors.count, 0);
	assert_int_equal(c->settings.query_wait_timeout, 120000000);
	config_unref(c);
	free(text);
}

static void the_manual_tells_each_default_and_when_it_takes_effect(void **state)
{
	char *text = source_text("doc/man/pooler.ini.5");

	(void)state;
	for (size_t i = 0; i < settings_count(); i++) {
		struct settings_info info = settings_info(i);
		const char *item = find_line(text, ".It Ic ", info.name, "\n");
		char line[300];

		if (!item)
			fail_msg("%s is not in the manual", info.name);
		/* Kind; default; when. */
		const char *words = strchr(item, '\n') + 1;
		snprintf(line, sizeof(line), "%.*s", (int)strcspn(words, "\n"), words);
		if (!info.changeable != (strstr(line, "; at start.") != NULL))
			fail_msg("%s: %s", info.name, line);
		const char *value = strstr(line, "; default ");
		if (!info.default_text || info.default_text[0] == '\0') {
			if (!strstr(line, "; empty by default") &&
			    !strstr(line, "; no default"))
				fail_msg("%s: %s", info.name, line);
			continue;
		}
		if (!value)
			fail_msg("%s: %s", info.name, line);
		value += strlen("; default ");
		const char *end = strchr(value, ';');
		expect_default(i, value, end ? end : strrchr(value, '.'));
	}
	free(text);
}

static void the_manual_tells_each_key_of_tls(void **state)
{
	char *text = source_text("doc/man/pooler.ini.5");

	(void)state;
	for (unsigned i = 0; i < SERVER_TLS_COUNT; i++) {
		const char *key = server_tls_key_name((enum server_tls_key)i);

		if (!find_line(text, ".It Ic ", key, "\n"))
			fail_msg("%s is not in the manual", key);
	}
	free(text);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_begin, fixture_end)
	const struct CMUnitTest tests[] = {
	    TEST(the_example_shows_each_default_under_its_sentence),
	    TEST(the_example_loads_and_so_does_the_least_one),
	    TEST(the_example_loads_with_all_its_settings),
	    TEST(the_manual_tells_each_default_and_when_it_takes_effect),
	    TEST(the_manual_tells_each_key_of_tls),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
