/*
 * What is known of a pool's servers, from those that have logged in or failed to: the
 * parameters a new client is greeted with, and the error it is told while there is no
 * server. Hangs off the pool as its owner_data.
 */
#ifndef POOLER_RELAY_KNOWN_H
#define POOLER_RELAY_KNOWN_H

#include "proto/notice.h"
#include "proto/params.h"

struct dispatcher;
struct pool;

/* The last failure to open a server, kept for those who ask meanwhile. */
struct known_failure {
	char sqlstate[6];
	char message[256];
	char detail[256];
	char hint[128];
	bool is_set;
	bool is_passing; /* busy or starting up (53300, 57P03): worth waiting for */
};

struct known {
	struct dispatcher *dispatcher; /* for the pool's deadline */
	struct params
	    *welcome; /* what the latest server reported; NULL before; counted */
	struct known_failure failure;
};

/* Gives a new pool its own; false when memory is short. */
bool known_create(struct pool *pool, struct dispatcher *dispatcher);
/* The pool's; never NULL once it was created. */
struct known *known_of(const struct pool *pool);
void known_free(struct pool *pool, struct params_store *store);

void known_learn(struct known *known, struct params_store *store, struct params *welcome);
void known_fail(struct known *known, const struct notice *notice);

/* The failure as a notice of that severity; points into known. */
struct notice known_failure_notice(const struct known *known, const char *severity);

#endif
