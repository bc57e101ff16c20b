/*
 * Answers with rows, built once per shape and then only sent: RowDescription, the rows
 * and CommandComplete in one piece of memory.
 */
#ifndef BENCH_ANSWER_H
#define BENCH_ANSWER_H

#include <stddef.h>

#include "wire.h"

struct answer {
	struct answer *next;
	size_t rows, row_bytes;
	size_t description_len; /* the rows begin here */
	size_t rows_end;        /* CommandComplete begins here */
	struct bytes text;
};

/* All shapes asked for so far. Zero is a valid empty object. */
struct answers {
	struct answer *first;
};

void answers_fini(struct answers *all);
const struct answer *answers_find(struct answers *all, size_t rows, size_t row_bytes);

#endif
