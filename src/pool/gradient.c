/*
 * Times are averaged as logarithms: whatever is mixed with the short queries, load makes
 * all of them slower by the same factor, and one long query is no load.
 */
#include "pool/gradient.h"

#include "base/check.h"
#include "base/clock.h"

/* So long without any answer, nothing is known; and what was measured before and after
 * does not belong together. One time for both: answers that come too seldom for the one
 * are otherwise too many for the other. */
#define SILENCE_US (2 * USEC_PER_SEC)

/* A trial, and what it is compared with, wait for so many samples within these times. */
#define TRIAL_LEAST_US (2 * USEC_PER_SEC)
#define TRIAL_MOST_US (4 * USEC_PER_SEC)

enum {
	START = 20,
	ENOUGH_SAMPLES = 30,
	TRIAL_SAMPLES = 3000,
	HOPELESS_SAMPLES = 300, /* enough to see */
	REST_MIN = 16,          /* windows from one trial to the next, */
	REST_MAX = 32,          /* longer each time that nothing new was learnt */
	REST_NEWS = 3,          /* when times have changed a lot */
	UNUSUAL = 32,           /* times the mean: that is not load */
	MANY_UNUSUAL = 8,       /* one in so many */
	NOT_FULL = 10,          /* one in so many samples may be without enough to do */
};

static const double as_much = 0.985; /* pace at which fewer are enough, */
static const double gain = 1.02;     /* and at which more are worth it */
static const double hopeless = 0.85; /* that a longer look makes good */
static const double changed = 1.2;   /* times that differ so much are news, */
static const double unsure =
    3; /* and by so much more, divided by the root of the samples */

static unsigned within(unsigned value, unsigned low, unsigned high)
{
	return value < low ? low : value > high ? high : value;
}

/* Both to within half a percent, and each the other's reverse to within one. */
static double log_2(double value)
{
	double log = 0;

	while (value >= 65536) {
		value /= 65536;
		log += 16;
	}
	while (value >= 2) {
		value /= 2;
		log++;
	}
	value -= 1;
	return log + value + 0.34 * value * (1 - value);
}

static double exp_2(double log)
{
	unsigned whole = (unsigned)log;
	double part = log - whole;

	return (double)(1ULL << whole) * (1 + part - 0.34 * part * (1 - part));
}

void gradient_init(struct gradient *g, unsigned min, unsigned max)
{
	*g = (struct gradient){
	    .limit = START, .step = GRADIENT_COARSE, .rest_after = REST_MIN};
	gradient_set_bounds(g, min, max);
}

void gradient_set_bounds(struct gradient *g, unsigned min, unsigned max)
{
	CHECK(min > 0 && min <= max);
	g->min = min;
	g->max = max;
	g->limit = within(g->limit, min, max);
	g->trial = within(g->trial, min, max);
}

static void begin_window(struct gradient *g, uint64_t now_us)
{
	g->window = (struct gradient_window){.begin_us = now_us, .last_us = now_us};
}

static double mean_us(const struct gradient_window *w)
{
	return exp_2(w->log_sum / (w->samples - w->unusual));
}

static double pace(const struct gradient_window *w, uint64_t now_us)
{
	return w->samples / (double)clock_since(now_us, w->begin_us);
}

/* Whether there was always enough to do, so that the pace is what can be done. */
static bool is_full(const struct gradient_window *w)
{
	return w->full >= w->samples - w->samples / NOT_FULL;
}

/* ---- trials ---- */

static unsigned part_of(unsigned limit, unsigned parts)
{
	return (limit + parts - 1) / parts;
}

/* So that one more step down is back where one step up began. */
static unsigned some_more(const struct gradient *g)
{
	static const unsigned parts[] = {1, 3, 7};

	return within(g->limit + part_of(g->limit, parts[g->step]), g->min, g->max);
}

static unsigned some_fewer(const struct gradient *g)
{
	static const unsigned parts[] = {2, 4, 8};

	return within(g->limit - part_of(g->limit, parts[g->step]), g->min, g->max);
}

