/*
 * What the logins need of cryptography: digests, keyed digests, the stretching of
 * passwords, comparing without telling by the time it takes, and base64. OpenSSL does the
 * sums; nobody else on the lower floors sees its headers.
 *
 * MD5 fails when memory is short or OpenSSL forbids it (FIPS). The others need no memory
 * and have nothing to fail for as they are made now, but callers ask all the same. After
 * a failure the result is untouched.
 */
#ifndef POOLER_BASE_CRYPTO_H
#define POOLER_BASE_CRYPTO_H

#include "base/slice.h"

enum { CRYPTO_SHA256_LEN = 32, CRYPTO_SHA256_BLOCK = 64, CRYPTO_MD5_LEN = 16 };

/* Of all parts in a row. */
bool crypto_sha256(const struct slice *parts, size_t count,
		   uint8_t out[CRYPTO_SHA256_LEN]);
bool crypto_md5(const struct slice *parts, size_t count, uint8_t out[CRYPTO_MD5_LEN]);
bool crypto_hmac_sha256(struct slice key, const struct slice *parts, size_t count,
			uint8_t out[CRYPTO_SHA256_LEN]);

/* PBKDF2 with HMAC-SHA-256, one block of output. Takes about 0.7 us per iteration, so
 * callers bound what a peer may ask for. iterations must not be 0. */
bool crypto_pbkdf2_sha256(struct slice password, struct slice salt, uint32_t iterations,
			  uint8_t out[CRYPTO_SHA256_LEN]);

/* Whether the bytes are the same, in a time that tells nothing but their lengths. */
bool crypto_equal(struct slice a, struct slice b);

/* Overwrites a secret; the compiler cannot leave it out. */
void crypto_wipe(void *secret, size_t len);

/* How long len bytes are in base64, padding included. */
static inline size_t crypto_base64_len(size_t len)
{
	return (len + 2) / 3 * 4;
}

/* Writes crypto_base64_len(bytes.len) characters and no NUL. */
void crypto_base64_encode(struct slice bytes, char *out);

/* Strict: padded, no blanks, no stray bits. False when it is not that, or is more than
 * cap bytes; then *out_len is untouched. */
bool crypto_base64_decode(struct slice text, uint8_t *out, size_t cap, size_t *out_len);

#endif
