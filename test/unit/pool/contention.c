/*
 * Whose turn it is when pools share a limit: blocked pools, what they are guaranteed,
 * eviction, yielding, and a pool under several full limits.
 */
#include "pool/contention.h"

#include "unit/pool/ground.h"

/* ---- turns ---- */

/* Pools on the first database whose users have no limits. */
struct crowd {
	struct ground g;
	struct pool p[4];
	struct slot s[16];
	struct waiter w[4][8];
};

static void crowd_begin(struct crowd *c, int max_servers)
{
	memset(c, 0, sizeof(*c));
	ground_begin(&c->g);
	c->g.database[0]->max_servers = max_servers;
	for (int i = 0; i < 4; i++)
		pool_begin(&c->p[i], &c->g, 0, 0);
}

static void crowd_end(struct crowd *c)
{
	for (int i = 0; i < 4; i++)
		pool_end(&c->p[i]);
	ground_end(&c->g);
}

static void whoever_is_blocked_gets_a_turn_in_order(void **state)
{
	struct crowd c;
	struct usage *limit;

	(void)state;
	crowd_begin(&c, 1);
	limit = c.g.database[0];
	add_busy(&c.p[0], &c.s[0], START);
	for (int i = 1; i < 4; i++) {
		join(&c.p[i], c.w[i], 1, START);
		assert_int_equal(pool_demand(&c.p[i], START), 0);
		assert_ptr_equal(c.p[i].blocked_by, limit);
	}
	assert_null(pool_next_blocked(limit, START));
	pool_remove(&c.p[0], &c.s[0], START);
	/* The one that had it comes last, even if it asks first. */
	join(&c.p[0], c.w[0], 1, START);
	assert_int_equal(pool_demand(&c.p[0], START), 0);
	for (int i = 1; i <= 4; i++) {
		struct pool *p = &c.p[i % 4];

		assert_ptr_equal(pool_next_blocked(limit, START), p);
		assert_int_equal(pool_demand(p, START), 1);
		pool_add(p, &c.s[0], START);
		assert_null(pool_next_blocked(limit, START));
		assert_null(p->blocked_by);
		pool_remove(p, &c.s[0], START);
		admission_leave(admission_first(&p->line));
	}
	assert_null(pool_next_blocked(limit, START));
	crowd_end(&c);
}

static void room_for_several_goes_round(void **state)
{
	struct crowd c;
	struct usage *limit;
	unsigned given[4] = {0};

	(void)state;
	crowd_begin(&c, 1);
	limit = c.g.database[0];
	add_busy(&c.p[0], &c.s[0], START);
	for (int i = 1; i < 4; i++) {
		join(&c.p[i], c.w[i], 8, START);
		assert_int_equal(pool_demand(&c.p[i], START), 0);
	}
	limit->max_servers = 8;
	for (unsigned n = 1;; n++) {
		struct pool *p = pool_next_blocked(limit, START);

		if (!p)
			break;
		assert_int_equal(pool_demand(p, START), 1);
		pool_add(p, &c.s[n], START);
		given[p - c.p]++;
	}
	assert_int_equal(given[0], 0);
	assert_int_equal(given[1], 3);
	assert_int_equal(given[2], 2);
	assert_int_equal(given[3], 2);
	assert_int_equal(limit->servers, 8);
	crowd_end(&c);
}

static void a_pool_without_any_server_goes_before_those_with_some(void **state)
{
	struct crowd c;
	struct usage *limit;

	(void)state;
	crowd_begin(&c, 2);
	limit = c.g.database[0];
	add_busy(&c.p[0], &c.s[0], START);
	add_busy(&c.p[1], &c.s[1], START);
	for (int i = 0; i < 3; i++) {
		join(&c.p[i], c.w[i], 2, START);
		assert_int_equal(pool_demand(&c.p[i], START), 0);
	}
	limit->max_servers = 4;
	assert_ptr_equal(pool_next_blocked(limit, START), &c.p[2]);
	assert_int_equal(pool_demand(&c.p[2], START), 1);
	pool_add(&c.p[2], &c.s[2], START);
	/* Now it is one of those, and the last. */
	assert_ptr_equal(pool_next_blocked(limit, START), &c.p[0]);
	/* One that loses its only server comes first. */
	pool_remove(&c.p[1], &c.s[1], START);
	assert_ptr_equal(pool_next_blocked(limit, START), &c.p[1]);
	crowd_end(&c);
}

