/*
 * Why connections end, as a table: SQLSTATE, severity and text in one place.
 */
#ifndef POOLER_RELAY_CLOSING_H
#define POOLER_RELAY_CLOSING_H

enum closing {
	CLOSE_NOT, /* it has not */
#define CLOSING(name, severity, sqlstate, text) CLOSE_##name,
#include "relay/closing.def"
#undef CLOSING
};

struct closing_row {
	const char *severity; /* NULL: no last word to the client */
	const char *sqlstate;
	const char *text;
};

/* The row of a reason other than CLOSE_NOT. */
const struct closing_row *closing_row(enum closing reason);

#endif
