/*
 * ErrorResponse and NoticeResponse: writing our own and reading a server's
 * ("Error and Notice Message Fields"). The SQLSTATEs the pooler itself uses stand here.
 */
#ifndef POOLER_PROTO_NOTICE_H
#define POOLER_PROTO_NOTICE_H

#include "base/slice.h"

struct writer;

#define SQLSTATE_OK "00000"
#define SQLSTATE_FEATURE_NOT_SUPPORTED "0A000"
#define SQLSTATE_CONNECTION_NOT_POSSIBLE "08001"
#define SQLSTATE_CONNECTION_FAILURE "08006"
#define SQLSTATE_PROTOCOL_VIOLATION "08P01"
#define SQLSTATE_INVALID_PARAMETER "22023"
#define SQLSTATE_IDLE_IN_TRANSACTION_TIMEOUT "25P03"
#define SQLSTATE_NOT_AUTHORIZED "28000"
#define SQLSTATE_INVALID_PASSWORD "28P01"
#define SQLSTATE_NO_SUCH_DATABASE "3D000"
#define SQLSTATE_UNKNOWN_STATEMENT "26000"
#define SQLSTATE_STATEMENT_EXISTS "42P05"
#define SQLSTATE_NAME_TOO_LONG "42622"
#define SQLSTATE_INSUFFICIENT_PRIVILEGE "42501"
#define SQLSTATE_SYNTAX_ERROR "42601"
#define SQLSTATE_OUT_OF_MEMORY "53200"
#define SQLSTATE_TOO_MANY_CONNECTIONS "53300"
#define SQLSTATE_CONFIGURATION_LIMIT "53400"
#define SQLSTATE_PROGRAM_LIMIT "54000"
#define SQLSTATE_NOT_IN_STATE "55000"
#define SQLSTATE_QUERY_CANCELED "57014"
#define SQLSTATE_ADMIN_SHUTDOWN "57P01"
#define SQLSTATE_CRASH_SHUTDOWN "57P02"
#define SQLSTATE_CANNOT_CONNECT_NOW "57P03"
#define SQLSTATE_IDLE_SESSION_TIMEOUT "57P05"
#define SQLSTATE_CONFIG_FILE_ERROR "F0000"

struct notice {
	const char *severity; /* "ERROR", "FATAL", "NOTICE", "WARNING" */
	const char *sqlstate;
	const char *message;
	const char *detail;  /* may be NULL */
	const char *hint;    /* may be NULL */
	const char *routine; /* may be NULL; of PostgreSQL, where drivers go by that */
};

/* An ErrorResponse or, for the severities NOTICE and WARNING, a NoticeResponse; fields
 * S, V, C, M, then D, H and R if given. */
void notice_write(struct writer *w, const struct notice *notice);

/* The fields of a server's message that somebody needs; borrowed, empty when absent. */
struct notice_fields {
	struct slice severity; /* V, or S where there is no V */
	struct slice sqlstate;
	struct slice message;
	struct slice detail;
	struct slice hint;
	struct slice routine;
};

/* Reads the body of an ErrorResponse or NoticeResponse. False, and *out empty, when it is
 * not well formed; a body without any field is well formed. */
bool notice_read(struct slice body, struct notice_fields *out);

#endif
