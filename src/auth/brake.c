/*
 * A hash of entries, and a list of the same in the order of their latest failures. Each
 * keeps the times of its failures in a ring that grows as they come, so the window slides
 * and is no bucket.
 */
#include "auth/brake.h"

#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#define HASH_NONFATAL_OOM 1
#define uthash_nonfatal_oom(obj) ((void)(obj))
#include <uthash.h>

#include "auth/login.h"
#include "base/check.h"
#include "base/hash.h"

enum {
	KEY_MAX = 1 + BRAKE_ADDRESS_MAX + LOGIN_USER_MAX,
	RING_FIRST = 4,
	STALE_AT_ONCE = 16 /* so that no failure pays for many */
};

/* The address's length, the address, the name. */
struct key {
	size_t len;
	uint8_t bytes[KEY_MAX];
};

struct entry {
	UT_hash_handle hh;
	TAILQ_ENTRY(entry) place;
	uint64_t *failures_us; /* a ring */
	unsigned capacity, first, count;
	uint64_t last_us, blocked_until_us;
	uint64_t order;
	size_t key_len;
	uint8_t key[];
};

struct brake {
	struct hash_key hash_key;
	struct entry *table;
	TAILQ_HEAD(, entry) by_age; /* the latest failure at the tail */
	size_t count, entries_max;
	uint64_t last_order;
};

struct brake *brake_create(size_t entries_max)
{
	struct brake *b = calloc(1, sizeof(*b));

	CHECK(entries_max > 0);
	if (!b)
		return NULL;
	b->hash_key = hash_key_make();
	b->entries_max = entries_max;
	TAILQ_INIT(&b->by_age);
	return b;
}

static void drop(struct brake *b, struct entry *e)
{
	HASH_DELETE(hh, b->table, e);
	TAILQ_REMOVE(&b->by_age, e, place);
	b->count--;
	free(e->failures_us);
	free(e);
}

void brake_reset(struct brake *brake)
{
	struct entry *e;

	while ((e = TAILQ_FIRST(&brake->by_age)))
		drop(brake, e);
}

void brake_destroy(struct brake *brake)
{
	if (!brake)
		return;
	brake_reset(brake);
	free(brake);
}

/* ---- who ---- */

/* What belongs to one customer is one address. */
static struct slice network_of(struct slice address, uint8_t space[BRAKE_ADDRESS_MAX])
{
	static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};

	CHECK(address.len <= BRAKE_ADDRESS_MAX);
	if (address.len < BRAKE_ADDRESS_MAX)
		return address;
	if (memcmp(address.data, mapped, sizeof(mapped)) == 0)
		return slice_after(address, sizeof(mapped));
	memset(space, 0, BRAKE_ADDRESS_MAX);
	memcpy(space, address.data, BRAKE_ADDRESS_MAX / 2);
	return slice_of(space, BRAKE_ADDRESS_MAX);
}

static struct key key_of(const struct brake_who *who)
{
	struct key key = {0};
	uint8_t space[BRAKE_ADDRESS_MAX];
	struct slice address = network_of(who->address, space);
	size_t user_len = who->user.len < LOGIN_USER_MAX ? who->user.len : LOGIN_USER_MAX;

	key.bytes[0] = (uint8_t)address.len;
	if (address.len > 0)
		memcpy(key.bytes + 1, address.data, address.len);
	if (user_len > 0)
		memcpy(key.bytes + 1 + address.len, who->user.data, user_len);
	key.len = 1 + address.len + user_len;
	return key;
}

static struct entry *find(const struct brake *b, const struct key *key)
{
	struct entry *e;

	HASH_FIND_BYHASHVALUE(hh, b->table, key->bytes, key->len,
			      hash_short(&b->hash_key, slice_of(key->bytes, key->len)),
			      e);
	return e;
}

static struct entry *add(struct brake *b, const struct key *key)
{
	struct entry *e = calloc(1, sizeof(*e) + key->len);

	if (!e)
		return NULL;
	memcpy(e->key, key->bytes, key->len);
	e->key_len = key->len;
	HASH_ADD_KEYPTR_BYHASHVALUE(
	    hh, b->table, e->key, e->key_len,
	    hash_short(&b->hash_key, slice_of(e->key, e->key_len)), e);
	if (!e->hh.tbl) {
		free(e);
		return NULL;
	}
	TAILQ_INSERT_TAIL(&b->by_age, e, place);
	b->count++;
	return e;
}

/* ---- failures ---- */

static void forget_oldest(struct entry *e)
{
	e->first = (e->first + 1) % e->capacity;
	e->count--;
}

static void forget_before(struct entry *e, uint64_t window_us, uint64_t now_us)
{
	while (e->count > 0 && now_us - e->failures_us[e->first] >= window_us)
		forget_oldest(e);
}

