/*
 * The little of PostgreSQL's protocol 3.0 that the bench programs share: bytes to build
 * messages in, the messages a client sends, and a scanner that finds message borders in
 * a stream without gathering it. Deliberately not the code under test.
 */
#ifndef BENCH_WIRE_H
#define BENCH_WIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	WIRE_PROTOCOL_3_0 = 196608,
	WIRE_CANCEL_REQUEST = 80877102,
	WIRE_SSL_REQUEST = 80877103,
	WIRE_GSSENC_REQUEST = 80877104,
	WIRE_HEADER_LEN = 5,
	SCANNER_KEPT_LEN = 192,
};

/* Owned bytes, read from start, written at end. Zero is a valid empty object. */
struct bytes {
	uint8_t *data;
	size_t start, end, cap;
};

void bytes_fini(struct bytes *b);
size_t bytes_len(const struct bytes *b);

/* Room for len bytes at the end, or the end of the program. */
uint8_t *bytes_room(struct bytes *b, size_t len);
void bytes_add(struct bytes *b, const void *data, size_t len);
void bytes_consume(struct bytes *b, size_t len);

uint32_t wire_u32(const uint8_t *at);
void wire_put_u16(struct bytes *b, uint16_t value);
void wire_put_u32(struct bytes *b, uint32_t value);
void wire_put_text(struct bytes *b, const char *text);

/* A message is begun with its letter (0: a startup packet, which has none) and ended
 * with what begin returned, which fills in the length. */
size_t wire_begin(struct bytes *b, char letter);
void wire_end(struct bytes *b, size_t begun);

void wire_startup(struct bytes *b, const char *user, const char *database);
void wire_simple(struct bytes *b, const char *sql);
/* Unnamed Parse, Bind, Describe, Execute, Sync. */
void wire_extended(struct bytes *b, const char *sql);
/* Named Parses of the queries, Sync; and later Bind, Describe, Execute, Sync of the
 * statement of that number. */
void wire_prepare(struct bytes *b, const char *const sql[], unsigned count);
void wire_execute(struct bytes *b, unsigned number);
void wire_terminate(struct bytes *b);

/* Where in a stream of messages we are. Zero is the start of a message. */
struct scanner {
	uint8_t head[WIRE_HEADER_LEN];
	uint8_t head_len;
	uint8_t kept_len;
	uint32_t left; /* of the body */
	uint8_t kept[SCANNER_KEPT_LEN];
};

enum scanned { SCANNED_MORE, SCANNED_MESSAGE, SCANNED_BAD };

/* Takes bytes off the front of what `at` and `len` describe up to the end of one message.
 * On SCANNED_MESSAGE, head[0] is its letter and kept the beginning of its body. */
enum scanned scanner_next(struct scanner *s, const uint8_t **at, size_t *len);

/* The SQLSTATE of the ErrorResponse just scanned, "?????" if it has none. */
void scanner_sqlstate(const struct scanner *s, char out[6]);

#endif
