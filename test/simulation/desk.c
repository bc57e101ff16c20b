#include "simulation/desk.h"

/* What the relay makes of a limit, so that not all end at once: from so much of it on. */
static const double limit_low = 1.12, limit_width = 0.06;

/* ---- people ---- */

static struct crowd *crowd_of(struct simulation *s, const struct person *p)
{
	return &s->crowds[p->crowd];
}

static struct asker asker_of(struct simulation *s, const struct person *p)
{
	const struct crowd *c = crowd_of(s, p);

	return (struct asker){
	    .user = s->user[c->user],
	    .weight = c->weight > 0 ? c->weight : 1,
	    .class = (uint8_t)c->class,
	    .step = p->step,
	    .limit_us = c->limit_us ? c->limit_us : CLOCK_NEVER,
	};
}

static void comes_back(struct simulation *s, unsigned crowd, uint64_t after_us)
{
	agenda_add(&s->agenda, s->now_us + after_us, EVENT_COMES, crowd, 0);
}

static void goes(struct simulation *s, struct person *p)
{
	p->is_here = false;
	p->ticket++;
	p->next = NULL;
	*s->outside_end = p;
	s->outside_end = &p->next;
}

static void is_refused(struct simulation *s, struct person *p, enum refusal_reason why)
{
	struct crowd *c = crowd_of(s, p);

	c->refused[why]++;
	/* Nobody who is refused is back at once. */
	if (c->clients > 0)
		comes_back(s, p->crowd,
			   simulation_span_us(s, 10 * MSEC, SPREAD_EXPONENTIAL));
	goes(s, p);
}

static void is_turned_away(struct simulation *s, struct person *p,
			   enum refusal_reason why)
{
	record_note(&crowd_of(s, p)->turned, s->now_us - p->waiter.since_us);
	if (s->observer.on_refuse)
		s->observer.on_refuse(s, p);
	is_refused(s, p, why);
}

/* ---- servers ---- */

static double pace_of(const struct simulation *s, unsigned at_work, uint64_t held_us)
{
	const struct machine *m = &s->machine;
	double done = at_work < m->cores ? at_work : m->cores;

	if (at_work > m->cores)
		done /= 1 + m->slowdown * (at_work - m->cores) / m->cores;
	return done / (double)held_us;
}

static unsigned servers_at_work(const struct simulation *s)
{
	unsigned sum = 0;

	for (unsigned i = 0; i < s->pool_count; i++)
		sum += pool_at_work(&s->pools[i]);
	return sum - s->machine.away;
}

/* Where all share, times are exponential: then whoever is done next is anybody. */
static void share_out(struct simulation *s)
{
	unsigned at_work = servers_at_work(s);

	s->machine.ticket++;
	if (s->machine.cores > 0 && at_work > 0)
		agenda_add(&s->agenda,
			   s->now_us + 1 +
			       (uint64_t)simulation_exponential(
				   s, 1 / pace_of(s, at_work, s->crowds[0].held_us)),
			   EVENT_SHARED, 0, s->machine.ticket);
}

static void begins(struct simulation *s, struct person *p, struct slot *slot)
{
	struct crowd *c = crowd_of(s, p);
	ptrdiff_t at = slot - s->slots;

	assert_int_equal(slot->state, SLOT_BUSY);
	assert_null(s->server_of[at]);
	assert_true(p->is_here);
	s->server_of[at] = p;
	if (s->observer.on_begin)
		s->observer.on_begin(s, p, slot);
	p->ticket++;
	c->served++;
	if (s->machine.cores > 0) {
		share_out(s);
		return;
	}
	uint64_t held_us = simulation_span_us(s, c->held_us, c->spread);
	c->server_us += held_us;
	agenda_add(&s->agenda, s->now_us + held_us, EVENT_DONE, (unsigned)at, 0);
}

static struct slot *begin_to_open(struct simulation *s)
{
	unsigned i = 0;

	while (i < SLOTS_MOST && s->slots[i].state != SLOT_OUTSIDE)
		i++;
	assert_true(i < SLOTS_MOST);
	agenda_add(&s->agenda, s->now_us + s->opening_us, EVENT_OPEN, i, 0);
	s->opened++;
	return &s->slots[i];
}

static void open_one(struct simulation *s, struct pool *p)
{
	struct slot *slot = begin_to_open(s);

	pool_add(p, slot, s->now_us);
	if (s->observer.on_open)
		s->observer.on_open(s, slot);
}

/* ---- what a dispatcher does ---- */

static struct person *person_of(struct waiter *w)
{
	return (struct person *)w->owner;
}

static void match(struct simulation *s, struct pool *p)
{
	struct slot *slot;
	struct waiter *w;
	enum pool_match found;

	while ((found = pool_match(p, s->now_us, &slot, &w)) != POOL_NO_MATCH) {
		struct person *person = person_of(w);

		if (found == POOL_REJECTED) {
			is_turned_away(s, person, REFUSAL_LATE);
			continue;
		}
		record_note(&crowd_of(s, person)->waits, s->now_us - w->since_us);
		if (s->observer.on_serve)
			s->observer.on_serve(s, person, slot);
		begins(s, person, slot);
	}
}

