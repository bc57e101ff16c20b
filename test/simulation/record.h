/*
 * How often each length of time occurred.
 */
#ifndef POOLER_TEST_SIMULATION_RECORD_H
#define POOLER_TEST_SIMULATION_RECORD_H

#include <stdint.h>

enum { RECORD_STEPS = 4096, RECORD_STEP_US = 500 };

struct record {
	uint64_t count, longest_us;
	uint32_t times[RECORD_STEPS];
};

void record_note(struct record *r, uint64_t time_us);

/* The time that such a part of it (0.99) does not exceed; in whole steps. */
uint64_t record_part(const struct record *r, double part);

#endif
