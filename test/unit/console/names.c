/* Names that are walked over. */
#include "console/names.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static void add(struct names *names, const char *first, const char *second)
{
	names_add(names, slice_of_text(first), slice_of_text(second));
}

static void names_are_sorted_and_each_is_there_once(void **state)
{
	struct names names = {0};

	(void)state;
	add(&names, "b", "z");
	add(&names, "a", "");
	add(&names, "b", "a");
	add(&names, "", "x");
	add(&names, "a", "");
	add(&names, "b", "z");
	add(&names, "ab", "");
	assert_true(names_finish(&names));
	static const char *const sorted[][2] = {
	    {"", "x"}, {"a", ""}, {"ab", ""}, {"b", "a"}, {"b", "z"}};
	assert_int_equal(names.count, 5);
	for (size_t i = 0; i < 5; i++) {
		assert_string_equal(names_first(&names, i), sorted[i][0]);
		assert_string_equal(names_second(&names, i), sorted[i][1]);
	}
	names_fini(&names);
	assert_true(names_finish(&names));
	assert_int_equal(names.count, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(names_are_sorted_and_each_is_there_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
