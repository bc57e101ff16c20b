#include "simulation/crowd.h"

#include <math.h>

enum event {
	EVENT_COMES,
	EVENT_DONE,
	EVENT_OPEN,
	EVENT_LEAVES,
	EVENT_LATE,
	EVENT_LOOK,
	EVENT_SHARED
};

/* What the relay makes of a limit, so that not all end at once: from so much of it on. */
static const double limit_low = 1.12, limit_width = 0.06;

/* ---- chance ---- */

double simulation_chance(struct simulation *s)
{
	return ((double)(dice_roll(&s->dice) >> 12) + 0.5) / (double)(1ULL << 52);
}

static double exponential(struct simulation *s, double mean)
{
	return -log(simulation_chance(s)) * mean;
}

/* One in fifty takes twenty times as long as the others, the mean is kept. */
static double heavy(struct simulation *s, double mean)
{
	double usual = mean / (0.98 + 0.02 * 20);

	return exponential(s, simulation_chance(s) < 0.02 ? 20 * usual : usual);
}

static uint64_t span_us(struct simulation *s, uint64_t mean_us, enum spread spread)
{
	double span = (double)mean_us;

	switch (spread) {
	case SPREAD_NONE:
		break;
	case SPREAD_EXPONENTIAL:
		span = exponential(s, span);
		break;
	case SPREAD_HEAVY:
		span = heavy(s, span);
		break;
	}
	return (uint64_t)span + 1;
}

/* ---- records ---- */

static void note(struct record *r, uint64_t time_us)
{
	uint64_t step = time_us / TIME_STEP_US;

	r->times[step < TIMES ? step : TIMES - 1]++;
	r->count++;
	if (time_us > r->longest_us)
		r->longest_us = time_us;
}

uint64_t record_part(const struct record *r, double part)
{
	uint64_t sum = 0, wanted = (uint64_t)ceil((double)r->count * part);
	unsigned step = 0;

	while (step < TIMES && (sum += r->times[step]) < wanted)
		step++;
	return ((uint64_t)step + 1) * TIME_STEP_US;
}

uint64_t crowd_refused(const struct crowd *c)
{
	uint64_t sum = 0;

	for (int i = 0; i < REFUSAL_REASONS; i++)
		sum += c->refused[i];
	return sum;
}

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
		comes_back(s, p->crowd, span_us(s, 10 * MSEC, SPREAD_EXPONENTIAL));
	goes(s, p);
}

static void is_turned_away(struct simulation *s, struct person *p,
			   enum refusal_reason why)
{
	note(&crowd_of(s, p)->turned, s->now_us - p->waiter.since_us);
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
	return sum;
}

