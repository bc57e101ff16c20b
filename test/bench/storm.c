/*
 * Clients that log in by SCRAM over TLS, in one of two parts:
 *
 * A storm (the usual one): at a line on standard input all clients connect at the same
 * moment (or --parallel of them), and what came of it is printed when the last has logged
 * in or failed. They stay until the line "leave"; if they come again after that, they
 * show the tickets they got.
 *
 * The established (--rate): all log in, no faster than a few at a time, and ask that many
 * queries a second between them, until the input ends. At each line what was seen since
 * the last one is printed. A query's time runs from when it was due, so a stall counts
 * for all that fall into it.
 *
 * Says `ready` when it waits for the first line, and `done` after each report.
 */
#include <err.h>
#include <getopt.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "place.h"
#include "tally.h"
#include "tls_client.h"
#include "watch.h"

enum {
	EVENTS_PER_TURN = 64,
	PARALLEL = 16, /* logins at once of the established */
	DESCRIPTORS_SPARE = 32,
	PROBLEMS_MAX = 8,
	INPUT_ID = -1,
};

TAILQ_HEAD(line, tls_client);

struct storm {
	struct tls_world world;
	struct tls_client *clients;
	unsigned client_count, sources;
	unsigned parallel; /* logins at once */
	double rate, limit_s;
	pid_t watched;
	struct line idle;
	unsigned under_way, logged_in, resumed, failed;
	uint64_t answered, refused, ended;
	struct tally logins, answers;
	/* Different ways to fail, and how often. */
	unsigned problem_count, problem_times[PROBLEMS_MAX];
	char problems[PROBLEMS_MAX][96];
	char input; /* the first letter of a line that came, or 0 */
	bool has_ended;
};

static void count_problem(struct storm *s, const char *problem)
{
	unsigned i = 0;
	while (i < s->problem_count && strcmp(s->problems[i], problem))
		i++;
	if (i == PROBLEMS_MAX)
		return;
	if (i == s->problem_count) {
		snprintf(s->problems[i], sizeof(s->problems[i]), "%s", problem);
		s->problem_count++;
	}
	s->problem_times[i]++;
}

static void begin_login(struct storm *s, struct tls_client *c)
{
	if (tls_client_connect(&s->world, c,
			       s->sources > 1 ? c->id % s->sources + 1 : 0)) {
		s->under_way++;
		return;
	}
	s->failed++;
	count_problem(s, c->problem);
}

static void on_answer(struct storm *s, struct tls_client *c)
{
	if (c->problem[0]) {
		s->refused++;
		count_problem(s, c->problem);
		c->problem[0] = 0;
	} else {
		s->answered++;
		tally_add(&s->answers, now_ns() - c->begun_ns);
	}
	TAILQ_INSERT_TAIL(&s->idle, c, line);
}

static void on_news(struct storm *s, struct tls_client *c, enum tls_client_state before,
		    enum tls_client_news news)
{
	switch (news) {
	case TLS_CLIENT_NOTHING:
		return;
	case TLS_CLIENT_IN:
		s->under_way--;
		s->logged_in++;
		s->resumed += c->is_resumed;
		tally_add(&s->logins, now_ns() - c->begun_ns);
		TAILQ_INSERT_TAIL(&s->idle, c, line);
		return;
	case TLS_CLIENT_ANSWERED:
		on_answer(s, c);
		return;
	case TLS_CLIENT_ENDED:
		count_problem(s, c->problem);
		if (before == TLS_CLIENT_IDLE)
			TAILQ_REMOVE(&s->idle, c, line);
		if (before >= TLS_CLIENT_IDLE) {
			s->ended++;
		} else {
			s->under_way--;
			s->failed++;
		}
		return;
	}
}

/* A line, or the end. */
static void read_input(struct storm *s)
{
	char line[64];
	ssize_t got = read(STDIN_FILENO, line, sizeof(line));
	s->has_ended = got <= 0;
	s->input = got > 0 ? line[0] : 0;
}

/* One round of events, waiting no longer than until until_ns. */
static void turn(struct storm *s, uint64_t until_ns)
{
	struct epoll_event events[EVENTS_PER_TURN];
	uint64_t now = now_ns(), left_ns = until_ns > now ? until_ns - now : 0;
	struct timespec wait = {.tv_sec = (time_t)(left_ns / 1000000000u),
				.tv_nsec = (long)(left_ns % 1000000000u)};
	int count = epoll_pwait2(s->world.epoll, events, EVENTS_PER_TURN, &wait, NULL);
	for (int i = 0; i < count; i++) {
		if (events[i].data.u32 == (uint32_t)INPUT_ID) {
			read_input(s);
			continue;
		}
		struct tls_client *c = &s->clients[events[i].data.u32];
		enum tls_client_state before = c->state;
		if (before != TLS_CLIENT_CLOSED)
			on_news(s, c, before, tls_client_progress(&s->world, c));
	}
}

