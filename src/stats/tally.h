/*
 * Counters with a memory of two periods, for averages.
 *
 * Nobody walks all tallies when a period ends: each notices by itself, when it is next
 * counted in or looked at, that time has moved on. An idle pool costs nothing.
 */
#ifndef POOLER_STATS_TALLY_H
#define POOLER_STATS_TALLY_H

#include "stats/counter.h"

struct tally {
	struct counters now;     /* totals since the start */
	struct counters last;    /* totals when the present period began */
	struct counters before;  /* totals when the one before it began */
	uint64_t period_us;      /* of the present one */
	uint64_t next_period_us; /* of those that follow */
	uint64_t began_us;       /* the present period */
	uint64_t before_us;      /* the one before it */
};

void tally_init(struct tally *t, uint64_t now_us, uint64_t period_us);

/* The length of the periods from the next one on. */
void tally_set_period(struct tally *t, uint64_t period_us);

/* To be called before counting and before looking; cheap. */
static inline struct counters *tally_at(struct tally *t, uint64_t now_us);

/* Moves the periods on, however many have passed. */
void tally_roll(struct tally *t, uint64_t now_us);

/* What was counted since the beginning of the period before the present one, and over how
 * long (never 0): the basis of all averages. Rolls first. */
struct counters tally_recent(struct tally *t, uint64_t now_us, uint64_t *out_elapsed_us);

/* All of b added to a. */
void counters_add(struct counters *a, const struct counters *b);

static inline struct counters *tally_at(struct tally *t, uint64_t now_us)
{
	if (now_us - t->began_us >= t->period_us)
		tally_roll(t, now_us);
	return &t->now;
}

#endif
