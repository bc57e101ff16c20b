/*
 * Who is let in at all while the line is too slow: a level that moves with the mean wait,
 * so that the least important work is turned away first, at once and with no wait.
 *
 * Levels: the class times 64 plus a number that each client keeps, so that within a class
 * some clients are served and others are not, instead of each a little. At the end of a
 * window the level moves by one step, exact on the histogram of what arrived: one
 * twentieth less of what was let in, or a hundredth more of what came; twice as much more
 * each time in a row, and everybody after a window in which nobody came or nobody waited.
 */
#ifndef POOLER_POOL_THRESHOLD_H
#define POOLER_POOL_THRESHOLD_H

#include <stdbool.h>
#include <stdint.h>

enum {
	THRESHOLD_STEPS = 64,  /* levels of a class */
	THRESHOLD_CLASSES = 4, /* 0 is the least important; the last is always let in */
	THRESHOLD_LEVELS = THRESHOLD_STEPS * THRESHOLD_CLASSES,
};

struct threshold {
	uint16_t arrived[THRESHOLD_LEVELS]; /* in this window, let in or not */
	uint32_t arrivals, admitted;        /* sums of the same */
	uint32_t waits;                     /* that were told */
	uint64_t waited_us;                 /* their sum */
	uint64_t end_us;                    /* of this window; 0 = none has begun */
	unsigned floor;                     /* the lowest level that is let in */
	unsigned raises;                    /* of what is let in, in a row */
};

/* All zero: everybody is let in. */
void threshold_init(struct threshold *t);

/* Somebody of this level wants a server; target: the mean wait there may be. Whether he
 * is let in. Never false for the most important class, nor for the most important class
 * of which somebody came in the last window. */
bool threshold_arrive(struct threshold *t, uint64_t target_us, unsigned level,
		      uint64_t now_us);

/* Somebody was served after so long a wait, 0 included. */
void threshold_waited(struct threshold *t, uint64_t wait_us);

/* The level below which nobody is let in; 0 = everybody is. */
unsigned threshold_floor(const struct threshold *t);

/* Whether nobody has come for so long that whoever comes now is let in, whatever the
 * level was. */
bool threshold_is_over(const struct threshold *t, uint64_t now_us);

#endif
