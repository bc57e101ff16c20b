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

int model_nth_blocked(const struct model *m, int limit, unsigned n)
{
	const struct model_limit *l = &m->limits[limit];

	for (int has_servers = 0; has_servers < 2; has_servers++)
		for (unsigned i = 0; i < l->line_len; i++)
			if ((model_total(m, l->line[i]) > 0) == has_servers && n-- == 0)
				return l->line[i];
	return MODEL_NOBODY;
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
	unblock(m, pool);
	m->limits[limit].line[m->limits[limit].line_len++] = pool;
}

static void block_first(struct model *m, int pool, int limit)
{
	struct model_limit *l = &m->limits[limit];

	unblock(m, pool);
	memmove(&l->line[1], &l->line[0], l->line_len * sizeof(l->line[0]));
	l->line[0] = pool;
	l->line_len++;
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

static int place_of(const struct model *m, int pool, int limit)
{
	int place = 0;

	while (m->pools[pool].limits[place] != limit)
		place++;
	return place;
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
	for (;;) {
		int first = model_nth_blocked(m, limit, 0);

		if (first < 0 || keeps_turn(m, first, limit, now_us))
			return first;
	}
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

int model_eviction(const struct model *m, int pool)
{
	int limit = model_blocked_by(m, pool), victim = MODEL_NOBODY;

	if (limit < 0 || model_room_of_limit(m, limit) > 0 ||
	    model_limit_leaving(m, limit) > 0)
		return MODEL_NOBODY;
	for (int i = 0; i < USAGES_EACH; i++) {
		int other = m->pools[pool].limits[i];

		if (other != limit && model_room(m, pool, other) == 0 &&
		    model_room_soon(m, other) == 0)
			return MODEL_NOBODY;
	}
	for (int i = 0; i < MODEL_SLOTS; i++) {
		const struct model_slot *s = &m->slots[i];

		if (model_is_usable(s) && s->pool != pool &&
		    model_is_under(m, s->pool, limit) &&
		    (victim < 0 || s->freed < m->slots[victim].freed))
			victim = i;
	}
	return victim;
}

static bool owes_to(struct model *m, int limit, int slot, uint64_t now_us)
{
	int pool = m->slots[slot].pool;
	int needy;

	if (m->limits[limit].line_len == 0 || model_room_of_limit(m, limit) > 0 ||
	    model_limit_leaving(m, limit) > 0)
		return false;
	needy = whose_turn(m, limit, now_us);
	if (needy == pool)
		needy = model_nth_blocked(m, limit, 1);
	if (needy < 0 || !keeps_turn(m, needy, limit, now_us))
		return false;
	if (model_line(m, pool) > 0 && !model_is_paused(m, pool)) {
		int64_t theirs = model_total(m, needy), ours = model_total(m, pool);

		if (now_us - m->slots[slot].opened_us < 500 * USEC_PER_MSEC ||
		    longest_wait(m, needy, now_us) <= longest_wait(m, pool, now_us) ||
		    (theirs > 0 && theirs + 1 >= ours))
			return false;
	}
	block_first(m, needy, limit);
	return true;
}

/* ---- events ---- */

void model_take(struct model *m, int slot, uint64_t now_us)
{
	struct model_slot *s = &m->slots[slot];

	s->state = SLOT_BUSY;
	s->was_used = true;
	s->since_us = now_us;
}

static void note_total(struct model *m, int pool, bool had_servers)
{
	int limit = model_blocked_by(m, pool);
	bool has_servers = model_total(m, pool) > 0;

	if (has_servers)
		drop_claim(m, pool);
	if (limit >= 0 && had_servers != has_servers)
		block(m, pool, limit);
}

void model_add(struct model *m, int pool, int slot, uint64_t now_us)
{
	bool had_servers = model_total(m, pool) > 0;

	m->slots[slot] = (struct model_slot){
	    .pool = pool,
	    .state = SLOT_OPENING,
	    .since_us = now_us,
	    .retire_us = CLOCK_NEVER,
	};
	note_total(m, pool, had_servers);
}

void model_remove(struct model *m, int slot)
{
	int pool = m->slots[slot].pool;

	m->slots[slot].pool = MODEL_NOBODY;
	m->slots[slot].state = SLOT_OUTSIDE;
	note_total(m, pool, true);
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
	s->freed = ++m->events;
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
