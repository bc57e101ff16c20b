/*
 * A listening socket. Nobody can connect before listen(), so the file of a Unix socket
 * gets its group and mode between bind() and listen() and is never open to more people
 * than it should be.
 */
#include "net/listener.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/check.h"
#include "base/clock.h"

enum {
	/* Connections taken before others get their turn again. */
	ACCEPTS_PER_TURN = 32,
	/* What is read of a client that cannot be kept, so that no reset overtakes the
	 * last word. */
	DISCARD_LEN = 1024,
	DISCARD_READS = 4,
};
#define REST_US (100 * USEC_PER_MSEC)

/* ---- accepting ---- */

static void update_watch(struct listener *l)
{
	bool rests = l->rest.place != 0;

	loop_io_watch(l->loop, &l->io, l->ops && !rests ? LOOP_READ : 0);
}

static void rest(struct listener *l)
{
	loop_arm(l->loop, &l->rest, l->loop->now_us + REST_US);
	update_watch(l);
}

static void take_reserve(struct listener *l)
{
	if (l->reserve_fd < 0)
		l->reserve_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
}

static void on_rested(struct deadline *due, uint64_t now_us)
{
	struct listener *l =
	    (struct listener *)(void *)((char *)due - offsetof(struct listener, rest));

	(void)now_us;
	take_reserve(l);
	update_watch(l);
}

static void discard(int fd)
{
	char bytes[DISCARD_LEN];

	for (int i = 0; i < DISCARD_READS; i++)
		if (recv(fd, bytes, sizeof(bytes), MSG_DONTWAIT) <= 0)
			break;
}

/* Closing a socket with unread bytes sends a reset, and that would overtake what was
 * just written. */
static void turn_away(struct listener *l, int fd)
{
	discard(fd);
	l->ops->on_crowded(l, fd);
	shutdown(fd, SHUT_WR);
	discard(fd);
	close(fd);
}

static int accept_one(struct listener *l)
{
	return accept4(l->io.ev.fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
}

/* No descriptor is free. Whether another connection may be tried. */
static bool accept_crowded(struct listener *l)
{
	if (l->reserve_fd < 0) {
		rest(l);
		return false;
	}
	close(l->reserve_fd);
	l->reserve_fd = -1;
	int fd = accept_one(l);
	int err = fd < 0 ? errno : 0;
	if (fd >= 0)
		turn_away(l, fd);
	if (!l->is_open)
		return false;
	take_reserve(l);
	if (l->reserve_fd < 0 || (err != 0 && err != EAGAIN && err != ECONNABORTED))
		rest(l);
	return l->reserve_fd >= 0 && err == 0;
}

/* Whether to go on after this errno of accept(). Errors of the connection itself are
 * handed out by accept() too; they are none of ours. */
static bool accept_failed(struct listener *l, int err)
{
	switch (err) {
	case EAGAIN:
		return false;
	case EMFILE:
	case ENFILE:
		return accept_crowded(l);
	case EINTR:
	case ECONNABORTED:
	case EPROTO:
	case EPERM:
	case ENETDOWN:
	case ENETUNREACH:
	case ENOPROTOOPT:
	case EHOSTDOWN:
	case EHOSTUNREACH:
	case ENONET:
	case EOPNOTSUPP:
	case ETIMEDOUT:
		return true;
	default: /* ENOBUFS, ENOMEM and what we do not know */
		rest(l);
		return false;
	}
}

static void on_ready(struct loop *loop, struct loop_io *io, int events)
{
	struct listener *l =
	    (struct listener *)(void *)((char *)io - offsetof(struct listener, io));

	(void)loop, (void)events;
	for (int i = 0; i < ACCEPTS_PER_TURN; i++) {
		int fd = accept_one(l);

		if (fd >= 0)
			l->ops->on_accept(l, fd);
		else if (!accept_failed(l, errno))
			return;
		if (!l->is_open)
			return;
	}
}

/* ---- opening ---- */

/* A group by name or number. 0 or -ENOENT. */
static int find_group(const char *text, gid_t *out)
{
	char *end;
	unsigned long number = strtoul(text, &end, 10);
	const struct group *group;

	if (*end == '\0' && text[0] >= '0' && text[0] <= '9' && number < UINT32_MAX) {
		*out = (gid_t)number;
		return 0;
	}
	group = getgrnam(text);
	if (!group)
		return -ENOENT;
	*out = group->gr_gid;
	return 0;
}

static bool is_path(const struct endpoint *at)
{
	return endpoint_is_unix(at) && endpoint_unix_path(at)[0] != '@';
}

/* Removes the socket file of a process that is gone. Whether it did. */
static bool remove_stale(const struct endpoint *at)
{
	const char *path = endpoint_unix_path(at);
	struct stat file;

	if (lstat(path, &file) != 0 || !S_ISSOCK(file.st_mode))
		return false;
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return false;
	/* A live one takes the connection or, when its queue is full, says EAGAIN. */
	int rc = connect(fd, (const struct sockaddr *)&at->storage, at->len);
	bool is_stale = rc != 0 && errno == ECONNREFUSED;
	close(fd);
	return is_stale && unlink(path) == 0;
}

static int bind_to(int fd, const struct endpoint *at)
{
	const struct sockaddr *where = (const struct sockaddr *)&at->storage;

	if (bind(fd, where, at->len) == 0)
		return 0;
	if (errno != EADDRINUSE)
		return -errno;
	if (!is_path(at) || !remove_stale(at))
		return -EADDRINUSE;
	return bind(fd, where, at->len) == 0 ? 0 : -errno;
}

static void set(int fd, int level, int option, int value)
{
	setsockopt(fd, level, option, &value, sizeof(value));
}

static int set_tcp_options(int fd, const struct endpoint *at,
			   const struct listener_options *options)
{
	int yes = 1;

	set(fd, SOL_SOCKET, SO_REUSEADDR, 1);
	if (at->storage.ss_family == AF_INET6)
		set(fd, IPPROTO_IPV6, IPV6_V6ONLY, 1);
	if (options->defer_accept_s > 0)
		set(fd, IPPROTO_TCP, TCP_DEFER_ACCEPT, options->defer_accept_s);
	if (options->reuse_port &&
	    setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &yes, sizeof(yes)) != 0)
		return -errno;
	return 0;
}

