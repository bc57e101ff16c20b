/*
 * Entries in the order of their questions.
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
	uint64_t question;
	enum effect effect;
	union {
		struct client_statement *named; /* NULL: its client is gone */
		struct statement *statement;    /* held */
		struct buffer error;
	};
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
	if (!s->journal.tqh_last)
		TAILQ_INIT(&s->journal);
	TAILQ_INSERT_TAIL(&s->journal, e, place);
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

bool journal_named(struct server *s, struct client_statement *named)
{
	return add_named(s, NAMED, named);
}

bool journal_unnamed(struct server *s, struct client_statement *named)
{
	return add_named(s, UNNAMED, named);
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

	TAILQ_FOREACH (e, &s->journal, place) {
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

	TAILQ_FOREACH (e, &s->journal, place)
		if (e->effect == LOOKS && e->named == named)
			return true;
	return false;
}

static void drop(struct server *s, struct journal_entry *e)
{
	TAILQ_REMOVE(&s->journal, e, place);
	free(e);
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
static bool was_taken_away(struct server *s, const struct client_statement *named)
{
	struct journal_entry *e;

	TAILQ_FOREACH (e, &s->journal, place) {
		if (e->effect != UNNAMED || e->named != named)
			continue;
		e->named = NULL;
		return true;
	}
	return false;
}

static void take_name_away(struct server *s, struct journal_entry *e)
{
	if (!e->named)
		return;
	if (!was_taken_away(s, e->named))
		client_statements_withdraw(store_of(s), &s->client->session->statements,
					   e->named);
	client_statement_free(store_of(s), e->named);
}

static void give_name_back(struct server *s, struct journal_entry *e)
{
	if (!e->named)
		return;
	client_statements_restore(store_of(s), &s->client->session->statements, e->named);
	e->named = NULL;
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

	while ((e = TAILQ_FIRST(&s->journal)) && e->question < oldest) {
		if (e->effect == PREPARED)
			prove(s, e->statement);
		settle(s, e);
	}
}

void journal_failed(struct server *s, uint64_t question)
{
	uint64_t oldest = tracker_oldest(&s->tracker);
	struct journal_entry *e = TAILQ_FIRST(&s->journal), *next;

	/* From the last that is done backwards. */
	while (e && (next = TAILQ_NEXT(e, place)) &&
	       (next->question < oldest || next->question == question))
		e = next;
	for (; e; e = next) {
		next = TAILQ_PREV(e, journal, place);
		if (e->question < oldest || e->question == question)
			undo(s, e);
	}
}

bool journal_is_pending(const struct server *s, struct slice name)
{
	struct journal_entry *e;

	TAILQ_FOREACH (e, &s->journal, place)
		if ((e->effect == NAMED || e->effect == UNNAMED) && e->named &&
		    e->question < tracker_batch(&s->tracker) &&
		    slice_equal(client_statement_name(e->named), name))
			return true;
	return false;
}

struct slice journal_old_name(const struct server *s, uint64_t number)
{
	struct journal_entry *e;

	TAILQ_FOREACH (e, &s->journal, place)
		if ((e->effect == UNNAMED || e->effect == FORGOTTEN) && e->named &&
		    statement_number(client_statement_of(e->named)) == number)
			return client_statement_name(e->named);
	return slice_of(NULL, 0);
}

bool journal_names_after(const struct server *s, const struct client_statement *named,
			 uint64_t question)
{
	struct journal_entry *e;

	TAILQ_FOREACH (e, &s->journal, place)
		if (e->effect == NAMED && e->named == named && e->question > question)
			return true;
	return false;
}

void journal_forget_name(struct server *s, const struct client_statement *named)
{
	struct journal_entry *e;

	TAILQ_FOREACH (e, &s->journal, place)
		if ((e->effect == DESCRIBES || e->effect == LOOKS) && e->named == named)
			e->named = NULL;
}

void journal_forget_client(struct server *s)
{
	struct journal_entry *e;

	TAILQ_FOREACH (e, &s->journal, place) {
		if ((e->effect == UNNAMED || e->effect == FORGOTTEN) && e->named)
			client_statement_free(store_of(s), e->named);
		if (e->effect != PREPARED && e->effect != CLOSED && e->effect != REFUSED)
			e->named = NULL;
	}
}

void journal_fini(struct server *s)
{
	struct journal_entry *e;

	journal_forget_client(s);
	while ((e = TAILQ_FIRST(&s->journal)))
		settle(s, e);
}
