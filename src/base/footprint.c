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

/* The versions of control groups: where the groups are, and the file of the ceiling. A
 * ceiling of no number, or of nearly all that can be addressed, is none. */
struct version {
	const char *controller; /* as /proc/self/cgroup names it */
	const char *directory, *file;
};

static const struct version version_2 = {"", "", "memory.max"};
static const struct version version_1 = {"memory", "/memory", "memory.limit_in_bytes"};

#define NO_CEILING ((uint64_t)1 << 62)

/* Whether the word is in a list with commas; nothing is in no list. */
static bool has_word(const char *list, size_t len, const char *word)
{
	size_t wanted = strlen(word);

	if (wanted == 0)
		return len == 0;
	for (size_t at = 0; at + wanted <= len; at++)
		if (memcmp(list + at, word, wanted) == 0 &&
		    (at == 0 || list[at - 1] == ',') &&
		    (at + wanted == len || list[at + wanted] == ','))
			return true;
	return false;
}

/* The path in a line such as "0::/a/b" or "4:cpu,memory:/a/b", cut off at its end, if it
 * is about that controller; or NULL. */
static char *group_in(char *line, const char *controller)
{
	char *list = strchr(line, ':');
	char *path = list ? strchr(list + 1, ':') : NULL;

	if (!path || path[1] != '/' ||
	    !has_word(list + 1, (size_t)(path - list - 1), controller))
		return NULL;
	path[1 + strcspn(path + 1, "\n")] = '\0';
	return path + 1;
}

/* False when the process is in no group of that version. */
static bool find_group(const struct version *version, const char *proc,
		       const char *cgroups, char out[FOOTPRINT_PATH_MAX])
{
	char path[FOOTPRINT_PATH_MAX], text[TEXT_MAX];
	char *group = NULL;

	if (!print_path(path, proc, "cgroup"))
		return false;
	read_text(path, text);
	for (char *line = text; line && !group; line = strchr(line, '\n')) {
		line += *line == '\n';
		group = group_in(line, version->controller);
	}
	if (!group)
		return false;
	int len = snprintf(out, FOOTPRINT_PATH_MAX, "%s%s%s", cgroups, version->directory,
			   group);
	return len >= 0 && len < FOOTPRINT_PATH_MAX;
}

static void note_ceiling(struct footprint *f, const struct version *version,
			 const char *group)
{
	char path[FOOTPRINT_PATH_MAX], text[TEXT_MAX];

	if (!print_path(path, group, version->file))
		return;
	read_text(path, text);
	if (text[0] == '\0')
		return;
	uint64_t ceiling = strtoull(text, NULL, 10);
	if (f->group == FOOTPRINT_UNKNOWN)
		f->group = FOOTPRINT_UNLIMITED;
	if (ceiling == 0 || ceiling >= NO_CEILING)
		return;
	f->group = FOOTPRINT_LIMITED;
	if (f->ceiling == 0 || ceiling < f->ceiling)
		f->ceiling = ceiling;
}

/* Where the files are those of the name space of a container, and the path is not, what
 * is on the way up still is there. */
static void find_ceiling(struct footprint *f, const struct version *version,
			 const char *cgroups, char *group)
{
	size_t top = strlen(cgroups) + strlen(version->directory);

	for (char *end = group + strlen(group); end; end = strrchr(group, '/')) {
		*end = '\0';
		if (strlen(group) < top)
			break;
		note_ceiling(f, version, group);
	}
}

void footprint_init(struct footprint *f, const char *proc, const char *cgroups)
{
	char group[FOOTPRINT_PATH_MAX];

	*f = (struct footprint){.proc = proc};
	/* Memory is limited by one of them, whichever others there are. */
	if (find_group(&version_1, proc, cgroups, group)) {
		find_ceiling(f, &version_1, cgroups, group);
		return;
	}
	if (!find_group(&version_2, proc, cgroups, group))
		return;
	if (!print_path(f->stat, group, "memory.stat") || access(f->stat, R_OK) < 0)
		f->stat[0] = '\0';
	find_ceiling(f, &version_2, cgroups, group);
	/* The root of all has no file of its own, and no ceiling. */
	if (f->group == FOOTPRINT_UNKNOWN && f->stat[0])
		f->group = FOOTPRINT_UNLIMITED;
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
