/*
 * Names of statements in a server's errors: the client hears its own name for a
 * statement, not what servers call it.
 */
#ifndef POOLER_RELAY_TRANSLATE_H
#define POOLER_RELAY_TRANSLATE_H

#include "base/buffer.h"

struct client;

/* The body of an ErrorResponse to this client. Whether it names a statement of the
 * client; then the whole message, with the client's name, is appended to out. */
bool translate_error(const struct client *c, struct slice body, struct buffer *out);

#endif
