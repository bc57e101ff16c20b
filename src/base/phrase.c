/*
 * Text put together piece by piece.
 */
#include "base/phrase.h"

#include <string.h>

#include "base/check.h"
#include "base/clock.h"

enum { DIGITS_MOST = 20 }; /* of 2^64 */

struct phrase phrase_at(char *out, size_t cap)
{
	CHECK(cap > 0);
	*out = 0;
	return (struct phrase){out, out + cap - 1};
}

static void add(struct phrase *phrase, const char *text, size_t len)
{
	size_t room = (size_t)(phrase->end - phrase->at);

	if (len > room)
		len = room;
	memcpy(phrase->at, text, len);
	phrase->at += len;
	*phrase->at = 0;
}

void phrase_add(struct phrase *phrase, const char *text)
{
	add(phrase, text, strlen(text));
}

void phrase_add_some(struct phrase *phrase, const char *text, size_t max)
{
	add(phrase, text, strnlen(text, max));
}

/* With zeros in front, if it has fewer digits than that. */
static void add_digits(struct phrase *phrase, uint64_t number, int least)
{
	char digits[DIGITS_MOST];
	char *end = digits + sizeof(digits), *at = end;

	while (number > 0 || end - at < least) {
		*--at = (char)('0' + number % 10);
		number /= 10;
	}
	add(phrase, at, (size_t)(end - at));
}

void phrase_add_number(struct phrase *phrase, uint64_t number)
{
	add_digits(phrase, number, 1);
}

void phrase_add_seconds(struct phrase *phrase, uint64_t duration_us)
{
	add_digits(phrase, duration_us / USEC_PER_SEC, 1);
	add(phrase, ".", 1);
	add_digits(phrase, duration_us % USEC_PER_SEC / USEC_PER_MSEC, 3);
	add(phrase, " s", 2);
}
