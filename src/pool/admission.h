/*
 * The line of clients waiting for a server of one pool.
 *
 * Order of arrival. Anyone may give up from the middle of the line, so places are list
 * nodes, not numbers. The line is bounded: who would make it longer is not let in.
 * Knows nothing of clocks and timeouts: callers say what time it is.
 */
#ifndef POOLER_POOL_ADMISSION_H
#define POOLER_POOL_ADMISSION_H

#include <stdbool.h>
#include <stdint.h>

#include "pool/waiter.h"

enum { ADMISSION_UNBOUNDED = -1 };

struct admission {
	struct waiters line;
	unsigned count;
	int max; /* of waiters; ADMISSION_UNBOUNDED */
};

void admission_init(struct admission *a, int max);

/* Whether one more would be let in, given how many servers are on their way for this line
 * (those who will get one of these are not counted as queueing). */
bool admission_is_full(const struct admission *a, unsigned servers_coming);

void admission_join(struct admission *a, struct waiter *w, uint64_t now_us);
/* Leaves whatever line it stands in; harmless when it stands in none. */
void admission_leave(struct waiter *w);

/* Who has waited longest; NULL when nobody waits. */
struct waiter *admission_first(const struct admission *a);

/* For how long the first has waited; 0 when nobody waits. */
uint64_t admission_longest_wait(const struct admission *a, uint64_t now_us);

bool admission_is_sound(const struct admission *a); /* linear: for CHECK_SLOW and tests */

#endif
