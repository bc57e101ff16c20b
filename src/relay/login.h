/*
 * A login in progress: what a client needs from its first byte until it may come in (or
 * waits for the pool's first server). Not part of struct client, since ten thousand idle
 * clients have no use for it.
 */
#ifndef POOLER_RELAY_LOGIN_H
#define POOLER_RELAY_LOGIN_H

#include "auth/exchange.h"
#include "base/buffer.h"
#include "config/settings.h"
#include "net/peernames.h"
#include "proto/startup.h"
#include "relay/login_gate.h"
#include "relay/lookup.h"

struct client;
struct hba_rule;
struct keyring;
struct work;

enum login_step {
	LOGIN_STEP_PACKET,   /* waits for a startup packet, or a request before it */
	LOGIN_STEP_FETCH,    /* waits for something that we fetch */
	LOGIN_STEP_EXCHANGE, /* waits for the client's next password message */
	LOGIN_STEP_OVER
};

/* How a client is to prove who it is. */
enum login_proof {
	LOGIN_PROOF_EXCHANGE, /* by messages alone */
	LOGIN_PROOF_CERT,     /* by its certificate */
	LOGIN_PROOF_PEER,     /* by its user in the system */
	LOGIN_PROOF_PAM,      /* by a password that PAM judges */
	LOGIN_PROOF_LDAP,     /* ... that a directory judges */
	LOGIN_PROOF_REJECT    /* not at all */
};

struct login_method {
	enum login_proof proof;
	enum exchange_method exchange;
	const struct hba_rule *rule; /* of the login's keyring; NULL: auth_type said so */
};

struct login;

/* What is fetched for a login comes back by these; none of them is called when the fetch
 * has ended the client. */
struct login_ops {
	/* NULL: there is none. Borrowed. */
	void (*on_secret)(struct login *l, const struct secret *secret);
	/* Of PAM or LDAP. */
	void (*on_judgement)(struct login *l, bool is_right);
	/* What the system calls the client's user; NULL: nothing. */
	void (*on_peer)(struct login *l, const char *system_name);
	/* login->peer_name is known, or that there is none. */
	void (*on_name)(struct login *l);
};

struct login {
	struct login_ticket ticket;
	struct client *client;
	const struct login_ops *ops;
	uint8_t *packet; /* a copy of the startup packet; NULL before */
	struct startup_packet startup;
	struct slice user,
	    database;            /* of the packet; the database as the client calls it */
	struct keyring *keyring; /* that was in force when it began; counted */
	struct login_method method; /* once it is known */
	struct exchange *exchange;  /* NULL before and where none is needed */
	struct lookup lookup;
	struct work *work; /* NULL: nothing is with the workers */
	struct peername_query name_query;
	char *peer_name;             /* what its address is called; NULL: nothing */
	struct buffer secret;        /* what auth_query found; wiped at the end */
	struct buffer password;      /* that the client sent in clear, once it is right */
	uint8_t step;                /* enum login_step */
	uint8_t replication;         /* enum startup_replication */
	uint8_t encryption_requests; /* SSLRequest and GSSENCRequest answered */
	bool is_in_turn;             /* may be read */
	bool knows_peer_name;        /* or that it has none */
	bool is_secret_cached;       /* it came from the lookup's cache */
};

/* Wipes and frees; nothing may be under way any more. */
void login_free(struct login *l);

#endif