/* Of a few servers none is less than one. */
static bool has_smaller_step(const struct gradient *g)
{
	return g->step == GRADIENT_COARSE ||
	       (g->step == GRADIENT_MEDIUM && part_of(g->limit, 4) > 1);
}

static void rest(struct gradient *g, bool is_news)
{
	if (is_news)
		g->rest_after = REST_MIN;
	g->rest = g->rest_after;
	if (!is_news && g->rest_after < REST_MAX)
		g->rest_after *= 2;
}

/* In the direction that is due, if the bounds allow. */
static bool begin_trial(struct gradient *g)
{
	g->trial = g->tries_more ? some_more(g) : some_fewer(g);
	g->phase = g->trial == g->limit ? GRADIENT_STEADY : GRADIENT_LEAVING;
	return g->phase == GRADIENT_LEAVING;
}

/* The other direction is next. Where both have failed with large steps, smaller ones may
 * do better. */
static void fail(struct gradient *g)
{
	g->phase = GRADIENT_RETURNING;
	g->tries_more = !g->tries_more;
	g->failures++;
	if (g->failures >= 2 && !has_smaller_step(g)) {
		rest(g, false);
		return;
	}
	g->rest = g->step == GRADIENT_COARSE ? 0 : REST_NEWS;
	if (g->failures < 2)
		return;
	g->step++;
	g->failures = 0;
}

static void succeed(struct gradient *g, double found)
{
	g->phase = GRADIENT_STEADY;
	g->limit = g->trial;
	g->usual_us = 0;
	g->failures = 0;
	/* Many small losses would be a large one. */
	if (g->tries_more || found > g->pace)
		g->pace = found;
	if (!begin_trial(g)) {
		g->tries_more = !g->tries_more;
		rest(g, true);
	}
}

static void end_trial(struct gradient *g, uint64_t now_us)
{
	double found = pace(&g->window, now_us);
	double wanted = g->pace * (g->tries_more ? gain : as_much);

	if (is_full(&g->window) && found >= wanted)
		succeed(g, found);
	else
		fail(g);
}

/* ---- between trials ---- */

/* Whether two times differ by more than chance, the first being of so many samples. */
static bool differ(double a_us, double b_us, unsigned samples)
{
	double beyond = (a_us > b_us ? a_us / b_us : b_us / a_us) - changed;

	return beyond > 0 && beyond * beyond * samples > unsure * unsure;
}

/* Something else is done, or with more or less of a machine: what was found before may be
 * wrong now. */
static void note_time(struct gradient *g)
{
	double now_us = mean_us(&g->window);

	if (g->usual_us == 0)
		g->usual_us = now_us;
	if (!differ(now_us, g->usual_us, g->window.samples))
		return;
	g->tries_more = now_us < g->usual_us;
	g->usual_us = now_us;
	g->rest_after = REST_MIN;
	if (g->rest > REST_NEWS)
		g->rest = REST_NEWS;
	if (g->step == GRADIENT_FINE)
		g->step = GRADIENT_MEDIUM;
}

static void look(struct gradient *g, uint64_t now_us)
{
	if (!is_full(&g->window))
		return;
	note_time(g);
	if (g->rest > 0) {
		g->rest--;
		return;
	}
	g->pace = pace(&g->window, now_us);
	if (!begin_trial(g))
		fail(g);
}

/* ---- samples ---- */

static bool is_long_enough(const struct gradient_window *w, uint64_t age_us)
{
	return age_us >= TRIAL_MOST_US ||
	       (age_us >= TRIAL_LEAST_US && w->samples >= TRIAL_SAMPLES);
}

/* So much worse that it need not be known how much. */
static bool is_hopeless(const struct gradient *g, uint64_t now_us)
{
	return g->window.samples >= HOPELESS_SAMPLES &&
	       pace(&g->window, now_us) < hopeless * g->pace;
}

