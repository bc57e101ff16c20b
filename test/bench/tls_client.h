/*
 * A client that comes in by TLS and SCRAM, without ever waiting: SSLRequest, handshake,
 * login, and then a query when it is told to. Whoever drives it decides when, and hears
 * of what has happened from tls_client_progress().
 */
#ifndef BENCH_TLS_CLIENT_H
#define BENCH_TLS_CLIENT_H

#include <openssl/ssl.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

#include "place.h"
#include "scram.h"
#include "wire.h"

enum tls_client_state {
	TLS_CLIENT_CLOSED,
	TLS_CLIENT_CONNECTING,
	TLS_CLIENT_ASKING,  /* for TLS */
	TLS_CLIENT_SHAKING, /* hands */
	TLS_CLIENT_LOGIN,
	TLS_CLIENT_IDLE,
	TLS_CLIENT_BUSY,
};

/* What they share. */
struct tls_world {
	struct place target;
	const char *user, *database, *query;
	struct scram_user keys;
	SSL_CTX *context;
	int epoll;
	uint64_t logins; /* begun so far */
};

struct tls_client {
	unsigned id; /* what epoll tells */
	enum tls_client_state state;
	int fd;
	SSL *ssl;
	SSL_SESSION *session; /* the latest ticket, used by the next connection */
	bool is_resumed;
	uint64_t begun_ns; /* connecting, or what tls_client_query() was told */
	char problem[96];  /* why it ended, or "" */
	struct bytes out;
	struct scanner scanner;
	struct scram_login scram;
	TAILQ_ENTRY(tls_client) line;
};

/* What has come of an event. */
enum tls_client_news {
	TLS_CLIENT_NOTHING,
	TLS_CLIENT_IN,       /* logged in, and idle */
	TLS_CLIENT_ANSWERED, /* idle again */
	TLS_CLIENT_ENDED,    /* closed; problem says why */
};

/* Ends the program when it cannot be had. */
SSL_CTX *tls_client_context(void);

/* False when not even a socket can be had; then it is closed. */
bool tls_client_connect(struct tls_world *w, struct tls_client *c, unsigned source);
enum tls_client_news tls_client_progress(struct tls_world *w, struct tls_client *c);
/* Of an idle client. */
enum tls_client_news tls_client_query(struct tls_world *w, struct tls_client *c,
				      uint64_t begun_ns);
/* Says goodbye if it can; keeps the ticket. */
void tls_client_close(struct tls_client *c);
void tls_client_fini(struct tls_client *c);

#endif
