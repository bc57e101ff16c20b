/*
 * Classes of failures, a row each.
 */
#include "pool/reach.h"

#include <errno.h>
#include <string.h>

#include "base/check.h"
#include "base/clock.h"

static const struct {
	const char *name;
	bool is_down;
	unsigned first_ms, longest_ms; /* 0: server_login_retry alone counts */
} rows[REACH_COUNT] = {
    [REACH_OK] = {"ok", false, 100, 0},
    [REACH_REFUSED] = {"refused", true, 100, 0},
    [REACH_TIMED_OUT] = {"timeout", true, 500, 0},
    [REACH_NO_ADDRESS] = {"no address", true, 500, 0},
    [REACH_BROKEN] = {"broken", true, 200, 0},
    [REACH_TLS] = {"tls", true, 1000, 0},
    /* A server may count failed logins, and block us. */
    [REACH_AUTH] = {"authentication", true, 1000, 0},
    [REACH_NO_DATABASE] = {"no database", true, 500, 0},
    [REACH_FAILED] = {"failed", true, 200, 0},
    /* It will be there soon, and clients wait for that. */
    [REACH_STARTING] = {"starting", false, 100, 1000},
    [REACH_FULL] = {"full", false, 100, 2000},
    [REACH_OURS] = {"our limits", false, 50, 1000},
};

const char *reach_name(enum reach reach)
{
	CHECK((unsigned)reach < REACH_COUNT);
	return rows[reach].name;
}

bool reach_is_down(enum reach reach)
{
	CHECK((unsigned)reach < REACH_COUNT);
	return rows[reach].is_down;
}

uint64_t reach_first_pause(enum reach reach)
{
	CHECK((unsigned)reach < REACH_COUNT);
	return rows[reach].first_ms * USEC_PER_MSEC;
}

uint64_t reach_longest_pause(enum reach reach)
{
	CHECK((unsigned)reach < REACH_COUNT);
	if (rows[reach].longest_ms == 0)
		return CLOCK_NEVER;
	return rows[reach].longest_ms * USEC_PER_MSEC;
}

enum reach reach_of_sqlstate(const char *sqlstate)
{
	if (strcmp(sqlstate, "57P03") == 0)
		return REACH_STARTING;
	if (strcmp(sqlstate, "3D000") == 0)
		return REACH_NO_DATABASE;
	if (strcmp(sqlstate, "53300") == 0)
		return REACH_FULL;
	if (strncmp(sqlstate, "28", 2) == 0)
		return REACH_AUTH;
	return REACH_FAILED;
}

enum reach reach_of_errno(int error)
{
	switch (error) {
	case 0:
		return REACH_NO_ADDRESS;
	case EAGAIN: /* of a Unix socket: its backlog is full */
		return REACH_FULL;
	case ETIMEDOUT:
	case EHOSTUNREACH:
	case ENETUNREACH:
	case EHOSTDOWN:
	case ENETDOWN:
		return REACH_TIMED_OUT;
	case ECONNRESET:
	case EPIPE:
		return REACH_BROKEN;
	default:
		return REACH_REFUSED;
	}
}
