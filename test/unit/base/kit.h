/*
 * What the unit tests of the lowest floors share: cmocka, and random numbers that are the
 * same in every run, so that what fails fails again.
 */
#ifndef POOLER_TEST_UNIT_BASE_KIT_H
#define POOLER_TEST_UNIT_BASE_KIT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/slice.h"

#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))

/* xorshift64; a dice must not start at 0. */
struct dice {
	uint64_t state;
};

static inline uint64_t dice_roll(struct dice *d)
{
	d->state ^= d->state << 13;
	d->state ^= d->state >> 7;
	d->state ^= d->state << 17;
	return d->state;
}

/* 0 to sides - 1. */
static inline unsigned dice_of(struct dice *d, unsigned sides)
{
	return (unsigned)(dice_roll(d) >> 11) % sides;
}

static inline bool dice_once_in(struct dice *d, unsigned sides)
{
	return dice_of(d, sides) == 0;
}

#define assert_slice_is(slice, text) assert_slice_is_at(slice, text, __FILE__, __LINE__)

static inline void assert_slice_is_at(struct slice s, const char *text, const char *file,
				      int line)
{
	if (slice_is_text(s, text))
		return;
	print_error("\"%.*s\" is not \"%s\"\n", (int)s.len, (const char *)s.data, text);
	_fail(file, line);
}

/* A copy in memory of its own, so that a sanitizer sees reads beyond its end. */
static inline uint8_t *exact_copy(struct slice s)
{
	uint8_t *copy = malloc(s.len ? s.len : 1);

	assert_non_null(copy);
	if (s.len > 0)
		memcpy(copy, s.data, s.len);
	return copy;
}

#endif
