/*
 * Reading names from texts. What can be spelled in too many ways (a name that is
 * computed, an escape in it) is not read: then everything is asked for.
 */
#include "relay/altered.h"

#include "proto/sqlscan.h"

enum {
	/* Who alters more between two questions is asked for everything. */
	NAMES_MAX = 16 * 1024,
	FLAG_SET = 's',
	FLAG_RESET = 'r',
};

static bool is_ascii(struct slice name)
{
	for (size_t i = 0; i < name.len; i++)
		if (name.data[i] >= 0x80 || name.data[i] == 0)
			return false;
	return true;
}

static uint8_t lower(uint8_t c)
{
	return c >= 'A' && c <= 'Z' ? (uint8_t)(c - 'A' + 'a') : c;
}

static bool name_equal(struct slice a, struct slice b)
{
	if (a.len != b.len)
		return false;
	for (size_t i = 0; i < a.len; i++)
		if (lower(a.data[i]) != lower(b.data[i]))
			return false;
	return true;
}

bool altered_next(const struct altered *a, size_t *at, struct slice *out_name,
		  bool *out_is_reset)
{
	struct slice rest = buffer_bytes(&a->names);

	if (*at >= rest.len)
		return false;
	rest = slice_after(rest, *at);
	size_t len = strnlen((const char *)rest.data + 1, rest.len - 1);
	*out_is_reset = rest.data[0] == FLAG_RESET;
	*out_name = slice_of(rest.data + 1, len);
	*at += len + 2;
	return true;
}

static bool has(const struct altered *a, struct slice name, bool is_reset)
{
	struct slice known;
	size_t at = 0;
	bool was_reset;

	while (altered_next(a, &at, &known, &was_reset))
		if (was_reset == is_reset && name_equal(known, name))
			return true;
	return false;
}

bool altered_has_reset(const struct altered *a, struct slice name)
{
	return a->resets_all || (a->resets && has(a, name, true));
}

void altered_add(struct altered *a, struct slice name, bool is_reset)
{
	uint8_t flag = is_reset ? FLAG_RESET : FLAG_SET;
	size_t before = buffer_len(&a->names);

	if (is_reset)
		a->all = a->resets = true;
	if (name.len == 0 || has(a, name, is_reset))
		return;
	/* Other bytes mean what the client_encoding of that moment made of them. */
	if (!is_ascii(name) || before + name.len + 2 > NAMES_MAX) {
		a->all = a->is_beyond = true;
		return;
	}
	if (buffer_append(&a->names, slice_of(&flag, 1)) &&
	    buffer_append(&a->names, name) && buffer_append(&a->names, slice_of("", 1)))
		return;
	buffer_truncate(&a->names, before);
	a->all = a->is_beyond = true;
}

/* ---- SET and RESET ---- */

static bool is_blank(uint8_t c)
{
	return c == ' ' || (c >= '\t' && c <= '\r');
}

static struct slice skip_blanks(struct slice text)
{
	while (text.len > 0 && is_blank(text.data[0]))
		text = slice_after(text, 1);
	return text;
}

static bool is_word(uint8_t c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
	       (c >= '0' && c <= '9') || c == '_' || c == '$' || c >= 0x80;
}

/* Moves behind the word if it stands in front. */
static bool take_word(struct slice *text, const char *word)
{
	size_t len = 0;

	while (len < text->len && is_word(text->data[len]))
		len++;
	if (!name_equal(slice_first(*text, len), slice_of_text(word)))
		return false;
	*text = skip_blanks(slice_after(*text, len));
	return true;
}

/* Whether what stands behind the name of a SET takes it back to DEFAULT. A comment
 * between hides it; then the value that the server tells is taken for the client's wish,
 * which is wrong only where its start-up had another. */
static bool is_default(struct slice written, struct slice behind)
{
	behind = skip_blanks(behind);
	/* Of some the name may be but the first word. */
	bool is_zone = take_word(&behind, "zone") || sqlscan_is(written, "time zone") ||
		       sqlscan_is(written, "time");
	take_word(&behind, "authorization");
	if (behind.len > 0 && behind.data[0] == '=')
		behind = skip_blanks(slice_after(behind, 1));
	else
		take_word(&behind, "to");
	return take_word(&behind, "default") ||
	       (is_zone && take_word(&behind, "local")) ||
	       (sqlscan_is(written, "role") && take_word(&behind, "none"));
}

