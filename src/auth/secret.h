/*
 * A stored secret, as auth_file and pg_authid keep it: a password in clear, PostgreSQL's
 * md5 of password and name, or a SCRAM verifier.
 */
#ifndef POOLER_AUTH_SECRET_H
#define POOLER_AUTH_SECRET_H

#include "auth/scram.h"

enum secret_kind {
	SECRET_NONE, /* nothing matches it */
	SECRET_PLAIN,
	SECRET_MD5,
	SECRET_SCRAM
};

/* Borrows the text. */
struct secret {
	enum secret_kind kind;
	struct slice text;
};

/* What kind of secret a text is. False, and *out nothing matches, when the text begins
 * like a verifier and is none, has a NUL, or is longer than a password may be. The empty
 * text is SECRET_NONE. */
bool secret_parse(struct slice text, struct secret *out);

/* Of a verifier; 0 of others. */
uint32_t secret_iterations(const struct secret *secret);

const char *secret_kind_name(enum secret_kind kind);

enum secret_check { SECRET_RIGHT, SECRET_WRONG, SECRET_UNKNOWN /* memory is short */ };

/* What a password in clear will be held against; takes the secret's place, so that none
 * has to be kept while its user types. Fixed in size; holds a secret. */
struct secret_print {
	enum secret_kind kind;
	bool is_mock;    /* never right, but as slow as its kind */
	uint8_t key[16]; /* of PLAIN: made for this print */
	uint8_t sum[32]; /* of PLAIN: HMAC of the password; of MD5: the digits */
	struct scram_verifier verifier;
};

/* False when memory is short. */
bool secret_print_of(const struct secret *secret, struct secret_print *out);

/* Runs PBKDF2 for a verifier; one with more than SCRAM_ITERATIONS_MAX is never right. */
enum secret_check secret_check(const struct secret_print *print, struct slice user,
			       struct slice password);

#endif
