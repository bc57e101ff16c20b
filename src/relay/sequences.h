/*
 * What currval() and lastval() tell a client whose servers are shared. It stands in one
 * server, for as long as that lives or until DISCARD, and nobody says so: texts give
 * hints that a sequence may step.
 *
 * Most clients never ask. Who has asked once stays at the server it has stepped a
 * sequence in, for as long as nobody needs that more (see pin.h); and nobody is ever told
 * what a stranger has left.
 */
#ifndef POOLER_RELAY_SEQUENCES_H
#define POOLER_RELAY_SEQUENCES_H

#include <stdbool.h>
#include <stdint.h>

struct client;
struct notice;
struct server;

/* Whether a stranger's are to be discarded in front of what the client says, which has
 * just been given this server: what it will ask for nobody knows, and later they could
 * not be told apart. */
bool sequences_must_forget(const struct client *c, const struct server *s);
/* That is under way, for the pool's clients to be. */
void sequences_forgotten(struct server *s);

/* A text that asks for currval() or lastval() is about to go to the client's server;
 * hints are all that it has. True, with *out the reason, when it must not. */
bool sequences_refuse(struct client *c, uint32_t hints, struct notice *out);

/* A text that may step a sequence is about to go; the tracker will number it next. */
void sequences_stepped(struct server *s);

/* The server's client has discarded them; before the tracker is told of that tag. */
void sequences_discarded(struct server *s);

/* The client, which has a session, is done with its server outside a transaction: stays
 * it for what they would tell? */
void sequences_judge(struct client *c);
/* It does not stay. */
void sequences_leave(struct client *c);

#endif
