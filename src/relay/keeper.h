/*
 * Pools as the relay keeps them: made when a client needs one, together with what will be
 * known of its servers and a deadline; let go when nobody will miss them.
 */
#ifndef POOLER_RELAY_KEEPER_H
#define POOLER_RELAY_KEEPER_H

#include <stdbool.h>

#include "base/slice.h"

struct dispatcher;
struct pool;

/* The pool, made if need be; NULL when memory is short or there is no such database. */
struct pool *keeper_pool(struct dispatcher *d, struct slice database, struct slice user);

/* Whether an unused pool is worth keeping: a server of it was reached once, or is wanted
 * before any client comes. Others are names that somebody made up. */
bool keeper_is_promising(const struct pool *pool);

/* A client or server has left the pool, or has not come in: if that leaves it unused, it
 * may expire, and one that is not worth keeping is freed, now or after its last failure
 * has been remembered for a while. The pool must not be touched after this. */
void keeper_let_go(struct dispatcher *d, struct pool *pool);

/* Frees what is kept beside a pool that is about to be freed; the context is the
 * dispatcher. */
void keeper_forget(struct pool *pool, void *context);

#endif
