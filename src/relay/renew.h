/*
 * Carries out what pool/renewal decides: opens successors, ends those that they replace.
 */
#ifndef POOLER_RELAY_RENEW_H
#define POOLER_RELAY_RENEW_H

struct dispatcher;
struct pool;

/* The next step, if one is due. */
void renew_step(struct dispatcher *d, struct pool *pool);

#endif
