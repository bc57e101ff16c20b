/*
 * A PostgreSQL backend that costs almost nothing, so that what stands before it can be
 * measured. One process, one epoll; the query's text says what the answer looks like:
 *
 *     rows=N bytes=M     N rows of M bytes (default one row of one byte)
 *     times=R            all of these rows R times
 *     sleep_ms=T         the answer comes T ms later
 *     spread=P           up to P percent sooner or later than that
 *     FAIL               an error
 *
 * BEGIN, COMMIT, ROLLBACK, SET and DISCARD do what a pooler needs. SIGUSR1 prints a line
 * of figures, SIGTERM and SIGINT print it and end the program.
 */
#include <err.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/queue.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "place.h"
#include "session.h"

enum { EVENTS_PER_TURN = 256, READ_LEN = 16384, DESCRIPTORS = 40000 };

struct conn {
	int fd;
	uint32_t watched; /* epoll events */
	uint64_t wake_ns; /* 0: awake */
	struct session session;
	struct bytes in;
	TAILQ_ENTRY(conn) sleeping;
	TAILQ_ENTRY(conn) all;
};

TAILQ_HEAD(conns, conn);

struct backend {
	int epoll, listener, signals;
	bool is_ended;
	struct session_world world;
	struct conns all;
	struct conns sleepers; /* the first to wake first */
	uint64_t dice;
	struct conns dead; /* freed at the end of a turn: events may still name them */
	uint64_t seen;
	size_t open, open_max;
};

static void watch(struct backend *b, struct conn *c, uint32_t events)
{
	struct epoll_event ev = {.events = events, .data.ptr = c};
	if (c->watched == events)
		return;
	c->watched = events;
	epoll_ctl(b->epoll, EPOLL_CTL_MOD, c->fd, &ev);
}

static void conn_close(struct backend *b, struct conn *c)
{
	if (c->wake_ns)
		TAILQ_REMOVE(&b->sleepers, c, sleeping);
	close(c->fd);
	c->fd = -1;
	TAILQ_REMOVE(&b->all, c, all);
	TAILQ_INSERT_TAIL(&b->dead, c, all);
	b->open--;
}

static void reap(struct backend *b)
{
	while (!TAILQ_EMPTY(&b->dead)) {
		struct conn *c = TAILQ_FIRST(&b->dead);
		TAILQ_REMOVE(&b->dead, c, all);
		session_fini(&c->session);
		bytes_fini(&c->in);
		free(c);
	}
}

static void conn_open(struct backend *b, int fd)
{
	const int on = 1;
	struct conn *c = calloc(1, sizeof(*c));
	if (!c)
		err(1, "calloc");
	c->fd = fd;
	c->watched = EPOLLIN;
	session_init(&c->session, &b->world, (uint32_t)++b->seen);
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	struct epoll_event ev = {.events = EPOLLIN, .data.ptr = c};
	if (epoll_ctl(b->epoll, EPOLL_CTL_ADD, fd, &ev) != 0)
		err(1, "epoll_ctl");
	TAILQ_INSERT_TAIL(&b->all, c, all);
	if (++b->open > b->open_max)
		b->open_max = b->open;
}

