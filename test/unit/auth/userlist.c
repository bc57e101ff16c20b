/*
 * The file of secrets: what lines mean, what is wrong with them, what they cost.
 */
#include "auth/userlist.h"

#include <malloc.h>
#include <unistd.h>

#include "auth/login.h"
#include "config/errors.h"
#include "unit/base/kit.h"

static struct userlist *parse(const char *text, struct config_errors *errors)
{
	uint8_t *copy = exact_copy(slice_of_text(text));
	struct userlist *list = userlist_parse(slice_of(copy, strlen(text)), "f", errors);

	free(copy);
	return list;
}

static void assert_secret(const struct userlist *list, const char *user,
			  const char *secret)
{
	struct secret s;

	if (!secret) {
		assert_false(userlist_find(list, slice_of_text(user), &s));
		return;
	}
	assert_true(userlist_find(list, slice_of_text(user), &s));
	assert_slice_is(s.text, secret);
}

static void users_are_found_by_name(void **state)
{
	struct config_errors errors = {0};
	struct userlist *list =
	    parse("\"a\" \"one\"\n; \"z\" \"zero\"\n\n  \t\r\n"
		  "  \"b\"\t\"t\"\"w\"\"o\" \"rest\" of it\r\n"
		  "\"c\"\"d\" \"three\"\n\"e f\" \"\"\n\"h\" \"\"\"\"",
		  &errors);
	(void)state;
	assert_non_null(list);
	assert_int_equal(errors.count, 0);
	assert_int_equal(userlist_count(list), 5);
	assert_secret(list, "a", "one");
	assert_secret(list, "b", "t\"w\"o");
	assert_secret(list, "c\"d", "three");
	assert_secret(list, "e f", "");
	assert_secret(list, "h", "\"");
	assert_secret(list, "z", NULL);
	assert_secret(list, "", NULL);
	assert_secret(NULL, "a", NULL);
	userlist_free(list);
}

static void one_broken_line_refuses_the_whole_file(void **state)
{
	static const struct {
		const char *line, *text;
	} cases[] = {
	    {"a b", "expected \"user\" \"secret\": no user name in quotes"},
	    {"# comment", "expected \"user\" \"secret\": no user name in quotes"},
	    {"\"a", "expected \"user\" \"secret\": no user name in quotes"},
	    {"\"a\"\"", "expected \"user\" \"secret\": no user name in quotes"},
	    {"\"a\"", "expected \"user\" \"secret\": no secret in quotes"},
	    {"\"a\" b", "expected \"user\" \"secret\": no secret in quotes"},
	    {"\"a\" \"b", "expected \"user\" \"secret\": no secret in quotes"},
	    {"\"\" \"b\"", "the user name is empty"},
	    {"\"a\" \"SCRAM-SHA-256$4096:x\"",
	     "the secret begins with SCRAM-SHA-256$ and is no SCRAM secret"},
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		struct config_errors errors = {0};
		char text[200];

		snprintf(text, sizeof(text), "\"x\" \"y\"\n%s\n\"z\" \"y\"\n\"",
			 cases[i].line);
		assert_null(parse(text, &errors));
		assert_int_equal(errors.errors, 2);
		assert_int_equal(errors.items[0].line, 2);
		assert_string_equal(errors.items[0].text, cases[i].text);
		assert_string_equal(errors.items[0].file, "f");
		assert_int_equal(errors.items[1].line, 4);
		config_errors_fini(&errors);
	}
}

static void names_and_secrets_have_a_longest_length(void **state)
{
	(void)state;
	for (size_t over = 0; over < 4; over++) {
		size_t name = LOGIN_USER_MAX + (over & 1);
		size_t secret = LOGIN_PASSWORD_MAX + over / 2;
		char *text = malloc(name + secret + 6);
		struct config_errors errors = {0};

		assert_non_null(text);
		memset(text, 'x', name + secret + 5);
		text[0] = text[name + 1] = text[name + 3] = text[name + secret + 4] = '"';
		text[name + 2] = ' ';
		text[name + secret + 5] = '\0';
		struct userlist *list = parse(text, &errors);
		assert_int_equal(list != NULL, over == 0);
		assert_int_equal(errors.errors, over != 0);
		userlist_free(list);
		config_errors_fini(&errors);
		free(text);
	}
}

static void a_nul_is_refused(void **state)
{
	struct config_errors errors = {0};

	(void)state;
	assert_null(userlist_parse(slice_of("\"a\0\" \"b\"", 8), "f", &errors));
	assert_null(userlist_parse(slice_of("\"a\" \"\0b\"", 8), "f", &errors));
	assert_int_equal(errors.errors, 2);
	config_errors_fini(&errors);
}

static void the_later_line_counts(void **state)
{
	struct config_errors errors = {0};
	struct userlist *list = parse("\"a\" \"1\"\n\"b\" \"2\"\n\"a\" \"3\"\n", &errors);

	(void)state;
	assert_non_null(list);
	assert_int_equal(userlist_count(list), 2);
	assert_secret(list, "a", "3");
	assert_int_equal(errors.warnings, 1);
	assert_int_equal(errors.items[0].line, 3);
	userlist_free(list);
	config_errors_fini(&errors);
}

