/*
 * Connecting to a server and logging in to it.
 */
#ifndef POOLER_RELAY_SERVER_LOGIN_H
#define POOLER_RELAY_SERVER_LOGIN_H

#include "base/slice.h"

struct server;

/* Starts to connect a server that is in state CONNECTING. What comes of it goes to
 * dispatcher_server_opened() or dispatcher_server_failed(). */
void server_login_start(struct server *s);

/* Bytes of a server that is logging in; returns how many are done with. */
size_t server_login_feed(struct server *s, struct slice bytes);

/* The connection ended before the login did. */
void server_login_broken(struct server *s, int error);
/* server_connect_timeout. */
void server_login_timeout(struct server *s);

/* Frees what only a login needs; harmless when there is nothing. */
void server_login_free(struct server *s);

#endif
