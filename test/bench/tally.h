/*
 * How many of a kind there were and how long they took: counts in buckets that grow with
 * the value, 32 to each power of two, so a quantile is right to 3 %.
 */
#ifndef BENCH_TALLY_H
#define BENCH_TALLY_H

#include <stdint.h>

enum { TALLY_BUCKETS = 64 * 32 };

struct tally {
	uint64_t count, sum_ns, max_ns;
	uint64_t buckets[TALLY_BUCKETS];
};

void tally_add(struct tally *t, uint64_t ns);
/* The time that `share` (0 to 1) of them did not exceed; 0 if there were none. */
uint64_t tally_quantile_ns(const struct tally *t, double share);
/* Lines PREFIXcount=, _p50_us=, _p99_us=, _max_us=. */
void tally_print(const struct tally *t, const char *prefix);

/* A tally for each SQLSTATE met. */
enum { SQLSTATES_MAX = 16 };

struct sqlstates {
	unsigned count;
	char code[SQLSTATES_MAX][6];
	struct tally *tally[SQLSTATES_MAX];
};

void sqlstates_add(struct sqlstates *all, const char *code, uint64_t ns);
uint64_t sqlstates_total(const struct sqlstates *all);
void sqlstates_print(const struct sqlstates *all, const char *prefix);
void sqlstates_fini(struct sqlstates *all);

#endif
