/*
 * Connection strings. Everything that PgBouncer would turn into a 0 in silence, or take
 * and never use, is refused here.
 */
#include "config/database.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "config/arena.h"
#include "config/connstr.h"
#include "config/hint.h"
#include "config/user.h"
#include "config/value.h"

enum {
	DEFAULT_PORT = 5432,
	HOST_NAME_MAX_LEN = 253,
};

/* The keys that are plain text. */
static const struct text_key {
	const char *name;
	size_t offset;
	size_t max_len;
} text_keys[] = {
    {"dbname", offsetof(struct database, dbname), DATABASE_NAME_MAX},
    {"user", offsetof(struct database, user), USER_NAME_MAX},
    {"password", offsetof(struct database, password), SIZE_MAX},
    {"connect_query", offsetof(struct database, connect_query), SIZE_MAX},
    {"client_encoding", offsetof(struct database, client_encoding), SETTING_VALUE_MAX},
    {"datestyle", offsetof(struct database, datestyle), SETTING_VALUE_MAX},
    {"timezone", offsetof(struct database, timezone), SETTING_VALUE_MAX},
    {"application_name", offsetof(struct database, application_name), SETTING_VALUE_MAX},
    {"auth_user", offsetof(struct database, auth_user), USER_NAME_MAX},
    {"auth_query", offsetof(struct database, auth_query), SETTING_VALUE_MAX},
    {"auth_dbname", offsetof(struct database, auth_dbname), DATABASE_NAME_MAX},
};

enum { TEXT_KEYS = sizeof(text_keys) / sizeof(text_keys[0]) };

/* An entry while it is read. */
struct parsing {
	struct database d;
	struct arena *strings;
	bool has_host, has_port;
	bool has_text[TEXT_KEYS];
	char *why;
	size_t why_cap;
};

static int refuse(struct parsing *p, const char *text)
{
	snprintf(p->why, p->why_cap, "%s", text);
	return -EINVAL;
}

static int refuse_key(struct parsing *p, const char *key, const char *what)
{
	snprintf(p->why, p->why_cap, "%s %s", key, what);
	return -EINVAL;
}

static int store_text(struct parsing *p, const char *text, const char **out)
{
	const char *copy = arena_text(p->strings, slice_of_text(text));

	if (!copy)
		return -ENOMEM;
	*out = copy;
	return 0;
}

bool database_is_console(const char *name)
{
	return strcmp(name, "pooler") == 0 || strcmp(name, "pgbouncer") == 0;
}

static int check_name(struct parsing *p, const char *name)
{
	if (name[0] == '\0')
		return refuse(p, "a database needs a name");
	if (strlen(name) > DATABASE_NAME_MAX)
		return refuse(p, "the name is longer than 63 bytes");
	if (database_is_console(name))
		return refuse(p, "the name is that of the console and cannot be used");
	return 0;
}

static int set_host(struct parsing *p, const char *host)
{
	bool local = host[0] == '/' || host[0] == '@';

	if (p->has_host)
		return refuse_key(p, "host", "is given twice");
	if (strchr(host, ','))
		return refuse_key(p, "host",
				  "has a comma: several hosts are not "
				  "supported by this version");
	if (strpbrk(host, " \t"))
		return refuse_key(p, "host", "has a blank in it");
	if (local && strlen(host) > SOCKET_DIR_MAX)
		return refuse_key(p, "host", "is too long for the name of a Unix socket");
	if (strlen(host) > HOST_NAME_MAX_LEN)
		return refuse_key(p, "host", "is longer than a host name can be");
	p->has_host = true;
	return store_text(p, host, &p->d.host);
}

static int set_port(struct parsing *p, const char *text)
{
	static const struct value_rule rule = {SETTING_INT, 1, 65535};
	char why[VALUE_WHY_MAX];

	if (p->has_port)
		return refuse_key(p, "port", "is given twice");
	if (!value_parse(&rule, text, &p->d.port, why, sizeof(why))) {
		snprintf(p->why, p->why_cap, "port: %s", why);
		return -EINVAL;
	}
	p->has_port = true;
	return 0;
}

/* What is wrong with the text of a key, or NULL. */
static const char *judge_text(const char *key, const char *value)
{
	if (strcmp(key, "password") == 0 && strcmp(value, SECRET_SHOWN) == 0)
		return SECRET_SHOWN_WHY;
	if (strcmp(key, "auth_dbname") == 0 && database_is_console(value))
		return "is the console, which cannot look up users";
	return NULL;
}

static int set_text(struct parsing *p, size_t i, const char *value)
{
	const char **field = (const char **)(void *)((char *)&p->d + text_keys[i].offset);

	if (p->has_text[i])
		return refuse_key(p, text_keys[i].name, "is given twice");
	if (strlen(value) > text_keys[i].max_len)
		return refuse_key(p, text_keys[i].name, "is too long");
	const char *fault = judge_text(text_keys[i].name, value);
	if (fault)
		return refuse_key(p, text_keys[i].name, fault);
	p->has_text[i] = true;
	return store_text(p, value, field);
}

