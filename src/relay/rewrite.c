/*
 * One function per message. All of what a message needs is decided before the first byte
 * is written; notes go into the journal before the tracker is told, so that they carry
 * the number of their question.
 */
#include "relay/rewrite.h"

#include "config/config.h"
#include "pool/pool.h"
#include "proto/notice.h"
#include "proto/sqlscan.h"
#include "relay/dispatcher.h"
#include "relay/journal.h"
#include "relay/message.h"
#include "relay/own_names.h"
#include "relay/pin.h"
#include "relay/server.h"
#include "relay/session.h"
#include "relay/settle.h"
#include "relay/text.h"

/* A Parse of a named statement must be here as a whole. */
enum { PARSE_MAX = 1024 * 1024 };

/* ---- what the text is about ---- */

/* Whether it drops all prepared statements; where that is not sure, that counts too. */
static bool forgets(struct slice text, uint32_t hints)
{
	struct sql_statement statement;

	if (hints & SQL_DISCARDS)
		return true;
	if (!(hints & SQL_DEALLOCATES))
		return false;
	return hints & SQL_IS_MANY || !sqlscan_next(&text, &statement) ||
	       sqlscan_is(statement.name, "all");
}

uint32_t rewrite_scan(struct slice text)
{
	uint32_t hints = sqlscan(text);

	return forgets(text, hints) ? hints | TEXT_FORGETS : hints;
}

/* Nobody knows what is in the rest of a text that is too long to be kept. */
uint32_t rewrite_scan_front(const struct message *m, struct slice text)
{
	if (frame_is_whole(m->frame))
		return rewrite_scan(text);
	/* One statement hardly drops others behind so much else. */
	return rewrite_scan(text) | SQL_RUNS_CODE |
	       (m->frame->letter == 'Q' ? TEXT_FORGETS : 0);
}

/* A single statement in a failed transaction ends it or fails as well; of several the
 * first may end it. */
static bool is_void(const struct message *m, uint32_t hints)
{
	return !(hints & (SQL_IS_MANY | SQL_RUNS_CODE)) &&
	       message_is_in_failed_transaction(m);
}

/* Only in front of these two the text is that of the message. */
static size_t unseen_of(const struct frame *f)
{
	bool is_text = f->letter == 'Q' || f->letter == 'P';

	return is_text ? f->total_len - FRAME_HEADER_LEN - f->body.len : 0;
}

/* REWRITE_NOT when the text may go. */
enum rewritten rewrite_judge(const struct message *m, struct slice text, uint32_t hints)
{
	struct sql_text t = {.text = text, .unseen = unseen_of(m->frame), .hints = hints};
	struct notice notice = {.severity = "ERROR"};

	if (((hints & ~SQL_COMMON) == 0 && !settle_owes(m->client)) || is_void(m, hints))
		return REWRITE_NOT;
	switch (text_judge(m->client, &t, &notice)) {
	case TEXT_GOES:
		return REWRITE_NOT;
	case TEXT_WAITS:
		return REWRITE_HOLD;
	case TEXT_IS_REFUSED:
		return message_refuse(m, &notice);
	}
	return REWRITE_NOT;
}

struct slice rewrite_text_of(struct slice tail)
{
	const uint8_t *end = tail.len > 0 ? memchr(tail.data, '\0', tail.len) : NULL;

	return end ? slice_first(tail, (size_t)(end - tail.data)) : tail;
}

enum rewritten rewrite_judge_statement(const struct message *m,
				       struct statement *statement)
{
	return rewrite_judge(m, rewrite_text_of(statement_tail(statement)),
			     *statement_hints(statement));
}

/* ---- Parse ---- */

static enum rewritten refuse_length(const struct message *m)
{
	return message_refuse(
	    m, &(struct notice){.severity = "ERROR",
				.sqlstate = SQLSTATE_PROGRAM_LIMIT,
				.message = "the text of a named prepared statement is "
					   "longer than 1 MB",
				.hint = "Use an unnamed statement for it."});
}

struct slice rewrite_context_of(const struct client *c)
{
	return params_meaning(c->params);
}

/* In a transaction that has failed nothing can be prepared; what came before in this
 * batch makes the server skip all of it if it fails. */
static bool is_sure_of_transaction(const struct tracker *t)
{
	return tracker_oldest(t) >= tracker_turn(t) &&
	       tracker_transaction_status(t) != 'E';
}

