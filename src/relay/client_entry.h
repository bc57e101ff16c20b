/*
 * Letting a client in whose name is believed: the console, or a database with its limits
 * and its pool.
 */
#ifndef POOLER_RELAY_CLIENT_ENTRY_H
#define POOLER_RELAY_CLIENT_ENTRY_H

#include "relay/login.h"

struct client;

/* Whether that is what the console is called. */
bool client_entry_is_console(const struct login *l);

/* On the Unix socket, the user that the pooler runs as is its administrator and needs no
 * password. */
bool client_entry_is_own_user(const struct login *l);

/* Whether max_client_conn and our descriptors have room for one more; otherwise it has
 * been closed. */
bool client_entry_has_room(const struct login *l);

/* The login's client goes where it wants to: it is IDLE, on the CONSOLE, WAITING for the
 * pool's first server, OPENING one of its own, or closed. */
void client_entry_enter(struct login *l);

/* Completes the login of a client that waited for the pool's first server: greets it, and
 * it is IDLE (or closing). */
void client_entry_welcome(struct client *c);

#endif
