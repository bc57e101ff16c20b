#include "wire.h"

#include <arpa/inet.h>
#include <err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { STATEMENT_NAME_CAP = 32 };

void bytes_fini(struct bytes *b)
{
	free(b->data);
	*b = (struct bytes){0};
}

size_t bytes_len(const struct bytes *b)
{
	return b->end - b->start;
}

uint8_t *bytes_room(struct bytes *b, size_t len)
{
	if (b->end + len > b->cap && b->start > 0) {
		memmove(b->data, b->data + b->start, bytes_len(b));
		b->end -= b->start;
		b->start = 0;
	}
	if (b->end + len > b->cap) {
		size_t cap = b->cap ? b->cap * 2 : 256;
		while (cap < b->end + len)
			cap *= 2;
		b->data = realloc(b->data, cap);
		if (!b->data)
			err(1, "cannot get %zu bytes", cap);
		b->cap = cap;
	}
	return b->data + b->end;
}

void bytes_add(struct bytes *b, const void *data, size_t len)
{
	if (len == 0)
		return;
	memcpy(bytes_room(b, len), data, len);
	b->end += len;
}

void bytes_consume(struct bytes *b, size_t len)
{
	b->start += len;
	if (b->start == b->end)
		b->start = b->end = 0;
}

uint32_t wire_u32(const uint8_t *at)
{
	uint32_t value;
	memcpy(&value, at, sizeof(value));
	return ntohl(value);
}

void wire_put_u16(struct bytes *b, uint16_t value)
{
	value = htons(value);
	bytes_add(b, &value, sizeof(value));
}

void wire_put_u32(struct bytes *b, uint32_t value)
{
	value = htonl(value);
	bytes_add(b, &value, sizeof(value));
}

void wire_put_text(struct bytes *b, const char *text)
{
	bytes_add(b, text, strlen(text) + 1);
}

size_t wire_begin(struct bytes *b, char letter)
{
	if (letter)
		bytes_add(b, &letter, 1);
	/* Relative to start: making room may move everything. */
	size_t begun = bytes_len(b);
	wire_put_u32(b, 0);
	return begun;
}

void wire_end(struct bytes *b, size_t begun)
{
	uint32_t len = htonl((uint32_t)(bytes_len(b) - begun));
	memcpy(b->data + b->start + begun, &len, sizeof(len));
}

void wire_startup(struct bytes *b, const char *user, const char *database)
{
	size_t begun = wire_begin(b, 0);
	wire_put_u32(b, WIRE_PROTOCOL_3_0);
	wire_put_text(b, "user");
	wire_put_text(b, user);
	wire_put_text(b, "database");
	wire_put_text(b, database);
	wire_put_text(b, "");
	wire_end(b, begun);
}

void wire_simple(struct bytes *b, const char *sql)
{
	size_t begun = wire_begin(b, 'Q');
	wire_put_text(b, sql);
	wire_end(b, begun);
}

static void put_parse(struct bytes *b, const char *name, const char *sql)
{
	size_t begun = wire_begin(b, 'P');
	wire_put_text(b, name);
	wire_put_text(b, sql);
	wire_put_u16(b, 0);
	wire_end(b, begun);
}

/* Bind, Describe, Execute, Sync. */
static void put_execute(struct bytes *b, const char *name)
{
	size_t begun = wire_begin(b, 'B');
	wire_put_text(b, "");
	wire_put_text(b, name);
	wire_put_u16(b, 0);
	wire_put_u16(b, 0);
	wire_put_u16(b, 0);
	wire_end(b, begun);

	begun = wire_begin(b, 'D');
	bytes_add(b, "P", 1);
	wire_put_text(b, "");
	wire_end(b, begun);

	begun = wire_begin(b, 'E');
	wire_put_text(b, "");
	wire_put_u32(b, 0);
	wire_end(b, begun);

	wire_end(b, wire_begin(b, 'S'));
}

void wire_extended(struct bytes *b, const char *sql)
{
	put_parse(b, "", sql);
	put_execute(b, "");
}

void wire_prepare(struct bytes *b, const char *const sql[], unsigned count)
{
	char name[STATEMENT_NAME_CAP];
	for (unsigned i = 0; i < count; i++) {
		snprintf(name, sizeof(name), "statement_%u", i);
		put_parse(b, name, sql[i]);
	}
	wire_end(b, wire_begin(b, 'S'));
}

void wire_execute(struct bytes *b, unsigned number)
{
	char name[STATEMENT_NAME_CAP];
	snprintf(name, sizeof(name), "statement_%u", number);
	put_execute(b, name);
}

void wire_terminate(struct bytes *b)
{
	wire_end(b, wire_begin(b, 'X'));
}

static bool scanner_head(struct scanner *s, const uint8_t **at, size_t *len)
{
	size_t missing = WIRE_HEADER_LEN - s->head_len;
	size_t taken = *len < missing ? *len : missing;
	memcpy(s->head + s->head_len, *at, taken);
	s->head_len += taken;
	*at += taken;
	*len -= taken;
	return s->head_len == WIRE_HEADER_LEN;
}

static void scanner_body(struct scanner *s, const uint8_t **at, size_t *len)
{
	size_t taken = *len < s->left ? *len : s->left;
	size_t room = SCANNER_KEPT_LEN - s->kept_len;
	size_t kept = taken < room ? taken : room;
	memcpy(s->kept + s->kept_len, *at, kept);
	s->kept_len += kept;
	s->left -= taken;
	*at += taken;
	*len -= taken;
}

enum scanned scanner_next(struct scanner *s, const uint8_t **at, size_t *len)
{
	/* A whole message ends the one before it: its header is still here. */
	if (s->head_len == WIRE_HEADER_LEN && s->left == 0)
		s->head_len = 0;
	if (s->head_len < WIRE_HEADER_LEN) {
		if (!scanner_head(s, at, len))
			return SCANNED_MORE;
		uint32_t total = wire_u32(s->head + 1);
		if (total < 4)
			return SCANNED_BAD;
		s->left = total - 4;
		s->kept_len = 0;
		if (s->left == 0)
			return SCANNED_MESSAGE;
	}
	scanner_body(s, at, len);
	return s->left == 0 ? SCANNED_MESSAGE : SCANNED_MORE;
}

void scanner_sqlstate(const struct scanner *s, char out[6])
{
	size_t at = 0;
	memcpy(out, "?????", 6);
	while (at < s->kept_len && s->kept[at] != 0) {
		const uint8_t *end = memchr(s->kept + at, 0, s->kept_len - at);
		if (!end)
			return;
		size_t field_len = (size_t)(end - (s->kept + at));
		if (s->kept[at] == 'C' && field_len == 6) {
			memcpy(out, s->kept + at + 1, 5);
			return;
		}
		at += field_len + 1;
	}
}
