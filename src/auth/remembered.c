/*
 * SaltedPasswords by user name, the latest used last.
 */
#include "auth/remembered.h"

#include <stdlib.h>
#include <sys/queue.h>

/* Without memory nothing is kept. */
#define HASH_NONFATAL_OOM 1
#define uthash_nonfatal_oom(obj) ((void)(obj))
#include <uthash.h>

#include "auth/login.h"
#include "base/check.h"
#include "base/crypto.h"
#include "base/hash.h"

struct entry {
	UT_hash_handle hh;
	TAILQ_ENTRY(entry) place;
	struct scram_salted salted;
	size_t user_len;
	uint8_t user[LOGIN_USER_MAX];
};

struct remembered {
	struct hash_key key;
	struct entry *table;
	TAILQ_HEAD(, entry) by_use;
	size_t count, max;
};

struct remembered *remembered_create(size_t entries_max)
{
	struct remembered *r = calloc(1, sizeof(*r));

	if (!r)
		return NULL;
	r->key = hash_key_make();
	r->max = entries_max;
	TAILQ_INIT(&r->by_use);
	return r;
}

static void drop(struct remembered *r, struct entry *e)
{
	HASH_DEL(r->table, e);
	TAILQ_REMOVE(&r->by_use, e, place);
	r->count--;
	crypto_wipe(e, sizeof(*e));
	free(e);
}

void remembered_clear(struct remembered *r)
{
	struct entry *e;

	while ((e = TAILQ_FIRST(&r->by_use)))
		drop(r, e);
}

void remembered_destroy(struct remembered *r)
{
	if (!r)
		return;
	remembered_clear(r);
	free(r);
}

static struct entry *find(struct remembered *r, struct slice user)
{
	struct entry *e;

	HASH_FIND_BYHASHVALUE(hh, r->table, user.data, user.len,
			      hash_short(&r->key, user), e);
	if (!e)
		return NULL;
	TAILQ_REMOVE(&r->by_use, e, place);
	TAILQ_INSERT_TAIL(&r->by_use, e, place);
	return e;
}

const struct scram_salted *remembered_find(struct remembered *r, struct slice user)
{
	struct entry *e = find(r, user);

	return e ? &e->salted : NULL;
}

static struct entry *add(struct remembered *r, struct slice user)
{
	struct entry *e = calloc(1, sizeof(*e));

	if (!e)
		return NULL;
	if (r->count == r->max)
		drop(r, TAILQ_FIRST(&r->by_use));
	e->user_len = user.len;
	memcpy(e->user, user.data, user.len);
	HASH_ADD_KEYPTR_BYHASHVALUE(hh, r->table, e->user, e->user_len,
				    hash_short(&r->key, user), e);
	if (!e->hh.tbl) {
		free(e);
		return NULL;
	}
	TAILQ_INSERT_TAIL(&r->by_use, e, place);
	r->count++;
	return e;
}

void remembered_keep(struct remembered *r, struct slice user,
		     const struct scram_salted *salted)
{
	CHECK(user.len > 0 && user.len <= LOGIN_USER_MAX);
	struct entry *e = find(r, user);

	if (!e)
		e = add(r, user);
	if (e)
		e->salted = *salted;
}
