/*
 * Slow and plain on purpose: no list is kept that could be counted instead.
 */
#include "unit/pool/model.h"

#include <string.h>

#include "base/clock.h"

static int64_t least(int64_t a, int64_t b)
{
	return a < b ? a : b;
}

static int64_t at_least_0(int64_t a)
{
	return a < 0 ? 0 : a;
}

void model_init(struct model *m)
{
	memset(m, 0, sizeof(*m));
	for (int i = 0; i < MODEL_SLOTS; i++)
		m->slots[i].pool = MODEL_NOBODY;
	for (int i = 0; i < MODEL_PEOPLE; i++)
		m->people[i].pool = MODEL_NOBODY;
	for (int i = 0; i < MODEL_LIMITS; i++)
		m->limits[i].most = MODEL_ENDLESS;
	for (int i = 0; i < MODEL_POOLS; i++) {
		m->pools[i].allowed = 4;
		share_init(&m->pools[i].share, 1);
	}
}

/* ---- counting ---- */

int64_t model_count(const struct model *m, int pool, enum slot_state state)
{
	int64_t count = 0;

	for (int i = 0; i < MODEL_SLOTS; i++)
		count += m->slots[i].pool == pool && m->slots[i].state == state;
	return count;
}

int64_t model_total(const struct model *m, int pool)
{
	int64_t count = 0;

	for (int i = 0; i < MODEL_SLOTS; i++)
		count += m->slots[i].pool == pool;
	return count;
}

int64_t model_leaving(const struct model *m, int pool)
{
	int64_t count = 0;

	for (int i = 0; i < MODEL_SLOTS; i++)
		count += m->slots[i].pool == pool && m->slots[i].state == SLOT_IDLE &&
			 m->slots[i].retire;
	return count;
}

int64_t model_idle(const struct model *m, int pool)
{
	return model_count(m, pool, SLOT_IDLE) - model_leaving(m, pool);
}

/* A successor does not work beside as many as the size allows. */
int64_t model_usable(const struct model *m, int pool)
{
	int64_t at_work =
	    model_count(m, pool, SLOT_BUSY) + model_count(m, pool, SLOT_CLEANING);
	int64_t size = m->pools[pool].rules.pool_size, idle = model_idle(m, pool);
	int64_t most = model_total(m, pool) - 1;

	if (!m->pools[pool].has_extra || size == 0)
		return idle;
	return least(idle, at_least_0((most > size ? most : size) - at_work));
}

bool model_is_under(const struct model *m, int pool, int limit)
{
	for (int i = 0; i < USAGES_EACH; i++)
		if (m->pools[pool].limits[i] == limit)
			return true;
	return false;
}

int64_t model_limit_servers(const struct model *m, int limit)
{
	int64_t count = 0;

	for (int i = 0; i < MODEL_POOLS; i++)
		if (model_is_under(m, i, limit))
			count += model_total(m, i);
	return count;
}

int64_t model_limit_leaving(const struct model *m, int limit)
{
	int64_t count = 0;

	for (int i = 0; i < MODEL_POOLS; i++)
		if (model_is_under(m, i, limit))
			count += model_leaving(m, i);
	return count;
}

bool model_claims(const struct model *m, int pool, int limit)
{
	for (int i = 0; i < USAGES_EACH; i++)
		if (m->pools[pool].limits[i] == limit)
			return (m->pools[pool].claims & 1u << i) != 0;
	return false;
}

int64_t model_limit_claimed(const struct model *m, int limit)
{
	int64_t count = 0;

	for (int i = 0; i < MODEL_POOLS; i++)
		count += model_claims(m, i, limit);
	return count;
}

int64_t model_room_of_limit(const struct model *m, int limit)
{
	return at_least_0(m->limits[limit].most - model_limit_servers(m, limit) -
			  model_limit_claimed(m, limit));
}

int64_t model_room(const struct model *m, int pool, int limit)
{
	if (model_claims(m, pool, limit))
		return model_limit_servers(m, limit) + model_limit_claimed(m, limit) <=
		       m->limits[limit].most;
	return model_room_of_limit(m, limit);
}

