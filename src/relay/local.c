/*
 * Answers without a server. Whatever is out of the ordinary here is left to one.
 */
#include "relay/local.h"

#include "pool/pool.h"
#include "proto/extended.h"
#include "proto/sqlscan.h"
#include "proto/writer.h"
#include "relay/client.h"
#include "relay/dispatcher.h"
#include "relay/known.h"
#include "relay/rewrite.h"
#include "relay/session.h"

static struct statements *store_of(const struct client *c)
{
	return &c->dispatcher->statements;
}

static struct client_statement *find(const struct client *c, struct slice name)
{
	return c->session
		   ? client_statements_find(store_of(c), &c->session->statements, name)
		   : NULL;
}

static void drop(const struct client *c, struct client_statement *named)
{
	client_statements_withdraw(store_of(c), &c->session->statements, named);
	client_statement_free(store_of(c), named);
}

/* A complete message of this letter, in front. */
static bool is_whole(struct slice bytes, struct frame *out)
{
	return frame_peek(bytes, INT32_MAX, out) == FRAME_OK && frame_is_whole(out);
}

static bool is_followed_by_sync(struct slice bytes, const struct frame *f)
{
	struct frame next = {0};

	return is_whole(slice_after(bytes, f->total_len), &next) && next.letter == 'S' &&
	       next.body.len == 0;
}

/* The answer, then ReadyForQuery. */
static bool answer(struct client *c, uint8_t letter, const char *tag)
{
	struct writer w = writer_of(stream_cork_buffer(&c->stream));

	if (tag)
		writer_command_complete(&w, tag);
	else
		writer_empty(&w, letter);
	writer_ready(&w, 'I');
	if (!writer_finish(&w))
		client_close(c, CLOSE_OUT_OF_MEMORY);
	stream_corked(&c->stream);
	c->request_us = dispatcher_now(c->dispatcher);
	return true;
}

/* ---- Parse ---- */

static bool is_proven(const struct client *c, const struct statement *statement)
{
	return statement_is_proven(statement, known_of(c->pool)->serial,
				   c->pool->database_usage->schema_epoch);
}

static bool name(struct client *c, struct slice as, struct statement *statement)
{
	struct session *session = session_get(c);
	struct client_statement *named;

	if (!session)
		return false;
	statements_hold(store_of(c), statement);
	named = client_statements_add(store_of(c), &session->statements, as, statement);
	statements_give_back(store_of(c), statement);
	if (named)
		client_statement_shape(named)->epoch =
		    c->pool->database_usage->schema_epoch;
	return named;
}

static bool parse(struct client *c, const struct extended *e)
{
	if (e->statement.len == 0 || !extended_is_whole_parse(e) ||
	    !rewrite_has_names(c) || find(c, e->statement))
		return false;
	struct statement *statement =
	    statements_find(store_of(c), e->rest, rewrite_context_of(c));
	if (!statement || !is_proven(c, statement) ||
	    (*statement_hints(statement) & ~SQL_COMMON) != 0 ||
	    !name(c, e->statement, statement))
		return false;
	rewrite_count_parse(c);
	return answer(c, '1', NULL);
}

/* ---- Close ---- */

static bool close_statement(struct client *c, const struct extended *e)
{
	struct client_statement *named = find(c, e->statement);

	if (named)
		drop(c, named);
	if (e->target == 'S' && e->statement.len == 0 && c->session)
		buffer_fini(&c->session->unnamed);
	return answer(c, '3', NULL);
}

static size_t extended(struct client *c, const struct frame *f, struct slice bytes)
{
	struct extended e;

	if (!is_followed_by_sync(bytes, f) || extended_read(f, &e) != EXTENDED_OK ||
	    !(f->letter == 'P' ? parse(c, &e) : close_statement(c, &e)))
		return 0;
	return f->total_len + FRAME_HEADER_LEN;
}

/* ---- Query ---- */

static bool may_deallocate(struct slice text)
{
	return text.len > 0 && (text.data[0] == 'D' || text.data[0] == 'd') &&
	       sqlscan(text) == SQL_DEALLOCATES;
}

static size_t query(struct client *c, const struct frame *f)
{
	struct slice text = f->body;
	struct sql_statement statement;
	struct client_statement *named;
	char as[64];
	size_t len;

	if (text.len == 0 || !c->session)
		return 0;
	text.len--; /* its NUL */
	if (!may_deallocate(text) || !sqlscan_next(&text, &statement) ||
	    sqlscan_is(statement.name, "all") ||
	    (len = sqlscan_identifier(statement.name, as)) == 0 ||
	    !(named = find(c, slice_of(as, len))))
		return 0;
	drop(c, named);
	buffer_fini(&c->session->unnamed);
	answer(c, 0, "DEALLOCATE");
	return f->total_len;
}

size_t local_answer(struct client *c, struct slice bytes)
{
	struct frame f = {0};

	if (!session_is_shared(c) || !is_whole(bytes, &f))
		return 0;
	if (f.letter == 'Q')
		return query(c, &f);
	return f.letter == 'P' || f.letter == 'C' ? extended(c, &f, bytes) : 0;
}
