#include "load_options.h"

#include <err.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char usage[] =
    "usage: load --target {127.0.0.1:PORT | /path/of/socket} [options]\n"
    "  --clients N      connections (1)\n"
    "  --active A       of them busy at any time (all)\n"
    "  --rotate         the busy ones change after each transaction\n"
    "  --mode M         simple | extended | prepared | reconnect (simple)\n"
    "  --query SQL      may be given up to 8 times: one transaction is all of them in "
    "turn\n"
    "  --duration S     measure that long (1)\n"
    "  --count N        or until N transactions are done\n"
    "  --warmup S       run before measuring (0)\n"
    "  --burst          every client sends its first query at the same moment, once\n"
    "  --prime          every client runs one transaction before anything is measured\n"
    "  --wait           say `ready` and wait for a line on standard input before the "
    "load;\n"
    "                   an empty input ends the program\n"
    "  --watch PID      report this process's CPU time while measuring\n"
    "  --user NAME --database NAME (bench)\n"
    "  --databases N    clients go round NAME0, NAME1, ... up to N\n"
    "  --sources N      connect from 127.0.0.1 to 127.0.0.N (1)\n"
    "  --parallel N     logins under way at once (64)\n"
    "  --patience S     wait that long for the last answers (10)\n"
    "  --limit S        give up altogether after that (300)\n";

static const struct option names[] = {
    {"target", required_argument, NULL, 't'},
    {"clients", required_argument, NULL, 'c'},
    {"active", required_argument, NULL, 'a'},
    {"rotate", no_argument, NULL, 'r'},
    {"mode", required_argument, NULL, 'm'},
    {"query", required_argument, NULL, 'q'},
    {"duration", required_argument, NULL, 'd'},
    {"count", required_argument, NULL, 'n'},
    {"warmup", required_argument, NULL, 'w'},
    {"burst", no_argument, NULL, 'b'},
    {"prime", no_argument, NULL, 'p'},
    {"wait", no_argument, NULL, 'W'},
    {"watch", required_argument, NULL, 'P'},
    {"user", required_argument, NULL, 'u'},
    {"database", required_argument, NULL, 'D'},
    {"databases", required_argument, NULL, 'N'},
    {"sources", required_argument, NULL, 's'},
    {"parallel", required_argument, NULL, 'l'},
    {"patience", required_argument, NULL, 'e'},
    {"limit", required_argument, NULL, 'L'},
    {0},
};

static double number_of(const char *text, double min, double max)
{
	char *end;
	double value = strtod(text, &end);
	if (end == text || *end || !(value >= min && value <= max))
		errx(1, "%s: want a number from %g to %g", text, min, max);
	return value;
}

static unsigned count_of(const char *text, double min)
{
	return (unsigned)number_of(text, min, 1000000);
}

static enum load_mode mode_of(const char *text)
{
	if (!strcmp(text, "simple"))
		return MODE_SIMPLE;
	if (!strcmp(text, "extended"))
		return MODE_EXTENDED;
	if (!strcmp(text, "prepared"))
		return MODE_PREPARED;
	if (!strcmp(text, "reconnect"))
		return MODE_RECONNECT;
	errx(1, "%s: want simple, extended, prepared or reconnect", text);
}

static void add_query(struct load_options *o, const char *sql)
{
	if (o->script_len == SCRIPT_MAX)
		errx(1, "more than %d queries", SCRIPT_MAX);
	o->script[o->script_len++] = sql;
}

/* clang-format off */
static void take(struct load_options *o, int letter, const char *value)
{
	switch (letter) {
	case 't':
		if (!place_parse(value, &o->target))
			errx(1, "%s: want 127.0.0.1:PORT or an absolute path", value);
		break;
	case 'c': o->clients = count_of(value, 1); break;
	case 'a': o->active = count_of(value, 1); break;
	case 'r': o->is_rotating = true; break;
	case 'm': o->mode = mode_of(value); break;
	case 'q': add_query(o, value); break;
	case 'd': o->duration_s = number_of(value, 0, 3600); break;
	case 'n': o->count = (uint64_t)number_of(value, 1, 1e12); break;
	case 'w': o->warmup_s = number_of(value, 0, 3600); break;
	case 'b': o->is_burst = true; break;
	case 'p': o->is_priming = true; break;
	case 'W': o->is_waiting = true; break;
	case 'P': o->watched = (pid_t)number_of(value, 1, 1 << 30); break;
	case 'u': o->user = value; break;
	case 'D': o->database = value; break;
	case 'N': o->databases = count_of(value, 1); break;
	case 's': o->sources = (unsigned)number_of(value, 1, 250); break;
	case 'l': o->parallel = count_of(value, 1); break;
	case 'e': o->patience_s = number_of(value, 0, 3600); break;
	case 'L': o->limit_s = number_of(value, 1, 86400); break;
	default:
		fputs(usage, stderr);
		exit(1);
	}
}
/* clang-format on */

void load_options_read(int argc, char **argv, struct load_options *out)
{
	struct load_options o = {
	    .user = "bench",
	    .database = "bench",
	    .clients = 1,
	    .active = UINT32_MAX,
	    .sources = 1,
	    .parallel = 64,
	    .duration_s = 1,
	    .patience_s = 10,
	    .limit_s = 300,
	};
	int letter;
	while ((letter = getopt_long(argc, argv, "", names, NULL)) != -1)
		take(&o, letter, optarg);
	if (optind != argc || o.target.len == 0) {
		fputs(usage, stderr);
		exit(1);
	}
	if (o.script_len == 0)
		add_query(&o, "SELECT 1");
	if (o.active > o.clients)
		o.active = o.clients;
	if (o.is_burst && o.mode == MODE_RECONNECT)
		errx(1, "--burst wants clients that stay");
	*out = o;
}
