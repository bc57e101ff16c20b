/*
 * How a pool proves to servers who it is: with what is configured, and with what its
 * clients have shown of themselves.
 *
 * A pool whose user is forced has the database's password or the list's secret. Any other
 * belongs to the user who logs in, and may use what that user gave: the password (plain,
 * PAM, LDAP), the keys of SCRAM, or the secret that auth_query found. Only what has let
 * its owner in is kept. Holds secrets.
 */
#ifndef POOLER_RELAY_CREDENTIAL_H
#define POOLER_RELAY_CREDENTIAL_H

#include "auth/answer.h"

struct exchange;
struct pool;
struct userlist;

struct credential {
	struct slice password; /* the client's own, owned; empty: none */
	struct slice secret;   /* found by auth_query, owned; empty: none */
	struct scram_keys keys;
	bool has_keys;
	struct scram_salted salted; /* of the latest login to a server */
};

/* Wipes and frees; may be called twice. */
void credential_fini(struct credential *c);

/* Whether credential_learn() of these would make a difference to servers. */
bool credential_is_news(const struct credential *c, struct slice password,
			struct slice secret, const struct scram_keys *keys);

/* A client has come in: takes over what it has shown. password and secret are copied;
 * empty ones leave what there is. False when memory is short: then that one is not kept,
 * nor what was there in its place. */
bool credential_learn(struct credential *c, struct slice password, struct slice secret,
		      const struct scram_keys *keys);

/* What a login to a server of this pool can use: *out, and *secret which it points to.
 * All borrowed, until the configuration, the list or the credential changes. */
void credential_means(struct credential *c, const struct pool *pool,
		      const struct userlist *users, struct secret *secret,
		      struct answer_means *out);

#endif
