/*
 * Logging a client in: start-up packets, requests for encryption, who may come in.
 */
#ifndef POOLER_RELAY_CLIENT_LOGIN_H
#define POOLER_RELAY_CLIENT_LOGIN_H

#include "base/slice.h"

struct client;

/* Bytes of a client in state STARTUP; returns how many are done with. */
size_t client_login_feed(struct client *c, struct slice bytes);

/* Completes the login of a client that waited for the pool's first server: greets it, and
 * it is IDLE (or closing). */
void client_login_welcome(struct client *c);

#endif
