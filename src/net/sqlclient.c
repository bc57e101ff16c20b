/*
 * libpq driven by our loop.
 *
 * While connecting, libpq may close its socket and open another, perhaps with the same
 * number, so the watcher is taken off before each PQconnectPoll() and made anew after it.
 * Nothing here waits: PQfinish() sends its Terminate only as far as the socket takes it,
 * and GSS, which could ask a key server, is not used.
 */
#include "net/sqlclient.h"

#include <libpq-fe.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/check.h"
#include "base/clock.h"
#include "base/crypto.h"
#include "base/text.h"

/* ---- states ---- */

#define TO(state) (1u << SQLCLIENT_##state)

static const unsigned may_become[] = {
    [SQLCLIENT_CLOSED] = TO(RESOLVING),
    [SQLCLIENT_RESOLVING] = TO(CONNECTING) | TO(CLOSED),
    [SQLCLIENT_CONNECTING] = TO(ASKING) | TO(CLOSED),
    [SQLCLIENT_ASKING] = TO(IDLE) | TO(CLOSED),
    [SQLCLIENT_IDLE] = TO(ASKING) | TO(CLOSED),
};

static void move(struct sqlclient *c, enum sqlclient_state next)
{
	CHECK(may_become[c->state] & (1u << next));
	c->state = next;
}

/* ---- problems ---- */

/* What libpq says ends in a line feed and may have several lines. */
static void note_problem(struct sqlclient *c, const char *text)
{
	char line[SQLCLIENT_PROBLEM_LEN];
	size_t len = 0;

	for (const char *at = text; *at && len + 3 < sizeof(line); at++) {
		if (*at != '\n' && *at != '\t')
			line[len++] = *at;
		else if (*at == '\t')
			line[len++] = ' ';
		else if (at[1]) {
			line[len++] = ';';
			line[len++] = ' ';
		}
	}
	text_escape(c->problem, sizeof(c->problem), slice_of(line, len));
}

static void note_result(struct sqlclient *c, const PGresult *result)
{
	const char *sqlstate = PQresultErrorField(result, PG_DIAG_SQLSTATE);
	const char *text = PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY);
	char both[SQLCLIENT_PROBLEM_LEN];

	if (!text) {
		note_problem(c, PQresultErrorMessage(result));
		return;
	}
	snprintf(both, sizeof(both), "%s (%s)", text,
		 sqlstate ? sqlstate : "no SQLSTATE");
	note_problem(c, both);
}

/* ---- the end ---- */

/* libpq hands out the row in memory of its own that it frees without wiping. */
static void drop_row(PGresult *row)
{
	for (int i = 0; row && i < PQnfields(row); i++) {
		int len = PQgetlength(row, 0, i);

		if (len > 0)
			crypto_wipe(PQgetvalue(row, 0, i), (size_t)len);
	}
	PQclear(row);
}

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

static void disconnect(struct sqlclient *c)
{
	resolver_forget(&c->resolving);
	loop_unpost(c->loop, &c->later);
	loop_arm(c->loop, &c->limit, CLOCK_NEVER);
	finish_conn(c);
	drop_addresses(c);
	drop_row(c->row);
	c->row = NULL;
	if (c->state != SQLCLIENT_CLOSED)
		move(c, SQLCLIENT_CLOSED);
}

static bool has_problem(enum sqlclient_outcome outcome)
{
	return outcome != SQLCLIENT_ROW && outcome != SQLCLIENT_NO_ROW;
}

/* The client may be freed, closed or asked again in on_answer, so nothing of it is used
 * behind it. */
static void answer(struct sqlclient *c)
{
	struct sqlclient_answer a = {.outcome = c->outcome};
	sqlclient_fn on_answer = c->on_answer;
	char problem[sizeof(c->problem)];
	PGresult *row = c->row;

	c->row = NULL;
	c->on_answer = NULL;
	if (has_problem(a.outcome)) {
		memcpy(problem, c->problem, sizeof(problem));
		a.problem = problem;
	}
	for (int i = 0; a.outcome == SQLCLIENT_ROW && i < c->question.columns; i++)
		a.fields[i] = (struct sqlclient_field){
		    .is_null = PQgetisnull(row, 0, i),
		    .text =
			slice_of(PQgetvalue(row, 0, i), (size_t)PQgetlength(row, 0, i)),
		};
	on_answer(c, &a);
	drop_row(row);
}

/* ---- asking ---- */

static void start_connecting(struct sqlclient *c);

/* The connection is gone, or not fit for more, before the answer was whole. */
static void lose(struct sqlclient *c, const char *problem)
{
	if (!has_problem(c->outcome))
		note_problem(c, problem);
	disconnect(c);
	if (c->is_kept) {
		start_connecting(c);
		return;
	}
	c->outcome = SQLCLIENT_LOST;
	answer(c);
}

static void give_up(struct sqlclient *c)
{
	disconnect(c);
	answer(c);
}

