/*
 * The floor under any pooler: bytes of many clients over few server connections, and
 * nothing else. A client that sends gets a free server, or stands in line with its bytes
 * still in its socket; the server is free again when what it sent ends in ReadyForQuery
 * "idle". Clients are greeted with what the first server said at login.
 *
 * Not a pooler: one write of a client must be one request, nobody checks what the bytes
 * mean, a client that leaves inside a transaction takes its server with it, and sends
 * block. Clients are watched edge-triggered, so that those in line cost
 * nothing.
 */
#include <err.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/queue.h>
#include <sys/socket.h>
#include <unistd.h>

#include "place.h"
#include "wire.h"

enum { CHUNK = 256 * 1024, EVENTS_PER_TURN = 256, DESCRIPTORS = 40000 };

struct peer {
	int fd;
	bool is_server, is_greeted, is_in_line;
	struct peer *other; /* client and server while they belong together */
	TAILQ_ENTRY(peer) line;
};

TAILQ_HEAD(peers, peer);

struct relay {
	int epoll;
	struct peers free_servers, waiting, dead;
	struct bytes welcome;
	uint8_t chunk[CHUNK];
};

/* Blocks until the peer has taken all: the socket itself does not. */
static void send_all(int fd, const uint8_t *at, size_t len)
{
	while (len > 0) {
		ssize_t sent = send(fd, at, len, MSG_NOSIGNAL);
		if (sent < 0 && errno != EAGAIN)
			return;
		if (sent < 0)
			poll(&(struct pollfd){.fd = fd, .events = POLLOUT}, 1, -1);
		else
			at += sent, len -= (size_t)sent;
	}
}

static struct peer *peer_open(struct relay *r, int fd, bool is_server)
{
	struct peer *p = calloc(1, sizeof(*p));
	if (!p)
		err(1, "calloc");
	*p = (struct peer){.fd = fd, .is_server = is_server};
	struct epoll_event ev = {.events = is_server ? EPOLLIN : EPOLLIN | EPOLLET};
	ev.data.ptr = p;
	if (epoll_ctl(r->epoll, EPOLL_CTL_ADD, fd, &ev) != 0)
		err(1, "epoll_ctl");
	return p;
}

static void client_close(struct relay *r, struct peer *c)
{
	if (c->is_in_line)
		TAILQ_REMOVE(&r->waiting, c, line);
	if (c->other)
		c->other->other = NULL; /* its answer goes nowhere */
	close(c->fd);
	c->fd = -1;
	TAILQ_INSERT_TAIL(&r->dead, c, line);
}

/* Reads what a client has to say; false if it has left or said goodbye. */
static bool client_read(struct relay *r, struct peer *c, ssize_t *out_len)
{
	*out_len = recv(c->fd, r->chunk, CHUNK, 0);
	return *out_len > 0 ? !c->is_greeted || r->chunk[0] != 'X'
			    : *out_len < 0 && errno == EAGAIN;
}

static void client_serve(struct relay *r, struct peer *c)
{
	ssize_t len;
	if (!client_read(r, c, &len)) {
		client_close(r, c);
	} else if (len > 0 && !c->is_greeted) {
		c->is_greeted = true;
		send_all(c->fd, r->welcome.data, bytes_len(&r->welcome));
	} else if (len > 0) {
		struct peer *s = c->other ? c->other : TAILQ_FIRST(&r->free_servers);
		if (!c->other)
			TAILQ_REMOVE(&r->free_servers, s, line);
		c->other = s;
		s->other = c;
		send_all(s->fd, r->chunk, (size_t)len);
	}
}

static void on_client(struct relay *r, struct peer *c)
{
	if (!c->is_greeted || c->other || !TAILQ_EMPTY(&r->free_servers)) {
		client_serve(r, c);
	} else if (!c->is_in_line) {
		c->is_in_line = true;
		TAILQ_INSERT_TAIL(&r->waiting, c, line);
	}
}

