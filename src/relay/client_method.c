/*
 * The method of a login, and the proofs that need no messages.
 */
#include "relay/client_method.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "auth/hba.h"
#include "auth/ident.h"
#include "base/log.h"
#include "base/text.h"
#include "config/config.h"
#include "net/interfaces.h"
#include "net/tls.h"
#include "proto/notice.h"
#include "relay/client.h"
#include "relay/client_entry.h"
#include "relay/dispatcher.h"
#include "relay/keyring.h"

enum { TEXT_LEN = 512, NAME_LEN = 1024 };

static const struct settings *settings_of(const struct login *l)
{
	return &l->client->dispatcher->config->settings;
}

struct brake_who client_method_who(const struct login *l)
{
	const struct address *peer = &l->client->peer;
	size_t len = peer->family == ADDRESS_IPV4   ? 4
		     : peer->family == ADDRESS_IPV6 ? 16
						    : 0;

	return (struct brake_who){.user = l->user, .address = slice_of(peer->bytes, len)};
}

void client_method_refuse(struct login *l, const char *kind, const char *why)
{
	struct client *c = l->client;
	char prefix[CLIENT_PREFIX_LEN], shown[LOGIN_USER_MAX * 4 + 1], message[TEXT_LEN];

	snprintf(message, sizeof(message), "%s failed for user \"%s\"", kind,
		 text_escape(shown, sizeof(shown), l->user));
	log_write(LOG_LEVEL_WARNING, client_prefix(c, prefix), "%s: %s", message, why);
	client_close_saying(c, CLOSE_NOT_ALLOWED, message, NULL, NULL);
}

/* ---- by auth_type ---- */

static struct login_method by_messages(enum exchange_method exchange)
{
	return (struct login_method){.proof = LOGIN_PROOF_EXCHANGE, .exchange = exchange};
}

static struct login_method by_password(enum login_proof proof)
{
	return (struct login_method){.proof = proof, .exchange = EXCHANGE_OUTSIDE};
}

static struct login_method otherwise(enum login_proof proof)
{
	return (struct login_method){.proof = proof, .exchange = EXCHANGE_TRUST};
}

static struct login_method method_of_type(enum auth_type type)
{
	switch (type) {
	case AUTH_TYPE_TRUST:
		return by_messages(EXCHANGE_TRUST);
	case AUTH_TYPE_ANY:
		return by_messages(EXCHANGE_ANY);
	case AUTH_TYPE_PLAIN:
		return by_messages(EXCHANGE_PLAIN);
	case AUTH_TYPE_MD5:
		return by_messages(EXCHANGE_MD5);
	case AUTH_TYPE_SCRAM:
		return by_messages(EXCHANGE_SCRAM);
	case AUTH_TYPE_CERT:
		return otherwise(LOGIN_PROOF_CERT);
	case AUTH_TYPE_PEER:
		return otherwise(LOGIN_PROOF_PEER);
	case AUTH_TYPE_PAM:
		return by_password(LOGIN_PROOF_PAM);
	case AUTH_TYPE_LDAP:
		return by_password(LOGIN_PROOF_LDAP);
	case AUTH_TYPE_HBA:
		break;
	}
	return otherwise(LOGIN_PROOF_REJECT);
}

/* ---- by rule ---- */

static struct login_method method_of_rule(const struct hba_rule *rule)
{
	switch (rule->method) {
	case HBA_TRUST:
		return by_messages(EXCHANGE_TRUST);
	case HBA_PASSWORD:
		return by_messages(EXCHANGE_PLAIN);
	case HBA_MD5:
		return by_messages(EXCHANGE_MD5);
	case HBA_SCRAM:
		return by_messages(EXCHANGE_SCRAM);
	case HBA_CERT:
		return otherwise(LOGIN_PROOF_CERT);
	case HBA_PEER:
		return otherwise(LOGIN_PROOF_PEER);
	case HBA_PAM:
		return by_password(LOGIN_PROOF_PAM);
	case HBA_LDAP:
		return by_password(LOGIN_PROOF_LDAP);
	case HBA_REJECT:
		break;
	}
	return otherwise(LOGIN_PROOF_REJECT);
}

static struct hba_address hba_address_of(const struct address *a)
{
	struct hba_address out = {0};

	if (a->family == ADDRESS_IPV4)
		out.family = 4;
	else if (a->family == ADDRESS_IPV6)
		out.family = 6;
	memcpy(out.bytes, a->bytes, sizeof(out.bytes));
	return out;
}

/* What PostgreSQL says of such a connection, and with the rule's place for the log. */
static void refuse_by_rules(struct login *l, const struct hba_rule *rule)
{
	struct client *c = l->client;
	char user[LOGIN_USER_MAX * 4 + 1], database[260], address[ADDRESS_TEXT_LEN],
	    message[TEXT_LEN * 2], prefix[CLIENT_PREFIX_LEN];

	snprintf(message, sizeof(message),
		 "%s for host \"%s\", user \"%s\", database \"%s\", %s",
		 rule ? "HBA rule rejects connection" : "no HBA rule",
		 address_print(&c->peer, address),
		 text_escape(user, sizeof(user), l->user),
		 text_escape(database, sizeof(database), l->database),
		 tls_is_on(&c->stream) ? "TLS encryption" : "no encryption");
	if (rule)
		log_write(LOG_LEVEL_LOG, client_prefix(c, prefix),
			  "rejected by line %u of auth_hba_file", rule->line);
	client_close_saying(c, CLOSE_NOT_ALLOWED, message, NULL, NULL);
}

