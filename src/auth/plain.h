/*
 * PasswordMessage: how a password, or an answer of the md5 method, travels.
 */
#ifndef POOLER_AUTH_PLAIN_H
#define POOLER_AUTH_PLAIN_H

#include "base/slice.h"

struct writer;

enum plain_result {
	PLAIN_OK,
	PLAIN_EMPTY,
	PLAIN_TOO_LONG,
	PLAIN_MALFORMED, /* not one text and its NUL */
};

/* Reads the body; *out is borrowed from it, and only set on PLAIN_OK. */
enum plain_result plain_read(struct slice body, struct slice *out);

/* Writes the whole message. The password must hold no NUL. */
void plain_write(struct writer *w, struct slice password);

#endif
