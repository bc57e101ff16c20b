/*
 * Cutting SQL into words ("SQL Syntax", *Lexical Structure*). What never ends (a quote, a
 * comment) ends with what is here: the server would refuse it, or the rest has not come.
 */
#include "proto/sqllex.h"

enum class {
	BLANK = 1,
	START = 2, /* of a word */
	PART = 4,  /* of a word, also its start */
};

/* clang-format off */
static const uint8_t classes[256] = {
	['\t'] = BLANK, ['\n'] = BLANK, ['\v'] = BLANK, ['\f'] = BLANK, ['\r'] = BLANK,
	[' '] = BLANK,
	['0' ... '9'] = PART, ['$'] = PART,
	['A' ... 'Z'] = START | PART, ['a' ... 'z'] = START | PART,
	['_'] = START | PART, [0x80 ... 0xff] = START | PART,
};
/* clang-format on */

bool sqllex_is_word_start(uint8_t c)
{
	return classes[c] & START;
}

bool sqllex_is_word(uint8_t c)
{
	return classes[c] & PART;
}

bool sqllex_is_blank(uint8_t c)
{
	return classes[c] & BLANK;
}

/* ---- blanks and comments ---- */

static bool starts_with(struct slice s, char first, char second)
{
	return s.len >= 2 && s.data[0] == (uint8_t)first && s.data[1] == (uint8_t)second;
}

/* The length of the comment in front, up to the end of its line. */
static size_t line_comment_len(struct slice s)
{
	size_t len = 2;

	while (len < s.len && s.data[len] != '\n' && s.data[len] != '\r')
		len++;
	return len;
}

/* Comments of this kind have comments inside. */
static size_t block_comment_len(struct slice s)
{
	size_t len = 2, depth = 1;

	while (len < s.len && depth > 0) {
		struct slice rest = slice_after(s, len);

		if (starts_with(rest, '*', '/')) {
			depth--;
			len += 2;
		} else if (starts_with(rest, '/', '*')) {
			depth++;
			len += 2;
		} else {
			len++;
		}
	}
	return len;
}

size_t sqllex_blank_len(struct slice text)
{
	size_t len = 0;

	for (;;) {
		while (len < text.len && sqllex_is_blank(text.data[len]))
			len++;
		if (len == text.len || (text.data[len] != '-' && text.data[len] != '/'))
			return len;
		struct slice rest = slice_after(text, len);
		if (starts_with(rest, '-', '-'))
			len += line_comment_len(rest);
		else if (starts_with(rest, '/', '*'))
			len += block_comment_len(rest);
		else
			return len;
	}
}

/* ---- quotes ---- */

/* The length up to and with the closing quote, which is doubled where it is meant. */
static size_t doubled_len(struct slice s, size_t len, uint8_t quote)
{
	while (len < s.len) {
		const uint8_t *end = memchr(s.data + len, quote, s.len - len);

		if (!end)
			return s.len;
		len = (size_t)(end - s.data) + 1;
		if (len == s.len || s.data[len] != quote)
			return len;
		len++;
	}
	return s.len;
}

/* Whether a string that closes at this place would not if backslashes escaped: all of
 * those in front, or all but the first, which may be the second half of a character. */
static bool may_be_escaped(struct slice s, size_t from, size_t quote_at)
{
	size_t start = quote_at;

	while (start > from && s.data[start - 1] == '\\')
		start--;
	if (start == quote_at)
		return false;
	return (quote_at - start) % 2 == 1 || (start > from && s.data[start - 1] >= 0x80);
}

/* A plain string; len is where it starts behind its quote. */
static size_t plain_len(struct sqllex *l, struct slice s, size_t from)
{
	size_t len = from;

	while (len < s.len) {
		const uint8_t *end = memchr(s.data + len, '\'', s.len - len);

		if (!end)
			return s.len;
		len = (size_t)(end - s.data);
		if (may_be_escaped(s, from, len))
			l->doubts |= SQLLEX_ESCAPES;
		len++;
		if (len == s.len || s.data[len] != '\'')
			return len;
		len++;
	}
	return s.len;
}

/* Whether the backslash is one in this reading; one behind a byte that is not ASCII may
 * be the second half of a character. */
static bool escapes(struct sqllex *l, struct slice s, size_t at)
{
	if (at == 0 || s.data[at - 1] < 0x80)
		return true;
	if (at + 1 < s.len && (s.data[at + 1] == '\'' || s.data[at + 1] == '\\'))
		l->doubts |= SQLLEX_WIDE;
	return !(l->reading & SQLLEX_WIDE);
}

static size_t escaped_len(struct sqllex *l, struct slice s, size_t len)
{
	while (len < s.len) {
		uint8_t c = s.data[len];

		if (c == '\\' && escapes(l, s, len)) {
			len += 2;
		} else if (c != '\'') {
			len++;
		} else if (len + 1 < s.len && s.data[len + 1] == '\'') {
			len += 2;
		} else {
			return len + 1;
		}
	}
	return s.len;
}

/* A string goes on behind blanks with a line's end in them, and keeps its kind. Where
 * the next part begins behind its quote, or 0. */
static size_t continuation(struct slice s, size_t len)
{
	bool has_line_end = false;

	while (len < s.len) {
		struct slice rest = slice_after(s, len);

		if (sqllex_is_blank(s.data[len])) {
			has_line_end |= s.data[len] == '\n' || s.data[len] == '\r';
			len++;
		} else if (starts_with(rest, '-', '-')) {
			len += line_comment_len(rest);
		} else {
			return has_line_end && s.data[len] == '\'' ? len + 1 : 0;
		}
	}
	return 0;
}

