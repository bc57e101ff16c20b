/*
 * What an administrator does to pools, clients and servers; used by the console, by
 * signals and by reload.
 */
#ifndef POOLER_RELAY_CONTROL_H
#define POOLER_RELAY_CONTROL_H

#include "relay/dispatcher.h"

/* Puts a new configuration in force (counted): pools follow, servers that lead to the
 * wrong place are retired, clients of databases that are gone are told. */
void control_apply(struct dispatcher *d, const struct config *config,
		   struct keyring *keyring);

/* Opens the servers that min_pool_size asks for where no client has to come first:
 * databases with a forced user. */
void control_warm_up(struct dispatcher *d);

/* In all of these, a database of NULL means all databases. */

/* No server is handed out; servers that are not at work are closed. */
void control_pause(struct dispatcher *d, struct usage *database);
/* Who waited is served. */
void control_resume(struct dispatcher *d, struct usage *database);
/* Whether no server is at work any more. */
bool control_is_quiet(struct dispatcher *d, const struct usage *database);
/* Servers are closed when they become free. */
void control_reconnect(struct dispatcher *d, struct usage *database);
/* Whether all servers that were to be closed are. */
bool control_is_renewed(struct dispatcher *d, const struct usage *database);
/* Ends all clients and servers, and pauses. */
void control_kill(struct dispatcher *d, struct usage *database);

/* WAIT_FOR_SERVERS: nobody gets a server any more. WAIT_FOR_CLIENTS: nobody new comes in.
 * The listeners are the callers' business. */
void control_begin_shutdown(struct dispatcher *d, enum shutdown_mode mode);
/* Whether what that waits for has happened. */
bool control_may_exit(struct dispatcher *d);

#endif
