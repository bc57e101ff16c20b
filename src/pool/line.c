/*
 * What becomes of a client that needs a server: it gets one, waits for one, or is told at
 * once that there will be none in time. The line itself is admission.c; here it meets the
 * servers and the clock.
 */
#include <stdlib.h>

#include "base/check.h"
#include "base/clock.h"
#include "pool/demand.h"
#include "pool/pool.h"

enum {
	/* Servers that must have come free before waits are predicted. */
	EVIDENCE = 8,
	/* The bound of what is learned in a pool without a size. */
	GRADIENT_MOST = 1000,
};

/* ---- beginning and end ---- */

static unsigned most_at_work(const struct rules *rules)
{
	return rules->pool_size > 0 ? (unsigned)rules->pool_size : GRADIENT_MOST;
}

static unsigned least_at_work(const struct rules *rules)
{
	unsigned least = rules->min_pool_size > 0 ? (unsigned)rules->min_pool_size : 1;

	return least < most_at_work(rules) ? least : most_at_work(rules);
}

void pool_line_set_rules(struct pool *p)
{
	p->line.max = p->rules.max_queue;
	gradient_set_bounds(&p->gradient, least_at_work(&p->rules),
			    most_at_work(&p->rules));
}

void pool_line_init(struct pool *p)
{
	admission_init(&p->line, p->rules.max_queue);
	forecast_init(&p->forecast);
	gradient_init(&p->gradient, least_at_work(&p->rules), most_at_work(&p->rules));
}

void pool_line_fini(struct pool *p)
{
	admission_fini(&p->line);
	free(p->threshold);
	p->threshold = NULL;
	free(p->curve);
	p->curve = NULL;
}

/* ---- what may be had at once ---- */

bool pool_is_paused(const struct pool *p)
{
	return *p->paused_all != 0 || p->database_usage->gate.is_paused;
}

bool pool_is_suspended(const struct pool *p)
{
	return pool_is_paused(p) ||
	       (p->total == p->counts[SLOT_OPENING] && opening_is_down(&p->opening));
}

void pool_note_suspended(struct pool *p, uint64_t now_us)
{
	if (pool_is_suspended(p))
		p->suspended_us = now_us;
}

unsigned pool_working_limit(const struct pool *p)
{
	return p->rules.adaptive_pool == TRIAL_ON ? gradient_limit(&p->gradient)
						  : UINT_MAX;
}

/* While one is replaced there are both, but no more work than the size allows: the
 * successor begins when the old one is free. What was opened from the reserve is meant to
 * work beyond the size. */
static unsigned limit_while_renewing(const struct pool *p)
{
	unsigned size = (unsigned)p->rules.pool_size;

	if (!p->renewal.is_extra || size == 0)
		return UINT_MAX;
	return p->total - 1 > size ? p->total - 1 : size;
}

unsigned pool_usable(const struct pool *p)
{
	unsigned idle = p->counts[SLOT_IDLE] - p->leaving;
	unsigned at_work = pool_at_work(p), limit = pool_working_limit(p);

	if (limit_while_renewing(p) < limit)
		limit = limit_while_renewing(p);

	if (at_work >= limit)
		return 0;
	return idle < limit - at_work ? idle : limit - at_work;
}

/* Who waits already is not overtaken, even if a server is idle at the moment; unless it
 * is for one that is looked after, as those do who have one checked for them. */
bool pool_may_take(const struct pool *p)
{
	return p->line.count <= p->counts[SLOT_CLEANING] && pool_usable(p) > 0 &&
	       !pool_is_paused(p);
}

struct slot *pool_take(struct pool *p, uint64_t now_us)
{
	struct slot *slot = pool_hand_out(p, NULL, now_us);

	if (p->threshold)
		threshold_waited(p->threshold, 0);
	return slot;
}

void pool_take_slot(struct pool *p, struct slot *slot, uint64_t now_us)
{
	pool_hand_out(p, slot, now_us);
	if (p->threshold)
		threshold_waited(p->threshold, 0);
}

/* ---- who is let in ---- */

static bool is_down(const struct pool *p, uint64_t now_us)
{
	return !pool_is_paused(p) && p->line.count == 0 &&
	       p->total == p->counts[SLOT_OPENING] && opening_is_down(&p->opening) &&
	       now_us < p->opening.not_before_us && now_us >= demand_hold_end(p);
}

