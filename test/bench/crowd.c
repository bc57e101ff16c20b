#include "crowd.h"

#include <err.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
	COMES_AGAIN_MS = 100, /* after its connection ended */
	SETTLED_BINS = 5,
	SETTLED_PERCENT = 95,
};

/* ---- connections ------------------------------------------------------------------ */

static void watch(const struct crowd_world *w, struct guest *g, int op, uint32_t events)
{
	struct epoll_event ev = {.events = events, .data.ptr = g};
	if (epoll_ctl(w->epoll, op, g->fd, &ev) != 0)
		err(1, "epoll_ctl");
}

static void come_again(struct guest *g, struct crowd_world *w)
{
	g->state = GUEST_DOWN;
	g->due_ns = now_ns() + (uint64_t)COMES_AGAIN_MS * 1000000u;
	TAILQ_INSERT_TAIL(&w->down, g, place);
}

static void guest_connect(struct guest *g, struct crowd_world *w)
{
	int fd = place_connect(&w->target, w->sources > 1 ? g->id % w->sources + 1 : 0);
	if (fd < 0) {
		if (g->crowd->failed++ == 0)
			warnx("cannot connect: %s", strerror(-fd));
		come_again(g, w);
		return;
	}
	g->fd = fd;
	g->state = GUEST_CONNECTING;
	g->due_ns = now_ns();
	g->sqlstate[0] = 0;
	g->scanner = (struct scanner){0};
	w->under_way++;
	watch(w, g, EPOLL_CTL_ADD, EPOLLOUT);
}

uint64_t crowd_connect_due(struct crowd_world *w)
{
	uint64_t now = now_ns();
	struct guest *g;
	while ((g = TAILQ_FIRST(&w->down)) && g->due_ns <= now &&
	       w->under_way < w->parallel) {
		TAILQ_REMOVE(&w->down, g, place);
		guest_connect(g, w);
	}
	return g && w->under_way < w->parallel ? g->due_ns : UINT64_MAX;
}

static void note_error(const struct guest *g, uint64_t now)
{
	struct crowd *c = g->crowd;
	struct sqlstates *all = g->state == GUEST_BUSY ? &c->errors : &c->login_errors;
	sqlstates_add(all, g->sqlstate, now > g->due_ns ? now - g->due_ns : 0);
}

/* The peer ended the connection. */
static void guest_on_end(struct guest *g, struct crowd_world *w)
{
	struct crowd *c = g->crowd;
	if (g->sqlstate[0])
		note_error(g, now_ns());
	if (g->state == GUEST_IDLE)
		TAILQ_REMOVE(&c->idle, g, place);
	if (g->state == GUEST_IDLE || g->state == GUEST_BUSY) {
		c->ended++;
		c->lost += !g->sqlstate[0];
	} else {
		w->under_way--;
		c->failed += !g->sqlstate[0];
	}
	close(g->fd);
	come_again(g, w);
}

/* What is sent is short and nothing else is on its way, so the kernel takes it whole. */
static void guest_say(struct guest *g, const struct bytes *what)
{
	ssize_t sent =
	    send(g->fd, what->data + what->start, bytes_len(what), MSG_NOSIGNAL);
	/* A peer that has left will be seen to have left. */
	if (sent >= 0 && (size_t)sent < bytes_len(what))
		errx(1, "a query was not sent whole");
}

/* ---- answers ---------------------------------------------------------------------- */

static void note_served(const struct guest *g, const struct crowd_world *w)
{
	struct crowd *c = g->crowd;
	uint64_t ns = now_ns() - g->due_ns;
	tally_add(&c->served, ns);
	c->in_time += ns <= w->in_time_ns;
	/* What was due in an earlier phase is of no bin. */
	if (ns > w->normal_ns || g->due_ns < w->from_ns)
		return;
	uint64_t bin = (g->due_ns - w->from_ns) / ((uint64_t)CROWD_BIN_MS * 1000000u);
	if (bin < CROWD_BINS_MAX)
		c->bins[bin].normal++;
}

