/*
 * What the files of TLS share: a context and a connection. This is the inside of
 * net/tls_context.h and net/tls.h; nobody else needs it.
 *
 *   tls_context, tls_pem    files and options made into an SSL_CTX
 *   tls                     the transport: reads, writes, ends
 *   tls_handshake           follows the handshake to its end
 *   tls_library             data by OpenSSL
 *   tls_lasting             data by ourselves, after a handshake of TLS 1.3
 *   tls_records             its records
 *   tls_kdf                 the sums of its key schedule
 *   tls_wire                bytes to and from the socket
 *   tls_session             sessions kept for connections to servers
 *   tls_peer                what is known of a connection and its peer
 */
#ifndef POOLER_NET_TLS_PARTS_H
#define POOLER_NET_TLS_PARTS_H

#include <openssl/provider.h>
#include <openssl/ssl.h>
#include <sys/uio.h>

#include "net/stream.h"
#include "net/tls.h"
#include "net/tls_context.h"
#include "net/tls_records.h"

enum { TLS_DIGEST_LEN = 32 };

struct tls_context {
	size_t refs;
	SSL_CTX *ssl;
	OSSL_PROVIDER *kdf; /* of tls_kdf; counted by OpenSSL */
	BIO_METHOD *wire;   /* of tls_wire */
	enum tls_side side;
	enum tls_verify verify;
	uint8_t identity[TLS_DIGEST_LEN]; /* of all it was made of */
	uint8_t trust[TLS_DIGEST_LEN];    /* of what peers are verified by */
	uint8_t own[TLS_DIGEST_LEN];      /* of our certificate and key */
	uint8_t binding[TLS_BINDING_MAX]; /* to our certificate */
	size_t binding_len;
};

/* Known of a session besides what OpenSSL knows. */
struct tls_session {
	SSL_SESSION *ssl;
	/* A session spares the peer the verification, so it is good only where the same
	 * one would be made: for the same host under an equal context. */
	uint8_t place[TLS_DIGEST_LEN];
};

enum tls_state {
	TLS_STARTING, /* the handshake goes on */
	TLS_AGREED,   /* it is done; the owner will be told in the run phase */
	TLS_ON,
	TLS_FAILED
};

/* What only the handshake needs. */
struct tls_start {
	tls_done_fn on_done;
	struct slice lent; /* received bytes in the area of the read that is going on */
	/* Of a client: the secrets of TLS 1.3, and records already sent under ours. */
	uint8_t secret_in[TLS_SECRET_MAX], secret_out[TLS_SECRET_MAX];
	uint8_t secret_in_len, secret_out_len;
	uint64_t sent_count;
	bool is_direct;
};

struct tls {
	struct stream *stream;
	struct tls_context *context;
	SSL *ssl; /* NULL before the first step, and once the records are ours */
	struct tls_start *start;       /* NULL when the handshake is over and told */
	struct tls_session **session;  /* where to put new ones; may be NULL */
	uint8_t place[TLS_DIGEST_LEN]; /* for tls_session.place */
	struct loop_task task;
	struct buffer carry;    /* received, but not yet read by anybody */
	struct buffer unsent;   /* encrypted, but not taken by the kernel */
	struct buffer late;     /* encrypted, goes with what is written next: tickets */
	size_t boxed;           /* bytes in the loop's outbox; 0 between calls */
	struct tls_way in, out; /* when the records are ours */
	X509 *peer;             /* the peer's certificate, if any */
	const char *protocol, *cipher;
	char *problem;
	int recv_error; /* errno of the last receive of OpenSSL's; 0: none */
	enum tls_state state;
	/* At the front of carry: an opened record that is not read yet, and behind it
	 * what of the record is of no more use. */
	uint16_t plain_len, husk_len;
	bool may_recv;        /* OpenSSL may look at the socket */
	bool saw_eof;         /* nothing more comes */
	bool is_shut;         /* the last words are said, but perhaps not sent */
	bool owes_renewal;    /* the peer asked for a KeyUpdate of ours */
	uint8_t idle_records; /* in a row, without data */
	bool has_alpn, is_resumed, is_verified;
};

