/*
 * A bit per limit in the pool, a count in each usage. All that a pool has claimed ends at
 * the same time.
 */
#include "pool/claims.h"

#include "base/clock.h"

/* How long somebody has waited before that is a reason to keep room. */
#define WAITED_US (500 * USEC_PER_MSEC)

/* How long claims are kept, and how long it takes until the next: where the last limit
 * does not give way, little is lost. */
#define CLAIM_US USEC_PER_SEC
#define CLAIM_AGAIN_US (30 * USEC_PER_SEC)

bool claims_has(const struct pool *p, const struct usage *usage)
{
	return (p->claims >> usage->kind & 1) != 0;
}

unsigned claims_room(const struct pool *p, const struct usage *usage)
{
	if (!claims_has(p, usage))
		return usage_room_for_servers(usage);
	/* What was kept is gone if the limit has been lowered since. */
	return usage_holds_claims(usage) ? 1 : 0;
}

bool claims_may(const struct pool *p, const struct usage *usage, uint64_t now_us)
{
	if (usage->max_servers == 0 || p->total > 0 || claims_has(p, usage))
		return false;
	return p->claims != 0 ||
	       (now_us >= p->claim_end_us && pool_longest_wait(p, now_us) >= WAITED_US);
}

static void claim(struct pool *p, struct usage *usage, uint64_t now_us)
{
	if (p->claims == 0)
		p->claim_end_us = now_us + CLAIM_US;
	p->claims |= (uint8_t)(1u << usage->kind);
	usage->claimed++;
}

void claims_drop(struct pool *p)
{
	if (p->claims == 0)
		return;
	for (int i = 0; i < USAGES_EACH; i++)
		if (claims_has(p, p->usages[i]))
			p->usages[i]->claimed--;
	p->claims = 0;
	p->claim_end_us += CLAIM_AGAIN_US;
}

void claims_review(struct pool *p, uint64_t now_us)
{
	bool is_over = now_us >= p->claim_end_us;

	for (int i = 0; i < USAGES_EACH; i++)
		if (claims_has(p, p->usages[i]) && !usage_holds_claims(p->usages[i]))
			is_over = true;
	if (is_over)
		claims_drop(p);
}

void claims_take(struct pool *p, uint64_t now_us)
{
	for (unsigned i = 0; i < p->blocked_by->kind; i++)
		if (claims_may(p, p->usages[i], now_us))
			claim(p, p->usages[i], now_us);
}
