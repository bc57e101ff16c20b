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

/* The tracker has heard of the first of these rows, which has been passed; more of the
 * same change nothing, so they pass by their headers alone. */
static inline void reply_pass_rows(struct reply *r, uint8_t letter)
{
	/* In a local: what a byte pointer points to could be *r, as far as the compiler
	 * knows. */
	struct slice rest = r->run.ahead;

	while (rest.len >= FRAME_HEADER_LEN && rest.data[0] == letter) {
		size_t total = (size_t)frame_length(rest.data) + 1;
		if (total < FRAME_HEADER_LEN || total > rest.len)
			break;
		rest = slice_after(rest, total);
	}
	r->run.len += r->run.ahead.len - rest.len;
	r->run.ahead = rest;
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
