/*
 * Text that people write and read: numbers, durations, sizes, booleans, names.
 *
 * All parsers take the whole text (blanks at both ends aside) or refuse it, and leave the
 * out parameter untouched when they do.
 */
#ifndef POOLER_BASE_TEXT_H
#define POOLER_BASE_TEXT_H

#include "base/slice.h"

/* 0/1, on/off, yes/no, true/false, in any case. */
bool text_parse_bool(const char *text, bool *out);

/* Decimal, 0x hexadecimal or 0 octal, as PgBouncer takes them; with a sign. */
bool text_parse_int(const char *text, int64_t *out);

/* A number, perhaps with a fraction, and a unit: us, ms, s, min, h, d. Without a unit it
 * counts in unit_us. Never negative. Gives microseconds. */
bool text_parse_duration(const char *text, uint64_t unit_us, uint64_t *out_us);

/* A whole number of bytes, or of B, kB, MB, GB, TB (powers of 1024, as in
 * postgresql.conf). */
bool text_parse_size(const char *text, uint64_t *out_bytes);

/* "1.5", "0", "30": seconds with as many digits as needed, as SHOW CONFIG prints them. */
void text_print_seconds(char *out, size_t cap, uint64_t duration_us);

/* Copies bytes of a peer so that a log or an error can show them: what is not printable
 * becomes \xNN, what is too long ends in "...". Always ends in NUL; returns out. */
char *text_escape(char *out, size_t cap, struct slice bytes);

/* Copies bytes as they are, as far as they fit and up to a NUL; always ends in NUL. */
void text_copy(char *out, size_t cap, struct slice bytes);

/* How many letters must be added, dropped, changed or swapped to turn a into b, without
 * regard to case; texts longer than 63 letters are far from everything. */
unsigned text_distance(const char *a, const char *b);

bool text_equal_nocase(const char *a, const char *b);

#endif
