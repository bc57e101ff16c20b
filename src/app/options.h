/*
 * The command line.
 */
#ifndef POOLER_APP_OPTIONS_H
#define POOLER_APP_OPTIONS_H

#include <stdbool.h>

struct options {
	const char *file; /* the configuration */
	const char *user; /* -u; NULL = as configured */
	int verbose;      /* how many -v */
	bool is_daemon;   /* -d */
	bool is_quiet;    /* -q */
	bool is_check;    /* --check */
};

enum options_result {
	OPTIONS_RUN,  /* out is filled in */
	OPTIONS_DONE, /* help or version was asked for and printed */
	OPTIONS_BAD,  /* the mistake was printed to standard error */
};

enum options_result options_parse(int argc, char **argv, struct options *out);

#endif
