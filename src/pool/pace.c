/*
 * Many servers are free as often in a shorter time, so more of their samples are
 * remembered: what is learnt is more exact, and not older.
 */
#include "pool/pace.h"

#include "base/check.h"
#include "base/clock.h"

enum {
	/* Samples that a mean remembers: what came before has a third of the weight. */
	MEMORY_EACH = 8, /* server, */
	SERVERS_MIN = 4,
	SERVERS_MAX = 64,
	MEMORY_MIN = SERVERS_MIN * MEMORY_EACH,
};

static unsigned memory(unsigned servers)
{
	servers = servers < SERVERS_MIN ? SERVERS_MIN : servers;
	servers = servers > SERVERS_MAX ? SERVERS_MAX : servers;
	return servers * MEMORY_EACH;
}

double pace_weight(unsigned *samples, unsigned servers)
{
	unsigned most = memory(servers);

	*samples = *samples < most ? *samples + 1 : most;
	return 1.0 / *samples;
}

void pace_note(struct pace *p, unsigned servers, bool more_wait, uint64_t now_us)
{
	if (p->last_us != 0) {
		double gap_us = (double)clock_since(now_us, p->last_us) * servers;

		p->gap_us += pace_weight(&p->samples, servers) * (gap_us - p->gap_us);
	}
	if (more_wait)
		p->last_us = now_us;
	else
		pace_stop(p);
}

void pace_stop(struct pace *p)
{
	*p = (struct pace){0};
}

bool pace_is_known(const struct pace *p)
{
	return p->samples >= MEMORY_MIN;
}

double pace_gap_us(const struct pace *p, unsigned servers)
{
	CHECK(servers > 0);
	return p->gap_us / servers;
}
