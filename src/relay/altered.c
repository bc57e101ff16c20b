/*
 * Reading names from texts. What can be spelled in too many ways (a name that is
 * computed, an escape in it) is not read: then everything is asked for.
 */
#include "relay/altered.h"

#include "proto/meaning.h"
#include "proto/sqlscan.h"

enum {
	/* Who alters more between two questions is asked for everything. */
	NAMES_MAX = 16 * 1024,
	LEN_LEN = sizeof(uint32_t),
	FRONT_LEN = 1 + LEN_LEN,
	/* Of texts that only say so much, nothing is left behind but names. */
	SQL_PASSES = SQL_NAMES | SQL_NAMES_ARGUMENT | SQL_READS_ANYHOW |
		     SQL_READS_BY_ARGUMENT | SQL_MAKES | SQL_COMMON | SQL_IS_MANY,
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
		  enum altered_how *out_how)
{
	struct slice rest = buffer_bytes(&a->names);

	if (*at >= rest.len)
		return false;
	rest = slice_after(rest, *at);
	size_t len = strnlen((const char *)rest.data + FRONT_LEN, rest.len - FRONT_LEN);
	*out_how = (enum altered_how)rest.data[0];
	*out_name = slice_of(rest.data + FRONT_LEN, len);
	*at += FRONT_LEN + len + 1;
	return true;
}

/* It stands in front of the name. */
size_t altered_value_len(struct slice name)
{
	uint32_t len;

	memcpy(&len, name.data - LEN_LEN, LEN_LEN);
	return len;
}

/* Finds the name, as it is kept. */
static bool find(const struct altered *a, struct slice name, enum altered_how how,
		 struct slice *out)
{
	size_t at = 0;
	enum altered_how it_was;

	while (altered_next(a, &at, out, &it_was))
		if (it_was == how && name_equal(*out, name))
			return true;
	return false;
}

bool altered_has(const struct altered *a, struct slice name, enum altered_how how)
{
	struct slice known;

	return find(a, name, how, &known);
}

bool altered_has_value(const struct altered *a, struct slice name, size_t *out_len)
{
	struct slice known;

	if (!find(a, name, ALTERED_SET, &known))
		return false;
	*out_len = altered_value_len(known);
	return true;
}

/* Who one is stays so at a RESET ALL. */
static bool is_identity(struct slice name)
{
	return name_equal(name, slice_of_text("role")) ||
	       name_equal(name, slice_of_text("session_authorization"));
}

bool altered_has_reset(const struct altered *a, struct slice name)
{
	return (is_identity(name) ? a->discards : a->resets_all) ||
	       (a->resets && altered_has(a, name, ALTERED_RESET));
}

static bool append(struct altered *a, enum altered_how how, uint32_t len,
		   struct slice name)
{
	size_t before = buffer_len(&a->names);
	uint8_t flag = (uint8_t)how;

	if (buffer_append(&a->names, slice_of(&flag, 1)) &&
	    buffer_append(&a->names, slice_of(&len, LEN_LEN)) &&
	    buffer_append(&a->names, name) && buffer_append(&a->names, slice_of("", 1)))
		return true;
	buffer_truncate(&a->names, before);
	return false;
}

static void add(struct altered *a, enum altered_how how, struct slice name,
		uint32_t value_len)
{
	size_t len = buffer_len(&a->names) + FRONT_LEN + name.len + 1;

	/* Other bytes mean what the client_encoding of that moment made of them. */
	if (is_ascii(name) && len <= NAMES_MAX && append(a, how, value_len, name))
		a->values_len += value_len;
	else if (how != ALTERED_LOCALLY)
		a->all = a->is_beyond = true;
}

void altered_add(struct altered *a, struct slice name, enum altered_how how)
{
	if (how == ALTERED_RESET)
		a->all = a->resets = true;
	if (name.len > 0 && !altered_has(a, name, how))
		add(a, how, name, 0);
}

/* Of a name as it is kept. */
static void set_len(struct altered *a, struct slice known, uint32_t len)
{
	memcpy(a->names.data + (known.data - a->names.data) - LEN_LEN, &len, LEN_LEN);
}

void altered_add_value(struct altered *a, struct slice name, size_t value_len)
{
	uint32_t len = value_len < UINT32_MAX ? (uint32_t)value_len : UINT32_MAX;
	struct slice known;

	if (name.len > 0 && !find(a, name, ALTERED_SET, &known)) {
		add(a, ALTERED_SET, name, len);
		return;
	}
	if (name.len == 0 || altered_value_len(known) >= len)
		return;
	a->values_len += len - altered_value_len(known);
	set_len(a, known, len);
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
	return take_word(&behind, "default") || (is_zone && take_word(&behind, "local"));
}

/* What stands behind the name of a statement, up to its end. */
static struct slice behind_name(struct slice name, struct slice rest)
{
	if (name.len == 0 || rest.data < name.data + name.len)
		return slice_of(NULL, 0);
	return slice_of(name.data + name.len, (size_t)(rest.data - name.data) - name.len);
}

static void note_name(struct altered *a, struct slice name, enum altered_how how,
		      size_t value_len)
{
	if (how == ALTERED_SET)
		altered_add_value(a, name, value_len);
	else
		altered_add(a, name, how);
}

static void note_names(struct altered *a, const struct sql_statement *statement,
		       enum altered_how how, size_t value_len)
{
	char scratch[SQL_NAME_LEN];
	const char *name;
	unsigned i = 0;

