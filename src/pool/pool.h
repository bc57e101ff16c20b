/*
 * The servers of one (database, user) and the line of clients that wait for them: who may
 * use which server, and whether one more may be opened. No sockets, no messages, no
 * clock: the same calls give the same answers.
 */
#ifndef POOLER_POOL_POOL_H
#define POOLER_POOL_POOL_H

#include "base/deadlines.h"
#include "config/rules.h"
#include "pool/admission.h"
#include "pool/curve.h"
#include "pool/forecast.h"
#include "pool/gradient.h"
#include "pool/opening.h"
#include "pool/renewal.h"
#include "pool/slot.h"
#include "pool/threshold.h"
#include "pool/usage.h"
#include "stats/histogram.h"
#include "stats/tally.h"

struct database;

/* Why work is not taken on. */
enum refusal_reason {
	REFUSAL_FULL,      /* the line is as long as it may be */
	REFUSAL_TOO_LONG,  /* it would wait for longer than it may */
	REFUSAL_SHED,      /* its class is not let in while the line is slow */
	REFUSAL_DISPLACED, /* it was in line, and had to make room for others */
	REFUSAL_LATE,      /* it has waited for too long in a line that does not get
			      shorter */
	REFUSAL_TIMEOUT,   /* it has waited for as long as it may */
};
enum { REFUSAL_REASONS = REFUSAL_TIMEOUT + 1 };

struct pool {
	UT_hash_handle hh;               /* in pools, by key */
	TAILQ_ENTRY(pool) in_database;   /* usage.pools */
	TAILQ_ENTRY(pool) all;           /* pools.all */
	TAILQ_ENTRY(pool) unused_place;  /* pools.unused */
	struct usage *blocked_by;        /* NULL = not blocked */
	struct turn turn;                /* in blocked_by->turns */
	struct turn offers[USAGES_EACH]; /* in usage.lenders, of each usage */
	struct share share;              /* of what it has in common with others */
	union {                          /* by enum usage_kind, or by name */
		struct usage *usages[USAGES_EACH];
		struct {
			struct usage *database_usage; /* held */
			struct usage *user_usage; /* held: of the user at the server */
			struct usage *process_usage;
		};
	};
	const struct database *database; /* of the snapshot in force; NULL once removed */
	const unsigned *paused_all;      /* pools.paused_all */
	char *key;                       /* database NUL user NUL */
	size_t key_len;
	const char *database_name; /* in key: as clients call it */
	const char *user_name;     /* in key: the user at the server */
	struct rules rules;
	struct slots slots[SLOT_STATES];
	unsigned counts[SLOT_STATES];
	struct slot *first_retired; /* of the idle: not retired ones come before it */
	unsigned leaving;           /* of the idle: retired */
	unsigned total;             /* of all states but SLOT_PRIVATE */
	unsigned clients;           /* logged in to this pool */
	unsigned pinned;            /* of these: kept at their servers, or about to be */
	struct admission line;
	struct forecast forecast;
	struct gradient gradient;    /* of rules.adaptive_pool = on */
	struct curve *curve;         /* of log; NULL: nothing was seen yet */
	struct threshold *threshold; /* NULL before anybody had to wait */
	uint64_t suspended_us;       /* until then nobody was served; see
					pool_note_suspended() */
	uint64_t refusals[REFUSAL_REASONS];
	uint64_t spared[REFUSAL_REASONS]; /* that would have been, by what is on trial */
	struct opening opening;
	struct renewal renewal;
	struct deadline deadline; /* the dispatcher's: reserve, retry, minimum */
	struct tally tally;
	struct histogram *waits;  /* of served waits; NULL before the first */
	uint64_t unused_since_us; /* no clients and no servers since; 0 = in use */
	uint64_t claim_end_us;    /* of claims; without one: earliest time for another */
	uint8_t claims;  /* a bit per usage: room under its limit is kept for this pool */
	bool is_guarded; /* its idle servers are not in usage.idle */
	bool is_auto;    /* made from the "*" entry */
	bool has_been_reached; /* some server has logged in */
	bool hides_memory;     /* its servers do not tell how much they use */
	void *owner_data;      /* the relay's: what is known of this pool's servers */
};

/* ---- beginning and end: for pools_get() and pools_drop() ---- */

/* What a pool stands on; all of it (the rules are copied) outlives the pool. */
struct pool_ground {
	const struct database *database;
	struct usage *database_usage, *user_usage, *process_usage;
	const unsigned *paused_all;
	const struct rules *rules;
	uint64_t stats_period_us;
};

void pool_init(struct pool *p, const struct pool_ground *ground, uint64_t now_us);
/* It must have no clients, servers or waiters. */
void pool_fini(struct pool *p);

/* Other sizes and timeouts; servers that are there already live by the new ones. */
void pool_set_rules(struct pool *p, const struct rules *rules);

/* ---- clients ask: line.c ---- */

