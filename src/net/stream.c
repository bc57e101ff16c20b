/*
 * A duplex stream: reading, offering, ending. Whether it is read is decided in
 * net/water, how much of it at once in net/appetite.
 *
 * on_data and on_end are called from the loop only: from stream_on_ready(), from the
 * flush task, and (on_data) from stream_pump(). So a write never calls back, but for
 * on_blocked, which does nothing but arm a deadline.
 */
#include "net/stream.h"

#include <assert.h>
#include <errno.h>

#include "base/check.h"
#include "net/stream_parts.h"
#include "net/transport.h"
#include "net/water.h"

enum {
	/* A rest of this size is put in front of what is read; a longer one is not worth
	 * moving. */
	GATHER_MOST = 4 * 1024,
	/* Reads after a failed write, in which the peer's last words must be found. */
	LAST_READS = 16,
	/* So often the kernel may say again that a held stream is readable: then it has
	   cost as much as two calls of epoll_ctl. */
	SOON_REPORTS = 16,
};

static_assert((size_t)APPETITE_READ_MOST == LOOP_SCRATCH_LEN,
	      "the biggest read fills the scratch area");
static_assert(sizeof(struct stream) <= 200, "every client holds one");

static const struct slice nothing = {0};

/* ---- ending ---- */

void stream_end(struct stream *s, enum stream_end how, int error)
{
	if (s->has_ended)
		return;
	s->has_ended = true;
	water_watch(s);
	s->ops->on_end(s, how, error);
}

static void end_broken(struct stream *s, int error)
{
	stream_end(s, error == ENOMEM ? STREAM_END_MEMORY : STREAM_END_BROKEN, error);
}

/* ---- offering ---- */

/* Not while somebody reads them: who closes the stream in its on_data may have yet to
 * pass on what he took before. */
static void drop_kept(struct stream *s)
{
	if (s->in_callback)
		return;
	if (s->ops->is_secret)
		buffer_wipe(&s->in);
	else
		buffer_fini(&s->in);
}

/* Calls on_data once. False when the stream was closed or finished in there: then
 * nothing of it may be touched. */
static bool offer(struct stream *s, struct slice bytes, size_t *out_used)
{
	s->in_callback = true;
	s->wants_pump = false;
	size_t used = s->ops->on_data(s, bytes);
	s->in_callback = false;
	CHECK(used <= bytes.len);
	if (!s->transport || s->is_finishing) {
		drop_kept(s);
		water_count(s);
		return false;
	}
	*out_used = used;
	return true;
}

static void consume_kept(struct stream *s, size_t len, bool is_secret)
{
	if (is_secret && len > 0)
		explicit_bzero(s->in.data + s->in.start, len);
	buffer_consume(&s->in, len);
}

static bool keep(struct stream *s, struct slice bytes)
{
	return s->ops->is_secret ? buffer_append_secret(&s->in, bytes)
				 : buffer_append(&s->in, bytes);
}

static void offer_kept(struct stream *s)
{
	do {
		bool is_secret = s->ops->is_secret;
		size_t used;

		s->wants_pump = false;
		if (buffer_len(&s->in) == 0)
			break;
		if (!offer(s, buffer_bytes(&s->in), &used))
			return;
		consume_kept(s, used, is_secret);
	} while (s->wants_pump);
	water_watch(s);
}

void stream_pump(struct stream *s)
{
	if (!s->transport || s->has_ended || s->is_finishing)
		return;
	if (s->in_callback)
		s->wants_pump = true;
	else
		offer_kept(s);
}

struct slice stream_kept(const struct stream *s)
{
	return buffer_bytes(&s->in);
}

/* ---- reading ---- */

bool stream_has_hidden(const struct stream *s)
{
	return s->wire & STREAM_WIRE_READABLE;
}

static size_t read_len(const struct stream *s)
{
	size_t len;

	if (s->is_finishing)
		return LOOP_SCRATCH_LEN;
	len = appetite_len(&s->appetite, s->keep_max - buffer_len(&s->in));
	return ledger_read_len(&s->loop->ledger, len);
}

/* len: what was offered; what was not consumed of it is kept by now. */
static void learn_appetite(struct stream *s, size_t len)
{
	if (buffer_len(&s->in) > GATHER_MOST)
		appetite_temper(&s->appetite);
	else if (!s->feeds || !s->feeds->is_blocked)
		appetite_grow(&s->appetite, (s->wire & STREAM_WIRE_FILLED)
						? appetite_whole_len(&s->appetite)
						: len);
}

