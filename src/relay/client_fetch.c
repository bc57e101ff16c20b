/*
 * Fetching for logins.
 */
#include "relay/client_fetch.h"

#include <stdio.h>

#include "auth/hba.h"
#include "auth/ldap_options.h"
#include "auth/userlist.h"
#include "auth/worker.h"
#include "base/log.h"
#include "config/config.h"
#include "proto/notice.h"
#include "relay/client.h"
#include "relay/client_entry.h"
#include "relay/client_method.h"
#include "relay/dispatcher.h"
#include "relay/keyring.h"

static const struct config *config_of(const struct login *l)
{
	return l->client->dispatcher->config;
}

static struct logins *logins_of(const struct login *l)
{
	return &l->client->dispatcher->logins;
}

static void log_problem(const struct login *l, const char *what, const char *problem)
{
	char prefix[CLIENT_PREFIX_LEN];

	log_write(LOG_LEVEL_ERROR, client_prefix(l->client, prefix), "%s: %s", what,
		  problem ? problem : "no reason given");
}

/* What its client has said meanwhile has its turn now, in whatever state it is. */
static void go_on(struct client *c)
{
	if (c->closing == CLOSE_NOT)
		loop_post(c->stream.loop, &c->pump);
}

/* ---- auth_query ---- */

static const char *first_of(const char *own, const char *global)
{
	return own[0] ? own : global;
}

static const struct database *find_database(const struct login *l, struct slice name)
{
	bool is_auto;

	return pools_database(&l->client->dispatcher->pools, name, &is_auto);
}

/* libpq takes passwords in clear only. */
static const char *password_of(const struct login *l, const struct database *at,
			       const char *user, struct buffer *scratch)
{
	struct secret secret;

	if (strcmp(at->user, user) == 0 && at->password[0])
		return at->password;
	if (!userlist_find(logins_of(l)->keyring->users, slice_of_text(user), &secret) ||
	    secret.kind != SECRET_PLAIN)
		return "";
	if (!buffer_append(scratch, secret.text) ||
	    !buffer_append(scratch, slice_of("", 1)))
		return "";
	return (const char *)buffer_bytes(scratch).data;
}

static bool is_unix(const char *host)
{
	return host[0] == '/' || host[0] == '@';
}

static void point_at(const struct login *l, const struct database *at,
		     struct slice database_name, struct lookup_source *out,
		     char dbname[DATABASE_NAME_MAX + 1])
{
	const struct settings *s = &config_of(l)->settings;
	const struct server_tls *tls = &at->tls;

	snprintf(dbname, DATABASE_NAME_MAX + 1, "%.*s", (int)database_name.len,
		 (const char *)database_name.data);
	out->host = at->host[0] ? at->host : s->unix_socket_dir;
	out->port = at->port;
	out->dbname = at->dbname[0] ? at->dbname : dbname;
	out->sslmode = is_unix(out->host) ? "disable" : tls_mode_name(tls->mode);
	out->sslrootcert = tls->ca_file;
	out->sslcert = tls->cert_file;
	out->sslkey = tls->key_file;
	out->sslcrl = tls->crl_file;
	out->connect_timeout_us = s->server_connect_timeout;
	out->cache_ttl_us = s->auth_cache_ttl;
}

struct source_room {
	char dbname[DATABASE_NAME_MAX + 1];
	struct buffer password;
};

/* Where this login's secret is to be asked for; false when nowhere. */
static bool find_source(const struct login *l, struct lookup_source *out,
			struct source_room *room)
{
	static const struct database nowhere = {
	    .auth_user = "", .auth_query = "", .auth_dbname = ""};
	const struct settings *s = &config_of(l)->settings;
	const struct database *target =
	    client_entry_is_console(l) ? NULL : find_database(l, l->database);
	const struct database *own = target ? target : &nowhere;
	const char *dbname = first_of(own->auth_dbname, s->auth_dbname);
	struct slice name = dbname[0] ? slice_of_text(dbname) : l->database;
	const struct database *at = dbname[0] ? find_database(l, name) : target;

	*out = (struct lookup_source){0};
	out->user = first_of(own->auth_user, s->auth_user);
	out->query = first_of(own->auth_query, s->auth_query);
	if (!at || !out->user[0] || !out->query[0])
		return false;
	point_at(l, at, name, out, room->dbname);
	out->password = password_of(l, at, out->user, &room->password);
	return true;
}

static void source_done(struct source_room *room)
{
	buffer_wipe(&room->password);
}

static void on_found(struct login *l, const struct lookup_answer *answer)
{
	l->is_secret_cached = answer->is_from_cache;
	if (answer->problem)
		log_problem(l, "auth_query", answer->problem);
	logins_note_found(logins_of(l), &answer->secret);
	buffer_wipe(&l->secret);
	if (!buffer_append(&l->secret, answer->secret.text)) {
		client_close(l->client, CLOSE_OUT_OF_MEMORY);
		return;
	}
	l->ops->on_secret(l, &answer->secret);
}

static void on_lookup(struct lookup *lookup, const struct lookup_answer *answer)
{
	struct login *l =
	    (struct login *)(void *)((char *)lookup - offsetof(struct login, lookup));
	struct client *c = l->client;

	if (c->closing != CLOSE_NOT)
		return;
	switch (answer->verdict) {
	case LOOKUP_FOUND:
		on_found(l, answer);
		break;
	case LOOKUP_NO_USER:
		l->ops->on_secret(l, NULL);
		break;
	case LOOKUP_FAILED:
		log_problem(l, "auth_query", answer->problem);
		client_close(c, CLOSE_NO_SECRET_NOW);
		return;
	case LOOKUP_FULL:
		log_problem(l, "auth_query", answer->problem);
		client_close(c, CLOSE_LOOKUPS_FULL);
		return;
	}
	go_on(c);
}

