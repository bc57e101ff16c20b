/*
 * Pins: why a client is kept at its server although its transaction is over, how many of
 * a pool may be, and for how long.
 */
#ifndef POOLER_RELAY_PIN_H
#define POOLER_RELAY_PIN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/slice.h"

struct client;
struct notice;
struct pool;
struct server;

/* What stands in a server; bits. */
enum pin_reason {
	PIN_TEMPORARY = 1,    /* temporary tables and the like */
	PIN_CURSORS = 2,      /* WITH HOLD */
	PIN_PREPARED = 4,     /* by PREPARE */
	PIN_LOCKS = 8,        /* advisory locks of the session */
	PIN_LOADED = 16,      /* a library: nothing takes it out again */
	PIN_SEQUENCES = 32,   /* what currval() and lastval() tell */
	PIN_UNKNOWN = 64,     /* the server cannot be asked what it is */
	PIN_PARAMETERS = 128, /* values too long to be kept elsewhere */
};

/* "temporary, locks"; returns out. */
enum { PIN_REASONS_LEN = 96 };
char *pin_reasons_print(unsigned reasons, char out[PIN_REASONS_LEN]);

/* What of this a text with these hints (enum sql_hint) may leave behind for certain or
 * perhaps; what may end it. */
unsigned pin_reasons_of(uint32_t hints);
bool pin_may_end(uint32_t hints);

/* Whether server_state or max_pinned forbid a text with these hints; *out says why. What
 * may go is counted from here on. */
bool pin_refuses(struct client *c, struct slice text, uint32_t hints, struct notice *out);

/* The client stays at its server for these reasons, or need not (0). False when that
 * makes too many of them: then it stays for none. */
bool pin_set(struct client *c, unsigned reasons);

/* What a statement is told that would have made, or has made, one pin too many. */
struct notice pin_too_many(const char *detail);

/* The client loses its server; part of link_detach(). */
void pin_end(struct client *c);

/* ---- pins that give way ---- */

/* One for sequences alone is worth less than the others: it ends without a word when
 * another has to be counted and there is no room, or others wait for a server, once its
 * client has its answer or has not come for it within a second. */
enum spare {
	SPARE_NOT,
	SPARE_LISTED, /* the first of them in its pool goes first */
	SPARE_CALLED, /* it is to go as soon as nothing is under way */
};

/* What the client has done with sequences in its last transaction. */
enum sequences_use { SEQUENCES_STEPPED, SEQUENCES_ASKED, SEQUENCES_UNUSED };
/* It stays for them, if it can. */
void pin_keep_sequences(struct client *c, enum sequences_use use);
/* It need not stay for them any more; what else there is has to be pin_set() then. */
void pin_drop_sequences(struct client *c);

/* Whether it may stay at all: not if it was called, or the server has no future. */
bool pin_may_keep_sequences(const struct server *s);
/* Somebody has begun to wait for a server of this pool. */
void pin_give_way(struct pool *pool);

/* ---- time ---- */

/* When a pinned client that does nothing has done so for too long; CLOCK_NEVER for never.
 */
uint64_t pin_due(const struct server *s);
/* That moment is here. */
void pin_expired(struct server *s);

#endif
