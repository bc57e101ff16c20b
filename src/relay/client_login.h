/*
 * Logging a client in: requests for encryption, the startup packet, the proof of who it
 * is.
 */
#ifndef POOLER_RELAY_CLIENT_LOGIN_H
#define POOLER_RELAY_CLIENT_LOGIN_H

#include "base/slice.h"
#include "net/stream.h"
#include "relay/login_gate.h"

struct client;
struct stream;

/* A new client begins its login. False when memory is short. */
bool client_login_begin(struct client *c);

/* Its stream has something to read; whether it may be read now. */
enum stream_turn client_login_may_read(struct stream *stream);

/* Bytes of a client in state STARTUP; returns how many are done with. */
size_t client_login_feed(struct client *c, struct slice bytes);

/* Gives back all that the login held; harmless when it is over. */
void client_login_end(struct client *c);

/* Others wait for the place of this login, and its client is silent: it is closed. */
void client_login_displaced(struct login_ticket *ticket);

#endif
