/*
 * The TLS of one configuration: one context for clients, and one for each different way
 * in which servers are to be reached (server_tls_* and the tls_* keys of databases).
 */
#ifndef POOLER_RELAY_ENCRYPTION_H
#define POOLER_RELAY_ENCRYPTION_H

#include "config/database.h"

struct config;
struct config_errors;
struct encryption; /* never changes */
struct tls_context;

/* NULL, and in errors all files and values that TLS cannot be made of. */
struct encryption *encryption_load(const struct config *config,
				   struct config_errors *errors);
void encryption_free(struct encryption *e); /* NULL is fine */

/* Clients whose sessions began before can resume them. */
void encryption_inherit(struct encryption *e, const struct encryption *before);

/* What clients are met with; NULL: they are not offered TLS. Borrowed. */
struct tls_context *encryption_for_clients(const struct encryption *e);

/* What a server is met with; NULL: by no TLS. Borrowed. */
struct tls_context *encryption_for_server(const struct encryption *e,
					  const struct server_tls *tls);

#endif
