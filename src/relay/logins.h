/*
 * What logins share: the secrets and rules in force, those who fetch others, the brake on
 * guessing, the places for logins in progress.
 */
#ifndef POOLER_RELAY_LOGINS_H
#define POOLER_RELAY_LOGINS_H

#include "auth/exchange.h"
#include "relay/login_gate.h"

struct brake;
struct brake_who;
struct config;
struct keyring;
struct lookups;
struct peernames;
struct remembered;
struct resolver;
struct workers;

struct logins {
	struct loop *loop;
	struct keyring *keyring;    /* in force; owned, never NULL */
	struct exchange_mock mock;  /* where only the list knows users */
	struct exchange_mock asked; /* where a server is asked for them, too */
	unsigned asked_lead;        /* of the latter's kind among those found */
	struct brake *brake;
	struct remembered *remembered;
	struct lookups *lookups;
	struct peernames *peernames;
	struct workers *workers; /* NULL until somebody needs them */
	struct loop_io workers_io;
	struct login_gate gate;
};

/* 0 or -ENOMEM; logins_fini() is due in either case. Takes the keyring over. */
struct logins_ground {
	struct loop *loop;
	struct resolver *resolver;
	const struct config *config;
	struct keyring *keyring;
	login_gate_fn on_displaced;
};
int logins_init(struct logins *l, const struct logins_ground *ground);
/* All logins must be over. */
void logins_fini(struct logins *l);

/* Another configuration is in force; takes the keyring over, unless NULL: then the one
 * there is stays. */
void logins_apply(struct logins *l, const struct config *config, struct keyring *keyring);

/* A server had this secret: strangers who would be looked up there are to look like its
 * owner, if most owners do. */
void logins_note_found(struct logins *l, const struct secret *secret);

/* The list of users in the keyring is another one. */
void logins_note_users(struct logins *l);

/* The workers, or NULL when memory or descriptors are short. */
struct workers *logins_workers(struct logins *l, const struct config *config);

#endif
