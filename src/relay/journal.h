/*
 * What was done ahead of a server's answers: a name given before its Parse has succeeded,
 * a statement counted as there before the server has it. Each entry belongs to a question
 * (its number in the tracker). When the question is answered the effect stays; when the
 * answer is an error, or the server skips the question, it is undone, the latest first.
 */
#ifndef POOLER_RELAY_JOURNAL_H
#define POOLER_RELAY_JOURNAL_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#include "base/slice.h"

struct client_statement;
struct journal_entry;
struct journal_name;
struct notice;
struct server;
struct statement;

TAILQ_HEAD(journal_entries, journal_entry);

/* Zero is valid: nothing is open. */
struct journal {
	struct journal_entries entries; /* in the order of their questions */
	struct journal_name *names;     /* given or taken away by some of them */
};

/* All of these are about the question that the tracker will number next. False when
 * memory is short: then nothing is noted. */

/* The client has this name now; undone by taking it away. */
bool journal_named(struct server *s, struct client_statement *named);
/* The client has this name no more (it is withdrawn, and the journal's from here on). */
bool journal_unnamed(struct server *s, struct client_statement *named);
/* The same by the answer to an earlier question, for good; until all those that were sent
 * by now are answered their errors may be about it. */
bool journal_forgotten(struct server *s, struct client_statement *named);
/* The server counts as having this statement; undone by forgetting that. */
bool journal_prepared(struct server *s, struct statement *statement);
/* The server counts as not having it any more; undone, it may or may not have it. */
bool journal_closed(struct server *s, struct statement *statement);
/* The question was made to fail: its ErrorResponse is to be this one instead. */
bool journal_refused(struct server *s, const struct notice *notice);
/* The first CommandComplete of the answer is not for the client. */
bool journal_hides_tag(struct server *s);

/* The client asks what the rows of its statement look like; or the pooler does, to see
 * whether they still do so on this server. */
bool journal_describes(struct server *s, struct client_statement *named, bool is_own);
/* The answer to this question says what the rows look like; empty for none. */
void journal_described(struct server *s, uint64_t question, struct slice description);
/* Whether the pooler has asked that and not heard yet. */
bool journal_is_looking(const struct server *s, const struct client_statement *named);

/* The ErrorResponse to send to the client instead of the server's to this question
 * (borrowed until the next call), or empty. */
struct slice journal_error(const struct server *s, uint64_t question);
/* Whether a CommandComplete for the oldest question, of which the tracker is yet to be
 * told, is to be hidden; only once. */
bool journal_take_hidden_tag(struct server *s);

/* After the tracker was told: settles the entries of all that is done. `failed`: the
 * message was an ErrorResponse for the question of that number. */
void journal_answered(struct server *s);
void journal_failed(struct server *s, uint64_t question);

/* Whether it depends on the answers to an earlier batch, which are still to come, what
 * the client calls so. */
bool journal_is_pending(const struct server *s, struct slice name);

/* The name, among those taken away meanwhile, of the statement of this number; empty when
 * there is none. */
struct slice journal_old_name(const struct server *s, uint64_t number);

/* The client's name is about to be freed, and no answer about it counts any more. */
void journal_forget_name(struct server *s, const struct client_statement *named);
/* Whether a name was given by a question behind this one. */
bool journal_names_after(const struct server *s, const struct client_statement *named,
			 uint64_t question);

/* The client is parted from the server: its names are no concern of the server's answers
 * any more. */
void journal_forget_client(struct server *s);
/* The server ends. */
void journal_fini(struct server *s);

static inline bool journal_is_open(const struct journal *j)
{
	return !TAILQ_EMPTY(&j->entries);
}

#endif