static bool is_over(const struct gradient *g, uint64_t now_us)
{
	uint64_t age_us = clock_since(now_us, g->window.begin_us);
	bool is_compared =
	    g->phase == GRADIENT_TRYING || (g->phase == GRADIENT_STEADY && g->rest == 0);

	if (g->phase == GRADIENT_TRYING && is_hopeless(g, now_us))
		return true;
	if (age_us < USEC_PER_SEC || g->window.samples < ENOUGH_SAMPLES)
		return false;
	return !is_compared || is_long_enough(&g->window, age_us);
}

static void end_window(struct gradient *g, uint64_t now_us)
{
	bool is_odd = g->window.unusual > g->window.samples / MANY_UNUSUAL;

	switch (g->phase) {
	case GRADIENT_STEADY:
		if (!is_odd)
			look(g, now_us);
		break;
	case GRADIENT_RETURNING:
		break;
	case GRADIENT_LEAVING:
		fail(g);
		break;
	case GRADIENT_TRYING:
		if (is_odd)
			fail(g);
		else
			end_trial(g, now_us);
		break;
	}
	begin_window(g, now_us);
}

static bool is_unusual(const struct gradient_window *w, uint64_t first_byte_us)
{
	return w->samples >= ENOUGH_SAMPLES &&
	       (double)first_byte_us > mean_us(w) * UNUSUAL;
}

static void note(struct gradient *g, uint64_t first_byte_us, unsigned in_flight,
		 uint64_t now_us)
{
	struct gradient_window *w = &g->window;

	w->full += in_flight >= gradient_limit(g);
	w->last_us = now_us;
	if (is_unusual(w, first_byte_us))
		w->unusual++;
	else
		w->log_sum += log_2(first_byte_us > 0 ? (double)first_byte_us : 1);
	w->samples++;
}

/* What was begun with another limit is not counted for this one. */
static void arrive(struct gradient *g, unsigned in_flight, uint64_t now_us)
{
	switch (g->phase) {
	case GRADIENT_STEADY:
	case GRADIENT_TRYING:
		return;
	case GRADIENT_RETURNING:
		if (in_flight > g->limit)
			return;
		g->phase = GRADIENT_STEADY;
		break;
	case GRADIENT_LEAVING:
		if (g->tries_more ? in_flight < g->trial : in_flight > g->trial)
			return;
		g->phase = GRADIENT_TRYING;
		break;
	}
	begin_window(g, now_us);
}

static bool is_trial(const struct gradient *g)
{
	return g->phase == GRADIENT_LEAVING || g->phase == GRADIENT_TRYING;
}

static bool is_silent(const struct gradient *g, uint64_t now_us)
{
	return clock_since(now_us, g->window.last_us) >= SILENCE_US;
}

/* A trial is not gone on with: what it is compared with is of another time. It has shown
 * nothing, but if its few servers are why so little is heard, more are better next. */
static void break_off(struct gradient *g, uint64_t now_us)
{
	if (is_trial(g)) {
		g->phase = GRADIENT_RETURNING;
		g->tries_more = !g->tries_more;
	}
	begin_window(g, now_us);
}

bool gradient_sample(struct gradient *g, uint64_t first_byte_us, unsigned in_flight,
		     uint64_t now_us)
{
	bool is_due;

	if (g->window.begin_us == 0)
		begin_window(g, now_us);
	if (is_silent(g, now_us))
		break_off(g, now_us);
	is_due = is_over(g, now_us);
	if (is_due)
		end_window(g, now_us);
	arrive(g, in_flight, now_us);
	note(g, first_byte_us, in_flight, now_us);
	return is_due;
}

void gradient_press(struct gradient *g, uint64_t now_us)
{
	if (g->window.begin_us == 0)
		begin_window(g, now_us);
	if (!is_silent(g, now_us))
		return;
	/* Not fewer than a trial of more lets work. */
	if (is_trial(g) && g->trial > g->limit)
		g->limit = g->trial;
	g->limit = within(g->limit + 1 + g->limit / 16, g->min, g->max);
	break_off(g, now_us);
}

unsigned gradient_limit(const struct gradient *g)
{
	return is_trial(g) ? g->trial : g->limit;
}