static void whoever_has_used_less_by_weight_goes_first(void **state)
{
	static const struct {
		unsigned weights[2];
		int first;
	} cases[] = {{{1, 1}, 1}, {{4, 1}, 0}, {{3, 2}, 1}};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		struct crowd c;
		struct usage *limit;
		uint64_t now = START;

		crowd_begin(&c, 3);
		limit = c.g.database[0];
		for (int k = 0; k < 2; k++) {
			struct rules rules = plain_rules();

			rules.weight = cases[i].weights[k];
			pool_set_rules(&c.p[k], &rules);
			/* As many servers by weight, so that only time counts. */
			c.p[k].total = 0;
		}
		add_busy(&c.p[2], &c.s[0], now);
		add_busy(&c.p[2], &c.s[1], now);
		add_busy(&c.p[2], &c.s[2], now);
		for (int k = 0; k < 2; k++) {
			join(&c.p[k], c.w[k], 1, now);
			assert_int_equal(pool_demand(&c.p[k], now), 0);
		}
		/* The first uses 2 seconds of a server, the other 1. */
		pool_remove(&c.p[2], &c.s[0], now);
		pool_remove(&c.p[2], &c.s[1], now);
		for (int k = 0; k < 2; k++) {
			join(&c.p[k], c.w[k] + 1, 7, now);
			pool_add(&c.p[k], &c.s[k], now);
			pool_opened(&c.p[k], &c.s[k], now);
			assert_ptr_equal(take(&c.p[k], now), &c.s[k]);
		}
		now += SECOND;
		pool_remove(&c.p[1], &c.s[1], now);
		now += SECOND;
		pool_remove(&c.p[0], &c.s[0], now);
		assert_ptr_equal(pool_next_blocked(limit, now), &c.p[cases[i].first]);
		crowd_end(&c);
	}
}

static void whoever_has_less_than_it_is_guaranteed_goes_first(void **state)
{
	struct crowd c;
	struct usage *limit;
	struct rules rules = plain_rules();

	(void)state;
	crowd_begin(&c, 4);
	limit = c.g.database[0];
	rules.guaranteed = 2;
	for (int i = 0; i < 4; i++)
		add_busy(&c.p[1], &c.s[i], START);
	for (int i = 0; i < 3; i++) {
		join(&c.p[i], c.w[i], 8, START);
		assert_int_equal(pool_demand(&c.p[i], START), 0);
	}
	/* It has most, and more than that. */
	pool_set_rules(&c.p[1], &rules);
	assert_ptr_equal(pool_next_blocked(limit, START), NULL);
	pool_set_rules(&c.p[2], &rules);
	limit->max_servers = 7;
	for (int i = 4; i < 7; i++) {
		struct pool *p = pool_next_blocked(limit, START);

		assert_ptr_equal(p, i < 6 ? &c.p[2] : &c.p[0]);
		assert_int_equal(pool_demand(p, START), 1);
		pool_add(p, &c.s[i], START);
	}
	crowd_end(&c);
}

