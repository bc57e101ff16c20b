/*
 * Moving means whose first values count in full, so that the second sample is already an
 * estimate.
 */
#include "pool/forecast.h"

#include "base/clock.h"

enum {
	PATIENCE = 3, /* mean deviations beyond the mean that no news may take */
};

void forecast_init(struct forecast *f)
{
	*f = (struct forecast){0};
}

void forecast_taken(struct forecast *f, uint64_t now_us)
{
	f->moved_us = now_us;
}

static void note_held(struct forecast *f, double held_us, unsigned servers)
{
	double w = pace_weight(&f->samples, servers);
	double off = held_us - f->held_us;

	f->held_us += w * off;
	f->deviation_us += w * ((off < 0 ? -off : off) - f->deviation_us);
}

void forecast_freed(struct forecast *f, uint64_t held_us, unsigned servers,
		    bool is_awaited, uint64_t now_us)
{
	note_held(f, (double)held_us, servers);
	pace_note(&f->awaited, servers, is_awaited, now_us);
	f->moved_us = now_us;
}

/* What no news adds to the time between two servers: nothing for as long as one may well
 * be held. */
static double stalled_us(const struct forecast *f, uint64_t now_us)
{
	double gap = (double)clock_since(now_us, f->moved_us);
	double usual = f->held_us + PATIENCE * f->deviation_us;

	return gap > usual ? gap - usual : 0;
}

uint64_t forecast_wait(const struct forecast *f, unsigned ahead, unsigned servers,
		       const struct pace *own, uint64_t now_us)
{
	double gap_us;

	if (f->samples == 0 || servers == 0)
		return 0;
	gap_us = f->held_us / servers;
	if (own && pace_is_known(own))
		gap_us = pace_gap_us(own, servers);
	else if (pace_is_known(&f->awaited) && pace_gap_us(&f->awaited, servers) > gap_us)
		gap_us = pace_gap_us(&f->awaited, servers);
	return (uint64_t)((ahead + 1.0) * (gap_us + stalled_us(f, now_us)));
}

uint64_t forecast_held(const struct forecast *f)
{
	return (uint64_t)f->held_us;
}

uint64_t forecast_spread(const struct forecast *f)
{
	return (uint64_t)f->deviation_us;
}