/* How many servers work through the line. */
static unsigned servers_for_line(const struct pool *p)
{
	unsigned limit = pool_working_limit(p);

	return p->total < limit ? p->total : limit;
}

uint64_t pool_expected_wait(struct pool *p, const struct asker *asker, uint64_t now_us)
{
	unsigned ahead = admission_ahead(&p->line, asker, &p->rules.priority_reserve);
	unsigned coming = demand_servers_coming(p, now_us);
	const struct lane *own = admission_lane(&p->line, asker);

	/* Those who get a server that is free or on its way wait for nobody. Of a pool
	 * that is paused only RESUME knows, and of one that cannot have a server nobody
	 * does. */
	if (pool_may_take(p) || pool_is_paused(p) ||
	    (p->total == p->counts[SLOT_OPENING] && opening_is_failing(&p->opening)) ||
	    p->forecast.samples < EVIDENCE || ahead < coming)
		return 0;
	if (own && pace_is_known(&own->pace))
		ahead = own->count > coming ? own->count : coming;
	return forecast_wait(&p->forecast, ahead - coming, servers_for_line(p),
			     own ? &own->pace : NULL, now_us);
}

/* The most important class has the highest levels there. */
static unsigned level_of(const struct asker *asker)
{
	return (unsigned)(PRIORITY_LOW - asker->class) * THRESHOLD_STEPS + asker->step;
}

static bool is_shed(struct pool *p, const struct asker *asker, uint64_t now_us)
{
	if (p->rules.priority_shedding == TRIAL_OFF || pool_is_suspended(p))
		return false;
	if (!p->threshold)
		p->threshold = calloc(1, sizeof(*p->threshold));
	/* Without memory everybody is let in. */
	if (!p->threshold || threshold_arrive(p->threshold, p->rules.priority_target,
					      level_of(asker), now_us))
		return false;
	return !admission_has_reserve(&p->line, asker->class, &p->rules.priority_reserve,
				      servers_for_line(p));
}

static void refuse(struct pool *p, enum trial trial, enum refusal_reason reason,
		   struct pool_ruling *out)
{
	out->reason = reason;
	if (trial == TRIAL_ON) {
		out->answer = POOL_REFUSE;
		p->refusals[reason]++;
	} else {
		out->is_on_trial = true;
		p->spared[reason]++;
	}
}

/* What is on its way matters only to a line that is full without it. */
static bool is_full(const struct pool *p, uint64_t now_us)
{
	return admission_is_full(&p->line, 0) &&
	       admission_is_full(&p->line, demand_servers_coming(p, now_us));
}

static void judge_length(struct pool *p, const struct asker *asker, uint64_t now_us,
			 struct pool_ruling *out)
{
	if (!is_full(p, now_us))
		return;
	out->displaced = admission_yields_to(&p->line, asker, &p->rules.priority_reserve);
	if (!out->displaced)
		refuse(p, TRIAL_ON, REFUSAL_FULL, out);
}

/* Whether it is the limit that was found which keeps a client waiting. */
static bool is_pressed(const struct pool *p)
{
	return pool_at_work(p) >= pool_working_limit(p);
}

struct pool_ruling pool_ask(struct pool *p, const struct asker *asker, uint64_t now_us)
{
	struct pool_ruling out = {.answer = POOL_WAIT};

	if (pool_may_take(p))
		return (struct pool_ruling){.answer = POOL_TAKE};
	if (is_down(p, now_us))
		return (struct pool_ruling){.answer = POOL_DOWN};
	pool_note_suspended(p, now_us);
	if (!pool_is_suspended(p) && is_pressed(p))
		gradient_press(&p->gradient, now_us);
	out.expected_us = pool_expected_wait(p, asker, now_us);
	if (is_shed(p, asker, now_us))
		refuse(p, p->rules.priority_shedding, REFUSAL_SHED, &out);
	if (out.answer == POOL_WAIT && p->rules.queue_prediction != TRIAL_OFF &&
	    out.expected_us > asker->limit_us)
		refuse(p, p->rules.queue_prediction, REFUSAL_TOO_LONG, &out);
	if (out.answer == POOL_WAIT)
		judge_length(p, asker, now_us, &out);
	return out;
}

/* ---- the line ---- */

void pool_join(struct pool *p, struct waiter *w, const struct asker *asker,
	       uint64_t expected_us, uint64_t now_us)
{
	w->asker = *asker;
	w->since_us = now_us;
	w->expected_us = expected_us;
	admission_join(&p->line, w);
}

