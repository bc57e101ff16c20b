/*
 * SHOW DATABASES and SHOW USERS: what is configured, and what of it is used.
 *
 * Users are those of the configuration and those seen, as they were when the command
 * came, merged with those of auth_file, which are too many to be copied first.
 */
#include <stdio.h>

#include "auth/userlist.h"
#include "base/text.h"
#include "config/config.h"
#include "console/show.h"
#include "relay/keyring.h"

static const struct column database_columns[] = {
    {"name", COLUMN_TEXT},
    {"host", COLUMN_TEXT},
    {"port", COLUMN_INT4},
    {"database", COLUMN_TEXT},
    {"force_user", COLUMN_TEXT},
    {"pool_size", COLUMN_INT4},
    {"min_pool_size", COLUMN_INT4},
    {"reserve_pool_size", COLUMN_INT4},
    {"server_lifetime", COLUMN_INT4},
    {"pool_mode", COLUMN_TEXT},
    {"load_balance_hosts", COLUMN_TEXT},
    {"max_connections", COLUMN_INT4},
    {"current_connections", COLUMN_INT4},
    {"max_client_connections", COLUMN_INT4},
    {"current_client_connections", COLUMN_INT4},
    {"paused", COLUMN_INT4},
    {"disabled", COLUMN_INT4},
    {"weight", COLUMN_INT4},
    {"guaranteed", COLUMN_INT4},
};

static const struct column user_columns[] = {
    {"name", COLUMN_TEXT},
    {"pool_size", COLUMN_TEXT},
    {"reserve_pool_size", COLUMN_TEXT},
    {"pool_mode", COLUMN_TEXT},
    {"max_user_connections", COLUMN_INT4},
    {"current_connections", COLUMN_INT4},
    {"max_user_client_connections", COLUMN_INT4},
    {"current_client_connections", COLUMN_INT4},
    {"weight", COLUMN_INT4},
    {"guaranteed", COLUMN_INT4},
};

static void show_text_or_null(struct row *row, const char *text)
{
	row_text(row, text[0] ? text : NULL);
}

/* ---- databases ---- */

static void show_target(struct row *row, const char *name, const struct database *db)
{
	row_text(row, name);
	show_text_or_null(row, db->host);
	row_int(row, db->port);
	row_text(row, db->dbname[0] ? db->dbname : name);
	show_text_or_null(row, db->user);
}

static void show_rules(struct row *row, const struct config *config,
		       const struct database *db)
{
	struct rules rules;
	bool has_mode = overrides_has(&db->over, OVERRIDE_pool_mode);

	rules_resolve(config, db, NULL, &rules);
	row_int(row, rules.pool_size);
	row_int(row, rules.min_pool_size);
	row_int(row, rules.reserve_pool_size);
	row_count(row, rules.server_lifetime / USEC_PER_SEC);
	row_text(row, has_mode ? pool_mode_name(db->over.pool_mode) : NULL);
	row_null(row);
}

static void show_use(struct row *row, const struct show *show, const struct usage *usage)
{
	bool is_paused = show->dispatcher->pools.paused_all > 0;

	row_int(row, usage->max_servers);
	row_count(row, usage->servers);
	row_int(row, usage->max_clients);
	row_count(row, usage->clients);
	row_count(row, is_paused || usage->gate.is_paused);
	row_count(row, usage->gate.is_disabled);
}

static void show_share(struct row *row, const struct overrides *over)
{
	row_int(row, overrides_has(over, OVERRIDE_weight) ? over->weight : 1);
	row_int(row, overrides_has(over, OVERRIDE_guaranteed) ? over->guaranteed : 0);
}

static void show_database(struct row *row, const struct show *show, const char *name,
			  const struct database *db)
{
	const struct config *config = show->dispatcher->config;
	const struct usage *usage =
	    usages_find(&show->dispatcher->pools.databases, slice_of_text(name));
	const struct usage unused = {
	    .max_servers = rules_max_db_connections(config, db),
	    .max_clients = rules_max_db_client_connections(config, db),
	};

	row_begin(row);
	show_target(row, name, db);
	show_rules(row, config, db);
	show_use(row, show, usage ? usage : &unused);
	show_share(row, &db->over);
	row_end(row);
}

