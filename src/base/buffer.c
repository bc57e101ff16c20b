/*
 * Owned bytes between two ends. Consuming moves a cursor; bytes are moved only when the
 * room behind them would otherwise not do, so appending and consuming cost O(1) on
 * average.
 */
#include "base/buffer.h"

#include <stdlib.h>

#include "base/check.h"

/* With what malloc adds, the biggest block that glibc keeps in its fast bins: a waiting
 * client takes and frees one per query. */
enum { BUFFER_LEAST = 112 };
#define BUFFER_MOST ((size_t)1 << 31)

void buffer_fini(struct buffer *b)
{
	free(b->data);
	*b = (struct buffer){0};
}

void buffer_wipe(struct buffer *b)
{
	if (b->data)
		explicit_bzero(b->data, b->cap);
	buffer_fini(b);
}

static bool buffer_grow(struct buffer *b, size_t need)
{
	size_t cap = b->cap ? b->cap : BUFFER_LEAST;

	if (need >= BUFFER_MOST)
		return false;
	while (cap < need)
		cap *= 2;
	uint8_t *data = realloc(b->data, cap);
	if (!data)
		return false;
	b->data = data;
	b->cap = (uint32_t)cap;
	return true;
}

uint8_t *buffer_reserve(struct buffer *b, size_t len)
{
	size_t held = buffer_len(b);

	if (len >= BUFFER_MOST)
		return NULL;
	if (b->end + len <= b->cap)
		return b->data + b->end;
	/* Move to the front only what is at most half the buffer, else grow: otherwise a
	 * full buffer nibbled at its front would be moved again for every byte. */
	if (b->start >= b->cap / 2 && held + len <= b->cap && b->start > 0) {
		memmove(b->data, b->data + b->start, held);
		b->start = 0;
		b->end = (uint32_t)held;
		return b->data + held;
	}
	if (!buffer_grow(b, (size_t)b->end + len))
		return NULL;
	return b->data + b->end;
}

void buffer_commit(struct buffer *b, size_t len)
{
	CHECK(len <= b->cap - b->end);
	b->end += (uint32_t)len;
	if (buffer_len(b) == 0)
		buffer_fini(b);
}

bool buffer_append(struct buffer *b, struct slice bytes)
{
	if (bytes.len == 0)
		return true;
	uint8_t *room = buffer_reserve(b, bytes.len);
	if (!room)
		return false;
	memcpy(room, bytes.data, bytes.len);
	b->end += (uint32_t)bytes.len;
	return true;
}

bool buffer_append_secret(struct buffer *b, struct slice bytes)
{
	struct buffer grown = {0};

	if (b->end + bytes.len <= b->cap)
		return buffer_append(b, bytes);
	if (!buffer_reserve(&grown, buffer_len(b) + bytes.len) ||
	    !buffer_append(&grown, buffer_bytes(b)) || !buffer_append(&grown, bytes)) {
		buffer_fini(&grown);
		return false;
	}
	buffer_wipe(b);
	*b = grown;
	return true;
}

void buffer_consume(struct buffer *b, size_t len)
{
	CHECK(len <= buffer_len(b));
	b->start += (uint32_t)len;
	if (b->start == b->end)
		buffer_fini(b);
}

void buffer_truncate(struct buffer *b, size_t len)
{
	CHECK(len <= buffer_len(b));
	b->end = b->start + (uint32_t)len;
	if (len == 0)
		buffer_fini(b);
}
