/*
 * Reading SQL word by word, where a quick look at it (sqlscan.c) does not say enough.
 */
#ifndef POOLER_PROTO_SQLREAD_H
#define POOLER_PROTO_SQLREAD_H

#include "base/slice.h"

/* The hints of all statements of the text. Wherever it is in doubt how to read it, each
 * way gives its hints. */
uint32_t sqlread_all_ways(struct slice text);

#endif
