/*
 * Averages over the present period and the one before, whoever notices late or never that
 * periods have passed.
 */
#include "stats/tally.h"

#include "unit/base/kit.h"

#define PERIOD 100

static void expect_recent(struct tally *t, uint64_t now, uint64_t queries, uint64_t over)
{
	uint64_t elapsed = 0;
	struct counters recent = tally_recent(t, now, &elapsed);

	assert_int_equal(recent.query_count, queries);
	assert_int_equal(elapsed, over);
}

static void an_average_is_over_all_time_until_two_periods_have_passed(void **state)
{
	struct tally t;

	(void)state;
	tally_init(&t, 1000, PERIOD);
	expect_recent(&t, 1000, 0, 1);
	tally_at(&t, 1010)->query_count += 3;
	expect_recent(&t, 1050, 3, 50);
	tally_at(&t, 1130)->query_count += 4;
	expect_recent(&t, 1150, 7, 150);
	expect_recent(&t, 1199, 7, 199);
	expect_recent(&t, 1200, 4, 100);
}

static void what_is_older_than_two_periods_is_forgotten(void **state)
{
	static const struct {
		uint64_t now, queries, over;
	} cases[] = {
	    {1099, 5, 99},  {1100, 5, 100},       {1199, 5, 199},
	    {1200, 0, 100}, {1299, 0, 199},       {1300, 0, 100},
	    {1345, 0, 145}, {1000000000, 0, 100}, {1000000099, 0, 199},
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		struct tally t;

		tally_init(&t, 1000, PERIOD);
		tally_at(&t, 1000)->query_count += 5;
		expect_recent(&t, cases[i].now, cases[i].queries, cases[i].over);
		assert_int_equal(t.now.query_count, 5);
	}
}

static void counting_after_a_long_gap_counts_in_the_present_period(void **state)
{
	struct tally t;

	(void)state;
	tally_init(&t, 0, PERIOD);
	tally_at(&t, 10)->query_count = 1000;
	tally_at(&t, 70030)->query_count += 6;
	expect_recent(&t, 70050, 6, 150);
	expect_recent(&t, 70099, 6, 199);
	expect_recent(&t, 70199, 6, 199);
	expect_recent(&t, 70200, 0, 100);
	assert_int_equal(t.now.query_count, 1006);
}

static void a_new_period_length_begins_with_the_next_period(void **state)
{
	struct tally t;

	(void)state;
	tally_init(&t, 0, PERIOD);
	tally_at(&t, 10)->query_count += 2;
	tally_set_period(&t, 10);
	/* The running period is as long as it was. */
	expect_recent(&t, 99, 2, 99);
	expect_recent(&t, 105, 2, 105);
	expect_recent(&t, 110, 0, 10);
	expect_recent(&t, 119, 0, 19);
	tally_set_period(&t, 1000);
	expect_recent(&t, 120, 0, 10);
	tally_at(&t, 500)->query_count++;
	expect_recent(&t, 1119, 1, 1009);
	expect_recent(&t, 1120, 1, 1000);
	expect_recent(&t, 2120, 0, 1000);
}

static void a_clock_that_stands_still_or_lags_changes_nothing(void **state)
{
	struct tally t;

	(void)state;
	tally_init(&t, 1000, PERIOD);
	tally_at(&t, 1000)->query_count++;
	tally_at(&t, 900)->query_count++;
	expect_recent(&t, 900, 2, 1);
	expect_recent(&t, 1000, 2, 1);
}

/* The periods are numbered from the start; an event is remembered until the end of the
 * period after its own. */
static void any_pattern_of_counting_and_looking_agrees_with_a_list_of_events(void **state)
{
	struct dice dice = {.state = 99};
	uint64_t events[400];

	(void)state;
	for (unsigned round = 0; round < 50; round++) {
		struct tally t;
		size_t count = 0;
		uint64_t now = 0;

		tally_init(&t, 0, PERIOD);
		for (unsigned i = 0; i < 400; i++) {
			now += dice_of(&dice, dice_once_in(&dice, 10) ? 5000 : 40);
			if (dice_once_in(&dice, 3)) {
				uint64_t period = now / PERIOD;
				uint64_t from = period > 0 ? (period - 1) * PERIOD : 0;
				uint64_t expected = 0;

				for (size_t e = 0; e < count; e++)
					expected += events[e] >= from;
				expect_recent(&t, now, expected,
					      now > from ? now - from : 1);
				continue;
			}
			tally_at(&t, now)->query_count++;
			events[count++] = now;
		}
		assert_int_equal(t.now.query_count, count);
	}
}

static void adding_adds_every_counter(void **state)
{
	uint64_t numbers[COUNTER_COUNT];
	struct counters a, b;

	(void)state;
	for (size_t i = 0; i < COUNTER_COUNT; i++)
		numbers[i] = i + 1;
	memcpy(&a, numbers, sizeof(a));
	for (size_t i = 0; i < COUNTER_COUNT; i++)
		numbers[i] = 100 * (i + 1);
	memcpy(&b, numbers, sizeof(b));
	counters_add(&a, &b);
	memcpy(numbers, &a, sizeof(a));
	for (size_t i = 0; i < COUNTER_COUNT; i++)
		assert_int_equal(numbers[i], 101 * (i + 1));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(an_average_is_over_all_time_until_two_periods_have_passed),
	    cmocka_unit_test(what_is_older_than_two_periods_is_forgotten),
	    cmocka_unit_test(counting_after_a_long_gap_counts_in_the_present_period),
	    cmocka_unit_test(a_new_period_length_begins_with_the_next_period),
	    cmocka_unit_test(a_clock_that_stands_still_or_lags_changes_nothing),
	    cmocka_unit_test(
		any_pattern_of_counting_and_looking_agrees_with_a_list_of_events),
	    cmocka_unit_test(adding_adds_every_counter),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
