/*
 * Borrowed bytes: a pointer and a length.
 *
 * A slice owns nothing and is valid until the function it was given to returns, unless
 * the owner of the bytes says otherwise. The bytes of a peer are never taken to end in
 * NUL.
 */
#ifndef POOLER_BASE_SLICE_H
#define POOLER_BASE_SLICE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct slice {
	const uint8_t *data;
	size_t len;
};

static inline struct slice slice_of(const void *data, size_t len)
{
	return (struct slice){.data = data, .len = len};
}

static inline struct slice slice_of_text(const char *text)
{
	return (struct slice){.data = (const uint8_t *)text, .len = strlen(text)};
}

/* The first len bytes; len must not exceed s.len. */
static inline struct slice slice_first(struct slice s, size_t len)
{
	return (struct slice){.data = s.data, .len = len};
}

/* What follows the first len bytes; len must not exceed s.len. */
static inline struct slice slice_after(struct slice s, size_t len)
{
	return (struct slice){.data = s.data + len, .len = s.len - len};
}

static inline bool slice_equal(struct slice a, struct slice b)
{
	return a.len == b.len && (a.len == 0 || memcmp(a.data, b.data, a.len) == 0);
}

static inline bool slice_is_text(struct slice s, const char *text)
{
	return slice_equal(s, slice_of_text(text));
}

#endif
