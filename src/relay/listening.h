/*
 * A client that listens, where servers are shared: the channels that it is a member of on
 * its pool's listening connection, and what came on them and is kept until it may hear
 * it. What it says about them is the business of notify.
 *
 * It costs a struct beside the session; clients that do not listen have none.
 */
#ifndef POOLER_RELAY_LISTENING_H
#define POOLER_RELAY_LISTENING_H

#include <stdbool.h>

#include "pool/channels.h"

struct client;
struct notifier;

/* Hangs off the client's session. */
struct listening {
	struct listener listener;
	struct client *client;
	struct notifier *notifier;
	bool has_uncertain;  /* members of which nobody knows yet what becomes of them */
	bool has_unlistened; /* in the transaction that is open */
	bool has_unlistened_surely; /* in one that was committed */
	bool has_failed;            /* something, since the server was last ready */
	bool has_missed; /* something may have been lost, and it was not told */
	struct listening
	    *old; /* hears for it until its own connection does; NULL: none */
};

/* The client's; NULL where it listens to nothing. */
struct listening *listening_of(const struct client *c);
/* One for a client that has none, with no channels; NULL when memory is short. */
struct listening *listening_make(struct client *c);
/* It listens to nothing any more. Harmless when it never did. */
void listening_free(struct client *c);

/* The client, idle and outside of a transaction, may have another client_encoding than
 * before: what it hears is to come in that. Until the connection of that encoding listens
 * it hears on the old one; for good if a channel has a name that is not all ASCII, since
 * that is written otherwise there. Harmless on any client. */
void listening_follow(struct client *c);

/* The membership ends. */
void listening_leave(struct listening *l, struct member *m);

/* ---- what comes for it ---- */

/* Passes on what was kept, if it may hear it now; the second is harmless on any client.
 */
void listening_pass_on(struct listening *l);
void listening_deliver(struct client *c);

/* For the notifier: this is for it, by that membership (NULL: by none). */
void listening_hears(struct listening *l, struct member *m, struct notification *n);
/* By this membership it hears from now on. */
void listening_admitted(struct listening *l);
/* The message that it waits with can go, or will be refused. */
void listening_wake(struct listening *l);

#endif
