/*
 * See the header. What the options mean is in ldap_plan.c.
 */
#include "auth/ldap_options.h"

#include <stdio.h>
#include <string.h>

#include "auth/hba.h"
#include "auth/ldap_plan.h"
#include "auth/tokens.h"
#include "config/errors.h"

void ldap_options_fini(struct ldap_options *options)
{
	arena_fini(&options->arena);
	options->pairs = NULL;
}

bool ldap_options_check(const char *const *pairs, char *why, size_t why_cap)
{
	struct ldap_plan plan;

	if (!ldap_plan_read(pairs, &plan, why, why_cap))
		return false;
	ldap_plan_fini(&plan);
	return true;
}

bool ldap_options_of_rule(const struct hba_option *options, struct ldap_options *out)
{
	struct ldap_options made = {0};
	size_t count = 0;

	for (const struct hba_option *o = options; o; o = o->next)
		count += 2;
	made.pairs = arena_take(&made.arena, (count + 1) * sizeof(*made.pairs));
	if (!made.pairs)
		return false;
	count = 0;
	for (const struct hba_option *o = options; o; o = o->next) {
		made.pairs[count++] = o->name;
		made.pairs[count++] = o->value;
	}
	*out = made;
	return true;
}

/* ---- from a text ---- */

static size_t count_tokens(const struct token_line *line)
{
	size_t count = 0;

	for (const struct field *f = line->fields; f; f = f->next)
		for (const struct token *t = f->tokens; t; t = t->next)
			count++;
	return count;
}

/* The token may be a piece of a password, so it is not shown. */
static bool split(struct ldap_options *o, const struct token *t, const char **name,
		  const char **value, char *why, size_t why_cap)
{
	const char *equals = strchr(t->text, '=');

	if (!equals) {
		snprintf(why, why_cap,
			 "an option is not in name=value format (a value with blanks, "
			 "commas or # must be in quotes)");
		return false;
	}
	*name = arena_text(&o->arena, slice_of(t->text, (size_t)(equals - t->text)));
	*value = equals + 1;
	if (!*name)
		snprintf(why, why_cap, "out of memory");
	return *name != NULL;
}

static bool take_pairs(struct ldap_options *o, const struct token_line *line, char *why,
		       size_t why_cap)
{
	size_t count = 0;

	o->pairs =
	    arena_take(&o->arena, (2 * count_tokens(line) + 1) * sizeof(*o->pairs));
	if (!o->pairs) {
		snprintf(why, why_cap, "out of memory");
		return false;
	}
	for (const struct field *f = line->fields; f; f = f->next)
		for (const struct token *t = f->tokens; t; t = t->next, count += 2)
			if (!split(o, t, &o->pairs[count], &o->pairs[count + 1], why,
				   why_cap))
				return false;
	return true;
}

/* A setting is one line. */
static bool read_line(struct ldap_options *o, const char *text, struct token_line *line,
		      char *why, size_t why_cap)
{
	struct config_errors errors = {0};
	struct tokens tokens = tokens_of(slice_of_text(text), "", &o->arena, &errors);
	bool is_ok = false;

	*line = (struct token_line){0};
	switch (tokens_next(&tokens, line)) {
	case TOKENS_LINE:
	case TOKENS_END:
		is_ok = tokens.rest.len == 0;
		if (!is_ok)
			snprintf(why, why_cap, "the options must be on one line");
		break;
	case TOKENS_BAD:
		snprintf(why, why_cap, "%s",
			 errors.count > 0 ? errors.items[0].text : "out of memory");
		break;
	case TOKENS_NO_MEMORY:
		snprintf(why, why_cap, "out of memory");
		break;
	}
	config_errors_fini(&errors);
	return is_ok;
}

bool ldap_options_parse(const char *text, struct ldap_options *out, char *why,
			size_t why_cap)
{
	struct ldap_options made = {0};
	struct token_line line;

	if (read_line(&made, text, &line, why, why_cap) &&
	    take_pairs(&made, &line, why, why_cap) &&
	    ldap_options_check(made.pairs, why, why_cap)) {
		*out = made;
		return true;
	}
	ldap_options_fini(&made);
	return false;
}
