/*
 * The rows of settings.def as a table, and what can be done with a row.
 */
#include "config/settings.h"

#include <ctype.h>
#include <errno.h>
#include <string.h>

#include "base/check.h"
#include "base/text.h"
#include "config/arena.h"
#include "config/value.h"

enum { AT_START = false, RELOADABLE = true };

struct row {
	struct settings_info info;
	struct value_rule rule;
	size_t offset;
};

static const struct row rows[] = {
#define SETTING(name, kind, default_text, least, most, when, sentence)                   \
	{{#name, default_text, when, sentence},                                          \
	 {SETTING_##kind, least, most},                                                  \
	 offsetof(struct settings, name)},
#include "config/settings.def"
#undef SETTING
};

static void *field_of(struct settings *s, size_t i)
{
	return (char *)s + rows[i].offset;
}

static const void *const_field_of(const struct settings *s, size_t i)
{
	return (const char *)s + rows[i].offset;
}

size_t settings_count(void)
{
	return sizeof(rows) / sizeof(rows[0]);
}

struct settings_info settings_info(size_t i)
{
	CHECK(i < settings_count());
	return rows[i].info;
}

int settings_find(const char *name)
{
	for (size_t i = 0; i < settings_count(); i++) {
		if (text_equal_nocase(rows[i].info.name, name))
			return (int)i;
	}
	return SETTING_NONE;
}

void settings_init(struct settings *s)
{
	char why[VALUE_WHY_MAX];

	*s = (struct settings){0};
	for (size_t i = 0; i < settings_count(); i++) {
		const char *text = rows[i].info.default_text;

		if (!text && !value_is_text(rows[i].rule.kind))
			continue;
		CHECK(value_parse(&rows[i].rule, text ? text : "", field_of(s, i), why,
				  sizeof(why)));
	}
}

static struct slice trim(const char *text)
{
	while (isspace((unsigned char)*text))
		text++;
	size_t len = strlen(text);
	while (len > 0 && isspace((unsigned char)text[len - 1]))
		len--;
	return slice_of(text, len);
}

int settings_set(struct settings *s, size_t i, const char *value, struct arena *strings,
		 char *why, size_t why_cap)
{
	CHECK(i < settings_count());
	/* A copy in any case: it is cut, and a string must stay. Only strings are worth
	 * it, but a snapshot has few settings. */
	const char *text = arena_text(strings, trim(value));
	if (!text)
		return -ENOMEM;
	if (!value_parse(&rows[i].rule, text, field_of(s, i), why, why_cap))
		return -EINVAL;
	return 0;
}

char *settings_print(const struct settings *s, size_t i, char *out, size_t cap)
{
	CHECK(i < settings_count());
	return value_print(rows[i].rule.kind, const_field_of(s, i), out, cap);
}

bool settings_same(const struct settings *a, const struct settings *b, size_t i)
{
	CHECK(i < settings_count());
	return value_same(rows[i].rule.kind, const_field_of(a, i), const_field_of(b, i));
}

static size_t field_len(enum setting_kind kind)
{
	switch (kind) {
	case SETTING_TEXT:
	case SETTING_FACILITY:
	case SETTING_DHEPARAMS:
	case SETTING_LDAP_OPTIONS:
	case SETTING_APPLICATIONS:
		return sizeof(const char *);
	case SETTING_PRIORITY_RESERVE:
		return sizeof(struct priority_reserve);
	case SETTING_BOOL:
		return sizeof(bool);
	case SETTING_INT:
	case SETTING_MODE:
		return sizeof(int);
	case SETTING_SECONDS:
	case SETTING_MILLISECONDS:
	case SETTING_SIZE:
		return sizeof(uint64_t);
	case SETTING_POOL_MODE:
	case SETTING_STATE_POLICY:
	case SETTING_AUTH_TYPE:
	case SETTING_TLS_MODE:
	case SETTING_SSLNEGOTIATION:
	case SETTING_PRIORITY:
	case SETTING_TRIAL:
	case SETTING_QUEUE_POLICY:
	case SETTING_REJECT_ACTION:
		return sizeof(enum pool_mode); /* all enums are as long */
	}
	return 0;
}

int settings_copy(struct settings *to, const struct settings *from, size_t i,
		  struct arena *strings)
{
	CHECK(i < settings_count());
	if (!value_is_text(rows[i].rule.kind)) {
		memcpy(field_of(to, i), const_field_of(from, i),
		       field_len(rows[i].rule.kind));
		return 0;
	}
	const char *text = *(const char *const *)const_field_of(from, i);
	text = arena_text(strings, slice_of_text(text));
	if (!text)
		return -ENOMEM;
	*(const char **)field_of(to, i) = text;
	return 0;
}
