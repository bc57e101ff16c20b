/*
 * Statements of SQL, word by word. A statement that is not right has no effect at all,
 * and none of those beside it in a text has, so nothing here cares whether a statement
 * makes sense: where it might go on in two ways, the one with more hints is taken.
 */
#include "proto/sqlread.h"

#include "proto/meaning.h"
#include "proto/sqlfunction.h"
#include "proto/sqllex.h"
#include "proto/sqlscan.h"

struct scan {
	struct sqllex lex;
	struct sql_token t, before; /* the token in hand, and the one in front of it */
	unsigned depth;             /* of parentheses */
	unsigned body_depth;        /* of BEGIN ATOMIC ... END, and CASE in there */
	bool is_create;
	struct sql_statement out;
};

static void step(struct scan *s)
{
	s->before = s->t;
	s->t = sqllex_next(&s->lex);
}

static bool is(const struct scan *s, const char *keyword)
{
	return sql_token_is(&s->t, keyword);
}

static bool next_is(const struct scan *s, const char *keyword)
{
	struct sql_token next = sqllex_peek(&s->lex);

	return sql_token_is(&next, keyword);
}

/* A sign is told by its byte alone. */
static bool next_is_sign(const struct scan *s, char sign)
{
	size_t len = sqllex_blank_len(s->lex.rest);

	return len < s->lex.rest.len && s->lex.rest.data[len] == (uint8_t)sign;
}

/* Passes over the keyword if it is next. */
static bool take(struct scan *s, const char *keyword)
{
	if (!is(s, keyword))
		return false;
	step(s);
	return true;
}

static bool is_name(const struct sql_token *t)
{
	return t->kind == SQL_TOKEN_WORD || t->kind == SQL_TOKEN_QUOTED;
}

static bool is_end(const struct scan *s)
{
	return s->t.kind == SQL_TOKEN_END ||
	       (sql_token_is_sign(&s->t, ';') && s->depth == 0 && s->body_depth == 0);
}

static bool next_is_end(const struct scan *s)
{
	return next_is_sign(s, ';') || sqllex_peek(&s->lex).kind == SQL_TOKEN_END;
}

/* The schema of temporary things, also by its number. */
static bool is_temp_schema(const struct sql_token *t)
{
	static const char schema[] = "pg_temp";
	char name[64];

	return is_name(t) && sqlscan_identifier(t->text, name) > 0 &&
	       strncmp(name, schema, strlen(schema)) == 0 &&
	       (name[7] == '\0' || name[7] == '_');
}

/* Takes the words, which begin with the token in hand, for the statement's name. */
static void take_name(struct scan *s)
{
	if (is_name(&s->t))
		s->out.name = s->t.text;
}

/* All from the token in hand up to the last word of the form. */
static void take_form(struct scan *s, const char *last)
{
	const uint8_t *start = s->t.text.data;

	while (!is(s, last) && !next_is_end(s))
		step(s);
	s->out.name = slice_of(start, (size_t)(s->t.text.data + s->t.text.len - start));
}

/* ---- what may stand anywhere ---- */

static bool has_capitals(struct slice s)
{
	for (size_t i = 0; i < s.len; i++)
		if (s.data[i] >= 'A' && s.data[i] <= 'Z')
			return true;
	return false;
}

static uint32_t call_hint(const struct scan *s)
{
	struct slice name = s->t.text;
	char decoded[64];

	if (s->t.kind == SQL_TOKEN_QUOTED)
		name = slice_of(decoded, sqlscan_identifier(s->t.text, decoded));
	if (s->t.kind == SQL_TOKEN_QUOTED && has_capitals(name))
		return 0;
	if (name.len < SQLFUNCTION_MIN ||
	    !sqlfunction_may_end(name.data[name.len - 2], name.data[name.len - 1]))
		return 0;
	uint32_t hint = sqlfunction_hints(name);
	return hint == SQL_CONFIGURES ? sqlfunction_configures(s->lex) : hint;
}

/* SELECT ... INTO [TEMPORARY | TEMP] name; for INSERT INTO the word is a name. */
static uint32_t into_hint(const struct scan *s)
{
	struct sqllex l = s->lex;
	struct sql_token t = sqllex_next(&l);

	if (sql_token_is(&s->before, "insert") || sql_token_is(&s->before, "merge"))
		return 0;
	if (sql_token_is(&t, "local") || sql_token_is(&t, "global"))
		t = sqllex_next(&l);
	bool is_temp = sql_token_is(&t, "temp") || sql_token_is(&t, "temporary") ||
		       is_temp_schema(&t);
	return is_temp ? SQL_MAKES | SQL_TEMPS : SQL_MAKES;
}

