/*
 * Turns kept apart: where so much comes in that waking up for each of it costs more than
 * the work itself, the loop waits for a moment before it looks what is there. What is
 * urgent ends that moment: bytes of servers, and of clients that have one.
 *
 * Urgent descriptors stand in an epoll set of their own besides that of libev, so nothing
 * has to be said to the kernel when gathering begins or ends.
 */
#ifndef POOLER_NET_GATHER_H
#define POOLER_NET_GATHER_H

#include <stdbool.h>
#include <stdint.h>

/* The longest that anything that is ready waits for. */
enum { GATHER_MS = 1 };

struct gather {
	int fd;            /* the epoll set; -1 = not open */
	uint64_t until_us; /* turns are kept apart until then; 0 = they are not */
};

/* Nothing is kept apart yet. 0 or -errno. */
int gather_init(struct gather *gather);
/* Harmless twice, and on a closed one. */
void gather_fini(struct gather *gather);

/* What comes in on fd from now on is urgent. Ends with the descriptor. Where the kernel
 * lacks memory for it, it is not, which costs at most GATHER_MS each time. */
void gather_urgent(struct gather *gather, int fd);

/* What comes in on fd next is urgent, once. Does nothing unless turns are kept apart. */
void gather_urgent_once(struct gather *gather, int fd);

/* Turns are kept apart for a while. To be called again while it is so. */
void gather_begin(struct gather *gather, uint64_t now_us);

static inline bool gather_is_on(const struct gather *gather)
{
	return gather->until_us != 0;
}

/* Waits until something urgent is there, for GATHER_MS at most, or not at all if the
 * time of gathering is over at now_us. Whether something urgent is there. */
bool gather_wait(struct gather *gather, uint64_t now_us);

#endif
