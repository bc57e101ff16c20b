/*
 * Files as sequences of sections and entries, and every trap on the way.
 */
#include "fixture.h"

#include "config/ini.h"

#include <sys/stat.h>

struct record {
	char text[20000];
	size_t len;
};

static void add(struct record *r, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static void add(struct record *r, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	r->len +=
	    (size_t)vsnprintf(r->text + r->len, sizeof(r->text) - r->len, format, args);
	va_end(args);
	assert_true(r->len < sizeof(r->text));
}

static void on_section(void *owner, struct ini_place place, const char *section)
{
	add(owner, "%s:%u [%s]\n", place.file, place.line, section);
}

static void on_entry(void *owner, struct ini_place place, const char *section,
		     const char *name, const char *value)
{
	add(owner, "%s:%u %s/%s=%s|\n", place.file, place.line, section, name, value);
}

static const struct ini_ops ops = {.on_section = on_section, .on_entry = on_entry};

/* What reading a.ini gives. */
static void expect_record(struct fixture *f, const char *expected)
{
	struct record *r = calloc(1, sizeof(*r));

	assert_non_null(r);
	assert_int_equal(ini_read("a.ini", &ops, r, &f->errors), 0);
	assert_string_equal(r->text, expected);
	free(r);
}

static void expect_clean(struct fixture *f, const char *text, const char *expected)
{
	put("a.ini", text);
	expect_record(f, expected);
	assert_int_equal(f->errors.count, 0);
}

static void entries_come_with_section_and_place(void **state)
{
	expect_clean(*state, "[one]\na = 1\n\n; no\n# no\nb=2\n[two]\nc =3\n",
		     "a.ini:1 [one]\na.ini:2 one/a=1|\na.ini:6 one/b=2|\n"
		     "a.ini:7 [two]\na.ini:8 two/c=3|\n");
}

static void an_empty_section_is_seen(void **state)
{
	expect_clean(*state, "[one]\n[two]\n", "a.ini:1 [one]\na.ini:2 [two]\n");
}

static void a_section_name_is_trimmed_and_never_cut(void **state)
{
	expect_clean(
	    *state,
	    "[  a_name_that_is_much_longer_than_the_fifty_bytes_of_the_parser  ]\n",
	    "a.ini:1 "
	    "[a_name_that_is_much_longer_than_the_fifty_bytes_of_the_parser]\n");
}

static void indented_lines_are_lines_like_any_other(void **state)
{
	expect_clean(*state,
		     "[s]\nlisten_addr = 127.0.0.1\n    listen_port = 6432\n\t[t]\n",
		     "a.ini:1 [s]\na.ini:2 s/listen_addr=127.0.0.1|\n"
		     "a.ini:3 s/listen_port=6432|\na.ini:4 [t]\n");
}

static void there_are_no_comments_inside_a_line(void **state)
{
	expect_clean(*state, "[s]\na = x ; y\nb = x # y\nc= ;only\n",
		     "a.ini:1 [s]\na.ini:2 s/a=x ; y|\na.ini:3 s/b=x # y|\n"
		     "a.ini:4 s/c=;only|\n");
}

static void blanks_around_names_and_values_do_not_count(void **state)
{
	expect_clean(*state, "[s]\n \t a \t = \t b c \t \nd =\ne=\n",
		     "a.ini:1 [s]\na.ini:2 s/a=b c|\na.ini:3 s/d=|\na.ini:4 s/e=|\n");
}

static void only_the_first_equals_sign_splits(void **state)
{
	expect_clean(*state, "[s]\na = b = c : d\n",
		     "a.ini:1 [s]\na.ini:2 s/a=b = c : d|\n");
}

static void names_may_have_colons(void **state)
{
	expect_clean(*state, "[s]\ndb:x = host=1\n:a:=2\nplain = 3\n",
		     "a.ini:1 [s]\na.ini:2 s/db:x=host=1|\na.ini:3 s/:a:=2|\n"
		     "a.ini:4 s/plain=3|\n");
}

static void a_colon_does_not_split(void **state)
{
	struct fixture *f = *state;

	put("a.ini", "[s]\nlisten_port: 6432\n");
	expect_record(f, "a.ini:1 [s]\n");
	EXPECT_LINES(f, "a.ini:2: this is no \"name = value\": there is no '='");
}

static void names_may_be_quoted_in_two_ways(void **state)
{
	expect_clean(*state,
		     "[s]\n'my db' = 1\n\"my db\" = 2\n'a=b' = 3\n\";x\"=4\n'[y]' =5\n"
		     "'%z'=6\n",
		     "a.ini:1 [s]\na.ini:2 s/my db=1|\na.ini:3 s/my db=2|\n"
		     "a.ini:4 s/a=b=3|\na.ini:5 s/;x=4|\na.ini:6 s/[y]=5|\n"
		     "a.ini:7 s/%z=6|\n");
}

static void a_doubled_quote_is_a_quote(void **state)
{
	expect_clean(
	    *state,
	    "[s]\n'it''s' = 1\n\"a\"\"b\" = 2\n'a\"b' = 3\n\"a'b\" = 4\n'''' = 5\n",
	    "a.ini:1 [s]\na.ini:2 s/it's=1|\na.ini:3 s/a\"b=2|\n"
	    "a.ini:4 s/a\"b=3|\na.ini:5 s/a'b=4|\na.ini:6 s/'=5|\n");
}

static void bad_names_are_refused(void **state)
{
	struct fixture *f = *state;

	put("a.ini", "[s]\n'open = 1\n'x' y = 1\n'x'\n'' = 1\n= 1\nmy db = 1\na'b = 1\n"
		     "word\n\"a\"b\" = 1\n");
	expect_record(f, "a.ini:1 [s]\n");
	EXPECT_LINES(
	    f, "a.ini:2: the quoted name has no end",
	    "a.ini:3: the quoted name is not followed by '='",
	    "a.ini:4: the quoted name is not followed by '='",
	    "a.ini:5: the name is empty", "a.ini:6: there is no name before the '='",
	    "a.ini:7: a name with blanks or quotes in it must be quoted (or is a "
	    "'=' missing before this one?)",
	    "a.ini:8: a name with blanks or quotes in it must be quoted (or is a "
	    "'=' missing before this one?)",
	    "a.ini:9: this is no \"name = value\": there is no '='",
	    "a.ini:10: the quoted name is not followed by '='");
}

static void entries_after_a_bad_header_belong_nowhere(void **state)
{
	struct fixture *f = *state;

	put("a.ini", "[s]\n[t\na = 1\n[u]x\nb = 2\n[v]\nc = 3\n");
	expect_record(f, "a.ini:1 [s]\na.ini:6 [v]\na.ini:7 v/c=3|\n");
	EXPECT_LINES(f, "a.ini:2: the section's name has no closing ']'",
		     "a.ini:4: something stands behind the section's ']'");
}

static void line_ends_may_be_those_of_windows_or_missing(void **state)
{
	expect_clean(*state, "[s]\r\na = 1\r\nb = 2",
		     "a.ini:1 [s]\na.ini:2 s/a=1|\na.ini:3 s/b=2|\n");
}

static void a_byte_order_mark_is_skipped_in_every_file(void **state)
{
	put("b.ini", "\xef\xbb\xbf[t]\n");
	expect_clean(*state, "\xef\xbb\xbf[s]\na = 1\n%include b.ini\n",
		     "a.ini:1 [s]\na.ini:2 s/a=1|\nb.ini:1 [t]\n");
}

static void a_nul_byte_spoils_its_line_and_no_other(void **state)
{
	static const char text[] = "[s]\na = 1\0 2\n\0\n; \0\nb = 2\n";
	struct fixture *f = *state;

	put_bytes("a.ini", text, sizeof(text) - 1);
	expect_record(f, "a.ini:1 [s]\na.ini:5 s/b=2|\n");
	EXPECT_LINES(f, "a.ini:2: the line has a NUL byte",
		     "a.ini:3: the line has a NUL byte",
		     "a.ini:4: the line has a NUL byte");
}

static void count_value(void *owner, struct ini_place place, const char *section,
			const char *name, const char *value)
{
	(void)place;
	(void)section;
	assert_string_equal(name, "a");
	*(size_t *)owner += strlen(value);
}

/* Writes a line of len bytes and one more after it; gives what its value is. */
static size_t value_of_line(struct fixture *f, size_t len)
{
	static const struct ini_ops count = {.on_section = on_section,
					     .on_entry = count_value};
	size_t total = 0;
	char *text = malloc(len + 10);

	assert_non_null(text);
	memset(text, 'x', len);
	memcpy(text, "a = ", 4);
	/* What inih would take for a line of its own when it splits one. */
	if (len > 250)
		memcpy(text + 230, " b = 1 ", 7);
	memcpy(text + len, "\na = 1\n", 7);
	put_bytes("a.ini", text, len + 7);
	free(text);
	assert_int_equal(ini_read("a.ini", &count, &total, &f->errors), 0);
	return total - 1;
}

static void long_lines_stay_whole(void **state)
{
	static const size_t lens[] = {199, 200, 201, 202, 255, 1000, 4096, INI_LINE_MAX};
	struct fixture *f = *state;

	for (size_t i = 0; i < sizeof(lens) / sizeof(lens[0]); i++)
		assert_int_equal(value_of_line(f, lens[i]), lens[i] - 4);
	assert_int_equal(f->errors.count, 0);
}

static void a_line_that_is_too_long_is_refused_whole(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(value_of_line(f, INI_LINE_MAX + 1), 0);
	assert_int_equal(value_of_line(f, 200000), 0);
	EXPECT_LINES(f, "a.ini:1: the line is longer than 65535 bytes",
		     "a.ini:1: the line is longer than 65535 bytes");
}

static void long_names_stay_whole(void **state)
{
	char text[1300], expected[1400], name[1001];

	memset(name, 'n', 1000);
	name[1000] = '\0';
	snprintf(text, sizeof(text), "[s]\n%s = 1\n", name);
	snprintf(expected, sizeof(expected), "a.ini:1 [s]\na.ini:2 s/%s=1|\n", name);
	expect_clean(*state, text, expected);
}

static void what_cannot_be_read_is_told(void **state)
{
	static const struct {
		const char *path, *expected;
	} cases[] = {
	    {"none.ini", "none.ini: cannot be read: No such file or directory"},
	    {"dir", "dir: cannot be read: it is a directory"},
	    {"pipe", "pipe: cannot be read: it is not a regular file"},
	    {"/dev/zero", "/dev/zero: cannot be read: it is not a regular file"},
	};
	struct fixture *f = *state;
	struct record r = {.len = 0};
	char line[1000];

	assert_int_equal(mkdir("dir", 0700), 0);
	assert_int_equal(mkfifo("pipe", 0600), 0);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		assert_int_equal(ini_read(cases[i].path, &ops, &r, &f->errors), 0);
		assert_int_equal(f->errors.count, i + 1);
		assert_string_equal(error_line(f, i, line), cases[i].expected);
	}
	assert_int_equal(r.len, 0);
}

