/*
 * An entry is one piece of memory: the place and the user, which are its key, and behind
 * them the secret.
 */
#include "relay/secret_cache.h"

#include <stdlib.h>

/* Adding fails, instead of ending the program, when memory is short. */
#define HASH_NONFATAL_OOM 1
#include <uthash.h>

#include "auth/login.h"
#include "base/check.h"
#include "base/clock.h"

struct secret_entry {
	UT_hash_handle hh;
	TAILQ_ENTRY(secret_entry) use, age;
	uint64_t expires_us;
	size_t key_len, text_len;
	uint8_t bytes[];
};

/* ---- keys ---- */

struct key {
	uint8_t bytes[CRYPTO_SHA256_LEN + LOGIN_USER_MAX];
	size_t len;
	unsigned hash;
};

static struct key key_of(const struct secret_cache *c, const struct secret_place *place,
			 struct slice user)
{
	struct key key = {.len = sizeof(place->digest) + user.len};

	CHECK(user.len <= LOGIN_USER_MAX);
	memcpy(key.bytes, place->digest, sizeof(place->digest));
	memcpy(key.bytes + sizeof(place->digest), user.data, user.len);
	key.hash = hash_short(&c->hash_key, slice_of(key.bytes, key.len));
	return key;
}

static struct secret_entry *find(const struct secret_cache *c, const struct key *key)
{
	struct secret_entry *entry;

	HASH_FIND_BYHASHVALUE(hh, c->table, key->bytes, key->len, key->hash, entry);
	return entry;
}

/* ---- entries ---- */

static size_t size_of(const struct secret_entry *entry)
{
	return sizeof(*entry) + entry->key_len + entry->text_len;
}

static void destroy(struct secret_entry *entry)
{
	crypto_wipe(entry->bytes + entry->key_len, entry->text_len);
	free(entry);
}

static void drop(struct secret_cache *c, struct secret_entry *entry)
{
	HASH_DELETE(hh, c->table, entry);
	TAILQ_REMOVE(&c->by_use, entry, use);
	TAILQ_REMOVE(&c->by_age, entry, age);
	c->bytes -= size_of(entry);
	destroy(entry);
}

static struct secret_entry *create(const struct key *key, struct slice text)
{
	struct secret_entry *entry = malloc(sizeof(*entry) + key->len + text.len);

	if (!entry)
		return NULL;
	*entry = (struct secret_entry){.key_len = key->len, .text_len = text.len};
	memcpy(entry->bytes, key->bytes, key->len);
	memcpy(entry->bytes + key->len, text.data, text.len);
	return entry;
}

static void make_room(struct secret_cache *c, size_t size)
{
	struct secret_entry *oldest;

	while ((oldest = TAILQ_FIRST(&c->by_use)) &&
	       (HASH_COUNT(c->table) >= SECRET_CACHE_MOST ||
		c->bytes + size > SECRET_CACHE_BYTES_MOST))
		drop(c, oldest);
}

/* ---- public ---- */

void secret_cache_init(struct secret_cache *c)
{
	*c = (struct secret_cache){.hash_key = hash_key_make()};
	TAILQ_INIT(&c->by_use);
	TAILQ_INIT(&c->by_age);
}

bool secret_cache_find(struct secret_cache *c, const struct secret_place *place,
		       struct slice user, uint64_t now_us, struct slice *out_text)
{
	struct key key = key_of(c, place, user);
	struct secret_entry *entry = find(c, &key);

	if (!entry || entry->expires_us <= now_us)
		return false;
	TAILQ_REMOVE(&c->by_use, entry, use);
	TAILQ_INSERT_TAIL(&c->by_use, entry, use);
	*out_text = slice_of(entry->bytes + entry->key_len, entry->text_len);
	return true;
}

void secret_cache_keep(struct secret_cache *c, const struct secret_place *place,
		       struct slice user, struct slice text, uint64_t expires_us)
{
	struct key key = key_of(c, place, user);
	struct secret_entry *entry = create(&key, text);

	secret_cache_forget(c, place, user);
	if (!entry)
		return;
	entry->expires_us = expires_us;
	make_room(c, size_of(entry));
	HASH_ADD_KEYPTR_BYHASHVALUE(hh, c->table, entry->bytes, entry->key_len, key.hash,
				    entry);
	if (!entry->hh.tbl) {
		destroy(entry);
		return;
	}
	TAILQ_INSERT_TAIL(&c->by_use, entry, use);
	TAILQ_INSERT_TAIL(&c->by_age, entry, age);
	c->bytes += size_of(entry);
}

void secret_cache_forget(struct secret_cache *c, const struct secret_place *place,
			 struct slice user)
{
	struct key key = key_of(c, place, user);
	struct secret_entry *entry = find(c, &key);

	if (entry)
		drop(c, entry);
}

void secret_cache_clear(struct secret_cache *c)
{
	struct secret_entry *entry;

	while ((entry = TAILQ_FIRST(&c->by_use)))
		drop(c, entry);
}

void secret_cache_sweep(struct secret_cache *c, uint64_t now_us)
{
	struct secret_entry *entry;

	while ((entry = TAILQ_FIRST(&c->by_age)) && entry->expires_us <= now_us)
		drop(c, entry);
}

uint64_t secret_cache_next_us(const struct secret_cache *c)
{
	const struct secret_entry *entry = TAILQ_FIRST(&c->by_age);

	return entry ? entry->expires_us : CLOCK_NEVER;
}

size_t secret_cache_count(const struct secret_cache *c)
{
	return HASH_COUNT(c->table);
}

void secret_cache_fini(struct secret_cache *c)
{
	secret_cache_clear(c);
}
