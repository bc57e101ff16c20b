/*
 * The run-time parameters that say what a text of SQL means: PostgreSQL reads literals
 * and names by them when it parses a text, and works out what it takes for immutable (the
 * outputs of bytea, floats and intervals, quote_ident()) when it plans it.
 */
#ifndef POOLER_PROTO_MEANING_H
#define POOLER_PROTO_MEANING_H

#include "base/slice.h"

/* By number, from 0; those of the session's parameters that tell statements apart. */
enum { MEANING_COUNT = 17 };
const char *meaning_parameter(unsigned i);

/* What a value for a transaction does to texts that are prepared in it, or are used:
 * SQL_READS, SQL_READS_SILENTLY or SQL_READS_AGAIN of enum sql_hint; 0 for a parameter
 * that has no part in it. In whatever case. */
uint32_t meaning_hint(struct slice name);

#endif
