/*
 * Why servers cannot be opened, in classes that are treated alike: what is said about it,
 * whether waiting helps, how soon it is tried again.
 *
 * A host that is full, or starting up, is there; and what we lack ourselves says nothing
 * about it at all. Only the other classes mean that a database is down.
 */
#ifndef POOLER_POOL_REACH_H
#define POOLER_POOL_REACH_H

#include <stdbool.h>
#include <stdint.h>

enum reach {
	REACH_OK,
	/* down */
	REACH_REFUSED,     /* nobody listens there */
	REACH_TIMED_OUT,   /* no answer in time, or no way there */
	REACH_NO_ADDRESS,  /* its name is not known */
	REACH_BROKEN,      /* it hung up during the login, or makes no sense */
	REACH_TLS,         /* no TLS, or not with the right one */
	REACH_AUTH,        /* it does not let us in: 28xxx */
	REACH_NO_DATABASE, /* 3D000 */
	REACH_FAILED,      /* another error of its own */
	/* passing */
	REACH_STARTING, /* 57P03 */
	REACH_FULL,     /* it has no more room: 53300 */
	REACH_OURS,     /* we lack descriptors, ports or memory */
};
enum { REACH_COUNT = REACH_OURS + 1 };

/* One word: "refused", "timeout" and so on. */
const char *reach_name(enum reach reach);

/* Whether it means that there is no use in waiting. */
bool reach_is_down(enum reach reach);

/* The pause after the first failure, and the longest that growing pauses come to (unless
 * server_login_retry is less). */
uint64_t reach_first_pause(enum reach reach);
uint64_t reach_longest_pause(enum reach reach);

/* What a server's own error means, by its SQLSTATE. */
enum reach reach_of_sqlstate(const char *sqlstate);
/* What an errno of a connect means, unless it is our own lack; 0: no address was found.
 */
enum reach reach_of_errno(int error);

#endif