static uint64_t limit_ns(const struct storm *s)
{
	return now_ns() + (uint64_t)(s->limit_s * 1e9);
}

static void wait_for_logins(struct storm *s, unsigned at_most)
{
	uint64_t give_up_ns = limit_ns(s);
	while (s->under_way > at_most) {
		turn(s, give_up_ns);
		if (now_ns() > give_up_ns)
			errx(3, "gave up: %u logins under way", s->under_way);
	}
}

static void log_in_all(struct storm *s)
{
	for (unsigned i = 0; i < s->client_count; i++) {
		begin_login(s, &s->clients[i]);
		wait_for_logins(s, s->parallel - 1);
	}
	wait_for_logins(s, 0);
}

static void print_problems(struct storm *s)
{
	for (unsigned i = 0; i < s->problem_count; i++)
		fprintf(stderr, "storm: %u times: %s\n", s->problem_times[i],
			s->problems[i]);
	s->problem_count = 0;
	memset(s->problem_times, 0, sizeof(s->problem_times));
}

static void say(const char *word)
{
	puts(word);
	fflush(stdout);
}

/* ---- the storm ------------------------------------------------------------------ */

static uint64_t watched_ns(const struct storm *s)
{
	return s->watched ? watch_cpu_ns(s->watched) : 0;
}

static void leave(struct storm *s)
{
	for (unsigned i = 0; i < s->client_count; i++)
		tls_client_close(&s->clients[i]);
	TAILQ_INIT(&s->idle);
	say("done");
}

static void blow(struct storm *s)
{
	s->logged_in = s->resumed = s->failed = 0;
	s->logins = (struct tally){0};
	uint64_t from_ns = now_ns(), cpu_ns = watched_ns(s);
	log_in_all(s);
	double elapsed_s = (double)(now_ns() - from_ns) / 1e9;
	double cpu_us = (double)(watched_ns(s) - cpu_ns) / 1e3;
	printf("elapsed_s=%.4f\nlogged_in=%u\nresumed=%u\nfailed=%u\n", elapsed_s,
	       s->logged_in, s->resumed, s->failed);
	printf("logins_per_s=%.0f\n", s->logged_in / elapsed_s);
	if (s->watched && s->logged_in > 0)
		printf("watch_cpu_us_per_login=%.1f\n", cpu_us / s->logged_in);
	tally_print(&s->logins, "login");
	print_problems(s);
	say("done");
}

static void run_storms(struct storm *s)
{
	say("ready");
	for (;;) {
		turn(s, UINT64_MAX);
		if (s->has_ended)
			return;
		char input = s->input;
		s->input = 0;
		if (input == 'l')
			leave(s);
		else if (input)
			blow(s);
	}
}

/* ---- the established -------------------------------------------------------------- */

static void report(struct storm *s)
{
	printf("answered=%" PRIu64 "\nrefused=%" PRIu64 "\nended=%" PRIu64 "\n",
	       s->answered, s->refused, s->ended);
	tally_print(&s->answers, "answer");
	print_problems(s);
	say("done");
	s->answered = s->refused = s->ended = 0;
	s->answers = (struct tally){0};
}

/* Asks what is due; with nobody idle it stays due. Returns when the next one is. */
static uint64_t ask(struct storm *s, uint64_t due_ns, uint64_t step_ns)
{
	struct tls_client *c;
	while (due_ns <= now_ns() && (c = TAILQ_FIRST(&s->idle))) {
		TAILQ_REMOVE(&s->idle, c, line);
		if (tls_client_query(&s->world, c, due_ns) == TLS_CLIENT_ENDED) {
			s->ended++;
			count_problem(s, c->problem);
		}
		due_ns += step_ns;
	}
	return due_ns;
}

