/*
 * Cancel keys handed out to clients, and whom they reach: a hash table of random numbers.
 *
 * A key begins with 64 random bits of our own. They are their own hash and nobody can
 * make them collide; the sign bit of the first byte is clear since some clients show the
 * first half as a process id, and the bit behind it says whether the key is a long one.
 * The rest of a long key is stored nowhere: it is a keyed digest of its beginning.
 */
#ifndef POOLER_POOL_CANCELS_H
#define POOLER_POOL_CANCELS_H

#include "base/slice.h"

enum {
	CANCELS_SHORT_LEN = 8, /* a process id and 4 bytes: before protocol 3.2 */
	CANCELS_LONG_LEN = 36, /* and 32 bytes, as many as PostgreSQL's own have */
	CANCELS_SECRET_LEN = 32,
};

/* Embedded in whom the key reaches. Zero is valid: no key. */
struct cancel_key {
	uint64_t key;            /* the first eight bytes as they are on the wire */
	struct cancel_key *next; /* in its bucket */
};

struct cancels {
	struct cancel_key **buckets;
	size_t bucket_count; /* a power of two */
	size_t count;
	uint8_t secret[CANCELS_SECRET_LEN]; /* that the rest of long keys is made with */
};

int cancels_init(struct cancels *c); /* 0 or -ENOMEM */
void cancels_fini(struct cancels *c);

/* Gives it a new key that is not in use. */
void cancels_hand_out(struct cancels *c, struct cancel_key *key, bool is_long);
/* Takes the key back; harmless when there is none. */
void cancels_take_back(struct cancels *c, struct cancel_key *key);

/* Writes all of a key that was handed out; returns its length, or 0 when memory is short.
 */
size_t cancels_spell(const struct cancels *c, const struct cancel_key *key,
		     uint8_t out[CANCELS_LONG_LEN]);

/* Whom these bytes reach, which must be a whole key and nothing else; NULL for nobody. */
struct cancel_key *cancels_find(const struct cancels *c, struct slice bytes);
/* Who was given the key that begins so: for those who need no proof. */
struct cancel_key *cancels_at(const struct cancels *c, uint64_t key);

#endif
