/*
 * Rather too much is masked than too little: what has the option's name counts as it,
 * however it is quoted.
 */
#include "config/mask.h"

#include <ctype.h>
#include <stdbool.h>
#include <string.h>

#include "config/settings.h"

static const char *skip_quotes(const char *at, bool *quoted)
{
	for (; *at == '"'; at++)
		*quoted = !*quoted;
	return at;
}

static const char *skip_blanks(const char *at)
{
	return at + strspn(at, " \t");
}

/* The value of the option at `at` and whether it stands in quotes, if it is the one with
 * a secret; else NULL. Options are name=value with blanks or commas between them, and
 * what is in double quotes belongs together, as in pg_hba.conf. */
static const char *secret_of_option(const char *at, bool *quoted)
{
	static const char name[] = "ldapbindpasswd";

	*quoted = false;
	for (const char *letter = name; *letter; letter++, at++) {
		at = skip_quotes(at, quoted);
		if (tolower((unsigned char)*at) != *letter)
			return NULL;
	}
	at = skip_blanks(skip_quotes(at, quoted));
	if (*at != '=')
		return NULL;
	return skip_quotes(skip_blanks(at + 1), quoted);
}

static const char *end_of_option(const char *at, bool quoted, const char *separators)
{
	for (; *at && (quoted || !strchr(separators, *at)); at++) {
		if (*at == '"')
			quoted = !quoted;
	}
	return at;
}

static void append(char *out, size_t cap, size_t *len, const char *text, size_t text_len)
{
	for (size_t i = 0; i < text_len && *len + 1 < cap; i++)
		out[(*len)++] = text[i];
	out[*len] = '\0';
}

void mask_ldap_options(const char *text, char *out, size_t cap)
{
	size_t len = 0;
	bool quoted;

	out[0] = '\0';
	while (*text) {
		const char *secret = secret_of_option(text, &quoted);
		const char *end = text;

		if (secret) {
			append(out, cap, &len, text, (size_t)(secret - text));
			append(out, cap, &len, SECRET_SHOWN, strlen(SECRET_SHOWN));
			append(out, cap, &len, "\"", quoted ? 1 : 0);
			/* A comma may be part of it. */
			end = text = end_of_option(secret, quoted, " \t");
		} else {
			end = end_of_option(text, false, " \t,");
		}
		end += strspn(end, " \t,");
		append(out, cap, &len, text, (size_t)(end - text));
		text = end;
	}
}
