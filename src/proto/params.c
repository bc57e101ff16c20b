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

static int name_compare(struct slice a, struct slice b)
{
	size_t len = a.len < b.len ? a.len : b.len;

	for (size_t i = 0; i < len; i++) {
		uint8_t ca = fold(a.data[i]), cb = fold(b.data[i]);

		if (ca != cb)
			return ca < cb ? -1 : 1;
	}
	return a.len == b.len ? 0 : a.len < b.len ? -1 : 1;
}

static bool name_is(struct slice name, const char *text)
{
	return name_compare(name, slice_of_text(text)) == 0;
}

/* The place of the name, or where it would go. */
static size_t params_place(const struct params *set, struct slice name, bool *out_found)
{
	size_t low = 0, high = set->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;
		int order = name_compare(set->pairs[middle].name, name);

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

/* ---- the difference as SQL ---- */

static bool name_is_among(struct slice name, const char *const *names)
{
	for (; *names; names++)
		if (name_is(name, *names))
			return true;
	return false;
}

bool params_is_settable(struct slice name)
{
	static const char *const fixed[] = {
	    /* reported, but facts about the server or the role */
	    "in_hot_standby", "integer_datetimes", "is_superuser", "server_encoding",
	    "server_version",
	    /* of the startup packet only */
	    "database", "options", "replication", "user", NULL};

	return !name_is_among(name, fixed);
}

/*
 * SET would make one quoted name of these lists. set_config() takes the text as the
 * startup packet does; it costs more than SET, so others keep SET. Its result is not
 * asked for: it need not fit the client_encoding of the moment.
 */
static bool is_list_of_names(struct slice name)
{
	static const char *const lists[] = {"local_preload_libraries", "search_path",
					    "session_preload_libraries",
					    "temp_tablespaces", NULL};

	return name_is_among(name, lists);
}

/* Whether SET and RESET can spell the name: PostgreSQL cuts identifiers at 63 bytes, and
 * other than ASCII would depend on the client_encoding of the moment. */
static bool is_identifier(struct slice name)
{
	size_t part_len = 0;

	for (size_t i = 0; i < name.len; i++) {
		if (name.data[i] >= 0x80)
			return false;
		if (name.data[i] == '.' ? part_len == 0 : part_len == 63)
			return false;
		part_len = name.data[i] == '.' ? 0 : part_len + 1;
	}
	return part_len > 0;
}

struct sql {
	struct buffer *out;
	bool failed;
};

static void sql_bytes(struct sql *sql, struct slice bytes)
{
	if (!sql->failed && !buffer_append(sql->out, bytes))
		sql->failed = true;
}

static void sql_text(struct sql *sql, const char *text)
{
	sql_bytes(sql, slice_of_text(text));
}

static void sql_identifier(struct sql *sql, struct slice name)
{
	sql_text(sql, "\"");
	for (size_t i = 0; i < name.len; i++) {
		if (name.data[i] == '.')
			sql_text(sql, "\".\"");
		else if (name.data[i] == '"')
			sql_text(sql, "\"\"");
		else
			sql_bytes(sql, slice_of(name.data + i, 1));
	}
	sql_text(sql, "\"");
}

static bool is_plain(uint8_t c)
{
	return c != '\'' && c != '\\' && c < 0x80;
}

static void sql_special(struct sql *sql, uint8_t c)
{
	static const char digits[] = "0123456789abcdef";
	const char escape[] = {'\\', 'x', digits[c >> 4], digits[c & 15], '\0'};

	sql_text(sql, c == '\'' ? "''" : c == '\\' ? "\\\\" : escape);
}

/*
 * A literal that is right whatever standard_conforming_strings says. Bytes that are not
 * ASCII go as \xNN: they are what the client put into its startup packet, which is not
 * converted either, and in some client encodings their second bytes look like quotes and
 * backslashes.
 */
static void sql_literal(struct sql *sql, struct slice value)
{
	bool needs_escape = false;

	for (size_t i = 0; i < value.len && !needs_escape; i++)
		needs_escape = value.data[i] == '\\' || value.data[i] >= 0x80;
	sql_text(sql, needs_escape ? "E'" : "'");
	for (size_t i = 0, end; i < value.len; i = end) {
		for (end = i; end < value.len && is_plain(value.data[end]);)
			end++;
		sql_bytes(sql, slice_of(value.data + i, end - i));
		if (end < value.len)
			sql_special(sql, value.data[end++]);
	}
	sql_text(sql, "'");
}

/* value NULL: what the server had at its start. */
static void sql_set(struct sql *sql, struct slice name, const struct slice *value)
{
	if (is_identifier(name) && !(value && is_list_of_names(name))) {
		sql_text(sql, value ? "SET " : "RESET ");
		sql_identifier(sql, name);
		if (value) {
			sql_text(sql, " = ");
			sql_literal(sql, *value);
		}
		sql_text(sql, ";");
		return;
	}
	sql_text(sql, "SELECT FROM pg_catalog.set_config(");
	sql_literal(sql, name);
	sql_text(sql, ", ");
	if (value)
		sql_literal(sql, *value);
	else
		sql_text(sql, "NULL");
	sql_text(sql, ", false);");
}

struct difference {
	const struct params *have, *want, *base;
	struct sql sql;
	bool is_dropped;   /* it is whom it logged in as, by what has been appended */
	bool has_new_user; /* session_authorization is set, which drops the role */
};

static const char user_name[] = "session_authorization", role_name[] = "role";

static bool is_identity(struct slice name)
{
	return name_is(name, user_name) || name_is(name, role_name);
}

static void differ_in(struct difference *d, struct slice name)
{
	const struct params *now = d->is_dropped && is_identity(name) ? d->base : d->have;
	struct slice have = {0}, want;
	bool has = params_find(now, name, &have);
	bool is_lost = d->has_new_user && name_is(name, role_name);

	if (params_find(d->want, name, &want)) {
		if (!has || is_lost || !slice_equal(have, want))
			sql_set(&d->sql, name, &want);
	} else if (params_find(d->base, name, &want)) {
		if (is_lost || !slice_equal(have, want))
			sql_set(&d->sql, name, &want);
	} else if (has) {
		sql_set(&d->sql, name, NULL);
	}
}

static void differ_in_identity(struct difference *d)
{
	struct slice user = slice_of_text(user_name), role = slice_of_text(role_name),
		     value;
	size_t before = buffer_len(d->sql.out);

	if (params_find(d->have, user, &value) || params_find(d->want, user, &value))
		differ_in(d, user);
	d->has_new_user = buffer_len(d->sql.out) > before;
	differ_in(d, role);
}

static void differ_in_others(struct difference *d)
{
	const struct params *have = d->have, *want = d->want;
	size_t i = 0, j = 0;

	while (i < have->count || j < want->count) {
		int order = i == have->count ? 1
			    : j == want->count
				? -1
				: name_compare(have->pairs[i].name, want->pairs[j].name);
		struct slice name =
		    order <= 0 ? have->pairs[i].name : want->pairs[j].name;

		if (params_is_settable(name) && !is_identity(name))
			differ_in(d, name);
		i += order <= 0;
		j += order >= 0;
	}
}

static void drop(struct difference *d, struct slice name)
{
	struct slice have, base;

	if (params_find(d->have, name, &have) &&
	    !(params_find(d->base, name, &base) && slice_equal(have, base)))
		sql_set(&d->sql, name, NULL);
}

/* As whom it logged in as. */
static void differ_in_others_as_login(struct difference *d)
{
	size_t before = buffer_len(d->sql.out), dropped;

	drop(d, slice_of_text(user_name));
	drop(d, slice_of_text(role_name));
	dropped = buffer_len(d->sql.out);
	differ_in_others(d);
	if (!d->sql.failed && buffer_len(d->sql.out) == dropped)
		buffer_truncate(d->sql.out, before);
	else
		d->is_dropped = true;
}

static bool is_set(const struct params *set, const char *name)
{
	struct slice value;

	return params_find(set, slice_of_text(name), &value);
}

/*
 * Who one is decides what one may set. A superuser sets everything before it becomes
 * somebody else. Anybody else can only have become more than it was.
 */
static void differ_in_order(struct difference *d)
{
	struct slice value;

	if (params_find(d->base, slice_of_text("is_superuser"), &value) &&
	    slice_is_text(value, "on")) {
		differ_in_others_as_login(d);
		differ_in_identity(d);
	} else if (is_set(d->want, user_name) || is_set(d->want, role_name)) {
		differ_in_identity(d);
		differ_in_others(d);
	} else {
		differ_in_others(d);
		differ_in_identity(d);
	}
}

bool params_difference(const struct params *have, const struct params *want,
		       const struct params *base, struct buffer *out)
{
	struct difference d = {
	    .have = have, .want = want, .base = base, .sql = {.out = out}};
	size_t initial_len = buffer_len(out);

	if (have == want)
		return true;
	differ_in_order(&d);
	if (d.sql.failed)
		buffer_truncate(out, initial_len);
	return !d.sql.failed;
}

bool params_append_literal(struct buffer *out, struct slice value)
{
	struct sql sql = {.out = out};
	size_t initial_len = buffer_len(out);

	sql_literal(&sql, value);
	if (sql.failed)
		buffer_truncate(out, initial_len);
	return !sql.failed;
}
