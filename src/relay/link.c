/*
 * The only place that joins and parts a client and a server.
 */
#include "relay/link.h"

#include "base/check.h"
#include "relay/client.h"
#include "relay/dispatcher.h"
#include "relay/pin.h"
#include "relay/server.h"

void link_forget_client(struct client *c)
{
	if (c->last_server)
		c->last_server->last_client = NULL;
	c->last_server = NULL;
}

void link_forget_server(struct server *s)
{
	if (s->last_client)
		s->last_client->last_server = NULL;
	s->last_client = NULL;
}

/* What stays in a server, though nobody is told of it, is that of its last client. */
static void note_use(struct client *c, struct server *s)
{
	s->is_returned = s->last_client == c;
	if (s->is_returned)
		return;
	link_forget_client(c);
	link_forget_server(s);
	c->last_server = s;
	s->last_client = c;
	s->has_foreign_steps |= s->has_stepped;
	s->has_stepped = false;
}

void link_attach(struct client *c, struct server *s)
{
	CHECK(!c->server && !s->client);
	c->server = s;
	s->client = c;
	s->is_kept = c->keeps_server;
	client_move(c, CLIENT_LINKED);
	note_use(c, s);
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
	pin_end(c);
	journal_forget_client(s);
	replay_fini(&s->replay);
	buffer_fini(&s->unnamed);
	buffer_fini(&s->drops);
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
