/*
 * What a text of SQL may do beyond its own transaction: hints, not a parser.
 *
 * The protocol's answers are the truth (CommandComplete says what was carried out); a
 * hint only says that it is worth while to ask, or to wait. So a hint too many costs a
 * question to the server, and must never change what a client sees. A hint too few is a
 * leak: comments, quotes, dollar quotes, case and blanks must not hide one of the
 * statements below.
 *
 * An ordinary SELECT or INSERT has no hints, and finding that out must cost next to
 * nothing: the first keyword, and searches for single rare bytes.
 */
#ifndef POOLER_PROTO_SQLSCAN_H
#define POOLER_PROTO_SQLSCAN_H

#include "base/slice.h"

/* clang-format off */
enum sql_hint {
	SQL_SETS = 1 << 0,       /* SET of a parameter of the session: not LOCAL, TRANSACTION,
				    CONSTRAINTS, transaction_isolation and the like */
	SQL_RESETS = 1 << 1,     /* RESET, but not of TRANSACTION ISOLATION LEVEL */
	SQL_CONFIGURES = 1 << 2, /* set_config(), unless its last argument is true; also
				    set_limit() of pg_trgm */
	SQL_DISCARDS = 1 << 3,
	SQL_DEALLOCATES = 1 << 4,
	SQL_PREPARES = 1 << 5,   /* PREPARE, but not PREPARE TRANSACTION */
	SQL_EXECUTES = 1 << 6,   /* EXECUTE as a statement of its own, CREATE TABLE ... AS
				    EXECUTE, EXPLAIN EXECUTE: what was prepared may have
				    any of the hints of functions */
	SQL_TEMPS = 1 << 7,      /* CREATE TEMP, INTO TEMP, CREATE ... pg_temp.name */
	SQL_HOLDS = 1 << 8,      /* DECLARE ... WITH HOLD */
	SQL_LOCKS = 1 << 9,      /* pg_[try_]advisory_lock[_shared](), not the _xact_ ones */
	SQL_UNLOCKS = 1 << 10,   /* pg_advisory_unlock...() */
	SQL_LOADS = 1 << 11,
	SQL_STEPS = 1 << 12,     /* nextval(), setval(), or a statement that may INSERT */
	SQL_CURRENTS = 1 << 13,  /* currval(), lastval() */
	SQL_LISTENS = 1 << 14,
	SQL_UNLISTENS = 1 << 15,
	SQL_DROPS = 1 << 16,     /* DROP, CLOSE: may end a state of the session */
	SQL_RUNS_CODE = 1 << 17, /* DO, CALL: nobody knows what is in there */
	SQL_READS = 1 << 19,     /* SET LOCAL, or a set_config() that is local, of a
				    parameter that the literals of texts are read by
				    (TimeZone), and that is reported */
	SQL_READS_SILENTLY = 1 << 20, /* the same of one that is not (array_nulls) */
	SQL_NAMES = 1 << 21,     /* SET LOCAL, or set_config() for the transaction, of a
				    parameter of one's own ("my.tenant"): the session
				    knows it from then on */
	SQL_NAMES_ARGUMENT = 1 << 22, /* the same of a name that is not in the text */
	SQL_READS_AGAIN = 1 << 23, /* the same of one that makes PostgreSQL itself read
				      a text again (search_path) */
	SQL_READS_BY_ARGUMENT = 1 << 24, /* set_config($1, ..., true) */
	SQL_MAKES = 1 << 25,     /* CREATE, SELECT INTO: its tag may be that of a SELECT */
	SQL_IS_MANY = 1 << 18,   /* more than one statement: see sqlscan_next() */
};
/* clang-format on */

/* All that stands behind "ordinary" texts; INSERT is too common to count as a hint. Only
 * these hints may come from what stands in strings and comments. */
enum { SQL_COMMON = SQL_STEPS };

/* All by which literals are read otherwise until the transaction ends. */
enum { SQL_READS_ANYHOW = SQL_READS | SQL_READS_SILENTLY | SQL_READS_AGAIN };

/* Whether what a text means may hang on when it is parsed: 'now', 'today' and the like
 * are then made into values. True too often rather than too seldom. */
bool sqlscan_reads_clock(struct slice text);

/* The hints of all statements of a text. Of a text that is not all here it is those of
 * as much as is: the caller then adds SQL_RUNS_CODE for what it cannot see. */
uint32_t sqlscan(struct slice text);

struct sql_statement {
	uint32_t hints;    /* of this statement alone, without SQL_IS_MANY */
	struct slice name; /* as it is written, quotes and all: the parameter of SET and
			      RESET (ALL too; of SET TIME ZONE, SESSION AUTHORIZATION
			      and the other special forms these words), the statement of
			      PREPARE, EXECUTE and DEALLOCATE (ALL too), what DISCARD
			      discards, the channel of LISTEN and UNLISTEN (or *); empty
			      where there is none, or where it may be read in two ways */
	bool is_doubtful;  /* nobody but the server knows how a string in it ends: the
			      hints are of all the rest, the name that of its SET */
};

/* The statement in front of *rest, which then stands behind it; false at the end. Where
 * nobody but the server knows how a string ends, all the rest is one statement. */
bool sqlscan_next(struct slice *rest, struct sql_statement *out);

/* Whether a name, as it is written, is the keyword. */
bool sqlscan_is(struct slice written, const char *keyword);

/* The names of the run-time parameters that SET or RESET of this (written) name changes,
 * one after the other by `i` from 0; NULL behind the last. For most that is the name
 * itself: then out is filled with it as PostgreSQL sees it (folded, unquoted; parts
 * around dots kept) and returned. "session characteristics as transaction" gives
 * default_transaction_isolation, _read_only and _deferrable; "time zone" TimeZone, and so
 * on. NULL also for a name too long for out, for none and for ALL: nobody knows which. */
enum { SQL_NAME_LEN = 130 };
const char *sqlscan_parameter(struct slice written, unsigned i, char out[SQL_NAME_LEN]);

/* The name that PostgreSQL understands by a written identifier: folded to lower case
 * (ASCII letters) unless quoted, cut at 63 bytes. Its length, or 0 where it is none. */
size_t sqlscan_identifier(struct slice written, char out[64]);

#endif
