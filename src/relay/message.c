/*
 * The steps of rewriting.
 */
#include "relay/message.h"

#include <assert.h>
#include <stdio.h>

#include "base/text.h"
#include "config/config.h"
#include "pool/pool.h"
#include "proto/notice.h"
#include "proto/sqlscan.h"
#include "proto/writer.h"
#include "relay/dispatcher.h"
#include "relay/journal.h"
#include "relay/server.h"
#include "relay/session.h"
#include "relay/text.h"

enum { MESSAGE_LEN = 256, NAME_SHOWN_LEN = 128 };

/* No statement on any server has this name. */
static const char refused_name[] = "pooler_refused";

struct statements *message_store(const struct message *m)
{
	return &m->client->dispatcher->statements;
}

struct slice message_refused_name(void)
{
	return slice_of(refused_name, sizeof(refused_name) - 1);
}

bool message_is_own_name(struct slice name)
{
	static const char prefix[] = "pooler_";
	size_t len = sizeof(prefix) - 1;

	return name.len >= len && memcmp(name.data, prefix, len) == 0;
}

bool message_is_in_failed_transaction(const struct message *m)
{
	const struct tracker *t = &m->server->tracker;

	return tracker_is_idle(t) && tracker_transaction_status(t) == 'E';
}

static unsigned most_on_server(const struct message *m)
{
	return (unsigned)m->client->dispatcher->config->settings.max_prepared_statements;
}

enum rewritten message_no_memory(const struct message *m)
{
	client_close(m->client, CLOSE_OUT_OF_MEMORY);
	return REWRITE_END;
}

/* ---- writing to the server ---- */

bool message_ask(const struct message *m, uint8_t letter, enum asked_by who)
{
	return tracker_sent(&m->server->tracker, letter, who);
}

bool message_write_close(const struct message *m, struct slice name)
{
	struct buffer *out = pass_gather(m->pass);

	if (!out || !extended_write_close(out, name))
		return false;
	pass_gathered(m->pass);
	return message_ask(m, 'C', ASKED_BY_POOLER);
}

bool message_write_parse(const struct message *m, struct slice name, struct slice tail,
			 enum asked_by who)
{
	struct buffer *out = pass_gather(m->pass);

	if (!out || !extended_write_parse(out, name, tail))
		return false;
	pass_gathered(m->pass);
	return message_ask(m, 'P', who);
}

static const uint8_t sync_message[] = {'S', 0, 0, 0, 4};

bool message_write_sync(const struct message *m)
{
	struct buffer *out = pass_gather(m->pass);

	if (!out || !buffer_append(out, slice_of(sync_message, sizeof(sync_message))))
		return false;
	pass_gathered(m->pass);
	return message_ask(m, 'S', ASKED_BY_POOLER);
}

enum rewritten message_rename(const struct message *m, struct slice name)
{
	size_t head_len = FRAME_HEADER_LEN + m->names.names_len, total;
	struct buffer *out = pass_gather(m->pass);

	if (!out || !extended_rename(m->frame, &m->names, name, out, &total) ||
	    !message_ask(m, m->frame->letter, ASKED_BY_CLIENT))
		return message_no_memory(m);
	pass_gathered(m->pass);
	if (m->frame->letter == 'B')
		pass_count(m->pass, PASS_BIND);
	m->pass->run.ahead = slice_after(m->pass->run.ahead, head_len);
	pass_over(m->pass, REST_FORWARD, m->frame->total_len - head_len);
	return REWRITE_DONE;
}

bool message_write_look(const struct message *m, struct slice name)
{
	struct buffer *out = pass_gather(m->pass);

	if (!out || !extended_write_look(out, name))
		return false;
	pass_gathered(m->pass);
	return message_ask(m, 'D', ASKED_BY_POOLER);
}

static bool write_query(struct buffer *out, const struct slice *parts, size_t count)
{
	struct writer w = writer_of(out);

	writer_begin(&w, 'Q');
	for (size_t i = 0; i < count; i++)
		writer_bytes(&w, parts[i]);
	writer_u8(&w, 0);
	writer_end(&w);
	return writer_finish(&w);
}

enum rewritten message_replace_query(const struct message *m, const struct slice *parts,
				     size_t count)
{
	struct buffer *out = pass_gather(m->pass);

	if (!out || !write_query(out, parts, count) ||
	    !message_ask(m, 'Q', ASKED_BY_CLIENT))
		return message_no_memory(m);
	pass_gathered(m->pass);
	return message_skip(m);
}

