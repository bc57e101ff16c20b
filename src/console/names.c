/*
 * All texts in one buffer, and a list of where they begin, which is what is sorted.
 */
#include "console/names.h"

#include <stdlib.h>

#include "base/check.h"

void names_fini(struct names *names)
{
	buffer_fini(&names->bytes);
	buffer_fini(&names->places);
	*names = (struct names){0};
}

static void add_text(struct names *names, struct slice text)
{
	names->failed |= !buffer_append(&names->bytes, text) ||
			 !buffer_append(&names->bytes, slice_of("", 1));
}

void names_add(struct names *names, struct slice first, struct slice second)
{
	uint32_t place = (uint32_t)buffer_len(&names->bytes);

	add_text(names, first);
	add_text(names, second);
	names->failed |= !buffer_append(&names->places, slice_of(&place, sizeof(place)));
	names->count++;
}

static uint32_t place_at(const struct names *names, size_t i)
{
	uint32_t place;

	CHECK(i < names->count);
	memcpy(&place, buffer_bytes(&names->places).data + i * sizeof(place),
	       sizeof(place));
	return place;
}

const char *names_first(const struct names *names, size_t i)
{
	return (const char *)buffer_bytes(&names->bytes).data + place_at(names, i);
}

const char *names_second(const struct names *names, size_t i)
{
	const char *first = names_first(names, i);

	return first + strlen(first) + 1;
}

static int compare(const void *a, const void *b, void *bytes)
{
	const char *text = bytes, *x, *y;
	uint32_t place;

	memcpy(&place, a, sizeof(place));
	x = text + place;
	memcpy(&place, b, sizeof(place));
	y = text + place;
	int order = strcmp(x, y);
	return order != 0 ? order : strcmp(x + strlen(x) + 1, y + strlen(y) + 1);
}

bool names_finish(struct names *names)
{
	size_t kept = 0;

	if (names->failed)
		return false;
	if (names->count == 0)
		return true;
	uint8_t *places = names->places.data + names->places.start;
	void *bytes = names->bytes.data + names->bytes.start;
	const size_t size = sizeof(uint32_t);
	qsort_r(places, names->count, size, compare, bytes);
	for (size_t i = 1; i < names->count; i++)
		if (compare(places + kept * size, places + i * size, bytes) != 0)
			memmove(places + ++kept * size, places + i * size, size);
	names->count = kept + 1;
	return true;
}
