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
#include "relay/baseline.h"
#include "relay/checkup.h"
#include "relay/clean.h"
#include "relay/client.h"
#include "relay/dispatcher.h"
#include "relay/findings.h"
#include "relay/journal.h"
#include "relay/notify.h"
#include "relay/outbound.h"
#include "relay/prepare.h"
#include "relay/private.h"
#include "relay/regain.h"
#include "relay/reply.h"
#include "relay/server.h"
#include "relay/session.h"
#include "relay/settle.h"
#include "relay/text.h"
#include "relay/translate.h"

enum {
	/* Messages that are looked into have to be whole; none of these is longer. */
	GATHER_MAX = 1024 * 1024,
	/* An error of this length is passed on without a look at its severity. */
	ERROR_LOOK_MAX = 64 * 1024,
	READY_LEN = FRAME_HEADER_LEN + 1,
};

/* What an answer is about. */
struct question {
	uint64_t number; /* in the tracker */
	bool is_query;   /* a simple one */
};

static bool is_told_values(const struct server *s)
{
	return s->task == SERVER_TASK_SETTLE || s->task == SERVER_TASK_BASELINE;
}

/* Whether the message must be here as a whole before anything is said about it. */
static bool must_be_whole(const struct server *s, const struct frame *f)
{
	return f->letter == 'Z' || f->letter == 'S' || f->letter == 'C' ||
	       (f->letter == 'A' && s->private) ||
	       (f->letter == 'D' && s->task == SERVER_TASK_LISTENING) ||
	       (f->letter == 'D' && s->task == SERVER_TASK_MEMORY &&
		f->total_len <= CHECKUP_ROW_MAX) ||
	       (f->letter == 'T' && journal_is_open(&s->journal) &&
		f->total_len <= GATHER_MAX) ||
	       (f->letter == 'D' && is_told_values(s) &&
		f->total_len <= FINDINGS_ROW_MAX) ||
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

/* Something may have waited for this answer. */
static void pump_if_kept(struct client *c)
{
	if (c && stream_kept(&c->stream).len > 0)
		loop_post(c->dispatcher->loop, &c->pump);
}

/* A ReadyForQuery for the client is on its way to it. */
static void on_client_ready(struct reply *r)
{
	struct server *s = r->server;
	bool is_xact_end = tracker_transaction_status(&s->tracker) == 'I';
	bool is_idle = tracker_is_idle(&s->tracker);

	s->heard_us = dispatcher_now(s->dispatcher);
	count_ready(s, is_xact_end);
	s->slot.transactions += is_xact_end && s->slot.transactions < UINT32_MAX;
	/* What is still outstanding begins to count where this ended. */
	s->query_us = is_idle ? 0 : s->heard_us;
	if (is_xact_end)
		s->transaction_us = s->query_us;
	else if (is_idle)
		server_arm(s);
	reply_send(r);
	pump_if_kept(s->client);
	notify_note_ready(s, tracker_transaction_status(&s->tracker));
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
		    s, REACH_BROKEN,
		    &(struct notice){.severity = "FATAL",
				     .sqlstate = SQLSTATE_PROTOCOL_VIOLATION,
				     .message =
					 closing_row(CLOSE_SERVER_PROTOCOL)->text});
	else
		server_close(s, CLOSE_SERVER_PROTOCOL);
}

static void on_parameter(struct reply *r, const struct frame *f)
{
	struct reader reader = reader_of(f->body);
	struct slice name = reader_cstring(&reader);
	struct slice value = reader_cstring(&reader);

	if (!reader_done(&reader)) {
		end_broken(r->server);
		return;
	}
	reply_send(r); /* it may have a word of its own for the client */
	bool is_for_client = prepare_reported(r->server, name, value);
	reply_pass(r, is_for_client ? reply_to_client(r->server) : REST_DISCARD,
		   f->total_len);
}

static void on_notification(struct reply *r, const struct frame *f)
{
	struct server *s = r->server;
	/* Clients that share servers hear of it by the pool's listening connection. */
	bool is_for_client = s->private || !s->client || !session_is_shared(s->client);

	reply_pass(r, is_for_client ? reply_to_client(s) : REST_DISCARD, f->total_len);
	if (s->private)
		private_notified(s, f->body);
}

