/*
 * PEM files read into OpenSSL's objects. A file is read once, whole, and what is parsed
 * are the bytes that were read, so that two contexts can be compared by them. This is the
 * inside of net/tls_context.h.
 */
#ifndef POOLER_NET_TLS_PEM_H
#define POOLER_NET_TLS_PEM_H

#include <openssl/x509.h>

#include "base/buffer.h"

/* A file of the options, and where to say what is wrong with it. */
struct tls_file {
	const char *kind; /* "key file" */
	const char *name; /* "" or NULL: not set, then it is empty */
	struct buffer bytes;
};

struct tls_problem {
	char *text;
	size_t cap;
};

void tls_problem_say(struct tls_problem to, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

bool tls_file_is_set(const struct tls_file *file);

/* True when it is read, or not set. */
bool tls_file_read(struct tls_file *file, struct tls_problem problem);
void tls_file_fini(struct tls_file *file); /* wipes */

/* NULL, and a problem, when there is none, or it is broken. A key behind a password is
 * refused: there is nobody to ask. */
EVP_PKEY *tls_pem_key(const struct tls_file *file, struct tls_problem problem);
STACK_OF(X509) *
    tls_pem_certificates(const struct tls_file *file, struct tls_problem problem);
STACK_OF(X509_CRL) *
    tls_pem_crls(const struct tls_file *file, struct tls_problem problem);

#endif
