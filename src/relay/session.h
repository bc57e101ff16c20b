/*
 * What a client's session is beyond its transactions, where servers are shared:
 * the part of it that the pooler carries from server to server, and notes of
 * what may stand in the server it has now. Made with the first thing to
 * remember; most clients never have one.
 */
#ifndef POOLER_RELAY_SESSION_H
#define POOLER_RELAY_SESSION_H

#include "base/buffer.h"
#include "pool/statements.h"

struct client;
struct listening;
struct params;

struct session {
	struct params *startup; /* what it asked for at its start-up, once client->params
				   is something else; counted; NULL before */
	struct client_statements statements; /* the names it has prepared */
	struct buffer unnamed; /* tail of its unnamed Parse, for servers that lack it */
	struct listening *listening; /* see notify.h; NULL: it listens to nothing */
	uint32_t hints; /* enum sql_hint of what was sent since the server was last
			   asked what is left in it */
};

/* Whether the client's servers are shared, so that any of this matters: all pool modes
 * but session, unless it replicates. */
bool session_is_shared(const struct client *c);

/* How many prepared statements it has, as far as the pooler knows. */
size_t session_statement_count(const struct client *c);

/* The client's session, made if there is none; NULL when memory is short. */
struct session *session_get(struct client *c);
/* Gives back what it holds, and it. Harmless when there is none. */
void session_free(struct client *c);

#endif
