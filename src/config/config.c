/*
 * The snapshot: its life, and finding things in it. How one is read is in load.c, how it
 * is written in print.c.
 */
#include "config/config.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "config/store.h"
#include "config/value.h"

struct whole {
	struct config config;
	struct config_store store;
};

/* ---- entries ---- */

struct config_entries *config_entries_new(void)
{
	struct config_entries *entries = calloc(1, sizeof(*entries));

	if (!entries)
		return NULL;
	entries->references = 1;
	entries->key = hash_key_make();
	return entries;
}

void config_entries_unref(struct config_entries *entries)
{
	CHECK(entries->references > 0);
	if (--entries->references > 0)
		return;
	HASH_CLEAR(hh, entries->users_by_name);
	HASH_CLEAR(hh, entries->databases_by_name);
	free(entries->users);
	free(entries->databases);
	arena_fini(&entries->arena);
	if (entries->origin)
		config_entries_unref(entries->origin);
	free(entries);
}

/* Room for one more pointer in the array; NULL, and nothing changed, when memory is
 * short. */
static void *make_room(void *array, size_t count, size_t *cap)
{
	if (count < *cap)
		return array;
	size_t more = *cap ? *cap * 2 : 16;
	void *grown = realloc(array, more * sizeof(void *));
	if (grown)
		*cap = more;
	return grown;
}

static struct database_entry *find_database(const struct config_entries *entries,
					    struct slice name)
{
	struct database_entry *found;

	HASH_FIND_BYHASHVALUE(hh, entries->databases_by_name, name.data, name.len,
			      hash_short(&entries->key, name), found);
	return found;
}

static struct user_slot *find_user(const struct config_entries *entries,
				   struct slice name)
{
	struct user_slot *found;

	HASH_FIND_BYHASHVALUE(hh, entries->users_by_name, name.data, name.len,
			      hash_short(&entries->key, name), found);
	return found;
}

static struct database_entry *new_database(struct config_entries *entries,
					   const char *name)
{
	struct database_entry *e = arena_take(&entries->arena, sizeof(*e));

	if (e)
		e->database.name = name;
	return e;
}

struct database_entry *config_entries_database(struct config_entries *entries,
					       const char *name)
{
	struct slice key = slice_of_text(name);
	struct database_entry *e = find_database(entries, key);

	if (strcmp(name, "*") == 0) {
		if (!entries->fallback)
			entries->fallback = new_database(entries, name);
		return entries->fallback;
	}
	if (e)
		return e;
	void *array = make_room(entries->databases, entries->database_count,
				&entries->database_cap);
	if (!array)
		return NULL;
	entries->databases = array;
	e = new_database(entries, name);
	if (!e)
		return NULL;
	HASH_ADD_KEYPTR_BYHASHVALUE(hh, entries->databases_by_name, name, key.len,
				    hash_short(&entries->key, key), e);
	if (!e->hh.tbl)
		return NULL;
	entries->databases[entries->database_count++] = e;
	return e;
}

struct user_slot *config_entries_user(struct config_entries *entries, const char *name)
{
	struct slice key = slice_of_text(name);
	struct user_slot *u = find_user(entries, key);

	if (u)
		return u;
	void *array = make_room(entries->users, entries->user_count, &entries->user_cap);
	if (!array)
		return NULL;
	entries->users = array;
	u = arena_take(&entries->arena, sizeof(*u));
	if (!u)
		return NULL;
	u->user.name = name;
	HASH_ADD_KEYPTR_BYHASHVALUE(hh, entries->users_by_name, name, key.len,
				    hash_short(&entries->key, key), u);
	if (!u->hh.tbl)
		return NULL;
	entries->users[entries->user_count++] = u;
	return u;
}

static bool copy_database(struct config_entries *copy, const struct database_entry *from)
{
	struct database_entry *e = config_entries_database(copy, from->database.name);

	if (!e)
		return false;
	e->database = from->database;
	e->place = from->place;
	return true;
}

