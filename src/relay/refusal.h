/*
 * Telling a client that it does not get a server: which limit, how long the line is, what
 * to do. Inside a session it is an ERROR and the session lives on.
 */
#ifndef POOLER_RELAY_REFUSAL_H
#define POOLER_RELAY_REFUSAL_H

#include "pool/pool.h"

struct client;
struct notice;
struct standing;

/* It is not taken on, and stands in no line: the ruling says why. */
void refusal_at_arrival(struct client *c, const struct standing *standing,
			const struct pool_ruling *ruling);
/* It would not have been, were it not for a setting that is on trial: the log says so. */
void refusal_log_trial(struct client *c, const struct standing *standing,
		       const struct pool_ruling *ruling);
/* It has come to the head of the line and is served, but would not be for the same
 * reason. */
void refusal_log_late(struct client *c);
/* It has been in line, and will not be served from there: for this reason. */
void refusal_from_line(struct client *c, enum refusal_reason reason);
/* There is no memory for a place in line. */
void refusal_no_memory(struct client *c);
/* The pool has no server and the last attempt to open one failed. */
void refusal_server_down(struct client *c);
/* Its own cancel request came while it was in the line. */
void refusal_cancelled(struct client *c);

/*
 * Tells a client that is not in the line any more. During its login it is closed. In a
 * session the message at the front of its buffer is answered by an ERROR: a Query also by
 * ReadyForQuery, a batch of extended messages is skipped up to its Sync.
 */
void refusal_tell(struct client *c, const struct notice *notice);

#endif
