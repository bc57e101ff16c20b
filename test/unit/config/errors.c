/*
 * The list of what is wrong.
 */
#include "fixture.h"

static void an_empty_list_can_be_ended_twice(void **state)
{
	struct config_errors e = {0};

	(void)state;
	config_errors_fini(&e);
	config_errors_fini(&e);
	assert_int_equal(config_errors_dropped(&e), 0);
}

static void a_line_shows_the_place_as_far_as_it_is_known(void **state)
{
	struct fixture *f = *state;

	config_errors_add(&f->errors, CONFIG_ERROR, "a.ini", 7, "x is %d", 3);
	config_errors_add(&f->errors, CONFIG_ERROR, "a.ini", 0, "x");
	config_errors_add(&f->errors, CONFIG_ERROR, "", 0, "x");
	config_errors_add(&f->errors, CONFIG_WARNING, "a.ini", 7, "x");
	config_errors_add(&f->errors, CONFIG_WARNING, "", 0, "x");
	EXPECT_LINES(f, "a.ini:7: x is 3", "a.ini: x", "x", "a.ini:7: warning: x",
		     "warning: x");
	assert_int_equal(f->errors.errors, 3);
	assert_int_equal(f->errors.warnings, 2);
}

static void a_long_line_is_cut_to_the_room_there_is(void **state)
{
	struct fixture *f = *state;
	char line[8];

	config_errors_add(&f->errors, CONFIG_ERROR, "a.ini", 7, "something");
	config_error_print(&f->errors.items[0], line, sizeof(line));
	assert_string_equal(line, "a.ini:7");
}

static void what_is_too_much_is_counted(void **state)
{
	struct fixture *f = *state;

	for (int i = 0; i < CONFIG_ERRORS_KEPT + 5; i++)
		config_errors_add(&f->errors, CONFIG_ERROR, "a", 1, "%d", i);
	assert_int_equal(f->errors.count, CONFIG_ERRORS_KEPT);
	assert_int_equal(f->errors.errors, CONFIG_ERRORS_KEPT + 5);
	assert_int_equal(config_errors_dropped(&f->errors), 5);
	assert_string_equal(f->errors.items[CONFIG_ERRORS_KEPT - 1].text, "999");
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_begin, fixture_end)
	const struct CMUnitTest tests[] = {
	    TEST(an_empty_list_can_be_ended_twice),
	    TEST(a_line_shows_the_place_as_far_as_it_is_known),
	    TEST(a_long_line_is_cut_to_the_room_there_is),
	    TEST(what_is_too_much_is_counted),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
