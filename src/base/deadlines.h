/*
 * Everything that is due at some time: a heap of deadlines, the earliest on top.
 *
 * A deadline is embedded in what it belongs to and costs nothing while it is not armed.
 * Moving one to a later time only notes the new time: the heap learns of it when the old
 * time comes, so that a limit that is pushed back with every query is nearly free.
 * Knows nothing of clocks: callers say what time it is.
 */
#ifndef POOLER_BASE_DEADLINES_H
#define POOLER_BASE_DEADLINES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct deadline;
typedef void (*deadline_fn)(struct deadline *due, uint64_t now_us);

struct deadline {
	uint64_t at_us;   /* when it is due */
	uint64_t heap_us; /* the time the heap knows, never later than at_us */
	deadline_fn on_due;
	uint32_t place; /* 1 + index in the heap; 0 = not armed */
};

struct deadlines {
	struct deadline **heap;
	size_t count, cap;
};

void deadlines_fini(struct deadlines *d);

/* Makes room for count armed deadlines, so that arming cannot fail; false when memory
 * is short. Whoever embeds a deadline reserves when it is created. */
bool deadlines_reserve(struct deadlines *d, size_t count);

/* Due at at_us, whatever was said before; CLOCK_NEVER disarms. There must be room. */
void deadlines_arm(struct deadlines *d, struct deadline *due, uint64_t at_us);

/* No longer due; harmless when it was not armed. */
void deadlines_disarm(struct deadlines *d, struct deadline *due);

/* When to come back: the earliest time the heap knows, CLOCK_NEVER when nothing is
 * armed. */
uint64_t deadlines_next(const struct deadlines *d);

/* Calls on_due of at most `most` deadlines that are due at now_us, each disarmed before
 * its call. Returns true when more are waiting. */
bool deadlines_expire(struct deadlines *d, uint64_t now_us, size_t most);

#endif
