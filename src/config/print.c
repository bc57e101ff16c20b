/*
 * A snapshot as a file that loads to the same, or, where it has secrets, not at all: they
 * are not printed, and what is printed in their place is refused.
 */
#include <ctype.h>
#include <string.h>

#include "config/store.h"

/* 'a value', its quotes doubled. */
static void print_quoted(const char *text, FILE *out)
{
	putc('\'', out);
	for (; *text; text++) {
		if (*text == '\'')
			putc('\'', out);
		putc(*text, out);
	}
	putc('\'', out);
}

/* Bare where anybody would write it bare. */
static void print_name(const char *name, FILE *out)
{
	static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
				    "0123456789_.-*";

	if (name[strspn(name, plain)] == '\0')
		fputs(name, out);
	else
		print_quoted(name, out);
}

static void print_pair(const char *key, const char *value, FILE *out)
{
	if (value[0] == '\0')
		return;
	fprintf(out, " %s=", key);
	if (value[strcspn(value, " \t\r\n\v\f'")] == '\0')
		fputs(value, out);
	else
		print_quoted(value, out);
}

static void print_overrides(const struct overrides *over, enum override_place place,
			    FILE *out)
{
	char value[64];

	for (unsigned i = 0; i < OVERRIDE_COUNT; i++) {
		enum override_key key = (enum override_key)i;

		if (overrides_has(over, key))
			print_pair(overrides_key_name(place, key),
				   overrides_print(over, key, value, sizeof(value)), out);
	}
}

static void print_tls(const struct database *d, FILE *out)
{
	char value[SETTING_VALUE_MAX + 1];

	for (unsigned i = 0; i < SERVER_TLS_COUNT; i++) {
		enum server_tls_key key = (enum server_tls_key)i;

		if (d->tls_own >> i & 1)
			print_pair(server_tls_key_name(key),
				   server_tls_print(&d->tls, key, value, sizeof(value)),
				   out);
	}
}

static void print_database(const struct database *d, FILE *out)
{
	print_name(d->name, out);
	fputs(" =", out);
	print_pair("host", d->host, out);
	fprintf(out, " port=%d", d->port);
	print_pair("dbname", d->dbname, out);
	print_pair("user", d->user, out);
	print_pair("password", d->password[0] ? SECRET_SHOWN : "", out);
	print_pair("connect_query", d->connect_query, out);
	print_pair("client_encoding", d->client_encoding, out);
	print_pair("datestyle", d->datestyle, out);
	print_pair("timezone", d->timezone, out);
	print_pair("application_name", d->application_name, out);
	print_pair("auth_user", d->auth_user, out);
	print_pair("auth_query", d->auth_query, out);
	print_pair("auth_dbname", d->auth_dbname, out);
	print_tls(d, out);
	print_overrides(&d->over, OVERRIDE_IN_DATABASES, out);
	putc('\n', out);
}

static void print_user(const struct user_entry *u, FILE *out)
{
	print_name(u->name, out);
	fputs(" =", out);
	print_overrides(&u->over, OVERRIDE_IN_USERS, out);
	putc('\n', out);
}

static void print_settings(const struct settings *s, FILE *out)
{
	char value[SETTING_PRINTED_MAX + 1];

	fputs("[pooler]\n", out);
	for (size_t i = 0; i < settings_count(); i++) {
		settings_print(s, i, value, sizeof(value));
		fprintf(out, "%s =%s%s\n", settings_info(i).name, value[0] ? " " : "",
			value);
	}
}

void config_print(const struct config *config, FILE *out)
{
	print_settings(&config->settings, out);
	fputs("\n[databases]\n", out);
	for (size_t i = 0; i < config_database_count(config); i++)
		print_database(config_database_at(config, i), out);
	if (config_fallback(config))
		print_database(config_fallback(config), out);
	if (config_user_count(config) == 0)
		return;
	fputs("\n[users]\n", out);
	for (size_t i = 0; i < config_user_count(config); i++)
		print_user(config_user_at(config, i), out);
}
