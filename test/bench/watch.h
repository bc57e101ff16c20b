/* What another process has cost so far, as the kernel tells. */
#ifndef BENCH_WATCH_H
#define BENCH_WATCH_H

#include <stdint.h>
#include <sys/types.h>

/* Nanoseconds on a processor of all its threads; 0 if the kernel does not say. */
uint64_t watch_cpu_ns(pid_t pid);

#endif
