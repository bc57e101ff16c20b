/*
 * Looking at SQL twice: quickly, at raw bytes, which finds that most texts have no hints;
 * and word by word where something was found or the first keyword says so.
 *
 * The quick look may be wrong in one direction only: what it finds may stand in a string
 * or a comment. A statement that is not right has no effect at all, and none of those
 * beside it has, so nothing below cares whether a statement makes sense.
 */
#include "proto/sqlscan.h"

#include "proto/sqllex.h"

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

/* ---- functions ---- */

static const struct function {
	const char *name;
	uint32_t hint;
} functions[] = {
    {"set_config", SQL_CONFIGURES},
    {"set_limit", SQL_CONFIGURES}, /* of pg_trgm: sets a parameter of its own */
    {"nextval", SQL_STEPS},
    {"setval", SQL_STEPS},
    {"currval", SQL_CURRENTS},
    {"lastval", SQL_CURRENTS},
    {"pg_advisory_lock", SQL_LOCKS},
    {"pg_advisory_lock_shared", SQL_LOCKS},
    {"pg_try_advisory_lock", SQL_LOCKS},
    {"pg_try_advisory_lock_shared", SQL_LOCKS},
    {"pg_advisory_unlock", SQL_UNLOCKS},
    {"pg_advisory_unlock_shared", SQL_UNLOCKS},
    {"pg_advisory_unlock_all", SQL_UNLOCKS},
};

enum { FUNCTION_NAME_MIN = 6, FUNCTION_NAME_MAX = 27 };

static bool is_folded(struct slice s, const char *name)
{
	for (size_t i = 0; i < s.len; i++)
		if (name[i] == '\0' || (s.data[i] | 0x20) != ((uint8_t)name[i] | 0x20))
			return false;
	return name[s.len] == '\0';
}

/* Of a name in any case, which ends as one of the table does. */
static uint32_t function_hint(struct slice name)
{
	for (size_t i = 0; i < sizeof(functions) / sizeof(functions[0]); i++)
		if (name.len >= FUNCTION_NAME_MIN && name.len <= FUNCTION_NAME_MAX &&
		    is_folded(name, functions[i].name))
			return functions[i].hint;
	return 0;
}

