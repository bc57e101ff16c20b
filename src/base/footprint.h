/*
 * How much memory this process takes, and how much it may take before the kernel ends
 * it: read from /proc and from the control group (of version 2, or of 1 where memory is
 * still limited there) that the process is in.
 *
 * What others in the same group take is not looked at: what can be done here lessens only
 * our own.
 */
#ifndef POOLER_BASE_FOOTPRINT_H
#define POOLER_BASE_FOOTPRINT_H

#include <stdint.h>

enum { FOOTPRINT_PATH_MAX = 512 };

/* What is known of the control group's ceiling. */
enum footprint_group {
	FOOTPRINT_UNKNOWN,   /* no group was found, or what it says cannot be read */
	FOOTPRINT_UNLIMITED, /* it has none */
	FOOTPRINT_LIMITED,
};

struct footprint {
	enum footprint_group group;
	const char *proc;              /* "/proc/self" */
	uint64_t ceiling;              /* of the control group, in bytes; 0: none */
	char stat[FOOTPRINT_PATH_MAX]; /* its memory.stat; "": it has none */
};

/* Finds the control group: the lowest ceiling of it and of those it is in. The
 * directories, which must last, are "/proc/self" and "/sys/fs/cgroup" but in tests.
 * Memory of sockets is told by version 2 only. */
void footprint_init(struct footprint *f, const char *proc, const char *cgroups);

/* Bytes of memory that are taken now, with the sockets' buffers where the control group
 * tells them; 0 when nobody tells. Reads a file or two. */
uint64_t footprint_now(const struct footprint *f);

/* Gives the kernel back what was freed. Takes long when that is much. */
void footprint_trim(void);

#endif
