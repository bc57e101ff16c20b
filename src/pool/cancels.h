/*
 * Cancel keys handed out to clients, and whom they reach: a hash table of random numbers.
 *
 * The keys are 64 random bits of our own, so they are their own hash and nobody can make
 * them collide; the sign bit of the first byte is clear since some clients show the first
 * half as a process id.
 */
#ifndef POOLER_POOL_CANCELS_H
#define POOLER_POOL_CANCELS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Embedded in whom the key reaches. Zero is valid: no key. */
struct cancel_key {
	uint64_t key;            /* the eight bytes as they are on the wire */
	struct cancel_key *next; /* in its bucket */
};

struct cancels {
	struct cancel_key **buckets;
	size_t bucket_count; /* a power of two */
	size_t count;
};

int cancels_init(struct cancels *c); /* 0 or -ENOMEM */
void cancels_fini(struct cancels *c);

/* Gives it a new key that is not in use. */
void cancels_hand_out(struct cancels *c, struct cancel_key *key);
/* Takes the key back; harmless when there is none. */
void cancels_take_back(struct cancels *c, struct cancel_key *key);
/* Whom these eight bytes reach; NULL for nobody. */
struct cancel_key *cancels_find(const struct cancels *c, const uint8_t bytes[8]);

#endif