static void who_has_gone_does_not_hold_up_the_others(void **state)
{
	struct crowd c;

	(void)state;
	crowd_begin(&c, 1);
	add_busy(&c.p[0], &c.s[0], START);
	for (int i = 1; i < 4; i++) {
		join(&c.p[i], c.w[i], 1, START);
		assert_int_equal(pool_demand(&c.p[i], START), 0);
	}
	/* One's client leaves, another's server cannot be reached. */
	admission_leave(&c.w[1][0]);
	pool_open_failed(&c.p[2], REACH_REFUSED, START, 15 * SECOND);
	pool_remove(&c.p[0], &c.s[0], START);
	assert_int_equal(pool_demand(&c.p[3], START), 1);
	assert_null(c.p[1].blocked_by);
	assert_null(c.p[2].blocked_by);
	crowd_end(&c);
}

static void a_pool_that_wants_nothing_any_more_is_not_blocked(void **state)
{
	struct crowd c;

	(void)state;
	crowd_begin(&c, 1);
	add_busy(&c.p[0], &c.s[0], START);
	join(&c.p[1], c.w[1], 1, START);
	assert_int_equal(pool_demand(&c.p[1], START), 0);
	assert_non_null(c.p[1].blocked_by);
	admission_leave(&c.w[1][0]);
	assert_int_equal(pool_demand(&c.p[1], START), 0);
	assert_null(c.p[1].blocked_by);
	crowd_end(&c);
}

static void a_pool_that_ends_is_not_blocked_either(void **state)
{
	struct crowd c;

	(void)state;
	crowd_begin(&c, 1);
	add_busy(&c.p[0], &c.s[0], START);
	join(&c.p[1], c.w[1], 1, START);
	assert_int_equal(pool_demand(&c.p[1], START), 0);
	crowd_end(&c);
	/* ground_end() has checked that both lists were empty. */
}

/* ---- eviction ---- */

static void an_idle_server_of_who_has_more_is_evicted(void **state)
{
	struct crowd c;
	uint64_t now = START + SECOND;

	(void)state;
	crowd_begin(&c, 5);
	add_busy(&c.p[0], &c.s[0], START);
	add_busy(&c.p[0], &c.s[1], START);
	add_busy(&c.p[1], &c.s[2], START);
	add_busy(&c.p[1], &c.s[3], START);
	add_busy(&c.p[1], &c.s[4], START);
	join(&c.p[2], c.w[2], 1, now);
	assert_int_equal(pool_demand(&c.p[2], now), 0);
	assert_null(pool_eviction_for(&c.p[2], now));
	pool_set_cleaning(&c.p[0], &c.s[0], now);
	assert_null(pool_eviction_for(&c.p[2], now));
	/* It had not begun to wait when these became idle. */
	admission_leave(&c.w[2][0]);
	pool_give_back(&c.p[0], &c.s[1], now);
	pool_give_back(&c.p[1], &c.s[3], now + 1);
	stand(&c.p[2], &c.w[2][0], now + 3);
	assert_int_equal(pool_demand(&c.p[2], now + 3), 0);
	assert_ptr_equal(pool_eviction_for(&c.p[2], now + 3), &c.s[3]);
	/* While one is leaving, no other has to. */
	pool_retire(&c.p[1], &c.s[3]);
	assert_null(pool_eviction_for(&c.p[2], now + 3));
	pool_remove(&c.p[1], &c.s[3], now + 3);
	assert_null(pool_eviction_for(&c.p[2], now + 3));
	assert_int_equal(pool_demand(&c.p[2], now + 3), 1);
	crowd_end(&c);
}

static void of_pools_that_have_as_much_the_longest_idle_goes(void **state)
{
	struct crowd c;
	uint64_t now = START + SECOND;

	(void)state;
	crowd_begin(&c, 3);
	for (int i = 0; i < 3; i++)
		add_busy(&c.p[i], &c.s[i], START);
	pool_give_back(&c.p[1], &c.s[1], now);
	pool_give_back(&c.p[0], &c.s[0], now + 1);
	pool_give_back(&c.p[2], &c.s[2], now + 2);
	join(&c.p[3], c.w[3], 1, now + 3);
	assert_int_equal(pool_demand(&c.p[3], now + 3), 0);
	assert_ptr_equal(pool_eviction_for(&c.p[3], now + 3), &c.s[1]);
	crowd_end(&c);
}

