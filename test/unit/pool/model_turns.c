/*
 * The part of the model in which something happens: turns, yielding, servers that come
 * and go.
 */
#include "unit/pool/model.h"

#include <string.h>

#include "base/clock.h"

static int64_t least(int64_t a, int64_t b)
{
	return a < b ? a : b;
}

/* ---- turns ---- */

int model_blocked_by(const struct model *m, int pool)
{
	for (int limit = 0; limit < MODEL_LIMITS; limit++)
		for (unsigned i = 0; i < m->limits[limit].line_len; i++)
			if (m->limits[limit].line[i] == pool)
				return limit;
	return MODEL_NOBODY;
}

static int place_of(const struct model *m, int pool, int limit)
{
	int place = 0;

	while (m->pools[pool].limits[place] != limit)
		place++;
	return place;
}

static bool is_privileged(const struct model *m, int pool)
{
	return model_total(m, pool) < m->pools[pool].rules.guaranteed;
}

static bool is_owed_more(const struct model *m, int a, int b, int limit)
{
	const struct model_pool *x = &m->pools[a], *y = &m->pools[b];
	double due_x =
	    share_due(&x->share, place_of(m, a, limit), (unsigned)model_total(m, a));
	double due_y =
	    share_due(&y->share, place_of(m, b, limit), (unsigned)model_total(m, b));

	if (is_privileged(m, a) != is_privileged(m, b))
		return is_privileged(m, a);
	return due_x < due_y || (!(due_y < due_x) && x->ticket < y->ticket);
}

int model_first_blocked(const struct model *m, int limit)
{
	const struct model_limit *l = &m->limits[limit];
	int first = MODEL_NOBODY;

	for (unsigned i = 0; i < l->line_len; i++)
		if (first < 0 || is_owed_more(m, l->line[i], first, limit))
			first = l->line[i];
	return first;
}

static void unblock(struct model *m, int pool)
{
	int limit = model_blocked_by(m, pool);
	unsigned kept = 0;

	if (limit < 0)
		return;
	struct model_limit *l = &m->limits[limit];
	for (unsigned i = 0; i < l->line_len; i++)
		if (l->line[i] != pool)
			l->line[kept++] = l->line[i];
	l->line_len = kept;
}

static void drop_claim(struct model *m, int pool)
{
	if (m->pools[pool].claims != 0)
		m->pools[pool].claim_end_us += 30 * USEC_PER_SEC;
	m->pools[pool].claims = 0;
}

static void block(struct model *m, int pool, int limit)
{
	struct model_limit *l = &m->limits[limit];
	struct model_pool *p = &m->pools[pool];
	bool is_new = model_blocked_by(m, pool) != limit;
	int place = place_of(m, pool, limit);

	unblock(m, pool);
	if (l->line_len == 0)
		l->level = share_level(&p->share, place);
	else if (is_new)
		share_meet(&p->share, &l->level, place);
	p->ticket = ++m->events;
	l->line[l->line_len++] = pool;
}

static void withdraw(struct model *m, int pool)
{
	unblock(m, pool);
	drop_claim(m, pool);
}

static uint64_t longest_wait(const struct model *m, int pool, uint64_t now_us)
{
	int first = model_first_person(m, pool);

	return first < 0 ? 0 : now_us - m->people[first].since_us;
}

static bool may_claim(const struct model *m, int pool, int limit, uint64_t now_us)
{
	const struct model_pool *p = &m->pools[pool];
	bool has_waited = now_us >= p->claim_end_us &&
			  longest_wait(m, pool, now_us) >= 500 * USEC_PER_MSEC;

	return !model_claims(m, pool, limit) && m->limits[limit].most != MODEL_ENDLESS &&
	       model_total(m, pool) == 0 && (p->claims != 0 || has_waited);
}

static bool keeps_turn(struct model *m, int pool, int limit, uint64_t now_us)
{
	const struct model_pool *p = &m->pools[pool];

	if (model_wanted_for_line(m, pool, now_us) == 0) {
		unblock(m, pool);
		return false;
	}
	for (int i = 0; i < USAGES_EACH; i++) {
		int other = p->limits[i];

		if (other == limit || model_room(m, pool, other) > 0)
			continue;
		if (i > place_of(m, pool, limit) && may_claim(m, pool, limit, now_us))
			continue;
		block(m, pool, other);
		return false;
	}
	return true;
}

static int whose_turn(struct model *m, int limit, uint64_t now_us)
{
	int first;

	do
		first = model_first_blocked(m, limit);
	while (first >= 0 && !keeps_turn(m, first, limit, now_us));
	if (first >= 0 && !is_privileged(m, first))
		m->limits[limit].level =
		    share_level(&m->pools[first].share, place_of(m, first, limit));
	return first;
}

