/* How much is read at once, after what was learned. */
#include "net/appetite.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

enum { MUCH_ROOM = 1 << 20 };

static size_t len_of(const struct appetite *a)
{
	return appetite_len(a, MUCH_ROOM);
}

static struct appetite grown(void)
{
	struct appetite a;

	appetite_init(&a);
	for (int i = 0; i < 20; i++)
		appetite_grow(&a, len_of(&a));
	return a;
}

static void reads_that_were_filled_double_up_to_the_most(void **state)
{
	struct appetite a;

	(void)state;
	appetite_init(&a);
	assert_int_equal(len_of(&a), 16 * 1024);
	for (size_t len = 16 * 1024; len < APPETITE_READ_MOST; len *= 2) {
		assert_int_equal(len_of(&a), len);
		appetite_grow(&a, len);
	}
	assert_int_equal(len_of(&a), APPETITE_READ_MOST);
	appetite_grow(&a, APPETITE_READ_MOST);
	assert_int_equal(len_of(&a), APPETITE_READ_MOST);
}

static void reads_that_were_not_filled_do_not_grow(void **state)
{
	struct appetite a;

	(void)state;
	appetite_init(&a);
	for (int i = 0; i < 20; i++)
		appetite_grow(&a, 16 * 1024 - 1);
	assert_int_equal(len_of(&a), 16 * 1024);
}

static void a_slow_destination_makes_for_small_reads_for_a_while(void **state)
{
	struct appetite a = grown();

	(void)state;
	appetite_spoil(&a);
	for (int i = 0; i < 4; i++) {
		assert_int_equal(len_of(&a), APPETITE_READ_LEAST);
		appetite_grow(&a, 1);
	}
	assert_int_equal(len_of(&a), 16 * 1024);
	appetite_grow(&a, 1);
	assert_int_equal(len_of(&a), 16 * 1024);
}

static void keeping_much_takes_it_back_to_the_start_but_not_up_to_it(void **state)
{
	struct appetite a = grown();

	(void)state;
	appetite_temper(&a);
	assert_int_equal(len_of(&a), 16 * 1024);
	appetite_spoil(&a);
	appetite_temper(&a);
	assert_int_equal(len_of(&a), APPETITE_READ_LEAST);
}

static void only_a_grown_appetite_reads_more_than_there_is_room_for(void **state)
{
	struct appetite a;

	(void)state;
	appetite_init(&a);
	assert_int_equal(appetite_len(&a, 100), 100);
	assert_int_equal(appetite_whole_len(&a), 16 * 1024);
	appetite_spoil(&a);
	assert_int_equal(appetite_len(&a, 100), 100);
	a = grown();
	assert_int_equal(appetite_len(&a, 100), APPETITE_READ_MOST);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(reads_that_were_filled_double_up_to_the_most),
	    cmocka_unit_test(reads_that_were_not_filled_do_not_grow),
	    cmocka_unit_test(a_slow_destination_makes_for_small_reads_for_a_while),
	    cmocka_unit_test(keeping_much_takes_it_back_to_the_start_but_not_up_to_it),
	    cmocka_unit_test(only_a_grown_appetite_reads_more_than_there_is_room_for),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
