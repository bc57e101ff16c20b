/*
 * The list of tables, and the walk that all of them share.
 */
#include "console/show.h"

#include <stdio.h>
#include <time.h>

#include "base/text.h"
#include "config/config.h"
#include "config/hint.h"
#include "console/console.h"
#include "proto/writer.h"
#include "relay/keyring.h"

static const struct show_table *const tables[] = {
    &show_active_sockets, &show_clients,       &show_config,
    &show_databases,      &show_failed_logins, &show_hba,
    &show_listeners,      &show_lists,         &show_mem,
    &show_memory,         &show_pins,          &show_pools,
    &show_queue,          &show_reach,         &show_servers,
    &show_sockets,        &show_state,         &show_stats,
    &show_stats_averages, &show_stats_totals,  &show_totals,
    &show_users,          &show_version,
};

enum { TABLE_COUNT = sizeof(tables) / sizeof(tables[0]) };

const struct show_table *show_find(const char *name)
{
	for (size_t i = 0; i < TABLE_COUNT; i++)
		if (text_equal_nocase(name, tables[i]->name))
			return tables[i];
	for (size_t i = 0; i < show_driver_table_count; i++)
		if (text_equal_nocase(name, show_driver_tables[i].name))
			return &show_driver_tables[i];
	return NULL;
}

const struct show_table *show_table_at(size_t i)
{
	return i < TABLE_COUNT ? tables[i] : NULL;
}

const char *show_nearest(const char *name)
{
	struct nearest nearest = nearest_to(name);

	nearest_offer(&nearest, "HELP");
	for (size_t i = 0; i < TABLE_COUNT; i++)
		nearest_offer(&nearest, tables[i]->name);
	return nearest_name(&nearest);
}

bool show_begin(struct show *show, const struct show_table *table,
		const struct console_service *service, uint64_t binary)
{
	*show = (struct show){.table = table,
			      .service = service,
			      .dispatcher = service->dispatcher,
			      .binary = binary};
	return !table->begin || table->begin(show);
}

void show_end(struct show *show)
{
	names_fini(&show->names);
	keyring_unref(show->keyring);
	*show = (struct show){0};
}

enum show_progress show_slice(struct show *show, struct writer *w, size_t slice_len,
			      size_t most, size_t *rows)
{
	/* Skipping is quicker than writing, but not free. */
	enum { STEPS_MOST = 20000 };
	const struct console_app_ops *app = show->service->app;
	struct rows shape = {show->table->columns, show->table->count, show->binary};
	struct row row = row_of(&shape, w);
	bool is_more = true;

	show->now_us = dispatcher_now(show->dispatcher);
	show->wall_us = app->wall_now(app->context);
	show->clients.is_found = show->servers.is_found = false;
	show->failures.is_found = false;
	for (int steps = 0; is_more && steps < STEPS_MOST && row.written < most &&
			    buffer_len(w->out) < slice_len;
	     steps++)
		is_more = show->table->next(show, &row);
	*rows += row.written;
	return is_more ? SHOW_MORE : SHOW_DONE;
}

/* ---- for the tables ---- */

void show_time(struct row *row, const struct show *show, uint64_t at_us)
{
	time_t wall =
	    (time_t)((show->wall_us - clock_since(show->now_us, at_us)) / USEC_PER_SEC);
	struct tm parts;
	char text[64];

	if (!localtime_r(&wall, &parts) ||
	    strftime(text, sizeof(text), "%Y-%m-%d %H:%M:%S %Z", &parts) == 0) {
		row_null(row);
		return;
	}
	row_text(row, text);
}

void show_wait(struct row *row, uint64_t wait_us)
{
	row_count(row, wait_us / USEC_PER_SEC);
	row_count(row, wait_us % USEC_PER_SEC);
}

static struct slice usage_name(const struct usage *usage)
{
	return slice_of(usage->name, usage->name_len);
}

/* One that nobody uses is there only for its closed gate. */
static bool is_in_use(const struct usage *usage)
{
	return usage->holders > 0 || usage->gate.is_paused || usage->gate.is_disabled;
}

bool show_begin_databases(struct show *show)
{
	const struct dispatcher *d = show->dispatcher;
	const struct usage *usage;
	size_t count = config_database_count(d->config);

	for (size_t i = 0; i < count; i++)
		names_add(&show->names,
			  slice_of_text(config_database_at(d->config, i)->name),
			  slice_of_text(""));
	for (usage = d->pools.databases.table; usage; usage = usage->hh.next)
		if (is_in_use(usage))
			names_add(&show->names, usage_name(usage), slice_of_text(""));
	return names_finish(&show->names);
}

bool show_begin_users(struct show *show)
{
	const struct dispatcher *d = show->dispatcher;
	const struct usage *usage;
	size_t count = config_user_count(d->config);

	for (size_t i = 0; i < count; i++)
		names_add(&show->names, slice_of_text(config_user_at(d->config, i)->name),
			  slice_of_text(""));
	for (usage = d->pools.users.table; usage; usage = usage->hh.next)
		names_add(&show->names, usage_name(usage), slice_of_text(""));
	return names_finish(&show->names);
}

bool show_begin_pools(struct show *show)
{
	const struct pool *pool;

	TAILQ_FOREACH (pool, &show->dispatcher->pools.all, all)
		names_add(&show->names, slice_of_text(pool->database_name),
			  slice_of_text(pool->user_name));
	return names_finish(&show->names);
}

bool show_begin_settings(struct show *show)
{
	for (size_t i = 0; i < settings_count(); i++)
		names_add(&show->names, slice_of_text(settings_info(i).name),
			  slice_of_text(""));
	return names_finish(&show->names);
}

const char *show_next_name(struct show *show)
{
	if (show->step >= show->names.count)
		return NULL;
	return names_first(&show->names, show->step++);
}
