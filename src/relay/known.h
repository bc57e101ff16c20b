/*
 * What is known of a pool's servers, from those that have logged in or failed to: the
 * parameters a new client is greeted with, the error it is told while there is no server,
 * and what makes the next login to one succeed and be quick. Hangs off the pool as its
 * owner_data.
 */
#ifndef POOLER_RELAY_KNOWN_H
#define POOLER_RELAY_KNOWN_H

#include <sys/queue.h>

#include "config/server_tls.h"
#include "proto/notice.h"
#include "proto/params.h"
#include "relay/credential.h"

struct dispatcher;
struct notifier;
struct pool;
struct server;
struct tls_context;
struct tls_session;

LIST_HEAD(notifiers, notifier);
TAILQ_HEAD(spares, server);

/* The last failure to open a server, kept for those who ask meanwhile. */
struct known_failure {
	char sqlstate[6];
	char message[256];
	char detail[256];
	char hint[128];
	bool is_set;
};

struct known {
	struct dispatcher *dispatcher; /* for the pool's deadline */
	uint64_t serial;               /* of the pool; never the same again */
	struct params
	    *welcome; /* what the latest server reported; NULL before; counted */
	struct params *spellings; /* see spelling.h; NULL: none; counted */
	struct known_failure failure;
	struct credential credential;
	struct tls_session *session; /* of the latest server met by TLS; NULL: none */
	struct tls_context *tls; /* what the latest was met with, counted; NULL: no TLS */
	enum tls_mode tls_mode;  /* in force then */
	struct notifiers notifiers; /* that listen for its clients */
	struct spares spares;       /* with clients that give way to others; see pin.h */
	/* Changes of hands at which strangers' sequences were forgotten, up to a limit.
	 */
	uint16_t sequences_forgotten;
	bool watches_sequences; /* a client has asked for currval() or lastval() */
	bool has_met;           /* any, even if it has not let us in yet */
	bool is_plain;          /* does not take it that we ask for more than 3.0 */
};

/* Gives a new pool its own; false when memory is short. */
bool known_create(struct pool *pool, struct dispatcher *dispatcher);
/* The pool's; never NULL once it was created. */
struct known *known_of(const struct pool *pool);
void known_free(struct pool *pool, struct params_store *store);

void known_learn(struct known *known, struct params_store *store, struct params *welcome);
/* How a server is met from now on. */
void known_meet(struct known *known, struct tls_context *tls, enum tls_mode mode);
void known_fail(struct known *known, const struct notice *notice);

/* The failure as a notice of that severity; points into known. */
struct notice known_failure_notice(const struct known *known, const char *severity);

#endif
