/*
 * A PostgreSQL server that knows one query, in the test's own loop: lets in, or not, and
 * answers the parameter with rows of a table, or with nonsense, or not at all.
 */
#ifndef POOLER_TEST_HARNESS_FAKE_SQL_H
#define POOLER_TEST_HARNESS_FAKE_SQL_H

#include "base/buffer.h"
#include "net/address.h"
#include "net/loop.h"

enum { FAKE_SQL_SEATS = 80, FAKE_SQL_FIELDS = 4 };

enum fake_sql_greeting {
	FAKE_SQL_LET_IN,
	FAKE_SQL_ASK_PASSWORD, /* in clear; any is right */
	FAKE_SQL_REFUSE,
	FAKE_SQL_GREET_GARBAGE,
	FAKE_SQL_GREET_NOTHING,
	FAKE_SQL_GREET_END
};

enum fake_sql_manner {
	FAKE_SQL_ANSWER,
	FAKE_SQL_ERROR,
	FAKE_SQL_FATAL, /* an error, and the end */
	FAKE_SQL_COPY,
	FAKE_SQL_GARBAGE,
	FAKE_SQL_NOTHING, /* until fake_sql_release() */
	FAKE_SQL_END
};

/* All rows with the parameter's key are the answer. */
struct fake_sql_row {
	const char *key;                     /* NULL ends the table */
	const char *fields[FAKE_SQL_FIELDS]; /* NULL is NULL */
};

struct fake_sql;

struct fake_sql_seat {
	struct loop_io io;
	struct fake_sql *server; /* NULL: free */
	struct buffer in, out;
	bool is_in;        /* behind the startup packet */
	bool has_question; /* not answered yet */
	char parameter[256];
};

struct fake_sql {
	struct loop_io io;
	struct loop *loop;
	struct endpoint at;
	int port;
	enum fake_sql_greeting greeting;
	enum fake_sql_manner manner;
	const struct fake_sql_row *rows;
	int columns;
	bool dribbles;        /* sends one byte in each turn */
	unsigned connections; /* that asked to come in */
	unsigned questions;
	struct slice startup; /* the last startup packet's parameters */
	char startup_bytes[1024], query[256], password[64];
	struct fake_sql_seat seats[FAKE_SQL_SEATS];
};

/* At this address, or on a loopback port when it is NULL. */
void fake_sql_start(struct fake_sql *server, struct loop *loop, const struct endpoint *at,
		    const struct fake_sql_row *rows);
void fake_sql_stop(struct fake_sql *server);

/* Answers what FAKE_SQL_NOTHING kept waiting, in the manner of now. */
void fake_sql_release(struct fake_sql *server);
/* Closes all connections. */
void fake_sql_kill(struct fake_sql *server);
unsigned fake_sql_open_count(const struct fake_sql *server);

#endif
