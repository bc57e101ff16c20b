/*
 * The connecting half of a client of libpq: what libpq is told, and one address after the
 * other until a login has succeeded or failed.
 *
 * While connecting, libpq may close its socket and open another, perhaps with the same
 * number, so the watcher is taken off before each PQconnectPoll() and made anew after it.
 * Nothing here waits: PQfinish() sends its Terminate only as far as the socket takes it,
 * and GSS, which could ask a key server, is not used.
 */
#include <libpq-fe.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/check.h"
#include "base/clock.h"
#include "net/sqlclient_parts.h"

/* ---- what libpq is told ---- */

enum { PARAMETERS_MOST = 20 };

struct parameters {
	const char *keys[PARAMETERS_MOST + 1]; /* ends in NULL, as libpq wants it */
	const char *values[PARAMETERS_MOST + 1];
	size_t count;
};

static void add(struct parameters *p, const char *key, const char *value)
{
	if (!value || !value[0])
		return;
	CHECK(p->count < PARAMETERS_MOST);
	p->keys[p->count] = key;
	p->values[p->count] = value;
	p->count++;
}

static PGconn *start_conn(const struct sqlclient_target *t, const char *hostaddr)
{
	struct parameters p = {0};
	char port[12];

	snprintf(port, sizeof(port), "%d", t->port);
	add(&p, "host", t->host);
	add(&p, "hostaddr", hostaddr);
	add(&p, "port", port);
	add(&p, "dbname", t->dbname);
	add(&p, "user", t->user);
	add(&p, "password", t->password);
	add(&p, "sslmode", t->sslmode && t->sslmode[0] ? t->sslmode : "prefer");
	add(&p, "sslrootcert", t->sslrootcert);
	add(&p, "sslcert", t->sslcert);
	add(&p, "sslkey", t->sslkey);
	add(&p, "sslcrl", t->sslcrl);
	add(&p, "application_name", t->application_name);
	add(&p, "client_encoding", "UTF8");
	add(&p, "gssencmode", "disable");
	add(&p, "target_session_attrs", "any");
	if (PQlibVersion() >= 160000) /* a key server would be waited for */
		add(&p, "require_auth", "!gss,!sspi");
	/* 0: a database called "host=..." is a database. */
	return PQconnectStartParams(p.keys, p.values, 0);
}

void sqlclient_clean_environment(void)
{
	static const char *const names[] = {
	    "PGHOSTADDR",
	    "PGSERVICE",
	    "PGOPTIONS",
	    "PGCHANNELBINDING",
	    "PGREQUIREPEER",
	    "PGREQUIREAUTH",
	    "PGDATESTYLE",
	    "PGTZ",
	    "PGGEQO",
	    "PGKRBSRVNAME",
	    "PGGSSLIB",
	    "PGGSSENCMODE",
	    "PGSSLCRLDIR",
	    "PGSSLNEGOTIATION",
	    "PGPASSWORD",
	    "PGTARGETSESSIONATTRS",
	    "PGLOADBALANCEHOSTS",
	};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		unsetenv(names[i]);
}

/* ---- hanging up ---- */

static void drop_addresses(struct sqlclient *c)
{
	free(c->addresses);
	c->addresses = NULL;
	c->address_count = c->address_next = 0;
}

static void finish_conn(struct sqlclient *c)
{
	loop_io_watch(c->loop, &c->io, 0);
	PQfinish(c->conn);
	c->conn = NULL;
}

void sqlclient_hang_up(struct sqlclient *c)
{
	resolver_forget(&c->resolving);
	loop_unpost(c->loop, &c->later);
	loop_arm(c->loop, &c->limit, CLOCK_NEVER);
	finish_conn(c);
	drop_addresses(c);
}

/* ---- addresses ---- */

static void attempt(struct sqlclient *c);

static void fail_connecting(struct sqlclient *c)
{
	c->outcome = SQLCLIENT_UNREACHED;
	sqlclient_give_up(c);
}

/* c->problem says why. */
static void fail_attempt(struct sqlclient *c)
{
	finish_conn(c);
	if (!c->is_reached && c->address_next < c->address_count)
		attempt(c);
	else
		fail_connecting(c);
}

static void watch_conn(struct sqlclient *c, int events)
{
	loop_io_init(&c->io, PQsocket(c->conn), sqlclient_on_ready);
	loop_io_watch(c->loop, &c->io, events);
}

static void on_connected(struct sqlclient *c)
{
	watch_conn(c, 0);
	drop_addresses(c);
	if (PQsetnonblocking(c->conn, 1) != 0) {
		sqlclient_note_problem(c, PQerrorMessage(c->conn));
		fail_connecting(c);
		return;
	}
	sqlclient_send_question(c);
}

