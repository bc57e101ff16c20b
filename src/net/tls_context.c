/*
 * Contexts. Files are read first, all of them; then one thing after the other is told to
 * OpenSSL, and the first that it does not take is the problem.
 */
#include "net/tls_context.h"

#include <openssl/err.h>
#include <stdlib.h>
#include <strings.h>

#include "base/check.h"
#include "base/crypto.h"
#include "net/tls_parts.h"
#include "net/tls_pem.h"
#include "net/tls_protocols.h"

enum {
	/* How long a ticket lets a client resume: also how long a client certificate
	 * is trusted unseen. */
	TICKET_SECONDS = 2 * 60 * 60,
	TICKET_KEYS_MAX = 256
};

/* All that a context is made of. */
struct making {
	struct tls_context *context;
	const struct tls_options *options;
	struct tls_problem problem;
	struct tls_file key, cert, ca, crl;
};

static const char *text_of(const char *setting)
{
	return setting ? setting : "";
}

static bool is_one_of(const char *text, const char *const *names)
{
	for (; *names; names++)
		if (strcasecmp(text, *names) == 0)
			return true;
	return false;
}

/* ---- what is asked, before OpenSSL is ---- */

static bool needs_ca(const struct tls_options *o)
{
	return o->verify != TLS_VERIFY_NONE;
}

static bool is_consistent(struct making *m)
{
	bool has_cert = tls_file_is_set(&m->cert), has_key = tls_file_is_set(&m->key);

	if (m->context->side == TLS_SIDE_ACCEPT && !(has_cert && has_key))
		tls_problem_say(m->problem, "a %s is needed",
				has_cert ? "key file" : "certificate file");
	else if (has_cert != has_key)
		tls_problem_say(m->problem, "a %s without a %s is of no use",
				has_cert ? "certificate file" : "key file",
				has_cert ? "key file" : "certificate file");
	else if (needs_ca(m->options) && !tls_file_is_set(&m->ca))
		tls_problem_say(m->problem,
				"certificates can be verified only with a CA file");
	else
		return true;
	return false;
}

static bool read_files(struct making *m)
{
	return tls_file_read(&m->key, m->problem) &&
	       tls_file_read(&m->cert, m->problem) && tls_file_read(&m->ca, m->problem) &&
	       tls_file_read(&m->crl, m->problem);
}

/* ---- what a context is made of, as digests ---- */

enum { PARTS_MAX = 16 };

struct parts {
	struct slice all[PARTS_MAX];
	uint64_t lens[PARTS_MAX / 2];
	size_t count;
};

/* With its length in front, so that no two lists of parts look alike. */
static void add_part(struct parts *p, struct slice part)
{
	uint64_t *len = &p->lens[p->count / 2];

	CHECK(p->count + 2 <= PARTS_MAX);
	*len = part.len;
	p->all[p->count++] = slice_of(len, sizeof(*len));
	p->all[p->count++] = part;
}

static bool digest_trust(struct making *m)
{
	uint8_t kind[2] = {(uint8_t)m->context->side, (uint8_t)m->options->verify};
	struct parts p = {.count = 0};

	add_part(&p, slice_of(kind, sizeof(kind)));
	add_part(&p, buffer_bytes(&m->ca.bytes));
	add_part(&p, buffer_bytes(&m->crl.bytes));
	return crypto_sha256(p.all, p.count, m->context->trust);
}

static bool digest_own(struct making *m)
{
	struct parts p = {.count = 0};

	add_part(&p, buffer_bytes(&m->cert.bytes));
	add_part(&p, buffer_bytes(&m->key.bytes));
	return crypto_sha256(p.all, p.count, m->context->own);
}

static bool digest(struct making *m)
{
	const struct tls_options *o = m->options;
	struct tls_context *c = m->context;
	struct parts p = {.count = 0};

	if (!digest_trust(m) || !digest_own(m))
		return false;
	add_part(&p, slice_of(c->trust, sizeof(c->trust)));
	add_part(&p, slice_of(c->own, sizeof(c->own)));
	add_part(&p, slice_of_text(text_of(o->protocols)));
	add_part(&p, slice_of_text(text_of(o->ciphers)));
	add_part(&p, slice_of_text(text_of(o->tls13_ciphers)));
	add_part(&p, slice_of_text(text_of(o->groups)));
	add_part(&p, slice_of_text(text_of(o->dheparams)));
	return crypto_sha256(p.all, p.count, c->identity);
}

