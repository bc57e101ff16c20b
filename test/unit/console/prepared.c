/* Prepared commands of one console. */
#include "console/prepared.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static void prepared_commands_are_found_by_name(void **state)
{
	struct prepared p;
	struct slice text;

	(void)state;
	prepared_init(&p);
	assert_int_equal(prepared_add(&p, slice_of_text(""), slice_of_text("one")), 0);
	assert_int_equal(prepared_add(&p, slice_of_text("s"), slice_of_text("two")), 0);
	assert_int_equal(prepared_add(&p, slice_of_text(""), slice_of_text("three")), 0);
	assert_int_equal(prepared_add(&p, slice_of_text("s"), slice_of_text("four")),
			 -EEXIST);
	assert_int_equal(p.count, 2);
	assert_true(prepared_find(&p, slice_of_text(""), &text));
	assert_true(slice_is_text(text, "three"));
	assert_true(prepared_find(&p, slice_of_text("s"), &text));
	assert_true(slice_is_text(text, "two"));
	prepared_drop(&p, slice_of_text("s"));
	prepared_drop(&p, slice_of_text("s"));
	assert_false(prepared_find(&p, slice_of_text("s"), &text));
	prepared_fini(&p);
	assert_int_equal(p.count, 0);
}

static void there_are_only_so_many_prepared_commands(void **state)
{
	struct prepared p;

	(void)state;
	prepared_init(&p);
	for (unsigned i = 0; i < PREPARED_MOST; i++)
		assert_int_equal(
		    prepared_add(&p, slice_of(&i, sizeof(i)), slice_of_text("")), 0);
	assert_int_equal(prepared_add(&p, slice_of_text("more"), slice_of_text("")),
			 -ENOSPC);
	prepared_fini(&p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(prepared_commands_are_found_by_name),
	    cmocka_unit_test(there_are_only_so_many_prepared_commands),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
