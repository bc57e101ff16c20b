/*
 * The end of a client's login: what it is told, and that it counts as logged in.
 */
#ifndef POOLER_RELAY_GREETING_H
#define POOLER_RELAY_GREETING_H

#include <stdbool.h>

struct client;
struct params;

/* Sends AuthenticationOk, the values that a server reported, or those of `own` in their
 * place, the cancel key and ReadyForQuery. False when memory is short: then the client is
 * closing. Its state is the caller's business. */
bool greeting_send(struct client *c, const struct params *reported,
		   const struct params *own);

#endif
