/*
 * The handshake, from its first step to its last; OpenSSL does it.
 *
 * Of a client's the secrets are noted on the way (by tls_kdf, which makes them), for
 * tls_lasting takes connections of TLS 1.3 over when the handshake is done.
 */
#include <errno.h>
#include <openssl/err.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>
#include <sys/socket.h>

#include "base/crypto.h"
#include "net/tls_parts.h"

/* ALPN's list of protocols: each with its length in front. */
static const uint8_t alpn[] = "\012postgresql";
enum { ALPN_LEN = sizeof(alpn) - 1, PROBLEM_LEN = 256 };

/* ---- failures ---- */

/* OpenSSL's own words; a certificate's fault is worth more than that there is one. */
static const char *reason_of(struct tls *t, char *out, size_t cap)
{
	unsigned long e = ERR_peek_error();
	const char *reason = e ? ERR_reason_error_string(e) : NULL;

	if (ERR_GET_LIB(e) == ERR_LIB_SSL &&
	    ERR_GET_REASON(e) == SSL_R_CERTIFICATE_VERIFY_FAILED) {
		snprintf(out, cap, "certificate verify failed: %s",
			 X509_verify_cert_error_string(SSL_get_verify_result(t->ssl)));
		return out;
	}
	if (!e && t->recv_error)
		return strerror(t->recv_error);
	if (!e && t->saw_eof)
		return "the peer closed the connection in the TLS handshake";
	return reason ? reason : "unknown error";
}

void tls_fail(struct tls *t, const char *reason)
{
	char text[PROBLEM_LEN];

	if (!t->problem)
		t->problem = strdup(reason ? reason : reason_of(t, text, sizeof(text)));
	t->state = TLS_FAILED;
	ERR_clear_error();
}

/* ---- what OpenSSL asks and tells ---- */

static struct tls_start *start_of(const SSL *ssl)
{
	struct tls *t = SSL_get_app_data(ssl);

	return t ? t->start : NULL;
}

static int choose_alpn(SSL *ssl, const unsigned char **out, unsigned char *out_len,
		       const unsigned char *offered, unsigned offered_len, void *none)
{
	const struct tls_start *start = start_of(ssl);

	(void)none;
	/* Where both lists meet. Not const in SSL_select_next_proto() for no reason. */
	if (SSL_select_next_proto((unsigned char **)(uintptr_t)out, out_len, alpn,
				  ALPN_LEN, offered,
				  offered_len) == OPENSSL_NPN_NEGOTIATED)
		return SSL_TLSEXT_ERR_OK;
	return start && start->is_direct ? SSL_TLSEXT_ERR_ALERT_FATAL
					 : SSL_TLSEXT_ERR_NOACK;
}

/* TLS without a word of PostgreSQL before it may be meant for somebody else (the attack
 * is called ALPACA), so that the client must say whom it wants. */
static int on_hello(SSL *ssl, int *alert, void *none)
{
	const struct tls_start *start = start_of(ssl);
	const unsigned char *list;
	size_t len;

	(void)none;
	if (!start || !start->is_direct ||
	    SSL_client_hello_get0_ext(
		ssl, TLSEXT_TYPE_application_layer_protocol_negotiation, &list, &len))
		return SSL_CLIENT_HELLO_SUCCESS;
	*alert = SSL_AD_NO_APPLICATION_PROTOCOL;
	tls_fail(SSL_get_app_data(ssl), "direct TLS without ALPN");
	return SSL_CLIENT_HELLO_ERROR;
}

/* Counts the records that go out under the last secret: the tickets. */
static void on_message(int is_write, int version, int type, const void *bytes, size_t len,
		       SSL *ssl, void *none)
{
	struct tls_start *start = start_of(ssl);

	(void)version, (void)bytes, (void)len, (void)none;
	if (start && is_write && type == SSL3_RT_HEADER && start->secret_out_len > 0)
		start->sent_count++;
}

void tls_handshake_prepare(struct tls_context *c)
{
	if (c->side == TLS_SIDE_CONNECT) {
		SSL_CTX_set_alpn_protos(c->ssl, alpn, ALPN_LEN);
		return;
	}
	SSL_CTX_set_alpn_select_cb(c->ssl, choose_alpn, NULL);
	SSL_CTX_set_client_hello_cb(c->ssl, on_hello, NULL);
	SSL_CTX_set_msg_callback(c->ssl, on_message);
}

/* ---- steps ---- */

static void on_told(struct loop_task *task)
{
	struct tls *t = (struct tls *)(void *)((char *)task - offsetof(struct tls, task));
	struct stream *s = t->stream;
	tls_done_fn on_done = t->start->on_done;

	crypto_wipe(t->start, sizeof(*t->start));
	free(t->start);
	t->start = NULL;
	if (t->state == TLS_AGREED)
		t->state = TLS_ON;
	if (on_done && !s->is_finishing && !s->has_ended)
		on_done(s);
	if (stream_is_open(s))
		stream_rewire(s);
}

