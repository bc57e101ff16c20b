/*
 * One connection to PostgreSQL for a question of our own: one query with one parameter,
 * at most one row, one callback. By libpq's asynchronous interface, so that TLS, SCRAM
 * and .pgpass come with it and the loop never waits.
 *
 * The connection is made when something is asked and kept until it is closed here or by
 * the server. Names are looked up by net/resolver (libpq's own way would wait) and handed
 * to libpq together with the address, so that certificates and .pgpass go by the name.
 * Addresses are tried one after the other until one is reached, each with its share of
 * the time. libpq gets nothing but the target below and what the program's environment
 * and its user's home say; see sqlclient_clean_environment().
 */
#ifndef POOLER_NET_SQLCLIENT_H
#define POOLER_NET_SQLCLIENT_H

#include "base/slice.h"
#include "net/address.h"
#include "net/loop.h"
#include "net/resolver.h"

enum { SQLCLIENT_COLUMNS_MOST = 4, SQLCLIENT_PROBLEM_LEN = 400 };

/* Where and how to connect; "" or NULL: not set. */
struct sqlclient_target {
	const char *host; /* a name, an address, or a Unix socket's directory ("/" or "@"
			     in front) */
	int port;
	const char *dbname, *user; /* must be set */
	const char *password;      /* not set: what .pgpass has */
	const char *sslmode;       /* not set: prefer */
	const char *sslrootcert, *sslcert, *sslkey, *sslcrl;
	const char *application_name;
	uint64_t
	    connect_timeout_us;    /* name, connection and login together; 0: no limit */
	uint64_t query_timeout_us; /* 0: no limit */
};

struct sqlclient_question {
	const char *query; /* one statement; $1 is the parameter, in text form */
	const char *parameter;
	int columns; /* what a row must have; 1 to SQLCLIENT_COLUMNS_MOST */
};

enum sqlclient_outcome {
	SQLCLIENT_ROW,
	SQLCLIENT_NO_ROW,
	SQLCLIENT_MISSHAPEN, /* more than one row, or other columns than asked for */
	SQLCLIENT_REFUSED,   /* the server answered with an error */
	SQLCLIENT_UNREACHED, /* no connection, or no login */
	SQLCLIENT_LOST       /* the connection ended, or the answer took too long */
};

struct sqlclient_field {
	bool is_null;
	struct slice text;
};

/* All of it is valid during the call only; rows are wiped after it. */
struct sqlclient_answer {
	enum sqlclient_outcome outcome;
	struct sqlclient_field fields[SQLCLIENT_COLUMNS_MOST]; /* of ROW */
	const char *problem; /* of all but ROW and NO_ROW: one line without secrets */
};

struct sqlclient;
typedef void (*sqlclient_fn)(struct sqlclient *client,
			     const struct sqlclient_answer *answer);

enum sqlclient_state {
	SQLCLIENT_CLOSED,
	SQLCLIENT_RESOLVING,
	SQLCLIENT_CONNECTING,
	SQLCLIENT_ASKING,
	SQLCLIENT_IDLE
};

struct sqlclient {
	struct loop *loop;
	struct resolver *resolver;
	const struct sqlclient_target *target;
	enum sqlclient_state state;
	struct sqlclient_question question;
	sqlclient_fn on_answer; /* NULL: nothing is asked */

	struct pg_conn *conn;
	struct loop_io io;
	struct deadline limit;
	struct loop_task later;
	struct resolver_query resolving;
	struct address *addresses; /* while connecting to a host */
	size_t address_count, address_next;
	uint64_t connect_by_us;
	bool is_reached;       /* something at the address has accepted us */
	bool is_kept;          /* the connection is older than the question */
	struct pg_result *row; /* the answer's only row, until all of it has come */
	enum sqlclient_outcome outcome; /* so far */
	char problem[SQLCLIENT_PROBLEM_LEN];
};

/* The target is borrowed until sqlclient_fini(). False when memory is short. */
bool sqlclient_init(struct sqlclient *client, struct loop *loop,
		    struct resolver *resolver, const struct sqlclient_target *target);
/* Closes; nothing is called any more. */
void sqlclient_fini(struct sqlclient *client);

/*
 * Asks; nothing may be asked already. The question's texts are borrowed until the answer.
 * on_answer comes once, never from within this call; the client may be asked again,
 * closed or freed in it. When a connection that was kept turns out to be dead, the
 * question is put once more on a new one.
 */
void sqlclient_ask(struct sqlclient *client, const struct sqlclient_question *question,
		   sqlclient_fn on_answer);

/* The connection ends; what was asked is not answered. */
void sqlclient_close(struct sqlclient *client);

/* Whether there is a connection that has logged in. */
static inline bool sqlclient_is_open(const struct sqlclient *client)
{
	return client->state == SQLCLIENT_ASKING || client->state == SQLCLIENT_IDLE;
}

/*
 * Takes out of the environment what libpq would use where the target is silent and what
 * is not meant for us (PGOPTIONS, PGHOSTADDR, PGPASSWORD...). PGPASSFILE stays. To be
 * called once, at start, before there are threads.
 */
void sqlclient_clean_environment(void);

#endif
