#include "statement.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum {
	ROWS_MAX = 1000000,
	ROW_BYTES_MAX = 64 << 20,
	ANSWER_BYTES_MAX = 512 << 20,
	TIMES_MAX = 1000000,
};

static const struct {
	const char *word;
	enum verb verb;
	const char *tag;
} verbs[] = {
    {"SET", VERB_SET, "SET"},
    {"DISCARD", VERB_RESET, "DISCARD ALL"},
    {"RESET", VERB_RESET, "RESET"},
    {"BEGIN", VERB_BEGIN, "BEGIN"},
    {"START", VERB_BEGIN, "START TRANSACTION"},
    {"COMMIT", VERB_COMMIT, "COMMIT"},
    {"END", VERB_COMMIT, "COMMIT"},
    {"ROLLBACK", VERB_ROLLBACK, "ROLLBACK"},
    {"ABORT", VERB_ROLLBACK, "ROLLBACK"},
    {"FAIL", VERB_FAIL, ""},
};

static size_t statement_len(const char *text)
{
	bool quoted = false;
	size_t len = 0;
	for (; text[len] != 0 && (quoted || text[len] != ';'); len++) {
		if (text[len] == '\'')
			quoted = !quoted;
	}
	return len;
}

/* The number behind `name=` in the text, or the fallback. */
static size_t number_of(const char *text, size_t len, const char *name, size_t fallback,
			size_t max)
{
	const char *found = memmem(text, len, name, strlen(name));
	if (!found)
		return fallback;
	unsigned long value = strtoul(found + strlen(name), NULL, 10);
	return value < max ? value : max;
}

static size_t copy_until(const char *text, size_t len, const char *stops, char *out,
			 size_t out_cap)
{
	size_t taken = 0, kept = 0;
	for (; taken < len && !strchr(stops, text[taken]); taken++) {
		if (kept + 1 < out_cap)
			out[kept++] = text[taken];
	}
	out[kept] = 0;
	return taken;
}

static size_t skip_blanks(const char *text, size_t len, size_t at)
{
	while (at < len && isspace((unsigned char)text[at]))
		at++;
	return at;
}

/* SET [SESSION|LOCAL] name {TO|=} value, where the value may be quoted. */
static void parse_set(const char *text, size_t len, struct statement *out)
{
	size_t at = skip_blanks(text, len, strlen("SET"));
	at += copy_until(text + at, len - at, " =", out->name, sizeof(out->name));
	if (!strcasecmp(out->name, "SESSION") || !strcasecmp(out->name, "LOCAL")) {
		at = skip_blanks(text, len, at);
		at += copy_until(text + at, len - at, " =", out->name, sizeof(out->name));
	}
	at = skip_blanks(text, len, at);
	if (at < len && text[at] == '=')
		at++;
	else if (len - at > 3 && !strncasecmp(text + at, "TO ", 3))
		at += 3;
	at = skip_blanks(text, len, at);
	bool quoted = at < len && text[at] == '\'';
	if (quoted)
		at++;
	copy_until(text + at, len - at, quoted ? "'" : " ", out->value,
		   sizeof(out->value));
}

static void parse(const char *text, size_t len, struct statement *out)
{
	*out = (struct statement){.verb = VERB_ROWS, .tag = ""};
	for (size_t i = 0; i < sizeof(verbs) / sizeof(verbs[0]); i++) {
		size_t word_len = strlen(verbs[i].word);
		if (len < word_len || strncasecmp(text, verbs[i].word, word_len) != 0)
			continue;
		if (len > word_len && isalnum((unsigned char)text[word_len]))
			continue;
		out->verb = verbs[i].verb;
		out->tag = verbs[i].tag;
	}
	if (out->verb == VERB_SET)
		parse_set(text, len, out);
	out->row_bytes = number_of(text, len, "bytes=", 1, ROW_BYTES_MAX);
	size_t most = ANSWER_BYTES_MAX / (out->row_bytes + 16);
	out->rows = number_of(text, len, "rows=", 1, most < ROWS_MAX ? most : ROWS_MAX);
	out->times = number_of(text, len, "times=", 1, TIMES_MAX);
	out->sleep_ms = (unsigned)number_of(text, len, "sleep_ms=", 0, 60000);
	out->spread = (unsigned)number_of(text, len, "spread=", 0, 100);
}

bool statement_next(const char **text, bool first, struct statement *out)
{
	while (isspace((unsigned char)**text) || **text == ';')
		(*text)++;
	size_t len = statement_len(*text);
	if (len > 0) {
		parse(*text, len, out);
		*text += len;
		return true;
	}
	*out = (struct statement){.verb = VERB_EMPTY, .tag = ""};
	return first;
}
