/*
 * A listening socket: accepts, and knows what to do when descriptors run out.
 *
 * accept(2) without a free descriptor fails and leaves the socket readable: a loop that
 * just tries again spins, one that waits lets clients hang. So a listener holds one
 * descriptor in reserve: it gives that up, accepts, hands the connection to on_crowded()
 * for a last word, closes it and takes the reserve back. If even that fails it rests for
 * a moment.
 */
#ifndef POOLER_NET_LISTENER_H
#define POOLER_NET_LISTENER_H

#include <sys/types.h>

#include "net/address.h"
#include "net/loop.h"

struct listener;

struct listener_ops {
	/* A connection came in, non-blocking and close-on-exec; fd is the callee's. */
	void (*on_accept)(struct listener *listener, int fd);
	/* One came in that cannot be kept: write a short last word without waiting. The
	 * listener closes fd. */
	void (*on_crowded)(struct listener *listener, int fd);
};

struct listener_options {
	int backlog;
	bool reuse_port;
	int defer_accept_s;     /* TCP_DEFER_ACCEPT; 0 = off */
	int unix_mode;          /* of a Unix socket's file, e.g. 0777 */
	const char *unix_group; /* name or number; NULL or "" = leave */
};

struct listener {
	struct loop *loop;
	struct loop_io io;
	struct deadline rest; /* armed while it rests */
	const struct listener_ops *ops;
	void *owner; /* for the callbacks */
	struct endpoint at;
	dev_t file_device; /* the Unix socket's file that we made: */
	ino_t file_inode;  /* removed at the end if it is still that one; 0 = none */
	int reserve_fd;    /* -1: none could be had */
	bool is_open;
};

/* Binds and listens. 0, or -errno: -EADDRINUSE also when another process answers on the
 * Unix socket (a stale socket file is replaced); -ENOENT for an unknown unix_group. On
 * failure *out_what says which step failed, in words that follow "could not". The struct
 * must stay where it is. */
int listener_open(struct listener *listener, struct loop *loop, const struct endpoint *at,
		  const struct listener_options *options, const char **out_what);
void listener_start(struct listener *listener, const struct listener_ops *ops,
		    void *owner);

/* Closes; removes the file of a Unix socket that it made. Harmless twice. */
void listener_close(struct listener *listener);

#endif