static void when_an_idle_server_goes_depends_on_its_age_and_who_has_more(void **state)
{
	static const struct {
		const char *what;
		unsigned ours, theirs, weight, guaranteed;
		unsigned age, due; /* milliseconds; of the server, and idle until then */
		unsigned took;     /* milliseconds, to open one */
	} cases[] = {
	    {"more than its share", 2, 0, 1, 0, 600, 0, 0},
	    {"more than its share, but new", 2, 0, 1, 0, 100, 50, 0},
	    {"more than its share, and almost old enough", 2, 0, 1, 0, 470, 30, 0},
	    {"as much as they will have", 2, 1, 1, 0, 600, 0, 0},
	    {"less than they would have", 2, 2, 1, 0, 600, 100, 0},
	    {"less, and quick to open", 2, 2, 1, 0, 600, 100, 3},
	    {"less, and not so quick to open", 2, 2, 1, 0, 600, 500, 20},
	    {"less, and slow to open", 2, 2, 1, 0, 600, 5000, 900},
	    {"more, but its weight is more, too", 2, 0, 3, 0, 600, 100, 0},
	    {"what it is guaranteed", 2, 0, 1, 2, 600, 0, 0},
	    {"more than it is guaranteed", 3, 0, 1, 2, 600, 0, 0},
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		struct crowd c;
		struct rules rules = plain_rules();
		const uint64_t now = START + SECOND;
		uint64_t due_us = now + cases[i].due * MSEC;
		unsigned n = 0;
		bool is_kept = cases[i].guaranteed == cases[i].ours;

		crowd_begin(&c, (int)(cases[i].ours + cases[i].theirs));
		rules.weight = cases[i].weight;
		rules.guaranteed = (int)cases[i].guaranteed;
		pool_set_rules(&c.p[0], &rules);
		for (unsigned k = 0; k < cases[i].theirs; k++)
			add_busy(&c.p[1], &c.s[n++], START);
		for (unsigned k = 0; k < cases[i].ours; k++)
			add_busy(&c.p[0], &c.s[n++], now - cases[i].age * MSEC);
		c.p[0].opening.took_us = cases[i].took * MSEC;
		pool_give_back(&c.p[0], &c.s[n - 1], now);
		join(&c.p[1], c.w[1], 1, now);
		assert_int_equal(pool_demand(&c.p[1], now), 0);
		if (is_kept)
			due_us = CLOCK_NEVER;
		if (cases[i].due == 0 && !is_kept) {
			assert_ptr_equal(pool_eviction_for(&c.p[1], now), &c.s[n - 1]);
		} else {
			assert_null(pool_eviction_for(&c.p[1], now));
			if (pool_next_look(&c.p[1], now) != due_us)
				fail_msg("%s", cases[i].what);
			/* Its own deadline is then, or when it is looked at again. */
			assert_int_equal(pool_idle_deadline(&c.p[0], &c.s[n - 1], now),
					 clock_earlier(due_us, now + 50 * MSEC));
			assert_int_equal(
			    pool_idle_deadline(&c.p[0], &c.s[n - 1], now + 90 * MSEC),
			    clock_earlier(due_us, now + 180 * MSEC));
		}
		if (!is_kept)
			assert_int_equal(pool_judge_idle(&c.p[0], &c.s[n - 1], due_us),
					 UPKEEP_CLOSE_EVICTED);
		crowd_end(&c);
	}
}

