/*
 * A Query of several statements that name prepared statements of the client. Each of
 * them finds what is so when its turn comes, so they are read in their order; an error
 * ends all that follows. Every name that is the client's alone is replaced by one that
 * the server knows, which is prepared in front if it has to be.
 *
 * What they drop is dropped when their tags come. Until then what the client says next
 * waits, as behind every text that may drop what nobody has read.
 */
#include "base/buffer.h"
#include "proto/sqlscan.h"
#include "relay/client.h"
#include "relay/message.h"
#include "relay/server.h"
#include "relay/session.h"
#include "relay/text.h"

enum { NAME_LEN = 64 };

struct rewriting {
	const struct message *m;
	struct slice rest;    /* of the text, not copied yet */
	struct buffer text;   /* the new one */
	struct buffer drops;  /* by each DEALLOCATE: the name and a NUL; empty if it is
				 none  of the client's */
	unsigned drop_count;  /* that are */
	unsigned name_count;  /* replaced */
	uint32_t hints;       /* of the text, and of what it carries out */
	bool has_dropped_all; /* by a DEALLOCATE ALL so far */
};

/* A statement of the text that names one. */
struct mention {
	struct slice written;
	uint32_t hints;
	char name[NAME_LEN];
	size_t len;
};

static bool next_mention(struct slice *text, struct mention *out)
{
	const uint32_t naming = SQL_DEALLOCATES | SQL_EXECUTES | SQL_PREPARES;
	struct sql_statement statement;

	while (sqlscan_next(text, &statement)) {
		/* How the rest is to be read only the server knows. */
		if (statement.is_doubtful)
			return false;
		if (!(statement.hints & naming))
			continue;
		out->written = statement.name;
		out->hints = statement.hints;
		out->len = sqlscan_identifier(statement.name, out->name);
		return true;
	}
	return false;
}

static bool is_all(const struct mention *mention)
{
	return mention->hints & SQL_DEALLOCATES && sqlscan_is(mention->written, "all");
}

static struct slice name_of(const struct mention *mention)
{
	return slice_of(mention->name, mention->len);
}

/* ---- what is known at this place of the text ---- */

static bool is_dropped(const struct rewriting *r, struct slice name)
{
	struct slice drops = buffer_bytes(&r->drops);

	while (drops.len > 0) {
		size_t len = strlen((const char *)drops.data);
		if (slice_equal(slice_first(drops, len), name))
			return true;
		drops = slice_after(drops, len + 1);
	}
	return r->has_dropped_all;
}

/* The client's statement that is meant, or NULL. */
static struct client_statement *meant(const struct rewriting *r,
				      const struct mention *mention)
{
	struct slice name = name_of(mention);

	return mention->len > 0 && !is_dropped(r, name) ? message_find(r->m, name) : NULL;
}

/* ---- the new text ---- */

static bool put(struct rewriting *r, struct slice bytes)
{
	return buffer_append(&r->text, bytes);
}

static bool replace(struct rewriting *r, struct slice written, struct slice name)
{
	size_t before = (size_t)(written.data - r->rest.data);
	bool is_put = put(r, slice_first(r->rest, before)) && put(r, name);

	r->rest = slice_after(r->rest, before + written.len);
	r->name_count++;
	return is_put;
}

static bool note_drop(struct rewriting *r, struct slice name)
{
	return buffer_append(&r->drops, name) &&
	       buffer_append(&r->drops, slice_of("", 1));
}

/* There is one to drop for each. */
static bool deallocate(struct rewriting *r, const struct mention *mention)
{
	char name[REWRITE_DROPPED_LEN];

	rewrite_dropped_name(r->drop_count, name);
	if (!rewrite_write_dropped(r->m, r->drop_count))
		return false;
	r->drop_count++;
	return replace(r, mention->written, slice_of_text(name)) &&
	       note_drop(r, name_of(mention));
}

static bool provide(struct rewriting *r, const struct mention *mention,
		    struct client_statement *named)
{
	struct statement *statement = client_statement_of(named);
	char name[STATEMENT_NAME_LEN];

	r->hints |= *statement_hints(statement);
	return message_provide(r->m, statement) &&
	       replace(r, mention->written, statement_name(statement, name));
}

static enum rewritten rewrite_mention(struct rewriting *r, const struct mention *mention)
{
	struct client_statement *named = meant(r, mention);
	bool is_done = true;

	if (is_all(mention))
		r->has_dropped_all = true;
	else if (mention->hints & SQL_DEALLOCATES)
		is_done = named ? deallocate(r, mention) : note_drop(r, slice_of("", 0));
	else if (named && !message_reread(r->m, named))
		return message_refuse_shortage(r->m);
	else if (named)
		is_done = provide(r, mention, named);
	return is_done ? REWRITE_NOT : message_no_memory(r->m);
}

/* ---- the message ---- */

static enum rewritten judge_mention(const struct message *m,
				    const struct mention *mention)
{
	struct client_statement *named =
	    mention->len > 0 ? message_find(m, name_of(mention)) : NULL;

	if (!named && !is_all(mention) && rewrite_has_names(m->client) &&
	    message_is_own_name(name_of(mention)))
		return rewrite_refuse_stranger(m, mention->written, mention->hints);
	if (!named || !(mention->hints & SQL_EXECUTES))
		return REWRITE_NOT;
	return rewrite_judge_statement(m, client_statement_of(named));
}

/* Before anything is written. */
static enum rewritten judge(const struct message *m, struct slice text)
{
	enum rewritten verdict = REWRITE_NOT;
	struct mention mention;

	while (verdict == REWRITE_NOT && next_mention(&text, &mention))
		verdict = judge_mention(m, &mention);
	return verdict;
}

static enum rewritten send_text(struct rewriting *r, uint64_t next)
{
	const struct message *m = r->m;
	struct server *s = m->server;

	if ((tracker_next(&s->tracker) != next && !message_write_sync(m)) ||
	    !put(r, r->rest))
		return message_no_memory(m);
	buffer_fini(&s->drops);
	s->drops = r->drops;
	s->drops_asked = tracker_next(&s->tracker);
	r->drops = (struct buffer){0};
	struct slice whole = buffer_bytes(&r->text);
	return text_sent(m->client, r->hints, true) ? message_replace_query(m, &whole, 1)
						    : message_no_memory(m);
}

enum rewritten rewrite_query_of_many(const struct message *m, struct slice text,
				     uint32_t hints)
{
	struct rewriting r = {.m = m, .rest = text, .hints = hints};
	uint64_t next = tracker_next(&m->server->tracker);
	enum rewritten result = judge(m, text);
	struct mention mention;

	/* Nothing can be prepared in a transaction that has failed. */
	if (result != REWRITE_NOT || !m->client->session ||
	    message_is_in_failed_transaction(m))
		return result;
	while (result == REWRITE_NOT && next_mention(&text, &mention))
		result = rewrite_mention(&r, &mention);
	if (result == REWRITE_NOT && r.name_count > 0)
		result = send_text(&r, next);
	buffer_fini(&r.text);
	buffer_fini(&r.drops);
	return result;
}

/* ---- the answer ---- */

struct slice rewrite_next_drop(const struct server *s)
{
	struct slice drops = buffer_bytes(&s->drops);

	if (drops.len == 0 || s->drops_asked != tracker_oldest(&s->tracker))
		return slice_of(NULL, 0);
	return slice_first(drops, strlen((const char *)drops.data) + 1);
}
