/*
 * What is kept of logins: found by name, replaced, bounded.
 */
#include "auth/remembered.h"

#include <stdio.h>

#include "unit/base/kit.h"

static struct scram_salted salted(uint8_t mark)
{
	struct scram_salted s = {0};

	s.bytes[0] = mark;
	return s;
}

static void keep(struct remembered *r, const char *user, uint8_t mark)
{
	struct scram_salted s = salted(mark);

	remembered_keep(r, slice_of_text(user), &s);
}

static void assert_kept(struct remembered *r, const char *user, int mark)
{
	const struct scram_salted *s = remembered_find(r, slice_of_text(user));

	if (mark < 0) {
		assert_null(s);
		return;
	}
	assert_non_null(s);
	assert_int_equal(s->bytes[0], mark);
}

static void the_latest_of_each_user_is_found(void **state)
{
	struct remembered *r = remembered_create(3);

	(void)state;
	assert_kept(r, "anna", -1);
	keep(r, "anna", 1);
	keep(r, "ann", 2);
	keep(r, "anna", 3);
	assert_kept(r, "anna", 3);
	assert_kept(r, "ann", 2);
	assert_kept(r, "annab", -1);
	remembered_clear(r);
	assert_kept(r, "anna", -1);
	keep(r, "anna", 4);
	assert_kept(r, "anna", 4);
	remembered_destroy(r);
	remembered_destroy(NULL);
}

static void who_logged_in_longest_ago_makes_room(void **state)
{
	struct remembered *r = remembered_create(3);

	(void)state;
	keep(r, "a", 1);
	keep(r, "b", 2);
	keep(r, "c", 3);
	assert_kept(r, "a", 1);
	keep(r, "d", 4);
	assert_kept(r, "a", 1);
	assert_kept(r, "b", -1);
	assert_kept(r, "c", 3);
	assert_kept(r, "d", 4);
	remembered_destroy(r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(the_latest_of_each_user_is_found),
	    cmocka_unit_test(who_logged_in_longest_ago_makes_room),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
