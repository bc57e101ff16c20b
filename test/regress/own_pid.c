/*
 * Put before libpq in isolationtester: the process id of a connection is asked for.
 *
 * isolationtester watches pg_locks for the processes that PQbackendPID() tells of. That
 * is what the server said at login, and a pooler says something else there: its
 * clients have no process of their own.
 */
#include <stdlib.h>

#include <libpq-fe.h>

int PQbackendPID(const PGconn *conn)
{
	/* The function asks, so it cannot keep the promise of its name. */
	union {
		const PGconn *given;
		PGconn *used;
	} connection = {.given = conn};
	PGresult *result = PQexec(connection.used, "select pg_catalog.pg_backend_pid()");
	int pid = 0;

	if (PQresultStatus(result) == PGRES_TUPLES_OK)
		pid = (int)strtol(PQgetvalue(result, 0, 0), NULL, 10);
	PQclear(result);
	return pid;
}
