/*
 * The whole configuration as it was read at one moment: settings, databases and users.
 *
 * A snapshot never changes and is counted; whoever needs it for longer than a call takes
 * a reference. A new configuration is a new snapshot, complete and checked before anybody
 * sees it. ini_setup() must have been called before the first load.
 */
#ifndef POOLER_CONFIG_CONFIG_H
#define POOLER_CONFIG_CONFIG_H

#include <stdio.h>

#include "base/slice.h"
#include "config/database.h"
#include "config/errors.h"
#include "config/rules.h"
#include "config/settings.h"
#include "config/user.h"

struct config_store;

struct config {
	struct settings settings;
	struct config_store *store; /* the rest, for config.c alone */
};

/* Reads and checks the file. NULL when anything is wrong, with all of it in errors;
 * warnings may be there in either case. The caller owns one reference. */
struct config *config_load(const char *path, struct config_errors *errors);

/* The same for a program that runs already: settings that take effect only at start keep
 * the value of `running`, with a warning where the file says otherwise. */
struct config *config_reload(const struct config *running, const char *path,
			     struct config_errors *errors);

/* As `config`, with one setting changed (SET on the console). NULL and an error for an
 * unknown key, a bad value, or a setting that takes effect only at start. */
struct config *config_with_setting(const struct config *config, const char *key,
				   const char *value, struct config_errors *errors);

/* Counting is not for several threads. config_ref() returns its argument; a const
 * snapshot is still counted. */
const struct config *config_ref(const struct config *config);
void config_unref(const struct config *config);

/* The entry of exactly that name, or NULL; never the fallback. */
const struct database *config_database(const struct config *config, struct slice name);

/* The "*" entry, or NULL. */
const struct database *config_fallback(const struct config *config);

const struct user_entry *config_user(const struct config *config, struct slice name);

/* In the order of the file, without the fallback. */
size_t config_database_count(const struct config *config);
const struct database *config_database_at(const struct config *config, size_t i);
size_t config_user_count(const struct config *config);
const struct user_entry *config_user_at(const struct config *config, size_t i);

/* Whether the name is in a list such as admin_users: separated by commas, blanks around
 * names do not count. */
bool config_list_has(const char *comma_list, struct slice name);

/* How many server connections there can be at once, if everything is used to its limit.
 * Connections that carry a cancel request come on top. */
struct config_worst {
	uint64_t servers; /* of all that is bounded */
	size_t unbounded; /* databases without a bound; the fallback counts as one */
	char unbounded_word[256]; /* what to say about them; "" when there are none */
};

/* 0 or -ENOMEM. */
int config_worst_case(const struct config *config, struct config_worst *out);

/* Writes what is in effect as a file that loads to the same; but passwords are not
 * printed, and a file with SECRET_SHOWN in their place is refused. */
void config_print(const struct config *config, FILE *out);

#endif