void sqlclient_time_out_connecting(struct sqlclient *c)
{
	char text[160];

	snprintf(text, sizeof(text), "could not connect to \"%.80s\", port %d: timed out",
		 c->target->host, c->target->port);
	sqlclient_note_problem(c, text);
	/* An address that does not answer may have a brother that does. */
	if (c->state == SQLCLIENT_CONNECTING && !c->is_reached)
		fail_attempt(c);
	else
		fail_connecting(c);
}

void sqlclient_go_on_connecting(struct sqlclient *c)
{
	loop_io_watch(c->loop, &c->io, 0);
	PostgresPollingStatusType next = PQconnectPoll(c->conn);
	ConnStatusType status = PQstatus(c->conn);

	if (status != CONNECTION_STARTED && status != CONNECTION_NEEDED &&
	    status != CONNECTION_BAD && !c->is_reached) {
		c->is_reached =
		    true; /* so the login may have all the time that is left */
		loop_arm(c->loop, &c->limit, c->connect_by_us);
	}
	if (next == PGRES_POLLING_READING) {
		watch_conn(c, LOOP_READ);
	} else if (next == PGRES_POLLING_WRITING) {
		watch_conn(c, LOOP_WRITE);
	} else if (next == PGRES_POLLING_OK) {
		on_connected(c);
	} else {
		sqlclient_note_problem(c, PQerrorMessage(c->conn));
		fail_attempt(c);
	}
}

/* libpq would print them. */
static void ignore_notice(void *arg, const PGresult *result)
{
	(void)arg, (void)result;
}

/* What is left of the time is shared among the addresses that are left. */
static void arm_attempt(struct sqlclient *c, size_t left)
{
	uint64_t now_us = c->loop->now_us;

	if (c->connect_by_us == CLOCK_NEVER)
		return;
	loop_arm(c->loop, &c->limit,
		 now_us + clock_since(c->connect_by_us, now_us) / left);
}

static void attempt(struct sqlclient *c)
{
	char ip[ADDRESS_TEXT_LEN] = "";
	size_t left = c->address_count - c->address_next;

	if (left > 0)
		address_print(&c->addresses[c->address_next++], ip);
	arm_attempt(c, left > 0 ? left : 1);
	c->is_reached = false;
	c->conn = start_conn(c->target, ip);
	if (!c->conn || PQstatus(c->conn) == CONNECTION_BAD) {
		sqlclient_note_problem(c, c->conn ? PQerrorMessage(c->conn)
						  : "out of memory");
		fail_attempt(c);
		return;
	}
	PQsetNoticeReceiver(c->conn, ignore_notice, NULL);
	watch_conn(c, LOOP_WRITE);
}

/* ---- the start ---- */

static bool is_unix(const struct sqlclient_target *t)
{
	return t->host[0] == '/' || t->host[0] == '@';
}

static void on_resolved(struct resolver_query *query, const struct address *addresses,
			size_t count, const char *problem)
{
	struct sqlclient *c =
	    (struct sqlclient *)(void *)((char *)query -
					 offsetof(struct sqlclient, resolving));

	if (count == 0) {
		sqlclient_note_problem(c, problem);
		fail_connecting(c);
		return;
	}
	c->addresses = calloc(count, sizeof(*addresses));
	if (!c->addresses) {
		sqlclient_note_problem(c, "out of memory");
		fail_connecting(c);
		return;
	}
	memcpy(c->addresses, addresses, count * sizeof(*addresses));
	c->address_count = count;
	sqlclient_move(c, SQLCLIENT_CONNECTING);
	attempt(c);
}

static void attempt_unix(struct loop_task *task)
{
	struct sqlclient *c =
	    (struct sqlclient *)(void *)((char *)task -
					 offsetof(struct sqlclient, later));

	sqlclient_move(c, SQLCLIENT_CONNECTING);
	attempt(c);
}

void sqlclient_connect(struct sqlclient *c)
{
	c->later.run = attempt_unix;
	c->is_kept = false;
	c->outcome = SQLCLIENT_UNREACHED;
	c->connect_by_us = clock_limit(c->loop->now_us, c->target->connect_timeout_us);
	loop_arm(c->loop, &c->limit, c->connect_by_us);
	sqlclient_move(c, SQLCLIENT_RESOLVING);
	if (is_unix(c->target))
		loop_post(c->loop, &c->later);
	else
		resolver_ask(c->resolver, &c->resolving, c->target->host, on_resolved);
}
