#include "simulation/record.h"

#include <math.h>

void record_note(struct record *r, uint64_t time_us)
{
	uint64_t step = time_us / RECORD_STEP_US;

	r->times[step < RECORD_STEPS ? step : RECORD_STEPS - 1]++;
	r->count++;
	if (time_us > r->longest_us)
		r->longest_us = time_us;
}

uint64_t record_part(const struct record *r, double part)
{
	uint64_t sum = 0, wanted = (uint64_t)ceil((double)r->count * part);
	unsigned step = 0;

	while (step < RECORD_STEPS && (sum += r->times[step]) < wanted)
		step++;
	return ((uint64_t)step + 1) * RECORD_STEP_US;
}
