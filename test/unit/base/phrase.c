/* Texts of pieces, and what happens where they do not fit. */
#include "base/phrase.h"

#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static void pieces_stand_behind_each_other(void **state)
{
	char text[64];
	struct phrase p = phrase_at(text, sizeof(text));

	(void)state;
	assert_string_equal(text, "");
	phrase_add(&p, "of ");
	phrase_add_some(&p, "somebody", 4);
	phrase_add(&p, ": ");
	phrase_add_some(&p, "all", 4);
	assert_string_equal(text, "of some: all");
}

static void numbers_are_those_of_printf(void **state)
{
	const uint64_t numbers[] = {0, 7, 10, 99, 100, 4294967296, UINT64_MAX};
	char text[32], printed[32];

	(void)state;
	for (size_t i = 0; i < sizeof(numbers) / sizeof(*numbers); i++) {
		struct phrase p = phrase_at(text, sizeof(text));
		phrase_add_number(&p, numbers[i]);
		snprintf(printed, sizeof(printed), "%" PRIu64, numbers[i]);
		assert_string_equal(text, printed);
	}
}

static void seconds_have_three_digits_behind_the_point(void **state)
{
	const struct {
		uint64_t duration_us;
		const char *text;
	} cases[] = {{0, "0.000 s"},
		     {999, "0.000 s"},
		     {1000, "0.001 s"},
		     {12045678, "12.045 s"},
		     {3600000000, "3600.000 s"}};
	char text[32];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct phrase p = phrase_at(text, sizeof(text));
		phrase_add_seconds(&p, cases[i].duration_us);
		assert_string_equal(text, cases[i].text);
	}
}

static void what_does_not_fit_is_cut(void **state)
{
	char text[8] = "xxxxxxx";
	struct phrase p = phrase_at(text, 6);

	(void)state;
	phrase_add(&p, "abc");
	phrase_add_number(&p, 12345);
	assert_string_equal(text, "abc12");
	phrase_add(&p, "more");
	assert_string_equal(text, "abc12");
	assert_int_equal(text[6], 'x');
	p = phrase_at(text, 1);
	phrase_add_seconds(&p, 1);
	assert_string_equal(text, "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(pieces_stand_behind_each_other),
	    cmocka_unit_test(numbers_are_those_of_printf),
	    cmocka_unit_test(seconds_have_three_digits_behind_the_point),
	    cmocka_unit_test(what_does_not_fit_is_cut),
	};

	return cmocka_run_group_tests_name("phrase", tests, NULL, NULL);
}
