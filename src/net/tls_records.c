/*
 * The records of TLS 1.3. Both ciphers of its suites take a nonce of 12 bytes, made of
 * the iv and the number of the record, and give a tag of 16.
 */
#include "net/tls_records.h"

#include <assert.h>
#include <openssl/hmac.h>

#include "base/check.h"
#include "base/crypto.h"

enum {
	TAG_LEN = 16,
	ALERT_UNEXPECTED_MESSAGE = 10,
	ALERT_BAD_RECORD_MAC = 20,
	ALERT_RECORD_OVERFLOW = 22,
	ALERT_DECODE_ERROR = 50,
	/* RFC 8446, section 5.5, allows AES-GCM 2^24.5 records under one key. */
	WORN_COUNT = 1 << 23
};

struct tls_suite {
	uint16_t number;
	uint8_t key_len, secret_len;
	const EVP_CIPHER *(*cipher)(void);
	const EVP_MD *(*digest)(void);
};

static const struct tls_suite suites[] = {
    {0x1301, 16, 32, EVP_aes_128_gcm, EVP_sha256},
    {0x1302, 32, 48, EVP_aes_256_gcm, EVP_sha384},
    {0x1303, 32, 32, EVP_chacha20_poly1305, EVP_sha256},
};

static const struct tls_suite *find_suite(uint16_t number)
{
	for (size_t i = 0; i < sizeof(suites) / sizeof(suites[0]); i++)
		if (suites[i].number == number)
			return &suites[i];
	return NULL;
}

bool tls_way_knows(uint16_t suite)
{
	return find_suite(suite) != NULL;
}

/* ---- keys ---- */

/* OpenSSL's HMAC sets up half as much again as ours, and clients wait for this. */
static bool sum(const struct tls_suite *suite, const uint8_t *secret, struct slice info,
		uint8_t block[EVP_MAX_MD_SIZE])
{
	struct slice key = slice_of(secret, suite->secret_len);

	if (suite->secret_len == CRYPTO_SHA256_LEN)
		return crypto_hmac_sha256(key, &info, 1, block);
	return HMAC(suite->digest(), secret, suite->secret_len, info.data, info.len,
		    block, NULL) != NULL;
}

/* HKDF-Expand-Label with an empty context. No label asks for more than one block. */
static bool expand(const struct tls_suite *suite, const uint8_t *secret,
		   const char *label, uint8_t *out, size_t len)
{
	uint8_t info[32] = {0, (uint8_t)len}, block[EVP_MAX_MD_SIZE];
	size_t label_len = strlen(label), at = 2;

	CHECK(len <= suite->secret_len && 4 + 6 + label_len + 1 <= sizeof(info));
	info[at++] = (uint8_t)(6 + label_len);
	memcpy(info + at, "tls13 ", 6);
	memcpy(info + at + 6, label, label_len);
	at += 6 + label_len;
	info[at++] = 0; /* the context's length */
	info[at++] = 1; /* the block's number */
	if (!sum(suite, secret, slice_of(info, at), block))
		return false;
	memcpy(out, block, len);
	crypto_wipe(block, sizeof(block));
	return true;
}

static bool set_key(struct tls_way *way)
{
	const struct tls_suite *suite = way->suite;
	uint8_t key[32];

	bool ok = expand(suite, way->secret, "key", key, suite->key_len) &&
		  expand(suite, way->secret, "iv", way->iv, sizeof(way->iv)) &&
		  EVP_CipherInit_ex(way->cipher, suite->cipher(), NULL, key, NULL,
				    way->is_sealing);
	crypto_wipe(key, sizeof(key));
	return ok;
}

bool tls_way_init(struct tls_way *way, uint16_t suite, bool is_sealing,
		  struct slice secret, uint64_t count)
{
	const struct tls_suite *found = find_suite(suite);

	*way = (struct tls_way){.suite = found, .is_sealing = is_sealing, .count = count};
	if (!found || secret.len != found->secret_len)
		return false;
	way->secret_len = (uint8_t)secret.len;
	memcpy(way->secret, secret.data, secret.len);
	way->cipher = EVP_CIPHER_CTX_new();
	if (way->cipher && set_key(way))
		return true;
	tls_way_fini(way);
	return false;
}

void tls_way_fini(struct tls_way *way)
{
	EVP_CIPHER_CTX_free(way->cipher);
	crypto_wipe(way, sizeof(*way));
}

bool tls_way_renew(struct tls_way *way)
{
	uint8_t next[TLS_SECRET_MAX];

	if (!expand(way->suite, way->secret, "traffic upd", next, way->secret_len))
		return false;
	memcpy(way->secret, next, way->secret_len);
	crypto_wipe(next, sizeof(next));
	way->count = 0;
	return set_key(way);
}

bool tls_way_is_worn(const struct tls_way *way)
{
	return way->count >= WORN_COUNT;
}