static void on_aside(struct reply *r, const struct frame *f)
{
	struct server *s = r->server;
	bool is_client_served = tracker_asker(&s->tracker) == ASKED_BY_CLIENT;

	switch (f->letter) {
	case 'S':
		on_parameter(r, f);
		return;
	case 'A':
		on_notification(r, f);
		return;
	case 'N':
		reply_pass(r, is_client_served ? reply_to_client(s) : REST_DISCARD,
			   f->total_len);
		return;
	case 'E':
		note_fatal(s, f);
		pool_retire(s->slot.pool, &s->slot);
		reply_pass(r, reply_to_client(s), f->total_len);
		if (s->state == SERVER_IDLE)
			server_close(s, CLOSE_SERVER_RETIRED);
		return;
	default:
		reply_pass(r, reply_to_client(s), f->total_len);
		return;
	}
}

static bool is_shared(const struct server *s)
{
	return s->client && session_is_shared(s->client);
}

/* The batch that found its statement stale, once more. */
static void repeat_batch(struct server *s)
{
	struct client *c = s->client;
	struct buffer batch = replay_take_batch(s);

	/* A part of a batch cannot be taken back. */
	if (outbound_pump(c, buffer_bytes(&batch)) < buffer_len(&batch))
		client_close(c, CLOSE_SERVER_LOST);
	buffer_fini(&batch);
	replay_done(s);
	pump_if_kept(c);
}

/* What was kept back goes in front of what comes next. */
static void give_held(struct reply *r)
{
	struct buffer *held = &r->server->replay.held;

	if (buffer_len(held) == 0)
		return;
	reply_put(r, buffer_bytes(held));
	buffer_fini(held);
}

static void on_client_answer(struct reply *r, const struct frame *f)
{
	struct server *s = r->server;

	if (f->letter == 'Z' && replay_is_waiting(&s->replay)) {
		reply_pass(r, REST_DISCARD, f->total_len);
		if (s->client)
			repeat_batch(s);
		return;
	}
	if (f->letter == 't' && frame_is_whole(f) &&
	    replay_holds(s, slice_first(r->run.ahead, f->total_len))) {
		reply_pass(r, REST_DISCARD, f->total_len);
		return;
	}
	give_held(r);
	replay_answered(s);
	bool is_kept_back = f->letter == 'Z' && s->client &&
			    s->client->begins_otherwise && regain_starts(s);
	reply_pass(r, is_kept_back ? REST_DISCARD : reply_to_client(s), f->total_len);
	if (f->letter == 'D' && s->client && s->rest == 0)
		reply_pass_rows(r, f->letter);
	if (f->letter == 'Z' && s->client)
		on_client_ready(r);
}

/* An error for a client that shares its servers may be one that it need not know of, or
 * name a statement as only servers do. Whether it has been dealt with. */
static bool replace_error(struct reply *r, const struct frame *f,
			  const struct question *question)
{
	struct server *s = r->server;
	struct slice ours = journal_error(s, question->number);
	struct buffer translated = {0};

	if (ours.len > 0) {
		reply_put(r, ours);
		return true;
	}
	/* A Parse that failed leaves nothing to keep. */
	if (!s->is_unnamed_used)
		buffer_fini(&s->unnamed);
	if (!question->is_query && replay_swallows_error(s, f->body))
		return true;
	give_held(r);
	if (!translate_error(s->client, f->body, &translated))
		return false;
	reply_put(r, buffer_bytes(&translated));
	buffer_fini(&translated);
	return true;
}

static void on_client_error(struct reply *r, const struct frame *f,
			    const struct question *question)
{
	struct server *s = r->server;
	bool is_replaced;

	note_fatal(s, f);
	notify_note_error(s);
	session_note_undone(s->client);
	is_replaced = is_shared(s) && frame_is_whole(f) && replace_error(r, f, question);
	reply_pass(r, is_replaced ? REST_DISCARD : reply_to_client(s), f->total_len);
}

static void on_own_answer(struct reply *r, const struct frame *f)
{
	struct server *s = r->server;

	reply_pass(r, REST_DISCARD, f->total_len);
	if (f->letter == 'D' && s->task == SERVER_TASK_LISTENING)
		notify_settle_row(s, f->body);
	if (f->letter == 'E')
		clean_task_error(s, f->body);
	if (f->letter == 'D' && s->task == SERVER_TASK_SETTLE)
		findings_row(s, f);
	if (f->letter == 'D' && s->task == SERVER_TASK_BASELINE)
		baseline_row(s, f);
	if (f->letter == 'D' && s->task == SERVER_TASK_MEMORY && frame_is_whole(f))
		checkup_row(s, f->body);
	if (f->letter == 'Z')
		clean_task_done(s);
}

/* What was hidden among the client's messages is answered. After an error the server
 * skips what the client asked next, so that is the answer to it; unless the pooler has
 * hidden a Sync behind it, too. */
static void on_hidden_answer(struct reply *r, const struct frame *f,
			     const struct question *question)
{
	if (f->letter == 'E' && tracker_asker(&r->server->tracker) == ASKED_BY_CLIENT)
		on_client_error(r, f, question);
	else
		reply_pass(r, REST_DISCARD, f->total_len);
}

