/*
 * Messages as people write them, so that a scenario reads like the protocol chapter.
 *
 *   Q[select 1] S X            what a client says
 *   T D[a row] C[SELECT 1] Z[I]   what a server says
 *
 * A letter, and in brackets what makes the difference between two messages of that kind;
 * the rest of a body is filled in with what is most ordinary. Errors and notices are
 * E[ERROR 22012 division by zero], or E[ERROR 0A000 text@Function]; when they are told,
 * the text is left out. P[s:select 1] prepares under the name of s.
 */
#ifndef POOLER_TEST_SCENARIO_SCRIPT_H
#define POOLER_TEST_SCENARIO_SCRIPT_H

#include "base/buffer.h"

enum side { FROM_CLIENT, FROM_SERVER };

enum { SCRIPT_TEXT_LEN = 4096 };

/* Appends the messages to out. */
void script_write(struct buffer *out, enum side from, const char *text);

/* A startup packet; pairs are "user=anna;database=app", of protocol 3.0, or of another if
 * they begin with "3.2;". */
void script_write_startup(struct buffer *out, const char *pairs);

/* The bytes in the same words, messages parted by blanks; "+17" at the end when 17 bytes
 * of a message are there that is not whole. Returns out. */
char *script_tell(struct slice bytes, enum side from, char out[SCRIPT_TEXT_LEN]);

/* The pairs of a startup packet's body, in the words of script_write_startup(). */
char *script_tell_startup(struct slice params, char out[SCRIPT_TEXT_LEN]);

#endif
