/*
 * Cuts a copy of the text in place; what is unquoted only gets shorter.
 */
#include "config/connstr.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/crypto.h"
#include "base/text.h"
#include "config/hint.h"

enum outcome { PAIR, END, BAD };

static const char blanks[] = " \t\r\n\v\f";

/* Moves what is quoted at from to its front, without quotes; returns what follows the
 * closing quote, or NULL when there is none. */
static char *unquote(char *from)
{
	char *to = from;

	for (char *at = from + 1; *at; at++) {
		if (*at != '\'') {
			*to++ = *at;
		} else if (at[1] == '\'') {
			*to++ = '\'';
			at++;
		} else {
			*to = '\0';
			return at + 1;
		}
	}
	return NULL;
}

static enum outcome bad(char *why, size_t cap, const char *what,
			const struct connstr_pair *pair)
{
	char shown[HINT_SHOWN_MAX];

	snprintf(why, cap, "%s %s",
		 pair->is_hidden ? "what stands behind the password"
				 : hint_show(pair->key, shown),
		 what);
	return BAD;
}

/* Reads the value of *out, which has its key, at `at`. */
static enum outcome read_value(char *at, char **out_at, struct connstr_pair *out,
			       char *why, size_t cap)
{
	char *end;

	if (*at == '\'') {
		end = unquote(at);
		if (!end)
			return bad(why, cap, "has a quoted value without an end", out);
		if (*end && !strchr(blanks, *end))
			return bad(why, cap,
				   "has something right behind its closing "
				   "quote: a quote inside a value is doubled",
				   out);
	} else {
		end = at + strcspn(at, blanks);
		if (memchr(at, '\'', (size_t)(end - at)))
			return bad(why, cap, "has a quote inside an unquoted value", out);
	}
	/* The text may already end here, and an unquoted value ends at its blank. */
	if (*end)
		*end++ = '\0';
	if (*at == '\0')
		return bad(why, cap, "has no value", out);
	out->value = at;
	*out_at = end;
	return PAIR;
}

/* The next pair of the text at *at, which is cut to pieces: the pair lies inside it. */
static enum outcome next_pair(char **at, struct connstr_pair *out, char *why,
			      size_t why_cap)
{
	char *key = *at + strspn(*at, blanks);

	if (*key == '\0')
		return END;
	char *key_end = key + strcspn(key, " \t\r\n\v\f=");
	char *sign = key_end + strspn(key_end, blanks);
	bool has_value = *sign == '=';
	*key_end = '\0';
	out->key = key;
	if (!has_value)
		return bad(why, why_cap, "is followed by no '=': key=value was expected",
			   out);
	if (*key == '\0') {
		snprintf(why, why_cap, "a '=' has no key before it");
		return BAD;
	}
	char *value = sign + 1;
	return read_value(value + strspn(value, blanks), at, out, why, why_cap);
}

int connstr_refuse_hidden(char *why, size_t why_cap)
{
	snprintf(
	    why, why_cap,
	    "a key behind the password is unknown; it is not shown, as it may be part "
	    "of the password, which stands in single quotes if there are blanks in it");
	return -EINVAL;
}

/* A walk over the text. */
struct walk {
	char *at;
	connstr_fn on_pair;
	void *owner;
	bool hides; /* a password came before, and nothing that is known since */
	bool over;
};

/* Takes one pair. */
static int step(struct walk *w, char *why, size_t why_cap)
{
	struct connstr_pair pair = {.is_hidden = w->hides};
	int rc;

	switch (next_pair(&w->at, &pair, why, why_cap)) {
	case PAIR:
		rc = w->on_pair(w->owner, pair, why, why_cap);
		if (text_equal_nocase(pair.key, "password"))
			w->hides = true;
		else if (rc == 0)
			w->hides = false;
		return rc;
	case END:
		w->over = true;
		return 0;
	case BAD:
		w->over = true;
		return -EINVAL;
	}
	return 0;
}

int connstr_each(const char *text, connstr_fn on_pair, void *owner, char *why,
		 size_t why_cap)
{
	char *copy = strdup(text);
	struct walk walk = {.at = copy, .on_pair = on_pair, .owner = owner};
	size_t used = 0; /* of why */
	int rc = 0;

	if (!copy)
		return -ENOMEM;
	while (!walk.over) {
		size_t start = used == 0 ? 0 : used + 2;
		int one = step(&walk, why + start, why_cap - start);

		if (one == -ENOMEM) {
			rc = one;
			break;
		}
		if (one == 0)
			continue;
		rc = one;
		if (start > 0)
			memcpy(why + used, "; ", 2);
		used = start + strlen(why + start);
		/* Enough has been said. */
		if (used + 80 > why_cap)
			break;
	}
	crypto_wipe(copy, strlen(text));
	free(copy);
	return rc;
}