static void an_empty_file_has_nothing_in_it(void **state)
{
	expect_clean(*state, "", "");
	expect_clean(*state, "\n", "");
	expect_clean(*state, "; only a comment", "");
}

static void an_included_file_begins_in_the_section_of_its_include(void **state)
{
	put("b.ini", "b = 2\n[t]\nc = 3\n");
	expect_clean(*state, "[s]\na = 1\n%include b.ini\nd = 4\n",
		     "a.ini:1 [s]\na.ini:2 s/a=1|\nb.ini:1 s/b=2|\nb.ini:2 [t]\n"
		     "b.ini:3 t/c=3|\na.ini:4 t/d=4|\n");
}

static void includes_are_relative_to_the_including_file(void **state)
{
	struct fixture *f = *state;
	char text[200], expected[300];

	assert_int_equal(mkdir("sub", 0700), 0);
	put("sub/b.ini", "%include c.ini\n%include ../d.ini\n");
	put("sub/c.ini", "c = 1\n");
	put("d.ini", "d = 1\n");
	snprintf(text, sizeof(text), "%%include sub/b.ini\n%%include\t%s/d.ini  \n",
		 f->dir);
	snprintf(expected, sizeof(expected),
		 "sub/c.ini:1 /c=1|\nsub/../d.ini:1 /d=1|\n%s/d.ini:1 /d=1|\n", f->dir);
	expect_clean(f, text, expected);
}

