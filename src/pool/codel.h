/*
 * Whether a line is longer than it has to be, and whom to send away because of that
 * (controlled delay, in the form for services).
 *
 * A line that was short for a moment within the last interval only takes up a burst. One
 * that never was is standing: then whoever has waited more than twice the target is
 * rejected at the head, and the newest are served first until the line was empty once.
 */
#ifndef POOLER_POOL_CODEL_H
#define POOLER_POOL_CODEL_H

#include <stdbool.h>
#include <stdint.h>

struct codel_config {
	uint64_t target_us; /* that the shortest wait of an interval should not pass */
	uint64_t interval_us;
};

struct codel {
	uint64_t shortest_us; /* wait in this interval */
	uint64_t end_us;      /* of this interval; 0 = none has begun */
	bool is_overloaded;
};

enum codel_verdict { CODEL_SERVE, CODEL_REJECT };

/* All zero: not overloaded. */
void codel_init(struct codel *c);

/* A server is free and this is how long the oldest in line has waited: what becomes of
 * him. To be asked again for the next after CODEL_REJECT; after CODEL_SERVE somebody is
 * to be served, who need not be the oldest. The first of an interval is never rejected.
 */
enum codel_verdict codel_dequeue(struct codel *c, const struct codel_config *config,
				 uint64_t waited_us, uint64_t now_us);

/* Whether the newest are to be served first. */
bool codel_is_overloaded(const struct codel *c);

/* Nobody waits any more: all is well, and it was in this interval. */
void codel_emptied(struct codel *c);

#endif