/* ---- records ---- */

/* Starts the next record: its nonce and, as the authenticated rest, its header. */
static bool start(struct tls_way *way, const uint8_t header[TLS_RECORD_HEADER])
{
	uint8_t nonce[sizeof(way->iv)];
	int len;

	memcpy(nonce, way->iv, sizeof(nonce));
	for (int i = 0; i < 8; i++)
		nonce[11 - i] ^= (uint8_t)(way->count >> (8 * i));
	way->count++;
	return EVP_CipherInit_ex(way->cipher, NULL, NULL, NULL, nonce, -1) &&
	       EVP_CipherUpdate(way->cipher, NULL, &len, header, TLS_RECORD_HEADER);
}

static bool add(struct tls_way *way, struct slice bytes, uint8_t **at)
{
	int len;

	if (bytes.len == 0)
		return true;
	if (!EVP_CipherUpdate(way->cipher, *at, &len, bytes.data, (int)bytes.len))
		return false;
	*at += len;
	return true;
}

static bool finish(struct tls_way *way, uint8_t *at)
{
	int len;

	return EVP_CipherFinal_ex(way->cipher, at, &len) && len == 0 &&
	       EVP_CIPHER_CTX_ctrl(way->cipher, EVP_CTRL_AEAD_GET_TAG, TAG_LEN, at);
}

size_t tls_way_seal(struct tls_way *way, enum tls_record_type type, struct slice first,
		    struct slice second, uint8_t *out)
{
	size_t body_len = first.len + second.len + 1 + TAG_LEN;
	uint8_t *at = out + TLS_RECORD_HEADER, last = (uint8_t)type;

	CHECK(way->is_sealing && first.len + second.len <= TLS_RECORD_PLAIN_MAX);
	/* On the wire every record is application data of TLS 1.2. */
	out[0] = TLS_RECORD_DATA;
	out[1] = out[2] = 3;
	out[3] = (uint8_t)(body_len >> 8);
	out[4] = (uint8_t)body_len;
	if (start(way, out) && add(way, first, &at) && add(way, second, &at) &&
	    add(way, slice_of(&last, 1), &at) && finish(way, at))
		return TLS_RECORD_HEADER + body_len;
	return 0;
}

size_t tls_record_len(struct slice bytes)
{
	if (bytes.len < TLS_RECORD_HEADER)
		return 0;
	return TLS_RECORD_HEADER + (size_t)((unsigned)bytes.data[3] << 8 | bytes.data[4]);
}

static enum tls_opened bad(struct tls_record *out, uint8_t alert)
{
	out->alert = alert;
	return TLS_OPENED_BAD;
}

/* The type stands behind the bytes, and behind it as many zeros as the peer liked. */
static enum tls_opened find_type(struct tls_record *out)
{
	struct slice *plain = &out->plain;

	while (plain->len > 0 && plain->data[plain->len - 1] == 0)
		plain->len--;
	if (plain->len == 0)
		return bad(out, ALERT_UNEXPECTED_MESSAGE);
	out->type = plain->data[--plain->len];
	return plain->len > TLS_RECORD_PLAIN_MAX ? bad(out, ALERT_RECORD_OVERFLOW)
						 : TLS_OPENED;
}

static bool decrypt(struct tls_way *way, uint8_t *record, size_t body_len)
{
	uint8_t *body = record + TLS_RECORD_HEADER, *at = body;
	uint8_t *tag = body + body_len;
	int len;

	return start(way, record) && add(way, slice_of(body, body_len), &at) &&
	       EVP_CIPHER_CTX_ctrl(way->cipher, EVP_CTRL_AEAD_SET_TAG, TAG_LEN, tag) &&
	       EVP_CipherFinal_ex(way->cipher, at, &len);
}

enum tls_opened tls_way_open(struct tls_way *way, uint8_t *bytes, size_t len,
			     struct tls_record *out)
{
	*out = (struct tls_record){.total_len = tls_record_len(slice_of(bytes, len))};
	CHECK(!way->is_sealing);
	if (out->total_len == 0)
		return TLS_OPENED_PART;
	if (bytes[0] != TLS_RECORD_DATA)
		return bad(out, ALERT_UNEXPECTED_MESSAGE);
	if (out->total_len > TLS_RECORD_MAX)
		return bad(out, ALERT_RECORD_OVERFLOW);
	/* Shorter than its tag and its type. */
	if (out->total_len < TLS_RECORD_EXTRA)
		return bad(out, ALERT_DECODE_ERROR);
	if (out->total_len > len)
		return TLS_OPENED_PART;
	size_t body_len = out->total_len - TLS_RECORD_HEADER - TAG_LEN;
	if (!decrypt(way, bytes, body_len))
		return bad(out, ALERT_BAD_RECORD_MAC);
	out->plain = slice_of(bytes + TLS_RECORD_HEADER, body_len);
	return find_type(out);
}
