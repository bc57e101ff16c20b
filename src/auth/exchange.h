/*
 * The pooler's side of a client's login: a method and a secret in, messages out, a
 * verdict.
 *
 * Writes no AuthenticationOk and no ErrorResponse: after LOGIN_DONE the welcome does the
 * one (the database may yet be missing), after LOGIN_FAILED whoever closes the client the
 * other, with what the failure says. Users that do not exist, and those whose secret
 * cannot serve the method, go through the same messages as a wrong password, in the same
 * time.
 *
 * About 5 kB: have one per login in progress, not per client. Holds secrets until
 * exchange_fini(), but never the stored password.
 */
#ifndef POOLER_AUTH_EXCHANGE_H
#define POOLER_AUTH_EXCHANGE_H

#include "auth/login.h"
#include "auth/md5.h"
#include "auth/scram.h"
#include "auth/secret.h"

struct buffer;

enum exchange_method {
	EXCHANGE_TRUST,
	EXCHANGE_ANY,     /* as trust; whose name counts is the caller's business */
	EXCHANGE_PLAIN,   /* password in clear against any kind of secret */
	EXCHANGE_MD5,     /* SCRAM for a user whose secret is a verifier */
	EXCHANGE_SCRAM,   /* a stored md5 secret cannot serve it */
	EXCHANGE_OUTSIDE, /* password in clear, judged by others (PAM, LDAP) */
	EXCHANGE_REJECT
};

/* What unknown users are made to look like; one for the whole process. */
struct exchange_mock {
	uint8_t key[32];       /* random */
	enum secret_kind kind; /* as most secrets are; NONE counts as PLAIN */
	uint32_t iterations;   /* of SCRAM, as most verifiers have; 0: PostgreSQL's */
};

struct exchange_setup {
	enum exchange_method method;
	struct slice user;    /* at most LOGIN_USER_MAX bytes; copied */
	struct slice binding; /* tls-server-end-point of this TLS connection, at most
				 SCRAM_BINDING_MAX bytes; empty: SCRAM-SHA-256-PLUS is
				 not offered */
	const struct exchange_mock *mock; /* copied */
};

enum exchange_state {
	EXCHANGE_START,
	EXCHANGE_LOOKUP,    /* waits for exchange_resume() */
	EXCHANGE_PASSWORD,  /* the client owes a password in clear */
	EXCHANGE_DIGEST,    /* ... an answer of the md5 method */
	EXCHANGE_MECHANISM, /* ... SASLInitialResponse */
	EXCHANGE_SASL,      /* ... SASLResponse */
	EXCHANGE_JUDGED,    /* waits for exchange_judge() */
	EXCHANGE_OVER
};

struct exchange {
	enum exchange_state state;
	enum exchange_method method;
	struct exchange_mock mock;
	struct login_failure failure; /* after LOGIN_FAILED */
	/* The password that the client sent in clear: borrowed from the message, until
	 * exchange_feed()'s caller drops that. Empty with other methods. */
	struct slice password;
	uint8_t user_len, binding_len;
	uint8_t user[LOGIN_USER_MAX];
	uint8_t binding[SCRAM_BINDING_MAX];
	struct secret_print print; /* of PLAIN */
	bool is_mock;
	char digest[MD5_TEXT_LEN]; /* the answer that is expected */
	struct scram_expected expected;
	struct scram_server scram;
};

/* LOGIN_DONE for trust and any, LOGIN_FAILED for reject, LOGIN_MORE for outside,
 * LOGIN_WAIT when the secret is to be looked up: then call exchange_resume(). */
enum login_verdict exchange_start(struct exchange *e, const struct exchange_setup *setup,
				  struct buffer *out);

/* Wipes all. May be called in any state, and twice. */
void exchange_fini(struct exchange *e);

/* The secret that was found, NULL for none; borrowed for this call. known: what
 * exchange_salted() gave after an earlier login of this user, or NULL. */
enum login_verdict exchange_resume(struct exchange *e, const struct secret *secret,
				   const struct scram_salted *known, struct buffer *out);

/* One whole message of the client. LOGIN_WAIT only with EXCHANGE_OUTSIDE: e->password is
 * to be judged; then call exchange_judge(). */
enum login_verdict exchange_feed(struct exchange *e, uint8_t letter, struct slice body,
				 struct buffer *out);

enum login_verdict exchange_judge(struct exchange *e, bool is_right);

/* The most that the length field of the next message may say. */
size_t exchange_max_len(const struct exchange *e);

/* After LOGIN_DONE of a user whose secret is a verifier: the keys to log in to servers
 * with; otherwise NULL. Valid until exchange_fini(). */
const struct scram_keys *exchange_keys(const struct exchange *e);

/* After LOGIN_DONE by SCRAM of a user whose secret is a password: what to keep for the
 * next login; otherwise NULL. */
const struct scram_salted *exchange_salted(const struct exchange *e);

#endif
