/*
 * Data by OpenSSL: of TLS 1.2, of connections to servers, and where a cipher is not known
 * to tls_records.
 */
#include <errno.h>
#include <openssl/err.h>
#include <sys/uio.h>

#include "net/tls_parts.h"

/* ---- reading ---- */

/* After a read that gave nothing: whether that is all right. */
static void judge(struct tls *t, int result)
{
	switch (SSL_get_error(t->ssl, result)) {
	case SSL_ERROR_WANT_READ:
		return;
	case SSL_ERROR_ZERO_RETURN:
		t->saw_eof = true;
		return;
	default:
		if (t->saw_eof && ERR_peek_error() == 0)
			return; /* without a close_notify; many leave so */
		tls_fail(t, NULL);
	}
}

/* Bytes read; whether it ended before all was filled. */
static size_t fill(struct tls *t, uint8_t *into, size_t len, bool *out_is_empty)
{
	size_t total = 0, got;
	int result = 1;

	while (total < len) {
		ERR_clear_error();
		result = SSL_read_ex(t->ssl, into + total, len - total, &got);
		if (result <= 0)
			break;
		total += got;
	}
	*out_is_empty = result <= 0;
	if (result <= 0)
		judge(t, result);
	return total;
}

ssize_t tls_library_read(struct tls *t, uint8_t *into, size_t len)
{
	bool is_empty;

	t->may_recv = true;
	size_t total = fill(t, into, len, &is_empty);
	t->may_recv = false;
	/* A record that the peer asked for, or an alert. */
	int err = tls_wire_flush(t);
	bool has_end = t->state == TLS_FAILED || t->saw_eof;
	tls_mark(t, STREAM_WIRE_FILLED, !is_empty);
	tls_mark(t, STREAM_WIRE_READABLE, !is_empty || (has_end && total > 0));
	if (total > 0)
		return (ssize_t)total;
	if (t->state == TLS_FAILED)
		return t->recv_error ? -t->recv_error : -EPROTO;
	if (t->saw_eof)
		return 0;
	return err < 0 ? err : -EAGAIN;
}

/* ---- writing ---- */

/* How many bytes were encrypted, or -errno. */
static ssize_t write_piece(struct tls *t, const uint8_t *bytes, size_t len)
{
	size_t done = 0, put;

	while (done < len && buffer_len(&t->unsent) == 0) {
		size_t most = len - done;

		if (most > TLS_RECORD_PLAIN_MAX)
			most = TLS_RECORD_PLAIN_MAX;
		ERR_clear_error();
		if (SSL_write_ex(t->ssl, bytes + done, most, &put) <= 0) {
			tls_fail(t, NULL);
			return -EPROTO;
		}
		done += put;
		int err = tls_wire_flush(t);
		if (err < 0)
			return err;
	}
	return (ssize_t)done;
}

/* Both pieces in one record. */
static ssize_t write_joined(struct tls *t, const struct iovec pieces[2])
{
	uint8_t joined[TLS_RECORD_PLAIN_MAX];

	memcpy(joined, pieces[0].iov_base, pieces[0].iov_len);
	memcpy(joined + pieces[0].iov_len, pieces[1].iov_base, pieces[1].iov_len);
	return write_piece(t, joined, pieces[0].iov_len + pieces[1].iov_len);
}

ssize_t tls_library_write(struct tls *t, const struct iovec *pieces, int count)
{
	ssize_t total = 0;

	if (count == 2 && pieces[0].iov_len + pieces[1].iov_len <= TLS_RECORD_PLAIN_MAX)
		return write_joined(t, pieces);
	for (int i = 0; i < count; i++) {
		ssize_t put = write_piece(t, pieces[i].iov_base, pieces[i].iov_len);

		if (put < 0)
			return put;
		total += put;
		if ((size_t)put < pieces[i].iov_len)
			break;
	}
	return total;
}