void tls_handshake_init(struct tls *t)
{
	t->task.run = on_told;
}

/* What the handshake itself does not look at. NULL when all is well. */
static const char *find_fault(const struct tls *t)
{
	X509 *peer = t->peer;

	if (t->start->is_direct && !t->has_alpn)
		return "the peer did not choose the protocol \"postgresql\" (ALPN)";
	/* A session lasts two hours, and a certificate may end before. 0: not known. */
	if (t->is_resumed && t->is_verified &&
	    X509_cmp_current_time(X509_get0_notAfter(peer)) <= 0)
		return "certificate verify failed: certificate has expired";
	return NULL;
}

static bool chose_alpn(SSL *ssl)
{
	const unsigned char *chosen;
	unsigned len;

	SSL_get0_alpn_selected(ssl, &chosen, &len);
	return len == ALPN_LEN - 1 && memcmp(chosen, alpn + 1, len) == 0;
}

/* The connection stays with OpenSSL. There may be passwords among what a client says; a
 * handshake has no secrets in clear, and to wipe it all costs 5 us. */
static void prepare_data(struct tls *t)
{
	if (t->context->side == TLS_SIDE_ACCEPT)
		SSL_set_options(t->ssl, SSL_OP_CLEANSE_PLAINTEXT);
	SSL_set_read_ahead(t->ssl, 1);
}

static void agree(struct tls *t)
{
	t->has_alpn = chose_alpn(t->ssl);
	tls_peer_note(t);
	const char *fault = find_fault(t);
	if (fault) {
		t->protocol = NULL; /* it is not done */
		t->is_verified = false;
		tls_fail(t, fault);
		return;
	}
	if (t->context->side == TLS_SIDE_ACCEPT)
		tls_lasting_take_over(t);
	if (t->ssl)
		prepare_data(t);
	t->state = TLS_AGREED;
	tls_mark(t, STREAM_WIRE_SHUT, false);
	loop_post(t->stream->loop, &t->task);
}

/* What came behind the handshake's last bytes. */
static bool keep_lent(struct tls *t)
{
	struct slice lent = t->start->lent;

	t->start->lent = slice_of(NULL, 0);
	if (!buffer_append(&t->carry, lent))
		return false;
	if (t->state == TLS_AGREED &&
	    (buffer_len(&t->carry) > 0 || (t->ssl && SSL_has_pending(t->ssl))))
		tls_mark(t, STREAM_WIRE_READABLE, true);
	return true;
}

/* The alert goes at once and with it the end of what we send, for the owner will close,
 * and bytes that are not read by then would turn the close into a reset. */
static void end_failed(struct tls *t)
{
	tls_mark(t, STREAM_WIRE_SHUT, false);
	t->is_shut = true;
	if (tls_wire_flush(t) == 0 && buffer_len(&t->unsent) == 0)
		shutdown(loop_io_fd(&t->stream->io), SHUT_WR);
}

bool tls_handshake_open(struct tls *t)
{
	t->ssl = SSL_new(t->context->ssl);
	if (!t->ssl || !tls_wire_attach(t))
		return false;
	SSL_set_app_data(t->ssl, t);
	if (t->context->side == TLS_SIDE_ACCEPT)
		SSL_set_accept_state(t->ssl);
	return true;
}

static void shake(struct tls *t)
{
	if (t->context->side == TLS_SIDE_ACCEPT)
		tls_kdf_note(t->context->kdf, t->start);
	int done = SSL_do_handshake(t->ssl);
	tls_kdf_note(t->context->kdf, NULL);
	if (done == 1)
		agree(t);
	else if (SSL_get_error(t->ssl, done) != SSL_ERROR_WANT_READ || t->saw_eof)
		tls_fail(t, NULL);
}

bool tls_handshake_step(struct tls *t)
{
	ERR_clear_error();
	/* Not before the client speaks: while it doesn't, that would only take memory,
	 * and be out of the processor's cache again when it is needed. */
	if (t->ssl || tls_handshake_open(t))
		shake(t);
	else
		tls_fail(t, "out of memory");
	if (!keep_lent(t))
		tls_fail(t, "out of memory");
	if (t->state == TLS_FAILED) {
		end_failed(t);
		return false;
	}
	/* All that TLS 1.3 says to a client now is a ticket, and that can wait. If
	 * something cannot be sent, what is read next will say why. */
	if (t->state == TLS_AGREED && !t->ssl)
		tls_wire_delay(t);
	else
		tls_wire_flush(t);
	return true;
}
