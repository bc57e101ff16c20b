/*
 * What a server connection looks like to its pool. Embedded in struct server.
 */
#ifndef POOLER_POOL_SLOT_H
#define POOLER_POOL_SLOT_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#include "pool/lane.h"

struct pool;
struct usage;

/* What counts servers over several pools, and limits them. Each pool is under one of
 * each kind; this is the order in which it gets room. */
enum usage_kind { USAGE_OF_DATABASE, USAGE_OF_USER, USAGE_OF_PROCESS };
enum { USAGES_EACH = USAGE_OF_PROCESS + 1 };

enum slot_state {
	SLOT_OUTSIDE,  /* in no pool */
	SLOT_OPENING,  /* connecting or logging in */
	SLOT_IDLE,     /* free to be taken */
	SLOT_BUSY,     /* serving a client */
	SLOT_CLEANING, /* being made fit for the next client, checked, or being cancelled
			*/
	SLOT_PRIVATE,  /* for one purpose, never handed out; see pool/private.h */
};
enum { SLOT_STATES = SLOT_PRIVATE + 1 };

struct slot {
	TAILQ_ENTRY(slot) place;                   /* in the pool's list of its state */
	TAILQ_ENTRY(slot) idle_under[USAGES_EACH]; /* in usage.idle, of each usage */
	TAILQ_ENTRY(slot) waiting_place;           /* private: in the line of waits_for */
	TAILQ_ENTRY(slot) worn_place;              /* in renewal.worn */
	struct pool *pool;
	struct usage *waits_for;   /* private: whose limit lacks room for it; NULL: it
				      counts as a server */
	uint64_t opened_us;        /* when it was logged in; 0 before */
	uint64_t since_us;         /* when it came into its state */
	uint64_t taken_us;         /* when its work began, cleaning included; 0 = none */
	struct work work;          /* what it owes for that */
	uint64_t retire_us;        /* when server_lifetime ends, jitter included */
	uint64_t asked_us;         /* when it last told how much memory it uses */
	uint32_t transactions;     /* that it has done; the relay counts */
	uint32_t transactions_max; /* server_max_transactions, with a spread; 0 = none */
	uint8_t state;             /* enum slot_state */
	bool retire;   /* not to be used again: close when free; see pool_retire() */
	bool was_used; /* since it was opened */
	bool may_have_grown; /* it was used since it told how much memory it uses */
	bool is_bloated;     /* it uses more memory than it may */
	bool is_worn;        /* in renewal.worn: waits to be replaced */
	bool is_lasting;     /* private: stays without a client */
};
TAILQ_HEAD(slots, slot);

#endif