/* ---- what OpenSSL is told ---- */

static bool set_protocols(struct making *m)
{
	SSL_CTX *ssl = m->context->ssl;
	struct tls_protocols p;

	if (!tls_protocols_parse(m->options->protocols, &p)) {
		tls_problem_say(m->problem, "protocols \"%s\" cannot be understood",
				m->options->protocols);
		return false;
	}
	SSL_CTX_set_options(ssl, p.without);
	return SSL_CTX_set_min_proto_version(ssl, p.lowest) &&
	       SSL_CTX_set_max_proto_version(ssl, p.highest);
}

/* OpenSSL's default stands for several names of other programs. */
static const char *cipher_list(const struct tls_options *o)
{
	static const char *const defaults[] = {"",     "default", "secure",
					       "fast", "normal",  NULL};
	static const char *const all[] = {"all", NULL};
	const char *text = text_of(o->ciphers);

	if (is_one_of(text, all))
		return "ALL:!aNULL:!eNULL";
	return is_one_of(text, defaults) ? NULL : text;
}

/* Of a client's offer the first here is taken. SHA-256, which processors have built in,
 * makes a handshake a tenth cheaper than SHA-384. */
static const char *suite_list(const struct making *m)
{
	const char *text = text_of(m->options->tls13_ciphers);

	if (text[0] || m->context->side == TLS_SIDE_CONNECT)
		return text;
	return "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:"
	       "TLS_CHACHA20_POLY1305_SHA256";
}

static bool set_ciphers(struct making *m)
{
	const char *list = cipher_list(m->options);
	const char *suites = suite_list(m);
	SSL_CTX *ssl = m->context->ssl;

	if (list && !SSL_CTX_set_cipher_list(ssl, list)) {
		tls_problem_say(m->problem, "no cipher is meant by \"%s\"", list);
		return false;
	}
	if (suites[0] && !SSL_CTX_set_ciphersuites(ssl, suites)) {
		tls_problem_say(m->problem, "no TLS 1.3 cipher is meant by \"%s\"",
				suites);
		return false;
	}
	return true;
}

/* "none" takes elliptic curves away from TLS 1.2; TLS 1.3 cannot do without. */
static bool forbid_curves(struct making *m)
{
	const char *list = cipher_list(m->options);
	char without[4096];
	int len =
	    snprintf(without, sizeof(without), "%s:!kECDHE", list ? list : "DEFAULT");

	if (len > 0 && (size_t)len < sizeof(without) &&
	    SSL_CTX_set_cipher_list(m->context->ssl, without))
		return true;
	tls_problem_say(m->problem, "no cipher is left without elliptic curves");
	return false;
}

static bool set_groups(struct making *m)
{
	static const char *const autos[] = {"", "auto", "none", NULL};
	static const char *const none[] = {"none", NULL};
	const char *text = text_of(m->options->groups);
	/* X25519 is the cheapest by far, and what most clients offer unasked. */
	const char *list =
	    is_one_of(text, autos) ? "X25519:P-256:X448:P-384:P-521" : text;

	if (!SSL_CTX_set1_groups_list(m->context->ssl, list)) {
		tls_problem_say(m->problem, "no groups are meant by \"%s\"", text);
		return false;
	}
	return !is_one_of(text, none) || forbid_curves(m);
}

static bool set_dh(struct making *m)
{
	static const char *const known[] = {"", "auto", "none", NULL};
	static const char *const none[] = {"none", NULL};
	const char *text = text_of(m->options->dheparams);

	if (!is_one_of(text, known)) {
		tls_problem_say(m->problem,
				"DH parameters \"%s\" are neither auto nor none", text);
		return false;
	}
	return SSL_CTX_set_dh_auto(m->context->ssl, !is_one_of(text, none)) == 1;
}

static bool use_chain(struct making *m, STACK_OF(X509) * chain)
{
	struct tls_context *c = m->context;
	X509 *own = sk_X509_value(chain, 0);

	if (!SSL_CTX_use_certificate(c->ssl, own)) {
		tls_problem_say(m->problem, "certificate file \"%s\" is refused: %s",
				m->cert.name, ERR_reason_error_string(ERR_peek_error()));
		return false;
	}
	for (int i = 1; i < sk_X509_num(chain); i++)
		if (!SSL_CTX_add1_chain_cert(c->ssl, sk_X509_value(chain, i)))
			return false;
	c->binding_len = tls_peer_binding(own, c->binding);
	return true;
}

