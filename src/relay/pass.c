/*
 * Gathering: the queue of the server's stream takes the run so far and what is put behind
 * it, and goes out with the next run.
 */
#include "relay/pass.h"

#include "pool/pool.h"
#include "relay/dispatcher.h"
#include "relay/server.h"

/* More than this is sent before more is gathered. */
enum { GATHER_MAX = 32 * 1024 };

static struct stream *stream_of(const struct pass *p)
{
	struct server *s = p->client->server;

	return s && s->closing == CLOSE_NOT ? &s->stream : NULL;
}

void pass_send(struct pass *p)
{
	struct stream *to = stream_of(p);

	if (p->has_gathered && p->run.len == 0 && to)
		stream_write(to, slice_of(NULL, 0));
	p->has_gathered = false;
	run_send(&p->run, to);
}

void pass_over(struct pass *p, enum rest as, size_t total)
{
	if (as == REST_DISCARD && !p->has_gathered)
		pass_send(p);
	p->client->rest = run_pass(&p->run, as, total);
	p->client->rest_is = (uint8_t)as;
}

struct buffer *pass_gather(struct pass *p)
{
	struct stream *to = stream_of(p);

	if (!to)
		return NULL;
	struct buffer *out = stream_cork_buffer(to);
	if (buffer_len(out) + p->run.len > GATHER_MAX) {
		p->has_gathered = true;
		pass_send(p);
	}
	if (!buffer_append(out, slice_of(p->run.start, p->run.len))) {
		client_close(p->client, CLOSE_OUT_OF_MEMORY);
		return NULL;
	}
	p->run.len = 0;
	return out;
}

void pass_gathered(struct pass *p)
{
	struct stream *to = stream_of(p);

	p->has_gathered = true;
	if (to)
		stream_corked(to);
}

static void add(struct counters *to, unsigned what)
{
	to->client_parse_count += (what & PASS_CLIENT_PARSE) != 0;
	to->server_parse_count += (what & PASS_SERVER_PARSE) != 0;
	to->bind_count += (what & PASS_BIND) != 0;
}

void pass_count(const struct pass *p, unsigned what)
{
	struct client *c = p->client;
	struct dispatcher *d = c->dispatcher;
	uint64_t now_us = dispatcher_now(d);

	add(tally_at(&c->pool->tally, now_us), what);
	add(tally_at(&d->pools.tally, now_us), what);
}