/* In the body of a function semicolons end no statement of the text. */
static void note_body(struct scan *s)
{
	if (is(s, "begin") && next_is(s, "atomic"))
		s->body_depth++;
	else if (s->body_depth > 0 && is(s, "case"))
		s->body_depth++;
	else if (s->body_depth > 0 && is(s, "end"))
		s->body_depth--;
}

static void note_create_word(struct scan *s)
{
	note_body(s);
	if (is_temp_schema(&s->t))
		s->out.hints |= SQL_TEMPS;
	if (is(s, "execute") && sql_token_is(&s->before, "as")) {
		step(s);
		s->out.hints |= SQL_EXECUTES;
		take_name(s);
	}
}

static void note_word(struct scan *s)
{
	uint8_t first = s->t.text.data[0] | 0x20;

	if (s->is_create)
		note_create_word(s);
	if (next_is_sign(s, '('))
		s->out.hints |= call_hint(s);
	else if (first == 'i' && is(s, "into"))
		s->out.hints |= into_hint(s);
	else if ((first == 'i' && is(s, "insert")) || (first == 'm' && is(s, "merge")))
		s->out.hints |= SQL_STEPS;
}

static void note_sign(struct scan *s)
{
	if (sql_token_is_sign(&s->t, '('))
		s->depth++;
	else if (sql_token_is_sign(&s->t, ')') && s->depth > 0)
		s->depth--;
}

/* From the token in hand to the end of the statement. */
static void scan_rest(struct scan *s)
{
	for (; !is_end(s); step(s)) {
		if (is_name(&s->t))
			note_word(s);
		else if (s->t.kind == SQL_TOKEN_SIGN)
			note_sign(s);
	}
}

/* ---- statements with hints of their own ---- */

/* Whether the word in hand is a name here, though it may be a keyword elsewhere. */
static bool is_set_as_name(const struct scan *s)
{
	return next_is_sign(s, '.') || next_is_sign(s, '=') || next_is(s, "to");
}

/* name, name.name and so on. */
static void take_dotted(struct scan *s)
{
	const uint8_t *start = s->t.text.data;

	if (!is_name(&s->t))
		return;
	while (next_is_sign(s, '.')) {
		step(s);
		step(s);
	}
	s->out.name = slice_of(start, (size_t)(s->t.text.data + s->t.text.len - start));
}

/* These are of a transaction, by whatever name. */
static bool is_of_transaction(struct slice name)
{
	static const char *const names[] = {
	    "transaction_isolation", "transaction_read_only", "transaction_deferrable"};
	char out[64];

	if (sqlscan_identifier(name, out) == 0)
		return false;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (sqllex_is_folded(slice_of_text(out), names[i]))
			return true;
	return false;
}

/* The parameter of SET or RESET, and whether it is one of the session. */
static bool take_parameter(struct scan *s)
{
	if (is_set_as_name(s))
		take_dotted(s);
	else if (is(s, "transaction") || is(s, "constraints"))
		return false;
	else if (is(s, "time"))
		take_form(s, "zone");
	else if (is(s, "xml"))
		take_form(s, "option");
	else if (is(s, "session") && next_is(s, "authorization"))
		take_form(s, "authorization");
	else if (is(s, "session") && next_is(s, "characteristics"))
		take_form(s, "transaction");
	else
		take_dotted(s);
	return !is_of_transaction(s->out.name);
}

/* What matters beyond the transaction: what is prepared in it. */
static void scan_set_local(struct scan *s)
{
	char out[SQL_NAME_LEN];
	const char *name;

	step(s);
	if (!take_parameter(s))
		return;
	for (unsigned i = 0; (name = sqlscan_parameter(s->out.name, i, out)); i++) {
		s->out.hints |= meaning_hint(slice_of_text(name));
		if (strchr(name, '.'))
			s->out.hints |= SQL_NAMES;
	}
	if (!(s->out.hints & SQL_NAMES))
		s->out.name = (struct slice){0};
}

static void scan_set(struct scan *s)
{
	if (!is_set_as_name(s)) {
		if (is(s, "local")) {
			scan_set_local(s);
			return;
		}
		if (is(s, "session") && !next_is(s, "authorization") &&
		    !next_is(s, "characteristics"))
			step(s);
	}
	if (take_parameter(s))
		s->out.hints |= SQL_SETS;
}

static void scan_reset(struct scan *s)
{
	if (take_parameter(s))
		s->out.hints |= SQL_RESETS;
}

static void scan_prepare(struct scan *s)
{
	/* TRANSACTION may be a statement's name, too. */
	if (is(s, "transaction") && !next_is(s, "as") && !next_is_sign(s, '('))
		return;
	s->out.hints |= SQL_PREPARES;
	take_name(s);
}

static void scan_deallocate(struct scan *s)
{
	struct sql_token next = sqllex_peek(&s->lex);

	if (is_name(&next))
		take(s, "prepare");
	take_name(s);
}

static void take_channel(struct scan *s)
{
	take_name(s);
	if (sql_token_is_sign(&s->t, '*'))
		s->out.name = s->t.text;
}