static void nothing_is_evicted_where_another_limit_forbids_opening(void **state)
{
	static const struct {
		bool idle_of_user;
		int victim;
	} cases[] = {{false, -1}, {true, 0}};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		struct ground g;
		struct pool p, of_database, of_user;
		struct slot s[2] = {0};
		struct waiter w = {0};
		const uint64_t now = START + SECOND;

		ground_begin(&g);
		g.database[0]->max_servers = 1;
		g.user[0]->max_servers = 1;
		pool_begin(&p, &g, 0, 0);
		pool_begin(&of_database, &g, 0, 1);
		pool_begin(&of_user, &g, 1, 0);
		add_idle(&of_database, &s[0], START);
		add_busy(&of_user, &s[1], START);
		if (cases[i].idle_of_user)
			pool_give_back(&of_user, &s[1], START);
		stand(&p, &w, now);
		assert_int_equal(pool_demand(&p, now), 0);
		assert_ptr_equal(p.blocked_by, g.database[0]);
		assert_ptr_equal(pool_eviction_for(&p, now),
				 cases[i].victim < 0 ? NULL : &s[cases[i].victim]);
		pool_end(&of_user);
		pool_end(&of_database);
		pool_end(&p);
		ground_end(&g);
	}
}

/* ---- yielding ---- */

static void a_free_server_is_yielded_to_who_is_owed_more(void **state)
{
	static const struct {
		const char *what;
		unsigned ours, theirs, our_line; /* servers, servers, waiters */
		unsigned our_weight, their_weight;
		int guaranteed, theirs_guaranteed;
		unsigned age;  /* of the server, milliseconds */
		unsigned used; /* what we have used while they waited, milliseconds */
		bool yields;
	} cases[] = {
	    {"we do not need it", 2, 0, 0, 1, 1, 0, 0, 500, 0, true},
	    {"we do not need it, but it is new", 2, 0, 0, 1, 1, 0, 0, 499, 0, false},
	    {"we do not need it, but have less", 2, 2, 0, 1, 1, 0, 0, 900, 0, false},
	    {"they have none", 1, 0, 1, 1, 1, 0, 0, 900, 251, true},
	    {"they have none, but it is new", 1, 0, 1, 1, 1, 0, 0, 400, 251, false},
	    {"it is not yet their turn", 1, 0, 1, 1, 1, 0, 0, 900, 250, false},
	    {"they have as many", 2, 2, 1, 1, 1, 0, 0, 900, 800, false},
	    {"they have as many by weight", 1, 3, 1, 1, 3, 0, 0, 900, 800, false},
	    {"they have less by weight", 2, 3, 1, 1, 3, 0, 0, 900, 800, true},
	    {"they have one less", 3, 2, 1, 1, 1, 0, 0, 900, 800, true},
	    {"they are guaranteed more", 3, 2, 1, 1, 1, 0, 3, 10, 0, true},
	    {"they have what they are guaranteed", 2, 2, 1, 1, 1, 0, 2, 900, 800, false},
	    {"we have no more than that", 3, 0, 1, 1, 1, 3, 0, 900, 800, false},
	    {"so many are guaranteed to nobody", 3, 1, 1, 1, 1, 9, 9, 900, 400, true},
	    {"so many to nobody, and it is new", 3, 1, 1, 1, 1, 9, 9, 400, 400, false},
	};
	const uint64_t now = START + 2 * SECOND;

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		struct crowd c;
		struct rules rules = plain_rules();
		unsigned n = 0, total = cases[i].ours + cases[i].theirs;

		crowd_begin(&c, (int)total);
		rules.weight = cases[i].our_weight;
		rules.guaranteed = cases[i].guaranteed;
		pool_set_rules(&c.p[0], &rules);
		rules.weight = cases[i].their_weight;
		rules.guaranteed = cases[i].theirs_guaranteed;
		pool_set_rules(&c.p[1], &rules);
		for (unsigned k = 0; k < cases[i].theirs; k++)
			add_busy(&c.p[1], &c.s[n++], START);
		for (unsigned k = 0; k < cases[i].ours; k++)
			add_busy(&c.p[0], &c.s[n++], now - cases[i].age * MSEC);
		const uint64_t since = now - cases[i].used * MSEC / cases[i].ours;
		join(&c.p[0], c.w[0], cases[i].our_line, now);
		join(&c.p[1], c.w[1], 1, since);
		assert_int_equal(pool_demand(&c.p[1], since), 0);
		pool_give_back(&c.p[0], &c.s[n - 1], now);
		if (c.s[n - 1].retire != cases[i].yields)
			fail_msg("%s", cases[i].what);
		if (cases[i].yields) {
			pool_remove(&c.p[0], &c.s[n - 1], now);
			assert_ptr_equal(pool_next_blocked(c.g.database[0], now),
					 &c.p[1]);
		}
		crowd_end(&c);
	}
}