static void meet_eof(struct stream *s)
{
	if (!s->is_finishing)
		offer_kept(s);
	if (!s->transport)
		return;
	if (s->write_error) {
		end_broken(s, s->write_error);
	} else if (s->is_finishing && s->is_blocked) {
		s->saw_eof = true;
		water_watch(s);
	} else {
		stream_end(s, STREAM_END_BY_PEER, 0);
	}
}

/* The bytes stand in the scratch area, and so does what was kept, in front of them. */
static void take_from_scratch(struct stream *s, size_t len)
{
	struct slice bytes = slice_of(s->loop->scratch, len);
	struct loop *loop = s->loop;
	size_t used;

	loop->scratch_is_lent = true;
	bool goes_on = offer(s, bytes, &used);
	loop->scratch_is_lent = false;
	if (!goes_on)
		return;
	if (!keep(s, slice_after(bytes, used)))
		stream_end(s, STREAM_END_MEMORY, ENOMEM);
	else if (s->wants_pump)
		offer_kept(s);
}

static void take_bytes(struct stream *s, size_t gathered, size_t got)
{
	uint8_t *scratch = s->loop->scratch;

	if (s->is_finishing)
		return;
	if (buffer_len(&s->in) > gathered) {
		if (keep(s, slice_of(scratch, got)))
			offer_kept(s);
		else
			stream_end(s, STREAM_END_MEMORY, ENOMEM);
		return;
	}
	if (gathered > 0) {
		memcpy(scratch, s->in.data + s->in.start, gathered);
		consume_kept(s, gathered, s->ops->is_secret);
	}
	take_from_scratch(s, gathered + got);
}

/* Whether bytes came. */
static bool read_once(struct stream *s)
{
	size_t kept = buffer_len(&s->in);
	size_t gathered = kept <= GATHER_MOST ? kept : 0;
	size_t room = LOOP_SCRATCH_LEN - gathered;
	size_t len = read_len(s);
	uint8_t *scratch = s->loop->scratch;
	bool is_secret = s->ops->is_secret;

	if (len > room)
		len = room;
	CHECK(!s->loop->scratch_is_lent);
	ssize_t got = s->transport->read(s, scratch + gathered, len);
	if (got == 0) {
		meet_eof(s);
		return false;
	}
	if (got < 0) {
		if (got != -EAGAIN)
			end_broken(s, s->write_error ? s->write_error : (int)-got);
		return false;
	}
	CHECK((size_t)got <= len);
	take_bytes(s, gathered, (size_t)got);
	/* TLS opens records in place, so more than `got` has been written to. */
	if (is_secret)
		explicit_bzero(scratch, gathered + len);
	if (!s->transport || s->has_ended)
		return false;
	learn_appetite(s, kept + (size_t)got);
	water_watch(s);
	return true;
}

/* After a failed write: a server that says FATAL and closes has often done so before we
 * wrote, and its words are still in the kernel. */
static void hear_last_words(struct stream *s)
{
	for (int i = 0; i < LAST_READS && water_may_read(s); i++)
		if (!read_once(s))
			break;
	if (!s->transport || s->has_ended)
		return;
	if (s->is_throttled)
		return; /* water_release() comes back to this */
	end_broken(s, s->write_error);
}

/* ---- what the loop calls ---- */

static void hold_still(struct stream *s)
{
	s->hold = STREAM_HELD_STILL;
	water_watch(s);
}

/* Whether it is the stream's turn; the owner may release or close it in there. */
static bool ask_turn(struct stream *s)
{
	s->hold = STREAM_HELD;
	enum stream_turn turn = s->ops->may_read(s);
	if (!s->transport)
		return false;
	if (turn == STREAM_TURN_LATER && s->hold == STREAM_HELD)
		hold_still(s);
	return turn == STREAM_TURN_NOW;
}

/* The owner, who may have no time for it, is asked first. */
static void read_if_allowed(struct stream *s)
{
	if (s->hold >= STREAM_HELD + SOON_REPORTS)
		hold_still(s);
	else if (s->hold >= STREAM_HELD)
		s->hold++;
	if (s->hold >= STREAM_HELD_STILL)
		return;
	if (s->hold == STREAM_FREE && s->ops->may_read && !s->is_finishing &&
	    !ask_turn(s))
		return;
	s->hold = STREAM_FREE;
	read_once(s);
}

static void on_flush(struct loop_task *task)
{
	struct stream *s =
	    (struct stream *)(void *)((char *)task - offsetof(struct stream, flush));

	if (s->write_error) {
		hear_last_words(s);
		return;
	}
	if (!s->is_blocked)
		stream_send_all(s, nothing);
	if (water_has_hidden(s) || (s->hold == STREAM_RELEASED && water_may_read(s)))
		read_if_allowed(s);
}

