/*
 * One pass over a client's bytes on their way to its server: runs of what the client said
 * go straight from where they were read; what the pooler puts between them is gathered in
 * front, in the server's queue, so that all of it leaves in one system call.
 */
#ifndef POOLER_RELAY_PASS_H
#define POOLER_RELAY_PASS_H

#include "proto/frame.h"
#include "relay/run.h"

struct buffer;

struct pass {
	struct client *client;
	struct run run; /* goes to the server */
	bool has_gathered;
};

/* Sends what has been passed and gathered, in one write. */
void pass_send(struct pass *p);

/* Moves past `total` bytes that go on (or do not); what has not arrived of them will be
 * treated the same when it comes. */
void pass_over(struct pass *p, enum rest as, size_t total);

/* Where to append what goes behind all that has been passed so far, and in front of what
 * is ahead. NULL, and the client is closed, when memory is short; NULL also without a
 * server that could take it. To be followed by pass_gathered(). */
struct buffer *pass_gather(struct pass *p);
void pass_gathered(struct pass *p);

/* Counts statements in the pool's figures and the common ones. */
enum pass_count {
	PASS_CLIENT_PARSE = 1, /* a client prepared one */
	PASS_SERVER_PARSE = 2, /* a server was told to */
	PASS_BIND = 4,
};
void pass_count(const struct pass *p, unsigned what);

#endif
