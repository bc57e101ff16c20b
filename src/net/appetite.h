/*
 * How many bytes to read at once, learned from what became of those read before. Levels 0
 * to 3 are the small reads after the destination was seen to be slow; each read whose
 * bytes went on leads one up. From 4 on each read that was filled and consumed doubles
 * the next.
 */
#ifndef POOLER_NET_APPETITE_H
#define POOLER_NET_APPETITE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct appetite {
	uint8_t level;
};

enum {
	APPETITE_READ_LEAST = 8 * 1024,
	APPETITE_LAST_SMALL = 3,
	APPETITE_START = 4,
	APPETITE_MOST = 8,
	APPETITE_READ_MOST = APPETITE_READ_LEAST << (APPETITE_MOST - APPETITE_LAST_SMALL),
};

static inline void appetite_init(struct appetite *a)
{
	a->level = APPETITE_START;
}

/* How many bytes a read is filled by. */
static inline size_t appetite_whole_len(const struct appetite *a)
{
	unsigned doublings =
	    a->level > APPETITE_LAST_SMALL ? a->level - (unsigned)APPETITE_LAST_SMALL : 0;

	return (size_t)APPETITE_READ_LEAST << doublings;
}

/* How many bytes to read, with room to keep so many. An appetite that has grown reads
 * more than there is room for: it grew because nothing had to be kept. */
static inline size_t appetite_len(const struct appetite *a, size_t room)
{
	size_t len = appetite_whole_len(a);

	return a->level <= APPETITE_START && len > room ? room : len;
}

/* len bytes were there and went on. */
static inline void appetite_grow(struct appetite *a, size_t len)
{
	bool was_filled = len >= appetite_whole_len(a);

	if (a->level <= APPETITE_LAST_SMALL || (was_filled && a->level < APPETITE_MOST))
		a->level++;
}

/* Many bytes had to be kept. */
static inline void appetite_temper(struct appetite *a)
{
	if (a->level > APPETITE_START)
		a->level = APPETITE_START;
}

/* The destination is slow. */
static inline void appetite_spoil(struct appetite *a)
{
	a->level = 0;
}

#endif
