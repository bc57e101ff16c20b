/*
 * Certificates, keys and modes made into what OpenSSL needs (an SSL_CTX), once per set of
 * options, for one side.
 *
 * A context never changes and is counted: connections keep the one they were made with
 * when others take its place. Everything in its files is read when it is made; a file
 * that is missing, unreadable, of the wrong kind, or a key that does not fit its
 * certificate is a failure that says which file and why.
 */
#ifndef POOLER_NET_TLS_CONTEXT_H
#define POOLER_NET_TLS_CONTEXT_H

#include <stdbool.h>
#include <stddef.h>

struct tls_context;

enum tls_side {
	TLS_SIDE_ACCEPT, /* clients connect to us */
	TLS_SIDE_CONNECT /* we connect to servers */
};

/* What is asked of the other side's certificate. */
enum tls_verify {
	TLS_VERIFY_NONE,
	TLS_VERIFY_IF_GIVEN, /* ACCEPT only: a client may do without, a bad one is refused
			      */
	TLS_VERIFY_CA,       /* must lead to the CA */
	TLS_VERIFY_FULL      /* CONNECT only: and must be made out to the host's name */
};

/* Texts as in the settings of the same names; NULL and "" are alike: not set. */
struct tls_options {
	enum tls_verify verify;
	const char *key_file, *cert_file; /* PEM; the certificate with its chain */
	const char *ca_file;              /* PEM; needed by VERIFY_CA and VERIFY_FULL */
	const char *crl_file;             /* PEM; then every certificate of the chain is
					     checked against it */
	const char *protocols;            /* "secure" (1.2 and 1.3), "all", or a list */
	const char *ciphers;              /* of TLS 1.2 and below: OpenSSL's syntax, or
					     "default", "secure", "fast", "normal", "all" */
	const char *tls13_ciphers;
	const char *groups;    /* "auto", "none", or OpenSSL's list of groups */
	const char *dheparams; /* ACCEPT only: "auto" or "none" */
};

/* NULL, and in problem one sentence, when it cannot be. The caller owns one reference. */
struct tls_context *tls_context_create(enum tls_side side,
				       const struct tls_options *options, char *problem,
				       size_t problem_cap);

struct tls_context *tls_context_ref(struct tls_context *context);
void tls_context_unref(struct tls_context *context); /* NULL is fine */

/* After a reload: lets clients resume under `to` what they began under `from`, if the
 * certificate, its key and what clients are verified by are the same. Otherwise nothing
 * changes. */
void tls_context_inherit(struct tls_context *to, const struct tls_context *from);

/* Whether both were made of the same options and of files with the same content. */
bool tls_context_same(const struct tls_context *a, const struct tls_context *b);

#endif
