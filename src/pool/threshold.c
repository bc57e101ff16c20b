/*
 * A window ends with the first arrival after its time, or after its two thousandth.
 */
#include "pool/threshold.h"

#include <assert.h>

#include "base/check.h"
#include "base/clock.h"

enum {
	WINDOW_ARRIVALS = 2000,
	WINDOW_US = 400000,
	CUT = 20,    /* one in so many of what was let in */
	RAISE = 100, /* one in so many of what came */
};

static_assert(WINDOW_ARRIVALS <= UINT16_MAX, "a level's count holds a whole window");

void threshold_init(struct threshold *t)
{
	*t = (struct threshold){0};
}

static unsigned up(uint32_t count, unsigned parts)
{
	return (count + parts - 1) / parts;
}

/* The first level of the most important class that arrived: it is not to be passed. */
static unsigned ceiling(const struct threshold *t)
{
	unsigned level = THRESHOLD_LEVELS;

	while (level > 0 && t->arrived[level - 1] == 0)
		level--;
	return level == 0 ? 0 : (level - 1) / THRESHOLD_STEPS * THRESHOLD_STEPS;
}

static void rise(struct threshold *t, unsigned ceiling)
{
	uint32_t cut = up(t->admitted, CUT), gone = 0;

	t->raises = 0;
	while (t->floor < ceiling && gone < cut)
		gone += t->arrived[t->floor++];
}

static void fall(struct threshold *t)
{
	uint32_t more = up(t->arrivals, RAISE) << t->raises, come = 0;

	if (more < t->arrivals)
		t->raises++;
	while (t->floor > 0 && come < more)
		come += t->arrived[--t->floor];
}

bool threshold_is_over(const struct threshold *t, uint64_t now_us)
{
	return now_us >= t->end_us + WINDOW_US;
}

/* When nobody was served, how long they wait is not known, and the floor stays. */
static void end_window(struct threshold *t, uint64_t target_us, uint64_t now_us)
{
	unsigned top = ceiling(t);

	if (threshold_is_over(t, now_us) || (t->waits > 0 && t->waited_us == 0))
		t->floor = 0;
	else if (t->waits > 0 && t->waited_us / t->waits > target_us)
		rise(t, top);
	else if (t->waits > 0)
		fall(t);
	if (t->floor > top)
		t->floor = top;
}

static void begin_window(struct threshold *t, uint64_t now_us)
{
	*t = (struct threshold){
	    .floor = t->floor, .raises = t->raises, .end_us = now_us + WINDOW_US};
}

bool threshold_arrive(struct threshold *t, uint64_t target_us, unsigned level,
		      uint64_t now_us)
{
	bool is_admitted;

	CHECK(level < THRESHOLD_LEVELS);
	if (t->end_us == 0) {
		begin_window(t, now_us);
	} else if (now_us >= t->end_us || t->arrivals >= WINDOW_ARRIVALS) {
		end_window(t, target_us, now_us);
		begin_window(t, now_us);
	}
	is_admitted = level >= t->floor || level >= THRESHOLD_LEVELS - THRESHOLD_STEPS;
	t->arrived[level]++;
	t->arrivals++;
	t->admitted += is_admitted;
	return is_admitted;
}

void threshold_waited(struct threshold *t, uint64_t wait_us)
{
	t->waits++;
	t->waited_us += wait_us;
}

unsigned threshold_floor(const struct threshold *t)
{
	return t->floor;
}