static void look_later(struct simulation *s, struct pool *p)
{
	unsigned i = (unsigned)(p - s->pools);
	uint64_t at_us = pool_next_look(p, s->now_us);

	if (at_us == CLOCK_NEVER || (s->looks[i] > s->now_us && s->looks[i] <= at_us))
		return;
	s->looks[i] = at_us;
	agenda_add(&s->agenda, at_us, EVENT_LOOK, i, at_us);
}

/* It is over, but its slot stays for a moment. */
static void close_server(struct simulation *s, struct slot *slot)
{
	pool_retire(slot->pool, slot);
	agenda_add(&s->agenda, s->now_us, EVENT_GONE, (unsigned)(slot - s->slots), 0);
}

static void close_or_retire(struct simulation *s, struct slot *slot)
{
	if (slot->state == SLOT_IDLE)
		close_server(s, slot);
	else
		pool_retire(slot->pool, slot);
}

static void open_wanted(struct simulation *s, struct pool *p)
{
	struct slot *victim;

	if (!pool_may_grow(p) && !p->blocked_by)
		return;
	for (unsigned n = pool_demand(p, s->now_us); n > 0; n--)
		open_one(s, p);
	victim = p->blocked_by ? pool_eviction_for(p, s->now_us) : NULL;
	if (victim)
		close_server(s, victim);
	look_later(s, p);
}

/* One server is replaced by another. */
static void renew(struct simulation *s, struct pool *p)
{
	struct slot *old;

	if (!pool_is_renewing(p))
		return;
	switch (pool_renewal(p, s->now_us, &old)) {
	case RENEWAL_WAIT:
		return;
	case RENEWAL_OPEN:
		pool_add_successor(p, begin_to_open(s), s->now_us);
		s->renewed++;
		return;
	case RENEWAL_RETIRE:
		close_or_retire(s, old);
		return;
	}
}

static void serve(struct simulation *s, struct pool *p)
{
	renew(s, p);
	match(s, p);
	open_wanted(s, p);
}

static void serve_blocked(struct simulation *s, struct usage *usage)
{
	struct pool *p;

	while ((p = pool_next_blocked(usage, s->now_us)) != NULL)
		open_wanted(s, p);
}

void desk_is_gone(struct simulation *s, unsigned at)
{
	struct pool *p = s->slots[at].pool;

	pool_remove(p, &s->slots[at], s->now_us);
	serve(s, p);
	for (int i = 0; i < USAGES_EACH; i++)
		serve_blocked(s, p->usages[i]);
}

static void judge(struct simulation *s, struct slot *slot)
{
	switch (pool_judge_idle(slot->pool, slot, s->now_us)) {
	case UPKEEP_KEEP:
	case UPKEEP_ASK_MEMORY:
		return;
	case UPKEEP_RENEW:
		pool_note_worn(slot->pool, slot);
		return;
	case UPKEEP_CLOSE_OLD:
	case UPKEEP_CLOSE_USED_UP:
	case UPKEEP_CLOSE_BLOATED:
	case UPKEEP_CLOSE_RETIRED:
	case UPKEEP_CLOSE_IDLE:
	case UPKEEP_CLOSE_EVICTED:
		close_server(s, slot);
		return;
	}
}

/* If nobody has taken it. */
static void judge_later(struct simulation *s, const struct slot *slot)
{
	uint64_t due_us;

	if (slot->state != SLOT_IDLE || slot->retire)
		return;
	due_us = pool_idle_deadline(slot->pool, slot, s->now_us);
	if (due_us != CLOCK_NEVER)
		agenda_add(&s->agenda, due_us, EVENT_IDLE, (unsigned)(slot - s->slots),
			   slot->since_us);
}

void desk_is_free(struct simulation *s, struct slot *slot)
{
	struct pool *p = slot->pool;

	pool_give_back(p, slot, s->now_us);
	judge(s, slot);
	serve(s, p);
	judge_later(s, slot);
}

void desk_judges(struct simulation *s, unsigned at, uint64_t since_us)
{
	struct slot *slot = &s->slots[at];

	if (slot->state != SLOT_IDLE || slot->retire || slot->since_us != since_us)
		return;
	judge(s, slot);
	renew(s, slot->pool);
	judge_later(s, slot);
}

void desk_is_done(struct simulation *s, unsigned at)
{
	struct person *person = s->server_of[at];
	struct slot *slot = &s->slots[at];

	assert_non_null(person);
	s->server_of[at] = NULL;
	record_note(&crowd_of(s, person)->times, s->now_us - person->came_us);
	if (s->observer.on_free)
		s->observer.on_free(s, slot);
	if (crowd_of(s, person)->clients > 0)
		comes_back(s, person->crowd, 0);
	goes(s, person);
	desk_is_free(s, slot);
}

/* ---- somebody comes ---- */

static uint64_t limit_spread(struct simulation *s, uint64_t limit_us)
{
	return (uint64_t)((double)limit_us *
			  (limit_low + limit_width * simulation_chance(s)));
}

