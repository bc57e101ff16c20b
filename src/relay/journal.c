/*
 * Entries in the order of their questions; those that give names and take them away also
 * by name, since a client may have thousands of them on their way.
 */
#include "relay/journal.h"

#include <stdlib.h>

#include "base/buffer.h"
#include "base/check.h"
#include "pool/statements.h"
#include "proto/notice.h"
#include "proto/writer.h"
#include "relay/client.h"
#include "relay/dispatcher.h"
#include "relay/known.h"
#include "relay/server.h"
#include "relay/session.h"

enum effect {
	NAMED,
	UNNAMED,
	FORGOTTEN, /* a name that is gone for good, for errors about it */
	PREPARED,
	CLOSED,
	REFUSED,
	HIDES_TAG,
	DESCRIBES, /* for the client */
	LOOKS,     /* the same for the pooler */
};

struct journal_entry {
	TAILQ_ENTRY(journal_entry) place;
	TAILQ_ENTRY(journal_entry) same; /* in its name's list */
	struct journal_name *name;       /* NAMED, UNNAMED, while it has `named` */
	uint64_t question;
	enum effect effect;
	union {
		struct client_statement *named; /* NULL: its client is gone */
		struct statement *statement;    /* held */
		struct buffer error;
	};
};

/* Exists while there are such entries. */
struct journal_name {
	UT_hash_handle hh;
	struct journal_entries entries;
	size_t len;
	uint8_t text[STATEMENT_CLIENT_NAME_MAX];
};

static struct statements *store_of(const struct server *s)
{
	return &s->dispatcher->statements;
}

static struct journal_entry *add(struct server *s, enum effect effect)
{
	struct journal_entry *e = calloc(1, sizeof(*e));

	if (!e)
		return NULL;
	e->question = tracker_next(&s->tracker);
	e->effect = effect;
	if (!s->journal.entries.tqh_last)
		TAILQ_INIT(&s->journal.entries);
	TAILQ_INSERT_TAIL(&s->journal.entries, e, place);
	return e;
}

static bool add_named(struct server *s, enum effect effect,
		      struct client_statement *named)
{
	struct journal_entry *e = add(s, effect);

	if (e)
		e->named = named;
	return e;
}

/* ---- by name ---- */

static struct journal_name *find_name(const struct server *s, struct slice text)
{
	struct journal_name *name;
	struct slice told_by = slice_first(text, text.len < STATEMENT_CLIENT_NAME_MAX
						     ? text.len
						     : STATEMENT_CLIENT_NAME_MAX);

	HASH_FIND_BYHASHVALUE(hh, s->journal.names, told_by.data, told_by.len,
			      hash_short(&store_of(s)->key, told_by), name);
	return name;
}

static struct journal_name *make_name(struct server *s, struct slice text)
{
	struct journal_name *name = calloc(1, sizeof(*name));

	if (!name)
		return NULL;
	TAILQ_INIT(&name->entries);
	name->len = text.len;
	memcpy(name->text, text.data, text.len);
	HASH_ADD_BYHASHVALUE(hh, s->journal.names, text, name->len,
			     hash_short(&store_of(s)->key, text), name);
	if (name->hh.tbl)
		return name;
	free(name);
	return NULL;
}

/* It is not about a name of the client any more. */
static void forget_name(struct server *s, struct journal_entry *e)
{
	struct journal_name *name = e->name;

	e->named = NULL;
	e->name = NULL;
	if (!name)
		return;
	TAILQ_REMOVE(&name->entries, e, same);
	if (!TAILQ_EMPTY(&name->entries))
		return;
	HASH_DELETE(hh, s->journal.names, name);
	free(name);
}

static void drop(struct server *s, struct journal_entry *e)
{
	if (e->name)
		forget_name(s, e);
	TAILQ_REMOVE(&s->journal.entries, e, place);
	free(e);
}

static bool add_by_name(struct server *s, enum effect effect,
			struct client_statement *named)
{
	struct slice text = client_statement_name(named);
	struct journal_entry *e = add(s, effect);
	struct journal_name *name = e ? find_name(s, text) : NULL;

	if (e && !name)
		name = make_name(s, text);
	if (!name) {
		if (e)
			drop(s, e);
		return false;
	}
	e->named = named;
	e->name = name;
	TAILQ_INSERT_TAIL(&name->entries, e, same);
	return true;
}

bool journal_named(struct server *s, struct client_statement *named)
{
	return add_by_name(s, NAMED, named);
}

