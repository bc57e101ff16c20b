/*
 * Watching one file by way of its directory.
 */
#include "app/watch.h"

#include <errno.h>
#include <libgen.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <unistd.h>

enum {
	EVENTS = IN_CLOSE_WRITE | IN_MOVED_TO | IN_CREATE | IN_DELETE | IN_ATTRIB,
	EVENTS_LEN = 4096
};

static struct stat look_at(const char *path)
{
	struct stat found = {0};

	if (stat(path, &found) < 0)
		found = (struct stat){0};
	return found;
}

/* Who may read it counts: a new file may be put in place first and given to us then. */
static bool is_same(const struct stat *a, const struct stat *b)
{
	return a->st_dev == b->st_dev && a->st_ino == b->st_ino &&
	       a->st_size == b->st_size && a->st_mtim.tv_sec == b->st_mtim.tv_sec &&
	       a->st_mtim.tv_nsec == b->st_mtim.tv_nsec && a->st_mode == b->st_mode &&
	       a->st_uid == b->st_uid && a->st_gid == b->st_gid;
}

/* What happened in the directory does not matter, only whether the file is another. */
static void drain(int fd)
{
	char events[EVENTS_LEN]
	    __attribute__((aligned(__alignof__(struct inotify_event))));

	while (read(fd, events, sizeof(events)) > 0)
		;
}

static void on_events(struct loop *loop, struct loop_io *io, int events)
{
	struct watch *w =
	    (struct watch *)(void *)((char *)io - offsetof(struct watch, io));

	(void)loop, (void)events;
	drain(w->fd);
	if (!w->path)
		return;
	struct stat now = look_at(w->path);
	/* A file that is missing for a moment is on its way to be replaced. */
	if (now.st_ino == 0 || is_same(&now, &w->last))
		return;
	w->last = now;
	w->on_change(w);
}

int watch_init(struct watch *watch, struct loop *loop, watch_fn on_change)
{
	int fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);

	*watch = (struct watch){.descriptor = -1, .on_change = on_change};
	if (fd < 0)
		return -errno;
	watch->loop = loop;
	watch->fd = fd;
	loop_io_init(&watch->io, fd, on_events);
	loop_io_watch(loop, &watch->io, LOOP_READ);
	return 0;
}

static void forget(struct watch *watch)
{
	if (watch->descriptor >= 0)
		inotify_rm_watch(watch->fd, watch->descriptor);
	watch->descriptor = -1;
	free(watch->path);
	watch->path = NULL;
}

void watch_fini(struct watch *watch)
{
	if (!watch->loop)
		return;
	forget(watch);
	loop_io_watch(watch->loop, &watch->io, 0);
	close(watch->fd);
	*watch = (struct watch){0};
}

static int watch_directory(struct watch *watch, const char *path)
{
	char *copy = strdup(path);

	if (!copy)
		return -ENOMEM;
	watch->descriptor = inotify_add_watch(watch->fd, dirname(copy), EVENTS);
	int err = watch->descriptor < 0 ? -errno : 0;
	free(copy);
	return err;
}

int watch_follow(struct watch *watch, const char *path)
{
	if (!watch->loop)
		return path[0] ? -EBADF : 0;
	forget(watch);
	if (!path[0])
		return 0;
	watch->path = strdup(path);
	if (!watch->path)
		return -ENOMEM;
	watch->last = look_at(path);
	return watch_directory(watch, path);
}
