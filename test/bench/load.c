/*
 * Many clients in one process: connects them, keeps some of them busy with a script of
 * queries, and prints what they saw as key=value lines.
 *
 * One transaction is one pass through the script; "queries" counts its round trips. A
 * client that got an ERROR goes on with its script, a client whose connection ended is
 * counted as lost and does not come back (except in mode reconnect, where each
 * transaction has a connection of its own anyway).
 */
#include <err.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/queue.h>
#include <sys/socket.h>
#include <unistd.h>

#include "load_options.h"
#include "place.h"
#include "tally.h"
#include "watch.h"
#include "wire.h"

enum {
	EVENTS_PER_TURN = 512,
	SCRATCH_LEN = 256 * 1024,
	BURST_STEP = 16, /* queries sent before answers are looked for */
	DESCRIPTORS_SPARE = 64,
};

enum client_state {
	CLIENT_CLOSED,
	CLIENT_CONNECTING,
	CLIENT_LOGIN,
	CLIENT_IDLE,
	CLIENT_BUSY,
};

struct client {
	int fd;
	unsigned id;
	enum client_state state;
	unsigned step; /* in the script */
	uint64_t begun_ns;
	bool is_watching_out;
	char sqlstate[6]; /* of the error in the current answer, or empty */
	const struct bytes
	    *sending; /* what the kernel has not taken whole yet, from sent on */
	size_t sent;
	struct scanner scanner;
	TAILQ_ENTRY(client) line;
};

TAILQ_HEAD(line, client);

struct load {
	struct load_options options;
	int epoll;
	struct client *clients;
	struct line idle;
	struct bytes script[SCRIPT_MAX];
	struct bytes *startup; /* one for each database */
	struct bytes terminate;
	uint64_t give_up_ns;

	/* What the driver wants at the moment. */
	bool is_running;   /* a finished transaction starts the next */
	bool is_measuring; /* answers are counted */
	uint64_t budget;   /* transactions still to be started */

	unsigned under_way; /* connections being made */
	unsigned connected; /* logged in, at this moment */
	unsigned busy;
	uint64_t connect_failed, transactions;
	uint64_t ended, lost; /* connections the peer closed, of them without a word */
	struct tally served;
	struct sqlstates errors, login_errors;
	uint8_t *scratch;
};

/* ---- one client ------------------------------------------------------------ */

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
	else if (c->state == CLIENT_LOGIN)
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

static void client_connect(struct load *l, struct client *c)
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

/* Mode reconnect: the next transaction, if any, on a connection of its own. */
static void start_over(struct load *l, struct client *c)
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
		start_over(l, c);
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

static void client_query(struct load *l, struct client *c)
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

static void start_next(struct load *l)
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
		start_over(l, c);
		return;
	}
	l->busy--;
	client_rest(l, c);
	start_next(l);
}

static void client_on_ready(struct load *l, struct client *c)
{
	if (c->state == CLIENT_LOGIN) {
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
		if (c->state != CLIENT_IDLE && c->state != CLIENT_BUSY)
			return;
	}
}

static void client_on_event(struct load *l, struct client *c, uint32_t events)
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
	ssize_t got = recv(c->fd, l->scratch, SCRATCH_LEN, 0);
	if (got > 0)
		client_on_bytes(l, c, l->scratch, (size_t)got);
	else if (got == 0 || errno != EAGAIN)
		client_on_end(l, c);
}

/* ---- all of them ------------------------------------------------------------ */

/* One round of events, waiting no longer than until `until_ns`. */
static void turn(struct load *l, uint64_t until_ns)
{
	struct epoll_event events[EVENTS_PER_TURN];
	uint64_t now = now_ns();
	if (now > l->give_up_ns)
		errx(3, "gave up after %g s: connected=%u busy=%u", l->options.limit_s,
		     l->connected, l->busy);
	if (until_ns > l->give_up_ns)
		until_ns = l->give_up_ns;
	int timeout_ms = until_ns > now ? (int)((until_ns - now) / 1000000 + 1) : 0;
	int count = epoll_wait(l->epoll, events, EVENTS_PER_TURN, timeout_ms);
	for (int i = 0; i < count; i++) {
		struct client *c = &l->clients[events[i].data.u32];
		if (c->state != CLIENT_CLOSED)
			client_on_event(l, c, events[i].events);
	}
}

