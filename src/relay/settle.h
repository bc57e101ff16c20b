/*
 * Settling: before a shared server is released, it is asked what the client's last texts
 * have left in it. Values of parameters are the client's from then on, and follow it;
 * what cannot follow it pins it to the server.
 *
 * Texts give hints that it is worth while to ask; what is so the server says, since
 * nobody else knows what was carried out and what was rolled back.
 */
#ifndef POOLER_RELAY_SETTLE_H
#define POOLER_RELAY_SETTLE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/slice.h"

struct buffer;
struct client;
struct notice;
struct server;
struct sql_text;

/* A text is about to go to the client's server. Notes what it may alter; true, with *out
 * the reason, when it must not go. More than once for the same text is no harm. */
bool settle_refuses(struct client *c, const struct sql_text *t, struct notice *out);

/* Whether the client's next text, whatever its hints are, will be refused: it has to be
 * told of something. */
bool settle_owes(const struct client *c);

/* A CommandComplete for the server's client, other than the common ones. */
void settle_note_tag(struct server *s, struct slice tag);

/* The server's client is done with it, outside a transaction. True when the two stay
 * linked for now, or for longer; what is to be done is under way. */
bool settle_begin(struct server *s);

/* The server is ready for its client, but in a transaction ('T' or 'E'). */
void settle_in_transaction(struct server *s);

/* Whether the client's next question has to wait until a RESET has been made right. */
bool settle_is_pending(const struct client *c);

/* The client is to lose its server without having been asked: what it may have left there
 * is marked for cleaning. Before link_detach(). */
void settle_abandon(struct client *c);

/* Whether a parameter that the server has just reported went back to what the session
 * began with; *out is that value. */
bool settle_was_reset(const struct client *c, struct slice name, struct slice value,
		      struct slice *out);

/* ---- the answers, while the server's task is SERVER_TASK_SETTLE or _RESTORE ---- */

void settle_done(struct server *s);
void settle_restored(struct server *s);

#endif
