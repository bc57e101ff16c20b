/*
 * libpq driven by our loop: the question and its answer. How a connection comes about is
 * in net/sqlclient_connect.
 */
#include "net/sqlclient.h"

#include <libpq-fe.h>
#include <stdio.h>

#include "base/check.h"
#include "base/clock.h"
#include "base/crypto.h"
#include "base/text.h"
#include "net/sqlclient_parts.h"

/* ---- states ---- */

#define TO(state) (1u << SQLCLIENT_##state)

static const unsigned may_become[] = {
    [SQLCLIENT_CLOSED] = TO(RESOLVING),
    [SQLCLIENT_RESOLVING] = TO(CONNECTING) | TO(CLOSED),
    [SQLCLIENT_CONNECTING] = TO(ASKING) | TO(CLOSED),
    [SQLCLIENT_ASKING] = TO(IDLE) | TO(CLOSED),
    [SQLCLIENT_IDLE] = TO(ASKING) | TO(CLOSED),
};

void sqlclient_move(struct sqlclient *c, enum sqlclient_state next)
{
	CHECK(may_become[c->state] & (1u << next));
	c->state = next;
}

/* ---- problems ---- */

/* What libpq says ends in a line feed and may have several lines. */
void sqlclient_note_problem(struct sqlclient *c, const char *text)
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
		sqlclient_note_problem(c, PQresultErrorMessage(result));
		return;
	}
	snprintf(both, sizeof(both), "%s (%s)", text,
		 sqlstate ? sqlstate : "no SQLSTATE");
	sqlclient_note_problem(c, both);
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

static void disconnect(struct sqlclient *c)
{
	sqlclient_hang_up(c);
	drop_row(c->row);
	c->row = NULL;
	if (c->state != SQLCLIENT_CLOSED)
		sqlclient_move(c, SQLCLIENT_CLOSED);
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

/* The connection is gone, or not fit for more, before the answer was whole. */
static void lose(struct sqlclient *c, const char *problem)
{
	if (!has_problem(c->outcome))
		sqlclient_note_problem(c, problem);
	disconnect(c);
	if (c->is_kept) {
		sqlclient_connect(c);
		return;
	}
	c->outcome = SQLCLIENT_LOST;
	answer(c);
}

void sqlclient_give_up(struct sqlclient *c)
{
	disconnect(c);
	answer(c);
}

static void note_misshapen(struct sqlclient *c, const char *problem)
{
	c->outcome = SQLCLIENT_MISSHAPEN;
	sqlclient_note_problem(c, problem);
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
		sqlclient_move(c, SQLCLIENT_IDLE);
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
			sqlclient_give_up(c);
			return;
		}
	}
	loop_io_watch(c->loop, &c->io, LOOP_READ | (unsent ? LOOP_WRITE : 0));
}

void sqlclient_send_question(struct sqlclient *c)
{
	const char *const values[] = {c->question.parameter};
	uint64_t limit_us = c->target->query_timeout_us;
	int unsent;

	sqlclient_move(c, SQLCLIENT_ASKING);
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

/* ---- events ---- */

void sqlclient_on_ready(struct loop *loop, struct loop_io *io, int events)
{
	struct sqlclient *c =
	    (struct sqlclient *)(void *)((char *)io - offsetof(struct sqlclient, io));

	(void)loop, (void)events;
	switch (c->state) {
	case SQLCLIENT_CONNECTING:
		sqlclient_go_on_connecting(c);
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

static void on_limit(struct deadline *due, uint64_t now_us)
{
	struct sqlclient *c =
	    (struct sqlclient *)(void *)((char *)due - offsetof(struct sqlclient, limit));

	(void)now_us;
	if (c->state == SQLCLIENT_ASKING) {
		c->is_kept = false; /* it may be slow elsewhere, too */
		c->outcome = SQLCLIENT_LOST;
		sqlclient_note_problem(c, "the query took too long");
		sqlclient_give_up(c);
		return;
	}
	sqlclient_time_out_connecting(c);
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
	loop_io_init(&c->io, -1, sqlclient_on_ready);
	c->limit.on_due = on_limit;
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
		sqlclient_send_question(c);
	} else {
		sqlclient_connect(c);
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
