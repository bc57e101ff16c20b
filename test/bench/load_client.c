#include "load_client.h"

#include <err.h>
#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "place.h"

static void watch(struct load *l, const struct client *c, int op, uint32_t events)
{
	struct epoll_event ev = {.events = events, .data.u32 = c->id};
	if (epoll_ctl(l->epoll, op, c->fd, &ev) != 0)
		err(1, "epoll_ctl");
}

static void count_error(struct load *l, const struct client *c)
{
	uint64_t ns = now_ns() - c->begun_ns;
	if (c->state == CLIENT_BUSY && l->is_measuring)
		sqlstates_add(&l->errors, c->sqlstate, ns);
	else if (c->state == CLIENT_LOGIN || c->state == CLIENT_PREPARING)
		sqlstates_add(&l->login_errors, c->sqlstate, ns);
}

static void client_close(struct load *l, struct client *c)
{
	if (c->state == CLIENT_CLOSED)
		return;
	if (c->state == CLIENT_IDLE)
		TAILQ_REMOVE(&l->idle, c, line);
	if (c->state == CLIENT_IDLE || c->state == CLIENT_BUSY)
		l->connected--;
	else
		l->under_way--;
	if (c->state == CLIENT_BUSY)
		l->busy--;
	close(c->fd);
	c->state = CLIENT_CLOSED;
}

void client_connect(struct load *l, struct client *c)
{
	unsigned source = l->options.sources > 1 ? c->id % l->options.sources + 1 : 0;
	int fd = place_connect(&l->options.target, source);
	if (fd < 0) {
		if (l->connect_failed++ == 0)
			warnx("cannot connect: %s", strerror(-fd));
		return;
	}
	c->fd = fd;
	c->state = CLIENT_CONNECTING;
	c->begun_ns = now_ns();
	c->step = 0;
	c->sqlstate[0] = 0;
	c->scanner = (struct scanner){0};
	c->sending = NULL;
	c->is_watching_out = false;
	l->under_way++;
	watch(l, c, EPOLL_CTL_ADD, EPOLLOUT);
}

void client_start_over(struct load *l, struct client *c)
{
	if (!l->is_running || l->budget == 0)
		return;
	l->budget--;
	client_connect(l, c);
}

/* The peer ended the connection. */
static void client_on_end(struct load *l, struct client *c)
{
	bool has_error = c->sqlstate[0] != 0;
	if (has_error)
		count_error(l, c);
	if (c->state == CLIENT_IDLE || c->state == CLIENT_BUSY) {
		l->ended++;
		l->lost += !has_error;
	} else {
		l->connect_failed += !has_error;
	}
	client_close(l, c);
	if (l->options.mode == MODE_RECONNECT)
		client_start_over(l, c);
}

static void watch_out(struct load *l, struct client *c, bool on)
{
	if (c->is_watching_out == on)
		return;
	c->is_watching_out = on;
	watch(l, c, EPOLL_CTL_MOD, on ? EPOLLIN | EPOLLOUT : EPOLLIN);
}

static void client_send(struct load *l, struct client *c)
{
	const struct bytes *b = c->sending;
	ssize_t sent = send(c->fd, b->data + b->start + c->sent, bytes_len(b) - c->sent,
			    MSG_NOSIGNAL);
	c->sent += sent > 0 ? (size_t)sent : 0;
	/* If the peer has left, what it said before may still be there to read. */
	bool has_failed = sent < 0 && errno != EAGAIN;
	if (has_failed || c->sent == bytes_len(b))
		c->sending = NULL;
	watch_out(l, c, c->sending);
}

static void client_say(struct load *l, struct client *c, const struct bytes *what)
{
	c->sending = what;
	c->sent = 0;
	client_send(l, c);
}

static void client_log_in(struct load *l, struct client *c)
{
	c->state = CLIENT_LOGIN;
	client_say(l, c, &l->startup[c->id % l->options.databases]);
}

static void client_rest(struct load *l, struct client *c)
{
	c->state = CLIENT_IDLE;
	if (l->options.is_rotating || l->options.is_priming)
		TAILQ_INSERT_TAIL(&l->idle, c, line);
	else
		TAILQ_INSERT_HEAD(&l->idle, c, line);
}

