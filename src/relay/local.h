/*
 * What needs no server: a client that shares servers, has none at the moment, and asks
 * for something that the pooler knows the answer to. To prepare what a server of its pool
 * has prepared before, and to close or deallocate, changes nothing but the client's
 * names.
 */
#ifndef POOLER_RELAY_LOCAL_H
#define POOLER_RELAY_LOCAL_H

#include <stddef.h>

#include "base/slice.h"

struct client;

/* Answers what stands in front of the bytes of an idle client: a Parse or Close with the
 * Sync behind it, or a Query that deallocates. Returns how many bytes that was; 0 when a
 * server is needed, or more of the message. */
size_t local_answer(struct client *c, struct slice bytes);

#endif
