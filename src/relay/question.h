/*
 * The question what is in a server, as SQL, and the rows of its answer.
 *
 * It is asked with whatever role, search_path, time limits and encoding the client has
 * left there, so every name in it is qualified, every operator too, and values come back
 * in hexadecimal: as the bytes of the server's encoding.
 */
#ifndef POOLER_RELAY_QUESTION_H
#define POOLER_RELAY_QUESTION_H

#include <stdbool.h>

#include "base/slice.h"

struct altered;
struct buffer;
struct params;

struct question {
	const struct altered *altered; /* parameters: these by name, or all */
	const struct params *known; /* with all: parts of extensions among these, too */
	const struct params *begun; /* and among these; NULL for none */
	const char *extra;          /* comma-separated names, too */
	size_t longest;             /* no values of more bytes than that */
	unsigned reasons;           /* enum pin_reason: which of these there are */
	bool is_pressed; /* against a statement_timeout that may be too short for it */
};

/* Whether a parameter is of one transaction alone, and that is over, or is what the
 * question itself needs. */
bool question_is_passing(struct slice name, bool is_pressed);

/* Appends it; false when memory is short. */
bool question_write(const struct question *q, struct buffer *out);

enum answer_kind {
	ANSWER_NAMED,   /* a value asked for by name; without one: there is no such */
	ANSWER_SET,     /* a value that was set in this session */
	ANSWER_DEFAULT, /* of an extension: not set in this session */
	ANSWER_LONG,    /* a value of more than `longest` bytes: of either kind above */
	ANSWER_TIMEOUT, /* the statement_timeout, when pressed */
	ANSWER_STATE,   /* the reasons that there are */
	ANSWER_BAD,
};

struct answer {
	struct slice name, value; /* in the scratch buffer */
	bool has_value;
	unsigned reasons;
};

/* What a DataRow says. False when memory is short. */
bool answer_read(struct slice body, struct buffer *scratch, enum answer_kind *out_kind,
		 struct answer *out);

#endif
