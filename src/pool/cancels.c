/*
 * Chains from a power of two of buckets; doubled when there are more keys than buckets,
 * halved when there are eight times fewer. When memory for another size is short the
 * table stays as it is, and only gets slower.
 */
#include "pool/cancels.h"

#include <endian.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/crypto.h"
#include "base/random.h"

enum { LEAST_BUCKETS = 64 };

/* Of the key as a number in host byte order. */
#define LONG_BIT (1ull << 62)

/* The last bytes of the key choose the bucket: in the first one a bit is always clear. */
static struct cancel_key **bucket_of(struct cancel_key **buckets, size_t bucket_count,
				     uint64_t key)
{
	return &buckets[be64toh(key) & (bucket_count - 1)];
}

int cancels_init(struct cancels *c)
{
	*c = (struct cancels){.bucket_count = LEAST_BUCKETS};
	c->buckets = calloc(LEAST_BUCKETS, sizeof(struct cancel_key *));
	random_bytes(c->secret, sizeof(c->secret));
	return c->buckets ? 0 : -ENOMEM;
}

void cancels_fini(struct cancels *c)
{
	CHECK(c->count == 0);
	free(c->buckets);
	crypto_wipe(c->secret, sizeof(c->secret));
	*c = (struct cancels){0};
}

static void resize(struct cancels *c, size_t bucket_count)
{
	struct cancel_key **buckets = calloc(bucket_count, sizeof(struct cancel_key *));

	if (!buckets)
		return;
	for (size_t i = 0; i < c->bucket_count; i++) {
		struct cancel_key *key;

		while ((key = c->buckets[i]) != NULL) {
			struct cancel_key **to =
			    bucket_of(buckets, bucket_count, key->key);

			c->buckets[i] = key->next;
			key->next = *to;
			*to = key;
		}
	}
	free(c->buckets);
	c->buckets = buckets;
	c->bucket_count = bucket_count;
}

static struct cancel_key *find(const struct cancels *c, uint64_t key)
{
	struct cancel_key *at = *bucket_of(c->buckets, c->bucket_count, key);

	while (at && at->key != key)
		at = at->next;
	return at;
}

static bool is_long(uint64_t key)
{
	return (be64toh(key) & LONG_BIT) != 0;
}

static uint64_t new_key(const struct cancels *c, bool wants_long)
{
	uint64_t key;

	do {
		uint64_t number = random_u64() & (LONG_BIT - 1);
		key = htobe64(wants_long ? number | LONG_BIT : number);
	} while (key == 0 || find(c, key));
	return key;
}

void cancels_hand_out(struct cancels *c, struct cancel_key *key, bool wants_long)
{
	CHECK(key->key == 0);
	if (c->count >= c->bucket_count)
		resize(c, c->bucket_count * 2);
	key->key = new_key(c, wants_long);
	struct cancel_key **bucket = bucket_of(c->buckets, c->bucket_count, key->key);
	key->next = *bucket;
	*bucket = key;
	c->count++;
}

void cancels_take_back(struct cancels *c, struct cancel_key *key)
{
	if (key->key == 0)
		return;
	struct cancel_key **at = bucket_of(c->buckets, c->bucket_count, key->key);
	while (*at != key) {
		CHECK(*at != NULL);
		at = &(*at)->next;
	}
	*at = key->next;
	*key = (struct cancel_key){0};
	c->count--;
	if (c->bucket_count > LEAST_BUCKETS && c->count < c->bucket_count / 8)
		resize(c, c->bucket_count / 2);
}

/* 0 when memory is short. */
static size_t spell(const struct cancels *c, uint64_t key, uint8_t out[CANCELS_LONG_LEN])
{
	struct slice begin = slice_of(out, CANCELS_SHORT_LEN);
	uint8_t digest[CRYPTO_SHA256_LEN];

	memcpy(out, &key, sizeof(key));
	if (!is_long(key))
		return CANCELS_SHORT_LEN;
	if (!crypto_hmac_sha256(slice_of(c->secret, sizeof(c->secret)), &begin, 1,
				digest))
		return 0;
	memcpy(out + CANCELS_SHORT_LEN, digest, CANCELS_LONG_LEN - CANCELS_SHORT_LEN);
	return CANCELS_LONG_LEN;
}

size_t cancels_spell(const struct cancels *c, const struct cancel_key *key,
		     uint8_t out[CANCELS_LONG_LEN])
{
	CHECK(key->key != 0);
	return spell(c, key->key, out);
}

struct cancel_key *cancels_at(const struct cancels *c, uint64_t key)
{
	return key == 0 ? NULL : find(c, key);
}

struct cancel_key *cancels_find(const struct cancels *c, struct slice bytes)
{
	uint8_t right[CANCELS_LONG_LEN];
	uint64_t key;

	if (bytes.len < sizeof(key))
		return NULL;
	memcpy(&key, bytes.data, sizeof(key));
	struct cancel_key *found = cancels_at(c, key);
	if (!found)
		return NULL;
	size_t len = spell(c, key, right);
	/* Who knows the beginning must not find out the rest byte by byte. */
	return len > 0 && crypto_equal(bytes, slice_of(right, len)) ? found : NULL;
}
