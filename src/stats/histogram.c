/*
 * 0 and 1 have a bucket each; from 2 on, a power of two and the bit after it choose the
 * bucket. What is longer than 2^32 us (71 minutes) is counted in the last one.
 */
#include "stats/histogram.h"

static unsigned bucket_of(uint64_t duration_us)
{
	if (duration_us < 2)
		return (unsigned)duration_us;
	unsigned power = 63 - (unsigned)__builtin_clzll(duration_us);
	unsigned bucket = 2 * power + (duration_us >> (power - 1) & 1);
	return bucket < HISTOGRAM_BUCKETS ? bucket : HISTOGRAM_BUCKETS - 1;
}

static uint64_t bucket_end(unsigned bucket)
{
	if (bucket < 2)
		return bucket;
	uint64_t power = 1ULL << bucket / 2;
	return bucket % 2 == 0 ? power + power / 2 - 1 : 2 * power - 1;
}

void histogram_add(struct histogram *h, uint64_t duration_us)
{
	h->count++;
	h->buckets[bucket_of(duration_us)]++;
}

uint64_t histogram_quantile(const struct histogram *h, double share)
{
	uint64_t rank = (uint64_t)((double)h->count * share);
	uint64_t seen = 0;

	if (h->count == 0)
		return 0;
	/* The smallest number of durations that is at least the share, and at least one.
	 */
	if ((double)rank < (double)h->count * share || rank == 0)
		rank++;
	for (unsigned i = 0; i < HISTOGRAM_BUCKETS - 1; i++) {
		seen += h->buckets[i];
		if (seen >= rank)
			return bucket_end(i);
	}
	return bucket_end(HISTOGRAM_BUCKETS - 1);
}
