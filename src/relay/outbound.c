/*
 * What a client says, message by message: judge without effect, then commit.
 */
#include "relay/outbound.h"

#include <stdio.h>

#include "config/config.h"
#include "proto/frame.h"
#include "proto/message.h"
#include "proto/tracker.h"
#include "relay/clean.h"
#include "relay/client.h"
#include "relay/dispatcher.h"
#include "relay/local.h"
#include "relay/pass.h"
#include "relay/prepare.h"
#include "relay/refusal.h"
#include "relay/regain.h"
#include "relay/reply.h"
#include "relay/rewrite.h"
#include "relay/server.h"
#include "relay/session.h"
#include "relay/settle.h"
#include "relay/text.h"

enum verdict {
	VERDICT_FORWARD,     /* to the server it is linked to */
	VERDICT_SWALLOW,     /* nobody needs it */
	VERDICT_HOLD,        /* stays in the buffer until something happens */
	VERDICT_NEED_SERVER, /* a server first */
	VERDICT_SYNCED,      /* a Sync that the pooler answers itself */
	VERDICT_TERMINATE,
	VERDICT_BAD,
};

/* A client without a server has nothing outstanding: PostgreSQL would ignore Flush and
 * late Copy messages, and answer a Sync with nothing but ReadyForQuery. */
static enum verdict judge_unlinked(const struct client *c, enum frontend_kind kind)
{
	switch (kind) {
	case FRONTEND_QUERY:
	case FRONTEND_EXTENDED:
		return c->is_skipping || c->is_refused ? VERDICT_SWALLOW
						       : VERDICT_NEED_SERVER;
	case FRONTEND_SYNC:
		return VERDICT_SYNCED;
	case FRONTEND_FLUSH:
	case FRONTEND_COPY_DATA:
	case FRONTEND_COPY_END:
		return VERDICT_SWALLOW;
	case FRONTEND_TERMINATE:
		return VERDICT_TERMINATE;
	case FRONTEND_UNKNOWN:
	case FRONTEND_LOGIN:
		return VERDICT_BAD;
	}
	return VERDICT_BAD;
}

static enum verdict judge_linked(const struct client *c, enum frontend_kind kind)
{
	switch (kind) {
	case FRONTEND_QUERY:
	case FRONTEND_EXTENDED:
		if (settle_is_pending(c) || (c->begins_otherwise && regain_is_pending(c)))
			return VERDICT_HOLD;
		/* fall through */
	case FRONTEND_SYNC:
	case FRONTEND_FLUSH:
	case FRONTEND_COPY_DATA:
	case FRONTEND_COPY_END:
		if (prepare_is_pending(c) || replay_is_waiting(&c->server->replay) ||
		    !tracker_has_room(&c->server->tracker))
			return VERDICT_HOLD;
		return VERDICT_FORWARD;
	case FRONTEND_TERMINATE:
		return VERDICT_TERMINATE;
	case FRONTEND_UNKNOWN:
	case FRONTEND_LOGIN:
		return VERDICT_BAD;
	}
	return VERDICT_BAD;
}

/* Who stops in the middle of a message must not keep a server from others meanwhile, so
 * what can be kept until it is whole is. */
static bool is_worth_a_server(const struct client *c, const struct frame *f)
{
	return frame_is_whole(f) || f->total_len > c->stream.keep_max;
}

/* A text is read where servers are shared; of half a text nobody knows what it may do. */
static bool waits_for_its_end(const struct client *c, const struct frame *f)
{
	return (f->letter == 'Q' || f->letter == 'P') && !is_worth_a_server(c, f) &&
	       session_is_shared(c);
}

static enum verdict judge(const struct client *c, const struct frame *f)
{
	enum frontend_kind kind = message_of_frontend(f->letter)->kind;

	if (c->state == CLIENT_WAITING)
		return VERDICT_HOLD;
	if (c->state == CLIENT_LINKED)
		return waits_for_its_end(c, f) ? VERDICT_HOLD : judge_linked(c, kind);
	enum verdict verdict = judge_unlinked(c, kind);
	return verdict != VERDICT_NEED_SERVER || is_worth_a_server(c, f) ? verdict
									 : VERDICT_HOLD;
}

static void count(const struct pass *p, uint8_t letter)
{
	if (letter == 'P')
		pass_count(p, PASS_CLIENT_PARSE | PASS_SERVER_PARSE);
	else if (letter == 'B')
		pass_count(p, PASS_BIND);
}

/* Goes as it is. False, and the client is closed, when memory is short. */
static bool send_as_it_is(struct pass *p, const struct frame *f)
{
	if (!tracker_sent(&p->client->server->tracker, f->letter, ASKED_BY_CLIENT)) {
		client_close(p->client, CLOSE_OUT_OF_MEMORY);
		return false;
	}
	count(p, f->letter);
	pass_over(p, REST_FORWARD, f->total_len);
	return true;
}

/* False when it stays, or the client is being closed. */
static bool rewrite(struct pass *p, const struct frame *f)
{
	switch (rewrite_message(p, f)) {
	case REWRITE_NOT:
		return send_as_it_is(p, f);
	case REWRITE_DONE:
		return true;
	case REWRITE_HOLD:
	case REWRITE_END:
		return false;
	}
	return false;
}

/* What clients that share servers say of statements may have to be said differently to
 * each server. */
static bool may_need_rewriting(uint8_t letter)
{
	return letter == 'B' || letter == 'P' || letter == 'D' || letter == 'C' ||
	       letter == 'Q';
}

