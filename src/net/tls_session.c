/*
 * Sessions that connections to servers leave behind. The newest is kept: the tickets of
 * TLS 1.3 are good for one connection each.
 */
#include <openssl/err.h>
#include <stdlib.h>

#include "base/crypto.h"
#include "net/tls_parts.h"

bool tls_session_place(const struct tls_context *context, const char *host,
		       uint8_t out[TLS_DIGEST_LEN])
{
	struct slice parts[] = {slice_of(context->identity, sizeof(context->identity)),
				slice_of_text(host ? host : "")};

	return crypto_sha256(parts, 2, out);
}

void tls_session_free(struct tls_session *session)
{
	if (!session)
		return;
	SSL_SESSION_free(session->ssl); /* wipes */
	free(session);
}

static void drop(struct tls_session **slot)
{
	tls_session_free(*slot);
	*slot = NULL;
}

void tls_session_use(struct tls *t)
{
	struct tls_session *kept = t->session ? *t->session : NULL;

	if (!kept)
		return;
	if (memcmp(kept->place, t->place, sizeof(t->place)) != 0 ||
	    !SSL_SESSION_is_resumable(kept->ssl)) {
		drop(t->session);
		return;
	}
	if (!SSL_set_session(t->ssl, kept->ssl))
		ERR_clear_error(); /* then the handshake is a full one */
	if (SSL_SESSION_get_protocol_version(kept->ssl) >= TLS1_3_VERSION)
		drop(t->session);
}

/* Returns 1 if it keeps the reference. */
int tls_session_on_new(SSL *ssl, SSL_SESSION *session)
{
	struct tls *t = SSL_get_app_data(ssl);
	struct tls_session *kept = t && t->session ? calloc(1, sizeof(*kept)) : NULL;

	if (!kept)
		return 0;
	kept->ssl = session;
	memcpy(kept->place, t->place, sizeof(kept->place));
	drop(t->session);
	*t->session = kept;
	return 1;
}