enum rewritten message_skip(const struct message *m)
{
	if (m->pass->run.len > 0) {
		if (!pass_gather(m->pass))
			return REWRITE_END;
		pass_gathered(m->pass);
	}
	pass_over(m->pass, REST_DISCARD, m->frame->total_len);
	return REWRITE_DONE;
}

/* ---- refusing ---- */

static bool write_failure(const struct message *m)
{
	static const struct slice sync = {sync_message, sizeof(sync_message)};
	struct buffer *out = pass_gather(m->pass);

	if (!out || !extended_write_bind(out, message_refused_name()) ||
	    !message_ask(m, 'B', ASKED_BY_CLIENT))
		return false;
	if (m->frame->letter == 'Q' &&
	    (!buffer_append(out, sync) || !message_ask(m, 'S', ASKED_BY_CLIENT)))
		return false;
	pass_gathered(m->pass);
	return true;
}

enum rewritten message_refuse(const struct message *m, const struct notice *notice)
{
	if (!journal_refused(m->server, notice) || !write_failure(m))
		return message_no_memory(m);
	return message_skip(m);
}

enum rewritten rewrite_refuse(struct pass *p, const struct frame *f,
			      const struct notice *notice)
{
	struct message m = {
	    .pass = p, .client = p->client, .server = p->client->server, .frame = f};

	return message_refuse(&m, notice);
}

enum rewritten message_refuse_name(const struct message *m, const char *sqlstate,
				   struct slice name, const char *what)
{
	char shown[NAME_SHOWN_LEN], message[MESSAGE_LEN];

	snprintf(message, sizeof(message), "prepared statement \"%s\" %s",
		 text_escape(shown, sizeof(shown), name), what);
	return message_refuse(m, &(struct notice){.severity = "ERROR",
						  .sqlstate = sqlstate,
						  .message = message});
}

enum rewritten message_refuse_shortage(const struct message *m)
{
	struct notice notice = {.severity = "ERROR",
				.sqlstate = SQLSTATE_CONFIGURATION_LIMIT};

	switch (message_store(m)->shortage) {
	case STATEMENTS_NO_MEMORY:
		notice.sqlstate = SQLSTATE_OUT_OF_MEMORY;
		notice.message = "out of memory for prepared statements";
		break;
	case STATEMENTS_FULL:
		notice.message = "the pooler keeps too many prepared statements";
		notice.hint = "Close statements that are not needed, or raise "
			      "max_statement_memory of the pooler.";
		break;
	case STATEMENTS_CLIENT_FULL:
		notice.message = "this session keeps too many prepared statements";
		notice.hint = "Close statements that are not needed, or raise "
			      "max_client_statement_memory of the pooler.";
		break;
	}
	return message_refuse(m, &notice);
}

/* ---- statements ---- */

struct client_statement *message_find(const struct message *m, struct slice name)
{
	struct session *session = m->client->session;

	return session
		   ? client_statements_find(message_store(m), &session->statements, name)
		   : NULL;
}

bool message_withdraw(const struct message *m, struct client_statement *named)
{
	client_statements_withdraw(message_store(m), &m->client->session->statements,
				   named);
	if (journal_unnamed(m->server, named))
		return true;
	client_statement_free(message_store(m), named);
	return false;
}

/* Asked for in an earlier batch of the same pipeline, which may have been skipped. */
static bool is_underway(const struct tracker *t, const struct server_statement *there)
{
	return there->asked >= tracker_oldest(t) && there->asked < tracker_turn(t);
}

bool message_has(const struct message *m, const struct server_statement *there)
{
	return there && !there->is_doubtful && !is_underway(&m->server->tracker, there) &&
	       !text_may_forget(m->server, there->asked);
}

/* The least recently used makes room. */
static bool evict(const struct message *m)
{
	struct server *s = m->server;
	struct server_statement *oldest = server_statements_oldest(&s->statements);
	char name[STATEMENT_NAME_LEN];

	if (!journal_closed(s, oldest->statement) ||
	    !message_write_close(m, statement_name(oldest->statement, name)))
		return false;
	server_statements_remove(message_store(m), &s->statements, oldest);
	return true;
}

/* It may be there or not: closing it is harmless in either case. */
static struct server_statement *make_place(const struct message *m,
					   struct statement *statement)
{
	struct server *s = m->server;
	struct server_statement *there =
	    server_statements_find(&s->statements, statement);
	char name[STATEMENT_NAME_LEN];