/* A client that prepares anew expects the tables as they are now. */
static bool is_fresh(const struct message *m, const struct server_statement *there)
{
	return message_has(m, there) && is_sure_of_transaction(&m->server->tracker) &&
	       there->epoch == m->server->slot.pool->database_usage->schema_epoch;
}

static bool prepare_or_answer(const struct message *m, struct statement *statement,
			      struct client_statement *named)
{
	struct server *s = m->server;
	struct server_statement *there =
	    server_statements_find(&s->statements, statement);

	client_statement_shape(named)->epoch = s->slot.pool->database_usage->schema_epoch;
	if (!is_fresh(m, there))
		return message_prepare(m, statement, ASKED_BY_CLIENT, named);
	server_statements_touch(&s->statements, there);
	return journal_named(s, named) && message_ask(m, 'P', ANSWERED_BY_POOLER);
}

static enum rewritten name_statement(const struct message *m, struct statement *statement)
{
	struct session *session = session_get(m->client);

	if (!session)
		return message_no_memory(m);
	struct client_statement *named = client_statements_add(
	    message_store(m), &session->statements, m->names.statement, statement);
	if (!named)
		return message_refuse_shortage(m);
	pass_count(m->pass, PASS_CLIENT_PARSE);
	return prepare_or_answer(m, statement, named) ? message_skip(m)
						      : message_no_memory(m);
}

/* Whether a text that is on its way will have dropped it, unless all of this is skipped.
 */
static bool is_going(const struct message *m, const struct client_statement *named)
{
	const struct server *s = m->server;

	return text_may_forget(s, 0) && !journal_names_after(s, named, s->forgets_before);
}

/* PostgreSQL looks at the text first, and may have other complaints; then at the name. */
static enum rewritten refuse_existing(const struct message *m)
{
	if (!message_write_parse(m, message_refused_name(), m->names.rest,
				 ASKED_BY_POOLER) ||
	    !message_write_close(m, message_refused_name()))
		return message_no_memory(m);
	return message_refuse_name(m, SQLSTATE_STATEMENT_EXISTS, m->names.statement,
				   "already exists");
}

/* By a PREPARE of the client's own. */
static bool may_be_taken(const struct message *m)
{
	const struct session *session = m->client->session;

	if (!session || message_is_own_name(m->names.statement))
		return false;
	return session->pins & (PIN_PREPARED | PIN_UNKNOWN) ||
	       (session->hints | session->asked_hints) & (SQL_PREPARES | SQL_RUNS_CODE);
}

/* Names of PREPARE only the server knows: it complains if this one is among them. */
static bool try_name(const struct message *m)
{
	return message_write_parse(m, m->names.statement, m->names.rest,
				   ASKED_BY_POOLER) &&
	       message_write_close(m, m->names.statement);
}

static enum rewritten parse_whole(const struct message *m)
{
	struct slice text = extended_text(&m->names);
	uint32_t hints = rewrite_scan(text);
	bool reads_clock = sqlscan_reads_clock(text);
	bool is_sure = message_is_sure_of_parameters(m) && !message_is_elsewhere(m);
	enum rewritten verdict = rewrite_judge(m, text, hints);

	if (verdict != REWRITE_NOT)
		return verdict;
	struct client_statement *old = message_find(m, m->names.statement);
	if (old && !is_going(m, old))
		return refuse_existing(m);
	if ((old && !message_withdraw(m, old)) || (may_be_taken(m) && !try_name(m)))
		return message_no_memory(m);
	struct statement *statement =
	    message_take(m, m->names.rest, is_sure && !reads_clock);
	if (!statement)
		return message_refuse_shortage(m);
	*statement_hints(statement) = hints | (reads_clock ? TEXT_READS_CLOCK : 0);
	enum rewritten result = name_statement(m, statement);
	statements_give_back(message_store(m), statement);
	return result;
}

/* Its text must be here as a whole to be found again. */
static enum rewritten parse_named(const struct message *m)
{
	struct client *c = m->client;

	if (!frame_is_whole(m->frame)) {
		if (m->frame->total_len > PARSE_MAX)
			return refuse_length(m);
		if (c->stream.keep_max < m->frame->total_len)
			stream_set_keep_max(&c->stream, (uint32_t)m->frame->total_len);
		return REWRITE_HOLD;
	}
	if (c->stream.keep_max != STREAM_KEEP_MAX)
		stream_set_keep_max(&c->stream, STREAM_KEEP_MAX);
	/* What is malformed is PostgreSQL's to complain about. */
	return extended_is_whole_parse(&m->names) ? parse_whole(m) : REWRITE_NOT;
}

