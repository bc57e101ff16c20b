/*
 * See the header. Stricter than PostgreSQL where that hides mistakes: a quote that is not
 * closed, and a comma without a token on each side, are errors.
 */
#include "auth/tokens.h"

#include <stdlib.h>

#include "config/arena.h"
#include "config/errors.h"

struct tokens tokens_of(struct slice text, const char *file, struct arena *arena,
			struct config_errors *errors)
{
	return (struct tokens){
	    .arena = arena, .errors = errors, .file = file, .rest = text};
}

/* ---- lines ---- */

static struct slice take_physical(struct tokens *t)
{
	const uint8_t *end = memchr(t->rest.data, '\n', t->rest.len);
	size_t len = end ? (size_t)(end - t->rest.data) : t->rest.len;
	struct slice line = slice_first(t->rest, len);

	t->rest = slice_after(t->rest, end ? len + 1 : len);
	t->line++;
	if (line.len > 0 && line.data[line.len - 1] == '\r')
		line.len--;
	return line;
}

static bool is_continued(struct slice line)
{
	return line.len > 0 && line.data[line.len - 1] == '\\';
}

/* A line with those that it continues on, in memory that ends with *out. */
static bool take_logical(struct tokens *t, struct slice *out)
{
	struct slice line = take_physical(t);
	uint8_t *joined;
	size_t len = 0;

	*out = line;
	if (!is_continued(line))
		return true;
	joined = arena_take(t->arena, line.len + t->rest.len);
	if (!joined)
		return false;
	for (;;) {
		bool goes_on = is_continued(line);

		if (goes_on)
			line.len--;
		if (line.len > 0)
			memcpy(joined + len, line.data, line.len);
		len += line.len;
		if (!goes_on || t->rest.len == 0)
			break;
		line = take_physical(t);
	}
	*out = slice_of(joined, len);
	return true;
}

/* ---- tokens ---- */

static bool is_blank(uint8_t c)
{
	return c == ' ' || c == '\t' || c == '\f' || c == '\v' || c == '\r';
}

static void skip_blanks(struct slice *s)
{
	while (s->len > 0 && is_blank(s->data[0]))
		*s = slice_after(*s, 1);
}

static bool at_end(struct slice s)
{
	return s.len == 0 || s.data[0] == '#';
}

static bool ends_token(uint8_t c)
{
	return is_blank(c) || c == ',' || c == '#';
}

/* Its length in the line, 0 when a quote is not closed; the text goes to out, which has
 * room for all of it. */
static size_t scan(struct slice s, char *out)
{
	bool in_quotes = false;
	size_t i = 0, len = 0;

	for (; i < s.len && (in_quotes || !ends_token(s.data[i])); i++) {
		if (s.data[i] != '"') {
			out[len++] = (char)s.data[i];
		} else if (in_quotes && i + 1 < s.len && s.data[i + 1] == '"') {
			out[len++] = '"';
			i++;
		} else {
			in_quotes = !in_quotes;
		}
	}
	out[len] = '\0';
	return in_quotes ? 0 : i;
}

static enum tokens_result complain(const struct tokens *t, unsigned line,
				   const char *what)
{
	config_errors_add(t->errors, CONFIG_ERROR, t->file, line, "%s", what);
	return TOKENS_BAD;
}

static enum tokens_result take_token(struct tokens *t, unsigned line, struct slice *s,
				     char *scratch, struct token **out)
{
	if (at_end(*s) || s->data[0] == ',')
		return complain(t, line, "something is missing beside a comma");
	size_t len = scan(*s, scratch);
	if (len == 0)
		return complain(t, line, "a quote is not closed");
	struct token *token = arena_take(t->arena, sizeof(*token));
	const char *text = arena_text(t->arena, slice_of_text(scratch));
	if (!token || !text)
		return TOKENS_NO_MEMORY;
	*token = (struct token){.text = text, .is_quoted = s->data[0] == '"'};
	*s = slice_after(*s, len);
	*out = token;
	return TOKENS_LINE;
}

/* Tokens up to one that no comma follows. */
static enum tokens_result take_field(struct tokens *t, unsigned line, struct slice *s,
				     char *scratch, struct field **out)
{
	struct field *field = arena_take(t->arena, sizeof(*field));

	if (!field)
		return TOKENS_NO_MEMORY;
	for (struct token **at = &field->tokens;; at = &(*at)->next) {
		enum tokens_result result = take_token(t, line, s, scratch, at);

		if (result != TOKENS_LINE)
			return result;
		if (s->len == 0 || s->data[0] != ',')
			break;
		*s = slice_after(*s, 1);
		skip_blanks(s);
	}
	*out = field;
	return TOKENS_LINE;
}

static enum tokens_result split(struct tokens *t, unsigned line, struct slice s,
				char *scratch, struct field **out)
{
	for (skip_blanks(&s); !at_end(s); skip_blanks(&s)) {
		enum tokens_result result = take_field(t, line, &s, scratch, out);

		if (result != TOKENS_LINE)
			return result;
		out = &(*out)->next;
	}
	return TOKENS_LINE;
}

enum tokens_result tokens_next(struct tokens *t, struct token_line *out)
{
	while (t->rest.len > 0) {
		unsigned line = t->line + 1;
		struct slice s;

		if (!take_logical(t, &s))
			return TOKENS_NO_MEMORY;
		if (s.len > 0 && memchr(s.data, '\0', s.len))
			return complain(t, line, "there is a NUL in the line");
		char *scratch = malloc(s.len + 1);
		if (!scratch)
			return TOKENS_NO_MEMORY;
		*out = (struct token_line){.line = line};
		enum tokens_result result = split(t, line, s, scratch, &out->fields);
		free(scratch);
		if (result != TOKENS_LINE || out->fields)
			return result;
	}
	return TOKENS_END;
}