static size_t escaped_parts_len(struct sqllex *l, struct slice s, size_t from)
{
	size_t len = escaped_len(l, s, from), next;

	while ((next = continuation(s, len)) > 0)
		len = escaped_len(l, s, next);
	return len;
}

static size_t string_len(struct sqllex *l, struct slice s, size_t from)
{
	return l->reading & SQLLEX_ESCAPES ? escaped_parts_len(l, s, from)
					   : plain_len(l, s, from);
}

/* The length of the opening $tag$, or 0 where this is none. */
static size_t dollar_tag_len(struct slice s)
{
	size_t len = 1;

	if (len < s.len && !sqllex_is_word_start(s.data[len]) && s.data[len] != '$')
		return 0;
	while (len < s.len && sqllex_is_word(s.data[len]) && s.data[len] != '$')
		len++;
	return len < s.len && s.data[len] == '$' ? len + 1 : 0;
}

static size_t dollar_len(struct slice s, size_t tag_len)
{
	const uint8_t *end = memmem(s.data + tag_len, s.len - tag_len, s.data, tag_len);

	return end ? (size_t)(end - s.data) + tag_len : s.len;
}

/* ---- tokens ---- */

struct sqllex sqllex_of(struct slice text, unsigned reading)
{
	return (struct sqllex){.rest = text, .reading = reading};
}

static struct sql_token token(enum sql_token_kind kind, struct slice s, size_t len)
{
	return (struct sql_token){kind, slice_first(s, len < s.len ? len : s.len)};
}

static struct sql_token word(struct slice s)
{
	size_t len = 1;

	while (len < s.len && sqllex_is_word(s.data[len]))
		len++;
	return token(SQL_TOKEN_WORD, s, len);
}

/* The length of UESCAPE and its letter in quotes, or 0. */
static size_t uescape_len(struct slice s)
{
	size_t len = sqllex_blank_len(s);
	struct slice rest = slice_after(s, len);

	if (rest.len == 0 || !sqllex_is_word_start(rest.data[0]))
		return 0;
	struct sql_token uescape = word(rest);
	if (!sql_token_is(&uescape, "uescape"))
		return 0;
	len += uescape.text.len;
	len += sqllex_blank_len(slice_after(s, len));
	return len < s.len && s.data[len] == '\'' ? doubled_len(s, len + 1, '\'') : 0;
}

/* U&"..." may be followed by the letter that it takes for a backslash. */
static struct sql_token unicode_name(struct slice s)
{
	size_t len = doubled_len(s, 3, '"');

	return token(SQL_TOKEN_QUOTED, s, len + uescape_len(slice_after(s, len)));
}

/* A letter in front of a quote makes it a kind of string; all others are words. */
static struct sql_token word_or_prefix(struct sqllex *l, struct slice s)
{
	uint8_t first = s.data[0] | 0x20, second = s.len > 1 ? s.data[1] : 0;
	uint8_t third = s.len > 2 ? s.data[2] : 0;

	if (second == '\'') {
		if (first == 'e')
			return token(SQL_TOKEN_STRING, s, escaped_parts_len(l, s, 2));
		if (first == 'b' || first == 'x')
			return token(SQL_TOKEN_STRING, s, doubled_len(s, 2, '\''));
		if (first == 'n')
			return token(SQL_TOKEN_STRING, s, string_len(l, s, 2));
	}
	if (first == 'u' && second == '&' && third == '"')
		return unicode_name(s);
	if (first == 'u' && second == '&' && third == '\'')
		return token(SQL_TOKEN_STRING, s, doubled_len(s, 3, '\''));
	return word(s);
}

static struct sql_token dollar(struct slice s)
{
	size_t tag_len = dollar_tag_len(s);

	if (tag_len > 0)
		return token(SQL_TOKEN_STRING, s, dollar_len(s, tag_len));
	return token(SQL_TOKEN_SIGN, s, 1);
}

static struct sql_token first_token(struct sqllex *l, struct slice s)
{
	uint8_t c = s.len > 0 ? s.data[0] : 0;

	if (s.len == 0)
		return (struct sql_token){.kind = SQL_TOKEN_END, .text = s};
	if (sqllex_is_word_start(c))
		return word_or_prefix(l, s);
	if (c == '\'')
		return token(SQL_TOKEN_STRING, s, string_len(l, s, 1));
	if (c == '"')
		return token(SQL_TOKEN_QUOTED, s, doubled_len(s, 1, '"'));
	if (c == '$')
		return dollar(s);
	return token(SQL_TOKEN_SIGN, s, 1);
}

struct sql_token sqllex_next(struct sqllex *l)
{
	struct slice s = slice_after(l->rest, sqllex_blank_len(l->rest));
	struct sql_token t = first_token(l, s);

	l->rest = slice_after(s, t.text.len);
	return t;
}

struct sql_token sqllex_peek(const struct sqllex *l)
{
	struct sqllex copy = *l;

	return sqllex_next(&copy);
}

bool sqllex_is_folded(struct slice s, const char *name)
{
	for (size_t i = 0; i < s.len; i++)
		if (name[i] == '\0' || (s.data[i] | 0x20) != ((uint8_t)name[i] | 0x20))
			return false;
	return name[s.len] == '\0';
}

bool sql_token_is(const struct sql_token *t, const char *keyword)
{
	return t->kind == SQL_TOKEN_WORD && sqllex_is_folded(t->text, keyword);
}
