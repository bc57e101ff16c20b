/*
 * The servers of one (database, user) and the line of clients that wait for them: who may
 * use which server, and whether one more may be opened. No sockets, no messages, no
 * clock: the same calls give the same answers.
 */
#ifndef POOLER_POOL_POOL_H
#define POOLER_POOL_POOL_H

#include <uthash.h>

#include "base/deadlines.h"
#include "config/rules.h"
#include "pool/admission.h"
#include "pool/opening.h"
#include "pool/slot.h"
#include "stats/histogram.h"
#include "stats/tally.h"

struct database;
struct usage;

struct pool {
	UT_hash_handle hh;               /* in pools, by key */
	TAILQ_ENTRY(pool) in_database;   /* usage.pools */
	TAILQ_ENTRY(pool) blocked_place; /* in usage.blocked of the usage below */
	TAILQ_ENTRY(pool) all;           /* pools.all */
	TAILQ_ENTRY(pool) unused_place;  /* pools.unused */
	struct usage *blocked_by;        /* NULL = not blocked */
	struct usage *database_usage;    /* held */
	struct usage *user_usage;        /* held: of the user at the server */
	const struct database *database; /* of the snapshot in force; NULL once removed */
	char *key;                       /* database NUL user NUL */
	size_t key_len;
	const char *database_name; /* in key: as clients call it */
	const char *user_name;     /* in key: the user at the server */
	struct rules rules;
	struct slots slots[SLOT_STATES];
	unsigned counts[SLOT_STATES];
	unsigned total;   /* of all states */
	unsigned clients; /* logged in to this pool */
	struct admission line;
	struct opening opening;
	struct deadline deadline; /* the dispatcher's: reserve, retry, minimum */
	struct tally tally;
	struct histogram *waits;  /* of served waits; NULL before the first */
	uint64_t unused_since_us; /* no clients and no servers since; 0 = in use */
	bool is_auto;             /* made from the "*" entry */
	bool has_been_reached;    /* some server has logged in */
	void *owner_data;         /* the relay's: what is known of this pool's servers */
};

/* ---- clients ask --------------------------------------------------------------------
 */

enum pool_answer {
	POOL_TAKE, /* a server is free: pool_take() */
	POOL_WAIT, /* join the line: pool_join() */
	POOL_FULL, /* the line is as long as it may be */
	POOL_DOWN, /* no server, and the last attempt to open one failed a moment ago */
};

/* What a client that needs a server now may do. Changes nothing. */
enum pool_answer pool_ask(const struct pool *p, uint64_t now_us);

/* After POOL_TAKE: the server, now busy. */
struct slot *pool_take(struct pool *p, uint64_t now_us);

/* After POOL_WAIT. */
void pool_join(struct pool *p, struct waiter *w, uint64_t now_us);

/* The next waiter and the server for it, now busy and off the line; false when nobody
 * waits, nothing is idle or the gate is shut. To be called again until false after
 * anything that could help: a server freed or opened, RESUME. */
bool pool_match(struct pool *p, uint64_t now_us, struct slot **out_slot,
		struct waiter **out_waiter);

/* ---- servers come and go ------------------------------------------------------------
 */

/* How many servers the dispatcher should start to open now, for the line (reserve
 * included once the first has waited long enough) and for min_pool_size. Each is
 * announced by pool_add(). When a database's or user's limit is what stops it, the pool
 * is put on that limit's list of blocked pools. */
unsigned pool_demand(struct pool *p, uint64_t now_us);

/* A new slot in state SLOT_OPENING. */
void pool_add(struct pool *p, struct slot *slot, uint64_t now_us);
/* It is logged in and idle. */
void pool_opened(struct pool *p, struct slot *slot, uint64_t now_us);
/* Leaves the pool, whatever its state. */
void pool_remove(struct pool *p, struct slot *slot, uint64_t now_us);
/* The attempt to open one has failed (the slot is removed separately). */
void pool_open_failed(struct pool *p, uint64_t now_us, uint64_t pause_max_us);

/* A busy, cleaning or opening one is free for the next. */
void pool_give_back(struct pool *p, struct slot *slot, uint64_t now_us);
/* A busy or idle one needs care first; it is counted but not handed out. */
void pool_set_cleaning(struct pool *p, struct slot *slot, uint64_t now_us);

/* ---- upkeep -------------------------------------------------------------------------
 */

/* What should become of an idle server. */
enum upkeep { UPKEEP_KEEP, UPKEEP_CLOSE_IDLE, UPKEEP_CLOSE_OLD, UPKEEP_CLOSE_RETIRED };
enum upkeep pool_judge_idle(const struct pool *p, const struct slot *slot,
			    uint64_t now_us);
/* When to judge it again; CLOCK_NEVER when nothing but use will change the verdict. */
uint64_t pool_idle_deadline(const struct pool *p, const struct slot *slot);

/* When the dispatcher should look at pool_demand() again by itself: the reserve falls
 * due, or the pause after a failure ends while somebody waits or servers are too few. */
uint64_t pool_next_look(const struct pool *p, uint64_t now_us);

/* The server that has to go so that this pool may open one: the longest idle of another
 * pool under the limit that blocks this one; NULL when there is none. */
struct slot *pool_eviction_for(const struct pool *p);

/* Servers wanted by a line as long as possible: size, or unlimited when 0. */
bool pool_is_unused(const struct pool *p);
uint64_t pool_longest_wait(const struct pool *p, uint64_t now_us);

bool pool_is_sound(const struct pool *p); /* linear: for CHECK_SLOW and tests */

#endif
