/*
 * What clients that share servers say about prepared statements, made right for the
 * server that each has at the moment.
 *
 * A client's name stands for a statement that all clients share; on servers it is called
 * "pooler_<n>". A server that lacks it is told to prepare it in front of the message that
 * needs it. A server that has it is told nothing, and the client gets its ParseComplete
 * in its turn.
 */
#ifndef POOLER_RELAY_REWRITE_H
#define POOLER_RELAY_REWRITE_H

#include "relay/pass.h"

struct notice;
struct server;

enum rewritten {
	REWRITE_NOT,  /* the message goes as it is */
	REWRITE_DONE, /* it has been dealt with: the pass stands behind it */
	REWRITE_HOLD, /* it stays: more of it must come, or something must happen first */
	REWRITE_END,  /* the client is being closed */
};

/* The message in front, of a linked client that shares its servers. */
enum rewritten rewrite_message(struct pass *p, const struct frame *f);

/* Refuses the message in front by making the server fail where it stands, so that
 * transactions abort and pipelines are skipped as by any error; the client gets this
 * notice in the place of the server's. */
enum rewritten rewrite_refuse(struct pass *p, const struct frame *f,
			      const struct notice *notice);

/* Whether the names of clients are the pooler's business: not with
 * max_prepared_statements 0. */
bool rewrite_has_names(const struct client *c);
/* What a text may mean different things by: the client's parameters that it is read by.
 */
struct slice rewrite_context_of(const struct client *c);
/* A Parse of the client was answered without a server. */
void rewrite_count_parse(struct client *c);

/* What the next DEALLOCATE tag says to be gone, of the oldest question of the server's
 * client: a name of the client's and a NUL; the NUL alone where it is a name that only
 * the server knows. Empty where the pooler has not noted it. */
struct slice rewrite_next_drop(const struct server *s);

/* The client is about to lose its server, or that is about to be asked something by the
 * pooler in a simple query, which ends the unnamed statement: keeps that if it was
 * prepared and not used yet. */
void rewrite_keep_unnamed(struct client *c);

#endif
