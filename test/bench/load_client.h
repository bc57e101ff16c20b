/*
 * The clients of the load generator: their connections, what they say and what they hear.
 * Who starts when is load.c's business; a client that has finished only asks for its
 * successor while the load is running.
 */
#ifndef BENCH_LOAD_CLIENT_H
#define BENCH_LOAD_CLIENT_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#include "load_options.h"
#include "tally.h"
#include "wire.h"

enum { LOAD_SCRATCH_LEN = 256 * 1024 };

enum client_state {
	CLIENT_CLOSED,
	CLIENT_CONNECTING,
	CLIENT_LOGIN,
	CLIENT_PREPARING,
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
	/* What the kernel has not taken whole yet, from sent on. */
	const struct bytes *sending;
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
	struct bytes prepare;  /* all of the script, in mode prepared */
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

/* Begins a connection; the client is counted as under way, or as failed. */
void client_connect(struct load *l, struct client *c);
/* Begins the current step of the script on a client that has logged in. */
void client_query(struct load *l, struct client *c);
/* Begins one more transaction if the load runs and has any left: on the idle client that
 * is first in line, or (mode reconnect) on a new connection of this one. */
void client_start_next(struct load *l);
void client_start_over(struct load *l, struct client *c);

void client_on_event(struct load *l, struct client *c, uint32_t events);

/* Says goodbye if nothing is under way. */
void client_leave(struct load *l, struct client *c);

#endif