/* A CommandComplete for a client may tell of what stays behind it in its server.
 * Whether the client is to see it. */
static bool note_tag(struct server *s, const struct frame *f)
{
	struct slice tag = f->body;

	if (f->letter != 'C' || !s->client || !frame_is_whole(f) ||
	    tracker_asker(&s->tracker) != ASKED_BY_CLIENT)
		return true;
	if (tag.len > 0)
		tag.len--; /* its NUL */
	if (s->client->begins_otherwise)
		regain_note_tag(s->client, tag, tracker_is_at_query(&s->tracker));
	if (!is_shared(s))
		return true;
	if (journal_take_hidden_tag(s))
		return false;
	text_completed(s, tag);
	return true;
}

/* What the rows of a statement look like is known now. */
static void note_description(struct server *s, const struct frame *f,
			     const struct question *question)
{
	if ((f->letter == 'T' || f->letter == 'n') && frame_is_whole(f))
		journal_described(s, question->number, f->body);
}

/* The answer has taken effect; on_... below may part the two. */
static void settle_journal(struct server *s, const struct frame *f,
			   const struct question *question)
{
	if (!journal_is_open(&s->journal))
		return;
	note_description(s, f, question);
	if (f->letter == 'E')
		journal_failed(s, question->number);
	else
		journal_answered(s);
}

static void on_answer(struct reply *r, const struct frame *f,
		      const struct question *question, bool is_visible)
{
	struct server *s = r->server;

	if (f->letter == 'E')
		on_client_error(r, f, question);
	settle_journal(s, f, question);
	if (f->letter == 'E') {
		/* What a message waited for may have been skipped. */
		pump_if_kept(s->client);
		return;
	}
	if (is_visible)
		on_client_answer(r, f);
	else
		reply_pass(r, REST_DISCARD, f->total_len);
}

static bool commit(struct reply *r, const struct frame *f)
{
	struct server *s = r->server;
	uint8_t status = f->body.len > 0 ? f->body.data[0] : 0;

	if (tracker_due(&s->tracker))
		reply_give_due(r);
	bool is_visible = note_tag(s, f);
	struct question question = {.number = tracker_oldest(&s->tracker),
				    .is_query = tracker_is_at_query(&s->tracker)};
	switch (tracker_received(&s->tracker, f->letter, status)) {
	case TRACKER_FOR_CLIENT:
		on_answer(r, f, &question, is_visible);
		return true;
	case TRACKER_FOR_POOLER:
		if (question.is_query) {
			on_own_answer(r, f);
			return true;
		}
		on_hidden_answer(r, f, &question);
		settle_journal(s, f, &question);
		pump_if_kept(s->client);
		return true;
	case TRACKER_ASIDE:
		on_aside(r, f);
		return true;
	case TRACKER_UNEXPECTED:
		reply_send(r);
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
static bool pass_step(struct reply *r)
{
	struct server *s = r->server;
	struct frame f = {0};
	enum frame_result result = frame_peek(r->run.ahead, INT32_MAX, &f);

	if (result == FRAME_SHORT)
		return false;
	if (result == FRAME_BAD || !is_sane(&f)) {
		reply_send(r);
		end_broken(s);
		return false;
	}
	if (must_be_whole(s, &f) && !make_room_for(s, &f))
		return false;
	return commit(r, &f);
}

/* What of its answer depends on how busy PostgreSQL is. */
static void note_first_byte(struct server *s)
{
	uint64_t now_us = dispatcher_now(s->dispatcher);

	s->is_silent = false;
	pacer_meet(&s->dispatcher->logins.gate.pacer);
	if (s->query_us != 0 && !s->private)
		pool_note_first_byte(s->slot.pool, clock_since(now_us, s->query_us),
				     now_us);
}

size_t inbound_pump(struct server *s, struct slice bytes)
{
	struct reply r = {.server = s, .run.ahead = bytes};
	bool was_full = !tracker_has_room(&s->tracker);

	if (s->is_silent)
		note_first_byte(s);
	if (s->rest > 0)
		reply_pass(&r, s->rest_is, s->rest);
	while (r.run.ahead.len > 0 && s->closing == CLOSE_NOT)
		if (!pass_step(&r))
			break;
	if (tracker_due(&s->tracker) && tracker_awaits_nothing(&s->tracker))
		reply_give_due(&r);
	reply_send(&r);
	/* A long batch goes on as its answers come. */
	if (was_full && tracker_has_room(&s->tracker))
		pump_if_kept(s->client);
	return bytes.len - r.run.ahead.len;
}
