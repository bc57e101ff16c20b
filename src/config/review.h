/*
 * The parts of a review (store.h): each notes what is wrong or odd in its field.
 */
#ifndef POOLER_CONFIG_REVIEW_H
#define POOLER_CONFIG_REVIEW_H

#include "config/store.h"

struct review {
	const struct config *config;
	const struct settings *settings;
	const char *path;
	const struct ini_place *places; /* NULL: unknown */
	struct config_errors *errors;
	bool had_errors; /* before: what is missing may be among them */
};

/* Speaks about a setting, at its place. */
void review_note(struct review *r, enum config_severity severity, const char *setting,
		 const char *format, ...) __attribute__((format(printf, 4, 5)));

/* Speaks about a database, at its place; its name comes first. */
void review_note_database(struct review *r, enum config_severity severity,
			  const struct database_entry *e, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/* The same about a user. */
void review_note_user(struct review *r, enum config_severity severity,
		      const struct user_slot *slot, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/* Whether the setting has another value than its default. */
bool review_is_set(const struct review *r, const char *setting);

/* Whether the setting was given, but perhaps not in a way that could be taken. */
bool review_may_be_refused(const struct review *r, const char *setting);

typedef void (*review_database_fn)(struct review *r, const struct database_entry *e);

/* For all, the fallback last. */
void review_each_database(struct review *r, review_database_fn look);

/* ---- the parts ---- */

void review_listening(struct review *r);
void review_pools(struct review *r);
void review_shares(struct review *r);
void review_logins(struct review *r);
void review_tls(struct review *r);

#endif
