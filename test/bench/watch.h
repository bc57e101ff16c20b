/* What another process has cost so far, as the kernel tells. */
#ifndef BENCH_WATCH_H
#define BENCH_WATCH_H

#include <stdint.h>
#include <sys/types.h>

/* Of all its threads; zeros if the kernel does not say. */
struct watch_times {
	uint64_t cpu_ns;
	uint64_t waited_ns; /* ready to run, while others had the processor */
};

struct watch_times watch_times(pid_t pid);
uint64_t watch_cpu_ns(pid_t pid);

#endif
