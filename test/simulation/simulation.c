#include "simulation/simulation.h"

#include <math.h>

#include "simulation/desk.h"

/* ---- chance ---- */

double simulation_chance(struct simulation *s)
{
	return ((double)(dice_roll(&s->dice) >> 12) + 0.5) / (double)(1ULL << 52);
}

double simulation_exponential(struct simulation *s, double mean)
{
	return -log(simulation_chance(s)) * mean;
}

/* One in fifty takes twenty times as long as the others, the mean is kept. */
static double heavy(struct simulation *s, double mean)
{
	double usual = mean / (0.98 + 0.02 * 20);

	return simulation_exponential(s,
				      simulation_chance(s) < 0.02 ? 20 * usual : usual);
}

uint64_t simulation_span_us(struct simulation *s, uint64_t mean_us, enum spread spread)
{
	double span = (double)mean_us;

	switch (spread) {
	case SPREAD_NONE:
		break;
	case SPREAD_EXPONENTIAL:
		span = simulation_exponential(s, span);
		break;
	case SPREAD_HEAVY:
		span = heavy(s, span);
		break;
	}
	return (uint64_t)span + 1;
}

/* ---- time ---- */

static void happens(struct simulation *s, const struct entry *e)
{
	switch ((enum event)e->what) {
	case EVENT_COMES:
		desk_comes(s, e->who);
		break;
	case EVENT_DONE:
		desk_is_done(s, e->who);
		break;
	case EVENT_OPEN:
		desk_is_free(s, &s->slots[e->who]);
		break;
	case EVENT_IDLE:
		desk_judges(s, e->who, e->ticket);
		break;
	case EVENT_GONE:
		desk_is_gone(s, e->who);
		break;
	case EVENT_LEAVES:
		if (s->people[e->who].ticket == e->ticket)
			desk_leaves(s, e->who);
		break;
	case EVENT_LATE:
		if (s->people[e->who].ticket == e->ticket)
			desk_is_late(s, e->who);
		break;
	case EVENT_LOOK:
		desk_looks(s, e->who, e->ticket);
		break;
	case EVENT_SHARED:
		if (s->machine.ticket == e->ticket)
			desk_one_is_done(s);
		break;
	case EVENT_BACK:
		desk_one_is_back(s, e->who);
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

uint64_t crowd_refused(const struct crowd *c)
{
	uint64_t sum = 0;

	for (int i = 0; i < REFUSAL_REASONS; i++)
		sum += c->refused[i];
	return sum;
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
	    .weight = 1,
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
	s->pools[crowd->pool].clients++;
	if (crowd->clients == 0)
		agenda_add(&s->agenda, s->now_us, EVENT_COMES, number, 0);
	for (unsigned i = 0; i < crowd->clients; i++)
		agenda_add(&s->agenda, s->now_us, EVENT_COMES, number, 0);
	return number;
}

void simulation_set_rate(struct simulation *s, unsigned crowd, double per_second)
{
	struct crowd *c = &s->crowds[crowd];
	bool has_stopped = c->per_second <= 0;

	c->per_second = per_second;
	if (has_stopped)
		agenda_add(&s->agenda, s->now_us, EVENT_COMES, crowd, 0);
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
	s->opened = s->renewed = s->events = 0;
}
