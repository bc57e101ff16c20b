/*
 * All differences are of time by weight, so their bounds are, too; of two weights the
 * smaller decides, whose time counts more.
 */
#include "pool/share.h"

#include "base/clock.h"

/* For how long ahead a server counts as used when one is to be given away. */
#define AHEAD_US (500 * USEC_PER_MSEC)

/* How far one has to be ahead before it gives up a server that it needs: about so long
 * does a turn last where there are fewer servers than pools. */
#define TURN_US (250 * USEC_PER_MSEC)

/* What two have used less or more before they meet counts as far as this. Whoever was
 * content with less has more than a turn to come; and a debt is from transactions that
 * were longer than their turns. */
#define CREDIT_US (500 * USEC_PER_MSEC)
#define DEBT_US (10 * USEC_PER_SEC)

static double by_weight(uint64_t time_us, unsigned weight)
{
	return (double)time_us / weight;
}

static double by_weights(uint64_t time_us, unsigned a, unsigned b)
{
	return by_weight(time_us, a < b ? a : b);
}

void share_init(struct share *s, unsigned weight)
{
	*s = (struct share){.weight = weight > 0 ? weight : 1};
}

void share_set_weight(struct share *s, unsigned weight)
{
	weight = weight > 0 ? weight : 1;
	if (weight == s->weight)
		return;
	for (int i = 0; i < USAGES_EACH; i++)
		s->of[i].correction += by_weight(s->of[i].busy_us, s->weight) -
				       by_weight(s->of[i].busy_us, weight);
	s->weight = weight;
}

double share_used(const struct share *s, enum usage_kind kind)
{
	return by_weight(s->of[kind].busy_us, s->weight) + s->of[kind].correction;
}

struct level share_level(const struct share *s, enum usage_kind kind)
{
	return (struct level){.used = share_used(s, kind), .weight = s->weight};
}

double share_due(const struct share *s, enum usage_kind kind, unsigned servers)
{
	return share_used(s, kind) + by_weight(servers * AHEAD_US, s->weight);
}

void share_meet(struct share *s, const struct level *level, enum usage_kind kind)
{
	double ahead = share_used(s, kind) - level->used;
	double credit = by_weights(CREDIT_US, s->weight, level->weight);
	double debt = by_weights(DEBT_US, s->weight, level->weight);

	if (ahead > debt)
		s->of[kind].correction -= ahead - debt;
	if (ahead < -credit)
		s->of[kind].correction -= ahead + credit;
}

bool share_is_ahead(const struct share *s, const struct share *other,
		    enum usage_kind kind)
{
	return share_used(s, kind) - share_used(other, kind) >
	       by_weights(TURN_US, s->weight, other->weight);
}
