/*
 * Six pools under five shared limits, the naive model of them, and a dispatcher that does
 * to both what is decided and insists that they agree.
 */
#ifndef POOLER_TEST_UNIT_POOL_WORLD_H
#define POOLER_TEST_UNIT_POOL_WORLD_H

#include "unit/pool/ground.h"
#include "unit/pool/model.h"

struct world {
	struct ground g;
	struct model m;
	struct pool pools[MODEL_POOLS];
	struct slot slots[MODEL_SLOTS];
	struct waiter people[MODEL_PEOPLE];
	struct usage *limits[MODEL_LIMITS];
	bool is_closing[MODEL_SLOTS]; /* it is over, but its slot stays for a while */
	bool is_short;                /* of slots: some wish could not be fulfilled */
	struct dice dice;
	uint64_t now;
	uint64_t looks[MODEL_POOLS]; /* when each wants to be looked at */
	uint64_t tickets;
	uint64_t granted, opened, closed, yielded, evicted, turned;
	uint64_t renewed; /* by a successor */
};

/* Insists that everything is the same in both. */
void world_agrees(struct world *w);

/* The model takes over how long servers are held: to be called after they are free. */
void world_learn(struct world *w);

/* The dispatcher; to reap is to remove what is closing. */
void world_close_slot(struct world *w, int slot);
/* What the model says of an idle one; whose turn it is to be replaced is asked the pool.
 */
enum upkeep world_expect_verdict(struct world *w, int slot);
void world_judge(struct world *w, int slot);
void world_serve(struct world *w, int pool);
void world_serve_blocked(struct world *w, int limit);
void world_reap(struct world *w);
void world_serve_all(struct world *w);

#endif
