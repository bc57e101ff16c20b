/*
 * What may be left in a server by a client that is gone, and the statements that undo it.
 *
 * Who knows, or has to fear, that something is left marks it; cleaning sends what undoes
 * it, once, before anybody else gets the server. So a server in which nothing is left
 * costs nothing.
 */
#ifndef POOLER_RELAY_RESET_H
#define POOLER_RELAY_RESET_H

#include <stdbool.h>

struct buffer;
struct server;

enum reset_what {
	RESET_PARAMS = 1,     /* run-time parameters, the role and the user */
	RESET_CURSORS = 2,    /* WITH HOLD */
	RESET_TEMP = 4,       /* temporary tables and the like */
	RESET_LOCKS = 8,      /* advisory locks of the session */
	RESET_LISTEN = 16,    /* channels listened to */
	RESET_PREPARED = 32,  /* prepared statements, the pooler's own included */
	RESET_SEQUENCES = 64, /* what currval() and lastval() tell */
	RESET_ALL = 128,      /* all of that, and plans */
	RESET_CONNECT = 256,  /* the opposite: what connect_query has set is lost */
};

/* This must be undone when the server is cleaned next; bits of enum reset_what. */
void reset_mark(struct server *s, unsigned what);

/* Appends the statements that undo it, but for RESET_CONNECT; false when memory is short.
 */
bool reset_write(unsigned what, struct buffer *out);

#endif
