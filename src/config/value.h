/*
 * One value as a person writes it, of a kind and within a range: what settings and
 * overrides have in common.
 */
#ifndef POOLER_CONFIG_VALUE_H
#define POOLER_CONFIG_VALUE_H

#include "config/settings.h"

/* Ten years: far more than anybody means, far less than what overflows. */
enum { SECONDS_MAX = 315360000 };

/* Room for the reason why a value is refused. */
enum { VALUE_WHY_MAX = 512 };

struct value_rule {
	enum setting_kind kind;
	int64_t least, most; /* as in settings.def */
};

/* Reads text into the field, whose type is that of rule->kind; text kinds point to the
 * text itself. False, with the reason in why and the field untouched, when it is bad. */
bool value_parse(const struct value_rule *rule, const char *text, void *field, char *why,
		 size_t why_cap);

/* The field as it can be written; returns out. */
char *value_print(enum setting_kind kind, const void *field, char *out, size_t cap);

bool value_same(enum setting_kind kind, const void *a, const void *b);

bool value_is_text(enum setting_kind kind);

#endif
