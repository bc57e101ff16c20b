/*
 * TLS between a stream and its socket.
 *
 * A stream is opened in clear; tls_accept() or tls_connect() then put TLS underneath it.
 * From there on what the owner reads and writes is inside. Bytes that are written before
 * the handshake is done go when it is. A handshake that fails ends the stream
 * (STREAM_END_BROKEN, EPROTO), and tls_problem() says why.
 */
#ifndef POOLER_NET_TLS_H
#define POOLER_NET_TLS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/slice.h"

struct stream;
struct tls_context;
struct tls_session; /* what lets a later connection resume; holds secrets */

/* The handshake is done. May do what on_data may do. */
typedef void (*tls_done_fn)(struct stream *stream);

/* What is queued for writing goes first, in clear. early: what was received of the
 * handshake already (all that the stream has; the caller then consumes it). With
 * is_direct the client must have offered ALPN "postgresql"; otherwise it is chosen if it
 * is offered. on_done may be NULL. 0 or -ENOMEM; then the stream is as it was. The
 * context is counted. */
int tls_accept(struct stream *stream, struct tls_context *context, bool is_direct,
	       struct slice early, tls_done_fn on_done);

struct tls_target {
	const char *host; /* name or address: sent as SNI if a name, checked by
			     VERIFY_FULL; borrowed during the call */
	bool is_direct;   /* ALPN "postgresql" must be chosen by the server */
	/* Where the session of an earlier connection to there is, and where those of this
	 * one are put; NULL: none is kept. Must stay valid while the stream is open. */
	struct tls_session **session;
};

/* As tls_accept(), from the other side. Bytes that came in clear behind the server's 'S'
 * are the caller's to refuse. */
int tls_connect(struct stream *stream, struct tls_context *context,
		const struct tls_target *target, tls_done_fn on_done);

/* Wipes and frees; NULL is fine. */
void tls_session_free(struct tls_session *session);

/* ---- what is known of a connection; of one in clear: false, empty, 0 ---- */

bool tls_is_on(const struct stream *stream);   /* the transport is TLS */
bool tls_is_done(const struct stream *stream); /* and the handshake is done */

struct tls_facts {
	const char *protocol; /* "TLSv1.3" */
	const char *cipher;   /* "TLS_AES_256_GCM_SHA384" */
	const char *alpn;     /* "postgresql", or "" */
	bool is_resumed;
};
bool tls_facts(const struct stream *stream, struct tls_facts *out);

/* The data of channel binding tls-server-end-point (RFC 5929, section 4): a digest of the
 * server's certificate, ours or the peer's. Returns how many bytes, 0 for none. */
enum { TLS_BINDING_MAX = 64 };
size_t tls_binding(const struct stream *stream, uint8_t out[TLS_BINDING_MAX]);

/* Whether the peer gave a certificate that was verified. */
bool tls_peer_is_verified(const struct stream *stream);

/* The names of a verified peer: 0 is the common name, the others the dNSNames. False when
 * there is no such name, or it does not fit, or has a NUL in it (then *out is ""). Ask
 * until tls_peer_name_count(). */
size_t tls_peer_name_count(const struct stream *stream);
bool tls_peer_name(const struct stream *stream, size_t i, char *out, size_t cap);

/* The subject of the peer's certificate as RFC 2253 writes it ("CN=..,O=.."), as
 * PostgreSQL does for clientname=DN. False, and "", when there is none or no room. */
bool tls_peer_subject(const struct stream *stream, char *out, size_t cap);

/* Why the handshake, or later the connection, failed: one line, no secrets, control
 * characters escaped. "" when nothing has. Returns out. */
char *tls_problem(const struct stream *stream, char *out, size_t cap);

#endif
