/*
 * The keyed hash (SipHash-2-4) behind every map that holds names a peer can choose: who
 * does not know the key cannot make names collide. uthash stores and compares; its
 * *_BYHASHVALUE macros take the value from here.
 */
#ifndef POOLER_BASE_HASH_H
#define POOLER_BASE_HASH_H

#include "base/slice.h"

struct hash_key {
	uint64_t k0, k1;
};

/* A new random key. */
struct hash_key hash_key_make(void);

uint64_t hash_bytes(const struct hash_key *key, struct slice bytes);

/* Folded to the width uthash works with. */
static inline unsigned hash_short(const struct hash_key *key, struct slice bytes)
{
	uint64_t h = hash_bytes(key, bytes);

	return (unsigned)(h ^ h >> 32);
}

#endif
