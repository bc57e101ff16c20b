/*
 * What PBKDF2 made of users' passwords at their last login, so that it need not run at
 * each. For users whose stored secret is a password in clear; a changed password makes
 * what is kept useless, not wrong (struct scram_salted).
 *
 * Bounded: when it is full, who logged in longest ago makes room. Holds secrets.
 */
#ifndef POOLER_AUTH_REMEMBERED_H
#define POOLER_AUTH_REMEMBERED_H

#include "auth/scram.h"

struct remembered;

/* NULL when memory is short. */
struct remembered *remembered_create(size_t entries_max);
/* Wipes and frees; NULL is fine. */
void remembered_destroy(struct remembered *r);

/* Forgets and wipes all. */
void remembered_clear(struct remembered *r);

/* NULL when nothing is kept of this user; borrowed until the next call. */
const struct scram_salted *remembered_find(struct remembered *r, struct slice user);

/* Without memory, nothing is kept. */
void remembered_keep(struct remembered *r, struct slice user,
		     const struct scram_salted *salted);

#endif
