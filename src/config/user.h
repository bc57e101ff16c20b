/*
 * One entry of [users]: what is different for a user, whatever the database.
 */
#ifndef POOLER_CONFIG_USER_H
#define POOLER_CONFIG_USER_H

#include "config/overrides.h"

struct arena;

enum { USER_NAME_MAX = 127 };

struct user_entry {
	const char *name;
	struct overrides over;
};

/* As database_parse(). */
int user_parse(const char *name, const char *text, struct arena *strings,
	       struct user_entry *out, char *why, size_t why_cap);

#endif
