/*
 * See the header.
 */
#include "auth/ident.h"

#include <regex.h>
#include <stdlib.h>

#include "auth/file.h"
#include "auth/tokens.h"
#include "base/text.h"
#include "config/arena.h"
#include "config/errors.h"

struct ident_line {
	struct ident_line *next;
	const char *map, *system_name, *user;
	bool is_regex, is_any_user;
	regex_t regex;
};

struct ident {
	struct arena arena;
	struct ident_line *lines;
};

struct parse {
	struct ident *ident;
	const char *file;
	struct config_errors *errors;
};

/*
 * The C library copies what is repeated: x+ twice, x{9} nine times, what is nested by the
 * product of it all; and repetitions of repetitions take it for ever. So there are
 * bounds.
 */
enum { COPIES_MAX = 255, DEPTH_MAX = 2, GROUPS_MAX = 16 };

/* What a part of an expression amounts to. */
struct cost {
	unsigned long copies;
	unsigned depth; /* of repetitions within repetitions */
};

static void take_dearer(struct cost *to, struct cost other)
{
	if (to->copies < other.copies)
		to->copies = other.copies;
	if (to->depth < other.depth)
		to->depth = other.depth;
}

/* Behind a bracket expression. */
static const char *skip_bracket(const char *at)
{
	at++;
	if (*at == '^')
		at++;
	if (*at == ']')
		at++;
	while (*at && *at != ']')
		at++;
	return *at ? at + 1 : at;
}

/* The bigger number of an interval. */
static unsigned long read_interval(const char *at)
{
	unsigned long most = 1;

	for (at++; *at && *at != '}'; at++) {
		unsigned long n = strtoul(at, NULL, 10);

		if (n > most)
			most = n;
	}
	return most < COPIES_MAX ? most : COPIES_MAX + 1;
}

static bool is_repetition(char c)
{
	return c == '+' || c == '*' || c == '{';
}

static struct cost repeated(struct cost what, const char *by)
{
	unsigned long times = *by == '{' ? read_interval(by) : *by == '+' ? 2 : 1;

	return (struct cost){what.copies * times, what.depth + 1};
}

static bool repeats_too_much(const char *at)
{
	static const struct cost nothing = {.copies = 1};
	struct cost groups[GROUPS_MAX] = {nothing}, last = nothing;
	unsigned open = 0;

	while (*at) {
		char c = *at;

		if (is_repetition(c))
			last = repeated(last, at);
		else if (c == ')' && open > 0)
			last = groups[open--];
		else if (c != '?')
			last = nothing;
		if (c == '(' && ++open == GROUPS_MAX)
			return true;
		if (c == '(')
			groups[open] = nothing;
		take_dearer(&groups[open], last);
		if (last.copies > COPIES_MAX || last.depth > DEPTH_MAX)
			return true;
		at = c == '[' ? skip_bracket(at) : at + 1 + (c == '\\' && at[1]);
	}
	return false;
}

static bool compile(const struct parse *p, unsigned at, struct ident_line *line)
{
	char why[128];
	if (repeats_too_much(line->system_name + 1)) {
		config_errors_add(p->errors, CONFIG_ERROR, p->file, at,
				  "regular expression \"%s\" repeats too much",
				  line->system_name + 1);
		return false;
	}
	int rc = regcomp(&line->regex, line->system_name + 1, REG_EXTENDED);
	if (rc != 0) {
		regerror(rc, &line->regex, why, sizeof(why));
		config_errors_add(p->errors, CONFIG_ERROR, p->file, at,
				  "invalid regular expression \"%s\": %s",
				  line->system_name + 1, why);
		return false;
	}
	line->is_regex = true;
	if (strstr(line->user, "\\1") && line->regex.re_nsub < 1) {
		config_errors_add(p->errors, CONFIG_ERROR, p->file, at,
				  "regular expression \"%s\" has no group for \"\\1\" in "
				  "\"%s\"",
				  line->system_name + 1, line->user);
		return false;
	}
	return true;
}

/* Three fields of one token each. */
static bool has_three(const struct token_line *l)
{
	const struct field *f = l->fields;

	for (unsigned i = 0; i < 3; i++, f = f->next)
		if (!f || f->tokens->next)
			return false;
	return f == NULL;
}