static void one_server_at_a_time_is_yielded(void **state)
{
	struct crowd c;
	const uint64_t now = START + SECOND;

	(void)state;
	crowd_begin(&c, 3);
	for (int i = 0; i < 3; i++)
		add_busy(&c.p[0], &c.s[i], START);
	join(&c.p[1], c.w[1], 2, START);
	assert_int_equal(pool_demand(&c.p[1], START), 0);
	pool_give_back(&c.p[0], &c.s[0], now);
	pool_give_back(&c.p[0], &c.s[1], now);
	assert_int_equal(c.g.database[0]->leaving, 1);
	crowd_end(&c);
}

static void what_is_yielded_goes_to_whom_it_was_yielded_for(void **state)
{
	struct crowd c;
	const uint64_t now = START + SECOND;

	(void)state;
	crowd_begin(&c, 4);
	add_busy(&c.p[1], &c.s[0], START);
	for (int i = 1; i < 4; i++)
		add_busy(&c.p[0], &c.s[i], START);
	/* The rich one is first in turn and must not take it back. */
	join(&c.p[0], c.w[0], 2, START + 2);
	join(&c.p[1], c.w[1], 2, START + 1);
	assert_int_equal(pool_demand(&c.p[0], START + 2), 0);
	assert_int_equal(pool_demand(&c.p[1], START + 2), 0);
	pool_give_back(&c.p[0], &c.s[1], now);
	assert_true(c.s[1].retire);
	pool_remove(&c.p[0], &c.s[1], now);
	assert_ptr_equal(pool_next_blocked(c.g.database[0], now), &c.p[1]);
	assert_int_equal(pool_demand(&c.p[1], now), 1);
	crowd_end(&c);
}

/* ---- two limits ---- */

/* A pool under two full limits: of its database, which `of_database` fills, and of its
 * user, which `of_user` fills. */
struct squeeze {
	struct ground g;
	struct pool p, of_database, of_user;
	struct slot s[4];
	struct waiter w[3][4];
};

static void squeeze_begin(struct squeeze *q)
{
	memset(q, 0, sizeof(*q));
	ground_begin(&q->g);
	q->g.database[0]->max_servers = 1;
	q->g.user[0]->max_servers = 1;
	pool_begin(&q->p, &q->g, 0, 0);
	pool_begin(&q->of_database, &q->g, 0, 1);
	pool_begin(&q->of_user, &q->g, 1, 0);
	add_busy(&q->of_database, &q->s[0], START);
	add_busy(&q->of_user, &q->s[1], START);
	join(&q->p, q->w[0], 1, START);
	join(&q->of_database, q->w[1], 4, START + MSEC);
	join(&q->of_user, q->w[2], 4, START + MSEC);
	assert_int_equal(pool_demand(&q->p, START), 0);
}

static void squeeze_end(struct squeeze *q)
{
	pool_end(&q->of_user);
	pool_end(&q->of_database);
	pool_end(&q->p);
	assert_int_equal(q->g.database[0]->claimed, 0);
	ground_end(&q->g);
}

