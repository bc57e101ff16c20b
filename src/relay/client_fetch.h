/*
 * Fetching what a login cannot know by itself: a secret from auth_file or by auth_query,
 * the judgement of PAM or of a directory, the name of a user of the system, the name of
 * an address. What comes back goes to login->ops; what cannot be had ends the client.
 */
#ifndef POOLER_RELAY_CLIENT_FETCH_H
#define POOLER_RELAY_CLIENT_FETCH_H

#include "relay/login.h"

void client_fetch_secret(struct login *l);

/* Whether a server is asked for users who are not in auth_file. */
bool client_fetch_may_ask(const struct login *l);

/* Whether there is a place where users must be listed, even those who need no password.
 */
bool client_fetch_knows_users(const struct login *l);

void client_fetch_judgement(struct login *l, struct slice password);
void client_fetch_peer(struct login *l);
void client_fetch_name(struct login *l);

/* Nothing is wanted any more; harmless when nothing is under way. */
void client_fetch_stop(struct login *l);

/* The secret did not let its user in: it may be an old one. */
void client_fetch_distrust(struct login *l);

#endif
