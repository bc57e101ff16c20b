/*
 * SipHash-2-4 as its authors published it ("SipHash: a fast short-input PRF", 2012).
 * OpenSSL has it too, behind a context per call that costs more than the hash itself.
 */
#include "base/hash.h"

#include "base/random.h"

struct sip {
	uint64_t v0, v1, v2, v3;
};

static inline uint64_t rotate(uint64_t x, unsigned by)
{
	return x << by | x >> (64 - by);
}

static inline void sip_round(struct sip *s)
{
	s->v0 += s->v1;
	s->v1 = rotate(s->v1, 13) ^ s->v0;
	s->v0 = rotate(s->v0, 32);
	s->v2 += s->v3;
	s->v3 = rotate(s->v3, 16) ^ s->v2;
	s->v0 += s->v3;
	s->v3 = rotate(s->v3, 21) ^ s->v0;
	s->v2 += s->v1;
	s->v1 = rotate(s->v1, 17) ^ s->v2;
	s->v2 = rotate(s->v2, 32);
}

static inline void sip_word(struct sip *s, uint64_t word)
{
	s->v3 ^= word;
	sip_round(s);
	sip_round(s);
	s->v0 ^= word;
}

static uint64_t little_endian(const uint8_t *bytes, size_t len)
{
	uint64_t word = 0;

	for (size_t i = 0; i < len; i++)
		word |= (uint64_t)bytes[i] << (8 * i);
	return word;
}

struct hash_key hash_key_make(void)
{
	struct hash_key key;

	random_bytes(&key, sizeof(key));
	return key;
}

uint64_t hash_bytes(const struct hash_key *key, struct slice bytes)
{
	struct sip s = {
	    .v0 = key->k0 ^ 0x736f6d6570736575ULL,
	    .v1 = key->k1 ^ 0x646f72616e646f6dULL,
	    .v2 = key->k0 ^ 0x6c7967656e657261ULL,
	    .v3 = key->k1 ^ 0x7465646279746573ULL,
	};
	size_t whole = bytes.len / 8 * 8;

	for (size_t i = 0; i < whole; i += 8)
		sip_word(&s, little_endian(bytes.data + i, 8));
	uint64_t last = little_endian(bytes.data + whole, bytes.len - whole);
	sip_word(&s, last | (uint64_t)bytes.len << 56);
	s.v2 ^= 0xff;
	for (int i = 0; i < 4; i++)
		sip_round(&s);
	return s.v0 ^ s.v1 ^ s.v2 ^ s.v3;
}
