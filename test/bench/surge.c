/*
 * Load that doesn't wait for its answers: each crowd comes at its own rate, however slow
 * the answers are (crowd.h).
 *
 * Says `ready` when all clients are connected. For each line on standard input,
 * "SECONDS RATE RATE...", a rate a second for each crowd in turn, it lets them come for
 * that long, prints what was seen in that time and says `done`; the clients stay. The
 * rest of the time nobody comes. An empty input ends it.
 *
 * lag_p99_us and own_waited_share, for how much of the time it was kept from a processor,
 * tell whether the program itself keeps its schedule.
 */
#include <err.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "crowd.h"
#include "watch.h"

enum {
	EVENTS_PER_TURN = 256,
	CROWDS_MAX = 8,
	DESCRIPTORS_SPARE = 32,
	LINE_LEN = 256,
};

struct surge {
	struct crowd_world world;
	struct crowd *crowds;
	unsigned crowd_count;
	pid_t watched;
	double limit_s;
	char line[LINE_LEN]; /* of the input, as far as it has come */
	size_t line_len;
	bool has_line, has_ended;
};

/* ---- one turn --------------------------------------------------------------------- */

static void read_input(struct surge *s)
{
	ssize_t got =
	    read(STDIN_FILENO, s->line + s->line_len, LINE_LEN - 1 - s->line_len);
	s->has_ended = got <= 0;
	if (got <= 0)
		return;
	s->line_len += (size_t)got;
	s->line[s->line_len] = 0;
	s->has_line = strchr(s->line, '\n');
	if (!s->has_line && s->line_len == LINE_LEN - 1)
		errx(1, "the line is too long");
}

/* One round of events, waiting no longer than until until_ns. */
static void turn(struct surge *s, uint64_t until_ns)
{
	struct epoll_event events[EVENTS_PER_TURN];
	uint64_t again_ns = crowd_connect_due(&s->world);
	if (again_ns < until_ns)
		until_ns = again_ns;
	uint64_t now = now_ns(), left_ns = until_ns > now ? until_ns - now : 0;
	struct timespec wait = {.tv_sec = (time_t)(left_ns / 1000000000u),
				.tv_nsec = (long)(left_ns % 1000000000u)};
	int count = epoll_pwait2(s->world.epoll, events, EVENTS_PER_TURN, &wait, NULL);
	for (int i = 0; i < count; i++) {
		if (!events[i].data.ptr)
			read_input(s);
		else
			guest_on_event(events[i].data.ptr, &s->world, events[i].events);
	}
}

/* ---- a phase ---------------------------------------------------------------------- */

static void print_times(const char *name, pid_t pid, struct watch_times before,
			double elapsed_ns)
{
	struct watch_times after = watch_times(pid);
	printf("%s_cpu_share=%.4f\n", name,
	       (double)(after.cpu_ns - before.cpu_ns) / elapsed_ns);
	printf("%s_waited_share=%.4f\n", name,
	       (double)(after.waited_ns - before.waited_ns) / elapsed_ns);
}

static uint64_t next_due_ns(const struct surge *s)
{
	uint64_t first = UINT64_MAX;
	for (unsigned i = 0; i < s->crowd_count; i++) {
		if (s->crowds[i].next_due_ns < first)
			first = s->crowds[i].next_due_ns;
	}
	return first;
}

static void send_due(struct surge *s, uint64_t end_ns)
{
	for (unsigned i = 0; i < s->crowd_count; i++)
		crowd_send_due(&s->crowds[i], &s->world, end_ns);
}

static void let_come(struct surge *s, uint64_t end_ns)
{
	while (now_ns() < end_ns && !s->has_ended) {
		send_due(s, end_ns);
		uint64_t due_ns = next_due_ns(s);
		turn(s, due_ns < end_ns ? due_ns : end_ns);
	}
	/* However late this program was, everybody comes. */
	send_due(s, end_ns);
}

static void run_phase(struct surge *s, double seconds, const double *rates)
{
	struct crowd_world *w = &s->world;
	struct watch_times own = watch_times(getpid());
	struct watch_times watched = {0};
	if (s->watched)
		watched = watch_times(s->watched);
	w->from_ns = now_ns();
	for (unsigned i = 0; i < s->crowd_count; i++)
		crowd_begin(&s->crowds[i], w, rates[i]);
	let_come(s, w->from_ns + (uint64_t)(seconds * 1e9));
	uint64_t until_ns = now_ns();
	double elapsed_ns = (double)(until_ns - w->from_ns);
	printf("elapsed_s=%.4f\n", elapsed_ns / 1e9);
	print_times("own", getpid(), own, elapsed_ns);
	if (s->watched)
		print_times("watch", s->watched, watched, elapsed_ns);
	for (unsigned i = 0; i < s->crowd_count; i++) {
		crowd_print(&s->crowds[i], until_ns, w->from_ns);
		crowd_end(&s->crowds[i]);
	}
	puts("done");
	fflush(stdout);
}

