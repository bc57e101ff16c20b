/*
 * Where a client has its server for itself, RESET, SET ... TO DEFAULT and DISCARD ALL
 * lead back to what the server began with; PostgreSQL leads back to what the session
 * began with. So what the client's start-up asked for is set again behind them, and the
 * client is told that the server is ready when that is done.
 *
 * Only clients whose start-up asked for something else than their server began with
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

/* What the client began its session with; borrowed. */
const struct params *regain_startup(const struct client *c);
/* Of that, what its texts have reset and the server began with otherwise; a reference, or
 * NULL when memory is short. */
struct params *regain_lost(const struct server *s);

/* The server has what the client's start-up asked for: finds out begins_otherwise. */
void regain_note_beginning(struct client *c, const struct server *s);

/* A Query or Parse of a client that begins otherwise is about to be sent. False,
 * and the client is closed, when memory is short. */
bool regain_note_text(struct client *c, const struct frame *f);
/* A CommandComplete for such a client. */
void regain_note_tag(struct client *c, struct slice tag);

/* Whether such a client's next question has to wait until a RESET has been answered. */
bool regain_is_pending(const struct client *c);

/* The server is ready for such a client: true when that is to be told by regain_done(),
 * since a question of ours is under way now. */
bool regain_starts(struct server *s);
/* SERVER_TASK_REGAIN is over. */
void regain_done(struct server *s);

#endif
