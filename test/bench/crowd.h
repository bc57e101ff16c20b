/*
 * A crowd: clients alike that come at moments of their own, whatever becomes of those
 * before them. Arrivals are a Poisson process with a seed; each is one query on a client
 * that is free. A latency runs from when the query was due, so that nothing is hidden by
 * asking less while the answers are slow. A client whose connection ended comes again.
 */
#ifndef BENCH_CROWD_H
#define BENCH_CROWD_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#include "place.h"
#include "tally.h"
#include "wire.h"

enum {
	CROWD_BINS_MAX = 1200,
	CROWD_BIN_MS = 100,
	CROWD_SCRATCH_LEN = 64 * 1024,
};

enum guest_state { GUEST_DOWN, GUEST_CONNECTING, GUEST_LOGIN, GUEST_IDLE, GUEST_BUSY };

/* One client. */
struct guest {
	int fd;
	unsigned id;
	enum guest_state state;
	struct crowd *crowd;
	uint64_t due_ns;  /* busy: when the query was; down: when to come again */
	char sqlstate[6]; /* of the error in the current answer, or empty */
	struct scanner scanner;
	TAILQ_ENTRY(guest) place; /* idle in its crowd, or down in the world */
};

TAILQ_HEAD(guests, guest);

/* What the crowds of one program share. */
struct crowd_world {
	int epoll;
	struct place target;
	unsigned sources;
	unsigned parallel; /* logins at once */
	uint64_t in_time_ns, normal_ns;
	uint64_t from_ns, seed; /* of the phase; of the arrivals */
	struct guests down;     /* the first to come again first */
	unsigned under_way;     /* connections being made */
	uint8_t *scratch;
};

/* Arrivals due within a tenth of a second, and those of them answered as on a good day.
 */
struct crowd_bin {
	unsigned due, normal;
};

struct crowd {
	const char *name, *user, *database, *query;
	struct bytes params; /* more pairs for the startup packet */
	unsigned guest_count;
	struct guest *guests;
	struct bytes startup, question;
	struct guests idle;
	uint64_t next_due_ns; /* UINT64_MAX: none */
	double gap_ns;        /* the mean; 0: nobody comes */

	/* Since the last phase's end. */
	uint64_t due, unmet, in_time, ended, lost, failed;
	struct tally served, lag;
	struct sqlstates errors, login_errors;
	struct crowd_bin bins[CROWD_BINS_MAX];
};

/* Of a name, a user, a database, a query and parameters that are set already. */
void crowd_init(struct crowd *c, struct crowd_world *world, unsigned first_id);
void crowd_fini(struct crowd *c);

/* Begins a phase of that rate (a second; 0: nobody comes). */
void crowd_begin(struct crowd *c, struct crowd_world *world, double rate);
/* Sends what is due by now, and before end_ns. */
void crowd_send_due(struct crowd *c, struct crowd_world *world, uint64_t end_ns);
void crowd_print(const struct crowd *c, uint64_t until_ns, uint64_t from_ns);
/* Nobody comes any more, and all counts begin anew: an answer that comes between two
 * phases is of the second. */
void crowd_end(struct crowd *c);

/* Begins the connections that may be begun now. Returns when to come back. */
uint64_t crowd_connect_due(struct crowd_world *world);
void guest_on_event(struct guest *g, struct crowd_world *world, uint32_t events);

#endif
