/*
 * The quick look at raw bytes, which finds that most texts have no hints; where it finds
 * something, or the first keyword says so, sqlread.c reads word by word.
 *
 * The quick look may be wrong in one direction only: what it finds may stand in a string
 * or a comment.
 */
#include "proto/sqlscan.h"

#include "proto/sqlfunction.h"
#include "proto/sqllex.h"
#include "proto/sqlread.h"

/* ---- first keywords ---- */

enum verb {
	VERB_OTHER, /* only its functions matter */
	VERB_SELECT,
	VERB_WITH,
	VERB_INSERT, /* and others that may */
	VERB_SLOW,   /* has to be read word by word */
};

/* Up to eight letters as a number to switch on. Bytes of words that are not letters do
 * not become letters by this folding. */
#define FOLD(c, i) ((uint64_t)((c) | 0x20) << 8 * (i))
#define WORD2(a, b) (FOLD(a, 0) | FOLD(b, 1))
#define WORD4(a, b, c, d) (WORD2(a, b) | WORD2(c, d) << 16)
#define WORD5(a, b, c, d, e) (WORD4(a, b, c, d) | FOLD(e, 4))
#define WORD6(a, b, c, d, e, f) (WORD4(a, b, c, d) | WORD2(e, f) << 32)
#define WORD7(a, b, c, d, e, f, g) (WORD6(a, b, c, d, e, f) | FOLD(g, 6))
#define WORD8(a, b, c, d, e, f, g, h) (WORD4(a, b, c, d) | WORD4(e, f, g, h) << 32)

/* The first eight letters of the word in front; 0 where there is none. */
static uint64_t first_letters(struct slice s)
{
	uint64_t letters = 0;

	for (unsigned i = 0; i < 8 && i < s.len && sqllex_is_word(s.data[i]); i++)
		letters |= FOLD(s.data[i], i);
	return letters;
}

static enum verb verb_of(uint64_t letters)
{
	switch (letters) {
	case WORD6('s', 'e', 'l', 'e', 'c', 't'):
		return VERB_SELECT;
	case WORD4('w', 'i', 't', 'h'):
		return VERB_WITH;
	case WORD6('i', 'n', 's', 'e', 'r', 't'):
	case WORD5('m', 'e', 'r', 'g', 'e'):
	case WORD4('c', 'o', 'p', 'y'):
		return VERB_INSERT;
	case WORD4('c', 'a', 'l', 'l'):
	case WORD5('c', 'l', 'o', 's', 'e'):
	case WORD6('c', 'r', 'e', 'a', 't', 'e'):
	case WORD8('d', 'e', 'a', 'l', 'l', 'o', 'c', 'a'):
	case WORD7('d', 'e', 'c', 'l', 'a', 'r', 'e'):
	case WORD7('d', 'i', 's', 'c', 'a', 'r', 'd'):
	case WORD2('d', 'o'):
	case WORD4('d', 'r', 'o', 'p'):
	case WORD7('e', 'x', 'e', 'c', 'u', 't', 'e'):
	case WORD7('e', 'x', 'p', 'l', 'a', 'i', 'n'):
	case WORD6('l', 'i', 's', 't', 'e', 'n'):
	case WORD4('l', 'o', 'a', 'd'):
	case WORD7('p', 'r', 'e', 'p', 'a', 'r', 'e'):
	case WORD5('r', 'e', 's', 'e', 't'):
	case WORD2('s', 'e') | FOLD('t', 2):
	case WORD8('u', 'n', 'l', 'i', 's', 't', 'e', 'n'):
		return VERB_SLOW;
	}
	return VERB_OTHER;
}

/* ---- the quick look ---- */

/* Needs to be read word by word. No statement has it. */
enum { LOOK_CLOSER = 1u << 31 };

struct quick {
	struct slice text;
	bool has_looked_for_dashes, has_dashes;
};

static bool has_line_comments(struct quick *q)
{
	if (!q->has_looked_for_dashes)
		q->has_dashes = memmem(q->text.data, q->text.len, "--", 2) != NULL;
	q->has_looked_for_dashes = true;
	return q->has_dashes;
}

/* What is called by the parenthesis at `end`. */
static uint32_t quick_call(struct quick *q, const uint8_t *end)
{
	const uint8_t *start = q->text.data;
	bool is_new_line = false;

	for (; end > start && sqllex_is_blank(end[-1]); end--)
		is_new_line |= end[-1] == '\n' || end[-1] == '\r';
	if (end - start < SQLFUNCTION_MIN)
		return 0;
	/* A comment may stand between the name and the parenthesis. */
	if ((end[-1] == '/' && end[-2] == '*') || (is_new_line && has_line_comments(q)))
		return LOOK_CLOSER;
	end -= end[-1] == '"';
	if (!sqlfunction_may_end(end[-2], end[-1]))
		return 0;
	const uint8_t *name = end;
	while (name > start && end - name <= SQLFUNCTION_MAX && sqllex_is_word(name[-1]))
		name--;
	while (!sqllex_is_word_start(*name) && name < end - 1)
		name++; /* a number may touch a word */
	/* And so may the end of a dollar quote. */
	if (memchr(name, '$', (size_t)(end - name)))
		return LOOK_CLOSER;
	uint32_t hint = sqlfunction_hints(slice_of(name, (size_t)(end - name)));
	/* What has only common hints need not be right. */
	return hint & ~(uint32_t)SQL_COMMON ? LOOK_CLOSER : hint;
}

