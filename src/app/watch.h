/*
 * Noticing that a file has been written or replaced, so that it can be read again.
 *
 * The file's directory is watched by inotify(7): editors write beside a file and rename,
 * and volumes of secrets switch a symbolic link. What looks like a change but leaves the
 * file as it was is not told. On file systems that tell nothing (NFS) nothing is noticed.
 */
#ifndef POOLER_APP_WATCH_H
#define POOLER_APP_WATCH_H

#include <sys/stat.h>

#include "net/loop.h"

struct watch;
typedef void (*watch_fn)(struct watch *watch);

/* Zero is valid: it watches nothing. */
struct watch {
	struct loop *loop;
	struct loop_io io;
	int fd;           /* of inotify; valid while loop is set */
	int descriptor;   /* of the directory; -1: none */
	char *path;       /* of the file; NULL: none */
	struct stat last; /* as it was when it was last told of */
	watch_fn on_change;
};

/* 0 or -errno; then it watches nothing. */
int watch_init(struct watch *watch, struct loop *loop, watch_fn on_change);
void watch_fini(struct watch *watch);

/* From now on watches this file ("": none), as it is now. 0 or -errno. */
int watch_follow(struct watch *watch, const char *path);

#endif
