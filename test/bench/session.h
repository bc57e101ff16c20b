/*
 * One session of the fake backend: bytes of a client in, bytes of an answer out, no
 * socket. Simple queries, and extended ones with a few named statements; everything else
 * is answered by an error of the kind PostgreSQL would send.
 */
#ifndef BENCH_SESSION_H
#define BENCH_SESSION_H

#include <sys/uio.h>

#include "answer.h"
#include "statement.h"
#include "wire.h"

enum {
	SESSION_PARAMS = 13,
	SESSION_VALUE_CAP = 64,
	SESSION_IOVS = 3,
	SESSION_STATEMENTS = 16,
};

/* A prepared statement; the unnamed one has the empty name. */
struct session_statement {
	bool is_there;
	char name[SESSION_VALUE_CAP];
	struct statement parsed;
};

struct session_params {
	char value[SESSION_PARAMS][SESSION_VALUE_CAP];
};

/* What a session shares with the others. */
struct session_world {
	struct answers answers;
	uint64_t queries;
	uint64_t cancels;
};

struct session {
	struct session_world *world;
	uint32_t id;
	bool is_started, is_ended;
	bool is_skipping; /* to Sync, after an error */
	char status;      /* of ReadyForQuery */
	struct session_statement statements[SESSION_STATEMENTS];
	const struct statement *bound; /* to the portal; NULL: none */
	unsigned sleep_ms; /* before the answer goes out; the driver clears it */
	unsigned spread;   /* of that, in percent */
	struct session_params login, now;
	/* The answer: head, then from big_sent on the rows of big, then tail. */
	struct bytes head, tail;
	const struct answer *big;
	size_t big_sent;
	size_t big_left; /* how often its rows come again */
};

void session_init(struct session *s, struct session_world *world, uint32_t id);

/* Takes whole messages and appends their answers. Stops early when the session has ended
 * or wants to sleep. Returns how many bytes were taken. */
size_t session_feed(struct session *s, const uint8_t *data, size_t len);

/* What is to be sent, as pieces; returns how many (0: nothing). */
int session_pieces(struct session *s, struct iovec out[SESSION_IOVS]);
void session_sent(struct session *s, size_t len);

void session_fini(struct session *s);

#endif
