/*
 * Random numbers from the kernel, good enough for keys, and a spread for timeouts.
 */
#ifndef POOLER_BASE_RANDOM_H
#define POOLER_BASE_RANDOM_H

#include <stddef.h>
#include <stdint.h>

/* Fills len bytes; never fails (a kernel without getrandom(2) is not supported). */
void random_bytes(void *out, size_t len);

uint64_t random_u64(void);

/* A value spread evenly over around_us * (1 +- percent / 100): keeps clients and servers
 * that failed together from coming back together. */
uint64_t random_jitter(uint64_t around_us, unsigned percent);

#endif
