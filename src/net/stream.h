/*
 * A duplex stream of bytes with its two buffers and one set of callbacks.
 *
 * Reading: once per readiness, into the loop's scratch area, never until EAGAIN. What the
 * owner does not consume is kept in `in`, up to keep_max bytes; then reading stops until
 * it is consumed. (A stream whose bytes were taken as fast as they came is read in bigger
 * pieces; when its owner stops taking them, one such piece may be kept, at most 64 kB.)
 *
 * Writing: at once if nothing is queued; what the kernel does not take is queued in `out`
 * and goes when it can. When a write fails, what the peer sent before is still offered,
 * for its last words say why; then comes on_end.
 *
 * Back-pressure: a stream that feeds another stops reading while the other holds more
 * than STREAM_HIGH_WATER bytes (a client: client_share of the loop's ledger), and goes on
 * when it holds none. Near the ledger's limit less is enough to stop it. Each direction
 * looks at its own destination only, so two full buffers never wait for each other.
 *
 * Between the bytes and the wire stands a transport. One that keeps bytes to itself says
 * so by the marks of enum stream_wire; a plain socket never does.
 *
 * Closing marks: after stream_close() no callback comes and nothing is read or written,
 * but the struct stays valid until its owner is reaped. Callbacks may call any function
 * of this header on any stream.
 */
#ifndef POOLER_NET_STREAM_H
#define POOLER_NET_STREAM_H

#include "base/buffer.h"
#include "net/appetite.h"
#include "net/loop.h"

struct stream;
struct transport;

enum { STREAM_HIGH_WATER = 32 * 1024, STREAM_KEEP_MAX = 16 * 1024 };

enum stream_end {
	STREAM_END_BY_PEER, /* the peer has closed its side */
	STREAM_END_BROKEN,  /* an error of the connection; its errno in `error` */
	STREAM_END_MEMORY,  /* no memory to keep or queue bytes */
};

enum stream_turn {
	STREAM_TURN_NOW,
	/* It stays watched for some turns of the loop: to be told a few times again costs
	 * less than to stop and start watching. */
	STREAM_TURN_SOON,
	/* It is watched no more until it is released. */
	STREAM_TURN_LATER,
};

struct stream_ops {
	/* Bytes are here: the kept ones and the new ones together. Returns how many are
	 * consumed; the rest is kept and offered again when more has come or after
	 * stream_pump(). */
	size_t (*on_data)(struct stream *stream, struct slice bytes);
	/* All that was queued has gone out, after a time in which something was queued
	 * that the kernel did not take. May be NULL. */
	void (*on_drained)(struct stream *stream);
	/* The kernel has not taken all, after a time in which it did. Called from within
	 * writes: nothing may be done but arming a deadline. May be NULL. */
	void (*on_blocked)(struct stream *stream);
	/* The stream has come to an end; the owner must close it (now or in this turn).
	 * Called once. Kept bytes are still there (stream_kept). */
	void (*on_end)(struct stream *stream, enum stream_end how, int error);
	/* Asked before a readable stream is read; NULL: always now. All but now holds the
	 * stream: it is not read before stream_release(). */
	enum stream_turn (*may_read)(struct stream *stream);
	/* What is read is secret: it is overwritten as soon as it has been consumed. */
	bool is_secret;
	/* Who reads what is written is a client: answers are taken off the hands of the
	 * stream that feeds it, up to client_share of the loop's ledger. */
	bool is_client;
};

/* What a transport keeps to itself; it sets and clears these marks. */
enum stream_wire {
	STREAM_WIRE_READABLE = 1, /* bytes can be read though the socket has none */
	STREAM_WIRE_UNSENT = 2,   /* there are bytes that the kernel did not take */
	STREAM_WIRE_SHUT = 4,     /* writing has to wait for something to be read */
	STREAM_WIRE_FILLED = 8,   /* the last read took from the socket all it asked for,
				     even if less came out of it */
};

enum stream_hold {
	STREAM_FREE,
	STREAM_RELEASED,   /* to be read in the flush phase */
	STREAM_HELD_STILL, /* readable, and watched no more: its turn comes later */
	STREAM_HELD        /* readable, and its turn comes soon; and so many more as the
			      kernel has said so again */
};

struct stream {
	struct loop_io io;
	struct loop *loop;
	const struct transport *transport; /* NULL: not open */
	void *transport_state;             /* the transport's own */
	const struct stream_ops *ops;
	struct buffer in;      /* received, not yet consumed */
	struct buffer out;     /* to be sent */
	struct stream *feeds;  /* whose `out` our bytes end up in; may be NULL */
	struct stream *fed_by; /* who must stop reading while our `out` is high */
	struct loop_task
	    flush; /* in the loop's flush phase: corked bytes, or a failure */
	uint32_t keep_max;
	uint32_t held;        /* memory, as the loop's ledger knows it */
	uint32_t moved_ms;    /* while blocked: when something last went (wraps) */
	uint32_t unacked;     /* what the kernel had left when it was last asked */
	uint16_t write_error; /* errno of the write that failed; 0 = none */
	struct appetite appetite;
	uint8_t wire;          /* marks of enum stream_wire */
	uint8_t hold;          /* enum stream_hold */
	bool is_blocked : 1;   /* the kernel did not take all of `out` */
	bool is_throttled : 1; /* the stream we feed is full */
	bool is_finishing : 1; /* stream_finish() */
	bool saw_eof : 1;      /* the peer closed its side while we were finishing */
	bool has_ended : 1;    /* on_end was called */
	bool in_callback : 1;  /* on_data of this stream is on the stack */
	bool wants_pump : 1;   /* stream_pump() was called in there */
};