/* ---- Bind, Describe, Close ---- */

static struct client_statement *find_lasting(const struct message *m)
{
	struct client_statement *named = message_find(m, m->names.statement);

	return named && !is_going(m, named) ? named : NULL;
}

/* Whether rows look on this server as the client was told; the server may have prepared
 * the text after the tables had changed. */
enum likeness { LOOKS_ALIKE, LOOKS_DIFFERENT, LOOKS_UNKNOWN };

static enum likeness likeness_of(const struct server_statement *there,
				 const struct statement_shape *told)
{
	if (told->hash == 0)
		return LOOKS_ALIKE; /* as far as the client knows */
	if (there->shape == 0)
		return there->epoch == told->epoch ? LOOKS_ALIKE : LOOKS_UNKNOWN;
	return there->shape == told->hash ? LOOKS_ALIKE : LOOKS_DIFFERENT;
}

/* Asks the server, and waits. */
static enum rewritten look(const struct message *m, struct client_statement *named)
{
	char name[STATEMENT_NAME_LEN];

	if (journal_is_looking(m->server, named))
		return REWRITE_HOLD;
	if (!journal_describes(m->server, named, true) ||
	    !message_write_look(m, statement_name(client_statement_of(named), name)))
		return message_no_memory(m);
	return REWRITE_HOLD;
}

/* Who does not ask anew what the rows look like goes by what it was told. */
static enum rewritten judge_shape(const struct message *m, struct client_statement *named)
{
	const struct server_statement *there =
	    server_statements_find(&m->server->statements, client_statement_of(named));

	switch (likeness_of(there, client_statement_shape(named))) {
	case LOOKS_ALIKE:
		return REWRITE_NOT;
	case LOOKS_UNKNOWN:
		return look(m, named);
	case LOOKS_DIFFERENT:
		return message_refuse(
		    m, &(struct notice){.severity = "ERROR",
					.sqlstate = SQLSTATE_FEATURE_NOT_SUPPORTED,
					.message = "cached plan must not change result "
						   "type",
					.hint = "Prepare the statement again.",
					/* What drivers know it by. */
					.routine = "RevalidateCachedQuery"});
	}
	return REWRITE_NOT;
}

static bool provide(const struct message *m, struct client_statement *named)
{
	struct statement *statement = client_statement_of(named);

	return message_is_older(m, named)
		   ? message_prepare(m, statement, ASKED_BY_POOLER, NULL)
		   : message_provide(m, statement);
}

static enum rewritten use_statement(const struct message *m,
				    struct client_statement *named)
{
	struct statement *statement = client_statement_of(named);
	uint32_t hints = *statement_hints(statement);
	char name[STATEMENT_NAME_LEN];
	/* What is repeated asks for itself, and must not wait. */
	bool goes_by_what_it_was_told =
	    m->frame->letter == 'B' && m->server->replay.state != REPLAY_RUNS;

	if (!provide(m, named))
		return message_no_memory(m);
	enum rewritten verdict =
	    goes_by_what_it_was_told ? judge_shape(m, named) : REWRITE_NOT;
	if (verdict != REWRITE_NOT)
		return verdict;
	if ((m->frame->letter == 'D' && !journal_describes(m->server, named, false)) ||
	    (hints != 0 && !text_sent(m->client, hints, false)))
		return message_no_memory(m);
	return message_rename(m, statement_name(statement, name));
}

/* A text that calls set_config() may be told by its arguments what it sets. */
static void note_arguments(const struct message *m, uint32_t hints)
{
	struct session *session = m->client->session;

	if (m->frame->letter != 'B' || !session)
		return;
	if (hints & (SQL_CONFIGURES | SQL_RUNS_CODE))
		altered_note_arguments(&session->altered, m->names.rest, ALTERED_SET);
	else if (hints & SQL_NAMES_ARGUMENT)
		own_names_note_arguments(m->client, m->names.rest);
	if (hints & SQL_READS_BY_ARGUMENT)
		session->hints |= altered_hints_of_arguments(m->names.rest);
}