static uint32_t quick_calls(struct slice s)
{
	const uint8_t *at = s.data, *end = s.data + s.len;
	struct quick q = {.text = s};
	uint32_t hints = 0;

	for (; (at = memchr(at, '(', (size_t)(end - at))) && !(hints & LOOK_CLOSER); at++)
		hints |= quick_call(&q, at);
	return hints;
}

/* A semicolon with anything behind it but blanks and more of them. */
static bool has_more_statements(struct slice s)
{
	const uint8_t *at = memchr(s.data, ';', s.len), *end = s.data + s.len;

	while (at && at < end && (*at == ';' || sqllex_is_blank(*at)))
		at++;
	return at && at < end;
}

/* U&"..." may be any name. */
static bool has_unicode_name(struct slice s)
{
	const uint8_t *at = s.data, *end = s.data + s.len;

	for (; (at = memchr(at, '&', (size_t)(end - at))); at++)
		if (at > s.data && (at[-1] | 0x20) == 'u' && at + 1 < end && at[1] == '"')
			return true;
	return false;
}

typedef uint8_t lanes __attribute__((vector_size(16)));

static inline lanes lanes_folded(const uint8_t *at)
{
	lanes l;

	memcpy(&l, at, sizeof(l));
	return l | 0x20;
}

/* Where the first and the last of the four letters stand at their distance. */
static inline lanes lanes_like(const uint8_t *at, const char letters[5])
{
	return (lanes)(lanes_folded(at) == (uint8_t)letters[0]) &
	       (lanes)(lanes_folded(at + 3) == (uint8_t)letters[3]);
}

static inline bool any_lane(lanes l)
{
	uint64_t halves[2];

	memcpy(halves, &l, sizeof(halves));
	return (halves[0] | halves[1]) != 0;
}

/* Whether the four letters begin anywhere before `count`. */
static bool begins_before(const uint8_t *at, size_t count, const char letters[5])
{
	for (size_t i = 0; i < count; i++)
		if (sqllex_is_folded(slice_of(at + i, 4), letters))
			return true;
	return false;
}

/* Whether these letters stand anywhere in it, in whatever case. */
static bool has_letters(struct slice s, const char letters[5])
{
	enum { BLOCK = 2 * sizeof(lanes) };
	size_t i = 0;

	for (; i + BLOCK + 3 <= s.len; i += BLOCK) {
		const uint8_t *at = s.data + i;

		if (any_lane(lanes_like(at, letters) |
			     lanes_like(at + sizeof(lanes), letters)) &&
		    begins_before(at, BLOCK, letters))
			return true;
	}
	return i + 4 <= s.len && begins_before(s.data + i, s.len - i - 3, letters);
}

/* Whether the word stands anywhere in it, also within another. */
static bool has_word(struct slice s, const char *word, const char front[5])
{
	size_t len = strlen(word);

	if (!has_letters(s, front))
		return false;
	for (size_t i = 0; i + len <= s.len; i++)
		if (sqllex_is_folded(slice_of(s.data + i, len), word))
			return true;
	return false;
}

bool sqlscan_reads_clock(struct slice s)
{
	/* What stands behind the word tells it from the function. */
	return has_letters(s, "now'") || has_letters(s, "now ") ||
	       has_letters(s, "now$") || has_word(s, "today", "toda") ||
	       has_word(s, "tomorrow", "tomo") || has_word(s, "yesterday", "yest") ||
	       has_word(s, "timetz", "time");
}

/* Hints of a text that are right or too many, as far as raw bytes say; or LOOK_CLOSER. */
static uint32_t quick_look(struct slice s, enum verb verb)
{
	uint32_t hints = verb == VERB_INSERT ? SQL_STEPS : 0;

	if (has_more_statements(s) || has_unicode_name(s))
		return LOOK_CLOSER;
	hints |= quick_calls(s);
	if ((verb == VERB_SELECT && has_letters(s, "into")) ||
	    (verb == VERB_WITH && has_letters(s, "temp") && has_letters(s, "into")))
		return LOOK_CLOSER;
	if (verb == VERB_WITH && (has_letters(s, "inse") || has_letters(s, "merg")))
		hints |= SQL_STEPS;
	return hints;
}

static struct slice without_front(struct slice text)
{
	for (;;) {
		text = slice_after(text, sqllex_blank_len(text));
		if (text.len == 0 || (text.data[0] != '(' && text.data[0] != ';'))
			return text;
		text = slice_after(text, 1);
	}
}

uint32_t sqlscan(struct slice text)
{
	/* A message without a body has no address either. */
	if (text.len == 0)
		return 0;
	struct slice s = without_front(text);
	enum verb verb = verb_of(first_letters(s));
	uint32_t hints = verb == VERB_SLOW ? LOOK_CLOSER : quick_look(s, verb);

	return hints & LOOK_CLOSER ? sqlread_all_ways(text) : hints;
}
