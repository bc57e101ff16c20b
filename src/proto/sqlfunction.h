/*
 * The functions of SQL that leave something in a session, or take it away.
 */
#ifndef POOLER_PROTO_SQLFUNCTION_H
#define POOLER_PROTO_SQLFUNCTION_H

#include "base/slice.h"
#include "proto/sqllex.h"

/* Lengths of their names. */
enum { SQLFUNCTION_MIN = 6, SQLFUNCTION_MAX = 27 };

/* Whether a name may be one of them, by its last two letters. */
bool sqlfunction_may_end(uint8_t last_but_one, uint8_t last);

/* The hints (enum sql_hint) of the function, whose name may be written in any case; 0 if
 * it has none. */
uint32_t sqlfunction_hints(struct slice name);

/* Those of a set_config() by its arguments, which `behind` stands in front of. */
uint32_t sqlfunction_configures(struct sqllex behind);

#endif