static void waits(struct simulation *s, struct pool *pool, struct person *p,
		  const struct asker *asker, const struct pool_ruling *ruling)
{
	const struct crowd *c = crowd_of(s, p);

	if (ruling->displaced) {
		struct person *other = person_of(ruling->displaced);

		pool_refuse(pool, ruling->displaced, REFUSAL_DISPLACED);
		is_turned_away(s, other, REFUSAL_DISPLACED);
	}
	p->waiter.owner = p;
	pool_join(pool, &p->waiter, asker, ruling->expected_us, s->now_us);
	if (c->patience_us > 0)
		agenda_add(&s->agenda,
			   s->now_us +
			       simulation_span_us(s, c->patience_us, SPREAD_EXPONENTIAL),
			   EVENT_LEAVES, (unsigned)(p - s->people), p->ticket);
	if (c->limit_us > 0)
		agenda_add(&s->agenda, s->now_us + limit_spread(s, c->limit_us),
			   EVENT_LATE, (unsigned)(p - s->people), p->ticket);
	if (s->observer.on_join)
		s->observer.on_join(s, p);
	serve(s, pool);
}

static void asks(struct simulation *s, struct person *p)
{
	struct crowd *c = crowd_of(s, p);
	struct pool *pool = &s->pools[c->pool];
	struct asker asker = asker_of(s, p);
	struct pool_ruling ruling = pool_ask(pool, &asker, s->now_us);

	c->asked++;
	switch (ruling.answer) {
	case POOL_TAKE:
		c->at_once++;
		record_note(&c->waits, 0);
		begins(s, p, pool_take(pool, s->now_us));
		return;
	case POOL_WAIT:
		waits(s, pool, p, &asker, &ruling);
		return;
	case POOL_REFUSE:
		is_refused(s, p, ruling.reason);
		return;
	case POOL_DOWN:
		fail_msg("a pool is down whose servers never fail");
	}
}

void desk_comes(struct simulation *s, unsigned crowd)
{
	struct crowd *c = &s->crowds[crowd];
	struct person *p = s->outside;

	if (s->is_closed)
		return;

	if (c->clients == 0 && c->per_second > 0)
		comes_back(s, crowd,
			   1 + (uint64_t)simulation_exponential(s, (double)SECOND /
								       c->per_second));
	/* All are here: the next one comes when there is one. */
	if (!p)
		return;
	s->outside = p->next;
	if (!s->outside)
		s->outside_end = &s->outside;
	p->crowd = crowd;
	p->is_here = true;
	p->came_us = s->now_us;
	p->step = (uint8_t)((p - s->people) % THRESHOLD_STEPS);
	asks(s, p);
}

void desk_leaves(struct simulation *s, unsigned who)
{
	struct person *p = &s->people[who];
	struct pool *pool = &s->pools[crowd_of(s, p)->pool];

	crowd_of(s, p)->left++;
	admission_leave(&p->waiter);
	if (s->observer.on_leave)
		s->observer.on_leave(s, p);
	goes(s, p);
	serve(s, pool);
}

void desk_is_late(struct simulation *s, unsigned who)
{
	struct person *p = &s->people[who];
	struct pool *pool = &s->pools[crowd_of(s, p)->pool];

	pool_refuse(pool, &p->waiter, REFUSAL_TIMEOUT);
	is_turned_away(s, p, REFUSAL_TIMEOUT);
	serve(s, pool);
}

/* ---- what is due ---- */

void desk_one_is_back(struct simulation *s, unsigned at)
{
	s->is_away[at] = false;
	s->machine.away--;
	desk_is_done(s, at);
}

void desk_one_is_done(struct simulation *s)
{
	unsigned at, busy = 0, nth, at_work = servers_at_work(s);

	nth = dice_of(&s->dice, at_work);
	for (at = 0; at < SLOTS_MOST; at++)
		if (s->slots[at].state == SLOT_BUSY && !s->is_away[at] && busy++ == nth)
			break;
	struct slot *slot = &s->slots[at];
	pool_note_first_byte(slot->pool, s->now_us - slot->taken_us, s->now_us);
	s->is_away[at] = true;
	s->machine.away++;
	agenda_add(&s->agenda,
		   s->now_us +
		       (uint64_t)simulation_exponential(s, (double)s->machine.away_us),
		   EVENT_BACK, at, 0);
	share_out(s);
}

void desk_looks(struct simulation *s, unsigned pool, uint64_t due_us)
{
	struct pool *p = &s->pools[pool];

	if (s->looks[pool] != due_us)
		return;
	s->looks[pool] = 0;
	serve(s, p);
	for (int i = 0; i < USAGES_EACH; i++)
		serve_blocked(s, p->usages[i]);
}

void desk_obeys(struct simulation *s, unsigned pool, const struct rules *rules)
{
	struct pool *p = &s->pools[pool];

	pool_set_rules(p, rules);
	for (unsigned i = 0; i < SLOTS_MOST; i++)
		if (s->slots[i].pool == p && s->slots[i].state == SLOT_IDLE &&
		    !s->slots[i].retire)
			judge(s, &s->slots[i]);
	serve(s, p);
}

void desk_resumes(struct simulation *s, unsigned pool)
{
	serve(s, &s->pools[pool]);
}
