/*
 * SASLprep (RFC 4013) as PostgreSQL applies it to passwords: what cannot be prepared is
 * taken as it is.
 */
#ifndef POOLER_AUTH_SASLPREP_H
#define POOLER_AUTH_SASLPREP_H

#include "base/slice.h"

/* Longer passwords that are not ASCII are taken as they are: libidn's effort grows with
 * the square of the length, and anybody may send one. */
enum { SASLPREP_MAX = 1024 };

enum saslprep_result {
	SASLPREP_AS_IS, /* use the password itself; *out is untouched */
	SASLPREP_CHANGED,
	SASLPREP_NO_MEMORY
};

/* On SASLPREP_CHANGED *out is a text for saslprep_free(). */
enum saslprep_result saslprep(struct slice password, char **out);

/* Wipes and frees. */
void saslprep_free(char *prepared);

#endif