static uint64_t after_s(double seconds)
{
	return now_ns() + (uint64_t)(seconds * 1e9);
}

static void connect_all(struct load *l)
{
	unsigned begun = 0;
	while (begun < l->options.clients || l->under_way > 0) {
		while (begun < l->options.clients && l->under_way < l->options.parallel)
			client_connect(l, &l->clients[begun++]);
		turn(l, UINT64_MAX);
	}
}

static void start(struct load *l, unsigned active, uint64_t budget)
{
	l->is_running = true;
	l->budget = budget;
	for (unsigned i = 0; i < active; i++) {
		if (l->options.mode == MODE_RECONNECT)
			start_over(l, &l->clients[i]);
		else
			start_next(l);
	}
}

static bool is_busy(const struct load *l)
{
	return l->busy > 0 || l->under_way > 0;
}

static void run_until(struct load *l, uint64_t until_ns)
{
	while (is_busy(l) && now_ns() < until_ns)
		turn(l, until_ns);
}

/* Starts nothing more and waits for the answers still due. */
static void drain(struct load *l)
{
	l->is_running = false;
	run_until(l, after_s(l->options.patience_s));
}

static void prime(struct load *l)
{
	unsigned parallel = l->options.parallel;
	start(l, parallel < l->connected ? parallel : l->connected, l->connected);
	/* Those who rested longest are first, so each client gets its turn. */
	run_until(l, UINT64_MAX);
	l->is_running = false;
	l->options.is_priming = false;
}

/* Says where we are and waits for a line. False when whoever started us has gone. */
static bool wait_for_go(struct load *l, const char *word)
{
	char byte = 0;
	puts(word);
	fflush(stdout);
	while (read(STDIN_FILENO, &byte, 1) == 1) {
		if (byte == '\n') {
			/* The time spent waiting is not ours. */
			l->give_up_ns = after_s(l->options.limit_s);
			return true;
		}
	}
	return false;
}

static void burst(struct load *l)
{
	unsigned sent = 0;
	l->is_measuring = true;
	for (unsigned i = 0; i < l->options.clients; i++) {
		if (l->clients[i].state != CLIENT_IDLE)
			continue;
		client_query(l, &l->clients[i]);
		if (++sent % BURST_STEP == 0)
			turn(l, 0);
	}
	run_until(l, after_s(l->options.patience_s));
	l->is_measuring = false;
	printf("sent=%u\n", sent);
}

static void print_rates(const struct load *l, double elapsed_s, uint64_t cpu_ns)
{
	uint64_t queries = l->served.count + sqlstates_total(&l->errors);
	printf("elapsed_s=%.4f\n", elapsed_s);
	printf("transactions=%llu\n", (unsigned long long)l->transactions);
	printf("queries=%llu\n", (unsigned long long)queries);
	printf("queries_per_s=%.0f\n", (double)queries / elapsed_s);
	if (l->options.watched && queries > 0)
		printf("watch_cpu_us_per_query=%.3f\n",
		       (double)cpu_ns / 1e3 / (double)queries);
	if (l->options.watched)
		printf("watch_cpu_share=%.3f\n", (double)cpu_ns / 1e9 / elapsed_s);
}

static uint64_t watched_cpu_ns(const struct load *l)
{
	if (!l->options.watched)
		return 0;
	uint64_t ns = watch_cpu_ns(l->options.watched);
	if (ns == 0)
		errx(1, "process %d is gone, or this kernel has no schedstat",
		     (int)l->options.watched);
	return ns;
}