static bool copy_user(struct config_entries *copy, const struct user_slot *from)
{
	struct user_slot *u = config_entries_user(copy, from->user.name);

	if (!u)
		return false;
	u->user = from->user;
	u->place = from->place;
	return true;
}

struct config_entries *config_entries_copy(struct config_entries *entries)
{
	struct config_entries *copy = config_entries_new();
	bool good = copy != NULL;

	if (!copy)
		return NULL;
	/* A copy of a copy has its strings from the same place. */
	copy->origin = entries->origin ? entries->origin : entries;
	copy->origin->references++;
	for (size_t i = 0; good && i < entries->database_count; i++)
		good = copy_database(copy, entries->databases[i]);
	if (good && entries->fallback)
		good = copy_database(copy, entries->fallback);
	for (size_t i = 0; good && i < entries->user_count; i++)
		good = copy_user(copy, entries->users[i]);
	if (good)
		return copy;
	config_entries_unref(copy);
	return NULL;
}

int config_entries_inherit(struct config_entries *entries, const struct settings *s)
{
	struct server_tls general;

	/* Entries may outlive the settings. */
	server_tls_of(s, &general);
	int rc = server_tls_keep(&general, &entries->arena);
	if (rc != 0)
		return rc;
	for (size_t i = 0; i < entries->database_count; i++) {
		struct database *d = &entries->databases[i]->database;

		server_tls_inherit(&d->tls, d->tls_own, &general);
	}
	if (entries->fallback)
		server_tls_inherit(&entries->fallback->database.tls,
				   entries->fallback->database.tls_own, &general);
	return 0;
}

/* ---- snapshots ---- */

struct config *config_new(struct config_entries *entries)
{
	struct whole *w = calloc(1, sizeof(*w));

	if (!w) {
		config_entries_unref(entries);
		return NULL;
	}
	settings_init(&w->config.settings);
	w->config.store = &w->store;
	w->store.config = &w->config;
	w->store.references = 1;
	w->store.entries = entries;
	return &w->config;
}

const struct config *config_ref(const struct config *config)
{
	config->store->references++;
	return config;
}

void config_unref(const struct config *config)
{
	if (!config)
		return;
	struct config_store *store = config->store;
	CHECK(store->references > 0);
	if (--store->references > 0)
		return;
	config_entries_unref(store->entries);
	arena_fini(&store->strings);
	/* The config is the first member of the whole. */
	free(store->config);
}

const struct database *config_database(const struct config *config, struct slice name)
{
	const struct database_entry *e = find_database(config->store->entries, name);

	return e ? &e->database : NULL;
}

const struct database *config_fallback(const struct config *config)
{
	const struct database_entry *e = config->store->entries->fallback;

	return e ? &e->database : NULL;
}

const struct user_entry *config_user(const struct config *config, struct slice name)
{
	const struct user_slot *u = find_user(config->store->entries, name);

	return u ? &u->user : NULL;
}

size_t config_database_count(const struct config *config)
{
	return config->store->entries->database_count;
}

const struct database *config_database_at(const struct config *config, size_t i)
{
	CHECK(i < config_database_count(config));
	return &config->store->entries->databases[i]->database;
}

size_t config_user_count(const struct config *config)
{
	return config->store->entries->user_count;
}

const struct user_entry *config_user_at(const struct config *config, size_t i)
{
	CHECK(i < config_user_count(config));
	return &config->store->entries->users[i]->user;
}

bool config_list_has(const char *comma_list, struct slice name)
{
	static const char blanks[] = " \t";

	while (*comma_list) {
		comma_list += strspn(comma_list, blanks);
		size_t len = strcspn(comma_list, ",");
		const char *next = comma_list + len;

		while (len > 0 && strchr(blanks, comma_list[len - 1]))
			len--;
		if (len > 0 && slice_equal(slice_of(comma_list, len), name))
			return true;
		comma_list = *next ? next + 1 : next;
	}
	return false;
}