static int set_override(struct parsing *p, enum override_key key, const char *value)
{
	const char *name = overrides_key_name(OVERRIDE_IN_DATABASES, key);
	char why[VALUE_WHY_MAX];

	if (overrides_has(&p->d.over, key))
		return refuse_key(p, name, "is given twice");
	if (overrides_set(&p->d.over, key, value, why, sizeof(why)))
		return 0;
	snprintf(p->why, p->why_cap, "%s: %s", name, why);
	return -EINVAL;
}

static int set_tls(struct parsing *p, enum server_tls_key key, const char *value)
{
	const char *name = server_tls_key_name(key);
	char why[VALUE_WHY_MAX];

	if (p->d.tls_own >> key & 1)
		return refuse_key(p, name, "is given twice");
	int rc = server_tls_set(&p->d.tls, key, value, p->strings, why, sizeof(why));
	if (rc == -EINVAL)
		snprintf(p->why, p->why_cap, "%s: %s", name, why);
	if (rc == 0)
		p->d.tls_own |= 1U << key;
	return rc;
}

static int refuse_unknown(struct parsing *p, const char *key)
{
	struct nearest nearest = nearest_to(key);

	nearest_offer(&nearest, "host");
	nearest_offer(&nearest, "port");
	for (size_t i = 0; i < TEXT_KEYS; i++)
		nearest_offer(&nearest, text_keys[i].name);
	for (unsigned i = 0; i < OVERRIDE_COUNT; i++) {
		const char *name =
		    overrides_key_name(OVERRIDE_IN_DATABASES, (enum override_key)i);
		if (name)
			nearest_offer(&nearest, name);
	}
	for (unsigned i = 0; i < SERVER_TLS_COUNT; i++)
		nearest_offer(&nearest, server_tls_key_name((enum server_tls_key)i));
	hint_unknown("key", &nearest, p->why, p->why_cap);
	return -EINVAL;
}

static int set_pair(void *owner, struct connstr_pair pair, char *why, size_t why_cap)
{
	struct parsing *p = owner;

	p->why = why;
	p->why_cap = why_cap;
	if (text_equal_nocase(pair.key, "host"))
		return set_host(p, pair.value);
	if (text_equal_nocase(pair.key, "port"))
		return set_port(p, pair.value);
	for (size_t i = 0; i < TEXT_KEYS; i++) {
		if (text_equal_nocase(pair.key, text_keys[i].name))
			return set_text(p, i, pair.value);
	}
	enum override_key key = overrides_find(OVERRIDE_IN_DATABASES, pair.key);
	if (key != OVERRIDE_COUNT)
		return set_override(p, key, pair.value);
	enum server_tls_key tls_key = server_tls_find(pair.key);
	if (tls_key != SERVER_TLS_COUNT)
		return set_tls(p, tls_key, pair.value);
	if (pair.is_hidden)
		return connstr_refuse_hidden(why, why_cap);
	return refuse_unknown(p, pair.key);
}

int database_parse(const char *name, const char *connection_string, struct arena *strings,
		   struct database *out, char *why, size_t why_cap)
{
	struct parsing p = {
	    .strings = strings,
	    .why = why,
	    .why_cap = why_cap,
	    .d = {.dbname = "",
		  .host = "",
		  .port = DEFAULT_PORT,
		  .user = "",
		  .password = "",
		  .connect_query = "",
		  .client_encoding = "",
		  .datestyle = "",
		  .timezone = "",
		  .application_name = "",
		  .auth_user = "",
		  .auth_query = "",
		  .auth_dbname = ""},
	};
	int rc = check_name(&p, name);

	server_tls_init(&p.d.tls);
	if (rc == 0)
		rc = store_text(&p, name, &p.d.name);
	if (rc != 0)
		return rc;
	rc = connstr_each(connection_string, set_pair, &p, why, why_cap);
	if (rc != 0)
		return rc;
	if (p.d.dbname[0] == '\0' && !database_is_fallback(&p.d))
		p.d.dbname = p.d.name;
	*out = p.d;
	return 0;
}

bool database_is_fallback(const struct database *d)
{
	return strcmp(d->name, "*") == 0;
}

bool database_target_differs(const struct database *a, const struct database *b)
{
	return a->port != b->port || strcmp(a->dbname, b->dbname) != 0 ||
	       strcmp(a->host, b->host) != 0 || strcmp(a->user, b->user) != 0 ||
	       strcmp(a->connect_query, b->connect_query) != 0 ||
	       strcmp(a->client_encoding, b->client_encoding) != 0 ||
	       strcmp(a->datestyle, b->datestyle) != 0 ||
	       strcmp(a->timezone, b->timezone) != 0 ||
	       strcmp(a->application_name, b->application_name) != 0;
}