static int set_file_rights(struct listener *l, const struct listener_options *options,
			   const char **out_what)
{
	const char *path = endpoint_unix_path(&l->at);
	struct stat file;
	gid_t group;

	if (stat(path, &file) == 0) {
		l->file_device = file.st_dev;
		l->file_inode = file.st_ino;
	}
	if (options->unix_group && options->unix_group[0]) {
		*out_what = "find the group of the Unix socket";
		if (find_group(options->unix_group, &group) != 0)
			return -ENOENT;
		*out_what = "set the group of the Unix socket";
		if (chown(path, (uid_t)-1, group) != 0)
			return -errno;
	}
	*out_what = "set the mode of the Unix socket";
	return chmod(path, (mode_t)options->unix_mode) == 0 ? 0 : -errno;
}

static int prepare_socket(struct listener *l, const struct listener_options *options,
			  const char **out_what)
{
	int fd = l->io.ev.fd;
	int err;

	*out_what = "share the port";
	if (!endpoint_is_unix(&l->at) &&
	    (err = set_tcp_options(fd, &l->at, options)) != 0)
		return err;
	*out_what = "bind";
	if ((err = bind_to(fd, &l->at)) != 0)
		return err;
	if (is_path(&l->at) && (err = set_file_rights(l, options, out_what)) != 0)
		return err;
	*out_what = "listen";
	return listen(fd, options->backlog) == 0 ? 0 : -errno;
}

/* What adopted and own sockets have in common. */
static int init(struct listener *l, struct loop *loop, int fd)
{
	*l = (struct listener){.loop = loop, .reserve_fd = -1, .rest.on_due = on_rested};
	if (!loop_reserve_deadline(loop))
		return -ENOMEM;
	l->is_open = true;
	loop_io_init(&l->io, fd, on_ready);
	take_reserve(l);
	return l->reserve_fd < 0 ? -errno : 0;
}

int listener_open(struct listener *l, struct loop *loop, const struct endpoint *at,
		  const struct listener_options *options, const char **out_what)
{
	int type = SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC;
	int fd = socket(at->storage.ss_family, type, 0);

	if (fd < 0) {
		*l = (struct listener){.reserve_fd = -1};
		*out_what = "create a socket";
		return -errno;
	}
	*out_what = "set a descriptor aside";
	int err = init(l, loop, fd);
	l->at = *at;
	if (!err)
		err = prepare_socket(l, options, out_what);
	if (!err)
		return 0;
	if (!l->is_open)
		close(fd);
	listener_close(l);
	return err;
}

void listener_start(struct listener *l, const struct listener_ops *ops, void *owner)
{
	CHECK(l->is_open);
	l->ops = ops;
	l->owner = owner;
	update_watch(l);
}

/* Only the file that we made: a successor may have put its own in that place. */
static void remove_file(const struct listener *l)
{
	const char *path = endpoint_unix_path(&l->at);
	struct stat file;

	if (l->file_inode == 0 || lstat(path, &file) != 0)
		return;
	if (file.st_ino == l->file_inode && file.st_dev == l->file_device)
		unlink(path);
}

void listener_close(struct listener *l)
{
	if (!l->is_open)
		return;
	l->is_open = false;
	loop_io_watch(l->loop, &l->io, 0);
	loop_release_deadline(l->loop, &l->rest);
	remove_file(l);
	close(l->io.ev.fd);
	if (l->reserve_fd >= 0)
		close(l->reserve_fd);
	l->reserve_fd = -1;
	l->file_inode = 0;
}
