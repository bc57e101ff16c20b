/*
 * The far end of a stream, without a socket: what it sends, how fast it reads, how it
 * ends. A scenario is then a list of pushes, turns and comparisons.
 *
 *   stream_open(&stream, &loop, -1, &transport_fake, &ops);
 *   fake_peer_attach(&peer, &stream);
 *   fake_peer_push(&peer, slice_of_text("hello"));
 *   fake_peers_settle(&loop, (struct fake_peer *[]){&peer}, 1);
 *   fake_peer_received(&peer)...
 */
#ifndef POOLER_TEST_HARNESS_FAKE_PEER_H
#define POOLER_TEST_HARNESS_FAKE_PEER_H

#include "base/buffer.h"
#include "net/stream.h"
#include "net/transport.h"

extern const struct transport transport_fake;

/* Set the public fields at any time. fake_peer_init() makes one that sends and takes all
 * at once. */
struct fake_peer {
	size_t read_most;  /* bytes one read of the stream gives at most */
	size_t write_most; /* bytes one write of the stream takes at most */
	size_t room;     /* bytes that writes take until this is raised; SIZE_MAX: all */
	int read_error;  /* errno that reading gives once `sent` is empty */
	int write_error; /* errno that writing gives at once */
	bool has_closed; /* end of file once `sent` is empty */

	/* What was seen. */
	unsigned reads, writes, most_pieces;
	bool was_shut_down; /* the stream said that it will write no more */
	bool was_closed;    /* the stream was closed */

	struct buffer sent;     /* not yet read by the stream */
	struct buffer received; /* written by the stream, not yet dropped */
	struct stream *stream;  /* NULL before attaching and after closing */
};

void fake_peer_init(struct fake_peer *peer);
void fake_peer_fini(struct fake_peer *peer);

/* Makes the peer the far end of an open stream, whatever transport it was opened with. */
void fake_peer_attach(struct fake_peer *peer, struct stream *stream);

void fake_peer_push(struct fake_peer *peer, struct slice bytes);

/* What the stream wrote; fake_peer_drop() forgets the first len bytes of it. */
struct slice fake_peer_received(const struct fake_peer *peer);
void fake_peer_drop(struct fake_peer *peer, size_t len);

/* Tells the stream once what it waits for and could do now, as epoll would. False when
 * there was nothing to tell. */
bool fake_peer_poke(struct fake_peer *peer);

/* Pokes all in turn, with a turn of the loop after each round, until nothing happens any
 * more. The loop's time stands still. */
void fake_peers_settle(struct loop *loop, struct fake_peer *const peers[], size_t count);

#endif
