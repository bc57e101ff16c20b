/*
 * One minimum, one end, one flag.
 */
#include "pool/codel.h"

enum { TOO_OLD = 2 }; /* times the target */

void codel_init(struct codel *c)
{
	*c = (struct codel){0};
}

static void begin_interval(struct codel *c, const struct codel_config *config,
			   uint64_t waited_us, uint64_t now_us)
{
	c->is_overloaded = c->end_us != 0 && c->shortest_us > config->target_us;
	c->shortest_us = waited_us;
	c->end_us = now_us + config->interval_us;
}

enum codel_verdict codel_dequeue(struct codel *c, const struct codel_config *config,
				 uint64_t waited_us, uint64_t now_us)
{
	if (c->end_us == 0 || now_us >= c->end_us) {
		begin_interval(c, config, waited_us, now_us);
		return CODEL_SERVE;
	}
	if (waited_us < c->shortest_us)
		c->shortest_us = waited_us;
	if (c->is_overloaded && waited_us > TOO_OLD * config->target_us)
		return CODEL_REJECT;
	return CODEL_SERVE;
}

bool codel_is_overloaded(const struct codel *c)
{
	return c->is_overloaded;
}

void codel_emptied(struct codel *c)
{
	c->is_overloaded = false;
	c->shortest_us = 0;
}
