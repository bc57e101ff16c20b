/*
 * How many servers should be at work at a time: more while that gets more done, fewer
 * while it costs nothing.
 *
 * What would be done with another number is not known before it is tried. So every now
 * and then, while there is always somebody to serve, some more or some fewer are let work
 * for a few seconds, and what that gets done is compared. Times to the first byte of an
 * answer only tell when something has changed: what they grow by is no measure of what
 * gets done, since servers are held for more than that.
 */
#ifndef POOLER_POOL_GRADIENT_H
#define POOLER_POOL_GRADIENT_H

#include <stdbool.h>
#include <stdint.h>

/* What was measured since begin_us. */
struct gradient_window {
	uint64_t begin_us, last_us; /* 0 = nothing was */
	double log_sum;             /* of the binary logarithms of the first-byte times */
	unsigned samples;
	unsigned full;    /* samples with as many in flight as may be */
	unsigned unusual; /* samples left out of log_sum */
};

/* What the limit is doing. */
enum gradient_phase {
	GRADIENT_STEADY,
	GRADIENT_RETURNING, /* to that, once no more are at work */
	GRADIENT_LEAVING,   /* about to try another one, once so many are at work */
	GRADIENT_TRYING,
};

/* How far from the limit the next trial is: half or twice as many while nothing is known,
 * then about a quarter, then an eighth. */
enum gradient_step { GRADIENT_COARSE, GRADIENT_MEDIUM, GRADIENT_FINE };

struct gradient {
	struct gradient_window window;
	enum gradient_phase phase;
	unsigned limit;
	unsigned trial;            /* limit while leaving and trying */
	bool tries_more;           /* in this trial or the next */
	enum gradient_step step;   /* how many more or fewer */
	unsigned failures;         /* trials in a row that found nothing better */
	double pace;               /* answers per microsecond, the best before trying */
	double usual_us;           /* first-byte time with this limit; 0 = not known */
	unsigned rest, rest_after; /* windows until the next trial, after the next */
	unsigned min, max;         /* bounds of the limit */
};

/* Bounds are at least 1, the lower at most the upper. */
void gradient_init(struct gradient *g, unsigned min, unsigned max);
/* Other bounds; the limit stays where it was as far as they allow. */
void gradient_set_bounds(struct gradient *g, unsigned min, unsigned max);

/* One answer has begun after so long, while so many (this one included) were at work.
 * True when the limit was looked at anew: each second, or after some when two limits are
 * compared, and on no thin evidence.
 */
bool gradient_sample(struct gradient *g, uint64_t first_byte_us, unsigned in_flight,
		     uint64_t now_us);

/* All that may be at work is, and somebody waits: lets some more, if no answer at all has
 * begun for two seconds, so that nothing is known that speaks against it. */
void gradient_press(struct gradient *g, uint64_t now_us);

/* From min to max. */
unsigned gradient_limit(const struct gradient *g);

#endif
