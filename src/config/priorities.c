/*
 * Both are lists of "left=right" with commas; blanks around the parts do not count.
 */
#include "config/priorities.h"

#include <fnmatch.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "config/hint.h"
#include "config/words.h"

/* PostgreSQL keeps 63 bytes of an application_name. */
enum { PART_LEN = 64 };

struct item {
	char left[PART_LEN], right[PART_LEN];
};

enum next { NEXT_ITEM, NEXT_END, NEXT_BAD };

static bool is_blank(char c)
{
	return c == ' ' || c == '\t';
}

/* The text between two places, without the blanks around it. */
static bool take_part(const char *from, const char *to, char out[PART_LEN])
{
	while (from < to && is_blank(*from))
		from++;
	while (to > from && is_blank(to[-1]))
		to--;
	size_t len = (size_t)(to - from);
	if (len == 0 || len >= PART_LEN)
		return false;
	memcpy(out, from, len);
	out[len] = '\0';
	return true;
}

/* The item that *at points to; moves *at behind it. The last '=' counts, so that a
 * pattern may have one. */
static enum next next_item(const char **at, struct item *out)
{
	const char *from = *at, *end, *equals;

	while (is_blank(*from) || *from == ',')
		from++;
	if (*from == '\0')
		return NEXT_END;
	end = from + strcspn(from, ",");
	equals = memrchr(from, '=', (size_t)(end - from));
	*at = end;
	if (!equals || !take_part(from, equals, out->left) ||
	    !take_part(equals + 1, end, out->right))
		return NEXT_BAD;
	return NEXT_ITEM;
}

static bool refuse_list(const char *text, const char *example, char *why, size_t cap)
{
	char shown[HINT_SHOWN_MAX];

	snprintf(why, cap, "%s is not a list such as \"%s\"", hint_show(text, shown),
		 example);
	return false;
}

static bool refuse_class(const char *text, char *why, size_t cap)
{
	char shown[HINT_SHOWN_MAX];

	snprintf(why, cap, "%s is none of the classes critical, high, normal, low",
		 hint_show(text, shown));
	return false;
}

static bool add_reserve(const struct item *item, struct priority_reserve *out, char *why,
			size_t cap)
{
	char shown[HINT_SHOWN_MAX];
	int64_t percent;
	int class;

	if (!words_find(words_of(SETTING_PRIORITY), item->left, &class))
		return refuse_class(item->left, why, cap);
	if (!text_parse_int(item->right, &percent) || percent < 0 || percent > 100) {
		snprintf(why, cap, "%s is not a percentage: 0 to 100 are possible",
			 hint_show(item->right, shown));
		return false;
	}
	out->percent[class] = (uint8_t)percent;
	return true;
}

bool priority_reserve_parse(const char *text, struct priority_reserve *out, char *why,
			    size_t cap)
{
	struct priority_reserve found = {0};
	const char *at = text;
	struct item item;
	enum next next;
	unsigned sum = 0;

	while ((next = next_item(&at, &item)) == NEXT_ITEM)
		if (!add_reserve(&item, &found, why, cap))
			return false;
	if (next == NEXT_BAD)
		return refuse_list(text, "low=5, normal=20", why, cap);
	for (int class = 0; class < PRIORITY_CLASSES; class ++)
		sum += found.percent[class];
	if (sum > 100) {
		snprintf(why, cap, "the classes reserve %u %% in all: 100 are there",
			 sum);
		return false;
	}
	*out = found;
	return true;
}

void priority_reserve_print(const struct priority_reserve *reserve, char *out, size_t cap)
{
	size_t len = 0;

	out[0] = '\0';
	for (int class = 0; class < PRIORITY_CLASSES && len < cap; class ++)
		if (reserve->percent[class] > 0)
			len += (size_t)snprintf(out + len, cap - len, "%s%s=%u",
						len > 0 ? ", " : "",
						priority_name((enum priority) class),
						(unsigned)reserve->percent[class]);
}

bool priority_reserve_same(const struct priority_reserve *a,
			   const struct priority_reserve *b)
{
	return memcmp(a->percent, b->percent, sizeof(a->percent)) == 0;
}

bool priorities_check(const char *list, char *why, size_t cap)
{
	const char *at = list;
	struct item item;
	enum next next;
	int class;

	while ((next = next_item(&at, &item)) == NEXT_ITEM)
		if (!words_find(words_of(SETTING_PRIORITY), item.right, &class))
			return refuse_class(item.right, why, cap);
	return next == NEXT_END || refuse_list(list, "batch*=low, web=high", why, cap);
}

bool priorities_match(const char *list, struct slice name, enum priority *out)
{
	char text[PART_LEN];
	struct item item;
	size_t len = name.len < PART_LEN ? name.len : PART_LEN - 1;
	int class;

	if (list[0] == '\0')
		return false;
	memcpy(text, name.data, len);
	text[len] = '\0';
	while (next_item(&list, &item) == NEXT_ITEM) {
		if (fnmatch(item.left, text, FNM_NOESCAPE) != 0 ||
		    !words_find(words_of(SETTING_PRIORITY), item.right, &class))
			continue;
		*out = (enum priority) class;
		return true;
	}
	return false;
}