/* False when memory is short. */
static bool take_line(struct parse *p, const struct token_line *l,
		      struct ident_line ***end)
{
	if (!has_three(l)) {
		config_errors_add(p->errors, CONFIG_ERROR, p->file, l->line,
				  "expected three names: map, system user, user");
		return true;
	}
	struct ident_line *line = arena_take(&p->ident->arena, sizeof(*line));
	if (!line)
		return false;
	const struct token *system_name = l->fields->next->tokens;
	const struct token *user = l->fields->next->next->tokens;
	line->map = l->fields->tokens->text;
	line->system_name = system_name->text;
	line->user = user->text;
	line->is_any_user = !user->is_quoted && strcmp(user->text, "all") == 0;
	**end = line;
	*end = &line->next;
	if (system_name->text[0] == '/')
		compile(p, l->line, line);
	return true;
}

struct ident *ident_parse(struct slice text, const char *file,
			  struct config_errors *errors)
{
	struct parse p = {.file = file, .errors = errors};
	size_t before = errors->errors;
	enum tokens_result result = TOKENS_NO_MEMORY;
	struct token_line line;

	p.ident = calloc(1, sizeof(*p.ident));
	if (p.ident) {
		struct tokens tokens = tokens_of(text, file, &p.ident->arena, errors);
		struct ident_line **end = &p.ident->lines;
		do {
			result = tokens_next(&tokens, &line);
			if (result == TOKENS_LINE && !take_line(&p, &line, &end))
				result = TOKENS_NO_MEMORY;
		} while (result == TOKENS_LINE || result == TOKENS_BAD);
	}
	if (result == TOKENS_NO_MEMORY)
		config_errors_add(errors, CONFIG_ERROR, file, 0, "out of memory");
	if (errors->errors == before)
		return p.ident;
	ident_free(p.ident);
	return NULL;
}

struct ident *ident_load(const char *path, struct config_errors *errors)
{
	struct file_text text;

	if (!file_load(path, errors, &text))
		return NULL;
	struct ident *ident = ident_parse(file_bytes(&text), path, errors);
	file_forget(&text);
	return ident;
}

void ident_free(struct ident *ident)
{
	if (!ident)
		return;
	for (struct ident_line *l = ident->lines; l; l = l->next)
		if (l->is_regex)
			regfree(&l->regex);
	arena_fini(&ident->arena);
	free(ident);
}

/* ---- matching ---- */

/* Whether the text with its first \1 replaced by the group is the user. */
static bool is_filled_in(const char *text, struct slice group, struct slice user)
{
	const char *mark = strstr(text, "\\1");

	if (!mark)
		return slice_is_text(user, text);
	size_t head = (size_t)(mark - text), tail = strlen(mark + 2);
	if (user.len != head + group.len + tail)
		return false;
	return slice_equal(slice_first(user, head), slice_of(text, head)) &&
	       slice_equal(slice_of(user.data + head, group.len), group) &&
	       slice_equal(slice_after(user, head + group.len), slice_of(mark + 2, tail));
}

static bool fits_regex(const struct ident_line *line, const char *name, struct slice user)
{
	regmatch_t found[2];
	struct slice group = {0};

	if (regexec(&line->regex, name, 2, found, 0) != 0)
		return false;
	if (line->is_any_user)
		return true;
	if (line->regex.re_nsub > 0 && found[1].rm_so >= 0)
		group = slice_of(name + found[1].rm_so,
				 (size_t)(found[1].rm_eo - found[1].rm_so));
	return is_filled_in(line->user, group, user);
}

bool ident_may_be(const struct ident *ident, const char *map, struct slice system_name,
		  struct slice user)
{
	char name[IDENT_NAME_MAX + 1];

	if (system_name.len == 0 || system_name.len > IDENT_NAME_MAX ||
	    memchr(system_name.data, '\0', system_name.len))
		return false;
	if (!map)
		return slice_equal(system_name, user);
	text_copy(name, sizeof(name), system_name);
	for (const struct ident_line *l = ident ? ident->lines : NULL; l; l = l->next) {
		if (strcmp(l->map, map) != 0)
			continue;
		if (l->is_regex ? fits_regex(l, name, user)
				: slice_is_text(system_name, l->system_name) &&
				      (l->is_any_user || slice_is_text(user, l->user)))
			return true;
	}
	return false;
}
