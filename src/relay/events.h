/*
 * What a client's and a server's stream call: the top of this floor.
 */
#ifndef POOLER_RELAY_EVENTS_H
#define POOLER_RELAY_EVENTS_H

#include "relay/client.h"

struct relay_ops;
struct transport;

/* What the dispatcher needs of those above it. */
extern const struct relay_ops events_relay_ops;

/* A connection came in; fd belongs to the client now (-1 with a transport of a test).
 * NULL, and fd is closed, when memory is short. */
struct client *events_accept(struct dispatcher *d, int fd,
			     const struct transport *transport,
			     enum client_origin origin);

#endif
