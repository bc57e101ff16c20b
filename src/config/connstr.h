/*
 * The value of an entry in [databases] or [users]: key=value pairs with blanks between
 * them. A value with blanks stands in single quotes, a quote inside is doubled.
 */
#ifndef POOLER_CONFIG_CONNSTR_H
#define POOLER_CONFIG_CONNSTR_H

#include <stddef.h>

enum connstr_outcome { CONNSTR_PAIR, CONNSTR_END, CONNSTR_BAD };

struct connstr_pair {
	const char *key;
	const char *value;
};

/* The next pair of the text at *at, which is cut to pieces: the pair lies inside it.
 * CONNSTR_BAD gives the reason in why. */
enum connstr_outcome connstr_next(char **at, struct connstr_pair *out, char *why,
				  size_t why_cap);

#endif
