/*
 * What a client looks like while it stands in a pool's line. Made when it begins to wait.
 */
#ifndef POOLER_POOL_WAITER_H
#define POOLER_POOL_WAITER_H

#include <stdint.h>
#include <sys/queue.h>

struct admission;
struct lane;
struct usage;

/* Who wants a server, and how badly. */
struct asker {
	const struct usage *user; /* who has logged in: where users share a pool, each
				     gets its turns; NULL is one of them */
	unsigned weight;          /* of the user against others; at least 1 */
	uint8_t class;            /* enum priority */
	uint8_t step;             /* of the class: below THRESHOLD_STEPS, the same for the
				     same client for a while */
	uint64_t limit_us;        /* how long it may wait; CLOCK_NEVER */
};

/* Zero is valid: not waiting. */
struct waiter {
	TAILQ_ENTRY(waiter) place;   /* in its lane */
	TAILQ_ENTRY(waiter) arrival; /* in the whole line */
	struct admission *line;      /* the line it stands in; NULL = none */
	struct lane *lane;           /* of that line */
	struct asker asker;
	uint64_t since_us;    /* when waiting started */
	uint64_t expected_us; /* the wait that was predicted then */
	void *owner;          /* the relay's: who it is */
};
TAILQ_HEAD(waiters, waiter);

#endif
