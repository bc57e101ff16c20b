/*
 * What both sides of a login share: how it stands after a message, and why it failed.
 */
#ifndef POOLER_AUTH_LOGIN_H
#define POOLER_AUTH_LOGIN_H

#include <stdbool.h>

enum login_verdict {
	LOGIN_MORE,   /* waits for the peer's next message */
	LOGIN_DONE,   /* who they say they are */
	LOGIN_FAILED, /* over; the failure says why */
	LOGIN_WAIT,   /* waits for something that the caller must fetch */
};

enum { LOGIN_TEXT_LEN = 256, LOGIN_USER_MAX = 127, LOGIN_PASSWORD_MAX = 65530 };

/* All zero while nothing has failed. */
struct login_failure {
	char sqlstate[6];
	char text[LOGIN_TEXT_LEN]; /* for the client and the log; holds no secret */
};

/* Notes the first failure; later ones do not replace it. Returns LOGIN_FAILED. */
enum login_verdict login_fail(struct login_failure *f, const char *sqlstate,
			      const char *format, ...)
    __attribute__((format(printf, 3, 4)));

#endif
