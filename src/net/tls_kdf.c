/*
 * The sums of TLS 1.3's key schedule (RFC 8446, section 7.1) as a provider of OpenSSL's,
 * which our contexts prefer to OpenSSL's own.
 *
 * A handshake asks for some twenty of them. OpenSSL 3.0 finds and makes anew for each
 * what it needs to make an HMAC, and copies all that goes into it: eight times the cost
 * of the sum. And here the secrets of the data pass by, which net/tls_lasting needs;
 * there is no way to ask OpenSSL for them but its key log, which prints them in hex.
 *
 * Others in this process that make TLS connections may be given these sums, too: they are
 * the same. What passes by is noted for the thread of the loop only.
 */
#include <openssl/core.h>
#include <openssl/core_dispatch.h>
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/hmac.h>
#include <openssl/kdf.h>
#include <openssl/params.h>
#include <openssl/provider.h>
#include <pthread.h>
#include <stdlib.h>

#include "base/crypto.h"
#include "net/tls_parts.h"

/* Lengths, label and context of HKDF-Expand-Label, and the number of the block. */
enum { LABEL_MAX = 255, INFO_MAX = 2 + 1 + LABEL_MAX + 1 + EVP_MAX_MD_SIZE + 1 };

struct tls_kdf {
	pthread_t thread; /* the loop's */
	struct tls_start
	    *start; /* whose secrets are noted; touched by that thread only */
};

/* One sum to be made. */
struct sum {
	struct tls_kdf *kdf;
};

/* What it is made of; all borrowed. */
struct request {
	int mode;
	const EVP_MD *digest;
	struct slice key, salt, prefix, label, data;
};

/* ---- HMAC ---- */

static size_t sum_len(const struct request *r)
{
	return (size_t)EVP_MD_get_size(r->digest);
}

static bool sum(const struct request *r, struct slice key, struct slice bytes,
		uint8_t out[EVP_MAX_MD_SIZE])
{
	if (sum_len(r) == CRYPTO_SHA256_LEN)
		return crypto_hmac_sha256(key, &bytes, 1, out);
	/* A key that is NULL would mean the one used before. */
	return HMAC(r->digest, key.data ? key.data : (const uint8_t *)"", (int)key.len,
		    bytes.data, bytes.len, out, NULL) != NULL;
}

static bool sum_of_nothing(const struct request *r, uint8_t out[EVP_MAX_MD_SIZE])
{
	return sum_len(r) == CRYPTO_SHA256_LEN
		   ? crypto_sha256(NULL, 0, out)
		   : EVP_Digest("", 0, out, NULL, r->digest, NULL) == 1;
}

/* ---- HKDF ---- */

static size_t put(uint8_t *at, struct slice bytes)
{
	if (bytes.len > 0)
		memcpy(at, bytes.data, bytes.len);
	return bytes.len;
}

/* HKDF-Expand-Label; nothing in TLS 1.3 asks for more than one block. */
static bool expand(const struct request *r, struct slice secret, struct slice context,
		   uint8_t *out, size_t len)
{
	uint8_t info[INFO_MAX], block[EVP_MAX_MD_SIZE];
	size_t label_len = r->prefix.len + r->label.len, at = 0;

	if (len > sum_len(r) || label_len > LABEL_MAX || context.len > EVP_MAX_MD_SIZE)
		return false;
	info[at++] = (uint8_t)(len >> 8);
	info[at++] = (uint8_t)len;
	info[at++] = (uint8_t)label_len;
	at += put(info + at, r->prefix);
	at += put(info + at, r->label);
	info[at++] = (uint8_t)context.len;
	at += put(info + at, context);
	info[at++] = 1;
	bool is_ok = sum(r, secret, slice_of(info, at), block);
	if (is_ok)
		memcpy(out, block, len);
	crypto_wipe(block, sizeof(block));
	return is_ok;
}

/* HKDF-Extract, with Derive-Secret(secret before, "derived", "") as its salt. */
static bool extract(const struct request *r, uint8_t *out)
{
	static const uint8_t zeros[EVP_MAX_MD_SIZE];
	uint8_t nothing[EVP_MAX_MD_SIZE], salt[EVP_MAX_MD_SIZE], block[EVP_MAX_MD_SIZE];
	size_t len = sum_len(r), salt_len = 0;
	bool is_ok = true;

	if (r->salt.data) {
		salt_len = len;
		is_ok = sum_of_nothing(r, nothing) &&
			expand(r, r->salt, slice_of(nothing, len), salt, len);
	}
	is_ok = is_ok && sum(r, slice_of(salt, salt_len),
			     r->key.data ? r->key : slice_of(zeros, len), block);
	if (is_ok)
		memcpy(out, block, len);
	crypto_wipe(salt, sizeof(salt));
	crypto_wipe(block, sizeof(block));
	return is_ok;
}

/* ---- what passes by ---- */

static void note(const struct tls_kdf *kdf, const struct request *r, struct slice secret)
{
	struct tls_start *start;

	if (!pthread_equal(kdf->thread, pthread_self()) || !kdf->start ||
	    secret.len > TLS_SECRET_MAX)
		return;
	start = kdf->start;
	if (slice_is_text(r->label, "c ap traffic")) {
		memcpy(start->secret_in, secret.data, secret.len);
		start->secret_in_len = (uint8_t)secret.len;
	} else if (slice_is_text(r->label, "s ap traffic")) {
		memcpy(start->secret_out, secret.data, secret.len);
		start->secret_out_len = (uint8_t)secret.len;
	}
}

