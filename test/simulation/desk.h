/*
 * Where people of a simulation ask for servers: what the relay does with the pools'
 * decisions. Every function is something that happens at s->now_us.
 */
#ifndef POOLER_TEST_SIMULATION_DESK_H
#define POOLER_TEST_SIMULATION_DESK_H

#include "simulation/simulation.h"

/* One of a crowd comes. */
void desk_comes(struct simulation *s, unsigned crowd);
/* The server of this number has served. */
void desk_is_done(struct simulation *s, unsigned at);
/* One that is at work in the shared machine has served. */
void desk_one_is_done(struct simulation *s);
/* And the client has got what it has done. */
void desk_one_is_back(struct simulation *s, unsigned at);
/* A server is open, or free again. */
void desk_is_free(struct simulation *s, struct slot *slot);
/* An idle one is to be judged again, if it has been idle since then. */
void desk_judges(struct simulation *s, unsigned at, uint64_t since_us);
/* A server that was closed is gone. */
void desk_is_gone(struct simulation *s, unsigned at);
/* Somebody who waits has hung up, or has waited for as long as he may. */
void desk_leaves(struct simulation *s, unsigned who);
void desk_is_late(struct simulation *s, unsigned who);
/* A pool wanted to be looked at. */
void desk_looks(struct simulation *s, unsigned pool, uint64_t due_us);
/* A pool has other rules from here on. */
void desk_obeys(struct simulation *s, unsigned pool, const struct rules *rules);
/* Whoever waits is served if he can be: the gate is open again. */
void desk_resumes(struct simulation *s, unsigned pool);

#endif
