/*
 * Contexts by what they are made of: thousands of databases share one.
 */
#include "relay/encryption.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Memory may be short: then a configuration is not taken, and we go on. */
#define HASH_NONFATAL_OOM 1
#include <uthash.h>

#include "config/config.h"
#include "net/tls_context.h"

enum { PROBLEM_LEN = 512 };

struct way {
	UT_hash_handle hh;
	struct tls_context *context;
	char *name; /* all values in one text */
	size_t name_len;
};

struct encryption {
	struct tls_context *clients;
	struct way *ways;
};

/* ---- what each mode means ---- */

static enum tls_verify verify_of_client(const struct settings *s)
{
	switch (s->client_tls_sslmode) {
	case TLS_MODE_VERIFY_CA:
	case TLS_MODE_VERIFY_FULL:
		return TLS_VERIFY_CA;
	case TLS_MODE_DISABLE:
	case TLS_MODE_ALLOW:
	case TLS_MODE_PREFER:
	case TLS_MODE_REQUIRE:
		break;
	}
	return s->client_tls_ca_file[0] ? TLS_VERIFY_IF_GIVEN : TLS_VERIFY_NONE;
}

static enum tls_verify verify_of_server(enum tls_mode mode)
{
	switch (mode) {
	case TLS_MODE_VERIFY_CA:
		return TLS_VERIFY_CA;
	case TLS_MODE_VERIFY_FULL:
		return TLS_VERIFY_FULL;
	case TLS_MODE_DISABLE:
	case TLS_MODE_ALLOW:
	case TLS_MODE_PREFER:
	case TLS_MODE_REQUIRE:
		break;
	}
	return TLS_VERIFY_NONE;
}

/* ---- clients ---- */

static void load_clients(struct encryption *e, const struct settings *s,
			 struct config_errors *errors)
{
	struct tls_options options = {.verify = verify_of_client(s),
				      .key_file = s->client_tls_key_file,
				      .cert_file = s->client_tls_cert_file,
				      .ca_file = s->client_tls_ca_file,
				      .crl_file = s->client_tls_crl_file,
				      .protocols = s->client_tls_protocols,
				      .ciphers = s->client_tls_ciphers,
				      .tls13_ciphers = s->client_tls13_ciphers,
				      .groups = s->client_tls_ecdhcurve,
				      .dheparams = s->client_tls_dheparams};
	char problem[PROBLEM_LEN];

	if (s->client_tls_sslmode == TLS_MODE_DISABLE)
		return;
	e->clients =
	    tls_context_create(TLS_SIDE_ACCEPT, &options, problem, sizeof(problem));
	if (!e->clients)
		config_errors_add(errors, CONFIG_ERROR, "", 0, "TLS for clients: %s",
				  problem);
}

/* ---- servers ---- */

/* Values hold no line feeds: a line of the file is what they came from. */
static int print_name(const struct server_tls *t, char *out, size_t cap)
{
	return snprintf(out, cap, "%d\n%d\n%s\n%s\n%s\n%s\n%s\n%s\n%s", (int)t->mode,
			(int)t->negotiation, t->key_file, t->cert_file, t->ca_file,
			t->crl_file, t->protocols, t->ciphers, t->tls13_ciphers);
}

static char *name_of(const struct server_tls *tls, size_t *out_len)
{
	size_t len = (size_t)print_name(tls, NULL, 0);
	char *name = malloc(len + 1);

	if (name)
		print_name(tls, name, len + 1);
	*out_len = len;
	return name;
}

static const struct way *find_way(const struct encryption *e,
				  const struct server_tls *tls)
{
	size_t len;
	char *name = e ? name_of(tls, &len) : NULL;
	struct way *way = NULL;

	if (name)
		HASH_FIND(hh, e->ways, name, len, way);
	free(name);
	return way;
}

static struct way *add_way(struct encryption *e, const struct server_tls *tls)
{
	struct way *way = calloc(1, sizeof(*way));

	if (!way)
		return NULL;
	way->name = name_of(tls, &way->name_len);
	if (way->name)
		HASH_ADD_KEYPTR(hh, e->ways, way->name, way->name_len, way);
	if (way->hh.tbl)
		return way;
	free(way->name);
	free(way);
	return NULL;
}

static void make_context(struct way *way, const struct server_tls *tls,
			 const char *database, struct config_errors *errors)
{
	struct tls_options options = {.verify = verify_of_server(tls->mode),
				      .key_file = tls->key_file,
				      .cert_file = tls->cert_file,
				      .ca_file = tls->ca_file,
				      .crl_file = tls->crl_file,
				      .protocols = tls->protocols,
				      .ciphers = tls->ciphers,
				      .tls13_ciphers = tls->tls13_ciphers};
	char problem[PROBLEM_LEN];

	way->context =
	    tls_context_create(TLS_SIDE_CONNECT, &options, problem, sizeof(problem));
	if (!way->context)
		config_errors_add(errors, CONFIG_ERROR, "", 0,
				  "TLS to the server of database \"%s\": %s", database,
				  problem);
}

static void load_database(struct encryption *e, const struct database *database,
			  struct config_errors *errors)
{
	if (!database || database->tls.mode == TLS_MODE_DISABLE ||
	    find_way(e, &database->tls))
		return;
	struct way *way = add_way(e, &database->tls);
	if (way)
		make_context(way, &database->tls, database->name, errors);
	else
		config_errors_add(errors, CONFIG_ERROR, "", 0, "out of memory");
}

struct encryption *encryption_load(const struct config *config,
				   struct config_errors *errors)
{
	struct encryption *e = calloc(1, sizeof(*e));
	size_t before = errors->errors;

	if (!e) {
		config_errors_add(errors, CONFIG_ERROR, "", 0, "out of memory");
		return NULL;
	}
	load_clients(e, &config->settings, errors);
	for (size_t i = 0; i < config_database_count(config); i++)
		load_database(e, config_database_at(config, i), errors);
	load_database(e, config_fallback(config), errors);
	if (errors->errors == before)
		return e;
	encryption_free(e);
	return NULL;
}

void encryption_free(struct encryption *e)
{
	struct way *way, *next;

	if (!e)
		return;
	HASH_ITER (hh, e->ways, way, next) {
		HASH_DEL(e->ways, way);
		tls_context_unref(way->context);
		free(way->name);
		free(way);
	}
	tls_context_unref(e->clients);
	free(e);
}

void encryption_inherit(struct encryption *e, const struct encryption *before)
{
	if (e->clients && before->clients)
		tls_context_inherit(e->clients, before->clients);
}

/* ---- questions ---- */

struct tls_context *encryption_for_clients(const struct encryption *e)
{
	return e ? e->clients : NULL;
}

struct tls_context *encryption_for_server(const struct encryption *e,
					  const struct server_tls *tls)
{
	const struct way *way = tls->mode == TLS_MODE_DISABLE ? NULL : find_way(e, tls);

	return way ? way->context : NULL;
}
