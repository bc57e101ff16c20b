/*
 * Times are averaged as logarithms: whatever is mixed with the short queries, load makes
 * all of them slower by the same factor, and one long query is no load.
 */
#include "pool/gradient.h"

#include "base/check.h"
#include "base/clock.h"

/* So long without any answer, nothing is known. */
#define SILENCE_US (2 * USEC_PER_SEC)

enum {
	START = 20,
	ENOUGH_SAMPLES = 30,
	TRIAL_SAMPLES = 300, /* wanted in a trial, which waits for them so long: */
	TRIAL_SECONDS = 3,
	REST_MIN = 16,    /* windows from one trial to the next, */
	REST_MAX = 128,   /* longer each time that nothing new was learnt */
	REST_SLOW = 3,    /* when times have grown a lot */
	UNUSUAL = 32,     /* times the mean: that is not load */
	MANY_UNUSUAL = 8, /* one in so many */
};

static const double smoothing = 0.2; /* what a new limit counts for */
static const double steepest = 0.5;  /* the ratio does not go below it */
static const double tolerance = 1.1; /* so much slower than without load is noise */
static const double slow = 0.7;     /* ratio at which the time without load is in doubt */
static const double sloping = 0.9;  /* ratio that ends the climb */
static const double fewer = 0.75;   /* of the servers, in a trial; */
static const double half = 0.5;     /* while nothing is known */
static const double as_fast = 0.93; /* pace at which fewer are enough */

static double within(double value, double low, double high)
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

/* How much the limit may grow in a window: half the root. */
static double room(double limit)
{
	unsigned root = 1;

	while ((root + 1.0) * (root + 1.0) <= limit)
		root++;
	return root / 2.0;
}

void gradient_init(struct gradient *g, unsigned min, unsigned max)
{
	*g = (struct gradient){.rest_after = REST_MIN};
	g->limit = START;
	gradient_set_bounds(g, min, max);
}

void gradient_set_bounds(struct gradient *g, unsigned min, unsigned max)
{
	CHECK(min > 0 && min <= max);
	g->min = min;
	g->max = max;
	g->limit = within(g->limit, min, max);
	g->trial = (unsigned)within(g->trial, min, max);
}

static void begin_window(struct gradient *g, uint64_t now_us)
{
	g->window = (struct gradient_window){.begin_us = now_us};
}

static double mean_us(const struct gradient_window *w)
{
	return exp_2(w->log_sum / w->samples);
}

/* By Little's law, so that it holds for those at work, whoever else there is. */
static double pace(const struct gradient_window *w)
{
	return w->in_flight / w->samples / mean_us(w);
}

/* ---- trials ---- */

static unsigned trial_limit(const struct gradient *g)
{
	return (unsigned)(g->limit * (g->phase == GRADIENT_CLIMBING ? half : fewer));
}

static bool may_try(const struct gradient *g)
{
	return g->window.busiest >= (unsigned)g->limit && trial_limit(g) >= g->min;
}

static void begin_trial(struct gradient *g)
{
	g->pace = pace(&g->window);
	g->trial = trial_limit(g);
	g->before = g->phase;
	g->phase = GRADIENT_LEAVING;
}

static void rest(struct gradient *g, bool is_news)
{
	if (is_news)
		g->rest_after = REST_MIN;
	g->rest = g->rest_after;
	if (!is_news && g->rest_after < REST_MAX)
		g->rest_after *= 2;
}

static void end_trial(struct gradient *g)
{
	double now_us = mean_us(&g->window);
	bool is_known;

	g->phase = g->before;
	if (pace(&g->window) >= as_fast * g->pace) {
		g->limit = g->trial;
		g->unloaded_us = now_us;
		g->rest_after = REST_MIN;
		if (may_try(g))
			begin_trial(g);
		return;
	}
	is_known = now_us > g->unloaded_us / 1.2 && now_us < g->unloaded_us * 1.2;
	g->unloaded_us = is_known ? (g->unloaded_us + now_us) / 2 : now_us;
	rest(g, !is_known);
}

/* ---- the ratio ---- */