static bool send_to_shared(struct pass *p, const struct frame *f)
{
	struct server *s = p->client->server;
	struct slice ahead = p->run.ahead;
	bool begins = replay_may_begin(s, f);

	if (f->letter == 'S')
		text_batch_ended(s);
	bool has_gone =
	    may_need_rewriting(f->letter) ? rewrite(p, f) : send_as_it_is(p, f);

	if (has_gone && (begins || s->replay.state != REPLAY_NONE))
		replay_note(s, f, ahead);
	return has_gone;
}

static bool send_to_own(struct pass *p, const struct frame *f)
{
	bool has_text = f->letter == 'Q' || f->letter == 'P';

	if (p->client->begins_otherwise && has_text && !regain_note_text(p->client, f))
		return false;
	return send_as_it_is(p, f);
}

/* The message in front goes to the server. False when it cannot. */
static bool commit_forward(struct pass *p, const struct frame *f)
{
	struct client *c = p->client;
	struct server *s = c->server;

	c->rest_letter = f->letter;
	if (!(session_is_shared(c) ? send_to_shared(p, f) : send_to_own(p, f)))
		return false;
	if (s->query_us == 0 && !tracker_is_idle(&s->tracker))
		server_begin_query(s);
	return true;
}

static void commit_synced(struct pass *p, const struct frame *f)
{
	p->client->is_skipping = false;
	p->client->request_us = dispatcher_now(p->client->dispatcher);
	pass_over(p, REST_DISCARD, f->total_len);
	client_send_ready(p->client);
}

static void commit_swallow(struct pass *p, const struct frame *f)
{
	p->client->is_refused = false;
	pass_over(p, REST_DISCARD, f->total_len);
}

/* Whether the pass goes on with the message in front, now that a server was asked for. */
static bool commit_ask(struct client *c, uint8_t letter)
{
	c->asked = letter;
	c->request_us = dispatcher_now(c->dispatcher);
	switch (dispatcher_ask(c)) {
	case DISPATCH_LINKED:
		return true;
	case DISPATCH_WAITING:
	case DISPATCH_REFUSED:
		return false;
	}
	return false;
}

static void commit_bad(struct pass *p, const struct frame *f)
{
	char message[64];

	pass_send(p);
	snprintf(message, sizeof(message), "invalid frontend message type %u", f->letter);
	client_close_saying(p->client, CLOSE_BAD_MESSAGE, message, NULL, NULL);
}

/* Does what the verdict on the message in front says; false ends the pass. */
static bool commit(struct pass *p, enum verdict verdict, const struct frame *f)
{
	switch (verdict) {
	case VERDICT_FORWARD:
		return commit_forward(p, f);
	case VERDICT_SWALLOW:
		commit_swallow(p, f);
		return true;
	case VERDICT_SYNCED:
		commit_synced(p, f);
		return true;
	case VERDICT_HOLD:
		return false;
	case VERDICT_NEED_SERVER:
		return commit_ask(p->client, f->letter);
	case VERDICT_TERMINATE:
		pass_send(p);
		client_close(p->client, CLOSE_TERMINATE);
		return false;
	case VERDICT_BAD:
		commit_bad(p, f);
		return false;
	}
	return false;
}

/* Looks at the message in front and deals with it; false when the pass is over. */
static bool pass_step(struct pass *p)
{
	struct client *c = p->client;
	struct frame f = {0};

	switch (frame_peek(p->run.ahead,
			   (size_t)c->dispatcher->config->settings.max_packet_size, &f)) {
	case FRAME_SHORT:
		return false;
	case FRAME_BAD:
		pass_send(p);
		client_close(c, CLOSE_MESSAGE_TOO_LONG);
		return false;
	case FRAME_OK:
		break;
	}
	return commit(p, judge(c, &f), &f);
}

/* Whether what stands in front was answered without a server. */
static bool pass_locally(struct pass *p)
{
	struct client *c = p->client;
	size_t len;

	if (c->state != CLIENT_IDLE || c->is_skipping || c->is_refused)
		return false;
	len = local_answer(c, p->run.ahead);
	p->run.ahead = slice_after(p->run.ahead, len);
	return len > 0;
}

/* More of a message that has begun. It may have been answered before it was whole, as
 * data for a COPY that failed: then its server was kept for nothing but this. */
static void pass_rest(struct pass *p)
{
	struct client *c = p->client;

	pass_over(p, c->rest_is, c->rest);
	if (c->rest > 0 || !c->server)
		return;
	const struct tracker *t = &c->server->tracker;
	if (!tracker_is_idle(t) && !tracker_needs_probe(t))
		return;
	pass_send(p);
	clean_release_if_done(c->server);
}

/* What the pooler answers need not wait for a server that has nothing to say. */
static void give_due(struct client *c)
{
	struct reply r = {.server = c->server};

	if (r.server && tracker_due(&r.server->tracker) &&
	    tracker_awaits_nothing(&r.server->tracker))
		reply_give_due(&r);
}

/* What the pooler answers itself waits for who does not read it, as a server would. */
static bool may_be_answered(struct client *c)
{
	return c->state != CLIENT_IDLE || stream_has_room(&c->stream);
}

size_t outbound_pump(struct client *c, struct slice bytes)
{
	struct pass p = {.client = c, .run.ahead = bytes};

	if (c->rest > 0)
		pass_rest(&p);
	while (p.run.ahead.len > 0 && c->closing == CLOSE_NOT && may_be_answered(c))
		if (!pass_locally(&p) && !pass_step(&p))
			break;
	pass_send(&p);
	give_due(c);
	return bytes.len - p.run.ahead.len;
}