static void a_file_may_be_included_twice_but_not_by_itself(void **state)
{
	struct fixture *f = *state;

	put("a.ini", "%include b.ini\n%include b.ini\n%include ./a.ini\n");
	put("b.ini", "b = 1\n%include c.ini\n");
	put("c.ini", "%include a.ini\n%include b.ini\n");
	expect_record(f, "b.ini:1 /b=1|\nb.ini:1 /b=1|\n");
	EXPECT_LINES(f, "c.ini:1: cannot include a.ini: it includes itself",
		     "c.ini:2: cannot include b.ini: it includes itself",
		     "c.ini:1: cannot include a.ini: it includes itself",
		     "c.ini:2: cannot include b.ini: it includes itself",
		     "a.ini:3: cannot include ./a.ini: it includes itself");
}

static void nesting_is_bounded(void **state)
{
	struct fixture *f = *state;
	char name[20], text[80];

	put("a.ini", "%include 1.ini\n");
	for (int i = 1; i <= INI_INCLUDE_DEPTH_MAX; i++) {
		snprintf(name, sizeof(name), "%d.ini", i);
		snprintf(text, sizeof(text), "n%d = %d\n%%include %d.ini\n", i, i, i + 1);
		put(name, text);
	}
	expect_record(f, "1.ini:1 /n1=1|\n2.ini:1 /n2=2|\n3.ini:1 /n3=3|\n"
			 "4.ini:1 /n4=4|\n5.ini:1 /n5=5|\n6.ini:1 /n6=6|\n"
			 "7.ini:1 /n7=7|\n8.ini:1 /n8=8|\n9.ini:1 /n9=9|\n");
	EXPECT_LINES(f, "9.ini:2: %include is nested deeper than 10 files");
}

