/*
 * Doubling and halving: quick handshakes earn more of them at a time, a slow one costs
 * half, a failure all but one.
 */
#include "pool/opening.h"

#include "base/clock.h"
#include "base/random.h"

/* A handshake that takes longer is slow: more at a time would only make it slower. */
#define QUICK_US (250 * USEC_PER_MSEC)

/* How many of the latest make up what opening one takes. */
enum { TOOK_SAMPLES = 4 };

enum { PAUSE_JITTER_PERCENT = 20 };

void opening_init(struct opening *o)
{
	*o = (struct opening){.allowed = OPENING_INITIAL};
}

unsigned opening_room(const struct opening *o, unsigned under_way, uint64_t now_us)
{
	if (now_us < o->not_before_us || under_way >= o->allowed)
		return 0;
	return o->allowed - under_way;
}

void opening_succeeded(struct opening *o, uint64_t took_us)
{
	o->failures = 0;
	o->reach = REACH_OK;
	o->not_before_us = 0;
	o->down_since_us = 0;
	o->took_us = o->took_us == 0
			 ? took_us
			 : (o->took_us * (TOOK_SAMPLES - 1) + took_us) / TOOK_SAMPLES;
	if (took_us < QUICK_US)
		o->allowed =
		    o->allowed < OPENING_MOST / 2 ? o->allowed * 2 : OPENING_MOST;
	else if (o->allowed > 1)
		o->allowed /= 2;
}

static uint64_t pause_of(const struct opening *o, uint64_t pause_max_us)
{
	uint64_t most_us = clock_earlier(reach_longest_pause(o->reach), pause_max_us);

	if (o->failures >= 32)
		return most_us;
	return clock_earlier(reach_first_pause(o->reach) << o->failures, most_us);
}

void opening_failed(struct opening *o, enum reach why, uint64_t now_us,
		    uint64_t pause_max_us)
{
	o->allowed = 1;
	o->reach = why;
	if (reach_is_down(why) && o->down_since_us == 0)
		o->down_since_us = now_us;
	/* One that was under way when another failed does not make the pause longer. */
	if (now_us < o->not_before_us)
		return;
	uint64_t pause_us = pause_of(o, pause_max_us);
	if (o->failures == 0)
		o->failing_since_us = now_us;
	if (o->failures < UINT32_MAX)
		o->failures++;
	o->not_before_us = now_us + random_jitter(pause_us, PAUSE_JITTER_PERCENT);
}

void opening_has_new_proof(struct opening *o)
{
	if (o->reach == REACH_AUTH)
		o->not_before_us = 0;
}

bool opening_is_failing(const struct opening *o)
{
	return o->failures > 0;
}

bool opening_is_down(const struct opening *o)
{
	return o->failures > 0 && reach_is_down(o->reach);
}
