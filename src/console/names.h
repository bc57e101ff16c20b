/*
 * Names as they are at one moment: sorted, each once. What a long SHOW works through, so
 * that databases, users and pools may come and go while it is written.
 */
#ifndef POOLER_CONSOLE_NAMES_H
#define POOLER_CONSOLE_NAMES_H

#include "base/buffer.h"

/* Zero is a valid empty list. */
struct names {
	struct buffer bytes;  /* two texts with their NULs per entry */
	struct buffer places; /* a uint32_t per entry: where it begins */
	size_t count;
	bool failed; /* for lack of memory */
};

void names_fini(struct names *names);

/* An entry of one or two names (the second may be empty). */
void names_add(struct names *names, struct slice first, struct slice second);
/* Sorts, and drops what is there twice. False when memory was short. */
bool names_finish(struct names *names);

/* Of an entry; borrowed. */
const char *names_first(const struct names *names, size_t i);
const char *names_second(const struct names *names, size_t i);

#endif