extern const struct transport transport_tls;

static inline struct tls *tls_of(const struct stream *stream)
{
	return stream->transport == &transport_tls ? stream->transport_state : NULL;
}

static inline void tls_mark(struct tls *t, enum stream_wire mark, bool is_on)
{
	if (is_on)
		t->stream->wire |= (uint8_t)mark;
	else
		t->stream->wire &= (uint8_t)~mark;
}

/* ---- tls_wire ---- */

BIO_METHOD *tls_wire_method(void);
bool tls_wire_attach(struct tls *t); /* makes the BIO of t->ssl */

/* Receives once. Bytes, 0 at the end, or -errno. */
ssize_t tls_wire_recv(struct tls *t, uint8_t *into, size_t len);

/* Behind what is in the outbox already. 0, -ENOMEM or -errno of the sending that it took
 * to make room. */
int tls_wire_put(struct tls *t, struct slice bytes);

/* Room for one more record at the outbox's end; commit what was written into it. NULL
 * when memory is short. */
uint8_t *tls_wire_room(struct tls *t);
static inline void tls_wire_commit(struct tls *t, size_t len)
{
	t->boxed += len;
}

/* What is in the outbox goes together with what is written next: it is of no use to a
 * client that says nothing more. Sends it now when memory is short. */
void tls_wire_delay(struct tls *t);

/* Sends what is unsent and in the outbox; what the kernel does not take is unsent then. 0
 * or -errno. */
int tls_wire_flush(struct tls *t);

/* ---- tls_handshake ---- */

void tls_handshake_prepare(struct tls_context *context);
void tls_handshake_init(struct tls *t);

/* Makes OpenSSL's part of it. False when memory is short. */
bool tls_handshake_open(struct tls *t);

/* Goes on with what has been received; opens it if need be. False when it has failed. */
bool tls_handshake_step(struct tls *t);

/* For a failure of any time: keeps the first reason. NULL: OpenSSL's. */
void tls_fail(struct tls *t, const char *reason);

/* ---- tls_library ---- */

ssize_t tls_library_read(struct tls *t, uint8_t *into, size_t len);
/* How many bytes were encrypted, or -errno; nothing may be unsent. */
ssize_t tls_library_write(struct tls *t, const struct iovec *pieces, int count);

/* ---- tls_lasting ---- */

/* Takes the connection over from OpenSSL, if it can; otherwise nothing changes. */
void tls_lasting_take_over(struct tls *t);
ssize_t tls_lasting_read(struct tls *t, uint8_t *into, size_t len);
ssize_t tls_lasting_write(struct tls *t, const struct iovec *pieces, int count);
/* Puts an alert into the outbox: 0 says that no more comes. */
void tls_lasting_alert(struct tls *t, uint8_t alert);

/* ---- tls_kdf ---- */

/* NULL when memory is short. */
OSSL_PROVIDER *tls_kdf_load(void);
void tls_kdf_unload(OSSL_PROVIDER *provider); /* NULL is fine */
/* A property query: ours where OpenSSL's configuration allows it (FIPS, or a provider
 * that it demands, do not). */
const char *tls_kdf_preference(void);
/* The secrets of the data that are made from here on are start's; NULL: nobody's. */
void tls_kdf_note(OSSL_PROVIDER *provider, struct tls_start *start);

/* ---- tls_session ---- */

/* Where a session with this host is good under this context. */
bool tls_session_place(const struct tls_context *context, const char *host,
		       uint8_t out[TLS_DIGEST_LEN]);
/* Uses what is kept in *t->session, if it is good. */
void tls_session_use(struct tls *t);
/* SSL_CTX_sess_set_new_cb's. */
int tls_session_on_new(SSL *ssl, SSL_SESSION *session);

/* ---- tls_peer ---- */

/* Returns how many bytes; 0 when the certificate has no binding. */
size_t tls_peer_binding(X509 *certificate, uint8_t out[TLS_BINDING_MAX]);
/* Notes what lasts of a handshake. */
void tls_peer_note(struct tls *t);

#endif