/* Whether PAUSE keeps clients and servers of this pool apart. */
bool pool_is_paused(const struct pool *p);

/* Whether nobody is served, and that is no matter of load: it is paused, or held as it is
 * down. How long that takes nobody knows, and max_queue_wait is not meant for it. */
bool pool_is_suspended(const struct pool *p);

/* If it is, it was until now. To be called just before what may end that, but for those
 * who come and for servers, which say so themselves. */
void pool_note_suspended(struct pool *p, uint64_t now_us);

/* Servers that clients have, or that are made fit for the next. */
static inline unsigned pool_at_work(const struct pool *p)
{
	return p->counts[SLOT_BUSY] + p->counts[SLOT_CLEANING];
}

/* How many servers may be at work: what rules.adaptive_pool has found, or UINT_MAX. */
unsigned pool_working_limit(const struct pool *p);

/* How many servers would be enough, as far as rules.adaptive_pool knows; 0: any number,
 * since the pool has no size and nothing is known. */
unsigned pool_enough_at_work(const struct pool *p);

/* Idle servers that may be handed out. */
unsigned pool_usable(const struct pool *p);

/* Whether a client gets a server without waiting: one is free, and those who are before
 * him have others, which are being made fit for them.
 */
bool pool_may_take(const struct pool *p);

enum pool_answer {
	POOL_TAKE,   /* a server is free: pool_take() */
	POOL_WAIT,   /* join the line: pool_join() */
	POOL_REFUSE, /* it is not taken on: `reason` */
	POOL_DOWN, /* no server, and the last attempt to open one failed a moment ago, for
		      a reason that waiting does not help against */
};

struct pool_ruling {
	enum pool_answer answer;
	enum refusal_reason reason; /* of POOL_REFUSE */
	bool is_on_trial;           /* POOL_WAIT, but for trials it would be refused, for
				       this reason */
	uint64_t expected_us;       /* the wait that was predicted */
	struct waiter *displaced;   /* POOL_WAIT: who has to be refused for it; or NULL */
};

/* What a client that needs a server now may do. Counts what was asked, and refusals;
 * otherwise changes nothing. */
struct pool_ruling pool_ask(struct pool *p, const struct asker *asker, uint64_t now_us);

/* After POOL_TAKE: the server, now busy. Here and in
 * pool_match() the pool's tally counts the assignment. */
struct slot *pool_take(struct pool *p, uint64_t now_us);

/* The same for one that is idle and usable, whichever it is. */
void pool_take_slot(struct pool *p, struct slot *slot, uint64_t now_us);

/* After POOL_WAIT, with the expectation of the ruling. The waiter's owner is set. */
void pool_join(struct pool *p, struct waiter *w, const struct asker *asker,
	       uint64_t expected_us, uint64_t now_us);

enum pool_match {
	POOL_NO_MATCH, /* nobody waits, nothing is idle, or the gate is shut */
	POOL_MATCHED,  /* the waiter, off the line, and the server for it, now busy */
	POOL_REJECTED, /* the waiter, off the line, is to be told REFUSAL_LATE */
};

/* What becomes of the next in line. To be called again until POOL_NO_MATCH after anything
 * that could help: a server freed or opened, RESUME. The wait of who is served is counted
 * in the pool's tally and histogram. */
enum pool_match pool_match(struct pool *p, uint64_t now_us, struct slot **out_slot,
			   struct waiter **out_waiter);

/* One who is in line is refused: he leaves it, and is counted. */
void pool_refuse(struct pool *p, struct waiter *w, enum refusal_reason reason);

/* The wait that is predicted for one who comes now; 0: none, or nothing is known. */
uint64_t pool_expected_wait(struct pool *p, const struct asker *asker, uint64_t now_us);

/* A server has begun to answer, so long after it was asked. */
void pool_note_first_byte(struct pool *p, uint64_t after_us, uint64_t now_us);

/* For line.c and pool.c only. */
void pool_line_init(struct pool *p);
void pool_line_fini(struct pool *p); /* nobody may wait */
void pool_line_set_rules(struct pool *p);
/* The next idle server (or the one given) is busy from here on. */
struct slot *pool_hand_out(struct pool *p, struct slot *slot, uint64_t now_us);
/* It is busy or cleaning no more. */
void pool_end_work(struct pool *p, struct slot *slot, uint64_t now_us);

/* ---- servers come and go ---- */

/* How many servers the dispatcher should start to open now, for the line (reserve
 * included once the first has waited long enough) and for min_pool_size. Each is
 * announced by pool_add(). When a limit that it shares is what stops it, the pool is put
 * on that limit's list of blocked pools, and whoever blocks others gets one at a time. To
 * be called whenever a client has joined the line, and a server was opened, has failed or
 * has left. */
unsigned pool_demand(struct pool *p, uint64_t now_us);

