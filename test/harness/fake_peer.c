/*
 * A transport over two buffers.
 */
#include "harness/fake_peer.h"

#include <errno.h>
#include <sys/uio.h>

#include "base/check.h"

/* ---- the transport -------------------------------------------------------------- */

static size_t least(size_t a, size_t b)
{
	return a < b ? a : b;
}

static ssize_t fake_read(struct stream *stream, uint8_t *into, size_t len)
{
	struct fake_peer *peer = stream->transport_state;
	struct slice sent = buffer_bytes(&peer->sent);
	size_t count = least(least(sent.len, len), peer->read_most);

	peer->reads++;
	if (sent.len == 0 && peer->read_error)
		return -peer->read_error;
	if (sent.len == 0)
		return peer->has_closed ? 0 : -EAGAIN;
	memcpy(into, sent.data, count);
	buffer_consume(&peer->sent, count);
	return (ssize_t)count;
}

static ssize_t fake_write(struct stream *stream, const struct iovec *pieces, int count)
{
	struct fake_peer *peer = stream->transport_state;
	size_t left = least(peer->room, peer->write_most);
	size_t taken = 0;

	peer->writes++;
	if ((unsigned)count > peer->most_pieces)
		peer->most_pieces = (unsigned)count;
	if (peer->write_error)
		return -peer->write_error;
	for (int i = 0; i < count; i++) {
		size_t len = least(pieces[i].iov_len, left - taken);

		CHECK(pieces[i].iov_len > 0);
		CHECK(buffer_append(&peer->received, slice_of(pieces[i].iov_base, len)));
		taken += len;
	}
	if (peer->room != SIZE_MAX)
		peer->room -= taken;
	return taken > 0 ? (ssize_t)taken : -EAGAIN;
}

static void fake_shutdown(struct stream *stream)
{
	struct fake_peer *peer = stream->transport_state;

	CHECK(!peer->was_shut_down);
	peer->was_shut_down = true;
}

static void fake_close(struct stream *stream)
{
	struct fake_peer *peer = stream->transport_state;

	CHECK(!peer->was_closed);
	peer->was_closed = true;
	peer->stream = NULL;
}

const struct transport transport_fake = {
    .read = fake_read,
    .write = fake_write,
    .shutdown = fake_shutdown,
    .close = fake_close,
};

/* ---- the peer ------------------------------------------------------------------- */

void fake_peer_init(struct fake_peer *peer)
{
	*peer = (struct fake_peer){
	    .read_most = SIZE_MAX, .write_most = SIZE_MAX, .room = SIZE_MAX};
}

void fake_peer_fini(struct fake_peer *peer)
{
	buffer_fini(&peer->sent);
	buffer_fini(&peer->received);
}

void fake_peer_attach(struct fake_peer *peer, struct stream *stream)
{
	CHECK(stream_is_open(stream));
	stream->transport = &transport_fake;
	stream->transport_state = peer;
	peer->stream = stream;
}

void fake_peer_push(struct fake_peer *peer, struct slice bytes)
{
	CHECK(buffer_append(&peer->sent, bytes));
}

struct slice fake_peer_received(const struct fake_peer *peer)
{
	return buffer_bytes(&peer->received);
}

void fake_peer_drop(struct fake_peer *peer, size_t len)
{
	buffer_consume(&peer->received, len);
}

bool fake_peer_poke(struct fake_peer *peer)
{
	int ready = 0;

	if (!peer->stream)
		return false;
	if (buffer_len(&peer->sent) > 0 || peer->has_closed || peer->read_error)
		ready |= LOOP_READ;
	if (peer->room > 0 || peer->write_error)
		ready |= LOOP_WRITE;
	ready &= loop_io_events(&peer->stream->io);
	if (ready == 0)
		return false;
	stream_on_ready(peer->stream, ready);
	return true;
}

void fake_peers_settle(struct loop *loop, struct fake_peer *const peers[], size_t count)
{
	bool something_happened;

	do {
		something_happened = false;
		for (size_t i = 0; i < count; i++)
			something_happened |= fake_peer_poke(peers[i]);
		loop_turn(loop, loop->now_us);
	} while (something_happened);
}
