/*
 * What statements and server_statements know of a statement; for these two only.
 */
#ifndef POOLER_POOL_STATEMENTS_INTERNAL_H
#define POOLER_POOL_STATEMENTS_INTERNAL_H

#include "pool/statements.h"

/* A map that cannot grow takes nothing in; callers see that below. */
#undef uthash_nonfatal_oom
#define uthash_nonfatal_oom(obj) ((void)(obj))
#undef HASH_KEYCMP
#define HASH_KEYCMP(a, b, len) ((void)(len), !keys_equal((a), (b)))

struct key {
	struct slice first, second;
};

struct statement {
	UT_hash_handle hh;            /* in by_content, while it has its text */
	TAILQ_ENTRY(statement) place; /* in unclaimed */
	struct key key;               /* tail and context, in text; else its number */
	uint64_t number;
	uint8_t *text;         /* NULL: lost */
	uint32_t holds;        /* all */
	uint32_t server_holds; /* of these: of servers */
	unsigned hash;
	uint32_t hints;
	uint32_t proven_epoch;
	uint64_t proven_at; /* place; 0 = never */
};

static inline bool keys_equal(const struct key *a, const struct key *b)
{
	return a == b ||
	       (slice_equal(a->second, b->second) && slice_equal(a->first, b->first));
}

/* With a text, and nobody but servers has it. */
static inline bool is_unclaimed(const struct statement *s)
{
	return s->text && s->holds == s->server_holds;
}

/* Nobody holds it any more. */
void statement_free(struct statements *store, struct statement *s);

#endif
