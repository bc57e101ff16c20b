/*
 * Building messages. The length's place is kept as an offset, because the buffer may
 * move while it grows.
 */
#include "proto/writer.h"

#include "base/check.h"

/* length_at while no message is open. */
#define NO_MESSAGE SIZE_MAX

struct writer writer_of(struct buffer *out)
{
	return (struct writer){
	    .out = out,
	    .initial_len = buffer_len(out),
	    .length_at = NO_MESSAGE,
	};
}

static void store_u32(uint8_t *at, uint32_t value)
{
	at[0] = (uint8_t)(value >> 24);
	at[1] = (uint8_t)(value >> 16);
	at[2] = (uint8_t)(value >> 8);
	at[3] = (uint8_t)value;
}

void writer_bytes(struct writer *w, struct slice bytes)
{
	if (!w->failed && !buffer_append(w->out, bytes))
		w->failed = true;
}

void writer_u8(struct writer *w, uint8_t value)
{
	writer_bytes(w, slice_of(&value, 1));
}

void writer_u16(struct writer *w, uint16_t value)
{
	writer_u8(w, (uint8_t)(value >> 8));
	writer_u8(w, (uint8_t)value);
}

void writer_u32(struct writer *w, uint32_t value)
{
	uint8_t bytes[4];

	store_u32(bytes, value);
	writer_bytes(w, slice_of(bytes, sizeof(bytes)));
}

void writer_cstring(struct writer *w, struct slice text)
{
	writer_bytes(w, text);
	writer_u8(w, 0);
}

void writer_text(struct writer *w, const char *text)
{
	writer_cstring(w, slice_of_text(text));
}

void writer_begin(struct writer *w, uint8_t letter)
{
	CHECK(w->length_at == NO_MESSAGE);
	if (letter != 0)
		writer_u8(w, letter);
	w->length_at = buffer_len(w->out);
	writer_u32(w, 0);
}

void writer_end(struct writer *w)
{
	CHECK(w->length_at != NO_MESSAGE);
	size_t at = w->length_at;

	w->length_at = NO_MESSAGE;
	if (w->failed)
		return;
	/* Fits: a buffer holds less than 2 GiB. */
	uint32_t len = (uint32_t)(buffer_len(w->out) - at);
	store_u32(w->out->data + w->out->start + at, len);
}

void writer_empty(struct writer *w, uint8_t letter)
{
	writer_begin(w, letter);
	writer_end(w);
}

void writer_ready(struct writer *w, uint8_t transaction_status)
{
	writer_begin(w, 'Z');
	writer_u8(w, transaction_status);
	writer_end(w);
}

void writer_command_complete(struct writer *w, const char *tag)
{
	writer_begin(w, 'C');
	writer_text(w, tag);
	writer_end(w);
}

void writer_parameter_status(struct writer *w, struct slice name, struct slice value)
{
	writer_begin(w, 'S');
	writer_cstring(w, name);
	writer_cstring(w, value);
	writer_end(w);
}

void writer_backend_key(struct writer *w, struct slice key)
{
	writer_begin(w, 'K');
	writer_bytes(w, key);
	writer_end(w);
}

void writer_cancel_request(struct writer *w, struct slice key)
{
	writer_begin(w, 0);
	writer_u32(w, 1234u << 16 | 5678);
	writer_bytes(w, key);
	writer_end(w);
}

bool writer_finish(struct writer *w)
{
	CHECK(w->length_at == NO_MESSAGE);
	if (w->failed)
		buffer_truncate(w->out, w->initial_len);
	return !w->failed;
}
