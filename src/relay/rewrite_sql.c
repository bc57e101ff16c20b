/*
 * SQL that names prepared statements of the client: DEALLOCATE, EXECUTE and PREPARE know
 * the names of the extended protocol, and drivers count on it.
 */
#include <stdio.h>

#include "proto/notice.h"
#include "proto/sqlscan.h"
#include "relay/client.h"
#include "relay/journal.h"
#include "relay/message.h"
#include "relay/server.h"
#include "relay/session.h"
#include "relay/text.h"

#define DROPPED "pooler_dropped"

void rewrite_dropped_name(unsigned n, char out[REWRITE_DROPPED_LEN])
{
	if (n == 0)
		snprintf(out, REWRITE_DROPPED_LEN, DROPPED);
	else
		snprintf(out, REWRITE_DROPPED_LEN, DROPPED "_%u", n);
}

/* The client's statement that a text names, and where. */
struct named {
	struct client_statement *statement; /* NULL: none of its */
	struct slice written;
	uint32_t hints;
	bool is_of_server; /* a name that the pooler gave on the server */
};

static struct named find_in(const struct message *m, struct slice text)
{
	struct named named = {0};
	struct sql_statement statement;
	char name[64];
	size_t len;

	if (!sqlscan_next(&text, &statement) || sqlscan_is(statement.name, "all"))
		return named;
	len = sqlscan_identifier(statement.name, name);
	if (len > 0)
		named.statement = message_find(m, slice_of(name, len));
	named.is_of_server = !named.statement && rewrite_has_names(m->client) &&
			     message_is_own_name(slice_of(name, len));
	named.written = statement.name;
	named.hints = statement.hints;
	return named;
}

/* PostgreSQL carries out a DEALLOCATE, in this transaction, with all its consequences;
 * only not of the statement that others use. */
static enum rewritten deallocate(const struct message *m, struct client_statement *named)
{
	static const char text[] = "PREPARE " DROPPED " AS SELECT 1; DEALLOCATE " DROPPED;
	struct slice parts[] = {slice_of(text, sizeof(text) - 1)};

	if (!message_withdraw(m, named) || !journal_hides_tag(m->server))
		return message_no_memory(m);
	return message_replace_query(m, parts, 1);
}

/* What others have prepared is seen in pg_prepared_statements, and some clean up after
 * it. */
enum rewritten rewrite_refuse_stranger(const struct message *m, struct slice written,
				       uint32_t hints)
{
	if (hints & SQL_PREPARES)
		return message_refuse_name(m, SQLSTATE_STATEMENT_EXISTS, written,
					   "already exists");
	return message_refuse_name(m, SQLSTATE_UNKNOWN_STATEMENT, written,
				   "does not exist");
}

static bool provide_before_query(const struct message *m, struct statement *statement)
{
	uint64_t next = tracker_next(&m->server->tracker);

	if (message_is_in_failed_transaction(m))
		return true;
	return message_provide(m, statement) &&
	       (tracker_next(&m->server->tracker) == next || message_write_sync(m));
}

/* What is carried out is the client's statement, as if it was used by a Bind. */
static enum rewritten execute(const struct message *m, struct slice text, uint32_t hints,
			      const struct named *named)
{
	struct statement *statement = client_statement_of(named->statement);
	enum rewritten verdict = rewrite_judge_statement(m, statement);
	char name[STATEMENT_NAME_LEN];
	size_t before = (size_t)(named->written.data - text.data);
	struct slice parts[] = {slice_first(text, before),
				statement_name(statement, name),
				slice_after(text, before + named->written.len)};

	if (verdict != REWRITE_NOT)
		return verdict;
	if (!provide_before_query(m, statement) ||
	    !text_sent(m->client, hints | *statement_hints(statement), true))
		return message_no_memory(m);
	return message_replace_query(m, parts, 3);
}

enum rewritten rewrite_query_names(const struct message *m, struct slice text,
				   uint32_t hints)
{
	struct named named;

	if (!(hints & (SQL_DEALLOCATES | SQL_EXECUTES | SQL_PREPARES)))
		return REWRITE_NOT;
	if (hints & SQL_IS_MANY)
		return rewrite_query_of_many(m, text, hints);
	named = find_in(m, text);
	if (named.is_of_server)
		return rewrite_refuse_stranger(m, named.written, named.hints);
	if (!named.statement)
		return REWRITE_NOT;
	if (named.hints & SQL_PREPARES)
		return message_refuse_name(m, SQLSTATE_STATEMENT_EXISTS,
					   client_statement_name(named.statement),
					   "already exists");
	if (named.hints & SQL_DEALLOCATES)
		return deallocate(m, named.statement);
	if (!message_reread(m, named.statement))
		return message_refuse_shortage(m);
	return execute(m, text, hints, &named);
}

bool rewrite_write_dropped(const struct message *m, unsigned n)
{
	static const char tail[] = "SELECT 1\0\0";
	char name[REWRITE_DROPPED_LEN];

	rewrite_dropped_name(n, name);
	return message_write_close(m, slice_of_text(name)) &&
	       message_write_parse(m, slice_of_text(name), slice_of(tail, sizeof(tail)),
				   ASKED_BY_POOLER);
}

enum rewritten rewrite_parse_names(const struct message *m, struct slice text,
				   uint32_t hints)
{
	static const char tail[] = "DEALLOCATE " DROPPED "\0\0";
	struct named named;

	if (!(hints & (SQL_DEALLOCATES | SQL_EXECUTES | SQL_PREPARES)) ||
	    hints & SQL_IS_MANY || !frame_is_whole(m->frame))
		return REWRITE_NOT;
	named = find_in(m, text);
	if (named.is_of_server)
		return rewrite_refuse_stranger(m, named.written, named.hints);
	if (!named.statement || !(hints & SQL_DEALLOCATES))
		return REWRITE_NOT;
	if (!rewrite_write_dropped(m, 0) || !message_withdraw(m, named.statement) ||
	    !message_write_parse(m, slice_of(NULL, 0), slice_of(tail, sizeof(tail)),
				 ASKED_BY_CLIENT))
		return message_no_memory(m);
	/* Sent to another server it would find nothing to deallocate. */
	buffer_fini(&m->server->unnamed);
	return message_skip(m);
}
