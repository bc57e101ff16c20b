/*
 * Sets of parameters. A set is one allocation: the struct, its pairs in order of name,
 * the key by which equal sets are found, and the names as they were spelled. The key
 * holds every name in lower case and every value, each with its length in front, so that
 * no two different sets have the same key.
 */
#include "proto/params.h"

#include <errno.h>
#include <stdlib.h>

#include "base/buffer.h"
#include "base/check.h"

/* A map that cannot grow goes on, only slower; one that cannot be made is seen below. */
#define HASH_NONFATAL_OOM 1
#define uthash_nonfatal_oom(obj) ((void)(obj))
#include <uthash.h>

struct pair {
	struct slice name, value; /* in the text of the set */
};

struct params {
	UT_hash_handle hh;
	uint32_t refs;
	unsigned hash;
	uint64_t meaning; /* hash of those that texts are read by; 0: none of them */
	size_t count;
	size_t key_len;
	uint8_t *key; /* in text */
	struct pair pairs[];
};

/* One more pair, or one to leave out: what params_with and params_without change. */
struct change {
	struct slice name;
	const struct slice *value; /* NULL: leave it out */
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
		int order = params_name_compare(set->pairs[middle].name, name);

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

/* ---- building ---- */

static uint8_t *put(uint8_t *at, const void *bytes, size_t len)
{
	if (len > 0)
		memcpy(at, bytes, len);
	return at + len;
}

static uint8_t *put_folded(uint8_t *at, struct slice name)
{
	for (size_t i = 0; i < name.len; i++)
		*at++ = fold(name.data[i]);
	return at;
}

static size_t pair_len(const struct pair *pair)
{
	return 2 * sizeof(uint64_t) + 2 * pair->name.len + pair->value.len;
}

/* Copies the texts of the pairs, which are borrowed so far, behind them. */
static void params_own_texts(struct params *set, uint8_t *at)
{
	set->key = at;
	for (size_t i = 0; i < set->count; i++) {
		struct pair *pair = &set->pairs[i];
		uint64_t lens[2] = {pair->name.len, pair->value.len};

		at = put(at, lens, sizeof(lens));
		at = put_folded(at, pair->name);
		uint8_t *value = at;
		at = put(at, pair->value.data, pair->value.len);
		pair->value.data = value;
	}
	set->key_len = (size_t)(at - set->key);
	for (size_t i = 0; i < set->count; i++) {
		struct pair *pair = &set->pairs[i];
		uint8_t *name = at;

		at = put(at, pair->name.data, pair->name.len);
		pair->name.data = name;
	}
}

/* A set like `from` but for the change; in no store yet, with one reference. */
static struct params *params_make(const struct params *from, const struct change *change)
{
	bool is_there;
	size_t place = params_place(from, change->name, &is_there);
	size_t count = from->count + (change->value != NULL) - is_there;
	struct pair changed = {.name = change->name};
	size_t len = 0;

	if (change->value)
		changed.value = *change->value;
	if (is_there)
		changed.name = from->pairs[place].name;
	for (size_t i = 0; i < from->count; i++)
		len += pair_len(&from->pairs[i]);
	size_t pairs_len = count * sizeof(struct pair);
	struct params *set = malloc(sizeof(*set) + pairs_len + len + pair_len(&changed));
	if (!set)
		return NULL;
	*set = (struct params){.refs = 1, .count = count};
	struct pair *to = set->pairs;
	for (size_t i = 0; i < place; i++)
		*to++ = from->pairs[i];
	if (change->value)
		*to++ = changed;
	for (size_t i = place + is_there; i < from->count; i++)
		*to++ = from->pairs[i];
	params_own_texts(set, (uint8_t *)(set->pairs + count));
	return set;
}

/* With others a text would be another after it has been parsed. */
static const char *const readers[] = {"search_path",
				      "client_encoding",
				      "standard_conforming_strings",
				      "DateStyle",
				      "IntervalStyle",
				      "TimeZone",
				      "timezone_abbreviations",
				      "transform_null_equals",
				      "array_nulls",
				      "lc_monetary",
				      "xmloption"};

static uint64_t meaning_of(const struct params_store *store, const struct params *set)
{
	const size_t count = sizeof(readers) / sizeof(readers[0]);
	uint64_t hashes[sizeof(readers) / sizeof(readers[0])] = {0};
	bool is_any = false;
	struct slice value;

	for (size_t i = 0; i < count; i++) {
		if (!params_find(set, slice_of_text(readers[i]), &value))
			continue;
		hashes[i] = hash_bytes(&store->key, value);
		is_any = true;
	}
	return is_any ? hash_bytes(&store->key, slice_of(hashes, sizeof(hashes))) : 0;
}

static struct params *store_find(struct params_store *store, const struct params *like)
{
	struct params *found;

	HASH_FIND_BYHASHVALUE(hh, store->sets, like->key, like->key_len, like->hash,
			      found);
	return found;
}

/* A reference to the set with the same content; takes the given one, which may become
 * that set. NULL when memory is short. */
static struct params *store_take_in(struct params_store *store, struct params *set)
{
	if (!set)
		return NULL;
	set->hash = hash_short(&store->key, slice_of(set->key, set->key_len));
	struct params *known = store_find(store, set);
	if (known) {
		free(set);
		return params_ref(known);
	}
	set->meaning = meaning_of(store, set);
	HASH_ADD_KEYPTR_BYHASHVALUE(hh, store->sets, set->key, set->key_len, set->hash,
				    set);
	if (!set->hh.tbl) {
		free(set);
		return NULL;
	}
	store->count++;
	return set;
}

/* ---- the store ---- */

int params_store_init(struct params_store *store)
{
	*store = (struct params_store){.key = hash_key_make()};
	struct params *empty = calloc(1, sizeof(*empty) + 1);
	if (!empty)
		return -ENOMEM;
	empty->refs = 1;
	empty->key = (uint8_t *)empty->pairs;
	store->empty = store_take_in(store, empty);
	return store->empty ? 0 : -ENOMEM;
}

void params_store_fini(struct params_store *store)
{
	if (!store->empty)
		return;
	CHECK(store->count == 1 && store->empty->refs == 1);
	params_unref(store, store->empty);
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

	if (is_there && slice_equal(set->pairs[place].value, value))
		return params_ref(store_find(store, set));
	return store_take_in(
	    store, params_make(set, &(struct change){.name = name, .value = &value}));
}

struct params *params_without(struct params_store *store, const struct params *set,
			      struct slice name)
{
	bool is_there;

	params_place(set, name, &is_there);
	if (!is_there)
		return params_ref(store_find(store, set));
	return store_take_in(store, params_make(set, &(struct change){.name = name}));
}

size_t params_count(const struct params *set)
{
	return set->count;
}

void params_at(const struct params *set, size_t i, struct slice *out_name,
	       struct slice *out_value)
{
	CHECK(i < set->count);
	*out_name = set->pairs[i].name;
	*out_value = set->pairs[i].value;
}

bool params_find(const struct params *set, struct slice name, struct slice *out_value)
{
	bool is_there;
	size_t place = params_place(set, name, &is_there);

	if (is_there)
		*out_value = set->pairs[place].value;
	return is_there;
}

struct slice params_meaning(const struct params *set)
{
	return set->meaning ? slice_of(&set->meaning, sizeof(set->meaning))
			    : slice_of(NULL, 0);
}
