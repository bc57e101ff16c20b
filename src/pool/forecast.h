/*
 * How long whoever comes now will wait for a server: from how long servers have been held
 * lately, and from how fast they come free while somebody waits.
 *
 * The second is there because the first only knows of work that has ended: servers that
 * somebody sits on do not show in it.
 */
#ifndef POOLER_POOL_FORECAST_H
#define POOLER_POOL_FORECAST_H

#include <stdbool.h>
#include <stdint.h>

#include "pool/pace.h"

struct forecast {
	double held_us;      /* moving mean; 0 = nothing is known */
	double deviation_us; /* moving mean of how far off it one is */
	struct pace awaited; /* at which they come free while somebody waits */
	uint64_t moved_us;   /* when a server was last taken or came free */
	unsigned samples;    /* of held_us, up to what the mean remembers */
};

/* All zero: nothing is known. */
void forecast_init(struct forecast *f);

/* A server was handed to a client. */
void forecast_taken(struct forecast *f, uint64_t now_us);

/* A server has come free after it was held for so long; of how many the pool has at work
 * or idle (this one included), and whether somebody waits for it. */
void forecast_freed(struct forecast *f, uint64_t held_us, unsigned servers,
		    bool is_awaited, uint64_t now_us);

/* The wait of somebody who has so many before him, with so many servers; own: how fast
 * those get servers, where not all that come free are theirs, or NULL. 0 when nothing is
 * known yet or there are no servers. */
uint64_t forecast_wait(const struct forecast *f, unsigned ahead, unsigned servers,
		       const struct pace *own, uint64_t now_us);

/* Mean and mean deviation of the time a server is held; 0 when nothing is known. */
uint64_t forecast_held(const struct forecast *f);
uint64_t forecast_spread(const struct forecast *f);

#endif
