/*
 * Where a client has its server for itself, RESET, SET ... TO DEFAULT and DISCARD ALL
 * lead back to what the server began with; PostgreSQL leads back to what the session
 * began with. So what the client's start-up asked for, or connect_query has set, is set
 * again behind them, and the client is told that the server is ready when that is done.
 *
 * Only clients whose session began with something else than their server
 * (client->begins_otherwise) are looked at. Where servers are shared, settle.h does this.
 */
#ifndef POOLER_RELAY_REGAIN_H
#define POOLER_RELAY_REGAIN_H

#include <stdbool.h>

#include "base/slice.h"

struct client;
struct frame;
struct params;
struct server;

/* What the client asked for at its start-up; borrowed. */
const struct params *regain_startup(const struct client *c);
/* What its session began with: that, and of the rest what connect_query has set in its
 * server. A reference, or NULL when memory is short; and the value of one name. */
struct params *regain_beginning(const struct client *c);
bool regain_find(const struct client *c, struct slice name, struct slice *out);
/* Of that, what its texts have reset and a RESET takes to something else; a reference, or
 * NULL when memory is short. */
struct params *regain_lost(const struct server *s);

/* The server has what the client's start-up asked for: finds out begins_otherwise. */
void regain_note_beginning(struct client *c, const struct server *s);

/* A Query or Parse of a client that begins otherwise is about to be sent. False,
 * and the client is closed, when memory is short. */
bool regain_note_text(struct client *c, const struct frame *f);
/* A CommandComplete for such a client: of a Query, or of an Execute, whose text may be
 * one of long ago. */
void regain_note_tag(struct client *c, struct slice tag, bool is_of_query);

/* Whether such a client's next question has to wait until a RESET has been answered. */
bool regain_is_pending(const struct client *c);

/* The server is ready for such a client: true when that is to be told by regain_done(),
 * since a question of ours is under way now. */
bool regain_starts(struct server *s);
/* SERVER_TASK_REGAIN is over. */
void regain_done(struct server *s);

#endif
