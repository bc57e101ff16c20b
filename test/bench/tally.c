#include "tally.h"

#include <err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SUB_BITS = 5, SUB_COUNT = 1 << SUB_BITS };

static unsigned bucket_of(uint64_t ns)
{
	if (ns < SUB_COUNT)
		return (unsigned)ns;
	unsigned shift = 63 - (unsigned)__builtin_clzll(ns) - SUB_BITS;
	return (shift + 1) * SUB_COUNT + (unsigned)(ns >> shift) - SUB_COUNT;
}

/* The biggest value that falls into a bucket. */
static uint64_t bucket_top_ns(unsigned bucket)
{
	if (bucket < SUB_COUNT)
		return bucket;
	unsigned shift = bucket / SUB_COUNT - 1;
	uint64_t base = (uint64_t)(bucket % SUB_COUNT + SUB_COUNT) << shift;
	return base + ((uint64_t)1 << shift) - 1;
}

void tally_add(struct tally *t, uint64_t ns)
{
	t->count++;
	t->sum_ns += ns;
	if (ns > t->max_ns)
		t->max_ns = ns;
	t->buckets[bucket_of(ns)]++;
}

uint64_t tally_quantile_ns(const struct tally *t, double share)
{
	uint64_t seen = 0;
	for (unsigned i = 0; i < TALLY_BUCKETS; i++) {
		seen += t->buckets[i];
		if (t->count > 0 && (double)seen >= share * (double)t->count)
			return bucket_top_ns(i) < t->max_ns ? bucket_top_ns(i)
							    : t->max_ns;
	}
	return t->max_ns;
}

void tally_print(const struct tally *t, const char *prefix)
{
	printf("%s=%llu\n", prefix, (unsigned long long)t->count);
	if (t->count == 0)
		return;
	printf("%s_mean_us=%.1f\n", prefix, (double)t->sum_ns / (double)t->count / 1e3);
	printf("%s_p50_us=%.1f\n", prefix, (double)tally_quantile_ns(t, 0.50) / 1e3);
	printf("%s_p99_us=%.1f\n", prefix, (double)tally_quantile_ns(t, 0.99) / 1e3);
	printf("%s_max_us=%.1f\n", prefix, (double)t->max_ns / 1e3);
}

void sqlstates_add(struct sqlstates *all, const char *code, uint64_t ns)
{
	unsigned i = 0;
	while (i < all->count && strcmp(all->code[i], code) != 0)
		i++;
	if (i == SQLSTATES_MAX)
		errx(1, "more than %d different SQLSTATEs", SQLSTATES_MAX);
	if (i == all->count) {
		all->tally[i] = calloc(1, sizeof(*all->tally[i]));
		if (!all->tally[i])
			err(1, "calloc");
		memcpy(all->code[i], code, sizeof(all->code[i]));
		all->count++;
	}
	tally_add(all->tally[i], ns);
}

uint64_t sqlstates_total(const struct sqlstates *all)
{
	uint64_t total = 0;
	for (unsigned i = 0; i < all->count; i++)
		total += all->tally[i]->count;
	return total;
}

void sqlstates_print(const struct sqlstates *all, const char *prefix)
{
	char name[64];
	printf("%ss=%llu\n", prefix, (unsigned long long)sqlstates_total(all));
	for (unsigned i = 0; i < all->count; i++) {
		snprintf(name, sizeof(name), "%s_%s", prefix, all->code[i]);
		tally_print(all->tally[i], name);
	}
}

void sqlstates_fini(struct sqlstates *all)
{
	for (unsigned i = 0; i < all->count; i++)
		free(all->tally[i]);
	*all = (struct sqlstates){0};
}
