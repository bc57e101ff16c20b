/*
 * Parsing and printing of what people write; see the header.
 */
#include "base/text.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

enum { DISTANCE_MAX_LEN = 63 };

struct unit {
	const char *name;
	uint64_t factor;
};

static const struct unit duration_units[] = {
    {"us", 1},
    {"ms", 1000},
    {"s", 1000000},
    {"min", 60ULL * 1000000},
    {"h", 3600ULL * 1000000},
    {"d", 86400ULL * 1000000},
    {NULL, 0},
};

static const struct unit size_units[] = {
    {"B", 1},           {"kB", 1ULL << 10}, {"MB", 1ULL << 20},
    {"GB", 1ULL << 30}, {"TB", 1ULL << 40}, {NULL, 0},
};

bool text_equal_nocase(const char *a, const char *b)
{
	return strcasecmp(a, b) == 0;
}

static const char *skip_blanks(const char *text)
{
	while (isspace((unsigned char)*text))
		text++;
	return text;
}

bool text_parse_bool(const char *text, bool *out)
{
	static const struct {
		const char *name;
		bool value;
	} words[] = {
	    {"1", true},  {"on", true},   {"yes", true}, {"true", true},
	    {"0", false}, {"off", false}, {"no", false}, {"false", false},
	};

	text = skip_blanks(text);
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		size_t len = strlen(words[i].name);

		if (strncasecmp(words[i].name, text, len) != 0 ||
		    *skip_blanks(text + len) != '\0')
			continue;
		*out = words[i].value;
		return true;
	}
	return false;
}

bool text_parse_int(const char *text, int64_t *out)
{
	char *end;

	errno = 0;
	long long value = strtoll(text, &end, 0);
	if (end == text || errno != 0 || *skip_blanks(end) != '\0')
		return false;
	*out = value;
	return true;
}

/* The factor of the unit at text; without one, the plain factor. 0 when there is
 * something that is no unit. */
static uint64_t unit_factor(const char *text, const struct unit *units, uint64_t plain)
{
	text = skip_blanks(text);
	if (*text == '\0')
		return plain;
	for (; units->name; units++) {
		size_t len = strlen(units->name);
		if (strncasecmp(text, units->name, len) == 0 &&
		    *skip_blanks(text + len) == '\0')
			return units->factor;
	}
	return 0;
}

/* Digits, perhaps with a fraction: no sign, no exponent, no "inf", no hexadecimal. */
static bool parse_decimal(const char *text, double *out, const char **out_end)
{
	const char *at = text = skip_blanks(text);
	size_t digits = strspn(at, "0123456789");

	at += digits;
	if (*at == '.') {
		size_t fraction = strspn(at + 1, "0123456789");
		digits += fraction;
		at += 1 + fraction;
	}
	if (digits == 0 || at - text > 30)
		return false;
	char number[32];
	snprintf(number, sizeof(number), "%.*s", (int)(at - text), text);
	*out = strtod(number, NULL);
	*out_end = at;
	return true;
}

static bool parse_with_unit(const char *text, const struct unit *units, uint64_t plain,
			    double *out)
{
	const char *end;
	double number;

	if (!parse_decimal(text, &number, &end))
		return false;
	uint64_t factor = unit_factor(end, units, plain);
	if (factor == 0)
		return false;
	*out = number * (double)factor;
	return *out < 9.0e18;
}

bool text_parse_duration(const char *text, uint64_t unit_us, uint64_t *out_us)
{
	double value;

	if (!parse_with_unit(text, duration_units, unit_us, &value))
		return false;
	*out_us = (uint64_t)(value + 0.5);
	return true;
}

bool text_parse_size(const char *text, uint64_t *out_bytes)
{
	double value;

	if (!parse_with_unit(text, size_units, 1, &value) ||
	    value != (double)(uint64_t)value)
		return false;
	*out_bytes = (uint64_t)value;
	return true;
}

void text_print_seconds(char *out, size_t cap, uint64_t duration_us)
{
	unsigned long long whole = duration_us / 1000000, rest = duration_us % 1000000;
	int len = snprintf(out, cap, "%llu.%06llu", whole, rest);

	if (len < 0 || (size_t)len >= cap)
		return;
	while (len > 0 && out[len - 1] == '0')
		out[--len] = '\0';
	if (len > 0 && out[len - 1] == '.')
		out[--len] = '\0';
}

char *text_escape(char *out, size_t cap, struct slice bytes)
{
	size_t len = 0;

	for (size_t i = 0; i < bytes.len; i++) {
		/* Room for this one (4), for the dots (3) and for the NUL. */
		if (len + 8 > cap) {
			len += (size_t)snprintf(out + len, cap - len, "...");
			return out;
		}
		uint8_t c = bytes.data[i];
		if (c >= ' ' && c != 127 && c != '\\')
			out[len++] = (char)c;
		else
			len += (size_t)snprintf(out + len, cap - len, "\\x%02x", c);
	}
	out[len] = '\0';
	return out;
}

void text_copy(char *out, size_t cap, struct slice bytes)
{
	size_t len = bytes.len < cap - 1 ? bytes.len : cap - 1;

	for (size_t i = 0; i < len; i++)
		out[i] = (char)bytes.data[i];
	out[len] = '\0';
}

static unsigned least(unsigned a, unsigned b)
{
	return a < b ? a : b;
}

/* One row of the edit-distance table; rows of two letters ago see swapped neighbours. */
static void distance_row(const char *a, size_t i, const char *b,
			 unsigned rows[3][DISTANCE_MAX_LEN + 1])
{
	unsigned *now = rows[i % 3], *last = rows[(i + 2) % 3],
		 *before = rows[(i + 1) % 3];

	now[0] = (unsigned)i;
	for (size_t j = 1; b[j - 1]; j++) {
		char ca = (char)tolower((unsigned char)a[i - 1]);
		char cb = (char)tolower((unsigned char)b[j - 1]);
		unsigned changed = last[j - 1] + (ca != cb);

		now[j] = least(least(last[j] + 1, now[j - 1] + 1), changed);
		if (i > 1 && j > 1 && ca == tolower((unsigned char)b[j - 2]) &&
		    cb == tolower((unsigned char)a[i - 2]))
			now[j] = least(now[j], before[j - 2] + 1);
	}
}

unsigned text_distance(const char *a, const char *b)
{
	unsigned rows[3][DISTANCE_MAX_LEN + 1];
	size_t a_len = strlen(a), b_len = strlen(b);

	if (a_len > DISTANCE_MAX_LEN || b_len > DISTANCE_MAX_LEN)
		return DISTANCE_MAX_LEN;
	for (size_t j = 0; j <= b_len; j++)
		rows[0][j] = (unsigned)j;
	for (size_t i = 1; i <= a_len; i++)
		distance_row(a, i, b, rows);
	return rows[a_len % 3][b_len];
}
