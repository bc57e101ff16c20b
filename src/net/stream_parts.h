/*
 * What the two halves of a stream need of each other.
 */
#ifndef POOLER_NET_STREAM_PARTS_H
#define POOLER_NET_STREAM_PARTS_H

#include "net/stream.h"

/* Tells the owner, once. */
void stream_end(struct stream *s, enum stream_end how, int error);

/* Whether anything may be written. */
bool stream_takes_bytes(const struct stream *s);

/* Sends what is queued and `more` behind it; what the kernel leaves is queued. */
void stream_send_all(struct stream *s, struct slice more);

/* A write has failed. The end is told in the flush phase: who writes does not expect to
 * be called. */
void stream_fail_write(struct stream *s, int error);

/* All is sent of a stream that is finishing. */
void stream_say_goodbye(struct stream *s);

#endif
