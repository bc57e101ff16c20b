/*
 * One pass over a server's bytes on their way to its client: runs go straight from where
 * they were read; what the pooler says between them goes out together with them.
 *
 * In line where every message passes.
 */
#ifndef POOLER_RELAY_REPLY_H
#define POOLER_RELAY_REPLY_H

#include "proto/frame.h"
#include "relay/run.h"
#include "relay/server.h"

struct reply {
	struct server *server;
	struct run run; /* goes to the client */
};

static inline void reply_send(struct reply *r)
{
	struct client *c = r->server->client;

	run_send(&r->run, c ? &c->stream : NULL);
}

static inline void reply_pass(struct reply *r, enum rest as, size_t total)
{
	if (as == REST_DISCARD)
		reply_send(r);
	r->server->rest = run_pass(&r->run, as, total);
	r->server->rest_is = (uint8_t)as;
}

static inline enum rest reply_to_client(const struct server *s)
{
	return s->client ? REST_FORWARD : REST_DISCARD;
}

/* Puts bytes of our own behind what has been passed. */
void reply_put(struct reply *r, struct slice bytes);

/* Gives the client the answers that the pooler owes it now. */
void reply_give_due(struct reply *r);

#endif
