/*
 * Bounded reading of a peer's bytes.
 *
 * Every read checks what is left. After the first read that asks for too much the reader
 * has failed for good: later reads give zero or an empty slice, so callers read all the
 * fields they expect and ask once, at the end, whether it went well.
 */
#ifndef POOLER_BASE_READER_H
#define POOLER_BASE_READER_H

#include "base/slice.h"

struct reader {
	struct slice rest;
	bool failed;
};

struct reader reader_of(struct slice bytes);

uint8_t reader_u8(struct reader *r);
uint16_t reader_u16(struct reader *r); /* network byte order, as all of the protocol */
uint32_t reader_u32(struct reader *r);

/* The next len bytes, borrowed from what the reader was made of. */
struct slice reader_bytes(struct reader *r, size_t len);

/* The bytes before the next NUL, which is read too; fails if there is none. */
struct slice reader_cstring(struct reader *r);

/* Whether every read succeeded so far. */
bool reader_ok(const struct reader *r);

/* Whether every read succeeded and nothing is left over. */
bool reader_done(const struct reader *r);

#endif
