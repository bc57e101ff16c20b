/*
 * The listening connection of a pool: a private server that LISTENs to every channel that
 * any client of the pool listens to, and hands what it hears to those clients. One for
 * each client_encoding among them, since names and payloads come in that.
 *
 * It is opened with the first channel and closed some time after the last. When it fails
 * it is made again, with growing pauses, told all channels again, and those who listen
 * are warned that something may have been lost meanwhile.
 */
#ifndef POOLER_RELAY_NOTIFIER_H
#define POOLER_RELAY_NOTIFIER_H

#include "base/deadlines.h"
#include "net/loop.h"
#include "pool/channels.h"
#include "proto/notice.h"
#include "relay/known.h"

struct dispatcher;
struct pool;
struct server;

enum { NOTIFIER_ENCODING_LEN = 32 };

struct notifier {
	LIST_ENTRY(notifier) place; /* known.notifiers */
	struct dispatcher *dispatcher;
	struct pool *pool;
	struct channels channels;
	struct server *server;    /* NULL: there is none */
	struct loop_task work;    /* does what has become necessary */
	struct deadline deadline; /* of a pause, or of being idle */
	uint64_t not_before_us;   /* the end of a pause after a failure */
	uint64_t idle_since_us;   /* no channels since; 0: there are some */
	unsigned holders;         /* clients that listen, or are about to */
	unsigned failures;        /* in a row */
	unsigned asked;           /* how many channels were asked about */
	bool is_open;             /* the server is logged in */
	bool is_careful;          /* something among many failed: one at a time */
	bool is_lost;             /* it was up, and is not again yet */
	char encoding[NOTIFIER_ENCODING_LEN];
	char sqlstate[6]; /* of the latest failure */
	char message[256];
};
/* The pool's for that encoding, made if need be; NULL when memory is short. Held until
 * notifier_release(). */
struct notifier *notifier_hold(struct dispatcher *d, struct pool *pool,
			       struct slice encoding);

void notifier_release(struct notifier *n);

/* Whether names and payloads come in this encoding. */
bool notifier_is_in(const struct notifier *n, struct slice encoding);

/* Members have come or gone. */
void notifier_changed(struct notifier *n);

/* Somebody has begun to listen while it could not; all are looked at when it can. */
void notifier_miss(struct notifier *n);

/* Why a LISTEN cannot be, as an ERROR; points into it. */
struct notice notifier_failure(const struct notifier *n);

/* Frees all those of a pool that is about to be freed. */
void notifier_forget(struct notifiers *all);

#endif
