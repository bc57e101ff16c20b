/*
 * The grammar of the console: a few words, so a reader that takes one after the other.
 */
#include "console/command.h"

#include "base/text.h"
#include "config/hint.h"

enum takes { TAKES_NOTHING, TAKES_OPTION, TAKES_WORD, TAKES_VALUE };

static const struct {
	const char *name;
	enum command_verb verb;
	enum takes takes;
	bool needs_admin;
} verbs[] = {
    {"SHOW", COMMAND_SHOW, TAKES_WORD, false},
    {"SET", COMMAND_SET, TAKES_VALUE, true},
    {"PAUSE", COMMAND_PAUSE, TAKES_OPTION, true},
    {"RESUME", COMMAND_RESUME, TAKES_OPTION, true},
    {"DISABLE", COMMAND_DISABLE, TAKES_OPTION, true},
    {"ENABLE", COMMAND_ENABLE, TAKES_OPTION, true},
    {"RECONNECT", COMMAND_RECONNECT, TAKES_OPTION, true},
    {"WAIT_CLOSE", COMMAND_WAIT_CLOSE, TAKES_OPTION, true},
    {"KILL", COMMAND_KILL, TAKES_OPTION, true},
    {"KILL_CLIENT", COMMAND_KILL_CLIENT, TAKES_OPTION, true},
    {"UNBLOCK", COMMAND_UNBLOCK, TAKES_OPTION, true},
    {"RELOAD", COMMAND_RELOAD, TAKES_NOTHING, true},
    {"SHUTDOWN", COMMAND_SHUTDOWN, TAKES_OPTION, true},
    {"SELECT", COMMAND_SHOW, TAKES_WORD, false},
};

enum { VERB_COUNT = sizeof(verbs) / sizeof(verbs[0]) };

/* ---- reading ---- */

static bool is_blank(uint8_t c)
{
	return c == ' ' || (c >= '\t' && c <= '\r');
}

static bool is_letter_of_word(uint8_t c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
	       (c >= '0' && c <= '9') || c == '_';
}

static bool is_letter_of_value(uint8_t c)
{
	return is_letter_of_word(c) || c == '.' || c == '-' || c == '+';
}

static void skip_blanks(struct slice *rest)
{
	while (rest->len > 0 && is_blank(rest->data[0]))
		*rest = slice_after(*rest, 1);
}

static bool take_char(struct slice *rest, uint8_t c)
{
	if (rest->len == 0 || rest->data[0] != c)
		return false;
	*rest = slice_after(*rest, 1);
	return true;
}

/* What stands between two quotes, the first of which is there. False when the other is
 * not, or it is too long, or holds a NUL. */
static bool read_quoted(struct slice *rest, char *out, size_t cap)
{
	uint8_t quote = rest->data[0];
	size_t len = 0, i = 1;

	for (; i < rest->len; i++) {
		uint8_t c = rest->data[i];
		if (c == quote && (i + 1 == rest->len || rest->data[i + 1] != quote))
			break;
		if (c == quote)
			i++;
		if (len + 1 >= cap || c == '\0')
			return false;
		out[len++] = (char)c;
	}
	if (i >= rest->len)
		return false;
	out[len] = '\0';
	*rest = slice_after(*rest, i + 1);
	return true;
}

static bool read_plain(struct slice *rest, char *out, size_t cap, bool (*fits)(uint8_t))
{
	size_t len = 0;

	while (len < rest->len && fits(rest->data[len]))
		len++;
	if (len == 0 || len >= cap)
		return false;
	text_copy(out, cap, slice_first(*rest, len));
	*rest = slice_after(*rest, len);
	return true;
}

static bool read_word(struct slice *rest, char *out, size_t cap)
{
	skip_blanks(rest);
	if (rest->len > 0 && rest->data[0] == '"')
		return read_quoted(rest, out, cap) && out[0] != '\0';
	return read_plain(rest, out, cap, is_letter_of_word);
}

static bool read_value(struct slice *rest, char *out, size_t cap)
{
	skip_blanks(rest);
	if (rest->len > 0 && (rest->data[0] == '\'' || rest->data[0] == '"'))
		return read_quoted(rest, out, cap);
	return read_plain(rest, out, cap, is_letter_of_value);
}

/* "=" or the word TO. */
static bool read_becomes(struct slice *rest)
{
	char word[3];

	skip_blanks(rest);
	if (take_char(rest, '='))
		return true;
	return read_plain(rest, word, sizeof(word), is_letter_of_word) &&
	       text_equal_nocase(word, "to");
}

static bool is_at_end(struct slice rest)
{
	skip_blanks(&rest);
	if (take_char(&rest, ';'))
		skip_blanks(&rest);
	return rest.len == 0;
}

/* ---- understanding ---- */

static bool read_rest(struct slice *rest, enum takes takes, struct command *out)
{
	switch (takes) {
	case TAKES_NOTHING:
		return true;
	case TAKES_OPTION:
		return is_at_end(*rest) ||
		       read_word(rest, out->argument, sizeof(out->argument));
	case TAKES_WORD:
		return read_word(rest, out->argument, sizeof(out->argument));
	case TAKES_VALUE:
		return read_word(rest, out->argument, sizeof(out->argument)) &&
		       read_becomes(rest) &&
		       read_value(rest, out->value, sizeof(out->value));
	}
	return false;
}

enum command_result command_parse(struct slice text, struct command *out)
{
	char verb[16];

	if (is_at_end(text))
		return COMMAND_EMPTY;
	out->argument[0] = out->value[0] = '\0';
	if (!read_word(&text, verb, sizeof(verb)))
		return COMMAND_INVALID;
	for (size_t i = 0; i < VERB_COUNT; i++) {
		if (!text_equal_nocase(verb, verbs[i].name))
			continue;
		out->verb = verbs[i].verb;
		bool is_whole = read_rest(&text, verbs[i].takes, out) && is_at_end(text);
		return is_whole ? COMMAND_OK : COMMAND_INVALID;
	}
	return COMMAND_INVALID;
}

const char *command_name(enum command_verb verb)
{
	size_t i = 0;

	while (verbs[i].verb != verb)
		i++;
	return verbs[i].name;
}

bool command_needs_admin(enum command_verb verb)
{
	size_t i = 0;

	while (verbs[i].verb != verb)
		i++;
	return verbs[i].needs_admin;
}

const char *command_nearest(struct slice text)
{
	char word[COMMAND_WORD_MAX + 1];

	if (!read_word(&text, word, sizeof(word)))
		return NULL;
	struct nearest nearest = nearest_to(word);
	for (size_t i = 0; i < VERB_COUNT; i++)
		nearest_offer(&nearest, verbs[i].name);
	return nearest_name(&nearest);
}
