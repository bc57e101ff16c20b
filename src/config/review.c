/*
 * What only shows when settings and entries are taken together. What cannot work is an
 * error; what works, as it does with PgBouncer, but hardly as meant, is a warning.
 */
#include "config/review.h"

#include <stdio.h>
#include <string.h>

#include "config/hint.h"
#include "config/value.h"

void review_note(struct review *r, enum config_severity severity, const char *setting,
		 const char *format, ...)
{
	struct ini_place place = {0};
	va_list args;

	if (r->places)
		place = r->places[settings_find(setting)];
	va_start(args, format);
	config_errors_add_v(r->errors, severity, place.file ? place.file : r->path,
			    place.line, format, args);
	va_end(args);
}

void review_note_database(struct review *r, enum config_severity severity,
			  const struct database_entry *e, const char *format, ...)
{
	char text[VALUE_WHY_MAX], shown[HINT_SHOWN_MAX];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	config_errors_add(r->errors, severity, e->place.file, e->place.line,
			  "database %s: %s", hint_show(e->database.name, shown), text);
}

void review_note_user(struct review *r, enum config_severity severity,
		      const struct user_slot *slot, const char *format, ...)
{
	char text[VALUE_WHY_MAX], shown[HINT_SHOWN_MAX];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	config_errors_add(r->errors, severity, slot->place.file, slot->place.line,
			  "user %s: %s", hint_show(slot->user.name, shown), text);
}

bool review_is_set(const struct review *r, const char *setting)
{
	struct settings defaults;

	settings_init(&defaults);
	return !settings_same(r->settings, &defaults, (size_t)settings_find(setting));
}

bool review_may_be_refused(const struct review *r, const char *setting)
{
	return r->had_errors && r->places && r->places[settings_find(setting)].file;
}

void review_each_database(struct review *r, review_database_fn look)
{
	const struct config_entries *entries = r->config->store->entries;

	for (size_t i = 0; i < entries->database_count; i++)
		look(r, entries->databases[i]);
	if (entries->fallback)
		look(r, entries->fallback);
}

/* ---- listening ---- */

/* The next address of a list, without blanks; the list moves on. Empty at the end. */
static struct slice next_address(const char **list)
{
	static const char separators[] = ", \t";

	*list += strspn(*list, separators);
	struct slice address = slice_of(*list, strcspn(*list, separators));
	*list += address.len;
	return address;
}

static bool is_wildcard(struct slice address)
{
	return slice_is_text(address, "*") || slice_is_text(address, "0.0.0.0") ||
	       slice_is_text(address, "::");
}

/* Whether one of the addresses of a would meet one of b. "::" and "0.0.0.0" do not meet
 * each other: each family has a socket of its own. */
static bool lists_meet(const char *a, const char *b)
{
	struct slice x, y;

	while ((x = next_address(&a)).len > 0) {
		const char *rest = b;

		while ((y = next_address(&rest)).len > 0) {
			if (slice_equal(x, y) || slice_is_text(x, "*") ||
			    slice_is_text(y, "*"))
				return true;
			/* A wildcard takes the port from all addresses of its family. */
			bool x_is_v6 = memchr(x.data, ':', x.len) != NULL;
			bool y_is_v6 = memchr(y.data, ':', y.len) != NULL;
			if ((is_wildcard(x) || is_wildcard(y)) && x_is_v6 == y_is_v6)
				return true;
		}
	}
	return false;
}

void review_listening(struct review *r)
{
	const struct settings *s = r->settings;
	const char *addresses = s->listen_addr;
	bool has_tcp = next_address(&addresses).len > 0;

	if (!has_tcp && s->unix_socket_dir[0] == '\0')
		review_note(
		    r, CONFIG_ERROR, "unix_socket_dir",
		    "there is nowhere to listen: listen_addr and unix_socket_dir are "
		    "both empty");
	if (strlen(s->unix_socket_dir) > SOCKET_DIR_MAX)
		review_note(
		    r, CONFIG_ERROR, "unix_socket_dir",
		    "unix_socket_dir is too long for the name of a Unix socket: at most "
		    "%d bytes",
		    SOCKET_DIR_MAX);
	if (s->admin_port == 0)
		return;
	addresses = s->admin_listen_addr;
	if (next_address(&addresses).len == 0)
		review_note(r, CONFIG_ERROR, "admin_listen_addr",
			    "admin_port is set, but admin_listen_addr is empty");
	if (s->admin_port == s->listen_port &&
	    lists_meet(s->admin_listen_addr, s->listen_addr))
		review_note(r, CONFIG_ERROR, "admin_port",
			    "admin_port and listen_port are both %d on the same address",
			    s->admin_port);
}

/* ---- pools ---- */

static void review_pool_sizes(struct review *r)
{
	const struct settings *s = r->settings;

	if (s->default_pool_size > 0 && s->min_pool_size > s->default_pool_size)
		review_note(
		    r, CONFIG_WARNING, "min_pool_size",
		    "min_pool_size is more than default_pool_size: pools keep %d servers",
		    s->default_pool_size);
	if (s->reserve_pool_size > 0 && s->reserve_pool_timeout == 0)
		review_note(r, CONFIG_WARNING, "reserve_pool_timeout",
			    "reserve_pool_timeout is 0: the reserve is never used");
	if (s->max_client_conn == 0)
		review_note(r, CONFIG_WARNING, "max_client_conn",
			    "max_client_conn is 0: no client gets in");
}

static void review_sizes(struct review *r, const struct database_entry *e)
{
	const struct database *d = &e->database;
	struct rules rules;

	if (!overrides_has(&d->over, OVERRIDE_pool_size) &&
	    !overrides_has(&d->over, OVERRIDE_min_pool_size))
		return;
	rules_resolve(r->config, d, NULL, &rules);
	if (rules.pool_size > 0 && rules.min_pool_size > rules.pool_size)
		review_note_database(
		    r, CONFIG_WARNING, e,
		    "min_pool_size is more than pool_size: its pools keep "
		    "%d servers",
		    rules.pool_size);
}

void review_pools(struct review *r)
{
	const struct config_entries *entries = r->config->store->entries;

	review_pool_sizes(r);
	if (entries->database_count == 0 && !entries->fallback && r->errors->errors == 0)
		config_errors_add(r->errors, CONFIG_WARNING, r->path, 0,
				  "there are no databases: only the console can be "
				  "reached");
	review_each_database(r, review_sizes);
}

void config_review(const struct config *config, const char *path,
		   const struct ini_place *places, struct config_errors *errors)
{
	struct review r = {.config = config,
			   .settings = &config->settings,
			   .path = path,
			   .places = places,
			   .errors = errors,
			   .had_errors = errors->errors > 0};

	review_listening(&r);
	review_pools(&r);
	review_shares(&r);
	review_logins(&r);
	review_tls(&r);
}