static void a_file_cut_anywhere_is_whole_lines_or_nothing(void **state)
{
	static const char text[] = "\"a\" \"1\"\n;c\n\"b\"\"\" \"2\"\n";

	(void)state;
	for (size_t len = 0; len < sizeof(text); len++) {
		struct config_errors errors = {0};
		uint8_t *copy = exact_copy(slice_of(text, len));
		struct userlist *list = userlist_parse(slice_of(copy, len), "f", &errors);

		assert_int_equal(list == NULL, errors.errors > 0);
		if (list && len > 8)
			assert_secret(list, "a", "1");
		userlist_free(list);
		config_errors_fini(&errors);
		free(copy);
	}
}

static void unknown_users_can_look_like_most(void **state)
{
	struct config_errors errors = {0};
	struct userlist *list = parse("", &errors);

	(void)state;
	assert_int_equal(userlist_usual_kind(list), SECRET_NONE);
	userlist_free(list);
	list = parse("\"a\" \"1\"\n\"b\" \"md5d8e5469de403ab7006df63ac8ca23819\"\n\"c\" "
		     "\"md5d8e5469de403ab7006df63ac8ca23819\"\n\"d\" \"\"",
		     &errors);
	assert_int_equal(userlist_usual_kind(list), SECRET_MD5);
	userlist_free(list);
}

static void ten_thousand_users_take_little_memory(void **state)
{
	size_t cap = 10000 * 200, len = 0;
	char *text = malloc(cap);
	struct config_errors errors = {0};

	(void)state;
	assert_non_null(text);
	for (int i = 0; i < 10000; i++)
		len +=
		    (size_t)snprintf(text + len, cap - len,
				     "\"user_%d\" "
				     "\"SCRAM-SHA-256$4096:u1YWGrvVFOta7q0Jrgcp+A==$"
				     "Y+GSVQ7WMECH/Gxy7ZEvtEFX1AgavtfAGW335d+d8OI=:"
				     "Z0c7juVYnhSrvHdBToQ5vW1pL1I+rK6XhsGGROA6P2c=\"\n",
				     i);
	struct mallinfo2 before = mallinfo2();
	struct userlist *list = userlist_parse(slice_of(text, len), "f", &errors);
	struct mallinfo2 after = mallinfo2();
	assert_non_null(list);
	assert_int_equal(userlist_count(list), 10000);
	size_t used = after.uordblks + after.hblkhd - before.uordblks - before.hblkhd;
	/* 0: an allocator that does not count, of a sanitizer or of valgrind. */
	assert_true(used == 0 || used > 1000000);
	assert_true(used < 10000000);
	userlist_free(list);
	free(text);
}

static void files_are_read_whole_or_not_at_all(void **state)
{
	char path[] = "/tmp/pooler-userlist-XXXXXX";
	int fd = mkstemp(path);
	struct config_errors errors = {0};

	(void)state;
	assert_true(fd >= 0);
	assert_int_equal(write(fd, "\"a\" \"b\"\n", 8), 8);
	close(fd);
	struct userlist *list = userlist_load(path, &errors);
	assert_secret(list, "a", "b");
	userlist_free(list);
	unlink(path);
	assert_null(userlist_load(path, &errors));
	assert_null(userlist_load("/tmp", &errors));
	assert_int_equal(errors.errors, 2);
	config_errors_fini(&errors);
}

static void users_come_in_the_order_of_their_names(void **state)
{
	static const char *const order[] = {"A", "a", "ab", "b", "\303\274"};
	struct config_errors errors = {0};
	struct userlist *list = parse("\"b\" \"\"\n\"\303\274\" \"\"\n\"ab\" \"\"\n"
				      "\"a\" \"\"\n\"A\" \"\"\n\"b\" \"x\"\n",
				      &errors);
	struct slice at = {0};

	(void)state;
	assert_non_null(list);
	for (size_t i = 0; i < sizeof(order) / sizeof(order[0]); i++) {
		assert_true(userlist_next(list, at, &at));
		assert_slice_is(at, order[i]);
		assert_secret(list, order[i], i == 3 ? "x" : "");
	}
	assert_false(userlist_next(list, at, &at));
	/* Of a list before this one: there is no such user here. */
	assert_true(userlist_next(list, slice_of_text("aa"), &at));
	assert_slice_is(at, "ab");
	assert_true(userlist_next(list, slice_of_text("0"), &at));
	assert_slice_is(at, "A");
	assert_false(userlist_next(list, slice_of_text("\377"), &at));
	assert_false(userlist_next(NULL, (struct slice){0}, &at));
	userlist_free(list);
	list = parse("", &errors);
	assert_false(userlist_next(list, (struct slice){0}, &at));
	userlist_free(list);
	config_errors_fini(&errors);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(users_are_found_by_name),
	    cmocka_unit_test(one_broken_line_refuses_the_whole_file),
	    cmocka_unit_test(names_and_secrets_have_a_longest_length),
	    cmocka_unit_test(a_nul_is_refused),
	    cmocka_unit_test(the_later_line_counts),
	    cmocka_unit_test(a_file_cut_anywhere_is_whole_lines_or_nothing),
	    cmocka_unit_test(unknown_users_can_look_like_most),
	    cmocka_unit_test(ten_thousand_users_take_little_memory),
	    cmocka_unit_test(files_are_read_whole_or_not_at_all),
	    cmocka_unit_test(users_come_in_the_order_of_their_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