void pool_refuse(struct pool *p, struct waiter *w, enum refusal_reason reason)
{
	CHECK(w->line == &p->line);
	admission_leave(w);
	p->refusals[reason]++;
}

static void count_wait(struct pool *p, uint64_t waited_us, uint64_t now_us)
{
	tally_at(&p->tally, now_us)->wait_time_us += waited_us;
	if (!p->waits)
		p->waits = calloc(1, sizeof(*p->waits));
	/* Without memory a wait is missing in the picture, and nothing else. */
	if (p->waits)
		histogram_add(p->waits, waited_us);
}

static struct admission_rules rules_of(const struct pool *p)
{
	uint64_t held_us = forecast_held(&p->forecast);
	uint64_t target_us = p->rules.queue_target;

	return (struct admission_rules){
	    .policy = p->rules.queue_policy,
	    .codel = {.target_us = target_us > held_us / 2 ? target_us : held_us / 2,
		      .interval_us = clock_later(p->rules.queue_interval, USEC_PER_MSEC)},
	    .from_us = p->suspended_us,
	    .round_us = held_us,
	};
}

static void serve(struct pool *p, struct waiter *w, struct slot *slot, uint64_t now_us)
{
	uint64_t from_us = clock_later(w->since_us, p->suspended_us);

	count_wait(p, clock_since(now_us, w->since_us), now_us);
	if (p->threshold)
		threshold_waited(p->threshold, clock_since(now_us, from_us));
	pace_note(&w->lane->pace, servers_for_line(p), w->lane->count > 1, now_us);
	admission_serve(&p->line, w, &p->rules.priority_reserve,
			forecast_held(&p->forecast), &slot->work);
}

enum pool_match pool_match(struct pool *p, uint64_t now_us, struct slot **out_slot,
			   struct waiter **out_waiter)
{
	struct admission_rules rules;
	bool is_late;

	if (p->line.count == 0 || pool_usable(p) == 0 || pool_is_paused(p))
		return POOL_NO_MATCH;
	rules = rules_of(p);
	switch (admission_judge(&p->line, &rules, now_us, out_waiter, &is_late)) {
	case ADMISSION_NOBODY:
		return POOL_NO_MATCH;
	case ADMISSION_REJECT:
		pool_refuse(p, *out_waiter, REFUSAL_LATE);
		return POOL_REJECTED;
	case ADMISSION_SERVE:
		break;
	}
	p->spared[REFUSAL_LATE] += is_late;
	*out_slot = pool_hand_out(p, NULL, now_us);
	serve(p, *out_waiter, *out_slot, now_us);
	return POOL_MATCHED;
}

uint64_t pool_longest_wait(const struct pool *p, uint64_t now_us)
{
	return admission_longest_wait(&p->line, now_us);
}

/* ---- what is learned ---- */

void pool_end_work(struct pool *p, struct slot *slot, uint64_t now_us)
{
	uint64_t held_us = clock_since(now_us, slot->taken_us);

	slot->taken_us = 0;
	forecast_freed(&p->forecast, held_us, servers_for_line(p), p->line.count > 0,
		       now_us);
	admission_served(&p->line, &slot->work, held_us);
}

static void watch(struct pool *p, uint64_t now_us)
{
	if (!p->curve)
		p->curve = calloc(1, sizeof(*p->curve));
	/* Without memory nothing is learned. */
	if (p->curve)
		curve_note(p->curve, pool_at_work(p), now_us);
}

void pool_note_first_byte(struct pool *p, uint64_t after_us, uint64_t now_us)
{
	switch (p->rules.adaptive_pool) {
	case TRIAL_OFF:
		return;
	case TRIAL_LOG:
		watch(p, now_us);
		return;
	case TRIAL_ON:
		gradient_sample(&p->gradient, after_us, pool_at_work(p), now_us);
		return;
	}
}

unsigned pool_enough_at_work(const struct pool *p)
{
	unsigned size = (unsigned)p->rules.pool_size, enough = 0;

	switch (p->rules.adaptive_pool) {
	case TRIAL_OFF:
		break;
	case TRIAL_LOG:
		enough = p->curve ? curve_enough(p->curve) : 0;
		break;
	case TRIAL_ON:
		return gradient_limit(&p->gradient);
	}
	return enough == 0 || (size > 0 && enough > size) ? size : enough;
}
