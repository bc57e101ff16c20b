/*
 * The only place that joins and parts a client and a server.
 */
#include "relay/link.h"

#include "base/check.h"
#include "relay/client.h"
#include "relay/dispatcher.h"
#include "relay/server.h"

void link_attach(struct client *c, struct server *s)
{
	CHECK(!c->server && !s->client);
	c->server = s;
	s->client = c;
	client_move(c, CLIENT_LINKED);
	server_move(s, SERVER_LINKED);
	stream_feed(&c->stream, &s->stream);
	stream_feed(&s->stream, &c->stream);
	CHECK_SLOW(client_is_sound(c) && server_is_sound(s));
}

void link_detach(struct client *c)
{
	struct server *s = c->server;

	CHECK(s && s->client == c);
	stream_unfeed(&c->stream);
	stream_unfeed(&s->stream);
	journal_forget_client(s);
	replay_fini(&s->replay);
	buffer_fini(&s->unnamed);
	s->has_unnamed = false;
	c->server = NULL;
	s->client = NULL;
	s->query_us = 0;
	s->transaction_us = 0;
	/* What is still to come of a message was for this client. */
	s->rest_is = REST_DISCARD;
	if (c->state == CLIENT_LINKED)
		client_move(c, CLIENT_IDLE);
}