/* It may have been made by PREPARE, and this is its EXECUTE; but not one of ours. */
static enum rewritten use_unknown(const struct message *m)
{
	if (message_is_own_name(m->names.statement))
		return message_refuse_name(m, SQLSTATE_UNKNOWN_STATEMENT,
					   m->names.statement, "does not exist");
	if (m->frame->letter != 'B')
		return REWRITE_NOT;
	enum rewritten verdict = rewrite_judge(m, slice_of(NULL, 0), SQL_EXECUTES);
	if (verdict != REWRITE_NOT)
		return verdict;
	return text_sent(m->client, SQL_EXECUTES, false) ? REWRITE_NOT
							 : message_no_memory(m);
}

static enum rewritten use_named(const struct message *m)
{
	struct client_statement *named = find_lasting(m);

	if (!named)
		return use_unknown(m);
	if (!message_reread(m, named))
		return message_refuse_shortage(m);
	struct statement *statement = client_statement_of(named);
	enum rewritten verdict = rewrite_judge_statement(m, statement);

	if (verdict != REWRITE_NOT)
		return verdict;
	note_arguments(m, *statement_hints(statement));
	return use_statement(m, named);
}

static enum rewritten use_unnamed(const struct message *m)
{
	enum rewritten verdict = rewrite_use_unnamed(m);

	/* Its hints are the session's by now. */
	if (verdict == REWRITE_NOT && m->client->session)
		note_arguments(m, m->client->session->hints);
	return verdict;
}

static enum rewritten close_named(const struct message *m)
{
	struct client_statement *named = message_find(m, m->names.statement);

	if (!named && !message_is_own_name(m->names.statement))
		return REWRITE_NOT;
	if ((named && !message_withdraw(m, named)) ||
	    !message_ask(m, 'C', ANSWERED_BY_POOLER))
		return message_no_memory(m);
	return message_skip(m);
}

/* ---- Query ---- */

static enum rewritten query(const struct message *m)
{
	struct slice text = rewrite_text_of(m->frame->body);
	uint32_t hints = rewrite_scan_front(m, text);
	enum rewritten verdict = rewrite_judge(m, text, hints);

	if (verdict != REWRITE_NOT)
		return verdict;
	rewrite_forget_unnamed(m);
	verdict =
	    frame_is_whole(m->frame) ? rewrite_query_names(m, text, hints) : REWRITE_NOT;
	if (verdict != REWRITE_NOT)
		return verdict;
	return text_sent(m->client, hints, true) ? REWRITE_NOT : message_no_memory(m);
}

/* ---- all of them ---- */

/* With max_prepared_statements 0 names go as they are. */
bool rewrite_has_names(const struct client *c)
{
	return c->dispatcher->config->settings.max_prepared_statements > 0;
}

void rewrite_count_parse(struct client *c)
{
	struct pass p = {.client = c};

	pass_count(&p, PASS_CLIENT_PARSE);
}

static enum rewritten extended(const struct message *m)
{
	bool is_named = m->names.statement.len > 0;

	if (m->names.target == 'P' || (is_named && !rewrite_has_names(m->client)))
		return REWRITE_NOT;
	if (is_named && journal_is_pending(m->server, m->names.statement))
		return REWRITE_HOLD;
	switch (m->frame->letter) {
	case 'P':
		return is_named ? parse_named(m) : rewrite_parse_unnamed(m);
	case 'C':
		if (!is_named)
			rewrite_forget_unnamed(m);
		return is_named ? close_named(m) : REWRITE_NOT;
	default:
		return is_named ? use_named(m) : use_unnamed(m);
	}
}

/* What the server will not look at needs no care; while a COPY is open it expects nothing
 * else and says so. */
static bool is_ignored(const struct server *s)
{
	return tracker_is_skipping(&s->tracker) || tracker_is_in_copy(&s->tracker);
}

enum rewritten rewrite_message(struct pass *p, const struct frame *f)
{
	struct message m = {
	    .pass = p, .client = p->client, .server = p->client->server, .frame = f};

	if (is_ignored(m.server))
		return REWRITE_NOT;
	/* Between batches there is time to see what is left. */
	if (text_may_forget(m.server, 0) &&
	    m.server->forgets_until < tracker_batch(&m.server->tracker))
		return REWRITE_HOLD;
	if (f->letter == 'Q')
		return query(&m);
	switch (extended_read(f, &m.names)) {
	case EXTENDED_OK:
		return extended(&m);
	case EXTENDED_SHORT:
		return REWRITE_HOLD;
	case EXTENDED_BAD:
		return REWRITE_NOT; /* PostgreSQL says what is wrong with it */
	}
	return REWRITE_NOT;
}
