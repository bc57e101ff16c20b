/*
 * Standing lines: when one is seen, who is sent away, and when it is over.
 */
#include "pool/codel.h"

#include "unit/base/kit.h"

static const struct codel_config config = {.target_us = 5000, .interval_us = 100000};

enum { BEGIN = 1, NEXT = 100001, AFTER = 200001 }; /* of three intervals */

static enum codel_verdict ask(struct codel *c, uint64_t waited_us, uint64_t now_us)
{
	return codel_dequeue(c, &config, waited_us, now_us);
}

static struct codel overloaded(void)
{
	struct codel c;

	codel_init(&c);
	ask(&c, 20000, BEGIN);
	ask(&c, 20000, NEXT);
	assert_true(codel_is_overloaded(&c));
	return c;
}

static void nobody_is_sent_away_before_an_interval_is_over(void **state)
{
	struct codel c;

	(void)state;
	codel_init(&c);
	for (uint64_t now_us = BEGIN; now_us < NEXT; now_us += 100)
		assert_int_equal(ask(&c, 3600000000, now_us), CODEL_SERVE);
	assert_false(codel_is_overloaded(&c));
}

static void a_line_that_never_was_short_is_a_standing_one(void **state)
{
	struct codel c;

	(void)state;
	codel_init(&c);
	ask(&c, 5001, BEGIN);
	ask(&c, 90000, BEGIN + 50000);
	assert_false(codel_is_overloaded(&c));
	ask(&c, 90000, NEXT - 1);
	assert_false(codel_is_overloaded(&c));
	ask(&c, 90000, NEXT);
	assert_true(codel_is_overloaded(&c));
}

static void a_line_that_was_short_once_is_a_burst(void **state)
{
	static const uint64_t waits[][3] = {
	    {5000, 90000, 90000}, {90000, 5000, 90000}, {90000, 90000, 5000}};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(waits); i++) {
		struct codel c;

		codel_init(&c);
		for (unsigned k = 0; k < 3; k++)
			ask(&c, waits[i][k], BEGIN + k * 30000);
		ask(&c, 90000, NEXT);
		assert_false(codel_is_overloaded(&c));
	}
}

static void who_waited_more_than_twice_the_target_is_sent_away(void **state)
{
	struct codel c = overloaded();

	(void)state;
	assert_int_equal(ask(&c, 10001, NEXT + 1), CODEL_REJECT);
	assert_int_equal(ask(&c, 10000, NEXT + 1), CODEL_SERVE);
	assert_int_equal(ask(&c, 3600000000, NEXT + 1), CODEL_REJECT);
}

static void the_first_of_an_interval_is_never_sent_away(void **state)
{
	struct codel c = overloaded();

	(void)state;
	assert_int_equal(ask(&c, 20000, NEXT + 1), CODEL_REJECT);
	assert_int_equal(ask(&c, 20000, AFTER), CODEL_SERVE);
	assert_true(codel_is_overloaded(&c));
	assert_int_equal(ask(&c, 20000, AFTER), CODEL_REJECT);
}

static void one_short_wait_ends_it_with_the_interval(void **state)
{
	struct codel c = overloaded();

	(void)state;
	assert_int_equal(ask(&c, 5000, NEXT + 1), CODEL_SERVE);
	assert_true(codel_is_overloaded(&c));
	ask(&c, 20000, AFTER);
	assert_false(codel_is_overloaded(&c));
	assert_int_equal(ask(&c, 20000, AFTER + 1), CODEL_SERVE);
}

static void an_empty_line_ends_it_at_once(void **state)
{
	struct codel c = overloaded();

	(void)state;
	codel_emptied(&c);
	assert_false(codel_is_overloaded(&c));
	assert_int_equal(ask(&c, 20000, NEXT + 1), CODEL_SERVE);
	/* And the interval in which it was empty is a good one, whatever came later. */
	ask(&c, 20000, AFTER);
	assert_false(codel_is_overloaded(&c));
	ask(&c, 20000, AFTER + 100000);
	assert_true(codel_is_overloaded(&c));
}

static void after_a_silence_the_line_is_looked_at_anew(void **state)
{
	struct codel c;

	(void)state;
	codel_init(&c);
	ask(&c, 0, BEGIN);
	ask(&c, 50000, 3600000000);
	assert_false(codel_is_overloaded(&c));
	ask(&c, 50000, 3600000000 + 99999);
	assert_false(codel_is_overloaded(&c));
	ask(&c, 50000, 3600000000 + 100000);
	assert_true(codel_is_overloaded(&c));
}

static void another_target_holds_at_once(void **state)
{
	struct codel c = overloaded();
	const struct codel_config lenient = {.target_us = 50000, .interval_us = 100000};

	(void)state;
	assert_int_equal(codel_dequeue(&c, &lenient, 100000, NEXT + 1), CODEL_SERVE);
	assert_int_equal(codel_dequeue(&c, &lenient, 100001, NEXT + 1), CODEL_REJECT);
	codel_dequeue(&c, &lenient, 100001, AFTER);
	assert_false(codel_is_overloaded(&c));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(nobody_is_sent_away_before_an_interval_is_over),
	    cmocka_unit_test(a_line_that_never_was_short_is_a_standing_one),
	    cmocka_unit_test(a_line_that_was_short_once_is_a_burst),
	    cmocka_unit_test(who_waited_more_than_twice_the_target_is_sent_away),
	    cmocka_unit_test(the_first_of_an_interval_is_never_sent_away),
	    cmocka_unit_test(one_short_wait_ends_it_with_the_interval),
	    cmocka_unit_test(an_empty_line_ends_it_at_once),
	    cmocka_unit_test(after_a_silence_the_line_is_looked_at_anew),
	    cmocka_unit_test(another_target_holds_at_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