static void note_misshapen(struct sqlclient *c, const char *problem)
{
	c->outcome = SQLCLIENT_MISSHAPEN;
	note_problem(c, problem);
}

static void note_columns(struct sqlclient *c, int count)
{
	char text[96];

	if (count == c->question.columns)
		return;
	snprintf(text, sizeof(text), "the query returned %d column%s instead of %d",
		 count, count == 1 ? "" : "s", c->question.columns);
	note_misshapen(c, text);
}

/* False when there is no point in reading on: there may be any number of rows. */
static bool take_row(struct sqlclient *c, PGresult *result)
{
	if (c->row) {
		note_misshapen(c, "the query returned more than one row");
		drop_row(result);
		return false;
	}
	c->row = result;
	c->outcome = SQLCLIENT_ROW;
	note_columns(c, PQnfields(result));
	return true;
}

/* False when the connection is of no use any more (COPY would want to be answered). */
static bool take_result(struct sqlclient *c, PGresult *result)
{
	ExecStatusType status = PQresultStatus(result);
	bool is_fine = true;

	if (status == PGRES_SINGLE_TUPLE)
		return take_row(c, result);
	if (status == PGRES_TUPLES_OK) {
		if (!c->row)
			note_columns(c, PQnfields(result));
	} else if (status == PGRES_COMMAND_OK || status == PGRES_EMPTY_QUERY) {
		note_columns(c, 0);
	} else if (status == PGRES_FATAL_ERROR) {
		c->outcome = SQLCLIENT_REFUSED;
		note_result(c, result);
	} else {
		note_misshapen(c, "the query is no query");
		is_fine = false;
	}
	PQclear(result);
	return is_fine;
}

static void finish_answer(struct sqlclient *c)
{
	if (PQstatus(c->conn) != CONNECTION_OK) {
		lose(c, PQerrorMessage(c->conn));
		return;
	}
	if (PQtransactionStatus(c->conn) != PQTRANS_IDLE) {
		PGresult *row = c->row; /* disconnect() would drop it */

		c->row = NULL;
		disconnect(c);
		c->row = row;
	} else {
		loop_arm(c->loop, &c->limit, CLOCK_NEVER);
		loop_io_watch(c->loop, &c->io, LOOP_READ);
		move(c, SQLCLIENT_IDLE);
	}
	answer(c);
}

static void read_answer(struct sqlclient *c)
{
	int unsent;

	if (!PQconsumeInput(c->conn) || (unsent = PQflush(c->conn)) < 0) {
		lose(c, PQerrorMessage(c->conn));
		return;
	}
	while (!PQisBusy(c->conn)) {
		PGresult *result = PQgetResult(c->conn);

		if (!result) {
			finish_answer(c);
			return;
		}
		if (!take_result(c, result)) {
			give_up(c);
			return;
		}
	}
	loop_io_watch(c->loop, &c->io, LOOP_READ | (unsent ? LOOP_WRITE : 0));
}

static void send_question(struct sqlclient *c)
{
	const char *const values[] = {c->question.parameter};
	uint64_t limit_us = c->target->query_timeout_us;
	int unsent;

	move(c, SQLCLIENT_ASKING);
	c->outcome = SQLCLIENT_NO_ROW;
	loop_arm(c->loop, &c->limit, clock_limit(c->loop->now_us, limit_us));
	if (!PQsendQueryParams(c->conn, c->question.query, 1, NULL, values, NULL, NULL,
			       0) ||
	    !PQsetSingleRowMode(c->conn) || (unsent = PQflush(c->conn)) < 0) {
		lose(c, PQerrorMessage(c->conn));
		return;
	}
	loop_io_watch(c->loop, &c->io, LOOP_READ | (unsent ? LOOP_WRITE : 0));
}

/* ---- idle ---- */

/* The server has said something unasked, or has closed. */
static void look_at_idle(struct sqlclient *c)
{
	if (!PQconsumeInput(c->conn) || PQisBusy(c->conn) ||
	    PQstatus(c->conn) != CONNECTION_OK)
		disconnect(c);
}

/* ---- connecting ---- */

static void attempt(struct sqlclient *c);

static void fail_connecting(struct sqlclient *c)
{
	c->outcome = SQLCLIENT_UNREACHED;
	give_up(c);
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

static void on_ready(struct loop *loop, struct loop_io *io, int events);

static void watch_conn(struct sqlclient *c, int events)
{
	loop_io_init(&c->io, PQsocket(c->conn), on_ready);
	loop_io_watch(c->loop, &c->io, events);
}

static void on_connected(struct sqlclient *c)
{
	watch_conn(c, 0);
	drop_addresses(c);
	if (PQsetnonblocking(c->conn, 1) != 0) {
		note_problem(c, PQerrorMessage(c->conn));
		fail_connecting(c);
		return;
	}
	send_question(c);
}

static void poll_connecting(struct sqlclient *c)
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
		note_problem(c, PQerrorMessage(c->conn));
		fail_attempt(c);
	}
}

