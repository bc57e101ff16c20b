/*
 * What a text of SQL, and what a server says of it, mean for a session whose servers are
 * shared: who is asked before it goes, what is remembered when it goes, what its
 * CommandComplete tells.
 */
#ifndef POOLER_RELAY_TEXT_H
#define POOLER_RELAY_TEXT_H

#include <stdint.h>

#include "base/slice.h"
#include "proto/notice.h"

struct client;
struct server;
struct sql_text;

/* Beside enum sql_hint: the text drops all prepared statements. */
enum { TEXT_FORGETS = 1 << 30 };

/* Parsed at another time it means something else. Nobody shares it. */
enum { TEXT_READS_CLOCK = 1 << 28 };

enum text_verdict {
	TEXT_GOES,
	TEXT_WAITS, /* until the client's pump is posted */
	TEXT_IS_REFUSED,
};

/* Whether a text may go to the client's server; the reason if not. Has no effect but that
 * what it waits for is under way. */
enum text_verdict text_judge(struct client *c, const struct sql_text *t,
			     struct notice *out);

/* A text with these hints is about to be sent to the client's server, in a Query or for
 * an extended one, or a statement that has such a text to be used; the tracker will
 * number it next. False when memory is short. */
bool text_sent(struct client *c, uint32_t hints, bool is_query);
/* A Sync of the client is about to be sent to this server. */
void text_batch_ended(struct server *s);

/* A CommandComplete for the client of this server is here; before the tracker is told. */
void text_completed(struct server *s, struct slice tag);

/* Whether all that the server was known to have prepared cannot be counted on, for a
 * statement that question `asked` has prepared: a DEALLOCATE or DISCARD is on its way. */
bool text_may_forget(const struct server *s, uint64_t asked);

#endif
