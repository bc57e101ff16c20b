/*
 * Judging and forwarding what a server says.
 */
#ifndef POOLER_RELAY_INBOUND_H
#define POOLER_RELAY_INBOUND_H

#include "base/slice.h"

struct server;

/* Goes through the bytes of a server that is logged in; returns how many are done with.
 */
size_t inbound_pump(struct server *s, struct slice bytes);

#endif
