/*
 * Why connections end: the table behind closing.def.
 */
#include "relay/closing.h"

#include <stddef.h>

#include "base/check.h"

static const struct closing_row rows[] = {
    [CLOSE_NOT] = {NULL, NULL, NULL},
#define CLOSING(name, severity, sqlstate, text)                                          \
	[CLOSE_##name] = {severity, sqlstate, text},
#include "relay/closing.def"
#undef CLOSING
};

const struct closing_row *closing_row(enum closing reason)
{
	CHECK(reason != CLOSE_NOT && (size_t)reason < sizeof(rows) / sizeof(rows[0]));
	return &rows[reason];
}
