/*
 * How eagerly a pool opens servers: several at a time, more while handshakes are quick,
 * one at a time and with growing, jittered pauses after failures.
 */
#ifndef POOLER_POOL_OPENING_H
#define POOLER_POOL_OPENING_H

#include <stdbool.h>
#include <stdint.h>

#include "pool/reach.h"

enum { OPENING_INITIAL = 4, OPENING_MOST = 64 };

struct opening {
	unsigned allowed;          /* how many may be opened at the same time */
	unsigned failures;         /* in a row; several within one pause are one */
	enum reach reach;          /* why the last attempt failed; REACH_OK: it did not */
	uint64_t not_before_us;    /* no attempt before this */
	uint64_t failing_since_us; /* the first of the failures */
	uint64_t down_since_us; /* the first that waiting does not help against; 0: none
				   since one was opened */
	uint64_t took_us;       /* to open one, of late; 0: not known */
};

void opening_init(struct opening *o);

/* How many more may start now, given how many are under way. */
unsigned opening_room(const struct opening *o, unsigned under_way, uint64_t now_us);

void opening_succeeded(struct opening *o, uint64_t took_us);
/* pause_max_us is server_login_retry: the longest pause (before jitter). */
void opening_failed(struct opening *o, enum reach why, uint64_t now_us,
		    uint64_t pause_max_us);
/* Who was not let in has another proof now: no pause any more. The next one, should that
 * fail too, is the longer. */
void opening_has_new_proof(struct opening *o);

/* Whether the last attempt failed. */
bool opening_is_failing(const struct opening *o);
/* Whether it did for a reason that waiting does not help against. */
bool opening_is_down(const struct opening *o);

#endif