static void server_free(struct relay *r, struct peer *s)
{
	if (s->other)
		s->other->other = NULL;
	s->other = NULL;
	TAILQ_INSERT_HEAD(&r->free_servers, s, line);
	while (!s->other && !TAILQ_EMPTY(&r->waiting)) {
		struct peer *c = TAILQ_FIRST(&r->waiting);
		TAILQ_REMOVE(&r->waiting, c, line);
		c->is_in_line = false;
		client_serve(r, c);
	}
}

static void on_server(struct relay *r, struct peer *s)
{
	static const uint8_t idle[] = {'Z', 0, 0, 0, 5, 'I'};
	ssize_t len = recv(s->fd, r->chunk, CHUNK, 0);
	if (len <= 0)
		errx(1, "a server has left");
	if (s->other)
		send_all(s->other->fd, r->chunk, (size_t)len);
	const uint8_t *end = r->chunk + len;
	if ((size_t)len >= sizeof(idle) &&
	    !memcmp(end - sizeof(idle), idle, sizeof(idle)))
		server_free(r, s);
}

static void accept_all(struct relay *r, int listener)
{
	for (int fd;
	     (fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0;)
		peer_open(r, fd, false);
}

/* A logged in server; what it said on the way is the welcome. */
static void server_open(struct relay *r, const struct place *at, const char *database)
{
	struct bytes startup = {0};
	int fd = place_connect(at, 0);
	if (fd < 0)
		errx(1, "cannot connect: %s", strerror(-fd));
	poll(&(struct pollfd){.fd = fd, .events = POLLOUT}, 1, -1);
	wire_startup(&startup, database, database);
	send_all(fd, startup.data, bytes_len(&startup));
	bytes_fini(&startup);
	r->welcome.start = r->welcome.end = 0;
	do {
		poll(&(struct pollfd){.fd = fd, .events = POLLIN}, 1, -1);
		ssize_t len = recv(fd, r->chunk, CHUNK, 0);
		if (len <= 0)
			errx(1, "a server refused the login");
		bytes_add(&r->welcome, r->chunk, (size_t)len);
	} while (r->welcome.data[r->welcome.end - 1] != 'I');
	server_free(r, peer_open(r, fd, true));
}

static void relay_run(struct relay *r, int listener)
{
	struct epoll_event events[EVENTS_PER_TURN];
	for (;;) {
		int count = epoll_wait(r->epoll, events, EVENTS_PER_TURN, -1);
		for (int i = 0; i < count; i++) {
			struct peer *p = events[i].data.ptr;
			if (!p)
				accept_all(r, listener);
			else if (p->is_server)
				on_server(r, p);
			else if (p->fd >= 0)
				on_client(r, p);
		}
		while (!TAILQ_EMPTY(&r->dead)) {
			struct peer *c = TAILQ_FIRST(&r->dead);
			TAILQ_REMOVE(&r->dead, c, line);
			free(c);
		}
	}
}

int main(int argc, char **argv)
{
	struct place at, to;
	if (argc < 4 || !place_parse(argv[1], &at) || !place_parse(argv[2], &to))
		errx(1, "usage: bare_relay LISTEN SERVER NUMBER_OF_SERVERS "
			"[USER_AND_DATABASE]");
	descriptors_raise(DESCRIPTORS);
	struct relay *r = calloc(1, sizeof(*r));
	if (!r || (r->epoll = epoll_create1(EPOLL_CLOEXEC)) < 0)
		err(1, "cannot set up");
	TAILQ_INIT(&r->free_servers);
	TAILQ_INIT(&r->waiting);
	TAILQ_INIT(&r->dead);
	for (long servers = strtol(argv[3], NULL, 10); servers > 0; servers--)
		server_open(r, &to, argc > 4 ? argv[4] : "bench");
	int listener = place_listen(&at);
	struct epoll_event ev = {.events = EPOLLIN};
	if (epoll_ctl(r->epoll, EPOLL_CTL_ADD, listener, &ev) != 0)
		err(1, "epoll_ctl");
	relay_run(r, listener);
	return 0;
}