static void
room_under_one_full_limit_is_kept_until_there_is_some_under_the_other(void **state)
{
	uint64_t now = START + SECOND;
	struct squeeze q;

	(void)state;
	squeeze_begin(&q);
	pool_give_back(&q.of_database, &q.s[0], now);
	assert_true(q.s[0].retire);
	pool_remove(&q.of_database, &q.s[0], now);
	assert_ptr_equal(pool_next_blocked(q.g.database[0], now), &q.p);
	assert_int_equal(pool_demand(&q.p, now), 0);
	assert_ptr_equal(q.p.blocked_by, q.g.user[0]);
	/* Kept: nobody else gets it. */
	assert_null(pool_next_blocked(q.g.database[0], now));
	assert_int_equal(pool_demand(&q.of_database, now), 0);
	now += 300 * MSEC;
	pool_give_back(&q.of_user, &q.s[1], now);
	assert_true(q.s[1].retire);
	pool_remove(&q.of_user, &q.s[1], now);
	assert_ptr_equal(pool_next_blocked(q.g.user[0], now), &q.p);
	assert_int_equal(pool_demand(&q.p, now), 1);
	pool_add(&q.p, &q.s[2], now);
	assert_int_equal(q.g.database[0]->claimed, 0);
	squeeze_end(&q);
}

static void room_is_not_kept_for_long_and_not_soon_again(void **state)
{
	uint64_t now = START + SECOND;
	struct squeeze q;

	(void)state;
	squeeze_begin(&q);
	pool_remove(&q.of_database, &q.s[0], now);
	assert_int_equal(pool_demand(&q.p, now), 0);
	assert_int_equal(q.p.claims, 1u << USAGE_OF_DATABASE);
	assert_int_equal(pool_next_look(&q.p, now), now + SECOND);
	now += SECOND;
	assert_int_equal(pool_demand(&q.p, now), 0);
	assert_int_equal(q.p.claims, 0);
	assert_int_equal(pool_demand(&q.of_database, now), 1);
	pool_add(&q.of_database, &q.s[0], now);
	pool_opened(&q.of_database, &q.s[0], now);
	for (int i = 1; i < 30; i++) {
		take(&q.of_database, now);
		now += SECOND;
		pool_give_back(&q.of_database, &q.s[0], now);
		assert_false(q.s[0].retire);
	}
	take(&q.of_database, now);
	now += SECOND;
	/* Its place in turn moves when the other limit is looked at. */
	pool_give_back(&q.of_user, &q.s[1], now);
	assert_false(q.s[1].retire);
	pool_give_back(&q.of_database, &q.s[0], now);
	assert_true(q.s[0].retire);
	squeeze_end(&q);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(whoever_is_blocked_gets_a_turn_in_order),
	    cmocka_unit_test(room_for_several_goes_round),
	    cmocka_unit_test(a_pool_without_any_server_goes_before_those_with_some),
	    cmocka_unit_test(whoever_has_used_less_by_weight_goes_first),
	    cmocka_unit_test(whoever_has_less_than_it_is_guaranteed_goes_first),
	    cmocka_unit_test(who_has_gone_does_not_hold_up_the_others),
	    cmocka_unit_test(a_pool_that_wants_nothing_any_more_is_not_blocked),
	    cmocka_unit_test(a_pool_that_ends_is_not_blocked_either),
	    cmocka_unit_test(an_idle_server_of_who_has_more_is_evicted),
	    cmocka_unit_test(of_pools_that_have_as_much_the_longest_idle_goes),
	    cmocka_unit_test(
		when_an_idle_server_goes_depends_on_its_age_and_who_has_more),
	    cmocka_unit_test(nothing_is_evicted_where_another_limit_forbids_opening),
	    cmocka_unit_test(a_free_server_is_yielded_to_who_is_owed_more),
	    cmocka_unit_test(one_server_at_a_time_is_yielded),
	    cmocka_unit_test(what_is_yielded_goes_to_whom_it_was_yielded_for),
	    cmocka_unit_test(
		room_under_one_full_limit_is_kept_until_there_is_some_under_the_other),
	    cmocka_unit_test(room_is_not_kept_for_long_and_not_soon_again),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
