/*
 * Reading a configuration into a snapshot, and making one from another.
 *
 * Everything that is wrong is noted and reading goes on, so that one look at the list is
 * enough to put it right. Nobody sees a snapshot that has an error in it.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "config/hint.h"
#include "config/store.h"
#include "config/value.h"

enum section {
	SECTION_NONE,
	SECTION_POOLER,
	SECTION_DATABASES,
	SECTION_USERS,
	SECTION_BAD
};

static const struct {
	const char *name;
	enum section section;
} sections[] = {
    {"pooler", SECTION_POOLER},
    {"pgbouncer", SECTION_POOLER},
    {"databases", SECTION_DATABASES},
    {"users", SECTION_USERS},
};

/* A load under way. */
struct load {
	struct config *config;
	struct config_errors *errors;
	struct ini_place *places; /* per setting: where it was said */
	enum section section;
	bool has_pooler;
	bool no_memory;
	const char *last_file, *last_file_kept; /* the same path, which stays */
};

__attribute__((format(printf, 4, 5))) static void note(struct load *l,
						       enum config_severity severity,
						       struct ini_place place,
						       const char *format, ...)
{
	va_list args;

	va_start(args, format);
	config_errors_add_v(l->errors, severity, place.file, place.line, format, args);
	va_end(args);
}

/* 0 and -EINVAL were dealt with; only -ENOMEM is left to say. */
static void note_memory(struct load *l, int rc)
{
	if (rc == -ENOMEM)
		l->no_memory = true;
}

static const char *keep_file(struct load *l, const char *file)
{
	if (l->last_file == file)
		return l->last_file_kept;
	l->last_file = file;
	l->last_file_kept =
	    arena_text(&l->config->store->entries->arena, slice_of_text(file));
	if (!l->last_file_kept) {
		l->no_memory = true;
		l->last_file_kept = "";
	}
	return l->last_file_kept;
}

/* Notes where it was said last. Warns when that was in the same file before; an included
 * one may well mean to say it differently. */
static void warn_if_repeated(struct load *l, struct ini_place place, const char *what,
			     struct ini_place *last)
{
	struct ini_place now = {.file = keep_file(l, place.file), .line = place.line};

	if (last->file && strcmp(last->file, now.file) == 0)
		note(l, CONFIG_WARNING, place,
		     "this %s was given in line %u already; the last one counts", what,
		     last->line);
	*last = now;
}

static void on_section(void *owner, struct ini_place place, const char *name)
{
	struct load *l = owner;
	struct nearest nearest = nearest_to(name);
	char text[VALUE_WHY_MAX];

	for (size_t i = 0; i < sizeof(sections) / sizeof(sections[0]); i++) {
		nearest_offer(&nearest, sections[i].name);
		if (!text_equal_nocase(sections[i].name, name))
			continue;
		l->section = sections[i].section;
		l->has_pooler |= l->section == SECTION_POOLER;
		return;
	}
	l->section = SECTION_BAD;
	hint_unknown("section", &nearest, text, sizeof(text));
	note(l, CONFIG_ERROR, place, "%s", text);
}

static void refuse_setting(struct load *l, struct ini_place place, const char *name)
{
	struct nearest nearest = nearest_to(name);
	char text[VALUE_WHY_MAX];

	for (size_t i = 0; i < settings_count(); i++)
		nearest_offer(&nearest, settings_info(i).name);
	hint_unknown("setting", &nearest, text, sizeof(text));
	note(l, CONFIG_ERROR, place, "%s", text);
}

static void on_setting(struct load *l, struct ini_place place, const char *name,
		       const char *value)
{
	char why[VALUE_WHY_MAX];
	int i = settings_find(name);

	if (i == SETTING_NONE) {
		refuse_setting(l, place, name);
		return;
	}
	warn_if_repeated(l, place, "setting", &l->places[i]);
	int rc = settings_set(&l->config->settings, (size_t)i, value,
			      &l->config->store->strings, why, sizeof(why));
	if (rc == -EINVAL)
		note(l, CONFIG_ERROR, place, "%s: %s", settings_info((size_t)i).name,
		     why);
	note_memory(l, rc);
}

