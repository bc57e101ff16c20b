/*
 * Stored secrets, told apart and held against passwords. The hashes are PostgreSQL 15's.
 */
#include "auth/secret.h"

#include "auth/login.h"
#include "unit/base/kit.h"

#define SCRAM                                                                            \
	"SCRAM-SHA-256$4096:u1YWGrvVFOta7q0Jrgcp+A==$"                                   \
	"Y+GSVQ7WMECH/Gxy7ZEvtEFX1AgavtfAGW335d+d8OI=:"                                  \
	"Z0c7juVYnhSrvHdBToQ5vW1pL1I+rK6XhsGGROA6P2c="
#define MD5 "md5d8e5469de403ab7006df63ac8ca23819"

static void kinds_are_told_apart(void **state)
{
	static const struct {
		const char *text;
		enum secret_kind kind;
	} cases[] = {
	    {"", SECRET_NONE},
	    {"x", SECRET_PLAIN},
	    {"md5", SECRET_PLAIN},
	    {MD5, SECRET_MD5},
	    {MD5 "0", SECRET_PLAIN},
	    {"md5D8E5469de403ab7006df63ac8ca23819", SECRET_PLAIN},
	    {"MD5d8e5469de403ab7006df63ac8ca23819", SECRET_PLAIN},
	    {SCRAM, SECRET_SCRAM},
	    {"SCRAM-SHA-256", SECRET_PLAIN},
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		struct secret s;

		assert_true(secret_parse(slice_of_text(cases[i].text), &s));
		assert_int_equal(s.kind, cases[i].kind);
		assert_slice_is(s.text, cases[i].text);
		assert_int_equal(secret_iterations(&s),
				 cases[i].kind == SECRET_SCRAM ? 4096 : 0);
	}
}

static void a_broken_secret_matches_nothing(void **state)
{
	char *text = malloc(LOGIN_PASSWORD_MAX + 1);
	struct secret s;

	(void)state;
	assert_non_null(text);
	assert_false(secret_parse(slice_of_text("SCRAM-SHA-256$oops"), &s));
	assert_int_equal(s.kind, SECRET_NONE);
	assert_false(secret_parse(slice_of("a\0b", 3), &s));
	memset(text, 'x', LOGIN_PASSWORD_MAX + 1);
	assert_false(secret_parse(slice_of(text, LOGIN_PASSWORD_MAX + 1), &s));
	assert_int_equal(s.kind, SECRET_NONE);
	assert_true(secret_parse(slice_of(text, LOGIN_PASSWORD_MAX), &s));
	free(text);
}

static enum secret_check check(const char *stored, const char *user, const char *given,
			       bool is_mock)
{
	struct secret s;
	struct secret_print print;

	assert_true(secret_parse(slice_of_text(stored), &s));
	assert_true(secret_print_of(&s, &print));
	print.is_mock = is_mock;
	return secret_check(&print, slice_of_text(user), slice_of_text(given));
}

static void only_the_right_password_is_right(void **state)
{
	static const struct {
		const char *stored, *user, *given;
		enum secret_check result;
	} cases[] = {
	    {"wonderland", "alice", "wonderland", SECRET_RIGHT},
	    {"wonderland", "alice", "wonderlane", SECRET_WRONG},
	    {"wonderland", "alice", "wonderlan", SECRET_WRONG},
	    {"wonderland", "alice", "wonderlandx", SECRET_WRONG},
	    {"wonderland", "alice", "", SECRET_WRONG},
	    {MD5, "m5", "wonderland", SECRET_RIGHT},
	    {MD5, "m6", "wonderland", SECRET_WRONG},
	    {MD5, "m5", "Wonderland", SECRET_WRONG},
	    {MD5, "m5", MD5, SECRET_WRONG},
	    {SCRAM, "whoever", "wonderland", SECRET_RIGHT},
	    {SCRAM, "alice", "wonderlane", SECRET_WRONG},
	    {SCRAM, "alice", SCRAM, SECRET_WRONG},
	    {"", "alice", "", SECRET_WRONG},
	    {"", "alice", "x", SECRET_WRONG},
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		assert_int_equal(
		    check(cases[i].stored, cases[i].user, cases[i].given, false),
		    cases[i].result);
		assert_int_equal(
		    check(cases[i].stored, cases[i].user, cases[i].given, true),
		    SECRET_WRONG);
	}
}

static void nobody_waits_for_millions_of_iterations(void **state)
{
	(void)state;
	assert_int_equal(check("SCRAM-SHA-256$2147483647:u1YWGrvVFOta7q0Jrgcp+A==$"
			       "Y+GSVQ7WMECH/Gxy7ZEvtEFX1AgavtfAGW335d+d8OI=:"
			       "Z0c7juVYnhSrvHdBToQ5vW1pL1I+rK6XhsGGROA6P2c=",
			       "alice", "wonderland", false),
			 SECRET_WRONG);
}

static void a_print_does_not_hold_the_password(void **state)
{
	struct secret s;
	struct secret_print a, b;

	(void)state;
	assert_true(secret_parse(slice_of_text("wonderland"), &s));
	assert_true(secret_print_of(&s, &a));
	assert_true(secret_print_of(&s, &b));
	assert_null(memmem(&a, sizeof(a), "wonder", 6));
	assert_memory_not_equal(a.sum, b.sum, sizeof(a.sum));
}

static void kinds_have_names(void **state)
{
	(void)state;
	assert_string_equal(secret_kind_name(SECRET_NONE), "none");
	assert_string_equal(secret_kind_name(SECRET_SCRAM), "scram-sha-256");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(kinds_are_told_apart),
	    cmocka_unit_test(a_broken_secret_matches_nothing),
	    cmocka_unit_test(only_the_right_password_is_right),
	    cmocka_unit_test(nobody_waits_for_millions_of_iterations),
	    cmocka_unit_test(a_print_does_not_hold_the_password),
	    cmocka_unit_test(kinds_have_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