int64_t model_line(const struct model *m, int pool)
{
	int64_t count = 0;

	for (int i = 0; i < MODEL_PEOPLE; i++)
		count += m->people[i].pool == pool;
	return count;
}

bool model_is_paused(const struct model *m, int pool)
{
	return m->is_paused || m->limits[m->pools[pool].limits[0]].is_paused;
}

int model_first_person(const struct model *m, int pool)
{
	int first = MODEL_NOBODY;

	for (int i = 0; i < MODEL_PEOPLE; i++)
		if (m->people[i].pool == pool &&
		    (first < 0 || m->people[i].ticket < m->people[first].ticket))
			first = i;
	return first;
}

bool model_is_usable(const struct model_slot *s)
{
	return s->pool >= 0 && s->state == SLOT_IDLE && !s->retire;
}

int model_pick(const struct model *m, int pool)
{
	bool in_turns = m->pools[pool].rules.server_round_robin;
	int best = MODEL_NOBODY;

	for (int i = 0; i < MODEL_SLOTS; i++) {
		const struct model_slot *s = &m->slots[i];

		if (s->pool != pool || !model_is_usable(s))
			continue;
		if (best < 0 || (s->freed < m->slots[best].freed) == in_turns)
			best = i;
	}
	return best;
}

bool model_is_guarded(const struct model *m, int pool)
{
	int guaranteed = m->pools[pool].rules.guaranteed;

	return guaranteed > 0 && model_total(m, pool) <= guaranteed;
}

void model_pass(struct model *m, uint64_t time_us)
{
	for (int i = 0; i < MODEL_POOLS; i++) {
		struct model_pool *p = &m->pools[i];
		int64_t working =
		    model_count(m, i, SLOT_BUSY) + model_count(m, i, SLOT_CLEANING);

		for (int k = 0; k < USAGES_EACH; k++)
			if (m->limits[p->limits[k]].line_len > 0)
				p->share.of[k].busy_us += (uint64_t)working * time_us;
	}
}

/* ---- what a pool wants ---- */

static int64_t size_of(const struct model *m, int pool)
{
	int size = m->pools[pool].rules.pool_size;

	return size == 0 ? MODEL_ENDLESS : size;
}

static int64_t size_with_reserve(const struct model *m, int pool, uint64_t now_us)
{
	const struct rules *r = &m->pools[pool].rules;
	int first = model_first_person(m, pool);

	if (first < 0 || r->reserve_pool_timeout == 0 ||
	    m->people[first].since_us + r->reserve_pool_timeout > now_us)
		return size_of(m, pool);
	return size_of(m, pool) + r->reserve_pool_size;
}

static int64_t room_to_open(const struct model *m, int pool, uint64_t now_us)
{
	const struct model_pool *p = &m->pools[pool];

	if (now_us < p->not_before_us)
		return 0;
	return at_least_0(p->allowed - model_count(m, pool, SLOT_OPENING));
}

int64_t model_missing(const struct model *m, int pool)
{
	return at_least_0(model_line(m, pool) - model_usable(m, pool) -
			  model_count(m, pool, SLOT_OPENING));
}

int64_t model_wanted_for_line(const struct model *m, int pool, uint64_t now_us)
{
	int64_t room =
	    at_least_0(size_with_reserve(m, pool, now_us) - model_total(m, pool));

	if (model_is_paused(m, pool))
		return 0;
	return least(least(model_missing(m, pool), room), room_to_open(m, pool, now_us));
}

int64_t model_wanted(const struct model *m, int pool, uint64_t now_us)
{
	int64_t total = model_total(m, pool);
	int64_t lacking = at_least_0(m->pools[pool].rules.min_pool_size - total);
	int64_t for_line = model_wanted_for_line(m, pool, now_us);

	if (model_is_paused(m, pool) || m->pools[pool].clients == 0)
		return for_line;
	lacking = least(lacking, at_least_0(size_of(m, pool) - total));
	lacking = least(lacking, room_to_open(m, pool, now_us));
	return lacking > for_line ? lacking : for_line;
}

