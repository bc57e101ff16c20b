/*
 * Two streams that speak TLS with each other over a socket, and what their owners saw.
 * The bytes may go through a relay that counts them and cuts them where the test says.
 */
#ifndef POOLER_TEST_HARNESS_TLS_PAIR_H
#define POOLER_TEST_HARNESS_TLS_PAIR_H

#include "net/stream.h"
#include "net/tls.h"

struct tls_end {
	struct stream stream; /* first: the callbacks find the end by it */
	struct buffer seen;
	size_t consume_most; /* of what is offered; SIZE_MAX at first */
	bool echoes;         /* writes back what it sees */
	unsigned dones, ends, drains;
	enum stream_end how;
	int error;
	char problem[200]; /* at its end */
	void (*in_done)(struct tls_end *end);
};

/* One direction of the relay. */
struct tls_lane {
	size_t chunk;   /* bytes it forwards at once; SIZE_MAX at first */
	size_t stop_at; /* it forwards no more than so many in all; SIZE_MAX at first */
	size_t count;   /* forwarded so far */
	struct buffer kept;
	bool saw_eof, has_shut;
};

struct tls_pair {
	struct loop loop;
	struct tls_end client, server;
	int relay[2]; /* the client's and the server's other ends; -1 without a relay */
	struct tls_lane up, down; /* from the client, to the client */
};

void tls_pair_open(struct tls_pair *pair, bool with_relay);
void tls_pair_close(struct tls_pair *pair);

/* Starts TLS on both. A NULL target is one without a host. */
void tls_pair_start(struct tls_pair *pair, struct tls_context *accept,
		    struct tls_context *connect, const struct tls_target *target);

/* Turns the loop until nothing happens any more. */
void tls_pair_settle(struct tls_pair *pair);

bool tls_pair_is_done(const struct tls_pair *pair); /* both handshakes are */

void tls_end_write(struct tls_end *end, const char *text);
bool tls_end_saw(const struct tls_end *end, const char *text);

#endif