/* Up to FOR, behind which WITH begins a query. What ends before that is not known. */
static void scan_declare(struct scan *s)
{
	while (!is_end(s) && !is(s, "for") && !is(s, "hold"))
		step(s);
	if (!is(s, "for") && !sql_token_is(&s->before, "without"))
		s->out.hints |= SQL_HOLDS;
}

static void scan_create(struct scan *s)
{
	s->is_create = true;
	s->out.hints |= SQL_MAKES;
	if (take(s, "or"))
		take(s, "replace");
	if (is(s, "local") || is(s, "global"))
		step(s);
	if (is(s, "temp") || is(s, "temporary"))
		s->out.hints |= SQL_TEMPS;
}

/* ---- all statements ---- */

static void pass_parentheses(struct scan *s)
{
	for (; sql_token_is_sign(&s->t, '('); step(s))
		s->depth++;
}

/* What is explained may be carried out. */
static void pass_explain(struct scan *s)
{
	if (!take(s, "explain"))
		return;
	if (sql_token_is_sign(&s->t, '(')) {
		while (!is_end(s) && !sql_token_is_sign(&s->t, ')'))
			step(s);
		step(s);
	}
	while (is(s, "analyze") || is(s, "analyse") || is(s, "verbose"))
		step(s);
	pass_parentheses(s);
}

/* What statements have hints by their first word, and who reads on behind it. */
static const struct rule {
	const char *keyword;
	uint32_t hints;
	void (*scan)(struct scan *s);
} rules[] = {
    {"call", SQL_RUNS_CODE, NULL},
    {"close", SQL_DROPS, NULL},
    {"copy", SQL_STEPS, NULL},
    {"create", 0, scan_create},
    {"deallocate", SQL_DEALLOCATES, scan_deallocate},
    {"declare", 0, scan_declare},
    {"discard", SQL_DISCARDS, take_name},
    {"do", SQL_RUNS_CODE, NULL},
    {"drop", SQL_DROPS, NULL},
    {"execute", SQL_EXECUTES, take_name},
    {"listen", SQL_LISTENS, take_name},
    {"load", SQL_LOADS, NULL},
    {"prepare", 0, scan_prepare},
    {"reset", 0, scan_reset},
    {"set", 0, scan_set},
    {"unlisten", SQL_UNLISTENS, take_channel},
};

static const struct rule *rule_of(const struct sql_token *t)
{
	for (size_t i = 0; i < sizeof(rules) / sizeof(rules[0]); i++)
		if (sql_token_is(t, rules[i].keyword))
			return &rules[i];
	return NULL;
}

/* The statement in front; false where there is none. */
static bool scan_statement(struct scan *s)
{
	do
		step(s);
	while (sql_token_is_sign(&s->t, ';'));
	if (s->t.kind == SQL_TOKEN_END)
		return false;
	pass_parentheses(s);
	pass_explain(s);
	const struct rule *rule = rule_of(&s->t);
	if (rule) {
		step(s);
		s->out.hints |= rule->hints;
		if (rule->scan)
			rule->scan(s);
	}
	scan_rest(s);
	return true;
}

/* One reading of a text; tells of doubts, too. */
static uint32_t read_closely(struct slice text, unsigned reading, unsigned *doubts)
{
	uint32_t hints = 0;

	for (unsigned count = 1;; count++) {
		struct scan s = {.lex = sqllex_of(text, reading)};
		bool is_statement = scan_statement(&s);

		*doubts |= s.lex.doubts;
		if (!is_statement)
			return hints;
		hints |= s.out.hints | (count > 1 ? SQL_IS_MANY : 0);
		text = s.lex.rest;
	}
}

/* Wherever it is in doubt how to read, each way gives its hints. */
uint32_t sqlread_all_ways(struct slice text)
{
	unsigned doubts = 0;
	uint32_t hints = 0;

	for (unsigned reading = 0; reading < SQLLEX_READINGS; reading++)
		if ((reading & ~doubts) == 0)
			hints |= read_closely(text, reading, &doubts);
	return hints;
}

bool sqlscan_next(struct slice *rest, struct sql_statement *out)
{
	struct scan s = {.lex = sqllex_of(*rest, 0)};

	if (!scan_statement(&s))
		return false;
	if (s.lex.doubts) {
		/* Nobody knows where it ends. The name of a SET stands before any
		 * string. */
		if (!(s.out.hints & (SQL_SETS | SQL_NAMES)))
			s.out.name = (struct slice){0};
		s.out.hints = sqlread_all_ways(*rest) & ~(uint32_t)SQL_IS_MANY;
		s.out.is_doubtful = true;
		s.lex.rest = slice_after(*rest, rest->len);
	}
	*rest = s.lex.rest;
	*out = s.out;
	return true;
}
