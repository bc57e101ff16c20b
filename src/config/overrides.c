/*
 * The rows of overrides.def as a table.
 */
#include "config/overrides.h"

#include "base/check.h"
#include "base/text.h"
#include "config/value.h"

struct row {
	struct value_rule rule;
	size_t offset;
	const char *names[2]; /* by enum override_place */
};

static const struct row rows[OVERRIDE_COUNT] = {
#define OVERRIDE(field, kind, least, most, in_databases, in_users)                       \
	[OVERRIDE_##field] = {{SETTING_##kind, least, most},                             \
			      offsetof(struct overrides, field),                         \
			      {in_databases, in_users}},
#include "config/overrides.def"
#undef OVERRIDE
};

_Static_assert((int)OVERRIDE_COUNT <= 32, "struct overrides has 32 bits");

const char *overrides_key_name(enum override_place place, enum override_key key)
{
	CHECK(key < OVERRIDE_COUNT);
	return rows[key].names[place];
}

enum override_key overrides_find(enum override_place place, const char *name)
{
	if (place == OVERRIDE_IN_DATABASES && text_equal_nocase(name, "reserve_pool"))
		return OVERRIDE_reserve_pool_size;
	for (unsigned i = 0; i < OVERRIDE_COUNT; i++) {
		const char *known = rows[i].names[place];

		if (known && text_equal_nocase(known, name))
			return (enum override_key)i;
	}
	return OVERRIDE_COUNT;
}

bool overrides_set(struct overrides *o, enum override_key key, const char *value,
		   char *why, size_t why_cap)
{
	CHECK(key < OVERRIDE_COUNT);
	void *field = (char *)o + rows[key].offset;
	if (!value_parse(&rows[key].rule, value, field, why, why_cap))
		return false;
	o->set |= 1U << key;
	return true;
}

char *overrides_print(const struct overrides *o, enum override_key key, char *out,
		      size_t cap)
{
	CHECK(key < OVERRIDE_COUNT && overrides_has(o, key));
	return value_print(rows[key].rule.kind, (const char *)o + rows[key].offset, out,
			   cap);
}
