/*
 * The names in the messages of the extended query protocol, and these messages with
 * other names ("Message Formats": Parse, Bind, Describe, Close).
 *
 * The names stand at the beginning of the body, so a message may be judged before all of
 * it has arrived. Functions that write do so into a buffer that the caller owns; false
 * means that memory was short, and nothing was appended.
 */
#ifndef POOLER_PROTO_EXTENDED_H
#define POOLER_PROTO_EXTENDED_H

#include "base/buffer.h"
#include "proto/frame.h"

enum extended_result {
	EXTENDED_OK,
	EXTENDED_SHORT, /* the names have not all arrived */
	EXTENDED_BAD,   /* all of the body is here and they are not in it, or the target
			   is neither 'S' nor 'P' */
};

/* What the names of a Parse, Bind, Describe or Close are. */
struct extended {
	uint8_t target;         /* Describe and Close: 'S' or 'P'; of others 'S' */
	struct slice statement; /* its name; empty for the unnamed one, and where the
				   target is a portal */
	struct slice portal;    /* of Bind, or where the target is one */
	struct slice rest;      /* what has arrived of the body behind the names */
	size_t names_len;       /* of the body: all in front of rest */
};
/* f->letter is one of P, B, D, C. Leaves *out untouched unless EXTENDED_OK. */
enum extended_result extended_read(const struct frame *f, struct extended *out);

/* The text of a Parse, from e.rest: up to its NUL, or as much as has arrived. */
struct slice extended_text(const struct extended *e);
/* Whether rest is a whole Parse tail and nothing else: text, count, so many types. */
bool extended_is_whole_parse(const struct extended *e);

/* Appends the head of a Bind, Describe 'S', Close 'S' or Parse with the statement's name
 * replaced and its length set right: all up to where e->rest goes on. total_len is that
 * of the original. *out_total is how long the message now is. */
bool extended_rename(const struct frame *f, const struct extended *e, struct slice name,
		     struct buffer *out, size_t *out_total);

/* Appends a whole Parse of this name; tail is all behind the name. */
bool extended_write_parse(struct buffer *out, struct slice name, struct slice tail);
/* Appends a whole Close of a statement. */
bool extended_write_close(struct buffer *out, struct slice name);
/* Appends a whole Describe of a statement and a Flush. */
bool extended_write_look(struct buffer *out, struct slice name);
/* Appends a Bind of the unnamed portal to this statement, without parameters. */
bool extended_write_bind(struct buffer *out, struct slice name);

#endif