static bool use_key(struct making *m)
{
	EVP_PKEY *key = tls_pem_key(&m->key, m->problem);

	if (!key)
		return false;
	X509 *own = SSL_CTX_get0_certificate(m->context->ssl);
	bool fits = own && X509_check_private_key(own, key) == 1;
	bool ok = fits && SSL_CTX_use_PrivateKey(m->context->ssl, key) == 1;
	if (!ok)
		tls_problem_say(
		    m->problem, "key file \"%s\" %s certificate file \"%s\"", m->key.name,
		    fits ? "cannot be used with" : "does not fit", m->cert.name);
	EVP_PKEY_free(key);
	return ok;
}

static bool set_own_certificate(struct making *m)
{
	if (!tls_file_is_set(&m->cert))
		return true;
	STACK_OF(X509) *chain = tls_pem_certificates(&m->cert, m->problem);
	if (!chain)
		return false;
	bool ok = use_chain(m, chain) && use_key(m);
	sk_X509_pop_free(chain, X509_free);
	return ok;
}

/* A certificate given without its chain, whose chain is in the CA file: it is built once
 * and for all, instead of with every handshake. */
static bool complete_chain(struct making *m)
{
	STACK_OF(X509) *chain = NULL;

	if (!tls_file_is_set(&m->cert) || !tls_file_is_set(&m->ca))
		return true;
	SSL_CTX_get0_chain_certs(m->context->ssl, &chain);
	if (sk_X509_num(chain) <= 0)
		SSL_CTX_build_cert_chain(m->context->ssl,
					 SSL_BUILD_CHAIN_FLAG_NO_ROOT |
					     SSL_BUILD_CHAIN_FLAG_IGNORE_ERROR |
					     SSL_BUILD_CHAIN_FLAG_CLEAR_ERROR);
	ERR_clear_error();
	return true;
}

/* Clients are told which authorities will do. */
static bool trust(struct making *m, X509 *authority)
{
	SSL_CTX *ssl = m->context->ssl;

	if (!X509_STORE_add_cert(SSL_CTX_get_cert_store(ssl), authority))
		return false;
	return m->context->side == TLS_SIDE_CONNECT ||
	       SSL_CTX_add_client_CA(ssl, authority);
}

static bool set_authorities(struct making *m)
{
	bool ok = true;

	if (!tls_file_is_set(&m->ca))
		return true;
	STACK_OF(X509) *all = tls_pem_certificates(&m->ca, m->problem);
	if (!all)
		return false;
	for (int i = 0; ok && i < sk_X509_num(all); i++)
		ok = trust(m, sk_X509_value(all, i));
	sk_X509_pop_free(all, X509_free);
	return ok;
}

static bool set_revocations(struct making *m)
{
	X509_STORE *store = SSL_CTX_get_cert_store(m->context->ssl);
	bool ok = true;

	if (!tls_file_is_set(&m->crl))
		return true;
	STACK_OF(X509_CRL) *all = tls_pem_crls(&m->crl, m->problem);
	if (!all)
		return false;
	for (int i = 0; ok && i < sk_X509_CRL_num(all); i++)
		ok = X509_STORE_add_crl(store, sk_X509_CRL_value(all, i)) == 1;
	sk_X509_CRL_pop_free(all, X509_CRL_free);
	return ok && X509_STORE_set_flags(store, X509_V_FLAG_CRL_CHECK |
						     X509_V_FLAG_CRL_CHECK_ALL);
}

static int verify_mode(const struct tls_context *c)
{
	switch (c->verify) {
	case TLS_VERIFY_NONE:
		return SSL_VERIFY_NONE;
	case TLS_VERIFY_IF_GIVEN:
		return SSL_VERIFY_PEER;
	case TLS_VERIFY_CA:
	case TLS_VERIFY_FULL:
		break;
	}
	return SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT;
}

static bool set_sessions(struct making *m)
{
	struct tls_context *c = m->context;

	SSL_CTX_set_timeout(c->ssl, TICKET_SECONDS);
	if (c->side == TLS_SIDE_CONNECT) {
		SSL_CTX_set_session_cache_mode(c->ssl, SSL_SESS_CACHE_CLIENT |
							   SSL_SESS_CACHE_NO_INTERNAL);
		SSL_CTX_sess_set_new_cb(c->ssl, tls_session_on_new);
		return true;
	}
	/* All is in the ticket, and a client makes one connection at a time. A ticket
	 * is no good where peers are verified by something else. */
	SSL_CTX_set_session_cache_mode(c->ssl, SSL_SESS_CACHE_OFF);
	return SSL_CTX_set_num_tickets(c->ssl, 1) &&
	       SSL_CTX_set_session_id_context(c->ssl, c->trust, sizeof(c->trust));
}

