/*
 * Whose the latest values of a server's sequences are, and who stays for them.
 */
#include "relay/sequences.h"

#include "pool/pool.h"
#include "proto/notice.h"
#include "proto/sqlscan.h"
#include "proto/writer.h"
#include "relay/client.h"
#include "relay/known.h"
#include "relay/pin.h"
#include "relay/rewrite.h"
#include "relay/server.h"
#include "relay/session.h"

/* Nobody has asked in a new pool, and most never will; but the first who does must not
 * be told a stranger's value either, nor be refused its own. So servers forget for so
 * many changes of hands, within which those show that ask now and then. */
enum { FORGOTTEN_MAX = 1000 };

bool sequences_must_forget(const struct client *c, const struct server *s)
{
	if (!s->has_foreign_steps || s->has_stepped || !session_is_shared(c))
		return false;
	const struct known *known = known_of(c->pool);
	return known->watches_sequences || (known->sequences_forgotten < FORGOTTEN_MAX &&
					    c->pool->rules.server_state != STATE_ALLOW);
}

void sequences_forgotten(struct server *s)
{
	struct known *known = known_of(s->slot.pool);

	s->has_foreign_steps = false;
	if (known->sequences_forgotten < FORGOTTEN_MAX)
		known->sequences_forgotten++;
}

/* What currval() and lastval() would tell is this client's own, as far as we know. That
 * a text may step is no more than a guess, so what strangers have left may show behind
 * it. */
static bool has_own_sequences(const struct client *c)
{
	const struct server *s = c->server;

	if (s->has_foreign_steps)
		return false;
	if (s->has_stepped)
		return true;
	bool is_begun = tracker_transaction_status(&s->tracker) != 'I' ||
			(!tracker_is_idle(&s->tracker) && s->task == SERVER_TASK_NONE);
	return s->is_returned || is_begun;
}

/* Whether nothing of the client's is under way: nothing at all, or a question of ours. */
static bool is_fresh(const struct server *s)
{
	const struct tracker *t = &s->tracker;
	uint64_t outstanding = tracker_next(t) - tracker_oldest(t);

	return tracker_transaction_status(t) == 'I' &&
	       (s->task == SERVER_TASK_NONE ? tracker_is_idle(t) : outstanding == 1) &&
	       !tracker_needs_probe(t);
}

/* Takes a stranger's values away in front of the client's first text, so that the server
 * has words of its own for what is not there. Whose answer it is the tracker knows. */
static bool forget_sequences(struct server *s)
{
	rewrite_keep_unnamed(s->client);
	struct writer w = writer_of(stream_cork_buffer(&s->stream));

	writer_begin(&w, 'Q');
	writer_text(&w, "DISCARD SEQUENCES");
	writer_end(&w);
	bool is_written = writer_finish(&w);
	stream_corked(&s->stream);
	if (!is_written || !tracker_sent(&s->tracker, 'Q', ASKED_BY_POOLER)) {
		server_close(s, CLOSE_OUT_OF_MEMORY);
		return false;
	}
	s->has_foreign_steps = false;
	s->is_returned = true; /* there is nothing that is not its own */
	return true;
}

/* What cannot be told from a stranger's is lost, and nobody stays for it. */
static void lose_sequences(struct client *c)
{
	if (c->server->has_stepped && c->session)
		c->session->has_lost_sequences = true;
	c->server->has_stepped = false;
}

bool sequences_refuse(struct client *c, uint32_t hints, struct notice *out)
{
	struct session *session = session_get(c);

	known_of(c->pool)->watches_sequences = true;
	if (session)
		session->watches_sequences = true;
	if (!c->server || has_own_sequences(c))
		return false;
	lose_sequences(c);
	/* Where nothing was lost the server's own words are the right ones; as behind a
	   step of the text itself, if that is none. */
	bool has_lost = session && session->has_lost_sequences;
	if ((hints & SQL_STEPS || !has_lost) && is_fresh(c->server) &&
	    forget_sequences(c->server))
		return false;
	if (hints & SQL_STEPS)
		return false;
	*out = (struct notice){
	    .severity = "ERROR",
	    .sqlstate = SQLSTATE_NOT_IN_STATE,
	    .message = "what currval() and lastval() tell was left in another server",
	    .detail =
		"Servers are shared, and this is not the one that the session's last "
		"nextval() was called in.",
	    .hint = "Use RETURNING, or call nextval() and currval() in one transaction."};
	return true;
}

void sequences_stepped(struct server *s)
{
	s->has_stepped = true;
	s->stepped_asked = tracker_next(&s->tracker);
}

void sequences_discarded(struct server *s)
{
	s->has_foreign_steps = false;
	if (s->client && s->client->session)
		s->client->session->has_lost_sequences = false;
	/* Of one text nobody knows which came first. */
	if (s->stepped_asked < tracker_oldest(&s->tracker))
		s->has_stepped = false;
}

void sequences_judge(struct client *c)
{
	struct session *session = c->session;
	uint32_t hints = session->hints;

	if (!session->watches_sequences || c->pool->rules.server_state != STATE_PIN)
		return;
	session->hints &= ~(uint32_t)(SQL_CURRENTS | SQL_STEPS);
	if (!c->server->has_stepped || !pin_may_keep_sequences(c->server))
		pin_drop_sequences(c);
	else if (hints & SQL_CURRENTS)
		pin_keep_sequences(c, SEQUENCES_ASKED);
	else
		pin_keep_sequences(c, hints & SQL_STEPS ? SEQUENCES_STEPPED
							: SEQUENCES_UNUSED);
}

void sequences_leave(struct client *c)
{
	struct session *session = c->session;

	if (session->watches_sequences && c->server->has_stepped)
		session->has_lost_sequences = true;
}
