/*
 * A small world for the tests of pool/: two databases, two users and pools on them,
 * without any configuration file.
 */
#ifndef POOLER_TEST_UNIT_POOL_GROUND_H
#define POOLER_TEST_UNIT_POOL_GROUND_H

#include "base/clock.h"
#include "config/database.h"
#include "pool/pool.h"
#include "unit/base/kit.h"

#define SECOND USEC_PER_SEC
#define MSEC USEC_PER_MSEC

/* Not 0, so that forgotten times show. */
#define START (1000 * SECOND)

struct ground {
	struct usages databases, users;
	struct usage *database[2], *user[2];
	struct usage process;
	struct database entry;
	unsigned paused_all;
	struct rules rules;
};

/* Rules of which nothing gets in the way: a size of 10, nothing ends or is reserved. */
static inline struct rules plain_rules(void)
{
	return (struct rules){
	    .pool_mode = POOL_MODE_TRANSACTION,
	    .pool_size = 10,
	    .weight = 1,
	    .max_queue = 1000,
	    .server_lifetime = 3600 * SECOND,
	};
}

static inline void ground_begin(struct ground *g)
{
	static const char *const names[] = {"first", "second"};

	*g = (struct ground){.entry = {.name = "first", .user = ""},
			     .rules = plain_rules()};
	usages_init(&g->databases, USAGE_OF_DATABASE);
	usages_init(&g->users, USAGE_OF_USER);
	usage_init(&g->process, USAGE_OF_PROCESS);
	for (int i = 0; i < 2; i++) {
		g->database[i] = usages_hold(&g->databases, slice_of_text(names[i]));
		g->user[i] = usages_hold(&g->users, slice_of_text(names[i]));
		assert_non_null(g->database[i]);
		assert_non_null(g->user[i]);
	}
}

static inline void ground_end(struct ground *g)
{
	for (int i = 0; i < 2; i++) {
		usage_release(&g->databases, g->database[i]);
		usage_release(&g->users, g->user[i]);
	}
	usage_fini(&g->process);
	usages_fini(&g->databases);
	usages_fini(&g->users);
}

/* A pool of one of the databases and one of the users. */
static inline void pool_begin(struct pool *p, struct ground *g, int database, int user)
{
	const struct pool_ground ground = {
	    .database = &g->entry,
	    .database_usage = g->database[database],
	    .user_usage = g->user[user],
	    .process_usage = &g->process,
	    .paused_all = &g->paused_all,
	    .rules = &g->rules,
	    .stats_period_us = 60 * SECOND,
	};

	pool_init(p, &ground, START);
}

/* ---- as somebody of the normal class who would wait for ever ---- */

static inline struct asker somebody(void)
{
	return (struct asker){
	    .weight = 1, .class = PRIORITY_NORMAL, .limit_us = CLOCK_NEVER};
}

static inline enum pool_answer asked(struct pool *p, uint64_t now_us)
{
	struct asker asker = somebody();

	return pool_ask(p, &asker, now_us).answer;
}

static inline void stand(struct pool *p, struct waiter *w, uint64_t now_us)
{
	struct asker asker = somebody();

	pool_join(p, w, &asker, 0, now_us);
}

static inline struct slot *take(struct pool *p, uint64_t now_us)
{
	return pool_take(p, now_us);
}

static inline bool matched(struct pool *p, uint64_t now_us, struct slot **out_slot,
			   struct waiter **out_waiter)
{
	return pool_match(p, now_us, out_slot, out_waiter) == POOL_MATCHED;
}

/* Whatever is left leaves. */
static inline void pool_end(struct pool *p)
{
	struct waiter *w;
	struct slot *slot;

	while ((w = admission_first(&p->line)) != NULL)
		admission_leave(w);
	for (int state = SLOT_OPENING; state < SLOT_STATES; state++)
		while ((slot = TAILQ_FIRST(&p->slots[state])) != NULL)
			pool_remove(p, slot, START);
	p->clients = 0;
	pool_fini(p);
}

/* An idle server. */
static inline void add_idle(struct pool *p, struct slot *slot, uint64_t now_us)
{
	pool_add(p, slot, now_us);
	pool_opened(p, slot, now_us);
}

/* A busy one, whatever else is idle. */
static inline void add_busy(struct pool *p, struct slot *slot, uint64_t now_us)
{
	struct slot *taken[64];
	unsigned count = 0;

	add_idle(p, slot, now_us);
	do {
		assert_true(count < COUNT_OF(taken));
		taken[count] = take(p, now_us);
	} while (taken[count++] != slot);
	for (unsigned i = 0; i + 1 < count; i++)
		pool_give_back(p, taken[i], now_us);
}

static inline void join(struct pool *p, struct waiter *waiters, unsigned count,
			uint64_t now_us)
{
	for (unsigned i = 0; i < count; i++)
		stand(p, &waiters[i], now_us);
}

#endif