static void bad_includes_are_told_where_they_stand(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(mkdir("dir", 0700), 0);
	put("a.ini", "%include none.ini\n%include dir\n%include\n%includex.ini\n%foo\n"
		     "a = 1\n");
	expect_record(f, "a.ini:6 /a=1|\n");
	EXPECT_LINES(
	    f, "a.ini:1: cannot include none.ini: No such file or directory",
	    "a.ini:2: cannot include dir: it is a directory",
	    "a.ini:3: %include names no file",
	    "a.ini:4: unknown directive \"%includex.ini\"; %include is the only one",
	    "a.ini:5: unknown directive \"%foo\"; %include is the only one");
}

/* Nine files that each include the next a hundred times would be read for ever. */
static void a_tree_of_includes_ends(void **state)
{
	struct fixture *f = *state;
	struct record *r = calloc(1, sizeof(*r));
	char name[20], text[4000];

	assert_non_null(r);
	for (int i = 0; i < INI_INCLUDE_DEPTH_MAX - 1; i++) {
		size_t len = 0;

		snprintf(name, sizeof(name), "%c.ini", 'a' + i);
		for (int n = 0; n < 100; n++)
			len += (size_t)snprintf(text + len, sizeof(text) - len,
						"%%include %c.ini\n", 'a' + i + 1);
		put(name, text);
	}
	put("j.ini", "");
	assert_int_equal(ini_read("a.ini", &ops, r, &f->errors), 0);
	assert_int_equal(f->errors.errors, 1);
	assert_non_null(strstr(f->errors.items[0].text, "more than 20000 files"));
	free(r);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_begin, fixture_end)
	const struct CMUnitTest tests[] = {
	    TEST(entries_come_with_section_and_place),
	    TEST(an_empty_section_is_seen),
	    TEST(a_section_name_is_trimmed_and_never_cut),
	    TEST(indented_lines_are_lines_like_any_other),
	    TEST(there_are_no_comments_inside_a_line),
	    TEST(blanks_around_names_and_values_do_not_count),
	    TEST(only_the_first_equals_sign_splits),
	    TEST(names_may_have_colons),
	    TEST(a_colon_does_not_split),
	    TEST(names_may_be_quoted_in_two_ways),
	    TEST(a_doubled_quote_is_a_quote),
	    TEST(bad_names_are_refused),
	    TEST(entries_after_a_bad_header_belong_nowhere),
	    TEST(line_ends_may_be_those_of_windows_or_missing),
	    TEST(a_byte_order_mark_is_skipped_in_every_file),
	    TEST(a_nul_byte_spoils_its_line_and_no_other),
	    TEST(long_lines_stay_whole),
	    TEST(a_line_that_is_too_long_is_refused_whole),
	    TEST(long_names_stay_whole),
	    TEST(what_cannot_be_read_is_told),
	    TEST(an_empty_file_has_nothing_in_it),
	    TEST(an_included_file_begins_in_the_section_of_its_include),
	    TEST(includes_are_relative_to_the_including_file),
	    TEST(a_file_may_be_included_twice_but_not_by_itself),
	    TEST(nesting_is_bounded),
	    TEST(bad_includes_are_told_where_they_stand),
	    TEST(a_tree_of_includes_ends),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