int model_next_blocked(struct model *m, int limit, uint64_t now_us)
{
	return model_room_of_limit(m, limit) == 0 ? MODEL_NOBODY
						  : whose_turn(m, limit, now_us);
}

static int64_t allowed_by(struct model *m, int limit, int pool, int64_t want,
			  uint64_t now_us)
{
	int64_t room = model_room(m, pool, limit);
	if (model_claims(m, pool, limit) || room == 0 || m->limits[limit].line_len == 0)
		return least(want, room);
	int first = whose_turn(m, limit, now_us);
	if (first >= 0 && first != pool)
		return 0;
	return least(want, first >= 0 && m->limits[limit].line_len > 1 ? 1 : room);
}

int64_t model_demand(struct model *m, int pool, uint64_t now_us)
{
	struct model_pool *p = &m->pools[pool];
	int blocked_by = MODEL_NOBODY;

	bool claims_hold = now_us < p->claim_end_us;
	for (int i = 0; i < USAGES_EACH; i++)
		if ((p->claims & 1u << i) && model_room(m, pool, p->limits[i]) == 0)
			claims_hold = false;
	if (!claims_hold)
		drop_claim(m, pool);
	int64_t allowed = model_wanted(m, pool, now_us);
	for (int i = 0; i < USAGES_EACH && allowed > 0; i++) {
		int64_t room = allowed_by(m, p->limits[i], pool, allowed, now_us);

		if (room < allowed)
			blocked_by = p->limits[i];
		allowed = room;
	}
	if (blocked_by < 0 || model_missing(m, pool) <= allowed) {
		withdraw(m, pool);
		return allowed;
	}
	if (allowed > 0 || model_blocked_by(m, pool) != blocked_by)
		block(m, pool, blocked_by);
	for (int i = 0; allowed == 0 && p->limits[i] != blocked_by; i++)
		if (may_claim(m, pool, p->limits[i], now_us)) {
			if (p->claims == 0)
				p->claim_end_us = now_us + USEC_PER_SEC;
			p->claims |= 1u << i;
		}
	return allowed;
}

/* ---- giving up ---- */

/* Of a and b, whose servers are more by weight: the sign of the difference. */
static int by_weight(const struct model *m, int a, int64_t more_a, int b, int64_t more_b)
{
	int64_t x = (model_total(m, a) + more_a) * m->pools[b].share.weight;
	int64_t y = (model_total(m, b) + more_b) * m->pools[a].share.weight;

	return (x > y) - (x < y);
}

static uint64_t longest_warm(const struct model_pool *p)
{
	return clock_earlier(clock_later(p->took_us * 25, 100 * USEC_PER_MSEC),
			     5 * USEC_PER_SEC);
}

static uint64_t warm_time(const struct model_pool *p)
{
	uint64_t uses_us = clock_later(p->held_us * 8, p->took_us * 10);

	return p->held_us == 0 ? longest_warm(p)
			       : clock_earlier(uses_us, longest_warm(p));
}

/* Whether those who wait there have had enough of it. */
static bool is_impatient(const struct model *m, int pool, uint64_t now_us)
{
	const struct model_pool *p = &m->pools[pool];
	int first = model_first_person(m, pool);
	uint64_t waited_us = first < 0 ? 0 : now_us - m->people[first].since_us;

	return model_total(m, pool) == 0 ||
	       waited_us >= clock_earlier(p->spread_us * 3, longest_warm(p));
}

static uint64_t lending_due(const struct model *m, int slot, uint64_t idle_us, int to)
{
	const struct model_slot *s = &m->slots[slot];
	bool is_guarded = model_is_guarded(m, s->pool);

	if (is_guarded && !is_privileged(m, to))
		return CLOCK_NEVER;
	if (by_weight(m, s->pool, 0, to, 1) >= 0 || (!is_guarded && is_privileged(m, to)))
		return clock_earlier(s->opened_us + 500 * USEC_PER_MSEC,
				     idle_us + 50 * USEC_PER_MSEC);
	return idle_us + warm_time(&m->pools[s->pool]);
}

static bool is_sought(const struct model *m, int limit)
{
	return m->limits[limit].line_len > 0 && model_limit_leaving(m, limit) == 0 &&
	       model_room_of_limit(m, limit) == 0;
}

static bool is_kept_back_elsewhere(const struct model *m, int pool, int limit,
				   uint64_t now_us)
{
	for (int i = 0; i < USAGES_EACH; i++) {
		int other = m->pools[pool].limits[i];

		if (other != limit && model_room(m, pool, other) == 0 &&
		    !(i > place_of(m, pool, limit) && may_claim(m, pool, limit, now_us)))
			return true;
	}
	return false;
}

