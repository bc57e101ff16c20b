/*
 * Becoming a well-behaved process: another user, the background, a pid file, enough
 * descriptors.
 */
#ifndef POOLER_APP_DAEMON_H
#define POOLER_APP_DAEMON_H

#include <stdbool.h>
#include <stddef.h>

/* Puts /dev/null in place of those standard descriptors that whoever started us closed:
 * if a connection got the number of standard error, it would get the log, too. */
void daemon_hold_standard(void);

/* Becomes the user for good, whose home is then HOME. 0, or -errno (-ENOENT: no such
 * user). */
int daemon_become(const char *user);

/*
 * Goes on in the background: the caller's process waits until the new one calls
 * daemon_ready() and then exits with status 0, or with 1 when that one ends before.
 * Returns in the new process only: 0, or -errno when there is none.
 */
int daemon_fork(int *out_ready_fd);
/* Lets the waiting process go, and lets go of the terminal. */
void daemon_ready(int ready_fd);

/* Creates the file with our process id. 0, or -errno: -EEXIST when a process of that id
 * is running; a file that was left behind is replaced. */
int daemon_write_pidfile(const char *path);

/* Raises the limit of open files to the hard limit and returns it. */
size_t daemon_raise_descriptors(void);

#endif
