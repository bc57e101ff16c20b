/*
 * Bytes on their way to the other side, judged message by message. Consecutive messages
 * that go on become one run, and one write. A message may be longer than what has
 * arrived of it: then the rest is treated as its beginning was.
 *
 * In line, since every message passes here.
 */
#ifndef POOLER_RELAY_RUN_H
#define POOLER_RELAY_RUN_H

#include "relay/client.h" /* enum rest */

struct run {
	struct slice ahead;   /* not yet looked at */
	const uint8_t *start; /* of what goes on */
	size_t len;
};

/* Writes the run; without a destination it is lost. */
static inline void run_send(struct run *r, struct stream *to)
{
	if (r->len > 0 && to)
		stream_write(to, slice_of(r->start, r->len));
	r->len = 0;
}

/* Moves past the message in front, of which `total` bytes are still to come in all, and
 * returns how many of them have not arrived. Before one that is discarded the run must
 * have been sent. */
static inline uint32_t run_pass(struct run *r, enum rest as, size_t total)
{
	size_t len = total < r->ahead.len ? total : r->ahead.len;

	if (as == REST_FORWARD) {
		if (r->len == 0)
			r->start = r->ahead.data;
		r->len += len;
	}
	r->ahead = slice_after(r->ahead, len);
	return (uint32_t)(total - len);
}

#endif
