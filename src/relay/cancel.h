/*
 * Carrying cancel requests: from the connection that brings one to the server that works
 * for the client it is meant for, and never to another client's query.
 */
#ifndef POOLER_RELAY_CANCEL_H
#define POOLER_RELAY_CANCEL_H

#include "base/slice.h"

struct client;
struct dispatcher;
struct server;

/* The client in state STARTUP has brought a cancel request: it becomes CANCELLING until
 * the request is delivered, or is closed when there is nobody to deliver it to. */
void cancel_request(struct client *requester, struct slice key);

/* Cancels what a server is doing for a client that has gone, if it can; the server waits
 * for the end of that. */
void cancel_left(struct server *s);
/* The same for one that is about to be closed, and waits for nothing. */
void cancel_abandoned(struct server *s);

/* The requester has gone, or the server: the other end does not matter any more. */
void cancel_forget_requester(struct client *requester);
void cancel_forget_server(struct server *s);

/* Frees those that have ended; part of the reap phase. */
void cancel_reap(struct dispatcher *d);
/* Ends all that are under way. */
void cancel_end_all(struct dispatcher *d);

#endif
