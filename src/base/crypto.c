/*
 * OpenSSL's EVP digests, with HMAC and PBKDF2 on top of them.
 *
 * Its own PBKDF2 takes three and a half times as long as this one (OpenSSL 3.0 sets up
 * each of the 4096 HMACs anew); here two contexts hold the state after the padded key and
 * are copied for each round.
 */
#include "base/crypto.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>

#include "base/check.h"

static bool digest(const EVP_MD *kind, const struct slice *parts, size_t count,
		   uint8_t *out)
{
	EVP_MD_CTX *context = EVP_MD_CTX_new();
	bool is_ok = context && EVP_DigestInit_ex(context, kind, NULL) == 1;

	for (size_t i = 0; is_ok && i < count; i++)
		is_ok = EVP_DigestUpdate(context, parts[i].data, parts[i].len) == 1;
	is_ok = is_ok && EVP_DigestFinal_ex(context, out, NULL) == 1;
	EVP_MD_CTX_free(context); /* wipes its state */
	return is_ok;
}

bool crypto_sha256(const struct slice *parts, size_t count,
		   uint8_t out[CRYPTO_SHA256_LEN])
{
	return digest(EVP_sha256(), parts, count, out);
}

bool crypto_md5(const struct slice *parts, size_t count, uint8_t out[CRYPTO_MD5_LEN])
{
	return digest(EVP_md5(), parts, count, out);
}

/* HMAC's two halves, each having taken in the padded key. */
struct keyed {
	EVP_MD_CTX *inner, *outer, *work;
};

static void keyed_fini(struct keyed *k)
{
	EVP_MD_CTX_free(k->work);
	EVP_MD_CTX_free(k->outer);
	EVP_MD_CTX_free(k->inner);
}

static bool take_padded_key(EVP_MD_CTX *context, const EVP_MD *kind, const uint8_t *key,
			    uint8_t pad)
{
	uint8_t block[CRYPTO_SHA256_BLOCK];

	for (size_t i = 0; i < sizeof(block); i++)
		block[i] = key[i] ^ pad;
	bool is_ok = EVP_DigestInit_ex(context, kind, NULL) == 1 &&
		     EVP_DigestUpdate(context, block, sizeof(block)) == 1;
	crypto_wipe(block, sizeof(block));
	return is_ok;
}

static bool keyed_init(struct keyed *k, struct slice key)
{
	uint8_t block[CRYPTO_SHA256_BLOCK] = {0};
	bool is_ok = true;
	/* OpenSSL looks up by name what it is not given ready, with locks. */
	EVP_MD *kind = EVP_MD_fetch(NULL, "SHA256", NULL);

	*k = (struct keyed){EVP_MD_CTX_new(), EVP_MD_CTX_new(), EVP_MD_CTX_new()};
	if (key.len > sizeof(block))
		is_ok = crypto_sha256(&key, 1, block);
	else if (key.len > 0)
		memcpy(block, key.data, key.len);
	is_ok = is_ok && kind && k->inner && k->outer && k->work &&
		take_padded_key(k->inner, kind, block, 0x36) &&
		take_padded_key(k->outer, kind, block, 0x5c);
	crypto_wipe(block, sizeof(block));
	EVP_MD_free(kind); /* the contexts hold it, too */
	return is_ok;
}

static bool keyed_sum(const struct keyed *k, const struct slice *parts, size_t count,
		      uint8_t out[CRYPTO_SHA256_LEN])
{
	bool is_ok = EVP_MD_CTX_copy_ex(k->work, k->inner) == 1;

	for (size_t i = 0; is_ok && i < count; i++)
		is_ok = EVP_DigestUpdate(k->work, parts[i].data, parts[i].len) == 1;
	return is_ok && EVP_DigestFinal_ex(k->work, out, NULL) == 1 &&
	       EVP_MD_CTX_copy_ex(k->work, k->outer) == 1 &&
	       EVP_DigestUpdate(k->work, out, CRYPTO_SHA256_LEN) == 1 &&
	       EVP_DigestFinal_ex(k->work, out, NULL) == 1;
}

bool crypto_hmac_sha256(struct slice key, const struct slice *parts, size_t count,
			uint8_t out[CRYPTO_SHA256_LEN])
{
	struct keyed k;
	uint8_t sum[CRYPTO_SHA256_LEN];
	bool is_ok = keyed_init(&k, key) && keyed_sum(&k, parts, count, sum);

	keyed_fini(&k);
	if (is_ok)
		memcpy(out, sum, sizeof(sum));
	crypto_wipe(sum, sizeof(sum));
	return is_ok;
}

static bool stretch(const struct keyed *k, struct slice salt, uint32_t iterations,
		    uint8_t sum[CRYPTO_SHA256_LEN])
{
	static const uint8_t first_block[4] = {0, 0, 0, 1};
	struct slice parts[] = {salt, slice_of(first_block, sizeof(first_block))};
	uint8_t round[CRYPTO_SHA256_LEN];
	struct slice previous = slice_of(round, sizeof(round));
	bool is_ok = keyed_sum(k, parts, 2, round);

	memcpy(sum, round, sizeof(round));
	for (uint32_t i = 1; is_ok && i < iterations; i++) {
		is_ok = keyed_sum(k, &previous, 1, round);
		for (size_t j = 0; j < sizeof(round); j++)
			sum[j] ^= round[j];
	}
	crypto_wipe(round, sizeof(round));
	return is_ok;
}

bool crypto_pbkdf2_sha256(struct slice password, struct slice salt, uint32_t iterations,
			  uint8_t out[CRYPTO_SHA256_LEN])
{
	struct keyed k;
	uint8_t sum[CRYPTO_SHA256_LEN] = {0};

	CHECK(iterations > 0);
	bool is_ok = keyed_init(&k, password) && stretch(&k, salt, iterations, sum);
	keyed_fini(&k);
	if (is_ok)
		memcpy(out, sum, sizeof(sum));
	crypto_wipe(sum, sizeof(sum));
	return is_ok;
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
