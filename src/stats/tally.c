/*
 * Two marks are kept: the totals at the start of this period and of the one before. An
 * average over both is never taken over less than one whole period.
 */
#include "stats/tally.h"

#include <string.h>

#include "base/check.h"
#include "base/clock.h"

void tally_init(struct tally *t, uint64_t now_us, uint64_t period_us)
{
	CHECK(period_us > 0);
	*t = (struct tally){
	    .period_us = period_us,
	    .next_period_us = period_us,
	    .began_us = now_us,
	    .before_us = now_us,
	};
}

void tally_set_period(struct tally *t, uint64_t period_us)
{
	CHECK(period_us > 0);
	t->next_period_us = period_us;
}

static void begin_period(struct tally *t, uint64_t at_us)
{
	t->before = t->last;
	t->before_us = t->began_us;
	t->last = t->now;
	t->began_us = at_us;
	t->period_us = t->next_period_us;
}

void tally_roll(struct tally *t, uint64_t now_us)
{
	if (clock_since(now_us, t->began_us) < t->period_us)
		return;
	begin_period(t, t->began_us + t->period_us);
	uint64_t missed = (now_us - t->began_us) / t->period_us;
	if (missed == 0)
		return;
	/* Nothing was counted in the periods that nobody noticed, so they can be
	 * stepped over: only the last of them is remembered. */
	begin_period(t, t->began_us + missed * t->period_us);
	t->before_us = t->began_us - t->period_us;
}

struct counters tally_recent(struct tally *t, uint64_t now_us, uint64_t *out_elapsed_us)
{
	uint64_t now[COUNTER_COUNT], before[COUNTER_COUNT];
	struct counters recent;

	tally_roll(t, now_us);
	memcpy(now, &t->now, sizeof(now));
	memcpy(before, &t->before, sizeof(before));
	for (size_t i = 0; i < COUNTER_COUNT; i++)
		now[i] -= before[i];
	memcpy(&recent, now, sizeof(recent));
	uint64_t elapsed = clock_since(now_us, t->before_us);
	*out_elapsed_us = elapsed > 0 ? elapsed : 1;
	return recent;
}

void counters_add(struct counters *a, const struct counters *b)
{
	uint64_t sum[COUNTER_COUNT], more[COUNTER_COUNT];

	memcpy(sum, a, sizeof(sum));
	memcpy(more, b, sizeof(more));
	for (size_t i = 0; i < COUNTER_COUNT; i++)
		sum[i] += more[i];
	memcpy(a, sum, sizeof(sum));
}