static void on_database(struct load *l, struct ini_place place, const char *name,
			const char *value)
{
	struct config_entries *entries = l->config->store->entries;
	char why[VALUE_WHY_MAX], shown[HINT_SHOWN_MAX];
	struct database parsed;

	int rc = database_parse(name, value, &entries->arena, &parsed, why, sizeof(why));
	if (rc == -EINVAL)
		note(l, CONFIG_ERROR, place, "database %s: %s", hint_show(name, shown),
		     why);
	note_memory(l, rc);
	if (rc != 0)
		return;
	struct database_entry *e = config_entries_database(entries, parsed.name);
	if (!e) {
		l->no_memory = true;
		return;
	}
	warn_if_repeated(l, place, "database", &e->place);
	e->database = parsed;
}

static void on_user(struct load *l, struct ini_place place, const char *name,
		    const char *value)
{
	struct config_entries *entries = l->config->store->entries;
	char why[VALUE_WHY_MAX], shown[HINT_SHOWN_MAX];
	struct user_entry parsed;

	int rc = user_parse(name, value, &entries->arena, &parsed, why, sizeof(why));
	if (rc == -EINVAL)
		note(l, CONFIG_ERROR, place, "user %s: %s", hint_show(name, shown), why);
	note_memory(l, rc);
	if (rc != 0)
		return;
	struct user_slot *u = config_entries_user(entries, parsed.name);
	if (!u) {
		l->no_memory = true;
		return;
	}
	warn_if_repeated(l, place, "user", &u->place);
	u->user = parsed;
}

static void on_entry(void *owner, struct ini_place place, const char *section,
		     const char *name, const char *value)
{
	struct load *l = owner;

	(void)section; /* on_section() has told */
	switch (l->section) {
	case SECTION_NONE:
		note(l, CONFIG_ERROR, place,
		     "this stands before any section; the first is usually [pooler]");
		return;
	case SECTION_POOLER:
		on_setting(l, place, name, value);
		return;
	case SECTION_DATABASES:
		on_database(l, place, name, value);
		return;
	case SECTION_USERS:
		on_user(l, place, name, value);
		return;
	case SECTION_BAD:
		return;
	}
}

static const struct ini_ops ini_ops = {.on_section = on_section, .on_entry = on_entry};

/* Reads into l->config and looks at the whole. */
static int read_config(struct load *l, const char *path)
{
	size_t errors_before = l->errors->errors;
	int rc = ini_read(path, &ini_ops, l, l->errors);

	if (rc != 0)
		return rc;
	/* Of a file that could not be read the rest says nothing. */
	bool was_read = l->section != SECTION_NONE || l->errors->errors == errors_before;
	if (was_read && !l->has_pooler)
		config_errors_add(l->errors, CONFIG_ERROR, path, 0,
				  "there is no [pooler] section");
	if (l->no_memory)
		return -ENOMEM;
	return config_entries_inherit(l->config->store->entries, &l->config->settings);
}

/* An empty snapshot, or NULL with a note. */
static struct config *begin(struct config_errors *errors, const char *path)
{
	struct config_entries *entries = config_entries_new();
	struct config *config = entries ? config_new(entries) : NULL;

	if (!config)
		config_errors_add(errors, CONFIG_ERROR, path, 0, "out of memory");
	return config;
}

struct config *config_load(const char *path, struct config_errors *errors)
{
	size_t errors_before = errors->errors;
	struct load l = {.errors = errors, .config = begin(errors, path)};

	if (!l.config)
		return NULL;
	l.places = calloc(settings_count(), sizeof(*l.places));
	int rc = l.places ? read_config(&l, path) : -ENOMEM;
	if (rc != 0)
		config_errors_add(errors, CONFIG_ERROR, path, 0, "out of memory");
	else if (l.has_pooler)
		config_review(l.config, path, l.places, errors);
	free(l.places);
	if (errors->errors == errors_before)
		return l.config;
	config_unref(l.config);
	return NULL;
}

