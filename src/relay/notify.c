/*
 * LISTEN and NOTIFY for clients that share servers.
 *
 * What a client LISTENs to is asked of the server, so it is exact whatever happened in
 * between. What it UNLISTENs from cannot be asked, since the server does not listen to
 * what the client listened to before: there the tags tell. UNLISTEN counts when its tag
 * has come and its transaction was committed; after ROLLBACK TO it does not, for a
 * notification too many does less harm than one too few.
 */
#include "relay/notify.h"

#include "base/reader.h"
#include "config/config.h"
#include "proto/sqlscan.h"
#include "relay/clean.h"
#include "relay/client.h"
#include "relay/dispatcher.h"
#include "relay/listening.h"
#include "relay/notifier.h"
#include "relay/reset.h"
#include "relay/rewrite.h"
#include "relay/server.h"
#include "relay/session.h"

enum { LISTENING_HINTS = SQL_LISTENS | SQL_UNLISTENS };

#define SETTLE_QUERY "SELECT pg_catalog.pg_listening_channels();UNLISTEN *"

/* ---- what it says ---- */

static enum text_verdict refuse(struct notice *out, const char *sqlstate,
				const char *message)
{
	*out = (struct notice){
	    .severity = "ERROR", .sqlstate = sqlstate, .message = message};
	return TEXT_IS_REFUSED;
}

static bool is_at_its_limit(const struct listening *l)
{
	int most = l->client->dispatcher->config->settings.max_listen_channels;
	const struct member *m;
	unsigned count = l->listener.count;

	if (most == 0 || count < (unsigned)most)
		return false;
	TAILQ_FOREACH (m, &l->listener.channels, in_listener)
		count -= m->is_leaving;
	return count >= (unsigned)most;
}

static struct member *join(struct listening *l, struct slice name)
{
	struct channels *channels = &l->notifier->channels;
	struct member *m = channels_join(channels, &l->listener, name);

	if (m && !m->is_certain)
		l->has_uncertain = true;
	/* What others hear on it just now may have been said before. */
	if (m && !m->is_admitted)
		channels_touch(channels, m->channel);
	notifier_changed(l->notifier);
	return m;
}

/* While its database is paused nobody listens, and a transaction must be able to end: the
 * client will be warned afterwards. */
static enum text_verdict judge_member(struct listening *l, struct member *m,
				      struct notice *out)
{
	bool is_refused = m->is_refused;

	m->is_unsent = true;
	m->is_asked = false; /* an answer that is on its way knows nothing of this */
	m->is_refused = false;
	m->is_waiting = false;
	if (pool_is_paused(l->notifier->pool)) {
		notifier_miss(l->notifier);
		l->has_missed = true;
		return TEXT_GOES;
	}
	if (is_refused) {
		*out = notifier_failure(l->notifier);
		if (!m->is_certain)
			listening_leave(l, m);
		return TEXT_IS_REFUSED;
	}
	/* One that listens already misses nothing by this. */
	m->is_waiting = !m->is_certain && !m->is_admitted;
	return m->is_waiting ? TEXT_WAITS : TEXT_GOES;
}

static enum text_verdict judge_listen(struct client *c, struct slice written,
				      struct notice *out)
{
	char name[CHANNEL_NAME_MAX + 1];
	size_t len = sqlscan_identifier(written, name);
	struct listening *l = listening_of(c);

	/* The server knows what to make of it; what it listens to will be seen later. */
	if (len == 0)
		return TEXT_GOES;
	if (!l)
		l = listening_make(c);
	if (!l)
		return refuse(out, SQLSTATE_OUT_OF_MEMORY, "out of memory");
	struct member *m = listener_find(&l->listener, slice_of(name, len));
	if (!m && is_at_its_limit(l))
		return refuse(out, "54000",
			      "client listens to too many channels "
			      "(max_listen_channels)");
	if (!m)
		m = join(l, slice_of(name, len));
	if (!m)
		return refuse(out, SQLSTATE_OUT_OF_MEMORY, "out of memory");
	return judge_member(l, m, out);
}

