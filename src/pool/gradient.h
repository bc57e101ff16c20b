/*
 * How many servers should be at work at a time: fewer when the time to the first byte of
 * an answer grows with them, more when it does not.
 *
 * Follows the ratio of the long-run time to that of the last second. Looks at what it is
 * told only once a second, and only when there is enough of it.
 */
#ifndef POOLER_POOL_GRADIENT_H
#define POOLER_POOL_GRADIENT_H

#include <stdbool.h>
#include <stdint.h>

struct gradient {
	double limit;
	double long_us;    /* first-byte time in the long run; 0 = nothing is known */
	double sum_us;     /* of the samples in this window */
	unsigned samples;  /* in this window */
	unsigned busiest;  /* most in flight in this window */
	unsigned windows;  /* that long_us has seen, up to what it remembers */
	unsigned min, max; /* bounds of the limit */
	uint64_t end_us;   /* of this window; 0 = none has begun */
	bool is_frozen;    /* this window does not count */
};

/* Bounds are at least 1, the lower at most the upper. Starts at the lower end of what may
 * be needed, and climbs. */
void gradient_init(struct gradient *g, unsigned min, unsigned max);
/* Other bounds; the limit stays where it was as far as they allow. */
void gradient_set_bounds(struct gradient *g, unsigned min, unsigned max);

/* One answer has begun after so long, while so many (this one included) were at work.
 * True when the limit was looked at anew. */
bool gradient_sample(struct gradient *g, uint64_t first_byte_us, unsigned in_flight,
		     uint64_t now_us);

/* What is measured in this window says nothing about load: somebody waits for a lock. */
void gradient_freeze(struct gradient *g);

/* From min to max. */
unsigned gradient_limit(const struct gradient *g);

#endif
