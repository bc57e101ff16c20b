/*
 * PostgreSQL's md5 method: the stored secret is "md5" and the digits of MD5(password,
 * user); the answer to a salt is "md5" and the digits of MD5(those digits, salt).
 */
#ifndef POOLER_AUTH_MD5_H
#define POOLER_AUTH_MD5_H

#include "base/slice.h"

enum { MD5_TEXT_LEN = 35, MD5_SALT_LEN = 4 };

/* Without a NUL. False when memory is short or MD5 is forbidden. */
bool md5_secret(struct slice password, struct slice user, char out[MD5_TEXT_LEN]);

/* What a client that knows the secret answers. */
bool md5_answer(const char secret[MD5_TEXT_LEN], const uint8_t salt[MD5_SALT_LEN],
		char out[MD5_TEXT_LEN]);

#endif
