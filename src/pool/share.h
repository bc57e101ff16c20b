/*
 * What a pool has used of the limits that it shares: the time its servers were at work
 * while others wanted the same, divided by its weight. Who has used less is owed more.
 *
 * How much less counts only as far as a bound, so nobody saves up for later what nobody
 * else wanted. Pools meet when one begins to compete with those who do.
 */
#ifndef POOLER_POOL_SHARE_H
#define POOLER_POOL_SHARE_H

#include <stdbool.h>
#include <stdint.h>

#include "pool/slot.h"

struct share {
	unsigned weight; /* at least 1 */
	struct {
		uint64_t busy_us; /* of all its servers */
		uint64_t
		    settled_us; /* until when, on the limit's clock, that is counted */
		double
		    correction; /* what was forgiven, forgotten or had another weight */
	} of[USAGES_EACH];
};

/* How far somebody who competes has come under one limit. */
struct level {
	double used;
	unsigned weight;
};

void share_init(struct share *s, unsigned weight);
/* What was used so far counts as it did. */
void share_set_weight(struct share *s, unsigned weight);

/* Counts the time since it was called last, for so many servers at work. */
static inline void share_settle(struct share *s, enum usage_kind kind, unsigned working,
				uint64_t clock_us)
{
	s->of[kind].busy_us += working * (clock_us - s->of[kind].settled_us);
	s->of[kind].settled_us = clock_us;
}

/* What has been used under a limit of that kind: microseconds of one server, by weight.
 * It means something only beside that of others under the same limit. */
double share_used(const struct share *s, enum usage_kind kind);
struct level share_level(const struct share *s, enum usage_kind kind);

/* The same with what `servers` servers will use in a moment: whose is the least comes
 * first. So room for several is not all taken by one. */
double share_due(const struct share *s, enum usage_kind kind, unsigned servers);

/* It begins to compete with one who is there already. */
void share_meet(struct share *s, const struct level *level, enum usage_kind kind);

/* Whether s has used so much more than the other that it is the other's turn. */
bool share_is_ahead(const struct share *s, const struct share *other,
		    enum usage_kind kind);

/* Whether so many servers of one are more, by weight, than so many of the other. */
static inline bool share_is_more(const struct share *s, unsigned servers,
				 const struct share *other, unsigned others)
{
	return (uint64_t)servers * other->weight > (uint64_t)others * s->weight;
}

#endif
