/*
 * Crowds of clients before the pools of src/pool, in simulated time: they come, wait, are
 * served, refused, or leave; servers are opened and closed. What the relay does besides
 * moving bytes is done here; every decision is the pools'.
 *
 * A crowd is either open, where so many come per second whatever becomes of them, or
 * closed, where each of so many comes back as soon as he was served.
 */
#ifndef POOLER_TEST_SIMULATION_SIMULATION_H
#define POOLER_TEST_SIMULATION_SIMULATION_H

#include "config/database.h"
#include "pool/pool.h"
#include "pool/pools.h"
#include "simulation/agenda.h"
#include "simulation/record.h"
#include "unit/base/kit.h"

#define SECOND USEC_PER_SEC
#define MSEC USEC_PER_MSEC
#define START (1000 * SECOND) /* not 0, so that forgotten times show */

enum {
	POOLS_MOST = 16,
	CROWDS_MOST = 16,
	SLOTS_MOST = 512,
	PEOPLE_MOST = 8000,
	USERS_MOST = 16,
};

/* How long servers are held, or how long people are patient. */
enum spread { SPREAD_NONE, SPREAD_EXPONENTIAL, SPREAD_HEAVY };

struct crowd {
	/* set before it comes */
	unsigned pool, user;
	enum priority class;
	unsigned weight;   /* of the user; 0 is 1 */
	double per_second; /* open */
	unsigned clients;  /* closed */
	uint64_t held_us;  /* mean */
	enum spread spread;
	uint64_t limit_us;    /* asker.limit_us; 0 = none */
	uint64_t patience_us; /* mean time until one hangs up; 0 = for ever */
	/* what became of it */
	uint64_t asked, at_once, served, left;
	uint64_t refused[REFUSAL_REASONS];
	uint64_t server_us;   /* of those who were served */
	struct record waits;  /* of those who were served */
	struct record turned; /* of those who were refused after they had waited */
	struct record times;  /* of those who were served, until they were done */
};

struct person {
	struct waiter waiter;
	unsigned crowd;
	uint64_t came_us;
	uint64_t ticket; /* changes when he stops waiting */
	uint8_t step;
	bool is_here;
	struct person *next; /* of those who are not */
};

/* Watches what is decided; each may be NULL. */
struct simulation;
struct observer {
	void (*on_join)(struct simulation *s, struct person *p);
	void (*on_leave)(struct simulation *s, struct person *p);
	void (*on_refuse)(struct simulation *s, struct person *p);
	void (*on_serve)(struct simulation *s, struct person *p, struct slot *slot);
	void (*on_begin)(struct simulation *s, struct person *p, struct slot *slot);
	void (*on_open)(struct simulation *s, struct slot *slot);
	void (*on_free)(struct simulation *s, struct slot *slot);
	void (*after)(struct simulation *s);
	void *context;
};

/* What is on the agenda, and whom it is about. */
enum event {
	EVENT_COMES,  /* one of a crowd */
	EVENT_DONE,   /* a server, with whom it serves */
	EVENT_OPEN,   /* a server */
	EVENT_IDLE,   /* the same */
	EVENT_GONE,   /* the same */
	EVENT_LEAVES, /* a person who waits */
	EVENT_LATE,   /* the same */
	EVENT_LOOK,   /* a pool */
	EVENT_SHARED, /* somebody is served by the shared machine */
	EVENT_BACK,   /* a server, whose client has got that */
};

/* A database: where it can do only so much at a time, all that is at work shares that. */
struct machine {
	double cores;     /* 0 = as many as there are servers */
	double slowdown;  /* what it loses with twice as many at work as cores */
	uint64_t away_us; /* how long each server is held besides, for the way there and
			     back and what clients do meanwhile */
	unsigned away;
	uint64_t ticket;
};

struct simulation {
	struct usages databases, users;
	struct usage *database[POOLS_MOST], *user[USERS_MOST];
	struct usage process;
	struct database entry;
	unsigned paused_all;
	struct rules rules;  /* of pools that are added */
	uint64_t opening_us; /* what opening a server takes */
	unsigned pool_count, crowd_count;
	struct pool pools[POOLS_MOST];
	struct machine machine; /* of all pools */
	struct crowd crowds[CROWDS_MOST];
	struct slot slots[SLOTS_MOST];
	struct person *server_of[SLOTS_MOST]; /* of a busy one */
	bool is_away[SLOTS_MOST];             /* that the machine is done with */
	uint64_t looks[POOLS_MOST];
	struct person people[PEOPLE_MOST];
	struct person *outside, **outside_end; /* who has been away longest first */
	struct agenda agenda;
	struct observer observer;
	struct dice dice;
	uint64_t now_us;
	uint64_t opened, renewed, events;
	bool is_closed; /* nobody comes any more */
};

/* The seed is SIMULATION_SEED of the environment, or always the same. */
int simulation_tell_seed(void **state); /* for cmocka, as a group's setup */
struct simulation *simulation_begin(void);
void simulation_end(struct simulation *s);

/* Number of the pool, with s->rules. */
unsigned simulation_add_pool(struct simulation *s, unsigned database, unsigned user);
/* Number of the crowd, which begins to come. */
unsigned simulation_add_crowd(struct simulation *s, const struct crowd *crowd);
/* An open one comes so often from now on. */
void simulation_set_rate(struct simulation *s, unsigned crowd, double per_second);

void simulation_run(struct simulation *s, uint64_t length_us);
/* What was counted so far is forgotten. */
void simulation_forget(struct simulation *s);

/* From 0 to 1, neither included. */
double simulation_chance(struct simulation *s);
double simulation_exponential(struct simulation *s, double mean);
uint64_t simulation_span_us(struct simulation *s, uint64_t mean_us, enum spread spread);

uint64_t crowd_refused(const struct crowd *c);

#endif