static void take_line(struct surge *s)
{
	double numbers[1 + CROWDS_MAX] = {0};
	char *at = s->line;
	for (unsigned i = 0; i <= s->crowd_count; i++) {
		char *end;
		numbers[i] = strtod(at, &end);
		if (end == at || !(numbers[i] >= 0))
			errx(1, "want SECONDS and %u rates, not: %s", s->crowd_count,
			     s->line);
		at = end;
	}
	/* The next one may be there already. */
	char *rest = strchr(s->line, '\n') + 1;
	s->line_len -= (size_t)(rest - s->line);
	memmove(s->line, rest, s->line_len + 1);
	s->has_line = strchr(s->line, '\n');
	run_phase(s, numbers[0], numbers + 1);
}

/* ---- beginning and end ------------------------------------------------------------ */

static const char usage[] =
    "usage: surge --target {127.0.0.1:PORT | /path/of/socket} [options] --crowd NAME "
    "...\n"
    "  --sources N     connect from 127.0.0.1 to 127.0.0.N (1)\n"
    "  --parallel N    logins under way at once (64)\n"
    "  --seed N        of the arrivals (1)\n"
    "  --in-time MS    count answers within that time (1000)\n"
    "  --normal MS     what is an answer's time on a good day (1000)\n"
    "  --watch PID     report this process's CPU time, and its wait for a processor\n"
    "  --limit S       give up if the clients are not connected by then (60)\n"
    "  --crowd NAME    what follows is of this crowd; up to 8\n"
    "  --clients N (1) --user U --database D (bench) --query SQL --param NAME=VALUE\n";

static const struct option names[] = {
    {"target", required_argument, NULL, 't'},
    {"sources", required_argument, NULL, 's'},
    {"parallel", required_argument, NULL, 'l'},
    {"seed", required_argument, NULL, 'S'},
    {"in-time", required_argument, NULL, 'i'},
    {"normal", required_argument, NULL, 'n'},
    {"watch", required_argument, NULL, 'P'},
    {"limit", required_argument, NULL, 'L'},
    {"crowd", required_argument, NULL, 'C'},
    {"clients", required_argument, NULL, 'c'},
    {"user", required_argument, NULL, 'u'},
    {"database", required_argument, NULL, 'd'},
    {"query", required_argument, NULL, 'q'},
    {"param", required_argument, NULL, 'p'},
    {0},
};

static double number_of(const char *text, double max)
{
	char *end;
	double value = strtod(text, &end);
	if (end == text || *end || !(value > 0 && value <= max))
		errx(1, "%s: want a number up to %g", text, max);
	return value;
}

static void add_crowd(struct surge *s, const char *name)
{
	if (s->crowd_count == CROWDS_MAX)
		errx(1, "more than %d crowds", CROWDS_MAX);
	s->crowds[s->crowd_count++] = (struct crowd){.name = name,
						     .user = "bench",
						     .database = "bench",
						     .query = "SELECT 1",
						     .guest_count = 1};
}

static void add_param(struct crowd *c, const char *pair)
{
	const char *equals = strchr(pair, '=');
	if (!equals)
		errx(1, "%s: want NAME=VALUE", pair);
	bytes_add(&c->params, pair, (size_t)(equals - pair));
	bytes_add(&c->params, "", 1);
	wire_put_text(&c->params, equals + 1);
}

static void take_of_crowd(struct surge *s, int letter, const char *value)
{
	if (s->crowd_count == 0)
		errx(1, "--crowd comes first");
	struct crowd *c = &s->crowds[s->crowd_count - 1];
	if (letter == 'c')
		c->guest_count = (unsigned)number_of(value, 100000);
	else if (letter == 'u')
		c->user = value;
	else if (letter == 'd')
		c->database = value;
	else if (letter == 'q')
		c->query = value;
	else
		add_param(c, value);
}

static void bail_out(void)
{
	fputs(usage, stderr);
	exit(1);
}

