#include "answer.h"

#include <err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { OID_TEXT = 25 };

static void put_description(struct bytes *b)
{
	size_t begun = wire_begin(b, 'T');
	wire_put_u16(b, 1);
	wire_put_text(b, "column");
	wire_put_u32(b, 0); /* of no table */
	wire_put_u16(b, 0);
	wire_put_u32(b, OID_TEXT);
	wire_put_u16(b, 0xffff); /* of varying size */
	wire_put_u32(b, 0xffffffff);
	wire_put_u16(b, 0); /* as text */
	wire_end(b, begun);
}

static void put_row(struct bytes *b, size_t row_bytes)
{
	size_t begun = wire_begin(b, 'D');
	wire_put_u16(b, 1);
	wire_put_u32(b, (uint32_t)row_bytes);
	memset(bytes_room(b, row_bytes), '1', row_bytes);
	b->end += row_bytes;
	wire_end(b, begun);
}

static struct answer *answer_create(size_t rows, size_t row_bytes)
{
	struct answer *a = calloc(1, sizeof(*a));
	if (!a)
		err(1, "calloc");
	a->rows = rows;
	a->row_bytes = row_bytes;
	put_description(&a->text);
	a->description_len = bytes_len(&a->text);
	for (size_t i = 0; i < rows; i++)
		put_row(&a->text, row_bytes);
	a->rows_end = bytes_len(&a->text);
	char tag[32];
	snprintf(tag, sizeof(tag), "SELECT %zu", rows);
	size_t begun = wire_begin(&a->text, 'C');
	wire_put_text(&a->text, tag);
	wire_end(&a->text, begun);
	return a;
}

const struct answer *answers_find(struct answers *all, size_t rows, size_t row_bytes)
{
	for (struct answer *a = all->first; a; a = a->next) {
		if (a->rows == rows && a->row_bytes == row_bytes)
			return a;
	}
	struct answer *a = answer_create(rows, row_bytes);
	a->next = all->first;
	all->first = a;
	return a;
}

void answers_fini(struct answers *all)
{
	while (all->first) {
		struct answer *a = all->first;
		all->first = a->next;
		bytes_fini(&a->text);
		free(a);
	}
}
