/*
 * Judging and forwarding what a client says.
 */
#ifndef POOLER_RELAY_OUTBOUND_H
#define POOLER_RELAY_OUTBOUND_H

#include "base/slice.h"

struct client;

/* Goes through the bytes of a client that is logged in; returns how many are done with.
 */
size_t outbound_pump(struct client *c, struct slice bytes);

#endif
