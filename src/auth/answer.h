/*
 * The other side: proving to a server who we are.
 *
 * Takes the bodies of Authentication messages and writes the answers. A server is free to
 * let us in without asking; it is not free to stop asking half way, nor to skip its own
 * proof in SCRAM. Its ErrorResponse is the caller's business.
 */
#ifndef POOLER_AUTH_ANSWER_H
#define POOLER_AUTH_ANSWER_H

#include "auth/login.h"
#include "auth/scram.h"
#include "auth/secret.h"

struct buffer;

/* The most that the length field of an Authentication message may say. */
enum { ANSWER_MAX_LEN = 4 + 4 + SCRAM_MESSAGE_MAX };

enum answer_state {
	ANSWER_START,  /* the server has asked nothing */
	ANSWER_SENT,   /* a password or digest is on its way */
	ANSWER_SASL,   /* in the middle of SCRAM */
	ANSWER_PROVED, /* SCRAM is done; AuthenticationOk must follow */
	ANSWER_OVER
};

struct answer {
	enum answer_state state;
	struct login_failure failure; /* after LOGIN_FAILED */
	struct scram_client scram;
};

/* What we have to show; borrowed during a call, and the same in all calls of a login. A
 * password serves all methods, an md5 secret only md5, keys only SCRAM. */
struct answer_means {
	struct slice user;
	const struct secret *secret;   /* NULL: none */
	const struct scram_keys *keys; /* of a client's SCRAM login; NULL: none */
	struct scram_salted *salted;   /* kept from login to login; may be NULL */
	struct slice binding; /* tls-server-end-point of this TLS connection, or empty */
};

/* Zero is a good start. Wipes all; may be called twice. */
void answer_fini(struct answer *a);

/* The body of one Authentication message ('R'). LOGIN_DONE after AuthenticationOk. */
enum login_verdict answer_feed(struct answer *a, struct slice body,
			       const struct answer_means *means, struct buffer *out);

#endif
