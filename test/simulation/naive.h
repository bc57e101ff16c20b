/*
 * What ought to be, told by somebody who has never seen the pools: lists of people and
 * servers, searched from end to end. It watches a simulation and fails the test when what
 * happens could not have been meant.
 *
 * - Who waits of a class and user is served in order of arrival; or else (codel) it is
 *   the newest.
 * - A class is served before a higher one that waits no more often than its reserve says,
 *   and no less often.
 * - Nobody is served or refused who has left, nor twice; each server serves one.
 * - No limit on servers is passed by opening one; one may be there beside the one that it
 *   replaces, but no more than the pool's size are at work.
 * - Nobody waits while a server of his pool is free, and fewer than that are at work.
 * - Users of a class who wait get servers again and again.
 */
#ifndef POOLER_TEST_SIMULATION_NAIVE_H
#define POOLER_TEST_SIMULATION_NAIVE_H

#include "simulation/simulation.h"

enum { LANES_MOST = PRIORITY_CLASSES * USERS_MOST };

/* Somebody who waits. */
struct naive_place {
	const struct person *person;
	uint64_t number; /* of his arrival */
	unsigned class, user;
};

struct naive_pool {
	struct naive_place *line;
	unsigned count, cap;
	/* Of each class, while somebody of it waits. */
	uint64_t turns[PRIORITY_CLASSES];    /* that others got */
	uint64_t got[PRIORITY_CLASSES];      /* that it got */
	uint64_t borrowed[PRIORITY_CLASSES]; /* ever, while a higher one waited, */
	uint64_t lent[PRIORITY_CLASSES];     /* and turns of others meanwhile */
	/* Of each class and user: turns of others of the class since it waits or had one.
	 */
	uint64_t passed[PRIORITY_CLASSES][USERS_MOST];
};

struct naive {
	struct naive_pool pools[POOLS_MOST];
	const struct person *served_by[SLOTS_MOST];
	uint64_t number, steps;
	uint64_t most_passed; /* the longest that one was passed over, in turns */
};

/* Watches from here on; it must begin before anybody comes. */
void naive_begin(struct naive *n, struct simulation *s);
void naive_end(struct naive *n);

#endif
