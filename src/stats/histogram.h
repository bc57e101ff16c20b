/*
 * A histogram of durations: two buckets for each power of two of microseconds, so that a
 * quantile is right within a third, in 64 numbers.
 */
#ifndef POOLER_STATS_HISTOGRAM_H
#define POOLER_STATS_HISTOGRAM_H

#include <stddef.h>
#include <stdint.h>

enum { HISTOGRAM_BUCKETS = 64 };

struct histogram {
	uint64_t count;
	uint64_t buckets[HISTOGRAM_BUCKETS];
};

void histogram_add(struct histogram *h, uint64_t duration_us);

/* The upper end of the bucket in which the given share (0 to 1) of all durations ends; 0
 * when there are none. */
uint64_t histogram_quantile(const struct histogram *h, double share);

#endif