/* ---- what OpenSSL calls ---- */

/* NULL for what no suite of TLS 1.3 uses. */
static const EVP_MD *digest_of(const OSSL_PARAM *p)
{
	static const struct {
		const char *name;
		const EVP_MD *(*digest)(void);
	} names[] = {{"SHA2-256", EVP_sha256},
		     {"SHA256", EVP_sha256},
		     {"SHA2-384", EVP_sha384},
		     {"SHA384", EVP_sha384}};

	if (p->data_type != OSSL_PARAM_UTF8_STRING || !p->data)
		return NULL;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (OPENSSL_strcasecmp(p->data, names[i].name) == 0)
			return names[i].digest();
	return NULL;
}

static struct slice *part_of(struct request *r, const char *name)
{
	if (strcmp(name, OSSL_KDF_PARAM_KEY) == 0)
		return &r->key;
	if (strcmp(name, OSSL_KDF_PARAM_SALT) == 0)
		return &r->salt;
	if (strcmp(name, OSSL_KDF_PARAM_PREFIX) == 0)
		return &r->prefix;
	if (strcmp(name, OSSL_KDF_PARAM_LABEL) == 0)
		return &r->label;
	return strcmp(name, OSSL_KDF_PARAM_DATA) == 0 ? &r->data : NULL;
}

static bool read_param(struct request *r, const OSSL_PARAM *p)
{
	struct slice *part = part_of(r, p->key);

	if (part) {
		*part = slice_of(p->data, p->data_size);
		return p->data_type == OSSL_PARAM_OCTET_STRING;
	}
	if (strcmp(p->key, OSSL_KDF_PARAM_MODE) == 0)
		return OSSL_PARAM_get_int(p, &r->mode) == 1;
	if (strcmp(p->key, OSSL_KDF_PARAM_DIGEST) == 0)
		r->digest = digest_of(p);
	return true;
}

static int derive(void *context, unsigned char *out, size_t len,
		  const OSSL_PARAM params[])
{
	const struct sum *s = context;
	struct request r = {.mode = -1};

	for (; params && params->key; params++)
		if (!read_param(&r, params))
			return 0;
	if (!r.digest)
		return 0;
	if (r.mode == EVP_KDF_HKDF_MODE_EXTRACT_ONLY)
		return len == sum_len(&r) && extract(&r, out);
	if (r.mode != EVP_KDF_HKDF_MODE_EXPAND_ONLY ||
	    !expand(&r, r.key, r.data, out, len))
		return 0;
	note(s->kdf, &r, slice_of(out, len));
	return 1;
}

static void *new_sum(void *provider)
{
	struct sum *s = OPENSSL_malloc(sizeof(*s));

	if (s)
		s->kdf = provider;
	return s;
}

static void free_sum(void *context)
{
	OPENSSL_free(context);
}

static const OSSL_DISPATCH functions[] = {
    {OSSL_FUNC_KDF_NEWCTX, (void (*)(void))new_sum},
    {OSSL_FUNC_KDF_FREECTX, (void (*)(void))free_sum},
    {OSSL_FUNC_KDF_DERIVE, (void (*)(void))derive},
    {0, NULL}};

#define NAME "pooler"

/* To be preferred by: a word about "provider" would stand instead of what OpenSSL's
 * configuration may say about that. Names with a dot are free to be made up. */
#define OURS NAME ".sums=yes"

static const OSSL_ALGORITHM *query(void *provider, int operation, int *no_cache)
{
	static const OSSL_ALGORITHM sums[] = {
	    {"TLS13-KDF", "provider=" NAME "," OURS, functions, "TLS 1.3's keys"},
	    {NULL, NULL, NULL, NULL}};

	(void)provider;
	*no_cache = 0;
	return operation == OSSL_OP_KDF ? sums : NULL;
}

static const OSSL_DISPATCH provided[] = {
    {OSSL_FUNC_PROVIDER_QUERY_OPERATION, (void (*)(void))query},
    {OSSL_FUNC_PROVIDER_TEARDOWN, (void (*)(void))free_sum},
    {0, NULL}};

static int init(const OSSL_CORE_HANDLE *handle, const OSSL_DISPATCH *core,
		const OSSL_DISPATCH **out_functions, void **out_context)
{
	struct tls_kdf *kdf = OPENSSL_zalloc(sizeof(*kdf));

	(void)handle, (void)core;
	if (!kdf)
		return 0;
	kdf->thread = pthread_self();
	*out_context = kdf;
	*out_functions = provided;
	return 1;
}

/* ---- for contexts ---- */

const char *tls_kdf_preference(void)
{
	return "?" OURS;
}

OSSL_PROVIDER *tls_kdf_load(void)
{
	/* Told twice, OpenSSL would keep both. */
	if (!OSSL_PROVIDER_available(NULL, NAME) &&
	    !OSSL_PROVIDER_add_builtin(NULL, NAME, init))
		return NULL;
	return OSSL_PROVIDER_try_load(NULL, NAME, 1);
}

void tls_kdf_unload(OSSL_PROVIDER *provider)
{
	if (provider)
		OSSL_PROVIDER_unload(provider);
}

void tls_kdf_note(OSSL_PROVIDER *provider, struct tls_start *start)
{
	struct tls_kdf *kdf = OSSL_PROVIDER_get0_provider_ctx(provider);

	kdf->start = start;
}
