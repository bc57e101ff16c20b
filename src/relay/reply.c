/*
 * What the pooler puts into a server's replies.
 */
#include "relay/reply.h"

#include "relay/journal.h"

void reply_put(struct reply *r, struct slice bytes)
{
	struct client *c = r->server->client;

	if (!c)
		return;
	struct buffer *out = stream_cork_buffer(&c->stream);
	if (!buffer_append(out, slice_of(r->run.start, r->run.len)) ||
	    !buffer_append(out, bytes))
		client_close(c, CLOSE_OUT_OF_MEMORY);
	r->run.len = 0;
	stream_corked(&c->stream);
}

void reply_give_due(struct reply *r)
{
	struct server *s = r->server;
	uint8_t letter;

	while ((letter = tracker_due(&s->tracker))) {
		const uint8_t answer[] = {letter, 0, 0, 0, 4};

		reply_put(r, slice_of(answer, sizeof(answer)));
		tracker_take_due(&s->tracker);
	}
	journal_answered(s);
}