static void run_established(struct storm *s)
{
	uint64_t step_ns = (uint64_t)(1e9 / s->rate);
	log_in_all(s);
	if (s->logged_in < s->client_count) {
		print_problems(s);
		errx(1, "%u of %u clients could not log in", s->failed, s->client_count);
	}
	say("ready");
	uint64_t due_ns = now_ns();
	while (!s->has_ended) {
		due_ns = ask(s, due_ns, step_ns);
		turn(s, TAILQ_EMPTY(&s->idle) ? now_ns() + 1000000000u : due_ns);
		if (s->input) {
			s->input = 0;
			report(s);
		}
	}
}

/* ---- beginning and end --------------------------------------------------------------
 */

static const char usage[] =
    "usage: storm --target 127.0.0.1:PORT --clients N [--rate QUERIES_PER_S]\n"
    "             [--parallel LOGINS_AT_ONCE] [--user U] [--password P] [--database D]\n"
    "             [--query Q] [--sources N] [--watch PID] [--limit S]\n";

static const struct option names[] = {
    {"target", required_argument, NULL, 't'},
    {"clients", required_argument, NULL, 'c'},
    {"rate", required_argument, NULL, 'r'},
    {"parallel", required_argument, NULL, 'm'},
    {"user", required_argument, NULL, 'u'},
    {"password", required_argument, NULL, 'p'},
    {"database", required_argument, NULL, 'd'},
    {"query", required_argument, NULL, 'q'},
    {"sources", required_argument, NULL, 's'},
    {"watch", required_argument, NULL, 'w'},
    {"limit", required_argument, NULL, 'l'},
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

/* clang-format off */
static void take(struct storm *s, int letter, const char *value)
{
	switch (letter) {
	case 't':
		if (!place_parse(value, &s->world.target))
			errx(1, "%s: want 127.0.0.1:PORT", value);
		break;
	case 'c': s->client_count = (unsigned)number_of(value, 100000); break;
	case 'r': s->rate = number_of(value, 1e6); break;
	case 'm': s->parallel = (unsigned)number_of(value, 100000); break;
	case 'u': s->world.user = value; break;
	case 'p': s->world.keys.password = value; break;
	case 'd': s->world.database = value; break;
	case 'q': s->world.query = value; break;
	case 's': s->sources = (unsigned)number_of(value, 250); break;
	case 'w': s->watched = (pid_t)number_of(value, 1 << 30); break;
	case 'l': s->limit_s = number_of(value, 86400); break;
	default:
		fputs(usage, stderr);
		exit(1);
	}
}
/* clang-format on */

static void read_options(struct storm *s, int argc, char **argv)
{
	int letter;
	while ((letter = getopt_long(argc, argv, "", names, NULL)) != -1)
		take(s, letter, optarg);
	if (optind != argc || s->world.target.len == 0 || s->client_count == 0) {
		fputs(usage, stderr);
		exit(1);
	}
	if (s->parallel == 0)
		s->parallel = s->rate > 0 ? PARALLEL : s->client_count;
}

static void storm_init(struct storm *s)
{
	size_t wanted = s->client_count + DESCRIPTORS_SPARE;
	if (descriptors_raise(wanted) < wanted)
		errx(1, "%zu descriptors are needed: raise `ulimit -Hn`", wanted);
	signal(SIGPIPE, SIG_IGN);
	TAILQ_INIT(&s->idle);
	s->world.context = tls_client_context();
	s->world.epoll = epoll_create1(EPOLL_CLOEXEC);
	s->clients = calloc(s->client_count, sizeof(*s->clients));
	if (s->world.epoll < 0 || !s->clients)
		err(1, "cannot set up");
	for (unsigned i = 0; i < s->client_count; i++)
		s->clients[i].id = i;
	struct epoll_event ev = {.events = EPOLLIN, .data.u32 = (uint32_t)INPUT_ID};
	if (epoll_ctl(s->world.epoll, EPOLL_CTL_ADD, STDIN_FILENO, &ev) != 0)
		err(1, "epoll_ctl");
}

static void storm_fini(struct storm *s)
{
	for (unsigned i = 0; i < s->client_count; i++)
		tls_client_fini(&s->clients[i]);
	free(s->clients);
	SSL_CTX_free(s->world.context);
	close(s->world.epoll);
}

int main(int argc, char **argv)
{
	struct storm s = {
	    .world = {.user = "bench",
		      .database = "bench",
		      .query = "SELECT 1",
		      .keys = {.password = "bench"}},
	    .sources = 1,
	    .limit_s = 120,
	};
	read_options(&s, argc, argv);
	storm_init(&s);
	if (s.rate > 0)
		run_established(&s);
	else
		run_storms(&s);
	storm_fini(&s);
	return 0;
}
