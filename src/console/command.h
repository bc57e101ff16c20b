/*
 * What is said on the console, taken apart: a verb and what stands behind it. Knows the
 * grammar and nothing of what commands do.
 *
 *   WORD [WORD] [;]        SET word = value [;]        SET word TO value [;]
 *
 * A word is letters, digits and underscores, or anything in double quotes; a value is
 * that, or a number, or a text in single quotes. Quotes inside quotes are doubled.
 */
#ifndef POOLER_CONSOLE_COMMAND_H
#define POOLER_CONSOLE_COMMAND_H

#include <stdbool.h>

#include "base/slice.h"

enum command_verb {
	COMMAND_SHOW, /* SELECT, too */
	COMMAND_SET,
	COMMAND_PAUSE,
	COMMAND_RESUME,
	COMMAND_DISABLE,
	COMMAND_ENABLE,
	COMMAND_RECONNECT,
	COMMAND_WAIT_CLOSE,
	COMMAND_KILL,
	COMMAND_KILL_CLIENT,
	COMMAND_UNBLOCK,
	COMMAND_RELOAD,
	COMMAND_SHUTDOWN,
};

enum {
	COMMAND_WORD_MAX = 127, /* as long as a user's name */
	COMMAND_VALUE_MAX = 4096,
};

struct command {
	enum command_verb verb;
	char argument[COMMAND_WORD_MAX + 1]; /* "" when there is none */
	char value[COMMAND_VALUE_MAX + 1];   /* of SET */
};

enum command_result {
	COMMAND_OK,
	COMMAND_EMPTY,   /* nothing but blanks and a semicolon */
	COMMAND_INVALID, /* not a command, or with more or less than it takes */
};

/* Fills in *out when OK. */
enum command_result command_parse(struct slice text, struct command *out);

/* The verb, as it is written in the tag of its result. */
const char *command_name(enum command_verb verb);

/* Whether it changes something, and so needs an administrator. */
bool command_needs_admin(enum command_verb verb);

/* The known verb that is nearest to the first word of the text; NULL when none is. */
const char *command_nearest(struct slice text);

#endif
