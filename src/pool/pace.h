/*
 * How fast those who wait get servers: the mean time from one to the next, while somebody
 * waits all the time. Kept as if there were one server, so that it holds when there are
 * more.
 */
#ifndef POOLER_POOL_PACE_H
#define POOLER_POOL_PACE_H

#include <stdbool.h>
#include <stdint.h>

/* Zero is valid: nothing is known. */
struct pace {
	double gap_us;    /* moving mean, times the servers */
	uint64_t last_us; /* when the last was to be had and more waited; 0 = not so */
	unsigned samples; /* up to what the mean remembers */
};

/* How much a new sample counts in a moving mean of what is learnt each time that one of
 * so many servers is used; counts the sample. */
double pace_weight(unsigned *samples, unsigned servers);

/* One of so many servers was to be had; more wait, or nobody any more. */
void pace_note(struct pace *p, unsigned servers, bool more_wait, uint64_t now_us);
/* Nobody waits any more. */
void pace_stop(struct pace *p);

/* Whether enough were to be had without a break. */
bool pace_is_known(const struct pace *p);
/* From one to the next, with so many servers (not 0). */
double pace_gap_us(const struct pace *p, unsigned servers);

#endif
