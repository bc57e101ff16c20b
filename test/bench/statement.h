/*
 * What the fake backend makes of a query text: a verb and the shape of its answer. Not a
 * parser: the first word, and `name=number` anywhere behind it.
 */
#ifndef BENCH_STATEMENT_H
#define BENCH_STATEMENT_H

#include <stdbool.h>
#include <stddef.h>

enum verb {
	VERB_EMPTY,
	VERB_ROWS, /* anything else: rows=N of bytes=M each, T times */
	VERB_SET,
	VERB_RESET, /* DISCARD ALL, RESET ALL: the parameters of the login again */
	VERB_BEGIN,
	VERB_COMMIT,
	VERB_ROLLBACK,
	VERB_FAIL,
};

struct statement {
	enum verb verb;
	const char *tag; /* of CommandComplete; rows make their own */
	size_t rows, row_bytes;
	size_t times;              /* that the rows are sent; 1: once */
	unsigned sleep_ms, spread; /* percent by which that may be less or more */
	char name[64], value[64];  /* of SET */
};

/* Cuts the next statement off `*text`. A text without any gives one VERB_EMPTY if
 * `first`. False when nothing is left. */
bool statement_next(const char **text, bool first, struct statement *out);

#endif