/* Whose turn it is when a limit has room: the pool that pool_demand() should be called of
 * next; NULL when there is no room or nobody is blocked. To be called for each usage of
 * a pool, until NULL, after a server has left it, a limit was raised or its next look was
 * due; but not again when a server that pool_demand() asked for could not be started.
 * pool_demand() of it may turn out to be 0: then it waits elsewhere, and the next one's
 * turn has come. */
struct pool *pool_next_blocked(struct usage *usage, uint64_t now_us);

/* A new slot in state SLOT_OPENING. */
void pool_add(struct pool *p, struct slot *slot, uint64_t now_us);
/* It is logged in and idle. */
void pool_opened(struct pool *p, struct slot *slot, uint64_t now_us);
/* Leaves the pool, whatever its state. */
void pool_remove(struct pool *p, struct slot *slot, uint64_t now_us);
/* The attempt to open one has failed (the slot is removed separately). */
void pool_open_failed(struct pool *p, enum reach why, uint64_t now_us,
		      uint64_t pause_max_us);

/* Whether those who wait are to be told why the database is down: it has no server any
 * more, opening one fails, and hold_on_failure is over. To be asked when a server has
 * left; `was_attempt`: it was one that could not be opened. */
bool pool_is_hopeless(const struct pool *p, bool was_attempt, uint64_t now_us);
/* The next of those who waited for the end of hold_on_failure, which has come; NULL when
 * there is none. To be asked when the next look at the pool is due. */
struct waiter *pool_next_given_up(const struct pool *p, uint64_t now_us);

/* A busy, cleaning or opening one is free for the next, or retired from here on: its life
 * is over, there are too many, or another pool under the same limit is in greater need.
 * So pool_judge_idle() is to be asked before pool_match(). */
void pool_give_back(struct pool *p, struct slot *slot, uint64_t now_us);
/* A busy or idle one needs care first; it is counted but not handed out. */
void pool_set_cleaning(struct pool *p, struct slot *slot, uint64_t now_us);

/* Not to be used again. The only way to set slot->retire. An idle one is to be closed by
 * the caller, others are once they are free. One that is closing while its slot is still
 * here is to be retired at once, so that nobody gets it. */
void pool_retire(struct pool *p, struct slot *slot);
void pool_retire_all(struct pool *p);

/* ---- upkeep ---- */

/* What should become of an idle server: of two reasons to close it, the first. */
enum upkeep {
	UPKEEP_KEEP,
	UPKEEP_CLOSE_OLD,
	UPKEEP_CLOSE_USED_UP, /* server_max_transactions */
	UPKEEP_CLOSE_BLOATED, /* server_memory_limit */
	UPKEEP_CLOSE_RETIRED,
	UPKEEP_CLOSE_IDLE,
	UPKEEP_CLOSE_EVICTED, /* another pool is owed more */
	UPKEEP_RENEW,         /* pool_note_worn() */
	UPKEEP_ASK_MEMORY,    /* how much memory it uses; then pool_note_memory() */
};
enum upkeep pool_judge_idle(const struct pool *p, const struct slot *slot,
			    uint64_t now_us);
/* Whether one that is about to be given back should be asked first how much memory it
 * uses. */
bool pool_wants_to_ask(const struct pool *p, const struct slot *slot, uint64_t now_us);
/* It has told. */
void pool_note_memory(struct pool *p, struct slot *slot, uint64_t bytes, uint64_t now_us);
/* It has refused: none of the pool is asked until there are other rules. */
void pool_note_memory_hidden(struct pool *p);

/* When to judge it again, if it is kept now; CLOCK_NEVER when nothing but use or new
 * rules will change the verdict. */
uint64_t pool_idle_deadline(const struct pool *p, const struct slot *slot,
			    uint64_t now_us);

/* When the dispatcher should look at pool_demand() again by itself: the reserve falls
 * due, or the pause after a failure ends while somebody waits or servers are too few, or
 * a shared limit has room that others wait for: then pool_next_blocked() is to be asked,
 * too. */
uint64_t pool_next_look(const struct pool *p, uint64_t now_us);

/* The server that has to go so that this pool may open one: the longest idle of another
 * pool under the limit that blocks this one; NULL when there is none, or it would not
 * help, or one that leaves already makes room. A client that waits is worth more than
 * another pool's min_pool_size. The server is to be retired or removed at once. */
struct slot *pool_eviction_for(const struct pool *p, uint64_t now_us);

/* Whether pool_demand() might say anything but 0 for the line: false, at the price of
 * three compares, for a pool that is at its size and has no reserve, as busy pools are.
 */
static inline bool pool_may_grow(const struct pool *p)
{
	return p->rules.pool_size == 0 || p->total < (unsigned)p->rules.pool_size ||
	       p->rules.reserve_pool_size > 0;
}

/* No clients, no servers, private ones included. */
bool pool_is_unused(const struct pool *p);
uint64_t pool_longest_wait(const struct pool *p, uint64_t now_us);

bool pool_is_sound(const struct pool *p); /* linear: for CHECK_SLOW and tests */

#endif
