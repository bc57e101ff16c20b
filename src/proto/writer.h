/*
 * Building messages into a buffer; the length is filled in at the end.
 *
 * A writer that runs out of memory fails for good and says so once, at writer_finish();
 * the buffer then is as it was before writer_of().
 */
#ifndef POOLER_PROTO_WRITER_H
#define POOLER_PROTO_WRITER_H

#include "base/buffer.h"

struct writer {
	struct buffer *out;
	size_t initial_len; /* of the buffer, restored on failure */
	size_t length_at;   /* where the length of the open message goes */
	bool failed;
};

struct writer writer_of(struct buffer *out);

/* Opens a message; letter 0 opens one without a letter (startup packets). */
void writer_begin(struct writer *w, uint8_t letter);
void writer_end(struct writer *w);

void writer_u8(struct writer *w, uint8_t value);
void writer_u16(struct writer *w, uint16_t value); /* network byte order */
void writer_u32(struct writer *w, uint32_t value);
void writer_bytes(struct writer *w, struct slice bytes);
void writer_cstring(struct writer *w, struct slice text); /* adds the NUL */
void writer_text(struct writer *w, const char *text);     /* adds the NUL */

/* Whole messages, each begun and ended. */
void writer_ready(struct writer *w, uint8_t transaction_status);
void writer_command_complete(struct writer *w, const char *tag);
void writer_parameter_status(struct writer *w, struct slice name, struct slice value);
void writer_backend_key(struct writer *w, struct slice key);    /* process id, secret */
void writer_cancel_request(struct writer *w, struct slice key); /* the same */
void writer_empty(struct writer *w, uint8_t letter); /* a message without a body */

/* True when all went well; on false nothing was written. */
bool writer_finish(struct writer *w);

#endif
