/*
 * In times of what a server is held for, and of what opening one takes: chosen from
 * simulations of pools that need half a server to seven, beside one that wants them all.
 */
#include "pool/warmth.h"

#include "base/clock.h"
#include "pool/pool.h"

/* So many uses without this one show that it is hardly ever needed. */
enum { IDLE_USES = 8 };

/* But opening another takes so long that it must be worth it. */
enum { LEAST_OPENINGS = 10, MOST_OPENINGS = 25 };
#define MOST_AT_LEAST_US (100 * USEC_PER_MSEC)
#define MOST_AT_MOST_US (5 * USEC_PER_SEC)

/* Mean deviations of the time held. */
enum { PATIENT_SPREADS = 3 };

/* Of both times. */
static uint64_t most(const struct pool *p)
{
	uint64_t time_us = p->opening.took_us * MOST_OPENINGS;

	if (time_us < MOST_AT_LEAST_US)
		return MOST_AT_LEAST_US;
	return time_us < MOST_AT_MOST_US ? time_us : MOST_AT_MOST_US;
}

uint64_t warmth_time(const struct pool *p)
{
	uint64_t time_us = forecast_held(&p->forecast) * IDLE_USES;
	uint64_t least_us = p->opening.took_us * LEAST_OPENINGS;

	/* Before anything is known of its use. */
	if (time_us == 0)
		return most(p);
	return clock_earlier(time_us > least_us ? time_us : least_us, most(p));
}

uint64_t warmth_patience(const struct pool *p)
{
	return clock_earlier(forecast_spread(&p->forecast) * PATIENT_SPREADS, most(p));
}
