/*
 * All places the pooler listens on: the TCP addresses, the Unix socket, the admin
 * listener.
 */
#ifndef POOLER_APP_PORTS_H
#define POOLER_APP_PORTS_H

#include "config/settings.h"
#include "net/listener.h"
#include "relay/client.h"

struct dispatcher;

struct port {
	struct listener listener;
	struct dispatcher *dispatcher;
	enum client_origin origin;
};

struct ports {
	struct port *items;
	size_t count;
};

/* Opens all that the settings name; what cannot be opened is logged. 0, or -errno when
 * nothing of the main ports, or not the admin port, could be opened. */
int ports_open(struct ports *ports, struct loop *loop, const struct settings *settings);

/* Starts to accept. */
void ports_start(struct ports *ports, struct dispatcher *dispatcher);

/* Nobody new comes in by TCP; the Unix socket and the admin listener go on. */
void ports_close_tcp(struct ports *ports);
void ports_fini(struct ports *ports);

#endif
