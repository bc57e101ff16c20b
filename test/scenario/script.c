/*
 * Writing and reading messages in words.
 */
#include "scenario/script.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/check.h"
#include "base/reader.h"
#include "proto/frame.h"
#include "proto/notice.h"
#include "proto/startup.h"
#include "proto/writer.h"

/* ---- writing ---- */

/* "name=value": two texts. */
static void write_pair(struct writer *w, struct slice text)
{
	const uint8_t *equals = memchr(text.data, '=', text.len);
	size_t len = (size_t)(equals - text.data);

	CHECK(equals);
	writer_cstring(w, slice_first(text, len));
	writer_cstring(w, slice_after(text, len + 1));
}

/* "ERROR 22012 division by zero". */
/* "a message@function": which function of the server says so. */
static void write_message(struct writer *w, struct slice text)
{
	const uint8_t *at = text.len > 0 ? memchr(text.data, '@', text.len) : NULL;

	if (!at) {
		writer_cstring(w, text);
		return;
	}
	size_t len = (size_t)(at - text.data);
	writer_cstring(w, slice_first(text, len));
	writer_u8(w, 'R');
	writer_cstring(w, slice_after(text, len + 1));
}

static void write_fields(struct writer *w, struct slice text)
{
	const uint8_t *blank = memchr(text.data, ' ', text.len);
	CHECK(blank);
	size_t len = (size_t)(blank - text.data);
	struct slice severity = slice_first(text, len);
	struct slice rest = slice_after(text, len + 1);

	CHECK(rest.len >= 5);
	writer_u8(w, 'S');
	writer_cstring(w, severity);
	writer_u8(w, 'V');
	writer_cstring(w, severity);
	writer_u8(w, 'C');
	writer_cstring(w, slice_first(rest, 5));
	writer_u8(w, 'M');
	write_message(w, slice_after(rest, rest.len > 6 ? 6 : 5));
	writer_u8(w, 0);
}

/* "name:rest": the name, or an empty one where there is none; *text stands behind it. */
static struct slice take_name(struct slice *text)
{
	const uint8_t *colon = text->len > 0 ? memchr(text->data, ':', text->len) : NULL;
	struct slice name = {0};

	if (!colon)
		return name;
	name = slice_first(*text, (size_t)(colon - text->data));
	*text = slice_after(*text, name.len + 1);
	return name;
}

static void write_client_body(struct writer *w, uint8_t letter, struct slice text)
{
	switch (letter) {
	case 'Q':
		writer_cstring(w, text);
		return;
	case 'f':
		writer_cstring(w, text);
		return;
	case 'P':
		writer_cstring(w, take_name(&text));
		writer_cstring(w, text);
		writer_u16(w, 0);
		return;
	case 'B':
		writer_text(w, "");
		writer_cstring(w, text);
		writer_u16(w, 0);
		writer_u16(w, 0);
		writer_u16(w, 0);
		return;
	case 'C':
	case 'D':
		writer_u8(w, 'S');
		writer_cstring(w, text);
		return;
	case 'E':
		writer_cstring(w, text);
		writer_u32(w, 0);
		return;
	default:
		writer_bytes(w, text); /* d, F; nothing for S, H, c, X */
	}
}

static uint32_t number_of(struct slice text)
{
	return (uint32_t)strtoul((const char *)text.data, NULL, 10);
}

static void write_server_body(struct writer *w, uint8_t letter, struct slice text)
{
	switch (letter) {
	case 'R':
		writer_u32(w, text.len ? number_of(text) : 0);
		return;
	case 'S':
		write_pair(w, text);
		return;
	case 'K':
		writer_u32(w, number_of(text));
		writer_u32(w, number_of(text));
		return;
	case 'Z':
		writer_bytes(w, text);
		return;
	case 'C':
		writer_cstring(w, text);
		return;
	case 'E':
	case 'N':
		write_fields(w, text);
		return;
	case 'A':
		writer_u32(w, 7);
		writer_cstring(w, text);
		writer_text(w, "");
		return;
	case 'T':
	case 't':
		writer_u16(w, 0);
		return;
	case 'G':
	case 'H':
	case 'W':
		writer_u8(w, 0);
		writer_u16(w, 0);
		return;
	default:
		writer_bytes(w, text); /* D, d, V; nothing for most */
	}
}

void script_write(struct buffer *out, enum side from, const char *text)
{
	struct writer w = writer_of(out);

	while (*text) {
		uint8_t letter = (uint8_t)*text++;
		struct slice body = {0};

		if (letter == ' ')
			continue;
		if (*text == '[') {
			const char *end = strchr(text, ']');
			CHECK(end);
			body = slice_of(text + 1, (size_t)(end - text) - 1);
			text = end + 1;
		}
		writer_begin(&w, letter);
		if (from == FROM_CLIENT)
			write_client_body(&w, letter, body);
		else
			write_server_body(&w, letter, body);
		writer_end(&w);
	}
	CHECK(writer_finish(&w));
}

