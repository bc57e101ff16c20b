/*
 * Having a client prove who it is, and letting in who has.
 */
#ifndef POOLER_RELAY_CLIENT_PROOF_H
#define POOLER_RELAY_CLIENT_PROOF_H

#include "relay/login.h"

/* The startup packet is in the login. It may be over, and freed, on return of any of
 * these: then the client is not in state STARTUP any more. */
void client_proof_begin(struct login *l);

/* No proof is needed. */
void client_proof_skip(struct login *l);

/* Bytes of a client in LOGIN_STEP_EXCHANGE; returns how many are done with. */
size_t client_proof_feed(struct login *l, struct slice bytes);

#endif
