/*
 * Lists of classes.
 */
#include "config/priorities.h"

#include "unit/base/kit.h"

enum { WHY = 512 };

static void a_reserve_names_classes_and_percentages(void **state)
{
	struct priority_reserve r = {{1, 1, 1, 1}};
	char why[WHY];

	(void)state;
	assert_true(priority_reserve_parse(" low = 5 ,normal=20,", &r, why, WHY));
	assert_int_equal(r.percent[PRIORITY_CRITICAL], 0);
	assert_int_equal(r.percent[PRIORITY_HIGH], 0);
	assert_int_equal(r.percent[PRIORITY_NORMAL], 20);
	assert_int_equal(r.percent[PRIORITY_LOW], 5);
	assert_true(priority_reserve_parse("", &r, why, WHY));
	assert_int_equal(r.percent[PRIORITY_LOW], 0);
}

static void a_reserve_is_written_as_it_is_read(void **state)
{
	static const struct {
		const char *text, *printed;
	} cases[] = {{"low=5,normal=20", "normal=20, low=5"},
		     {"critical=1, high=2, normal=3, low=94",
		      "critical=1, high=2, normal=3, low=94"},
		     {"high=100", "high=100"},
		     {"low=0", ""},
		     {"", ""}};
	const struct priority_reserve other = {{1, 2, 3, 4}};
	struct priority_reserve r, again;
	char text[64], why[WHY];

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		assert_true(priority_reserve_parse(cases[i].text, &r, why, WHY));
		priority_reserve_print(&r, text, sizeof(text));
		assert_string_equal(text, cases[i].printed);
		assert_true(priority_reserve_parse(text, &again, why, WHY));
		assert_true(priority_reserve_same(&r, &again));
		assert_false(priority_reserve_same(&r, &other));
	}
}

static void a_bad_reserve_says_what_is_wrong_with_it(void **state)
{
	static const struct {
		const char *text, *why;
	} cases[] = {
	    {"low", "\"low\" is not a list such as \"low=5, normal=20\""},
	    {"=5", "\"=5\" is not a list such as \"low=5, normal=20\""},
	    {"lwo=5", "\"lwo\" is none of the classes critical, high, normal, low"},
	    {"low=101", "\"101\" is not a percentage: 0 to 100 are possible"},
	    {"low=-1", "\"-1\" is not a percentage: 0 to 100 are possible"},
	    {"low=x", "\"x\" is not a percentage: 0 to 100 are possible"},
	    {"low=60, high=41", "the classes reserve 101 % in all: 100 are there"},
	};
	struct priority_reserve r = {{7, 7, 7, 7}};
	char why[WHY];

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		assert_false(priority_reserve_parse(cases[i].text, &r, why, WHY));
		assert_string_equal(why, cases[i].why);
		assert_int_equal(r.percent[PRIORITY_LOW], 7);
	}
}

static void the_first_pattern_that_matches_gives_the_class(void **state)
{
	static const char list[] = "batch*=low, web = high, we?=critical, a=b=normal";
	static const struct {
		const char *name;
		int class;
	} cases[] = {{"batch", PRIORITY_LOW},
		     {"batch job 7", PRIORITY_LOW},
		     {"web", PRIORITY_HIGH},
		     {"wet", PRIORITY_CRITICAL},
		     {"a=b", PRIORITY_NORMAL},
		     {"other", -1},
		     {"", -1}};
	char why[WHY];

	(void)state;
	assert_true(priorities_check(list, why, WHY));
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		enum priority class;
		bool found = priorities_match(list, slice_of_text(cases[i].name), &class);

		assert_int_equal(found ? (int)class : -1, cases[i].class);
	}
}

static void a_bad_pattern_list_says_what_is_wrong_with_it(void **state)
{
	char why[WHY];

	(void)state;
	assert_false(priorities_check("batch", why, WHY));
	assert_false(priorities_check("batch*=lowest", why, WHY));
	assert_string_equal(
	    why, "\"lowest\" is none of the classes critical, high, normal, low");
	assert_true(priorities_check("", why, WHY));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_reserve_names_classes_and_percentages),
	    cmocka_unit_test(a_reserve_is_written_as_it_is_read),
	    cmocka_unit_test(a_bad_reserve_says_what_is_wrong_with_it),
	    cmocka_unit_test(the_first_pattern_that_matches_gives_the_class),
	    cmocka_unit_test(a_bad_pattern_list_says_what_is_wrong_with_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
