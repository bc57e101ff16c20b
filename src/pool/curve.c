/*
 * One point for each third more servers. Whether clients or the database set the pace
 * does not matter: either way so much gets done with so many at work.
 */
#include "pool/curve.h"

#include <stddef.h>

#include "base/clock.h"

#define WINDOW_US USEC_PER_SEC

enum {
	ENOUGH_ANSWERS = 30,
	ENOUGH_WINDOWS = 10,
	REMEMBERED = 64, /* windows, by a mean */
};

static const double as_much = 0.95; /* of the most, is about as much */

/* The most servers of each point. */
static const unsigned upto[CURVE_POINTS] = {
    1,  2,  3,   4,   6,   8,   11,  15,  20,  27,  36,   48,
    64, 85, 114, 152, 203, 271, 361, 481, 642, 856, 1141, UINT32_MAX};

static void begin(struct curve *c, uint64_t now_us)
{
	c->begin_us = c->last_us = now_us;
	c->at_work = 0;
	c->answers = 0;
}

static size_t point_of(double at_work)
{
	size_t i = 0;

	while (at_work >= upto[i] + 0.5)
		i++;
	return i;
}

static void end(struct curve *c, double length_us)
{
	size_t i = point_of(c->at_work / length_us);
	double off = c->answers / length_us - c->points[i].pace;

	if (c->points[i].windows < REMEMBERED)
		c->points[i].windows++;
	c->points[i].pace += off / c->points[i].windows;
}

void curve_note(struct curve *c, unsigned at_work, uint64_t now_us)
{
	if (c->begin_us == 0 || clock_since(now_us, c->last_us) > WINDOW_US)
		begin(c, now_us);
	uint64_t length_us = clock_since(now_us, c->begin_us);
	c->at_work += (double)at_work * (double)clock_since(now_us, c->last_us);
	c->last_us = now_us;
	c->answers++;
	if (length_us < WINDOW_US || c->answers < ENOUGH_ANSWERS)
		return;
	end(c, (double)length_us);
	begin(c, now_us);
}

unsigned curve_enough(const struct curve *c)
{
	double most = 0;

	for (size_t i = 0; i < CURVE_POINTS; i++)
		if (c->points[i].windows >= ENOUGH_WINDOWS && c->points[i].pace > most)
			most = c->points[i].pace;
	/* What only the last has done takes more than can be told. */
	for (size_t i = 0; most > 0 && i < CURVE_POINTS - 1; i++)
		if (c->points[i].windows >= ENOUGH_WINDOWS &&
		    c->points[i].pace >= as_much * most)
			return upto[i];
	return 0;
}
