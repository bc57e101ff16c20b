/*
 * The insides of a snapshot, for the files that make and print one.
 *
 * Databases and users are counted by themselves: a snapshot that differs by one setting
 * shares them with the one it was made from.
 */
#ifndef POOLER_CONFIG_STORE_H
#define POOLER_CONFIG_STORE_H

/* Memory may be short: that ends the load, not the program. */
#define HASH_NONFATAL_OOM 1
#include <uthash.h>

#include "base/hash.h"
#include "config/arena.h"
#include "config/config.h"
#include "config/ini.h"

struct database_entry {
	struct database database;
	struct ini_place place; /* where it was said last */
	UT_hash_handle hh;
};

struct user_slot {
	struct user_entry user;
	struct ini_place place;
	UT_hash_handle hh;
};

struct config_entries {
	unsigned references;
	struct config_entries *origin; /* of a copy: whose strings it has, counted */
	struct arena arena;
	struct hash_key key;
	struct database_entry *databases_by_name, **databases;
	struct user_slot *users_by_name, **users;
	size_t database_count, database_cap;
	size_t user_count, user_cap;
	struct database_entry *fallback; /* in neither of the above */
};

struct config_store {
	struct config *config;
	unsigned references;
	struct arena strings; /* of the settings */
	struct config_entries *entries;
};

struct config_entries *config_entries_new(void);
void config_entries_unref(struct config_entries *entries);

/* The entry of that name, or a new one with nothing but the name in it, which must be in
 * entries->arena; NULL when memory is short. */
struct database_entry *config_entries_database(struct config_entries *entries,
					       const char *name);
struct user_slot *config_entries_user(struct config_entries *entries, const char *name);

/* The same databases and users once more, for a change of what they inherit; NULL when
 * memory is short. */
struct config_entries *config_entries_copy(struct config_entries *entries);

/* Gives each database what it does not say itself of TLS with servers. To be called once,
 * before anybody sees the entries. 0 or -ENOMEM. */
int config_entries_inherit(struct config_entries *entries, const struct settings *s);

/* A snapshot with default settings, which takes the caller's reference to entries; NULL
 * when memory is short, and the reference is gone too. */
struct config *config_new(struct config_entries *entries);

/* Adds what is wrong or odd about settings and entries taken together. places says where
 * in the file each setting stands, with a NULL file where it was not set; NULL, and an
 * empty path, when there is no file. */
void config_review(const struct config *config, const char *path,
		   const struct ini_place *places, struct config_errors *errors);

#endif