	/* One that had to make room is still there if that was skipped. */
	bool may_be_there = there || (s->statements.count >= most_on_server(m) &&
				      journal_is_open(&s->journal));

	if (may_be_there && !message_write_close(m, statement_name(statement, name)))
		return NULL;
	if (there)
		return there;
	while (s->statements.count > 0 && s->statements.count >= most_on_server(m))
		if (!evict(m))
			return NULL;
	return server_statements_add(message_store(m), &s->statements, statement);
}

/* Prepares it on the server; `named`, if given, is the client's new name for it. */
bool message_prepare(const struct message *m, struct statement *statement,
		     enum asked_by who, struct client_statement *named)
{
	struct server *s = m->server;
	char name[STATEMENT_NAME_LEN];
	struct server_statement *there = make_place(m, statement);

	if (!there)
		return false;
	there->asked = tracker_next(&s->tracker);
	there->epoch = s->slot.pool->database_usage->schema_epoch;
	there->is_doubtful = true; /* until it is on its way */
	there->shape = 0;
	server_statements_touch(&s->statements, there);
	pass_count(m->pass, PASS_SERVER_PARSE);
	there->is_doubtful = !journal_prepared(s, statement) ||
			     (named && !journal_named(s, named)) ||
			     !message_write_parse(m, statement_name(statement, name),
						  statement_tail(statement), who);
	return !there->is_doubtful;
}

bool message_is_sure_of_parameters(const struct message *m)
{
	const struct session *session = m->client->session;

	if (!session)
		return true;
	/* A SET LOCAL that is answered has been reported, or never is. */
	if (session->hints & SQL_READS_SILENTLY ||
	    (session->hints & SQL_READS && !tracker_is_idle(&m->server->tracker)))
		return false;
	return !altered_reads(&session->altered) && !altered_reads(&session->asked);
}

bool message_is_elsewhere(const struct message *m)
{
	const struct session *session = m->client->session;

	return session && session->hints & SQL_READS_AGAIN;
}

struct statement *message_take(const struct message *m, struct slice tail, bool is_sure)
{
	struct statements *store = message_store(m);
	/* It will be a new one each time, and longer than what is sure. */
	const uint64_t nobodys[] = {store->last_number, store->last_number};
	static_assert(sizeof(nobodys) > PARAMS_MEANING_MAX, "is_own() goes by it");

	return statements_take(store, tail,
			       is_sure ? rewrite_context_of(m->client)
				       : slice_of(nobodys, sizeof(nobodys)));
}

/* Epochs go round. */
bool message_is_older(const struct message *m, struct client_statement *named)
{
	const struct server_statement *there =
	    server_statements_find(&m->server->statements, client_statement_of(named));

	return there &&
	       (int32_t)(there->epoch - client_statement_shape(named)->epoch) < 0;
}

static bool turn(const struct message *m, struct client_statement *named)
{
	struct statements *store = message_store(m);
	struct statement *before = client_statement_of(named);
	struct statement *now =
	    message_take(m, statement_tail(before), message_is_sure_of_parameters(m));

	if (!now)
		return false;
	*statement_hints(now) = *statement_hints(before);
	client_statement_turn(store, &m->client->session->statements, named, now);
	statements_give_back(store, now);
	return true;
}

/* Nobody else has it, or ever will. */
static bool is_own(const struct statement *statement)
{
	return statement_context(statement).len > PARAMS_MEANING_MAX;
}

/* What others share is used only by who means the same: PostgreSQL reads a text again
 * when a table has changed, and would for all of them. */
bool message_reread(const struct message *m, struct client_statement *named)
{
	struct statement *statement = client_statement_of(named);
	bool is_sure = message_is_sure_of_parameters(m);

	if (*statement_hints(statement) & TEXT_READS_CLOCK)
		return true;
	if (is_own(statement) && (!is_sure || message_is_elsewhere(m)))
		return true;
	if (is_sure &&
	    slice_equal(statement_context(statement), rewrite_context_of(m->client)))
		return true;
	return turn(m, named);
}

bool message_provide(const struct message *m, struct statement *statement)
{
	struct server_statement *there =
	    server_statements_find(&m->server->statements, statement);

	if (!message_has(m, there))
		return message_prepare(m, statement, ASKED_BY_POOLER, NULL);
	server_statements_touch(&m->server->statements, there);
	return true;
}
