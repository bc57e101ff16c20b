#include "watch.h"

#include <dirent.h>
#include <stdio.h>

static struct watch_times task_times(pid_t pid, const char *task)
{
	char path[64];
	unsigned long long cpu_ns = 0, waited_ns = 0;
	snprintf(path, sizeof(path), "/proc/%d/task/%.16s/schedstat", (int)pid, task);
	FILE *file = fopen(path, "re");
	if (!file)
		return (struct watch_times){0};
	if (fscanf(file, "%llu %llu", &cpu_ns, &waited_ns) != 2)
		cpu_ns = waited_ns = 0;
	fclose(file);
	return (struct watch_times){cpu_ns, waited_ns};
}

struct watch_times watch_times(pid_t pid)
{
	char path[64];
	struct watch_times sum = {0};
	snprintf(path, sizeof(path), "/proc/%d/task", (int)pid);
	DIR *tasks = opendir(path);
	if (!tasks)
		return sum;
	for (const struct dirent *d = readdir(tasks); d; d = readdir(tasks)) {
		if (d->d_name[0] == '.')
			continue;
		struct watch_times of_task = task_times(pid, d->d_name);
		sum.cpu_ns += of_task.cpu_ns;
		sum.waited_ns += of_task.waited_ns;
	}
	closedir(tasks);
	return sum;
}

uint64_t watch_cpu_ns(pid_t pid)
{
	return watch_times(pid).cpu_ns;
}
