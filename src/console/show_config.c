/*
 * SHOW CONFIG, STATE, VERSION, LISTS and MEM, and what drivers ask for: short tables
 * about the process as a whole.
 */
#include "auth/userlist.h"
#include "auth/worker.h"
#include "base/text.h"
#include "config/config.h"
#include "console/console.h"
#include "console/show.h"
#include "net/resolver.h"
#include "relay/keyring.h"
#include "relay/lookup.h"

/* ---- CONFIG ---- */

static const struct column config_columns[] = {{"key", COLUMN_TEXT},
					       {"value", COLUMN_TEXT},
					       {"default", COLUMN_TEXT},
					       {"changeable", COLUMN_TEXT}};

static bool next_setting(struct show *show, struct row *row)
{
	const char *name = show_next_name(show);
	char value[SETTING_PRINTED_MAX + 1];

	if (!name)
		return false;
	size_t i = (size_t)settings_find(name);
	struct settings_info info = settings_info(i);
	row_begin(row);
	row_text(row, info.name);
	row_text(row, settings_print(&show->dispatcher->config->settings, i, value,
				     sizeof(value)));
	row_text(row, info.default_text);
	row_text(row, info.changeable ? "yes" : "no");
	row_end(row);
	return true;
}

const struct show_table show_config = {.name = "CONFIG",
				       SHOW_COLUMNS(config_columns),
				       .begin = show_begin_settings,
				       .next = next_setting};

/* ---- STATE ---- */

static const struct column state_columns[] = {{"key", COLUMN_TEXT},
					      {"value", COLUMN_TEXT}};

static bool next_state(struct show *show, struct row *row)
{
	static const char *const keys[] = {"active", "paused", "suspended"};
	bool is_paused = show->dispatcher->pools.paused_all > 0;
	const bool values[] = {!is_paused, is_paused, false};

	if (show->step >= sizeof(keys) / sizeof(keys[0]))
		return false;
	row_begin(row);
	row_text(row, keys[show->step]);
	row_text(row, values[show->step] ? "yes" : "no");
	row_end(row);
	show->step++;
	return true;
}

const struct show_table show_state = {
    .name = "STATE", SHOW_COLUMNS(state_columns), .next = next_state};

/* ---- VERSION ---- */

static const struct column version_columns[] = {{"version", COLUMN_TEXT}};

static bool next_version(struct show *show, struct row *row)
{
	if (show->step++ > 0)
		return false;
	row_begin(row);
	row_text(row, show->service->app->version);
	row_end(row);
	return true;
}

const struct show_table show_version = {
    .name = "VERSION", SHOW_COLUMNS(version_columns), .next = next_version};

/* ---- LISTS ---- */

static const struct column lists_columns[] = {{"list", COLUMN_TEXT},
					      {"items", COLUMN_INT4}};

static size_t slab_free_count(const struct slab *slab)
{
	return slab->pages * slab->per_page - slab->used;
}

static size_t count_names(const struct show *show, bool (*begin)(struct show *show))
{
	struct show counting = {.dispatcher = show->dispatcher, .service = show->service};
	size_t count = begin(&counting) ? counting.names.count : 0;

	names_fini(&counting.names);
	return count;
}

/* Those of auth_file, too, each once. */
static size_t count_users(const struct show *show)
{
	const struct userlist *list = show->dispatcher->logins.keyring->users;
	struct show counting = {.dispatcher = show->dispatcher, .service = show->service};
	size_t count = list ? userlist_count(list) : 0;
	struct secret unused;

	if (show_begin_users(&counting)) {
		for (size_t i = 0; i < counting.names.count; i++) {
			const char *name = names_first(&counting.names, i);
			count += !userlist_find(list, slice_of_text(name), &unused);
		}
	}
	names_fini(&counting.names);
	return count;
}

static bool write_list(struct row *row, const char *name, size_t count)
{
	row_begin(row);
	row_text(row, name);
	row_count(row, count);
	row_end(row);
	return true;
}