static void mark_all_leaving(struct listening *l)
{
	struct member *m;

	TAILQ_FOREACH (m, &l->listener.channels, in_listener)
		m->may_leave = true;
}

static void note_unlisten(struct client *c, struct slice written)
{
	char name[CHANNEL_NAME_MAX + 1];
	struct listening *l = listening_of(c);

	if (!l)
		return;
	if (slice_is_text(written, "*")) {
		mark_all_leaving(l);
		return;
	}
	size_t len = sqlscan_identifier(written, name);
	struct member *m = listener_find(&l->listener, slice_of(name, len));
	if (m)
		m->may_leave = true;
}

enum text_verdict notify_judge(struct client *c, struct slice text, uint32_t hints,
			       struct notice *out)
{
	enum text_verdict all = TEXT_GOES, one;
	struct sql_statement statement;

	if ((hints & LISTENING_HINTS) == 0 || !session_is_shared(c))
		return TEXT_GOES;
	while (sqlscan_next(&text, &statement)) {
		if (statement.hints & SQL_UNLISTENS)
			note_unlisten(c, statement.name);
		if (!(statement.hints & SQL_LISTENS))
			continue;
		one = judge_listen(c, statement.name, out);
		if (one == TEXT_IS_REFUSED)
			return one;
		if (one == TEXT_WAITS)
			all = one;
	}
	return all;
}

void notify_sent(struct client *c)
{
	struct listening *l = listening_of(c);
	struct member *m;

	if (!l)
		return;
	TAILQ_FOREACH (m, &l->listener.channels, in_listener)
		m->is_unsent = false;
}

/* ---- what becomes of it ---- */

static struct listening *listening_at(const struct server *s)
{
	return s->client ? listening_of(s->client) : NULL;
}

/* A transaction that is still open has not made them listen yet: what has come until now
 * came too early. */
static void forget_early(struct listening *l)
{
	struct member *m;

	TAILQ_FOREACH (m, &l->listener.channels, in_listener)
		if (!m->is_certain && !m->is_committed)
			member_forget_kept(m);
}

/* COMMIT AND CHAIN: the transaction that is open now is another. */
static void note_commit(struct listening *l)
{
	struct member *m;

	l->has_unlistened_surely = l->has_unlistened_surely || l->has_unlistened;
	l->has_unlistened = false;
	TAILQ_FOREACH (m, &l->listener.channels, in_listener)
		m->is_committed = !m->is_unsent;
}

void notify_note_tag(struct server *s, struct slice tag)
{
	struct listening *l = listening_at(s);

	if (!l)
		return;
	if (slice_is_text(tag, "UNLISTEN")) {
		l->has_unlistened = true;
	} else if (slice_is_text(tag, "COMMIT")) {
		note_commit(l);
	} else if (slice_is_text(tag, "ROLLBACK")) {
		l->has_unlistened = false;
	} else if (slice_is_text(tag, "DISCARD ALL")) {
		mark_all_leaving(l);
		l->has_unlistened = true;
	}
}

void notify_note_error(struct server *s)
{
	struct listening *l = listening_at(s);

	if (l)
		l->has_failed = true;
}

/* What it has UNLISTENed from is uncertain until the server has been asked: it may have
 * LISTENed again. */
static void begin_leaving(struct listening *l)
{
	struct member *m;

	TAILQ_FOREACH (m, &l->listener.channels, in_listener) {
		if (!m->may_leave)
			continue;
		m->may_leave = false;
		m->is_certain = false;
		m->is_leaving = true;
		l->has_uncertain = true;
	}
}

/* Nothing came of it. */
static void stay(struct listening *l)
{
	struct member *m;

	TAILQ_FOREACH (m, &l->listener.channels, in_listener)
		m->may_leave = false;
}

static void end_transaction(struct listening *l, bool is_idle)
{
	if (l->has_unlistened && !l->has_failed)
		l->has_unlistened_surely = true;
	l->has_unlistened = false;
	if (!l->has_unlistened_surely && is_idle)
		stay(l);
}

