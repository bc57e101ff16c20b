/*
 * The command line, as PgBouncer has it, and --check.
 */
#include "app/options.h"

#include <getopt.h>
#include <stdio.h>

static const char help[] =
    "pooler: a connection pooler for PostgreSQL\n"
    "\n"
    "Usage: pooler [OPTION]... FILE\n"
    "\n"
    "  -d, --daemon       run in the background (needs pidfile)\n"
    "  -q, --quiet        do not log to standard error\n"
    "  -v, --verbose      log more; may be repeated\n"
    "  -u, --user=USER    become this user after start (only as root)\n"
    "      --check        check FILE, print what is in effect, and exit\n"
    "  -V, --version      print the version and exit\n"
    "  -h, --help         print this help and exit\n"
    "\n"
    "FILE is the configuration, usually /etc/pooler/pooler.ini; see pooler.ini(5).\n";

static enum options_result take_file(int argc, char **argv, struct options *out)
{
	if (optind + 1 == argc) {
		out->file = argv[optind];
		return OPTIONS_RUN;
	}
	if (optind == argc)
		fprintf(stderr, "pooler: no configuration file given\n");
	else
		fprintf(stderr,
			"pooler: one configuration file at a time, not also \"%s\"\n",
			argv[optind + 1]);
	fprintf(stderr, "Try \"pooler --help\".\n");
	return OPTIONS_BAD;
}

enum options_result options_parse(int argc, char **argv, struct options *out)
{
	static const struct option known[] = {
	    {"daemon", no_argument, NULL, 'd'},  {"quiet", no_argument, NULL, 'q'},
	    {"verbose", no_argument, NULL, 'v'}, {"user", required_argument, NULL, 'u'},
	    {"check", no_argument, NULL, 'c'},   {"version", no_argument, NULL, 'V'},
	    {"help", no_argument, NULL, 'h'},    {NULL, 0, NULL, 0},
	};
	int letter;

	*out = (struct options){0};
	while ((letter = getopt_long(argc, argv, "dqvu:Vh", known, NULL)) != -1) {
		switch (letter) {
		case 'd':
			out->is_daemon = true;
			break;
		case 'q':
			out->is_quiet = true;
			break;
		case 'v':
			out->verbose++;
			break;
		case 'u':
			out->user = optarg;
			break;
		case 'c':
			out->is_check = true;
			break;
		case 'V':
			printf("pooler %s\n", PACKAGE_VERSION);
			return OPTIONS_DONE;
		case 'h':
			fputs(help, stdout);
			return OPTIONS_DONE;
		default:
			fprintf(stderr, "Try \"pooler --help\".\n");
			return OPTIONS_BAD;
		}
	}
	return take_file(argc, argv, out);
}
