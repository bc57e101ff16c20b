/* Adding up what streams hold, and what one of them may hold. */
#include "net/ledger.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

enum { KB = 1024, MB = 1024 * 1024 };

/* ---- adding up ---- */

enum { STREAMS = 50, CHANGES = 200 * 1000 };

/* The same in the simplest way. */
static void assert_adds_up(const struct ledger *l, const uint32_t held[STREAMS])
{
	uint64_t sum = 0;
	size_t holders = 0;

	for (size_t i = 0; i < STREAMS; i++) {
		sum += held[i];
		holders += held[i] > 0;
	}
	assert_int_equal(l->held, sum);
	assert_int_equal(l->holders, holders);
}

static void whatever_changes_the_sum_is_that_of_a_recount(void **state)
{
	struct ledger l = {0};
	uint32_t held[STREAMS] = {0};
	uint64_t peak = 0;

	(void)state;
	srandom(7);
	for (int i = 0; i < CHANGES; i++) {
		size_t which = (size_t)random() % STREAMS;
		size_t now = random() % 3 == 0 ? 0 : (size_t)random() % MB;
		ledger_change(&l, &held[which], now);
		assert_int_equal(held[which], now);
		assert_adds_up(&l, held);
		if (l.held > peak)
			peak = l.held;
	}
	assert_int_equal(l.peak, peak);
	for (size_t i = 0; i < STREAMS; i++)
		ledger_change(&l, &held[i], 0);
	assert_int_equal(l.held, 0);
	assert_int_equal(l.holders, 0);
}

static void more_than_four_gigabytes_of_one_stream_count_as_so_much(void **state)
{
	struct ledger l = {0};
	uint32_t held = 0;

	(void)state;
	ledger_change(&l, &held, SIZE_MAX);
	assert_int_equal(l.held, UINT32_MAX);
	ledger_change(&l, &held, 0);
	assert_int_equal(l.held, 0);
}

/* ---- shares ---- */

static void without_a_limit_everybody_has_what_he_is_allowed_anyway(void **state)
{
	struct ledger l = {.held = UINT64_MAX / 2};

	(void)state;
	assert_int_equal(ledger_share(&l, 64 * KB), 64 * KB);
	assert_int_equal(ledger_share(&l, SIZE_MAX), UINT64_MAX / LEDGER_PART);
	assert_int_equal(ledger_read_len(&l, 256 * KB), 256 * KB);
}

static void near_the_limit_the_share_is_a_part_of_what_is_left(void **state)
{
	static const struct {
		uint64_t held;
		size_t share, read_len;
	} cases[] = {
	    {0, 64 * KB, 256 * KB},
	    {6 * MB, 64 * KB, 256 * KB},
	    {7 * MB, 64 * KB, 128 * KB},
	    {8 * MB - 512 * KB, 64 * KB, 64 * KB},
	    {8 * MB - 256 * KB, 32 * KB, 32 * KB},
	    {8 * MB - 32 * KB, 4 * KB, LEDGER_LEAST},
	    {8 * MB - 1, 0, LEDGER_LEAST},
	    {8 * MB, 0, LEDGER_LEAST},
	    {9 * MB, 0, LEDGER_LEAST},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct ledger l = {.limit = 8 * MB, .held = cases[i].held};
		assert_int_equal(ledger_share(&l, 64 * KB), cases[i].share);
		assert_int_equal(ledger_read_len(&l, 256 * KB), cases[i].read_len);
		assert_int_equal(ledger_read_len(&l, 100), 100);
	}
}

/* Each takes its share of what the others have left, time and again. */
static void however_many_take_their_share_the_limit_holds(void **state)
{
	struct ledger l = {.limit = 4 * MB};
	uint32_t held[1000] = {0};

	(void)state;
	for (int round = 0; round < 20; round++) {
		for (size_t i = 0; i < 1000; i++) {
			size_t share = ledger_share(&l, 64 * KB);
			if (held[i] < share)
				ledger_change(&l, &held[i], share);
			assert_true(l.held <= l.limit);
		}
	}
	assert_true(l.held > l.limit / 2);
}

static void who_stops_is_counted_until_he_goes_on(void **state)
{
	struct ledger l = {0};

	(void)state;
	ledger_stop(&l, false);
	ledger_stop(&l, true);
	assert_int_equal(l.stopped, 2);
	ledger_go_on(&l);
	ledger_go_on(&l);
	assert_int_equal(l.stopped, 0);
	assert_int_equal(l.stop_count, 2);
	assert_int_equal(l.short_count, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(whatever_changes_the_sum_is_that_of_a_recount),
	    cmocka_unit_test(more_than_four_gigabytes_of_one_stream_count_as_so_much),
	    cmocka_unit_test(without_a_limit_everybody_has_what_he_is_allowed_anyway),
	    cmocka_unit_test(near_the_limit_the_share_is_a_part_of_what_is_left),
	    cmocka_unit_test(however_many_take_their_share_the_limit_holds),
	    cmocka_unit_test(who_stops_is_counted_until_he_goes_on),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