int64_t model_room_soon(const struct model *m, int limit)
{
	for (int i = 0; i < MODEL_SLOTS; i++)
		if (model_is_usable(&m->slots[i]) &&
		    !model_is_guarded(m, m->slots[i].pool) &&
		    model_is_under(m, m->slots[i].pool, limit) &&
		    model_room_of_limit(m, limit) == 0)
			return 1;
	return model_room_of_limit(m, limit);
}

static int64_t coming(const struct model *m, int pool, uint64_t now_us)
{
	int64_t room =
	    at_least_0(size_with_reserve(m, pool, now_us) - model_total(m, pool));

	if (model_is_paused(m, pool))
		return 0;
	if (m->pools[pool].failures > 0)
		room = least(room, room_to_open(m, pool, now_us));
	for (int i = 0; i < USAGES_EACH; i++)
		room = least(room, model_room_soon(m, m->pools[pool].limits[i]));
	return model_count(m, pool, SLOT_OPENING) + room;
}

enum pool_answer model_ask(const struct model *m, int pool, uint64_t now_us)
{
	const struct model_pool *p = &m->pools[pool];
	int64_t line = model_line(m, pool);

	if (!model_is_paused(m, pool) && line == 0) {
		if (model_usable(m, pool) > 0)
			return POOL_TAKE;
		if (model_total(m, pool) == model_count(m, pool, SLOT_OPENING) &&
		    p->failures > 0 && now_us < p->not_before_us)
			return POOL_DOWN;
	}
	if (p->rules.max_queue < 0)
		return POOL_WAIT;
	return line < p->rules.max_queue + coming(m, pool, now_us) ? POOL_WAIT
								   : POOL_REFUSE;
}

/* ---- upkeep ---- */

bool model_is_beyond(const struct model *m, int pool, bool with_reserve)
{
	const struct rules *r = &m->pools[pool].rules;
	int64_t most = size_of(m, pool);

	if (with_reserve && r->reserve_pool_timeout > 0)
		most += r->reserve_pool_size;
	most += m->pools[pool].has_extra;
	return model_total(m, pool) - model_leaving(m, pool) > most;
}

bool model_is_over_limit(const struct model *m, int pool)
{
	for (int i = 0; i < USAGES_EACH; i++) {
		int limit = m->pools[pool].limits[i];

		if (model_limit_servers(m, limit) - model_limit_leaving(m, limit) >
		    m->limits[limit].most)
			return true;
	}
	return false;
}

enum upkeep model_judge(struct model *m, int slot, uint64_t now_us)
{
	const struct model_slot *s = &m->slots[slot];
	const struct rules *r = &m->pools[s->pool].rules;
	int64_t staying = model_total(m, s->pool) - model_leaving(m, s->pool);

	bool is_in_use = m->pools[s->pool].clients > 0;

	if (now_us >= s->retire_us && (s->retire || !is_in_use))
		return UPKEEP_CLOSE_OLD;
	if (s->retire)
		return UPKEEP_CLOSE_RETIRED;
	if (model_is_beyond(m, s->pool, true) || model_is_over_limit(m, s->pool))
		return UPKEEP_CLOSE_IDLE;
	if (model_is_beyond(m, s->pool, false) &&
	    now_us - s->since_us >= r->reserve_pool_timeout)
		return UPKEEP_CLOSE_IDLE;
	if (r->server_idle_timeout > 0 && staying > r->min_pool_size &&
	    now_us - s->since_us >= r->server_idle_timeout)
		return UPKEEP_CLOSE_IDLE;
	if (now_us >= model_idle_due(m, slot, now_us))
		return UPKEEP_CLOSE_EVICTED;
	if (now_us >= s->retire_us && !s->is_noted)
		return UPKEEP_RENEW;
	return UPKEEP_KEEP;
}