/* What stands behind the name of a statement, up to its end. */
static struct slice behind_name(struct slice name, struct slice rest)
{
	if (name.len == 0 || rest.data < name.data + name.len)
		return slice_of(NULL, 0);
	return slice_of(name.data + name.len, (size_t)(rest.data - name.data) - name.len);
}

static void note_names(struct altered *a, const struct sql_statement *statement,
		       bool is_reset)
{
	char scratch[SQL_NAME_LEN];
	const char *name;
	unsigned i = 0;

	if (is_reset)
		a->all = a->resets = true;
	if (is_reset && sqlscan_is(statement->name, "all")) {
		a->resets_all = true;
		return;
	}
	while ((name = sqlscan_parameter(statement->name, i++, scratch))) {
		altered_add(a, slice_of_text(name), is_reset);
		/* A new user has no role. */
		if (strcmp(name, "session_authorization") == 0)
			altered_add(a, slice_of_text("role"), is_reset);
	}
	if (i == 1)
		a->all = a->is_beyond = true;
}

static void note_statements(struct altered *a, struct slice text)
{
	struct sql_statement statement;

	while (sqlscan_next(&text, &statement)) {
		if (statement.hints & SQL_DISCARDS)
			a->all = a->resets = a->resets_all = true;
		else if (statement.hints & SQL_RESETS)
			note_names(a, &statement, true);
		else if (statement.hints & SQL_SETS)
			note_names(a, &statement,
				   is_default(statement.name,
					      behind_name(statement.name, text)));
	}
}

/* ---- set_config() ---- */

static const uint8_t *find_word(struct slice text, const char *word)
{
	size_t len = strlen(word);

	for (size_t i = 0; i + len <= text.len; i++)
		if (lower(text.data[i]) == (uint8_t)word[0] &&
		    name_equal(slice_of(text.data + i, len), slice_of_text(word)))
			return text.data + i;
	return NULL;
}

/* The name in "('name'," in front; empty when that is not what stands there. */
static struct slice literal_name(struct slice text)
{
	text = skip_blanks(text);
	if (text.len == 0 || text.data[0] != '(')
		return slice_of(NULL, 0);
	text = skip_blanks(slice_after(text, 1));
	if (text.len == 0 || text.data[0] != '\'')
		return slice_of(NULL, 0);
	text = slice_after(text, 1);
	const uint8_t *end = memchr(text.data, '\'', text.len);
	if (!end)
		return slice_of(NULL, 0);
	struct slice name = slice_first(text, (size_t)(end - text.data));
	text = skip_blanks(slice_after(text, name.len + 1));
	bool is_all = text.len > 0 && text.data[0] == ',';
	return is_all && !memchr(name.data, '\\', name.len) ? name : slice_of(NULL, 0);
}

static void note_calls(struct altered *a, struct slice text)
{
	static const char word[] = "set_config";
	const uint8_t *at;

	while ((at = find_word(text, word))) {
		text = slice_after(text, (size_t)(at - text.data) + sizeof(word) - 1);
		struct slice name = literal_name(text);
		if (name.len == 0)
			a->all = a->is_beyond = true;
		else
			altered_add(a, name, false);
	}
}

void altered_note(struct altered *a, struct slice text, uint32_t hints)
{
	if (hints & (SQL_RUNS_CODE | SQL_EXECUTES))
		a->all = a->is_beyond = true;
	if (hints & (SQL_SETS | SQL_RESETS | SQL_DISCARDS))
		note_statements(a, text);
	if (hints & (SQL_CONFIGURES | SQL_RUNS_CODE))
		note_calls(a, text);
}

/* ---- as a whole ---- */

bool altered_is_empty(const struct altered *a)
{
	return buffer_len(&a->names) == 0 && !a->all;
}

void altered_move(struct altered *from, struct altered *to)
{
	struct slice name;
	size_t at = 0;
	bool is_reset;

	while (altered_next(from, &at, &name, &is_reset))
		altered_add(to, name, is_reset);
	to->all |= from->all;
	to->resets |= from->resets;
	to->resets_all |= from->resets_all;
	to->is_beyond |= from->is_beyond;
	altered_clear(from);
}

void altered_drop_resets(struct altered *a)
{
	struct buffer names = a->names;
	struct altered rest = {.all = a->all, .is_beyond = a->is_beyond};
	struct slice name;
	size_t at = 0;
	bool is_reset;

	while (altered_next(a, &at, &name, &is_reset))
		altered_add(&rest, name, false);
	*a = rest;
	buffer_fini(&names);
}

void altered_clear(struct altered *a)
{
	buffer_fini(&a->names);
	*a = (struct altered){0};
}
