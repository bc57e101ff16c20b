/*
 * Time as the pooler counts it: microseconds, in a uint64_t whose name ends in _us.
 *
 * Two clocks: monotonic for everything that waits, wall for what people read. Only the
 * loop and app/ call clock_*_now(); everybody else is told what time it is.
 */
#ifndef POOLER_BASE_CLOCK_H
#define POOLER_BASE_CLOCK_H

#include <stdint.h>
#include <time.h>

#define USEC_PER_MSEC 1000ULL
#define USEC_PER_SEC 1000000ULL
#define CLOCK_NEVER UINT64_MAX

static inline uint64_t clock_read_us(clockid_t id)
{
	struct timespec t;

	clock_gettime(id, &t);
	return (uint64_t)t.tv_sec * USEC_PER_SEC + (uint64_t)t.tv_nsec / 1000;
}

/* Microseconds since some start, never going back. */
static inline uint64_t clock_monotonic_now(void)
{
	return clock_read_us(CLOCK_MONOTONIC);
}

/* Microseconds since 1970-01-01 UTC. */
static inline uint64_t clock_wall_now(void)
{
	return clock_read_us(CLOCK_REALTIME);
}

/* start + length, where a length of 0 means "no limit" and gives CLOCK_NEVER. */
static inline uint64_t clock_limit(uint64_t start_us, uint64_t length_us)
{
	return length_us == 0 ? CLOCK_NEVER : start_us + length_us;
}

static inline uint64_t clock_later(uint64_t a_us, uint64_t b_us)
{
	return a_us > b_us ? a_us : b_us;
}

static inline uint64_t clock_earlier(uint64_t a_us, uint64_t b_us)
{
	return a_us < b_us ? a_us : b_us;
}

/* now - start, and 0 where start lies ahead. */
static inline uint64_t clock_since(uint64_t now_us, uint64_t start_us)
{
	return now_us > start_us ? now_us - start_us : 0;
}

#endif
