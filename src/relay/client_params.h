/*
 * The run-time parameters of a startup packet: what a client wants of every server it
 * gets.
 */
#ifndef POOLER_RELAY_CLIENT_PARAMS_H
#define POOLER_RELAY_CLIENT_PARAMS_H

#include "relay/login.h"

/* They are in client->params. False when the client has been closed for one of them. */
bool client_params_read(const struct login *l);

#endif
