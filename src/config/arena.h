/*
 * Memory that is taken bit by bit and given back all at once. Zero is a valid empty
 * arena.
 */
#ifndef POOLER_CONFIG_ARENA_H
#define POOLER_CONFIG_ARENA_H

#include "base/slice.h"

struct arena_chunk;

struct arena {
	struct arena_chunk *chunks; /* the one in use first */
	size_t total;               /* bytes asked of the system */
};

/* Wipes what was taken. */
void arena_fini(struct arena *a);

/* Zeroed and aligned for any type; NULL when memory is short. */
void *arena_take(struct arena *a, size_t len);

/* A copy that ends in NUL; NULL when memory is short. The empty text costs nothing. */
const char *arena_text(struct arena *a, struct slice text);

#endif
