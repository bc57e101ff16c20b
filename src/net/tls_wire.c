/*
 * Bytes between TLS and the socket.
 *
 * OpenSSL writes into the loop's outbox, and what a call has made goes out in one send at
 * its end. So writing never fails for want of room in the kernel, and OpenSSL never has
 * to be called again with the same bytes.
 */
#include <errno.h>
#include <sys/socket.h>

#include "base/check.h"
#include "net/tls_parts.h"

/* ---- reading ---- */

ssize_t tls_wire_recv(struct tls *t, uint8_t *into, size_t len)
{
	ssize_t got;

	do
		got = recv(loop_io_fd(&t->stream->io), into, len, 0);
	while (got < 0 && errno == EINTR);
	return got < 0 ? -errno : got;
}

/* What has been received already, if anything. */
static size_t take_received(struct tls *t, uint8_t *into, size_t len)
{
	struct slice *lent = t->start ? &t->start->lent : NULL;
	struct slice from = buffer_bytes(&t->carry);

	if (from.len == 0 && lent)
		from = *lent;
	if (from.len == 0)
		return 0;
	if (len > from.len)
		len = from.len;
	memcpy(into, from.data, len);
	if (buffer_len(&t->carry) > 0)
		buffer_consume(&t->carry, len);
	else
		*lent = slice_after(*lent, len);
	return len;
}

static int ask_later(BIO *bio)
{
	BIO_set_retry_read(bio);
	return -1;
}

static int on_read(BIO *bio, char *into, int len)
{
	struct tls *t = BIO_get_data(bio);
	size_t taken = take_received(t, (uint8_t *)into, (size_t)len);

	BIO_clear_retry_flags(bio);
	if (taken > 0)
		return (int)taken;
	if (!t->may_recv)
		return ask_later(bio);
	ssize_t got = tls_wire_recv(t, (uint8_t *)into, (size_t)len);
	/* What came in one piece with less than was asked for was all there is. */
	t->may_recv = got == len;
	if (got == -EAGAIN)
		return ask_later(bio);
	if (got == 0)
		t->saw_eof = true;
	if (got < 0)
		t->recv_error = (int)-got;
	return got < 0 ? -1 : (int)got;
}

/* ---- writing ---- */

static void drop_unsent(struct tls *t)
{
	t->boxed = 0;
	buffer_fini(&t->unsent);
	tls_mark(t, STREAM_WIRE_UNSENT, false);
}

/* How many bytes the kernel took, or -errno. */
static ssize_t send_now(struct tls *t, struct slice bytes)
{
	ssize_t put;

	do
		put =
		    send(loop_io_fd(&t->stream->io), bytes.data, bytes.len, MSG_NOSIGNAL);
	while (put < 0 && errno == EINTR);
	if (put > 0)
		stream_note_moved(t->stream);
	if (put >= 0)
		return put;
	return errno == EAGAIN ? 0 : -errno;
}

static int fail_send(struct tls *t, int err)
{
	drop_unsent(t);
	return err;
}

/* Only when all of it has gone may more be sent. */
static int send_unsent(struct tls *t)
{
	struct slice unsent = buffer_bytes(&t->unsent);

	if (unsent.len == 0)
		return 0;
	ssize_t put = send_now(t, unsent);
	if (put < 0)
		return fail_send(t, (int)put);
	buffer_consume(&t->unsent, (size_t)put);
	return 0;
}

static int send_boxed(struct tls *t)
{
	struct slice boxed = slice_of(t->stream->loop->outbox, t->boxed);

	if (boxed.len == 0)
		return 0;
	ssize_t put = buffer_len(&t->unsent) > 0 ? 0 : send_now(t, boxed);
	if (put < 0)
		return fail_send(t, (int)put);
	t->boxed = 0;
	if (!buffer_append(&t->unsent, slice_after(boxed, (size_t)put)))
		return fail_send(t, -ENOMEM);
	return 0;
}

/* Nothing follows the last words. */
static void shut_socket(struct tls *t)
{
	if (t->is_shut && buffer_len(&t->unsent) == 0)
		shutdown(loop_io_fd(&t->stream->io), SHUT_WR);
}

int tls_wire_flush(struct tls *t)
{
	bool had_unsent = buffer_len(&t->unsent) > 0;
	int err = send_unsent(t);

	if (err == 0)
		err = send_boxed(t);
	tls_mark(t, STREAM_WIRE_UNSENT, buffer_len(&t->unsent) > 0);
	if (had_unsent)
		shut_socket(t);
	return err;
}

void tls_wire_delay(struct tls *t)
{
	if (buffer_len(&t->unsent) == 0 &&
	    buffer_append(&t->late, slice_of(t->stream->loop->outbox, t->boxed)))
		t->boxed = 0;
	else
		tls_wire_flush(t);
}

/* In front of what is written now; it is far shorter than the outbox. */
static void box_late(struct tls *t, uint8_t *outbox)
{
	struct slice late = buffer_bytes(&t->late);

	if (late.len == 0 || !outbox)
		return;
	CHECK(t->boxed == 0 && late.len <= LOOP_OUTBOX_LEN);
	memcpy(outbox, late.data, late.len);
	t->boxed = late.len;
	buffer_fini(&t->late);
}

uint8_t *tls_wire_room(struct tls *t)
{
	uint8_t *outbox = loop_outbox(t->stream->loop);

	box_late(t, outbox);

	if (outbox && LOOP_OUTBOX_LEN - t->boxed < TLS_RECORD_MAX)
		send_boxed(t);
	return outbox && LOOP_OUTBOX_LEN - t->boxed >= TLS_RECORD_MAX ? outbox + t->boxed
								      : NULL;
}

int tls_wire_put(struct tls *t, struct slice bytes)
{
	uint8_t *outbox = loop_outbox(t->stream->loop);
	int err = 0;

	box_late(t, outbox);
	if (outbox && bytes.len > LOOP_OUTBOX_LEN - t->boxed)
		err = send_boxed(t);
	if (err)
		return err;
	if (outbox && bytes.len <= LOOP_OUTBOX_LEN - t->boxed) {
		memcpy(outbox + t->boxed, bytes.data, bytes.len);
		t->boxed += bytes.len;
		return 0;
	}
	return buffer_append(&t->unsent, bytes) ? 0 : -ENOMEM;
}

static int on_write(BIO *bio, const char *bytes, int len)
{
	struct tls *t = BIO_get_data(bio);

	BIO_clear_retry_flags(bio);
	return tls_wire_put(t, slice_of(bytes, (size_t)len)) == 0 ? len : -1;
}

/* ---- what OpenSSL calls a BIO ---- */

static long on_control(BIO *bio, int command, long number, void *pointer)
{
	(void)bio, (void)number, (void)pointer;
	return command == BIO_CTRL_FLUSH;
}

BIO_METHOD *tls_wire_method(void)
{
	BIO_METHOD *method = BIO_meth_new(BIO_TYPE_SOURCE_SINK, "stream");

	if (method && BIO_meth_set_read(method, on_read) &&
	    BIO_meth_set_write(method, on_write) && BIO_meth_set_ctrl(method, on_control))
		return method;
	BIO_meth_free(method);
	return NULL;
}

bool tls_wire_attach(struct tls *t)
{
	BIO *bio = BIO_new(t->context->wire);

	if (!bio)
		return false;
	BIO_set_data(bio, t);
	BIO_set_init(bio, 1);
	SSL_set_bio(t->ssl, bio, bio);
	return true;
}
