/*
 * Hints before, tags after. Ordinary texts have no hints, and ordinary tags are told by
 * their first letters.
 */
#include "relay/text.h"

#include "pool/pool.h"
#include "proto/sqlscan.h"
#include "relay/client.h"
#include "relay/dispatcher.h"
#include "relay/journal.h"
#include "relay/notify.h"
#include "relay/rewrite.h"
#include "relay/sequences.h"
#include "relay/server.h"
#include "relay/session.h"
#include "relay/settle.h"

/* When a batch is done, it is known what it dropped. */
#define UNTIL_SYNC UINT64_MAX

enum text_verdict text_judge(struct client *c, const struct sql_text *t,
			     struct notice *out)
{
	if (settle_refuses(c, t, out))
		return TEXT_IS_REFUSED;
	if (t->hints & (SQL_LISTENS | SQL_UNLISTENS))
		return notify_judge(c, t->text, t->hints, out);
	return TEXT_GOES;
}

bool text_sent(struct client *c, uint32_t hints, bool is_query)
{
	struct server *s = c->server;

	if (hints & SQL_STEPS)
		sequences_stepped(s);
	if (hints & TEXT_FORGETS) {
		s->forgets_before = tracker_next(&s->tracker);
		s->forgets_until = is_query ? s->forgets_before : UNTIL_SYNC;
	}
	if (hints & SQL_LISTENS)
		notify_sent(c);
	hints &= ~(uint32_t)(SQL_IS_MANY | TEXT_FORGETS | TEXT_READS_CLOCK);
	if ((hints & ~(uint32_t)SQL_COMMON) == 0 && !c->session)
		return true;
	struct session *session = session_get(c);
	if (session)
		session->hints |= hints;
	return session;
}

bool text_may_forget(const struct server *s, uint64_t asked)
{
	return asked < s->forgets_before &&
	       tracker_oldest(&s->tracker) <= s->forgets_until;
}

void text_batch_ended(struct server *s)
{
	if (s->forgets_until == UNTIL_SYNC)
		s->forgets_until = tracker_next(&s->tracker);
}

/* ---- tags ---- */

static bool begins_with(struct slice tag, const char *text)
{
	size_t len = strlen(text);

	return tag.len >= len && memcmp(tag.data, text, len) == 0;
}

/* All that was prepared before is gone. What was asked behind it is not. */
static void forget_all(struct server *s)
{
	struct statements *store = &s->dispatcher->statements;
	uint64_t question = tracker_oldest(&s->tracker);
	struct server_statement *there, *next;

	for (there = server_statements_oldest(&s->statements); there; there = next) {
		next = TAILQ_NEXT(there, place);
		if (there->asked < question)
			server_statements_remove(store, &s->statements, there);
	}
}

static void forget_name(struct server *s, struct client_statement *named)
{
	struct client *c = s->client;
	struct statements *store = &c->dispatcher->statements;

	journal_forget_name(s, named);
	client_statements_withdraw(store, &c->session->statements, named);
	if (!journal_forgotten(s, named))
		client_statement_free(store, named);
}

static void forget_names(struct server *s)
{
	struct client *c = s->client;
	uint64_t question = tracker_oldest(&s->tracker);
	struct client_statement *named, *next;

	if (!c->session)
		return;
	named = client_statements_next(&c->session->statements, NULL);
	for (; named; named = next) {
		next = client_statements_next(&c->session->statements, named);
		if (!journal_names_after(s, named, question))
			forget_name(s, named);
	}
}

/* A DEALLOCATE among others has been carried out. */
static void forget_dropped(struct server *s)
{
	struct client *c = s->client;
	struct statements *store = &c->dispatcher->statements;
	struct slice name = rewrite_next_drop(s);
	struct client_statement *named = NULL;

	if (name.len == 0)
		return;
	/* Its NUL stands behind it. */
	if (name.len > 1 && c->session)
		named = client_statements_find(store, &c->session->statements,
					       slice_first(name, name.len - 1));
	if (named)
		forget_name(s, named);
	buffer_consume(&s->drops, name.len);
}

static bool is_schema_change(struct slice tag)
{
	return begins_with(tag, "CREATE ") || begins_with(tag, "ALTER ") ||
	       begins_with(tag, "DROP ") || slice_is_text(tag, "DO");
}

/* What is committed later is seen by others only then. */
static void note_schema_change(struct server *s)
{
	s->slot.pool->database_usage->schema_epoch++;
	s->has_new_schema = tracker_transaction_status(&s->tracker) == 'T';
}

static void note_committed(struct server *s)
{
	s->slot.pool->database_usage->schema_epoch++;
	s->has_new_schema = false;
}

/* By CREATE TABLE ... AS, as far as anybody knows. */
static void note_made(struct server *s, struct slice tag)
{
	struct session *session = s->client ? s->client->session : NULL;

	if (!session || !(session->hints & SQL_MAKES) || !begins_with(tag, "SELECT "))
		return;
	session->hints &= ~(uint32_t)SQL_MAKES;
	note_schema_change(s);
}

/* The tags of most queries; there is nothing to learn from them. */
static bool is_common(struct slice tag)
{
	return begins_with(tag, "SELECT ") || begins_with(tag, "INSERT ") ||
	       begins_with(tag, "UPDATE ") || begins_with(tag, "DELETE ") ||
	       begins_with(tag, "BEGIN") || begins_with(tag, "COPY ");
}

void text_completed(struct server *s, struct slice tag)
{
	if (is_common(tag)) {
		note_made(s, tag);
		return;
	}
	if (slice_is_text(tag, "DEALLOCATE ALL") || slice_is_text(tag, "DISCARD ALL")) {
		forget_all(s);
		forget_names(s);
	}
	if (slice_is_text(tag, "DEALLOCATE"))
		forget_dropped(s);
	if (slice_is_text(tag, "DISCARD SEQUENCES") || slice_is_text(tag, "DISCARD ALL"))
		sequences_discarded(s);
	if (slice_is_text(tag, "ROLLBACK"))
		session_note_undone(s->client);
	notify_note_tag(s, tag);
	settle_note_tag(s, tag);
	if (is_schema_change(tag))
		note_schema_change(s);
	else if (s->has_new_schema && slice_is_text(tag, "COMMIT"))
		note_committed(s);
}