uint64_t model_idle_due(struct model *m, int slot, uint64_t now_us)
{
	const struct model_slot *s = &m->slots[slot];
	uint64_t due_us = CLOCK_NEVER;

	for (int i = 0; i < USAGES_EACH; i++)
		if (is_sought(m, m->pools[s->pool].limits[i]))
			whose_turn(m, m->pools[s->pool].limits[i], now_us);
	if (model_line(m, s->pool) > 0 && !model_is_paused(m, s->pool))
		return due_us;
	for (int i = 0; i < USAGES_EACH; i++) {
		int limit = m->pools[s->pool].limits[i];
		int first = model_first_blocked(m, limit);

		if (is_sought(m, limit) && first != s->pool &&
		    model_wanted_for_line(m, first, now_us) > 0 &&
		    !is_kept_back_elsewhere(m, first, limit, now_us))
			due_us = clock_earlier(due_us,
					       lending_due(m, slot, s->since_us, first));
	}
	return due_us;
}

/* The longest idle of all that may be given up under the limit. */
static int oldest_offer(const struct model *m, int limit)
{
	int oldest = MODEL_NOBODY;

	for (int i = 0; i < MODEL_SLOTS; i++) {
		const struct model_slot *s = &m->slots[i];

		if (model_is_usable(s) && !model_is_guarded(m, s->pool) &&
		    model_is_under(m, s->pool, limit) &&
		    (oldest < 0 || s->listed < m->slots[oldest].listed))
			oldest = i;
	}
	return oldest;
}

static bool offers_more(const struct model *m, int a, int b)
{
	if (model_is_guarded(m, a) || model_is_guarded(m, b))
		return !model_is_guarded(m, a) && model_is_guarded(m, b);
	return by_weight(m, a, 0, b, 0) > 0;
}

/* Whether no pool under the limit with an idle server has more by weight. */
static bool offers_most(const struct model *m, int pool, int limit)
{
	for (int i = 0; i < MODEL_POOLS; i++)
		if (model_is_under(m, i, limit) && model_idle(m, i) > 0 &&
		    offers_more(m, i, pool))
			return false;
	return true;
}

static int longest_idle(const struct model *m, int pool)
{
	int longest = MODEL_NOBODY;

	for (int i = 0; i < MODEL_SLOTS; i++)
		if (m->slots[i].pool == pool && model_is_usable(&m->slots[i]) &&
		    (longest < 0 || m->slots[i].freed < m->slots[longest].freed))
			longest = i;
	return longest;
}

/* What is evicted if, of the pools that have most, it is that one's turn. */
static int victim_of(const struct model *m, int pool, int best_pool, uint64_t now_us)
{
	int limit = model_blocked_by(m, pool), oldest = oldest_offer(m, limit);
	int best = best_pool < 0 ? MODEL_NOBODY : longest_idle(m, best_pool);

	if (best >= 0 && oldest >= 0 &&
	    by_weight(m, m->slots[best].pool, 0, m->slots[oldest].pool, 0) == 0)
		best = oldest;
	if (best >= 0 && m->slots[best].pool != pool &&
	    lending_due(m, best, m->slots[best].since_us, pool) <= now_us)
		return best;
	if (oldest >= 0 && m->slots[oldest].pool != pool &&
	    lending_due(m, oldest, m->slots[oldest].since_us, pool) <= now_us)
		return oldest;
	return MODEL_NOBODY;
}

bool model_may_evict(const struct model *m, int pool, int victim, uint64_t now_us)
{
	int limit = model_blocked_by(m, pool), offering = 0;

	if (limit < 0 || !is_sought(m, limit))
		return victim < 0;
	for (int i = 0; i < USAGES_EACH; i++) {
		int other = m->pools[pool].limits[i];

		if (other != limit && model_room(m, pool, other) == 0 &&
		    model_room_soon(m, other) == 0)
			return victim < 0;
	}
	for (int i = 0; i < MODEL_POOLS; i++) {
		if (!model_is_under(m, i, limit) || model_idle(m, i) == 0 ||
		    !offers_most(m, i, limit))
			continue;
		offering++;
		if (victim_of(m, pool, i, now_us) == victim)
			return true;
	}
	return offering == 0 && victim < 0;
}

