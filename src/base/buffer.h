/*
 * Owned bytes between two ends: appended at the back, consumed from the front.
 *
 * An empty buffer owns no memory: it is taken with the first byte and given back with
 * the last, so that an idle connection costs its struct and nothing else. Zero is a
 * valid empty buffer. A slice from it is valid until the next call on that buffer.
 */
#ifndef POOLER_BASE_BUFFER_H
#define POOLER_BASE_BUFFER_H

#include "base/slice.h"

struct buffer {
	uint8_t *data;
	uint32_t start; /* first byte not yet consumed */
	uint32_t end;   /* one past the last byte */
	uint32_t cap;   /* bytes owned */
};

void buffer_fini(struct buffer *b);

/* The same for what held a secret: overwrites it first. */
void buffer_wipe(struct buffer *b);

static inline size_t buffer_len(const struct buffer *b)
{
	return b->end - b->start;
}

static inline struct slice buffer_bytes(const struct buffer *b)
{
	return slice_of(b->data + b->start, buffer_len(b));
}

/* Copies the bytes to the back. False, and nothing changed, when memory is short or the
 * buffer would hold 2 GiB or more. */
bool buffer_append(struct buffer *b, struct slice bytes);

/* The same for secrets: when it must grow, what it leaves behind is overwritten. */
bool buffer_append_secret(struct buffer *b, struct slice bytes);

/* Room for len more bytes at the back, to be written by the caller and then made part of
 * the buffer by buffer_commit(); NULL when memory is short. */
uint8_t *buffer_reserve(struct buffer *b, size_t len);
void buffer_commit(struct buffer *b, size_t len);

/* Drops the first len bytes, which must be there. */
void buffer_consume(struct buffer *b, size_t len);

/* Drops the last bytes so that len remain: undoes appends that must not stay. */
void buffer_truncate(struct buffer *b, size_t len);

#endif
