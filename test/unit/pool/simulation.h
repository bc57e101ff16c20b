/*
 * Crowded pools under shared limits, in simulated time: transactions end, servers open,
 * clients come back. It does what the dispatcher does, no more often than that looks.
 */
#ifndef POOLER_TEST_UNIT_POOL_SIMULATION_H
#define POOLER_TEST_UNIT_POOL_SIMULATION_H

#include "unit/pool/ground.h"

enum { LATENCIES = 4000 };

struct sim_client {
	struct waiter waiter;
	int pool;
	uint64_t back_us; /* when it comes back; CLOCK_NEVER: it waits or is served */
};

struct sim_server {
	struct slot slot;
	struct sim_client *client;
	uint64_t until_us; /* of a transaction or of opening */
	uint64_t look_us;  /* its own deadline while it is idle */
	bool is_closing;   /* removed at the end of the turn */
};

struct sim_pool {
	struct pool pool;
	uint64_t look_us;
	uint64_t overlooked_us; /* it could have a server since; 0: it could not */
	unsigned shortest_ms, longest_ms; /* of transactions */
	unsigned think_ms;                /* of clients between them, at most; 0: none */
	/* Since sim_forget(): */
	uint64_t served, longest_wait_us, used_us;
	unsigned latencies[LATENCIES]; /* from coming to the end, by ms */
};

struct simulation {
	struct ground g;
	uint64_t now;
	struct dice dice;
	unsigned opening_ms;
	struct sim_pool *pools;
	struct sim_client *clients;
	struct sim_server *servers;
	unsigned pool_count, client_count, server_count;
	unsigned pools_most, clients_most;
	/* Since sim_forget(): */
	uint64_t opened;
};

/* Transactions of so many milliseconds, and no think time. */
struct simulation *sim_begin(unsigned pools_most, unsigned clients_most,
			     unsigned servers_most);
void sim_end(struct simulation *s);

/* A pool, to which clients are added. */
struct sim_pool *sim_add_pool(struct simulation *s, int database, int user);
void sim_add_clients(struct simulation *s, struct sim_pool *p, unsigned count);

/* What the dispatcher does after RELOAD. */
void sim_serve_all(struct simulation *s);
void sim_run(struct simulation *s, unsigned ms);
void sim_forget(struct simulation *s);

/* In milliseconds, of those that have ended. */
unsigned sim_percentile(const struct sim_pool *p, unsigned percent);

#endif
