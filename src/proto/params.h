/*
 * Sets of run-time parameters (name, value): what a client wants, what a server has.
 *
 * A set is immutable and shared: equal sets are one object, counted, so ten thousand
 * clients with the same parameters hold one set and "does this server have what the
 * client wants" is usually one comparison of pointers. Sets that differ share what they
 * have in common, so a change costs no more than what changes. Names compare without
 * regard to case and keep the spelling in which they first came.
 */
#ifndef POOLER_PROTO_PARAMS_H
#define POOLER_PROTO_PARAMS_H

#include "base/hash.h"
#include "base/slice.h"

struct buffer;
struct pair;   /* a name with its value */
struct params; /* one set */

struct params_store {
	struct hash_key key;
	struct params *sets; /* uthash, by content */
	struct pair *pairs;  /* likewise; each is there once for all sets */
	struct params *empty;
	size_t count; /* distinct sets alive */
	size_t bytes; /* of all sets and pairs */
	/* The owner's to set, and its users' to heed; 0 = no limit: */
	size_t max_bytes;        /* when there is so much, clients get no more */
	size_t max_client_bytes; /* what the set of one may cost */
};

int params_store_init(struct params_store *store); /* 0 or -ENOMEM */
/* All sets but the store's own empty one must have been given back. */
void params_store_fini(struct params_store *store);

struct params *params_ref(struct params *set);
void params_unref(struct params_store *store, struct params *set); /* NULL is harmless */

/* A reference to the empty set; never fails. */
struct params *params_empty(struct params_store *store);

/* A reference to the set that has this value too (or instead), or NULL when memory is
 * short. The set given stays the caller's. */
struct params *params_with(struct params_store *store, const struct params *set,
			   struct slice name, struct slice value);
/* The same without that name. */
struct params *params_without(struct params_store *store, const struct params *set,
			      struct slice name);

/* How names are ordered, and found to be equal (0). */
int params_name_compare(struct slice a, struct slice b);

size_t params_count(const struct params *set);
/* What it would take if it shared nothing; and what a pair of these lengths adds. */
size_t params_cost_of(const struct params *set);
size_t params_cost(size_t name_len, size_t value_len);
/* The i-th pair, ordered by name; borrowed. */
void params_at(const struct params *set, size_t i, struct slice *out_name,
	       struct slice *out_value);
bool params_find(const struct params *set, struct slice name, struct slice *out_value);

/* The value of a parameter that is known in a session, as one of its own is from the
 * moment it is named, but has none there: PostgreSQL shows an empty one. No value that
 * is set is like it; as SQL it is a RESET. */
static inline struct slice params_no_value(void)
{
	return slice_of("", 1);
}

static inline bool params_is_no_value(struct slice value)
{
	return value.len == 1 && value.data[0] == 0;
}

/* Of a server: nobody knows. It differs from every value, and from none. */
static inline struct slice params_unknown(void)
{
	return slice_of("\0", 2);
}

/* Equal for sets under which a text that is prepared means the same: see meaning.h.
 * Borrowed from the set. */
struct slice params_meaning(const struct params *set);
enum { PARAMS_MEANING_MAX = 8 };

/* Whether the server's values may be told apart from what is fixed in a session:
 * server_version, is_superuser and the like are reported but cannot be SET. */
bool params_is_settable(struct slice name);

/*
 * Appends the SQL that turns a server that has `have` into one that suits a client that
 * wants `want`: "SET name = 'value';" for each that differs, and for each that the server
 * has, the client does not mention and that differs from `base` (what the server had
 * after its own login): SET to base's value, or "RESET name;" when base has none. Only
 * settable names; names are quoted as identifiers (each part around dots), values as
 * literals that are safe whatever standard_conforming_strings and client_encoding say.
 * Lists of names (search_path, ...) and names that SET cannot spell go through
 * set_config(), so the answer may hold rows without columns. Appends nothing when nothing
 * differs. False when memory is short (then nothing was appended).
 */
bool params_difference(const struct params *have, const struct params *want,
		       const struct params *base, struct buffer *out);

/* Appends the literal that it would use for this value; false when memory is short. */
bool params_append_literal(struct buffer *out, struct slice value);

#endif
