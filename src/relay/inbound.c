/*
 * What a server says, message by message. Answers to the client go on in runs; answers to
 * the pooler's own questions stay here; a ReadyForQuery may set the server free.
 */
#include "relay/inbound.h"

#include "base/check.h"
#include "base/clock.h"
#include "base/reader.h"
#include "base/text.h"
#include "pool/pool.h"
#include "proto/frame.h"
#include "proto/message.h"
#include "proto/notice.h"
#include "relay/clean.h"
#include "relay/client.h"
#include "relay/dispatcher.h"
#include "relay/prepare.h"
#include "relay/private.h"
#include "relay/run.h"
#include "relay/server.h"

enum {
	/* Messages that are looked into have to be whole; none of these is longer. */
	GATHER_MAX = 1024 * 1024,
	/* An error of this length is passed on without a look at its severity. */
	ERROR_LOOK_MAX = 64 * 1024,
	READY_LEN = FRAME_HEADER_LEN + 1,
};

/* One pass over a server's bytes. */
struct pass {
	struct server *server;
	struct run run; /* goes to the client */
};

static void pass_send(struct pass *p)
{
	struct client *c = p->server->client;

	run_send(&p->run, c ? &c->stream : NULL);
}

static inline void pass_over(struct pass *p, enum rest as, size_t total)
{
	if (as == REST_DISCARD)
		pass_send(p);
	p->server->rest = run_pass(&p->run, as, total);
	p->server->rest_is = (uint8_t)as;
}

static enum rest to_client(const struct server *s)
{
	return s->client ? REST_FORWARD : REST_DISCARD;
}

/* Whether the message must be here as a whole before anything is said about it. */
static bool must_be_whole(const struct server *s, const struct frame *f)
{
	return f->letter == 'Z' || f->letter == 'S' || (f->letter == 'A' && s->private) ||
	       (f->letter == 'E' && f->total_len <= ERROR_LOOK_MAX);
}

static bool is_sane(const struct frame *f)
{
	if (f->letter == 'Z')
		return f->total_len == READY_LEN;
	if (f->letter == 'S' || f->letter == 'A')
		return f->total_len <= GATHER_MAX;
	return !message_of_backend(f->letter)->is_short ||
	       f->total_len <= MESSAGE_SHORT_MAX;
}

static void count_ready(struct server *s, bool is_xact_end)
{
	struct dispatcher *d = s->dispatcher;
	uint64_t now_us = dispatcher_now(d);
	struct counters *all[] = {tally_at(&s->slot.pool->tally, now_us),
				  tally_at(&d->pools.tally, now_us)};

	for (size_t i = 0; i < 2; i++) {
		all[i]->query_count++;
		all[i]->query_time_us += clock_since(now_us, s->query_us);
		if (!is_xact_end)
			continue;
		all[i]->xact_count++;
		all[i]->xact_time_us += clock_since(now_us, s->transaction_us);
	}
}

/* A ReadyForQuery for the client is on its way to it. */
static void on_client_ready(struct pass *p)
{
	struct server *s = p->server;
	bool is_xact_end = tracker_transaction_status(&s->tracker) == 'I';
	bool is_idle = tracker_is_idle(&s->tracker);

	s->heard_us = dispatcher_now(s->dispatcher);
	count_ready(s, is_xact_end);
	/* What is still outstanding begins to count where this ended. */
	s->query_us = is_idle ? 0 : s->heard_us;
	if (is_xact_end)
		s->transaction_us = s->query_us;
	else if (is_idle)
		server_arm(s);
	pass_send(p);
	clean_release_if_done(s);
}

/* The server has told of an error that ends it. */
static void note_fatal(struct server *s, const struct frame *f)
{
	struct notice_fields fields;

	if (!frame_is_whole(f) || !notice_read(f->body, &fields))
		return;
	if (slice_is_text(fields.severity, "FATAL") ||
	    slice_is_text(fields.severity, "PANIC"))
		s->said_fatal = true;
}

/* It does not speak the protocol; if it has not joined its pool yet, that is a failed
 * attempt to open one. */
static void end_broken(struct server *s)
{
	if (server_is_opening(s))
		dispatcher_server_failed(
		    s, &(struct notice){.severity = "FATAL",
					.sqlstate = SQLSTATE_PROTOCOL_VIOLATION,
					.message =
					    closing_row(CLOSE_SERVER_PROTOCOL)->text});
	else
		server_close(s, CLOSE_SERVER_PROTOCOL);
}

