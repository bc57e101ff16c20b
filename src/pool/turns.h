/*
 * A line in which it is not who came first that comes first, but who is owed most: a heap
 * whose places are part of what stands in it, so that nothing is ever allocated. Joining
 * and leaving take a number of steps that grows with the logarithm of its length.
 */
#ifndef POOLER_POOL_TURNS_H
#define POOLER_POOL_TURNS_H

#include <stdbool.h>
#include <stdint.h>

/* Of two, the one with the privilege comes first, then the lower `due`, then the one that
 * came first. Neither may be changed while it stands in line. */
struct turn {
	struct turn *parent, *left, *right;
	double due;
	uint64_t ticket; /* 0: it stands in no line */
	unsigned rank;   /* of the heap: the shortest way down to a missing child */
	bool is_privileged;
};

struct turns {
	struct turn *first; /* NULL: nobody */
	uint64_t tickets;
};

static inline bool turn_is_taken(const struct turn *t)
{
	return t->ticket != 0;
}

/* It stands in no line. */
void turns_join(struct turns *turns, struct turn *t);
void turns_leave(struct turns *turns, struct turn *t);
/* Other terms for one that stands in this line, and keeps its ticket. */
void turns_change(struct turns *turns, struct turn *t, bool is_privileged, double due);

/* Whether a comes before b. */
bool turn_is_before(const struct turn *a, const struct turn *b);

/* Linear, and the depth grows with the length: for tests. */
bool turns_are_sound(const struct turns *turns);

#endif
