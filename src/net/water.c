/*
 * Whether a stream is read, and who stops whom. A stream that was stopped goes on only
 * when the other is empty, so that it does not stop and go with every write.
 */
#include "net/water.h"

static int judge_wire(struct stream *s, int events)
{
	if (water_has_hidden(s))
		loop_post_flush(s->loop, &s->flush);
	if (s->wire & STREAM_WIRE_SHUT)
		events &= ~LOOP_WRITE;
	if ((s->wire & STREAM_WIRE_UNSENT) && !s->has_ended)
		events |= LOOP_WRITE;
	return events;
}

void water_watch(struct stream *s)
{
	int events = water_may_read(s) && s->hold != STREAM_HELD_STILL ? LOOP_READ : 0;

	if (s->is_blocked && !s->has_ended)
		events |= LOOP_WRITE;
	if (s->wire != 0)
		events = judge_wire(s, events);
	loop_io_watch(s->loop, &s->io, events);
}

void water_release(struct stream *s)
{
	s->is_throttled = false;
	if (s->write_error)
		loop_post_flush(s->loop, &s->flush);
	water_watch(s);
}

void water_judge(const struct stream *s)
{
	struct stream *from = s->fed_by;
	size_t queued = buffer_len(&s->out);

	if (!from)
		return;
	if (s->is_blocked)
		appetite_spoil(&from->appetite);
	if (queued > STREAM_HIGH_WATER && !from->is_throttled) {
		from->is_throttled = true;
		water_watch(from);
	} else if (queued == 0 && from->is_throttled) {
		water_release(from);
	}
}
