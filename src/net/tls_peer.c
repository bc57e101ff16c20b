/*
 * What is known of a connection: its protocol, and the peer's certificate.
 */
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <stdio.h>

#include "net/tls_parts.h"

/* ---- the connection ---- */

bool tls_is_on(const struct stream *stream)
{
	return tls_of(stream) != NULL;
}

bool tls_is_done(const struct stream *stream)
{
	const struct tls *t = tls_of(stream);

	return t && t->protocol && t->state != TLS_STARTING;
}

bool tls_facts(const struct stream *stream, struct tls_facts *out)
{
	const struct tls *t = tls_of(stream);

	if (!tls_is_done(stream))
		return false;
	*out = (struct tls_facts){.protocol = t->protocol,
				  .cipher = t->cipher,
				  .alpn = t->has_alpn ? "postgresql" : "",
				  .is_resumed = t->is_resumed};
	return true;
}

char *tls_problem(const struct stream *stream, char *out, size_t cap)
{
	const struct tls *t = tls_of(stream);

	snprintf(out, cap, "%s", t && t->problem ? t->problem : "");
	return out;
}

void tls_peer_note(struct tls *t)
{
	t->protocol = SSL_get_version(t->ssl);
	t->cipher = SSL_get_cipher_name(t->ssl);
	t->is_resumed = SSL_session_reused(t->ssl);
	t->peer = SSL_get1_peer_certificate(t->ssl);
	t->is_verified = t->peer && t->context->verify != TLS_VERIFY_NONE &&
			 SSL_get_verify_result(t->ssl) == X509_V_OK;
}

/* ---- channel binding ---- */

/* RFC 5929: the digest of the signature, but SHA-256 in place of MD5 and SHA-1. NULL when
 * the signature has none, as Ed25519's. */
static const EVP_MD *binding_digest(X509 *certificate)
{
	int digest = NID_undef;

	if (!OBJ_find_sigid_algs(X509_get_signature_nid(certificate), &digest, NULL) ||
	    digest == NID_undef) {
		/* RSASSA-PSS has it among its parameters. */
		if (!X509_get_signature_info(certificate, &digest, NULL, NULL, NULL))
			return NULL;
	}
	if (digest == NID_md5 || digest == NID_sha1)
		digest = NID_sha256;
	return EVP_get_digestbynid(digest);
}

size_t tls_peer_binding(X509 *certificate, uint8_t out[TLS_BINDING_MAX])
{
	const EVP_MD *digest = binding_digest(certificate);
	unsigned len = 0;

	if (!digest || EVP_MD_get_size(digest) > TLS_BINDING_MAX ||
	    !X509_digest(certificate, digest, out, &len))
		len = 0;
	ERR_clear_error();
	return len;
}

size_t tls_binding(const struct stream *stream, uint8_t out[TLS_BINDING_MAX])
{
	const struct tls *t = tls_of(stream);

	if (!tls_is_done(stream))
		return 0;
	if (t->context->side == TLS_SIDE_CONNECT)
		return t->peer ? tls_peer_binding(t->peer, out) : 0;
	memcpy(out, t->context->binding, t->context->binding_len);
	return t->context->binding_len;
}

/* ---- the peer's names ---- */

bool tls_peer_is_verified(const struct stream *stream)
{
	const struct tls *t = tls_of(stream);

	return t && t->is_verified;
}

/* To be freed with GENERAL_NAMES_free(). */
static GENERAL_NAMES *names_of(const struct tls *t)
{
	return X509_get_ext_d2i(t->peer, NID_subject_alt_name, NULL, NULL);
}

static bool is_dns(const GENERAL_NAME *name)
{
	return name->type == GEN_DNS;
}

size_t tls_peer_name_count(const struct stream *stream)
{
	size_t count = 1;

	if (!tls_peer_is_verified(stream))
		return 0;
	GENERAL_NAMES *names = names_of(tls_of(stream));
	for (int i = 0; i < sk_GENERAL_NAME_num(names); i++)
		count += is_dns(sk_GENERAL_NAME_value(names, i));
	GENERAL_NAMES_free(names);
	return count;
}

/* A name with a NUL in it looks like another one to whoever reads text. */
static bool copy_name(struct slice from, char *out, size_t cap)
{
	if (from.len == 0 || from.len >= cap || memchr(from.data, '\0', from.len))
		return false;
	memcpy(out, from.data, from.len);
	out[from.len] = '\0';
	return true;
}

static bool copy_text(const ASN1_STRING *from, char *out, size_t cap)
{
	uint8_t *utf8 = NULL;
	int len = from ? ASN1_STRING_to_UTF8(&utf8, from) : -1;
	bool ok = len >= 0 && copy_name(slice_of(utf8, (size_t)len), out, cap);

	OPENSSL_free(utf8);
	ERR_clear_error();
	return ok;
}

/* The last of several, as PostgreSQL and everybody else takes it. */
static bool copy_common_name(const struct tls *t, char *out, size_t cap)
{
	X509_NAME *subject = X509_get_subject_name(t->peer);
	int at = -1, next;

	while ((next = X509_NAME_get_index_by_NID(subject, NID_commonName, at)) >= 0)
		at = next;
	if (at < 0)
		return false;
	return copy_text(X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, at)), out,
			 cap);
}

/* i counts from 1. */
static bool copy_dns_name(const struct tls *t, size_t i, char *out, size_t cap)
{
	GENERAL_NAMES *names = names_of(t);
	bool ok = false;

	for (int at = 0; at < sk_GENERAL_NAME_num(names); at++) {
		const GENERAL_NAME *name = sk_GENERAL_NAME_value(names, at);

		if (!is_dns(name) || --i > 0)
			continue;
		ok = copy_name(slice_of(ASN1_STRING_get0_data(name->d.dNSName),
					(size_t)ASN1_STRING_length(name->d.dNSName)),
			       out, cap);
		break;
	}
	GENERAL_NAMES_free(names);
	return ok;
}

bool tls_peer_name(const struct stream *stream, size_t i, char *out, size_t cap)
{
	const struct tls *t = tls_of(stream);

	if (cap > 0)
		out[0] = '\0';
	if (!tls_peer_is_verified(stream))
		return false;
	return i == 0 ? copy_common_name(t, out, cap) : copy_dns_name(t, i, out, cap);
}

bool tls_peer_subject(const struct stream *stream, char *out, size_t cap)
{
	const struct tls *t = tls_of(stream);
	BIO *text = t && t->peer ? BIO_new(BIO_s_mem()) : NULL;
	char *data = NULL;
	bool ok = false;

	if (cap > 0)
		out[0] = '\0';
	if (text && X509_NAME_print_ex(text, X509_get_subject_name(t->peer), 0,
				       XN_FLAG_RFC2253) >= 0) {
		long len = BIO_get_mem_data(text, &data);

		ok = len > 0 && copy_name(slice_of(data, (size_t)len), out, cap);
	}
	BIO_free(text);
	return ok;
}