void client_query(struct load *l, struct client *c)
{
	if (c->state == CLIENT_IDLE) {
		TAILQ_REMOVE(&l->idle, c, line);
		c->state = CLIENT_BUSY;
		l->busy++;
	}
	/* A reconnecting client's time began with its connection. */
	if (l->options.mode != MODE_RECONNECT)
		c->begun_ns = now_ns();
	c->sqlstate[0] = 0;
	client_say(l, c, &l->script[c->step]);
}

void client_start_next(struct load *l)
{
	struct client *c = TAILQ_FIRST(&l->idle);
	if (!l->is_running || l->budget == 0 || !c)
		return;
	l->budget--;
	client_query(l, c);
}

static void client_on_transaction_done(struct load *l, struct client *c)
{
	if (l->is_measuring)
		l->transactions++;
	c->step = 0;
	if (l->options.mode == MODE_RECONNECT) {
		client_say(l, c, &l->terminate);
		client_close(l, c);
		client_start_over(l, c);
		return;
	}
	l->busy--;
	client_rest(l, c);
	client_start_next(l);
}

static void client_on_ready(struct load *l, struct client *c)
{
	if (c->state == CLIENT_LOGIN && l->options.mode == MODE_PREPARED) {
		c->state = CLIENT_PREPARING;
		client_say(l, c, &l->prepare);
		return;
	}
	if (c->state == CLIENT_LOGIN || c->state == CLIENT_PREPARING) {
		l->under_way--;
		l->connected++;
		client_rest(l, c);
		if (l->options.mode == MODE_RECONNECT && l->is_running)
			client_query(l, c);
		return;
	}
	if (c->state != CLIENT_BUSY)
		return;
	if (c->sqlstate[0])
		count_error(l, c);
	else if (l->is_measuring && l->options.mode != MODE_RECONNECT)
		tally_add(&l->served, now_ns() - c->begun_ns);
	if (++c->step < l->options.script_len) {
		client_query(l, c);
		return;
	}
	if (l->options.mode == MODE_RECONNECT && !c->sqlstate[0] && l->is_measuring)
		tally_add(&l->served, now_ns() - c->begun_ns);
	client_on_transaction_done(l, c);
}

/* What the peer sent, message by message; a client may be closed by one of them. */
static void client_on_bytes(struct load *l, struct client *c, const uint8_t *at,
			    size_t len)
{
	while (len > 0) {
		enum scanned scanned = scanner_next(&c->scanner, &at, &len);
		if (scanned == SCANNED_BAD)
			errx(1, "client %u: the stream makes no sense", c->id);
		if (scanned == SCANNED_MORE)
			return;
		uint8_t letter = c->scanner.head[0];
		if (letter == 'E')
			scanner_sqlstate(&c->scanner, c->sqlstate);
		if (letter == 'R' && wire_u32(c->scanner.kept) != 0)
			errx(1, "asked for a password: only trust is known here");
		if (letter != 'Z')
			continue;
		/* Nothing may follow but notices: what is left belongs to a dead
		 * connection. */
		client_on_ready(l, c);
		if (c->state != CLIENT_IDLE && c->state != CLIENT_BUSY &&
		    c->state != CLIENT_PREPARING)
			return;
	}
}

void client_on_event(struct load *l, struct client *c, uint32_t events)
{
	if (c->state == CLIENT_CONNECTING) {
		if (events & (EPOLLERR | EPOLLHUP)) {
			client_on_end(l, c);
			return;
		}
		watch(l, c, EPOLL_CTL_MOD, EPOLLIN);
		client_log_in(l, c);
		return;
	}
	if (c->sending && (events & EPOLLOUT))
		client_send(l, c);
	if (!(events & ~(uint32_t)EPOLLOUT))
		return;
	ssize_t got = recv(c->fd, l->scratch, LOAD_SCRATCH_LEN, 0);
	if (got > 0)
		client_on_bytes(l, c, l->scratch, (size_t)got);
	else if (got == 0 || errno != EAGAIN)
		client_on_end(l, c);
}

void client_leave(struct load *l, struct client *c)
{
	if (c->state == CLIENT_IDLE)
		client_say(l, c, &l->terminate);
	client_close(l, c);
}