static bool ends_as_function(uint8_t last_but_one, uint8_t last)
{
	switch (WORD2(last_but_one, last)) {
	case WORD2('a', 'l'): /* val */
	case WORD2('c', 'k'): /* lock */
	case WORD2('e', 'd'): /* shared */
	case WORD2('i', 'g'): /* config */
	case WORD2('i', 't'): /* limit */
	case WORD2('l', 'l'): /* all */
		return true;
	}
	return false;
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
	if (end - start < FUNCTION_NAME_MIN)
		return 0;
	/* A comment may stand between the name and the parenthesis. */
	if ((end[-1] == '/' && end[-2] == '*') || (is_new_line && has_line_comments(q)))
		return LOOK_CLOSER;
	end -= end[-1] == '"';
	if (!ends_as_function(end[-2], end[-1]))
		return 0;
	const uint8_t *name = end;
	while (name > start && end - name <= FUNCTION_NAME_MAX &&
	       sqllex_is_word(name[-1]))
		name--;
	uint32_t hint = function_hint(slice_of(name, (size_t)(end - name)));
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

static lanes lanes_folded(const uint8_t *at)
{
	lanes l;

	memcpy(&l, at, sizeof(l));
	return l | 0x20;
}

static lanes lanes_with(const uint8_t *at, const char letters[5])
{
	return (lanes)(lanes_folded(at) == (uint8_t)letters[0]) &
	       (lanes)(lanes_folded(at + 1) == (uint8_t)letters[1]) &
	       (lanes)(lanes_folded(at + 2) == (uint8_t)letters[2]) &
	       (lanes)(lanes_folded(at + 3) == (uint8_t)letters[3]);
}

static bool any_lane(lanes l)
{
	uint64_t halves[2];

	memcpy(halves, &l, sizeof(halves));
	return (halves[0] | halves[1]) != 0;
}

/* Whether these letters stand anywhere in it, in whatever case. */
static bool has_letters(struct slice s, const char letters[5])
{
	size_t i = 0;

	for (; i + 2 * sizeof(lanes) + 3 <= s.len; i += 2 * sizeof(lanes))
		if (any_lane(lanes_with(s.data + i, letters) |
			     lanes_with(s.data + i + sizeof(lanes), letters)))
			return true;
	for (; i + 4 <= s.len; i++)
		if (is_folded(slice_of(s.data + i, 4), letters))
			return true;
	return false;
}

/* Hints of a text that are right or too many, as far as raw bytes say; or LOOK_CLOSER. */
static uint32_t quick_look(struct slice s, enum verb verb)
{
	uint32_t hints = verb == VERB_INSERT ? SQL_STEPS : 0;

	if (has_more_statements(s) || has_unicode_name(s))
		return LOOK_CLOSER;
	hints |= quick_calls(s);
	if ((verb == VERB_SELECT || verb == VERB_WITH) && has_letters(s, "temp") &&
	    has_letters(s, "into"))
		return LOOK_CLOSER;
	if (verb == VERB_WITH && (has_letters(s, "inse") || has_letters(s, "merg")))
		hints |= SQL_STEPS;
	return hints;
}

/* ---- a statement, word by word ---- */

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

static bool next_is_sign(const struct scan *s, char sign)
{
	struct sql_token next = sqllex_peek(&s->lex);

	return sql_token_is_sign(&next, sign);
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

/* set_config(..., true) is undone at the end of the transaction. */
static bool configures_locally(struct sqllex l)
{
	struct sql_token t = sqllex_next(&l);
	unsigned depth = 0, commas = 0;

	do {
		depth += sql_token_is_sign(&t, '(') || sql_token_is_sign(&t, '[');
		depth -= sql_token_is_sign(&t, ')') || sql_token_is_sign(&t, ']');
		commas += depth == 1 && sql_token_is_sign(&t, ',');
		t = sqllex_next(&l);
	} while (t.kind != SQL_TOKEN_END && depth > 0 && commas < 2);
	if (commas != 2 || !(sql_token_is(&t, "true") || is_folded(t.text, "'true'") ||
			     is_folded(t.text, "'t'")))
		return false;
	t = sqllex_next(&l);
	return sql_token_is_sign(&t, ')');
}

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
	if (name.len < FUNCTION_NAME_MIN ||
	    !ends_as_function(name.data[name.len - 2], name.data[name.len - 1]))
		return 0;
	uint32_t hint = function_hint(name);
	if (hint == SQL_CONFIGURES && configures_locally(s->lex))
		return 0;
	return hint;
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
	return sql_token_is(&t, "temp") || sql_token_is(&t, "temporary") ||
		       is_temp_schema(&t)
		   ? SQL_TEMPS
		   : 0;
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
	if (sql_token_is(&s->before, "as") && take(s, "execute")) {
		s->out.hints |= SQL_EXECUTES;
		take_name(s);
	}
}

static void note_word(struct scan *s)
{
	if (s->is_create)
		note_create_word(s);
	if (next_is_sign(s, '('))
		s->out.hints |= call_hint(s);
	else if (is(s, "into"))
		s->out.hints |= into_hint(s);
	else if (is(s, "insert") || is(s, "merge"))
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
		if (is_folded(slice_of_text(out), names[i]))
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

static void scan_set(struct scan *s)
{
	if (!is_set_as_name(s)) {
		if (is(s, "local"))
			return;
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
static uint32_t read_all_ways(struct slice text)
{
	unsigned doubts = 0;
	uint32_t hints = 0;

	for (unsigned reading = 0; reading < SQLLEX_READINGS; reading++)
		if ((reading & ~doubts) == 0)
			hints |= read_closely(text, reading, &doubts);
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
	struct slice s = without_front(text);
	enum verb verb = verb_of(first_letters(s));
	uint32_t hints = verb == VERB_SLOW ? LOOK_CLOSER : quick_look(s, verb);

	return hints & LOOK_CLOSER ? read_all_ways(text) : hints;
}

bool sqlscan_next(struct slice *rest, struct sql_statement *out)
{
	struct scan s = {.lex = sqllex_of(*rest, 0)};

	if (!scan_statement(&s))
		return false;
	if (s.lex.doubts) {
		/* Nobody knows where it ends. */
		s.out.hints = read_all_ways(*rest) & ~(uint32_t)SQL_IS_MANY;
		s.out.name = (struct slice){0};
		s.lex.rest = slice_after(*rest, rest->len);
	}
	*rest = s.lex.rest;
	*out = s.out;
	return true;
}
