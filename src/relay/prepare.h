/*
 * What a server needs before a client's message: its run-time parameters.
 */
#ifndef POOLER_RELAY_PREPARE_H
#define POOLER_RELAY_PREPARE_H

#include "base/slice.h"

struct client;
struct server;

/* Parameters without a value that are kept in mind, of a session and of a server; beyond
 * that a name is unknown again in the one, and may be RESET once more in the other. */
enum { PREPARE_NAMES_MAX = 128 };

/* Right after link_attach(): queues the SET commands for what differs, to go out with the
 * client's first message. Until a server has accepted a client's parameters once, its
 * messages wait for the answer. */
void prepare_start(struct client *c, struct server *s);
/* The same for a client that stays at its server, which may be about to change what it
 * wants. */
void prepare_again(struct client *c, struct server *s);

/* Whether the client has set a parameter that is reported to what a RESET makes of it in
 * its server, while it began with something else itself. Then it has been SET in that
 * server too. */
bool prepare_is_back_at_base(const struct client *c, struct slice name);

/* Whether the client's messages have to wait. */
bool prepare_is_pending(const struct client *c);

/* The answer is complete. */
void prepare_done(struct server *s);

/* DISCARD ALL has been carried out: what the server does not report is as after its
 * login; what it does report has been reported. */
void prepare_was_reset(struct server *s);

/* What it has of what it does not report nobody knows any more: it is set anew. */
void prepare_doubt(struct server *s);
/* What a new server has now is what its clients find who mention nothing. */
void prepare_began(struct server *s);

/* The server reported a parameter. Keeps both sides' sets right; returns whether the
 * client is to be told. */
bool prepare_reported(struct server *s, struct slice name, struct slice value);

/* What the client asked for at its start-up is kept from here on: it is about to want
 * something else. */
void prepare_keep_startup(struct client *c);

/* The server was asked: this is what it has, as the result of its client's own doing. */
void prepare_learned(struct server *s, struct slice name, struct slice value);
/* It knows no parameter of this name. */
void prepare_missing(struct server *s, struct slice name);
/* It has what a RESET makes of it there; the client wants what all find there (NULL), or
 * what its start-up asked for. */
void prepare_returned(struct server *s, struct slice name, const struct slice *startup);

#endif
