/*
 * What the two halves of logging in to a server share: reaching it, until bytes can go to
 * and fro (server_reach.c), and what is said then (server_login.c).
 */
#ifndef POOLER_RELAY_SERVER_LOGIN_INTERNAL_H
#define POOLER_RELAY_SERVER_LOGIN_INTERNAL_H

#include "auth/answer.h"
#include "net/connector.h"
#include "pool/reach.h"
#include "relay/server.h"

enum { LOGIN_MESSAGE_MAX = 64 * 1024 };

enum server_login_step {
	STEP_CONNECT,
	STEP_ASKED_TLS, /* the answer to SSLRequest is one byte */
	STEP_HANDSHAKE,
	STEP_MESSAGES
};

struct server_login {
	struct connector connector;
	struct server *server;
	struct answer answer;
	enum server_login_step step;
	uint32_t version; /* of the protocol that was asked for; 0 before */
	bool is_second;   /* the first try asked for more than the server could bear */
	bool is_heard;    /* it has answered what was asked for, other than by an error */
	bool is_authenticated;
};

/* The attempt has failed, for that reason; the server is closed. */
void server_login_fail(struct server *s, enum reach why, const char *sqlstate,
		       const char *message);
/* It has been reached: sends the startup packet. */
void server_login_send_startup(struct server *s);

/* Connects, asks for TLS where it is wanted, and goes on with the startup packet. */
void server_reach_start(struct server *s);
/* The answer to SSLRequest has come; returns how many bytes are done with. */
size_t server_reach_on_tls_answer(struct server *s, struct slice bytes);

#endif