bool journal_unnamed(struct server *s, struct client_statement *named)
{
	return add_by_name(s, UNNAMED, named);
}

bool journal_forgotten(struct server *s, struct client_statement *named)
{
	struct journal_entry *e = add(s, FORGOTTEN);

	if (!e)
		return false;
	/* All that was asked already may be about it. */
	e->question--;
	e->named = named;
	return true;
}

static bool add_statement(struct server *s, enum effect effect,
			  struct statement *statement)
{
	struct journal_entry *e = add(s, effect);

	if (!e)
		return false;
	e->statement = statement;
	statements_hold(store_of(s), statement);
	return true;
}

bool journal_prepared(struct server *s, struct statement *statement)
{
	return add_statement(s, PREPARED, statement);
}

bool journal_closed(struct server *s, struct statement *statement)
{
	return add_statement(s, CLOSED, statement);
}

bool journal_refused(struct server *s, const struct notice *notice)
{
	struct journal_entry *e = add(s, REFUSED);

	if (!e)
		return false;
	struct writer w = writer_of(&e->error);
	notice_write(&w, notice);
	/* Without memory the server's own error is told, which is an error as well. */
	writer_finish(&w);
	return true;
}

bool journal_hides_tag(struct server *s)
{
	return add(s, HIDES_TAG);
}

bool journal_describes(struct server *s, struct client_statement *named, bool is_own)
{
	return add_named(s, is_own ? LOOKS : DESCRIBES, named);
}

/* ---- while the answer comes ---- */

static struct journal_entry *find(const struct server *s, uint64_t question,
				  enum effect effect)
{
	struct journal_entry *e;

	TAILQ_FOREACH (e, &s->journal.entries, place) {
		if (e->question > question)
			return NULL;
		if (e->question == question && e->effect == effect)
			return e;
	}
	return NULL;
}

static void note_shape(struct server *s, const struct journal_entry *e,
		       struct slice description)
{
	struct server_statement *there =
	    server_statements_find(&s->statements, client_statement_of(e->named));

	if (!there)
		return;
	/* 0 stands for unknown. */
	there->shape = hash_bytes(&store_of(s)->key, description) | 1;
	if (e->effect == DESCRIBES)
		*client_statement_shape(e->named) =
		    (struct statement_shape){.hash = there->shape, .epoch = there->epoch};
}

void journal_described(struct server *s, uint64_t question, struct slice description)
{
	struct journal_entry *e = find(s, question, DESCRIBES);

	if (!e)
		e = find(s, question, LOOKS);
	if (e && e->named)
		note_shape(s, e, description);
}

bool journal_is_looking(const struct server *s, const struct client_statement *named)
{
	struct journal_entry *e;

	TAILQ_FOREACH (e, &s->journal.entries, place)
		if (e->effect == LOOKS && e->named == named)
			return true;
	return false;
}

struct slice journal_error(const struct server *s, uint64_t question)
{
	struct journal_entry *e = find(s, question, REFUSED);

	return e ? buffer_bytes(&e->error) : slice_of(NULL, 0);
}

bool journal_take_hidden_tag(struct server *s)
{
	struct journal_entry *e = find(s, tracker_oldest(&s->tracker), HIDES_TAG);

	if (e)
		drop(s, e);
	return e;
}

/* ---- when it is complete ---- */

/* What the entry holds, whatever became of its question. */
static void settle(struct server *s, struct journal_entry *e)
{
	switch (e->effect) {
	case NAMED:
	case HIDES_TAG:
	case DESCRIBES:
	case LOOKS:
		break;
	case UNNAMED:
	case FORGOTTEN:
		if (e->named)
			client_statement_free(store_of(s), e->named);
		break;
	case PREPARED:
	case CLOSED:
		statements_give_back(store_of(s), e->statement);
		break;
	case REFUSED:
		buffer_fini(&e->error);
		break;
	}
	drop(s, e);
}

/* A later question, not undone with this one, has taken the name away already. */
static bool was_taken_away(struct server *s, const struct journal_entry *given)
{
	struct journal_entry *e;

	TAILQ_FOREACH (e, &given->name->entries, same) {
		if (e->effect != UNNAMED || e->named != given->named)
			continue;
		forget_name(s, e);
		return true;
	}
	return false;
}

static void take_name_away(struct server *s, struct journal_entry *e)
{
	if (!e->named)
		return;
	if (!was_taken_away(s, e))
		client_statements_withdraw(store_of(s), &s->client->session->statements,
					   e->named);
	client_statement_free(store_of(s), e->named);
}