static void ask_for_secret(struct login *l)
{
	struct source_room room = {0};
	struct lookup_source source;

	if (find_source(l, &source, &room))
		lookup_start(logins_of(l)->lookups, &l->lookup, &source, l->user,
			     on_lookup);
	else
		l->ops->on_secret(l, NULL);
	source_done(&room);
}

void client_fetch_secret(struct login *l)
{
	struct secret secret;

	if (userlist_find(logins_of(l)->keyring->users, l->user, &secret))
		l->ops->on_secret(l, &secret);
	else
		ask_for_secret(l);
}

bool client_fetch_may_ask(const struct login *l)
{
	struct source_room room = {0};
	struct lookup_source source;
	bool may = find_source(l, &source, &room);

	source_done(&room);
	return may;
}

bool client_fetch_knows_users(const struct login *l)
{
	return logins_of(l)->keyring->users || client_fetch_may_ask(l);
}

void client_fetch_distrust(struct login *l)
{
	struct source_room room = {0};
	struct lookup_source source;

	if (l->is_secret_cached && find_source(l, &source, &room))
		lookup_forget(logins_of(l)->lookups, &source, l->user);
	source_done(&room);
}

/* ---- the workers ---- */

static void submit(struct login *l, const struct work_order *order, work_done_fn on_done)
{
	struct workers *workers = logins_workers(logins_of(l), config_of(l));

	l->work = workers ? workers_submit(workers, order, on_done, l) : NULL;
	if (!l->work)
		client_close(l->client, CLOSE_WORKERS_FULL);
}

static void on_judged(void *context, enum work_verdict verdict, const char *text)
{
	struct login *l = context;
	struct client *c = l->client;

	l->work = NULL;
	if (c->closing != CLOSE_NOT)
		return;
	if (text && text[0] && verdict != WORK_RIGHT)
		log_problem(l, l->method.proof == LOGIN_PROOF_PAM ? "PAM" : "LDAP", text);
	if (verdict == WORK_BROKEN)
		client_close(c, CLOSE_NO_JUDGEMENT_NOW);
	else
		l->ops->on_judgement(l, verdict == WORK_RIGHT);
	go_on(c);
}

static void ask_pam(struct login *l, struct work_order *order)
{
	const struct hba_option *option = l->method.rule ? l->method.rule->options : NULL;
	const struct address *peer = &l->client->peer;
	char address[ADDRESS_TEXT_LEN];

	order->kind = WORK_PAM;
	order->service = config_of(l)->settings.auth_pam_service;
	for (; option; option = option->next)
		if (strcmp(option->name, "pamservice") == 0)
			order->service = option->value;
	if (peer->family != ADDRESS_UNIX)
		order->remote_host = address_print(peer, address);
	submit(l, order, on_judged);
}

static void ask_directory(struct login *l, struct work_order *order)
{
	const struct hba_rule *rule = l->method.rule;
	struct ldap_options options = {0};
	char why[256] = "out of memory";
	bool is_ok = rule ? ldap_options_of_rule(rule->options, &options)
			  : ldap_options_parse(config_of(l)->settings.auth_ldap_options,
					       &options, why, sizeof(why));

	order->kind = WORK_LDAP;
	order->options = options.pairs;
	if (is_ok) {
		submit(l, order, on_judged);
	} else {
		log_problem(l, "LDAP options", why);
		client_close(l->client, CLOSE_NO_JUDGEMENT_NOW);
	}
	ldap_options_fini(&options);
}

void client_fetch_judgement(struct login *l, struct slice password)
{
	struct work_order order = {.user = l->user, .password = password};

	if (l->method.proof == LOGIN_PROOF_PAM)
		ask_pam(l, &order);
	else
		ask_directory(l, &order);
}

static void on_user_name(void *context, enum work_verdict verdict, const char *text)
{
	struct login *l = context;
	struct client *c = l->client;

	l->work = NULL;
	if (c->closing != CLOSE_NOT)
		return;
	if (verdict == WORK_BROKEN)
		log_problem(l, "system user", text);
	l->ops->on_peer(l, verdict == WORK_RIGHT ? text : NULL);
	go_on(c);
}

void client_fetch_peer(struct login *l)
{
	struct client *c = l->client;
	struct ucred peer;
	socklen_t len = sizeof(peer);

	if (c->peer.family != ADDRESS_UNIX ||
	    getsockopt(loop_io_fd(&c->stream.io), SOL_SOCKET, SO_PEERCRED, &peer, &len) <
		0) {
		client_method_refuse(l, "peer authentication",
				     "it needs a connection by the Unix socket");
		return;
	}
	submit(l, &(struct work_order){.kind = WORK_USER_NAME, .uid = peer.uid},
	       on_user_name);
}

/* ---- names of addresses ---- */

static void on_name(struct peername_query *query, const char *name)
{
	struct login *l =
	    (struct login *)(void *)((char *)query - offsetof(struct login, name_query));
	struct client *c = l->client;

	if (c->closing != CLOSE_NOT)
		return;
	if (name) {
		l->peer_name = strdup(name);
		if (!l->peer_name) {
			client_close(c, CLOSE_OUT_OF_MEMORY);
			return;
		}
	}
	l->ops->on_name(l);
	go_on(c);
}

void client_fetch_name(struct login *l)
{
	peernames_ask(logins_of(l)->peernames, &l->name_query, &l->client->peer, on_name);
}

void client_fetch_stop(struct login *l)
{
	lookup_cancel(&l->lookup);
	if (l->work)
		workers_abandon(logins_of(l)->workers, l->work);
	l->work = NULL;
	peernames_forget(&l->name_query);
}
