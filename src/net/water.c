/*
 * Whether a stream is read, and who stops whom. A stream that was stopped goes on only
 * when the other is empty, so that it does not stop and go with every write.
 */
#include "net/water.h"

#include "net/transport.h"

static inline void count(struct stream *s)
{
	size_t held = (size_t)s->in.cap + s->out.cap;

	if (s->transport && s->transport->held)
		held += s->transport->held(s);
	if (held != s->held)
		ledger_change(&s->loop->ledger, &s->held, held);
}

void water_count(struct stream *s)
{
	count(s);
}

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

static inline void watch(struct stream *s)
{
	int events = water_may_read(s) && s->hold != STREAM_HELD_STILL ? LOOP_READ : 0;

	if (s->is_blocked && !s->has_ended)
		events |= LOOP_WRITE;
	if (s->wire != 0)
		events = judge_wire(s, events);
	loop_io_watch(s->loop, &s->io, events);
}

void water_watch(struct stream *s)
{
	count(s);
	watch(s);
}

void water_release(struct stream *s)
{
	s->is_throttled = false;
	ledger_go_on(&s->loop->ledger);
	if (s->write_error)
		loop_post_flush(s->loop, &s->flush);
	water_watch(s);
}

/* What may be queued while there is memory for all. */
static size_t high_water(const struct stream *s)
{
	uint64_t share = s->loop->ledger.client_share;

	if (!s->ops || !s->ops->is_client)
		return STREAM_HIGH_WATER;
	return share < SIZE_MAX ? (size_t)share : SIZE_MAX;
}

bool water_is_high(const struct stream *s)
{
	size_t most = high_water(s);

	if (most < STREAM_HIGH_WATER)
		most = STREAM_HIGH_WATER;
	return buffer_len(&s->out) > ledger_share(&s->loop->ledger, most);
}

static void throttle_if_high(struct stream *s, struct stream *from)
{
	struct ledger *ledger = &s->loop->ledger;
	size_t queued = buffer_len(&s->out), most = high_water(s);

	if (queued <= ledger_share(ledger, most))
		return;
	from->is_throttled = true;
	ledger_stop(ledger, queued <= most);
	water_watch(from);
}

void water_judge(struct stream *s)
{
	struct stream *from = s->fed_by;
	bool is_empty = buffer_len(&s->out) == 0;

	count(s);
	if (!from)
		return;
	if (s->is_blocked)
		appetite_spoil(&from->appetite);
	if (is_empty && from->is_throttled)
		water_release(from);
	else if (!is_empty && !from->is_throttled)
		throttle_if_high(s, from);
}

void water_settle(struct stream *s)
{
	water_judge(s);
	watch(s);
}
