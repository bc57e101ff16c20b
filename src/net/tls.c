/*
 * The transport: puts TLS under a stream, and leads its reads and writes to whoever does
 * the work: the handshake, OpenSSL, or, for most clients, tls_lasting.
 *
 * The handshake goes on inside of reads. While it does, nothing the owner writes can go
 * (STREAM_WIRE_SHUT); when it is done a task tells the owner.
 */
#include "net/tls.h"

#include <arpa/inet.h>
#include <errno.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/check.h"
#include "base/crypto.h"
#include "net/tls_parts.h"
#include "net/transport.h"

/* ---- reading and writing ---- */

/* Receives once and lets the handshake have it. There is never data yet: the owner is
 * told first that the handshake is done. */
static ssize_t read_handshake(struct tls *t, uint8_t *into, size_t len)
{
	ssize_t got = tls_wire_recv(t, into, len);

	if (got == -EAGAIN)
		return got;
	if (got < 0)
		t->recv_error = (int)-got;
	if (got == 0)
		t->saw_eof = true;
	if (got <= 0) {
		ERR_clear_error(); /* of others: there may be no SSL yet */
		tls_fail(t, NULL);
		return got < 0 ? got : -EPROTO;
	}
	t->start->lent = slice_of(into, (size_t)got);
	return tls_handshake_step(t) ? -EAGAIN : -EPROTO;
}

static ssize_t tls_read(struct stream *stream, uint8_t *into, size_t len)
{
	struct tls *t = stream->transport_state;

	switch (t->state) {
	case TLS_STARTING:
		return read_handshake(t, into, len);
	case TLS_AGREED:
		return -EAGAIN;
	case TLS_FAILED:
		return t->recv_error ? -t->recv_error : -EPROTO;
	case TLS_ON:
		break;
	}
	if (t->saw_eof && t->plain_len == 0)
		return 0;
	return t->ssl ? tls_library_read(t, into, len) : tls_lasting_read(t, into, len);
}

static ssize_t tls_write(struct stream *stream, const struct iovec *pieces, int count)
{
	struct tls *t = stream->transport_state;
	int err = tls_wire_flush(t);

	/* What is read says better why. */
	if (t->state == TLS_STARTING || t->state == TLS_AGREED)
		return count > 0 ? -EAGAIN : 0;
	if (err < 0)
		return err;
	if (count == 0)
		return 0;
	if (t->state == TLS_FAILED)
		return -EPROTO;
	if (buffer_len(&t->unsent) > 0)
		return -EAGAIN;
	return t->ssl ? tls_library_write(t, pieces, count)
		      : tls_lasting_write(t, pieces, count);
}

/* ---- ending ---- */

static void say_goodbye(struct tls *t)
{
	if (t->state != TLS_ON && t->state != TLS_AGREED)
		return;
	if (t->ssl)
		SSL_shutdown(t->ssl);
	else
		tls_lasting_alert(t, 0);
	ERR_clear_error();
}

static void tls_shutdown(struct stream *stream)
{
	struct tls *t = stream->transport_state;

	if (t->is_shut)
		return;
	say_goodbye(t);
	t->is_shut = true;
	tls_wire_flush(t);
	if (buffer_len(&t->unsent) == 0)
		shutdown(loop_io_fd(&stream->io), SHUT_WR);
}

