/*
 * Cutting a stream of bytes into messages by their headers: a letter and a length that
 * counts itself but not the letter.
 *
 * A message may be far longer than what has arrived of it; frame_peek() tells as soon as
 * the header is there, so that bodies can pass through without being gathered.
 */
#ifndef POOLER_PROTO_FRAME_H
#define POOLER_PROTO_FRAME_H

#include "base/slice.h"

enum { FRAME_HEADER_LEN = 5 };

enum frame_result {
	FRAME_OK,    /* the header is there; out is filled in */
	FRAME_SHORT, /* fewer bytes than a header */
	FRAME_BAD,   /* a length below 4 or above max_len */
};

struct frame {
	uint8_t letter;
	size_t total_len;  /* header and body together */
	struct slice body; /* as much of the body as has arrived */
};

/* The length field of a header: network byte order, counts itself but not the letter. */
static inline uint32_t frame_length(const uint8_t header[FRAME_HEADER_LEN])
{
	return (uint32_t)header[1] << 24 | (uint32_t)header[2] << 16 |
	       (uint32_t)header[3] << 8 | header[4];
}

/* max_len bounds the length field. Leaves *out untouched unless FRAME_OK. In line, since
 * it is done for every message that passes. */
static inline enum frame_result frame_peek(struct slice bytes, size_t max_len,
					   struct frame *out)
{
	if (bytes.len < FRAME_HEADER_LEN)
		return FRAME_SHORT;
	size_t len = frame_length(bytes.data);
	if (len < 4 || len > max_len)
		return FRAME_BAD;
	out->letter = bytes.data[0];
	out->total_len = len + 1;
	out->body = slice_after(bytes, FRAME_HEADER_LEN);
	if (out->body.len > len - 4)
		out->body.len = len - 4;
	return FRAME_OK;
}

static inline bool frame_is_whole(const struct frame *f)
{
	return FRAME_HEADER_LEN + f->body.len == f->total_len;
}

#endif
