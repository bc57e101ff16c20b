/* What the load generator is asked to do. */
#ifndef BENCH_LOAD_OPTIONS_H
#define BENCH_LOAD_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "place.h"

enum load_mode {
	MODE_SIMPLE,
	MODE_EXTENDED,
	MODE_PREPARED,  /* named statements, prepared once by each client */
	MODE_RECONNECT, /* connect, run the script, close */
};

enum { SCRIPT_MAX = 8 };

struct load_options {
	struct place target;
	const char *user, *database;
	unsigned clients, active, sources, parallel, databases;
	enum load_mode mode;
	bool is_burst, is_rotating, is_priming, is_waiting;
	const char *script[SCRIPT_MAX];
	unsigned script_len;
	double duration_s, warmup_s, patience_s, limit_s;
	uint64_t count; /* of transactions; 0: as many as the duration allows */
	pid_t watched;
};

/* Ends the program with a message if the command line makes no sense. */
void load_options_read(int argc, char **argv, struct load_options *out);

#endif