/* Zero is a valid stream that is not open. The descriptor (non-blocking) belongs to the
 * stream from here on. With fd -1 nothing is watched: a test drives it by
 * stream_on_ready(). Starts reading. */
void stream_open(struct stream *stream, struct loop *loop, int fd,
		 const struct transport *transport, const struct stream_ops *ops);

/* Other callbacks from now on. A stream that is held stays so. */
void stream_set_ops(struct stream *stream, const struct stream_ops *ops);

/* Lets a held stream be read, and does it at once: it was readable. (Inside of an on_data
 * it is put off to the flush phase.) Harmless on others. */
void stream_release(struct stream *stream);

/* What comes in is urgent, as net/gather.h has it: from now on, or just the next time. */
void stream_urgent(struct stream *stream);
void stream_urgent_once(struct stream *stream);

/* How many bytes may wait unconsumed; STREAM_KEEP_MAX unless said otherwise. */
void stream_set_keep_max(struct stream *stream, uint32_t keep_max);

/* Whether it is open: opened and not closed since. */
bool stream_is_open(const struct stream *stream);

/* Stops everything and closes the descriptor at once; queued bytes are lost, buffers are
 * freed. Harmless twice. */
void stream_close(struct stream *stream);

/* Closes politely: from here on nothing is offered and nothing can be written (writes are
 * ignored), what is queued goes out, the peer is told that no more comes, and what it
 * still sends is discarded, so that no reset destroys our last words. When the peer has
 * closed its side too, on_end comes; the owner closes then, or earlier when it has waited
 * long enough. Kept bytes are dropped, and it feeds and is fed no more. */
void stream_finish(struct stream *stream);

/* Sends bytes, behind what is queued (in the same system call where the kernel could take
 * it). Failures arrive later as on_end. Ignored when the stream is closed or has ended.
 */
void stream_write(struct stream *stream, struct slice bytes);

/* For bytes that go with the next stream_write() or, at the latest, in the flush phase of
 * this turn: append them to this buffer, then call stream_corked(). Never consume from
 * it. */
struct buffer *stream_cork_buffer(struct stream *stream);
void stream_corked(struct stream *stream);

/* Whether it is worth while to write more: not when the peer leaves much of what is
 * queued unread, and on_drained will come. What has been corked is sent if it is much. */
bool stream_has_room(struct stream *stream);

/* Whether bytes are queued for sending. */
bool stream_has_queued(const struct stream *stream);

/* Whether the transport has bytes that were received before and can be read without
 * asking the kernel. */
bool stream_has_hidden(const struct stream *stream);

/* How long the peer has taken nothing of what is queued for it; 0 when nothing is. What
 * the kernel holds counts as taken when the peer has acknowledged it, so this asks the
 * kernel; only what has changed since the call before is seen. */
uint64_t stream_stalled_us(struct stream *stream);
/* When to call that next, for somebody who wants to every step_us; CLOCK_NEVER when
 * nothing is queued. */
uint64_t stream_next_look(const struct stream *stream, uint64_t step_us);

/* Received and not consumed; borrowed until the next call on the stream. */
struct slice stream_kept(const struct stream *stream);

/* Offers the kept bytes to on_data again, if there are any. */
void stream_pump(struct stream *stream);

/* from's bytes end up in to's `out` from now on: from does not read while to is full. A
 * stream feeds at most one other and is fed by at most one. */
void stream_feed(struct stream *from, struct stream *to);
/* from feeds nobody any more, and reads again if it was throttled. */
void stream_unfeed(struct stream *from);

/* ---- for transports ---- */

/* The kernel has taken some bytes. */
static inline void stream_note_moved(struct stream *stream)
{
	stream->moved_ms = (uint32_t)(stream->loop->now_us / 1000);
	stream->unacked = UINT32_MAX;
}

/* The stream has failed outside of its transport's functions: on_end comes in the flush
 * phase, with what the peer had said before. */
void stream_fail(struct stream *stream, int error);

/* After the marks in `wire` have changed outside of the transport's read and write: reads
 * and writes what is possible now, in the flush phase at the latest. */
void stream_rewire(struct stream *stream);

/* What the loop calls when the descriptor is ready; tests call it too. */
void stream_on_ready(struct stream *stream, int events);

#endif
