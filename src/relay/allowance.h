/*
 * How much memory the run-time parameters of one client, and of all, may take. Beyond it
 * what can be refused beforehand is; what a server tells only when it has been set stays
 * there, and the client with it.
 */
#ifndef POOLER_RELAY_ALLOWANCE_H
#define POOLER_RELAY_ALLOWANCE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/slice.h"

struct altered;
struct client;
struct notice;
struct params;

/* Whether a text that alters these may not go, since it could make the client's
 * parameters, with what its last texts have altered, larger than allowed; *out says so.
 * What makes nothing larger is never refused. */
bool allowance_refuses(const struct client *c, const struct altered *more,
		       struct notice *out);

/* Whether this value, which is in some set already, may be kept with the client's. */
bool allowance_has_room(const struct client *c, struct slice name, struct slice value);

/* Whether a set of what a server tells may take this value as well: no more than there
 * may be room for. */
bool allowance_may_gather(const struct client *c, const struct params *set,
			  struct slice name, struct slice value);

/* A server need not tell values of more bytes: there is no room for them. */
size_t allowance_longest(const struct client *c);

/* Whether what the client brings along is more than allowed. */
bool allowance_is_passed(const struct client *c);

#endif