static void write_blocked(struct stream *s)
{
	bool was_blocked = s->is_blocked;

	stream_send_all(s, nothing);
	if (!was_blocked || s->is_blocked || s->has_ended || !stream_takes_bytes(s))
		return;
	if (s->ops->on_drained)
		s->ops->on_drained(s);
}

void stream_on_ready(struct stream *s, int events)
{
	if ((events & LOOP_WRITE) && s->transport &&
	    (s->is_blocked || (s->wire & STREAM_WIRE_UNSENT)))
		write_blocked(s);
	if ((events & LOOP_READ) && s->transport && water_may_read(s))
		read_if_allowed(s);
}

static void on_ready(struct loop *loop, struct loop_io *io, int events)
{
	(void)loop;
	stream_on_ready((struct stream *)(void *)io, events);
}

/* ---- opening, closing, joining ---- */

void stream_open(struct stream *s, struct loop *loop, int fd,
		 const struct transport *transport, const struct stream_ops *ops)
{
	CHECK(!s->transport);
	*s = (struct stream){.loop = loop,
			     .transport = transport,
			     .ops = ops,
			     .flush.run = on_flush,
			     .keep_max = STREAM_KEEP_MAX};
	static_assert(offsetof(struct stream, io) == 0, "on_ready() relies on it");
	appetite_init(&s->appetite);
	loop_io_init(&s->io, fd, on_ready);
	water_watch(s);
}

bool stream_is_open(const struct stream *s)
{
	return s->transport;
}

void stream_set_ops(struct stream *s, const struct stream_ops *ops)
{
	s->ops = ops;
}

void stream_release(struct stream *s)
{
	if (!s->transport || s->hold == STREAM_FREE || s->hold == STREAM_RELEASED)
		return;
	s->hold = STREAM_RELEASED;
	water_watch(s);
	if (!water_may_read(s))
		s->hold = STREAM_FREE;
	else if (s->loop->scratch_is_lent)
		loop_post_flush(s->loop, &s->flush);
	else
		read_if_allowed(s);
}

void stream_fail(struct stream *s, int error)
{
	if (s->transport && !s->has_ended && s->write_error == 0)
		stream_fail_write(s, error);
}

void stream_rewire(struct stream *s)
{
	if (s->is_blocked && !s->has_ended && !(s->wire & STREAM_WIRE_SHUT))
		write_blocked(s);
	if (s->transport)
		water_watch(s);
}

void stream_urgent(struct stream *s)
{
	loop_io_urgent(s->loop, &s->io);
}

void stream_urgent_once(struct stream *s)
{
	loop_io_urgent_once(s->loop, &s->io);
}

void stream_set_keep_max(struct stream *s, uint32_t keep_max)
{
	CHECK(keep_max > 0);
	s->keep_max = keep_max;
	if (s->transport)
		water_watch(s);
}

static void leave_pair(struct stream *s)
{
	stream_unfeed(s);
	if (s->fed_by)
		stream_unfeed(s->fed_by);
}

void stream_close(struct stream *s)
{
	if (!s->transport)
		return;
	leave_pair(s);
	loop_unpost_flush(s->loop, &s->flush);
	loop_io_watch(s->loop, &s->io, 0);
	s->transport->close(s);
	s->transport = NULL;
	s->is_blocked = false;
	drop_kept(s);
	buffer_fini(&s->out);
	water_count(s);
}

void stream_finish(struct stream *s)
{
	if (!s->transport || s->has_ended || s->is_finishing)
		return;
	leave_pair(s);
	s->is_finishing = true;
	s->hold = STREAM_FREE;
	drop_kept(s);
	water_watch(s);
	if (s->write_error || s->is_blocked)
		return; /* the flush phase ends it, or the last write does */
	if (buffer_len(&s->out) > 0)
		stream_send_all(s, nothing);
	else
		stream_say_goodbye(s);
}

void stream_feed(struct stream *from, struct stream *to)
{
	if (from->feeds == to)
		return;
	CHECK(from->transport && to->transport);
	CHECK(!from->feeds && !to->fed_by);
	from->feeds = to;
	to->fed_by = from;
	water_judge(to);
}

void stream_unfeed(struct stream *from)
{
	if (!from->feeds)
		return;
	from->feeds->fed_by = NULL;
	from->feeds = NULL;
	if (from->is_throttled)
		water_release(from);
}
