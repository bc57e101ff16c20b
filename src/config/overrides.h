/*
 * What one database or one user says differently from the [pooler] section. A field means
 * something only when overrides_has() says that it was set: 0 is a value like any other.
 */
#ifndef POOLER_CONFIG_OVERRIDES_H
#define POOLER_CONFIG_OVERRIDES_H

#include "config/settings.h"

enum override_key {
#define OVERRIDE(field, ...) OVERRIDE_##field,
#include "config/overrides.def"
#undef OVERRIDE
	OVERRIDE_COUNT
};

enum override_place { OVERRIDE_IN_DATABASES, OVERRIDE_IN_USERS };

struct overrides {
	uint32_t set; /* a bit per enum override_key */
#define OVERRIDE(field, kind, ...) SETTING_TYPE_##kind field;
#include "config/overrides.def"
#undef OVERRIDE
};

static inline bool overrides_has(const struct overrides *o, enum override_key key)
{
	return (o->set >> key & 1) != 0;
}

/* The key's name there, or NULL where it is not allowed. */
const char *overrides_key_name(enum override_place place, enum override_key key);

/* The key of that name (in any case; in [databases] also reserve_pool), or
 * OVERRIDE_COUNT. */
enum override_key overrides_find(enum override_place place, const char *name);

/* False, with the reason in why and nothing changed, when the value is bad. */
bool overrides_set(struct overrides *o, enum override_key key, const char *value,
		   char *why, size_t why_cap);

/* The value of a key that is set, as it can be written in the file; returns out. */
char *overrides_print(const struct overrides *o, enum override_key key, char *out,
		      size_t cap);

#endif
