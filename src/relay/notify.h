/*
 * LISTEN and NOTIFY for clients that share servers.
 *
 * What a client listens to is heard on its pool's listening connection (notifier.h) and
 * passed on to it when it is idle, as PostgreSQL does. Its own LISTEN goes to its server
 * of the moment as it is, so that errors and transactions are PostgreSQL's own; before it
 * goes, the listening connection listens, so that nothing is missed. When the transaction
 * is over and the server is about to be released, the server is asked to what it listens:
 * that is what was LISTENed to for certain; then it is told to UNLISTEN.
 */
#ifndef POOLER_RELAY_NOTIFY_H
#define POOLER_RELAY_NOTIFY_H

#include "relay/text.h"

struct client;
struct notice;
struct server;

/* ---- what a client says, and is told ---- */

/* A text that LISTENs or UNLISTENs, as its hints say, wants to go to the client's server.
 * A LISTEN waits until the listening connection listens (the client's pump is posted
 * then), and is refused where it cannot. May be asked again for the same text. */
enum text_verdict notify_judge(struct client *c, struct slice text, uint32_t hints,
			       struct notice *out);

/* One that LISTENs is about to be sent. */
void notify_sent(struct client *c);

/* A CommandComplete, an ErrorResponse, a ReadyForQuery for the server's client has come
 * (and, in the last case, gone to it). */
void notify_note_tag(struct server *s, struct slice tag);
void notify_note_error(struct server *s);
void notify_note_ready(struct server *s, uint8_t status);

/* ---- when its server would be released ---- */

/* Asks the server, which is idle outside of a transaction and still has its client, what
 * the client listens to now. False when there is nothing to ask. */
bool notify_settle_begin(struct server *s);
/* A DataRow of the answer. */
void notify_settle_row(struct server *s, struct slice body);
/* The answer is complete; the task is over. */
void notify_settled(struct server *s);
/* The server has gone. Whether the client lacks nothing but that answer: then it counts
 * as listening to all that it may listen to, and can go on with another server. */
bool notify_settle_lost(struct server *s);

#endif
