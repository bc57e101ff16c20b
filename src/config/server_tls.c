/*
 * One row per key, and what can be done with it by its number.
 */
#include "config/server_tls.h"

#include <errno.h>

#include "base/check.h"
#include "base/text.h"
#include "config/arena.h"
#include "config/value.h"

static const struct row {
	enum setting_kind kind;
	size_t offset, setting_offset;
	const char *key;
} rows[SERVER_TLS_COUNT] = {
#define X(field, kind, setting, key)                                                     \
	[SERVER_TLS_##field] = {SETTING_##kind, offsetof(struct server_tls, field),      \
				offsetof(struct settings, setting), key},
    SERVER_TLS_KEYS(X)
#undef X
};

static void *field_of(struct server_tls *tls, size_t i)
{
	return (char *)tls + rows[i].offset;
}

static const void *const_field_of(const struct server_tls *tls, size_t i)
{
	return (const char *)tls + rows[i].offset;
}

static void copy_field(enum setting_kind kind, void *to, const void *from)
{
	if (kind == SETTING_TLS_MODE)
		*(enum tls_mode *)to = *(const enum tls_mode *)from;
	else if (kind == SETTING_SSLNEGOTIATION)
		*(enum sslnegotiation *)to = *(const enum sslnegotiation *)from;
	else
		*(const char **)to = *(const char *const *)from;
}

void server_tls_init(struct server_tls *tls)
{
	*tls = (struct server_tls){0};
	for (size_t i = 0; i < SERVER_TLS_COUNT; i++) {
		if (value_is_text(rows[i].kind))
			*(const char **)field_of(tls, i) = "";
	}
}

void server_tls_of(const struct settings *s, struct server_tls *out)
{
	for (size_t i = 0; i < SERVER_TLS_COUNT; i++)
		copy_field(rows[i].kind, field_of(out, i),
			   (const char *)s + rows[i].setting_offset);
}

const char *server_tls_key_name(enum server_tls_key key)
{
	CHECK(key < SERVER_TLS_COUNT);
	return rows[key].key;
}

enum server_tls_key server_tls_find(const char *name)
{
	unsigned i = 0;

	while (i < SERVER_TLS_COUNT && !text_equal_nocase(rows[i].key, name))
		i++;
	return (enum server_tls_key)i;
}

int server_tls_set(struct server_tls *tls, enum server_tls_key key, const char *value,
		   struct arena *strings, char *why, size_t why_cap)
{
	CHECK(key < SERVER_TLS_COUNT);
	const struct value_rule rule = {.kind = rows[key].kind};
	const char *text = arena_text(strings, slice_of_text(value));

	if (!text)
		return -ENOMEM;
	return value_parse(&rule, text, field_of(tls, key), why, why_cap) ? 0 : -EINVAL;
}

char *server_tls_print(const struct server_tls *tls, enum server_tls_key key, char *out,
		       size_t cap)
{
	CHECK(key < SERVER_TLS_COUNT);
	return value_print(rows[key].kind, const_field_of(tls, key), out, cap);
}

void server_tls_inherit(struct server_tls *tls, unsigned own,
			const struct server_tls *from)
{
	for (size_t i = 0; i < SERVER_TLS_COUNT; i++) {
		if ((own >> i & 1) == 0)
			copy_field(rows[i].kind, field_of(tls, i),
				   const_field_of(from, i));
	}
}

int server_tls_keep(struct server_tls *tls, struct arena *strings)
{
	for (size_t i = 0; i < SERVER_TLS_COUNT; i++) {
		if (!value_is_text(rows[i].kind))
			continue;
		const char **field = field_of(tls, i);
		const char *copy = arena_text(strings, slice_of_text(*field));

		if (!copy)
			return -ENOMEM;
		*field = copy;
	}
	return 0;
}

bool server_tls_same(const struct server_tls *a, const struct server_tls *b)
{
	for (size_t i = 0; i < SERVER_TLS_COUNT; i++) {
		if (!value_same(rows[i].kind, const_field_of(a, i), const_field_of(b, i)))
			return false;
	}
	return true;
}