static void guest_on_ready(struct guest *g, struct crowd_world *w)
{
	if (g->state == GUEST_LOGIN)
		w->under_way--;
	else if (g->sqlstate[0])
		note_error(g, now_ns());
	else
		note_served(g, w);
	g->state = GUEST_IDLE;
	TAILQ_INSERT_TAIL(&g->crowd->idle, g, place);
}

static void guest_on_bytes(struct guest *g, struct crowd_world *w, const uint8_t *at,
			   size_t len)
{
	while (len > 0) {
		enum scanned scanned = scanner_next(&g->scanner, &at, &len);
		if (scanned == SCANNED_BAD)
			errx(1, "client %u: the stream makes no sense", g->id);
		if (scanned == SCANNED_MORE)
			return;
		uint8_t letter = g->scanner.head[0];
		if (letter == 'E')
			scanner_sqlstate(&g->scanner, g->sqlstate);
		if (letter == 'R' && wire_u32(g->scanner.kept) != 0)
			errx(1, "asked for a password: only trust is known here");
		if (letter == 'Z' && g->state != GUEST_IDLE)
			guest_on_ready(g, w);
	}
}

void guest_on_event(struct guest *g, struct crowd_world *w, uint32_t events)
{
	if (g->state == GUEST_DOWN)
		return;
	if (g->state == GUEST_CONNECTING) {
		if (events & (EPOLLERR | EPOLLHUP)) {
			guest_on_end(g, w);
			return;
		}
		watch(w, g, EPOLL_CTL_MOD, EPOLLIN);
		g->state = GUEST_LOGIN;
		guest_say(g, &g->crowd->startup);
		return;
	}
	ssize_t got = recv(g->fd, w->scratch, CROWD_SCRATCH_LEN, 0);
	if (got > 0)
		guest_on_bytes(g, w, w->scratch, (size_t)got);
	else if (got == 0 || errno != EAGAIN)
		guest_on_end(g, w);
}

/* ---- arrivals --------------------------------------------------------------------- */

/* Steps of Marsaglia's xorshift, 64 bits. */
static double random_share(struct crowd_world *w)
{
	w->seed ^= w->seed << 13;
	w->seed ^= w->seed >> 7;
	w->seed ^= w->seed << 17;
	return ((double)(w->seed >> 11) + 1) / 9007199254740993.0;
}

static void plan_next(struct crowd *c, struct crowd_world *w)
{
	c->next_due_ns += (uint64_t)(-log(random_share(w)) * c->gap_ns);
}

static void send_one(struct crowd *c, struct crowd_world *w, uint64_t now)
{
	struct guest *g = TAILQ_FIRST(&c->idle);
	uint64_t bin =
	    (c->next_due_ns - w->from_ns) / ((uint64_t)CROWD_BIN_MS * 1000000u);
	c->due++;
	if (bin < CROWD_BINS_MAX)
		c->bins[bin].due++;
	if (!g) {
		c->unmet++;
		return;
	}
	TAILQ_REMOVE(&c->idle, g, place);
	g->state = GUEST_BUSY;
	g->due_ns = c->next_due_ns;
	g->sqlstate[0] = 0;
	tally_add(&c->lag, now - g->due_ns);
	guest_say(g, &c->question);
}

void crowd_send_due(struct crowd *c, struct crowd_world *w, uint64_t end_ns)
{
	uint64_t now;
	while (c->gap_ns > 0 && c->next_due_ns < end_ns &&
	       c->next_due_ns <= (now = now_ns())) {
		send_one(c, w, now);
		plan_next(c, w);
	}
}

/* ---- phases ----------------------------------------------------------------------- */

static void forget_counts(struct crowd *c)
{
	sqlstates_fini(&c->errors);
	sqlstates_fini(&c->login_errors);
	c->due = c->unmet = c->in_time = c->ended = c->lost = c->failed = 0;
	c->served = c->lag = (struct tally){0};
}

