/*
 * One entry of [databases]: where a database lives and how it is reached.
 *
 * Strings are never NULL: what is not set is "". They belong to the snapshot that the
 * entry came from. A copy of the "*" entry with another name is an automatic database.
 */
#ifndef POOLER_CONFIG_DATABASE_H
#define POOLER_CONFIG_DATABASE_H

#include "config/overrides.h"
#include "config/server_tls.h"

struct arena;

enum { DATABASE_NAME_MAX = 63 };

struct database {
	const char *name;
	const char
	    *dbname; /* on the server; "" only in the "*" entry: the client's name */
	const char
	    *host; /* "": the Unix socket in unix_socket_dir; "/dir", "@abstract" */
	int port;
	const char *user; /* forced user, all clients share it; "": the client's own */
	const char *password; /* of the forced user */
	const char *connect_query;
	/* Go into the server's startup packet. */
	const char *client_encoding;
	const char *datestyle;
	const char *timezone;
	const char *application_name;
	/* What the settings of these names say otherwise; "": nothing. */
	const char *auth_user;
	const char *auth_query;
	const char *auth_dbname;
	/* In a snapshot, complete: what the entry does not say itself is as in [pooler].
	 */
	struct server_tls tls;
	unsigned tls_own; /* what it says itself: a bit per enum server_tls_key */
	struct overrides over;
};

/* Reads the connection string of an entry; strings go into the arena. 0; -EINVAL with
 * the reason in why; -ENOMEM. *out is untouched unless 0. */
int database_parse(const char *name, const char *connection_string, struct arena *strings,
		   struct database *out, char *why, size_t why_cap);

/* Whether the name is the console's, which no entry can have. */
bool database_is_console(const char *name);

/* Whether an automatic database can be made of this entry: the "*". */
bool database_is_fallback(const struct database *d);

/* Whether servers opened for a do not serve b: dbname, host, port, forced user,
 * connect_query or a startup parameter differs. A password that differs is for the next
 * login only, look-ups of users are no matter of the pool's servers, and TLS is for those
 * to judge who know what is in its files. */
bool database_target_differs(const struct database *a, const struct database *b);

#endif
