/*
 * The extended protocol on the console ("Message Flow", *Extended Query*, from the
 * server's side), for commands without parameters.
 */
#ifndef POOLER_CONSOLE_EXTENDED_H
#define POOLER_CONSOLE_EXTENDED_H

#include "base/slice.h"

struct console;

/* Each takes the body of its message; false when that is malformed. */
bool extended_parse(struct console *s, struct slice body);
bool extended_bind(struct console *s, struct slice body);
bool extended_describe(struct console *s, struct slice body);
bool extended_execute(struct console *s, struct slice body);
bool extended_close(struct console *s, struct slice body);
/* Portals end with their transaction, and here every command is one. */
void extended_close_portal(struct console *s);

#endif