/* ---- from another snapshot ---- */

static int copy_settings(struct config *to, const struct config *from)
{
	for (size_t i = 0; i < settings_count(); i++) {
		int rc =
		    settings_copy(&to->settings, &from->settings, i, &to->store->strings);
		if (rc != 0)
			return rc;
	}
	return 0;
}

/* Gives setting i the value that the running program has. */
static int keep_setting(struct config *config, const struct config *running, size_t i,
			const char *path, struct config_errors *errors)
{
	if (settings_info(i).changeable ||
	    settings_same(&config->settings, &running->settings, i))
		return 0;
	config_errors_add(errors, CONFIG_WARNING, path, 0,
			  "the change of %s takes effect at the next start",
			  settings_info(i).name);
	return settings_copy(&config->settings, &running->settings, i,
			     &config->store->strings);
}

struct config *config_reload(const struct config *running, const char *path,
			     struct config_errors *errors)
{
	struct config *config = config_load(path, errors);
	int rc = 0;

	for (size_t i = 0; config && i < settings_count() && rc == 0; i++)
		rc = keep_setting(config, running, i, path, errors);
	if (rc == 0)
		return config;
	config_errors_add(errors, CONFIG_ERROR, path, 0, "out of memory");
	config_unref(config);
	return NULL;
}

/* The row of a setting that can be changed now, or SETTING_NONE with an error. */
static int find_changeable(const char *key, struct config_errors *errors)
{
	struct load l = {.errors = errors};
	int i = settings_find(key);

	if (i == SETTING_NONE) {
		refuse_setting(&l, (struct ini_place){.file = ""}, key);
		return SETTING_NONE;
	}
	if (settings_info((size_t)i).changeable)
		return i;
	config_errors_add(errors, CONFIG_ERROR, "", 0,
			  "%s takes effect only when the program starts",
			  settings_info((size_t)i).name);
	return SETTING_NONE;
}

/* Entries are shared until what they inherit has changed. */
static int inherit_anew(struct config *config, const struct config *from)
{
	struct server_tls before, after;

	server_tls_of(&from->settings, &before);
	server_tls_of(&config->settings, &after);
	if (server_tls_same(&before, &after))
		return 0;
	struct config_entries *copy = config_entries_copy(config->store->entries);
	if (!copy)
		return -ENOMEM;
	config_entries_unref(config->store->entries);
	config->store->entries = copy;
	return config_entries_inherit(copy, &config->settings);
}

static int change(struct config *config, const struct config *from, size_t i,
		  const char *value, struct config_errors *errors)
{
	char why[VALUE_WHY_MAX];
	int rc = copy_settings(config, from);

	if (rc == 0)
		rc = settings_set(&config->settings, i, value, &config->store->strings,
				  why, sizeof(why));
	if (rc == -EINVAL)
		config_errors_add(errors, CONFIG_ERROR, "", 0, "%s: %s",
				  settings_info(i).name, why);
	if (rc == 0)
		rc = inherit_anew(config, from);
	if (rc == -ENOMEM)
		config_errors_add(errors, CONFIG_ERROR, "", 0, "out of memory");
	return rc;
}

struct config *config_with_setting(const struct config *config, const char *key,
				   const char *value, struct config_errors *errors)
{
	size_t errors_before = errors->errors;
	int i = find_changeable(key, errors);

	if (i == SETTING_NONE)
		return NULL;
	config->store->entries->references++;
	struct config *changed = config_new(config->store->entries);
	if (!changed) {
		config_errors_add(errors, CONFIG_ERROR, "", 0, "out of memory");
		return NULL;
	}
	if (change(changed, config, (size_t)i, value, errors) == 0)
		config_review(changed, "", NULL, errors);
	if (errors->errors == errors_before)
		return changed;
	config_unref(changed);
	return NULL;
}
