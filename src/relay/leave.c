/*
 * Leaving, step by step.
 *
 * What must not happen: a Sync commits what an extended query without one has done so
 * far, where the end of the connection would have undone it. So such a batch is made to
 * fail first. And during COPY IN anything but the messages of a COPY ends the server, so
 * nothing else is sent before it is known that there is none. And a cancel that hit the
 * BEGIN of a client that did not wait for its answer would have what comes behind it
 * carried out, and committed, one by one. So of several requests the first is not
 * cancelled unless it takes long, as BEGIN never does.
 */
#include "relay/leave.h"

#include "base/clock.h"
#include "config/config.h"
#include "pool/pool.h"
#include "proto/sqlscan.h"
#include "proto/writer.h"
#include "relay/cancel.h"
#include "relay/clean.h"
#include "relay/client.h"
#include "relay/dispatcher.h"
#include "relay/link.h"
#include "relay/reset.h"
#include "relay/server.h"
#include "relay/session.h"
#include "relay/settle.h"

/* A message of which more than this has still to come is not worth completing. */
enum { COMPLETED_MOST = 1024 * 1024 };

/* A cancel that came too early, or hit only the first of several queries, is repeated:
 * after this, and then after half as long again as it has taken so far. */
#define CANCEL_AGAIN_US (50 * USEC_PER_MSEC)

/* A request that has taken so long is not one of those that are always quick. */
#define LONG_REQUEST_US (1 * USEC_PER_SEC)

/* No client has a portal of this name; what the server logs says what happened. */
#define NO_PORTAL "of a client that has gone, so its batch is rolled back"

static uint64_t now_of(const struct server *s)
{
	return dispatcher_now(s->dispatcher);
}

/* What the client has asked and not been told; the last may lack its Sync. */
static uint32_t requests_left(const struct server *s)
{
	uint32_t all = tracker_requests(&s->tracker);
	uint32_t of_client = all > s->own_syncs ? all - s->own_syncs : 0;

	return of_client + tracker_is_unsynced(&s->tracker);
}

static bool may_cancel(const struct server *s)
{
	return s->leaving == LEAVING_CANCELLING &&
	       (requests_left(s) <= 1 ||
		clock_since(now_of(s), s->head_us) >= LONG_REQUEST_US);
}

static void give_up(struct server *s, enum closing reason)
{
	/* The end of the connection would stop nothing that runs. */
	if (!tracker_is_idle(&s->tracker) && may_cancel(s))
		cancel_abandoned(s);
	server_close(s, reason);
}

/* ---- what is open ---- */

/* Says something on behalf of the client that has gone: the answers are its own. */
static bool tell(struct server *s, uint8_t letter, const char *text)
{
	struct writer w = writer_of(stream_cork_buffer(&s->stream));

	writer_begin(&w, letter);
	if (text)
		writer_text(&w, text);
	if (letter == 'E')
		writer_u32(&w, 0);
	writer_end(&w);
	bool is_written = writer_finish(&w);
	stream_corked(&s->stream);
	s->own_syncs += letter == 'S';
	return is_written && tracker_sent(&s->tracker, letter, ASKED_BY_CLIENT);
}

static bool end_copy(struct server *s)
{
	/* In an extended query the Syncs that were sent before have been eaten. */
	return tell(s, 'f', "the client has gone") && tell(s, 'S', NULL);
}

static bool end_batch(struct server *s)
{
	return tell(s, 'E', NO_PORTAL) && tell(s, 'S', NULL);
}

/* Ends a COPY or a batch that waits for its client; false when memory is short. */
static bool end_what_is_open(struct server *s)
{
	const struct tracker *t = &s->tracker;

	if (tracker_awaits_copy(t))
		return end_copy(s);
	if (tracker_is_skipping(t))
		return tell(s, 'S', NULL);
	/* While some of it is unanswered it may yet turn out to be a COPY. */
	if (tracker_is_unsynced(t) && tracker_awaits_nothing(t))
		return end_batch(s);
	return true;
}

/*
 * What half a message is completed with, so that the server can read on behind it. Data
 * for a COPY may be anything, since it will not be committed. In others every string must
 * lack its end and every count be too large, or the server might carry out half of what
 * was meant. -1: nothing is safe, as for the arguments of a function.
 */
static int filling_of(uint8_t letter)
{
	if (letter == 'd')
		return 0;
	return letter && strchr("QPBDCEf", letter) ? 0xff : -1;
}

static bool complete_message(struct server *s, uint8_t letter, uint32_t rest)
{
	int filling = filling_of(letter);

	if (rest == 0)
		return true;
	if (filling < 0 || rest > COMPLETED_MOST)
		return false;
	uint8_t *bytes = buffer_reserve(stream_cork_buffer(&s->stream), rest);
	if (!bytes)
		return false;
	memset(bytes, filling, rest);
	buffer_commit(stream_cork_buffer(&s->stream), rest);
	stream_corked(&s->stream);
	return true;
}

/* Answers to a batch without a Sync stay with the server until it is asked for them. */
static bool ask_for_answers(struct server *s)
{
	return !tracker_is_unsynced(&s->tracker) || tell(s, 'H', NULL);
}

/* ---- what runs ---- */

static void look_again_at(struct server *s, uint64_t at_us)
{
	s->again_us = at_us;
	server_arm(s);
}

static void note_progress(struct server *s)
{
	uint32_t requests = tracker_requests(&s->tracker);

	if (requests == s->requests)
		return;
	s->requests = requests;
	s->head_us = now_of(s);
	s->again_us = 0;
}

