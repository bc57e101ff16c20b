/*
 * The writing half of a stream: at once, or queued behind what the kernel did not take.
 */
#include <errno.h>
#include <linux/sockios.h>
#include <sys/ioctl.h>
#include <sys/uio.h>

#include "base/check.h"
#include "base/clock.h"
#include "net/stream_parts.h"
#include "net/transport.h"
#include "net/water.h"

bool stream_takes_bytes(const struct stream *s)
{
	return s->transport && !s->has_ended && !s->is_finishing && s->write_error == 0;
}

void stream_fail_write(struct stream *s, int error)
{
	s->write_error = (uint16_t)error;
	s->is_blocked = false;
	buffer_fini(&s->out);
	water_judge(s);
	loop_post_flush(s->loop, &s->flush);
	water_watch(s);
}

static void queue(struct stream *s, struct slice bytes)
{
	if (buffer_append(&s->out, bytes))
		water_judge(s);
	else
		stream_fail_write(s, ENOMEM);
}

void stream_say_goodbye(struct stream *s)
{
	s->transport->shutdown(s);
	if (s->saw_eof)
		stream_end(s, STREAM_END_BY_PEER, 0);
}

/* What a handshake could not send holds nobody up but itself. */
static bool has_unsent(const struct stream *s)
{
	return (s->wire & (STREAM_WIRE_UNSENT | STREAM_WIRE_SHUT)) == STREAM_WIRE_UNSENT;
}

/* has_moved: the kernel took something. */
static void settle_after_send(struct stream *s, bool has_moved)
{
	bool was_blocked = s->is_blocked;

	s->is_blocked = buffer_len(&s->out) > 0 || has_unsent(s);
	if (!s->is_blocked)
		loop_unpost_flush(s->loop, &s->flush);
	else if (has_moved || !was_blocked)
		stream_note_moved(s);
	if (s->is_blocked && !was_blocked && s->ops->on_blocked)
		s->ops->on_blocked(s);
	water_settle(s);
	if (s->is_finishing && !s->is_blocked)
		stream_say_goodbye(s);
}

static struct iovec piece_of(struct slice bytes)
{
	/* The kernel only reads them, but iovec is for both directions. */
	return (struct iovec){(void *)(uintptr_t)bytes.data, bytes.len};
}

void stream_send_all(struct stream *s, struct slice more)
{
	struct slice queued = buffer_bytes(&s->out);
	struct iovec pieces[2];
	int count = 0;

	if (queued.len > 0)
		pieces[count++] = piece_of(queued);
	if (more.len > 0)
		pieces[count++] = piece_of(more);
	if (count == 0 && !(s->wire & STREAM_WIRE_UNSENT))
		return;
	ssize_t put = s->transport->write(s, pieces, count);
	if (put < 0 && put != -EAGAIN) {
		stream_fail_write(s, (int)-put);
		return;
	}
	size_t sent = put < 0 ? 0 : (size_t)put;
	size_t from_queue = sent < queued.len ? sent : queued.len;
	CHECK(sent <= queued.len + more.len);
	buffer_consume(&s->out, from_queue);
	if (!buffer_append(&s->out, slice_after(more, sent - from_queue))) {
		stream_fail_write(s, ENOMEM);
		return;
	}
	settle_after_send(s, sent > 0);
}

void stream_write(struct stream *s, struct slice bytes)
{
	if (!stream_takes_bytes(s))
		return;
	if (s->is_blocked)
		queue(s, bytes);
	else
		stream_send_all(s, bytes);
}

struct buffer *stream_cork_buffer(struct stream *s)
{
	return &s->out;
}

void stream_corked(struct stream *s)
{
	if (stream_takes_bytes(s)) {
		if (!s->is_blocked && buffer_len(&s->out) > 0)
			loop_post_flush(s->loop, &s->flush);
		water_judge(s);
	} else if (!s->is_blocked) {
		buffer_fini(&s->out); /* nobody will send it */
		water_count(s);
	}
}

bool stream_has_room(struct stream *s)
{
	static const struct slice nothing = {0};

	if (!water_is_high(s))
		return true;
	stream_write(s, nothing);
	return !s->is_blocked;
}

/* ---- peers that do not read ---- */

/* Of a descriptor that is none of the kernel's nothing is known: 0. */
static uint32_t unacked_by_peer(const struct stream *s)
{
	int left = 0;

	if (ioctl(loop_io_fd(&s->io), SIOCOUTQ, &left) < 0 || left < 0)
		return 0;
	return (uint32_t)left;
}

static uint32_t since_moved_ms(const struct stream *s)
{
	return (uint32_t)(s->loop->now_us / 1000) - s->moved_ms;
}

uint64_t stream_stalled_us(struct stream *s)
{
	if (!s->is_blocked || s->has_ended)
		return 0;
	uint32_t left = unacked_by_peer(s);
	if (left != s->unacked) {
		stream_note_moved(s);
		s->unacked = left;
	}
	return since_moved_ms(s) * USEC_PER_MSEC;
}

uint64_t stream_next_look(const struct stream *s, uint64_t step_us)
{
	uint64_t since_us = since_moved_ms(s) * USEC_PER_MSEC;

	if (!s->is_blocked || s->has_ended || step_us == 0)
		return CLOCK_NEVER;
	return s->loop->now_us + step_us - since_us % step_us;
}

bool stream_has_queued(const struct stream *s)
{
	return buffer_len(&s->out) > 0 || (s->wire & STREAM_WIRE_UNSENT);
}
