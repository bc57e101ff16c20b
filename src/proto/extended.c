/*
 * Names in Parse, Bind, Describe and Close. What stands behind the names is passed on as
 * it is, and may not even be here yet: only a length in the header knows of it.
 */
#include "proto/extended.h"

#include "base/check.h"
#include "base/reader.h"
#include "proto/writer.h"

static uint8_t *put(uint8_t *at, struct slice bytes)
{
	if (bytes.len > 0)
		memcpy(at, bytes.data, bytes.len);
	return at + bytes.len;
}

static uint8_t *put_cstring(uint8_t *at, struct slice text)
{
	at = put(at, text);
	*at++ = 0;
	return at;
}

/* Fills in target, statement and portal. Not in line with the reading of all fields
 * first: an unknown target says at once that the rest means nothing. */
static bool read_names(struct reader *r, uint8_t letter, struct extended *out)
{
	*out = (struct extended){.target = 'S'};
	if (letter == 'D' || letter == 'C')
		out->target = reader_u8(r);
	if (reader_ok(r) && out->target != 'S' && out->target != 'P')
		return false;
	if (letter == 'B' || out->target == 'P')
		out->portal = reader_cstring(r);
	if (out->target == 'S')
		out->statement = reader_cstring(r);
	return true;
}

enum extended_result extended_read(const struct frame *f, struct extended *out)
{
	struct reader r = reader_of(f->body);
	struct extended e;

	CHECK(f->letter == 'P' || f->letter == 'B' || f->letter == 'D' ||
	      f->letter == 'C');
	if (!read_names(&r, f->letter, &e))
		return EXTENDED_BAD;
	if (!reader_ok(&r))
		return frame_is_whole(f) ? EXTENDED_BAD : EXTENDED_SHORT;
	e.rest = r.rest;
	e.names_len = f->body.len - r.rest.len;
	*out = e;
	return EXTENDED_OK;
}

struct slice extended_text(const struct extended *e)
{
	const uint8_t *end =
	    e->rest.len > 0 ? memchr(e->rest.data, 0, e->rest.len) : NULL;

	return end ? slice_first(e->rest, (size_t)(end - e->rest.data)) : e->rest;
}

bool extended_is_whole_parse(const struct extended *e)
{
	struct reader r = reader_of(e->rest);

	reader_cstring(&r);
	size_t count = reader_u16(&r);
	reader_bytes(&r, count * sizeof(uint32_t));
	return reader_done(&r);
}

/* The names of the message, with the statement's name replaced. */
static uint8_t *put_names(uint8_t *at, uint8_t letter, const struct extended *e,
			  struct slice name)
{
	if (letter == 'D' || letter == 'C')
		*at++ = 'S';
	if (letter == 'B')
		at = put_cstring(at, e->portal);
	return put_cstring(at, name);
}

bool extended_rename(const struct frame *f, const struct extended *e, struct slice name,
		     struct buffer *out, size_t *out_total)
{
	size_t names_len = e->names_len - e->statement.len + name.len;
	size_t total = f->total_len - e->statement.len + name.len;
	uint32_t len = (uint32_t)(total - 1); /* it counts itself but not the letter */

	CHECK(e->target == 'S' && total - 1 <= UINT32_MAX);
	uint8_t *head = buffer_reserve(out, FRAME_HEADER_LEN + names_len);
	if (!head)
		return false;
	head[0] = f->letter;
	head[1] = (uint8_t)(len >> 24);
	head[2] = (uint8_t)(len >> 16);
	head[3] = (uint8_t)(len >> 8);
	head[4] = (uint8_t)len;
	uint8_t *end = put_names(head + FRAME_HEADER_LEN, f->letter, e, name);
	CHECK((size_t)(end - head) == FRAME_HEADER_LEN + names_len);
	buffer_commit(out, FRAME_HEADER_LEN + names_len);
	*out_total = total;
	return true;
}

bool extended_write_parse(struct buffer *out, struct slice name, struct slice tail)
{
	struct writer w = writer_of(out);

	writer_begin(&w, 'P');
	writer_cstring(&w, name);
	writer_bytes(&w, tail);
	writer_end(&w);
	return writer_finish(&w);
}

bool extended_write_close(struct buffer *out, struct slice name)
{
	struct writer w = writer_of(out);

	writer_begin(&w, 'C');
	writer_u8(&w, 'S');
	writer_cstring(&w, name);
	writer_end(&w);
	return writer_finish(&w);
}

bool extended_write_look(struct buffer *out, struct slice name)
{
	struct writer w = writer_of(out);

	writer_begin(&w, 'D');
	writer_u8(&w, 'S');
	writer_cstring(&w, name);
	writer_end(&w);
	writer_empty(&w, 'H');
	return writer_finish(&w);
}

bool extended_write_bind(struct buffer *out, struct slice name)
{
	struct writer w = writer_of(out);

	writer_begin(&w, 'B');
	writer_text(&w, "");
	writer_cstring(&w, name);
	writer_u16(&w, 0); /* formats of the parameters */
	writer_u16(&w, 0); /* parameters */
	writer_u16(&w, 0); /* formats of the result */
	writer_end(&w);
	return writer_finish(&w);
}
