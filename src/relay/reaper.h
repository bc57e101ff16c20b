/*
 * Gives back what the closed held, and frees them, at the end of the turn.
 */
#ifndef POOLER_RELAY_REAPER_H
#define POOLER_RELAY_REAPER_H

#include "base/deadlines.h"

/* The loop's reap phase; the context is the dispatcher. */
void reaper_run(void *context);

/* Automatic databases that nobody used for autodb_idle_timeout are forgotten; the
 * deadline is dispatcher.expiry. */
void reaper_pools_due(struct deadline *due, uint64_t now_us);

#endif
