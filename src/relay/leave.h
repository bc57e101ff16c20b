/*
 * A client goes away while its server is not done with it: in a query, in a transaction,
 * in a COPY, in half a message. The server is saved: what runs is cancelled (or finished,
 * if the client said Terminate), answers are thrown away, what is open is ended without
 * being committed, a transaction is rolled back, and the server goes to clean_start() and
 * to the next client. One that cannot be saved within cleanup_timeout is closed.
 *
 * It is a walk by looking: each time something has come from the server, leave_go_on()
 * looks at the tracker and does the next thing. Nothing of that depends on the order in
 * which answers come, so a cancel that is late, early or lost does no harm.
 */
#ifndef POOLER_RELAY_LEAVE_H
#define POOLER_RELAY_LEAVE_H

struct client;
struct server;

/* How far it is; the rest is in the tracker. */
enum leaving {
	LEAVING_NOT,
	LEAVING_FINISHING,  /* the client has said goodbye: what it asked is finished */
	LEAVING_CANCELLING, /* the client has gone: what it asked is cancelled */
	LEAVING_OVER,       /* nothing of the client is open any more; being cleaned */
};

/* The closing client is parted from its server, which becomes fit for the next or is
 * closed. */
void leave_start(struct client *c);

/* Does the next thing, if the server is being left; to be called after its answers. */
void leave_go_on(struct server *s);

/* The deadline of a CLEANING server: it is time to look again, or too late. */
void leave_due(struct server *s);

#endif