void script_write_startup(struct buffer *out, const char *pairs)
{
	struct writer w = writer_of(out);

	uint32_t version = STARTUP_PROTOCOL_3_0;

	if (strncmp(pairs, "3.", 2) == 0) {
		version |= (uint32_t)strtoul(pairs + 2, NULL, 10);
		pairs += strcspn(pairs, ";") + 1;
	}
	writer_begin(&w, 0);
	writer_u32(&w, version);
	while (*pairs) {
		size_t len = strcspn(pairs, ";");

		write_pair(&w, slice_of(pairs, len));
		pairs += len + (pairs[len] == ';');
	}
	writer_u8(&w, 0);
	writer_end(&w);
	CHECK(writer_finish(&w));
}

/* ---- telling ---- */

struct tale {
	char *at;
	size_t room;
};

__attribute__((format(printf, 2, 3))) static void tell(struct tale *t, const char *format,
						       ...)
{
	va_list args;

	va_start(args, format);
	int len = vsnprintf(t->at, t->room, format, args);
	va_end(args);
	CHECK(len >= 0 && (size_t)len < t->room);
	t->at += len;
	t->room -= (size_t)len;
}

static void tell_text(struct tale *t, struct slice text)
{
	enum { SHOWN_MOST = 200 };

	if (text.len > SHOWN_MOST)
		tell(t, "[%zu bytes]", text.len);
	else if (text.len > 0)
		tell(t, "[%.*s]", (int)text.len, (const char *)text.data);
}

static void tell_fields(struct tale *t, struct slice body)
{
	struct notice_fields f;

	if (!notice_read(body, &f)) {
		tell(t, "[malformed]");
		return;
	}
	tell(t, "[%.*s %.*s]", (int)f.severity.len, (const char *)f.severity.data,
	     (int)f.sqlstate.len, (const char *)f.sqlstate.data);
}

static void tell_pair(struct tale *t, struct reader *r)
{
	struct slice name = reader_cstring(r), value = reader_cstring(r);

	tell(t, "[%.*s=%.*s]", (int)name.len, (const char *)name.data, (int)value.len,
	     (const char *)value.data);
}

static void tell_parse(struct tale *t, struct reader *r)
{
	struct slice name = reader_cstring(r), text = reader_cstring(r);

	if (name.len > 0)
		tell(t, "[%.*s:%.*s]", (int)name.len, (const char *)name.data,
		     (int)text.len, (const char *)text.data);
	else
		tell_text(t, text);
}

static void tell_client_body(struct tale *t, const struct frame *f)
{
	struct reader r = reader_of(f->body);

	switch (f->letter) {
	case 'Q':
	case 'f':
	case 'E':
		tell_text(t, reader_cstring(&r));
		return;
	case 'P':
		tell_parse(t, &r);
		return;
	case 'B':
		reader_cstring(&r);
		tell_text(t, reader_cstring(&r));
		return;
	case 'C':
	case 'D':
		reader_u8(&r);
		tell_text(t, reader_cstring(&r));
		return;
	default:
		tell_text(t, f->body);
	}
}

static void tell_server_body(struct tale *t, const struct frame *f)
{
	struct reader r = reader_of(f->body);

	switch (f->letter) {
	case 'R':
		if (reader_u32(&r) != 0)
			tell(t, "[?]");
		return;
	case 'K':
	case 'T':
	case 't':
	case 'G':
	case 'H':
	case 'W':
		return;
	case 'S':
		tell_pair(t, &r);
		return;
	case 'C':
		tell_text(t, reader_cstring(&r));
		return;
	case 'A':
		reader_u32(&r);
		tell_text(t, reader_cstring(&r));
		return;
	case 'E':
	case 'N':
		tell_fields(t, f->body);
		return;
	default:
		tell_text(t, f->body);
	}
}

char *script_tell(struct slice bytes, enum side from, char out[SCRIPT_TEXT_LEN])
{
	struct tale t = {out, SCRIPT_TEXT_LEN};
	struct frame f;

	out[0] = '\0';
	for (; bytes.len > 0; bytes = slice_after(bytes, f.total_len)) {
		enum frame_result result = frame_peek(bytes, INT32_MAX, &f);
		if (t.at != out)
			tell(&t, " ");
		if (result == FRAME_BAD) {
			tell(&t, "garbage");
			break;
		}
		if (result == FRAME_SHORT || !frame_is_whole(&f)) {
			tell(&t, "+%zu", bytes.len);
			break;
		}
		tell(&t, "%c", f.letter);
		if (from == FROM_CLIENT)
			tell_client_body(&t, &f);
		else
			tell_server_body(&t, &f);
	}
	return out;
}

char *script_tell_startup(struct slice params, char out[SCRIPT_TEXT_LEN])
{
	struct tale t = {out, SCRIPT_TEXT_LEN};
	struct slice name, value;

	out[0] = '\0';
	while (startup_next_param(&params, &name, &value))
		tell(&t, "%s%.*s=%.*s", t.at == out ? "" : ";", (int)name.len,
		     (const char *)name.data, (int)value.len, (const char *)value.data);
	return out;
}
