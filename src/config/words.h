/*
 * The words of the settings that are one of a few: of each kind, how they are written in
 * the file and what they mean.
 */
#ifndef POOLER_CONFIG_WORDS_H
#define POOLER_CONFIG_WORDS_H

#include "config/settings.h"

struct word {
	const char *name; /* NULL behind the last */
	int value;        /* of the kind's enum */
};

/* The words of a kind; NULL when its values are not words. */
const struct word *words_of(enum setting_kind kind);

/* False when it is none of them (in any case); then *out is untouched. */
bool words_find(const struct word *words, const char *text, int *out);

/* How the value is written; NULL when no word means it. */
const char *words_name(const struct word *words, int value);

#endif
