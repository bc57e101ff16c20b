/*
 * What a client looks like while it stands in a pool's line. Embedded in struct client.
 */
#ifndef POOLER_POOL_WAITER_H
#define POOLER_POOL_WAITER_H

#include <stdint.h>
#include <sys/queue.h>

struct admission;

/* Zero is valid: not waiting. */
struct waiter {
	TAILQ_ENTRY(waiter) place;
	struct admission *line; /* the line it stands in; NULL = none */
	uint64_t since_us;      /* when waiting started */
};
TAILQ_HEAD(waiters, waiter);

#endif