static void follow(struct gradient *g, double ratio)
{
	double wanted = g->limit * ratio + room(g->limit);

	if (g->phase == GRADIENT_CLIMBING && ratio >= sloping && g->limit < g->max) {
		g->limit = within(g->limit * 2, g->min, g->max);
		return;
	}
	g->phase = GRADIENT_STEADY;
	wanted = (1 - smoothing) * g->limit + smoothing * wanted;
	g->limit = within(wanted, g->min, g->max);
}

/* Times while there is little to do are as good as without load; others only show that
 * it was not as slow as was thought. */
static void note_unloaded(struct gradient *g, double now_us, bool is_quiet)
{
	if (g->unloaded_us == 0)
		g->unloaded_us = now_us;
	else if (is_quiet || now_us < g->unloaded_us)
		g->unloaded_us += smoothing * (now_us - g->unloaded_us);
}

static void look(struct gradient *g)
{
	double short_us = mean_us(&g->window), ratio;
	bool is_quiet = g->window.busiest < g->limit / 2;

	note_unloaded(g, short_us, is_quiet);
	if (is_quiet)
		return;
	ratio = within(tolerance * g->unloaded_us / short_us, steepest, 1);
	if (ratio < slow && g->rest > REST_SLOW)
		g->rest = REST_SLOW;
	if (g->rest > 0)
		g->rest--;
	else if (may_try(g)) {
		begin_trial(g);
		return;
	}
	follow(g, ratio);
}

/* ---- samples ---- */

static bool is_over(const struct gradient *g, uint64_t now_us)
{
	uint64_t age_us = clock_since(now_us, g->window.begin_us);

	if (age_us < USEC_PER_SEC || g->window.samples < ENOUGH_SAMPLES)
		return false;
	return g->phase != GRADIENT_TRYING || g->window.samples >= TRIAL_SAMPLES ||
	       age_us >= TRIAL_SECONDS * USEC_PER_SEC;
}

static void end_window(struct gradient *g, uint64_t now_us)
{
	if (g->window.unusual > g->window.samples / MANY_UNUSUAL) {
		if (g->phase >= GRADIENT_LEAVING)
			g->phase = g->before;
	} else if (g->phase == GRADIENT_TRYING) {
		end_trial(g);
	} else if (g->phase == GRADIENT_LEAVING) {
		g->phase = g->before;
		rest(g, false);
	} else {
		look(g);
	}
	begin_window(g, now_us);
}

static bool is_unusual(const struct gradient_window *w, uint64_t first_byte_us)
{
	return w->samples >= ENOUGH_SAMPLES &&
	       (double)first_byte_us > mean_us(w) * UNUSUAL;
}

static void note(struct gradient_window *w, uint64_t first_byte_us, unsigned in_flight)
{
	if (is_unusual(w, first_byte_us)) {
		w->unusual++;
		return;
	}
	w->log_sum += log_2(first_byte_us > 0 ? (double)first_byte_us : 1);
	w->in_flight += in_flight;
	w->samples++;
	if (in_flight > w->busiest)
		w->busiest = in_flight;
}

bool gradient_sample(struct gradient *g, uint64_t first_byte_us, unsigned in_flight,
		     uint64_t now_us)
{
	bool is_due = false;

	if (g->window.begin_us == 0)
		begin_window(g, now_us);
	is_due = is_over(g, now_us);
	if (is_due)
		end_window(g, now_us);
	if (g->phase == GRADIENT_LEAVING && in_flight <= g->trial) {
		g->phase = GRADIENT_TRYING;
		begin_window(g, now_us);
	}
	note(&g->window, first_byte_us, in_flight);
	return is_due;
}

void gradient_press(struct gradient *g, uint64_t now_us)
{
	if (g->window.begin_us == 0)
		begin_window(g, now_us);
	if (g->window.samples > 0 || g->phase >= GRADIENT_LEAVING ||
	    clock_since(now_us, g->window.begin_us) < SILENCE_US)
		return;
	g->limit = within(g->limit + room(g->limit), g->min, g->max);
	begin_window(g, now_us);
}

unsigned gradient_limit(const struct gradient *g)
{
	if (g->phase == GRADIENT_LEAVING || g->phase == GRADIENT_TRYING)
		return g->trial;
	return (unsigned)g->limit;
}
