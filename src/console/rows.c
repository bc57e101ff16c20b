/*
 * RowDescription and DataRow ("Message Formats"); numeric in binary is base 10000
 * (PostgreSQL's numeric_send).
 */
#include "console/rows.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/check.h"
#include "proto/writer.h"

static const struct {
	uint32_t oid;
	int16_t len;
} types[] = {
    [COLUMN_TEXT] = {25, -1},
    [COLUMN_INT4] = {23, 4},
    [COLUMN_INT8] = {20, 8},
    [COLUMN_NUMERIC] = {1700, -1},
};

static bool is_binary(const struct rows *rows, size_t column)
{
	return rows->binary >> column & 1;
}

void rows_describe(const struct rows *rows, struct writer *w)
{
	if (rows->count == 0) {
		writer_empty(w, 'n');
		return;
	}
	CHECK(rows->count <= ROWS_COLUMNS_MAX);
	writer_begin(w, 'T');
	writer_u16(w, (uint16_t)rows->count);
	for (size_t i = 0; i < rows->count; i++) {
		writer_text(w, rows->columns[i].name);
		writer_u32(w, 0); /* of no table */
		writer_u16(w, 0);
		writer_u32(w, types[rows->columns[i].type].oid);
		writer_u16(w, (uint16_t)types[rows->columns[i].type].len);
		writer_u32(w, UINT32_MAX); /* no modifier */
		writer_u16(w, is_binary(rows, i));
	}
	writer_end(w);
}

struct row row_of(const struct rows *rows, struct writer *w)
{
	return (struct row){.rows = rows, .w = w};
}

void row_begin(struct row *row)
{
	row->next = 0;
	writer_begin(row->w, 'D');
	writer_u16(row->w, (uint16_t)row->rows->count);
}

void row_end(struct row *row)
{
	CHECK(row->next == row->rows->count);
	row->written++;
	writer_end(row->w);
}

static enum column_type next_column(struct row *row, bool *out_binary)
{
	CHECK(row->next < row->rows->count);
	*out_binary = is_binary(row->rows, row->next);
	return row->rows->columns[row->next++].type;
}

static void write_value(struct row *row, struct slice value)
{
	writer_u32(row->w, (uint32_t)value.len);
	writer_bytes(row->w, value);
}

void row_null(struct row *row)
{
	bool binary;

	next_column(row, &binary);
	writer_u32(row->w, UINT32_MAX);
}

static bool continues(struct slice text, size_t count)
{
	for (size_t i = 1; i < count; i++)
		if (i >= text.len || (text.data[i] & 0xc0) != 0x80)
			return false;
	return true;
}

/* Length of the character in front; 0 when it is not UTF-8 (RFC 3629). */
static size_t character_len(struct slice text)
{
	uint8_t first = text.data[0], second = text.len > 1 ? text.data[1] : 0;

	if (first < 0x80)
		return 1;
	if (first >= 0xc2 && first <= 0xdf)
		return continues(text, 2) ? 2 : 0;
	if (first >= 0xe0 && first <= 0xef) {
		bool is_out =
		    (first == 0xe0 && second < 0xa0) || (first == 0xed && second > 0x9f);
		return !is_out && continues(text, 3) ? 3 : 0;
	}
	if (first >= 0xf0 && first <= 0xf4) {
		bool is_out =
		    (first == 0xf0 && second < 0x90) || (first == 0xf4 && second > 0x8f);
		return !is_out && continues(text, 4) ? 4 : 0;
	}
	return 0;
}

/* Names are whatever bytes a client chose, but the console promises UTF-8, and a driver
 * that is told otherwise fails on the whole table. */
void row_slice(struct row *row, struct slice text)
{
	bool binary;

	CHECK(next_column(row, &binary) == COLUMN_TEXT);
	writer_u32(row->w, (uint32_t)text.len);
	while (text.len > 0) {
		size_t len = character_len(text);
		if (len > 0)
			writer_bytes(row->w, slice_first(text, len));
		else
			writer_u8(row->w, '?');
		text = slice_after(text, len > 0 ? len : 1);
	}
}

void row_text(struct row *row, const char *text)
{
	if (text)
		row_slice(row, slice_of_text(text));
	else
		row_null(row);
}

void row_pointer(struct row *row, uint64_t id)
{
	char text[32] = "";

	if (id != 0)
		snprintf(text, sizeof(text), "0x%" PRIx64, id);
	row_text(row, text);
}

/* ---- numbers ---- */

/* A number with its sign apart, so that all of uint64_t fits. */
struct number {
	uint64_t size;
	bool is_negative;
};

static void write_as_text(struct row *row, struct number n)
{
	char text[32];
	int len =
	    snprintf(text, sizeof(text), "%s%" PRIu64, n.is_negative ? "-" : "", n.size);

	write_value(row, slice_of(text, (size_t)len));
}

static void write_as_numeric(struct row *row, struct number n)
{
	uint16_t digits[5]; /* of base 10000, the lowest first */
	uint16_t count = 0;

	for (; n.size > 0; n.size /= 10000)
		digits[count++] = (uint16_t)(n.size % 10000);
	writer_u32(row->w, 8 + 2u * count);
	writer_u16(row->w, count);
	writer_u16(row->w, count > 0 ? (uint16_t)(count - 1) : 0); /* weight */
	writer_u16(row->w, n.is_negative ? 0x4000 : 0);
	writer_u16(row->w, 0); /* no decimals */
	while (count > 0)
		writer_u16(row->w, digits[--count]);
}

static void write_as_binary(struct row *row, enum column_type type, struct number n)
{
	uint64_t value = n.is_negative ? 0 - n.size : n.size;

	switch (type) {
	case COLUMN_NUMERIC:
		write_as_numeric(row, n);
		return;
	case COLUMN_INT8:
		writer_u32(row->w, 8);
		writer_u32(row->w, (uint32_t)(value >> 32));
		writer_u32(row->w, (uint32_t)value);
		return;
	case COLUMN_INT4:
		writer_u32(row->w, 4);
		writer_u32(row->w, (uint32_t)value);
		return;
	case COLUMN_TEXT:
		break;
	}
	CHECK(type != COLUMN_TEXT);
}

static uint64_t most_of(enum column_type type)
{
	switch (type) {
	case COLUMN_INT4:
		return INT32_MAX;
	case COLUMN_INT8:
		return INT64_MAX;
	case COLUMN_NUMERIC:
	case COLUMN_TEXT:
		break;
	}
	return UINT64_MAX;
}

static void write_number(struct row *row, struct number n)
{
	bool binary;
	enum column_type type = next_column(row, &binary);

	CHECK(type != COLUMN_TEXT);
	if (n.size > most_of(type))
		n.size = most_of(type);
	if (binary)
		write_as_binary(row, type, n);
	else
		write_as_text(row, n);
}

void row_count(struct row *row, uint64_t value)
{
	write_number(row, (struct number){.size = value});
}

void row_int(struct row *row, int64_t value)
{
	uint64_t size = value < 0 ? 0 - (uint64_t)value : (uint64_t)value;

	write_number(row, (struct number){.size = size, .is_negative = value < 0});
}
