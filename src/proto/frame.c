/*
 * Cutting a stream into messages by their headers; see the header.
 */
#include "proto/frame.h"

#include "base/reader.h"

enum frame_result frame_peek(struct slice bytes, size_t max_len, struct frame *out)
{
	struct reader r = reader_of(bytes);
	uint8_t letter = reader_u8(&r);
	size_t len = reader_u32(&r);

	if (!reader_ok(&r))
		return FRAME_SHORT;
	if (len < 4 || len > max_len)
		return FRAME_BAD;
	size_t body_len = len - 4; /* the length counts itself */
	size_t arrived = r.rest.len < body_len ? r.rest.len : body_len;
	*out = (struct frame){
	    .letter = letter,
	    .total_len = FRAME_HEADER_LEN + body_len,
	    .body = slice_first(r.rest, arrived),
	};
	return FRAME_OK;
}