static void on_parameter(struct pass *p, const struct frame *f)
{
	struct reader r = reader_of(f->body);
	struct slice name = reader_cstring(&r);
	struct slice value = reader_cstring(&r);

	if (!reader_done(&r)) {
		end_broken(p->server);
		return;
	}
	bool is_for_client = prepare_reported(p->server, name, value);
	pass_over(p, is_for_client ? to_client(p->server) : REST_DISCARD, f->total_len);
}

static void on_notification(struct pass *p, const struct frame *f)
{
	struct server *s = p->server;

	pass_over(p, to_client(s), f->total_len);
	if (s->private)
		private_notified(s, f->body);
}

static void on_aside(struct pass *p, const struct frame *f)
{
	struct server *s = p->server;
	bool is_client_served = tracker_asker(&s->tracker) == ASKED_BY_CLIENT;

	switch (f->letter) {
	case 'S':
		on_parameter(p, f);
		return;
	case 'A':
		on_notification(p, f);
		return;
	case 'N':
		pass_over(p, is_client_served ? to_client(s) : REST_DISCARD,
			  f->total_len);
		return;
	case 'E':
		note_fatal(s, f);
		pool_retire(s->slot.pool, &s->slot);
		pass_over(p, to_client(s), f->total_len);
		if (s->state == SERVER_IDLE)
			server_close(s, CLOSE_SERVER_RETIRED);
		return;
	default:
		pass_over(p, to_client(s), f->total_len);
		return;
	}
}

/* The tracker has heard of the first of these rows; more of the same change nothing, so
 * they pass by their headers alone. */
static void pass_rows(struct pass *p, uint8_t letter)
{
	/* In a local: what a byte pointer points to could be *p, as far as the compiler
	 * knows. */
	struct slice rest = p->run.ahead;

	while (rest.len >= FRAME_HEADER_LEN && rest.data[0] == letter) {
		size_t total = (size_t)frame_length(rest.data) + 1;
		if (total < FRAME_HEADER_LEN || total > rest.len)
			break;
		rest = slice_after(rest, total);
	}
	p->run.len += p->run.ahead.len - rest.len;
	p->run.ahead = rest;
}

static void on_client_answer(struct pass *p, const struct frame *f)
{
	struct server *s = p->server;

	if (f->letter == 'E')
		note_fatal(s, f);
	pass_over(p, to_client(s), f->total_len);
	if (f->letter == 'D' && s->client && s->rest == 0)
		pass_rows(p, f->letter);
	if (f->letter == 'Z' && s->client)
		on_client_ready(p);
}

static void on_own_answer(struct pass *p, const struct frame *f)
{
	struct server *s = p->server;

	pass_over(p, REST_DISCARD, f->total_len);
	if (f->letter == 'E')
		clean_task_error(s, f->body);
	if (f->letter == 'Z')
		clean_task_done(s);
}

static bool commit(struct pass *p, const struct frame *f)
{
	struct server *s = p->server;
	uint8_t status = f->body.len > 0 ? f->body.data[0] : 0;

	switch (tracker_received(&s->tracker, f->letter, status)) {
	case TRACKER_FOR_CLIENT:
		on_client_answer(p, f);
		return true;
	case TRACKER_FOR_POOLER:
		on_own_answer(p, f);
		return true;
	case TRACKER_ASIDE:
		on_aside(p, f);
		return true;
	case TRACKER_UNEXPECTED:
		pass_send(p);
		end_broken(s);
		return false;
	}
	return false;
}

/* Whether the message is here as a whole; until then its stream has room for it. */
static bool make_room_for(struct server *s, const struct frame *f)
{
	bool is_whole = frame_is_whole(f);
	uint32_t room = STREAM_KEEP_MAX;

	if (!is_whole && f->total_len > room)
		room = (uint32_t)f->total_len;
	if (s->stream.keep_max != room)
		stream_set_keep_max(&s->stream, room);
	return is_whole;
}

/* Deals with the message in front; false when the pass is over. */
static bool pass_step(struct pass *p)
{
	struct server *s = p->server;
	struct frame f = {0};
	enum frame_result result = frame_peek(p->run.ahead, INT32_MAX, &f);

	if (result == FRAME_SHORT)
		return false;
	if (result == FRAME_BAD || !is_sane(&f)) {
		pass_send(p);
		end_broken(s);
		return false;
	}
	if (must_be_whole(s, &f) && !make_room_for(s, &f))
		return false;
	return commit(p, &f);
}

size_t inbound_pump(struct server *s, struct slice bytes)
{
	struct pass p = {.server = s, .run.ahead = bytes};

	if (s->rest > 0)
		pass_over(&p, s->rest_is, s->rest);
	while (p.run.ahead.len > 0 && s->closing == CLOSE_NOT)
		if (!pass_step(&p))
			break;
	pass_send(&p);
	return bytes.len - p.run.ahead.len;
}
