/*
 * SHA-256 by OpenSSL's plain functions, with HMAC and PBKDF2 on top of them; MD5 by EVP,
 * which refuses it where it is forbidden.
 *
 * OpenSSL 3.0 calls its plain functions deprecated. EVP finds each digest by name under
 * locks and allocates its state: that is six times the cost of the sum itself, and a
 * login makes thirty of them. Here the state is on the stack, so that nothing can fail.
 */
#define OPENSSL_SUPPRESS_DEPRECATED
#include "base/crypto.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/sha.h>

#include "base/check.h"

static void take_in(SHA256_CTX *sum, const struct slice *parts, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (parts[i].len > 0)
			SHA256_Update(sum, parts[i].data, parts[i].len);
}

bool crypto_sha256(const struct slice *parts, size_t count,
		   uint8_t out[CRYPTO_SHA256_LEN])
{
	SHA256_CTX sum;

	SHA256_Init(&sum);
	take_in(&sum, parts, count);
	SHA256_Final(out, &sum);
	crypto_wipe(&sum, sizeof(sum));
	return true;
}

bool crypto_md5(const struct slice *parts, size_t count, uint8_t out[CRYPTO_MD5_LEN])
{
	EVP_MD_CTX *context = EVP_MD_CTX_new();
	bool is_ok = context && EVP_DigestInit_ex(context, EVP_md5(), NULL) == 1;

	for (size_t i = 0; is_ok && i < count; i++)
		is_ok = EVP_DigestUpdate(context, parts[i].data, parts[i].len) == 1;
	is_ok = is_ok && EVP_DigestFinal_ex(context, out, NULL) == 1;
	EVP_MD_CTX_free(context); /* wipes its state */
	return is_ok;
}

/* HMAC's two halves, each having taken in the padded key. */
struct keyed {
	SHA256_CTX inner, outer;
};

static void take_padded_key(SHA256_CTX *sum, const uint8_t *key, uint8_t pad)
{
	uint8_t block[CRYPTO_SHA256_BLOCK];

	for (size_t i = 0; i < sizeof(block); i++)
		block[i] = key[i] ^ pad;
	SHA256_Init(sum);
	SHA256_Update(sum, block, sizeof(block));
	crypto_wipe(block, sizeof(block));
}

static void keyed_init(struct keyed *k, struct slice key)
{
	uint8_t block[CRYPTO_SHA256_BLOCK] = {0};

	if (key.len > sizeof(block))
		crypto_sha256(&key, 1, block);
	else if (key.len > 0)
		memcpy(block, key.data, key.len);
	take_padded_key(&k->inner, block, 0x36);
	take_padded_key(&k->outer, block, 0x5c);
	crypto_wipe(block, sizeof(block));
}

/* The state that is worked on is left in there, to be wiped with the rest. */
static void keyed_sum(const struct keyed *k, SHA256_CTX *work, const struct slice *parts,
		      size_t count, uint8_t out[CRYPTO_SHA256_LEN])
{
	*work = k->inner;
	take_in(work, parts, count);
	SHA256_Final(out, work);
	*work = k->outer;
	SHA256_Update(work, out, CRYPTO_SHA256_LEN);
	SHA256_Final(out, work);
}

bool crypto_hmac_sha256(struct slice key, const struct slice *parts, size_t count,
			uint8_t out[CRYPTO_SHA256_LEN])
{
	struct keyed k;
	SHA256_CTX work;

	keyed_init(&k, key);
	keyed_sum(&k, &work, parts, count, out);
	crypto_wipe(&k, sizeof(k));
	crypto_wipe(&work, sizeof(work));
	return true;
}

bool crypto_pbkdf2_sha256(struct slice password, struct slice salt, uint32_t iterations,
			  uint8_t out[CRYPTO_SHA256_LEN])
{
	static const uint8_t first_block[4] = {0, 0, 0, 1};
	struct slice parts[] = {salt, slice_of(first_block, sizeof(first_block))};
	uint8_t round[CRYPTO_SHA256_LEN];
	struct slice previous = slice_of(round, sizeof(round));
	struct keyed k;
	SHA256_CTX work;

	CHECK(iterations > 0);
	keyed_init(&k, password);
	keyed_sum(&k, &work, parts, 2, round);
	memcpy(out, round, sizeof(round));
	for (uint32_t i = 1; i < iterations; i++) {
		keyed_sum(&k, &work, &previous, 1, round);
		for (size_t j = 0; j < sizeof(round); j++)
			out[j] ^= round[j];
	}
	crypto_wipe(round, sizeof(round));
	crypto_wipe(&k, sizeof(k));
	crypto_wipe(&work, sizeof(work));
	return true;
}

bool crypto_equal(struct slice a, struct slice b)
{
	return a.len == b.len &&
	       (a.len == 0 || CRYPTO_memcmp(a.data, b.data, a.len) == 0);
}

void crypto_wipe(void *secret, size_t len)
{
	if (len > 0)
		OPENSSL_cleanse(secret, len);
}

/* ---- base64 ---- */

static const char letters[] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

void crypto_base64_encode(struct slice bytes, char *out)
{
	while (bytes.len > 0) {
		size_t n = bytes.len < 3 ? bytes.len : 3;
		uint32_t bits = (uint32_t)bytes.data[0] << 16;

		if (n > 1)
			bits |= (uint32_t)bytes.data[1] << 8;
		if (n > 2)
			bits |= bytes.data[2];
		for (size_t i = 0; i < 4; i++)
			out[i] = i <= n ? letters[bits >> (18 - 6 * i) & 63] : '=';
		out += 4;
		bytes = slice_after(bytes, n);
	}
}

static int value_of(uint8_t letter)
{
	if (letter >= 'A' && letter <= 'Z')
		return letter - 'A';
	if (letter >= 'a' && letter <= 'z')
		return letter - 'a' + 26;
	if (letter >= '0' && letter <= '9')
		return letter - '0' + 52;
	if (letter == '+')
		return 62;
	return letter == '/' ? 63 : -1;
}

/* Four letters, the last of which may be padding if that is allowed: how many bytes they
 * stand for, 0 when they are not base64. */
static size_t decode_four(const uint8_t *text, bool is_last, uint8_t out[3])
{
	size_t n = 3;
	uint32_t bits = 0;

	if (is_last && text[3] == '=')
		n = text[2] == '=' ? 1 : 2;
	for (size_t i = 0; i <= n; i++) {
		int value = value_of(text[i]);
		if (value < 0)
			return 0;
		bits |= (uint32_t)value << (18 - 6 * i);
	}
	for (size_t i = 0; i < 3; i++)
		out[i] = (uint8_t)(bits >> (16 - 8 * i));
	bool has_stray_bits = (n < 3 && out[2] != 0) || (n < 2 && out[1] != 0);
	return has_stray_bits ? 0 : n;
}

bool crypto_base64_decode(struct slice text, uint8_t *out, size_t cap, size_t *out_len)
{
	size_t len = 0;

	if (text.len % 4 != 0)
		return false;
	for (; text.len > 0; text = slice_after(text, 4)) {
		uint8_t bytes[3];
		size_t n = decode_four(text.data, text.len == 4, bytes);

		if (n == 0 || n > cap - len)
			return false;
		memcpy(out + len, bytes, n);
		len += n;
	}
	*out_len = len;
	return true;
}
