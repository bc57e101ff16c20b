/*
 * Bounded reading of a peer's bytes; see the header for the contract.
 */
#include "base/reader.h"

struct reader reader_of(struct slice bytes)
{
	return (struct reader){.rest = bytes};
}

struct slice reader_bytes(struct reader *r, size_t len)
{
	if (r->failed || len > r->rest.len) {
		r->failed = true;
		return (struct slice){0};
	}
	struct slice taken = slice_first(r->rest, len);
	r->rest = slice_after(r->rest, len);
	return taken;
}

static uint32_t reader_number(struct reader *r, size_t len)
{
	struct slice bytes = reader_bytes(r, len);
	uint32_t value = 0;

	for (size_t i = 0; i < bytes.len; i++)
		value = value << 8 | bytes.data[i];
	return value;
}

uint8_t reader_u8(struct reader *r)
{
	return (uint8_t)reader_number(r, 1);
}

uint16_t reader_u16(struct reader *r)
{
	return (uint16_t)reader_number(r, 2);
}

uint32_t reader_u32(struct reader *r)
{
	return reader_number(r, 4);
}

struct slice reader_cstring(struct reader *r)
{
	if (r->failed || r->rest.len == 0) {
		r->failed = true;
		return (struct slice){0};
	}
	const uint8_t *nul = memchr(r->rest.data, 0, r->rest.len);
	if (!nul) {
		r->failed = true;
		return (struct slice){0};
	}
	struct slice text = reader_bytes(r, (size_t)(nul - r->rest.data));
	reader_bytes(r, 1);
	return text;
}

bool reader_ok(const struct reader *r)
{
	return !r->failed;
}

bool reader_done(const struct reader *r)
{
	return !r->failed && r->rest.len == 0;
}