static bool next_list(struct show *show, struct row *row)
{
	const struct dispatcher *d = show->dispatcher;
	const struct logins *l = &d->logins;
	const struct resolver *r = d->resolver;
	size_t step = show->step++;
	const struct {
		const char *name;
		size_t count;
	} lists[] = {
	    {"databases", step == 0 ? count_names(show, show_begin_databases) + 1 : 0},
	    {"users", step == 1 ? count_users(show) : 0},
	    {"peers", 0},
	    {"pools", d->pools.count + 1},
	    {"peer_pools", 0},
	    {"free_clients", slab_free_count(&d->client_slab)},
	    {"used_clients", d->client_count},
	    {"login_clients", d->login_count},
	    {"free_servers", slab_free_count(&d->server_slab)},
	    {"used_servers", d->server_slab.used},
	    {"dns_names", r ? resolver_name_count(r) : 0},
	    {"dns_zones", 0},
	    {"dns_queries", r ? resolver_pending_count(r) : 0},
	    {"dns_pending", 0},
	    /* ours */
	    {"console_clients", d->console_count},
	    {"cancel_requests", d->cancel_count},
	    {"prepared_statements", d->statements.count},
	    {"prepared_names", d->statements.name_count},
	    {"logins_in_progress", l->gate.count},
	    {"logins_in_line", l->gate.line_len},
	    {"failed_logins", brake_count(l->brake)},
	    {"auth_query_connections", lookups_connection_count(l->lookups)},
	    {"auth_query_waiting", lookups_waiting_count(l->lookups)},
	    {"auth_query_cached", lookups_cached_count(l->lookups)},
	    {"auth_threads_busy", l->workers ? workers_busy(l->workers) : 0},
	    {"auth_threads_waiting", l->workers ? workers_waiting(l->workers) : 0},
	    {"counted_servers", d->pools.process.servers},
	};

	if (step >= sizeof(lists) / sizeof(lists[0]))
		return false;
	return write_list(row, lists[step].name, lists[step].count);
}

const struct show_table show_lists = {
    .name = "LISTS", SHOW_COLUMNS(lists_columns), .next = next_list};

/* ---- MEM ---- */

static const struct column mem_columns[] = {{"name", COLUMN_TEXT},
					    {"size", COLUMN_INT4},
					    {"used", COLUMN_INT4},
					    {"free", COLUMN_INT4},
					    {"memtotal", COLUMN_INT4}};

static void show_slab(struct row *row, const char *name, const struct slab *slab)
{
	row_text(row, name);
	row_count(row, slab->object_len);
	row_count(row, slab->used);
	row_count(row, slab_free_count(slab));
	row_count(row, slab->pages * slab->per_page * slab->object_len);
}

/* Things of many sizes. */
static void show_bytes(struct row *row, const char *name, size_t count, size_t bytes)
{
	row_text(row, name);
	row_count(row, count > 0 ? bytes / count : 0);
	row_count(row, count);
	row_count(row, 0);
	row_count(row, bytes);
}

static bool next_memory(struct show *show, struct row *row)
{
	const struct dispatcher *d = show->dispatcher;
	const struct statements *s = &d->statements;
	size_t step = show->step++;

	if (step >= 5)
		return false;
	row_begin(row);
	if (step == 0)
		show_slab(row, "client_cache", &d->client_slab);
	else if (step == 1)
		show_slab(row, "server_cache", &d->server_slab);
	else if (step == 2)
		show_bytes(row, "prepared_statements", s->count,
			   s->bytes - s->server_bytes);
	else if (step == 3)
		show_bytes(row, "server_statements", s->server_count, s->server_bytes);
	else
		show_bytes(row, "parameters", d->params.count, d->params.bytes);
	row_end(row);
	return true;
}

const struct show_table show_mem = {
    .name = "MEM", SHOW_COLUMNS(mem_columns), .next = next_memory};

/* ---- what drivers ask for ---- */

/* Their tables have one column of their own name and one row. */
#define DRIVER_PARAMETERS(X)                                                             \
	X(client_encoding, "UTF8")                                                       \
	X(default_transaction_isolation, "read committed")                               \
	X(standard_conforming_strings, "on")                                             \
	X(datestyle, "ISO")                                                              \
	X(timezone, "GMT")

#define PARAMETER(name, value)                                                           \
	static const struct column name##_columns[] = {{#name, COLUMN_TEXT}};            \
	static bool next_##name(struct show *show, struct row *row)                      \
	{                                                                                \
		if (show->step++ > 0)                                                    \
			return false;                                                    \
		row_begin(row);                                                          \
		row_text(row, value);                                                    \
		row_end(row);                                                            \
		return true;                                                             \
	}
DRIVER_PARAMETERS(PARAMETER)
#undef PARAMETER

#define PARAMETER(parameter, value)                                                      \
	{.name = #parameter, SHOW_COLUMNS(parameter##_columns), .next = next_##parameter},
const struct show_table show_driver_tables[] = {DRIVER_PARAMETERS(PARAMETER)};
#undef PARAMETER

const size_t show_driver_table_count =
    sizeof(show_driver_tables) / sizeof(show_driver_tables[0]);

bool show_is_driver_parameter(const char *name)
{
	/* Set by JDBC and others right after login, whatever the server. */
	if (text_equal_nocase(name, "application_name") ||
	    text_equal_nocase(name, "extra_float_digits"))
		return true;
	for (size_t i = 0; i < show_driver_table_count; i++)
		if (text_equal_nocase(name, show_driver_tables[i].name))
			return true;
	return false;
}