static void on_ready(struct loop *loop, struct loop_io *io, int events)
{
	struct sqlclient *c =
	    (struct sqlclient *)(void *)((char *)io - offsetof(struct sqlclient, io));

	(void)loop, (void)events;
	switch (c->state) {
	case SQLCLIENT_CONNECTING:
		poll_connecting(c);
		break;
	case SQLCLIENT_ASKING:
		read_answer(c);
		break;
	case SQLCLIENT_IDLE:
		look_at_idle(c);
		break;
	case SQLCLIENT_CLOSED:
	case SQLCLIENT_RESOLVING:
		break;
	}
}

/* libpq would print them. */
static void ignore_notice(void *arg, const PGresult *result)
{
	(void)arg, (void)result;
}

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

static bool is_unix(const struct sqlclient_target *t)
{
	return t->host[0] == '/' || t->host[0] == '@';
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
		note_problem(c, c->conn ? PQerrorMessage(c->conn) : "out of memory");
		fail_attempt(c);
		return;
	}
	PQsetNoticeReceiver(c->conn, ignore_notice, NULL);
	watch_conn(c, LOOP_WRITE);
}

static void on_resolved(struct resolver_query *query, const struct address *addresses,
			size_t count, const char *problem)
{
	struct sqlclient *c =
	    (struct sqlclient *)(void *)((char *)query -
					 offsetof(struct sqlclient, resolving));

	if (count == 0) {
		note_problem(c, problem);
		fail_connecting(c);
		return;
	}
	c->addresses = calloc(count, sizeof(*addresses));
	if (!c->addresses) {
		note_problem(c, "out of memory");
		fail_connecting(c);
		return;
	}
	memcpy(c->addresses, addresses, count * sizeof(*addresses));
	c->address_count = count;
	move(c, SQLCLIENT_CONNECTING);
	attempt(c);
}

static void attempt_unix(struct loop_task *task)
{
	struct sqlclient *c =
	    (struct sqlclient *)(void *)((char *)task -
					 offsetof(struct sqlclient, later));

	move(c, SQLCLIENT_CONNECTING);
	attempt(c);
}

static void start_connecting(struct sqlclient *c)
{
	c->is_kept = false;
	c->outcome = SQLCLIENT_UNREACHED;
	c->connect_by_us = clock_limit(c->loop->now_us, c->target->connect_timeout_us);
	loop_arm(c->loop, &c->limit, c->connect_by_us);
	move(c, SQLCLIENT_RESOLVING);
	if (is_unix(c->target))
		loop_post(c->loop, &c->later);
	else
		resolver_ask(c->resolver, &c->resolving, c->target->host, on_resolved);
}

/* ---- time ---- */

static void on_limit(struct deadline *due, uint64_t now_us)
{
	struct sqlclient *c =
	    (struct sqlclient *)(void *)((char *)due - offsetof(struct sqlclient, limit));
	char text[160];

	(void)now_us;
	if (c->state == SQLCLIENT_ASKING) {
		c->is_kept = false; /* it may be slow elsewhere, too */
		c->outcome = SQLCLIENT_LOST;
		note_problem(c, "the query took too long");
		give_up(c);
		return;
	}
	snprintf(text, sizeof(text), "could not connect to \"%.80s\", port %d: timed out",
		 c->target->host, c->target->port);
	note_problem(c, text);
	/* An address that does not answer may have a brother that does. */
	if (c->state == SQLCLIENT_CONNECTING && !c->is_reached)
		fail_attempt(c);
	else
		fail_connecting(c);
}

/* ---- public ---- */

bool sqlclient_init(struct sqlclient *c, struct loop *loop, struct resolver *resolver,
		    const struct sqlclient_target *target)
{
	*c = (struct sqlclient){.loop = loop, .resolver = resolver, .target = target};
	if (!loop_reserve_deadline(loop)) {
		c->loop = NULL;
		return false;
	}
	loop_io_init(&c->io, -1, on_ready);
	c->limit.on_due = on_limit;
	c->later.run = attempt_unix;
	return true;
}

void sqlclient_ask(struct sqlclient *c, const struct sqlclient_question *question,
		   sqlclient_fn on_answer)
{
	CHECK(!c->on_answer);
	CHECK(question->columns >= 1 && question->columns <= SQLCLIENT_COLUMNS_MOST);
	c->question = *question;
	c->on_answer = on_answer;
	if (c->state == SQLCLIENT_IDLE) {
		c->is_kept = true;
		send_question(c);
	} else {
		start_connecting(c);
	}
}

void sqlclient_close(struct sqlclient *c)
{
	if (!c->loop)
		return;
	disconnect(c);
	c->on_answer = NULL;
}

void sqlclient_fini(struct sqlclient *c)
{
	if (!c->loop)
		return;
	sqlclient_close(c);
	loop_release_deadline(c->loop, &c->limit);
	c->loop = NULL;
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
