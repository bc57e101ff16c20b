/*
 * Whether a stream is read. Two things decide it: the room for kept bytes, and the stream
 * it feeds (throttle). They are looked at in one place, water_may_read(), and every
 * function that changes one of them ends in water_watch().
 *
 * This is the inside of net/stream.h: nobody but stream.c needs it.
 */
#ifndef POOLER_NET_WATER_H
#define POOLER_NET_WATER_H

#include "net/stream.h"

static inline bool water_may_read(const struct stream *s)
{
	if (s->has_ended || s->saw_eof)
		return false;
	if (s->is_finishing)
		return true;
	return !s->is_throttled && buffer_len(&s->in) < s->keep_max;
}

/* Bytes wait in the transport, and nothing but ourselves will say so. */
static inline bool water_has_hidden(const struct stream *s)
{
	return (s->wire & STREAM_WIRE_READABLE) && s->hold == STREAM_FREE &&
	       water_may_read(s);
}

/* The loop's ledger learns what the stream holds now. */
void water_count(struct stream *stream);

/* Watches the descriptor for what the stream may do now, and for nothing else; counts. */
void water_watch(struct stream *stream);

/* Whether more is queued than the peer may leave unread. */
bool water_is_high(const struct stream *stream);

/* The stream need not wait for the one it feeds any more. If a write of its own failed
 * meanwhile, the flush phase now hears its peer's last words. */
void water_release(struct stream *stream);

/* After `out` has changed: stops the stream that fills it when it is high or lets it go
 * on when it is empty, and makes it read little while the kernel does not take all.
 * Counts. */
void water_judge(struct stream *stream);

/* Both, and counts once: what every write ends in. */
void water_settle(struct stream *stream);

#endif
