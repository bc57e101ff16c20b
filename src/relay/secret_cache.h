/*
 * Secrets that were found by query, for a while: by where they were found and whose they
 * are. Bounded in number and in bytes; what was used least recently leaves first. Wiped
 * when dropped. Knows nothing of time: callers say what time it is.
 */
#ifndef POOLER_RELAY_SECRET_CACHE_H
#define POOLER_RELAY_SECRET_CACHE_H

#include <sys/queue.h>

#include "base/crypto.h"
#include "base/hash.h"

enum {
	/* As many users as a large installation has; a verifier is 133 bytes, so they
	   take some 4 MB. */
	SECRET_CACHE_MOST = 10000,
	/* Passwords in clear may have 64 kB. */
	SECRET_CACHE_BYTES_MOST = 8 * 1024 * 1024
};

struct secret_entry;
TAILQ_HEAD(secret_entries, secret_entry);

struct secret_cache {
	struct hash_key hash_key;
	struct secret_entry *table;
	struct secret_entries by_use; /* the least recently used first */
	struct secret_entries by_age; /* the oldest first */
	size_t bytes;
};

/* Where: a digest of all that makes the source. */
struct secret_place {
	uint8_t digest[CRYPTO_SHA256_LEN];
};

void secret_cache_init(struct secret_cache *cache);
void secret_cache_fini(struct secret_cache *cache);

/* The secret's text, valid until the next call; false when there is none that is young
 * enough. */
bool secret_cache_find(struct secret_cache *cache, const struct secret_place *place,
		       struct slice user, uint64_t now_us, struct slice *out_text);
/* In place of what was there; does nothing when memory is short. */
void secret_cache_keep(struct secret_cache *cache, const struct secret_place *place,
		       struct slice user, struct slice text, uint64_t expires_us);
void secret_cache_forget(struct secret_cache *cache, const struct secret_place *place,
			 struct slice user);
void secret_cache_clear(struct secret_cache *cache);

/* Drops what is too old, as far as those kept earlier are too old as well: all, when all
 * are kept equally long. */
void secret_cache_sweep(struct secret_cache *cache, uint64_t now_us);
/* When to sweep next, or CLOCK_NEVER. */
uint64_t secret_cache_next_us(const struct secret_cache *cache);

size_t secret_cache_count(const struct secret_cache *cache);

#endif