static void accept_all(struct backend *b)
{
	for (;;) {
		int fd = accept4(b->listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
		if (fd < 0 && errno == ECONNABORTED)
			continue;
		if (fd < 0 && errno != EAGAIN)
			err(1, "accept after %zu connections", b->open);
		if (fd < 0)
			return;
		conn_open(b, fd);
	}
}

/* From 0 to 2 * most. */
static uint64_t roll(struct backend *b, uint64_t most)
{
	b->dice = b->dice * 6364136223846793005u + 1442695040888963407u;
	return (uint64_t)((double)(b->dice >> 32) / 4294967296.0 * 2.0 * (double)most);
}

static void fall_asleep(struct backend *b, struct conn *c)
{
	uint64_t sleep_ns = (uint64_t)c->session.sleep_ms * 1000000u;
	uint64_t spread_ns = sleep_ns / 100 * c->session.spread;

	c->wake_ns = now_ns() + sleep_ns - spread_ns + roll(b, spread_ns);
	c->session.sleep_ms = 0;
	watch(b, c, 0);
	/* Sleeps are mostly of one length, so this looks at the last one only. */
	struct conn *before = TAILQ_LAST(&b->sleepers, conns);
	while (before && before->wake_ns > c->wake_ns)
		before = TAILQ_PREV(before, conns, sleeping);
	if (before)
		TAILQ_INSERT_AFTER(&b->sleepers, before, c, sleeping);
	else
		TAILQ_INSERT_HEAD(&b->sleepers, c, sleeping);
}

/* True when everything has been sent. */
static bool flush(struct backend *b, struct conn *c)
{
	struct iovec pieces[SESSION_IOVS];
	struct msghdr message = {.msg_iov = pieces};
	while ((message.msg_iovlen = (size_t)session_pieces(&c->session, pieces)) > 0) {
		ssize_t sent = sendmsg(c->fd, &message, MSG_NOSIGNAL);
		if (sent >= 0) {
			session_sent(&c->session, (size_t)sent);
			continue;
		}
		if (errno == EAGAIN)
			watch(b, c, EPOLLOUT);
		else
			conn_close(b, c);
		return false;
	}
	return true;
}

/* Answers what has been read, as far as sleeps and the peer's reading allow. */
static void proceed(struct backend *b, struct conn *c)
{
	do {
		if (!flush(b, c))
			return;
		if (c->session.is_ended) {
			conn_close(b, c);
			return;
		}
		bytes_consume(&c->in, session_feed(&c->session, c->in.data + c->in.start,
						   bytes_len(&c->in)));
		if (c->session.sleep_ms) {
			fall_asleep(b, c);
			return;
		}
	} while (c->session.is_ended || bytes_len(&c->session.head) || c->session.big);
	watch(b, c, EPOLLIN);
}

static void read_once(struct backend *b, struct conn *c)
{
	uint8_t *room = bytes_room(&c->in, READ_LEN);
	ssize_t len = recv(c->fd, room, READ_LEN, 0);
	if (len < 0 && errno == EAGAIN)
		return;
	if (len <= 0) {
		conn_close(b, c);
		return;
	}
	c->in.end += (size_t)len;
	proceed(b, c);
}

static void wake_sleepers(struct backend *b)
{
	struct conn *c = TAILQ_FIRST(&b->sleepers);
	uint64_t now = c ? now_ns() : 0;
	for (; c && c->wake_ns <= now; c = TAILQ_FIRST(&b->sleepers)) {
		TAILQ_REMOVE(&b->sleepers, c, sleeping);
		c->wake_ns = 0;
		proceed(b, c);
	}
}

/* Waits until the first sleeper is due, not until the next whole millisecond: sleeps are
 * what the servers' capacity is made of. */
static int wait_for_events(const struct backend *b, struct epoll_event *events)
{
	const struct conn *first = TAILQ_FIRST(&b->sleepers);
	uint64_t now = first ? now_ns() : 0;
	uint64_t left_ns = first && first->wake_ns > now ? first->wake_ns - now : 0;
	struct timespec wait = {.tv_sec = (time_t)(left_ns / 1000000000u),
				.tv_nsec = (long)(left_ns % 1000000000u)};
	return epoll_pwait2(b->epoll, events, EVENTS_PER_TURN, first ? &wait : NULL,
			    NULL);
}

static void print_figures(const struct backend *b)
{
	printf("connections=%llu connections_max=%zu connections_open=%zu queries=%llu "
	       "cancels=%llu\n",
	       (unsigned long long)b->seen, b->open_max, b->open,
	       (unsigned long long)b->world.queries,
	       (unsigned long long)b->world.cancels);
	fflush(stdout);
}

static void on_signal(struct backend *b)
{
	struct signalfd_siginfo info;
	if (read(b->signals, &info, sizeof(info)) != sizeof(info))
		return;
	print_figures(b);
	b->is_ended = info.ssi_signo != SIGUSR1;
}

static void on_event(struct backend *b, const struct epoll_event *ev)
{
	struct conn *c = ev->data.ptr;
	if (ev->data.ptr == &b->listener)
		accept_all(b);
	else if (ev->data.ptr == &b->signals)
		on_signal(b);
	else if (c->fd < 0)
		return;
	else if (c->wake_ns)
		conn_close(b, c); /* asleep it only hears that the peer is gone */
	else if (ev->events & EPOLLOUT)
		proceed(b, c);
	else
		read_once(b, c);
}

static void backend_run(struct backend *b)
{
	struct epoll_event events[EVENTS_PER_TURN];
	while (!b->is_ended) {
		int count = wait_for_events(b, events);
		for (int i = 0; i < count; i++)
			on_event(b, &events[i]);
		wake_sleepers(b);
		reap(b);
	}
}

static void watch_own(struct backend *b, int *fd)
{
	struct epoll_event ev = {.events = EPOLLIN, .data.ptr = fd};
	if (epoll_ctl(b->epoll, EPOLL_CTL_ADD, *fd, &ev) != 0)
		err(1, "epoll_ctl");
}

static void backend_init(struct backend *b, const struct place *at)
{
	sigset_t set;
	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGUSR1);
	sigprocmask(SIG_BLOCK, &set, NULL);
	*b = (struct backend){
	    .epoll = epoll_create1(EPOLL_CLOEXEC),
	    .signals = signalfd(-1, &set, SFD_CLOEXEC),
	    .listener = place_listen(at),
	};
	if (b->epoll < 0 || b->signals < 0)
		err(1, "epoll or signalfd");
	TAILQ_INIT(&b->all);
	TAILQ_INIT(&b->sleepers);
	TAILQ_INIT(&b->dead);
	watch_own(b, &b->listener);
	watch_own(b, &b->signals);
}

static void backend_fini(struct backend *b)
{
	while (!TAILQ_EMPTY(&b->all))
		conn_close(b, TAILQ_FIRST(&b->all));
	reap(b);
	answers_fini(&b->world.answers);
	close(b->listener);
	close(b->signals);
	close(b->epoll);
}

int main(int argc, char **argv)
{
	struct place at;
	struct backend b;
	if (argc != 2 || !place_parse(argv[1], &at))
		errx(1, "usage: fake_backend {127.0.0.1:PORT | /path/of/socket}");
	descriptors_raise(DESCRIPTORS);
	backend_init(&b, &at);
	printf("ready port=%u\n", place_port(b.listener));
	fflush(stdout);
	backend_run(&b);
	backend_fini(&b);
	return 0;
}