/* Where all share, times are exponential: then whoever is done next is anybody. */
static void share_out(struct simulation *s)
{
	unsigned at_work = servers_at_work(s);

	s->machine.ticket++;
	if (s->machine.cores > 0 && at_work > 0)
		agenda_add(&s->agenda,
			   s->now_us + 1 +
			       (uint64_t)exponential(
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
	p->ticket++;
	c->served++;
	if (s->machine.cores > 0) {
		share_out(s);
		return;
	}
	uint64_t held_us = span_us(s, c->held_us, c->spread);
	c->server_us += held_us;
	agenda_add(&s->agenda, s->now_us + held_us, EVENT_DONE, (unsigned)at, 0);
}

static void open_one(struct simulation *s, struct pool *p)
{
	unsigned i = 0;

	while (i < SLOTS_MOST && s->slots[i].state != SLOT_OUTSIDE)
		i++;
	assert_true(i < SLOTS_MOST);
	pool_add(p, &s->slots[i], s->now_us);
	agenda_add(&s->agenda, s->now_us + s->opening_us, EVENT_OPEN, i, 0);
	s->opened++;
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
		note(&crowd_of(s, person)->waits, s->now_us - w->since_us);
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

static struct slot *open_wanted(struct simulation *s, struct pool *p)
{
	if (!pool_may_grow(p))
		return NULL;
	for (unsigned n = pool_demand(p, s->now_us); n > 0; n--)
		open_one(s, p);
	look_later(s, p);
	return pool_eviction_for(p, s->now_us);
}

static void serve_blocked(struct simulation *s, struct usage *usage)
{
	struct pool *p;

	while ((p = pool_next_blocked(usage, s->now_us)) != NULL)
		open_wanted(s, p);
}

static void serve(struct simulation *s, struct pool *p);

static void close_server(struct simulation *s, struct slot *slot)
{
	struct pool *p = slot->pool;

	pool_remove(p, slot, s->now_us);
	serve(s, p);
	for (int i = 0; i < USAGES_EACH; i++)
		serve_blocked(s, p->usages[i]);
}

static void serve(struct simulation *s, struct pool *p)
{
	struct slot *victim;

	match(s, p);
	victim = open_wanted(s, p);
	if (victim)
		close_server(s, victim);
}

static void free_server(struct simulation *s, struct slot *slot)
{
	struct pool *p = slot->pool;

	pool_give_back(p, slot, s->now_us);
	if (pool_judge_idle(p, slot, s->now_us) == UPKEEP_KEEP)
		serve(s, p);
	else
		close_server(s, slot);
}

static void is_done(struct simulation *s, unsigned at)
{
	struct person *person = s->server_of[at];
	struct slot *slot = &s->slots[at];

	assert_non_null(person);
	s->server_of[at] = NULL;
	note(&crowd_of(s, person)->times, s->now_us - person->came_us);
	if (s->observer.on_free)
		s->observer.on_free(s, slot);
	if (crowd_of(s, person)->clients > 0)
		comes_back(s, person->crowd, 0);
	goes(s, person);
	free_server(s, slot);
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
			   s->now_us + span_us(s, c->patience_us, SPREAD_EXPONENTIAL),
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
		note(&c->waits, 0);
		begins(s, p, pool_take(pool, (uint8_t)c->class, s->now_us));
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

static void comes(struct simulation *s, unsigned crowd)
{
	struct crowd *c = &s->crowds[crowd];
	struct person *p = s->outside;

	if (c->clients == 0 && c->per_second > 0)
		comes_back(s, crowd,
			   1 + (uint64_t)exponential(s, (double)SECOND / c->per_second));
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

static void leaves(struct simulation *s, unsigned who)
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

static void is_late(struct simulation *s, unsigned who)
{
	struct person *p = &s->people[who];
	struct pool *pool = &s->pools[crowd_of(s, p)->pool];

	pool_refuse(pool, &p->waiter, REFUSAL_TIMEOUT);
	is_turned_away(s, p, REFUSAL_TIMEOUT);
	serve(s, pool);
}

/* ---- time ---- */

static void one_of_those_is_done(struct simulation *s)
{
	unsigned at, busy = 0, nth, at_work = servers_at_work(s);

	nth = dice_of(&s->dice, at_work);
	for (at = 0; at < SLOTS_MOST; at++)
		if (s->slots[at].state == SLOT_BUSY && busy++ == nth)
			break;
	struct slot *slot = &s->slots[at];
	pool_note_first_byte(slot->pool, s->now_us - slot->taken_us, s->now_us);
	is_done(s, at);
	share_out(s);
}

static void look(struct simulation *s, unsigned pool, uint64_t due_us)
{
	struct pool *p = &s->pools[pool];

	if (s->looks[pool] != due_us)
		return;
	s->looks[pool] = 0;
	serve(s, p);
	for (int i = 0; i < USAGES_EACH; i++)
		serve_blocked(s, p->usages[i]);
}

static void happens(struct simulation *s, const struct entry *e)
{
	switch ((enum event)e->what) {
	case EVENT_COMES:
		comes(s, e->who);
		break;
	case EVENT_DONE:
		is_done(s, e->who);
		break;
	case EVENT_OPEN:
		free_server(s, &s->slots[e->who]);
		break;
	case EVENT_LEAVES:
		if (s->people[e->who].ticket == e->ticket)
			leaves(s, e->who);
		break;
	case EVENT_LATE:
		if (s->people[e->who].ticket == e->ticket)
			is_late(s, e->who);
		break;
	case EVENT_LOOK:
		look(s, e->who, e->ticket);
		break;
	case EVENT_SHARED:
		if (s->machine.ticket == e->ticket)
			one_of_those_is_done(s);
		break;
	}
}

void simulation_run(struct simulation *s, uint64_t length_us)
{
	uint64_t end_us = s->now_us + length_us;
	struct entry e;

	while (s->agenda.count > 0 && s->agenda.entries[0].at_us < end_us) {
		agenda_next(&s->agenda, &e);
		s->now_us = e.at_us;
		s->events++;
		happens(s, &e);
		if (s->observer.after)
			s->observer.after(s);
	}
	s->now_us = end_us;
}

/* ---- beginning and end ---- */

static uint64_t seed(void)
{
	const char *text = getenv("SIMULATION_SEED");

	return text ? strtoull(text, NULL, 10) : 20261123;
}

int simulation_tell_seed(void **state)
{
	(void)state;
	print_message("# SIMULATION_SEED=%llu\n", (unsigned long long)seed());
	return 0;
}

static void hold(struct usages *u, struct usage **out, unsigned count)
{
	char name[16];

	for (unsigned i = 0; i < count; i++) {
		snprintf(name, sizeof(name), "name%u", i);
		out[i] = usages_hold(u, slice_of_text(name));
		assert_non_null(out[i]);
	}
}

struct simulation *simulation_begin(void)
{
	struct simulation *s = calloc(1, sizeof(*s));

	assert_non_null(s);
	usages_init(&s->databases, USAGE_OF_DATABASE);
	usages_init(&s->users, USAGE_OF_USER);
	usage_init(&s->process, USAGE_OF_PROCESS);
	hold(&s->databases, s->database, POOLS_MOST);
	hold(&s->users, s->user, USERS_MOST);
	s->entry = (struct database){.name = "name0", .user = ""};
	s->rules = (struct rules){
	    .pool_mode = POOL_MODE_TRANSACTION,
	    .pool_size = 20,
	    .max_queue = -1,
	    .server_lifetime = 3600 * SECOND,
	    .queue_policy = QUEUE_FIFO,
	    .queue_prediction = TRIAL_ON,
	    .priority_shedding = TRIAL_ON,
	    .priority_target = 20 * MSEC,
	    .queue_target = 5 * MSEC,
	    .queue_interval = 100 * MSEC,
	};
	s->opening_us = 5 * MSEC;
	s->now_us = START;
	s->dice.state = seed() * 2 + 1;
	for (int i = 0; i < 64; i++)
		dice_roll(&s->dice);
	s->outside_end = &s->outside;
	for (int i = 0; i < PEOPLE_MOST; i++) {
		*s->outside_end = &s->people[i];
		s->outside_end = &s->people[i].next;
	}
	return s;
}

static void clear(struct simulation *s, struct pool *p)
{
	struct waiter *w;
	struct slot *slot;

	while ((w = admission_first(&p->line)) != NULL)
		admission_leave(w);
	for (int state = SLOT_OPENING; state < SLOT_STATES; state++)
		while ((slot = TAILQ_FIRST(&p->slots[state])) != NULL)
			pool_remove(p, slot, s->now_us);
	p->clients = 0;
	pool_fini(p);
}

void simulation_end(struct simulation *s)
{
	for (unsigned i = 0; i < s->pool_count; i++)
		clear(s, &s->pools[i]);
	for (unsigned i = 0; i < POOLS_MOST; i++)
		usage_release(&s->databases, s->database[i]);
	for (unsigned i = 0; i < USERS_MOST; i++)
		usage_release(&s->users, s->user[i]);
	usage_fini(&s->process);
	usages_fini(&s->databases);
	usages_fini(&s->users);
	agenda_fini(&s->agenda);
	free(s);
}

unsigned simulation_add_pool(struct simulation *s, unsigned database, unsigned user)
{
	unsigned number = s->pool_count++;
	const struct pool_ground ground = {
	    .database = &s->entry,
	    .database_usage = s->database[database],
	    .user_usage = s->user[user],
	    .process_usage = &s->process,
	    .paused_all = &s->paused_all,
	    .rules = &s->rules,
	    .stats_period_us = 60 * SECOND,
	};

	assert_true(number < POOLS_MOST);
	pool_init(&s->pools[number], &ground, s->now_us);
	return number;
}

unsigned simulation_add_crowd(struct simulation *s, const struct crowd *crowd)
{
	unsigned number = s->crowd_count++;

	assert_true(number < CROWDS_MOST);
	s->crowds[number] = *crowd;
	if (crowd->clients == 0)
		comes_back(s, number, 0);
	for (unsigned i = 0; i < crowd->clients; i++)
		comes_back(s, number, 0);
	return number;
}

void simulation_set_rate(struct simulation *s, unsigned crowd, double per_second)
{
	struct crowd *c = &s->crowds[crowd];
	bool has_stopped = c->per_second <= 0;

	c->per_second = per_second;
	if (has_stopped)
		comes_back(s, crowd, 0);
}

void simulation_forget(struct simulation *s)
{
	for (unsigned i = 0; i < s->crowd_count; i++) {
		struct crowd *c = &s->crowds[i];

		*c = (struct crowd){
		    .pool = c->pool,
		    .user = c->user,
		    .class = c->class,
		    .weight = c->weight,
		    .per_second = c->per_second,
		    .clients = c->clients,
		    .held_us = c->held_us,
		    .spread = c->spread,
		    .limit_us = c->limit_us,
		    .patience_us = c->patience_us,
		};
	}
	s->opened = s->events = 0;
}
