/*
 * The limit breathes: each window adds a little room, and the ratio takes it away where
 * it only made a queue inside of the server.
 */
#include "pool/gradient.h"

#include "base/check.h"
#include "base/clock.h"

enum {
	START = 20,
	ENOUGH_SAMPLES = 10,
	LONG_WINDOWS = 600, /* that the long run remembers */
};

static const double smoothing = 0.2; /* what a new limit counts for */
static const double steepest = 0.5;  /* the ratio does not go below it */
static const double tolerance = 1.1; /* that much slower than in the long run is noise */
static const double drift = 0.9;     /* per window: the long run after a slow time */

static double within(double value, double low, double high)
{
	return value < low ? low : value > high ? high : value;
}

void gradient_init(struct gradient *g, unsigned min, unsigned max)
{
	CHECK(min > 0 && min <= max);
	*g = (struct gradient){.min = min, .max = max};
	g->limit = within(START, min, max);
}

void gradient_set_bounds(struct gradient *g, unsigned min, unsigned max)
{
	CHECK(min > 0 && min <= max);
	g->min = min;
	g->max = max;
	g->limit = within(g->limit, min, max);
}

/* The root, rounded down: how much the limit may grow in a window. */
static double room(double limit)
{
	unsigned root = 1;

	while ((root + 1.0) * (root + 1.0) <= limit)
		root++;
	return root;
}

static void note_long(struct gradient *g, double short_us)
{
	if (g->windows < LONG_WINDOWS)
		g->windows++;
	g->long_us += (short_us - g->long_us) / g->windows;
	if (g->long_us > 2 * short_us)
		g->long_us *= drift;
}

static void adjust(struct gradient *g)
{
	double short_us = g->sum_us / g->samples;
	double ratio, wanted;

	note_long(g, short_us);
	if (g->busiest < g->limit / 2)
		return;
	ratio = within(tolerance * g->long_us / within(short_us, 1, short_us + 1),
		       steepest, 1);
	wanted = g->limit * ratio + room(g->limit);
	g->limit =
	    within((1 - smoothing) * g->limit + smoothing * wanted, g->min, g->max);
}

static void begin_window(struct gradient *g, uint64_t now_us)
{
	g->end_us = now_us + USEC_PER_SEC;
	g->sum_us = 0;
	g->samples = 0;
	g->busiest = 0;
	g->is_frozen = false;
}

bool gradient_sample(struct gradient *g, uint64_t first_byte_us, unsigned in_flight,
		     uint64_t now_us)
{
	bool is_due =
	    g->end_us != 0 && now_us >= g->end_us && g->samples >= ENOUGH_SAMPLES;

	if (is_due && !g->is_frozen)
		adjust(g);
	if (is_due || g->end_us == 0)
		begin_window(g, now_us);
	g->sum_us += (double)first_byte_us;
	g->samples++;
	if (in_flight > g->busiest)
		g->busiest = in_flight;
	return is_due;
}

void gradient_freeze(struct gradient *g)
{
	g->is_frozen = true;
}

unsigned gradient_limit(const struct gradient *g)
{
	return (unsigned)g->limit;
}