void crowd_begin(struct crowd *c, struct crowd_world *w, double rate)
{
	memset(c->bins, 0, sizeof(c->bins));
	c->gap_ns = rate > 0 ? 1e9 / rate : 0;
	c->next_due_ns = rate > 0 ? w->from_ns : UINT64_MAX;
	if (rate > 0)
		plan_next(c, w);
}

void crowd_end(struct crowd *c)
{
	forget_counts(c);
	c->gap_ns = 0;
	c->next_due_ns = UINT64_MAX;
}

static bool is_normal(const struct crowd_bin *bin)
{
	return bin->normal * 100 >= bin->due * SETTLED_PERCENT;
}

/* When half a second began of which each tenth was normal, -1 if never. The last two
 * tenths don't count: their answers may be still on the way. */
static int settled_ms(const struct crowd *c, uint64_t length_ns)
{
	uint64_t bins = length_ns / ((uint64_t)CROWD_BIN_MS * 1000000u);
	unsigned end = bins > CROWD_BINS_MAX ? CROWD_BINS_MAX : (unsigned)bins;
	unsigned good = 0;
	for (unsigned i = 0; i + 2 < end; i++) {
		good = is_normal(&c->bins[i]) ? good + 1 : 0;
		if (good == SETTLED_BINS)
			return (int)(i + 1 - SETTLED_BINS) * CROWD_BIN_MS;
	}
	return -1;
}

static void print_count(const struct crowd *c, const char *name, uint64_t value)
{
	printf("%s_%s=%llu\n", c->name, name, (unsigned long long)value);
}

void crowd_print(const struct crowd *c, uint64_t until_ns, uint64_t from_ns)
{
	char prefix[64];
	print_count(c, "due", c->due);
	print_count(c, "unmet", c->unmet);
	print_count(c, "in_time", c->in_time);
	print_count(c, "ended", c->ended);
	print_count(c, "lost", c->lost);
	print_count(c, "connect_failed", c->failed);
	printf("%s_settled_ms=%d\n", c->name, settled_ms(c, until_ns - from_ns));
	snprintf(prefix, sizeof(prefix), "%s_served", c->name);
	tally_print(&c->served, prefix);
	snprintf(prefix, sizeof(prefix), "%s_lag", c->name);
	tally_print(&c->lag, prefix);
	snprintf(prefix, sizeof(prefix), "%s_error", c->name);
	sqlstates_print(&c->errors, prefix);
	snprintf(prefix, sizeof(prefix), "%s_login_error", c->name);
	sqlstates_print(&c->login_errors, prefix);
}

/* ---- beginning and end ------------------------------------------------------------ */

static void build_startup(struct crowd *c)
{
	size_t begun = wire_begin(&c->startup, 0);
	wire_put_u32(&c->startup, WIRE_PROTOCOL_3_0);
	wire_put_text(&c->startup, "user");
	wire_put_text(&c->startup, c->user);
	wire_put_text(&c->startup, "database");
	wire_put_text(&c->startup, c->database);
	bytes_add(&c->startup, c->params.data + c->params.start, bytes_len(&c->params));
	wire_put_text(&c->startup, "");
	wire_end(&c->startup, begun);
}

void crowd_init(struct crowd *c, struct crowd_world *w, unsigned first_id)
{
	c->guests = calloc(c->guest_count, sizeof(*c->guests));
	if (!c->guests)
		err(1, "calloc");
	TAILQ_INIT(&c->idle);
	c->next_due_ns = UINT64_MAX;
	build_startup(c);
	wire_simple(&c->question, c->query);
	for (unsigned i = 0; i < c->guest_count; i++) {
		c->guests[i].id = first_id + i;
		c->guests[i].crowd = c;
		TAILQ_INSERT_TAIL(&w->down, &c->guests[i], place);
	}
}

void crowd_fini(struct crowd *c)
{
	for (unsigned i = 0; i < c->guest_count; i++) {
		if (c->guests[i].state != GUEST_DOWN)
			close(c->guests[i].fd);
	}
	forget_counts(c);
	free(c->guests);
	bytes_fini(&c->startup);
	bytes_fini(&c->question);
	bytes_fini(&c->params);
}