/* 0 or -errno. */
static int own_networks(struct hba_network **out, size_t *out_count)
{
	struct interface_network *found;
	size_t count;
	int err = interfaces_list(&found, &count);

	if (err)
		return err;
	struct hba_network *own = calloc(count + 1, sizeof(*own));
	for (size_t i = 0; own && i < count; i++) {
		own[i].address.family = found[i].family;
		memcpy(own[i].address.bytes, found[i].address, sizeof(found[i].address));
		memcpy(own[i].mask, found[i].mask, sizeof(found[i].mask));
	}
	free(found);
	*out = own;
	*out_count = own ? count : 0;
	return own ? 0 : -ENOMEM;
}

/* A rule that cannot be held against the client may be one that keeps it out: so nobody
 * comes in past it. */
static void refuse_without_networks(const struct login *l, int err)
{
	char prefix[CLIENT_PREFIX_LEN];

	log_write(LOG_LEVEL_ERROR, client_prefix(l->client, prefix),
		  "auth_hba_file says samehost or samenet, but the networks of this "
		  "machine cannot be found out: %s",
		  strerror(-err));
	client_close(l->client, CLOSE_NO_NETWORKS_NOW);
}

/* The console is one database with two names, whichever is used, and on its own port any;
 * and nothing is replicated from there. */
static void name_console(struct hba_connection *connection)
{
	connection->database = slice_of_text("pooler");
	connection->also_called = slice_of_text("pgbouncer");
	connection->is_replication = false;
}

static enum hba_verdict match(const struct login *l, const struct hba_network *own,
			      size_t own_count, const struct hba_rule **out)
{
	const struct client *c = l->client;
	struct hba_connection connection = {
	    .is_local = c->peer.family == ADDRESS_UNIX,
	    .is_tls = tls_is_on(&c->stream),
	    .address = hba_address_of(&c->peer),
	    .database = l->database,
	    .user = l->user,
	    .is_replication = l->replication == STARTUP_REPLICATION_PHYSICAL,
	    .own = own,
	    .own_count = own_count,
	};

	if (client_entry_is_console(l))
		name_console(&connection);
	if (l->knows_peer_name) {
		connection.peer_name = l->peer_name;
		connection.peer_name_state =
		    l->peer_name ? HBA_PEER_NAME_KNOWN : HBA_PEER_NAME_NONE;
	}
	return hba_match(l->keyring->hba, &connection, out);
}

static enum client_method find_rule(struct login *l)
{
	const struct hba_rule *rule = NULL;
	struct hba_network *own = NULL;
	size_t own_count = 0;
	int err = hba_uses_own(l->keyring->hba) ? own_networks(&own, &own_count) : 0;

	if (err) {
		refuse_without_networks(l, err);
		return CLIENT_METHOD_REFUSED;
	}
	enum hba_verdict verdict = match(l, own, own_count, &rule);
	free(own);
	switch (verdict) {
	case HBA_NEEDS_NAME:
		return CLIENT_METHOD_NEEDS_NAME;
	case HBA_NO_MATCH:
		refuse_by_rules(l, NULL);
		return CLIENT_METHOD_REFUSED;
	case HBA_MATCH:
		break;
	}
	l->method = method_of_rule(rule);
	l->method.rule = rule;
	if (l->method.proof != LOGIN_PROOF_REJECT)
		return CLIENT_METHOD_FOUND;
	refuse_by_rules(l, rule);
	return CLIENT_METHOD_REFUSED;
}

enum client_method client_method_find(struct login *l)
{
	enum auth_type type = settings_of(l)->auth_type;

	if (type == AUTH_TYPE_HBA)
		return find_rule(l);
	l->method = method_of_type(type);
	return CLIENT_METHOD_FOUND;
}

/* ---- certificates ---- */

static bool name_may_be(const struct login *l, const char *name)
{
	const struct hba_rule *rule = l->method.rule;

	return ident_may_be(l->keyring->ident, rule ? rule->map : NULL,
			    slice_of_text(name), l->user);
}

static bool certificate_may_be(const struct login *l)
{
	const struct stream *stream = &l->client->stream;
	char name[NAME_LEN];

	if (l->method.rule && l->method.rule->is_by_dn)
		return tls_peer_subject(stream, name, sizeof(name)) &&
		       name_may_be(l, name);
	for (size_t i = 0; i < tls_peer_name_count(stream); i++)
		if (tls_peer_name(stream, i, name, sizeof(name)) && name_may_be(l, name))
			return true;
	return false;
}

bool client_method_judge_certificate(struct login *l)
{
	const struct hba_rule *rule = l->method.rule;
	enum hba_clientcert wanted = rule ? rule->clientcert : HBA_CLIENTCERT_NONE;

	if (l->method.proof == LOGIN_PROOF_CERT)
		wanted = HBA_CLIENTCERT_FULL;
	if (wanted == HBA_CLIENTCERT_NONE)
		return true;
	if (!tls_peer_is_verified(&l->client->stream)) {
		client_close_saying(l->client, CLOSE_NOT_ALLOWED,
				    "connection requires a valid client certificate",
				    NULL, NULL);
		return false;
	}
	if (wanted == HBA_CLIENTCERT_CA || certificate_may_be(l))
		return true;
	client_method_refuse(l, "certificate authentication",
			     "no name in the certificate is that user's");
	return false;
}

/* ---- users of the system ---- */

bool client_method_judge_peer(struct login *l, const char *system_name)
{
	char why[TEXT_LEN];

	if (name_may_be(l, system_name))
		return true;
	snprintf(why, sizeof(why), "the system's user is \"%.200s\"", system_name);
	client_method_refuse(l, "peer authentication", why);
	return false;
}
