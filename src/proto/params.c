/*
 * Sets of parameters. A name with a value is one object for all sets that have it, found
 * by its content; a set is an array of pointers to these in order of name, found by the
 * pointers. So a change of one parameter costs its own bytes and a pointer for each of
 * the others, however long their values are.
 */
#include "proto/params.h"

#include <errno.h>
#include <stdlib.h>

#include "base/buffer.h"
#include "base/check.h"
#include "proto/meaning.h"

/* A map that cannot grow goes on, only slower; one that cannot be made is seen below. */
#define HASH_NONFATAL_OOM 1
#define uthash_nonfatal_oom(obj) ((void)(obj))
/* What is in a map is often looked for by itself. */
#define HASH_KEYCMP(a, b, n) ((a) == (b) ? 0 : memcmp(a, b, n))
#include <uthash.h>

/* Its key is the length of the name, the name in lower case and the value. */
struct pair {
	UT_hash_handle hh;
	uint64_t hash;
	uint32_t refs; /* of sets */
	size_t key_len;
	struct slice name, value;
	uint8_t key[]; /* and the name as it was spelled first */
};

struct params {
	UT_hash_handle hh;
	uint32_t refs;
	uint64_t hash;    /* those of all pairs, added */
	uint64_t meaning; /* hash of those that texts are read by; 0: none of them */
	size_t cost;
	size_t count;
	struct pair *pairs[];
};

static uint8_t fold(uint8_t c)
{
	return c >= 'A' && c <= 'Z' ? (uint8_t)(c - 'A' + 'a') : c;
}

int params_name_compare(struct slice a, struct slice b)
{
	size_t len = a.len < b.len ? a.len : b.len;

	for (size_t i = 0; i < len; i++) {
		uint8_t ca = fold(a.data[i]), cb = fold(b.data[i]);

		if (ca != cb)
			return ca < cb ? -1 : 1;
	}
	return a.len == b.len ? 0 : a.len < b.len ? -1 : 1;
}

/* The place of the name, or where it would go. */
static size_t params_place(const struct params *set, struct slice name, bool *out_found)
{
	size_t low = 0, high = set->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;
		int order = params_name_compare(set->pairs[middle]->name, name);

		if (order == 0) {
			*out_found = true;
			return middle;
		}
		if (order < 0)
			low = middle + 1;
		else
			high = middle;
	}
	*out_found = false;
	return low;
}

/* ---- pairs ---- */

static uint8_t *put(uint8_t *at, struct slice bytes)
{
	if (bytes.len > 0)
		memcpy(at, bytes.data, bytes.len);
	return at + bytes.len;
}

static uint8_t *put_folded(uint8_t *at, struct slice name)
{
	for (size_t i = 0; i < name.len; i++)
		*at++ = fold(name.data[i]);
	return at;
}

size_t params_cost(size_t name_len, size_t value_len)
{
	return sizeof(struct pair) + sizeof(uint64_t) + 2 * name_len + value_len +
	       sizeof(struct pair *);
}

static size_t pair_cost(const struct pair *pair)
{
	return params_cost(pair->name.len, pair->value.len);
}

static size_t pair_len(const struct pair *pair)
{
	return pair_cost(pair) - sizeof(struct pair *);
}

/* One that is in no store yet. */
static struct pair *pair_make(const struct params_store *store, struct slice name,
			      struct slice value)
{
	struct pair *pair =
	    malloc(params_cost(name.len, value.len) - sizeof(struct pair *));
	uint64_t name_len = name.len;

	if (!pair)
		return NULL;
	*pair = (struct pair){.refs = 0};
	uint8_t *at = put(pair->key, slice_of(&name_len, sizeof(name_len)));
	at = put_folded(at, name);
	pair->value = slice_of(at, value.len);
	at = put(at, value);
	pair->key_len = (size_t)(at - pair->key);
	pair->name = slice_of(at, name.len);
	put(at, name);
	pair->hash = hash_bytes(&store->key, slice_of(pair->key, pair->key_len));
	return pair;
}

static unsigned short_of(uint64_t hash)
{
	return (unsigned)(hash ^ hash >> 32);
}

/* The one with this content, held by nobody yet if it is new; NULL when memory is short.
 */
static struct pair *pair_take(struct params_store *store, struct slice name,
			      struct slice value)
{
	struct pair *pair = pair_make(store, name, value), *known;

	if (!pair)
		return NULL;
	HASH_FIND_BYHASHVALUE(hh, store->pairs, pair->key, pair->key_len,
			      short_of(pair->hash), known);
	if (known) {
		free(pair);
		return known;
	}
	HASH_ADD_KEYPTR_BYHASHVALUE(hh, store->pairs, pair->key, pair->key_len,
				    short_of(pair->hash), pair);
	if (!pair->hh.tbl) {
		free(pair);
		return NULL;
	}
	store->bytes += pair_len(pair);
	return pair;
}

/* If nobody holds it. */
static void pair_drop(struct params_store *store, struct pair *pair)
{
	if (pair->refs > 0)
		return;
	HASH_DELETE(hh, store->pairs, pair);
	store->bytes -= pair_len(pair);
	free(pair);
}

/* ---- building ---- */

static size_t set_len(const struct params *set)
{
	return sizeof(*set) + set->count * sizeof(struct pair *);
}

/* A set like `from` with this pair at the place (or none), instead of what is there if
 * `is_there`; in no store yet, holding nothing, with one reference. */
