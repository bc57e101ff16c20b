/*
 * The transport that is none: bytes go to the socket as they are.
 */
#include <errno.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "net/stream.h"
#include "net/transport.h"

static ssize_t plain_read(struct stream *stream, uint8_t *into, size_t len)
{
	ssize_t got;

	do
		got = recv(loop_io_fd(&stream->io), into, len, 0);
	while (got < 0 && errno == EINTR);
	return got < 0 ? -errno : got;
}

static ssize_t send_pieces(int fd, const struct iovec *pieces, int count)
{
	if (count == 1)
		return send(fd, pieces->iov_base, pieces->iov_len, MSG_NOSIGNAL);

	struct iovec copy[2] = {pieces[0], pieces[1]};
	struct msghdr message = {.msg_iov = copy, .msg_iovlen = 2};
	return sendmsg(fd, &message, MSG_NOSIGNAL);
}

static ssize_t plain_write(struct stream *stream, const struct iovec *pieces, int count)
{
	ssize_t put;

	do
		put = send_pieces(loop_io_fd(&stream->io), pieces, count);
	while (put < 0 && errno == EINTR);
	return put < 0 ? -errno : put;
}

static void plain_shutdown(struct stream *stream)
{
	/* May fail when the peer is gone already; then there is nobody to tell. */
	shutdown(loop_io_fd(&stream->io), SHUT_WR);
}

static void plain_close(struct stream *stream)
{
	close(loop_io_fd(&stream->io));
}

const struct transport transport_plain = {
    .read = plain_read,
    .write = plain_write,
    .shutdown = plain_shutdown,
    .close = plain_close,
};
