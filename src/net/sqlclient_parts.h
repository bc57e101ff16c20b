/*
 * What the two halves of a client of libpq need of each other: connecting, and asking.
 */
#ifndef POOLER_NET_SQLCLIENT_PARTS_H
#define POOLER_NET_SQLCLIENT_PARTS_H

#include "net/sqlclient.h"

/* ---- sqlclient_connect ---- */

/* Connects, and then sends the question or gives up: never from within this call. */
void sqlclient_connect(struct sqlclient *c);

/* The socket is ready, while CONNECTING. */
void sqlclient_go_on_connecting(struct sqlclient *c);

/* The limit is due, while RESOLVING or CONNECTING. */
void sqlclient_time_out_connecting(struct sqlclient *c);

/* Ends the connection, or the attempt at one; the state stays as it is. */
void sqlclient_hang_up(struct sqlclient *c);

/* ---- sqlclient ---- */

void sqlclient_move(struct sqlclient *c, enum sqlclient_state next);

/* Keeps it for the answer, as one line. */
void sqlclient_note_problem(struct sqlclient *c, const char *text);

/* The connection has logged in. */
void sqlclient_send_question(struct sqlclient *c);

/* Disconnects and answers with c->outcome and c->problem; the client may be gone then. */
void sqlclient_give_up(struct sqlclient *c);

/* The loop_io_fn of the connection's socket. */
void sqlclient_on_ready(struct loop *loop, struct loop_io *io, int events);

#endif