static void give_name_back(struct server *s, struct journal_entry *e)
{
	if (!e->named)
		return;
	client_statements_restore(store_of(s), &s->client->session->statements, e->named);
	forget_name(s, e);
}

/* It was to be prepared. What it replaced may still be there. */
static void doubt_prepared(struct server *s, const struct journal_entry *e)
{
	struct server_statement *there =
	    server_statements_find(&s->statements, e->statement);

	if (there && there->asked == e->question)
		there->is_doubtful = true;
}

/* It was to be closed, and has been skipped. */
static void doubt_closed(struct server *s, const struct journal_entry *e)
{
	struct server_statement *there =
	    server_statements_find(&s->statements, e->statement);

	if (!there)
		there = server_statements_add(store_of(s), &s->statements, e->statement);
	if (there)
		there->is_doubtful = true;
}

static void undo(struct server *s, struct journal_entry *e)
{
	switch (e->effect) {
	case NAMED:
		take_name_away(s, e);
		break;
	case UNNAMED:
		give_name_back(s, e);
		break;
	case PREPARED:
		doubt_prepared(s, e);
		break;
	case CLOSED:
		doubt_closed(s, e);
		break;
	case FORGOTTEN:
	case REFUSED:
	case HIDES_TAG:
	case DESCRIBES:
	case LOOKS:
		break;
	}
	settle(s, e);
}

/* Others of its pool may count on it that this can be prepared. */
static void prove(struct server *s, struct statement *statement)
{
	struct server_statement *there =
	    server_statements_find(&s->statements, statement);

	if (there)
		statement_prove(statement, known_of(s->slot.pool)->serial, there->epoch);
}

void journal_answered(struct server *s)
{
	uint64_t oldest = tracker_oldest(&s->tracker);
	struct journal_entry *e;

	while ((e = TAILQ_FIRST(&s->journal.entries)) && e->question < oldest) {
		if (e->effect == PREPARED)
			prove(s, e->statement);
		settle(s, e);
	}
}

void journal_failed(struct server *s, uint64_t question)
{
	uint64_t oldest = tracker_oldest(&s->tracker);
	struct journal_entry *e = TAILQ_FIRST(&s->journal.entries), *next;

	/* From the last that is done backwards. */
	while (e && (next = TAILQ_NEXT(e, place)) &&
	       (next->question < oldest || next->question == question))
		e = next;
	for (; e; e = next) {
		next = TAILQ_PREV(e, journal_entries, place);
		if (e->question < oldest || e->question == question)
			undo(s, e);
	}
}

bool journal_is_pending(const struct server *s, struct slice name)
{
	const struct journal_name *known = find_name(s, name);

	/* The first is the oldest. */
	return known &&
	       TAILQ_FIRST(&known->entries)->question < tracker_batch(&s->tracker);
}

struct slice journal_old_name(const struct server *s, uint64_t number)
{
	struct journal_entry *e;

	TAILQ_FOREACH (e, &s->journal.entries, place)
		if ((e->effect == UNNAMED || e->effect == FORGOTTEN) && e->named &&
		    statement_number(client_statement_of(e->named)) == number)
			return client_statement_name(e->named);
	return slice_of(NULL, 0);
}

bool journal_names_after(const struct server *s, const struct client_statement *named,
			 uint64_t question)
{
	const struct journal_name *known = find_name(s, client_statement_name(named));
	struct journal_entry *e;

	if (known)
		TAILQ_FOREACH (e, &known->entries, same)
			if (e->effect == NAMED && e->named == named &&
			    e->question > question)
				return true;
	return false;
}

void journal_forget_name(struct server *s, const struct client_statement *named)
{
	struct journal_entry *e;

	TAILQ_FOREACH (e, &s->journal.entries, place)
		if ((e->effect == DESCRIBES || e->effect == LOOKS) && e->named == named)
			e->named = NULL;
}

void journal_forget_client(struct server *s)
{
	struct journal_entry *e;

	TAILQ_FOREACH (e, &s->journal.entries, place) {
		if ((e->effect == UNNAMED || e->effect == FORGOTTEN) && e->named)
			client_statement_free(store_of(s), e->named);
		if (e->effect != PREPARED && e->effect != CLOSED && e->effect != REFUSED)
			forget_name(s, e);
	}
}

void journal_fini(struct server *s)
{
	struct journal_entry *e;

	journal_forget_client(s);
	while ((e = TAILQ_FIRST(&s->journal.entries)))
		settle(s, e);
}
