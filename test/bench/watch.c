#include "watch.h"

#include <dirent.h>
#include <stdio.h>

static uint64_t task_cpu_ns(pid_t pid, const char *task)
{
	char path[64];
	unsigned long long ns = 0;
	snprintf(path, sizeof(path), "/proc/%d/task/%.16s/schedstat", (int)pid, task);
	FILE *file = fopen(path, "re");
	if (!file)
		return 0;
	if (fscanf(file, "%llu", &ns) != 1)
		ns = 0;
	fclose(file);
	return ns;
}

uint64_t watch_cpu_ns(pid_t pid)
{
	char path[64];
	uint64_t sum_ns = 0;
	snprintf(path, sizeof(path), "/proc/%d/task", (int)pid);
	DIR *tasks = opendir(path);
	if (!tasks)
		return 0;
	for (const struct dirent *d = readdir(tasks); d; d = readdir(tasks)) {
		if (d->d_name[0] != '.')
			sum_ns += task_cpu_ns(pid, d->d_name);
	}
	closedir(tasks);
	return sum_ns;
}