static void measure(struct load *l)
{
	const struct load_options *o = &l->options;
	start(l, o->active, o->count ? o->count : UINT64_MAX);
	run_until(l, after_s(o->warmup_s));
	uint64_t cpu_ns = watched_cpu_ns(l), from_ns = now_ns();
	l->is_measuring = true;
	run_until(l, o->count ? UINT64_MAX : after_s(o->duration_s));
	l->is_measuring = false;
	double elapsed_s = (double)(now_ns() - from_ns) / 1e9;
	print_rates(l, elapsed_s, watched_cpu_ns(l) - cpu_ns);
	drain(l);
}

static void load_print(const struct load *l)
{
	tally_print(&l->served, "served");
	sqlstates_print(&l->errors, "error");
	sqlstates_print(&l->login_errors, "login_error");
	printf("connected=%u\n", l->connected);
	printf("connect_failed=%llu\n", (unsigned long long)l->connect_failed);
	printf("ended=%llu\n", (unsigned long long)l->ended);
	printf("lost=%llu\n", (unsigned long long)l->lost);
	printf("hung=%u\n", l->busy + l->under_way);
}

static void load_init(struct load *l, const struct load_options *o)
{
	*l = (struct load){
	    .options = *o,
	    .epoll = epoll_create1(EPOLL_CLOEXEC),
	    .clients = calloc(o->clients, sizeof(struct client)),
	    .scratch = malloc(SCRATCH_LEN),
	    .give_up_ns = after_s(o->limit_s),
	};
	if (l->options.databases == 0)
		l->options.databases = 1;
	l->startup = calloc(l->options.databases, sizeof(struct bytes));
	if (l->epoll < 0 || !l->clients || !l->scratch || !l->startup)
		err(1, "cannot set up");
	TAILQ_INIT(&l->idle);
	for (unsigned i = 0; i < o->clients; i++)
		l->clients[i].id = i;
	for (unsigned i = 0; i < o->script_len; i++) {
		if (o->mode == MODE_EXTENDED)
			wire_extended(&l->script[i], o->script[i]);
		else
			wire_simple(&l->script[i], o->script[i]);
	}
	for (unsigned i = 0; i < l->options.databases; i++) {
		char name[128];
		snprintf(name, sizeof(name), "%s%u", o->database, i);
		wire_startup(&l->startup[i], o->user, o->databases ? name : o->database);
	}
	wire_terminate(&l->terminate);
}

static void load_fini(struct load *l)
{
	l->is_running = false;
	for (unsigned i = 0; i < l->options.clients; i++) {
		if (l->clients[i].state == CLIENT_IDLE)
			client_say(l, &l->clients[i], &l->terminate);
		client_close(l, &l->clients[i]);
	}
	for (unsigned i = 0; i < SCRIPT_MAX; i++)
		bytes_fini(&l->script[i]);
	for (unsigned i = 0; i < l->options.databases; i++)
		bytes_fini(&l->startup[i]);
	bytes_fini(&l->terminate);
	sqlstates_fini(&l->errors);
	sqlstates_fini(&l->login_errors);
	free(l->startup);
	free(l->clients);
	free(l->scratch);
	close(l->epoll);
}

static void load_run(struct load *l)
{
	uint64_t from_ns = now_ns();
	if (l->options.mode != MODE_RECONNECT)
		connect_all(l);
	printf("connect_s=%.3f\n", (double)(now_ns() - from_ns) / 1e9);
	if (l->options.is_priming)
		prime(l);
	if (l->options.is_waiting && !wait_for_go(l, "ready"))
		return;
	if (l->options.is_burst)
		burst(l);
	else
		measure(l);
	load_print(l);
	if (l->options.is_waiting)
		wait_for_go(l, "done");
}

int main(int argc, char **argv)
{
	struct load_options options;
	load_options_read(argc, argv, &options);
	size_t wanted = options.clients + DESCRIPTORS_SPARE;
	if (descriptors_raise(wanted) < wanted)
		errx(1, "%zu descriptors are needed: raise `ulimit -Hn`", wanted);
	struct load *l = malloc(sizeof(*l));
	if (!l)
		err(1, "malloc");
	load_init(l, &options);
	load_run(l);
	load_fini(l);
	free(l);
	return 0;
}
