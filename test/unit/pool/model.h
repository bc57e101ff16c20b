/*
 * A naive model of pools under shared limits: plain arrays, everything counted anew for
 * each question. What src/pool does with lists and counters must agree with it.
 */
#ifndef POOLER_TEST_UNIT_POOL_MODEL_H
#define POOLER_TEST_UNIT_POOL_MODEL_H

#include "pool/pool.h"

enum {
	MODEL_POOLS = 6,
	MODEL_SLOTS = 48,
	MODEL_PEOPLE = 40,
	/* Two databases, then two users, then the process. */
	MODEL_LIMITS = 5,
	MODEL_NOBODY = -1,
};

#define MODEL_ENDLESS ((int64_t)1 << 40)

struct model_slot {
	int pool; /* MODEL_NOBODY = outside */
	enum slot_state state;
	bool retire, was_used;
	bool is_noted; /* as the pool has it: its turn to be replaced will come */
	uint64_t since_us, opened_us, retire_us;
	uint64_t freed;  /* number of the event that made it idle */
	uint64_t listed; /* of the one that last offered it to others */
};

struct model_person {
	int pool; /* MODEL_NOBODY = not waiting */
	uint64_t since_us, ticket;
};

struct model_pool {
	int limits[USAGES_EACH]; /* of its database, its user and the process */
	struct rules rules;
	unsigned clients;
	int64_t allowed; /* to be opened at the same time */
	unsigned failures;
	uint64_t took_us;            /* opening, as the pool has it */
	uint64_t held_us, spread_us; /* the same of how long servers are held */
	uint64_t not_before_us;
	unsigned claims; /* a bit per limit */
	struct share share;
	uint64_t ticket; /* where it is blocked */
	bool was_guarded;
	uint64_t claim_end_us;
	uint64_t served, waited_us;
	bool has_extra; /* a successor is beside whom it replaces */
};

struct model_limit {
	int64_t most; /* MODEL_ENDLESS */
	bool is_paused;
	int line[MODEL_POOLS]; /* of blocked pools, in no order */
	struct level level;
	unsigned line_len;
};

struct model {
	struct model_pool pools[MODEL_POOLS];
	struct model_slot slots[MODEL_SLOTS];
	struct model_person people[MODEL_PEOPLE];
	struct model_limit limits[MODEL_LIMITS];
	uint64_t events;
	bool is_paused;
};

void model_init(struct model *m);

int64_t model_count(const struct model *m, int pool, enum slot_state state);
int64_t model_total(const struct model *m, int pool);
int64_t model_leaving(const struct model *m, int pool);
int64_t model_idle(const struct model *m, int pool); /* that are not to go */
int64_t model_usable(const struct model *m, int pool);
int64_t model_limit_servers(const struct model *m, int limit);
int64_t model_limit_leaving(const struct model *m, int limit);
int64_t model_limit_claimed(const struct model *m, int limit);
bool model_claims(const struct model *m, int pool, int limit);
int64_t model_room(const struct model *m, int pool, int limit);
int64_t model_room_of_limit(const struct model *m, int limit);
int64_t model_room_soon(const struct model *m, int limit);
bool model_is_under(const struct model *m, int pool, int limit);
bool model_is_usable(const struct model_slot *s);
/* More servers than the size, perhaps with the reserve, or than a limit allows. */
bool model_is_beyond(const struct model *m, int pool, bool with_reserve);
bool model_is_over_limit(const struct model *m, int pool);
/* Of those who wait, how many no server is there for. */
int64_t model_missing(const struct model *m, int pool);
int64_t model_line(const struct model *m, int pool);
bool model_is_paused(const struct model *m, int pool);
/* MODEL_NOBODY when nobody waits, and so on. */
int model_first_person(const struct model *m, int pool);
int model_pick(const struct model *m, int pool);
/* The limit whose line it stands in. */
int model_blocked_by(const struct model *m, int pool);
/* Of those that a limit blocks, the one that is owed most. */
int model_first_blocked(const struct model *m, int limit);
/* The model of contention_is_guarded(). */
bool model_is_guarded(const struct model *m, int pool);
/* Time goes on: what works is counted where pools wait. */
void model_pass(struct model *m, uint64_t time_us);
/* Rules or servers of the pool have changed. */
void model_note_change(struct model *m, int pool);

int64_t model_wanted(const struct model *m, int pool, uint64_t now_us);
int64_t model_wanted_for_line(const struct model *m, int pool, uint64_t now_us);
enum pool_answer model_ask(const struct model *m, int pool, uint64_t now_us);
enum upkeep model_judge(struct model *m, int slot, uint64_t now_us);
/* Whether that one, or none, is what should be evicted for the pool. */
bool model_may_evict(const struct model *m, int pool, int victim, uint64_t now_us);
uint64_t model_idle_due(struct model *m, int slot, uint64_t now_us);

void model_take(struct model *m, int slot, uint64_t now_us);
void model_add(struct model *m, int pool, int slot, uint64_t now_us);
void model_remove(struct model *m, int slot);
void model_set_free(struct model *m, int slot, uint64_t now_us);
void model_opened(struct model *m, int slot, uint64_t now_us, uint64_t retire_us);
void model_failed(struct model *m, int pool, uint64_t now_us, uint64_t not_before_us);
int64_t model_demand(struct model *m, int pool, uint64_t now_us);
int model_next_blocked(struct model *m, int limit, uint64_t now_us);

#endif
