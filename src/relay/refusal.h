/*
 * Telling a client that it does not get a server: which limit, how long the line is, what
 * to do. Inside a session it is an ERROR and the session lives on.
 */
#ifndef POOLER_RELAY_REFUSAL_H
#define POOLER_RELAY_REFUSAL_H

struct client;
struct notice;

/* The line of its pool is full. */
void refusal_queue_full(struct client *c);
/* It has waited for as long as it may. */
void refusal_wait_timeout(struct client *c);
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
