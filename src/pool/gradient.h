/*
 * How many servers should be at work at a time: fewer when the time to the first byte of
 * an answer grows with them, more when it does not.
 *
 * Follows the ratio of the time without load to that of the last second. The time without
 * load is not known while there is load; so every now and then a window is tried with
 * fewer. That they are no slower in all shows that fewer are enough; that they are slower
 * shows the time without load.
 */
#ifndef POOLER_POOL_GRADIENT_H
#define POOLER_POOL_GRADIENT_H

#include <stdbool.h>
#include <stdint.h>

/* What was measured since begin_us. */
struct gradient_window {
	uint64_t begin_us; /* 0 = nothing was */
	double log_sum;    /* of the binary logarithms of the first-byte times */
	double in_flight;  /* sum */
	unsigned samples;
	unsigned busiest; /* most in flight */
	unsigned unusual; /* samples left out */
};

/* What the limit is doing. */
enum gradient_phase {
	GRADIENT_CLIMBING, /* nothing has slowed down yet: twice as many each time */
	GRADIENT_STEADY,   /* following the ratio */
	GRADIENT_LEAVING,  /* about to try with fewer, once so few are left */
	GRADIENT_TRYING,
};

struct gradient {
	struct gradient_window window;
	enum gradient_phase phase, before; /* what to go back to after trying */
	double limit;
	double unloaded_us;        /* first-byte time without load; 0 = not known */
	double pace;               /* answers per microsecond before trying */
	unsigned trial;            /* limit while trying */
	unsigned rest, rest_after; /* windows until the next trial, after the next */
	unsigned min, max;         /* bounds of the limit */
};

/* Bounds are at least 1, the lower at most the upper. */
void gradient_init(struct gradient *g, unsigned min, unsigned max);
/* Other bounds; the limit stays where it was as far as they allow. */
void gradient_set_bounds(struct gradient *g, unsigned min, unsigned max);

/* One answer has begun after so long, while so many (this one included) were at work.
 * True when the limit was looked at anew, which is once a second and on no thin evidence.
 */
bool gradient_sample(struct gradient *g, uint64_t first_byte_us, unsigned in_flight,
		     uint64_t now_us);

/* All that may be at work is, and somebody waits: lets some more, if no answer at all has
 * begun for two seconds, so that nothing is known that speaks against it. */
void gradient_press(struct gradient *g, uint64_t now_us);

/* From min to max. */
unsigned gradient_limit(const struct gradient *g);

#endif
