/*
 * Many clients in one process: connects them, keeps some of them busy with a script of
 * queries, and prints what they saw as key=value lines.
 *
 * One transaction is one pass through the script; "queries" counts its round trips. A
 * client that got an ERROR goes on with its script, a client whose connection ended is
 * counted as ended and does not come back (except in mode reconnect, where each
 * transaction has a connection of its own anyway).
 */
#include <err.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "load_client.h"
#include "load_options.h"
#include "place.h"
#include "tally.h"
#include "watch.h"
#include "wire.h"

enum {
	EVENTS_PER_TURN = 512,
	BURST_STEP = 16, /* queries sent before answers are looked for */
	DESCRIPTORS_SPARE = 64,
};

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
			client_start_over(l, &l->clients[i]);
		else
			client_start_next(l);
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
	    .scratch = malloc(LOAD_SCRATCH_LEN),
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
		else if (o->mode == MODE_PREPARED)
			wire_execute(&l->script[i], i);
		else
			wire_simple(&l->script[i], o->script[i]);
	}
	if (o->mode == MODE_PREPARED)
		wire_prepare(&l->prepare, o->script, o->script_len);
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
	for (unsigned i = 0; i < l->options.clients; i++)
		client_leave(l, &l->clients[i]);
	for (unsigned i = 0; i < SCRIPT_MAX; i++)
		bytes_fini(&l->script[i]);
	for (unsigned i = 0; i < l->options.databases; i++)
		bytes_fini(&l->startup[i]);
	bytes_fini(&l->prepare);
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