void notify_note_ready(struct server *s, uint8_t status)
{
	struct listening *l = listening_at(s);

	if (!l)
		return;
	if (status == 'I')
		end_transaction(l, tracker_is_idle(&s->tracker));
	else if (l->has_uncertain)
		forget_early(l);
	l->has_failed = false;
	if (l->has_unlistened_surely)
		begin_leaving(l);
	l->has_unlistened_surely = false;
	listening_deliver(s->client);
}

/* ---- settling ---- */

/* Whether the server can know: not what is still to be sent, if anything is. */
static bool can_be_known(const struct listening *l, const struct member *m)
{
	return !m->is_certain &&
	       (!m->is_unsent || stream_kept(&l->client->stream).len == 0);
}

/* What comes to be said while the question is under way is asked about the next time.
 * Whether there is anything to ask about. */
static bool begin_members(struct listening *l)
{
	bool is_any = false;
	struct member *m;

	TAILQ_FOREACH (m, &l->listener.channels, in_listener) {
		m->is_asked = can_be_known(l, m);
		m->is_there = false;
		is_any = is_any || m->is_asked;
	}
	return is_any;
}

bool notify_settle_begin(struct server *s)
{
	struct session *session = s->client->session;
	struct listening *l = listening_at(s);
	bool has_listened = session && session->hints & SQL_LISTENS;

	if (session)
		session->hints &= ~(uint32_t)LISTENING_HINTS;
	if (l && l->has_uncertain && begin_members(l))
		has_listened = true;
	if (!has_listened)
		return false;
	rewrite_keep_unnamed(s->client);
	server_ask(s, SERVER_TASK_LISTENING, slice_of_text(SETTLE_QUERY));
	return true;
}

static void note_there(struct client *c, struct slice name)
{
	struct listening *l = listening_of(c);

	if (!l)
		l = listening_make(c);
	struct member *m = l ? join(l, name) : NULL;
	if (!m) {
		client_close(c, CLOSE_OUT_OF_MEMORY);
		return;
	}
	/* One that nobody has seen in a text is new, and asked about all the same. */
	m->is_asked = true;
	m->is_there = true;
	m->is_unsent = false;
}

void notify_settle_row(struct server *s, struct slice body)
{
	struct reader r = reader_of(body);
	uint16_t columns = reader_u16(&r);
	struct slice name = reader_bytes(&r, reader_u32(&r));

	if (s->client && columns == 1 && reader_done(&r))
		note_there(s->client, name);
}

/* Without an answer whoever may listen does. */
static void end_members(struct listening *l, bool has_answer)
{
	struct member *m, *next;

	l->has_uncertain = false;
	for (m = TAILQ_FIRST(&l->listener.channels); m; m = next) {
		next = TAILQ_NEXT(m, in_listener);
		if (m->is_asked && has_answer && !m->is_there) {
			listening_leave(l, m);
			continue;
		}
		m->is_certain = m->is_certain || m->is_asked;
		m->is_committed = false;
		m->is_leaving = m->is_leaving && !m->is_asked;
		m->is_asked = false;
		if (!m->is_certain)
			l->has_uncertain = true;
	}
}

void notify_settled(struct server *s)
{
	struct client *c = s->client;
	struct listening *l = listening_at(s);

	if (s->task_failed)
		reset_mark(s, RESET_LISTEN);
	if (l) {
		end_members(l, !s->task_failed);
		listening_pass_on(l);
		if (l->listener.count == 0 && l->listener.kept_len == 0)
			listening_free(c);
	}
	clean_release_if_done(s);
}

/* In the server, or so it may be. */
static bool leaves_something(const struct session *session)
{
	return session->pins != 0 || (session->hints & ~(uint32_t)SQL_COMMON) != 0;
}

static bool has_only_asked(const struct server *s)
{
	const struct client *c = s->client;

	return c && s->task == SERVER_TASK_LISTENING && c->closing == CLOSE_NOT &&
	       s->query_us == 0 && s->transaction_us == 0 && c->rest == 0;
}

bool notify_settle_lost(struct server *s)
{
	struct listening *l = listening_at(s);

	if (!has_only_asked(s) || leaves_something(s->client->session))
		return false;
	s->task = SERVER_TASK_NONE;
	if (l)
		end_members(l, false);
	return true;
}
