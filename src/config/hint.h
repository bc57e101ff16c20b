/*
 * Answers to a name that is not known: what it may have been meant to be.
 */
#ifndef POOLER_CONFIG_HINT_H
#define POOLER_CONFIG_HINT_H

#include <stddef.h>

enum { HINT_SHOWN_MAX = 88 };

/* The text in double quotes, printable and not too long; out holds HINT_SHOWN_MAX bytes.
 * Returns out. */
char *hint_show(const char *text, char *out);

/* The name nearest to what was written, of all that are offered. */
struct nearest {
	const char *wanted;
	const char *name;
	unsigned distance;
};

struct nearest nearest_to(const char *wanted);
void nearest_offer(struct nearest *n, const char *name);

/* NULL when even the nearest is too far to be what was meant. */
const char *nearest_name(const struct nearest *n);

/* 'unknown WHAT "name"', with what may help: the nearest name, or that PgBouncer has it
 * and this version has not. */
void hint_unknown(const char *what, const struct nearest *n, char *out, size_t cap);

#endif
