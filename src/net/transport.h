/*
 * What lies between a stream and the wire: the few things in which plain sockets, TLS
 * and the fakes of the tests differ.
 */
#ifndef POOLER_NET_TRANSPORT_H
#define POOLER_NET_TRANSPORT_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct stream;
struct iovec;

/* A transport that has read more than it gave, or was given more than it sent, or must
 * read before it can write, marks it in the stream (enum stream_wire in net/stream.h).
 * Then write is also called without any pieces, to send what is unsent. */
struct transport {
	/* Bytes read, 0 at the end of the stream, or -errno (-EAGAIN: nothing now). */
	ssize_t (*read)(struct stream *stream, uint8_t *into, size_t len);
	/* Bytes written (perhaps fewer than given), or -errno. At most 2 pieces. */
	ssize_t (*write)(struct stream *stream, const struct iovec *pieces, int count);
	/* Bytes of memory that it holds for what it keeps to itself. NULL: never any. */
	size_t (*held)(const struct stream *stream);
	/* Tells the peer that no more will be written; reading goes on. */
	void (*shutdown)(struct stream *stream);
	/* Ends the connection and frees what the transport holds; the stream's descriptor
	 * is closed here. */
	void (*close)(struct stream *stream);
};

/* recv, send, shutdown and close on the stream's descriptor. */
extern const struct transport transport_plain;

#endif