/* The console as a database. */
static void show_own(struct row *row, const struct show *show)
{
	const struct dispatcher *d = show->dispatcher;

	row_begin(row);
	row_text(row, SHOW_OWN_NAME);
	row_null(row);
	row_int(row, d->config->settings.listen_port);
	row_text(row, SHOW_OWN_NAME);
	row_text(row, SHOW_OWN_NAME);
	row_count(row, 2); /* as tools have always seen it */
	for (int zeros = 0; zeros < 3; zeros++)
		row_count(row, 0);
	row_text(row, pool_mode_name(POOL_MODE_STATEMENT));
	row_null(row);
	for (int zeros = 0; zeros < 3; zeros++)
		row_count(row, 0);
	row_count(row, d->console_count);
	for (int zeros = 0; zeros < 4; zeros++)
		row_count(row, 0);
	row_end(row);
}

static bool next_database(struct show *show, struct row *row)
{
	bool is_auto;
	const char *name = show_next_name(show);

	if (name) {
		const struct database *db = pools_database(&show->dispatcher->pools,
							   slice_of_text(name), &is_auto);
		if (db)
			show_database(row, show, name, db);
		return true;
	}
	if (show->step++ > show->names.count)
		return false;
	show_own(row, show);
	return true;
}

/* ---- users ---- */

/* As PgBouncer writes it: nine wide, or nothing. */
static void show_size(struct row *row, bool is_set, int size)
{
	char text[16] = "";

	if (is_set)
		snprintf(text, sizeof(text), "%9d", size);
	row_text(row, text);
}

static const struct userlist *list_of(const struct show *show)
{
	return show->dispatcher->logins.keyring->users;
}

/* The next of both, in the order of their bytes; NULL at the end. */
static const char *next_user_name(struct show *show)
{
	bool is_seen = show->step < show->names.count;
	const char *seen = is_seen ? names_first(&show->names, show->step) : NULL;
	char listed[sizeof(show->user)];
	struct slice name;

	if (!userlist_next(list_of(show), slice_of_text(show->user), &name))
		return show_next_name(show);
	text_copy(listed, sizeof(listed), name);
	int order = seen ? strcmp(seen, listed) : 1;
	if (order <= 0)
		show->step++;
	if (order < 0)
		return seen;
	text_copy(show->user, sizeof(show->user), slice_of_text(listed));
	return show->user;
}

static bool next_user(struct show *show, struct row *row)
{
	static const struct overrides nothing;
	const struct config *config = show->dispatcher->config;
	const char *name = next_user_name(show);
	struct secret unused;

	if (!name)
		return false;
	const struct user_entry *user = config_user(config, slice_of_text(name));
	const struct usage *usage =
	    usages_find(&show->dispatcher->pools.users, slice_of_text(name));
	const struct overrides *over = user ? &user->over : &nothing;
	if (!user && !usage &&
	    !userlist_find(list_of(show), slice_of_text(name), &unused))
		return true;
	row_begin(row);
	row_text(row, name);
	show_size(row, overrides_has(over, OVERRIDE_pool_size), over->pool_size);
	show_size(row, overrides_has(over, OVERRIDE_reserve_pool_size),
		  over->reserve_pool_size);
	row_text(row, overrides_has(over, OVERRIDE_pool_mode)
			  ? pool_mode_name(over->pool_mode)
			  : NULL);
	row_int(row, rules_max_user_connections(config, user));
	row_count(row, usage ? usage->servers : 0);
	row_int(row, rules_max_user_client_connections(config, user));
	row_count(row, usage ? usage->clients : 0);
	show_share(row, over);
	row_end(row);
	return true;
}

const struct show_table show_databases = {.name = "DATABASES",
					  SHOW_COLUMNS(database_columns),
					  .begin = show_begin_databases,
					  .next = next_database};
const struct show_table show_users = {.name = "USERS",
				      SHOW_COLUMNS(user_columns),
				      .begin = show_begin_users,
				      .next = next_user};
