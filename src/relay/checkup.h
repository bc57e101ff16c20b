/*
 * Asking servers how much memory they use, so that those that have grown too large can be
 * replaced (server_memory_limit). Which are asked when is decided in pool/upkeep.
 */
#ifndef POOLER_RELAY_CHECKUP_H
#define POOLER_RELAY_CHECKUP_H

#include "base/slice.h"

struct server;

/* The answer is one short row. */
enum { CHECKUP_ROW_MAX = 1024 };

/* Asks one that is free, or about to be; it is free when the answer is here. */
void checkup_start(struct server *s);

/* Of the answer: a DataRow, an ErrorResponse. */
void checkup_row(struct server *s, struct slice body);
void checkup_error(struct server *s, struct slice body);

#endif