static struct params *params_make(const struct params *from, size_t place, bool is_there,
				  struct pair *pair)
{
	size_t count = from->count + (pair != NULL) - is_there;
	struct params *set = malloc(sizeof(*set) + count * sizeof(struct pair *));

	if (!set)
		return NULL;
	*set = (struct params){
	    .refs = 1, .count = count, .hash = from->hash, .cost = from->cost};
	struct pair **to = set->pairs;
	for (size_t i = 0; i < place; i++)
		*to++ = from->pairs[i];
	if (pair)
		*to++ = pair;
	for (size_t i = place + is_there; i < from->count; i++)
		*to++ = from->pairs[i];
	if (is_there) {
		set->hash -= from->pairs[place]->hash;
		set->cost -= pair_cost(from->pairs[place]);
	}
	if (pair) {
		set->hash += pair->hash;
		set->cost += pair_cost(pair);
	}
	return set;
}

/* With others a text would be another after it has been parsed, or planned. */
static uint64_t meaning_of(const struct params_store *store, const struct params *set)
{
	uint64_t hashes[MEANING_COUNT] = {0};
	bool is_any = false, is_there;

	for (unsigned i = 0; i < MEANING_COUNT; i++) {
		size_t place =
		    params_place(set, slice_of_text(meaning_parameter(i)), &is_there);
		if (!is_there)
			continue;
		hashes[i] = set->pairs[place]->hash;
		is_any = true;
	}
	return is_any ? hash_bytes(&store->key, slice_of(hashes, sizeof(hashes))) : 0;
}

static struct params *store_find(struct params_store *store, const struct params *like)
{
	struct params *found;

	HASH_FIND_BYHASHVALUE(hh, store->sets, like->pairs,
			      like->count * sizeof(like->pairs[0]), short_of(like->hash),
			      found);
	return found;
}

/* Its pairs are held by it from here on. */
static bool store_add(struct params_store *store, struct params *set)
{
	set->meaning = meaning_of(store, set);
	HASH_ADD_KEYPTR_BYHASHVALUE(hh, store->sets, set->pairs,
				    set->count * sizeof(set->pairs[0]),
				    short_of(set->hash), set);
	if (!set->hh.tbl)
		return false;
	for (size_t i = 0; i < set->count; i++)
		set->pairs[i]->refs++;
	store->count++;
	store->bytes += set_len(set);
	return true;
}

/* A reference to the set with the same content; takes the given one, which may become
 * that set. NULL when memory is short. */
static struct params *store_take_in(struct params_store *store, struct params *set)
{
	if (!set)
		return NULL;
	struct params *known = store_find(store, set);
	if (known) {
		free(set);
		return params_ref(known);
	}
	if (store_add(store, set))
		return set;
	free(set);
	return NULL;
}

/* ---- the store ---- */

int params_store_init(struct params_store *store)
{
	*store = (struct params_store){.key = hash_key_make()};
	struct params *empty = calloc(1, sizeof(*empty) + sizeof(struct pair *));
	if (!empty)
		return -ENOMEM;
	empty->refs = 1;
	store->empty = store_take_in(store, empty);
	return store->empty ? 0 : -ENOMEM;
}

void params_store_fini(struct params_store *store)
{
	if (!store->empty)
		return;
	CHECK(store->count == 1 && store->empty->refs == 1);
	params_unref(store, store->empty);
	CHECK(store->bytes == 0);
	*store = (struct params_store){0};
}

struct params *params_ref(struct params *set)
{
	set->refs++;
	return set;
}

void params_unref(struct params_store *store, struct params *set)
{
	if (!set || --set->refs > 0)
		return;
	HASH_DELETE(hh, store->sets, set);
	store->count--;
	store->bytes -= set_len(set);
	for (size_t i = 0; i < set->count; i++) {
		set->pairs[i]->refs--;
		pair_drop(store, set->pairs[i]);
	}
	free(set);
}

struct params *params_empty(struct params_store *store)
{
	return params_ref(store->empty);
}

struct params *params_with(struct params_store *store, const struct params *set,
			   struct slice name, struct slice value)
{
	bool is_there;
	size_t place = params_place(set, name, &is_there);

	if (is_there) {
		const struct pair *old = set->pairs[place];
		if (slice_equal(old->value, value))
			return params_ref(store_find(store, set));
		name = old->name;
	}
	struct pair *pair = pair_take(store, name, value);
	if (!pair)
		return NULL;
	struct params *with =
	    store_take_in(store, params_make(set, place, is_there, pair));
	pair_drop(store, pair);
	return with;
}

struct params *params_without(struct params_store *store, const struct params *set,
			      struct slice name)
{
	bool is_there;
	size_t place = params_place(set, name, &is_there);

	if (!is_there)
		return params_ref(store_find(store, set));
	return store_take_in(store, params_make(set, place, true, NULL));
}

size_t params_count(const struct params *set)
{
	return set->count;
}

size_t params_cost_of(const struct params *set)
{
	return set->cost;
}

void params_at(const struct params *set, size_t i, struct slice *out_name,
	       struct slice *out_value)
{
	CHECK(i < set->count);
	*out_name = set->pairs[i]->name;
	*out_value = set->pairs[i]->value;
}

bool params_find(const struct params *set, struct slice name, struct slice *out_value)
{
	bool is_there;
	size_t place = params_place(set, name, &is_there);

	if (is_there)
		*out_value = set->pairs[place]->value;
	return is_there;
}

struct slice params_meaning(const struct params *set)
{
	return set->meaning ? slice_of(&set->meaning, sizeof(set->meaning))
			    : slice_of(NULL, 0);
}
