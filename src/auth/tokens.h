/*
 * Lines of fields, and fields of tokens with commas between: the form of pg_hba.conf and
 * pg_ident.conf. Quotes take a token's special meaning away and let it hold blanks,
 * commas and '#'; a quote within is doubled. A backslash at the end of a line joins the
 * next one to it.
 */
#ifndef POOLER_AUTH_TOKENS_H
#define POOLER_AUTH_TOKENS_H

#include "base/slice.h"

struct arena;
struct config_errors;

struct token {
	struct token *next;
	const char *text;
	bool is_quoted;
};

struct field {
	struct field *next;
	struct token *tokens; /* at least one */
};

struct token_line {
	unsigned line; /* where it begins */
	struct field *fields;
};

/* Walks through a text; what it gives lives in the arena. */
struct tokens {
	struct arena *arena;
	struct config_errors *errors;
	const char *file;
	struct slice rest;
	unsigned line;
};

struct tokens tokens_of(struct slice text, const char *file, struct arena *arena,
			struct config_errors *errors);

enum tokens_result {
	TOKENS_LINE,
	TOKENS_BAD, /* a line that is told in errors; go on for more of them */
	TOKENS_END,
	TOKENS_NO_MEMORY
};

/* The next line that is not blank nor a comment. */
enum tokens_result tokens_next(struct tokens *t, struct token_line *out);

#endif
