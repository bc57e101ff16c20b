/*
 * Reading what the kernel says of our memory. Plain system calls: this is asked when
 * memory is short.
 */
#include "base/footprint.h"

#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { TEXT_MAX = 4096 };

/* The beginning of a file, as text; "" when it cannot be read. */
static void read_text(const char *path, char out[TEXT_MAX])
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	size_t len = 0;
	ssize_t got;

	while (fd >= 0 && len < TEXT_MAX - 1) {
		got = read(fd, out + len, TEXT_MAX - 1 - len);
		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			break;
		len += (size_t)got;
	}
	if (fd >= 0)
		close(fd);
	out[len] = '\0';
}

static bool print_path(char out[FOOTPRINT_PATH_MAX], const char *directory,
		       const char *name)
{
	int len = snprintf(out, FOOTPRINT_PATH_MAX, "%s/%s", directory, name);

	return len >= 0 && len < FOOTPRINT_PATH_MAX;
}

/* ---- the control group ---- */

/* "0::/a/b" is the line of version 2. False when there is none. */
static bool find_group(const char *proc, const char *cgroups,
		       char out[FOOTPRINT_PATH_MAX])
{
	char path[FOOTPRINT_PATH_MAX], text[TEXT_MAX];

	if (!print_path(path, proc, "cgroup"))
		return false;
	read_text(path, text);
	for (char *line = text; line; line = strchr(line, '\n')) {
		line += *line == '\n';
		if (strncmp(line, "0::/", 4) != 0)
			continue;
		line[strcspn(line, "\n")] = '\0';
		return print_path(out, cgroups, line + 4);
	}
	return false;
}

/* "max" is not a number. */
static uint64_t ceiling_of(const char *group)
{
	char path[FOOTPRINT_PATH_MAX], text[TEXT_MAX];

	if (!print_path(path, group, "memory.max"))
		return 0;
	read_text(path, text);
	return strtoull(text, NULL, 10);
}

void footprint_init(struct footprint *f, const char *proc, const char *cgroups)
{
	char group[FOOTPRINT_PATH_MAX];
	size_t top = strlen(cgroups);

	*f = (struct footprint){.proc = proc};
	if (!find_group(proc, cgroups, group))
		return;
	if (!print_path(f->stat, group, "memory.stat") || access(f->stat, R_OK) < 0)
		f->stat[0] = '\0';
	for (char *end = group + strlen(group); end; end = strrchr(group, '/')) {
		*end = '\0';
		if (strlen(group) < top)
			break;
		uint64_t ceiling = ceiling_of(group);
		if (ceiling > 0 && (f->ceiling == 0 || ceiling < f->ceiling))
			f->ceiling = ceiling;
	}
}

/* ---- what is taken ---- */

static uint64_t resident(const char *proc)
{
	char path[FOOTPRINT_PATH_MAX], text[TEXT_MAX];
	char *rest;

	if (!print_path(path, proc, "statm"))
		return 0;
	read_text(path, text);
	strtoull(text, &rest, 10); /* the address space comes first */
	return strtoull(rest, NULL, 10) * (uint64_t)sysconf(_SC_PAGESIZE);
}

static uint64_t in_sockets(const char *stat)
{
	char text[TEXT_MAX];

	if (!stat[0])
		return 0;
	read_text(stat, text);
	const char *line = strstr(text, "\nsock ");
	return line ? strtoull(line + 6, NULL, 10) : 0;
}

uint64_t footprint_now(const struct footprint *f)
{
	uint64_t own = resident(f->proc);

	return own > 0 ? own + in_sockets(f->stat) : 0;
}

void footprint_trim(void)
{
	malloc_trim(0);
}