/* clang-format off */
static void take(struct surge *s, int letter, const char *value)
{
	struct crowd_world *w = &s->world;
	switch (letter) {
	case 't':
		if (!place_parse(value, &w->target))
			errx(1, "%s: want 127.0.0.1:PORT or an absolute path", value);
		break;
	case 's': w->sources = (unsigned)number_of(value, 250); break;
	case 'l': w->parallel = (unsigned)number_of(value, 100000); break;
	case 'S': w->seed = (uint64_t)number_of(value, 1e15); break;
	case 'i': w->in_time_ns = (uint64_t)(number_of(value, 1e6) * 1e6); break;
	case 'n': w->normal_ns = (uint64_t)(number_of(value, 1e6) * 1e6); break;
	case 'P': s->watched = (pid_t)number_of(value, 1 << 30); break;
	case 'L': s->limit_s = number_of(value, 86400); break;
	case 'C': add_crowd(s, value); break;
	case 'c': case 'u': case 'd': case 'q': case 'p':
		take_of_crowd(s, letter, value);
		break;
	default:
		bail_out();
	}
}
/* clang-format on */

static void read_options(struct surge *s, int argc, char **argv)
{
	int letter;
	while ((letter = getopt_long(argc, argv, "", names, NULL)) != -1)
		take(s, letter, optarg);
	if (optind != argc || s->world.target.len == 0 || s->crowd_count == 0)
		bail_out();
	/* So that neighbouring seeds are not alike. */
	s->world.seed *= 0x9e3779b97f4a7c15u;
}

static void surge_init(struct surge *s)
{
	size_t clients = 0;
	struct epoll_event ev = {.events = EPOLLIN, .data.ptr = NULL};
	for (unsigned i = 0; i < s->crowd_count; i++) {
		crowd_init(&s->crowds[i], &s->world, (unsigned)clients);
		clients += s->crowds[i].guest_count;
	}
	if (descriptors_raise(clients + DESCRIPTORS_SPARE) < clients + DESCRIPTORS_SPARE)
		errx(1, "%zu descriptors are needed: raise `ulimit -Hn`",
		     clients + DESCRIPTORS_SPARE);
	s->world.epoll = epoll_create1(EPOLL_CLOEXEC);
	s->world.scratch = malloc(CROWD_SCRATCH_LEN);
	if (s->world.epoll < 0 || !s->world.scratch)
		err(1, "cannot set up");
	if (epoll_ctl(s->world.epoll, EPOLL_CTL_ADD, STDIN_FILENO, &ev) != 0)
		err(1, "epoll_ctl");
	/* Arrivals are closer together than the usual slack of timers. */
	prctl(PR_SET_TIMERSLACK, 1UL, 0UL, 0UL, 0UL);
}

static void give_up(const struct surge *s)
{
	for (unsigned i = 0; i < s->crowd_count; i++) {
		const struct sqlstates *all = &s->crowds[i].login_errors;
		for (unsigned j = 0; j < all->count; j++)
			warnx("%s: logins refused with %s: %llu", s->crowds[i].name,
			      all->code[j], (unsigned long long)all->tally[j]->count);
	}
	errx(3, "gave up: not all clients could log in");
}

static void connect_all(struct surge *s)
{
	uint64_t give_up_ns = now_ns() + (uint64_t)(s->limit_s * 1e9);
	while (!s->has_ended &&
	       (s->world.under_way > 0 || !TAILQ_EMPTY(&s->world.down))) {
		turn(s, give_up_ns);
		if (now_ns() > give_up_ns)
			give_up(s);
	}
	for (unsigned i = 0; i < s->crowd_count; i++)
		crowd_end(&s->crowds[i]); /* logins are of no phase */
	puts("ready");
	fflush(stdout);
}

static void surge_fini(struct surge *s)
{
	for (unsigned i = 0; i < s->crowd_count; i++)
		crowd_fini(&s->crowds[i]);
	free(s->crowds);
	free(s->world.scratch);
	close(s->world.epoll);
}

int main(int argc, char **argv)
{
	struct surge s = {
	    .world = {.sources = 1,
		      .parallel = 64,
		      .seed = 1,
		      .in_time_ns = 1000000000u,
		      .normal_ns = 1000000000u},
	    .crowds = calloc(CROWDS_MAX, sizeof(struct crowd)),
	    .limit_s = 60,
	};
	if (!s.crowds)
		err(1, "calloc");
	TAILQ_INIT(&s.world.down);
	read_options(&s, argc, argv);
	surge_init(&s);
	connect_all(&s);
	while (!s.has_ended) {
		if (s.has_line)
			take_line(&s);
		else
			turn(&s, UINT64_MAX);
	}
	surge_fini(&s);
	return 0;
}