static void set_manners(struct tls_context *c)
{
	SSL_CTX_set_options(c->ssl, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION |
					SSL_OP_IGNORE_UNEXPECTED_EOF |
					SSL_OP_CIPHER_SERVER_PREFERENCE);
	SSL_CTX_set_mode(
	    c->ssl, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE |
			SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER | SSL_MODE_NO_AUTO_CHAIN);
	SSL_CTX_set_verify(c->ssl, verify_mode(c), NULL);
	tls_handshake_prepare(c);
}

static bool tell_openssl(struct making *m)
{
	struct tls_context *c = m->context;

	c->wire = tls_wire_method();
	c->kdf = tls_kdf_load();
	c->ssl = SSL_CTX_new_ex(NULL, tls_kdf_preference(),
				c->side == TLS_SIDE_ACCEPT ? TLS_server_method()
							   : TLS_client_method());
	if (!c->ssl || !c->wire || !c->kdf)
		return false;
	set_manners(c);
	return set_protocols(m) && set_ciphers(m) && set_groups(m) && set_dh(m) &&
	       set_own_certificate(m) && set_authorities(m) && complete_chain(m) &&
	       set_revocations(m) && set_sessions(m);
}

/* ---- contexts ---- */

static void fini_making(struct making *m)
{
	tls_file_fini(&m->key);
	tls_file_fini(&m->cert);
	tls_file_fini(&m->ca);
	tls_file_fini(&m->crl);
}

struct tls_context *tls_context_create(enum tls_side side,
				       const struct tls_options *options, char *problem,
				       size_t problem_cap)
{
	struct tls_context *c = calloc(1, sizeof(*c));
	struct making m = {
	    .context = c,
	    .options = options,
	    .problem = {problem, problem_cap},
	    .key = {.kind = "key file", .name = options->key_file},
	    .cert = {.kind = "certificate file", .name = options->cert_file},
	    .ca = {.kind = "CA file", .name = options->ca_file},
	    .crl = {.kind = "CRL file", .name = options->crl_file}};

	/* For whatever is not OpenSSL's word on one of the options. */
	tls_problem_say(m.problem, "out of memory");
	if (!c)
		return NULL;
	c->refs = 1;
	c->side = side;
	c->verify = options->verify;
	ERR_clear_error();
	bool ok = is_consistent(&m) && read_files(&m) && digest(&m) && tell_openssl(&m);
	ERR_clear_error();
	fini_making(&m);
	if (ok) {
		tls_problem_say(m.problem, "%s", "");
		return c;
	}
	tls_context_unref(c);
	return NULL;
}

struct tls_context *tls_context_ref(struct tls_context *c)
{
	CHECK(c->refs > 0);
	c->refs++;
	return c;
}

void tls_context_unref(struct tls_context *c)
{
	if (!c)
		return;
	CHECK(c->refs > 0);
	if (--c->refs > 0)
		return;
	SSL_CTX_free(c->ssl);
	tls_kdf_unload(c->kdf);
	BIO_meth_free(c->wire);
	crypto_wipe(c, sizeof(*c));
	free(c);
}

void tls_context_inherit(struct tls_context *to, const struct tls_context *from)
{
	uint8_t keys[TICKET_KEYS_MAX];
	long len = SSL_CTX_get_tlsext_ticket_keys(from->ssl, NULL, 0);

	if (to->side != TLS_SIDE_ACCEPT || from->side != TLS_SIDE_ACCEPT ||
	    memcmp(to->own, from->own, sizeof(to->own)) != 0 ||
	    memcmp(to->trust, from->trust, sizeof(to->trust)) != 0)
		return;
	CHECK(len > 0 && len <= TICKET_KEYS_MAX);
	if (SSL_CTX_get_tlsext_ticket_keys(from->ssl, keys, len) == 1)
		SSL_CTX_set_tlsext_ticket_keys(to->ssl, keys, len);
	crypto_wipe(keys, sizeof(keys));
}

bool tls_context_same(const struct tls_context *a, const struct tls_context *b)
{
	return memcmp(a->identity, b->identity, sizeof(a->identity)) == 0;
}
