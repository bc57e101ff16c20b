/*
 * What is going to happen in a simulation, the next first: a heap of times. Two things at
 * the same time happen in the order in which they were entered.
 */
#ifndef POOLER_TEST_SIMULATION_AGENDA_H
#define POOLER_TEST_SIMULATION_AGENDA_H

#include <stdbool.h>
#include <stdint.h>

struct entry {
	uint64_t at_us;
	uint64_t number;
	unsigned what;   /* the owner's */
	unsigned who;    /* the owner's */
	uint64_t ticket; /* the owner's: lets it see that the entry is out of date */
};

struct agenda {
	struct entry *entries;
	unsigned count, cap;
	uint64_t number;
};

void agenda_add(struct agenda *a, uint64_t at_us, unsigned what, unsigned who,
		uint64_t ticket);
/* False when nothing is going to happen. */
bool agenda_next(struct agenda *a, struct entry *out);
void agenda_fini(struct agenda *a);

#endif
