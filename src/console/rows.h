/*
 * A result set: its columns, and rows written one after the other, as text or binary.
 */
#ifndef POOLER_CONSOLE_ROWS_H
#define POOLER_CONSOLE_ROWS_H

#include "base/slice.h"

struct writer;

enum column_type {
	COLUMN_TEXT,    /* text */
	COLUMN_INT4,    /* numbers beyond its range are shown as its ends */
	COLUMN_INT8,    /* bigint */
	COLUMN_NUMERIC, /* whole numbers of 64 bits */
};

struct column {
	const char *name;
	enum column_type type;
};

enum { ROWS_COLUMNS_MAX = 64 };

/* Zero columns are no result set at all. */
struct rows {
	const struct column *columns;
	size_t count;
	uint64_t binary; /* a bit per column: it was asked for in binary */
};

/* RowDescription, or NoData when there are no columns. */
void rows_describe(const struct rows *rows, struct writer *w);

/* One row on its way. Every column is written once, in order. */
struct row {
	const struct rows *rows;
	struct writer *w;
	size_t next;
	size_t written; /* rows ended so far */
};

struct row row_of(const struct rows *rows, struct writer *w);

void row_begin(struct row *row);
void row_text(struct row *row, const char *text); /* NULL gives null */
/* What is not UTF-8 in it is shown as question marks. */
void row_slice(struct row *row, struct slice text);
void row_null(struct row *row);
void row_int(struct row *row, int64_t value);
void row_count(struct row *row, uint64_t value);
/* The same for a column of text: 0x and hexadecimal digits; 0 gives an empty text. */
void row_pointer(struct row *row, uint64_t id);
void row_end(struct row *row);

#endif