static bool gives_way(const struct model *m, int limit, int slot, int to, uint64_t now_us)
{
	int pool = m->slots[slot].pool;
	bool is_guarded = model_is_guarded(m, pool);

	if (is_guarded && !is_privileged(m, to))
		return false;
	if (!is_guarded && is_privileged(m, to))
		return true;
	return now_us - m->slots[slot].opened_us >= 500 * USEC_PER_MSEC &&
	       is_impatient(m, to, now_us) && by_weight(m, pool, 0, to, 0) > 0 &&
	       share_is_ahead(&m->pools[pool].share, &m->pools[to].share,
			      place_of(m, pool, limit)) &&
	       share_due(&m->pools[to].share, place_of(m, to, limit),
			 (unsigned)model_total(m, to)) <
		   share_due(&m->pools[pool].share, place_of(m, pool, limit),
			     (unsigned)model_total(m, pool) - 1);
}

static bool owes_to(struct model *m, int limit, int slot, uint64_t now_us)
{
	int pool = m->slots[slot].pool;

	if (!is_sought(m, limit))
		return false;
	int first = whose_turn(m, limit, now_us);
	if (first < 0 || first == pool)
		return false;
	if (model_line(m, pool) == 0 || model_is_paused(m, pool))
		return lending_due(m, slot, now_us, first) <= now_us;
	if (model_blocked_by(m, pool) != limit && !is_privileged(m, first))
		share_meet(&m->pools[pool].share, &m->limits[limit].level,
			   place_of(m, pool, limit));
	return gives_way(m, limit, slot, first, now_us);
}

/* ---- events ---- */

void model_take(struct model *m, int slot, uint64_t now_us)
{
	struct model_slot *s = &m->slots[slot];

	s->state = SLOT_BUSY;
	s->was_used = true;
	s->since_us = now_us;
}

static int oldest_listed_before(const struct model *m, int pool, uint64_t event)
{
	int oldest = MODEL_NOBODY;

	for (int i = 0; i < MODEL_SLOTS; i++) {
		const struct model_slot *s = &m->slots[i];

		if (s->pool == pool && model_is_usable(s) && s->listed <= event &&
		    (oldest < 0 || s->freed < m->slots[oldest].freed))
			oldest = i;
	}
	return oldest;
}

void model_note_change(struct model *m, int pool)
{
	struct model_pool *p = &m->pools[pool];
	bool was_guarded = p->was_guarded;
	uint64_t before = m->events;

	if (model_total(m, pool) > 0)
		drop_claim(m, pool);
	p->was_guarded = model_is_guarded(m, pool);
	if (!was_guarded || p->was_guarded)
		return;
	/* Its idle ones are offered again, the longest idle first. */
	for (int slot; (slot = oldest_listed_before(m, pool, before)) >= 0;)
		m->slots[slot].listed = ++m->events;
}

void model_add(struct model *m, int pool, int slot, uint64_t now_us)
{
	m->slots[slot] = (struct model_slot){
	    .pool = pool,
	    .state = SLOT_OPENING,
	    .since_us = now_us,
	    .retire_us = CLOCK_NEVER,
	};
	model_note_change(m, pool);
}

void model_remove(struct model *m, int slot)
{
	int pool = m->slots[slot].pool;

	m->slots[slot].pool = MODEL_NOBODY;
	m->slots[slot].state = SLOT_OUTSIDE;
	model_note_change(m, pool);
}

void model_set_free(struct model *m, int slot, uint64_t now_us)
{
	struct model_slot *s = &m->slots[slot];
	const struct model_pool *p = &m->pools[s->pool];

	bool is_worn = now_us >= s->retire_us;

	if ((s->was_used && p->rules.server_lifetime == 0) ||
	    (is_worn && p->clients == 0) || model_is_beyond(m, s->pool, true) ||
	    model_is_over_limit(m, s->pool) || owes_to(m, p->limits[0], slot, now_us) ||
	    owes_to(m, p->limits[1], slot, now_us) ||
	    owes_to(m, p->limits[2], slot, now_us))
		s->retire = true;
	s->state = SLOT_IDLE;
	s->since_us = now_us;
	s->freed = s->listed = ++m->events;
}

void model_opened(struct model *m, int slot, uint64_t now_us, uint64_t retire_us)
{
	struct model_slot *s = &m->slots[slot];
	struct model_pool *p = &m->pools[s->pool];

	p->failures = 0;
	p->not_before_us = 0;
	if (now_us - s->since_us < 250 * USEC_PER_MSEC)
		p->allowed = least(64, p->allowed * 2);
	else
		p->allowed = p->allowed > 1 ? p->allowed / 2 : 1;
	s->opened_us = now_us;
	s->retire_us = retire_us;
	model_set_free(m, slot, now_us);
}

void model_failed(struct model *m, int pool, uint64_t now_us, uint64_t not_before_us)
{
	struct model_pool *p = &m->pools[pool];

	p->allowed = 1;
	if (now_us < p->not_before_us)
		return;
	p->failures++;
	p->not_before_us = not_before_us;
}