static void cancel_what_runs(struct server *s)
{
	uint64_t now_us = now_of(s);

	if (s->leaving != LEAVING_CANCELLING || now_us < s->again_us)
		return;
	if (!may_cancel(s)) {
		look_again_at(s, s->head_us + LONG_REQUEST_US);
		return;
	}
	/* One that cannot be sent now, for whatever reason, is tried again, too. */
	if (s->cancels == 0)
		cancel_left(s);
	look_again_at(s, now_us + CANCEL_AGAIN_US + clock_since(now_us, s->since_us) / 2);
}

static void probe(struct server *s)
{
	if (s->cancels == 0)
		server_ask(s, SERVER_TASK_PROBE, slice_of_text(""));
}

/* ---- what is left ---- */

static uint64_t cleanup_end(const struct server *s)
{
	return now_of(s) + s->dispatcher->config->settings.cleanup_timeout;
}

/* The server has answered everything and waits. */
static void go_on_idle(struct server *s)
{
	/* A cancel that is under way would hit what comes next. */
	if (s->cancels > 0)
		return;
	if (s->leaving == LEAVING_FINISHING) {
		s->end_us = cleanup_end(s);
		server_arm(s);
	}
	if (tracker_transaction_status(&s->tracker) != 'I') {
		s->leaving = LEAVING_CANCELLING;
		server_ask(s, SERVER_TASK_ROLLBACK, slice_of_text("ROLLBACK"));
		return;
	}
	s->leaving = LEAVING_OVER;
	s->again_us = 0;
	clean_start(s);
}

/* What the pooler would have answered itself, in the server's stead. */
static void drop_due(struct tracker *t)
{
	while (tracker_due(t))
		tracker_take_due(t);
}

void leave_go_on(struct server *s)
{
	struct tracker *t = &s->tracker;

	if (s->leaving == LEAVING_NOT || s->leaving == LEAVING_OVER ||
	    s->closing != CLOSE_NOT || s->task != SERVER_TASK_NONE)
		return;
	drop_due(t);
	note_progress(s);
	bool is_running = !tracker_awaits_nothing(t);
	if (tracker_is_lost(t) || tracker_copies_both_ways(t))
		give_up(s, CLOSE_SERVER_UNFINISHED);
	else if (!end_what_is_open(s))
		server_close(s, CLOSE_OUT_OF_MEMORY);
	else if (tracker_is_idle(t))
		go_on_idle(s);
	else if (tracker_needs_probe(t))
		probe(s);
	else if (is_running)
		cancel_what_runs(s);
	else
		look_again_at(s, now_of(s) + CANCEL_AGAIN_US);
}

void leave_due(struct server *s)
{
	if (now_of(s) < s->end_us) {
		s->again_us = 0;
		leave_go_on(s);
		if (s->state == SERVER_CLEANING)
			server_arm(s);
		return;
	}
	if (s->leaving != LEAVING_FINISHING) {
		give_up(s, s->leaving == LEAVING_CANCELLING ? CLOSE_SERVER_UNFINISHED
							    : CLOSE_SERVER_CLEANING);
		return;
	}
	/* It was to be finished, but has no more time than with a client. */
	s->leaving = LEAVING_CANCELLING;
	s->end_us = cleanup_end(s);
	server_arm(s);
	leave_go_on(s);
}

/* ---- the beginning ---- */

/* What the client may have done to the server and nobody has looked at since. */
static void mark_traces(struct client *c, struct server *s)
{
	if (c->session && c->session->hints & SQL_LISTENS)
		reset_mark(s, RESET_LISTEN);
	settle_abandon(c);
	/* Nobody will know which of its parameters are set, or what the answer was. */
	if (s->task == SERVER_TASK_PREPARE)
		reset_mark(s, RESET_PARAMS);
	else if (s->task != SERVER_TASK_NONE && s->task != SERVER_TASK_PROBE)
		reset_mark(s, RESET_ALL);
}

static bool is_done(const struct server *s, uint32_t rest)
{
	return rest == 0 && s->task == SERVER_TASK_NONE && tracker_is_idle(&s->tracker) &&
	       tracker_transaction_status(&s->tracker) == 'I';
}

static void begin(struct server *s, bool is_to_finish, uint64_t limit_us)
{
	s->leaving = is_to_finish ? LEAVING_FINISHING : LEAVING_CANCELLING;
	s->again_us = 0;
	s->own_syncs = 0;
	s->requests = tracker_requests(&s->tracker);
	s->head_us = now_of(s);
	clean_enter(s, is_to_finish ? limit_us : cleanup_end(s));
}

void leave_start(struct client *c)
{
	struct server *s = c->server;
	uint32_t rest = c->rest_is == REST_FORWARD ? c->rest : 0;
	/* The limits of its query and its transaction, which are forgotten with it. */
	uint64_t limit_us = server_due(s);

	if (s->closing == CLOSE_NOT)
		mark_traces(c, s);
	link_detach(c);
	if (s->closing != CLOSE_NOT)
		return;
	/* One that was opened for this client is of no use to another. */
	if (s->private) {
		s->leaving = LEAVING_CANCELLING;
		s->own_syncs = 0;
		s->head_us = now_of(s);
		give_up(s, CLOSE_SERVER_RETIRED);
		return;
	}
	if (is_done(s, rest)) {
		clean_start(s);
		return;
	}
	begin(s, c->closing == CLOSE_TERMINATE, limit_us);
	if (complete_message(s, c->rest_letter, rest) && ask_for_answers(s))
		leave_go_on(s);
	else
		give_up(s, CLOSE_SERVER_UNFINISHED);
}
