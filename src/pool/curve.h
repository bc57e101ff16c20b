/*
 * How many servers at work would have been enough, from watching alone: what gets done
 * with how many at work, as their number comes about by itself. Tries nothing, so it
 * knows only numbers that have occurred, and takes for the servers' doing what was done
 * because other things were asked.
 */
#ifndef POOLER_POOL_CURVE_H
#define POOLER_POOL_CURVE_H

#include <stdint.h>

enum { CURVE_POINTS = 24 };

/* All zero: nothing is known. */
struct curve {
	uint64_t begin_us, last_us; /* of a second or so; 0 = none has begun */
	double at_work;             /* servers at work by microseconds, in it */
	unsigned answers;           /* in it */
	struct {
		double pace;      /* answers per microsecond, moving mean */
		unsigned windows; /* that it is made of */
	} points[CURVE_POINTS];
};

/* An answer has begun while so many servers, its own included, were at work. */
void curve_note(struct curve *c, unsigned at_work, uint64_t now_us);

/* The least number with which about as much gets done as with any other; 0: nothing is
 * known yet, or it takes more than can be told apart. */
unsigned curve_enough(const struct curve *c);

#endif