static void free_tls(struct tls *t)
{
	loop_unpost(t->stream->loop, &t->task);
	if (t->ssl) {
		/* Otherwise the session would count as broken. */
		SSL_set_shutdown(t->ssl, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
		SSL_free(t->ssl);
	}
	if (t->start) {
		crypto_wipe(t->start, sizeof(*t->start));
		free(t->start);
	}
	tls_way_fini(&t->in);
	tls_way_fini(&t->out);
	X509_free(t->peer);
	buffer_wipe(&t->carry); /* a record of a login may be open in there */
	buffer_fini(&t->unsent);
	buffer_fini(&t->late);
	free(t->problem);
	tls_context_unref(t->context);
	free(t);
}

/* Bytes that nobody reads would make the kernel send a reset, and that can overtake the
 * alert that says why. */
static void drain(struct tls *t)
{
	uint8_t *sink = loop_outbox(t->stream->loop);

	for (int i = 0; sink && i < 4; i++)
		if (tls_wire_recv(t, sink, LOOP_OUTBOX_LEN) <= 0)
			break;
}

static void tls_close(struct stream *stream)
{
	struct tls *t = stream->transport_state;

	if (t->state == TLS_FAILED && !t->saw_eof)
		drain(t);
	free_tls(t);
	stream->transport_state = NULL;
	stream->wire = 0;
	close(loop_io_fd(&stream->io));
}

/* Not the tickets: they are no bytes under way. */
static size_t tls_held(const struct stream *stream)
{
	const struct tls *t = stream->transport_state;

	return (size_t)t->carry.cap + t->unsent.cap;
}

const struct transport transport_tls = {
    .read = tls_read,
    .write = tls_write,
    .held = tls_held,
    .shutdown = tls_shutdown,
    .close = tls_close,
};

/* ---- opening ---- */

static struct tls *create(struct stream *stream, struct tls_context *context,
			  bool is_direct, tls_done_fn on_done)
{
	struct tls *t = calloc(1, sizeof(*t));

	if (!t)
		return NULL;
	t->stream = stream;
	t->context = tls_context_ref(context);
	tls_handshake_init(t);
	t->start = calloc(1, sizeof(*t->start));
	if (!t->start) {
		free_tls(t);
		return NULL;
	}
	t->start->on_done = on_done;
	t->start->is_direct = is_direct;
	return t;
}

/* From here on it cannot fail but on the stream. Bytes queued in clear go first. */
static void put_under(struct tls *t)
{
	struct stream *s = t->stream;

	t->unsent = s->out;
	s->out = (struct buffer){0};
	s->is_blocked = false;
	s->transport = &transport_tls;
	s->transport_state = t;
	tls_mark(t, STREAM_WIRE_SHUT, true);
	/* The client speaks first. */
	bool must_wait =
	    t->context->side == TLS_SIDE_ACCEPT && buffer_len(&t->carry) == 0;
	if (must_wait ? tls_wire_flush(t) < 0 : !tls_handshake_step(t))
		stream_fail(s, EPROTO);
	else if (!s->in_callback)
		stream_rewire(s);
}

int tls_accept(struct stream *stream, struct tls_context *context, bool is_direct,
	       struct slice early, tls_done_fn on_done)
{
	CHECK(stream_is_open(stream) && !tls_is_on(stream));
	CHECK(context->side == TLS_SIDE_ACCEPT);
	struct tls *t = create(stream, context, is_direct, on_done);
	if (!t)
		return -ENOMEM;
	if (!buffer_append(&t->carry, early)) {
		free_tls(t);
		return -ENOMEM;
	}
	put_under(t);
	return 0;
}

static bool is_address(const char *host)
{
	struct in6_addr any;

	return inet_pton(AF_INET, host, &any) == 1 ||
	       inet_pton(AF_INET6, host, &any) == 1;
}

/* SNI is for names only (RFC 6066, section 3). */
static bool set_host(struct tls *t, const char *host)
{
	X509_VERIFY_PARAM *param = SSL_get0_param(t->ssl);
	bool has_name = host && host[0];

	if (has_name && !is_address(host) && !SSL_set_tlsext_host_name(t->ssl, host))
		return false;
	if (t->context->verify != TLS_VERIFY_FULL)
		return true;
	X509_VERIFY_PARAM_set_hostflags(param, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
	if (has_name && is_address(host))
		return X509_VERIFY_PARAM_set1_ip_asc(param, host);
	/* Without a name no certificate fits. */
	return X509_VERIFY_PARAM_set1_host(param, has_name ? host : "invalid.", 0);
}

int tls_connect(struct stream *stream, struct tls_context *context,
		const struct tls_target *target, tls_done_fn on_done)
{
	CHECK(stream_is_open(stream) && !tls_is_on(stream));
	CHECK(context->side == TLS_SIDE_CONNECT);
	struct tls *t = create(stream, context, target->is_direct, on_done);
	if (!t)
		return -ENOMEM;
	t->session = target->session;
	if (!tls_handshake_open(t) || !set_host(t, target->host) ||
	    !tls_session_place(context, target->host, t->place)) {
		ERR_clear_error();
		free_tls(t);
		return -ENOMEM;
	}
	tls_session_use(t);
	SSL_set_connect_state(t->ssl);
	put_under(t);
	return 0;
}