	if (how == ALTERED_RESET)
		a->all = a->resets = true;
	if (how == ALTERED_RESET && sqlscan_is(statement->name, "all")) {
		a->resets_all = true;
		return;
	}
	while ((name = sqlscan_parameter(statement->name, i++, scratch))) {
		note_name(a, slice_of_text(name), how, value_len);
		/* A new user has no role. */
		if (strcmp(name, "session_authorization") == 0)
			altered_add(a, slice_of_text("role"), how);
	}
	if (i == 1)
		a->all = a->is_beyond = true;
}

/* Other things than all are no parameters. */
static void note_discard(struct altered *a, struct slice what)
{
	if (what.len == 0 || sqlscan_is(what, "all"))
		a->all = a->resets = a->resets_all = a->discards = true;
}

static void note_statements(struct altered *a, const struct sql_text *t)
{
	struct slice text = t->text;
	struct sql_statement statement;

	while (sqlscan_next(&text, &statement)) {
		struct slice behind = behind_name(statement.name, text);
		size_t unseen = text.len == 0 ? t->unseen : 0;

		if (statement.is_doubtful && t->hints & ~(uint32_t)SQL_PASSES)
			a->all = a->is_beyond = true;
		if (statement.hints & SQL_DISCARDS)
			note_discard(a, statement.name);
		else if (statement.hints & SQL_RESETS)
			note_names(a, &statement, ALTERED_RESET, 0);
		else if (statement.hints & SQL_SETS)
			note_names(a, &statement,
				   is_default(statement.name, behind) ? ALTERED_RESET
								      : ALTERED_SET,
				   behind.len + unseen);
		else if (statement.hints & SQL_NAMES && statement.name.len > 0)
			note_names(a, &statement, ALTERED_LOCALLY, 0);
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

/* The name in "('name'," in front; empty when that is not what stands there. What stands
 * behind goes to *out_rest. */
static struct slice literal_name(struct slice text, struct slice *out_rest)
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
	*out_rest = slice_after(text, is_all);
	return is_all && !memchr(name.data, '\\', name.len) ? name : slice_of(NULL, 0);
}

/* Of the literal in front, quotes in it and all; 0 where there is none. */
static size_t literal_len(struct slice text, size_t unseen)
{
	text = skip_blanks(text);
	if (text.len == 0 || text.data[0] != '\'')
		return 0;
	for (size_t i = 1; i < text.len; i++) {
		if (text.data[i] != '\'')
			continue;
		if (i + 1 == text.len || text.data[i + 1] != '\'')
			return i - 1;
		i++;
	}
	return text.len + unseen;
}

static bool has_dot(struct slice name)
{
	return memchr(name.data, '.', name.len) != NULL;
}

static void note_calls(struct altered *a, const struct sql_text *t)
{
	static const char word[] = "set_config";
	bool is_local = !(t->hints & (SQL_CONFIGURES | SQL_RUNS_CODE));
	struct slice text = t->text, value;
	const uint8_t *at;

	while ((at = find_word(text, word))) {
		text = slice_after(text, (size_t)(at - text.data) + sizeof(word) - 1);
		struct slice name = literal_name(text, &value);
		if (is_local && name.len > 0 && has_dot(name))
			altered_add(a, name, ALTERED_LOCALLY);
		else if (!is_local && name.len == 0)
			a->all = a->is_beyond = true;
		else if (!is_local)
			altered_add_value(a, name, literal_len(value, t->unseen));
	}
}

void altered_note(struct altered *a, const struct sql_text *t)
{
	if (t->hints & (SQL_RUNS_CODE | SQL_EXECUTES))
		a->all = a->is_beyond = true;
	if (t->hints & (SQL_SETS | SQL_RESETS | SQL_DISCARDS | SQL_NAMES))
		note_statements(a, t);
	if (t->hints & (SQL_CONFIGURES | SQL_RUNS_CODE | SQL_NAMES))
		note_calls(a, t);
	if (t->hints & SQL_RUNS_CODE)
		altered_note_code(a, t->text);
}

bool altered_reads(const struct altered *a)
{
	struct slice name;
	size_t at = 0;
	enum altered_how how;

	if (a->all)
		return true;
	while (altered_next(a, &at, &name, &how))
		if (meaning_hint(name) != 0)
			return true;
	return false;
}

/* ---- as a whole ---- */

bool altered_is_empty(const struct altered *a)
{
	return buffer_len(&a->names) == 0 && !a->all;
}

bool altered_is_passing(const struct altered *a)
{
	struct slice name;
	size_t at = 0;
	enum altered_how how;

	while (altered_next(a, &at, &name, &how))
		if (how != ALTERED_LOCALLY)
			return false;
	return !a->all;
}

void altered_move(struct altered *from, struct altered *to)
{
	struct slice name;
	size_t at = 0;
	enum altered_how how;

	while (altered_next(from, &at, &name, &how))
		note_name(to, name, how, altered_value_len(name));
	to->all |= from->all;
	to->resets |= from->resets;
	to->resets_all |= from->resets_all;
	to->discards |= from->discards;
	to->is_beyond |= from->is_beyond;
	to->may_be_undone |= from->may_be_undone;
	altered_clear(from);
}

void altered_drop_resets(struct altered *a)
{
	struct buffer names = a->names;
	struct altered rest = {
	    .all = a->all, .is_beyond = a->is_beyond, .may_be_undone = a->may_be_undone};
	struct slice name;
	size_t at = 0;
	enum altered_how how;

	while (altered_next(a, &at, &name, &how))
		note_name(&rest, name, how == ALTERED_RESET ? ALTERED_SET : how,
			  altered_value_len(name));
	*a = rest;
	buffer_fini(&names);
}

void altered_clear(struct altered *a)
{
	buffer_fini(&a->names);
	*a = (struct altered){0};
}