static bool grow(struct entry *e)
{
	unsigned capacity = e->capacity ? 2 * e->capacity : RING_FIRST;
	uint64_t *ring = calloc(capacity, sizeof(*ring));

	if (!ring)
		return false;
	for (unsigned i = 0; i < e->count; i++)
		ring[i] = e->failures_us[(e->first + i) % e->capacity];
	free(e->failures_us);
	e->failures_us = ring;
	e->capacity = capacity;
	e->first = 0;
	return true;
}

/* Without memory for more, the oldest makes room. */
static void note(struct entry *e, uint64_t now_us)
{
	if (e->count == e->capacity && !grow(e)) {
		if (e->count == 0)
			return;
		forget_oldest(e);
	}
	e->failures_us[(e->first + e->count) % e->capacity] = now_us;
	e->count++;
}

/* Those that matter no more go before the table is full of them. */
static void drop_stale(struct brake *b, uint64_t window_us, uint64_t now_us)
{
	struct entry *e;

	for (int n = 0; n < STALE_AT_ONCE; n++) {
		e = TAILQ_FIRST(&b->by_age);
		if (!e || e->blocked_until_us > now_us || now_us - e->last_us < window_us)
			return;
		drop(b, e);
	}
}

static struct entry *find_or_add(struct brake *b, const struct brake_who *who)
{
	struct key key = key_of(who);
	struct entry *e = find(b, &key);

	if (e)
		return e;
	if (b->count >= b->entries_max)
		drop(b, TAILQ_FIRST(&b->by_age));
	return add(b, &key);
}

/* The latest failure is the tail's. */
static void touch(struct brake *b, struct entry *e, uint64_t now_us)
{
	TAILQ_REMOVE(&b->by_age, e, place);
	TAILQ_INSERT_TAIL(&b->by_age, e, place);
	e->last_us = now_us;
	e->order = ++b->last_order;
}

bool brake_failed(struct brake *brake, const struct brake_rules *rules,
		  const struct brake_who *who, uint64_t now_us)
{
	unsigned limit = BRAKE_FAILURES_MAX;

	if (rules->failure_limit <= 0)
		return false;
	if ((unsigned)rules->failure_limit < limit)
		limit = (unsigned)rules->failure_limit;
	drop_stale(brake, rules->window_us, now_us);
	struct entry *e = find_or_add(brake, who);
	if (!e)
		return false;
	touch(brake, e, now_us);
	if (e->blocked_until_us > now_us)
		return false;
	if (e->blocked_until_us > 0)
		e->blocked_until_us = e->count = 0;
	forget_before(e, rules->window_us, now_us);
	note(e, now_us);
	if (e->count < limit)
		return false;
	e->blocked_until_us = now_us + rules->block_us;
	return true;
}

uint64_t brake_blocked_us(const struct brake *brake, const struct brake_who *who,
			  uint64_t now_us)
{
	struct key key = key_of(who);
	const struct entry *e = find(brake, &key);

	return e && e->blocked_until_us > now_us ? e->blocked_until_us - now_us : 0;
}

void brake_passed(struct brake *brake, const struct brake_who *who)
{
	struct key key = key_of(who);
	struct entry *e = find(brake, &key);

	if (e)
		drop(brake, e);
}

static struct slice user_of(const struct entry *e)
{
	return slice_after(slice_of(e->key, e->key_len), 1 + (size_t)e->key[0]);
}

size_t brake_reset_user(struct brake *brake, struct slice user)
{
	struct entry *e = TAILQ_FIRST(&brake->by_age);
	size_t before = brake->count;

	if (user.len > LOGIN_USER_MAX)
		user = slice_first(user, LOGIN_USER_MAX);
	while (e) {
		struct entry *next = TAILQ_NEXT(e, place);
		if (slice_equal(user_of(e), user))
			drop(brake, e);
		e = next;
	}
	return before - brake->count;
}

/* ---- for the console ---- */

size_t brake_count(const struct brake *brake)
{
	return brake->count;
}

bool brake_next(const struct brake *brake, const void **cursor, struct brake_row *out)
{
	const struct entry *before = *cursor;
	const struct entry *e =
	    before ? TAILQ_NEXT(before, place) : TAILQ_FIRST(&brake->by_age);

	if (!e)
		return false;
	*cursor = e;
	*out = (struct brake_row){
	    .user = user_of(e),
	    .address = slice_of(e->key + 1, e->key[0]),
	    .failures = e->count,
	    .last_us = e->last_us,
	    .blocked_until_us = e->blocked_until_us,
	    .order = e->order,
	};
	return true;
}

const void *brake_cursor(const struct brake *brake, const struct brake_who *who,
			 uint64_t order)
{
	struct key key = key_of(who);
	const struct entry *e = find(brake, &key), *before = NULL;

	if (e && e->order == order)
		return e;
	TAILQ_FOREACH (e, &brake->by_age, place) {
		if (e->order > order)
			break;
		before = e;
	}
	return before;
}
